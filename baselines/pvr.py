"""PVR: DrQ-v2 or DrM on the tokens of a frozen, pretrained encoder, which are kept in the replay instead of pictures.

Williams and Polydoros, "Pretrained Visual Representations in Reinforcement Learning": each picture goes through the
frozen network once, when it is seen; what the network made of it is stored, stacked, and goes straight to the trunks of
actor and critic. No code is published; see docs/agents.md for what the paper leaves open.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from pydantic import Field, model_validator

from harness.agent import AgentSpec, Sizes
from harness.baselines import drm, drqv2
from harness.baselines.nn import shapes
from harness.baselines.nn.token_specs import LAYER, POOL, Resize, TokenSpec
from harness.errors import CorruptAssetError

if TYPE_CHECKING:
    from harness.assets.found import FoundAsset

TOKEN_BYTES = {"float32": 4, "float16": 2}


DRM_ALONE = sorted({*drm.Config.model_fields} - {*drqv2.Config.model_fields})  # settings that DrQ-v2 does not have


class Config(drm.Config):
    """Settings of PVR: of its learner but for the shift, which would come too late, and of the frozen encoder."""

    learner: Literal["drqv2", "drm"] = "drqv2"  # drm: with the settings of baselines/drm.py, as in the paper
    encoder: str = "resnet18"  # an asset's name (resnet18, dinov2, dinov2_reg, vc1, ...), or package.module:callable
    layer: int = Field(LAYER, ge=1, le=4)  # last layer used, of a ResNet
    pool: int = Field(POOL, ge=0)  # a ResNet's features are averaged to pool x pool; 0: flattened as they are
    registers: bool = True  # keep the register tokens beside the class token, where the encoder has some
    resize: Resize = "native"  # of pictures before the encoder; "224": to 224 x 224
    token_dtype: Literal["float32", "float16"] = "float32"  # of tokens, in the replay and when acting
    frozen_dtype: Literal["float32", "bfloat16"] = "float32"  # of the frozen network; bfloat16: faster, not exact
    shift_pad: int = Field(0, ge=0, le=0)  # as published: what is stored has seen the pictures unshifted

    @property
    def tokens(self) -> TokenSpec:
        """The encoder, and what is taken from it."""
        return TokenSpec(self.encoder, self.layer, self.pool, self.registers, self.resize)

    @property
    def min_image_size(self) -> int:
        """Of which the encoder makes what is asked for."""
        return self.tokens.min_image_size

    def required_assets(self) -> tuple[str, ...]:
        """The encoder's weights, or the code that makes it."""
        return (self.tokens.asset,)

    def picture_problem(self, image_size: int) -> str | None:
        """A transformer takes whole patches."""
        return self.tokens.picture_problem(image_size)

    def check_assets(self, found: Mapping[str, FoundAsset]) -> None:
        """Compares the names and shapes in the encoder's file with the network's."""
        from harness.baselines.nn.file_shapes import shapes_of_file  # here: lists of agents read no files

        for path in () if self.tokens.is_outside else found[self.tokens.asset].files:
            if problem := self.tokens.misfit(shapes_of_file(path)):
                raise CorruptAssetError(f"{path} does not fit encoder {self.encoder}: {problem}.")

    def notes(self) -> tuple[str, ...]:
        """How pictures come to the encoder, which the paper does not say."""
        shown = "as drawn" if self.resize == "native" else "resized to 224"
        frozen = ", in bfloat16" if self.frozen_dtype == "bfloat16" else ""
        scaled = "" if self.tokens.is_outside else ", ImageNet normalisation"
        learner = "; learns as DrM does" if self.learner == "drm" else ""
        return (f"encoder {self.encoder} sees pictures {shown}{scaled}{frozen}{learner}",)

    @model_validator(mode="after")
    def _check_encoder(self) -> Config:
        if problem := self.tokens.problem():
            raise ValueError(problem)
        odd = [name for name in DRM_ALONE if getattr(self, name) != drm.Config.model_fields[name].default]
        if odd and self.learner != "drm":
            raise ValueError(f"{odd[0]} is of the learner drm, and learner is {self.learner}")
        return self


def representation_dim(config: Config, sizes: Sizes) -> int | None:
    """Numbers that describe an observation; None for an encoder from outside."""
    per_picture = config.tokens.num_tokens(sizes.pixels[1])
    return None if per_picture is None else per_picture * sizes.pixels[0] // 3


def tensors(config: Config, sizes: Sizes) -> shapes.Tensors | None:
    """What a policy file holds, the frozen network included; None for an encoder from outside."""
    frozen, width = config.tokens.tensors("encoder.network"), representation_dim(config, sizes)
    if frozen is None or width is None:
        return None
    return frozen | shapes.actor(width, config.feature_dim, config.hidden_dim, sizes.actions)


def training_bytes(config: Config, sizes: Sizes) -> int:
    """The least a training takes: heads, gradients, Adam's averages, the target, and a batch of tokens."""
    width = representation_dim(config, sizes) or 1
    heads = (width, config.feature_dim, config.hidden_dim, sizes.actions)
    critic = shapes.num_bytes(shapes.critic(*heads))
    batch = 2 * config.batch_size * width * (TOKEN_BYTES[config.token_dtype] + shapes.FLOAT_BYTES)
    trained = shapes.num_bytes(shapes.actor(*heads)) + critic
    if config.learner == "drm":
        value = shapes.trunk("value.trunk", width, config.feature_dim)
        trained += shapes.num_bytes(value | shapes.mlp("value.value", config.feature_dim, config.hidden_dim, 1))
    return 4 * trained + critic + batch


# Faster learning or noise that is small sooner left it with one action on cartpole_swingup (docs/laptop.md).
LAPTOP = {
    **{key: value for key, value in drqv2.LAPTOP.items() if key != "shift_pad"},
    "learning_rate": 1e-4,
    "noise_steps": 10_000,
}

AGENT = AgentSpec(
    name="pvr",
    version=1,
    maker="harness.baselines.learners.pvr:make",
    description="DrQ-v2 or DrM on tokens of a frozen encoder (ResNet-18, DINOv2, VC-1, MAE, yours) in the replay.",
    source="Williams and Polydoros 2024 (no code published); facebookresearch/drqv2@c0c650b, XuGW-Kevin/DrM@317116a",
    config=Config,
    task_settings=drqv2.TASK_SETTINGS,
    preset_settings={"quick": drqv2.QUICK, "laptop": LAPTOP},
    tensors=tensors,
    training_bytes=training_bytes,
)
