"""Tasks and protocol of the Jaco arm suite; loads no simulator."""

from __future__ import annotations

from harness.spec import Protocol

DOMAIN = "harness.suites.domains.jaco"

# All tasks of dm_control's manipulation set about one loose Duplo brick.
TASKS = ("reach_duplo", "lift_brick", "place_brick")

# PIE-G trains its reach_duplo for "medium", 3.1M frames, and keeps a snapshot every 200,000: the last is of 3.0M.
TRAIN_FRAMES = 3_000_000

FRAME_REWARDS = (0.0, 1.0)  # tolerances and their weighted means (dm_control manipulation/reach.py, lift.py, place.py)

PROTOCOL = Protocol(
    action_repeat=dict.fromkeys(TASKS, 2),
    train_frames=dict.fromkeys(TASKS, TRAIN_FRAMES),
    episode_frames=250,  # control steps of 0.04 s: the task's own limit of 10 s
    metric="return",
)
