"""The log and TensorBoard's curves tell the same, also after a kill, and a full disk is told in one sentence."""

from __future__ import annotations

import errno
import json
import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.errors import WorkError
from harness.running.train_log import LOG_FILE, TENSORBOARD_FOLDER, TrainLog, read_train_log

Curves = dict[str, list[tuple[int, float]]]


def counters(num_frames: int) -> dict[str, Any]:
    return {
        "num_frames": num_frames,
        "num_steps": num_frames // 2,
        "num_episodes": num_frames // 50,
        "elapsed_sec": num_frames / 10,
    }


def write(folder: Path, *frames: int, resume_at: int = 0) -> None:
    """Logs an evaluation and an episode at each number of frames, as a training that is killed after them."""
    log = TrainLog(folder)
    log.open(resume_at, resume_at / 10)
    for number in frames:
        log.write(counters(number), {"episode_return": number / 7, "loss": float("nan")})
        log.write(counters(number), curve_returns=[1.0, number / 3])


def curves(folder: Path) -> Curves:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder / TENSORBOARD_FOLDER))
    events.Reload()
    return {tag: [(e.step, e.value) for e in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def test_tensorboard_shows_what_the_log_says(tmp_path: Path) -> None:
    write(tmp_path, 50, 100)
    found = curves(tmp_path)
    assert set(found) == {"train/episode_return", "train/loss", "curve/episode_return"}
    assert [step for step, _ in found["train/loss"]] == [50, 100]
    lines = read_train_log(tmp_path / LOG_FILE)
    returns = [line["episode_return"] for line in lines if "episode_return" in line]
    np.testing.assert_allclose([value for _, value in found["train/episode_return"]], returns, rtol=1e-6)
    means = [np.mean(line["curve_returns"]) for line in lines if "curve_returns" in line]
    np.testing.assert_allclose([value for _, value in found["curve/episode_return"]], means, rtol=1e-6)


def test_a_resumed_training_leaves_the_curves_of_a_whole_one_in_one_file(tmp_path: Path) -> None:
    write(tmp_path / "whole", 50, 100, 150)
    write(tmp_path / "killed", 50, 100)  # not closed: nothing but what was flushed at each line is there
    older = next((tmp_path / "killed" / TENSORBOARD_FOLDER).iterdir())
    older.rename(older.with_name("events.out.tfevents.0000000001.elsewhere"))
    write(tmp_path / "killed", 100, 150, resume_at=50)
    names = [path.name for path in (tmp_path / "killed" / TENSORBOARD_FOLDER).iterdir()]
    assert len(names) == 1
    assert repr(curves(tmp_path / "killed")) == repr(curves(tmp_path / "whole"))
    logs = [read_train_log(tmp_path / name / LOG_FILE) for name in ("whole", "killed")]
    assert repr(logs[0]) == repr(logs[1])


def test_times_of_the_curves_go_on_after_a_pause(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    write(tmp_path, 50)
    write(tmp_path, 100, resume_at=50)
    events = EventAccumulator(str(tmp_path / TENSORBOARD_FOLDER))
    events.Reload()
    first, second = events.Scalars("train/episode_return")
    assert second.wall_time - first.wall_time == pytest.approx(5.0)  # seconds of training, not of the clock


def test_the_log_knows_the_evaluations_it_keeps(tmp_path: Path) -> None:
    write(tmp_path, 50, 100, 150)
    log = TrainLog(tmp_path)
    log.open(100, 0.0)
    assert (log.last_curve_frames, log.num_curves) == (100, 2)


@pytest.mark.parametrize("full", [LOG_FILE, TENSORBOARD_FOLDER])
def test_a_full_disk_is_one_sentence(full: str, tmp_path: Path) -> None:
    threads = threading.active_count()
    log = TrainLog(tmp_path)
    log.open(0, 0.0)
    disk: Any = open("/dev/full", "wb", buffering=0 if full == LOG_FILE else -1)  # noqa: SIM115 (the log closes it)
    if full == LOG_FILE:
        log._file = disk
    else:
        log._curves._records._writer = disk
    with pytest.raises(WorkError, match=f"Cannot write .*{full}: the disk is full"):
        log.write(counters(50), {"loss": 1.0})
    log.close()
    assert threading.active_count() == threads  # a thread of TensorBoard's would print a traceback of its own


def test_a_line_that_was_refused_halfway_is_none(tmp_path: Path) -> None:
    write(tmp_path, 50)
    log = TrainLog(tmp_path)
    log.open(50, 5.0)
    file = log._file

    class Failing:
        def write(self, line: bytes) -> int:
            if len(line) < 40:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            return file.write(line[: len(line) // 2])

        def close(self) -> None:
            file.close()

    log._file = Failing()  # type: ignore[assignment]
    with pytest.raises(WorkError, match="Input/output error"):
        log.write(counters(100), {"loss": 1.0})
    log.close()
    assert [line["num_frames"] for line in read_train_log(tmp_path / LOG_FILE)] == [50, 50]
    write(tmp_path, 100, resume_at=50)
    assert [line["num_frames"] for line in read_train_log(tmp_path / LOG_FILE)] == [50, 50, 100, 100]


def test_a_folder_that_users_keep_beside_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / TENSORBOARD_FOLDER / "plugins").mkdir(parents=True)
    write(tmp_path, 50)
    assert (tmp_path / TENSORBOARD_FOLDER / "plugins").is_dir()


def test_lines_are_json(tmp_path: Path) -> None:
    write(tmp_path, 50)
    first = json.loads((tmp_path / LOG_FILE).read_text().splitlines()[0])
    assert first["elapsed_sec"] == 5.0


def test_success_of_evaluations_stands_in_the_log_and_in_tensorboard(tmp_path: Path) -> None:
    log = TrainLog(tmp_path)
    log.open(0, 0.0)
    log.write(counters(1), curve_returns=[1.0, 3.0], curve_success_rate=0.5)
    log.close()
    assert read_train_log(tmp_path / "train.jsonl")[0]["curve_success_rate"] == 0.5
    assert curves(tmp_path)["curve/success_rate"] == [(1, 0.5)]
