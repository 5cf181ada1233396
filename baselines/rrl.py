"""RRL: DAPG on the features of a frozen ImageNet network and the hand's joints (Shah & Kumar 2021)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pydantic import Field, field_validator

from harness.agent import AgentSpec, DemoRequest
from harness.assets.encoder_files import is_encoder_file
from harness.baselines.dapg import LAPTOP, QUICK, TASK_SETTINGS
from harness.baselines.dapg import Config as DapgConfig
from harness.baselines.nn import shapes
from harness.baselines.nn.rad_files import is_rad_file, read_form
from harness.baselines.nn.token_specs import OUTSIDE
from harness.errors import CheckpointError, CorruptAssetError

if TYPE_CHECKING:
    from harness.assets.found import FoundAsset

ENCODERS = (
    "resnet34",
    "resnet18_full",
    "resnet50",
    "mobilenetv2",
    "shufflenetv2",
    "resnet18_killthebits",
    "mobilenetv2_tf",
)


def checked_encoder(name: str) -> str:
    """Returns the name of an encoder: one of `ENCODERS`, a file's (`vae-<digest>`), or `package.module:callable`.

    A file of RAD's is none, as it looks at several pictures at once.

    Raises:
      ValueError: otherwise.
    """
    if name not in ENCODERS and not OUTSIDE.fullmatch(name) and not (is_encoder_file(name) and not is_rad_file(name)):
        known = ", ".join(ENCODERS)
        raise ValueError(f"encoder '{name}' is none of {known}, no vae-<digest>, nor package.module:callable")
    return name


def encoder_asset(name: str) -> str:
    """Name of the asset that holds its weights, or of the code that makes it."""
    return f"code:{name}" if ":" in name else name


def check_encoder_file(name: str, found: Mapping[str, FoundAsset]) -> None:
    """Compares names and shapes of a trained encoder's tensors with the network's.

    Raises:
      CorruptAssetError: if they differ.
    """
    from harness.running.tensors import misfit, read_shapes  # here: lists of agents read no files

    if not is_encoder_file(name):
        return
    [path] = found[name].files
    if is_rad_file(name):
        read_form(path)
        return
    try:
        problem = misfit(read_shapes(path), shapes.vae_encoder())
    except CheckpointError as error:
        raise CorruptAssetError(str(error)) from error
    if problem:
        raise CorruptAssetError(f"{path} holds no encoder of a VAE as it is trained here: {problem}.")


CLONING = {"clone_epochs": 30}  # where a budget ends before DAPG gets far; as published, 5 are only a start


class Config(DapgConfig):
    """RRL's released configuration (facebookresearch/RRL@4b7042a); its logs of relocate used `hidden_dim` 512.

    `encoder` is the name of the asset that holds the weights; the last two stand in for torchvision's ResNet-18 and
    MobileNetV2 where those cannot be had, and rows name them. `package.module:callable` makes a network of your own.
    """

    encoder: str = "resnet34"
    proprioception: bool = True  # False: RRL(Vision)
    proprioception_noise: float = Field(default=0.0, ge=0)  # RRL(Noise) 0.02: of each joint's own reading (our choice)

    def required_assets(self) -> tuple[str, ...]:
        """The encoder's weights, or the code that makes it."""
        return (encoder_asset(self.encoder),)

    def check_assets(self, found: Mapping[str, FoundAsset]) -> None:
        """Looks at the tensors of a trained encoder."""
        check_encoder_file(self.encoder, found)

    _check_encoder = field_validator("encoder")(checked_encoder)

    def demos(self) -> DemoRequest | None:
        """The demonstrations it learns from, with pictures."""
        if not self.num_demos:
            return None
        return DemoRequest(self.demo_source, self.num_demos, noisy=self.noisy_demos, pictures=True)


AGENT = AgentSpec(
    name="rrl",
    version=2,
    maker="harness.baselines.learners.rrl:make",
    config=Config,
    description="RRL: DAPG on features of a frozen ResNet-34 and the joints of the hand, with 25 demonstrations.",
    source="Shah & Kumar 2021 (RRL, arXiv 2107.03380), facebookresearch/RRL@4b7042a, aravindr93/mjrl@3871d93",
    learns_from="episodes",
    max_frame_stack=1,
    min_image_size=8,
    published_names=("RRL",),
    task_settings=TASK_SETTINGS,
    preset_settings={"quick": {**QUICK, "episodes_per_update": 2, "num_demos": 2}, "laptop": {**LAPTOP, **CLONING}},
)
