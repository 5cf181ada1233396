"""A request to stop soon, as a cluster's time limit makes: heeded where nothing is lost, between two episodes."""

from __future__ import annotations

from harness.errors import HarnessError

_ASKED: list[bool] = []


class StoppedError(HarnessError):
    """The work stopped because it was asked to; what is left can go on from where it is."""


def ask(*_: object) -> None:
    """Asks this process to stop; fit for a signal handler."""
    _ASKED.append(True)


def is_asked() -> bool:
    """Whether it was asked to."""
    return bool(_ASKED)


def check() -> None:
    """Stops here if that was asked for.

    Raises:
      StoppedError: if so.
    """
    if _ASKED:
        raise StoppedError("stopped before its time was up")
