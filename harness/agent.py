"""What an agent is: a declaration that loads in milliseconds, and the object it makes."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, Protocol, runtime_checkable

from pydantic import BaseModel, ConfigDict
from pydantic_core import to_json

from harness.policy import as_policy

if TYPE_CHECKING:
    import gymnasium
    import numpy as np

    from harness.assets.found import FoundAsset
    from harness.assets.store import AssetStore
    from harness.demos import DemoSet

    Observation = np.ndarray | dict[str, np.ndarray]
    Shapes = Mapping[str, tuple[str, tuple[int, ...]]]  # tensor -> type and shape, as safetensors has them


def do_nothing() -> None:
    """Stands where nobody asks."""


# What an episode is for: experience to learn from, a point of the learning curve, or the measurement at the end.
Phase = Literal["train", "curve", "evaluation"]


class Transition(NamedTuple):
    """One step as the environment gave it, unbatched."""

    observation: Observation
    action: np.ndarray
    reward: float
    next_observation: Observation
    terminated: bool
    truncated: bool


@runtime_checkable
class Policy(Protocol):
    """The least that can be evaluated.

    A policy (or agent) may also have

        def begin_episode(self, *, phase: Phase, seed: int, episode: int) -> None

    which the loop then calls before the first `act` of every episode: `phase` says what the episode is for, and
    (`seed`, `episode`) name it. Which setting it shows is never told: who is measured zero-shot must not know it, and a
    final evaluation is the same in all settings of a suite. A policy that draws at random seeds itself from the
    episode's name, so that an action never depends on which episodes ran before.

    A policy that has no `begin_episode` but a `reset` that takes a call without arguments is reset there instead: one
    that keeps something from step to step (a recurrent state, a count) starts every episode afresh. What has neither
    must not remember anything.
    """

    def act(self, observations: Observation, *, explore: bool) -> np.ndarray:
        """Chooses actions.

        Args:
          observations: uint8 (B, C, H, W), or a dict of `pixels` and `proprio` float32 (B, P).
          explore: True while gathering experience, False when measured.
        Returns:
          float32 (B, A), values in [-1, 1], finite.
        """


@runtime_checkable
class Encodes(Protocol):
    """A policy whose encoder can be looked at (`harness diagnose features`)."""

    def feature_maps(self, observations: Observation) -> np.ndarray:
        """What its encoder makes of observations when it acts without exploring.

        Args:
          observations: as `Policy.act` takes them.
        Returns:
          float32 (B, C, h, w): features where they lie in the picture, those of stacked pictures one behind the other;
          features without a place are (B, C, 1, 1).
        """


@runtime_checkable
class Agent(Policy, Protocol):
    """A policy that learns. It owns its memory (replay, demos, trajectories) and its random generators.

    The loop calls, per step: `act`, `update`, (environment step), `observe`; the environment's step may be under way on
    another thread during `update`. `update` is called once per step and decides by itself whether there is anything to
    do. `begin_episode` is optional, for policies as well.
    """

    def observe(self, transition: Transition) -> None:
        """Takes in what one training step gave."""

    def update(self) -> Mapping[str, float]:
        """Learns if it is time to; returns scalars to log, empty when it did nothing."""

    def save(self, folder: Path) -> None:
        """Writes everything needed to go on exactly from here: safetensors and JSON, never pickle."""

    def load(self, folder: Path) -> None:
        """Reads back what `save` wrote.

        Raises:
          CheckpointError: if the files are damaged or belong to another agent, task or configuration.
        """

    def save_policy(self, folder: Path) -> None:
        """Writes only what acting without exploration needs."""

    def load_policy(self, folder: Path) -> None:
        """Reads back what `save_policy` (or `save`) wrote; raises as `load` does."""


@runtime_checkable
class PreparedAgent(Agent, Protocol):
    """An agent that learns from steps, and from demonstrations before its first: those that `Config.demos` asks for."""

    def start(self, demos: DemoSet | None) -> Mapping[str, float]:
        """Takes the demonstrations in; called once, before anything else of a new training. `save` keeps them."""

    def prepare(self) -> bool:
        """Learns a piece of what comes before the first step; False when there was nothing left to learn.

        Called until then, with checkpoints in between: a piece is a second or so.
        """


@runtime_checkable
class EpisodicAgent(Policy, Protocol):
    """An agent that learns from whole episodes (`AgentSpec.learns_from`), such as a policy gradient on batches of them.

    One copy learns. Others, in as many workers as there are, are loaded with its policy (`load_policy`) and collect
    numbered episodes: per episode `begin_episode`, then `act` with `explore` and `observe` per step, then
    `trajectory`. What an episode is must follow from the policy and (`seed`, `episode`) of `begin_episode` alone.
    """

    @property
    def episodes_wanted(self) -> int:
        """How many episodes the next update is made of."""

    def observe(self, transition: Transition) -> None:
        """Takes in one step of the episode that is being collected."""

    def trajectory(self) -> dict[str, np.ndarray]:
        """The episode collected last, in whatever form `learn` wants it."""

    def start(self, demos: DemoSet | None) -> Mapping[str, float]:
        """Called once, before the first episode of a new training, with what `Config.demos` asked for."""

    def take_demos(self, demos: DemoSet | None) -> None:
        """Called instead of `start` where a training is resumed, after `load`."""

    def learn(self, episodes: Sequence[Mapping[str, np.ndarray]]) -> Mapping[str, float]:
        """One update from as many episodes as were wanted, in the order of their numbers; returns scalars to log."""

    def save(self, folder: Path) -> None:
        """As of `Agent`."""

    def load(self, folder: Path) -> None:
        """As of `Agent`."""

    def save_policy(self, folder: Path) -> None:
        """As of `Agent`; collecting, too, needs no more than this."""

    def load_policy(self, folder: Path) -> None:
        """As of `Agent`."""


@dataclass(frozen=True)
class DemoRequest:
    """Demonstrations an agent learns from, collected before its training; see `harness.demos.collect_demos`.

    Attributes:
      source: "expert" or "human".
      num: how many.
      noisy: whether an expert's actions are drawn from its distribution.
      pictures: whether they hold pictures, or states and proprioception alone.
      folder: where `harness demos collect` put them; "" to collect them for the training.
    """

    source: Literal["expert", "human"]
    num: int
    noisy: bool = False
    pictures: bool = True
    folder: str = ""


class Config(BaseModel):
    """Base of agents' settings: frozen, of exact types, and a key that does not exist is an error.

    `evaluation_settings` names those that act when a trained policy is evaluated; no other can be set with one.
    """

    evaluation_settings: ClassVar[tuple[str, ...]] = ()

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)

    def training_problem(self, train_frames: int, episode_frames: int, action_repeat: int) -> str | None:
        """Why nothing would be learned within a budget, as a clause; None if something would."""
        return None

    def scene_problem(self, num_cameras: int) -> str | None:
        """Why the agent cannot live in a scene with so many cameras, as a clause; None if it can."""
        return None

    def demos(self) -> DemoRequest | None:
        """Demonstrations the agent learns from; None for none."""
        return None

    def seen_problem(self, found: Mapping[str, FoundAsset], pixels: tuple[int, int, int]) -> str | None:
        """Why what it is made of cannot look at observations of (C, H, W), as a clause; None if it can."""
        return None

    def picture_problem(self, image_size: int) -> str | None:
        """Why the agent cannot look at square pictures of a size, as a clause; None if it can."""
        return None

    def check_assets(self, found: Mapping[str, FoundAsset]) -> None:
        """Looks closer at the third-party files of `required_assets`, before any work.

        Raises:
          CorruptAssetError: for one that cannot serve.
        """

    def notes(self) -> tuple[str, ...]:
        """What a reader of its numbers must know, for every row and below the table."""
        return ()

    def evaluation_notes(self) -> tuple[str, ...]:
        """The same of how a trained policy is evaluated (`evaluation_settings`), which training has no part in."""
        return ()


class Sizes(NamedTuple):
    """What sizes an agent's networks besides its settings."""

    pixels: tuple[int, int, int]  # C, H, W of an observation; C is 3 per camera and stacked frame
    actions: int  # numbers in an action
    frame_stack: int


