"""Graphics cards as the drivers tell of them, without torch: those that compute (CUDA) and those that draw (EGL)."""

from __future__ import annotations

import ctypes
import functools
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

DEVICE_VARIABLE = "MUJOCO_EGL_DEVICE_ID"  # which EGL device MuJoCo and dm_control draw with
MOST_DEVICES = 64
NAME_BYTES = 256
EGL_EXTENSIONS = 0x3055  # EGL 1.0
EGL_CUDA_DEVICE = 0x323A  # of EGL_NV_device_cuda


@dataclass(frozen=True)
class DrawingDevice:
    """A device that EGL offers.

    Attributes:
      card: number of the same card among CUDA's; None if it is none of those.
      is_software: whether the processor draws in its name.
    """

    card: int | None = None
    is_software: bool = False

    def described(self, cards: Sequence[str]) -> str:
        """What it is, for people, with the name of its card."""
        if self.is_software:
            return "the processor"
        return "a device of no CUDA" if self._name(cards) is None else f"{self._name(cards)} (cuda:{self.card})"

    def is_drawn_by(self, renderer: str, cards: Sequence[str], *, software: Callable[[str], bool]) -> bool:
        """Whether GL's name of what draws may be this device's: the processor's, or one that begins with the card's.

        Two cards of one name cannot be told apart by it.
        """
        if self.is_software or software(renderer):
            return self.is_software and software(renderer)
        name = self._name(cards)
        return name is None or renderer.startswith(name)

    def _name(self, cards: Sequence[str]) -> str | None:
        return None if self.card is None or self.card >= len(cards) else cards[self.card]


def card_names() -> tuple[str, ...]:
    """Names of CUDA's cards, in CUDA's order; `CUDA_VISIBLE_DEVICES` hides some and numbers the others anew."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return ()
    count = ctypes.c_int(0)
    if driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(count)) != 0:
        return ()
    return tuple(_card_name(driver, number) for number in range(count.value))


def _card_name(driver: ctypes.CDLL, number: int) -> str:
    name = ctypes.create_string_buffer(NAME_BYTES)
    return name.value.decode(errors="replace") if driver.cuDeviceGetName(name, NAME_BYTES, number) == 0 else ""


def kind_of(device: str) -> str:
    """ "cpu" or "cuda", whatever the card's number, which moves no score."""
    return device.partition(":")[0]


def number_of(device: str) -> int | None:
    """Which card "cuda" or "cuda:1" stands for; None for the processor."""
    kind, _, number = device.partition(":")
    return int(number or 0) if kind == "cuda" else None


def with_card(compute: str, device: str) -> str:
    """What a row says of devices and threads, with the name of the card that computed here.

    Args:
      compute: as planned, such as "cpu, threads 2; evaluated on cuda, threads 1"; its last device is this one.
      device: "cpu", "cuda" or "cuda:1".
    """
    number = number_of(device)
    names = () if number is None else card_names()
    before, found, after = compute.rpartition("cuda, threads")
    if number is None or number >= len(names) or not found:
        return compute
    return f"{before}cuda ({names[number]}), threads{after}"


def without_card(compute: str) -> str:
    """What stands in a row or a record of devices and threads, without the names of cards."""
    return re.sub(r"\bcuda \(.*?\), threads", "cuda, threads", compute)


def draw_on(device: str) -> None:
    """Lets this process draw on the card that computes, where nobody has said which draws; before anything is drawn.

    Without it every process draws on EGL's first device, whichever card was given to it.
    """
    number = number_of(device)
    if number is None or os.environ.get(DEVICE_VARIABLE):
        return
    for place, drawing in enumerate(drawing_devices()):
        if drawing.card == number:
            os.environ[DEVICE_VARIABLE] = str(place)
            return


@functools.cache
def drawing_devices() -> tuple[DrawingDevice, ...]:
    """What EGL offers, in the order that `MUJOCO_EGL_DEVICE_ID` counts; none where EGL cannot be asked."""
    try:
        egl = ctypes.CDLL("libEGL.so.1")
        egl.eglGetProcAddress.restype = ctypes.c_void_p
        query = _function(egl, "eglQueryDevicesEXT", ctypes.c_uint, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
    except (OSError, AttributeError):
        return ()
    found, count = (ctypes.c_void_p * MOST_DEVICES)(), ctypes.c_int(0)
    if not query(MOST_DEVICES, found, ctypes.byref(count)):
        return ()
    return tuple(_told(egl, device) for device in found[: count.value])


def _told(egl: ctypes.CDLL, device: int | None) -> DrawingDevice:
    """What EGL says of one device."""
    text = _function(egl, "eglQueryDeviceStringEXT", ctypes.c_char_p, ctypes.c_void_p, ctypes.c_int)
    extensions = (text(device, EGL_EXTENSIONS) or b"").split()
    if b"EGL_MESA_device_software" in extensions:
        return DrawingDevice(is_software=True)
    if b"EGL_NV_device_cuda" not in extensions:
        return DrawingDevice()
    ask = _function(
        egl, "eglQueryDeviceAttribEXT", ctypes.c_uint, ctypes.c_void_p, ctypes.c_int, ctypes.POINTER(ctypes.c_ssize_t)
    )
    number = ctypes.c_ssize_t(-1)
    return DrawingDevice(number.value if ask(device, EGL_CUDA_DEVICE, ctypes.byref(number)) else None)


def _function(egl: ctypes.CDLL, name: str, result: type, *arguments: type) -> Callable[..., Any]:
    """A function of an extension; raises AttributeError where EGL has none."""
    address = egl.eglGetProcAddress(name.encode())
    if not address:
        raise AttributeError(name)
    return ctypes.CFUNCTYPE(result, *arguments)(address)
