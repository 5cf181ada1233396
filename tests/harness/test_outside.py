"""Code from outside that ends the process, or raises what nobody catches, ends in a sentence that names it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from harness import cli
from harness.errors import UsageError
from harness.outside import EndedProcess, code_from_outside, described, forbid_ending, is_interrupt
from tests.prompt import AT_ONCE

ROOT = Path(__file__).resolve().parents[2]


class Unshowable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no")


class Leaving(Exception):
    def __str__(self) -> str:
        raise SystemExit(0)


class Odd:
    def __repr__(self) -> str:
        raise ValueError


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ValueError("too small"), "ValueError: too small"),
        (KeyError(), "KeyError"),
        (SystemExit(), "SystemExit: it called sys.exit()"),
        (SystemExit(0), "SystemExit: it called sys.exit(0)"),
        (SystemExit("bye"), "SystemExit: it called sys.exit('bye')"),
        (EndedProcess("os._exit(0)"), "EndedProcess: it called os._exit(0)"),
        (GeneratorExit(), "GeneratorExit"),
        (Unshowable(), "Unshowable: what it says cannot be shown"),
        (Leaving(), "Leaving: what it says cannot be shown"),
        (SystemExit(Odd()), "SystemExit: what it says cannot be shown"),
    ],
)
def test_whatever_is_raised_is_told(error: BaseException, words: str) -> None:
    assert described(error) == words
    with pytest.raises(UsageError) as caught, code_from_outside("It cannot be taken"):
        raise error
    assert str(caught.value) == f"It cannot be taken ({words})."


def test_an_interrupt_stays_one() -> None:
    with pytest.raises(KeyboardInterrupt), code_from_outside("It"):
        signal.raise_signal(signal.SIGINT)
    with pytest.raises(UsageError, match=r"It fails \(KeyboardInterrupt\)"), code_from_outside("It fails"):
        raise KeyboardInterrupt
    with pytest.raises(KeyboardInterrupt), code_from_outside("It"), code_from_outside("A part of it"):
        signal.raise_signal(signal.SIGINT)
    with pytest.raises(UsageError, match=r"It fails \(K"), code_from_outside("It fails"), code_from_outside("A part"):
        raise KeyboardInterrupt
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    before = signal.getsignal(signal.SIGINT)
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        assert is_interrupt(KeyboardInterrupt())
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        assert not is_interrupt(KeyboardInterrupt())  # nobody pressed anything: the code raised it
    finally:
        signal.signal(signal.SIGINT, before)


def test_ending_is_forbidden_here_and_allowed_again_and_in_forked_processes() -> None:
    real = os._exit
    allow = forbid_ending()
    try:
        with pytest.raises(EndedProcess, match=r"os\._exit\(3\)"):
            os._exit(3)
        with pytest.raises(EndedProcess, match=r"os\.execv\('/bin/true'\)"):
            os.execl("/bin/true", "true")
        with pytest.raises(EndedProcess, match=r"os\.abort\(\)"):
            os.abort()
        child = os.fork()
        if not child:
            os._exit(5)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 5
        assert subprocess.run(["/bin/true"]).returncode == 0
    finally:
        allow()
    assert os._exit is real


MODULES = {
    "sys.exit(0)": "import sys; sys.exit(0)",
    "sys.exit('bye')": "import sys; sys.exit('bye')",
    "os._exit(0)": "import os; os._exit(0)",
    "os._exit(7)": "from os import _exit; _exit(7)",
    "os.execv('/bin/true')": "import os; os.execv('/bin/true', ['true'])",
    "os.execve('/bin/true')": "import os; os.execle('/bin/true', 'true', {})",
    "GeneratorExit": "raise GeneratorExit",
    "RecursionError": "def f(): f()\nf()",
    "MemoryError": "raise MemoryError",
    "OSError: gone": "raise OSError('gone')",
    "which is not shown": "class E(Exception):\n    def __str__(self): raise KeyError\nraise E",
}


@pytest.fixture
def harness(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Callable[..., tuple[int, str, str]]:
    """Runs the command line in this process, in an empty folder; returns exit status, output and errors."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))

    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["harness", *arguments])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        captured = capsys.readouterr()
        return int(stop.value.code or 0), captured.out, captured.err

    return call


