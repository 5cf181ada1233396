"""The gate's answer for readers and machines: plain text, Markdown for a pull request, JSON, and JUnit's XML."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any
from xml.etree import ElementTree

from harness.reports.escaping import in_markdown
from harness.reports.gate import Gate, GateLine
from harness.reports.gate_plan import PlanLine, plan_table, whole_passes
from harness.reports.gate_power import Size
from harness.reports.gate_test import Verdict
from harness.reports.render import plain_number
from harness.results.text import escaped, json_escaped

FORMATS = ("text", "markdown", "junit", "json")
PLAN_FORMATS = ("text", "markdown", "json")
JSON_VERSION = 1
_MARKS: dict[Verdict, str] = {"not worse": "✅", "worse": "❌", "cannot tell": "❔"}
_HEADER = ("task", "baseline", "candidate", "difference", "", "margin", "p worse", "p not worse", "from", "verdict")


def show_gate(gate: Gate, fmt: str, *, status: int, now: str) -> str:
    """The answer in one of `FORMATS`.

    Args:
      gate: the answer.
      fmt: the format.
      status: the exit status that follows, as JSON tells it and as JUnit counts failures.
      now: the time, `YYYY-MM-DDTHH:MM:SS`, for JUnit.
    """
    if fmt == "json":
        return _as_json(_gate_values(gate, status))
    if fmt == "junit":
        return _junit(gate, status, now)
    return (_markdown if fmt == "markdown" else _text)(gate)


def show_plan(lines: Sequence[PlanLine], fmt: str) -> str:
    """The plan in one of `PLAN_FORMATS`."""
    header, body = plan_table(lines)
    if fmt == "json":
        whole = [{"noise": n, **_size_values(s), "unchanged_passes": p} for (n, s), p in whole_passes(lines).items()]
        return _as_json({"format_version": JSON_VERSION, "lines": [_plan_values(line) for line in lines], "all": whole})
    return _markdown_grid(header, body, in_markdown) if fmt == "markdown" else _grid(header, body)


def _text(gate: Gate) -> str:
    notes = [f"Note: {note}." for note in gate.notes]
    needed = [f"{escaped(line.name)}: {line.needed}." for line in gate.lines if line.needed]
    return "\n".join(
        [gate.sentence(), "", _grid(_header(gate), [_cells(line) for line in gate.lines]), *needed, *notes]
    )


def _markdown(gate: Gate) -> str:
    body = [(*(in_markdown(cell) for cell in _cells(line)[:-1]), _marked(line)) for line in gate.lines]
    needed = [f"- {in_markdown(line.name)}: {line.needed}." for line in gate.lines if line.needed]
    notes = [f"- {in_markdown(note)}." for note in gate.notes]
    below = ["", *needed, *notes] if needed or notes else []
    head = f"### {_MARKS[gate.verdict]} {in_markdown(gate.sentence())}"
    return "\n".join([head, "", _markdown_grid(_header(gate), body, str), *below])


def _header(gate: Gate) -> tuple[str, ...]:
    limits = f"[{1 - gate.question.alpha:.0%} limits, one-sided]"
    return tuple(name or limits for name in _HEADER)


def _marked(line: GateLine) -> str:
    verdict = line.judged.verdict
    return f"{_MARKS[verdict]} {verdict}" if verdict == "not worse" else f"{_MARKS[verdict]} **{verdict}**"


def _cells(line: GateLine) -> tuple[str, ...]:
    judged, evidence = line.judged, line.line.evidence
    limits = "–" if judged.bounds is None else f"[{plain_number(judged.bounds[0])}, {plain_number(judged.bounds[1])}]"
    count = f"{evidence.num_seeds} seeds" if evidence.noise == "seeds" else f"{evidence.num_episodes} episodes"
    return (
        escaped(line.name),
        plain_number(line.baseline),
        plain_number(line.candidate),
        plain_number(judged.difference.estimate, sign="+"),
        limits,
        plain_number(judged.margin),
        f"{judged.worse_chance:.3f}",
        f"{judged.fine_chance:.3f}",
        f"{count}{', in pairs' if evidence.is_paired else ''}",
        judged.verdict,
    )


def _grid(header: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[i]) for row in (header, *body)) for i in range(len(header))]
    return "\n".join(
        "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in (header, *body)
    )


def _markdown_grid(header: Sequence[str], body: Sequence[Sequence[str]], mark: Callable[[str], str]) -> str:
    rule = "|" + "---|" * len(header)
    return "\n".join([_joined(header), rule, *(_joined([mark(cell) for cell in row]) for row in body)])


def _joined(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _as_json(values: Any) -> str:
    return json_escaped(json.dumps(values, indent=2, ensure_ascii=False, allow_nan=False))


def _size_values(size: Size) -> dict[str, int | bool]:
    return {"seeds": size.seeds, "episodes": size.episodes, "same_seeds": size.same_seeds}


def _plan_values(line: PlanLine) -> dict[str, Any]:
    return {
        "name": line.name,
        "noise": line.noise,
        **_size_values(line.size),
        "margin": line.margin,
        "drop_seen": line.drop,
        "unchanged_passes": line.passes,
    }


def _gate_values(gate: Gate, status: int) -> dict[str, Any]:
    asked = gate.question
    return {
        "format_version": JSON_VERSION,
        "verdict": gate.verdict,
        "exit_status": status,
        "sentence": gate.sentence(),
        "on": asked.metric,
        "margin": asked.margin.text,
        "alpha": asked.alpha,
        "across": list(asked.across),
        "lines": [_line_values(line) for line in gate.lines],
        "notes": list(gate.notes),
    }


def _line_values(line: GateLine) -> dict[str, Any]:
    judged, evidence = line.judged, line.line.evidence
    return {
        "suite": line.line.suite,
        "task": line.line.task,
        "settings": list(line.line.settings),
        "verdict": judged.verdict,
        "baseline": line.baseline,
        "candidate": line.candidate,
        "difference": judged.difference.estimate,
        "limits": None if judged.bounds is None else list(judged.bounds),
        "margin": judged.margin,
        "p_worse": judged.worse_chance,
        "p_not_worse": judged.fine_chance,
        "noise": evidence.noise,
        "paired": evidence.is_paired,
        "seeds": evidence.num_seeds,
        "episodes": evidence.num_episodes,
        "same_episodes": line.line.num_same,
        "needed": line.needed or None,
    }


def _junit(gate: Gate, status: int, now: str) -> str:
    """One test case per line, in the order and with the attributes that both Jenkins' and Ant's schemas ask for."""
    kinds = [_kind(line.judged.verdict, status) for line in gate.lines]
    root = ElementTree.Element("testsuites")
    suite = ElementTree.SubElement(
        root,
        "testsuite",
        {
            "name": "harness check",
            "package": "harness",
            "id": "0",
            "timestamp": now,
            "hostname": "localhost",
            "time": "0",
        }
        | {"tests": str(len(kinds)), "failures": str(kinds.count("failure")), "errors": "0"}
        | {"skipped": str(kinds.count("skipped"))},
    )
    properties = ElementTree.SubElement(suite, "properties")
    told = {"verdict": gate.verdict, "margin": gate.question.margin.text, "alpha": f"{gate.question.alpha:g}"}
    for name, value in told.items():
        ElementTree.SubElement(properties, "property", {"name": name, "value": value})
    for line, kind in zip(gate.lines, kinds, strict=True):
        _junit_case(suite, line, kind)
    ElementTree.SubElement(suite, "system-out").text = _text(gate)
    ElementTree.SubElement(suite, "system-err")
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode")


def _kind(verdict: Verdict, status: int) -> str:
    """What a verdict is in JUnit's terms; that one cannot tell fails where it was asked to."""
    if verdict == "worse":
        return "failure"
    return "" if verdict == "not worse" else "failure" if status == 1 else "skipped"


def _junit_case(suite: ElementTree.Element, line: GateLine, kind: str) -> None:
    facts = {"name": escaped(line.name), "classname": f"harness.check.{escaped(line.line.suite)}", "time": "0"}
    case = ElementTree.SubElement(suite, "testcase", facts)
    told = ", ".join(f"{n or 'limits'} {c}" for n, c in zip(_HEADER, _cells(line), strict=True))
    if line.needed:
        told = f"{told}; {line.needed}"
    if kind == "failure":
        found = ElementTree.SubElement(case, "failure", {"message": line.judged.verdict, "type": "regression"})
        found.text = told
    elif kind == "skipped":
        ElementTree.SubElement(case, "skipped", {"message": told})
