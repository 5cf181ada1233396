"""CURL as nicklashansen/dmcontrol-generalization-benchmark has it: RAD, and a contrastive loss on the critic's encoder.

Laskin, Srinivas, Abbeel, "CURL: Contrastive Unsupervised Representations for Reinforcement Learning", 2020. The
authors' own (MishaLaskin/curl) has four convolutions, latents without a tanh, and two optimisers on the second loss.
"""

from __future__ import annotations

from pydantic import Field

from harness.agent import AgentSpec, Sizes
from harness.baselines import sac
from harness.baselines.nn import shapes


class Config(sac.CroppedConfig, sac.AuxiliaryConfig):
    """Settings of DMC-GB's CURL; defaults from its src/arguments.py and scripts/curl.sh."""

    auxiliary_every_updates: int = Field(1, ge=1)


def training_bytes(config: Config, sizes: Sizes) -> int:
    """As of SAC; the second optimiser has averages of the critic's convolutions and projection, and W to learn."""
    trunk = shapes.trunk("critic.trunk", sac.representation_dim(config, sizes), config.feature_dim)
    shared = shapes.num_bytes(sac.encoder_tensors(config, sizes) | trunk)
    return sac.training_bytes(config, sizes) + 2 * shared + 4 * shapes.FLOAT_BYTES * config.feature_dim**2


AGENT = AgentSpec(
    name="curl",
    version=1,
    maker="harness.baselines.learners.curl:make",
    description="DMC-GB's CURL: RAD, and a contrastive loss on the critic's encoder.",
    source=f"Laskin et al. 2020; {sac.DMCGB}",
    config=Config,
    image_size=sac.CROPPED_FROM,
    published_names=("CURL",),
    preset_settings=sac.CROPPED_PRESETS,
    tensors=sac.tensors,
    training_bytes=training_bytes,
)
