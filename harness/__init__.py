"""A benchmark harness for visual generalization in reinforcement learning.

`harness.evaluate(policy, suite="video_hard")` measures any policy; `harness.make_env` builds one environment; the
`harness` command does the rest. Nothing heavy is imported until it is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import wrapt

if TYPE_CHECKING:
    from harness.api import evaluate, make_env

__all__ = ["evaluate", "make_env"]


def _register_ids(_: Any) -> None:
    from harness.gym_ids import register

    register()


# At once if Gymnasium is loaded, else as soon as it is: importing it here would cost every command half a second.
wrapt.register_post_import_hook(_register_ids, "gymnasium")


def __getattr__(name: str) -> Any:
    if name in __all__:
        from harness import api

        return getattr(api, name)
    raise AttributeError(f"module 'harness' has no attribute '{name}'")
