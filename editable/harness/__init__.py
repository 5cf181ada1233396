"""What an editable install finds under `harness`: the package of this checkout, and nothing else of it.

A path to the checkout itself would also offer `suites`, `results`, `tests` and more: names that belong to the user.
"""

import importlib.util
import sys
from pathlib import Path

_FILE = Path(__file__).resolve().parents[2] / "harness" / "__init__.py"
_SPEC = importlib.util.spec_from_file_location("harness", _FILE)
assert _SPEC is not None and _SPEC.loader is not None  # noqa: PT018
sys.modules["harness"] = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(sys.modules["harness"])
