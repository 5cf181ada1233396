"""These tests hold our statistics against another project's: `tox -e oracle`, an environment of its own.

Where that project is not installed nothing is collected, which `tox -e oracle` reports as a failure.
"""

from __future__ import annotations

import importlib.util

collect_ignore_glob = [] if importlib.util.find_spec("rliable") else ["test_*.py"]
