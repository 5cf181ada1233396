"""The DMControl domain against dm_control itself."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys

import pytest

import harness.rendering.renderer  # noqa: F401 (first: it chooses the GL backend before mujoco is imported)

# isort: split
import mujoco
import numpy as np
from dm_control import suite

from harness.errors import UsageError
from harness.suites.domains.dmcontrol import (
    COLOR_FIELDS,
    DMControlSimulation,
    compile_recolored,
    edit_assets,
    make_simulation,
)
from harness.suites.domains.dmcontrol_protocol import PROTOCOL, TASKS

pytestmark = pytest.mark.render

ONE_PER_DOMAIN = [task for task in TASKS if task != "walker_stand"]
GREEN = dict.fromkeys(("skybox_rgb", "skybox_rgb2", "skybox_markrgb", "grid_rgb1", "grid_markrgb"), (0.2, 0.8, 0.2))
PAINT = {
    "grid_rgb1": (0.11, 0.52, 0.0),
    "grid_rgb2": (0.21, 0.62, 0.1),
    "self_rgb": (0.9, 0.1, 0.4),
    "skybox_rgb": (0.7123456789012345, 0.2, 1.0),
}


def simulation(task: str) -> DMControlSimulation:
    return make_simulation(task, image_size=84, profile="standard", shifts=())


def plain_env(task: str, seed: int):
    domain, _, name = task.rpartition("_")
    return suite.load(domain, name, task_kwargs={"random": seed, "time_limit": 1e6})


def physics_state(env) -> np.ndarray:
    data = env.physics.data.ptr
    return np.concatenate([data.qpos, data.qvel, data.act, [data.time]])


def draw(physics) -> np.ndarray:
    """A picture by mujoco.Renderer as it comes, 640x480 buffer included."""
    with mujoco.Renderer(physics.model.ptr, 84, 84) as renderer:
        renderer.update_scene(physics.data.ptr, 0)
        return renderer.render()


def reload_as_published(env, task: str, colors) -> None:
    """DMC-GB's route: new physics from edited files, the old state put back; the next reset follows."""
    module = importlib.import_module(f"dm_control.suite.{task.rpartition('_')[0]}")
    xml, assets = module.get_model_and_assets()
    state = env.physics.get_state()
    env.physics.reload_from_xml_string(xml, assets=edit_assets(assets, colors))
    env.physics.set_state(state)


@pytest.mark.parametrize("task", TASKS)
def test_start_states_are_those_of_a_fresh_environment_in_any_order(task: str) -> None:
    env = plain_env(task, 7)
    expected = []
    for _ in range(4):
        env.reset()
        expected.append(physics_state(env))
    assert not np.array_equal(expected[0], expected[1])
    ours = simulation(task)
    for order in ((0, 1, 2, 3), (3, 2, 1, 0), (1, 3), (2, 2)):
        for episode in order:
            ours.begin_episode(7, episode)
            np.testing.assert_array_equal(ours.state(), expected[episode])
            ours.step(np.ones(ours.action_size, np.float32))
    ours.begin_episode(8, 0)
    assert not np.array_equal(ours.state(), expected[0])
    ours.begin_episode(7, 1)
    np.testing.assert_array_equal(ours.state(), expected[1])


@pytest.mark.parametrize("task", TASKS)
def test_states_and_rewards_are_dm_controls_whatever_the_colours(task: str) -> None:
    env, ours = plain_env(task, 3), simulation(task)
    ours.recolor(PAINT)
    ours.render()
    random = np.random.RandomState(0)
    for episode in range(2):
        env.reset()
        ours.recolor(GREEN if episode else PAINT)
        ours.begin_episode(3, episode)
        total = 0.0
        for _ in range(40):
            action = random.uniform(-1, 1, ours.action_size).astype(np.float32)
            time_step, result = env.step(action), ours.step(action)
            assert (result.reward, result.terminated) == (float(time_step.reward), False)
            total += result.reward
            np.testing.assert_array_equal(ours.state(), physics_state(env))
        assert 0.0 <= total <= 40.0
    ours.close()


@pytest.mark.parametrize("task", ONE_PER_DOMAIN)
def test_recoloured_pictures_equal_the_published_reload(task: str) -> None:
    env, ours = plain_env(task, 5), simulation(task)
    pictures = []
    for episode, colors in enumerate((PAINT, GREEN, {})):  # the renderer exists from the second on: re-upload
        reload_as_published(env, task, colors)
        env.reset()
        ours.recolor(colors)
        ours.begin_episode(5, episode)
        for _ in range(20 * episode):
            action = np.full(ours.action_size, 0.5, np.float32)
            env.step(action)
            ours.step(action)
        pictures.append(ours.render())
        np.testing.assert_array_equal(pictures[-1], draw(env.physics))
    assert len({picture.tobytes() for picture in pictures}) == len(pictures)
    ours.close()


