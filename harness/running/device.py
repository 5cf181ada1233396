"""Where networks are computed: `--device`."""

from __future__ import annotations

import ctypes

from harness.errors import UsageError, unknown


def choose_device(name: str) -> str:
    """Resolves "auto", "cpu" or "cuda"; asks the driver, not torch, so that the answer comes at once.

    Raises:
      UsageError: for another name, or "cuda" where there is no CUDA device.
    """
    if name not in ("auto", "cpu", "cuda"):
        raise unknown("device", name, ["auto", "cpu", "cuda"])
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
