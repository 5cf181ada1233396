"""Names and shapes of the tensors in a torch file, read without torch and without letting the file name any code.

Such a file is a pickle that refers to its numbers by a key: either a zip archive (since torch 1.6) or the pickles one
after the other. Only the pickle is read; of the functions it may name, the ones below stand in for those of torch.
"""

from __future__ import annotations

import io
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from harness.assets.restricted_pickle import BROKEN, TORCH_MAGIC
from harness.errors import CorruptAssetError

Shapes = dict[str, tuple[int, ...]]

MAX_PICKLE = 100_000_000  # bytes; that of a large network has a few thousand


def read_torch_shapes(path: Path) -> Shapes:
    """Names and shapes of a file of tensors; of those below `model`, where it has that.

    Raises:
      CorruptAssetError: if it is no such file, or holds something else.
    """
    try:
        found = _first_object(path)
    except (OSError, zipfile.BadZipFile, pickle.UnpicklingError, *BROKEN) as error:
        raise CorruptAssetError(f"{path} is not a file of tensors ({error or type(error).__name__}).") from error
    inner = found.get("model", found) if isinstance(found, Mapping) else found
    if not isinstance(inner, Mapping) or not all(isinstance(value, _Tensor) for value in inner.values()):
        raise CorruptAssetError(f"{path} holds something other than tensors by name.")
    return {str(name): tensor.shape for name, tensor in inner.items()}


def _first_object(path: Path) -> Any:
    if not zipfile.is_zipfile(path):
        with path.open("rb") as stream:
            return _after_the_head(stream)
    with zipfile.ZipFile(path) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith("/data.pkl") and name.count("/") == 1)
        if archive.getinfo(name).file_size > MAX_PICKLE:
            raise ValueError("its index is too large")
        return _ShapesOnly(io.BytesIO(archive.read(name))).load()


def _after_the_head(stream: io.BufferedReader) -> Any:
    """What follows the magic number, the protocol and the sizes of words in a file of the older kind."""
    if _ShapesOnly(stream).load() != TORCH_MAGIC:
        raise ValueError("it does not begin as one")
    _ShapesOnly(stream).load()
    _ShapesOnly(stream).load()
    return _ShapesOnly(stream).load()


class _Tensor:
    """Stands for a tensor, of which only the shape is kept."""

    def __init__(self, shape: Any) -> None:
        self.shape = tuple(int(size) for size in shape)


class _Kind:
    """Stands for a type of storage or of numbers."""


class _State(OrderedDict[Any, Any]):
    """An ordered dictionary; torch hangs version numbers on that of a state dict."""

    def __setstate__(self, state: object) -> None:
        """Leaves them out."""


def _rebuilt(storage: object, offset: object, shape: Any, *rest: object) -> _Tensor:
    return _Tensor(shape)


def _parameter(tensor: _Tensor, *rest: object) -> _Tensor:
    return tensor


_STAND_INS: dict[tuple[str, str], Callable[..., Any]] = {
    ("collections", "OrderedDict"): _State,
    ("torch._utils", "_rebuild_tensor"): _rebuilt,
    ("torch._utils", "_rebuild_tensor_v2"): _rebuilt,
    ("torch._utils", "_rebuild_parameter"): _parameter,
}


class _ShapesOnly(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if module in ("torch", "torch.storage") and name.endswith("Storage"):
            return _Kind
        if (module, name) not in _STAND_INS:
            raise pickle.UnpicklingError(f"it names {module}.{name}")
        return _STAND_INS[module, name]

    def persistent_load(self, pid: Any) -> Any:
        return None  # where the numbers lie
