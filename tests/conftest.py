"""Fixtures shared by all tests."""

from __future__ import annotations

import os

import pytest

from harness.assets import AssetStore


@pytest.fixture
def asset_store() -> AssetStore:
    """The third-party files on this machine; tests that need them skip where `$HARNESS_ASSETS` is not set."""
    if not os.environ.get("HARNESS_ASSETS"):
        pytest.skip("needs third-party files: set HARNESS_ASSETS to the folders that hold them")
    return AssetStore.from_environment(allow_stand_ins=False)
