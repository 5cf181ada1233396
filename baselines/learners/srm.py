"""RL-ViGen's SRM; settings and sources stand in baselines/srm.py."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from harness.agent import AgentContext
from harness.baselines.learners.ddpg import Draws
from harness.baselines.learners.svea_overlay import SVEAOverlay
from harness.baselines.nn.frequency import remove_band
from harness.baselines.srm import AGENT, Config

DIGITS = 2  # of a band's edges


@dataclass(kw_only=True)
class SrmDraws(Draws):
    """The random choices of an update of SRM."""

    band: tuple[float, float] | None = None  # lower and upper edge, cycles per pixel; None where nothing is removed


class SRM(SVEAOverlay):
    """SVEA whose second view loses one band of frequencies, the same for the whole batch."""

    config: Config

    def views(self, clean: Tensor, draws: Any) -> Sequence[Tensor]:
        clean, strong = super().views(clean, draws)
        return [clean, strong if draws.band is None else remove_band(strong, *draws.band)]

    def draw(self, num: int) -> SrmDraws:
        draws, config = SrmDraws(**vars(super().draw(num))), self.config
        if self._uniform() > config.masking_probability:
            return draws
        low = round(self._uniform() * config.band_start_max, DIGITS)
        draws.band = low, low + round(self._uniform() * config.band_width_max, DIGITS)
        return draws

    def _uniform(self) -> float:
        return float(torch.rand((), generator=self.update_rng, dtype=torch.float64))


def make(context: AgentContext, config: Config) -> SRM:
    """Builds the agent; `harness.baselines.srm.AGENT` names this function."""
    return SRM(AGENT, context, config)
