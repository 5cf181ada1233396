"""Environments do not grow with the number of their episodes."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

# Per suite the setting whose reset does most: compiles colours, reads videos, uploads textures, changes the scene.
HEAVIEST = (
    ("color_easy", "walker_walk", "color_easy"),
    ("color_hard", "finger_spin", "color_hard"),
    ("video_easy", "ball_in_cup_catch", "video_easy"),
    ("video_hard", "cheetah_run", "video_hard"),
    ("distracting_cs", "cartpole_swingup", "distracting_0.5"),
    ("dmcgb2", "walker_walk", "color_video_easy"),
    ("jaco_deformed", "place_brick", "deformed_both"),
    ("drawerworld", "drawer_close", "fabric"),
    ("metaworld_visual", "push", "table_texture"),
    ("adroit_distractors", "relocate", "combined"),
    ("adroit_vigen", "pen", "background_video_easy"),
)
WARM_UP, EPISODES = 20, 200  # twenty episodes fill what is kept of videos and textures
PROGRAM = """
import ctypes, gc, sys
import numpy as np
from tests.contract.test_suites import load_suite, make

def pages_held():
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)  # what the allocator keeps for later is not held
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1])

def pages_after(num_episodes):
    for _ in range(num_episodes):
        env.reset()
        env.step(action)
    return pages_held()

def least_after(num_episodes):  # of some looks: pictures of an episode that are read ahead come and go
    pages_after(num_episodes)
    return min(pages_after(1) for _ in range(20))

env = make(load_suite(sys.argv[1]), *sys.argv[2:4])
action = np.zeros(env.action_space.shape, np.float32)
env.reset(seed=0)
print(least_after(int(sys.argv[4])), least_after(int(sys.argv[5])))
"""


@pytest.mark.render
@pytest.mark.slow
@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="reads /proc and asks glibc to give memory back")
@pytest.mark.parametrize(("suite", "task", "setting"), HEAVIEST, ids=[name for name, *_ in HEAVIEST])
def test_two_hundred_episodes_take_no_more_memory(suite: str, task: str, setting: str) -> None:
    arguments = (suite, task, setting, str(WARM_UP), str(EPISODES))
    done = subprocess.run([sys.executable, "-c", PROGRAM, *arguments], capture_output=True, text=True, check=True)
    before, after = map(int, done.stdout.splitlines()[-1].split())
    assert before > 10_000
    assert after < 1.05 * before
