"""Files against their digests."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from harness.assets import manifest
from harness.assets.digests import check_file
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


def test_a_file_without_digest_is_compared_with_what_its_name_tells(tmp_path: Path) -> None:
    """As PyTorch names its files."""
    path = tmp_path / "weights.pth"
    path.write_bytes(b"weights")
    digest = hashlib.sha256(b"weights").hexdigest()
    asset = manifest.manifest()["resnet34"]
    assert check_file(asset, AssetFile(f"w/net-{digest[:8]}.pth"), path) == digest
    with pytest.raises(CorruptAssetError, match="does not begin as its name tells"):
        check_file(asset, AssetFile("w/net-00000000.pth"), path)
