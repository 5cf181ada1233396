"""Reads the few published files that are pickles of numpy arrays, without letting them name any code.

A pickle may call whatever its `find_class` resolves. This one resolves only the functions below, which build plain
arrays from bytes; numpy's own unpickling code is not reached, and every other name is refused.
"""

from __future__ import annotations

import io
import pickle
from typing import Any

import numpy as np

from harness.errors import CorruptAssetError

# First object of a file by torch.save before 1.6, from pytorch/pytorch:torch/serialization.py (MAGIC_NUMBER).
TORCH_MAGIC = 0x1950A86A20F9469CFC6C
# What the unpickler trips over in a broken stream.
BROKEN = (EOFError, ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError)
NUMBERS = frozenset({"f4", "f8", "i4", "i8", "u1", "b1"})


def load_arrays(data: bytes) -> Any:
    """The object in a pickle, or in a legacy torch file, made of plain containers, numbers, text and arrays.

    Raises:
      CorruptAssetError: if it names anything else, or is no pickle at all.
    """
    stream = io.BytesIO(data)
    try:
        value = _ArraysOnly(stream).load()
        if value == TORCH_MAGIC:
            _ArraysOnly(stream).load()  # protocol version
            _ArraysOnly(stream).load()  # word sizes and byte order of the machine that wrote it
            value = _ArraysOnly(stream).load()
        return _plain(value)
    except (pickle.UnpicklingError, *BROKEN) as error:  # names are refused with an UnpicklingError
        raise CorruptAssetError(f"Refused to read a pickle: {error}.") from error


class _Dtype:
    """Stands where the pickle names numpy.dtype; plain numbers only."""

    def __init__(self, code: str, align: bool = False, copy: bool = False) -> None:
        if code not in NUMBERS:
            raise pickle.UnpicklingError(f"array of type {code!r}")
        self.dtype = np.dtype(code)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        if state[1] in ("<", ">"):
            self.dtype = self.dtype.newbyteorder(state[1])


class _Array:
    """Stands where the pickle names numpy.ndarray."""

    value: np.ndarray

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, kind, fortran_order, raw = state
        values = np.frombuffer(raw, dtype=kind.dtype)
        self.value = values.reshape(shape, order="F" if fortran_order else "C")


def _reconstruct(kind: type, shape: object, code: object) -> _Array:
    return _Array()


def _scalar(kind: _Dtype, raw: bytes) -> float | int:
    return np.frombuffer(raw, dtype=kind.dtype)[0].item()


def _latin1(text: str, encoding: str) -> bytes:
    """How protocol 2 writes bytes."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"text encoded as {encoding!r}")
    return text.encode("latin1")


_ALLOWED = {("numpy", "ndarray"): _Array, ("numpy", "dtype"): _Dtype, ("_codecs", "encode"): _latin1}
for _module in ("numpy.core.multiarray", "numpy._core.multiarray"):
    _ALLOWED[_module, "_reconstruct"] = _reconstruct
    _ALLOWED[_module, "scalar"] = _scalar


class _ArraysOnly(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"it names {module}.{name}")
        return _ALLOWED[module, name]

    def persistent_load(self, pid: Any) -> Any:
        raise pickle.UnpicklingError("it refers to tensor storage")


def _plain(value: Any) -> Any:
    """Replaces the stand-ins by arrays, all the way down."""
    if isinstance(value, _Array):
        return value.value
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_plain(item) for item in value)
    return value
