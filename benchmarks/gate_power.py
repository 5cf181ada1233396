"""How often the regression gate is right: false alarms, wrong passes and power, by simulation of pairs of evaluations.

    python -m benchmarks.gate_power [--pairs 3000] [--only TEXT]

Each case draws pairs of evaluations of a world whose truth is known and puts them through the gate's own test
(`harness.reports.gate_test.judge`). Four columns count verdicts where

* exactly the margin was lost: called worse (a false alarm, at most alpha), or not worse (a wrong pass, likewise),
* nothing was lost: called not worse; beside it what `harness check --plan` promises,
* the drop that `--plan` calls the smallest one seen was lost on one task: called worse; promised are 80 %.

The standard error of 3,000 pairs is 0.4 points at 5 % and 0.7 points at 80 %. Prints the table of docs/gate.md.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from harness.reports.gate_power import POWER, Size, Spread, smallest_drop, verdict_chance
from harness.reports.gate_test import Evidence, Noise, Verdict, judge
from harness.reports.statistics import Floats

ALPHA = 0.05
MEAN, MARGIN = 100.0, 5.0  # of returns
RATE_MARGIN = 0.05


@dataclass(frozen=True)
class Case:
    """One world and one size of evaluation.

    Attributes:
      name: for the table.
      noise: what differs by chance.
      size: of both sides.
      spread: what `--plan` knows of the world.
      draw: (rng, case, drop) to one line of evidence in which so much was truly lost.
      num_tasks: lines of the gate; only the first one loses anything.
    """

    name: str
    noise: Noise
    size: Size
    spread: Spread
    draw: Callable[[np.random.Generator, Case, float], Evidence]
    num_tasks: int = 1

    @property
    def margin(self) -> float:
        return MARGIN if self.spread.num_settings is None else RATE_MARGIN


def _evidence(case: Case, baseline: list[Floats], candidate: list[Floats], *, is_paired: bool = True) -> Evidence:
    num = case.spread.num_settings
    return Evidence(baseline, candidate, is_paired, case.noise, "return" if num is None else "success", num or 1)


def normal_returns(rng: np.random.Generator, case: Case, drop: float) -> Evidence:
    """Policies and episodes that differ normally; both sides have the same policies where episodes are the noise."""
    before, after = _worths(rng, case)
    sides = [[rng.normal(w, s) for w, s in _episodes(worth, case)] for worth in (before, after - drop)]
    return _evidence(case, *sides)


def skewed_returns(rng: np.random.Generator, case: Case, drop: float) -> Evidence:
    """As normal ones, with exponential episodes."""
    before, after = _worths(rng, case)
    sides = [[w - s + rng.exponential(s) for w, s in _episodes(worth, case)] for worth in (before, after - drop)]
    return _evidence(case, *sides)


def unpaired_returns(rng: np.random.Generator, case: Case, drop: float) -> Evidence:
    """Other episodes on the one side than on the other."""
    found = normal_returns(rng, case, drop)
    return _evidence(case, list(found.baseline), list(found.candidate), is_paired=False)


def successes(rng: np.random.Generator, case: Case, drop: float) -> Evidence:
    """Policies whose rates are Beta about their mean, and episodes that succeed or fail."""
    sides = []
    for rate in (case.spread.mean, case.spread.mean - drop):
        between, most = case.spread.between or 0.0, rate * (1 - rate)
        weight = most / between - 1 if between else 0.0
        rates = rng.beta(rate * weight, (1 - rate) * weight, case.size.seeds) if between else [rate] * case.size.seeds
        sides.append([_rate_outcomes(rng, case, each) for each in rates])
    return _evidence(case, *sides)


def _rate_outcomes(rng: np.random.Generator, case: Case, rate: float) -> Floats:
    """Means over settings: in some episodes all succeed or none, in the others each for itself."""
    num, episodes = case.spread.num_settings or 1, case.size.episodes
    alone = (rng.random((episodes, num)) < rate).mean(axis=1)
    together = rng.random(episodes) < case.spread.share_together
    return np.where(together, rng.random(episodes) < rate, alone)


def unpaired_successes(rng: np.random.Generator, case: Case, drop: float) -> Evidence:
    """Successes of other trainings on the one side than on the other."""
    found = successes(rng, case, drop)
    return _evidence(case, list(found.baseline), list(found.candidate), is_paired=False)


def _worths(rng: np.random.Generator, case: Case) -> tuple[Floats, Floats]:
    spread = float(np.sqrt(case.spread.between or 0.0))
    before = rng.normal(MEAN, spread, case.size.seeds)
    return before, before if case.noise == "episodes" else rng.normal(MEAN, spread, case.size.seeds)


def _episodes(worths: Floats, case: Case) -> list[tuple[Floats, Floats]]:
    """Per policy, what its episodes are worth and their standard deviations, (episodes,) each."""
    ones = np.ones(case.size.episodes)
    return [(w * ones, np.sqrt(v) * ones) for w, v in zip(worths, case.spread.within, strict=True)]


def _returns(seeds: int, episodes: int, *, within: float = 10.0, between: float = 8.0) -> tuple[Size, Spread]:
    return Size(seeds, episodes), Spread(MEAN, (within**2,) * seeds, between**2)


def _rates(
    seeds: int, episodes: int, rate: float, between: float = 0.0, settings: int = 1, together: float = 1.0
) -> tuple[Size, Spread]:
    within = together * (rate * (1 - rate) - between**2)
    return Size(seeds, episodes), Spread(rate, (within,) * seeds, between**2, settings, together)


_UNEQUAL = Spread(MEAN, (1.0, 1.0, 1.0, 1.0, 900.0), 64.0)
CASES = (
    Case("return, 1 policy", "episodes", *_returns(1, 10), normal_returns),
    Case("return", "episodes", *_returns(5, 10), normal_returns),
    Case("return, 2 episodes each", "episodes", *_returns(5, 2), normal_returns),
    Case("return, other episodes", "episodes", *_returns(5, 10), unpaired_returns),
    Case("return, skewed", "episodes", *_returns(5, 10), skewed_returns),
    Case("return, one policy errs most", "episodes", Size(5, 10), _UNEQUAL, normal_returns),
    Case("return, 6 tasks", "episodes", *_returns(5, 10), normal_returns, 6),
    Case("success 0.9", "episodes", *_rates(5, 50, 0.9), successes),
    Case("success 0.5", "episodes", *_rates(5, 50, 0.5), successes),
    Case("success always", "episodes", *_rates(5, 50, 1.0), successes),
    Case("success 0.9, few", "episodes", *_rates(5, 10, 0.9), successes),
    Case("success 0.95, 10 settings", "episodes", *_rates(3, 10, 0.95, settings=10, together=0.1), successes),
    Case("success 0.9, 4 settings", "episodes", *_rates(5, 50, 0.9, settings=4, together=0.5), successes),
    Case("success 0.9, 2 settings", "episodes", *_rates(5, 50, 0.9, settings=2, together=1.0), successes),
    Case("return, 3 seeds", "seeds", *_returns(3, 10), normal_returns),
    Case("return, 5 seeds", "seeds", *_returns(5, 10), normal_returns),
    Case("return, 10 seeds", "seeds", *_returns(10, 10), normal_returns),
    Case("return, other seeds", "seeds", Size(5, 10, False), _returns(5, 10)[1], unpaired_returns),
    Case("return, 3 other seeds", "seeds", Size(3, 10, False), _returns(3, 10)[1], unpaired_returns),
    Case("success, other seeds", "seeds", Size(5, 10, False), _rates(5, 10, 0.7, 0.1)[1], unpaired_successes),
    Case("return, 5 seeds, 6 tasks", "seeds", *_returns(5, 10), normal_returns, 6),
    Case("return, skewed", "seeds", *_returns(5, 10), skewed_returns),
    Case("success about 0.7", "seeds", *_rates(5, 10, 0.7, 0.1), successes),
    Case("success about 0.9", "seeds", *_rates(5, 50, 0.9, 0.05), successes),
    Case("success 0.95, 4 settings", "seeds", *_rates(5, 10, 0.95, settings=4, together=0.25), successes),
    Case("success about 0.8, 4 settings", "seeds", *_rates(5, 20, 0.8, 0.05, 4, 0.4), successes),
)


@dataclass(frozen=True)
class Found:
    """Shares of verdicts, and what was promised; None where no drop is promised to be seen."""

    false_alarms: float
    wrong_passes: float
    passes: float
    passes_promised: float
    drop: float | None
    alarms: float | None


def share(case: Case, drop: float, verdict: Verdict, num_pairs: int, *, seed: int = 0) -> float:
    """How often the task that lost so much gets a verdict."""
    rng = np.random.default_rng(seed)
    hits = 0
    for _ in range(num_pairs):
        lines = [case.draw(rng, case, drop if task == 0 else 0.0) for task in range(case.num_tasks)]
        hits += judge(lines, [case.margin] * case.num_tasks, ALPHA)[0].verdict == verdict
    return hits / num_pairs


def simulate(case: Case, num_pairs: int) -> Found:
    """The four columns of a case."""
    drop = smallest_drop(case.spread, case.size, case.noise, case.margin, ALPHA / case.num_tasks)
    promised = verdict_chance(case.spread, case.size, case.noise, case.margin, 0.0, ALPHA, worse=False)
    return Found(
        false_alarms=share(case, case.margin, "worse", num_pairs),
        wrong_passes=share(case, case.margin, "not worse", num_pairs, seed=1),
        passes=share(case, 0.0, "not worse", num_pairs, seed=2),
        passes_promised=promised,
        drop=drop,
        alarms=None if drop is None else share(case, drop, "worse", num_pairs, seed=3),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--pairs", type=int, default=3000)
    parser.add_argument("--only", default="", help="cases whose noise or name holds this text")
    options = parser.parse_args()
    header = ("chance is in", "case", "seeds x episodes", "false alarms", "wrong passes", "unchanged passes (promised)")
    print("| " + " | ".join((*header, f"drop seen with {POWER:.0%}", "seen")) + " |\n" + "|---" * 8 + "|")
    for case in CASES:
        if options.only in f"{case.noise} {case.name}":
            print(_line(case, simulate(case, options.pairs)), flush=True)


def _line(case: Case, found: Found) -> str:
    drop = "none" if found.drop is None else f"{found.drop:.3g}"
    seen = "–" if found.alarms is None else f"{found.alarms:.1%}"
    size = f"{case.size.seeds} x {case.size.episodes}"
    rates = [f"{found.false_alarms:.1%}", f"{found.wrong_passes:.1%}"]
    passes = f"{found.passes:.1%} ({found.passes_promised:.1%})"
    return "| " + " | ".join([case.noise, case.name, size, *rates, passes, drop, seen]) + " |"


if __name__ == "__main__":
    main()
