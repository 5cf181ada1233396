"""The columns that make two rows comparable: rows that differ in one of them never share a cell."""

from __future__ import annotations

# Everything that can move a score; rows that differ here never share a cell. The rest of the columns say which
# sample a row is (seeds, episode), what came out, or what the shift drew.
COMPARISON_KEY = (
    "suite",
    "suite_version",
    "task",
    "setting",
    "agent",
    "agent_version",
    "config_hash",
    "training",
    "preset",
    "train_frames",
    "action_repeat",
    "frame_stack",
    "image_size",
    "episode_frames",
    "render_profile",
    "assets_json",
    "stand_ins",
    "notes",
    "packages_json",
    "compute",
    "gl_renderer",
    "code_revision",
)
