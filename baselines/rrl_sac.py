"""RRL-SAC: SAC on features of a frozen ImageNet network, RRL's encoder on DMControl (Shah & Kumar 2021, table 1).

The released code (ShahRutav/pytorch_sac) has other numbers than the paper, and never leaves BatchNorm's training mode:
`batch_norm` "frame" is what its encoder computes, the statistics of the one picture it is shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from pydantic import Field, field_validator, model_validator

from harness.agent import AgentSpec
from harness.baselines import sac
from harness.baselines.rrl import check_encoder_file, checked_encoder, encoder_asset

if TYPE_CHECKING:
    from harness.assets.found import FoundAsset


class Config(sac.HeadsConfig):
    """Settings of RRL-SAC; defaults from the paper's table of hyperparameters, those not in it from RAD's SAC."""

    encoder: str = "resnet34"  # name of the asset that holds the weights, or package.module:callable
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

    _check_name = field_validator("encoder")(checked_encoder)

    @model_validator(mode="after")
    def _check_encoder(self) -> Config:
        if self.batch_norm == "frame" and not self.encoder.startswith("resnet"):
            raise ValueError(f"batch_norm 'frame' is of the ResNets, and encoder {self.encoder} is none")
        return self


AGENT = AgentSpec(
    name="rrl_sac",
    version=1,
    maker="harness.baselines.learners.rrl_sac:make",
    description="RRL-SAC: SAC on features of a frozen ResNet-34, of each of the stacked pictures.",
    source="Shah & Kumar 2021 (RRL, arXiv 2107.03380, section 5.8), ShahRutav/pytorch_sac; MishaLaskin/rad@18d079e",
    config=Config,
    image_size=256,
    published_names=("RRL-SAC",),
    preset_settings={"quick": sac.QUICK, "laptop": sac.LAPTOP_HEADS},
)
