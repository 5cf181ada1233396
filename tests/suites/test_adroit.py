"""The Adroit domain against gymnasium-robotics' stock environments and RRL's published numbers."""

from __future__ import annotations

import subprocess
import sys

import pytest

import harness.rendering.renderer  # noqa: F401 (first: it chooses the GL backend before mujoco is imported)

# isort: split
import mujoco
import numpy as np

from harness.assets.store import AssetStore
from harness.environment import make_env
from harness.errors import MissingAssetError, UsageError
from harness.registry import load_suite
from harness.suites.domains import adroit_rewards as rewards
from harness.suites.domains.adroit import AdroitSimulation, expert, human_demos, make_simulation
from harness.suites.domains.adroit_cameras import CAMERAS
from harness.suites.domains.adroit_expert import Expert
from harness.suites.domains.adroit_models import LIBRARY
from harness.suites.domains.adroit_protocol import DENSE_TASKS, PROTOCOL, TASKS
from harness.suites.domains.adroit_success import SUSTAINED_STEPS, GoalCount

pytestmark = pytest.mark.render

# RRL's files give angles (x-y-z, radians) where this project holds quaternions: (camera, position, angles).
EULER = {
    "door": [("top", (0, 0, 1.5), (0, 0, 3.14))],
    "hammer": [("top", (0, 0, 1.1), (0, 0, 3.14))],
    "pen": [("left", (0.4, -0.2, 0.2), (0, 1.57, 1.57)), ("front", (0, 0.4, 0.2), (-1.57, 0, 3.14))],
    "relocate": [
        ("cam1", (0, -0.04, -1.0), (-3.14, 0, 3.14)),
        ("cam2", (0, 0.8, 0.2), (-1.57, 0, 3.14)),
        ("cam3", (0.8, 0, 0.2), (0, 1.57, 1.57)),
    ],
}


def simulation(task: str, size: int = 84) -> AdroitSimulation:
    return make_simulation(task, image_size=size, profile="fast", shifts=())


def stock_env(task: str):
    """The library's environment as it comes, dense rewards."""
    return LIBRARY[task]()


def derived_seed(seed: int, episode: int) -> int:
    return int(np.random.SeedSequence((seed, episode)).generate_state(1)[0])


def quaternion(angles: tuple[float, float, float]) -> np.ndarray:
    """Rotations about x, then the new y, then the new z."""
    total = np.array([1.0, 0, 0, 0])
    for axis, angle in enumerate(angles):
        turn, product = np.zeros(4), np.zeros(4)
        turn[0], turn[1 + axis] = np.cos(angle / 2), np.sin(angle / 2)
        mujoco.mju_mulQuat(product, total, turn)
        total = product
    return total


@pytest.mark.parametrize("task", TASKS)
def test_cameras_stand_where_rrl_put_them(task: str) -> None:
    model = simulation(task).model
    for name, position, angles in EULER[task]:
        camera = model.camera(name)
        np.testing.assert_allclose(camera.pos, position, atol=1e-6)
        assert abs(camera.quat @ quaternion(angles)) == pytest.approx(1.0, abs=1e-12)
        np.testing.assert_allclose(
            camera.quat * np.sign(camera.quat @ quaternion(angles)), quaternion(angles), atol=1e-6
        )
    assert set(model.cam_fovy) == {45.0}
    assert set(CAMERAS[task]) <= {model.camera(i).name for i in range(model.ncam)}


def test_cameras_of_the_stock_models_stay_where_they_are() -> None:
    ours, stock = simulation("pen").model, stock_env("pen").model
    moved = {"vil_camera": (0.0, -0.8, 0.8), "view_4": (0.4, -0.4, 0.4)}
    for index in range(stock.ncam):
        name = stock.camera(index).name
        np.testing.assert_allclose(ours.camera(name).pos, moved.get(name, stock.camera(name).pos), atol=1e-12)
        np.testing.assert_allclose(ours.camera(name).quat, stock.camera(name).quat, atol=1e-6)


def test_what_rrl_changed_to_be_seen() -> None:
    pen, relocate = simulation("pen").model, simulation("relocate").model
    assert pen.geom("pen").rgba[3] == pen.geom("target").rgba[3] == 1.0
    assert not relocate.light_castshadow.any()
    table = relocate.geom_bodyid == relocate.body("table").id
    assert table.sum() == 5
    assert not relocate.geom_rgba[table].any()
    assert (relocate.geom_contype[table] == stock_env("relocate").model.geom_contype[table]).all()
    np.testing.assert_array_equal(relocate.geom("sphere").rgba, [1, 0, 0, 1])
    assert relocate.geom("sphere").matid == -1
    assert relocate.site("target").rgba[3] == pytest.approx(0.3)


