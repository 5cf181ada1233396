"""Trained policies on disk: what a run leaves behind, and what `--checkpoint` takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field, JsonValue, NonNegativeInt, PositiveInt, model_validator

from harness.errors import CheckpointError
from harness.files import contents_digest, new_folder, write_json
from harness.reading import SHA256, Record, SealedRecord, read_sealed, seal
from harness.running.tensors import misfit, shapes_in

if TYPE_CHECKING:
    from harness.agent import Agent, AgentSpec

PROVENANCE_FILE = "provenance.json"
UNSEALED = "the record of the policy has no digest of its own, as an earlier version wrote it, and may have been edited"
HASH_BELOW = 500_000_000  # bytes of policies that a plan reads whole, well under a second


class Conditions(Record):
    """All that shapes a trained policy except its seed; policies of one cell must agree in it."""

    action_repeat: PositiveInt
    code_revision: str
    compute: str
    config_hash: str
    curve: tuple[NonNegativeInt, NonNegativeInt]  # frames between two evaluations in training, and their episodes
    episode_frames: PositiveInt
    frame_stack: PositiveInt
    image_size: PositiveInt
    packages: dict[str, str]
    render_profile: str
    suite: str
    suite_version: int
    train_frames: NonNegativeInt


class PolicyRecord(SealedRecord):
    """What is known of a trained policy: how it came to be, and which files it is.

    What may be None is not there in records of earlier versions.
    """

    agent: str
    agent_version: int
    assets: dict[str, str]  # name -> identity of what it was trained with
    compute: str
    conditions: Conditions
    config: dict[str, JsonValue]  # the agent's settings, complete
    config_hash: str
    notes: tuple[str, ...]
    preset: str
    stand_ins: tuple[str, ...]
    task: str
    curve_seed: int | None = None  # the stream of episodes that evaluated it during training
    train_frames: NonNegativeInt  # the budget
    trained_frames: NonNegativeInt | None = None  # when training stopped
    train_seed: int = Field(ge=0, lt=2**31)
    digest: str = Field(pattern=SHA256)  # over the parameter files
    tensors: dict[str, dict[str, tuple[str, tuple[int, ...]]]] | None = None  # file -> tensor -> type and shape
    pixels: tuple[PositiveInt, PositiveInt, PositiveInt] | None = None  # C, H, W of an observation
    actions: PositiveInt | None = None  # numbers in an action

    @model_validator(mode="after")
    def _check(self) -> PolicyRecord:
        for name in ("train_frames", "config_hash"):
            ours, theirs = getattr(self, name), getattr(self.conditions, name)
            if ours != theirs:
                raise ValueError(f"'{name}' and 'conditions.{name}' are two: {ours} and {theirs}")
        return self


@dataclass(frozen=True)
class PolicySource:
    """A policy folder and where it comes from."""

    folder: Path
    record: PolicyRecord

    @property
    def digest(self) -> str:
        """SHA-256 over the parameter files, hex."""
        return self.record.digest

    @property
    def facts(self) -> dict[str, Any]:
        """The record as plain values, with what a reader of the policy's numbers must know of it among its notes."""
        notes = [*self.record.notes, *([] if self.record.record_digest else [UNSEALED])]
        return {**self.record.model_dump(mode="json", exclude_unset=True), "notes": notes}

    @property
    def conditions(self) -> dict[str, Any]:
        """All that shaped it except its seed, as plain values."""
        return self.record.conditions.model_dump(mode="json", exclude_unset=True)

    def check_belongs(self, agent: AgentSpec, task: str, seed: int) -> None:
        """Compares whose policy it is with whose it should be.

        Raises:
          CheckpointError: if they differ.
        """
        record = self.record
        found = f"agent {record.agent} version {record.agent_version}, task {record.task}, seed {record.train_seed}"
        wanted = f"agent {agent.name} version {agent.version}, task {task}, seed {seed}"
        if found != wanted:
            raise CheckpointError(f"The policy in {self.folder} belongs to {found}; not to {wanted}.")

    def check_files(self) -> None:
        """Compares the parameter files with their digest.

        Raises:
          CheckpointError: if they differ.
        """
        try:
            intact = contents_digest(self.folder, leave_out=PROVENANCE_FILE) == self.digest
        except OSError as error:
            raise CheckpointError(f"The policy in {self.folder} cannot be read ({error.strerror or error}).") from error
        if not intact:
            raise CheckpointError(f"The policy in {self.folder} is damaged: its files do not match its own record.")

    def check_tensors(self) -> None:
        """Compares lengths, names, types and shapes in the files' headers: what a plan can read of large policies.

        Raises:
          CheckpointError: if a file is cut short or of another format, or not as the record says.
        """
        found = shapes_in(self.folder)
        for name, wanted in (self.record.tensors or {}).items():
            if problem := misfit(found.get(name, {}), wanted):
                raise CheckpointError(f"{self.folder / name} does not match its own record: {problem}.")


