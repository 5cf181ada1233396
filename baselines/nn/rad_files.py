"""Files of encoders that are taken out of trained RAD policies: what stands in them. Loads no torch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import NonNegativeInt, PositiveInt, model_validator

from harness.agent import Sizes
from harness.assets.encoder_files import is_encoder_file
from harness.baselines import rad, sac
from harness.baselines.nn import shapes
from harness.errors import CheckpointError, CorruptAssetError, UsageError
from harness.reading import Record, parse_json

if TYPE_CHECKING:
    from harness.running.policies import PolicySource

FORM = "rad"  # key of the file's metadata
PREFIXES = ("encoder.", "actor.trunk.")


class RadForm(Record):
    """What the tensors of a file are of."""

    policy: str  # digest of the policy they are from
    task: str  # that it was trained on
    pixels: tuple[PositiveInt, PositiveInt, PositiveInt]  # C, H, W of what it saw
    crop_size: PositiveInt | None  # of which the middle was looked at
    num_shared_layers: PositiveInt
    num_head_layers: NonNegativeInt
    num_filters: PositiveInt
    feature_dim: PositiveInt

    @property
    def config(self) -> rad.Config:
        """The settings that shape it."""
        fields = ("crop_size", "num_shared_layers", "num_head_layers", "num_filters", "feature_dim")
        return rad.Config(**{name: getattr(self, name) for name in fields})

    def tensors(self) -> shapes.Tensors:
        """Names, types and shapes: RAD's convolutions, and the actor's projection with its LayerNorm."""
        whole = sac.tensors(self.config, Sizes(pixels=self.pixels, actions=1, frame_stack=self.pixels[0] // 3))
        return {name: tensor for name, tensor in whole.items() if name.startswith(PREFIXES)}

    @model_validator(mode="after")
    def _check(self) -> RadForm:
        channels, height, width = self.pixels
        if channels % 3 or height != width or self.config.min_image_size > height:
            raise ValueError(f"'pixels' {list(self.pixels)} are no square pictures that it could look at")
        return self


def is_rad_file(name: str) -> bool:
    """Whether a name is one of a file that `harness encoder take` wrote."""
    return is_encoder_file(name) and name.startswith("rad-")


def read_form(path: Path) -> RadForm:
    """What a file says of itself; its tensors are compared with that.

    Raises:
      CorruptAssetError: if it is no such file.
    """
    from harness.running.tensors import misfit, read_metadata, read_shapes

    try:
        text = read_metadata(path).get(FORM, "")
        form = parse_json(text, RadForm, f"{path} holds no encoder of RAD: what it says of itself")
        problem = misfit(read_shapes(path), form.tensors())
    except (CheckpointError, UsageError) as error:
        raise CorruptAssetError(str(error)) from error
    if problem:
        raise CorruptAssetError(f"{path} holds no encoder of RAD: {problem}.")
    return form


def taken_from(source: PolicySource) -> bytes:
    """The file of a trained policy's encoder: convolutions that actor and critic share, and the actor's projection.

    Raises:
      CheckpointError: if the policy is damaged.
    """
    from safetensors.numpy import load_file, save

    source.check_files()
    record = source.record
    if record.pixels is None:
        raise CheckpointError(
            f"The policy in {source.folder} does not say what it saw, as an earlier version wrote it."
        )
    config = rad.Config(**record.config)  # type: ignore[arg-type]
    form = RadForm(
        policy=source.digest,
        task=record.task,
        pixels=record.pixels,
        crop_size=config.crop_size,
        num_shared_layers=config.num_shared_layers,
        num_head_layers=config.num_head_layers,
        num_filters=config.num_filters,
        feature_dim=config.feature_dim,
    )
    tensors = load_file(source.folder / "policy.safetensors")
    return save({name: tensors[name] for name in form.tensors()}, {FORM: form.model_dump_json()})