@pytest.mark.parametrize("task", TASKS)
def test_states_are_the_librarys_and_rewards_differ_as_published(task: str) -> None:
    """Dense rewards of the library add a tenth of the palm's distance where DAPG subtracts it; nothing else differs."""
    ours, stock = simulation(f"{task}_dense"), stock_env(task)
    random = np.random.RandomState(0)
    for episode in range(2):
        ours.begin_episode(3, episode)
        stock.reset(seed=derived_seed(3, episode))
        if task == "relocate":
            stock.model.site("target").pos[2] = 0.25
            mujoco.mj_forward(stock.model, stock.data)
            stock.data.qacc_warmstart[:] = ours.data.qacc_warmstart
        np.testing.assert_array_equal(ours.observe_state(), stock._get_obs())
        for _ in range(60):
            action = random.uniform(-1.2, 1.2, ours.action_size).astype(np.float32)
            result = ours.step(action)
            observation, reward, _, _, info = stock.step(action)
            np.testing.assert_array_equal(ours.data.qpos, stock.data.qpos)
            np.testing.assert_array_equal(ours.data.qvel, stock.data.qvel)
            np.testing.assert_array_equal(ours.observe_state(), observation)
            far = palm_distance(task, stock.data)
            assert result.reward == pytest.approx(float(reward) - 0.2 * far, abs=1e-9)
            assert ours.judge().goal == bool(info["success"])


def palm_distance(task: str, data) -> float:
    """From the palm to what the reward wants it at; 0 for the pen, whose reward does not ask."""
    if task == "pen":
        return 0.0
    object_position = data.site("S_handle").xpos if task == "door" else data.body("Object").xpos
    return float(np.linalg.norm(data.site("S_grasp").xpos - object_position))


def test_rewards_at_known_points() -> None:
    zero, up = np.zeros(3), np.array([0.0, 0.0, 1.0])
    closed = rewards.judge_door(hinge=0.0, palm=zero, handle=zero, qvel=zero)
    assert closed.sparse == closed.dense == pytest.approx(-0.1 * 1.57**2)  # RRL's worst return: 200 x this
    opened = rewards.judge_door(hinge=1.38, palm=up, handle=zero, qvel=np.array([10.0]))
    assert opened.sparse == pytest.approx(20.0 - 0.1 * 0.19**2)
    assert opened.dense == pytest.approx(opened.sparse - 0.1 - 1e-3)
    assert (opened.goal, opened.goal_rrl) == (True, False)
    nail = {"palm": zero, "hammer": up, "head": up, "nail": up, "qvel": np.array([3.0, 4.0])}
    driven = rewards.judge_hammer(**nail, goal=up + 0.005 * up)
    assert driven.sparse == pytest.approx(100.0 - 0.05)
    assert driven.dense == pytest.approx(driven.sparse - 0.1 - 0.05 + 2.0)
    assert driven.goal
    fallen = rewards.judge_pen(pen=0.07 * up, wanted=0.14 * up, axis=up, wanted_axis=np.array([0.3, 0, 0.92]))
    assert fallen.dense == pytest.approx(-0.07 + 0.92 + 10.0 - 5.0)
    assert (fallen.sparse, fallen.goal, fallen.goal_rrl, fallen.terminated) == (0.0, False, False, True)
    aligned = rewards.judge_pen(pen=up, wanted=zero, axis=up, wanted_axis=up)
    assert (aligned.goal, aligned.goal_rrl, aligned.terminated) == (False, True, False)
    held = rewards.judge_relocate(palm=0.5 * up, ball=0.5 * up, target=0.54 * up)
    assert held.sparse == pytest.approx(30.0)
    assert held.dense == pytest.approx(30.0 + 1.0 - 0.02 - 0.02)


def test_success_is_counted_under_each_definition() -> None:
    count = GoalCount(2)
    assert not any(count.successes().values())
    for reached in (True, True, False):
        count.add(reached)
    assert count.successes("_x") == {"sustained_x": False, "any_step_x": True, "final_x": False}
    count.add(True)
    assert count.successes() == {"sustained": True, "any_step": True, "final": True}
    assert SUSTAINED_STEPS == {"door": 25, "hammer": 25, "pen": 20, "relocate": 25}


