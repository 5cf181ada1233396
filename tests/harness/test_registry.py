"""Suites and agents are found by name, here or in a user's own file."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from harness.agent import AgentSpec
from harness.errors import UsageError
from harness.policy import as_policy
from harness.registry import agent_names, load_agent, load_suite, suite_names
from harness.shift_settings import add_shifts
from harness.spec import Suite


def test_what_lies_in_the_folders_is_found() -> None:
    assert {"color_easy", "color_hard", "video_easy", "video_hard"} <= set(suite_names())
    assert {"random", "zero", "drqv2", "pieg"} <= set(agent_names())
    for name in suite_names():
        suite = load_suite(name)
        assert isinstance(suite, Suite)
        assert suite.name == name  # the file's name is the command line's name
    for name in agent_names():
        agent = load_agent(name)
        assert isinstance(agent, AgentSpec)
        assert agent.name == name


@pytest.fixture
def own_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    name = f"own_agents_{tmp_path.name}".replace("-", "_")
    (tmp_path / f"{name}.py").write_text(
        "import numpy as np\n"
        "def still(observations):\n    return np.zeros((len(observations), 2))\n"
        "class Built:\n"
        "    def __init__(self, context):\n        self.task = context.task\n"
        "    def act(self, observations, *, explore):\n        return np.ones((len(observations), 2))\n"
        "number = 3\n"
    )
    monkeypatch.chdir(tmp_path)
    return name


def test_a_function_in_a_file_of_ones_own_is_an_agent(own_file: str) -> None:
    agent = load_agent(f"{own_file}:still")
    assert (agent.learns, agent.ready_made, agent.seeded) == (False, True, False)
    policy = agent.make(None, agent.config())  # type: ignore[arg-type]
    assert policy.act(np.zeros((4, 9, 24, 24)), explore=False).tolist() == [[0, 0]] * 4


def test_a_class_is_built_with_the_context(own_file: str) -> None:
    class Context:
        task = "dot_stay"

    agent = load_agent(f"{own_file}:Built")
    assert agent.seeded
    assert agent.make(Context(), agent.config()).task == "dot_stay"  # type: ignore[arg-type]


@pytest.mark.parametrize("attribute", ["number", "absent"])
def test_what_cannot_act_is_refused(attribute: str, own_file: str) -> None:
    with pytest.raises(UsageError, match=r"act|absent"):
        load_agent(f"{own_file}:{attribute}")


def test_a_file_that_another_module_hides_is_named(own_file: str, tmp_path: Path) -> None:
    (tmp_path / "colorsys.py").write_text("policy = len\n")
    with pytest.raises(
        UsageError, match=r"^'colorsys' is .*/colorsys\.py, which is found before .*: give yours another"
    ):
        load_agent("colorsys:policy")
    with pytest.raises(UsageError, match=r"^Unknown attribute of wave 'policy'"):
        load_agent("wave:policy")


def test_policies_are_taken_as_they_are() -> None:
    class Acting:
        def act(self, observations: np.ndarray, *, explore: bool) -> np.ndarray:
            return observations

    policy = Acting()
    assert as_policy(policy) is policy
    with pytest.raises(UsageError, match="not a int"):
        as_policy(3)


def test_a_model_that_predicts_gets_the_line_that_works() -> None:
    class Model:
        def predict(self, observations: np.ndarray, deterministic: bool = False) -> tuple[np.ndarray, None]:
            return np.zeros((len(observations), 1)), None

        def __call__(self) -> None:
            """As a torch module's forward."""

    with pytest.raises(UsageError, match=r"hand over harness\.policies\.from_sb3\(model\)"):
        as_policy(Model())


def test_a_shift_adds_a_setting_alone_or_on_top_of_another() -> None:
    suite = load_suite("color_hard")
    grown = add_shifts(suite, ["camera_roll=10", "color_hard+camera_roll=5+light=0.5", "camera_roll=0"])
    added = grown.settings[len(suite.settings) :]
    assert [setting.name for setting in added] == [
        "camera_roll=10",
        "color_hard+camera_roll=5+light=0.5",
        "camera_roll=0",
    ]
    assert [len(setting.shifts) for setting in added] == [1, 3, 0]
    assert added[1].shifts[0] == suite.settings[0].shifts[0]
    assert add_shifts(suite, []) == suite


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("camera_rol=3", "Did you mean 'camera_roll'"),
        ("camera_roll=400", "goes from -180 to 180"),
        ("camera_roll=far", "with a number"),
        ("camera_roll=nan", "with a number"),
        ("colour_hard+camera_roll=3", "Unknown setting"),
        ("color_hard", "names no shift"),
        ("arm_thickness=1", "does not work"),
        ("camera_roll=3+light=2+camera_roll=4", "'camera_roll=3' and 'camera_roll=4' set the same thing"),
    ],
)
def test_shifts_that_cannot_be(text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        add_shifts(load_suite("color_hard"), [text])


@pytest.mark.parametrize(
    ("suite", "text"),
    [
        ("metaworld_visual", "camera+camera_jitter=1"),
        ("adroit_distractors", "combined+light_direction=0.5"),
        ("adroit_vigen", "moving_light_easy+light_position=0.5"),
        ("drawerworld", "wood+table_texture=0.5"),
        ("color_hard", "color_hard+distracting_color=0.1"),
        ("distracting_cs", "distracting_0.1+distracting_camera=0.2"),
        ("video_hard", "video_hard+distracting_background=0.2"),
    ],
)
def test_shifts_that_would_undo_each_other_are_refused(suite: str, text: str) -> None:
    with pytest.raises(UsageError, match="set the same thing: ask for one of them"):
        add_shifts(load_suite(suite), [text])


@pytest.mark.parametrize("text", ["rotate_hard+distracting_camera=0.3", "camera_roll=10+distracting_camera=0.3"])
def test_a_camera_is_turned_where_it_has_gone_whatever_is_named_first(text: str) -> None:
    suite = load_suite("dmcgb2")
    wanders = add_shifts(suite, ["distracting_camera=0.3"]).settings[-1].shifts
    shifts = add_shifts(suite, [text]).settings[-1].shifts
    assert shifts[:1] == wanders
    assert len(shifts) == 2


def test_a_view_needs_settings_of_the_suite_and_a_name_of_its_own() -> None:
    suite = load_suite("drawerworld")
    for views in ({"wood": ("metal",)}, {"mean": ("plastic",)}, {"mean": ()}):
        with pytest.raises(UsageError, match="needs a name of its own and settings of the suite"):
            dataclasses.replace(suite, views=views)


def test_an_axis_may_be_named_as_a_setting_that_it_leaves_alone() -> None:
    added = add_shifts(load_suite("metaworld_visual"), ["light+light=0.5"]).settings[-1]
    assert (added.name, len(added.shifts)) == ("light+light=0.5", 2)


def test_two_values_never_share_a_setting_and_one_value_written_twice_is_one() -> None:
    suite = load_suite("color_hard")
    texts = ["light=0.12345678", "light=0.12345679", "light=.5", "light=0.50", "light=1.0000001", "camera_roll=1e-7"]
    names = [setting.name for setting in add_shifts(suite, texts).settings[len(suite.settings) :]]
    assert names == ["light=0.12345678", "light=0.12345679", "light=0.5", "light=1.0000001", "camera_roll=1e-07"]
    assert add_shifts(suite, [names[-1]]).settings[-1].name == names[-1]
