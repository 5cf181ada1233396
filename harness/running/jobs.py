"""What workers do: train one agent, or evaluate some episodes of one cell. Both can be repeated without harm."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
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
from harness.shift_settings import add_shifts

if TYPE_CHECKING:
    from harness.assets.store import AssetStore
    from harness.spec import Suite

REPORT_SEC = 0.5  # least time between two progress reports of a job
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
        """The environment of this task in one of the suite's settings."""
        return make_env(
            self._suite(),
            self.plan.task,
            setting,
            assets=self.store,
            profile=self.profile,
            protocol=self.plan.protocol,
        )

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
    from harness.running.train import Trainer, TrainSpec

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
    trainer = Trainer(
        agent,
        env,
        spec,
        job.folder,
        make_curve_env=lambda: world.make_env(suite.train.name),
        on_progress=seldom(lambda progress: report(("frames", progress["num_frames"]))),
    )
    counters = trainer.run()
    shapes = _shapes(env)
    env.close()
    conditions = {**job.facts["conditions"], "code_revision": revisions}
    with disk_errors(f"the policy in {job.folder}"):
        store_policy(
            agent,
            job.folder / "policy",
            {**job.facts, "conditions": conditions, "trained_frames": counters.num_frames, **shapes},
        )
    remove_leftovers(job.folder)


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
    return {"pixels": list(pixels.shape), "actions": math.prod(env.action_space.shape or ())}


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
