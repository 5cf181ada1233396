"""The manifest of third-party files is complete."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.assets import manifest as module
from harness.assets.digests import digest_in_name
from harness.assets.manifest import manifest
from harness.baselines.nn.vit_files import VITS
from harness.errors import UsageError


def test_the_published_manifest_is_complete() -> None:
    entries = manifest()
    assert {"video_easy", "video_hard", "color_easy", "color_hard", "drawerworld", "resnet18", "places365"} <= set(
        entries
    )
    assert len(entries["video_easy"].choices[0]) == 10
    assert len(entries["video_hard"].choices[0]) == 100
    for asset in entries.values():
        assert asset.purpose
        assert asset.licence
        assert asset.source
        assert bool(asset.choices) != bool(asset.tree)
        for file in (file for choice in asset.choices for file in choice):
            known = len(file.sha256 or "") == 64 or len(file.git_blob or "") == 40
            compared = asset.name in VITS  # by the names and shapes of its tensors
            assert known or len(digest_in_name(file)) >= 8 or compared, file.path
    unknown = [file.name for file in entries["video_easy"].choices[0] if file.sha256 is None]
    assert unknown == ["video3.mp4", "video4.mp4", "video5.mp4", "video7.mp4"]


FILE = {"path": "a/b.mp4", "bytes": 3, "sha256": "0" * 64}
ENTRY = {"purpose": "p", "source": "s", "licence": "l", "unit": "video", "choices": [[FILE]]}


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], Any]:
    """Reads a manifest of one's own."""

    def call(value: Any) -> Any:
        path = tmp_path / "manifest.json"
        path.write_text(value if isinstance(value, str) else json.dumps(value))
        monkeypatch.setattr(module, "MANIFEST", path)
        return manifest.__wrapped__()  # type: ignore[attr-defined]

    return call


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("", "not JSON"),
        ([], "it should be an object"),
        ({"format": 2, "assets": {}}, "'format' is 2, not 1"),
        ({"format": 1, "assets": []}, "'assets' should be an object"),
        ({"format": 1, "assets": {"x": 3}}, r"'assets\.x' should be an object, not 3"),
        (
            {"format": 1, "assets": {"x": {**ENTRY, "unit": None}}},
            "asset 'x' is damaged: 'unit' should be a valid string",
        ),
        ({"format": 1, "assets": {"x": {**ENTRY, "uint": "file"}}}, "'uint'"),
        ({"format": 1, "assets": {"x": {**ENTRY, "choices": [[{**FILE, "bytes": "3"}]]}}}, r"'choices\.0\.0\.bytes'"),
    ],
)
def test_a_damaged_manifest_is_told_by_its_field(value: Any, words: str, load: Callable[[Any], Any]) -> None:
    with pytest.raises(UsageError, match=rf"manifest\.json.*{words}"):
        load(value)
    assert load({"format": 1, "assets": {"x": ENTRY}})["x"].choices[0][0].bytes == 3
