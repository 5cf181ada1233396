"""A plan is checked before any work, and the same facts give the same run."""

from __future__ import annotations

import contextlib
import pickle
from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import CheckpointError, UsageError
from harness.registry import load_suite
from harness.running.plan import RunOptions
from harness.running.planning import make_plan

DOTS = "harness.testing:SUITE"
LEARNER = "tests.harness.learner:AGENT"
PICKY = "tests.harness.learner:PICKY"


def options(**changes: object) -> RunOptions:
    return RunOptions(**{"suite": DOTS, "agent": LEARNER, "device": "cpu", **changes})  # type: ignore[arg-type]


def test_presets_fill_budgets_and_options_win() -> None:
    quick = make_plan(options())
    assert [task.train_frames for task in quick.tasks] == [2_000, 2_000]
    assert (quick.episodes, quick.seeds, quick.preset.name) == (1, (0,), "quick")
    paper = make_plan(options(preset="paper"))
    assert [task.train_frames for task in paper.tasks] == [5_000, 5_000]
    assert (paper.episodes, paper.seeds) == (10, (0, 1, 2, 3, 4))
    own = make_plan(options(preset="paper", frames=70, episodes=3, seeds="7"))
    assert ([task.train_frames for task in own.tasks], own.episodes, own.seeds) == ([70, 70], 3, (7,))


def test_a_suite_may_have_numbers_of_its_own_for_a_preset_and_options_win() -> None:
    """`tests.harness.smaller` has them for one of its two tasks, under `laptop`."""

    def numbers(**changes: object) -> dict[str, tuple[int, int, int]]:
        plan = make_plan(options(suite="tests.harness.smaller:SUITE", **changes))
        tasks = {task.task: task for task in plan.tasks}
        return {
            name: (task.protocol.image_size, task.protocol.action_repeat[name], task.train_frames)
            for name, task in tasks.items()
        }

    assert numbers() == {"dot_reach": (24, 2, 2_000), "dot_stay": (24, 1, 2_000)}
    assert numbers(preset="laptop") == {"dot_reach": (20, 4, 900), "dot_stay": (24, 1, 100_000)}
    given = numbers(preset="laptop", frames=70, settings=["protocol.image_size=30"])
    assert given == {"dot_reach": (30, 4, 70), "dot_stay": (30, 1, 70)}
    again = pickle.loads(pickle.dumps(load_suite("tests.harness.smaller:SUITE")))
    assert again.protocol_for("dot_reach", "laptop").image_size == 20


def test_a_policy_that_is_not_made_from_a_seed_is_one_policy() -> None:
    for preset, episodes in (("quick", 1), ("paper", 10)):
        plan = make_plan(options(agent="tests.harness.test_api:right", preset=preset))
        assert (plan.seeds, plan.episodes) == ((None,), episodes)
    with pytest.raises(UsageError, match=r"one policy whatever the seed, so --seeds 0-2 would count it as 3.*a class"):
        make_plan(options(agent="tests.harness.test_api:right", seeds="0-2"))
    with pytest.raises(UsageError, match=r"'zero' is one policy .* with --episodes\.$"):
        make_plan(options(agent="zero", seeds="0"))
    assert make_plan(options(agent="harness.testing:SEEKER", seeds="0-2")).seeds == (0, 1, 2)


def test_the_run_stays_the_same_when_it_only_grows() -> None:
    first = make_plan(options())
    assert make_plan(options(tasks=["dot_stay"], seeds="0-4", episodes=9, workers=4)).run_id == first.run_id


@pytest.mark.parametrize(
    "changes",
    [
        {"frames": 100},
        {"preset": "laptop"},
        {"settings": ["rate=0.02"]},
        {"settings": ["protocol.action_repeat=3"]},
        {"threads": 3},
        {"profile": "fast"},
        {"agent": "harness.testing:SEEKER"},
    ],
)
def test_whatever_moves_a_score_makes_another_run(changes: dict[str, object]) -> None:
    assert make_plan(options(**changes)).run_id != make_plan(options()).run_id


def test_threads_of_training_are_nothing_to_what_does_not_train() -> None:
    plans = [make_plan(options(agent="harness.testing:SEEKER", threads=threads)) for threads in (None, 2)]
    assert plans[0].run_id == plans[1].run_id
    assert {plan.threads for plan in plans} == {1}


def test_config_hash_covers_settings_and_budget_not_the_protocol() -> None:
    def hashes(**changes: object) -> set[str]:
        return {task.config_hash for task in make_plan(options(**changes)).tasks}

    assert hashes() == hashes(settings=["protocol.action_repeat=3"])
    assert not hashes() & hashes(frames=10)
    assert not hashes() & hashes(settings=["rate=0.5"])


