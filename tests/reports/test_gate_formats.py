"""What the gate says to machines is checked by theirs: an XML schema, a strict record, a parser of Markdown."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import pytest
from lxml import etree
from markdown_it import MarkdownIt
from pydantic import BaseModel, ConfigDict, Field

from harness.reports.gate import EXIT_STATUS, Gate, Question, check, check_question, parse_margin
from harness.reports.gate_text import show_gate

HOSTILE = '<script>alert(1)</script>|`x` [a](http://b) @all #1 *y* \x1b[31m"&\u202e\n]]>'
SCHEMA = etree.XMLSchema(etree.parse(Path(__file__).with_name("junit.xsd")))
Verdict = Literal["not worse", "worse", "cannot tell"]


class Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)


class JsonLine(Strict):
    suite: str
    task: str
    settings: list[str] = Field(min_length=1)
    verdict: Verdict
    baseline: float
    candidate: float
    difference: float
    limits: list[float] | None = Field(min_length=2, max_length=2)
    margin: float = Field(ge=0)
    p_worse: float = Field(ge=0, le=1)
    p_not_worse: float = Field(ge=0, le=1)
    noise: Literal["episodes", "seeds"]
    paired: bool
    seeds: int = Field(ge=1)
    episodes: int = Field(ge=1)
    same_episodes: int = Field(ge=0)
    needed: str | None


class JsonGate(Strict):
    format_version: Literal[1]
    verdict: Verdict
    exit_status: int
    sentence: str
    on: Literal["return", "success"]
    margin: str
    alpha: float
    across: list[str]
    lines: list[JsonLine] = Field(min_length=1)
    notes: list[str]


@pytest.fixture(params=["not worse", "worse", "cannot tell"])
def gate(request: pytest.FixtureRequest, cell) -> Gate:
    """An answer of every kind, about a task whose name acts wherever it can."""
    count, drop = {"not worse": (20, 0.0), "worse": (20, 30.0), "cannot tell": (2, 8.0)}[request.param]
    noise = np.random.default_rng(0).normal(0, 5, (2, count))

    def side(shift: float, noise: np.ndarray) -> pd.DataFrame:
        return pd.concat(cell(task, "train", 100 + noise - shift, 0, checkpoint="p") for task in (HOSTILE, "walk"))

    found = check(side(drop, noise[0]), side(0.0, noise[1]), check_question(Question(parse_margin("5%"))))
    assert found.verdict == request.param
    return found


def shown(gate: Gate, fmt: str) -> str:
    return show_gate(gate, fmt, status=EXIT_STATUS.get(gate.verdict, 3), now="2026-01-02T03:04:05")


def test_junit_is_valid_by_the_schema(gate: Gate) -> None:
    document = etree.fromstring(shown(gate, "junit").encode())
    SCHEMA.assertValid(document)
    (suite,) = document
    assert len(suite.findall("testcase")) == int(suite.get("tests")) == 2
    assert len(suite.findall("testcase/failure")) == int(suite.get("failures"))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (' tests="1"', ""),
        ("testcase", "test"),
        ('timestamp="2026-01-02T03:04:05"', 'timestamp="now"'),
        ("<properties>", "<properties/><properties>"),
    ],
)
def test_the_schema_refuses_what_is_none(cell, old: str, new: str) -> None:
    rows = cell("walk", "train", np.arange(20.0) + 100, 0, checkpoint="p")
    text = shown(check(rows, rows, check_question(Question(parse_margin("5%")))), "junit")
    assert SCHEMA.validate(etree.fromstring(text.encode()))
    assert old in text
    assert not SCHEMA.validate(etree.fromstring(text.replace(old, new).encode()))


def test_json_is_the_record_that_it_promises(gate: Gate) -> None:
    found = JsonGate.model_validate_json(shown(gate, "json"))
    assert found.verdict == gate.verdict
    assert {line.task for line in found.lines} == {HOSTILE, "walk"}


def test_markdown_is_a_heading_a_table_and_text_alone(gate: Gate) -> None:
    tokens = MarkdownIt("commonmark", {"html": True}).enable("table").parse(shown(gate, "markdown"))
    kinds = [token.type for token in tokens]
    assert kinds.count("heading_open") == 1
    assert kinds.count("table_open") == 1
    columns = kinds.count("th_open")
    assert columns >= 9
    assert kinds.count("td_open") == 2 * columns
    inner = {child.type for token in tokens for child in token.children or ()}
    assert inner <= {"text", "text_special", "strong_open", "strong_close"}  # no link, no HTML, no code
    assert "html_block" not in kinds
    text = "".join(child.content for token in tokens for child in token.children or ())
    assert "<script>alert(1)</script>|`x` [a](http://b) @all #1 *y* \\x1b[31m" in text
