"""What a suite is: frozen declarations that say what is measured, without simulators.

A suite names a domain (a module of simulations), its tasks, one training setting, and the shifted settings an
agent is evaluated in. Everything here imports in milliseconds; simulators load when an environment is made.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar

from harness.errors import UsageError, unknown

if TYPE_CHECKING:
    import numpy as np

    from harness.assets.found import FoundAsset
    from harness.assets.store import AssetStore
    from harness.simulation import Simulation


class BoundShift:
    """A shift at work on one simulation. Every hook does nothing unless overridden.

    Per episode the environment calls `begin_episode`, lets the simulation reset, and then per picture calls
    `before_render(step)`, renders, and passes the pixels through `after_render(pixels, step)`, the last shift's first,
    so that what one puts back is what it found; `step` counts the
    agent's steps since the reset, 0 for the picture the reset returns. `after_control_step(count)` follows every
    single control step of the simulation, `count` being 1 after the first.

    Attributes:
      any_thread: whether the hooks of a step (all but `begin_episode` and `close`) may run on another thread than the
        one it was bound on, as `Simulation.any_thread`; if not, training with it steps and updates on one thread.
    """

    any_thread: bool = False

    def begin_episode(self, seed: int, episode: int) -> Mapping[str, Any]:
        """Chooses what this episode looks like, from (seed, episode) alone.

        Returns:
          Facts worth storing in the row, JSON-compatible, such as `{"video": 3}`.
        """
        return {}

    def after_control_step(self, count: int) -> None:
        """Moves whatever moves at the simulator's own pace."""

    def before_render(self, step: int) -> None:
        """Writes visual fields of the model or poses of the data."""

    def after_render(self, pixels: np.ndarray, step: int) -> np.ndarray:
        """Changes the rendered picture, uint8 (H, W, 3); may work in place."""
        return pixels

    def close(self) -> None:
        """Frees what the shift holds, and undoes it.

        Once the shifts of a setting are closed, the last one first, the next picture of a simulation that is still open
        is byte for byte the picture in training of the same physics state. That holds for every setting of looks alone
        (`Setting.looks_alone`).
        """


@dataclass(frozen=True)
class Shift:
    """The change between training and test, as a frozen object with behaviour.

    Subclasses add their own parameters. A shift changes what is seen; it never touches the physics state or the reward,
    and it never reads the agent. One that changes what things are says so: `changes_shapes`, or `changes_physics` if
    masses and their like change but nothing that is seen.

    `sets` names what it overwrites, fields of the model mostly; another shift that does so too would undo it, so the
    two cannot be combined.
    """

    sets: ClassVar[tuple[str, ...]] = ()

    @property
    def changes_shapes(self) -> bool:
        """Whether things that can be touched get other shapes."""
        return False

    @property
    def changes_physics(self) -> bool:
        """Whether things get other masses and look the same."""
        return False

    @property
    def assets(self) -> tuple[str, ...]:
        """Names of the third-party files it needs, as in `harness assets list`."""
        return ()

    def check_assets(self, found: Mapping[str, FoundAsset]) -> None:
        """Looks closer at what was found under the names in `assets`; called before any work.

        Raises:
          MissingAssetError: if a part is absent that this shift needs.
        """

    def edit_spec(self, spec: Any) -> None:
        """Adds what the shift needs to a model that is not compiled yet (`mujoco.MjSpec`): hidden, massless, without
        contact. Domains that build from an MjSpec call it once, in the order of the setting's shifts."""

    def bind(self, simulation: Simulation, assets: AssetStore) -> BoundShift:
        """Starts the shift on a simulation that has not rendered yet.

        Raises:
          MissingAssetError: if a needed file is absent and stand-ins are not allowed.
        """
        raise NotImplementedError


@dataclass(frozen=True)
class Setting:
    """A named way the scene looks: no shift at all, or one or more of them."""

    name: str
    shifts: tuple[Shift, ...] = ()

    @property
    def assets(self) -> tuple[str, ...]:
        return tuple(name for shift in self.shifts for name in shift.assets)

    @property
    def looks_alone(self) -> bool:
        """Whether the same actions lead to the same states and rewards as in training."""
        return not any(shift.changes_shapes or shift.changes_physics for shift in self.shifts)


TRAIN = Setting("train")

# "standard" draws what the published code draws; "fast" (no shadows, no multisampling) is for tests and
# short budgets, never mixed in.
RENDER_PROFILES = ("standard", "fast")


def check_profile(name: str) -> str:
    """Returns the name of a render profile if it exists.

    Raises:
      UsageError: otherwise.
    """
    if name not in RENDER_PROFILES:
        raise unknown("render profile", name, RENDER_PROFILES)
    return name


