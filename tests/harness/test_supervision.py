"""Whatever code from outside does to its process is told; the command is killed, interrupted and read as ever."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness.supervision import may_run_code_from_outside

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}
RUN = ("run", "--suite", "harness.testing:SUITE", "--task", "dot_stay", "--episodes", "1", "--quiet")


def start(folder: Path, module: str, text: str, *options: str) -> subprocess.Popen[str]:
    (folder / f"{module}.py").write_text(text)
    return subprocess.Popen(
        [sys.executable, "-m", "harness", *RUN, "--agent", f"{module}:policy", *options],
        cwd=folder,
        env=ENVIRONMENT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


ENDINGS = {
    "SIGKILL ended the process": "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)",
    "SIGSEGV ended the process": "import ctypes\nctypes.string_at(0)",
    "SIGABRT ended the process": "import signal\nsignal.raise_signal(signal.SIGABRT)",
    "SIGTERM ended the process": "import os\nos.system(f'kill {os.getpid()}')\nimport time\ntime.sleep(60)",
    "it ended the process": "import ctypes\nctypes.CDLL(None)._exit(0)",
    "KeyboardInterrupt": "raise KeyboardInterrupt",
    "Stop: it called sys.exit(0)": "class Stop(SystemExit): pass\nraise Stop(0)",
}


@pytest.mark.parametrize("words", ENDINGS)
def test_a_module_that_ends_the_process_by_whatever_means_is_named(words: str, tmp_path: Path) -> None:
    done = start(tmp_path, "ending", ENDINGS[words])
    out, err = done.communicate(timeout=120)
    assert (done.returncode, out) == (2, "")
    assert err == f"error: Module 'ending' cannot be imported ({words}).\n"
    assert [path.name for path in tmp_path.iterdir() if path.name != "__pycache__"] == ["ending.py"]


SLOW = "import time, pathlib\npathlib.Path('began').touch()\ntime.sleep(120)\n"


def wait_until_begun(folder: Path) -> None:
    deadline = time.monotonic() + 100
    while not (folder / "began").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def is_alive(session: int) -> bool:
    try:
        os.killpg(session, 0)
    except ProcessLookupError:
        return False
    return True


def test_an_interrupt_is_one_and_nobody_is_left(tmp_path: Path) -> None:
    done = start(tmp_path, "slow", SLOW)
    wait_until_begun(tmp_path)
    done.send_signal(signal.SIGINT)
    out, err = done.communicate(timeout=100)
    assert (done.returncode, out, err) == (130, "", "")
    assert not is_alive(done.pid)


def in_a_terminal(folder: Path) -> tuple[int, int]:
    """The number of a process that leads a session with a terminal of its own, and that terminal's descriptor."""
    child, terminal = pty.fork()
    if not child:
        os.chdir(folder)
        os.environ["PYTHONPATH"] = str(ROOT)
        os.execv(sys.executable, [sys.executable, "-m", "harness", *RUN, "--agent", "slow:policy"])
    return child, terminal


