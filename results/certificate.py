"""What came of playing some of a submission's episodes again: kept beside the submission by whoever played them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from harness.results.comparison_key import COMPARISON_KEY
from harness.results.plain_file import read_plain
from harness.results.rows import Row

SUFFIX = ".verified.json"
MAX_BYTES = 2**24
CHECKSUMMED = "checksummed only"
_MEASURED = ("episode_return", "success", "num_steps", "num_frames", "first_pixels", "trajectory")


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


class Replayed(_Part):
    """One episode, as submitted and as played again."""

    task: str
    setting: str
    train_seed: int | None
    episode: int
    submitted: float  # the return
    here: float
    is_same: bool  # to the last pixel, action and reward


class Certificate(_Part):
    """What `harness verify` found.

    Attributes:
      submission: SHA-256 of the file, hex.
      sample_seed: which episodes were drawn.
      num_episodes: in the submission.
      replayed: what was played again.
      other_conditions: fields of the comparison key in which the two measurements differ.
      code_revision: of the code that played.
    """

    submission: str = Field(pattern=r"^[0-9a-f]{64}$")
    sample_seed: int
    num_episodes: int = Field(ge=1)
    replayed: list[Replayed] = Field(min_length=1)
    other_conditions: list[str]
    code_revision: str

    @property
    def num_same(self) -> int:
        return sum(each.is_same for each in self.replayed)

    @property
    def contradicts(self) -> bool:
        """Whether an episode came out otherwise although nothing that can move it was other."""
        return self.num_same < len(self.replayed) and not self.other_conditions

    def told(self) -> str:
        """What it says of how far a submission may be trusted."""
        counts = f"{self.num_same} of {len(self.replayed)} episodes the same"
        if self.num_same == len(self.replayed):
            return f"re-evaluated here: {counts}"
        there, here = (sum(values) / len(values) for values in zip(*self._returns(), strict=True))
        means = f"mean return of these {there:.4g} as submitted, {here:.4g} here"
        if self.contradicts:
            return f"contradicted: re-evaluated here, {counts}; {means}"
        return f"re-evaluated under other conditions ({', '.join(self.other_conditions)}): {counts}; {means}"

    def _returns(self) -> list[tuple[float, float]]:
        return [(each.submitted, each.here) for each in self.replayed]


def compare(
    digest: str, sample_seed: int, num_episodes: int, pairs: Sequence[tuple[Row, Row]], code_revision: str
) -> Certificate:
    """The certificate of some episodes.

    Args:
      digest: of the submission.
      sample_seed: that drew them.
      num_episodes: of the submission.
      pairs: each as submitted and as played again.
      code_revision: of the code that played.
    """
    ignored = ("notes", "preset", "training", "assets_json", "stand_ins")  # of how it was trained, or told of a file
    other = [
        name
        for name in COMPARISON_KEY
        if name not in ignored and any(getattr(one, name) != getattr(two, name) for one, two in pairs)
    ]
    return Certificate(
        submission=digest,
        sample_seed=sample_seed,
        num_episodes=num_episodes,
        replayed=[_replayed(one, two) for one, two in pairs],
        other_conditions=other,
        code_revision=code_revision,
    )


def _replayed(one: Row, two: Row) -> Replayed:
    return Replayed(
        task=one.task,
        setting=one.setting,
        train_seed=one.train_seed,
        episode=one.episode,
        submitted=one.episode_return,
        here=two.episode_return,
        is_same=all(getattr(one, name) == getattr(two, name) for name in _MEASURED),
    )


def certificate_path(submission: Path) -> Path:
    """Where the certificate of a submission's file is kept."""
    return submission.with_name(submission.name + SUFFIX)


def load_certificate(submission: Path, digest: str) -> Certificate | None:
    """The certificate beside a submission; None if there is none, or it is of another file.

    Raises:
      ValueError: if it is damaged, in one sentence.
    """
    path = certificate_path(submission)
    try:
        found = Certificate.model_validate_json(read_plain(path, MAX_BYTES))
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        raise ValueError(f"{path} is no certificate of harness verify.") from error
    return found if found.submission == digest else None