@pytest.mark.parametrize("task", TASKS)
def test_episodes_depend_on_seed_and_number_alone(task: str) -> None:
    ours = simulation(task)
    states = {}
    for number in (0, 1, 2):
        ours.begin_episode(5, number)
        states[number] = ours.state()
    assert len({state.tobytes() for state in states.values()}) == 3
    random = np.random.RandomState(0)
    for number in (2, 0, 0, 1):
        ours.step(random.uniform(-1, 1, ours.action_size))
        ours.begin_episode(5, number)
        np.testing.assert_array_equal(ours.state(), states[number])
        assert not any(ours.successes().values())
    ours.begin_episode(6, 0)
    assert not np.array_equal(ours.state(), states[0])


def test_the_target_of_relocate_has_one_height() -> None:
    ours = simulation("relocate")
    places = []
    for number in range(5):
        ours.begin_episode(0, number)
        places.append(ours.data.site("target").xpos.copy())
    assert {place[2] for place in places} == {0.25}
    assert len({place[0] for place in places}) == 5


@pytest.mark.parametrize("task", TASKS)
def test_proprioception_is_the_hands_joints(task: str) -> None:
    ours = simulation(task)
    ours.begin_episode(0, 0)
    for _ in range(5):
        ours.step(np.full(ours.action_size, 0.5))
    names = [ours.model.joint(i).name for i in range(ours.model.njnt)]
    hand = [i for i, name in enumerate(names) if name[:2] in ("WR", "FF", "MF", "RF", "LF", "TH")]
    assert len(hand) == 24
    np.testing.assert_array_equal(ours.proprioception(), ours.data.qpos[hand].astype(np.float32))


def test_a_fallen_pen_ends_the_episode_and_nothing_else_does() -> None:
    suite, assets = load_suite("adroit_distractors"), AssetStore([], allow_stand_ins=True)
    env = make_env(suite, "pen", "train", assets=assets, draw=False)
    env.reset(seed=0)
    env.simulation.data.joint("OBJTx").qpos[0] = 0.19  # downwards, as the pen lies: below the drop height
    assert env.step(np.zeros(24))[2:4] == (True, False)
    env.close()
    for task, length in (("pen", 100), ("door", 200)):
        env = make_env(suite, task, "train", assets=assets, draw=False)
        env.reset(seed=0)
        ends = [env.step(np.zeros(env.action_space.shape))[2:4] for _ in range(length)]
        assert ends == [(False, False)] * (length - 1) + [(False, True)]
        env.close()


def test_hand_and_object_are_in_view_and_cameras_are_joined_in_order() -> None:
    for task in TASKS:
        ours = simulation(task)
        ours.begin_episode(0, 0)
        picture = ours.render()
        assert picture.shape == (84, 84, 3 * len(CAMERAS[task]))
        model, ball = ours.model, ours.object_bodies[-1]
        hidden = np.isin(model.geom_bodyid, [model.body(ball).id])
        alpha = model.geom_rgba[:, 3].copy()
        for which in (hidden, model.geom_group == 1):  # the object; the hand's meshes
            model.geom_rgba[which, 3] = 0.0
            assert (ours.render() != picture).any(axis=2).sum() > 5
            model.geom_rgba[:, 3] = alpha
            np.testing.assert_array_equal(ours.render(), picture)
        if task == "relocate":
            views = [picture[:, :, 3 * k : 3 * k + 3] for k in range(3)]
            assert not np.array_equal(views[0], views[1])
            for camera, view in zip(CAMERAS[task], views, strict=True):
                np.testing.assert_array_equal(ours._drawer().draw(ours.data, camera), view)
        ours.close()


def test_two_hundred_resets_do_not_grow_the_process() -> None:
    env = make_env(load_suite("adroit_distractors"), "door", "combined", assets=AssetStore([], allow_stand_ins=True),
                   profile="fast")  # fmt: skip
    env.reset(seed=0)
    for _ in range(20):
        env.reset()
    before = resident_bytes()
    for _ in range(200):
        env.reset()
    assert resident_bytes() < 1.05 * before
    env.close()


def resident_bytes() -> int:
    if not sys.platform.startswith("linux"):
        pytest.skip("needs /proc")
    with open("/proc/self/status", encoding="utf-8") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS")) * 1024


