"""Two folders compared whole, but for the time of day and what was committed meanwhile."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

OF_THE_MOMENT = ("started", "updated", "code_commit")  # in a record


def snapshot(folder: Path) -> dict[str, Any]:
    """What lies in a folder: relative path -> its contents, without clock times and the names made from them."""
    found: dict[str, Any] = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_dir():
            found[name] = "folder"
        elif path.parent.name == "tensorboard":
            found[f"{path.parent.relative_to(folder)}/events {name.count('events')}"] = _curves(path.parent)
        else:
            found[name] = _contents(path)
    return found


def _contents(path: Path) -> Any:
    try:
        if path.name == "record.json":
            return {key: value for key, value in json.loads(path.read_text()).items() if key not in OF_THE_MOMENT}
        if path.name == "train.jsonl":
            lines = [json.loads(line) for line in path.read_text().splitlines()]
            return [{key: value for key, value in line.items() if key != "elapsed_sec"} for line in lines]
    except ValueError:  # torn: another one, whatever is in it
        pass
    return path.read_bytes()


def _curves(folder: Path) -> dict[str, list[tuple[int, float]]]:
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

    found: dict[str, list[tuple[int, float]]] = {}
    for path in sorted(folder.iterdir()):
        for event in EventFileLoader(str(path)).Load():
            for value in event.summary.value:
                found.setdefault(value.tag, []).append((event.step, value.tensor.float_val[0]))
    return found


def differences(whole: dict[str, Any], found: dict[str, Any]) -> list[str]:
    """In which files two folders differ."""
    missing = [f"{name} is missing" for name in whole if name not in found]
    more = [f"{name} is left over" for name in found if name not in whole]
    other = [f"{name} has other contents" for name in whole if name in found and whole[name] != found[name]]
    return missing + more + other
