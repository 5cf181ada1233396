"""What `harness list` shows: plain rows, and columns for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from harness.registry import agent_names, load_agent, load_suite, suite_names
from harness.results.published import SOURCES, load_published_texts
from harness.results.text import escaped
from harness.running.presets import PRESETS
from harness.shift_settings import axes_of


def suites() -> list[dict[str, Any]]:
    """One row per suite."""
    return [
        {
            "suite": suite.name,
            "version": suite.version,
            "tasks": len(suite.tasks),
            "settings": " ".join(setting.name for setting in suite.all_settings),
            "description": suite.description,
        }
        for suite in map(load_suite, suite_names())
    ]


def tasks(suite: str | None = None) -> list[dict[str, Any]]:
    """One row per suite and task, with its protocol; only of one suite if named.

    Raises:
      UsageError: if the suite does not exist.
    """
    chosen = [load_suite(suite)] if suite else [load_suite(name) for name in suite_names()]
    return [
        {
            "suite": each.name,
            "task": task,
            "action_repeat": each.protocol.action_repeat[task],
            "episode_frames": each.protocol.for_task(task).episode_frames,
            "train_frames": each.protocol.train_frames[task],
            "metric": each.protocol.metric,
        }
        for each in chosen
        for task in each.all_tasks
    ]


def agents() -> list[dict[str, Any]]:
    """One row per agent."""
    return [
        {
            "agent": agent.name,
            "version": agent.version,
            "learns": "yes" if agent.learns else "no",
            "description": agent.description,
            "source": agent.source,
        }
        for agent in map(load_agent, agent_names())
    ]


def shifts() -> list[dict[str, Any]]:
    """One row per continuous shift that any suite offers: for `--shift name=value`."""
    axes = {name: axis for suite in map(load_suite, suite_names()) for name, axis in axes_of(suite).items()}
    return [
        {
            "shift": axis.name,
            "from": f"{axis.low:g}",
            "to": f"{axis.high:g}",
            "neutral": f"{axis.neutral:g}",
            "unit": axis.unit,
            "domains": " ".join(domain.rpartition(".")[2] for domain in axis.domains),
            "description": axis.description,
            "source": axis.source,
        }
        for axis in axes.values()
    ]


def presets() -> list[dict[str, Any]]:
    """One row per preset; "suite" means the suite's own number."""
    return [
        {
            "preset": preset.name,
            "train_frames": preset.train_frames or "suite",
            "eval_episodes": preset.eval_episodes or "suite",
            "seeds": preset.num_seeds,
            "stand_ins": "yes" if preset.stand_ins else "no",
            "description": preset.description,
        }
        for preset in PRESETS.values()
    ]


def published() -> list[dict[str, Any]]:
    """One row per source of published numbers and suite of the paper."""
    groups: dict[tuple[str, str], list[dict[str, str]]] = {}
    for line in load_published_texts():
        groups.setdefault((line["file"], line["suite"]), []).append(line)
    return [
        {
            "source": SOURCES[file],
            "suite": suite,
            "metrics": " ".join(dict.fromkeys(line["metric"] for line in lines)),
            "agents": len({line["agent"] for line in lines}),
            "numbers": sum(line["mean"] != "" for line in lines),
            "missing": sum(line["mean"] == "" for line in lines),
            "file": f"results/published/{file}.csv",
        }
        for (file, suite), lines in sorted(groups.items(), key=lambda item: list(SOURCES).index(item[0][0]))
    ]


def columns(rows: Sequence[Mapping[str, Any]]) -> str:
    """Lays rows out in left-aligned columns under their keys; empty rows give an empty text."""
    if not rows:
        return ""
    heads = list(rows[0])
    cells = [heads, *[["" if row[head] is None else escaped(row[head]) for head in heads] for row in rows]]
    widths = [max(len(line[i]) for line in cells) for i in range(len(heads))]
    return "\n".join("  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip() for line in cells)
