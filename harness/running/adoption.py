"""A policy that one run has trained, taken over by another whose training would have been equal."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from harness.files import disk_errors, new_folder, write_bytes, write_json
from harness.reading import SEAL, seal
from harness.running.columns import training_facts
from harness.running.plan import RunPlan, TaskPlan
from harness.running.policies import PROVENANCE_FILE, load_policy_source
from harness.running.run_folder import policy_folder, train_folder
from harness.running.train_log import LOG_FILE
from harness.running.training_folder import REVISIONS_FILE, remove_leftovers

ADOPTED_FILE = "adopted.json"


def adopt(training: Path, plan: RunPlan, task: TaskPlan, seed: int) -> None:
    """Takes over what a finished training left: its policy, its log, which code was at work.

    The policy's record becomes the one that this run's own training would have written, so that its rows are the same,
    and the run can go on without the other. Parameters are linked, not copied, where the file system allows.

    Raises:
      CheckpointError: if the policy is damaged.
      WorkError: if it cannot be written.
    """
    source = load_policy_source(training / "policy")
    source.check_files()
    folder = train_folder(plan, task.task, seed)
    with disk_errors(str(folder)):
        folder.mkdir(parents=True, exist_ok=True)
    for name in (LOG_FILE, REVISIONS_FILE):
        if (training / name).is_file():
            write_bytes(folder / name, (training / name).read_bytes())
    write_json(folder / ADOPTED_FILE, {"from": training.parent.parent.name})
    facts = training_facts(plan, task, seed)
    record = source.record.model_dump(mode="json", exclude_unset=True)
    sealed = record.pop(SEAL, None) is not None
    record |= {name: facts[name] for name in ("config_hash", "notes")}
    record["conditions"] |= {name: facts["conditions"][name] for name in ("config_hash", "suite", "suite_version")}
    with new_folder(policy_folder(plan, task.task, seed)) as temporary:
        with disk_errors(str(temporary)):
            for path in sorted(source.folder.rglob("*")):
                if path.is_file() and path.name != PROVENANCE_FILE:
                    _link(path, temporary / path.relative_to(source.folder))
        write_json(temporary / PROVENANCE_FILE, seal(record) if sealed else record)
    remove_leftovers(folder)


def _link(path: Path, to: Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(path, to)
    except OSError:  # another file system, or one without links
        shutil.copyfile(path, to)
