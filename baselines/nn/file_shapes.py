"""Names and shapes of the tensors in a published file of weights, told without torch."""

from __future__ import annotations

from pathlib import Path

from harness.assets.torch_shapes import read_torch_shapes
from harness.errors import CheckpointError, CorruptAssetError
from harness.running.tensors import read_shapes


def shapes_of_file(path: Path) -> dict[str, tuple[int, ...]]:
    """Names and shapes in a safetensors file or a torch file of tensors.

    Raises:
      CorruptAssetError: if it is damaged, or holds something else.
    """
    if path.suffix != ".safetensors":
        return read_torch_shapes(path)
    try:
        return {name: shape for name, (_, shape) in read_shapes(path).items()}
    except CheckpointError as error:
        raise CorruptAssetError(str(error)) from error
