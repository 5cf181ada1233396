"""The manifest of third-party files is complete."""

from __future__ import annotations

from harness.assets.manifest import manifest


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
            assert len(file.sha256 or "") == 64 or len(file.git_blob or "") == 40, file.path
    unknown = [file.name for file in entries["video_easy"].choices[0] if file.sha256 is None]
    assert unknown == ["video3.mp4", "video4.mp4", "video5.mp4", "video7.mp4"]
