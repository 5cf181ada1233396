"""What a user's agent or suite is made of: every module and every file counts, the place where they lie does not."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from harness import watching
from harness.errors import UsageError, WorkError
from harness.registry import load_agent, load_suite
from harness.running.plan import RunOptions
from harness.running.planning import make_plan
from harness.running.user_files import files_for, files_of, identity, is_users, named_files

DOTS = "harness.testing:SUITE"
ACT = "def policy(observations):\n    return [[0.0, 0.0]] * len(observations)\n"
TREE = {
    "main.py": "import top.inner.leaf\nfrom side import a, b\ndef later():\n    import lazy\n    from top import extra",
    "top/__init__.py": "",
    "top/inner/__init__.py": "from . import sibling\nfrom ..cousin import thing",
    "top/inner/leaf.py": "import json, numpy, harness.testing",
    "top/inner/sibling.py": "from .. import aunt",
    "top/aunt.py": "import no_such_module_anywhere",
    "top/cousin.py": "thing = 1",
    "top/extra.py": "this is not Python",
    "top/unused.py": "",
    "side/__init__.py": "b = 2",
    "side/a.py": "import main",
    "lazy.py": "",
    "other.py": "",
}


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, str]], None]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])

    def call(files: dict[str, str]) -> None:
        for name, text in files.items():
            Path(name).parent.mkdir(parents=True, exist_ok=True)
            Path(name).write_text(text)

    return call


@pytest.fixture
def own(tmp_path: Path) -> str:
    """A name of a module that no other test has."""
    return f"own_{tmp_path.name}".replace("-", "_")


def test_every_module_that_is_imported_counts(write: Callable[[dict[str, str]], None], tmp_path: Path) -> None:
    write(TREE)
    loaded = set(sys.modules)
    found = {str(path.relative_to(tmp_path.resolve())) for path in files_of(["main"])}
    assert found == set(TREE) - {"other.py", "top/unused.py"}
    assert not {"top", "side", "main", "lazy"} & (set(sys.modules) - loaded)  # nothing was executed


def test_what_is_the_users() -> None:
    assert is_users("mine:policy")
    assert is_users("tests.harness.learner:AGENT")
    assert not is_users("harness.testing:SEEKER")
    assert not is_users("pieg")


def config_hash(own: str, **options: object) -> str:
    plan = make_plan(RunOptions(suite=DOTS, agent=f"{own}:policy", device="cpu", **options))  # type: ignore[arg-type]
    return plan.tasks[0].config_hash


def test_each_part_of_an_agent_makes_it_another(write: Callable[[dict[str, str]], None], own: str) -> None:
    write({f"{own}.py": f"import {own}_helper\ndata = open('data.txt').read()\n{ACT}", f"{own}_helper.py": "x = 1"})
    write({"data.txt": "d", "named.txt": "n", "folder/deep/one.txt": "1", "beside.txt": "b"})
    files = {"agent_files": ["named.txt", "folder"]}
    seen = [config_hash(own, **files)]
    write({"beside.txt": "another", f"{own}_unused.py": ""})
    assert config_hash(own, **files) == seen[0]
    changes = {f"{own}_helper.py": "x = 2", "data.txt": "e", "named.txt": "m", "folder/deep/one.txt": "2"}
    for name, text in changes.items():
        write({name: text})
        seen.append(config_hash(own, **files))
    write({"folder/two.txt": "2", f"{own}.py": Path(f"{own}.py").read_text() + "\n"})
    seen.append(config_hash(own, **files))
    seen.append(config_hash(own))
    assert len(set(seen)) == len(seen)


def test_the_place_does_not_count(
    write: Callable[[dict[str, str]], None], own: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    seen = []
    for name in ("here", "there/deeper"):
        (tmp_path / name / "data").mkdir(parents=True)
        monkeypatch.chdir(tmp_path / name)
        monkeypatch.setattr(sys, "path", [*(entry for entry in sys.path if not entry.startswith(str(tmp_path)))])
        monkeypatch.delitem(sys.modules, own, raising=False)
        monkeypatch.setattr(watching, "_read_by_import", {})
        write({f"{own}.py": ACT, "data/w.txt": "w"})
        seen.append(config_hash(own, agent_files=["data/w.txt"]))
    assert seen[0] == seen[1]


def test_what_a_policy_says_of_itself_counts(write: Callable[[dict[str, str]], None], own: str) -> None:
    lines = "class P:\n    {}\n    def identity({}):\n        return open('version.txt').read()\n" + ACT.replace(
        "policy(", "act(self, "
    ).replace("observations):", "observations, *, explore):").replace("def", "    def").replace("return", "    return")
    seen = set()
    for number, (kind, argument, made) in enumerate((("", "self", "P()"), ("@classmethod", "cls", "P"))):
        write({f"{own}_{number}.py": f"{lines.format(kind, argument)}\npolicy = {made}\n"})
        for version in "ab":
            write({"version.txt": version})
            seen.add(config_hash(f"{own}_{number}"))
    assert len(seen) == 4


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("policy.identity = lambda: 3", "must return a text, not a int"),
        ("policy.identity = lambda: 1 / 0", "fails (ZeroDivisionError: division by zero)"),
        ("class policy:\n    act = 1\n    def identity(self): return 'a'", "must be a classmethod"),
    ],
)
def test_what_identity_cannot_say(write: Callable[[dict[str, str]], None], own: str, body: str, words: str) -> None:
    write({f"{own}.py": ACT + body.replace("act = 1", "def act(self, o, *, explore): return o")})
    with pytest.raises(UsageError) as caught:
        config_hash(own)
    assert words in str(caught.value)


def test_a_suite_from_outside_counts_with_what_it_names_in_texts(
    write: Callable[[dict[str, str]], None], own: str
) -> None:
    write(
        {
            f"{own}.py": "import dataclasses, harness.testing\n"
            f"SUITE = dataclasses.replace(harness.testing.SUITE, domain='{own}_domain')\n",
            f"{own}_domain.py": "from harness.testing import make_simulation\n",
        }
    )

    def digest() -> str:
        found = identity("zero", load_agent("zero"), f"{own}:SUITE", load_suite(f"{own}:SUITE"), ())
        assert found is not None
        return found.digest

    before = digest()
    write({f"{own}_domain.py": "from harness.testing import make_simulation\nx = 1\n"})
    assert digest() != before


def test_named_files_must_be_there(write: Callable[[dict[str, str]], None], own: str) -> None:
    write({f"{own}.py": ACT})
    Path("empty").mkdir()
    for name, words in (("absent.pt", "There is no absent.pt"), ("empty", "There is no file in empty")):
        with pytest.raises(UsageError, match=rf"^{words} \(given by --agent-file\)\.$"):
            named_files([name])
    with pytest.raises(UsageError, match="goes with an agent from outside"):
        make_plan(RunOptions(suite=DOTS, agent="zero", agent_files=[f"{own}.py"]))


def test_files_that_change_under_way_are_noticed(write: Callable[[dict[str, str]], None], own: str) -> None:
    write({f"{own}.py": ACT})
    plan = make_plan(RunOptions(suite=DOTS, agent=f"{own}:policy", device="cpu"))
    assert plan.outside is not None
    plan.outside.check_unchanged()
    for change in (lambda: write({f"{own}.py": ACT + "#"}), Path(f"{own}.py").unlink):
        change()
        with pytest.raises(WorkError, match=rf"{own}\.py changed while the run was at work"):
            plan.outside.check_unchanged()


def test_files_are_those_of_agents_from_outside() -> None:
    """Unless there is none: then they are the suite's, or `identity` says what is wrong."""
    named = ["weights"]
    assert files_for("mine:policy", ["mine:policy", "zero"], named) == named
    assert files_for("zero", ["mine:policy", "zero"], named) == ()
    assert files_for("zero", ["zero", "random"], named) == named


def test_two_suites_of_one_module_are_two(write: Callable[[dict[str, str]], None], own: str) -> None:
    """Of one name and version, in files that do not differ."""
    suites = "from dataclasses import replace\nfrom harness.testing import SUITE\nA = SUITE\n"
    suites += "B = replace(SUITE, settings=(replace(SUITE.settings[0], shifts=()),))\nC = SUITE\n"
    write({f"{own}.py": suites, "pol.py": ACT})
    ids = [make_plan(RunOptions(f"{own}:{name}", "pol:policy", tasks=["dot_stay"])).run_id for name in "ABC"]
    assert ids[0] == ids[2] != ids[1]


def test_runs_and_compiled_modules_in_a_named_folder_do_not_count(tmp_path: Path) -> None:
    for name in ("weights.npz", "runs/r1/record.json", "runs/r1/rows/a.parquet", "__pycache__/a.pyc", "runs/notes.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    assert named_files([str(tmp_path)]) == {tmp_path / "weights.npz", tmp_path / "runs" / "notes.txt"}
    with pytest.raises(UsageError, match="--agent-file names nothing"):
        named_files([""])
