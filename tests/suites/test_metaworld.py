"""Metaworld tasks: start states, successes, camera, shifts that only change what is seen."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import gymnasium
import mujoco
import numpy as np
import pytest
from metaworld.env_dict import ENV_CLS_MAP

from harness.demos import collect_demos
from harness.errors import UsageError
from harness.gym_ids import register
from harness.spec import Suite
from harness.suites.domains import metaworld
from harness.suites.domains.metaworld_protocol import TABLE, TASKS
from harness.suites.drawerworld import SUITE as DRAWERWORLD
from harness.suites.metaworld_visual import SUITE
from harness.suites.shifts.camera import CameraJitter
from harness.suites.shifts.scene_light import SceneLight
from harness.suites.shifts.texture import METAWORLD_TABLES as TABLES
from harness.suites.shifts.texture import Texture, blend, load_picture, training_picture
from tests.suites.metaworld_helpers import (
    STAND_INS,
    first_successes,
    green,
    make_drawerworld,
    make_metaworld,
    physics,
    project,
    random_actions,
    where,
)

pytestmark = pytest.mark.filterwarnings("error:Constant.* may be too high")  # of the scripted policies; nobody sees it


def test_every_task_of_metaworld_can_be_asked_for() -> None:
    assert {metaworld.stock_name(task) for task in TASKS} == set(ENV_CLS_MAP)
    assert SUITE.tasks == ("push", "drawer_open")
    assert set(SUITE.all_tasks) == set(TASKS)
    assert SUITE.check_task("window_close") == "window_close"
    register()
    assert "harness/metaworld_visual-window_close-camera-v1" in gymnasium.registry
    with pytest.raises(UsageError, match="drawer_open"):
        SUITE.check_task("drawer_opem")


@pytest.mark.parametrize("task", ["push", "drawer_open", "pick_place", "handle_press_side"])
def test_an_episode_is_what_metaworld_makes_of_the_same_random_stream(task: str) -> None:
    stock = ENV_CLS_MAP[metaworld.stock_name(task)]()
    stock._set_task_called, stock._freeze_rand_vec, stock.seeded_rand_vec = True, False, True
    stock.np_random = np.random.Generator(np.random.PCG64(np.random.SeedSequence((7, 3))))
    stock.reset()
    ours = make_metaworld(task)
    ours.begin_episode(7, 3)
    for action in random_actions(30):
        observation, reward, *_ = stock.step(action)
        assert ours.step(action).reward == reward
        np.testing.assert_array_equal(ours.observe_state()[:36], observation[:36])
        np.testing.assert_array_equal(ours.data.qpos, stock.data.qpos)
        np.testing.assert_array_equal(ours.data.qvel, stock.data.qvel)


@pytest.mark.parametrize("make", [make_metaworld, make_drawerworld])
def test_episodes_depend_on_seed_and_number_alone(make) -> None:
    actions = random_actions(10)
    simulation = make("drawer_open")
    first = physics(simulation, 5, 1, actions)
    others = {physics(simulation, seed, episode, actions) for seed, episode in [(5, 0), (5, 2), (6, 1), (1, 5)]}
    assert len(others) == 4
    assert first not in others
    assert physics(simulation, 5, 1, actions) == first
    assert physics(make("drawer_open"), 5, 1, actions) == first


def test_another_process_gives_the_same_episodes() -> None:
    code = "from tests.suites.test_metaworld import digest; print(digest())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == digest()


def digest() -> str:
    makers = ((make_metaworld, "push"), (make_drawerworld, "drawer_close"))
    histories = [physics(make(task), 11, 4, random_actions(20)) for make, task in makers]
    return hashlib.sha256(repr(histories).encode()).hexdigest()


def test_first_state_shows_goal_and_objects_of_this_episode() -> None:
    """Metaworld leaves the drawer's pose of the reset before in its first observation, and hides the goal."""
    simulation = make_metaworld("drawer_open")
    for episode in range(3):
        simulation.begin_episode(0, episode)
        state = simulation.observe_state()
        x = simulation.model.body("drawer").pos[0]
        np.testing.assert_allclose(state[4:7], [x, 0.73, 0.09], atol=1e-6)
        np.testing.assert_allclose(state[36:], [x, 0.9 - 0.16 - 0.2, 0.09], atol=1e-9)


def test_more_steps_than_metaworld_allows() -> None:
    simulation = make_metaworld("push")
    simulation.begin_episode(0, 0)
    for _ in range(501):
        result = simulation.step(np.zeros(4, np.float32))
    assert not result.terminated