def store_policy(agent: Agent, folder: Path, facts: Mapping[str, Any]) -> PolicySource:
    """Writes what acting needs, with its record, as one step; replaces what was there."""
    with new_folder(folder) as temporary:
        agent.save_policy(temporary)
        made = {"digest": contents_digest(temporary, leave_out=PROVENANCE_FILE), "tensors": shapes_in(temporary)}
        write_json(temporary / PROVENANCE_FILE, seal({**facts, **made}))
    return load_policy_source(folder)


def load_policy_source(folder: Path) -> PolicySource:
    """Reads the record of one policy folder.

    Raises:
      CheckpointError: if it is missing, damaged or edited.
    """
    for path in folder.rglob("*"):
        if not path.is_file() and not path.is_dir():
            raise CheckpointError(f"{path} is a link to nowhere, a pipe or a device: no file of a policy.")
    try:
        return PolicySource(folder, read_sealed(folder / PROVENANCE_FILE, PolicyRecord, error=CheckpointError))
    except FileNotFoundError:
        raise CheckpointError(f"{folder} is not a policy: it has no {PROVENANCE_FILE}.") from None


def find_policies(path: Path, agent: AgentSpec) -> dict[tuple[str, int], PolicySource]:
    """Finds the policies under a path: one policy folder, or a run's folder with one per task and seed.

    Returns:
      (task, train seed) -> policy, sorted.
    Raises:
      CheckpointError: if there is none, one is damaged or belongs to another agent, two are of the same task and
        seed, or those of one task were trained under different conditions: they would not be one measurement.
    """
    if not path.exists():
        raise CheckpointError(f"There is no checkpoint at {path}.")
    if not path.is_dir():
        raise CheckpointError(f"{path} is a file; a checkpoint is a folder that a run wrote (no pickles are read).")
    folders = [found.parent for found in sorted(path.rglob(PROVENANCE_FILE)) if not found.parent.name.startswith(".")]
    if not folders:
        raise CheckpointError(f"{path} holds no policy: no folder in it has a {PROVENANCE_FILE}.")
    sources: dict[tuple[str, int], PolicySource] = {}
    for folder in folders:
        source = load_policy_source(folder)
        key = (source.record.task, source.record.train_seed)
        source.check_belongs(agent, *key)
        if key in sources:
            raise CheckpointError(
                f"{path} holds two policies of {key[0]}, seed {key[1]}: {sources[key].folder} and {folder}. Name one."
            )
        sources[key] = source
    _check_alike(path, list(sources.values()))
    check_intact(list(sources.values()))
    return dict(sorted(sources.items()))


def check_intact(sources: Sequence[PolicySource]) -> None:
    """Finds damage before any work; beyond `HASH_BELOW` a worker compares the digest before it loads a policy.

    Raises:
      CheckpointError: if there is any.
    """
    small = sum(file.stat().st_size for source in sources for file in source.folder.rglob("*")) < HASH_BELOW
    for source in sources:
        source.check_tensors()
        if small:
            source.check_files()


def _check_alike(path: Path, sources: list[PolicySource]) -> None:
    first: dict[str, PolicySource] = {}
    for source in sources:
        other = first.setdefault(source.record.task, source)
        ours, theirs = source.conditions, other.conditions
        different = sorted(key for key in {*ours, *theirs} if ours.get(key) != theirs.get(key))
        if different:
            raise CheckpointError(
                f"The policies in {path} were not trained alike ({', '.join(different)} differ between "
                f"{other.folder} and {source.folder}). Name one run."
            )
