"""Fixtures shared by all tests."""

from __future__ import annotations

import os

# Before torch is imported: several workers of pytest with a team of threads each would fight for the cores.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest

from harness.assets.store import AssetStore


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves exhaustive tests out unless -m names them (a user's own -m would replace one in `addopts`)."""
    if "exhaustive" in config.option.markexpr:
        return
    left_out = [item for item in items if item.get_closest_marker("exhaustive")]
    items[:] = [item for item in items if not item.get_closest_marker("exhaustive")]
    config.hook.pytest_deselected(items=left_out)


@pytest.fixture
def asset_store() -> AssetStore:
    """The third-party files on this machine; tests that need them skip where `$HARNESS_ASSETS` is not set."""
    if not os.environ.get("HARNESS_ASSETS"):
        pytest.skip("needs third-party files: set HARNESS_ASSETS to the folders that hold them")
    return AssetStore.from_environment(allow_stand_ins=False)
