"""Runs resume exactly, do not depend on workers or order, and never lose what was finished."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from harness.assets.store import AssetStore
from harness.errors import AgentError, CheckpointError, UsageError, WorkError
from harness.reading import seal
from harness.registry import load_agent
from harness.results.rows import Row, to_dict
from harness.results.store import RowStore
from harness.running.asset_lookup import look_up
from harness.running.jobs import TrainJob, train
from harness.running.mixed_code import mixed_code
from harness.running.plan import RunOptions
from harness.running.planning import make_plan
from harness.running.policies import find_policies, load_policy_source
from harness.running.run import execute
from harness.running.run_folder import locked
from harness.running.train_log import read_train_log
from harness.running.world import World
from tests.campaigns.folders import differences, snapshot
from tests.harness.learner import told_by_setting

DOTS = "harness.testing:SUITE"
LEARNER = "tests.harness.learner:AGENT"
DYING = "tests.harness.learner:DYING"


def run(folder: Path, *, checkpoint_sec: float = 0.0, **changes: object) -> RowStore:
    options = RunOptions(
        **{"suite": DOTS, "agent": LEARNER, "device": "cpu", "frames": 400, "episodes": 3, "runs": folder, **changes}
    )
    return execute(make_plan(options), checkpoint_sec=checkpoint_sec, quiet=True)


def digests(folder: Path) -> dict[tuple[str, int], str]:
    return {key: source.digest for key, source in find_policies(folder, load_agent(LEARNER)).items()}


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Row], dict[tuple[str, int], str]]:
    folder = tmp_path_factory.mktemp("reference")
    run(folder, seeds="0-1", workers=1)
    return _rows(folder), digests(folder)


def test_a_run_fills_every_cell_and_learns(reference: tuple[list[Row], dict[tuple[str, int], str]]) -> None:
    rows, policies = reference
    assert len(rows) == 2 * 2 * 2 * 3  # tasks, settings, seeds, episodes
    assert len(set(policies.values())) == 4
    assert {row.train_frames for row in rows} == {400}
    assert {row.eval_seed for row in rows} == {42, 43}
    assert {(row.train_seed, row.checkpoint) for row in rows if row.task == "dot_reach"} == {
        (0, policies[("dot_reach", 0)]),
        (1, policies[("dot_reach", 1)]),
    }
    assert {row.num_steps for row in rows if row.task == "dot_reach"} == {25}
    assert {row.num_frames for row in rows} == {50}


@pytest.mark.parametrize("workers", [2, 4])
def test_rows_do_not_depend_on_the_number_of_workers(
    workers: int, tmp_path: Path, reference: tuple[list[Row], dict[tuple[str, int], str]]
) -> None:
    run(tmp_path, seeds="0-1", workers=workers)
    assert (_rows(tmp_path), digests(tmp_path)) == reference


def test_rows_do_not_depend_on_order_or_on_what_ran_before(
    tmp_path: Path, reference: tuple[list[Row], dict[tuple[str, int], str]]
) -> None:
    run(tmp_path, seeds="1", tasks=["dot_stay"], episodes=1, workers=1)
    run(tmp_path, seeds="1", tasks=["dot_stay", "dot_reach"], episodes=2, workers=1)
    run(tmp_path, seeds="0-1", workers=2)
    assert (_rows(tmp_path), digests(tmp_path)) == reference


def test_a_finished_run_is_not_touched_again(tmp_path: Path) -> None:
    first = run(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    assert run(tmp_path).rows() == first.rows()
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()} == before


def test_curves_are_drawn(tmp_path: Path) -> None:
    store = run(tmp_path, tasks=["dot_reach"])
    command = [sys.executable, "-m", "harness", "curves", str(store.folder.parent)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert Path(done.stdout.strip()).read_bytes().startswith(b"\x89PNG")


def test_what_only_a_resume_needs_is_removed_at_the_end(tmp_path: Path) -> None:
    store = run(tmp_path, tasks=["dot_reach"])
    training = store.folder.parent / "train" / "dot_reach-seed0"
    assert sorted(path.name for path in training.iterdir()) == [
        "policy",
        "revisions.json",
        "tensorboard",
        "train.jsonl",
    ]
    log = read_train_log(training / "train.jsonl")
    assert [line["num_frames"] for line in log] == list(range(50, 401, 50))
    assert all(line["weight_norm"] > 0 for line in log)
    record = json.loads((store.folder.parent / "record.json").read_text())
    assert record["status"] == "finished"
    assert record["tasks"][0]["config"]["rate"] == 0.01


def test_what_a_kill_left_beside_a_policy_is_removed(tmp_path: Path) -> None:
    store = run(tmp_path, tasks=["dot_reach"])
    training = store.folder.parent / "train" / "dot_reach-seed0"
    policy = {path: path.read_bytes() for path in (training / "policy").iterdir()}

    def leave() -> None:
        for name in ("checkpoints/000000000400", "memory/replay"):
            (training / name).mkdir(parents=True)
            (training / name / "file").write_bytes(b"x")

    leave()
    run(tmp_path, tasks=["dot_reach"], episodes=4)
    leave()  # would fail if these were still there
    plan = make_plan(RunOptions(suite=DOTS, agent=LEARNER, tasks=["dot_reach"], device="cpu", runs=tmp_path))
    world = World(DOTS, (), LEARNER, plan.tasks[0], 0, plan.store, {}, "cpu", "standard")
    train(TrainJob(world, training, 1, {}, 0.0, 0, 0), lambda message: None)  # its worker died while it cleaned up
    assert not {"checkpoints", "memory"} & {path.name for path in training.iterdir()}
    assert {path: path.read_bytes() for path in (training / "policy").iterdir()} == policy


COMMAND = [
    *(sys.executable, "-m", "harness", "run", "--suite", DOTS, "--device", "cpu", "--quiet", "--json"),
    *("--workers", "2", "--checkpoint-sec", "0"),
]
SLOW_LEARNER = ["--agent", LEARNER, "--frames", "1000", "--episodes", "6", "--set", "delay_sec=0.002"]
SMALL_PIEG = [  # stand-ins for weights and pictures, all the rest as it is: replay files, BatchNorm, three optimisers
    *("--agent", "pieg", "--task", "dot_reach", "--frames", "600", "--episodes", "4"),
    *("--set", "num_seed_frames=100", "--set", "num_exploration_steps=50", "--set", "update_every_steps=2"),
    *("--set", "batch_size=4", "--set", "hidden_dim=32", "--set", "representation_dim=32", "--set", "feature_dim=16"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("arguments", "span_sec"), [(SLOW_LEARNER, 1.5), (SMALL_PIEG, 3.0)], ids=["learner", "pieg"])
def test_killed_at_ten_random_moments_it_ends_as_if_nothing_had_happened(
    arguments: list[str], span_sec: float, tmp_path: Path
) -> None:
    command = [*COMMAND, *arguments, "--runs"]
    environment = {key: value for key, value in os.environ.items() if key != "HARNESS_ASSETS"}
    subprocess.run([*command, str(tmp_path / "whole")], check=True, capture_output=True, env=environment)
    moments = random.Random(20260101)
    for number in range(10):
        phase, span = ("evaluation", 0.4) if number % 2 else ("training", span_sec)
        while not _kill([*command, str(tmp_path / "killed")], phase, moments.uniform(0, span), environment):
            _make_work(tmp_path / "killed", phase)  # it had finished before: a kill needs something to interrupt
    done = subprocess.run([*command, str(tmp_path / "killed")], check=True, capture_output=True, env=environment)
    assert json.loads(done.stdout)
    whole = _rows(tmp_path / "whole")
    assert len(whole) in (24, 8)
    assert _rows(tmp_path / "killed") == whole
    assert _policy_digests(tmp_path / "killed") == _policy_digests(tmp_path / "whole")


WRITES = {"training": ("*/train/*/train.jsonl", "*/train/*/checkpoints/*"), "evaluation": ("*/rows/*",)}


def _kill(command: list[str], phase: str, after_sec: float, environment: dict[str, str]) -> bool:
    """Kills the command some time after its first write of a phase; False if it had finished by then."""
    folder, started = Path(command[-1]), time.time()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment)
    while process.poll() is None and not _written_since(folder, WRITES[phase], started):
        time.sleep(0.01)
    try:
        _, errors = process.communicate(timeout=after_sec)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.communicate()
        return True
    assert process.returncode == 0, errors
    return False


def _written_since(folder: Path, patterns: tuple[str, ...], moment: float) -> bool:
    for path in [path for pattern in patterns for path in folder.glob(pattern)]:
        with contextlib.suppress(FileNotFoundError):  # a checkpoint that has just been replaced
            if path.stat().st_mtime > moment:
                return True
    return False


def _policy_digests(folder: Path) -> dict[str, str]:
    sources = [load_policy_source(path.parent) for path in folder.glob("*/train/*/policy/provenance.json")]
    assert sources
    return {source.folder.parent.name: source.digest for source in sources}


def _rows(folder: Path) -> list[Row]:
    """The stored rows; without the code's revision, which an edit during the test would change."""
    rows = RowStore(next(folder.glob("*/rows"))).rows()
    return [replace(row, code_revision="", training="") for row in rows]


