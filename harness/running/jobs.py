"""What workers do: train one agent, or evaluate some episodes of one cell. Both can be repeated without harm."""

from __future__ import annotations

import contextlib
import math
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.agent import AgentContext
from harness.environment import PixelEnv, make_env
from harness.errors import WorkError
from harness.files import disk_errors
from harness.registry import load_agent, load_suite
from harness.results.rows import Row, canonical_json
from harness.running import provenance
from harness.running.asset_lookup import look_up
from harness.running.plan import TaskPlan
from harness.running.policies import load_policy_source, store_policy
from harness.running.rollout import play_episode
from harness.running.training_folder import has_policy, note_revision, remove_leftovers
from harness.running.workers import Job, WorkerPool
from harness.shift_settings import add_shifts

if TYPE_CHECKING:
    from harness.assets.store import AssetStore
    from harness.demos import DemoSet
    from harness.running.episodic import Collected
    from harness.running.train import Counters, TrainSpec
    from harness.spec import Protocol, Suite

REPORT_SEC = 0.5  # least time between two progress reports of a job
COLLECT_CHUNK = 5  # episodes a worker collects at once
DEMO_SEED = 1_000  # of the episodes an expert demonstrates: the same demonstrations for every training seed
EVALUATION_THREADS = 1  # fixed, so that sums are ordered alike whatever the machine and the number of workers

Report = Callable[[Any], None]


@dataclass(frozen=True)
class World:
    """What both kinds of job need to build environment and agent again in a worker; picklable."""

    suite_name: str
    shifts: tuple[str, ...]
    agent_name: str
    plan: TaskPlan
    seed: int
    store: AssetStore
    identities: Mapping[str, str]  # asset -> what the plan found; rows name these, so nothing else may be used
    device: str
    profile: str

    def check(self, setting: str, *, with_agent: bool) -> None:
        """Checks that the third-party files a job uses are those the plan found, as every row will say.

        Args:
          setting: what is shown.
          with_agent: whether the agent uses its own; one that loads a policy does not.
        Raises:
          WorkError: if files were exchanged since the run started.
        """
        needed = self._suite().setting(setting).assets
        if with_agent:
            agent = load_agent(self.agent_name)
            needed += agent.required_assets(agent.configure(self.plan.config))
        for name in dict.fromkeys(needed):
            if look_up(self.store, name).identity != self.identities[name]:
                raise WorkError(f"The files of '{name}' changed while the run was at work: start it again.")

    def _suite(self) -> Suite:
        return add_shifts(load_suite(self.suite_name), self.shifts)

    def make_env(self, setting: str) -> PixelEnv:
        """The environment of this task in one of the suite's settings, as the agent observes it."""
        return make_env(
            self._suite(),
            self.plan.task,
            setting,
            assets=self.store,
            profile=self.profile,
            protocol=self.plan.protocol,
            states=load_agent(self.agent_name).observes == "states",
        )

    def demos(self, folder: Path, on_progress: Callable[[Any], None]) -> DemoSet | None:
        """The demonstrations the agent asks for, collected into a folder; what is there already is taken."""
        request = load_agent(self.agent_name).config(**self.plan.config).demos()
        if request is None:
            return None
        from harness.demos import collect_demos

        return collect_demos(
            replace(self._suite(), protocol=self._demo_protocol()),
            self.plan.task,
            episodes=request.num,
            seed=DEMO_SEED,
            out=folder,
            store=self.store,
            source=request.source,
            pictures=request.pictures,
            noisy=request.noisy,
            profile=self.profile,
            progress=lambda kept, tried: on_progress({}),
        )

    def _demo_protocol(self) -> Protocol:
        """The run's own, but for the length of an episode: an expert is given the time that the suite gives."""
        frames = self._suite().protocol.for_task(self.plan.task).episode_frames
        return self.plan.protocol.replace(self.plan.task, "episode_frames", frames)

    def make_agent(self, env: PixelEnv, memory: Path | None = None, *, evaluation_only: bool = False) -> Any:
        """The agent, untrained."""
        agent = load_agent(self.agent_name)
        context = AgentContext(
            task=self.plan.task,
            observation_space=env.observation_space,
            action_space=env.action_space,  # type: ignore[arg-type]
            frame_stack=self.plan.protocol.frame_stack,
            action_repeat=self.plan.protocol.action_repeat[self.plan.task],
            train_frames=self.plan.train_frames,
            seed=self.seed,
            device=self.device,
            assets=self.store,
            evaluation_only=evaluation_only,
            memory=memory,
        )
        return agent.make(context, agent.configure(self.plan.config))


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


@dataclass(frozen=True)
class EvaluateJob:
    """Evaluates episodes of one cell; reports one `Row` each."""

    world: World
    setting: str
    eval_seed: int
    episodes: tuple[int, ...]
    policy: Path | None  # None for an agent without parameters
    columns: Mapping[str, Any]  # the row's columns that are the same for the whole cell


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
    env = world.make_env(suite.train.name)
    agent = world.make_agent(env, memory)
    spec = TrainSpec(
        train_frames=world.plan.train_frames,
        seed=world.seed,
        checkpoint_sec=job.checkpoint_sec,
        curve_every_frames=job.curve_every_frames,
        curve_episodes=job.curve_episodes,
        curve_seed=curve_seed(world.seed),
    )
    with contextlib.closing(env):
        on_progress = seldom(lambda progress: report(("frames", progress.get("num_frames"))))
        counters, learned_from = _train(job, agent, env, spec, on_progress)
        shapes = _shapes(env)
    conditions = {**job.facts["conditions"], "code_revision": revisions}
    with disk_errors(f"the policy in {job.folder}"):
        store_policy(
            agent,
            job.folder / "policy",
            {
                **job.facts,
                "assets": {**job.facts["assets"], **learned_from},
                "conditions": conditions,
                "trained_frames": counters.num_frames,
                **shapes,
            },
        )
    remove_leftovers(job.folder)


