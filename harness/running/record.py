"""The record of a run, `record.json`: written before the work and after it."""

from __future__ import annotations

import contextlib
import os
import platform
import sys
import time
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from harness.cards import card_names
from harness.errors import UsageError, WorkError
from harness.files import write_json
from harness.reading import read_json
from harness.running import provenance
from harness.running.plan import RunPlan, TaskPlan

RECORD_FILE = "record.json"
RECORD_VERSION = 1


class _Summary(BaseModel):
    """What a record must hold to be believed that its run is finished."""

    model_config = ConfigDict(strict=True, frozen=True)

    status: str
    tasks: list[_TaskName]
    seeds: list[int | None]
    episodes: int
    settings: list[str]


class NamedRun(BaseModel):
    """Which run a record is of."""

    model_config = ConfigDict(strict=True, frozen=True)

    run_id: str


class _TaskName(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True)

    task: str


class _Status(BaseModel):
    """What a record says of its run's state."""

    model_config = ConfigDict(strict=True, frozen=True)

    run_id: str
    status: str


def check_finished(path: Path) -> None:
    """Checks that a run is finished, as far as its record is there to say so.

    Raises:
      UsageError: if it is not, or the record is damaged.
    """
    with contextlib.suppress(FileNotFoundError):
        found = read_json(path, _Status)
        if found.status != "finished":
            raise UsageError(
                f"Run {found.run_id} is {found.status}, and what it has measured so far is no verdict: the same "
                f"harness run goes on with it."
            )


class RunRecord:
    """`record.json`: what the run is and what it ran on, rewritten at each start and end."""

    def __init__(self, plan: RunPlan) -> None:
        self._plan = plan
        self._path = plan.folder / RECORD_FILE
        self._started = _now()

    def is_owed(self) -> bool:
        """Whether the record does not say yet that this plan is carried out, and no larger one is under way.

        A record that cannot be read is owed.
        """
        plan = self._plan
        try:
            stored = read_json(self._path, _Summary)
        except (FileNotFoundError, UsageError):
            return True
        if stored.status == "finished":
            return False
        return (
            {task.task for task in stored.tasks} <= {task.task for task in plan.tasks}
            and set(stored.seeds) <= set(plan.seeds)
            and set(stored.settings) <= set(plan.settings)
            and stored.episodes <= plan.episodes
        )

    def write(self, status: str, **more: Any) -> None:
        """Replaces the record; `status` is running, interrupted, failed or finished."""
        plan = self._plan
        value = {
            "record_version": RECORD_VERSION,
            "run_id": plan.run_id,
            "status": status,
            "started": self._started,
            "updated": _now(),
            "command": sys.argv,
            "suite": {"name": plan.suite.name, "version": plan.suite.version, "asked": plan.suite_name},
            "agent": {"name": plan.agent.name, "version": plan.agent.version, "asked": plan.agent_name},
            "preset": plan.preset.name,
            "seeds": list(plan.seeds),
            "episodes": plan.episodes,
            "settings": list(plan.settings),
            "tasks": [self._task(task) for task in plan.tasks],
            "checkpoints": {f"{t} seed {s}": str(p.folder) for (t, s), p in plan.policies.items()},
            "assets": {n: {"identity": f.identity, "note": f.note} for n, f in plan.found.items()},
            "stand_ins": plan.stand_ins,
            "device": plan.device,
            "threads": plan.threads,
            "workers": plan.workers,
            "render_profile": plan.profile,
            "packages": provenance.package_versions(),
            "code_revision": provenance.code_revision(),
            "code_commit": provenance.code_commit(),
            "machine": {"platform": platform.platform(), "cpu": provenance.cpu_name(), "cores": os.cpu_count()},
            "cards": [] if plan.device == "cpu" else list(card_names()),
            **more,
        }
        write_json(self._path, value)

    def try_to_write(self, status: str, **more: Any) -> None:
        """Replaces the record where that is possible; for when an error is under way that is the one to tell."""
        with contextlib.suppress(WorkError):
            self.write(status, **more)

    @staticmethod
    def _task(task: TaskPlan) -> dict[str, Any]:
        protocol = task.protocol
        return {
            "task": task.task,
            "config": dict(task.config),
            "config_hash": task.config_hash,
            "train_frames": task.train_frames,
            "action_repeat": protocol.action_repeat[task.task],
            "frame_stack": protocol.frame_stack,
            "image_size": protocol.image_size,
            "episode_frames": protocol.episode_frames,
            "eval_seed_offset": protocol.eval_seed_offset,
        }


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
