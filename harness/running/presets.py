"""Budgets by name. A preset only fills in numbers; each of them has its own option."""

from __future__ import annotations

from dataclasses import dataclass

from harness.errors import unknown


@dataclass(frozen=True)
class Preset:
    """How much work a run is.

    Attributes:
      train_frames: training budget per task in frames; None takes the suite's published one.
      eval_episodes: episodes per task, setting and seed; None takes the suite's published number.
      num_seeds: training seeds 0 .. num_seeds - 1.
      curve_every_frames: distance of evaluations in the training setting during training, in frames; 0 for none.
      curve_episodes: episodes of each of those.
      threads: CPU threads of one training process. Part of the result (sums are ordered by it), so it is a fixed
        number and not the number of cores at hand.
      checkpoint_sec: least time between two checkpoints of a training, seconds. A checkpoint of PIE-G is a gigabyte.
      stand_ins: whether missing third-party files may be replaced by stand-ins.
    """

    name: str
    description: str
    train_frames: int | None
    eval_episodes: int | None
    num_seeds: int
    curve_every_frames: int
    curve_episodes: int
    threads: int
    checkpoint_sec: float
    stand_ins: bool


PRESETS = {
    preset.name: preset
    for preset in (
        Preset(
            name="quick",
            description="minutes on two CPU cores; shows that all works, the numbers mean nothing yet",
            train_frames=2_000,
            eval_episodes=1,
            num_seeds=1,
            curve_every_frames=0,
            curve_episodes=0,
            threads=1,
            checkpoint_sec=60.0,
            stand_ins=True,
        ),
        Preset(
            name="laptop",
            description="hours on a CPU; real learning, far below the published budgets",
            train_frames=100_000,
            eval_episodes=10,
            num_seeds=1,
            curve_every_frames=10_000,
            curve_episodes=2,
            threads=2,
            checkpoint_sec=120.0,
            stand_ins=False,
        ),
        Preset(
            name="paper",
            description="the suite's published protocol: budgets, episodes, five training seeds",
            train_frames=None,
            eval_episodes=None,
            num_seeds=5,
            curve_every_frames=10_000,
            curve_episodes=10,
            threads=4,
            checkpoint_sec=600.0,
            stand_ins=False,
        ),
    )
}


def load_preset(name: str) -> Preset:
    """Looks a preset up.

    Raises:
      UsageError: if there is none of that name.
    """
    if name not in PRESETS:
        raise unknown("preset", name, PRESETS)
    return PRESETS[name]
