"""What an agent costs: seconds and floating-point operations of an iteration of its training, part by part."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from harness.agent import Transition
from harness.registry import load_agent, load_suite
from harness.running.rollout import act, agent_errors, start_episode

if TYPE_CHECKING:
    from harness.environment import PixelEnv
    from harness.running.world import World

# What happens once, at the start, is no part of an iteration; agents take those of these settings that they have.
AT_ONCE = {"num_exploration_steps": 1, "num_seed_frames": 0, "num_catch_up_updates": 1}
FILLED_STEPS = 60  # of a replay before anything is measured
PARTS = ("act", "step", "observe", "update")  # step: physics and picture

Count = Callable[[], AbstractContextManager[Callable[[], int]]]


@dataclass(frozen=True)
class PartCost:
    """Of one iteration.

    Attributes:
      seconds: of wall clock.
      flops: of matrix products and convolutions.
    """

    part: str
    seconds: float
    flops: float


@dataclass(frozen=True)
class Cost:
    """What an iteration takes.

    Attributes:
      iteration: what one is, in words.
      frames: that it sees.
      measured_steps: of the agent, from which those of an iteration are extrapolated; updates are measured whole.
    """

    agent: str
    suite: str
    task: str
    iteration: str
    frames: int
    measured_steps: int
    parts: tuple[PartCost, ...]

    def as_json(self) -> dict[str, Any]:
        """As plain values, with sums."""
        seconds, flops = (sum(getattr(part, name) for part in self.parts) for name in ("seconds", "flops"))
        return {**asdict(self), "seconds": seconds, "flops": flops}


class Meter:
    """Sums of seconds and operations by part.

    Args:
      count: counts operations, which takes time; None counts none.
      finished: waits for what a device has not done yet.
    """

    def __init__(self, count: Count | None, finished: Callable[[], None]) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self.flops: dict[str, int] = defaultdict(int)
        self._count, self._finished = count, finished

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """What is done inside belongs to this part."""
        started = time.perf_counter()
        if self._count is None:
            yield
        else:
            with self._count() as told:
                yield
                self.flops[name] += told()
        self._finished()
        self.seconds[name] += time.perf_counter() - started


def measure_cost(world: World, steps: int, *, count: Count, finished: Callable[[], None]) -> Cost:
    """Lets an agent train for a few steps, once for the seconds and once for the operations.

    Demonstrations are not made, so what they add to an update is left out.

    Args:
      world: what it lives in; third-party files may be stood in for, as none changes a cost.
      steps: of the agent that are measured.
    """
    spec, suite = load_agent(world.agent_name), load_suite(world.suite_name)
    whole = spec.learns_from == "episodes"
    timed, counting = Meter(None, finished), Meter(count, finished)
    measure = _of_episodes if whole else _of_steps
    per_episode = steps_of_an_episode(world)
    steps = min(steps, per_episode) if whole else steps
    for meter in (timed, counting):
        wanted = measure(_ready(world, whole), suite.train.name, steps, meter)
    num_steps = wanted * per_episode if whole else wanted
    repeat = world.plan.protocol.action_repeat[world.plan.task]
    factor = num_steps / steps
    scale = {name: 1.0 if whole and name == "update" else factor for name in PARTS}
    parts = tuple(PartCost(n, timed.seconds[n] * scale[n], counting.flops[n] * scale[n]) for n in PARTS)
    words = f"{wanted} episodes of {per_episode} steps, and an update" if whole else "1 step"
    return Cost(spec.name, suite.name, world.plan.task, words, num_steps * repeat, steps, parts)


def steps_of_an_episode(world: World) -> int:
    """Of the agent, if nothing ends it early."""
    protocol = world.plan.protocol
    return -(-protocol.episode_frames // protocol.action_repeat[world.plan.task])


def _ready(world: World, whole: bool) -> World:
    """The world without what happens once."""
    plan = world.plan
    startup = {name: value for name, value in AT_ONCE.items() if name in plan.config and not whole}
    return replace(world, plan=replace(plan, config={**plan.config, **startup}))


def _of_episodes(world: World, setting: str, steps: int, meter: Meter) -> int:
    """Episodes of an iteration; the beginning of one is measured, and an update of full size on copies of it."""
    env, agent = _made(world, setting)
    with agent_errors("start", "before the first episode"):
        agent.start(None)
    _play(env, agent, 0, steps, meter)
    arrays, wanted = agent.trajectory(), int(agent.episodes_wanted)
    with meter.part("update"), agent_errors("learn", "after the episodes"):
        agent.learn([arrays] * max(1, round(wanted * steps_of_an_episode(world) / steps)))
    env.close()
    return wanted


def _of_steps(world: World, setting: str, steps: int, meter: Meter) -> int:
    """One step is an iteration; episodes are short, so that a replay has whole ones soon."""
    task = world.plan.task
    frames = FILLED_STEPS // 2 * world.plan.protocol.action_repeat[task]
    protocol = world.plan.protocol.replace(task, "episode_frames", frames)
    env, agent = _made(replace(world, plan=replace(world.plan, protocol=protocol)), setting)
    nothing = Meter(None, lambda: None)
    for episode in range(2):
        _play(env, agent, episode, FILLED_STEPS // 2, nothing)
    _play(env, agent, 2, steps, meter, update=True)
    env.close()
    return 1


def _made(world: World, setting: str) -> tuple[PixelEnv, Any]:
    env = world.make_env(setting)
    return env, world.make_agent(env)


def _play(env: PixelEnv, agent: Any, episode: int, steps: int, meter: Meter, *, update: bool = False) -> None:
    """So many steps of training; where an episode ends, the next begins."""
    shape, over, where = env.action_space.shape or (), True, "while its cost was measured"
    observation: Any = None
    for _ in range(steps):
        if over:
            observation, _ = env.reset(seed=0, options={"episode": episode})
            start_episode(agent, phase="train", seed=0, episode=episode)
            episode += 1
        with meter.part("act"):
            action = act(agent, observation, shape, explore=True, where=where)
        if update:
            with meter.part("update"), agent_errors("update", where):
                agent.update()
        with meter.part("step"):
            following, reward, terminated, truncated, _ = env.step(action)
        with meter.part("observe"), agent_errors("observe", where):
            agent.observe(Transition(observation, action, reward, following, terminated, truncated))
        observation, over = following, terminated or truncated
