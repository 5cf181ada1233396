"""`harness import` and `harness export`: rows from files of other programs, and rows for them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.errors import UsageError, unknown
from harness.results.text import escaped

if TYPE_CHECKING:
    from harness.results.frames import Rows

MOST = 2**53


def import_command(
    file: Annotated[Path, typer.Argument(help="The file; of TensorBoard also a folder.")],
    fmt: Annotated[str, typer.Option("--format", help="monitor (SB3), gymnasium, tensorboard or csv.")],
    suite: Annotated[str, typer.Option(help="The suite; a CSV may have a column.")] = "",
    task: Annotated[str, typer.Option(help="The task; a CSV may have a column.")] = "",
    setting: Annotated[str, typer.Option(help="The setting; a CSV may have a column.")] = "",
    agent: Annotated[str, typer.Option(help="What to call the agent; a CSV may have a column.")] = "",
    train_seed: Annotated[int | None, typer.Option(help="Training seed of the policy.")] = None,
    eval_seed: Annotated[int, typer.Option(help="Seed of the evaluation.")] = 0,
    train_frames: Annotated[int, typer.Option(help="Frames it was trained for; 0: not trained, or not known.")] = 0,
    action_repeat: Annotated[int, typer.Option(help="Frames of a step.")] = 1,
    tag: Annotated[str | None, typer.Option(help="Of TensorBoard: the scalar, such as eval/mean_reward.")] = None,
    last: Annotated[int | None, typer.Option(help="Only the last so many episodes.")] = None,
    other_suite: Annotated[bool, typer.Option("--other-suite", help="The suite is none of ours.")] = False,
    runs: Annotated[Path, typer.Option(help="Where runs are kept.")] = Path("runs"),
) -> None:
    """Take over returns that another program measured; their rows say so, and are marked in every table."""
    from harness.files import check_writable
    from harness.results.foreign import FORMATS, SCALARS
    from harness.results.importing import Stated, read_foreign, write_runs

    if fmt not in FORMATS:
        raise unknown("format", fmt, FORMATS)
    if (fmt == SCALARS) != (tag is not None):
        raise UsageError(f"--tag names the scalar of --format {SCALARS}, and goes with that only.")
    _check_numbers(train_seed=train_seed, eval_seed=eval_seed, train_frames=train_frames)
    _check_numbers(1, last=last, action_repeat=action_repeat)
    check_writable(runs)
    if suite and not other_suite:
        _check_places([(suite, task, setting)])
    stated = Stated(suite, task, setting, agent, train_seed, eval_seed, train_frames, action_repeat)
    with _as_wrong_use():
        rows = read_foreign(file, fmt, stated, tag=tag, count=last)
    if not other_suite:
        _check_places({(row.suite, row.task, row.setting) for row in rows})
    for folder in write_runs(rows, runs):
        typer.echo(escaped(f"{folder}  {sum(row.run_id == folder.name for row in rows)} episodes, {rows[0].origin}"))


def export_command(
    to: Annotated[str, typer.Option("--to", help="A .csv or .parquet file to write, or wandb, or mlflow.")],
    runs: Annotated[
        list[Path] | None, typer.Argument(help="Folders of runs, runs, or files of rows. Default: runs.")
    ] = None,
    project: Annotated[str, typer.Option(help="Of wandb the project, of mlflow the experiment.")] = "harness",
    folder: Annotated[Path | None, typer.Option(help="Where wandb or mlflow keeps it. Default: exported.")] = None,
) -> None:
    """Write rows as one file that reads back equal, or into a tracker's own files on this disk."""
    from harness.results.writing import FILES, TRACKERS

    if to not in TRACKERS and Path(to).suffix not in FILES:
        raise UsageError(f"--to takes a file that ends in .csv or .parquet, or wandb, or mlflow, not '{to}'.")
    if folder is not None and to not in TRACKERS:
        raise UsageError("--folder goes with --to wandb and --to mlflow.")
    if to in TRACKERS:
        _check_installed(to)
        told = _track(to, _rows(runs), project, folder or Path("exported"))
    else:
        told = _write(Path(to), runs)
    for line in told:
        typer.echo(escaped(line))


def _write(path: Path, runs: list[Path] | None) -> list[str]:
    from harness.files import check_target, write_bytes
    from harness.results.writing import encode

    if not path.parent.is_dir():
        raise UsageError(f"There is no folder {path.parent} to write {path.name} into.")
    check_target(path)
    rows = _rows(runs)
    write_bytes(path, encode(rows, path.suffix))
    return [f"{path}  {len(rows)} episodes"]


def _track(to: str, rows: Rows, project: str, folder: Path) -> list[str]:
    from harness.files import check_writable
    from harness.results.writing import to_mlflow, to_wandb

    check_writable(folder)
    if to == "wandb":
        return [f"{run}  (wandb sync sends it)" for run in to_wandb(rows, project, folder)]
    found = to_mlflow(rows, project, folder)
    return [f"{folder / 'mlflow.db'}  {len(found)} run{'s' if len(found) > 1 else ''} of experiment {project}"]


def _check_installed(tracker: str) -> None:
    from importlib.util import find_spec

    if find_spec(tracker) is None:
        raise UsageError(f"{tracker} is not installed: pip install 'visual-rl-harness[{tracker}]'.")


def _rows(runs: list[Path] | None) -> Rows:
    from harness.results.damage import Listening, undigested_told
    from harness.results.frames import Rows
    from harness.results.store import load_rows

    paths = runs or [Path("runs")]
    with _as_wrong_use(), undigested_told(lambda note: typer.echo(escaped(note), err=True)) as on_damage:
        told = Listening(on_damage)
        rows = Rows(load_rows(*paths, on_damage=told), are_digested=not told.undigested)
    if not len(rows):
        raise UsageError(f"No rows in {', '.join(map(str, paths))}: nothing has been measured there yet.")
    return rows


@contextmanager
def _as_wrong_use() -> Iterator[None]:
    """What a user named does not exist, or is not what it is said to be."""
    try:
        yield
    except (ValueError, FileNotFoundError) as error:
        raise UsageError(str(error)) from error


def _check_numbers(low: int = 0, /, **numbers: int | None) -> None:
    for name, value in numbers.items():
        if value is not None and not low <= value <= MOST:
            raise UsageError(f"--{name.replace('_', '-')} is a number from {low} up, not {value}.")


def _check_places(places: Iterable[tuple[str, str, str]]) -> None:
    """Checks names against our suites; an empty one is not known yet."""
    from harness.registry import load_suite, suite_names

    for suite, task, setting in sorted(places):
        if suite not in suite_names():
            raise UsageError(f"{unknown('suite', suite, suite_names())} If it is none of ours: --other-suite.")
        found = load_suite(suite)
        if task:
            found.check_task(task)
        if setting and "=" not in setting:
            found.setting(setting)
