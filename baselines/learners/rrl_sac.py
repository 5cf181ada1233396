"""RRL-SAC's learner; settings and sources stand in baselines/rrl_sac.py."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from harness.agent import AgentContext, AgentSpec
from harness.baselines.learners.sac import SAC, follow
from harness.baselines.nn.encoders import Encoder
from harness.baselines.nn.heads import Critic
from harness.baselines.nn.image_features import ImageFeatures
from harness.baselines.nn.observations import pixel_shape, pixels_of
from harness.baselines.nn.rad_features import RadFeatures
from harness.baselines.nn.rad_files import is_rad_file
from harness.baselines.nn.squashed_gaussian import GaussianActor
from harness.baselines.rrl_sac import AGENT, Config
from harness.errors import MissingAssetError

if TYPE_CHECKING:
    from harness.agent import Observation


class Passed(Encoder):
    """Features go on as they are: what made them is frozen and looks at each picture once."""

    def __init__(self, representation_dim: int) -> None:
        super().__init__()
        self.representation_dim = representation_dim

    def forward(self, features: Tensor) -> Tensor:
        return features


class RRLSAC(SAC):
    """SAC whose replay holds features of single pictures; actor and critic take those of a stack side by side.

    An encoder of RAD looks at a stack at once, and the replay holds what it makes of it. What is encoded is encoded one
    at a time, so that a feature does not depend on what else is looked at.
    """

    ARCHITECTURE: ClassVar[tuple[str, ...]] = ("hidden_dim", "encoder", "batch_norm", "log_std_min", "log_std_max")
    POLICY_MODULES: ClassVar[tuple[str, ...]] = (*SAC.POLICY_MODULES, "frozen")

    config: Config  # type: ignore[assignment]

    def __init__(
        self, spec: AgentSpec, context: AgentContext, config: Config, dtype: torch.dtype = torch.float32
    ) -> None:
        self._missing: MissingAssetError | None = None
        self.frozen = self._make_frozen(context, config)
        self._looked: list[tuple[np.ndarray, np.ndarray]] = []  # pictures of the newest observation, and features
        super().__init__(spec, context, config, dtype)  # type: ignore[arg-type]

    @property
    def frame_dtype(self) -> np.dtype[Any]:
        return np.dtype(np.float32)

    @property
    def kept_stack(self) -> int:
        return 1 if isinstance(self.frozen, RadFeatures) else self.context.frame_stack

    def make_encoder(self) -> Passed:
        smallest, size = self.config.min_image_size, self.pixel_shape[1]
        if size < smallest:
            raise ValueError(f"Pictures of {size} pixels are smaller than the {smallest} it needs.")
        return Passed(self.pixel_shape[0] // self.frozen.channels * self.frozen.dim)

    def make_actor(self) -> GaussianActor:
        config = self.config
        return GaussianActor(*self._sizes(), (config.log_std_min, config.log_std_max), nn.Identity())

    def make_critic(self) -> Critic:
        return Critic(*self._sizes(), nn.Identity())

    def kept(self, observation: Observation) -> np.ndarray:
        return self.features(pixels_of(observation)[None])[0]

    def look(self, observations: Tensor, offsets: Tensor) -> Tensor:
        return observations.to(self.dtype)

    def see(self, observations: Observation) -> Tensor:
        return torch.from_numpy(self.features(pixels_of(observations))).to(self.device, self.dtype)

    def features(self, pixels: np.ndarray) -> np.ndarray:
        """uint8 (B, 3 * k, H, W) to float32 (B, k * D), oldest picture first; those seen just before are not redone.

        With an encoder of RAD (B, D).
        """
        if self._missing is not None:
            raise self._missing
        pictures = pixels.reshape(-1, self.frozen.channels, *pixels.shape[2:])
        seen: list[tuple[np.ndarray, np.ndarray]] = []
        for picture in pictures:
            known = next((pair for pair in (*seen, *self._looked) if np.array_equal(pair[0], picture)), None)
            seen.append(known or (picture.copy(), self._encode(picture)))
        self._looked = seen
        return np.stack([features for _, features in seen]).reshape(len(pixels), -1)

    @torch.no_grad()
    def feature_maps(self, observations: Observation) -> np.ndarray:
        """What the network makes of each picture, before the mean over it; see `harness.agent.Encodes`."""
        if self._missing is not None:
            raise self._missing
        stacks = torch.from_numpy(np.ascontiguousarray(pixels_of(observations))).to(self.frozen.mean.device)
        made = [
            torch.cat([self.frozen.maps(seen[None])[0] for seen in each.unflatten(0, (-1, self.frozen.channels))])
            for each in stacks
        ]
        return torch.stack(made).float().cpu().numpy()

    def load_policy(self, folder: Any) -> None:
        super().load_policy(folder)
        self._missing = None  # a policy file brings its own network
        self._looked = []

    def _encode(self, picture: np.ndarray) -> np.ndarray:
        tensor = torch.from_numpy(np.ascontiguousarray(picture[None])).to(self.frozen.mean.device)
        return self.frozen(tensor)[0].float().cpu().numpy()

    def _make_frozen(self, context: AgentContext, config: Config) -> ImageFeatures | RadFeatures:
        """Reads the frozen weights; where a policy will bring its own, their absence is an error once they are used."""
        if is_rad_file(config.encoder):
            return RadFeatures(context.assets.find(config.encoder))
        made = ImageFeatures(config.encoder, config.batch_norm == "frame", pixel_shape(context)[1])
        if made.is_outside:
            return made
        try:
            made.load(context.assets.find(config.encoder))
        except MissingAssetError as error:
            if not context.evaluation_only:
                raise
            self._missing = error
        return made

    def _num_offsets(self) -> int:
        """Nothing is shifted or cropped."""
        return 1

    def _sizes(self) -> tuple[int, int, int, int]:
        """Features go to the hidden layers without a projection."""
        dim = self.encoder.representation_dim
        return dim, dim, self.config.hidden_dim, self.action_dim

    @torch.no_grad()
    def _update_target(self) -> None:
        for name in ("q1", "q2"):
            follow(getattr(self.target, name), getattr(self.critic, name), self.config.target_rate)


def make(context: AgentContext, config: Config) -> RRLSAC:
    """Builds the agent; `harness.baselines.rrl_sac.AGENT` names this function."""
    return RRLSAC(AGENT, context, config)
