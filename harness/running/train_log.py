"""The log of a training: a line per episode in `train.jsonl`, and the same numbers as curves for TensorBoard."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, NonNegativeInt

from harness.files import disk_errors, write_text
from harness.reading import parse_json, read_bytes

LOG_FILE = "train.jsonl"
TENSORBOARD_FOLDER = "tensorboard"


class LogLine(BaseModel):
    """A line of the log: an episode with the agent's own numbers, or an evaluation in the training setting."""

    model_config = ConfigDict(strict=True, extra="allow", frozen=True)  # a loss may be NaN, and is shown so

    num_frames: NonNegativeInt
    num_steps: NonNegativeInt
    num_episodes: NonNegativeInt
    elapsed_sec: NonNegativeFloat
    curve_returns: list[float] = Field(default=[], min_length=1)
    __pydantic_extra__: dict[str, float]


class TrainLog:
    """The log of the training in a folder; after a resume, lines beyond the checkpoint are dropped.

    TensorBoard's file is written anew from the lines that stay: its own are not flushed at each number, so that a kill
    would leave holes in its curves.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._path = folder, folder / LOG_FILE
        self.last_curve_frames = -1  # frames at the newest evaluation, -1 before the first
        self.num_curves = 0  # evaluations so far

    def open(self, num_frames: int, elapsed_sec: float) -> None:
        """Starts the log, or continues it where training had come to `num_frames` after `elapsed_sec`.

        Raises:
          UsageError: if it is damaged.
          WorkError: if it cannot be written.
        """
        kept = [line for line in read_train_log(self._path) if line["num_frames"] <= num_frames]
        with disk_errors(str(self._path)):
            self._folder.mkdir(parents=True, exist_ok=True)
            write_text(self._path, "".join(json.dumps(line) + "\n" for line in kept))
            # Without a buffer: one would try again at the end what had failed, behind the half that was written.
            self._file = open(self._path, "ab", buffering=0)  # noqa: SIM115 (closed in close())
        with disk_errors(str(self._folder / TENSORBOARD_FOLDER)):
            self._curves = CurveWriter(self._folder / TENSORBOARD_FOLDER, time.time() - elapsed_sec)
            for line in kept:
                self._show(line)

    def write(self, counters: Mapping[str, Any], scalars: Mapping[str, float] | None = None, **more: Any) -> None:
        """Adds the line of one training episode, or with `curve_returns` of one evaluation in the training setting.

        Raises:
          WorkError: if it cannot be written.
        """
        line = {**counters, **{name: float(value) for name, value in (scalars or {}).items()}, **more}
        with disk_errors(str(self._path)):
            self._append(json.dumps(line).encode() + b"\n")
        with disk_errors(str(self._folder / TENSORBOARD_FOLDER)):
            self._show(line)

    def close(self) -> None:
        for file in (self._file, self._curves):
            with contextlib.suppress(OSError):  # each line was flushed, or said why not
                file.close()

    def _append(self, line: bytes) -> None:
        while line:  # a disk about to be full takes a part, and refuses the next
            line = line[self._file.write(line) :]

    def _show(self, line: Mapping[str, Any]) -> None:
        if "curve_returns" in line:
            self.last_curve_frames, self.num_curves = line["num_frames"], self.num_curves + 1
            returns: Sequence[float] = line["curve_returns"]
            scalars = {"curve/episode_return": sum(returns) / len(returns)}
            if "curve_success_rate" in line:
                scalars["curve/success_rate"] = line["curve_success_rate"]
        else:
            scalars = {f"train/{name}": line[name] for name in line if name not in LogLine.model_fields}
        self._curves.write(scalars, line["num_frames"], line["elapsed_sec"])


class CurveWriter:
    """TensorBoard's scalars, in its own format; in this thread, so that a full disk is met where it can be told.

    Args:
      folder: where the event file goes, in the place of older ones.
      started: when training began, seconds since the epoch.
    """

    def __init__(self, folder: Path, started: float) -> None:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.summary.writer.record_writer import RecordWriter

        self._event, self._summary, self._started = Event, Summary, started
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"events.out.tfevents.{int(time.time()):010d}.{os.getpid()}"  # a newer one sorts last
        self._records = RecordWriter(open(path, "wb"))  # noqa: SIM115 (closed in close())
        self._records.write(Event(wall_time=started, file_version="brain.Event:2").SerializeToString())
        self._records.flush()
        for older in folder.iterdir():
            if older.is_file() and older.name != path.name:
                older.unlink()

    def write(self, scalars: Mapping[str, float], step: int, elapsed_sec: float) -> None:
        """Adds a number to each of some curves.

        Args:
          scalars: tag -> number.
          step: in frames.
          elapsed_sec: seconds of training until then.
        """
        wall_time = self._started + elapsed_sec
        for tag, number in scalars.items():
            summary = self._summary(value=[self._summary.Value(tag=tag, simple_value=number)])
            self._records.write(self._event(wall_time=wall_time, step=step, summary=summary).SerializeToString())
        self._records.flush()

    def close(self) -> None:
        self._records.close()


def read_train_log(path: Path) -> list[dict[str, Any]]:
    """The lines of a `train.jsonl`; a torn last line is left out, an absent file is an empty log.

    Raises:
      UsageError: if it is damaged; the sentence names the line.
    """
    try:
        lines = read_bytes(path).split(b"\n")
    except FileNotFoundError:
        return []
    return [_read_line(line, f"{path}, line {number}") for number, line in enumerate(lines[:-1], start=1) if line]


def _read_line(line: bytes, where: str) -> dict[str, Any]:
    parse_json(line, LogLine, where, remedy="remove that line")
    found: dict[str, Any] = json.loads(line)
    return found
