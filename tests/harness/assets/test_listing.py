"""What is here of the manifest, and whether it is whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.assets import listing
from harness.assets.store import AssetStore
from tests.harness.assets.small import WEIGHTS, lay, store_of


@pytest.mark.usefixtures("small_manifest")
def test_list_counts_files_without_reading_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "check_file", lambda *_: pytest.fail("read a file"))
    lay(tmp_path, {"clips/easy/clip0.mp4": b"film 0", **WEIGHTS})
    rows = {row["name"]: row for row in listing.list_assets(store_of(tmp_path))}
    assert [rows["easy"][key] for key in ("present", "total", "bytes", "state")] == [1, 4, 25, "partial"]
    assert rows["net"]["state"] == "present"
    assert rows["net"]["where"] == str(tmp_path / "weights")
    assert (rows["hard"]["state"], rows["hard"]["where"]) == ("absent", None)
    assert (rows["places365"]["state"], rows["places365"]["fetchable"]) == ("absent", False)


@pytest.mark.usefixtures("small_manifest")
def test_verify_tells_ok_damaged_and_absent(tmp_path: Path) -> None:
    lay(tmp_path, {"clips/hard/clip0.mp4": b"other 0"})
    store = store_of(tmp_path)
    rows = listing.verify_assets(store, ["hard"])
    assert [(row["file"], row["state"]) for row in rows] == [
        ("clips/hard/clip0.mp4", "ok"),
        ("clips/hard/clip1.mp4", "absent"),
    ]
    assert listing.verify_status(rows) == 0
    assert listing.verify_status(rows, ["hard"]) == 1
    lay(tmp_path, {"clips/hard/clip1.mp4": b"other X"})
    rows = listing.verify_assets(store)
    damaged = [row for row in rows if row["state"] == "damaged"]
    assert [row["path"] for row in damaged] == [str(tmp_path / "clips/hard/clip1.mp4")]
    assert listing.verify_status(rows) == 1


def test_the_files_on_this_machine_match_the_manifest(asset_store: AssetStore) -> None:
    rows = listing.verify_assets(asset_store)
    assert [row for row in rows if row["state"] == "damaged"] == []
    assert sum(row["state"] == "ok" for row in rows) > 0
