"""Names and protocols of the Metaworld suites; loads no simulator."""

from __future__ import annotations

from harness.spec import Protocol

DOMAIN = "harness.suites.domains.metaworld"
DRAWERWORLD_DOMAIN = "harness.suites.domains.metaworld_drawerworld"

# The fifty tasks of metaworld 3.1.1, `drawer_open` for its `drawer-open-v3`.
TASKS = (
    "assembly",
    "basketball",
    "bin_picking",
    "box_close",
    "button_press",
    "button_press_topdown",
    "button_press_topdown_wall",
    "button_press_wall",
    "coffee_button",
    "coffee_pull",
    "coffee_push",
    "dial_turn",
    "disassemble",
    "door_close",
    "door_lock",
    "door_open",
    "door_unlock",
    "drawer_close",
    "drawer_open",
    "faucet_close",
    "faucet_open",
    "hammer",
    "hand_insert",
    "handle_press",
    "handle_press_side",
    "handle_pull",
    "handle_pull_side",
    "lever_pull",
    "peg_insert_side",
    "peg_unplug_side",
    "pick_out_of_hole",
    "pick_place",
    "pick_place_wall",
    "plate_slide",
    "plate_slide_back",
    "plate_slide_back_side",
    "plate_slide_side",
    "push",
    "push_back",
    "push_wall",
    "reach",
    "reach_wall",
    "shelf_place",
    "soccer",
    "stick_pull",
    "stick_push",
    "sweep",
    "sweep_into",
    "window_close",
    "window_open",
)
VISUAL_TASKS = ("push", "drawer_open")
DRAWERWORLD_TASKS = ("drawer_open", "drawer_close")

TABLE = "table_wood"  # the material of Metaworld's table
DRAWERWORLD_TABLE = "table_grid"  # the material of DrawerWorld's table in training

# XuGW-Kevin/DrM: cfgs/task/metaworld.yaml gives 2.1M frames; metaworld_env.py 250 steps of two frames.
VISUAL_PROTOCOL = Protocol(
    action_repeat=dict.fromkeys(TASKS, 2),
    train_frames=dict.fromkeys(TASKS, 2_100_000),
    frame_stack=3,
    image_size=112,
    episode_frames=500,
    eval_episodes=100,
    metric="success",
)

# TonyLianLong/VAI-ReinforcementLearning: 500k training steps of two frames, the 200 frames of Metaworld v1.
DRAWERWORLD_PROTOCOL = Protocol(
    action_repeat=dict.fromkeys(DRAWERWORLD_TASKS, 2),
    train_frames=dict.fromkeys(DRAWERWORLD_TASKS, 1_000_000),
    frame_stack=3,
    image_size=100,
    episode_frames=200,
    eval_episodes=100,
    metric="success",
)
