"""What of the manifest is here, and whether it is what it should be: `harness assets list` and `verify`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from harness.assets.digests import check_file
from harness.assets.manifest import Asset, all_assets, asset_named
from harness.assets.store import AssetStore
from harness.errors import CorruptAssetError


def list_assets(store: AssetStore) -> list[dict[str, Any]]:
    """One row per asset of the manifest, from what lies on disk, unverified.

    Returns:
      Rows of name, present and total (files; total None for a tree), bytes (None where unknown), state ("present",
      "partial", "absent"), where (a folder, None if absent), fetchable, purpose, licence, source.
    """
    return [_list_row(store, asset) for asset in all_assets()]


def _list_row(store: AssetStore, asset: Asset) -> dict[str, Any]:
    if asset.tree:
        folder = store.locate_tree(asset.tree)
        counts = {"present": int(folder is not None), "total": None, "bytes": None}
        state, where = "absent" if folder is None else "present", folder
    else:
        choice = store.best_choice(asset)
        located = store.locate(choice)
        known = all(file.bytes is not None for file in choice)
        size = sum(file.bytes or 0 for file in choice) if known else None
        counts = {"present": len(located), "total": len(choice), "bytes": size}
        state = "absent" if not located else "present" if len(located) == len(choice) else "partial"
        where = next((path.parent for path in located.values()), None)
    facts = {"fetchable": asset.fetchable, "purpose": asset.purpose, "licence": asset.licence, "source": asset.source}
    return {"name": asset.name, **counts, "state": state, "where": str(where) if where else None, **facts}


def verify_assets(store: AssetStore, names: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Checks size and digest of every file of the named assets, or of all.

    Returns:
      One row per file: asset, file, state ("ok", "absent", "damaged"), path (None if absent), detail (of damage). Of
      an asset with several choices, the one that would be used; of a tree, one row that says whether it is there.
    Raises:
      UsageError: for an unknown name.
    """
    assets = [asset_named(name) for name in dict.fromkeys(names)] or all_assets()
    return [row for asset in assets for row in _verify_rows(store, asset)]


def verify_status(rows: Iterable[dict[str, Any]], names: Sequence[str] = ()) -> int:
    """Exit status for rows of `verify_assets`: 1 if a file is damaged, or absent although its asset was named."""
    faults = {"damaged", "absent"} if names else {"damaged"}
    return int(any(row["state"] in faults for row in rows))


def _verify_rows(store: AssetStore, asset: Asset) -> Iterator[dict[str, Any]]:
    if asset.tree:
        folder = store.locate_tree(asset.tree)
        yield _verify_row(asset, asset.tree, "absent" if folder is None else "ok", folder)
        return
    choice = store.best_choice(asset)
    located = store.locate(choice)
    for file in choice:
        path = located.get(file)
        if path is None:
            yield _verify_row(asset, file.path, "absent", None)
            continue
        try:
            check_file(asset, file, path)
        except CorruptAssetError as error:
            yield _verify_row(asset, file.path, "damaged", path, str(error))
        else:
            yield _verify_row(asset, file.path, "ok", path)


def _verify_row(asset: Asset, file: str, state: str, path: Path | None, detail: str = "") -> dict[str, Any]:
    return {"asset": asset.name, "file": file, "state": state, "path": str(path) if path else None, "detail": detail}