@dataclass(frozen=True)
class AgentContext:
    """What an agent is told about the world it will live in."""

    task: str
    observation_space: gymnasium.Space[Any]
    action_space: gymnasium.spaces.Box
    frame_stack: int
    action_repeat: int
    train_frames: int  # the whole training budget, 0 when only evaluated
    seed: int
    device: str  # "cpu", "cuda" (CUDA's first card) or "cuda:1", as torch names them
    assets: AssetStore
    evaluation_only: bool = (
        False  # `load_policy` follows and nothing is learned: no weights, optimisers or memory needed
    )
    memory: Path | None = None  # folder the agent may keep experience in between saves; None: keep it in RAM
    # To be called now and then by what takes minutes (1,000 updates in one step): a worker that says nothing for long
    # is taken for stuck.
    alive: Callable[[], None] = field(default=do_nothing, compare=False)


@dataclass(frozen=True)
class AgentSpec:
    """What is measured as an agent. One file `baselines/<name>.py` offers one of these as `AGENT`.

    `maker` is `"module:callable"`, called with (context, config) and imported only then, so that listing agents
    and checking settings never loads torch. Raise `version` with every change that can move a score.
    """

    name: str
    version: int
    maker: str
    description: str
    source: str
    config: type[Config] = Config
    learns: bool = True
    seeded: bool = True  # the seed it is made with makes another of it; else all seeds' episodes are of one policy
    learns_from: Literal["steps", "episodes"] = "steps"  # whether `maker` gives an `Agent` or an `EpisodicAgent`
    observes: Literal["pixels", "states"] = "pixels"  # "states": an oracle that sees the simulation's state observation
    cpu_only: bool = False  # computes on the CPU whatever `AgentContext.device` says; a run's rows then say cpu
    ready_made: bool = False  # `maker` names a policy (or a class of policies) from outside instead of a maker
    min_frame_stack: int = 1  # pictures an observation must hold
    max_frame_stack: int | None = None  # pictures it may hold; None for any number
    min_image_size: int = 1  # pixels, height and width of a picture; see `smallest_image`
    image_size: int | None = None  # pixels, where its protocol has pictures of another size than the suite's
    published_names: tuple[str, ...] = ()  # how results/published calls it
    task_settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # per task, from the paper's code
    preset_settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # per preset, over the above
    # What is known of an agent without loading it; each is called with (config, Sizes). None: nothing is.
    tensors: Callable[[Any, Sizes], Shapes | None] | None = None  # what a policy's files hold; None if it depends
    training_bytes: Callable[[Any, Sizes], int] | None = None  # the least memory of a training

    def configure(self, values: Mapping[str, Any]) -> Config:
        """Settings from plain values, as JSON has them: lists stand for tuples, and every type is exact.

        Raises:
          pydantic.ValidationError: for a setting that does not exist, or a wrong value.
        """
        return self.config.model_validate_json(to_json(dict(values), inf_nan_mode="constants"))

    def make(self, context: AgentContext, config: Config) -> Any:
        """Builds the agent (or policy)."""
        module, _, attribute = self.maker.partition(":")
        maker = getattr(importlib.import_module(module), attribute)
        if not self.ready_made:
            return maker(context, config)
        return as_policy(maker(context) if isinstance(maker, type) else maker)

    def smallest_image(self, config: Config) -> int:
        """Least height and width of a picture, pixels; some agents' depends on the configuration."""
        own: int | None = getattr(config, "min_image_size", None)
        return self.min_image_size if own is None else own

    def required_assets(self, config: Config) -> tuple[str, ...]:
        """Names of third-party files the agent needs with this configuration."""
        needs = getattr(config, "required_assets", None)
        return tuple(needs()) if needs is not None else ()
