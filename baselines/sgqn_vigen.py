"""SGQN as RL-ViGen has it: DrQ-v2 whose critic is consistent under, and whose encoder predicts, what it looks at.

Bertoin, Zouitine, Zouitine, Rachelson, "Look where you look! Saliency-guided Q-networks for generalization in visual
Reinforcement Learning", 2022; gemcollector/RL-ViGen@90d8b8c algos/sgqn.py. The authors' own, on SAC, is the agent
`sgqn`.
"""

from __future__ import annotations

from pydantic import Field

from harness.agent import AgentSpec, Sizes
from harness.baselines import curl_vigen, drqv2, sgqn
from harness.baselines.nn import shapes
from harness.baselines.svea_overlay import RLVIGEN


class Config(curl_vigen.ProjectedConfig):
    """Settings of RL-ViGen's SGQN; defaults from its cfgs/sgqn_config.yaml and algos/sgqn.py."""

    saliency_quantile: float = Field(0.93, ge=0.0, le=1.0)  # pixels below are masked
    consistency_weight: float = Field(0.9, ge=0.0)  # of the loss between values of pictures and masked pictures
    overlay_images: str = "auto"  # "auto", "places365" or a folder: see `harness assets list`
    overlay_weight: float = Field(0.5, ge=0.0, le=1.0)  # of the picture

    def required_assets(self) -> tuple[str, ...]:
        """The overlay pictures."""
        return (f"pictures:{self.overlay_images}",)


def training_bytes(config: Config, sizes: Sizes) -> int:
    """As of DrQ-v2; the second optimiser has averages of the encoder, and a decoder."""
    encoder = shapes.num_bytes(curl_vigen.encoder_tensors(config, sizes))
    decoder = shapes.num_bytes(sgqn.decoder_tensors(config.representation_dim + sizes.actions, sizes))
    return curl_vigen.projected_bytes(config, sizes) + 2 * encoder + 4 * decoder


AGENT = AgentSpec(
    name="sgqn_vigen",
    version=1,
    maker="harness.baselines.learners.sgqn_vigen:make",
    description="RL-ViGen's SGQN: DrQ-v2 with saliency-guided losses (`sgqn` is the authors' own).",
    source=f"Bertoin et al. 2022; {RLVIGEN}",
    config=Config,
    min_image_size=15,  # four convolutions without padding leave one pixel
    task_settings=drqv2.TASK_SETTINGS,
    preset_settings={
        "quick": curl_vigen.QUICK,
        "laptop": {**drqv2.LAPTOP, "update_every_steps": 4},
        "paper": {"overlay_images": "places365"},
    },
    tensors=curl_vigen.tensors,
    training_bytes=training_bytes,
)
