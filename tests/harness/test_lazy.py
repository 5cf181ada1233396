"""numpy is imported when it is first used."""

from __future__ import annotations

import subprocess
import sys


def test_numpy_is_loaded_by_its_first_use_and_is_itself() -> None:
    code = """
import sys
from harness.lazy import np
assert "numpy" not in sys.modules
assert np.arange(3).sum() == 3
import numpy
assert np.random is numpy.random and np.ndarray is numpy.ndarray
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
