"""Every axis: from no change at its neutral value to a change that is seen."""

from __future__ import annotations

import numpy as np
import pytest

from harness.assets import AssetStore
from harness.environment import PixelEnv, make_env
from harness.errors import UsageError
from suites import jaco_deformed, video_hard
from suites.shifts.axes import AXES, DMCONTROL, JACO, Axis, find_axis

STAND_INS = AssetStore([], allow_stand_ins=True)
DMCONTROL_AXES = [axis for axis in AXES.values() if DMCONTROL in axis.domains]
JACO_AXES = [axis for axis in AXES.values() if JACO in axis.domains]


@pytest.mark.parametrize("axis", AXES.values(), ids=lambda axis: axis.name)
def test_declaration_is_sane(axis: Axis) -> None:
    assert AXES[axis.name] is axis
    assert axis.low <= axis.neutral <= axis.high
    assert axis.low < axis.high
    assert axis.description.endswith(".")
    assert axis.setting(axis.neutral).shifts == ()
    middle = axis.setting((axis.neutral + axis.high) / 2)
    assert middle.name == f"{axis.name}={(axis.neutral + axis.high) / 2:g}"
    assert middle.shifts == axis.setting((axis.neutral + axis.high) / 2).shifts != axis.setting(axis.high).shifts
    for wrong in (axis.low - 0.1, axis.high + 0.1, float("nan")):
        with pytest.raises(UsageError, match=f"Shift '{axis.name}' goes from"):
            axis.setting(wrong)


def test_look_up() -> None:
    assert find_axis("camera_roll", DMCONTROL).unit == "degrees"
    with pytest.raises(UsageError, match="Did you mean 'camera_roll'"):
        find_axis("camera_rol", DMCONTROL)
    with pytest.raises(UsageError, match=r"does not work on this suite; these do: .*light"):
        find_axis("target_scale", DMCONTROL)


def picture(env: PixelEnv) -> np.ndarray:
    env.reset(seed=1)
    env.step(np.full(env.action_space.shape, 0.4, np.float32))
    return env.render().astype(int)


@pytest.mark.render
@pytest.mark.parametrize(
    ("suite", "task", "axes"),
    [
        pytest.param(video_hard.SUITE, "walker_walk", DMCONTROL_AXES, id="walker"),
        pytest.param(video_hard.SUITE, "finger_spin", DMCONTROL_AXES, id="finger"),
        pytest.param(jaco_deformed.SUITE, "reach_duplo", JACO_AXES, id="jaco"),
    ],
)
def test_pictures_change_and_the_world_does_not(suite, task: str, axes: list[Axis]) -> None:
    train = make_env(suite, task, "train", assets=STAND_INS, profile="fast")
    stock, state = picture(train), train.simulation.state()
    train.close()
    for axis in axes:
        env = make_env(suite, task, axis.setting((axis.neutral + axis.high) / 2), assets=STAND_INS, profile="fast")
        difference = np.abs(picture(env) - stock).mean()
        assert difference > 0.3, axis.name
        if not any(getattr(shift, "changes_shapes", False) for shift in env_shifts(axis)):
            np.testing.assert_array_equal(env.simulation.state(), state, err_msg=axis.name)
        env.close()


def env_shifts(axis: Axis):
    return axis.setting(axis.high).shifts