@pytest.mark.parametrize("place", ["{}", "{}.inner"])
@pytest.mark.parametrize("option", ["--agent", "--suite"])
@pytest.mark.parametrize("words", MODULES)
def test_a_module_that_ends_the_process_is_named(
    words: str, option: str, place: str, harness: Callable[..., tuple[int, str, str]], request: pytest.FixtureRequest
) -> None:
    name = f"ending_{abs(hash(request.node.name))}"
    if place == "{}":
        Path(f"{name}.py").write_text(MODULES[words])
    else:
        Path(name).mkdir()
        Path(name, "__init__.py").write_text(MODULES[words])
    given = {"--suite": "harness.testing:SUITE", "--agent": "harness.testing:SEEKER"}
    given[option] = f"{place.format(name)}:thing"
    started = time.process_time()
    status, out, err = harness("run", *(text for pair in given.items() for text in pair), "--quiet")
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert f"Module '{place.format(name)}' cannot be imported" in err
    assert words in err or words == "which is not shown"
    assert time.process_time() - started < AT_ONCE
    assert not Path("runs").exists()


LAZY = {
    "a module's attribute": "def __getattr__(name):\n    raise SystemExit(0)",
    "what a policy offers": "class P:\n    def __getattr__(self, name):\n        raise SystemExit(0)\nthing = P()",
}


@pytest.mark.parametrize("case", LAZY)
def test_what_is_looked_at_afterwards_is_named_too(case: str, harness: Callable[..., tuple[int, str, str]]) -> None:
    name = f"lazy_{abs(hash(case))}"
    Path(f"{name}.py").write_text(LAZY[case])
    status, out, err = harness("run", "--suite", "harness.testing:SUITE", "--agent", f"{name}:thing", "--quiet")
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert f"'{name}:thing' cannot be" in err
    assert "sys.exit(0)" in err


def test_a_package_that_lacks_something_is_not_called_absent(harness: Callable[..., tuple[int, str, str]]) -> None:
    Path("lacking_package").mkdir()
    Path("lacking_package", "__init__.py").write_text("import no_such_thing_anywhere")
    run = ("run", "--suite", "harness.testing:SUITE", "--quiet", "--agent")
    _, _, err = harness(*run, "lacking_package.inner:thing")
    assert "'lacking_package.inner' cannot be imported (ModuleNotFoundError: No module named 'no_such_thing_any" in err
    _, _, err = harness(*run, "no_package_at_all.inner:thing")
    assert "There is no module 'no_package_at_all.inner'" in err


@pytest.mark.parametrize("closing", ["os.closerange(0, 3)", "os.close(1)", "sys.stderr.close(); os.closerange(1, 99)"])
def test_a_module_that_closes_standard_streams_is_refused_and_they_are_open_again(closing: str, tmp_path: Path) -> None:
    """Else a lock or a pipe gets the number of standard output, and the command waits for its workers for ever."""
    (tmp_path / "closing.py").write_text(f"import os, sys\n{closing}\npolicy = lambda observations: [[0.0, 0.0]]\n")
    told = ("run", "--suite", "harness.testing:SUITE", "--task", "dot_stay", "--agent", "closing:policy")
    done = subprocess.run(
        [sys.executable, "-m", "harness", *told],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "Module 'closing' cannot be imported (RuntimeError: it closed standard" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("replacement", [None, object()])
@pytest.mark.parametrize("name", ["stdout", "stderr"])
def test_a_stream_that_takes_no_text_is_put_back(
    replacement: object, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, name, getattr(sys, name))
    told = {"stdout": "standard output", "stderr": "standard error"}[name]
    with pytest.raises(UsageError, match=f"it closed {told}"), code_from_outside("It"):
        setattr(sys, name, replacement)
    getattr(sys, name).write("")


def test_streams_that_are_left_alone_stay_as_they_are() -> None:
    before = os.listdir("/proc/self/fd")
    with code_from_outside("It"):
        pass
    assert os.listdir("/proc/self/fd") == before
