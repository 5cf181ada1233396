"""Files against their digests."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from harness.assets import manifest
from harness.assets.manifest import Asset, AssetFile
from harness.errors import CorruptAssetError
from tests.harness.assets.small import lay, store_of


@pytest.mark.usefixtures("small_manifest")
def test_a_git_blob_id_verifies_where_no_digest_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blob = "ce013625030ba8dba906f756967f9e9ca394464a"  # git hash-object of "hello\n"
    asset = Asset("blob", "p", "s", "l", "video", ((AssetFile("clips/blob.mp4", git_blob=blob),),))
    monkeypatch.setattr(manifest, "manifest", lambda: {"blob": asset})
    found = store_of(lay(tmp_path, {"clips/blob.mp4": b"hello\n"})).find("blob")
    lines = f"clips/blob.mp4\0{hashlib.sha256(b'hello' + bytes([10])).hexdigest()}\n"
    assert found.identity == "sha256:" + hashlib.sha256(lines.encode()).hexdigest()[:16]
    lay(tmp_path, {"clips/blob.mp4": b"hallo!\n"})
    with pytest.raises(CorruptAssetError, match="git blob id differs"):
        store_of(tmp_path).find("blob")