def test_ctrl_c_at_a_terminal_is_one_too(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(SLOW)
    child, terminal = in_a_terminal(tmp_path)
    wait_until_begun(tmp_path)
    os.write(terminal, b"\x03")
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 130
    os.close(terminal)


def wait_until_gone(session: int) -> None:
    deadline = time.monotonic() + 100
    while is_alive(session):
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
def test_a_command_that_is_killed_leaves_nobody(number: int, tmp_path: Path) -> None:
    """It ends as it would unwatched, and blames no module for it."""
    done = start(tmp_path, "slow", SLOW)
    wait_until_begun(tmp_path)
    done.send_signal(number)
    _, err = done.communicate(timeout=100)
    assert (done.returncode, err) == (-number, "")
    wait_until_gone(done.pid)


def test_closing_the_terminal_ends_it(tmp_path: Path) -> None:
    """Then the leader of the session gets a hang-up, and nobody else."""
    (tmp_path / "slow.py").write_text(SLOW)
    child, terminal = in_a_terminal(tmp_path)
    wait_until_begun(tmp_path)
    os.close(terminal)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == -signal.SIGHUP
    wait_until_gone(child)


ACTING = """
import pathlib, time
def policy(observations):
    pathlib.Path("began").touch()
    time.sleep(0.1)
    return [[0.0, 0.0]] * len(observations)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("delay", [0.02, 0.3])
def test_a_signal_to_the_whole_group_is_one(number: int, delay: float, tmp_path: Path) -> None:
    """As of `timeout` and of clusters; the watching process passes it on late, as on a busy machine."""
    done = start(tmp_path, "acting", ACTING, "--workers", "1")
    wait_until_begun(tmp_path)
    done.send_signal(signal.SIGSTOP)
    done.send_signal(number)
    os.killpg(done.pid, number)
    time.sleep(delay)
    done.send_signal(signal.SIGCONT)
    _, err = done.communicate(timeout=100)
    assert done.returncode == 130
    assert err == "Interrupted; the same command goes on from here.\n"
    assert json.loads(next(tmp_path.glob("runs/*/record.json")).read_bytes())["status"] == "interrupted"
    wait_until_gone(done.pid)


def test_where_ends_of_children_are_not_told_it_ends_all_the_same(tmp_path: Path) -> None:
    """Ignoring SIGCHLD is inherited, from a shell's `trap '' CHLD` for one."""
    ignoring = (
        "import os, signal, sys; signal.signal(signal.SIGCHLD, signal.SIG_IGN); os.execv(sys.argv[1], sys.argv[1:])"
    )
    (tmp_path / "fine.py").write_text("policy = lambda observations: [[0.0, 0.0]]\n")
    command = [sys.executable, "-m", "harness", *RUN, "--agent", "fine:nothing"]
    done = subprocess.run(
        [sys.executable, "-c", ignoring, *command], cwd=tmp_path, env=ENVIRONMENT, capture_output=True, timeout=100
    )
    assert done.returncode == 2


def test_an_interrupt_that_a_module_lets_end_its_process_prints_nothing(tmp_path: Path) -> None:
    done = start(tmp_path, "slow", f"import signal\nsignal.signal(signal.SIGINT, signal.SIG_DFL)\n{SLOW}")
    wait_until_begun(tmp_path)
    done.send_signal(signal.SIGINT)
    _, err = done.communicate(timeout=100)
    assert (done.returncode, err) == (-signal.SIGINT, "")


def test_what_ends_as_ever_has_its_output_and_status(tmp_path: Path) -> None:
    done = start(tmp_path, "fine", "policy = lambda observations: [[0.0, 0.0]]\n")
    out, err = done.communicate(timeout=200)
    assert (done.returncode, err) == (0, "")
    assert out.startswith("dots · fine_policy\n")
    done = start(tmp_path, "fine", "policy = lambda observations: [[0.0, 0.0]]\n", "--task", "none")
    out, err = done.communicate(timeout=200)
    assert (done.returncode, out, err.count("\n")) == (2, "", 1)


def test_which_commands_are_watched() -> None:
    assert may_run_code_from_outside(["run", "--agent", "mine:policy"])
    assert may_run_code_from_outside(["run", "--suite=package.mine:SUITE"])
    assert may_run_code_from_outside(["run", "--config", "file.yaml"])
    assert not may_run_code_from_outside(["run", "--suite", "video_hard", "--agent", "pieg", "--device", "cuda:1"])
    assert may_run_code_from_outside(["ablate", "--over", "encoder=mine:a,mine:b"])
    assert may_run_code_from_outside(["diagnose", "features", "runs/one"])
    assert may_run_code_from_outside(["verify", "one.zip"])
    assert may_run_code_from_outside(["report", "runs/one", "--videos"])
    assert not may_run_code_from_outside(["run", "--suite", "harness.testing:SUITE"])
    assert not may_run_code_from_outside(["report", "runs/one"])
    assert not may_run_code_from_outside([])


LATER = {
    "a thread": "import os, threading, time\nthreading.Thread(target=lambda: (time.sleep(0.5), os._exit(0))).start()\n",
    "an exit handler": "import atexit, os\natexit.register(lambda: os._exit(0))\n",
}


@pytest.mark.parametrize("what", LATER)
def test_what_a_module_leaves_behind_ends_nothing_either(what: str, tmp_path: Path) -> None:
    """The policy fails, so the status is 1; `os._exit` after the import would make it 0."""
    done = start(tmp_path, "later", f"{LATER[what]}def policy(observations):\n    raise ValueError\n")
    _, err = done.communicate(timeout=200)
    assert done.returncode == 1
    assert "error: " in err


def test_what_a_module_prints_is_no_answer_and_where_it_goes_is_not_followed(tmp_path: Path) -> None:
    text = "import os\nprint('hello')\nos.makedirs('sub', exist_ok=True)\nos.chdir('sub')\n"
    done = start(tmp_path, "loud", f"{text}policy = lambda observations: [[0.0, 0.0]]\n", "--json")
    out, err = done.communicate(timeout=200)
    assert done.returncode == 0, err
    assert json.loads(out)
    assert "hello" in err
    assert sorted(path.name for path in tmp_path.iterdir() if path.name != "__pycache__") == ["loud.py", "runs", "sub"]
    assert not list((tmp_path / "sub").iterdir())
