"""How often intervals hold the truth: every interval that is reported, on made-up trainings whose truth is known.

    python -m benchmarks.coverage [--repeats 1000] [--seeds 5] [--episodes 10] [--only TEXT]

A world says how trainings and their episodes come out. Each repeat draws an evaluation of it, asks both kinds of
interval (`harness.reports.intervals`), and counts whether the truth is inside; the standard error of 1,000 repeats at
95 % is 0.7 points. The truth is that of infinitely many seeds. numpy only; prints the table of docs/statistics.md.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from harness.reports import statistics
from harness.reports.intervals import METHODS, Method, optimality_gap, profile_band
from harness.reports.statistics import Floats, Interval, Pair

NUM_TASKS = 4  # of what is aggregated over tasks
NUM_KNOWN = 200_000  # seeds that stand for infinitely many
BEST = 1.0  # what a task can give at most, for the optimality gap; continuous worlds are in the same unit


@dataclass(frozen=True)
class World:
    """How training seeds come out, and their episodes.

    Attributes:
      name: for the table.
      metric: "return" or "success".
      seeds: (rng, count) to what each training is worth, (count,).
      episodes: (rng, worth (n,), episodes) to outcomes (n, episodes) whose mean is the worth.
      expected: what a training is worth on average.
    """

    name: str
    metric: str
    seeds: Callable[[np.random.Generator, int], Floats]
    episodes: Callable[[np.random.Generator, Floats, int], Floats]
    expected: float

    def draw(self, rng: np.random.Generator, num_seeds: int, num_episodes: int) -> Floats:
        """The outcomes of one task, (seeds, episodes)."""
        return self.episodes(rng, self.seeds(rng, num_seeds), num_episodes)


def _normal_episodes(rng: np.random.Generator, worth: Floats, count: int) -> Floats:
    return worth[:, None] + rng.normal(0.0, 0.1, (len(worth), count))


def _skewed_episodes(rng: np.random.Generator, worth: Floats, count: int) -> Floats:
    return worth[:, None] + rng.exponential(0.1, (len(worth), count)) - 0.1


def _constant_episodes(rng: np.random.Generator, worth: Floats, count: int) -> Floats:
    return np.repeat(worth[:, None], count, axis=1)


def _successes(rng: np.random.Generator, worth: Floats, count: int) -> Floats:
    return (rng.random((len(worth), count)) < worth[:, None]).astype(np.float64)


def _beta(rng: np.random.Generator, count: int) -> Floats:
    return rng.beta(5.83, 2.5, count)  # mean 0.7, standard deviation 0.15


_SKEWED_MEAN = 0.2 + 0.1 * float(np.exp(0.7**2 / 2))
WORLDS = (
    World("normal", "return", lambda rng, n: rng.normal(0.5, 0.05, n), _normal_episodes, 0.5),
    World("normal, seeds alike", "return", lambda rng, n: np.full(n, 0.5), _normal_episodes, 0.5),
    World("skewed", "return", lambda rng, n: 0.2 + 0.1 * rng.lognormal(0, 0.7, n), _skewed_episodes, _SKEWED_MEAN),
    World(
        "bimodal, 30 % fail", "return", lambda rng, n: np.where(rng.random(n) < 0.3, 0.1, 0.8), _normal_episodes, 0.59
    ),
    World("constant", "return", lambda rng, n: np.full(n, 0.5), _constant_episodes, 0.5),
    World("rate 0.5, seeds alike", "success", lambda rng, n: np.full(n, 0.5), _successes, 0.5),
    World("rate 0.9, seeds alike", "success", lambda rng, n: np.full(n, 0.9), _successes, 0.9),
    World("rates about 0.7", "success", _beta, _successes, 5.83 / 8.33),
    World("bimodal, 0.1 or 0.9", "success", lambda rng, n: rng.choice([0.1, 0.9], n), _successes, 0.5),
    World("always", "success", lambda rng, n: np.full(n, 1.0), _successes, 1.0),
)


@dataclass(frozen=True)
class Size:
    """Of one evaluation."""

    num_seeds: int
    num_episodes: int


Once = Callable[[np.random.Generator, Size, Method], Interval | None]  # one evaluation's interval


def mean_of_task(world: World, size: Size) -> tuple[Once, float]:
    def once(rng: np.random.Generator, size: Size, method: Method) -> Interval | None:
        return _of(method, world)([world.draw(rng, size.num_seeds, size.num_episodes)])

    return once, world.expected


def mean_over_tasks(world: World, size: Size) -> tuple[Once, float]:
    def once(rng: np.random.Generator, size: Size, method: Method) -> Interval | None:
        return _of(method, world)([world.draw(rng, size.num_seeds, size.num_episodes) for _ in range(NUM_TASKS)])

    return once, world.expected


def gap_of_task(world: World, size: Size) -> tuple[Once, float]:
    """The shifted setting keeps about 60 % of the return, or of the successes, seed by seed another share."""

    def once(rng: np.random.Generator, size: Size, method: Method) -> Interval | None:
        train = world.draw(rng, size.num_seeds, size.num_episodes)
        kept = rng.uniform(0.4, 0.8, (size.num_seeds, 1))
        shifted = train * (rng.random(train.shape) < kept) if world.metric == "success" else train * kept
        pair = Pair(train, shifted, [True] * size.num_seeds)
        return (method.of_success_gap if world.metric == "success" else method.of_gap)([pair])

    return once, 0.4 * world.expected


def interquartile_mean(world: World, size: Size) -> tuple[Once, float]:
    def once(rng: np.random.Generator, size: Size, method: Method) -> Interval | None:
        return method.of_scores(_scores(world, rng, size), statistics.interquartile_mean)

    known = float(statistics.interquartile_mean(_known(world, size)[:, None]))
    return once, known


def gap_to_the_best(world: World, size: Size) -> tuple[Once, float]:
    def once(rng: np.random.Generator, size: Size, method: Method) -> Interval | None:
        return method.of_scores(_scores(world, rng, size), lambda scores: optimality_gap(scores, BEST))

    return once, float(optimality_gap(_known(world, size)[:, None], BEST))


def profile(world: World, size: Size) -> tuple[Once, float]:
    """At the median of the scores."""
    known = _known(world, size)
    threshold = float(np.median(known))

    def once(rng: np.random.Generator, size: Size, method: Method) -> Interval | None:
        return profile_band(_scores(world, rng, size), [threshold], method)[0]

    return once, float(np.mean(known > threshold))


def improvement(world: World, size: Size) -> tuple[Once, float]:
    """Over the same world, where every seed's score is lower by a tenth; one task."""

    def once(rng: np.random.Generator, size: Size, method: Method) -> Interval | None:
        ours, theirs = (_scores(world, rng, size)[:, :1] for _ in range(2))
        return method.of_improvement(ours, 0.9 * theirs)

    ours, theirs = _known(world, size), 0.9 * np.random.default_rng(1).permutation(_known(world, size))
    return once, float(np.mean(ours > theirs) + np.mean(ours == theirs) / 2)


