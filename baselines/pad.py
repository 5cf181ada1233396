"""PAD as nicklashansen/dmcontrol-generalization-benchmark has it: RAD that goes on learning while it is tested.

Hansen, Jangir, Sun, Alenya, Abbeel, Efros, Pinto, Wang, "Self-Supervised Policy Adaptation during Deployment", 2020. Of
the paper's second losses this is inverse dynamics.
"""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field

from harness.agent import AgentSpec, Sizes
from harness.baselines import sac
from harness.baselines.nn import shapes


class Config(sac.CroppedConfig, sac.AuxiliaryConfig):
    """Settings of DMC-GB's PAD; defaults from its src/arguments.py and scripts/pad.sh."""

    evaluation_settings: ClassVar[tuple[str, ...]] = ("adaptation", "adaptation_batch_size")

    num_shared_layers: int = Field(8, ge=1)
    num_head_layers: int = Field(3, ge=0)
    adaptation: bool = True  # whether it learns in final evaluations; the papers' PAD does
    adaptation_batch_size: int = Field(32, ge=1)  # crops of each observation for one step of that

    def evaluation_notes(self) -> tuple[str, ...]:
        """Which of its two rows this is."""
        if not self.adaptation:
            return ("not adapted at test time",)
        return (f"adapted at test time, {self.adaptation_batch_size} crops a step",)


def inverse_tensors(config: Config, sizes: Sizes) -> shapes.Tensors:
    """What predicts an action from the pictures before and after it."""
    head = shapes.convolutions("inverse.head", config.num_filters, config.num_head_layers, config.num_filters)
    trunk = shapes.trunk("inverse.trunk", sac.representation_dim(config, sizes), config.feature_dim)
    return head | trunk | shapes.mlp("inverse.mlp", 2 * config.feature_dim, config.hidden_dim, sizes.actions)


def tensors(config: Config, sizes: Sizes) -> shapes.Tensors:
    """What a policy file holds: adapting needs what was learned beside, too."""
    return sac.tensors(config, sizes) | inverse_tensors(config, sizes)


def training_bytes(config: Config, sizes: Sizes) -> int:
    """As of SAC; the second optimiser has averages of the shared convolutions, and inverse dynamics to learn."""
    shared = {name: shape for name, shape in sac.tensors(config, sizes).items() if name.startswith("encoder.shared.")}
    own = shapes.num_bytes(inverse_tensors(config, sizes))
    return sac.training_bytes(config, sizes) + 2 * shapes.num_bytes(shared) + 4 * own


PRESETS: dict[str, dict[str, Any]] = {
    "quick": {**sac.QUICK, "auxiliary_learning_rate": 1e-5, "adaptation_batch_size": 2},
    "laptop": sac.CROPPED_LAPTOP,
}

AGENT = AgentSpec(
    name="pad",
    version=1,
    maker="harness.baselines.learners.pad:make",
    description="DMC-GB's PAD: RAD that predicts actions from pictures, and adapts by that at test time.",
    source=f"Hansen et al. 2020; {sac.DMCGB}",
    config=Config,
    image_size=sac.CROPPED_FROM,
    published_names=("PAD",),
    preset_settings=PRESETS,
    tensors=tensors,
    training_bytes=training_bytes,
)
