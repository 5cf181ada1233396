"""The Jaco suite: dm_control's own tasks, the frozen deformations, and start states that pair across settings."""

from __future__ import annotations

import logging
from typing import Any

import pytest

import harness.rendering.renderer  # noqa: F401 (first: it chooses the GL backend before mujoco is imported)

# isort: split
import mujoco
import numpy as np
from absl import logging as absl_logging
from dm_control import composer, manipulation  # noqa: F401 (fills the registry)
from dm_control.manipulation.shared import registry
from dm_control.utils import inverse_kinematics

from harness.assets.store import AssetStore
from harness.environment import make_env
from harness.errors import UsageError
from harness.suites.domains.jaco import JacoSimulation, keep_clear_of_pedestal, make_simulation
from harness.suites.jaco_deformed import SUITE
from harness.suites.shifts.deformed_shapes import ARM_SCALES, HAND_SCALES, DeformedArm, DeformedTarget

pytestmark = pytest.mark.render

STAND_INS = AssetStore([], allow_stand_ins=True)
NUM_BRICKS = {"reach_duplo": 1, "lift_brick": 1, "place_brick": 2}  # each draws its stud radius when recompiled


def simulation(task: str, setting: str = "train") -> JacoSimulation:
    return make_simulation(task, image_size=84, profile="fast", shifts=SUITE.setting(setting).shifts)


def arrays(model: mujoco.MjModel) -> dict[str, np.ndarray]:
    return {n: getattr(model, n) for n in dir(model) if isinstance(getattr(model, n, None), np.ndarray)}


def test_declaration() -> None:
    protocol = SUITE.protocol
    assert [setting.name for setting in SUITE.all_settings] == [
        "train",
        "deformed_arm",
        "deformed_target",
        "deformed_both",
    ]
    assert (protocol.episode_frames, set(protocol.action_repeat.values()), protocol.metric) == (250, {2}, "return")
    assert "own definition" in SUITE.source
    with pytest.raises(UsageError, match="Did you mean 'reach_duplo'"):
        simulation("reach_dupol")


