"""Imports go one way, and light things stay light."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
OURS = {"harness", "suites", "baselines", "results", "reports"}
MAY_IMPORT = {
    "results": set(),
    "reports": {"results"},
    "harness": {"results"},
    "suites": {"harness"},
    "baselines": {"harness"},
}
MODULES = sorted(path for package in OURS for path in (ROOT / package).rglob("*.py"))


def imported_packages(tree: ast.AST) -> set[str]:
    """Top-level names of everything a module imports, inside functions too."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module.partition(".")[0])
    return names


def test_the_walk_finds_the_packages() -> None:
    assert {path.relative_to(ROOT).parts[0] for path in MODULES} == OURS


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_one_way(path: Path) -> None:
    package = path.relative_to(ROOT).parts[0]
    tree = ast.parse(path.read_text(encoding="utf-8"))
    if path == ROOT / "harness" / "cli.py":  # may import anything, inside functions
        tree = ast.Module([node for node in tree.body if not isinstance(node, ast.FunctionDef)], [])
    reached = imported_packages(tree) & OURS - {package}
    assert reached <= MAY_IMPORT[package]


@pytest.mark.parametrize(
    "arguments", [["--help"], ["list", "suites"], ["list", "agents"], ["run", "--help"], ["assets", "list"]]
)
def test_light_commands_load_neither_torch_nor_a_simulator(arguments: list[str]) -> None:
    code = f"""
import sys
sys.argv = ["harness", *{arguments!r}]
from harness.cli import main
try:
    main()
except SystemExit as stop:
    assert stop.code in (0, None), stop.code
heavy = [name for name in ("torch", "mujoco", "dm_control", "metaworld", "pandas", "matplotlib") if name in sys.modules]
print("HEAVY", heavy)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "HEAVY []"


READS_PICKLES = {"pickle.load", "pickle.loads", "pickle.Unpickler", "dill.load", "joblib.load", "cloudpickle.load"}
NEEDS_KEYWORD = {
    "torch.load": ("weights_only", "True"),
    "np.load": ("allow_pickle", "False"),
    "numpy.load": ("allow_pickle", "False"),
}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_pickle_is_never_read(path: Path) -> None:
    """Nothing that is loaded may execute code; the one restricted reader lives in harness/download.py."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        function = ast.unparse(call.func)
        assert function not in READS_PICKLES, f"line {call.lineno} reads a pickle"
        if function in NEEDS_KEYWORD:
            keyword, value = NEEDS_KEYWORD[function]
            given = {k.arg: ast.unparse(k.value) for k in call.keywords}
            assert given.get(keyword) == value, f"line {call.lineno} may read a pickle"