def _make_work(folder: Path, phase: str) -> None:
    """Takes the rows of a finished run away, and for another kill in training all that was trained."""
    run_folder = next(folder.glob("*/rows")).parent
    shutil.rmtree(run_folder / "rows")
    if phase == "training":
        shutil.rmtree(run_folder / "train")


def test_no_worker_outlives_a_killed_run(tmp_path: Path) -> None:
    command = [*COMMAND, "--agent", LEARNER, "--frames", "1000", "--set", "delay_sec=0.5", "--runs", str(tmp_path)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 30
    while not list(tmp_path.glob("*/train/*/tensorboard")) and time.monotonic() < deadline:
        time.sleep(0.1)
    children = _children(process.pid)
    assert children
    process.kill()
    process.wait()
    time.sleep(0.5)
    assert not [pid for pid in children if _is_alive(pid)]


def _children(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(number) for number in text.split()]


def _is_alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[:1]
    except FileNotFoundError:
        return False


def test_an_agent_that_raises_in_episode_three_loses_only_that(tmp_path: Path) -> None:
    with pytest.raises(AgentError, match=r"raised RuntimeError.*episode 3"):
        run(
            tmp_path,
            agent="harness.testing:RAISING",
            frames=None,
            episodes=5,
            tasks=["dot_reach"],
            settings=["episode=3"],
            workers=1,
        )
    rows = _rows(tmp_path)
    assert [(row.setting, row.episode) for row in rows] == [("train", 0), ("train", 1), ("train", 2)]
    record = json.loads(next(tmp_path.glob("*/record.json")).read_text())
    assert record["status"] == "failed"
    assert "episode 3" in record["error"]


def test_actions_that_are_not_numbers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(AgentError, match=r"not finite.*episode 1, step 0"):
        run(tmp_path, agent="harness.testing:NAN", frames=None)


ENDINGS = {
    "raise SystemExit(0)": r"The agent raised SystemExit in act\(\) \(episode 1, step 2\): it called sys\.exit\(0\)",
    "raise KeyboardInterrupt": r"The agent raised KeyboardInterrupt in act\(\) \(episode 1, step 2\)",
    "os._exit(0)": r"The agent raised EndedProcess in act\(\) \(episode 1, step 2\): it called os\._exit\(0\)",
    "os.closerange(3, 500)": r"evaluation of dot_reach, train, seed 0, episode 1, lost its line to this command:",
}


@pytest.mark.parametrize("how", ENDINGS)
def test_an_agent_that_ends_its_process_is_named_at_once(how: str, tmp_path: Path) -> None:
    with pytest.raises((AgentError, WorkError), match=ENDINGS[how]):
        run(tmp_path, agent="tests.harness.learner:LEAVING", frames=None, settings=[f"leave={how}"], workers=1)
    assert [row.episode for row in _rows(tmp_path)] == [0]


def test_an_agent_that_raises_while_learning_says_when(tmp_path: Path) -> None:
    said = r"The agent raised ValueError in update\(\) \(training, episode 1, frame 60\): told to fail"
    with pytest.raises(AgentError, match=said):
        run(tmp_path, tasks=["dot_reach"], settings=["fail_at_step=30"])


def test_a_worker_that_dies_in_training_resumes_to_the_same_end(tmp_path: Path) -> None:
    whole = run(tmp_path / "whole", tasks=["dot_reach"])
    marker = tmp_path / "died"
    died = run(tmp_path / "died-run", tasks=["dot_reach"], settings=[f"die_once={marker}"])
    assert marker.exists()
    returns = [[row.episode_return for row in store.rows()] for store in (whole, died)]
    assert returns[0] == returns[1]


def test_a_worker_that_dies_in_evaluation_reports_no_episode_twice(tmp_path: Path) -> None:
    marker = tmp_path / "died"
    store = run(tmp_path / "runs", agent=DYING, settings=[f"die_once={marker}"], frames=None, episodes=7, workers=1)
    assert marker.exists()
    assert [row.episode for row in store.rows("dot_stay", "train")] == list(range(7))
    assert all(path.suffix == ".parquet" for path in store.folder.iterdir())


def test_an_agent_is_told_the_same_in_every_setting(tmp_path: Path) -> None:
    log = tmp_path / "log"
    store = run(
        tmp_path / "runs", agent="tests.harness.learner:RECORDER", frames=None, settings=[f"log={log}"], replay=False
    )
    settings = {row.first_pixels: row.setting for row in store.rows()}
    told = told_by_setting(log, settings)
    assert set(told) == {"train", "backdrop"}
    assert all(set(facts) == {"phase", "seed", "episode"} for lines in told.values() for facts in lines)
    assert {facts["phase"] for lines in told.values() for facts in lines} == {"evaluation"}
    assert sorted(map(str, told["train"])) == sorted(map(str, told["backdrop"]))


def test_rewards_that_are_not_numbers_end_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(WorkError, match="no valid row"):
        run(tmp_path, suite="tests.harness.learner:NAN_SUITE", agent="harness.testing:SEEKER", frames=None)
    assert json.loads(next(tmp_path.glob("*/record.json")).read_text())["status"] == "failed"


def test_policies_that_were_not_trained_alike_are_not_one_measurement(tmp_path: Path) -> None:
    run(tmp_path / "both", tasks=["dot_stay"])
    run(tmp_path / "both", tasks=["dot_stay"], seeds="1", settings=["rate=0.5"])
    with pytest.raises(CheckpointError, match="not trained alike"):
        run(tmp_path, checkpoint=tmp_path / "both", frames=None)
    run(tmp_path / "both", tasks=["dot_stay"], settings=["rate=0.5"])
    with pytest.raises(CheckpointError, match="holds two policies of dot_stay, seed 0"):
        run(tmp_path, checkpoint=tmp_path / "both", frames=None)


def test_a_policy_is_measured_the_way_it_was_trained(tmp_path: Path) -> None:
    store = run(tmp_path / "a", tasks=["dot_reach"], settings=["protocol.action_repeat=5"])
    with pytest.raises(CheckpointError, match=r"trained with action_repeat 5, not 2: add --set protocol"):
        run(tmp_path, checkpoint=store.folder.parent, frames=None)
    again = run(tmp_path, checkpoint=store.folder.parent, frames=None, settings=["protocol.action_repeat=5"])
    assert {row.training for row in again.rows()} == {row.training for row in store.rows()} != {""}
    with pytest.raises(CheckpointError, match=r"training seeds 0, not of 1"):
        run(
            tmp_path,
            checkpoint=store.folder.parent,
            frames=None,
            seeds="0-1",
            settings=["protocol.action_repeat=5"],
        )


def test_an_edited_file_of_ones_own_is_another_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    name = f"own_policy_{tmp_path.name}".replace("-", "_")
    plans = []
    for value in ("0", "1"):
        (tmp_path / f"{name}.py").write_text(f"import numpy as np\ndef p(o):\n    return np.full((1, 2), {value})\n")
        plans.append(make_plan(RunOptions(suite=DOTS, agent=f"{name}:p", device="cpu", runs=tmp_path)))
    assert plans[0].run_id != plans[1].run_id
    assert plans[0].tasks[0].config_hash != plans[1].tasks[0].config_hash


def _measured_by(store: RowStore, *revisions: str) -> None:
    """Makes as if episode i of every cell had been measured by the i-th revision."""
    rows = store.rows()
    shutil.rmtree(store.folder)
    for row in rows:
        store.append(replace(row, code_revision=revisions[row.episode]))


def test_a_run_of_two_codes_says_how_to_make_it_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.running.provenance.code_revision", lambda: "bbb")
    store = run(tmp_path, tasks=["dot_stay"], episodes=2)
    policy = store.folder.parent / "train" / "dot_stay-seed0" / "policy"
    _trained_by(policy, "aaa")
    plans = [
        make_plan(
            RunOptions(
                suite=DOTS, agent=LEARNER, tasks=["dot_stay"], frames=400, episodes=n, device="cpu", runs=tmp_path
            )
        )
        for n in (2, 3)
    ]
    _measured_by(store, "aaa", "aaa")
    assert mixed_code(plans[0], store) is None  # finished, and the code changed after: nothing will be mixed
    note = mixed_code(plans[1], store)
    assert note is not None
    assert "(aaa, bbb)" in note
    assert f"delete {store.folder} (trained policies stay)" in note
    _measured_by(store, "aaa", "bbb")
    assert mixed_code(plans[0], store) == note
    shutil.rmtree(store.folder)  # as it says
    again = run(tmp_path, tasks=["dot_stay"], episodes=2)
    assert len(again.rows()) == 4
    assert len({row.training for row in again.rows()}) == 1
    _measured_by(again, "bbb", "bbb")
    assert mixed_code(plans[0], again) is None


def _trained_by(policy: Path, revision: str) -> None:
    facts = json.loads((policy / "provenance.json").read_text())
    facts["conditions"]["code_revision"] = revision
    (policy / "provenance.json").write_text(json.dumps(seal(facts)))


def test_seeds_that_two_codes_trained_are_trained_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.running.provenance.code_revision", lambda: "bbb")
    options = RunOptions(
        suite=DOTS, agent=LEARNER, tasks=["dot_stay"], frames=400, seeds="0-1", device="cpu", runs=tmp_path
    )
    plan = make_plan(options)
    store = execute(plan, quiet=True)
    _measured_by(store, "bbb")
    for seed, revision in enumerate(("aaa", "bbb")):
        _trained_by(plan.folder / "train" / f"dot_stay-seed{seed}" / "policy", revision)
    note = mixed_code(plan, store)
    assert note is not None
    assert "(aaa, bbb)" in note
    assert f"delete {plan.folder} (it trains again)" in note


def test_files_exchanged_during_a_run_are_noticed(tmp_path: Path) -> None:
    plan = make_plan(RunOptions(suite=DOTS, agent=LEARNER, device="cpu", runs=tmp_path))
    world = World(DOTS, (), LEARNER, plan.tasks[0], 0, plan.store, {}, "cpu", "standard")
    world.check("train", with_agent=True)
    store = AssetStore([], allow_stand_ins=True)
    names = {"color_hard": "color_hard", "resnet18": "resnet18", "pictures:auto": "places365"}
    identities = {name: look_up(store, name).identity for name in names}
    plan = make_plan(RunOptions(suite="color_hard", agent="pieg", tasks=["walker_walk"], device="cpu", runs=tmp_path))
    world = World("color_hard", (), "pieg", plan.tasks[0], 0, store, identities, "cpu", "standard")
    for setting, with_agent in (("train", False), ("train", True), ("color_hard", False), ("color_hard", True)):
        world.check(setting, with_agent=with_agent)
        for name in identities:
            used = setting == "color_hard" if name == "color_hard" else with_agent
            expected = (
                pytest.raises(WorkError, match=f"files of '{name}' changed") if used else contextlib.nullcontext()
            )
            with expected:
                replace(world, identities={**identities, name: "sha256:0"}).check(setting, with_agent=with_agent)


def test_policies_of_one_run_serve_another(tmp_path: Path) -> None:
    trained = run(tmp_path, seeds="0-1")
    store = run(tmp_path, checkpoint=trained.folder.parent, frames=None, episodes=3)
    assert store.folder != trained.folder
    measured = (
        "task",
        "setting",
        "train_seed",
        "episode",
        "episode_return",
        "first_pixels",
        "checkpoint",
        "config_hash",
    )
    pairs = [[{k: to_dict(row)[k] for k in measured} for row in s.rows()] for s in (trained, store)]
    assert pairs[0] == pairs[1]
    only_one = run(tmp_path, checkpoint=trained.folder.parent / "train" / "dot_stay-seed1" / "policy", frames=None)
    assert {(row.task, row.train_seed) for row in only_one.rows()} == {("dot_stay", 1)}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run of one task."""
    return run(tmp_path_factory.mktemp("trained"), tasks=["dot_stay"], settings=["rate=0.02"]).folder.parent


def given(trained: Path, **changes: object) -> RunOptions:
    return RunOptions(**{"suite": DOTS, "agent": LEARNER, "device": "cpu", "checkpoint": trained, **changes})


def test_a_policy_keeps_what_it_was_trained_with(trained: Path) -> None:
    with pytest.raises(UsageError, match=r"^--set rate acts in training alone.* trained with 0\.02; it takes gain\.$"):
        make_plan(given(trained, settings=["rate=0.5"]))
    plain, same = make_plan(given(trained)), make_plan(given(trained, settings=["rate=0.02"]))
    assert (plain.run_id, plain.tasks) == (same.run_id, same.tasks)
    own = json.loads((trained / "record.json").read_text())["tasks"][0]
    assert (dict(plain.tasks[0].config), plain.tasks[0].config_hash) == (own["config"], own["config_hash"])


def test_a_policy_takes_what_acts_at_evaluation(trained: Path, tmp_path: Path) -> None:
    plain, still = (run(tmp_path, checkpoint=trained, frames=None, settings=s) for s in ((), ("gain=0",)))
    assert plain.folder != still.folder
    assert {row.checkpoint for row in plain.rows()} == {row.checkpoint for row in still.rows()}
    assert not {row.config_hash for row in plain.rows()} & {row.config_hash for row in still.rows()}
    assert [row.episode_return for row in plain.rows()] != [row.episode_return for row in still.rows()]
    record = json.loads((still.folder.parent / "record.json").read_text())
    config = load_policy_source(trained / "train" / "dot_stay-seed0" / "policy").record.config
    assert record["tasks"][0]["config"] == {**config, "gain": 0.0}


@pytest.mark.parametrize("changes", [{"threads": 2}, {"preset": "laptop"}, {"preset": "paper", "threads": 3}])
def test_what_only_training_takes_makes_no_other_measurement_of_a_policy(
    changes: dict[str, object], trained: Path
) -> None:
    plain, other = make_plan(given(trained)), make_plan(given(trained, **changes))
    assert (other.run_id, other.threads) == (plain.run_id, 1)
    assert [task.config_hash for task in other.tasks] == [task.config_hash for task in plain.tasks]


def test_a_policy_of_another_task_is_refused(tmp_path: Path) -> None:
    store = run(tmp_path, tasks=["dot_stay"])
    with pytest.raises(CheckpointError, match="holds a policy for dot_stay, not for dot_reach"):
        run(tmp_path, tasks=["dot_reach"], checkpoint=store.folder.parent, frames=None)


def test_a_policy_of_another_agent_is_refused(tmp_path: Path) -> None:
    store = run(tmp_path, tasks=["dot_stay"])
    policy = store.folder.parent / "train" / "dot_stay-seed0" / "policy"
    facts = json.loads((policy / "provenance.json").read_text())
    (policy / "provenance.json").write_text(json.dumps(seal({**facts, "agent": "pieg"})))
    with pytest.raises(CheckpointError, match="belongs to agent pieg"):
        run(tmp_path, checkpoint=store.folder.parent, frames=None)


def test_a_damaged_policy_is_refused(tmp_path: Path) -> None:
    store = run(tmp_path, tasks=["dot_stay"])
    source = load_policy_source(store.folder.parent / "train" / "dot_stay-seed0" / "policy")
    file = source.folder / "weights.safetensors"
    file.write_bytes(file.read_bytes()[:-8])
    with pytest.raises(CheckpointError, match="damaged"):
        run(tmp_path, checkpoint=source.folder, frames=None)


def test_two_processes_do_not_share_a_run(tmp_path: Path) -> None:
    import fcntl

    plan = make_plan(RunOptions(suite=DOTS, agent=LEARNER, device="cpu", frames=400, episodes=3, runs=tmp_path))
    plan.folder.mkdir(parents=True)
    with open(plan.folder / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(UsageError, match="Another process"):
            run(tmp_path)
    assert len(run(tmp_path).rows()) == 12


def test_a_runs_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "runs").touch()
    with pytest.raises(UsageError, match="is not a folder"):
        run(tmp_path / "runs")


def _fill_disk(path: Path) -> None:
    file = os.open(path, os.O_WRONLY | os.O_CREAT)
    try:
        while True:
            os.write(file, b"x" * 4096)
    except OSError:
        pass
    finally:
        os.close(file)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 400 kB."""
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(tmp_path)], capture_output=True)
    if mounted.returncode:
        pytest.skip("this system does not let us mount a tmpfs")
    yield tmp_path
    subprocess.run(["umount", str(tmp_path)], check=True)


