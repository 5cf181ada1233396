"""The best, median and worst episode of each setting: which they are, and how a page shows what the agent saw."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.reports.leaderboard import SuiteFacts
from harness.reports.pages import Block, Notes, Picture, Section, data_uri

if TYPE_CHECKING:
    import pandas as pd

KINDS = ("best", "median", "worst")


@dataclass(frozen=True)
class Choice:
    """One episode of a run.

    Attributes:
      kind: one of `KINDS`.
      num_episodes: among how many of its setting.
    """

    kind: str
    run_id: str
    setting: str
    task: str
    train_seed: int | None
    episode: int
    num_episodes: int


@dataclass(frozen=True)
class Clip:
    """A chosen episode, played again.

    Attributes:
      picture: a moving picture, WebP.
      episode_return: what the run measured.
      replayed_return: what came of it now.
      is_same: whether it went the same way.
    """

    choice: Choice
    picture: bytes
    episode_return: float
    replayed_return: float
    is_same: bool


def chosen_episodes(rows: pd.DataFrame, facts: Mapping[str, SuiteFacts]) -> list[Choice]:
    """Of every run and setting: the best, the median and the worst episode over its tasks and seeds.

    By success first where the suite's metric is success, then by return; of equals, the first by task, seed and number.

    Args:
      rows: as from `harness.results.store.load_rows`; those from elsewhere are passed over.
      facts: by suite.
    """
    here = rows[(rows["origin"] == "").to_numpy()]
    found: list[Choice] = []
    for (run_id, suite, setting), cell in here.groupby(["run_id", "suite", "setting"], observed=True, sort=True):
        of = facts.get(str(suite))
        metric = ["success"] if of is not None and of.metric == "success" else []
        order = ["task", "train_seed", "episode"]
        ranked = cell.sort_values(order).sort_values([*metric, "episode_return"], kind="stable", ascending=False)
        found += _of_setting(str(run_id), str(setting), ranked)
    return found


def _of_setting(run_id: str, setting: str, ranked: pd.DataFrame) -> Iterator[Choice]:
    last = len(ranked) - 1
    seen: set[int] = set()
    for kind, place in zip(KINDS, (0, last // 2, last), strict=True):
        if place not in seen:  # of one or two episodes
            seen.add(place)
            row = ranked.iloc[place]
            seed = None if ranked["train_seed"].isna().iloc[place] else int(row["train_seed"])
            yield Choice(kind, run_id, setting, str(row["task"]), seed, int(row["episode"]), len(ranked))


def episode_sections(clips: Sequence[Clip], refused: Mapping[str, str]) -> list[Section]:
    """A section per run: its clips, or why there are none.

    Args:
      clips: in order.
      refused: by run, a sentence.
    """
    runs = dict.fromkeys([*(clip.choice.run_id for clip in clips), *refused])
    mine = {run: [clip for clip in clips if clip.choice.run_id == run] for run in runs}
    blocks = {run: (*map(picture_of_clip, mine[run]), *_refusal(refused.get(run))) for run in mine}
    return [Section(f"Episodes as the agent saw them: {run}", shown) for run, shown in blocks.items()]


def _refusal(reason: str | None) -> tuple[Block, ...]:
    return () if reason is None else (Notes((f"Not played again: {reason}",)),)


def picture_of_clip(clip: Clip) -> Picture:
    """A clip with its caption, which says whether the replay came out as the run's own episode."""
    choice = clip.choice
    seed = "" if choice.train_seed is None else f", training seed {choice.train_seed}"
    told = f"{choice.setting}: {choice.kind} of {choice.num_episodes}, {choice.task}{seed}, episode {choice.episode}"
    outcome = f"return {clip.episode_return:.6g}"
    again = (
        "the same when played again"
        if clip.is_same
        else f"{clip.replayed_return:.6g} when played again for this page, so it was not the same episode"
    )
    return Picture(data_uri(clip.picture, "image/webp"), told, f"{told}: {outcome}, {again}.", is_clip=True)