@pytest.mark.parametrize("task", ONE_PER_DOMAIN)
def test_colours_change_nothing_but_colours(task: str) -> None:
    domain = task.rpartition("_")[0]
    stock, painted = compile_recolored(domain, {}), compile_recolored(domain, {**PAINT, **GREEN})
    fields = [n for n in dir(stock) if isinstance(getattr(stock, n, None), np.ndarray)]
    changed = [n for n in fields if not np.array_equal(getattr(stock, n), getattr(painted, n))]
    assert len(fields) > 300
    assert tuple(changed) == COLOR_FIELDS


@pytest.mark.parametrize("task", ONE_PER_DOMAIN)
def test_pictures_equal_those_of_a_plain_renderer_all_along_an_episode(task: str) -> None:
    """The small buffer, and leaving the floor out of the shadow map, move no pixel."""
    random = np.random.RandomState(1)
    ours = simulation(task)
    ours.begin_episode(0, 0)
    ours.render()
    with mujoco.Renderer(ours.model, 84, 84) as renderer:
        for _ in range(20):
            action = random.uniform(-1, 1, ours.action_size).astype(np.float32)
            for _ in range(25):
                ours.step(action)
            renderer.update_scene(ours.data, 0)
            np.testing.assert_array_equal(ours.render(), renderer.render())
    ours.close()


def test_simulations_side_by_side_do_not_disturb_each_other() -> None:
    alone = {}
    for task in TASKS[1:4]:
        ours = simulation(task)
        ours.begin_episode(1, 0)
        alone[task] = ours.render()
        ours.close()
    together = {task: simulation(task) for task in alone}
    for task, ours in together.items():
        ours.begin_episode(1, 0)
        ours.recolor(PAINT)
        assert not np.array_equal(ours.render(), alone[task])
    for _ in range(2):
        for task, ours in together.items():
            ours.recolor({})
            np.testing.assert_array_equal(ours.render(), alone[task])
    for ours in together.values():
        ours.close()


def test_fast_profile_differs_and_has_a_renderer_name() -> None:
    fast = make_simulation("walker_walk", image_size=84, profile="fast", shifts=())
    standard = simulation("walker_walk")
    for ours in (fast, standard):
        ours.begin_episode(0, 0)
        assert ours.renderer_name() not in ("", "none")
    difference = np.abs(fast.render().astype(int) - standard.render())
    assert 0.0 < difference.mean() < 20.0
    fast.close()
    fast.close()  # twice is harmless
    standard.close()


def test_rendering_works_when_mujoco_was_imported_first() -> None:
    code = (
        "import mujoco, dm_control.suite\n"
        "from harness.suites.domains.dmcontrol import make_simulation\n"
        "s = make_simulation('cartpole_swingup', image_size=84, profile='fast', shifts=())\n"
        "s.begin_episode(0, 0)\n"
        "print(s.render().std() > 1)\n"  # left open: closing at exit must be silent
    )
    env = {k: v for k, v in os.environ.items() if k not in ("MUJOCO_GL", "PYOPENGL_PLATFORM")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, check=True)
    assert done.stdout.strip() == "True"
    assert "Exception ignored" not in done.stderr


def test_wrong_names_are_errors() -> None:
    with pytest.raises(UsageError, match="Did you mean 'walker_walk'"):
        simulation("walker_wlak")
    with pytest.raises(UsageError, match="Did you mean 'skybox_rgb'"):
        compile_recolored("walker", {"skybox_rbg": (0, 0, 0)})


def test_protocol_is_the_published_one() -> None:
    assert set(PROTOCOL.action_repeat) == set(PROTOCOL.train_frames) == set(TASKS)
    assert set(PROTOCOL.action_repeat.values()) == {2}
    assert PROTOCOL.train_frames["cheetah_run"] == 3_000_000
    assert {PROTOCOL.train_frames[task] for task in TASKS if task != "cheetah_run"} == {1_000_000}
    assert (PROTOCOL.frame_stack, PROTOCOL.image_size, PROTOCOL.episode_frames) == (3, 84, 1000)
    assert (PROTOCOL.eval_episodes, PROTOCOL.eval_seed_offset) == (100, 42)
