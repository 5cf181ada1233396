"""Milliseconds per update and per action of every off-policy agent, beside plain implementations of the same papers.

    python -m benchmarks.off_policy_update [--agents svea drq] [--batch N] [--updates 3] [--threads 2]

Batches, networks and pictures are the published ones, for walker_walk (9 channels, 6 actions). Each side lives in a
process of its own and they take turns. Both start from the same parameters and see the same batches and draws; that
actions, losses and targets agree in float32 is asserted. What is timed: an update on a batch at hand, as the mean over
one with and one without actor, targets and second loss where these are due every second time; its preparation (reading
the batch out of the replay, drawing pictures and noise; ours alone); and greedy actions one after the other, each
observation with one new frame. The plain sides are those of the tests, in float32; `pvr`, `rrl_sac` and `ferm`, whose
tests write theirs out otherwise, stand alone. Where weights or pictures are absent, stand-ins are timed.
"""

from __future__ import annotations

import argparse
import importlib
import os
import statistics
import time
from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

import numpy as np

from benchmarks.pieg_update import make_batch, make_stack

PLAIN = {  # agent -> the other side, in tests/baselines
    "sac": "plain_sac:PlainSAC",
    "rad": "plain_sac:PlainSAC",
    "drq": "plain_sac:PlainSAC",
    "drq_original": "plain_sac:PlainOriginalDrQ",
    "svea": "plain_sac:PlainSVEA",
    "curl": "plain_auxiliary:PlainCURL",
    "soda": "plain_auxiliary:PlainSODA",
    "pad": "plain_pad:PlainPAD",
    "sgqn": "plain_sgqn:PlainSGQN",
    "tlda": "plain_tlda:PlainTLDA",
    "drqv2": "plain:PlainAgent",
    "pieg": "plain:PlainAgent",
    "svea_overlay": "plain_ddpg:PlainSVEA",
    "srm": "plain_ddpg:PlainSRM",
    "curl_vigen": "plain_ddpg:PlainCURL",
    "sgqn_vigen": "plain_ddpg:PlainSGQN",
    "sada": "plain_ddpg:PlainSADA",
    "drm": "plain_ddpg:PlainDrM",
    "drm_metaworld": "plain_ddpg:PlainDrM",
}
ALONE = ("pvr", "rrl_sac", "ferm")
AGENTS = (*PLAIN, *ALONE)
FIRST_TOLERANCE, TOLERANCE = 2e-4, 2e-2  # relative: at equal parameters, and later, through Adam's first steps
SPACE = {"ferm": (3, 1)}  # cameras, and frames of a stack, where they are not one and three
FIRST_STEP, NUM_STEPS = 10_000, 60  # of the first update; random steps in the replay


class Answer(NamedTuple):
    """What one side did."""

    seconds: float
    processor: float  # seconds, of all threads
    values: tuple[float, ...]
    preparing: float = 0.0  # seconds


class Watch:
    """Wall clock and processor time since it was made."""

    def __init__(self) -> None:
        self._wall, self._processor = time.perf_counter(), time.process_time()

    def read(self) -> tuple[float, float]:
        """Both, seconds."""
        return time.perf_counter() - self._wall, time.process_time() - self._processor


def make_learner(agent: str, batch_size: int | None) -> Any:
    """The agent with its published settings."""
    from harness.agent import AgentContext
    from harness.assets.store import AssetStore

    spec = importlib.import_module(f"harness.baselines.{agent}").AGENT
    context = AgentContext(
        task="walker_walk",
        observation_space=make_space(agent, spec.image_size or 84),
        action_space=gymnasium_box(-1.0, 1.0, (6,), np.float32),
        frame_stack=SPACE.get(agent, (1, 3))[1],
        action_repeat=2,
        train_frames=1_000_000,
        seed=0,
        device="cpu",
        assets=AssetStore.from_environment(allow_stand_ins=True),
    )
    config = spec.config(**({} if batch_size is None else {"batch_size": batch_size}))
    learner = importlib.import_module(f"harness.baselines.learners.{agent}").make(context, config)
    learner.num_steps = FIRST_STEP
    return learner


def gymnasium_box(low: float, high: float, shape: tuple[int, ...], dtype: Any) -> Any:
    import gymnasium

    return gymnasium.spaces.Box(low, high, shape, dtype)


