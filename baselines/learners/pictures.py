"""What agents share that lay pictures over what they see: where these come from, and where their stream stands."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import torch
from pydantic import Field, NonNegativeInt
from torch import Tensor

from harness.baselines.learners.offpolicy import OffPolicy
from harness.baselines.learners.storage import GeneratorState, Meta
from harness.baselines.nn.overlay import OverlayPictures


class PicturesState(Meta):
    """Where the stream of overlay pictures stands, as `OverlayPictures.state` tells."""

    generator: GeneratorState
    epoch: int = Field(ge=-1)
    position: NonNegativeInt


class Pictures(Meta):
    """What a checkpoint holds of them."""

    pictures: PicturesState


class WithPictures(OffPolicy):
    """Part of a learner with a setting `overlay_images`; its checkpoint's parts include `Pictures`."""

    @property
    def picture_size(self) -> int:
        """Height and width of the pictures, pixels."""
        return self.pixel_shape[1]

    @cached_property
    def pictures(self) -> OverlayPictures:
        """The overlay pictures, looked up when first needed: acting needs none."""
        found = self.context.assets.find_pictures(self.config.overlay_images)  # type: ignore[attr-defined]
        return OverlayPictures(found, self.picture_size, self.extra_seed, prefetch=self.device.type == "cuda")

    def draw_pictures(self, num: int) -> Tensor:
        """The next pictures: (num, 3, S, S), values in 0..1, on the agent's device."""
        return torch.from_numpy(self.pictures.draw(num)).to(self.device, self.dtype)

    def extra_state(self) -> dict[str, Any]:
        return {**super().extra_state(), "pictures": self.pictures.state()}

    def set_extra_state(self, meta: Mapping[str, Any]) -> None:
        super().set_extra_state(meta)
        self.pictures.set_state(meta["pictures"])