def test_success_at_any_step_and_at_the_last() -> None:
    simulation = make_metaworld("push")
    simulation.begin_episode(0, 0)
    assert simulation.successes() == {"any_step": False, "final_step": False}
    assert next(iter(simulation.successes())) == "any_step"
    goal, start = simulation.data.site("goal").xpos.copy(), simulation.data.body("obj").xpos.copy()
    seen = []
    for place in (start, goal, start):
        simulation.data.qpos[9:12] = place
        simulation.data.qvel[9:15] = 0.0
        simulation.step(np.zeros(4, np.float32))
        seen.append(tuple(simulation.successes().values()))
    assert seen == [(False, False), (True, True), (True, False)]


def test_near_handle_asks_for_the_gripper_besides() -> None:
    simulation = make_metaworld("drawer_open")
    simulation.begin_episode(0, 0)
    simulation.data.joint("goal_slidey").qpos[0] = -0.19
    simulation.step(np.zeros(4, np.float32))
    expected = {"any_step": True, "any_step_near_handle": False, "final_step": True, "final_step_near_handle": False}
    assert simulation.successes() == expected
    near = simulation._conditions({"success": 1.0, "near_object": 1.0})
    assert near == {"": True, "near_handle": True}


@pytest.mark.parametrize(("task", "low", "high"), [("push", 58, 75), ("drawer_open", 84, 93)])
def test_scripted_policies_succeed(task: str, low: int, high: int) -> None:
    steps = first_successes(make_metaworld(task), metaworld.expert(task), 15, 200, "any_step")
    assert len(steps) == 15
    assert low <= np.median(steps) <= max(steps) <= high


def test_camera_is_where_drm_puts_it() -> None:
    model = make_metaworld("push").model
    camera, original = model.camera(metaworld.CAMERA), model.camera("corner2")
    np.testing.assert_allclose(camera.pos, [0.75, 0.075, 0.7], atol=1e-6)
    np.testing.assert_allclose(camera.quat, original.quat, atol=1e-6)
    assert camera.fovy[0] == original.fovy[0] == 60.0


@pytest.mark.render
@pytest.mark.parametrize("task", SUITE.tasks)
def test_pictures_are_flipped_and_show_the_goal_where_it_is(task: str) -> None:
    size = 112
    simulation = make_metaworld(task, size)
    simulation.begin_episode(2, 0)
    goal = simulation.data.site("goal").xpos.copy()
    row, column = project(simulation, goal, size)
    pixels = simulation.render()
    around = np.zeros((size, size), bool)  # the drawer is green too
    around[round(size - 1 - row) - 3 :, :][:7, round(column) - 3 : round(column) + 4] = True
    assert where(green(pixels) & around) == pytest.approx([size - 1 - row, column], abs=1.0)
    assert pixels.flags.c_contiguous
    assert pixels.flags.owndata
    simulation.close()


@pytest.mark.render
def test_the_picture_is_the_published_mirror_image() -> None:
    """The goal, moved along one axis at a time, goes where the published array has it: rows reversed, columns not.

    The camera stands beyond the table, looks along -x and stands on its head: its own right is -y.
    """
    simulation = make_metaworld("push", 112)
    simulation.begin_episode(2, 0)
    site = simulation.model.site("goal")
    start, moved = site.pos.copy(), {}
    for name, offset in {"here": (0, 0, 0), "+x": (0.08, 0, 0), "+y": (0, 0.08, 0), "+z": (0, 0, 0.08)}.items():
        site.pos[:] = start + offset
        mujoco.mj_forward(simulation.model, simulation.data)
        moved[name] = where(green(simulation.render()))
    right = simulation.data.camera(metaworld.CAMERA).xmat.reshape(3, 3)[:, 0]
    assert right[1] < -0.8
    row, column = moved.pop("here")
    steps = {name: (place[0] - row, place[1] - column) for name, place in moved.items()}
    assert steps["+x"][0] > 2  # down
    assert steps["+z"][0] < -3  # up
    assert steps["+y"][1] < -3  # left, where somebody at the camera would see it go right
    simulation.close()


SHIFTS = tuple(shift for setting in SUITE.settings for shift in setting.shifts)


@pytest.mark.parametrize("task", SUITE.tasks)
def test_shifts_leave_states_rewards_and_successes_bit_identical(task: str) -> None:
    actions = random_actions(60)
    train = physics(make_metaworld(task), 0, 3, actions)
    for shifts in [(shift,) for shift in SHIFTS] + [SHIFTS]:
        simulation = make_metaworld(task, shifts=shifts)
        for shift in shifts:
            shift.bind(simulation, STAND_INS).begin_episode(0, 3)
        assert physics(simulation, 0, 3, actions) == train


@pytest.mark.render
def test_each_shift_is_seen_is_gone_when_closed_and_is_nothing_at_no_intensity() -> None:
    faint = (SceneLight(), Texture(TABLE, TABLES, intensity=0.0), CameraJitter())
    for shift, nothing in zip(SHIFTS, faint, strict=True):
        train = first_picture(())
        assert np.abs(first_picture((shift,)) - train).mean() > 3.0
        if isinstance(shift, Texture):  # resized to another texture's size, so not byte for byte
            assert np.abs(first_picture((nothing,)) - train).mean() < 1.0
        else:
            np.testing.assert_array_equal(first_picture((nothing,)), train)