def _train(
    job: TrainJob, agent: Any, env: PixelEnv, spec: TrainSpec, on_progress: Callable[[Any], None]
) -> tuple[Counters, dict[str, str]]:
    """Runs the training loop that fits what the agent learns from.

    Returns:
      The counters, and the identity of the demonstrations, if there were any, by the name `demos`.
    """
    from harness.running.episodic import EpisodicTrainer
    from harness.running.train import Trainer

    world, train_setting = job.world, load_suite(job.world.suite_name).train.name
    others: dict[str, Any] = {
        "make_curve_env": lambda: world.make_env(train_setting),
        "on_progress": on_progress,
    }
    if load_agent(world.agent_name).learns_from == "steps":
        return Trainer(agent, env, spec, job.folder, **others).run(), {}
    demos = world.demos(job.folder / "demos", on_progress)
    with WorkerPool(job.collectors) as pool:

        def collect(policy: Path, numbers: Sequence[int]) -> list[Collected]:
            return _collect_all(pool, world, policy, numbers, on_progress)

        trainer = EpisodicTrainer(agent, env, spec, job.folder, collect=collect, demos=demos, **others)
        return trainer.run(), {} if demos is None else {"demos": demos.identity}


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
    beat = seldom(lambda step: report(("steps", step)))
    world = job.world
    return [collect_episode(env, agent, seed=world.seed, episode=number, on_step=beat) for number in job.episodes]


class _Collector:
    """The environment and the agent that a worker collects with, made once; the policy is read when it is new."""

    def __init__(self) -> None:
        self._world: World | None = None
        self._policy: Path | None = None

    def ready(self, job: CollectJob) -> tuple[PixelEnv, Any]:
        if self._world != job.world:
            self._world, self._policy = job.world, None
            self._env = job.world.make_env(load_suite(job.world.suite_name).train.name)
            self._agent = job.world.make_agent(self._env, evaluation_only=True)
        if self._policy != job.policy:
            self._agent.load_policy(job.policy)
            self._policy = job.policy
        return self._env, self._agent


_COLLECTOR = _Collector()


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


def evaluate(job: EvaluateJob, report: Report) -> None:
    """Runs an `EvaluateJob`."""
    set_threads(EVALUATION_THREADS)
    job.world.check(job.setting, with_agent=job.policy is None)
    env = _CACHE.env(job)
    policy = _CACHE.policy(job, env)
    beat = seldom(lambda step: report(("steps", step)))
    for episode in job.episodes:
        result = play_episode(env, policy, seed=job.eval_seed, episode=episode, on_step=beat)
        measured = {
            "setting": job.setting,
            "eval_seed": job.eval_seed,
            "episode": episode,
            "episode_return": result.episode_return,
            "success": result.success,
            "successes_json": canonical_json(result.successes),
            "num_steps": result.num_steps,
            "num_frames": result.num_frames,
            "shift_json": canonical_json(result.shift),
            "first_pixels": result.first_pixels,
            "trajectory": result.trajectory,
            "gl_renderer": env.simulation.renderer_name(),
            "code_revision": provenance.code_revision(),  # this worker's: files may have been edited since the start
        }
        report(("row", Row(**{**job.columns, **measured})))


class _Cache:
    """The environment and the policy a worker used last: cells come in groups that share them."""

    def __init__(self) -> None:
        self._env: tuple[Any, PixelEnv] | None = None
        self._policy: tuple[Any, Any] | None = None

    def env(self, job: EvaluateJob) -> PixelEnv:
        world = job.world
        key = (world.suite_name, world.plan.task, job.setting, world.profile, repr(world.plan.protocol))
        if self._env is None or self._env[0] != key:
            if self._env is not None:
                self._env[1].close()
            self._env = (key, world.make_env(job.setting))
        return self._env[1]

    def policy(self, job: EvaluateJob, env: PixelEnv) -> Any:
        world = job.world
        key = (world.agent_name, world.plan.task, world.seed, world.plan.config_hash, job.policy, world.device)
        if self._policy is None or self._policy[0] != key:
            self._policy = None  # frees the old one before the new one is made
            agent = world.make_agent(env, evaluation_only=job.policy is not None)
            if job.policy is not None:
                source = load_policy_source(job.policy)
                source.check_files()
                agent.load_policy(job.policy)
            self._policy = (key, agent)
        return self._policy[1]


_CACHE = _Cache()


def seldom(report: Callable[[Any], None]) -> Callable[[Any], None]:
    """Lets a report through at most every `REPORT_SEC` seconds."""
    last = [0.0]

    def call(message: Any) -> None:
        now = time.monotonic()
        if now - last[0] >= REPORT_SEC:
            last[0] = now
            report(message)

    return call


def set_threads(number: int) -> None:
    """Limits the CPU threads of this process: torch's if it is loaded, and what starts later."""
    import os

    os.environ["OMP_NUM_THREADS"] = str(number)
    if "torch" in sys.modules:
        import torch

        torch.set_num_threads(number)
