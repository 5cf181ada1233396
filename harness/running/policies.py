"""Trained policies on disk: what a run leaves behind, and what `--checkpoint` takes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import CheckpointError
from harness.files import commit_folder, sha256_of, write_json

if TYPE_CHECKING:
    from harness.agent import Agent, AgentSpec

PROVENANCE_FILE = "provenance.json"
HASH_BELOW = 500_000_000  # bytes of policies that a plan reads whole, well under a second
NEEDED = (
    "agent",
    "agent_version",
    "assets",
    "compute",
    "conditions",
    "config",
    "digest",
    "notes",
    "preset",
    "stand_ins",
    "task",
    "train_frames",
    "train_seed",
)


@dataclass(frozen=True)
class PolicySource:
    """A policy folder and where it comes from."""

    folder: Path
    provenance: Mapping[str, Any]

    @property
    def digest(self) -> str:
        """SHA-256 over the parameter files, hex."""
        return str(self.provenance["digest"])

    def check_files(self) -> None:
        """Compares the parameter files with their digest.

        Raises:
          CheckpointError: if they differ.
        """
        try:
            intact = parameters_digest(self.folder) == self.digest
        except OSError as error:
            raise CheckpointError(f"The policy in {self.folder} cannot be read ({error.strerror or error}).") from error
        if not intact:
            raise CheckpointError(f"The policy in {self.folder} is damaged: its files do not match its own record.")

    def check_lengths(self) -> None:
        """Compares the lengths of the parameter files with their own headers: of large policies, what a plan can read.

        Raises:
          CheckpointError: if one is cut short or of another format.
        """
        for path in sorted(self.folder.glob("*.safetensors")):
            try:
                length = safetensors_length(path)
            except (OSError, ValueError, TypeError, LookupError) as error:
                raise CheckpointError(f"{path} is not a safetensors file, or damaged.") from error
            if length != path.stat().st_size:
                raise CheckpointError(f"{path} is damaged: it has not the {length:,} bytes that its header tells.")


def parameters_digest(folder: Path) -> str:
    """SHA-256 over the folder's files other than the record, in the order of their names."""
    return sha256_of(*sorted(path for path in folder.iterdir() if path.is_file() and path.name != PROVENANCE_FILE))


def safetensors_length(path: Path) -> int:
    """Bytes a safetensors file has by its header: 8 bytes of the header's length, the header in JSON, the tensors.

    Raises:
      ValueError, TypeError, LookupError: if it has no such header.
    """
    size = path.stat().st_size
    with open(path, "rb") as file:
        header = int.from_bytes(file.read(8), "little")
        if header > size - 8:
            raise ValueError("the header is longer than the file")
        tensors = json.loads(file.read(header))
    if not isinstance(tensors, dict):
        raise ValueError("the header is not a table of tensors")
    ends = [entry["data_offsets"][1] for name, entry in tensors.items() if name != "__metadata__"]
    return 8 + header + max(ends, default=0)


def store_policy(agent: Agent, folder: Path, facts: Mapping[str, Any]) -> PolicySource:
    """Writes what acting needs, with its record, as one step; replaces what was there."""
    temporary = folder.with_name(f".{folder.name}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    agent.save_policy(temporary)
    write_json(temporary / PROVENANCE_FILE, {**facts, "digest": parameters_digest(temporary)})
    commit_folder(temporary, folder)
    return load_policy_source(folder)


def load_policy_source(folder: Path) -> PolicySource:
    """Reads the record of one policy folder.

    Raises:
      CheckpointError: if it is missing or damaged.
    """
    try:
        provenance = json.loads((folder / PROVENANCE_FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CheckpointError(f"{folder} is not a policy: it has no {PROVENANCE_FILE}.") from None
    except (OSError, ValueError) as error:
        raise CheckpointError(f"The record of the policy in {folder} cannot be read ({error}).") from error
    if not isinstance(provenance, dict) or any(key not in provenance for key in NEEDED):
        raise CheckpointError(f"The record of the policy in {folder} is incomplete.")
    return PolicySource(folder, provenance)


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
        facts = source.provenance
        if facts["agent"] != agent.name or facts["agent_version"] != agent.version:
            raise CheckpointError(
                f"The policy in {folder} belongs to agent {facts['agent']} version {facts['agent_version']}, "
                f"not to {agent.name} version {agent.version}."
            )
        key = (facts["task"], facts["train_seed"])
        if key in sources:
            raise CheckpointError(
                f"{path} holds two policies of {key[0]}, seed {key[1]}: {sources[key].folder} and {folder}. Name one."
            )
        sources[key] = source
    _check_alike(path, list(sources.values()))
    _check_intact(list(sources.values()))
    return dict(sorted(sources.items()))


def _check_intact(sources: list[PolicySource]) -> None:
    """Finds damage before any work; beyond `HASH_BELOW` a worker compares the digest before it loads a policy."""
    small = sum(file.stat().st_size for source in sources for file in source.folder.iterdir()) < HASH_BELOW
    for source in sources:
        if small:
            source.check_files()
        else:
            source.check_lengths()


def _check_alike(path: Path, sources: list[PolicySource]) -> None:
    first: dict[str, PolicySource] = {}
    for source in sources:
        other = first.setdefault(source.provenance["task"], source)
        ours, theirs = source.provenance["conditions"], other.provenance["conditions"]
        different = sorted(key for key in {*ours, *theirs} if ours.get(key) != theirs.get(key))
        if different:
            raise CheckpointError(
                f"The policies in {path} were not trained alike ({', '.join(different)} differ between "
                f"{other.folder} and {source.folder}). Name one run."
            )