def test_a_full_disk_ends_in_one_sentence_and_costs_nothing(small_disk: Path) -> None:
    run(small_disk, tasks=["dot_stay"], frames=None, agent="harness.testing:SEEKER")
    rows = _rows(small_disk)
    _fill_disk(small_disk / "ballast")
    with pytest.raises(WorkError, match="the disk is full"):
        run(small_disk, tasks=["dot_reach", "dot_stay"], frames=None, agent="harness.testing:SEEKER")
    assert [row for row in _rows(small_disk) if row.task == "dot_stay"] == rows
    (small_disk / "ballast").unlink()
    assert len(run(small_disk, frames=None, agent="harness.testing:SEEKER").rows()) == 12
    assert not [path for path in _open_files() if path.is_relative_to(small_disk)]


def test_a_disk_that_fills_while_training_leaves_one_sentence_and_nothing_half(
    small_disk: Path, tmp_path_factory: pytest.TempPathFactory, capfd: pytest.CaptureFixture[str]
) -> None:
    asked = {"tasks": ["dot_reach"], "frames": 600, "workers": 1, "settings": ["delay_sec=0.0005"]}
    (small_disk / "ballast").write_bytes(b"x" * 250_000)  # what is left is enough for one checkpoint and not for two
    with pytest.raises(WorkError, match=r"Cannot write .*: the disk is full"):
        run(small_disk, **asked)
    assert capfd.readouterr().err == ""  # a thread of TensorBoard's would print its own traceback
    assert not [path for path in small_disk.rglob("*") if path.name.endswith(".tmp")]
    assert list(small_disk.glob("*/train/*/checkpoints/*"))
    (small_disk / "ballast").unlink()
    run(small_disk, **asked)
    whole = tmp_path_factory.mktemp("whole")
    run(whole, **asked)
    (found,) = small_disk.iterdir()
    assert differences(snapshot(whole / found.name), snapshot(found)) == []