def first_picture(shifts: tuple) -> np.ndarray:
    simulation = make_metaworld("push", shifts=shifts)
    for shift in shifts:
        shift.bind(simulation, STAND_INS).begin_episode(0, 1)
    simulation.begin_episode(0, 1)
    pixels = simulation.render().astype(int)
    simulation.close()
    return pixels


def test_table_textures_are_drawn_per_episode_and_leave_other_materials() -> None:
    shift = Texture(TABLE, TABLES)
    simulation = make_metaworld("push", shifts=(shift,))
    bound = shift.bind(simulation, STAND_INS)
    before = simulation.model.geom_matid.copy()
    drawn = [bound.begin_episode(0, episode)["texture"] for episode in range(60)]
    assert set(drawn) == set(TABLES)
    assert drawn[7] == bound.begin_episode(0, 7)["texture"]
    changed = np.flatnonzero(simulation.model.geom_matid != before)
    assert set(before[changed]) == {simulation.model.material(TABLE).id}
    assert {simulation.model.body(simulation.model.geom_bodyid[g]).name for g in changed} == {"tablelink"}
    bound.close()
    np.testing.assert_array_equal(simulation.model.geom_matid, before)


def test_texture_of_half_intensity_is_the_mean() -> None:
    simulation = make_metaworld("push")
    base = training_picture(simulation.model, TABLE)
    assert base.shape == (512, 512, 3)
    np.testing.assert_array_equal(base, load_picture("wood2"))
    other = load_picture("brick1")
    np.testing.assert_array_equal(blend(base, other, 1.0), other)
    np.testing.assert_array_equal(blend(base, other, 0.0), base)
    mean = (base.astype(int) + other) / 2
    assert np.abs(blend(base, other, 0.5) - mean).max() <= 0.5


def test_lights_are_scaled_tinted_and_put_back() -> None:
    simulation = make_metaworld("push")
    model = simulation.model
    before = lights(model)
    bound = SceneLight(brightness=2.0, color=0.2, direction=0.5).bind(simulation, STAND_INS)
    draws = [bound.begin_episode(0, episode) for episode in range(50)]
    factors = np.array([draw["brightness"] for draw in draws])
    assert 0.5 <= factors.min() < 0.6
    assert 1.7 < factors.max() <= 2.0
    expected = 0.3 * draws[-1]["brightness"] * np.array(draws[-1]["tint"])  # every light's diffuse is 0.3
    np.testing.assert_allclose(model.light_diffuse, np.tile(expected, (3, 1)), atol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(model.light_dir, axis=1), 1.0, atol=1e-6)
    bound.close()
    np.testing.assert_array_equal(lights(model), before)


def lights(model: mujoco.MjModel) -> np.ndarray:
    return np.concatenate([model.light_diffuse.ravel(), model.light_dir.ravel(), model.vis.headlight.ambient])


@pytest.mark.parametrize(("numbers", "message"), [({"brightness": 0.5}, "at least 1"), ({"color": 2.0}, "from 0 to 1")])
def test_wrong_lights_are_refused(numbers: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        SceneLight(**numbers)


@pytest.mark.render
def test_many_simulations_draw_in_turn_without_disturbing_each_other() -> None:
    makers = [(make_metaworld, "push"), (make_drawerworld, "drawer_open"), (make_metaworld, "drawer_open")] * 2
    alone = []
    for number, (make, task) in enumerate(makers):
        simulation = make(task)
        simulation.begin_episode(0, number)
        alone.append(simulation.render())
        simulation.close()
    together = [make(task) for make, task in makers]
    for _ in range(2):
        for number, simulation in enumerate(together):
            simulation.begin_episode(0, number)
        for simulation, picture in zip(together, alone, strict=True):
            np.testing.assert_array_equal(simulation.render(), picture)
    for simulation in together:
        simulation.close()
    assert len({picture.tobytes() for picture in alone}) == len(alone)


@pytest.mark.parametrize(("suite", "task"), [(SUITE, "push"), (DRAWERWORLD, "drawer_close")])
def test_experts_demonstrate_through_the_environment(suite: Suite, task: str, tmp_path: Path) -> None:
    demos = collect_demos(suite, task, episodes=3, seed=0, out=tmp_path / "demos", store=STAND_INS, pictures=False)
    assert len(demos) == 3
    for demo in demos:
        assert demo.actions.shape == (suite.protocol.episode_frames // 2, 4)
        assert np.abs(demo.actions).max() <= 1.0
        assert demo.states is not None
        assert demo.states.shape == (len(demo.actions) + 1, 39)