def test_failed_tries_of_a_start_are_not_reported_and_all_else_is(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[str] = []
    logger = absl_logging.get_absl_logger()
    handler = logging.Handler()
    monkeypatch.setattr(handler, "emit", lambda record: heard.append(record.getMessage()))
    logger.addHandler(handler)
    try:
        ours = simulation("reach_duplo")
        physics = ours._env.physics

        def reset() -> None:
            absl_logging.warning("something else")
            for _ in range(2):
                _unreachable(physics)

        monkeypatch.setattr(ours._env, "reset", reset)
        ours.begin_episode(0, 0)
        assert heard == ["something else"]
        _unreachable(physics)
        assert [text.split(" after")[0] for text in heard] == ["something else", "Failed to converge"]
    finally:
        logger.removeHandler(handler)


def _unreachable(physics: Any) -> None:
    """Asks the arm for a place ten metres away."""
    names = [physics.model.id2name(number, "site") for number in range(physics.model.nsite)]
    site = next(name for name in names if "pinch" in name)
    result = inverse_kinematics.qpos_from_site_pose(physics, site, target_pos=np.full(3, 10.0), max_steps=3)
    assert not result.success


@pytest.mark.parametrize("task", SUITE.tasks)
def test_physics_and_rewards_are_dm_controls(task: str) -> None:
    """Compiling once moves nothing: recompiling at each reset gives the same model and the same states."""
    ours, random = simulation(task), np.random.RandomState(0)
    stock = registry.get_constructor(f"{task}_features")()
    if task == "place_brick":
        keep_clear_of_pedestal(stock)
    reference = composer.Environment(
        stock,
        time_limit=float("inf"),
        random_state=random,
        max_reset_attempts=10,
    )
    actions = np.random.RandomState(1).uniform(-1, 1, (3, ours.action_size)).astype(np.float32)
    for episode in range(2):
        random.seed([7, episode])
        reference.reset()
        ours._random.seed([7, episode])
        ours._random.uniform(size=NUM_BRICKS[task])
        ours._env.reset()
        expected = arrays(reference.physics.model.ptr)
        assert len(expected) > 300
        for name, value in arrays(ours.model).items():
            np.testing.assert_array_equal(value, expected[name], err_msg=name)
        spec = reference.action_spec()
        for action in actions:
            low, high = spec.minimum, spec.maximum
            time_step = reference.step((action.astype(np.float64) + 1) / 2 * (high - low) + low)
            result = ours.step(action)
            assert (result.reward, result.terminated) == (time_step.reward, False)
            np.testing.assert_array_equal(ours.data.qpos, reference.physics.data.qpos)
    assert ours.data.time == pytest.approx(3 * 0.04, abs=1e-9)


@pytest.mark.parametrize("task", SUITE.tasks)
def test_start_states_pair_across_settings(task: str) -> None:
    """In place_brick the large brick would start elsewhere in every third episode if `jaco.py` did not see to it."""
    starts, pedestals = {}, {}
    for setting in SUITE.all_settings:
        ours = simulation(task, setting.name)
        begun = []
        for seed, episode in [(42, number) for number in range(25)] + [(3, number) for number in range(8)]:
            ours.begin_episode(seed, episode)
            begun.append((ours.data.qpos.copy(), ours.model.body_pos.ravel().copy()))
        starts[setting.name], pedestals[setting.name] = (np.array(parts) for parts in zip(*begun, strict=True))
    for setting in SUITE.settings:
        np.testing.assert_allclose(starts[setting.name], starts["train"], rtol=0, atol=1e-4, err_msg=setting.name)
        np.testing.assert_array_equal(pedestals[setting.name], pedestals["train"], err_msg=setting.name)
    assert len({p.tobytes() for p in starts["train"]}) == 33


def test_the_stock_brick_keeps_the_largest_one_s_distance_to_the_pedestal() -> None:
    """Corners and edges of a brick of 1.8 against a circle of 7 cm, by sampling its outline."""
    ours = simulation("place_brick")
    along = np.linspace(-1.0, 1.0, 401)
    ends = np.ones_like(along)
    outline = np.concatenate([np.stack(s) for s in ((along, ends), (along, -ends), (ends, along), (-ends, along))], 1)
    gaps = []
    for episode in range(40):
        ours.begin_episode(0, episode)
        brick, pedestal = ours.data.body("duplo2x4/"), ours.data.body("pedestal/")
        turn = brick.xmat.reshape(3, 3)[:2, :2]
        edge = brick.xpos[:2] + (1.8 * np.array([0.016, 0.0319]) * outline.T) @ turn.T
        gaps.append(np.linalg.norm(edge - pedestal.xpos[:2], axis=1).min())
    assert 0.07 - 1e-4 < min(gaps) < 0.08


def test_episodes_depend_on_seed_and_number_alone() -> None:
    ours = simulation("lift_brick")
    ours.begin_episode(5, 3)
    expected = ours.state()
    ours.step(np.ones(ours.action_size, np.float32))
    for seed, episode in ((5, 0), (2, 3)):
        ours.begin_episode(seed, episode)
        assert not np.array_equal(ours.state(), expected)
    ours.begin_episode(5, 3)
    np.testing.assert_array_equal(ours.state(), expected)


def brick(model: mujoco.MjModel) -> list[int]:
    return [g for g in range(model.ngeom) if model.geom(g).name.startswith("duplo2x4/")]


def test_the_brick_is_larger_by_its_factor() -> None:
    stock, large = simulation("reach_duplo").model, simulation("reach_duplo", "deformed_target").model
    geoms = brick(stock)
    assert len(geoms) > 40
    np.testing.assert_allclose(large.geom_size[geoms], 1.8 * stock.geom_size[geoms], rtol=1e-12)
    np.testing.assert_allclose(large.geom_pos[geoms], 1.8 * stock.geom_pos[geoms], rtol=0, atol=1e-12)
    np.testing.assert_array_equal(large.geom_quat[geoms], stock.geom_quat[geoms])
    box = large.site("duplo2x4/bounding_box")
    np.testing.assert_allclose(box.size, [0.0288, 0.05742, 0.0216], rtol=1e-9)
    body = stock.geom_bodyid[geoms[0]]
    assert stock.body_mass[body] == pytest.approx(0.0123, abs=1e-4)
    assert large.body_mass[body] == pytest.approx(1.8**3 * stock.body_mass[body], rel=1e-9)
    others = [g for g in range(stock.ngeom) if g not in geoms]
    np.testing.assert_array_equal(large.geom_size[others], stock.geom_size[others])


def test_the_arm_is_thicker_and_moves_as_before() -> None:
    stock, thick = simulation("reach_duplo").model, simulation("reach_duplo", "deformed_arm").model
    assert {name for name in arrays(stock) if name.startswith("jnt_")} >= {"jnt_pos", "jnt_axis", "jnt_range"}
    for name in ("jnt_pos", "jnt_axis", "jnt_range", "body_pos", "body_quat", "body_mass", "site_pos", "site_size"):
        np.testing.assert_array_equal(getattr(thick, name), getattr(stock, name), err_msg=name)
    assert stock.body_mass.sum() == pytest.approx(4.3228, abs=1e-4)
    for entity, scales in (("jaco_arm", ARM_SCALES), ("jaco_arm/jaco_hand", HAND_SCALES)):
        for name, scale in scales.items():
            extents = [mesh_extent(model, f"{entity}/{name}") for model in (stock, thick)]
            np.testing.assert_allclose(extents[1], extents[0] * np.array(scale), rtol=1e-4)
    unscaled = DeformedArm(amount=0.0), DeformedTarget(scale=1.0)
    same = make_simulation("reach_duplo", image_size=84, profile="fast", shifts=unscaled).model
    for name, value in arrays(stock).items():
        np.testing.assert_array_equal(getattr(same, name), value, err_msg=name)


def mesh_extent(model: mujoco.MjModel, name: str) -> np.ndarray:
    """Size of a mesh along the axes of its file, metres: the compiler stores vertices in the frame of inertia."""
    mesh = model.mesh(name).id
    start, count = model.mesh_vertadr[mesh], model.mesh_vertnum[mesh]
    rotation = np.zeros(9)
    mujoco.mju_quat2Mat(rotation, model.mesh_quat[mesh])
    return np.ptp(model.mesh_vert[start : start + count] @ rotation.reshape(3, 3).T, axis=0)


def test_success_is_full_reward_at_the_last_step_or_at_any() -> None:
    env = make_env(SUITE, "reach_duplo", "train", assets=STAND_INS, profile="fast")
    _, info = env.reset(seed=0)
    assert info["successes"] == {"last_step": False, "any_step": False}
    simulation, still = env.simulation, np.zeros(9, np.float32)
    brick_joint = simulation.model.joint("duplo2x4/")
    grip = simulation.data.site("jaco_arm/jaco_hand/pinchsite").xpos.copy()
    simulation.data.qpos[brick_joint.qposadr[0] :][:3] = grip  # the brick falls past the grip
    _, reward, _, _, info = env.step(still)
    assert reward > 1.0
    assert info["successes"]["any_step"]
    for _ in range(10):
        _, reward, _, _, info = env.step(still)
    assert info["successes"] == {"last_step": False, "any_step": True}
    assert info["success"] is False
    env.close()


def test_pictures_are_those_of_the_named_camera_and_show_the_deformation() -> None:
    seen = {}
    for setting in SUITE.all_settings:
        ours = simulation("reach_duplo", setting.name)
        ours.begin_episode(0, 0)
        seen[setting.name] = ours.render()
        if setting is SUITE.train:
            assert (ours.model.camera("front_close").pos == [0.0, -0.6, 0.75]).all()
        ours.close()
    red = {name: ((p[..., 0] > 100) & (p[..., 1] < 60) & (p[..., 2] < 60)).sum() for name, p in seen.items()}
    assert red["deformed_target"] > 1.8 * red["train"] > 0
    changed = (seen["deformed_arm"] != seen["train"]).any(axis=-1).mean()
    assert 0.02 < changed < 0.5
    assert len({p.tobytes() for p in seen.values()}) == 4