def test_the_suites_load_no_simulator() -> None:
    code = (
        "import sys, suites.adroit_distractors, suites.adroit_vigen\n"
        "print([n for n in ('mujoco', 'gymnasium_robotics', 'torch') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_wrong_names_are_errors() -> None:
    with pytest.raises(UsageError, match="Did you mean 'door'"):
        simulation("dor")
    nowhere = AssetStore([], allow_stand_ins=True)
    with pytest.raises(MissingAssetError, match="adroit_expert_door"):
        expert("door", nowhere)
    with pytest.raises(UsageError, match="only of door"):
        human_demos("pen", nowhere)


def test_protocol_is_rrls() -> None:
    assert (PROTOCOL.frame_stack, PROTOCOL.image_size, PROTOCOL.eval_episodes) == (1, 256, 75)
    lengths = {task: PROTOCOL.for_task(task).episode_frames for task in TASKS + DENSE_TASKS}
    assert lengths == {task: 100 if task.startswith("pen") else 200 for task in TASKS + DENSE_TASKS}
    assert PROTOCOL.replace("pen", "episode_frames", 7).for_task("pen").episode_frames == 7
    assert set(PROTOCOL.action_repeat.values()) == {1}


def test_the_experts_forward_pass_in_float64() -> None:
    random = np.random.RandomState(0)
    shapes = {"in_shift": 5, "in_scale": 5, "w0": (7, 5), "b0": 7, "w1": (7, 7), "b1": 7, "w2": (3, 7), "b2": 3}
    shapes |= {"out_shift": 3, "out_scale": 3, "log_std": 3}
    arrays = {name: random.standard_normal(shape).astype(np.float32) * 0.3 for name, shape in shapes.items()}
    arrays["in_scale"] = np.abs(arrays["in_scale"]) + np.float32(0.5)
    policy, state = Expert(arrays, ""), random.standard_normal(5)
    x = (state - arrays["in_shift"].astype(float)) / (arrays["in_scale"].astype(float) + 1e-8)
    for layer in ("0", "1"):
        x = np.tanh(arrays["w" + layer].astype(float) @ x + arrays["b" + layer])
    mean = (arrays["w2"].astype(float) @ x + arrays["b2"]) * arrays["out_scale"] + arrays["out_shift"]
    np.testing.assert_allclose(policy.act_from_state(state), np.clip(mean, -1, 1), atol=1e-6)
    drawn = np.stack([policy.sample_from_state(state, np.random.default_rng(i)) for i in range(2000)])
    free = np.abs(mean) < 0.2
    assert free.any()
    inside = np.abs(drawn[:, free]).max(axis=0) <= 1.0
    assert inside.all()
    spread = np.exp(arrays["log_std"].astype(float))
    clipped = np.clip(mean + spread * np.random.RandomState(1).standard_normal((200_000, 3)), -1, 1)
    np.testing.assert_allclose(drawn.std(axis=0), clipped.std(axis=0), rtol=0.06)


# Sustained successes of 20 and the range of RRL's sparse return. The ceilings of RRL's published eval_score are about
# 3200 (door) and 17250 (hammer): the experts come near them from below.
MEASURED = {
    "door": (18, 2900, 3250),
    "hammer": (18, 15000, 17300),
    "pen": (13, 2000, 4600),
    "relocate": (18, 3700, 5000),
}


@pytest.mark.parametrize("task", TASKS)
def test_the_published_experts_still_succeed(task: str, asset_store: AssetStore) -> None:
    policy, ours = expert(task, asset_store), simulation(task)
    num_successes, returns = 0, []
    for seed in range(1000, 1020):
        ours.begin_episode(seed, 0)
        total = 0.0
        for _ in range(PROTOCOL.for_task(task).episode_frames):
            result = ours.step(policy.act(ours))
            total += result.reward
            if result.terminated:
                break
        num_successes += next(iter(ours.successes().values()))
        returns.append(total)
    least, low, high = MEASURED[task]
    assert num_successes >= least
    assert low < np.mean(returns) < high


def test_the_doors_reward_reproduces_the_recorded_one(asset_store: AssetStore) -> None:
    """From the recorded next observation. Velocities are not in it; their penalty is all that is left over."""
    demos, identity = human_demos("door", asset_store)
    assert len(demos) == 25
    assert identity.startswith("sha256:")
    penalties = []
    for demo in demos:
        for observed, reward in zip(demo.observations[1:], demo.rewards[:-1], strict=True):
            hinge, palm, handle = observed[28], observed[29:32], observed[32:35]
            ours = rewards.judge_door(hinge=float(hinge), palm=palm, handle=handle, qvel=np.zeros(30))
            penalties.append(ours.dense - reward)
    assert 0.0 < min(penalties) < max(penalties) < 0.024
    assert np.quantile(penalties, 0.99) < 0.0105
