"""The dot suite with numbers of its own under `laptop`, for one of its tasks."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

from harness.testing import SUITE as DOTS

NUMBERS = MappingProxyType({"image_size": 20, "action_repeat": 4, "train_frames": 900})

SUITE = replace(DOTS, name="smaller", preset_protocols={"laptop": MappingProxyType({"dot_reach": NUMBERS})})
