"""Look-up of third-party files, on small manifests made for the test."""

from __future__ import annotations

import hashlib
import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.assets import store as assets
from harness.assets.store import Asset, AssetFile, AssetStore
from harness.errors import CorruptAssetError, MissingAssetError, UsageError

VIDEOS = {f"clips/easy/clip{i}.mp4": f"film {i}".encode() for i in (0, 1, 2, 10)}
OTHERS = {f"clips/hard/clip{i}.mp4": f"other {i}".encode() for i in (0, 1)}
WEIGHTS = {"weights/small.pt": b"small weights"}
PUBLISHED = {"weights/full.pth": b"full weights"}
TEXTURES = {"drawerworld/wood.png": b"wood", "drawerworld/metal.png": b"metal"}


def describe(contents: dict[str, bytes]) -> tuple[AssetFile, ...]:
    return tuple(
        AssetFile(path, len(data), hashlib.sha256(data).hexdigest(), url=f"https://example.org/x/{path}")
        for path, data in contents.items()
    )


def make_asset(name: str, *choices: dict[str, bytes], partial: bool = False, tree: str | None = None) -> Asset:
    return Asset(
        name,
        "for the test",
        "owner/name",
        "none",
        "video",
        tuple(describe(choice) for choice in choices),
        tree=tree,
        partial=partial,
        how_to_get="get it elsewhere" if tree else None,
    )


