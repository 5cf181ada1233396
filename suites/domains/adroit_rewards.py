"""Rewards and goals of the Adroit tasks as DAPG and RRL define them, as plain functions of measured quantities.

Dense rewards: aravindr93/hand_dapg (Rajeswaran et al. 2018) over vikashplus/mj_envs. Sparse rewards: ShahRutav/mj_envs,
branch `rrl`. All lengths in metres, angles in radians.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

DOOR_CLOSED_ANGLE = 1.57  # of the quadratic term; the door's stop
PEN_DROP_HEIGHT = 0.075  # below it the pen has fallen
LIFTED_HEIGHT = 0.04


class Verdict(NamedTuple):
    """What one step is worth under each definition."""

    sparse: float  # RRL's reward
    dense: float  # DAPG's reward
    goal: bool  # DAPG's goal
    goal_rrl: bool  # RRL's goal
    terminated: bool = False


def distance(a: np.ndarray, b: np.ndarray) -> float:
    """Euclidean distance."""
    return float(np.linalg.norm(a - b))


def judge_door(*, hinge: float, palm: np.ndarray, handle: np.ndarray, qvel: np.ndarray) -> Verdict:
    """The door: `hinge` is its angle, 0 closed, 1.57 open."""
    sparse = -0.1 * (hinge - DOOR_CLOSED_ANGLE) ** 2
    sparse += 2.0 * (hinge > 0.2) + 8.0 * (hinge > 1.0) + 10.0 * (hinge > 1.35)
    dense = sparse - 0.1 * distance(palm, handle) - 1e-5 * float(np.sum(qvel**2))
    return Verdict(sparse, dense, goal=hinge >= 1.35, goal_rrl=hinge > 1.4)


def judge_hammer(
    *, palm: np.ndarray, hammer: np.ndarray, head: np.ndarray, nail: np.ndarray, goal: np.ndarray, qvel: np.ndarray
) -> Verdict:
    """The hammer: `nail` is the nail's head, `goal` where it has to be driven."""
    gap = distance(nail, goal)
    sparse = -10.0 * gap + 25.0 * (gap < 0.02) + 75.0 * (gap < 0.01)
    dense = sparse - 0.1 * distance(palm, hammer) - distance(head, nail) - 0.01 * float(np.linalg.norm(qvel))
    dense += 2.0 * (hammer[2] > LIFTED_HEIGHT and head[2] > LIFTED_HEIGHT)
    return Verdict(sparse, dense, goal=gap < 0.01, goal_rrl=gap < 0.01)


def judge_pen(*, pen: np.ndarray, wanted: np.ndarray, axis: np.ndarray, wanted_axis: np.ndarray) -> Verdict:
    """The pen: positions, and axes divided by the pens' lengths."""
    gap, cosine = distance(pen, wanted), float(axis @ wanted_axis)
    near, dropped = gap < 0.075, bool(pen[2] < PEN_DROP_HEIGHT)
    reached = near and cosine > 0.95
    dense = -gap + cosine + 10.0 * (near and cosine > 0.9) + 50.0 * reached - 5.0 * dropped
    return Verdict(50.0 * reached, dense, goal=reached, goal_rrl=cosine > 0.95, terminated=dropped)


def judge_relocate(*, palm: np.ndarray, ball: np.ndarray, target: np.ndarray) -> Verdict:
    """The ball to be carried to the target."""
    gap = distance(ball, target)
    sparse = 10.0 * (gap < 0.1) + 20.0 * (gap < 0.05)
    dense = sparse - 0.1 * distance(palm, ball)
    if ball[2] > LIFTED_HEIGHT:
        dense += 1.0 - 0.5 * distance(palm, target) - 0.5 * gap
    return Verdict(sparse, dense, goal=gap < 0.1, goal_rrl=gap < 0.1)


JUDGES: Mapping[str, Callable[..., Verdict]] = {
    "door": judge_door,
    "hammer": judge_hammer,
    "pen": judge_pen,
    "relocate": judge_relocate,
}
