"""The table of what agents cost, in a terminal or as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from harness.results.text import escaped

HEAD = ("agent", "task", "part", "seconds", "GFLOP", "frames")


def cost_table(costs: Sequence[Mapping[str, Any]]) -> str:
    """A Markdown table with a line per part of an iteration and one for the whole of it.

    Args:
      costs: as `harness.running.cost.Cost.as_json` gives them.
    """
    lines = [HEAD, tuple("---" for _ in HEAD)]
    for cost in costs:
        for part in (*cost["parts"], {"part": "iteration", "seconds": cost["seconds"], "flops": cost["flops"]}):
            frames = f"{cost['frames']:,}" if part["part"] == "iteration" else ""
            numbers = (f"{part['seconds']:.4g}", f"{part['flops'] / 1e9:.5g}", frames)
            lines.append((escaped(cost["agent"]), escaped(cost["task"]), part["part"], *numbers))
    notes = [
        f"{escaped(cost['agent'])}: an iteration is {cost['iteration']}; from {cost['measured_steps']} measured steps, "
        "without demonstrations."
        for cost in costs
    ]
    return "\n".join([*("| " + " | ".join(line) + " |" for line in lines), "", *notes])
