"""Where networks are computed: `--device`."""

from __future__ import annotations

import ctypes

from harness.errors import UsageError, unknown


def choose_device(name: str, *, elsewhere: bool = False) -> str:
    """Resolves "auto", "cpu" or "cuda"; asks the driver, not torch, so that the answer comes at once.

    Args:
      name: as the user wrote it.
      elsewhere: whether other machines compute, so that this one's driver says nothing; "auto" is "cpu" then.

    Raises:
      UsageError: for another name, or "cuda" where there is no CUDA device.
    """
    if name not in ("auto", "cpu", "cuda"):
        raise unknown("device", name, ["auto", "cpu", "cuda"])
    if elsewhere:
        return "cpu" if name == "auto" else name
    has_cuda = _num_cuda_devices() > 0 if name != "cpu" else False
    if name == "cuda" and not has_cuda:
        raise UsageError("There is no CUDA device here; use --device cpu, or run: harness doctor")
    return "cuda" if has_cuda else "cpu"


def _num_cuda_devices() -> int:
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return 0
    count = ctypes.c_int(0)
    if driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(count)) != 0:
        return 0
    return count.value
