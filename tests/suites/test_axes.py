"""Every axis: from no change at its neutral value to a change that is seen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from harness.assets.store import AssetStore
from harness.axis import Axis
from harness.environment import PixelEnv, make_env
from harness.errors import UsageError
from harness.registry import load_suite
from harness.shift_settings import add_shifts, axes_of
from harness.spec import Setting, Suite
from harness.suites.shifts.axes import (
    ADROIT,
    AXES,
    DRAWERWORLD,
    EVERYWHERE,
    METAWORLD,
    STONE,
)

STAND_INS = AssetStore([], allow_stand_ins=True)
WORLDS = [
    ("video_hard", "walker_walk"),
    ("video_hard", "finger_spin"),
    ("jaco_deformed", "reach_duplo"),
    ("metaworld_visual", "push"),
    ("drawerworld", "drawer_open"),
    ("adroit_distractors", "door"),
]
COPIES_PIXELS = "table_texture"  # resized to the other picture even where nothing is mixed in, so not byte for byte


def make(suite: str, task: str, setting: Setting | str) -> PixelEnv:
    loaded = load_suite(suite)
    small = replace(loaded.protocol, image_size=84)
    return make_env(loaded, task, setting, assets=STAND_INS, profile="fast", protocol=small)


def episode(env: PixelEnv) -> tuple[np.ndarray, list]:
    """The last picture of a few steps, int (H, W, C), and all their rewards and states."""
    env.reset(seed=1)
    told = []
    for value in (0.4, -0.2, 0.3):
        _, reward, *_ = env.step(np.full(env.action_space.shape, value, np.float32))
        told.append((reward, env.simulation.state().tobytes()))
    return env._stack[-1].transpose(1, 2, 0).astype(int), told


def play(suite: str, task: str, setting: Setting | str) -> tuple[np.ndarray, list]:
    env = make(suite, task, setting)
    played = episode(env)
    env.close()
    return played


@pytest.mark.parametrize("axis", AXES.values(), ids=lambda axis: axis.name)
def test_declaration_is_sane(axis: Axis) -> None:
    assert AXES[axis.name] is axis
    assert axis.low <= axis.neutral <= axis.high
    assert axis.low < axis.high
    assert axis.description.endswith(".")
    assert set(axis.domains) <= set(EVERYWHERE)
    for domain in axis.domains:
        assert axis.setting(axis.neutral, domain).shifts == ()
        value = (axis.neutral + axis.high) / 2
        middle = axis.setting(value, domain)
        assert middle.name == f"{axis.name}={value:g}"
        assert middle.shifts == axis.setting(value, domain).shifts != axis.setting(axis.high, domain).shifts
        for wrong in (axis.low - 0.1, axis.high + 0.1, float("nan")):
            with pytest.raises(UsageError, match=f"Shift '{axis.name}' goes from"):
                axis.setting(wrong, domain)


def test_look_up() -> None:
    assert axes_of(load_suite("video_hard"))["camera_roll"].unit == "degrees"
    with pytest.raises(UsageError, match="Did you mean 'camera_roll'"):
        add_shifts(load_suite("video_hard"), ["camera_rol=1"])
    with pytest.raises(UsageError, match=r"does not work on this suite; these do: .*light"):
        add_shifts(load_suite("video_hard"), ["target_scale=1.5"])
    with pytest.raises(UsageError, match=r"does not work on this suite; these do: .*table_texture"):
        add_shifts(load_suite("metaworld_visual"), ["object_color=1"])


def test_a_suite_that_names_no_axes_has_none() -> None:
    bare = replace(load_suite("video_hard"), axes="")
    assert axes_of(bare) == {}
    with pytest.raises(UsageError, match="Unknown shift 'light'"):
        add_shifts(bare, ["light=1"])


def test_every_domain_has_light_and_camera() -> None:
    for name in ("light", "light_offset", "camera_roll"):
        assert set(AXES[name].domains) == set(EVERYWHERE)
    assert {ADROIT, METAWORLD, DRAWERWORLD} == set(AXES["camera_jitter"].domains)


@pytest.mark.parametrize(("name", "task"), WORLDS)
def test_no_axis_needs_third_party_files_but_the_published_videos(name: str, task: str) -> None:
    suite = load_suite(name)
    needed = {asset for axis in axes_of(suite).values() for asset in axis.setting(axis.high, suite.domain).assets}
    assert needed <= {"davis"}


@pytest.mark.render
@pytest.mark.parametrize(("name", "task"), WORLDS)
def test_pictures_change_and_change_back_and_the_world_does_not(name: str, task: str) -> None:
    suite = load_suite(name)
    stock, world = play(name, task, "train")
    assert len(axes_of(suite)) >= 5
    for axis in axes_of(suite).values():
        setting = axis.setting((axis.neutral + axis.high) / 2, suite.domain)
        env = make(name, task, setting)
        pixels, told = episode(env)
        assert np.abs(pixels - stock).mean() > 0.3, axis.name
        if not any(getattr(shift, "changes_shapes", False) for shift in setting.shifts):
            assert told == world, axis.name
            for shift in reversed(env._shifts):
                shift.close()
            np.testing.assert_array_equal(env.simulation.render(), stock, err_msg=axis.name)
        env.close()


@pytest.mark.render
@pytest.mark.parametrize(("name", "task"), WORLDS)
def test_at_its_neutral_value_a_shift_draws_the_training_picture(name: str, task: str) -> None:
    """Also where the shift is at work, which `--shift` spares it; so there is no jump next to the neutral value."""
    suite = load_suite(name)
    stock, _ = play(name, task, "train")
    for axis in (axis for axis in axes_of(suite).values() if axis.source != STONE):
        pixels, _ = play(name, task, axis.setting(axis.neutral, suite.domain))
        np.testing.assert_array_equal(pixels, stock, err_msg=axis.name)
        pixels, _ = play(name, task, Setting("x", (axis.makers[suite.domain](axis.neutral),)))
        if axis.name == COPIES_PIXELS:
            assert np.abs(pixels - stock).mean() < 1.5
        else:
            np.testing.assert_array_equal(pixels, stock, err_msg=axis.name)


@pytest.mark.render
@pytest.mark.parametrize(
    ("name", "task"), [("adroit_distractors", "relocate"), ("metaworld_visual", "push"), ("drawerworld", "drawer_open")]
)
def test_a_roll_turns_the_pictures_of_all_cameras(name: str, task: str) -> None:
    suite = load_suite(name)
    stock, _ = play(name, task, "train")
    for degrees, turns in ((180.0, 2), (90.0, 1)):
        pixels, _ = play(name, task, AXES["camera_roll"].setting(degrees, suite.domain))
        clockwise = name == "adroit_distractors"  # Metaworld's pictures are mirror images
        expected = np.rot90(stock, -turns if clockwise else turns)
        for start in range(0, stock.shape[2], 3):
            view = slice(start, start + 3)
            error, change = (np.abs(pixels - other)[..., view].mean() for other in (expected, stock))
            assert error < min(2.0, 0.3 * change)


@pytest.mark.render
@pytest.mark.parametrize(
    ("name", "task", "base"),
    [
        ("adroit_vigen", "door", "light_hard"),
        ("adroit_vigen", "door", "moving_light_easy"),
        ("metaworld_visual", "push", "light"),
    ],
)
def test_brightness_comes_on_top_of_other_lights(name: str, task: str, base: str) -> None:
    suite = add_shifts(load_suite(name), [f"{base}+light=0.5", f"{base}+light=0.5+light_offset=1"])
    pictures = [play_setting(suite, task, setting) for setting in ("train", base, f"{base}+light=0.5")]
    train, lit, dimmed = pictures
    assert 0.1 * lit.mean() < dimmed.mean() < 0.8 * lit.mean()
    both = play_setting(suite, task, f"{base}+light=0.5+light_offset=1")
    assert np.abs(both - dimmed).mean() > 0.1
    assert np.abs(lit - train).mean() > 0.1


def play_setting(suite: Suite, task: str, setting: str) -> np.ndarray:
    env = make_env(
        suite, task, setting, assets=STAND_INS, profile="fast", protocol=replace(suite.protocol, image_size=84)
    )
    pixels, _ = episode(env)
    env.close()
    return pixels
