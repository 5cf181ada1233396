"""Numbers that papers published, read from the files in `results/published`; see the README there.

They stand beside measured numbers and never among them. A cell the paper has but nobody could read is not a number.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

FOLDER = Path(__file__).parent / "published"

# Which source speaks first for a cell: the table that compares all five agents of the main block on both video
# settings, then the authors' own tables, then others' runs, then readings of figures and hearsay. Labels face readers.
SOURCES = {
    "pieg_workshop_table1_video": "PIE-G workshop paper, Table 1",
    "pieg_workshop_table2_drawerworld": "PIE-G workshop paper, Table 2",
    "dmcgb_svea_table1": "SVEA, Table 1",
    "dmcgb_soda_table": "SODA, results table",
    "sgqn_table": "SGQN, performance table",
    "svea_table2_robot": "SVEA, Table 2",
    "diswm_drawerworld": "DisWM, Table B",
    "rrl_adroit_logs": "RRL, released logs",
    "rrl_figure4_digitised": "RRL, Figure 4, read from pixels",
    "vai_figures": "VAI, introduction figure, read from pixels",
    "rlvigen_figures": "RL-ViGen, bar charts, approximate",
    "pieg_secondhand": "PIE-G (NeurIPS), second-hand listing",
    "pieg_workshop_table3_layers": "PIE-G workshop paper, Table 3",
    "pvr_params_and_text": "Pretrained Visual Representations in RL",
    "rrl_table1_dmcontrol_missing": "RRL, Table 1",
}

_RANKS = {label: rank for rank, label in enumerate(SOURCES.values())}

# What papers call an agent, the preferred variant first. Overlay is the variant PIE-G's table quotes for SVEA, so a
# column stays one variant from setting to setting. Any other agent is looked up by its exact name.
VARIANTS = {
    "SVEA": ("SVEA", "SVEA (overlay)", "SVEA (conv)"),
    "SODA": ("SODA", "SODA (overlay)", "SODA (conv)"),
    "DrQ": ("DrQ", "DrQ (ConvNet)"),
    "RRL": ("RRL", "RRL (ResNet34, 1 camera, policy 256x256)", "RRL (ResNet34, 3 cameras, policy 512x512)"),
}


# Whose numbers a table sets beside its own, by the suite's name in the files; MAIN_AGENTS for all others.
MAIN_AGENTS = ("PIE-G", "SVEA", "DrQ", "DrQ-v2", "TLDA")
AGENTS = {"adroit": ("RRL", "FERM"), "adroit_vigen": ("PIE-G", "SVEA", "SGQN", "SRM", "CURL", "VRL3")}


@dataclass(frozen=True)
class PublishedNumber:
    """One value of one paper.

    Attributes:
      agent: as asked for, such as "SVEA".
      variant: as the source names it, such as "SVEA (overlay)".
      metric: "return", or "success" as a fraction in [0, 1].
      mean: as printed; success converted to a fraction.
      std: the spread the source prints, in the metric's unit; None where there is none.
      num_seeds: training seeds, where stated.
      frames: training budget, where stated; units as in the README.
      label: short name of the source, for a footnote.
      source: full name of the source, with where it was read and the table.
      note: what the digitiser remarked, and where on a curve the value stands.
    """

    agent: str
    variant: str
    task: str
    setting: str
    metric: str
    mean: float
    std: float | None
    num_seeds: int | None
    frames: int | None
    label: str
    source: str
    note: str


def load_published() -> pd.DataFrame:
    """All digitised numbers, one line each.

    Returns:
      The columns of the files, plus `file` (its stem), `label`, `condition` (where on a curve, "" if none) and
      `missing`. `mean` and `std` are float64 with success as a fraction, NaN where the source has none or it is
      missing; `seeds` and `frames` are nullable integers. A new copy: change it as you like.
    """
    return _frame().copy()


def load_published_texts() -> list[dict[str, str]]:
    """All digitised numbers, one line each: the very texts of the files, and the `file` (its stem) they stand in."""
    lines: list[dict[str, str]] = []
    for path in sorted(FOLDER.glob("*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            lines += [{**line, "file": path.stem} for line in csv.DictReader(file)]
    return lines


def published_cell(suite: str, task: str, setting: str, agent_names: Iterable[str]) -> list[PublishedNumber]:
    """The published returns and success rates of some agents for one cell.

    Args:
      suite: the suite's name in the files, such as "dmcgb".
      task: "walker_walk"; hyphens and version suffixes do not matter ("drawer-close-v2" finds "drawer-close"). A mean
        that the source prints is found as `mean_over(tasks)`.
      setting: "train" or the shifted setting.
      agent_names: such as "PIE-G" or "SVEA"; known variants of a name are included.

    Returns:
      All values of all sources, in the order of `agent_names`, then by preference of source (`SOURCES`) and of variant.
      Of a learning curve only its last point. Cells that are missing in the source do not appear.
    """
    here = _cells().get((suite, _plain(task), setting), ())
    found = []
    for agent in agent_names:
        variants = VARIANTS.get(agent, (agent,))
        mine = [(variants.index(number.variant), number) for number in here if number.variant in variants]
        mine.sort(key=lambda pair: (_RANKS[pair[1].label], pair[0]))
        found += [replace(number, agent=agent) for _, number in mine]
    return found


def compared_agents(suite: str | None) -> tuple[str, ...]:
    """Whose numbers stand beside those of a suite, by its name in the files."""
    return AGENTS.get(suite or "", MAIN_AGENTS)


def mean_over(tasks: Iterable[str]) -> str:
    """The task under which a printed mean over exactly these tasks is found: "mean over door, hammer, pen"."""
    return "mean over " + ", ".join(sorted(map(_plain, tasks)))


def _plain(name: str) -> str:
    if name.startswith("mean over "):
        return mean_over(re.split(r", | and ", name.removeprefix("mean over ")))
    return re.sub(r"[-_]v\d+$", "", name).replace("-", "_").lower()


@cache
def _cells() -> dict[tuple[str, str, str], tuple[PublishedNumber, ...]]:
    """All scores by (suite, plain task, setting), of each curve only its last point."""
    numbers = _frame()
    scores = numbers[~numbers["missing"] & numbers["metric"].isin(("return", "success"))]
    kind = scores["condition"].str.replace(r"iteration \d+; |smoothed curve|end of curve", "", regex=True)
    curves = [scores[name] for name in ("file", "suite", "task", "setting", "agent", "metric")]
    ends = scores["frames"] == scores.groupby([*curves, kind])["frames"].transform("max")
    cells: dict[tuple[str, str, str], tuple[PublishedNumber, ...]] = {}
    for _, line in scores[(scores["condition"] == "") | ends].iterrows():
        place = (line["suite"], _plain(line["task"]), line["setting"])
        cells[place] = (*cells.get(place, ()), _number(line))
    return cells


def _number(line: pd.Series) -> PublishedNumber:
    absent = line.isna()
    return PublishedNumber(
        agent=line["agent"],
        variant=line["agent"],
        task=line["task"],
        setting=line["setting"],
        metric=line["metric"],
        mean=float(line["mean"]),
        std=None if absent["std"] else float(line["std"]),
        num_seeds=None if absent["seeds"] else int(line["seeds"]),
        frames=None if absent["frames"] else int(line["frames"]),
        label=line["label"],
        source=f"{line['source']}, {line['table']}",
        note="; ".join(part for part in (line["condition"], line["note"]) if part),
    )


@cache
def _frame() -> pd.DataFrame:
    import pandas as pd

    paths = sorted(FOLDER.glob("*.csv"))
    if unknown := [path.name for path in paths if path.stem not in SOURCES]:
        raise ValueError(f"Published files without a place in SOURCES: {unknown}.")
    parts = [pd.read_csv(path, dtype=str, keep_default_na=False).assign(file=path.stem) for path in paths]
    return _tidy(pd.concat(parts, ignore_index=True))


def _tidy(numbers: pd.DataFrame) -> pd.DataFrame:
    """Gives the texts of the files types and one unit per metric."""
    import pandas as pd

    numbers["missing"] = numbers["note"].str.startswith("MISSING")
    if (wrong := (numbers["mean"] == "") != numbers["missing"]).any():
        raise ValueError(
            f"A mean must be empty exactly where the note says MISSING: {numbers[wrong].to_dict('records')[:3]}"
        )
    for name in ("mean", "std"):
        numbers[name] = pd.to_numeric(numbers[name].replace("", None)).astype("float64")
    for name in ("seeds", "frames"):
        numbers[name] = pd.to_numeric(numbers[name].replace("", None)).astype("Int64")
    is_percent = (numbers["metric"] == "success") & ~numbers["note"].str.startswith("fraction")
    numbers[["mean", "std"]] = numbers[["mean", "std"]].div(is_percent.map({True: 100.0, False: 1.0}), axis=0)
    place = numbers["setting"].str.partition("; ")
    numbers["setting"], numbers["condition"] = place[0].replace("training", "train"), place[2]
    numbers["label"] = numbers["file"].map(SOURCES)
    return numbers
