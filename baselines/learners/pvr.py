"""PVR's learner; settings and sources stand in baselines/pvr.py."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from harness.agent import AgentContext
from harness.baselines.learners.ddpg import DDPG
from harness.baselines.learners.dormancy import Dormancy
from harness.baselines.learners.storage import Meta
from harness.baselines.nn.observations import pixel_shape, pixels_of
from harness.baselines.nn.replay import Batch
from harness.baselines.nn.token_encoder import TokenEncoder, TokenMemory, load_weights, make_network
from harness.baselines.pvr import AGENT, Config
from harness.errors import MissingAssetError

if TYPE_CHECKING:
    from harness.agent import Observation


class Weights(Meta):
    """Whose network a policy has."""

    encoder_weights: str


class Tokens(DDPG):
    """DDPG on tokens: what a frozen network made of each picture when it was seen.

    The replay holds tokens, so that an update looks at no picture; acting goes through the same tokens, rounded as they
    are stored.

    Args:
      network: replaces the pretrained one, for tests.
      weights: identity of what is in `network`.
    """

    ARCHITECTURE: ClassVar[tuple[str, ...]] = (
        *DDPG.ARCHITECTURE,
        *("encoder", "layer", "pool", "registers", "resize", "token_dtype", "frozen_dtype"),
    )
    POLICY: ClassVar[tuple[type[Meta], ...]] = (*DDPG.POLICY, Weights)
    CHECKPOINT: ClassVar[tuple[type[Meta], ...]] = (*DDPG.CHECKPOINT, Weights)

    config: Config
    encoder: TokenEncoder

    def __init__(
        self,
        context: AgentContext,
        config: Config,
        network: nn.Module | None = None,
        weights: str = "given",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self._missing: MissingAssetError | None = None
        if network is None:
            network, weights = self._load_network(context, config)
        self.weights = weights
        channels, size, _ = pixel_shape(context)
        lower = torch.bfloat16 if config.frozen_dtype == "bfloat16" else None
        super().__init__(
            AGENT, context, config, TokenEncoder(config.tokens, network, channels // 3, size, lower), dtype
        )
        self.tokens = TokenMemory(self.encoder, context.frame_stack, self.frame_dtype)

    @property
    def frame_dtype(self) -> np.dtype[Any]:
        return np.dtype(self.config.token_dtype)

    def kept(self, observation: Observation) -> np.ndarray:
        """What the replay keeps of an observation: its tokens."""
        return self.tokens(pixels_of(observation)[None])[0]

    def encode_batch(self, batch: Batch, draws: Any) -> tuple[Tensor, Tensor]:
        return batch.observations.to(self.dtype), batch.next_observations.to(self.dtype)

    def encode(self, pixels: Tensor, *, explore: bool) -> Tensor:
        if self._missing is not None:
            raise self._missing
        return torch.from_numpy(self.tokens(pixels.cpu().numpy())).to(self.device, self.dtype)

    def maps(self, pixels: Tensor) -> Tensor:
        if self._missing is not None:
            raise self._missing
        return torch.stack([self.encoder.maps(each.unflatten(0, (-1, 3))).flatten(0, 1) for each in pixels])

    def policy_facts(self) -> dict[str, Any]:
        return {"encoder_weights": self.weights}

    def set_policy_facts(self, meta: Mapping[str, Any]) -> None:
        self.weights = meta["encoder_weights"]
        self._missing = None
        self.tokens.forget()

    def _load_network(self, context: AgentContext, config: Config) -> tuple[nn.Module, str]:
        """The pretrained network and its identity; a missing file is an error once the network is used."""
        network = make_network(config.tokens)
        if config.tokens.is_outside:
            return network, config.tokens.asset
        try:
            found = context.assets.find(config.tokens.asset)
        except MissingAssetError as error:
            if not context.evaluation_only:
                raise
            self._missing = error  # a policy file brings its own weights
            return network, "absent"
        load_weights(network, found)
        return network, found.identity


class PVR(Tokens):
    """DrQ-v2's learner on tokens."""


class DormantPVR(Dormancy, Tokens):
    """DrM's learner on tokens. A perturbation leaves the frozen network, and its linear layers, alone."""

    CHECKPOINT: ClassVar[tuple[type[Meta], ...]] = (*Dormancy.CHECKPOINT, Weights)
    PERTURBED: ClassVar[Mapping[str, str]] = {
        name: optimizer for name, optimizer in Dormancy.PERTURBED.items() if name != "encoder"
    }

    config: Config


def make(context: AgentContext, config: Config) -> Tokens:
    """Builds the agent; `baselines.pvr.AGENT` names this function."""
    return (DormantPVR if config.learner == "drm" else PVR)(context, config)
