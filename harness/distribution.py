"""This project as pip knows it."""

from __future__ import annotations

import importlib.metadata

DISTRIBUTION = "visual-rl-harness"


def harness_version() -> str:
    """This project's own version."""
    try:
        return importlib.metadata.version(DISTRIBUTION)
    except importlib.metadata.PackageNotFoundError:
        return "0+unknown"