def test_an_agent_of_another_picture_size_gets_it_unless_the_user_has_one() -> None:
    def sizes(**changes: object) -> set[int]:
        return {task.protocol.image_size for task in make_plan(options(**changes)).tasks}

    assert sizes() == {24}
    assert sizes(agent=PICKY) == {30}
    assert sizes(agent=PICKY, settings=["protocol.image_size=48"]) == {48}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"suite": "vido_hard"}, "Did you mean 'video_hard'"),
        ({"suite": "no.such.module:SUITE"}, "no module"),
        ({"suite": "harness.testing:NOPE"}, "NOPE"),
        ({"suite": "harness.testing:SEEKER"}, "not a harness.spec.Suite"),
        ({"suite": "bad name:SUITE"}, "package.module:ATTRIBUTE"),
        ({"agent": "nobody"}, "Unknown agent"),
        ({"agent": "harness.testing:TASKS"}, "policy has act"),
        ({"preset": "fast"}, "Presets:"),
        ({"profile": "ultra"}, "render profile"),
        ({"tasks": ["dot_rech"]}, "Did you mean 'dot_reach'"),
        ({"frames": 0}, "--frames"),
        ({"episodes": -1}, "--episodes"),
        ({"workers": 0}, "--workers"),
        ({"threads": 0}, "--threads"),
        ({"device": "gpu"}, "Unknown device"),
        ({"settings": ["rat=1"]}, "Did you mean 'rate'"),
        ({"settings": ["rate=7"]}, "less than or equal to 1"),
        ({"settings": ["rate=fast"]}, "rate"),
        ({"settings": ["protocol.image_size=0"]}, "goes from 8 to 1024"),
        ({"settings": ["protocol.image_size=200000"]}, "goes from 8 to 1024"),
        ({"settings": ["rate=1e999"]}, "finite"),
        ({"settings": ["rate=true"]}, "'rate' should be a valid number, not true"),
        ({"settings": ['rate="0.5"']}, "'rate' should be a valid number, not \"0.5\""),
        ({"settings": ["fail_at_step=3.0"]}, "'fail_at_step' should be a valid integer, not 3.0"),
        ({"settings": ["log=3"]}, "'log' should be a valid string, not 3"),
        ({"settings": ["log=\udc80"]}, "bytes that are no text"),
        ({"settings": ["rate=" + "[" * 100_000]}, "nested too deeply"),
        ({"agent": "drqv2", "settings": ["learning_rate=true"]}, "'learning_rate' should be a valid number, not true"),
        ({"agent": "drqv2", "settings": ['batch_size="3"']}, "'batch_size' should be a valid integer, not \"3\""),
        ({"agent": "drqv2", "settings": ["bootstrap_terminal=yes"]}, "'bootstrap_terminal' should be a valid boolean"),
        ({"agent": "drqv2", "settings": ["bootstrap_terminal=1"]}, "'bootstrap_terminal' should be a valid boolean"),
        ({"agent": "drqv2", "settings": ["hidden_dim=99999999999999999999"]}, r"take at least [\d,]{50,} bytes"),
        ({"agent": "pieg", "settings": ["feature_dim=2147483648"]}, r"take at least [\d,]{15,} bytes"),
        ({"agent": "harness.testing:SEEKER", "frames": 10}, "does not learn"),
        ({"agent": "drqv2", "frames": 900}, "learns nothing on dot_reach: its first update comes after 1000 seed"),
        ({"seeds": "٣"}, "Seeds"),
        ({"episodes": 2**40}, "at most"),
        ({"agent": "pieg", "settings": ["protocol.frame_stack=1"]}, "at least 2 stacked frames"),
        ({"agent": "drqv2", "settings": ["protocol.image_size=14"]}, "pictures of at least 15 pixels a side, not 14"),
        ({"agent": PICKY, "settings": ["depth=4"]}, "pictures of at least 40 pixels a side, not 30"),
        ({"checkpoint": Path("/no/such/place")}, "no checkpoint"),
        ({"checkpoint": Path(__file__)}, "is a file"),
        ({"checkpoint": Path(__file__).parent}, "holds no policy"),
        ({"agent": "harness.testing:SEEKER", "checkpoint": Path(__file__).parent}, "no parameters"),
        ({"checkpoint": Path(__file__).parent, "frames": 10}, "--frames"),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(changes: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        make_plan(options(**changes))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("changes", [{"episodes": 0}, {"workers": 0}, {"seeds": "x"}, {"settings": ["rate=7"]}])
def test_numbers_are_checked_before_files(changes: dict[str, object], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.running.asset_lookup.look_up", lambda *_: pytest.fail("looked a file up"))
    with pytest.raises(UsageError):
        make_plan(options(suite="color_hard", tasks=["walker_walk"], **changes))


def test_a_record_that_is_not_json_is_refused(tmp_path: Path) -> None:
    (tmp_path / "provenance.json").write_bytes(b"\x80\x04cos\nsystem\n")  # a pickle in place of a record
    with pytest.raises(CheckpointError, match=r"provenance\.json is damaged: it is not JSON"):
        make_plan(options(checkpoint=tmp_path))


@pytest.mark.parametrize(
    ("name", "fits"), [("s" * 190, True), ("s" * 230, False), ("視" * 25, False), ("視" * 20, True)]
)
def test_names_that_no_file_can_have_are_refused_before_any_work(
    name: str, fits: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    suite = load_suite(DOTS)
    named = replace(suite, settings=(replace(suite.settings[0], name=name),))
    monkeypatch.setattr("harness.running.planning.load_suite", lambda _: named)
    with contextlib.nullcontext() if fits else pytest.raises(UsageError, match="has no name short enough for a file"):
        make_plan(options())
