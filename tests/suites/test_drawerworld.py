"""DrawerWorld: its looks, its two definitions of success, and that looks are all a texture changes."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import mujoco
import numpy as np
import pytest

from harness.assets.manifest import asset_named
from harness.assets.store import AssetStore
from harness.environment import make_env
from harness.errors import UsageError
from harness.registry import load_suite
from harness.results.published import published_cell
from harness.running.plan import RunOptions
from harness.running.planning import make_plan
from harness.spec import Setting
from harness.suites.domains import metaworld_drawerworld as drawerworld
from harness.suites.domains.metaworld_protocol import DRAWERWORLD_TABLE
from harness.suites.drawerworld import SUITE, TEXTURES
from harness.suites.shifts.texture import Texture, load_picture, package_texture, stand_in_picture
from tests.suites.metaworld_helpers import (
    STAND_INS,
    first_successes,
    green,
    make_drawerworld,
    make_metaworld,
    physics,
    random_actions,
    where,
)

SHIFTS = tuple(shift for setting in SUITE.settings for shift in setting.shifts)
TABLE = np.s_[80:, :40]  # nothing but table is seen there when an episode begins

pytestmark = pytest.mark.filterwarnings("error:Constant.* may be too high")  # of the scripted policies; nobody sees it


def test_declaration_loads_no_simulator() -> None:
    code = (
        "import sys\n"
        "from harness.suites import drawerworld, metaworld_visual\n"
        "print({'mujoco', 'metaworld'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_published_numbers_are_found_under_the_names_used_here() -> None:
    expected = {"train": 0.99, "wood": 0.59, "metal": 0.95, "blanket": 0.71}
    for setting, success in expected.items():
        SUITE.setting(setting)
        (number,) = published_cell(SUITE.published_suite, "drawer_close", setting, ["PIE-G"])
        assert (number.metric, number.mean) == ("success", success)


def test_pieg_s_textures_are_a_view_and_the_suite_s_own_are_not_trained_on() -> None:
    assert dict(SUITE.views) == {"mean over PIE-G's textures": ("wood", "metal", "blanket")}
    assert "v1" in SUITE.published_note
    for name in ("drawerworld", "metaworld_visual", "adroit_vigen"):
        assert load_suite(name).held_out == ("drawerworld",)


def test_auto_overlay_never_takes_the_test_textures(asset_store: AssetStore, monkeypatch: pytest.MonkeyPatch) -> None:
    if not asset_store.locate(asset_named("drawerworld").choices[0]):
        pytest.skip("the DrawerWorld textures are absent")
    monkeypatch.setenv("HARNESS_ASSETS", os.pathsep.join(map(str, asset_store.folders)))
    plan = make_plan(RunOptions("drawerworld", "pieg", device="cpu"))
    assert plan.found["drawerworld"].identity.startswith("sha256:")
    assert not plan.found["pictures:auto"].identity.startswith("pictures:drawerworld")
    other = make_plan(RunOptions("video_hard", "pieg", device="cpu"))
    assert "drawerworld" not in plan.found["pictures:auto"].identity
    assert other.found["pictures:auto"].identity.startswith("pictures:")


def test_only_two_textures_are_third_party_files() -> None:
    assert [s.name for s in SUITE.all_settings if s.assets] == ["blanket", "fabric"]
    assert SUITE.assets == ("drawerworld",)


@pytest.mark.render
def test_every_texture_looks_different_and_the_training_picture_comes_back() -> None:
    simulation = make_drawerworld("drawer_open", shifts=SHIFTS, profile="standard")
    bound = [shift.bind(simulation, STAND_INS) for shift in SHIFTS]
    simulation.begin_episode(0, 0)
    train = simulation.render()
    tables = {"grid": train[TABLE]}
    for name, shift in zip(TEXTURES, bound, strict=True):
        assert shift.begin_episode(0, 0) == {"texture": name}
        tables[name] = simulation.render()[TABLE]
        shift.close()
        np.testing.assert_array_equal(simulation.render(), train)
    assert not tables["black"].any()
    means = np.array([table.mean((0, 1)) for table in tables.values()])
    apart = np.linalg.norm(means[:, None] - means, axis=-1) + 1e3 * np.eye(len(means))
    assert apart.min() > 10.0
    simulation.close()


@pytest.mark.render
@pytest.mark.parametrize("episode", [1, 2])  # the arm hides the goal in others
def test_array_up_is_x_and_array_right_is_y(episode: int) -> None:
    simulation = make_drawerworld("drawer_open")
    simulation.begin_episode(1, episode)
    pixels = simulation.render()
    assert (pixels.shape, pixels.dtype) == ((100, 100, 3), np.uint8)
    x, y, z = simulation.data.site("goal").xpos
    focal = 50 / np.tan(np.radians(22.5)) / (0.96 - z)
    np.testing.assert_allclose(where(green(pixels)), [49.5 - focal * x, 49.5 + focal * (y - 0.6)], atol=1.0)
    red = (pixels[..., 0] > 150) & (pixels[..., 1] < 90)
    assert where(red)[1] < 50  # the robot comes from the left, the drawer is on the right
    simulation.close()


@pytest.mark.render
def test_hidden_floor_and_walls_change_no_pixel_of_the_table() -> None:
    simulation = make_drawerworld("drawer_close", profile="standard")
    simulation.begin_episode(0, 0)
    without = simulation.render()
    simulation.model.geom("floor").rgba[3] = 1.0
    np.testing.assert_array_equal(simulation.render(), without)
    simulation.close()


@pytest.mark.parametrize(
    ("task", "out", "v1", "v3"),
    [
        ("drawer_open", 0.06, False, False),
        ("drawer_open", 0.08, True, False),
        ("drawer_open", 0.15, True, False),
        ("drawer_open", 0.18, True, True),
        ("drawer_close", 0.07, False, False),
        ("drawer_close", 0.05, True, False),
        ("drawer_close", 0.035, True, False),
        ("drawer_close", 0.025, True, True),
    ],
)
def test_both_definitions_of_success(task: str, out: float, v1: bool, v3: bool) -> None:
    simulation = make_drawerworld(task)
    simulation.begin_episode(0, 0)
    assert simulation.successes() == {"v3": False, "v1": False}
    assert list(simulation.successes()) == ["v3", "v1"]
    put_drawer(simulation, out)
    result = simulation.step(np.zeros(4, np.float32))
    assert not result.terminated
    assert simulation.successes() == {"v3": v3, "v1": v1}
    put_drawer(simulation, 0.0 if task == "drawer_open" else 0.15)
    simulation.step(np.zeros(4, np.float32))
    assert simulation.successes() == {"v3": v3, "v1": v1}  # remembered


def put_drawer(simulation, out: float) -> None:
    """Pulls the drawer out by so many metres, at rest."""
    simulation.data.joint(drawerworld.JOINT).qpos[0] = -out
    simulation.data.joint(drawerworld.JOINT).qvel[0] = 0.0


@pytest.mark.parametrize(
    ("task", "v3", "v1"), [("drawer_open", (84, 93), (74, 83)), ("drawer_close", (77, 80), (72, 75))]
)
def test_scripted_policies_succeed_well_within_the_horizon(task: str, v3: tuple[int, int], v1: tuple[int, int]) -> None:
    simulation, expert = make_drawerworld(task), drawerworld.expert(task)
    for name, (low, high) in {"v3": v3, "v1": v1}.items():
        steps = first_successes(simulation, expert, 15, SUITE.protocol.episode_frames, name)
        assert len(steps) == 15
        assert low <= np.median(steps) <= max(steps) <= high


@pytest.mark.parametrize("task", SUITE.tasks)
def test_looks_leave_the_physics_of_metaworld_alone(task: str) -> None:
    actions = random_actions(60)
    stock = make_metaworld(task)
    edited = make_drawerworld(task, shifts=SHIFTS)
    reached = []
    for simulation in (stock, edited):
        simulation.begin_episode(3, 2)
        rewards = [simulation.step(action).reward for action in actions]
        data = simulation.data
        reached.append((rewards, data.qpos.tobytes(), data.qvel.tobytes(), data.mocap_pos.tobytes()))
    assert reached[0] == reached[1]


@pytest.mark.parametrize("name", TEXTURES)
def test_texture_leaves_states_rewards_and_successes_bit_identical(name: str) -> None:
    actions = expert_actions(100)
    train = physics(make_drawerworld("drawer_open"), 0, 0, actions)
    assert train[-1][-1] == (("v1", True), ("v3", True))
    shift = Texture(DRAWERWORLD_TABLE, (name,))
    simulation = make_drawerworld("drawer_open", shifts=(shift,))
    bound = shift.bind(simulation, STAND_INS)
    bound.begin_episode(0, 0)
    assert physics(simulation, 0, 0, actions) == train


def expert_actions(num_steps: int) -> np.ndarray:
    simulation, expert = make_drawerworld("drawer_open"), drawerworld.expert("drawer_open")
    simulation.begin_episode(0, 0)
    actions = np.zeros((num_steps, 4), np.float32)
    for step in range(num_steps):
        actions[step] = expert.act(simulation)
        simulation.step(actions[step])
    return actions


@pytest.mark.parametrize(("name", "mode"), [("marble", "RGB"), ("metal", "P"), ("wood", "RGBA")])
def test_pictures_are_what_mujoco_would_load(name: str, mode: str) -> None:
    spec = mujoco.MjSpec()
    spec.add_texture(name="own", type=mujoco.mjtTexture.mjTEXTURE_2D, file=str(package_texture(name)))
    spec.add_material(name="own").textures[mujoco.mjtTextureRole.mjTEXROLE_RGB] = "own"
    spec.worldbody.add_geom(type=mujoco.mjtGeom.mjGEOM_PLANE, size=(1, 1, 1), material="own")
    np.testing.assert_array_equal(spec.compile().tex_data, load_picture(name).ravel())


def test_package_brings_the_third_party_files_own_pictures(asset_store: AssetStore) -> None:
    files = {path.stem: path for path in asset_store.find("drawerworld").files}
    assert {"blanket", "fabric"} < set(files)
    for name in set(files) - {"blanket", "fabric"}:
        assert files[name].read_bytes() == package_texture(name).read_bytes()


def test_third_party_pictures_are_used_where_they_are(asset_store: AssetStore) -> None:
    for name in ("blanket", "fabric"):
        shift = Texture(DRAWERWORLD_TABLE, (name,))
        simulation = make_drawerworld("drawer_open", shifts=(shift,))
        shift.bind(simulation, asset_store)
        assert texture_of(simulation, name).tobytes() == load_picture(name, asset_store.find("drawerworld")).tobytes()
        assert texture_of(simulation, name).tobytes() != stand_in_picture(name).tobytes()


def test_stand_ins_are_seeded_and_roughly_of_the_right_colour() -> None:
    blanket, fabric = stand_in_picture("blanket"), stand_in_picture("fabric")
    np.testing.assert_array_equal(blanket, stand_in_picture("blanket"))
    assert (blanket.shape, fabric.shape) == ((199, 199, 3), (200, 200, 3))
    red, grey = blanket.mean((0, 1)), fabric.mean((0, 1))
    assert red[0] > 2 * max(red[1:])
    assert np.ptp(grey) < 15


def texture_of(simulation, name: str) -> np.ndarray:
    model = simulation.model
    texture = model.texture(f"{DRAWERWORLD_TABLE}:{name}").id
    size = int(model.tex_height[texture]) * int(model.tex_width[texture]) * 3
    return model.tex_data[model.tex_adr[texture] : model.tex_adr[texture] + size]


@pytest.mark.parametrize(
    ("names", "intensity", "message"),
    [((), 1.0, "at least one"), (("wood",), 1.5, "from 0 to 1"), (("wood",), -0.1, "from 0 to 1")],
)
def test_wrong_numbers_are_refused(names: tuple[str, ...], intensity: float, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Texture(DRAWERWORLD_TABLE, names, intensity)


@pytest.mark.parametrize(("name", "message"), [("wod", "no texture 'wod'"), ("light_wood_v3", "not square")])
def test_unknown_pictures_are_refused(name: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        make_drawerworld("drawer_open", shifts=(Texture(DRAWERWORLD_TABLE, (name,)),))


@pytest.mark.render
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads the process's size from /proc")
def test_two_hundred_resets_take_no_more_memory() -> None:
    setting = Setting("all", (Texture(DRAWERWORLD_TABLE, TEXTURES),))
    env = make_env(SUITE, "drawer_close", setting, assets=STAND_INS, profile="fast")
    for episode in range(20):
        env.reset(seed=0 if episode == 0 else None)
    before = resident_bytes()
    textures = {env.reset()[1]["shift"]["texture"] for _ in range(200)}
    assert textures == set(TEXTURES)
    assert resident_bytes() < 1.05 * before
    env.close()


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
