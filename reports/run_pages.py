"""A run as sections of a page: what it measured in each cell, how it learned, on what, and how to do it again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from harness.reports.curves import SIZE, Log, draw_curves
from harness.reports.pages import Block, Notes, Picture, Section, Table, Text, Texts, picture_of
from harness.reports.render import plain_number
from harness.reports.run_sources import IMPORTED, RunSource
from harness.reports.sheets import Cell, Grid
from harness.results.text import escaped

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

#: What a page of runs reads of every row beyond what a leaderboard does.
COLUMNS = ("num_frames", "trajectory")
_CONDITIONS = {
    "preset": "preset",
    "train_frames": "training frames",
    "action_repeat": "action repeat",
    "frame_stack": "stacked frames",
    "image_size": "pixels",
    "episode_frames": "frames of an episode",
    "render_profile": "render profile",
    "gl_renderer": "drawn by",
    "compute": "computed on",
    "code_revision": "code",
    "packages_json": "packages",
    "assets_json": "third-party files",
    "stand_ins": "stand-ins",
    "notes": "notes",
    "origin": "not measured here, but from",
}
_SIZES = ("frame_stack", "image_size", "episode_frames")  # 0 where nobody recorded them
_LOGS = 12  # curves in one picture


def run_sections(source: RunSource, rows: pd.DataFrame) -> list[Section]:
    """Everything about one run.

    Args:
      source: where it is from.
      rows: its own.
    """
    return [
        Section("Measured", (Table(cells_of(rows)),)),
        Section("Learning curves", tuple(curves_of(source))),
        Section("Conditions", (Texts(("field", "value"), conditions(rows)),)),
        Section("Policies", () if source.trust == IMPORTED else tuple(_policies(rows))),
        Section("How to reproduce", tuple(how_to(source))),
    ]


def cells_of(rows: pd.DataFrame) -> Grid:
    """A line per task, setting and training seed: what its episodes gave."""
    groups = rows.groupby(["setting", "task", "train_seed"], observed=True, dropna=False, sort=True)
    sections: dict[str, list[tuple[Cell, ...]]] = {}
    for (setting, task, seed), cell in groups:
        returns, success = cell["episode_return"], cell["success"]
        texts = [str(task), _seed(seed), plain_number(returns.mean())]
        texts += [plain_number(returns.min()), plain_number(returns.max())]
        texts += ["–" if success.isna().any() else f"{float(success.astype(float).mean()):.2f}", str(len(cell))]
        sections.setdefault(str(setting), []).append(tuple(map(Cell, texts)))
    named = tuple((name, tuple(lines)) for name, lines in sections.items())
    header = ("task", "training seed", "mean return", "lowest", "highest", "success", "episodes")
    return Grid("What the episodes of each cell gave", header, named, len(header))


def conditions(rows: pd.DataFrame) -> tuple[tuple[Cell, ...], ...]:
    """What can move a score, with all its values."""
    found = []
    for name, words in _CONDITIONS.items():
        values = sorted(map(str, rows[name].unique()))
        nothing = ("", "{}", *(("0",) if name in _SIZES else ()))
        told = "; ".join(value for value in values if value not in nothing) or "–"
        found.append((Cell(words), Cell(told)))
    return tuple(found)


def how_to(source: RunSource) -> Iterator[Block]:
    """The command and the code that measured a run."""
    if source.trust == IMPORTED:
        yield Text(f"Imported from {source.origin}: how it was measured is not recorded.")
        return
    if source.command:
        yield Text(source.command, "command")
    else:
        yield Text("The command is not known: there is no readable record of this run.")
    commit = source.record.get("code_commit")
    revision = source.record.get("code_revision")
    told = [f"commit {commit}" if commit else "", f"code {revision}" if revision else "", f"run {source.run_id}"]
    yield Text(f"Measured by {', '.join(text for text in told if text)}; the same command prints the same table.")
    if source.digest:
        yield Text(f"Submission, sha256 {source.digest}: {source.trust}.")


def curves_of(source: RunSource) -> Iterator[Picture]:
    """The learning curves of a run's trainings, some in each picture."""
    for logs in logs_of(source):
        told = f"learning curves of {len(logs)} training{'s' if len(logs) > 1 else ''} of {source.run_id}"
        yield picture_of(curves_figure(logs), told)


def logs_of(source: RunSource) -> Iterator[dict[str, Log]]:
    """The logs of a run's trainings, as many at once as one picture holds."""
    logs = {escaped(name): log for name, log in source.logs.items() if log}
    names = list(logs)
    for first in range(0, len(names), _LOGS):
        yield {name: logs[name] for name in names[first : first + _LOGS]}


def curves_figure(logs: Mapping[str, Log]) -> Figure:
    """Some learning curves in one drawing."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=SIZE, layout="constrained")
    draw_curves({name[:60].replace("$", r"\$"): log for name, log in logs.items()}, figure.add_subplot())
    return figure


def _seed(seed: Any) -> str:
    """A training seed; none is pandas' own absent value, or a number that is none where it made floats of them."""
    import pandas as pd

    return "–" if pd.isna(seed) else str(seed)


def _policies(rows: pd.DataFrame) -> Iterator[Block]:
    there = rows[["task", "train_seed", "checkpoint"]].drop_duplicates()
    lines = [
        (Cell(str(task)), Cell(_seed(seed)), Cell(str(digest)))
        for task, seed, digest in there.itertuples(index=False, name=None)
        if digest
    ]
    if lines:
        yield Texts(("task", "training seed", "SHA-256 of its parameters"), tuple(lines))
    else:
        yield Notes(("It has no parameters.",))