@pytest.mark.parametrize("left", ["nothing", "a kill's"])
def test_a_finished_run_is_read_where_nothing_can_be_written(left: str, small_disk: Path) -> None:
    asked = {"tasks": ["dot_stay"], "frames": None, "agent": "harness.testing:SEEKER"}
    store = run(small_disk, **asked)
    rows = store.rows()
    if left != "nothing":
        (store.folder / "dot_stay+train+seed0.parquet.tmp").touch()
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    assert run(small_disk, **asked).rows() == rows
    with pytest.raises(UsageError, match=r"Cannot write into .*: Read-only file system"):
        run(small_disk, **asked, episodes=4)


def test_a_finished_run_is_read_while_another_process_is_at_work(tmp_path: Path) -> None:
    store = run(tmp_path, tasks=["dot_stay"])
    (store.folder.parent / ".record.json.1.tmp").touch()
    with locked(store.folder.parent):
        assert len(run(tmp_path, tasks=["dot_stay"]).rows()) == 6
        assert (store.folder.parent / ".record.json.1.tmp").exists()  # it may be the other's
    run(tmp_path, tasks=["dot_stay"])
    assert not (store.folder.parent / ".record.json.1.tmp").exists()


def test_a_smaller_request_leaves_a_larger_one_under_way(tmp_path: Path) -> None:
    store = run(tmp_path, seeds="0-1", tasks=["dot_stay"])
    record = store.folder.parent / "record.json"
    record.write_text(record.read_text().replace('"finished"', '"running"'))
    run(tmp_path, seeds="1", tasks=["dot_stay"])
    assert json.loads(record.read_text())["status"] == "running"
    run(tmp_path, seeds="0-1", tasks=["dot_stay"])
    assert json.loads(record.read_text())["status"] == "finished"


def _open_files() -> list[Path]:
    """What this process holds open."""
    return [Path(os.path.realpath(f"/proc/self/fd/{number}")) for number in os.listdir("/proc/self/fd")]