@pytest.fixture(autouse=True)
def small_manifest(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    if "asset_store" in request.fixturenames:
        yield
        return
    entries = [
        make_asset("easy", VIDEOS, partial=True),
        make_asset("hard", OTHERS, partial=True),
        make_asset("net", PUBLISHED, WEIGHTS),
        make_asset("drawerworld", TEXTURES),
        make_asset("places365", tree="places365_standard/train"),
    ]
    monkeypatch.setattr(assets, "manifest", lambda: {entry.name: entry for entry in entries})
    forget_names()
    yield
    forget_names()


def forget_names() -> None:
    """What is remembered of a manifest."""
    assets._shared_names.cache_clear()
    assets._names_of.cache_clear()


def lay(folder: Path, contents: dict[str, bytes]) -> Path:
    for name, data in contents.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def store_of(*folders: Path, stand_ins: bool = False) -> AssetStore:
    return AssetStore(folders, allow_stand_ins=stand_ins)


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


def test_a_git_blob_id_verifies_where_no_digest_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blob = "ce013625030ba8dba906f756967f9e9ca394464a"  # git hash-object of "hello\n"
    asset = Asset("blob", "p", "s", "l", "video", ((AssetFile("clips/blob.mp4", git_blob=blob),),))
    monkeypatch.setattr(assets, "manifest", lambda: {"blob": asset})
    found = store_of(lay(tmp_path, {"clips/blob.mp4": b"hello\n"})).find("blob")
    lines = f"clips/blob.mp4\0{hashlib.sha256(b'hello' + bytes([10])).hexdigest()}\n"
    assert found.identity == "sha256:" + hashlib.sha256(lines.encode()).hexdigest()[:16]
    lay(tmp_path, {"clips/blob.mp4": b"hallo!\n"})
    with pytest.raises(CorruptAssetError, match="git blob id differs"):
        store_of(tmp_path).find("blob")


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


class TestPictures:
    def test_a_folder_of_the_user_is_searched_deeply_and_sorted(self, tmp_path: Path) -> None:
        folder = lay(tmp_path / "mine", {"b/2.PNG": b"2", "a/x/1.jpg": b"1", "a/notes.txt": b"n", "3.webp": b"3"})
        found = store_of().find_pictures(str(folder))
        assert [path.relative_to(folder).as_posix() for path in found.files] == ["3.webp", "a/x/1.jpg", "b/2.PNG"]
        assert found.identity.startswith("pictures:mine-")
        assert found.note == "overlay pictures: mine (3 pictures), where the paper used Places365"

    def test_identity_sees_names_and_contents_but_not_the_place(self, tmp_path: Path) -> None:
        def identity(root: str, contents: dict[str, bytes]) -> str:
            return store_of().find_pictures(str(lay(tmp_path / root / "mine", contents))).identity

        same = identity("one", {"1.png": b"a"})
        assert identity("two", {"1.png": b"a"}) == same
        assert identity("three", {"1.png": b"b"}) != same
        assert identity("four", {"2.png": b"a"}) != same

    def test_large_folders_are_told_apart_by_names_and_sizes(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(assets, "HASH_CONTENTS_BELOW", 1)
        monkeypatch.setattr(assets, "sha256_of", lambda path: pytest.fail("read a file"))
        one = store_of().find_pictures(str(lay(tmp_path / "1/mine", {"1.png": b"a"})))
        assert one.identity != store_of().find_pictures(str(lay(tmp_path / "2/mine", {"1.png": b"aa"}))).identity

    def test_a_large_folder_is_walked_again_only_when_names_change(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        walks: list[str] = []
        scandir = os.scandir
        monkeypatch.setattr(assets, "HASH_CONTENTS_BELOW", 1)
        monkeypatch.setattr(assets.os, "scandir", lambda folder: walks.append(Path(folder).name) or scandir(folder))

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

    def test_a_folder_without_pictures_or_no_folder_is_wrong_use(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="No pictures in folder"):
            store_of().find_pictures(str(tmp_path))
        with pytest.raises(UsageError, match="No such folder of overlay pictures"):
            store_of().find_pictures(str(tmp_path / "nowhere"))

    def test_auto_prefers_places_then_textures_then_the_stand_in(self, tmp_path: Path) -> None:
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

    def test_auto_passes_over_pictures_the_suite_tests_with(self, tmp_path: Path) -> None:
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

    def test_a_folder_that_holds_a_picture_the_suite_tests_with_is_refused(self, tmp_path: Path) -> None:
        mine = lay(tmp_path / "mine", {"a/other.png": b"rock", "a/renamed.png": TEXTURES["drawerworld/wood.png"]})
        store = AssetStore([], allow_stand_ins=True, held_out=["drawerworld"])
        with pytest.raises(UsageError, match=r"renamed\.png is 'drawerworld/wood\.png', which this suite tests with"):
            store.find_pictures(str(mine))
        (mine / "a/renamed.png").unlink()
        assert len(store.find_pictures(str(mine)).files) == 1

    @pytest.mark.parametrize("inside", ["", "places365_standard", "places365_standard/train"])
    def test_places_is_found_from_any_of_its_folders(self, tmp_path: Path, inside: str) -> None:
        lay(tmp_path, {"places365_standard/train/airfield/1.jpg": b"1"})
        found = store_of(tmp_path / inside).find("places365")
        assert list(found.files) == [tmp_path / "places365_standard/train/airfield/1.jpg"]
        assert found == store_of(tmp_path / inside).find_pictures("places365")


class TestTables:
    def test_list_counts_files_without_reading_them(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(assets, "check_file", lambda *_: pytest.fail("read a file"))
        lay(tmp_path, {"clips/easy/clip0.mp4": b"film 0", **WEIGHTS})
        rows = {row["name"]: row for row in assets.list_assets(store_of(tmp_path))}
        assert [rows["easy"][key] for key in ("present", "total", "bytes", "state")] == [1, 4, 25, "partial"]
        assert rows["net"]["state"] == "present"
        assert rows["net"]["where"] == str(tmp_path / "weights")
        assert (rows["hard"]["state"], rows["hard"]["where"]) == ("absent", None)
        assert (rows["places365"]["state"], rows["places365"]["fetchable"]) == ("absent", False)

    def test_verify_tells_ok_damaged_and_absent(self, tmp_path: Path) -> None:
        lay(tmp_path, {"clips/hard/clip0.mp4": b"other 0"})
        store = store_of(tmp_path)
        rows = assets.verify_assets(store, ["hard"])
        assert [(row["file"], row["state"]) for row in rows] == [
            ("clips/hard/clip0.mp4", "ok"),
            ("clips/hard/clip1.mp4", "absent"),
        ]
        assert assets.verify_status(rows) == 0
        assert assets.verify_status(rows, ["hard"]) == 1
        lay(tmp_path, {"clips/hard/clip1.mp4": b"other X"})
        rows = assets.verify_assets(store)
        damaged = [row for row in rows if row["state"] == "damaged"]
        assert [row["path"] for row in damaged] == [str(tmp_path / "clips/hard/clip1.mp4")]
        assert assets.verify_status(rows) == 1


def test_the_published_manifest_is_complete(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    entries = assets.manifest()
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


def test_the_module_imports_nothing_heavy() -> None:
    heavy = "{'torch', 'numpy', 'requests', 'pooch', 'mujoco'}"
    code = f"import sys, harness.assets.store; print(sorted({heavy} & set(sys.modules)))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "[]"


def test_the_files_on_this_machine_match_the_manifest(asset_store: AssetStore) -> None:
    rows = assets.verify_assets(asset_store)
    assert [row for row in rows if row["state"] == "damaged"] == []
    assert sum(row["state"] == "ok" for row in rows) > 0
