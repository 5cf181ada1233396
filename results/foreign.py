"""Outcomes of episodes in files of other programs: Stable-Baselines3, Gymnasium, TensorBoard, and plain CSV.

Formats, from the code that writes them: DLR-RM/stable-baselines3:stable_baselines3/common/monitor.py (a comment in
JSON, then CSV with the columns r, l, t), Farama-Foundation/Gymnasium:gymnasium/wrappers/common.py (`info["episode"]`
with r, l, t).
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.results.event_files import DamagedEventsError, scalars
from harness.results.plain_file import read_plain
from harness.results.rows import LARGEST_RETURN, shortened

MAX_BYTES = 2**30
COLUMNS_OF_CSV = (
    "suite",
    "task",
    "setting",
    "agent",
    "train_seed",
    "eval_seed",
    "episode",
)  # besides return and others
_RETURN, _SUCCESS, _STEPS = ("return", "episode_return"), ("success", "is_success"), ("num_steps", "length")
_TRUTH = {"True": True, "true": True, "1": True, "1.0": True, "False": False, "false": False, "0": False, "0.0": False}


class ForeignError(ValueError):
    """A file of another program is not what it is said to be; the message is one sentence."""


@dataclass(frozen=True)
class Outcome:
    """What one episode gave.

    Attributes:
      episode_return: undiscounted sum of rewards, finite.
      success: None where the file has none.
      num_steps: of the environment; 0 where the file does not say.
      place: what the file says of where it was measured, by the names of `COLUMNS_OF_CSV`.
    """

    episode_return: float
    success: bool | None = None
    num_steps: int = 0
    place: Mapping[str, str] = field(default_factory=dict)


def read_monitor(path: Path) -> list[Outcome]:
    """The episodes of a `monitor.csv` of Stable-Baselines3, in the order in which they ended.

    Raises:
      ForeignError: if it is none.
    """
    head, _, body = _text(path).partition("\n")
    try:
        is_monitor = head.startswith("#") and isinstance(json.loads(head[1:]), dict)
    except (ValueError, RecursionError):
        is_monitor = False
    if not is_monitor:
        raise ForeignError(f"{path} is no monitor.csv of Stable-Baselines3: it does not begin with # and JSON.")
    lines = list(_table(path, body, first=2))
    if lines and not {"r", "l", "t"} <= set(lines[0][1]):
        raise ForeignError(f"{path} is no monitor.csv of Stable-Baselines3: it lacks the columns r, l, t.")
    return [_outcome(f"{path}, line {n}", cells["r"], cells.get("is_success"), cells["l"]) for n, cells in lines]


def read_gymnasium(path: Path) -> list[Outcome]:
    """The episodes of a file of JSON: one `info["episode"]` (or `info`) of RecordEpisodeStatistics a line, or a list.

    Raises:
      ForeignError: if it holds anything else.
    """
    text = _text(path)
    try:
        whole = text.lstrip().startswith("[")
        found = json.loads(text) if whole else [json.loads(line) for line in text.splitlines() if line.strip()]
    except (ValueError, RecursionError) as error:
        raise ForeignError(f"{path} is no JSON: one object of r, l, t a line, or a list of them.") from error
    return [_of_info(f"{path}, episode {number}", info) for number, info in enumerate(found)]


def of_statistics(env: Any) -> list[Outcome]:
    """What Gymnasium's wrapper RecordEpisodeStatistics holds of a single or vector environment: its last episodes.

    Args:
      env: the wrapper, with `return_queue` and `length_queue`.

    Raises:
      ForeignError: if it is no such wrapper.
    """
    returns, lengths = getattr(env, "return_queue", None), getattr(env, "length_queue", None)
    if returns is None or lengths is None:
        raise ForeignError(f"{type(env).__name__} is no RecordEpisodeStatistics: it has no return_queue.")
    pairs = zip(returns, lengths, strict=True)
    return [_outcome(f"episode {n}", _one(r), None, _one(length)) for n, (r, length) in enumerate(pairs)]


def read_scalars(path: Path, tag: str) -> list[Outcome]:
    """The values of a scalar of TensorBoard, one each for an episode, by step.

    Args:
      path: a file of events, or the folder of one run.
      tag: the scalar's name.

    Raises:
      ForeignError: if there is no such scalar, or a file is damaged.
    """
    try:
        found = scalars(path)
    except DamagedEventsError as error:
        raise ForeignError(str(error)) from error
    if tag not in found:
        raise ForeignError(f"{path} has no scalar '{tag}'. There are: {', '.join(sorted(found)[:20]) or 'none'}.")
    steps = sorted(found[tag].items())
    return [_outcome(f"{path}, step {step}", value, None, 0) for step, value in steps]


def read_returns(path: Path) -> list[Outcome]:
    """The episodes of a CSV file with a column `return` and, if it likes, success, num_steps and `COLUMNS_OF_CSV`.

    Raises:
      ForeignError: if it lacks the column, has others, or a value is none.
    """
    known = {*_RETURN, *_SUCCESS, *_STEPS, *COLUMNS_OF_CSV}
    outcomes = []
    for number, cells in _table(path, _text(path), first=1):
        if unknown := sorted(set(cells) - known):
            raise ForeignError(
                f"{path} has a column '{shortened(unknown[0])}'. Known are: return, success, num_steps, "
                f"{', '.join(COLUMNS_OF_CSV)}."
            )
        value, success, steps = (_cell(cells, names) for names in (_RETURN, _SUCCESS, _STEPS))
        if value is None:
            raise ForeignError(f"{path} has no column 'return'.")
        place = {name: cells[name] for name in COLUMNS_OF_CSV if name in cells}
        outcomes.append(_outcome(f"{path}, line {number}", value, success, steps or "0", place))
    return outcomes


READERS: dict[str, Callable[[Path], list[Outcome]]] = {
    "monitor": read_monitor,
    "gymnasium": read_gymnasium,
    "csv": read_returns,
}
SCALARS = "tensorboard"
FORMATS = (*READERS, SCALARS)
NAMES = {
    "monitor": "a monitor.csv of Stable-Baselines3",
    "gymnasium": "RecordEpisodeStatistics of Gymnasium",
    "csv": "a CSV of returns",
    SCALARS: "scalars of TensorBoard",
}


def _cell(cells: Mapping[str, str], names: Sequence[str]) -> str | None:
    return next((cells[name] for name in names if name in cells), None)


def _text(path: Path) -> str:
    try:
        data = read_plain(path, MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise ForeignError(f"{path} has more than a gigabyte.")
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ForeignError(f"{path} is no text.") from error


def _table(path: Path, text: str, first: int) -> Iterator[tuple[int, dict[str, str]]]:
    """The number of each line of a CSV text below its names, and its cells by name."""
    try:
        names, *lines = csv.reader(io.StringIO(text, newline=""), strict=True)
    except (csv.Error, ValueError) as error:
        raise ForeignError(f"{path} is no CSV with a line of names.") from error
    for number, cells in enumerate(lines, start=first + 1):
        if len(cells) != len(names) or len(set(names)) < len(names):
            raise ForeignError(f"{path}, line {number} has {len(cells)} cells under {len(set(names))} names.")
        yield number, dict(zip(names, cells, strict=True))


def _of_info(where: str, info: Any) -> Outcome:
    episode = info.get("episode", info) if isinstance(info, dict) else None
    if not isinstance(episode, dict) or not {"r", "l"} <= set(episode):
        raise ForeignError(f"{where} is no object with r and l.")
    success = info.get("is_success", info.get("success"))
    return _outcome(where, _one(episode["r"]), None if success is None else str(_one(success)), _one(episode["l"]))


def _one(value: Any) -> Any:
    """The one number of a list or array of one."""
    plain = value.tolist() if hasattr(value, "tolist") else value
    return plain[0] if isinstance(plain, list) and len(plain) == 1 else plain


def _outcome(
    where: str, value: Any, success: str | None, steps: Any, place: Mapping[str, str] | None = None
) -> Outcome:
    told = _number(where, "return", value)
    num_steps = _number(where, "length", steps)
    if not num_steps.is_integer() or not 0 <= num_steps < 2**53:
        raise ForeignError(f"{where} has a length that is no number of steps: {shortened(str(steps))}.")
    if success not in (None, "", *_TRUTH):
        raise ForeignError(f"{where} has a success that is neither True nor False: {shortened(str(success))}.")
    return Outcome(told, _TRUTH[success] if success else None, int(num_steps), place or {})


def _number(where: str, what: str, value: Any) -> float:
    try:
        number = math.nan if isinstance(value, bool) or "_" in str(value) else float(value)
    except (ValueError, TypeError, OverflowError):
        number = math.nan
    if not abs(number) <= LARGEST_RETURN:
        problem = "is beyond what can be averaged" if math.isfinite(number) else "is no finite number"
        raise ForeignError(f"{where} has a {what} that {problem}: {shortened(str(value))}.")
    return number


def last(outcomes: Iterable[Outcome], count: int | None) -> list[Outcome]:
    """The last so many, or all for None."""
    found = list(outcomes)
    return found if count is None else found[-count:]
