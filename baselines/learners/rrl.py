"""RRL's learner: DAPG whose observations are features of a frozen network, each picture encoded once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from harness.agent import AgentContext
from harness.baselines import rrl
from harness.baselines.learners.npg import NaturalGradientAgent
from harness.baselines.nn.image_features import ImageFeatures
from harness.baselines.nn.observations import pixel_shape
from harness.errors import MissingAssetError, UsageError

if TYPE_CHECKING:
    from harness.agent import Observation
    from harness.demos import DemoSet


class RRL(NaturalGradientAgent):
    """NPG and DAPG on [features of each camera, joints].

    Pictures are encoded one at a time, so that a feature does not depend on what else is encoded with it.
    """

    config: rrl.Config

    def __init__(self, context: AgentContext, config: rrl.Config) -> None:
        if context.frame_stack != 1:
            raise UsageError("RRL sees single pictures: give --set protocol.frame_stack=1.")
        self.encoder = ImageFeatures(config.encoder, image_size=pixel_shape(context)[1])
        self._missing = self._load_encoder(context, config)
        self.encoder.to(context.device)  # policy and value network are small and stay on the CPU
        super().__init__(rrl.AGENT, context, config)

    @property
    def feature_dim(self) -> int:
        space: Any = self.context.observation_space
        pixels = space["pixels"] if hasattr(space, "spaces") else space
        proprio = space["proprio"].shape[0] if hasattr(space, "spaces") and self.config.proprioception else 0
        return int(pixels.shape[0] // 3 * self.encoder.dim + proprio)

    def features(self, observations: Observation) -> np.ndarray:
        """Pixels uint8 (B, 3 * cameras, H, W) and joints (B, P) to float32 (B, F)."""
        if self._missing is not None:
            raise self._missing
        if not isinstance(observations, dict):
            return np.stack([self._encode(picture) for picture in observations])
        images = np.stack([self._encode(picture) for picture in observations["pixels"]])
        if not self.config.proprioception:
            return images
        return np.concatenate([images, self._felt(observations["proprio"])], axis=1)

    def feature_maps(self, observations: Observation) -> np.ndarray:
        """What the network makes of each camera's picture; see `harness.agent.Encodes`."""
        if self._missing is not None:
            raise self._missing
        pictures = observations["pixels"] if isinstance(observations, dict) else observations
        return torch.stack([self.encoder.maps(self._cameras(each)).flatten(0, 1) for each in pictures]).cpu().numpy()

    def demo_features(self, demos: DemoSet) -> list[np.ndarray]:
        """What the policy would have seen before each action of each demonstration, float32 (T, F) each."""
        found = []
        for number, demo in enumerate(demos):
            self._noise_rng.manual_seed(number)
            seen: Any = {"pixels": demo.pixels[:-1], "proprio": demo.proprio[:-1]} if demo.proprio is not None else None  # type: ignore[index]
            found.append(self.features(demo.pixels[:-1] if seen is None else seen))  # type: ignore[index]
        return found

    def _encode(self, picture: np.ndarray) -> np.ndarray:
        """One observation's pictures, uint8 (3 * cameras, H, W), to float32 (cameras * D,)."""
        features = torch.cat([self.encoder(camera[None])[0] for camera in self._cameras(picture)])
        self.context.alive()  # thousands of demonstrations' pictures are encoded in one go
        return features.cpu().numpy()

    def _cameras(self, picture: np.ndarray) -> Tensor:
        """uint8 (3 * cameras, H, W) to (cameras, 3, H, W) where they are encoded."""
        return torch.from_numpy(np.ascontiguousarray(picture)).to(self.context.device).unflatten(0, (-1, 3))

    def _felt(self, proprio: np.ndarray) -> np.ndarray:
        """Joints as they are felt: with noise relative to each reading where the configuration says so."""
        if not self.config.proprioception_noise:
            return proprio.astype(np.float32)
        noise = torch.randn(proprio.shape, generator=self._noise_rng).numpy()
        return (proprio * (1.0 + self.config.proprioception_noise * noise)).astype(np.float32)

    def _load_encoder(self, context: AgentContext, config: rrl.Config) -> MissingAssetError | None:
        """Reads the frozen weights; where a policy will bring its own, their absence is an error once they are used."""
        if self.encoder.is_outside:
            return None
        try:
            self.encoder.load(context.assets.find(config.encoder))
        except MissingAssetError as error:
            if not context.evaluation_only:
                raise
            return error
        return None

    def _identity(self) -> dict[str, Any]:
        return {**super()._identity(), "encoder": self.config.encoder}

    def load_policy(self, folder: Any) -> None:
        super().load_policy(folder)
        self._missing = None

    def _policy_state(self) -> dict[str, Tensor]:
        encoder = {f"encoder.{name}": tensor for name, tensor in self.encoder.state_dict().items()}
        return {**super()._policy_state(), **encoder}


def make(context: AgentContext, config: rrl.Config) -> RRL:
    """Builds the agent; `harness.baselines.rrl.AGENT` names this function."""
    return RRL(context, config)
