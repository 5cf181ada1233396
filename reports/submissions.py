"""Which submissions are shown, which are refused and why, and how far each is to be trusted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.reports.variants import ORIGIN
from harness.results.certificate import CHECKSUMMED, Certificate, load_certificate
from harness.results.plausible import SuiteRules, impossible
from harness.results.rows import COLUMNS, Row
from harness.results.submission import Submission, SubmissionError, load_submission

if TYPE_CHECKING:
    import pandas as pd

_EPISODE = ("suite", "suite_version", "task", "setting", "eval_seed", "episode")
#: What tells that two rows are one episode, played once: what passed between policy and environment; where one of them
#: does not say (the earliest versions had no such digest, and others may leave it out), all else that can.
FINGERPRINT = (*_EPISODE, "checkpoint", "first_pixels", "episode_return", "num_frames", "trajectory")
RulesOf = Callable[[str], SuiteRules | None]


@dataclass(frozen=True)
class Accepted:
    """A submission that is shown.

    Attributes:
      path: of its file.
      certificate: what came of playing some of it again; None if nobody did.
      is_known: whether its suite is known here, so that ranges were checked.
    """

    path: Path
    submission: Submission
    certificate: Certificate | None
    is_known: bool

    @property
    def trust(self) -> str:
        """How far it is to be trusted, for a reader."""
        told = CHECKSUMMED if self.certificate is None else self.certificate.told()
        return told if self.is_known else f"{told}; its suite is not known here, so ranges were not checked"

    @property
    def origin(self) -> str:
        """What its rows say of where they are from."""
        return f"the submission {self.submission.name} ({self.trust})"


@dataclass(frozen=True)
class Refused:
    """A submission that is not shown."""

    path: Path
    reason: str


@dataclass
class Submissions:
    """All submissions that were found, in order."""

    accepted: list[Accepted] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)


def judge(paths: Iterable[Path], rules_of: RulesOf, measured: pd.DataFrame | None = None) -> Submissions:
    """Reads submissions and decides about each.

    Args:
      paths: of the files; of two that hold the same rows the first is shown.
      rules_of: what is known of a suite.
      measured: rows that were measured here, with the columns `FINGERPRINT`; a submission that repeats them is refused.
    """
    found = Submissions()
    seen = dict.fromkeys(_fingerprints(measured), "the rows that were measured here")
    for path in paths:
        try:
            accepted = _judged(path, rules_of)
            _check_new(accepted.submission.rows, seen)
        except ValueError as error:
            found.refused.append(Refused(path, str(error).removesuffix(".")))
            continue
        seen |= dict.fromkeys(_of_rows(accepted.submission.rows), path.name)
        found.accepted.append(accepted)
    return found


def rows_of(accepted: Sequence[Accepted]) -> pd.DataFrame:
    """The rows of submissions, each with where it is from in `ORIGIN`; texts are categories, as of `load_columns`."""
    import pandas as pd

    lines = [
        {**{name: getattr(row, name) for name in COLUMNS}, ORIGIN: each.origin}
        for each in accepted
        for row in each.submission.rows
    ]
    frame = pd.DataFrame(lines, columns=list(COLUMNS))
    return frame.astype({"train_seed": "Int64", "success": "boolean"})


def _judged(path: Path, rules_of: RulesOf) -> Accepted:
    submission = load_submission(path)
    rules = rules_of(submission.record.suite.name)
    problems = list(impossible(submission.rows, rules))
    if problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise SubmissionError(f"it has impossible values: {problems[0]}{more}")
    certificate = load_certificate(path, submission.digest)
    if certificate is not None and certificate.contradicts:
        raise SubmissionError(certificate.told())
    return Accepted(path, submission, certificate, rules is not None)


def _check_new(rows: Sequence[Row], seen: dict[Any, str]) -> None:
    """Refuses episodes that somebody has shown before.

    Raises:
      SubmissionError: in a clause that says whose they are.
    """
    found = [[seen[name] for name in _sought(_facts(row)) if name in seen] for row in rows]
    known = [whose[0] for whose in found if whose]
    if known:
        raise SubmissionError(f"{len(known)} of its {len(rows)} episodes repeat {known[0]}")


def _of_rows(rows: Iterable[Row]) -> Iterator[int]:
    for row in rows:
        yield from _left(_facts(row))


def _fingerprints(measured: pd.DataFrame | None) -> Iterator[int]:
    if measured is None:
        return
    columns = [measured[name].tolist() for name in FINGERPRINT]
    for values in zip(*columns, strict=True):
        yield from _left(values)


def _facts(row: Row) -> tuple[Any, ...]:
    return tuple(getattr(row, name) for name in FINGERPRINT)


def _left(facts: tuple[Any, ...]) -> Iterator[int]:
    """What is kept of an episode that was shown, to know it again."""
    *others, trajectory = facts
    yield hash(("whole", *others))
    yield hash(("told", *others[: len(_EPISODE)], trajectory) if trajectory else ("untold", *others))


def _sought(facts: tuple[Any, ...]) -> Iterator[int]:
    """What of `_left` would be there had the episode been shown."""
    *others, trajectory = facts
    if trajectory:
        yield hash(("told", *others[: len(_EPISODE)], trajectory))
    yield hash(("untold" if trajectory else "whole", *others))