def make_space(agent: str, size: int) -> Any:
    """Pictures (9, size, size), and for FERM the joints."""
    import gymnasium

    cameras, frames = SPACE.get(agent, (1, 3))
    pixels = gymnasium_box(0, 255, (3 * cameras * frames, size, size), np.uint8)
    if agent != "ferm":
        return pixels
    return gymnasium.spaces.Dict({"pixels": pixels, "proprio": gymnasium_box(-np.inf, np.inf, (24,), np.float32)})


def observation(learner: Any, size: int, number: int) -> Any:
    """Observation `number` of an episode of noise."""
    pixels = make_stack(size, number, 1)[0]
    return {"pixels": pixels, "proprio": np.zeros(24, np.float32)} if hasattr(learner, "senses") else pixels


def fill_replay(learner: Any, size: int) -> None:
    """Puts an episode of random steps into the replay."""
    from harness.agent import Transition

    rng = np.random.default_rng(0)
    for step in range(NUM_STEPS):
        before, after = (observation(learner, size, step + later) for later in (0, 1))
        action = rng.uniform(-1, 1, 6).astype(np.float32)
        last = step == NUM_STEPS - 1
        learner.observe(Transition(before, action, float(rng.uniform(0, 3)), after, False, last))
    learner.num_steps = FIRST_STEP


class Side:
    """One side of the comparison.

    Args:
      side: "ours" or "plain".
      batch_size: None for the published one.
    """

    def __init__(self, side: str, agent: str, batch_size: int | None) -> None:
        self.learner = make_learner(agent, batch_size)
        self.size = self.learner.pixel_shape[1]
        fill_replay(self.learner, self.size)
        self.batch_size: int = self.learner.config.batch_size
        self.stride = 1 if hasattr(self.learner, "turn") else self.learner.config.update_every_steps
        self.plain = self._make_plain(agent) if side == "plain" else None
        self.alone = agent in ALONE  # on a batch from the replay: tokens, or pictures and joints
        self.noisy = agent in ("drqv2", "pieg")  # their plain side asks for the noise, not for the step

    def _make_plain(self, agent: str) -> Any:
        module, _, name = PLAIN[agent].partition(":")
        maker = getattr(importlib.import_module(f"tests.baselines.{module}"), name)
        return maker(self.learner, agent) if name == "PlainAgent" else maker(self.learner)

    def update(self, number: int) -> Answer:
        """Two updates in a row, timed as one."""
        pair = [self._update_once(2 * number + index) for index in range(2)]
        seconds, processor, preparing = (
            sum(getattr(answer, name) for answer in pair) / 2 for name in ("seconds", "processor", "preparing")
        )
        return Answer(seconds, processor, pair[0].values + pair[1].values, preparing)

    def _update_once(self, number: int) -> Answer:
        learner = self.learner
        learner.num_steps = FIRST_STEP + self.stride * number
        watch = Watch()
        batch, draws = self._gather(), learner.draw(self.batch_size)
        preparing, _ = watch.read()
        if not self.alone:
            batch = make_batch(self.batch_size, self.size, number)
        watch = Watch()
        told = self._compute(batch, draws)
        return Answer(*watch.read(), (float(told["critic_loss"]), float(told["target"])), preparing)

    def _gather(self) -> Any:
        learner = self.learner
        indices = learner.replay.draw(self.batch_size)
        return learner.gather(indices) if hasattr(learner, "gather") else learner.replay.gather(indices, learner.dtype)

    def _compute(self, batch: Any, draws: Any) -> Any:
        learner = self.learner
        if self.plain is None:
            return learner.update_batch(batch, draws)
        return self.plain.update(batch, draws, learner.noise_std if self.noisy else learner.num_steps)

    def act(self, number: int) -> Answer:
        """One greedy action."""
        import torch

        seen = observation(self.learner, self.size, number)
        seen = {name: part[None] for name, part in seen.items()} if isinstance(seen, dict) else seen[None]
        watch = Watch()
        if self.plain is None:
            action = self.learner.act(seen, explore=False)
        else:
            action = self.plain.act(torch.from_numpy(seen)).numpy()
        return Answer(*watch.read(), tuple(map(float, action[0])))


