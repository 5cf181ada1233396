"""The sentences under a table: how to read it, what it was measured with, and what it cannot be compared with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from harness.reports import statistics
from harness.reports.table import MEAN, Expected, Line
from harness.reports.variants import ORIGIN, SAMPLE, Variant, differences
from harness.results.comparison_key import COMPARISON_KEY

if TYPE_CHECKING:
    import pandas as pd


def footnotes(
    lines: Sequence[Line],
    variants: list[Variant],
    expected: Expected,
    rows: pd.DataFrame,
    kept: pd.DataFrame,
    distinct: pd.DataFrame,
    published_agents: Sequence[str],
) -> tuple[str, ...]:
    """All sentences that apply, in reading order.

    Args:
      lines: of the table.
      variants: of its rows.
      expected: what should be there.
      rows: all rows that were given.
      kept: those of the expected cells.
      distinct: the kept ones without repeated samples.
      published_agents: whose published numbers were asked for.
    """
    cells = [line for line in lines if line.task != MEAN and line.setting in expected.settings]
    printed_means = [line for line in lines if line.task == MEAN and line.setting in expected.settings]
    sentences = [
        *_reading(cells, distinct, expected),
        *_views(expected),
        *_unfinished(cells),
        *_variants(variants),
        *_budget(cells, distinct, expected),
        *_conditions(distinct[(distinct[ORIGIN] == "").to_numpy()] if ORIGIN in distinct else distinct),
        *_left_out(rows, kept, distinct),
        *_published([*cells, *printed_means], published_agents, expected.published_note),
    ]
    return tuple(sentences)


def _reading(cells: Sequence[Line], rows: pd.DataFrame, expected: Expected) -> Iterable[str]:
    found = [line.episode_return for line in cells if line.episode_return is not None]
    level = f"{statistics.LEVEL:.0%}".replace("%", " %")
    seed = _seed_noun(rows)
    if any(estimate.low is not None for estimate in found):
        over = f"{seed}s, then episodes" if seed else "episodes"
        yield (
            f"Cells: mean over {seed or 'episode'}s [{level} interval]; bootstrap over {over} "
            f"({statistics.NUM_RESAMPLES:,} draws)."
        )
    if seed and any(estimate.num_seeds == 1 and estimate.low is not None for estimate in found):
        again = " and says nothing about training again" if _trained(rows).any() else ""
        yield f"One {seed}: the interval is over episodes only{again}."
    if any(estimate.low is None for estimate in found):
        yield f"One {'seed and one ' if seed else ''}episode: no interval."
    if any(line.gap is not None for line in cells):
        what = "success rate" if expected.metric == "success" else "return"
        yield f"Gap: {what} in {expected.train_setting} minus {what} in this setting, paired by {_sampled(seed)}."


def _views(expected: Expected) -> Iterable[str]:
    for name, settings in expected.views.items():
        yield (
            f"{name[:1].upper()}{name[1:]}: {', '.join(settings)}. An episode counts with its mean over them, and only "
            "if it is there in all."
        )


def _trained(rows: pd.DataFrame) -> pd.Series:
    """Which rows are of a policy that was trained here; those of a random one have seeds, but not of a training."""
    return rows["train_frames"] > 0


def _seed_noun(rows: pd.DataFrame) -> str:
    """What a seed is called; "" where none of the policies was made from one."""
    if _trained(rows).all():
        return "training seed"
    return "" if rows["train_seed"].isna().all() else "seed"


def _sampled(seed: str) -> str:
    return f"{seed} and episode" if seed else "episode"


def _unfinished(cells: Sequence[Line]) -> Iterable[str]:
    missing = sum(line.status == "missing" for line in cells)
    partial = sum(line.status == "partial" for line in cells)
    if missing or partial:
        yield (
            f"Unfinished: of {len(cells)} cells, {missing} missing and {partial} partial. A mean over tasks is missing "
            "as soon as one of its tasks is."
        )


def _variants(variants: list[Variant]) -> Iterable[str]:
    if texts := differences(variants):
        labels = ", ".join(variant.label for variant in variants)
        yield f"Not measured alike, so never in one cell and not to be compared: {labels}. They differ in "
        yield from (f"  {text}" for text in texts)


def _budget(cells: Sequence[Line], rows: pd.DataFrame, expected: Expected) -> Iterable[str]:
    if "quick" in set(rows[_trained(rows)]["preset"]):  # it chooses budgets of training; others measure what there is
        yield "Preset quick shows that everything works; its numbers say nothing about the agent."
    yield from _short_training(cells, rows[_trained(rows)], expected)
    place = [name for name in ("task", "setting", _seed_noun(rows)) if name]
    if expected.protocol_episodes and expected.episodes < expected.protocol_episodes:
        yield (
            f"{expected.episodes:,} of the protocol's {expected.protocol_episodes:,} evaluation episodes per "
            f"{', '.join(place[:-1])} and {place[-1]}."
        )
    yield from _other_protocol(rows, "action_repeat", "Action repeat", expected.protocol_action_repeat)
    yield from _other_protocol(rows, "episode_frames", "Episodes of", expected.protocol_episode_frames)


def _other_protocol(rows: pd.DataFrame, column: str, words: str, protocol: Mapping[str, int]) -> Iterable[str]:
    """Says where a number of the protocol was changed."""
    used = _by_task(rows, column)
    other = {task: max(found) for task, found in used.items() if task in protocol and found != {protocol[task]}}
    if other:
        wanted = {task: protocol[task] for task in other}
        unit = " frames" if column.endswith("frames") else ""
        yield f"{words} {_per_task(other, used)}{unit} where the protocol has {_per_task(wanted, used)}."


def _short_training(cells: Sequence[Line], trained: pd.DataFrame, expected: Expected) -> Iterable[str]:
    """Says where training was shorter than the protocol's, and, beside published numbers, what follows from that."""
    budgets = _by_task(trained, "train_frames")
    short = {
        task: sorted(frames)
        for task in budgets
        if (frames := {n for n in budgets[task] if n < expected.protocol_frames.get(task, 0)})
    }
    if not short:
        return
    found = _per_task({task: " / ".join(f"{n:,}" for n in frames) for task, frames in short.items()}, budgets)
    wanted = _per_task({task: expected.protocol_frames[task] for task in short}, budgets)
    if any(line.published for line in cells if line.task in short):
        yield f"Not comparable with published numbers: trained for {found} frames, published protocol {wanted}."
    else:
        yield f"Trained for {found} frames; the protocol has {wanted}."