def coverage(once: Once, truth: float, method: Method, size: Size, repeats: int) -> tuple[float, float]:
    """The share of repeats whose interval holds the truth, and the mean width."""
    rng = np.random.default_rng(0)  # both methods see the same draws
    hits, width = 0, 0.0
    for _ in range(repeats):
        low, high = once(rng, size, method) or (float("nan"), float("nan"))
        hits += low - 1e-12 <= truth <= high + 1e-12
        width += (high - low) / repeats
    return hits / repeats, width


QUANTITIES: dict[str, Callable[[World, Size], tuple[Once, float]]] = {
    "mean, one task": mean_of_task,
    f"mean, {NUM_TASKS} tasks": mean_over_tasks,
    "gap, one task": gap_of_task,
    f"interquartile mean, {NUM_TASKS} tasks": interquartile_mean,
    f"optimality gap, {NUM_TASKS} tasks": gap_to_the_best,
    f"performance profile, {NUM_TASKS} tasks": profile,
    "probability of improvement": improvement,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--repeats", type=int, default=1000)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--episodes", type=int, default=10)
    parser.add_argument("--only", default="", help="quantities or worlds whose name holds this text")
    options = parser.parse_args()
    size = Size(options.seeds, options.episodes)
    print("| quantity | world | " + " | ".join(METHODS) + " | width, student / percentile |\n|---|---|---|---|---|")
    for name, world in ((name, world) for name in QUANTITIES for world in WORLDS):
        if options.only not in f"{name} {world.name}":
            continue
        once, truth = QUANTITIES[name](world, size)
        found = [coverage(once, truth, method, size, options.repeats) for method in METHODS.values()]
        rates = " | ".join(f"{100 * rate:.1f} %" for rate, _ in found)
        ratio = f"{found[0][1] / found[1][1]:.2f}" if found[1][1] else "–"
        print(f"| {name} | {world.metric}: {world.name} | {rates} | {ratio} |", flush=True)


def _of(method: Method, world: World) -> Callable[..., Interval | None]:
    return method.of_success if world.metric == "success" else method.of_mean


def _scores(world: World, rng: np.random.Generator, size: Size) -> Floats:
    """(seeds, tasks): what each training gave on average, all tasks of one world."""
    draws = world.draw(rng, size.num_seeds * NUM_TASKS, size.num_episodes)
    return draws.mean(axis=1).reshape(size.num_seeds, NUM_TASKS)


def _known(world: World, size: Size) -> Floats:
    """The scores of very many seeds, (NUM_KNOWN,)."""
    return world.draw(np.random.default_rng(99), NUM_KNOWN, size.num_episodes).mean(axis=1)


if __name__ == "__main__":
    main()
