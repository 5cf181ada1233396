"""What workers do to train: one agent on one task, alone or with others that collect for it. It can be repeated."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.cards import with_card
from harness.environment import PixelEnv
from harness.files import disk_errors
from harness.registry import load_agent, load_suite
from harness.running import provenance
from harness.running.messages import Beats, Report
from harness.running.policies import store_policy
from harness.running.rollout import agent_errors
from harness.running.side_by_side import num_cores
from harness.running.threads import EVALUATION_THREADS, set_threads
from harness.running.training_folder import has_policy, note_revision, remove_leftovers
from harness.running.workers import Job, WorkerPool
from harness.running.world import World

if TYPE_CHECKING:
    from harness.running.episodic import Collected
    from harness.running.train import Counters, TrainSpec

COLLECT_CHUNK = 5  # episodes a worker collects at once


@dataclass(frozen=True)
class TrainJob:
    """Trains one agent on one task with one seed, and leaves `<folder>/policy`."""

    world: World
    folder: Path
    threads: int
    facts: Mapping[str, Any]  # goes into the policy's record
    checkpoint_sec: float
    curve_every_frames: int
    curve_episodes: int
    collectors: int = 1  # worker processes that collect episodes, for agents that learn from whole ones


@dataclass(frozen=True)
class CollectJob:
    """Plays numbered episodes of a training with a policy as it is; gives back one `Collected` each."""

    world: World
    policy: Path
    episodes: tuple[int, ...]


def train(job: TrainJob, report: Report) -> None:
    """Runs a `TrainJob`; what a killed one left behind is continued."""
    from harness.running.train import TrainSpec

    if has_policy(job.folder):  # the worker died when all was done but the cleaning up
        remove_leftovers(job.folder)
        return
    set_threads(job.threads)
    world, suite = job.world, load_suite(job.world.suite_name)
    world.check(suite.train.name, with_agent=True)
    memory = job.folder / "memory"
    with disk_errors(str(memory)):
        memory.mkdir(parents=True, exist_ok=True)
    revisions = note_revision(job.folder, provenance.code_revision())
    watched, beats = world.watched(job.folder), Beats(report)
    with watched.suite:
        env = world.make_env(suite.train.name)
    with watched.agent:
        agent = world.make_agent(env, memory, alive=lambda: beats(("frames", None)))
    watched.tell(report)
    world.check(suite.train.name, with_agent=True)  # again: it may have been read in between
    spec = TrainSpec(
        train_frames=world.plan.train_frames,
        seed=world.seed,
        checkpoint_sec=job.checkpoint_sec,
        curve_every_frames=job.curve_every_frames,
        curve_episodes=job.curve_episodes,
        curve_seed=curve_seed(world.seed),
        side_by_side=num_cores() > job.threads,  # else both would wait for the same cores
    )
    with contextlib.closing(env):
        beats.pause()
        counters, learned_from = _train(job, agent, env, spec, beats)
        shapes = _shapes(env)
    beats.pause()
    conditions = {**job.facts["conditions"], "code_revision": revisions}
    with agent_errors("save_policy", "after training"), disk_errors(f"the policy in {job.folder}"):
        store_policy(
            agent,
            job.folder / "policy",
            {
                **job.facts,
                "compute": with_card(job.facts["compute"], world.device),
                "assets": {**job.facts["assets"], **learned_from},
                "conditions": conditions,
                "trained_frames": counters.num_frames,
                **shapes,
            },
        )
    remove_leftovers(job.folder)


def _train(job: TrainJob, agent: Any, env: PixelEnv, spec: TrainSpec, beats: Beats) -> tuple[Counters, dict[str, str]]:
    """Runs the training loop that fits what the agent learns from.

    Returns:
      The counters, and the identity of the demonstrations, if there were any, by the name `demos`.
    """
    from harness.running.episodic import EpisodicTrainer
    from harness.running.train import Trainer

    world, train_setting = job.world, load_suite(job.world.suite_name).train.name

    def on_progress(progress: Mapping[str, Any]) -> None:
        beats(("frames", progress.get("num_frames")))

    demos = world.demos(job.folder / "demos", on_progress)
    learned_from = {} if demos is None else {"demos": demos.identity}
    others: dict[str, Any] = {
        "demos": demos,
        "make_curve_env": lambda: world.make_env(train_setting),
        "on_progress": on_progress,
        "on_pause": beats.pause,
    }
    if load_agent(world.agent_name).learns_from == "steps":
        return Trainer(agent, env, spec, job.folder, **others).run(), learned_from
    with WorkerPool(job.collectors) as pool:

        def collect(policy: Path, numbers: Sequence[int]) -> list[Collected]:
            beats.pause()  # the collectors may have to load first
            return _collect_all(pool, world, policy, numbers, on_progress)

        trainer = EpisodicTrainer(agent, env, spec, job.folder, collect=collect, **others)
        return trainer.run(), learned_from


def _collect_all(
    pool: WorkerPool, world: World, policy: Path, numbers: Sequence[int], on_progress: Callable[[Any], None]
) -> list[Collected]:
    """Lets the pool play episodes; they come back in the order of their numbers, whoever played them."""
    for first in range(0, len(numbers), COLLECT_CHUNK):
        chunk = tuple(numbers[first : first + COLLECT_CHUNK])
        pool.submit(Job("harness.running.jobs:collect", CollectJob(world, policy, chunk), group="collecting"))
    collected: list[Collected] = []
    for event in pool.events():
        if event.kind == "done":
            collected += event.payload
        on_progress({})
    return sorted(collected, key=lambda episode: episode.episode)


def collect(job: CollectJob, report: Report) -> list[Collected]:
    """Runs a `CollectJob`, with one thread, so that sums are ordered alike however many collect."""
    from harness.running.episodic import collect_episode

    set_threads(EVALUATION_THREADS)
    env, agent = _COLLECTOR.ready(job)
    beats, world = Beats(report), job.world

    def on_step(step: int) -> None:
        beats(("steps", step))

    return [collect_episode(env, agent, seed=world.seed, episode=number, on_step=on_step) for number in job.episodes]


class _Collector:
    """The environment and the agent that a worker collects with, made once; the policy is read when it is new."""

    def __init__(self) -> None:
        self._env: PixelEnv | None = None
        self._key: tuple[Any, ...] = ()
        self._policy: Path | None = None

    def ready(self, job: CollectJob) -> tuple[PixelEnv, Any]:
        key = _told_apart(job.world)
        if self._env is None or self._key != key:
            if self._env is not None:
                self._env.close()
            self._key, self._policy = key, None
            self._env = job.world.make_env(load_suite(job.world.suite_name).train.name)
            self._agent = job.world.make_agent(self._env, evaluation_only=True)
        if self._policy != job.policy:
            self._agent.load_policy(job.policy)
            self._policy = job.policy
        return self._env, self._agent


_COLLECTOR = _Collector()


def _told_apart(world: World) -> tuple[Any, ...]:
    """What two worlds of one worker may differ in; each job brings a copy of its own."""
    named = (world.suite_name, world.shifts, world.agent_name, world.seed, world.device, world.profile)
    return (*named, world.plan, tuple(sorted(world.identities.items())))


def curve_seed(train_seed: int) -> int:
    """The stream of the episodes that are evaluated during training: the training's own, in an environment of its own.

    facebookresearch/drqv2 train.py and what is built on it (PIE-G) seed both environments alike; only the final
    evaluation adds the protocol's offset.
    """
    return train_seed


def _shapes(env: PixelEnv) -> dict[str, Any]:
    """What sizes an agent's networks: the shape of the pixels it sees, and how many numbers an action has."""
    space: Any = env.observation_space
    pixels = space["pixels"] if hasattr(space, "spaces") else space
    seen = list(pixels.shape) if len(pixels.shape) == 3 else None  # none by an agent that acts on states
    return {"pixels": seen, "actions": math.prod(env.action_space.shape or ())}
