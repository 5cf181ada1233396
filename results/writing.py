"""Rows for other programs: files of CSV and Parquet, and the trackers Weights & Biases and MLflow."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from harness.results.comparison_key import COMPARISON_KEY
from harness.results.csv_rows import rows_to_csv
from harness.results.frames import Rows
from harness.results.row_files import encode_rows
from harness.results.rows import shortened

if TYPE_CHECKING:
    import pandas as pd

FILES = (".csv", ".parquet")
TRACKERS = ("wandb", "mlflow")
_LONGEST = 6_000  # characters of a parameter that MLflow takes


def encode(rows: Rows, suffix: str) -> bytes:
    """Rows as the bytes of a file with one of `FILES`."""
    if suffix == ".csv":
        return rows_to_csv(rows.rows()).encode()
    return encode_rows(rows.rows(), are_digested=rows.are_digested)


def to_wandb(rows: Rows, project: str, folder: Path) -> list[Path]:
    """Writes every run as an offline run of Weights & Biases; `wandb sync` sends it on. Nothing touches the network.

    Args:
      rows: of any number of runs.
      project: the name of the project.
      folder: where W&B keeps its files; made if absent.

    Returns:
      The folders of the offline runs.

    Raises:
      ImportError: if wandb is not installed.
    """
    import wandb

    folder.mkdir(parents=True, exist_ok=True)
    settings = wandb.Settings(console="off", silent=True, x_disable_stats=True, x_disable_meta=True)
    found = []
    for run_id, frame in _runs(rows):
        config = dict(facts_of(frame))
        run = wandb.init(
            project=project, name=run_id, dir=str(folder), mode="offline", config=config, settings=settings
        )
        run.summary.update(dict(means_of(frame)))
        shown = frame.astype(object).where(frame.notna(), None)
        run.log({"episodes": wandb.Table(columns=list(shown.columns), data=shown.to_numpy().tolist())})
        found.append(Path(run.dir).parent)
        run.finish()
    return found


def to_mlflow(rows: Rows, experiment: str, folder: Path) -> list[str]:
    """Writes every run as a run of MLflow into a store on disk, with its rows as an artifact.

    Args:
      rows: of any number of runs.
      experiment: its name.
      folder: of the store; made if absent.

    Returns:
      The ids that MLflow gave the runs.

    Raises:
      ImportError: if mlflow is not installed.
    """
    from mlflow import MlflowClient

    folder.mkdir(parents=True, exist_ok=True)
    client = MlflowClient(tracking_uri=f"sqlite:///{folder.resolve() / 'mlflow.db'}")
    known = client.get_experiment_by_name(experiment)
    place = (folder / "artifacts").resolve().as_uri()
    at = known.experiment_id if known else client.create_experiment(experiment, artifact_location=place)
    found = []
    for run_id, frame in _runs(rows):
        run = client.create_run(at, run_name=run_id).info.run_id
        for name, value in facts_of(frame):
            client.log_param(run, name, value)
        for name, mean in means_of(frame):
            client.log_metric(run, name, mean)
        client.log_text(run, rows_to_csv(Rows(frame).rows()), "rows.csv")
        client.set_terminated(run)
        found.append(run)
    return found


def facts_of(frame: pd.DataFrame) -> Iterator[tuple[str, str]]:
    """What all rows of a run share: fields of the comparison key, and where they are from."""
    for name in ("run_id", *COMPARISON_KEY, "origin"):
        values = frame[name].unique()
        if len(values) == 1 and str(values[0]):
            yield name, shortened(str(values[0]), _LONGEST)


def means_of(frame: pd.DataFrame) -> Iterator[tuple[str, float]]:
    """The mean return, and where there is one the success rate, of each task in each setting."""
    for (task, setting), cell in frame.groupby(["task", "setting"], sort=True):
        place = f"{_plain(str(task))}/{_plain(str(setting))}"
        yield f"{place}/return", float(cell["episode_return"].mean())
        if cell["success"].notna().all():
            yield f"{place}/success_rate", float(cell["success"].astype(float).mean())


def _plain(name: str) -> str:
    """A name in the characters that every tracker takes."""
    return "".join(c if (c.isascii() and c.isalnum()) or c in "-_." else "_" for c in name)[:100]


def _runs(rows: Rows) -> Iterator[tuple[str, pd.DataFrame]]:
    for run_id, frame in rows.frame.groupby("run_id", sort=True):
        yield str(run_id), frame
