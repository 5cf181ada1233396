"""Whatever code from outside does to its process is told; the command is killed, interrupted and read as ever."""

from __future__ import annotations

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
RUN = ("run", "--suite", "harness.testing:SUITE", "--task", "dot_stay", "--episodes", "1", "--quiet")


def start(folder: Path, module: str, text: str, *options: str) -> subprocess.Popen[str]:
    (folder / f"{module}.py").write_text(text)
    return subprocess.Popen(
        [sys.executable, "-m", "harness", *RUN, "--agent", f"{module}:policy", *options],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
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


def test_ctrl_c_at_a_terminal_is_one_too(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(SLOW)
    child, terminal = pty.fork()
    if not child:
        os.chdir(tmp_path)
        os.environ["PYTHONPATH"] = str(ROOT)
        os.execv(sys.executable, [sys.executable, "-m", "harness", *RUN, "--agent", "slow:policy"])
    wait_until_begun(tmp_path)
    os.write(terminal, b"\x03")
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 130
    os.close(terminal)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_command_that_is_killed_leaves_nobody(number: int, tmp_path: Path) -> None:
    done = start(tmp_path, "slow", SLOW)
    wait_until_begun(tmp_path)
    done.send_signal(number)
    _, err = done.communicate(timeout=100)
    assert done.returncode in (-number, 2)
    assert err == (
        "" if number == signal.SIGKILL else "error: Module 'slow' cannot be imported (SIGTERM ended the process).\n"
    )
    deadline = time.monotonic() + 100
    while is_alive(done.pid):
        assert time.monotonic() < deadline
        time.sleep(0.05)


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
    assert not may_run_code_from_outside(["run", "--suite", "harness.testing:SUITE"])
