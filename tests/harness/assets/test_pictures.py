"""Folders of pictures, and which of them an agent may be trained on."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from harness.assets import pictures
from harness.assets.store import AssetStore
from harness.errors import MissingAssetError, UsageError
from tests.harness.assets.small import TEXTURES, lay, store_of

pytestmark = pytest.mark.usefixtures("small_manifest")


def test_a_folder_of_the_user_is_searched_deeply_and_sorted(tmp_path: Path) -> None:
    folder = lay(tmp_path / "mine", {"b/2.PNG": b"2", "a/x/1.jpg": b"1", "a/notes.txt": b"n", "3.webp": b"3"})
    found = store_of().find_pictures(str(folder))
    assert [path.relative_to(folder).as_posix() for path in found.files] == ["3.webp", "a/x/1.jpg", "b/2.PNG"]
    assert found.identity.startswith("pictures:mine-")
    assert found.note == "overlay pictures: mine (3 pictures), where the paper used Places365"


def test_identity_sees_names_and_contents_but_not_the_place(tmp_path: Path) -> None:
    def identity(root: str, contents: dict[str, bytes]) -> str:
        return store_of().find_pictures(str(lay(tmp_path / root / "mine", contents))).identity

    same = identity("one", {"1.png": b"a"})
    assert identity("two", {"1.png": b"a"}) == same
    assert identity("three", {"1.png": b"b"}) != same
    assert identity("four", {"2.png": b"a"}) != same


def test_large_folders_are_told_apart_by_names_and_sizes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "HASH_CONTENTS_BELOW", 1)
    monkeypatch.setattr(pictures, "sha256_of", lambda path: pytest.fail("read a file"))
    one = store_of().find_pictures(str(lay(tmp_path / "1/mine", {"1.png": b"a"})))
    assert one.identity != store_of().find_pictures(str(lay(tmp_path / "2/mine", {"1.png": b"aa"}))).identity


def test_a_large_folder_is_walked_again_only_when_names_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    walks: list[str] = []
    scandir = os.scandir
    monkeypatch.setattr(pictures, "HASH_CONTENTS_BELOW", 1)
    monkeypatch.setattr(pictures.os, "scandir", lambda folder: walks.append(Path(folder).name) or scandir(folder))

    def look() -> tuple[int, list[str]]:
        walks.clear()
        return len(store_of(tmp_path).find_pictures("places365").files), sorted(walks)

    folder = "places365_standard/train"
    lay(tmp_path, {f"{folder}/{name}/1.jpg": b"1" for name in "ab"})
    assert look() == (2, ["a", "b", "train"])
    assert look() == (2, [])
    assert store_of(tmp_path).find("places365") == store_of(tmp_path).find_pictures("places365")
    lay(tmp_path, {f"{folder}/b/2.jpg": b"2"})
    os.utime(tmp_path / folder / "b", ns=(1, 1))  # the clock of a file system may be coarse
    assert look() == (3, ["a", "b", "train"])
    assert look() == (3, [])
    (tmp_path / folder / "a/1.jpg").unlink()
    (tmp_path / folder / "a").rmdir()
    assert look() == (2, ["b", "train"])


def test_a_folder_without_pictures_or_no_folder_is_wrong_use(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No pictures in folder"):
        store_of().find_pictures(str(tmp_path))
    with pytest.raises(UsageError, match="No such folder of overlay pictures"):
        store_of().find_pictures(str(tmp_path / "nowhere"))


def test_auto_prefers_places_then_textures_then_the_stand_in(tmp_path: Path) -> None:
    places = lay(tmp_path / "p", {"places365_standard/train/airfield/1.jpg": b"1"})
    textures = lay(tmp_path / "t", TEXTURES)
    assert store_of(textures, places).find_pictures().identity.startswith("pictures:places365-")
    found = store_of(textures).find_pictures()
    assert found.identity.startswith("pictures:drawerworld-")
    assert found.note == "overlay pictures: drawerworld (2 pictures), where the paper used Places365"
    assert store_of(stand_ins=True).find_pictures().identity == "stand-in:dead-leaves-v1"
    with pytest.raises(MissingAssetError, match="--set overlay_images=FOLDER"):
        store_of().find_pictures()
    with pytest.raises(MissingAssetError, match="get it elsewhere"):
        store_of(textures).find_pictures("places365")


def test_auto_passes_over_pictures_the_suite_tests_with(tmp_path: Path) -> None:
    textures = lay(tmp_path / "t", TEXTURES)
    found = AssetStore([textures], allow_stand_ins=True, held_out=["drawerworld"]).find_pictures()
    assert found.identity == "stand-in:dead-leaves-v1"
    assert found.note == "overlay pictures: dead leaves, as this suite tests with the DrawerWorld textures"
    strict = AssetStore([textures], allow_stand_ins=False, held_out=["drawerworld"])
    with pytest.raises(MissingAssetError, match="here, but this suite tests with them"):
        strict.find_pictures()
    assert strict.find("drawerworld").files  # the suite itself still finds them
    nothing = AssetStore([], allow_stand_ins=True, held_out=["drawerworld"])
    assert nothing.find_pictures().note == ""


def test_a_folder_that_holds_a_picture_the_suite_tests_with_is_refused(tmp_path: Path) -> None:
    mine = lay(tmp_path / "mine", {"a/other.png": b"rock", "a/renamed.png": TEXTURES["drawerworld/wood.png"]})
    store = AssetStore([], allow_stand_ins=True, held_out=["drawerworld"])
    with pytest.raises(UsageError, match=r"renamed\.png is 'drawerworld/wood\.png', which this suite tests with"):
        store.find_pictures(str(mine))
    (mine / "a/renamed.png").unlink()
    assert len(store.find_pictures(str(mine)).files) == 1


@pytest.mark.parametrize("inside", ["", "places365_standard", "places365_standard/train"])
def test_places_is_found_from_any_of_its_folders(tmp_path: Path, inside: str) -> None:
    lay(tmp_path, {"places365_standard/train/airfield/1.jpg": b"1"})
    found = store_of(tmp_path / inside).find("places365")
    assert list(found.files) == [tmp_path / "places365_standard/train/airfield/1.jpg"]
    assert found == store_of(tmp_path / inside).find_pictures("places365")
