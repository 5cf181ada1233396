"""Wrong input ends in one sentence and the right exit status, at once and before any work."""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from harness import cli
from tests.prompt import AT_ONCE

DOTS = ("--suite", "harness.testing:SUITE")
SEEKER = ("--agent", "harness.testing:SEEKER")
RUN = ("run", *DOTS, *SEEKER, "--quiet")
GIF = ("preview", *DOTS, "--gif", "x.gif")
LEARN = ("run", *DOTS, "--agent", "tests.harness.learner:AGENT", "--quiet")


WRONG = {
    "suite misspelt": (("run", "--suite", "vido_hard", *SEEKER), "Did you mean 'video_hard'"),
    "suite from nowhere": (("run", "--suite", "nowhere.at.all:SUITE", *SEEKER), "no module 'nowhere.at.all'"),
    "suite that is something else": (("run", "--suite", "harness.testing:TASKS", *SEEKER), "not a harness.spec.Suite"),
    "agent misspelt": (("run", *DOTS, "--agent", "peig"), "Did you mean 'pieg'"),
    "agent without a colon": (("run", *DOTS, "--agent", "my.module"), "Unknown agent"),
    "agent that cannot act": (("run", *DOTS, "--agent", "harness.testing:SUITE"), "policy has act"),
    "no agent": (("run", *DOTS), "--agent"),
    "a suite twice": ((*RUN, *DOTS), "is given twice"),
    "an agent twice": ((*RUN, *SEEKER), "is given twice"),
    "a checkpoint of several agents": ((*RUN, "--agent", "random", "--checkpoint", "."), "--agent names 2"),
    "failures of one run": ((*RUN, "--retry-failed"), "a single run tries again by itself"),
    "a file of options that is not there": ((*RUN, "--config", "nowhere.yaml"), "no file nowhere.yaml"),
    "task of another suite": ((*RUN, "--task", "walker_walk"), "Unknown task 'walker_walk'"),
    "seeds backwards": ((*RUN, "--seeds", "4-0"), "rising range"),
    "seeds as words": ((*RUN, "--seeds", "all"), "not 'all'"),
    "preset misspelt": ((*RUN, "--preset", "papre"), "Did you mean 'paper'"),
    "no frames": ((*LEARN, "--frames", "0"), "--frames must be at least 1"),
    "frames as a word": ((*RUN, "--frames", "many"), "--frames"),
    "negative episodes": ((*RUN, "--episodes", "-3"), "--episodes must be at least 1"),
    "no workers": ((*RUN, "--workers", "0"), "--workers must be at least 1"),
    "negative threads": ((*RUN, "--threads", "-1"), "--threads must be at least 1"),
    "a device of a dream": ((*RUN, "--device", "tpu"), "Unknown device 'tpu'"),
    "setting without a value": ((*LEARN, "--set", "rate"), "key=value"),
    "setting misspelt": ((*LEARN, "--set", "raet=0.1"), "Did you mean 'rate'"),
    "setting out of range": ((*LEARN, "--set", "rate=-1"), "greater than 0"),
    "setting of the wrong type": ((*LEARN, "--set", "rate=quick"), "rate"),
    "protocol misspelt": ((*LEARN, "--set", "protocol.action_repaet=2"), "Did you mean 'action_repeat'"),
    "protocol of zero": ((*LEARN, "--set", "protocol.action_repeat=0"), "goes from 1"),
    "setting of an agent without": ((*RUN, "--set", "rate=0.1"), "Unknown setting"),
    "profile misspelt": ((*RUN, "--profile", "quick"), "Unknown render profile"),
    "checkpoint that is not there": ((*LEARN, "--checkpoint", "nowhere"), "no checkpoint at nowhere"),
    "checkpoint for an agent without": ((*RUN, "--checkpoint", "."), "no parameters"),
    "an empty folder as checkpoint": ((*LEARN, "--checkpoint", "."), "holds no policy"),
    "negative distance of checkpoints": ((*RUN, "--checkpoint-sec", "-1"), "at least 0"),
    "a distance that is no number": ((*RUN, "--checkpoint-sec", "nan"), "at least 0"),
    "a shift of another domain": (
        ("run", "--suite", "video_hard", *SEEKER, "--shift", "arm_thickness=1"),
        "does not work",
    ),
    "a budget without an update": (("run", *DOTS, "--agent", "drqv2", "--frames", "900"), "learns nothing"),
    "runs below a file": ((*RUN, "--runs", __file__), "is not a folder"),
    "assets that are not there": ((*RUN, "--assets", "nowhere"), "nowhere"),
    "a list of nothing": (("list", "papers"), "Unknown list 'papers'"),
    "tasks of no suite": (("list", "tasks", "--suite", "vide_easy"), "Did you mean 'video_easy'"),
    "a suite for presets": (("list", "presets", "--suite", "video_easy"), "list tasks"),
    "an unknown asset": (("assets", "fetch", "video_medium"), "Unknown asset 'video_medium'"),
    "an unknown asset to verify": (("assets", "verify", "video_medium"), "Unknown asset 'video_medium'"),
    "a preview into nowhere": (("preview", "--suite", "video_hard", "--out", "no/such/x.png"), "no folder"),
    "a GIF of all tasks": ((*GIF,), "give --task once, not 0 times"),
    "a GIF of two tasks": ((*GIF, "--task", "dot_reach", "--task", "dot_stay"), "give --task once, not 2 times"),
    "a GIF of no steps": ((*GIF, "--task", "dot_reach", "--steps", "0"), "--steps must be at least 1, not 0"),
    "a GIF into nowhere": ((*GIF[:-1], "no/such/x.gif", "--task", "dot_reach"), "no folder"),
    "a GIF that is none": ((*GIF[:-1], "x.png", "--task", "dot_reach"), "ends in .gif"),
    "a GIF and a PNG": ((*GIF, "--task", "dot_reach", "--out", "x.png"), "give one of the two"),
    "steps of a sheet": (("preview", "--suite", "video_hard", "--steps", "5"), "--steps goes with --gif"),
    "more steps than there are": ((*GIF, "--task", "dot_reach", "--steps", "26"), "dot_reach has 25 agent steps"),
    "absurdly many steps": ((*GIF, "--task", "dot_stay", "--steps", str(10**30)), "dot_stay has 50 agent steps"),
    "an episode far away": (("preview", "--suite", "video_hard", "--episode", "1000"), "one of the first 1000 epis"),
    "an absurd episode": (("preview", "--suite", "video_hard", "--episode", str(10**30)), "(from 0), not 1000000000"),
    "absurdly many episodes": ((*RUN, "--episodes", "100001"), "--episodes must be at least 1 and at most 100000"),
    "absurdly many workers": ((*RUN, "--workers", "1001"), "--workers must be at least 1 and at most 1000"),
    "absurdly many threads": ((*LEARN, "--threads", str(2**31)), "--threads must be at least 1 and at most 1000"),
    "absurdly many seeds": ((*LEARN, "--seeds", "0-9999,20000-29999"), "are 20000, more than 10000"),
    "absurdly many demonstrations": (
        ("demos", "collect", "--suite", "drawerworld", "--task", "drawer_open", "--episodes", str(10**9)),
        "from 1 to 100000",
    ),
    "too few pictures": (
        ("encoder", "train", "vae", "--suite", "drawerworld", "--task", "drawer_open", "--images", "3"),
        "--images goes from 4",
    ),
    "an episode before the first": (("preview", "--suite", "video_hard", "--episode", "-1"), "start at 0, not -1"),
    "curves of nothing": (("curves", "nowhere"), "holds no training"),
    "an unknown command": (("rnu",), "rnu"),
    "an unknown option": ((*RUN, "--sedes", "1"), "--sedes"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_use_ends_at_once_with_status_two(case: str, harness: Callable[..., tuple[int, str, str]]) -> None:
    arguments, words = WRONG[case]
    started = time.process_time()
    status, out, err = harness(*arguments)
    assert (status, out) == (2, "")
    assert words in err
    assert "Traceback" not in err
    assert time.process_time() - started < AT_ONCE
    assert not Path("runs").exists()


def test_a_gif_of_one_task(harness: Callable[..., tuple[int, str, str]]) -> None:
    status, out, err = harness(*GIF, "--task", "dot_reach", "--steps", "4")
    assert (status, out, err) == (0, "x.gif\n", "")
    with Image.open("x.gif") as image:
        assert (image.format, image.n_frames) == ("GIF", 5)


def test_a_preview_shows_the_episode_asked_for(harness: Callable[..., tuple[int, str, str]]) -> None:
    gif = (*GIF[:-1], "{}.gif", "--task", "dot_reach", "--steps", "4", "--episode", "{}")
    sheet = ("preview", *DOTS, "--out", "{}.png", "--episode", "{}")
    for episode in ("0", "3"):
        for arguments in (gif, sheet):
            assert harness(*(argument.format(episode) for argument in arguments))[0] == 0
    for kind in ("gif", "png"):
        assert Path(f"0.{kind}").read_bytes() != Path(f"3.{kind}").read_bytes()


@pytest.fixture
def no_drawing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("contact_sheet", "episode_strip"):
        monkeypatch.setattr(f"harness.preview.{name}", lambda *_, **__: pytest.fail("something was drawn"))


@pytest.mark.usefixtures("no_drawing")
def test_a_preview_looks_closer_at_its_files_before_it_draws(harness: Callable[..., tuple[int, str, str]]) -> None:
    frames = Path("mine/DAVIS/JPEGImages/480p/bear")
    frames.mkdir(parents=True)
    Image.new("RGB", (854, 480)).save(frames / "00000.jpg")
    status, _, err = harness("preview", "--suite", "distracting_cs", "--assets", "mine")
    assert status == 2
    assert "DAVIS videos" in err


@pytest.mark.usefixtures("no_drawing")
@pytest.mark.parametrize("arguments", [("--out", "folder.png"), (*GIF[3:4], "folder.gif", "--task", "dot_reach")])
def test_a_preview_tries_its_file_before_it_draws(
    arguments: tuple[str, ...], harness: Callable[..., tuple[int, str, str]]
) -> None:
    Path(arguments[1]).mkdir()  # the one target that root cannot write either
    status, _, err = harness("preview", *DOTS, *arguments)
    assert (status, err) == (2, f"error: Cannot write '{arguments[1]}' (Is a directory).\n")


def test_quiet_is_not_silent_about_stand_ins(
    harness: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("HARNESS_ASSETS", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("harness.running.run.execute", lambda *_, **__: None)
    monkeypatch.setattr(cli, "_run_table", lambda *_: "table")
    status, out, err = harness("run", *DOTS, "--agent", "pieg", "--quiet")
    assert (status, out) == (0, "table\n")
    assert [line.split()[0] for line in err.splitlines()] == ["STAND-IN:"] * 2
    assert "'resnet18'" in err


def test_a_run_of_two_codes_is_told_before_the_work(
    harness: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.running.mixed_code.mixed_code", lambda plan, store: f"delete {store.folder}")
    monkeypatch.setattr("harness.running.run.execute", lambda *_, **__: None)
    monkeypatch.setattr(cli, "_run_table", lambda *_: "table")
    _, _, err = harness(*RUN)
    assert err.startswith("Note: delete runs/dots-seeker-quick-")
    assert err.endswith("/rows\n")


def test_a_file_of_ones_own_that_does_not_import_is_named(harness: Callable[..., tuple[int, str, str]]) -> None:
    for number, text in enumerate(("def broken(:\n", "import no_such_package_anywhere\n", "1 / 0\n")):
        Path(f"own_broken_{number}.py").write_text(text)
        status, _, err = harness("run", *DOTS, "--agent", f"own_broken_{number}:policy")
        assert (status, len(err.strip().splitlines())) == (2, 1)
        assert f"'own_broken_{number}' cannot be imported" in err


def test_a_pickle_is_not_read_as_a_checkpoint(harness: Callable[..., tuple[int, str, str]]) -> None:
    Path("agent.pkl").write_bytes(pickle.dumps({"weights": [1, 2, 3]}))
    status, _, err = harness(*LEARN, "--checkpoint", "agent.pkl")
    assert (status, "no pickles are read" in err) == (2, True)


@pytest.mark.parametrize(
    ("agent", "words"), [("RAISING", "raised RuntimeError"), ("NAN", "not finite"), ("SEEKER", "")]
)
def test_an_agent_that_fails_is_status_one(
    agent: str, words: str, harness: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = str(Path(__file__).resolve().parents[2])
    monkeypatch.setenv("PYTHONPATH", root)
    arguments = ("run", *DOTS, "--agent", f"harness.testing:{agent}", "--quiet", "--episodes", "2", "--workers", "1")
    done = subprocess.run([sys.executable, "-m", "harness", *arguments], capture_output=True, text=True)
    assert done.returncode == (1 if words else 0)
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    if words:
        assert len(done.stderr.strip().splitlines()) == 1
        traced = subprocess.run(
            [sys.executable, "-m", "harness", *arguments, "--debug"], capture_output=True, text=True
        )
        assert "Traceback" in traced.stderr


@pytest.mark.parametrize("fmt", [(), ("--json",)])
def test_what_was_measured_before_an_agent_failed_is_shown(fmt: tuple[str, ...], tmp_path: Path) -> None:
    arguments = ("--agent", "harness.testing:RAISING", "--task", "dot_reach", "--set", "episode=2", "--episodes", "4")
    command = [sys.executable, "-m", "harness", "run", *DOTS, *arguments, "--workers", "1", "--quiet", *fmt]
    done = subprocess.run([*command, "--runs", str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 1
    assert "dot_reach, train: The agent raised RuntimeError in act() (episode 2, step 0)" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    if fmt:
        lines = {(line["setting"], line["status"]): line["num_episodes"] for line in json.loads(done.stdout)["lines"]}
        assert lines == {("train", "partial"): 2, ("backdrop", "missing"): 0}
    else:
        assert "partial, 2 of 4" in done.stdout


def test_json_goes_to_standard_output_alone(tmp_path: Path) -> None:
    arguments = ("run", *DOTS, *SEEKER, "--episodes", "1", "--workers", "1", "--json", "--runs", str(tmp_path))
    done = subprocess.run([sys.executable, "-m", "harness", *arguments], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["lines"]
    assert "evaluation 4/4 episodes" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_is_status_130_and_resumes(number: signal.Signals, tmp_path: Path) -> None:
    arguments = [sys.executable, "-m", "harness", *LEARN, "--frames", "500", "--set", "delay_sec=0.02"]
    process = subprocess.Popen(
        [*arguments, "--runs", str(tmp_path)],
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # ignored where tests run in the background
    )
    deadline = time.monotonic() + 30
    while not list(tmp_path.glob("*/train/*/tensorboard")) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(number)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "goes on from here" in err
    record = json.loads(next(tmp_path.glob("*/record.json")).read_text())
    assert record["status"] == "interrupted"


@pytest.mark.parametrize("kind", ["suites", "tasks", "agents", "presets"])
def test_lists_are_the_same_for_people_and_machines(
    kind: str, harness: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, text, _ = harness("list", kind)
    _, machine, _ = harness("list", kind, "--json")
    rows = json.loads(machine)
    assert rows
    assert len(text.strip().splitlines()) == len(rows) + 1
    for row in rows:
        assert str(next(iter(row.values()))) in text


@pytest.mark.parametrize("arguments", [["--help"], ["list", "suites"]])
def test_help_and_lists_start_quickly(arguments: list[str]) -> None:
    """CPU time, and the least of three, because test machines are busy."""
    times = []
    for _ in range(3):
        started = os.times()
        subprocess.run([sys.executable, "-m", "harness", *arguments], check=True, capture_output=True)
        ended = os.times()
        times.append(ended.children_user + ended.children_system - started.children_user - started.children_system)
    assert min(times) < AT_ONCE / 2


def test_damaged_rows_are_named_and_sound_ones_shown(harness: Callable[..., tuple[int, str, str]]) -> None:
    """Nothing is measured over them: neither for the table they are part of, nor for more episodes."""
    command = (*RUN, "--workers", "1", "--task", "dot_reach")
    assert harness(*command, "--task", "dot_stay")[0] == 0
    damaged = next(Path("runs").glob("*/rows/dot_stay+train+*.parquet"))
    data = bytearray(damaged.read_bytes())
    data[len(data) // 2] ^= 4
    damaged.write_bytes(data)
    before = {path: path.read_bytes() for path in Path("runs").rglob("*") if path.is_file()}
    for more in ((), ("--episodes", "2")):
        status, out, err = harness(*command, "--task", "dot_stay", *more)
        assert (status, out) == (2, "")
        assert err == (
            f"error: {damaged} is not a file of rows: its bytes do not match its digest. "
            "Nothing is measured over it: mend it, or move it away to measure it again.\n"
        )
    status, out, err = harness(*command)
    assert (status, "dot_reach" in out) == (0, True)
    assert err.startswith(f"Left out: {damaged.resolve()} is not a file of rows")
    assert {path: path.read_bytes() for path in Path("runs").rglob("*") if path.is_file()} == before


def test_a_command_is_printed_as_a_file_that_is_the_same_command(
    harness: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    several = ("run", *DOTS, *SEEKER, "--agent", "zero", "--task", "dot_reach", "--episodes", "1", "--runs", "here")
    status, out, err = harness(*several, "--show-config")
    assert (status, err) == (0, "")
    assert "runs: here\n" in out
    (tmp_path / "table.yaml").write_text(out)
    assert harness("run", "--config", "table.yaml", "--show-config") == (0, out, "")
    assert not (tmp_path / "here").exists()
    given, read = (harness(*words, "--quiet", "--json") for words in (several, ("run", "--config", "table.yaml")))
    assert given == read
    assert json.loads(given[1])["failed"] == []
    assert len(list((tmp_path / "here").iterdir())) == 2
    (tmp_path / "table.yaml").write_text(out + "colour: red\n")
    status, _, err = harness("run", "--config", "table.yaml")
    assert status == 2
    assert "Unknown option 'colour'" in err
    assert f"line {len(out.splitlines()) + 1}" in err


def test_a_cell_that_fails_is_in_the_table_and_in_the_exit_status(
    harness: Callable[..., tuple[int, str, str]],
) -> None:
    several = ("run", *DOTS, *SEEKER, "--agent", "harness.testing:RAISING", "--task", "dot_reach", "--episodes", "2")
    status, out, err = harness(*several, "--seeds", "0", "--quiet")
    assert status == 1
    assert "2 failed, the rest is measured" in err
    assert out.count("Failed: dots-raising-quick-") == 2
    assert "dot_reach, backdrop, seed 0: dot_reach, backdrop: The agent raised" in out