@dataclass(frozen=True)
class Protocol:
    """How a suite is measured; a budget is counted in frames (agent steps x action repeat)."""

    action_repeat: Mapping[str, int]  # per task
    train_frames: Mapping[str, int]  # per task, the published training budget
    frame_stack: int = 3
    image_size: int = 84  # pixels, square
    episode_frames: int = 1000  # control steps after which an episode is truncated
    eval_episodes: int = 100  # per task, setting and training seed
    eval_seed_offset: int = 42  # eval_seed = train_seed + this
    metric: str = "return"  # or "success": the headline of the table
    task_episode_frames: Mapping[str, int] = field(default_factory=dict)  # where a task's episodes have another length

    def __post_init__(self) -> None:
        # Plain dicts of our own: whatever mapping the declaration used, workers must be able to unpickle it.
        object.__setattr__(self, "action_repeat", dict(self.action_repeat))
        object.__setattr__(self, "train_frames", dict(self.train_frames))
        object.__setattr__(self, "task_episode_frames", dict(self.task_episode_frames))

    def for_task(self, task: str) -> Protocol:
        """The protocol as it holds for one task: `episode_frames` is that task's own."""
        if task not in self.task_episode_frames:
            return self
        others = {name: frames for name, frames in self.task_episode_frames.items() if name != task}
        return replace(self, episode_frames=self.task_episode_frames[task], task_episode_frames=others)

    def replace(self, task: str, name: str, value: int) -> Protocol:
        """The protocol for one task, with one number changed.

        Raises:
          UsageError: if the name is not a number of the protocol, or the value is not positive.
        """
        if name not in OPEN_FIELDS:
            raise unknown("protocol setting", name, OPEN_FIELDS)
        low, high = OPEN_FIELDS[name]
        if not low <= value <= high:
            raise UsageError(f"protocol.{name} goes from {low} to {high}, not {value}.")
        if name == "action_repeat":
            return replace(self.for_task(task), action_repeat={**self.action_repeat, task: value})
        return replace(self.for_task(task), **{name: value})  # type: ignore[arg-type]


# What a user may set, from where to where: the upper ends keep a slip of the finger from eating all memory.
OPEN_FIELDS = {
    "action_repeat": (1, 1_000),
    "episode_frames": (1, 1_000_000),
    "frame_stack": (1, 32),
    "image_size": (8, 1_024),
}
BUDGET = "train_frames"


@dataclass(frozen=True)
class Suite:
    """What is measured. One file `suites/<name>.py` offers one of these as `SUITE`.

    Raise `version` with every change that can move a score.
    """

    name: str
    version: int
    domain: str  # importable module with `make_simulation(task, *, image_size, profile, shifts)`
    tasks: tuple[str, ...]
    settings: tuple[Setting, ...]  # the shifted ones, in table order
    protocol: Protocol
    description: str  # one line for `harness list suites`
    source: str  # paper and owner/name@commit of the definition
    train: Setting = field(default=TRAIN)
    published_suite: str | None = None  # its name in results/published, where numbers exist
    published_note: str = ""  # what a reader of those numbers must know, a sentence for under the table
    views: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # means over some settings, shown below them
    held_out: tuple[str, ...] = ()  # assets its settings show pictures of, in whatever form: not for agents to train on
    # source of demonstrations ("expert", "human") -> task -> asset that is needed for them, "" for none
    demonstrators: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    offers_states: bool = False  # whether its simulations have an `observe_state`, for agents that act on states
    needs_graphics: bool = True  # False for a suite that draws without GL
    axes: str = ""  # importable module with `AXES`: name -> `harness.axis.Axis`, for --shift; "" for none
    more_tasks: tuple[str, ...] = ()  # run only where asked for by name; the protocol covers them too
    cameras: Mapping[str, int] = field(default_factory=dict)  # task -> how many it is seen through, where not one
    frame_rewards: tuple[float, float] | None = None  # the least and most a control step gives; None if not bounded
    # preset -> task -> numbers of the protocol (as `OPEN_FIELDS`) and `train_frames` that are not the published ones
    preset_protocols: Mapping[str, Mapping[str, Mapping[str, int]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        given = self.preset_protocols  # plain dicts of our own, as of `Protocol`
        plain = {preset: {task: dict(numbers) for task, numbers in tasks.items()} for preset, tasks in given.items()}
        object.__setattr__(self, "preset_protocols", plain)
        names = [setting.name for setting in self.all_settings]
        for view, settings in self.views.items():
            if view in names or not settings or set(settings) - set(names):
                raise UsageError(
                    f"Suite '{self.name}': the view '{view}' needs a name of its own and settings of the suite."
                )

    def protocol_for(self, task: str, preset: str) -> Protocol:
        """How a task is measured under a preset: the published protocol, or the numbers the suite has for that preset.

        Raises:
          UsageError: if one of those numbers is out of range.
        """
        protocol = self.protocol.for_task(task)
        for name, value in self._preset_numbers(task, preset).items():
            protocol = protocol if name == BUDGET else protocol.replace(task, name, value)
        return protocol

    def preset_frames(self, task: str, preset: str) -> int | None:
        """The training budget the suite itself has for a task under a preset, in frames; None if it has none."""
        return self._preset_numbers(task, preset).get(BUDGET)

    def _preset_numbers(self, task: str, preset: str) -> Mapping[str, int]:
        return self.preset_protocols.get(preset, {}).get(task, {})

    @property
    def all_tasks(self) -> tuple[str, ...]:
        """The suite's tasks, then those that run only where asked for."""
        return (*self.tasks, *self.more_tasks)

    @property
    def all_settings(self) -> tuple[Setting, ...]:
        """The training setting first, then the shifted ones."""
        return (self.train, *self.settings)

    def setting(self, name: str) -> Setting:
        """Looks a setting up by name.

        Raises:
          UsageError: if the suite has no such setting.
        """
        for setting in self.all_settings:
            if setting.name == name:
                return setting
        raise unknown("setting", name, [s.name for s in self.all_settings])

    def check_task(self, task: str) -> str:
        """Returns the task's name if the suite has it.

        Raises:
          UsageError: otherwise, naming the nearest task.
        """
        if task not in self.all_tasks:
            raise unknown("task", task, self.all_tasks)
        return task

    @property
    def assets(self) -> tuple[str, ...]:
        """Names of the third-party files any of its settings needs, without repeats."""
        return tuple(dict.fromkeys(name for s in self.all_settings for name in s.assets))
