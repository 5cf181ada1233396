"""A benchmark harness for visual generalization in reinforcement learning.

`harness.evaluate(policy, suite="video_hard")` measures any policy; `harness.make_env` builds one environment;
`harness.results.load` reads rows, and `harness.results.table` shows them; the `harness` command does the rest. Nothing
heavy is imported until it is used.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec

    from harness import policies, results
    from harness.api import evaluate, make_env

__all__ = ["evaluate", "make_env", "policies", "results"]

# In a checkout `suites`, `baselines`, `results` and `reports` lie beside this folder, in a wheel inside it; they are
# imported as `harness.suites` and so on either way, so that no other name at the top level is taken.
if not (Path(__file__).parent / "suites").is_dir():
    __path__.append(str(Path(__file__).resolve().parent.parent))


def __getattr__(name: str) -> Any:
    if name in ("policies", "results"):
        return importlib.import_module(f"harness.{name}")
    if name in __all__:
        from harness import api

        return getattr(api, name)
    raise AttributeError(f"module 'harness' has no attribute '{name}'")


def _register_ids() -> None:
    from harness.gym_ids import register

    register()


class _WhenGymnasiumLoads:
    """Registers our ids right after Gymnasium is imported, whoever imports it.

    Importing it here would cost every command half a second, and Gymnasium has no plugins any more. To look for
    Gymnasium is not to import it (`importlib.util.find_spec` in other libraries), so this stays until it has run.
    """

    def __init__(self) -> None:
        self._within = threading.local()  # whether this thread is looking for Gymnasium already

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> ModuleSpec | None:
        if fullname != "gymnasium" or getattr(self._within, "looking", False):
            return None
        self._within.looking = True
        try:
            spec = importlib.util.find_spec(fullname)
        finally:
            self._within.looking = False
        if spec is not None and spec.loader is not None:
            self._follow(spec.loader)
        return spec

    def _follow(self, loader: Any) -> None:
        execute = loader.exec_module

        def execute_and_register(module: Any) -> None:
            execute(module)
            if self in sys.meta_path:
                sys.meta_path.remove(self)
            _register_ids()

        loader.exec_module = execute_and_register


if "gymnasium" in sys.modules:
    _register_ids()
else:
    sys.meta_path.insert(0, _WhenGymnasiumLoads())
