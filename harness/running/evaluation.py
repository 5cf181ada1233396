"""Evaluating some episodes of one cell, which can be repeated without harm."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.cards import with_card
from harness.environment import PixelEnv
from harness.errors import AgentError
from harness.results.rows import Row, canonical_json
from harness.running import provenance
from harness.running.messages import Beats, Place, Report
from harness.running.policies import load_policy_source
from harness.running.rollout import agent_errors, play_episode
from harness.running.threads import EVALUATION_THREADS, set_threads
from harness.running.world import World


@dataclass(frozen=True)
class EvaluateJob:
    """Evaluates episodes of one cell; reports one `Row` each."""

    world: World
    setting: str
    eval_seed: int
    episodes: tuple[int, ...]
    policy: Path | None  # None for an agent without parameters
    columns: Mapping[str, Any]  # the row's columns that are the same for the whole cell
    rows: Path | None = None  # where its rows are kept by whoever plays it; None: they are reported
    goes_on: bool = False  # past an episode in which the policy fails: it is reported as a `Failure` and has no row


@dataclass(frozen=True)
class Failure:
    """An episode that has no row, because the policy failed in it."""

    task: str
    setting: str
    eval_seed: int
    episode: int
    error: str  # with the step


def evaluate(job: EvaluateJob, report: Report) -> None:
    """Runs an `EvaluateJob` in a worker."""
    set_threads(EVALUATION_THREADS)
    _EVALUATOR.run(job, report)


class Evaluator:
    """Runs evaluations, and keeps the environment and the policy it used last: jobs come in groups that share them."""

    def __init__(self) -> None:
        self._env: tuple[Any, PixelEnv] | None = None
        self._policy: tuple[Any, Any] | None = None

    def run(self, job: EvaluateJob, report: Report) -> None:
        """Plays the job's episodes.

        Raises:
          AgentError: if the policy fails, unless the job goes on.
        """
        job.world.check(job.setting, with_agent=job.policy is None)
        watched = job.world.watched(*([] if job.policy is None else [job.policy]))
        with watched.suite:
            env = self._ready_env(job)
        with watched.agent:
            policy = self._ready_policy(job, env)
        watched.tell(report)  # now: what is told of a file is what it holds when it is told
        job.world.check(job.setting, with_agent=job.policy is None)  # again: it may have been read in between
        beats = Beats(report)
        for episode in job.episodes:
            report(Place(f"episode {episode}"))
            try:
                with watched.suite:
                    row = _row(job, env, policy, episode, beats, watched.agent)
                watched.tell(report)
                report(("row", row))
            except AgentError as error:
                place = f"{job.world.plan.task}, {job.setting}"
                if not job.goes_on:
                    raise AgentError(f"{place}: {error.args[0]}") from error
                failure = Failure(job.world.plan.task, job.setting, job.eval_seed, episode, str(error))
                report(("failure", failure))

    def close(self) -> None:
        """Lets go of the environment and the policy."""
        if self._env is not None:
            self._env[1].close()
        self._env = self._policy = None

    def _ready_env(self, job: EvaluateJob) -> PixelEnv:
        world = job.world
        key = (world.suite_name, world.plan.task, job.setting, world.profile, repr(world.plan.protocol))
        if self._env is None or self._env[0] != key:
            if self._env is not None:
                self._env[1].close()
            self._env = None  # should the next one not start, there is none
            self._env = (key, world.make_env(job.setting))
        return self._env[1]

    def _ready_policy(self, job: EvaluateJob, env: PixelEnv) -> Any:
        world = job.world
        key = (world.agent_name, world.plan.task, world.seed, world.plan.config_hash, job.policy, world.device)
        if self._policy is None or self._policy[0] != key:
            self._policy = None  # frees the old one before the new one is made
            agent = world.make_agent(env, evaluation_only=job.policy is not None)
            if job.policy is not None:
                source = load_policy_source(job.policy)
                source.check_files()
                with agent_errors("load_policy", "before the first episode"):
                    agent.load_policy(job.policy)
            self._policy = (key, agent)
        return self._policy[1]


_EVALUATOR = Evaluator()


def _row(
    job: EvaluateJob, env: PixelEnv, policy: Any, episode: int, beats: Beats, around: AbstractContextManager[Any]
) -> Row:
    """Plays one episode; `around` is entered around every call of the policy."""

    def on_step(step: int) -> None:
        beats(("steps", step))

    result = play_episode(env, policy, seed=job.eval_seed, episode=episode, on_step=on_step, around=around)
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
        "compute": with_card(job.columns["compute"], job.world.device),
        "code_revision": provenance.code_revision(),  # this worker's: files may have been edited since the start
    }
    return Row(**{**job.columns, **measured})