def serve(pipe: Connection, side: str, agent: str, batch_size: int | None, threads: int) -> None:
    """Answers "update" and "act" until told to stop."""
    if side == "plain":
        os.environ["THP_MEM_ALLOC_ENABLE"] = "0"  # as any program has it that does not ask for huge pages
    import torch

    torch.set_num_threads(threads)
    served = Side(side, agent, batch_size)
    pipe.send(served.batch_size)
    while (message := pipe.recv()) is not None:
        kind, number = message
        pipe.send(getattr(served, kind)(number))


class Sides:
    """The processes of an agent's sides, asked in turns."""

    def __init__(self, agent: str, batch_size: int | None, threads: int) -> None:
        self.agent = agent
        self.pipes, self._processes = {}, []
        spawn = get_context("spawn")
        for side in ("ours", "plain") if agent in PLAIN else ("ours",):
            self.pipes[side], theirs = spawn.Pipe()
            arguments = (theirs, side, agent, batch_size, threads)
            self._processes.append(spawn.Process(target=serve, args=arguments, daemon=True))
            self._processes[-1].start()
        self.batch_size = next(iter([pipe.recv() for pipe in self.pipes.values()]))

    def time(self, kind: str, repeats: int, warm_up: int) -> dict[str, list[Answer]]:
        """What each side answered, without the first ones, which allocate.

        Raises:
          AssertionError: if the sides do not agree.
        """
        answers: dict[str, list[Answer]] = {side: [] for side in self.pipes}
        for number in range(repeats + warm_up):
            for side, pipe in self.pipes.items():
                pipe.send((kind, number))
                answers[side].append(pipe.recv())
            self._check(kind, number, [each[-1].values for each in answers.values()])
        return {side: each[warm_up:] for side, each in answers.items()}

    def _check(self, kind: str, number: int, values: list[tuple[float, ...]]) -> None:
        for index, (ours, *others) in enumerate(zip(*values, strict=True)):
            equal_parameters = kind == "act" or (number == 0 and index < 2)
            allowed = FIRST_TOLERANCE if equal_parameters else TOLERANCE
            for other in others:
                assert abs(ours - other) <= allowed * max(1.0, abs(other)), (self.agent, kind, number, values)

    def close(self) -> None:
        for pipe in self.pipes.values():
            pipe.send(None)
        for process in self._processes:
            process.join()


def compare(agent: str, chosen: argparse.Namespace) -> str:
    """A line of the table."""
    sides = Sides(agent, chosen.batch, chosen.threads)
    acts = sides.time("act", chosen.actions, 3)  # first, while parameters are equal to the last bit
    updates = sides.time("update", chosen.updates, chosen.warm_up)
    sides.close()
    cells = [agent, str(sides.batch_size), *cells_of(updates), *cells_of(acts)]
    preparing = milliseconds(updates["ours"], lambda answer: answer.preparing)
    return f"| {' | '.join([*cells, f'{preparing:.1f}'])} |"


def milliseconds(answers: list[Answer], of: Callable[[Answer], float] = lambda answer: answer.seconds) -> float:
    return 1e3 * statistics.median(map(of, answers))


def cells_of(answers: dict[str, list[Answer]]) -> list[str]:
    """Median of ours and of the plain side, their ratio, and that of the processor times."""
    ours = milliseconds(answers["ours"])
    if "plain" not in answers:
        return [f"{ours:.1f}", "", "", ""]
    plain = milliseconds(answers["plain"])
    busy = {side: milliseconds(each, lambda answer: answer.processor) for side, each in answers.items()}
    return [f"{ours:.1f}", f"{plain:.1f}", f"{plain / ours:.2f}", f"{busy['plain'] / busy['ours']:.2f}"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--agents", nargs="+", choices=AGENTS, default=AGENTS)
    parser.add_argument("--batch", type=int, default=None, help="instead of the published one")
    parser.add_argument("--updates", type=int, default=3, help="pairs of them")
    parser.add_argument("--warm-up", type=int, default=1, help="pairs of updates before those that count")
    parser.add_argument("--actions", type=int, default=40)
    parser.add_argument("--threads", type=int, default=2)
    chosen = parser.parse_args()
    print(f"float32, {chosen.threads} threads, milliseconds, medians")
    side = "plain | ratio | of processor time"
    print(f"| agent | batch | update, ours | {side} | act, ours | {side} | preparing an update |")
    print(f"|{'---|' * 11}", flush=True)
    for agent in chosen.agents:
        print(compare(agent, chosen), flush=True)


if __name__ == "__main__":
    main()
