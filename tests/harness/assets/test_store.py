"""Look-up of third-party files, on a small manifest made for the test."""

from __future__ import annotations

import hashlib
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from harness.assets.store import AssetStore
from harness.errors import CorruptAssetError, MissingAssetError, UsageError
from tests.harness.assets.small import OTHERS, PUBLISHED, VIDEOS, WEIGHTS, lay, store_of

pytestmark = pytest.mark.usefixtures("small_manifest")


def test_files_come_in_numeric_order_with_an_identity_over_names_and_contents(tmp_path: Path) -> None:
    found = store_of(lay(tmp_path, VIDEOS)).find("easy")
    assert [path.name for path in found.files] == ["clip0.mp4", "clip1.mp4", "clip2.mp4", "clip10.mp4"]
    lines = "".join(f"{name}\0{hashlib.sha256(data).hexdigest()}\n" for name, data in VIDEOS.items())
    assert found.identity == "sha256:" + hashlib.sha256(lines.encode()).hexdigest()[:16]
    assert found.note == ""
    assert not found.stand_in


def test_identity_does_not_depend_on_the_place_or_on_how_files_are_spread(tmp_path: Path) -> None:
    whole = store_of(lay(tmp_path / "a", VIDEOS)).find("easy")
    names = list(VIDEOS)
    first = lay(tmp_path / "b", {name: VIDEOS[name] for name in names[:2]})
    second = lay(tmp_path / "c", {name.removeprefix("clips/"): VIDEOS[name] for name in names[2:]})
    spread = store_of(second, first).find("easy")
    assert spread.identity == whole.identity
    assert [path.name for path in spread.files] == [path.name for path in whole.files]


def test_part_of_a_partial_asset_is_found_says_which_and_is_not_the_same(tmp_path: Path) -> None:
    whole = store_of(lay(tmp_path / "a", VIDEOS)).find("easy")
    some = {name: data for name, data in VIDEOS.items() if "clip1.mp4" not in name}
    part = store_of(lay(tmp_path / "b", some)).find("easy")
    assert part.note == "3 of 4 videos: 0, 2, 10"
    assert part.identity != whole.identity
    assert part.identity.startswith("sha256:")


def test_part_of_another_asset_is_missing(tmp_path: Path) -> None:
    folder = lay(tmp_path, {"drawerworld/wood.png": b"wood"})
    with pytest.raises(MissingAssetError, match=r"^Missing 'drawerworld' \(for the test\)\. Run: harness assets fetch"):
        store_of(folder).find("drawerworld")


def test_a_name_that_two_assets_share_needs_its_folder(tmp_path: Path) -> None:
    lay(tmp_path, {"clip0.mp4": b"whose?"})
    assert store_of(tmp_path, stand_ins=True).find("easy").stand_in
    lay(tmp_path, {"hard/clip0.mp4": OTHERS["clips/hard/clip0.mp4"]})
    assert store_of(tmp_path).find("hard").files == (tmp_path / "hard/clip0.mp4",)


def test_the_first_whole_choice_is_taken(tmp_path: Path) -> None:
    small = lay(tmp_path / "small", {"small.pt": WEIGHTS["weights/small.pt"]})
    assert store_of(small).find("net").files == (small / "small.pt",)
    both = store_of(small, lay(tmp_path / "full", PUBLISHED)).find("net")
    assert [path.name for path in both.files] == ["full.pth"]


@pytest.mark.parametrize("wrong", [b"film", b"film X"], ids=["truncated", "altered"])
def test_a_wrong_file_is_refused_by_name(tmp_path: Path, wrong: bytes) -> None:
    folder = lay(tmp_path, {**VIDEOS, "clips/easy/clip1.mp4": wrong})
    with pytest.raises(CorruptAssetError) as error:
        store_of(folder).find("easy")
    assert str(folder / "clips/easy/clip1.mp4") in str(error.value)
    assert str(error.value).endswith("run: harness assets fetch easy")
    assert "\n" not in str(error.value)


def test_a_file_changed_after_it_was_verified_is_noticed(tmp_path: Path) -> None:
    store = store_of(lay(tmp_path, VIDEOS))
    store.find("easy")
    (tmp_path / "clips/easy/clip1.mp4").write_bytes(b"film X")
    with pytest.raises(CorruptAssetError, match="SHA-256 differs"):
        store.find("easy")


def test_absent_assets_are_named_with_the_command_or_stood_in_for(tmp_path: Path) -> None:
    with pytest.raises(MissingAssetError) as error:
        store_of(tmp_path).find("easy")
    assert str(error.value) == "Missing 4 videos of 'easy'. Run: harness assets fetch easy"
    found = store_of(tmp_path, stand_ins=True).find("easy")
    assert (found.identity, found.files, found.stand_in) == ("stand-in:easy-v1", (), True)


def test_an_unknown_name_gets_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"Unknown asset 'drawerwold'\. Did you mean 'drawerworld'\?"):
        store_of(tmp_path).find("drawerwold")


def test_folders_of_the_option_then_the_environment_then_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "abcd":
        (tmp_path / name).mkdir()
    monkeypatch.setenv("HARNESS_ASSETS", f"{tmp_path / 'c'}:{tmp_path / 'd'}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    store = AssetStore.from_environment(f"{tmp_path / 'a'}:{tmp_path / 'b'}", allow_stand_ins=False)
    names = [str(folder.relative_to(tmp_path)) for folder in store.folders]
    assert names == ["a", "b", "c", "d", "cache/visual-rl-harness/assets"]
    lay(tmp_path / "b", PUBLISHED)
    lay(tmp_path / "c", PUBLISHED)
    assert store.find("net").files == (tmp_path / "b/weights/full.pth",)
    with pytest.raises(UsageError, match=r"No such folder: .*/nowhere"):
        AssetStore.from_environment(str(tmp_path / "nowhere"), allow_stand_ins=False)


def test_a_store_travels_to_workers(tmp_path: Path) -> None:
    store = pickle.loads(pickle.dumps(store_of(lay(tmp_path, VIDEOS))))
    assert len(store.find("easy").files) == 4


def test_the_module_imports_nothing_heavy() -> None:
    heavy = "{'torch', 'numpy', 'requests', 'pooch', 'mujoco'}"
    code = f"import sys, harness.assets.store; print(sorted({heavy} & set(sys.modules)))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "[]"
