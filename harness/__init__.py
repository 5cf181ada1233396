"""A benchmark harness for visual generalization in reinforcement learning.

`harness.evaluate(policy, suite="video_hard")` measures any policy; `harness.make_env` builds one environment; the
`harness` command does the rest. Nothing heavy is imported until it is used.
"""

from __future__ import annotations

import importlib.abc
import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec

    from harness.api import evaluate, make_env

__all__ = ["evaluate", "make_env"]

# In a checkout `suites`, `baselines`, `results` and `reports` lie beside this folder, in a wheel inside it; they are
# imported as `harness.suites` and so on either way, so that no other name at the top level is taken.
if not (Path(__file__).parent / "suites").is_dir():
    __path__.append(str(Path(__file__).resolve().parent.parent))


def __getattr__(name: str) -> Any:
    if name in __all__:
        from harness import api

        return getattr(api, name)
    raise AttributeError(f"module 'harness' has no attribute '{name}'")


def _register_ids() -> None:
    from harness.gym_ids import register

    register()


class _WhenGymnasiumLoads(importlib.abc.MetaPathFinder):
    """Registers our ids right after Gymnasium is imported, whoever imports it.

    Importing it here would cost every command half a second, and Gymnasium has no plugins any more.
    """

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> ModuleSpec | None:
        if fullname != "gymnasium":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def execute_and_register(module: Any) -> None:
                execute(module)
                _register_ids()

            spec.loader.exec_module = execute_and_register  # type: ignore[method-assign]
        return spec


if "gymnasium" in sys.modules:
    _register_ids()
else:
    sys.meta_path.insert(0, _WhenGymnasiumLoads())
