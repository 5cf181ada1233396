"""Fixtures of the tests of third-party files."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from harness.assets import manifest
from tests.harness.assets.small import ENTRIES, forget_names


@pytest.fixture
def small_manifest(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A manifest of five small assets in place of the project's."""
    monkeypatch.setattr(manifest, "manifest", lambda: {entry.name: entry for entry in ENTRIES})
    forget_names()
    yield
    forget_names()
