"""Tasks and protocol that the Adroit suites share; loads no simulator."""

from __future__ import annotations

from harness.spec import Protocol

DOMAIN = "harness.suites.domains.adroit"
SOURCE = (
    "Shah & Kumar 2021 (RRL, arXiv 2107.03380, section 7.8), facebookresearch/RRL@4b7042a and ShahRutav/mj_envs, "
    "branches rrl@5ee75c6 and rrl_vis_dis@0729354; models of gymnasium-robotics 1.4.2"
)

TASKS = ("door", "hammer", "pen", "relocate")  # RRL's sparse rewards
DENSE_TASKS = ("door_dense", "hammer_dense", "pen_dense", "relocate_dense")  # DAPG's; all else is the same

# Who demonstrates, and the third-party files needed for it; humans' recordings are at hand of the door alone.
DEMONSTRATORS = {
    "expert": {task: f"adroit_expert_{task.removesuffix('_dense')}" for task in (*TASKS, *DENSE_TASKS)},
    "human": dict.fromkeys(("door", "door_dense"), "adroit_demos_door"),
}

NUM_CAMERAS = {"relocate": 3, "relocate_dense": 3}  # of the others one

EPISODE_FRAMES = 200
PEN_EPISODE_FRAMES = 100

# RRL's published logs hold 300 iterations of about 40,000 steps. (Its figures stop at 100 iterations for door and
# hammer and at 200 for relocate.)
TRAIN_FRAMES = 12_000_000

# Pictures have 256 pixels, as RRL draws them; resizing and the centre crop to 224 belong to its encoder, so they are
# the agent's business. The paper evaluates distractors over 75 rollouts.
PROTOCOL = Protocol(
    action_repeat=dict.fromkeys(TASKS + DENSE_TASKS, 1),
    train_frames=dict.fromkeys(TASKS + DENSE_TASKS, TRAIN_FRAMES),
    frame_stack=1,
    image_size=256,
    episode_frames=EPISODE_FRAMES,
    eval_episodes=75,
    eval_seed_offset=42,
    metric="success",
    task_episode_frames=dict.fromkeys(("pen", "pen_dense"), PEN_EPISODE_FRAMES),
)
