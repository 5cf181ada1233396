"""What a run is: what the user asked for, and the checked, frozen plan that `planning.py` makes of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.agent import AgentSpec
from harness.assets.found import FoundAsset
from harness.assets.store import AssetStore
from harness.running.policies import PolicySource
from harness.running.presets import Preset
from harness.running.user_files import UserFiles
from harness.spec import Protocol, Suite

if TYPE_CHECKING:
    from harness.running.handed import Handed


@dataclass(frozen=True)
class RunOptions:
    """What the user asked for, as written; None means not given."""

    suite: str
    agent: str
    tasks: Sequence[str] = ()
    seeds: str | None = None
    preset: str = "quick"
    frames: int | None = None
    episodes: int | None = None
    checkpoint: Path | None = None
    workers: int | None = None
    threads: int | None = None
    device: str = "auto"
    settings: Sequence[str] = ()  # key=value
    shifts: Sequence[str] = ()  # [setting+]name=value
    replay: bool | None = None  # None: where code from outside plays
    agent_files: Sequence[str] = ()  # that an agent from outside is made of besides its modules
    profile: str = "standard"
    assets: str | None = None
    runs: Path = Path("runs")
    elsewhere: bool = False  # other machines do the work


@dataclass(frozen=True)
class TaskPlan:
    """How one task is trained and measured."""

    task: str
    config: Mapping[str, Any]  # the agent's settings, complete
    config_hash: str
    train_frames: int
    protocol: Protocol


@dataclass(frozen=True)
class RunPlan:
    """Everything a run is, checked. Workers get pieces of it, the record keeps all of it."""

    run_id: str
    folder: Path
    suite: Suite
    suite_name: str  # as asked for, importable again in a worker
    shifts: tuple[str, ...]  # settings added to the suite's own, as asked for
    agent: AgentSpec
    agent_name: str
    preset: Preset
    tasks: tuple[TaskPlan, ...]
    settings: tuple[str, ...]  # that are measured, in table order
    seeds: tuple[int | None, ...]  # None: of a policy that is not made from a seed
    episodes: int
    workers: int  # 0: this process does the work
    threads: int
    device: str
    profile: str
    store: AssetStore
    found: Mapping[str, FoundAsset]  # asset -> what the look-up gave
    policies: Mapping[tuple[str, int], PolicySource]  # (task, train seed) -> given checkpoint; empty: train
    replays: bool = False  # whether a finished episode of each cell is played again
    outside: UserFiles | None = None  # what of it is the user's own; None: nothing
    handed: Handed | None = None  # suite and policy as objects, where an evaluation was asked for from Python

    @property
    def trains(self) -> bool:
        """Whether agents are trained here, rather than given, or without anything to learn."""
        return self.agent.learns and not self.policies

    @property
    def stand_ins(self) -> list[str]:
        """Names of the assets that are replaced by a stand-in."""
        return [name for name, found in self.found.items() if found.stand_in]

    def cells(self) -> list[tuple[TaskPlan, str, int | None]]:
        """(task, setting, seed) of every cell of the run, in table order."""
        return [(task, name, seed) for task in self.tasks for name in self.settings for seed in self.seeds]
