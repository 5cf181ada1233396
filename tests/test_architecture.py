"""Imports go one way, and light things stay light."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
MAY_IMPORT = {
    "results": set(),
    "reports": {"results"},
    "harness": {"results"},
    "suites": {"harness"},
    "baselines": {"harness"},
}
MODULES = sorted(path for package in MAY_IMPORT for path in (ROOT / package).rglob("*.py"))
WAYS_IN = (ROOT / "harness" / "cli.py", ROOT / "results" / "__init__.py")  # of a shell, of a notebook
CONTRACTS = ("agent", "axis", "environment", "errors", "policy", "registry", "shift_settings", "simulation", "spec")
WINGS = {"running": {"assets"}, "rendering": {"assets"}, "assets": set()}  # wing -> other wings it may import
FOLDERS = {"harness/registry.py": {"harness.suites", "harness.baselines"}}  # what it looks through for names


def name_of(path: Path) -> str:
    """The name a module is imported by."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts if parts[0] == "harness" else ("harness", *parts)).removesuffix(".__init__")


NAMES = {name_of(path): path for path in MODULES}


def package_of(name: str) -> str | None:
    """Which of the five folders a module belongs to; None for what is not ours."""
    parts = name.split(".")
    if parts[0] != "harness":
        return parts[0] if parts[0] in MAY_IMPORT else None
    return parts[1] if len(parts) > 1 and parts[1] in MAY_IMPORT else "harness"


def imported(tree: ast.AST, *, typing_too: bool = True) -> set[str]:
    """Names of all modules (of ours, or whatever stands in an import) that a module imports, inside functions too."""
    passed_over = set()
    if not typing_too:
        blocks = (node for node in ast.walk(tree) if isinstance(node, ast.If))
        types = (node for node in blocks if ast.unparse(node.test) == "TYPE_CHECKING")
        passed_over = {id(part) for node in types for part in ast.walk(node)}
    names: set[str] = set()
    for node in ast.walk(tree):
        if id(node) in passed_over:
            continue
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            names |= {name if name in NAMES else node.module for name in inner}
    return names


def texts(tree: ast.AST) -> set[str]:
    """All text constants of a module but its docstrings."""
    docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    found = (node for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str))
    return {str(node.value) for node in found if id(node) not in docs}


def parse(path: Path) -> ast.Module:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    if path in WAYS_IN:  # may import anything, inside functions
        return ast.Module([node for node in tree.body if not isinstance(node, ast.FunctionDef | ast.If)], [])
    return tree


def test_the_walk_finds_the_packages() -> None:
    assert {path.relative_to(ROOT).parts[0] for path in MODULES} == set(MAY_IMPORT)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_one_way(path: Path) -> None:
    package = path.relative_to(ROOT).parts[0]
    reached = {package_of(name) for name in imported(parse(path))} - {package, None}
    assert reached <= MAY_IMPORT[package]
    assert not {name.partition(".")[0] for name in imported(parse(path))} & (set(MAY_IMPORT) - {"harness"})


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_text_names_a_module_that_may_not_be_imported(path: Path) -> None:
    """`importlib` is no way round the rule: what it is to load is named by who may import it."""
    package = path.relative_to(ROOT).parts[0]
    dotted = {text.partition(":")[0] for text in texts(parse(path)) if re.fullmatch(r"[a-z_]\w*(\.\w+)+(:\w+)?", text)}
    dotted -= FOLDERS.get(str(path.relative_to(ROOT)), set())
    named = {package_of(text) for text in dotted if text.split(".")[0] in ("harness", *MAY_IMPORT)}
    assert named - {package, None} <= MAY_IMPORT[package]


@pytest.mark.parametrize("wing", WINGS)
def test_wings_import_contracts_and_at_most_one_other_wing(wing: str) -> None:
    reached = {name for path in (ROOT / "harness" / wing).glob("*.py") for name in imported(parse(path))}
    others = {name.split(".")[1] for name in reached if name.startswith("harness.") and name.count(".") > 1}
    assert others & set(WINGS) - {wing} <= WINGS[wing]


@pytest.mark.parametrize("name", CONTRACTS)
def test_contracts_import_no_wing(name: str) -> None:
    reached = imported(parse(ROOT / "harness" / f"{name}.py"), typing_too=False)
    assert not [module for module in reached if module.split(".")[1:2] and module.split(".")[1] in WINGS]


def test_no_import_goes_in_a_circle() -> None:
    """Imports inside functions and those for types alone count: a circle is two files that are one."""
    graph = {name: imported(parse(path)) & set(NAMES) - {name} for name, path in NAMES.items()}
    left = dict(graph)
    while free := [name for name, needs in left.items() if not needs & set(left)]:
        for name in free:
            del left[name]
    assert left == {}, f"in a circle, or importing one: {sorted(left)}"


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
names = ("torch", "mujoco", "dm_control", "metaworld", "pandas", "matplotlib", "numpy", "pyarrow", "gymnasium")
heavy = [name for name in names if name in sys.modules]
print("HEAVY", heavy)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "HEAVY []"


def test_functions_are_short() -> None:
    """None over 60 lines, nine in ten under 20, half of them at most 6; docstrings count."""
    lengths = [
        ((node.end_lineno or 0) - node.lineno + 1, node.name)
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    sizes = sorted(size for size, _ in lengths)
    assert sizes[-1] <= 60, max(lengths)
    assert sum(size < 20 for size in sizes) >= 0.9 * len(sizes)
    assert sizes[len(sizes) // 2] <= 6


READS_PICKLES = {"pickle.load", "pickle.loads", "pickle.Unpickler", "dill.load", "joblib.load", "cloudpickle.load"}
NEEDS_KEYWORD = {
    "torch.load": ("weights_only", "True"),
    "np.load": ("allow_pickle", "False"),
    "numpy.load": ("allow_pickle", "False"),
}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_pickle_is_never_read(path: Path) -> None:
    """Nothing that is loaded may execute code; the one restricted reader lives in harness/assets/download.py."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        function = ast.unparse(call.func)
        assert function not in READS_PICKLES, f"line {call.lineno} reads a pickle"
        if function in NEEDS_KEYWORD:
            keyword, value = NEEDS_KEYWORD[function]
            given = {k.arg: ast.unparse(k.value) for k in call.keywords}
            assert given.get(keyword) == value, f"line {call.lineno} may read a pickle"