def _conditions(rows: pd.DataFrame) -> Iterable[str]:
    if rows.empty:
        return
    repeats = {task: "/".join(map(str, sorted(v))) for task, v in _by_task(rows, "action_repeat").items()}
    repeat = _per_task(repeats, repeats)
    size = _joined(f"{side}x{side}" for side in rows["image_size"].unique())
    yield (
        f"Measured with action repeat {repeat}, {_joined(rows['frame_stack'].unique())} stacked frames of {size} "
        f"pixels, episodes of {_joined(f'{n:,}' for n in rows['episode_frames'].unique())} frames; preset "
        f"{_joined(rows['preset'].unique())}; on {_joined(rows['compute'].unique())}; code "
        f"{_joined(rows['code_revision'].unique())}."
    )
    profile = _joined(rows["render_profile"].unique())
    yield f"Drawn by {_joined(rows['gl_renderer'].unique())}, render profile {profile}."
    if "fast" in set(rows["render_profile"]):
        yield "Profile fast leaves out shadows and multisampling: not comparable with standard or published numbers."


def _left_out(rows: pd.DataFrame, kept: pd.DataFrame, distinct: pd.DataFrame) -> Iterable[str]:
    if len(kept) < len(rows):
        yield f"Left out: {_count(len(rows) - len(kept), 'episode')} of tasks, settings or seeds not asked for."
    origin = [ORIGIN] if ORIGIN in kept else []
    outcomes = [*COMPARISON_KEY, *SAMPLE, "checkpoint", *origin, "episode_return", "success"]
    if contradictions := len(kept.drop_duplicates(outcomes)) - len(distinct):
        yield (
            f"Measured twice under equal conditions with different outcomes: {_count(contradictions, 'episode')}. The "
            "first outcome counts; this should not happen."
        )


def _published(cells: Sequence[Line], agents: Sequence[str], note: str) -> Iterable[str]:
    if not agents:
        return
    places: dict[str, dict[str, list[str]]] = {}  # label -> setting -> agents
    for line in cells:
        for agent, number in line.published.items():
            known = places.setdefault(number.label, {}).setdefault(line.setting, [])
            if agent not in known:
                known.append(agent)
    if not places:
        yield "No published numbers for these cells."
        return
    yield "† Published, not measured here: mean ± spread as printed."
    if note:
        yield f"  {note}"
    for label, settings in places.items():
        by_agents: dict[tuple[str, ...], list[str]] = {}
        for setting, names in settings.items():
            by_agents.setdefault(tuple(names), []).append(setting)
        told = "; ".join(f"{', '.join(names)} ({', '.join(where)})" for names, where in by_agents.items())
        yield f"  {label}: {told}."
    shown = {agent for settings in places.values() for names in settings.values() for agent in names}
    if without := [agent for agent in agents if agent not in shown]:
        yield f"  No published numbers here of {', '.join(without)}."
    yield from _other_sources(cells)


def _other_sources(cells: Sequence[Line]) -> Iterable[str]:
    """Says where several sources give different values for a shown cell."""
    places = {
        (line.task, line.setting, agent): {other.label for other in number.others if other.mean != number.mean}
        for line in cells
        for agent, number in line.published.items()
    }
    labels = dict.fromkeys(label for found in places.values() for label in sorted(found))
    if labels:
        count = sum(bool(found) for found in places.values())
        told = "; ".join(labels)
        yield f"  Other sources differ in {_count(count, 'cell')} ({told}); the JSON table lists all values."


def _by_task(rows: pd.DataFrame, column: str) -> dict[str, set[Any]]:
    return {str(task): set(values.tolist()) for task, values in rows.groupby("task", sort=False)[column]}


def _per_task(values: Mapping[str, Any], tasks: Iterable[str]) -> str:
    """The value most tasks have, then the exceptions: `1,100,000 (cheetah_run 3,100,000)`; by name if not of all."""
    texts = {task: f"{value:,}" if isinstance(value, int) else str(value) for task, value in values.items()}
    if set(tasks) - set(texts):
        return ", ".join(f"{text} ({task})" for task, text in texts.items())
    usual = Counter(texts.values()).most_common(1)[0][0]
    exceptions = [f"{task} {text}" for task, text in texts.items() if text != usual]
    return usual + (f" ({', '.join(exceptions)})" if exceptions else "")


def _joined(values: Iterable[Any]) -> str:
    return " / ".join(dict.fromkeys(str(value) or "unknown" for value in values))


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
