"""RRL-SAC: SAC on features of a frozen ImageNet network, RRL's encoder on DMControl (Shah & Kumar 2021, table 1).

The released code (ShahRutav/pytorch_sac) has other numbers than the paper, and never leaves BatchNorm's training mode:
`batch_norm` "frame" is what its encoder computes, the statistics of the one picture it is shown. With the encoder of a
trained RAD policy it is the same table's "Fixed RAD encoder".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from pydantic import Field, field_validator, model_validator

from harness.agent import AgentSpec
from harness.baselines import sac
from harness.baselines.nn.rad_files import is_rad_file, read_form
from harness.baselines.rrl import check_encoder_file, checked_encoder, encoder_asset

if TYPE_CHECKING:
    from harness.assets.found import FoundAsset


class Config(sac.HeadsConfig):
    """Settings of RRL-SAC; defaults from the paper's table of hyperparameters, those not in it from RAD's SAC."""

    encoder: str = "resnet34"  # name of the asset with the weights, rad-<digest>, or package.module:callable
    batch_norm: Literal["running", "frame"] = "running"  # "frame": of each picture, as the released code
    num_catch_up_updates: int = Field(1, ge=1)
    replay_capacity: int | None = Field(100_000, ge=1)

    @property
    def min_image_size(self) -> int:
        """Statistics of a picture need more than one place in the last layer."""
        return 40 if self.batch_norm == "frame" else 8

    def required_assets(self) -> tuple[str, ...]:
        """The encoder's weights, or the code that makes it."""
        return (encoder_asset(self.encoder),)

    def check_assets(self, found: Mapping[str, FoundAsset]) -> None:
        """Looks at the tensors of a trained encoder."""
        check_encoder_file(self.encoder, found)

    def seen_problem(self, found: Mapping[str, FoundAsset], pixels: tuple[int, int, int]) -> str | None:
        """An encoder of RAD looks at what it was trained on."""
        if not is_rad_file(self.encoder):
            return None
        wanted = read_form(found[self.encoder].files[0]).pixels
        if pixels == wanted:
            return None
        stack, size = wanted[0] // 3, wanted[1]
        return (
            f"{self.encoder} was trained on {stack} stacked pictures of {size} pixels; such are "
            f"--set protocol.image_size={size} --set protocol.frame_stack={stack}"
        )

    @field_validator("encoder")
    @classmethod
    def _check_name(cls, name: str) -> str:
        return name if is_rad_file(name) else checked_encoder(name)

    @model_validator(mode="after")
    def _check_encoder(self) -> Config:
        if self.batch_norm == "frame" and not self.encoder.startswith("resnet"):
            raise ValueError(f"batch_norm 'frame' is of the ResNets, and encoder {self.encoder} is none")
        return self


AGENT = AgentSpec(
    name="rrl_sac",
    version=2,
    maker="harness.baselines.learners.rrl_sac:make",
    description="RRL-SAC: SAC on features of a frozen ResNet-34, of each of the stacked pictures.",
    source="Shah & Kumar 2021 (RRL, arXiv 2107.03380, section 5.8), ShahRutav/pytorch_sac; MishaLaskin/rad@18d079e",
    config=Config,
    image_size=256,
    published_names=("RRL-SAC",),
    preset_settings={"quick": sac.QUICK, "laptop": sac.LAPTOP_HEADS},
)
