"""Outcomes from elsewhere as rows that say so: `origin` names the file, and what nobody recorded is not made up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.results.foreign import NAMES, READERS, ForeignError, Outcome, last, of_statistics, read_scalars
from harness.results.rows import Row, check_row, short_hash
from harness.results.store import Cell, RowStore

PRESET = "imported"
UNKNOWN = "not recorded"  # of packages, device, renderer and code
_INTEGERS = ("train_seed", "eval_seed", "episode")
_PLACE = ("suite", "task", "setting", "agent")


@dataclass(frozen=True)
class Stated:
    """What whoever imports says of the episodes; a file's own columns go before.

    Attributes:
      suite, task, setting, agent: "" where the file has the column.
      train_seed: of the policy; None for one without.
      eval_seed: of the stream of episodes.
      train_frames: the budget of training; 0 if not trained, or not known.
      action_repeat: frames of a step.
    """

    suite: str = ""
    task: str = ""
    setting: str = ""
    agent: str = ""
    train_seed: int | None = None
    eval_seed: int = 0
    train_frames: int = 0
    action_repeat: int = 1


def read_foreign(
    path: Path, fmt: str, stated: Stated, *, tag: str | None = None, count: int | None = None
) -> list[Row]:
    """The rows of a file of another program.

    Args:
      path: the file; of TensorBoard also a folder.
      fmt: one of `harness.results.foreign.FORMATS`.
      stated: what the file does not say.
      tag: which scalar, for TensorBoard.
      count: how many of the last episodes; None for all.

    Raises:
      FileNotFoundError: if there is no such file.
      ForeignError: if it is none of that format, or a place is not known.
    """
    if not path.exists():
        raise FileNotFoundError(f"There is no file {path}.")
    outcomes = READERS[fmt](path) if fmt in READERS else read_scalars(path, tag or "")
    what = NAMES[fmt] + (f", {tag}" if tag else "") + (f", the last {count}" if count is not None else "")
    return rows_of(last(outcomes, count), stated, f"{path.name} ({what}; imported, checked by nobody)")


def from_gymnasium(env: object, stated: Stated) -> list[Row]:
    """The rows of what Gymnasium's wrapper RecordEpisodeStatistics holds.

    Raises:
      ForeignError: if it is no such wrapper, or a place is not known.
    """
    return rows_of(of_statistics(env), stated, f"{NAMES['gymnasium']} (imported, checked by nobody)")


def rows_of(outcomes: Iterable[Outcome], stated: Stated, origin: str) -> list[Row]:
    """Rows of outcomes, numbered in their order in each cell unless they say otherwise.

    Raises:
      ForeignError: if there are none, a place is not known, or an episode is there twice.
    """
    found = [(each, _place(each, stated)) for each in outcomes]
    if not found:
        raise ForeignError(f"There are no episodes in {origin}.")
    contents = short_hash([origin, [[o.episode_return, o.success, o.num_steps, place] for o, place in found]])
    counts: dict[tuple[object, ...], int] = {}
    rows = []
    for outcome, place in found:
        cell = tuple(place[part] for part in (*_PLACE, "train_seed"))
        episode = place["episode"] if place["episode"] is not None else counts.get(cell, 0)
        counts[cell] = counts.get(cell, 0) + 1
        run_id = f"imported-{short_hash([contents, place['suite'], place['agent']])[:8]}"
        rows.append(_row(outcome, {**place, "episode": episode, "run_id": run_id}, stated, origin))
    if len({_sample(row) for row in rows}) < len(rows):
        raise ForeignError(f"An episode is twice in {origin}.")
    return rows


def write_runs(rows: Iterable[Row], runs: Path) -> list[Path]:
    """Writes imported rows as folders of runs, one per suite and agent; importing again writes the same.

    Raises:
      OSError: if they cannot be written.
    """
    by_cell: dict[tuple[str, Cell], list[Row]] = {}
    for row in rows:
        by_cell.setdefault((row.run_id, (row.task, row.setting, row.train_seed)), []).append(row)
    for (run_id, cell), mine in by_cell.items():
        store = RowStore(runs / run_id / "rows")
        store.folder.mkdir(parents=True, exist_ok=True)
        store.replace(*cell, sorted(mine, key=lambda row: row.episode))
    return [runs / run_id for run_id in dict.fromkeys(run_id for run_id, _ in by_cell)]


def _sample(row: Row) -> tuple[object, ...]:
    return (row.run_id, row.task, row.setting, row.train_seed, row.episode)


def _place(outcome: Outcome, stated: Stated) -> dict[str, str | int | None]:
    given: Mapping[str, str] = outcome.place
    place: dict[str, str | int | None] = {name: given.get(name) or getattr(stated, name) for name in _PLACE}
    if missing := [name for name in _PLACE if not place[name]]:
        raise ForeignError(f"The file does not say of which {missing[0]} its episodes are: give --{missing[0]}.")
    for name in _INTEGERS:
        text = given.get(name, "")
        if text and not (text.isascii() and text.isdigit() and len(text) < 19):
            raise ForeignError(f"Its {name} is no number from 0 up: '{text[:80]}'.")
        place[name] = int(text) if text else getattr(stated, name, None)
    return place


def _row(outcome: Outcome, place: Mapping[str, str | int | None], stated: Stated, origin: str) -> Row:
    values = {
        **place,
        "suite_version": 0,
        "agent_version": 0,
        "config_hash": "",
        "preset": PRESET,
        "episode_return": outcome.episode_return,
        "success": outcome.success,
        "successes_json": "{}",
        "num_steps": outcome.num_steps,
        "num_frames": outcome.num_steps * stated.action_repeat,
        "train_frames": stated.train_frames,
        "action_repeat": stated.action_repeat,
        **dict.fromkeys(("frame_stack", "image_size", "episode_frames"), 0),
        **dict.fromkeys(("shift_json", "assets_json", "packages_json"), "{}"),
        **dict.fromkeys(("stand_ins", "notes", "training", "checkpoint", "first_pixels", "trajectory"), ""),
        **dict.fromkeys(("render_profile", "compute", "gl_renderer", "code_revision"), UNKNOWN),
        "origin": origin,
    }
    row = Row(**values)  # type: ignore[arg-type]  # checked by check_row
    check_row(row)
    return row
