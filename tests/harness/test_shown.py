"""Names from outside are shown, and do nothing to whoever looks at them."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import typer.main

from harness import cli
from harness.agent import AgentSpec
from harness.assets.found import FoundAsset
from harness.errors import UsageError
from harness.listing import columns
from harness.reports.filling import build_table, expected_from_rows
from harness.reports.render import FORMATS, render
from harness.results.rows import Row, to_dict
from harness.results.text import escaped
from harness.running.progress import Progress
from harness.spec import Setting, Suite
from harness.testing import SUITE
from tests.results.test_store import make_rows

NASTY = "a\x1b[31mb\x9b2Jc\u202ed\u2066e\x7ff\rg\nh\ti\u2028j\x00"
UNREADABLE = NASTY.replace("\x00", "") + "\udcff"  # as an argument with bytes that are no text arrives
SUITES = {
    "--suite": "harness.testing:SUITE",
    "--agent": "harness.testing:SEEKER",
    "--task": "dot_reach",
    "--over": "protocol.action_repeat=1,2",
    "--shift": "brightness=0:1:2",
    "--format": "monitor",
    "--to": "rows.csv",
}

COMMAND = typer.main.get_command(cli.app)

Harness = Callable[..., tuple[int, str, str]]


def acts(text: str) -> bool:
    """Whether a text would do anything but be read."""
    return escaped(text, keep="\n") != text


def refuse(*_: object, **__: object) -> None:
    raise UsageError("Nothing is run in these tests.")


@pytest.fixture
def harness(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Harness:
    """Runs the command line in this process, in an empty folder; returns exit status, output and errors."""
    monkeypatch.syspath_prepend(str(Path(__file__).resolve().parents[2]))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cli, "app", COMMAND)
    monkeypatch.setattr("harness.running.run.execute", refuse)

    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["harness", *arguments])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        captured = capsys.readouterr()
        return int(stop.value.code or 0), captured.out, captured.err

    return call


def commands() -> dict[str, Any]:
    """Every command by its words."""
    found: dict[str, Any] = {}

    def walk(words: tuple[str, ...], command: Any) -> None:
        for name, inner in getattr(command, "commands", {}).items():
            walk((*words, name), inner)
        if not hasattr(command, "commands"):
            found[" ".join(words)] = command

    walk((), COMMAND)
    return found


COMMANDS = commands()
OPTIONS = [
    (name, parameter.opts[0] if parameter.param_type_name == "option" else "")
    for name, command in COMMANDS.items()
    for parameter in command.params
    if not getattr(parameter, "is_flag", False)
]


@pytest.mark.parametrize(("command", "option"), OPTIONS)
def test_no_value_of_an_option_acts(command: str, option: str, harness: Harness) -> None:
    """Every option and argument of every command with a name that nobody has; paths go below a folder that is none."""
    wanted = [p.opts[0] for p in COMMANDS[command].params if p.param_type_name == "option" and p.required]
    others = [word for name in wanted if name != option for word in (name, SUITES[name])]
    for value in (NASTY.replace("\x00", ""), UNREADABLE, f"nowhere.{NASTY[:2]}:X", f"{__file__}/{UNREADABLE}", "1\x1b"):
        status, out, err = harness(*command.split(), *others, *([option, value] if option else [value]))
        assert status != 0, (out, err)
        assert not acts(out + err)
        assert "Traceback" not in err


def test_no_name_of_a_command_or_option_acts(harness: Harness) -> None:
    for arguments in ((UNREADABLE,), ("run", f"--{UNREADABLE}"), ("list", UNREADABLE), ("assets", UNREADABLE)):
        status, out, err = harness(*arguments)
        assert (status, out) == (2, "")
        assert not acts(err)
        assert "a\\x1b[31mb\\x9b2Jc\\u202ed" in err


def test_errors_are_one_line_and_safe() -> None:
    error = UsageError(f"Unknown task '{UNREADABLE}'.")
    assert not acts(str(error))
    assert "\n" not in str(error)
    assert str(type(error)(str(error))) == str(error)  # as it crosses from a worker


def nasty_rows(count: int = 2) -> list[Row]:
    named = dict.fromkeys(("suite", "task", "setting", "agent", "stand_ins", "notes", "gl_renderer"), NASTY)
    named |= {"code_revision": NASTY, "preset": NASTY, "compute": NASTY, "render_profile": NASTY}
    successes = json.dumps({NASTY: True, "b": False})
    rows = [replace(row, **named, successes_json=successes, success=True) for row in make_rows(count)]
    return [*rows, *(replace(row, setting="train", code_revision=f"{NASTY}2") for row in rows)]


@pytest.mark.parametrize("fmt", FORMATS)
@pytest.mark.parametrize("terminal", [False, True])
def test_no_table_acts(fmt: str, terminal: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    import pandas as pd

    rows = pd.DataFrame([to_dict(row) for row in nasty_rows()])
    table = build_table(rows, expected_from_rows(rows))
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal)
    text = render(table, fmt)
    if fmt == "terminal" and terminal:
        text = text.replace("\x1b[", "<").replace("<31mb", "\x1b[31mb").replace("<2J", "\x1b[2J")  # its own colours
    assert not acts(text)
    assert "b\\x9b2J" in text.replace("\\textbackslash{}", "\\").replace("\\\\", "\\") or "\\u009b" in text
    if fmt == "json":
        assert {line["task"] for line in json.loads(text)["lines"]} >= {NASTY}
    else:
        assert "\nh" not in text  # a line break in a name makes no line


def test_no_list_acts() -> None:
    text = columns([{"task": NASTY, "other": None}, {"task": "b", "other": NASTY}])
    assert not acts(text)
    assert len(text.split("\n")) == 3


def test_no_note_acts(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress(train_frames={}, episodes=1)
    progress.note(f"A worker of [red]{NASTY}[/nonsense] died.")
    progress._lines = False
    progress._open_bars()
    progress.note(f"A worker of [red]{NASTY}[/nonsense] died.")
    progress._bars.stop()
    text = capsys.readouterr().err
    assert text.count("[red]a\\x1b[31mb\\x9b2Jc") == 2
    assert "\x9b" not in text
    assert not acts(FoundAsset(NASTY, (), f"stand-in:{NASTY}-v1").stand_in_sentence())


NASTY_SUITE: Suite = replace(
    SUITE,
    name=NASTY,
    tasks=(NASTY, "dot_stay"),
    settings=(Setting(NASTY, SUITE.settings[0].shifts),),
    protocol=replace(
        SUITE.protocol,
        action_repeat={NASTY: 2, "dot_stay": 1},
        train_frames={NASTY: 5_000, "dot_stay": 5_000},
    ),
)
NASTY_AGENT = AgentSpec(NASTY, 1, "harness.testing:Seeker", NASTY, NASTY, learns=False)


def test_a_suite_and_an_agent_of_such_names(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.running.run.execute", lambda *_, **__: None)
    monkeypatch.setattr(cli, "_run_table", lambda *_: "table")
    suite = ("--suite", "tests.harness.test_shown:NASTY_SUITE")
    agent = ("--agent", "tests.harness.test_shown:NASTY_AGENT")
    for arguments, status in (
        (("list", "tasks", *suite), 0),
        (("list", "tasks", *suite, "--json"), 0),
        (("run", *suite, *agent), 0),
        (("run", *suite, *agent, "--task", "none"), 2),
        (("run", *suite, *agent, "--json"), 0),
        (("run", *suite, *agent, "--shift", "none=1"), 2),
        (("run", *suite, *agent, "--set", "x=1"), 2),
    ):
        found, out, err = harness(*arguments)
        assert found == status, err
        assert not acts(out + err)
        assert "\nh\\t" not in out + err  # a line break in a name makes no line
        assert not Path("runs").exists()
