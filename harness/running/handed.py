"""What was handed over from Python, a policy and a suite that need no name, on its way to a worker.

Both travel by value, between processes of one call only; nothing of it is ever written to a file.
"""

from __future__ import annotations

import uuid
from typing import Any

from harness.errors import UsageError, WorkError
from harness.policy import as_policy
from harness.spec import Suite

_OPENED: dict[str, tuple[Suite, Any]] = {}  # in a worker: what it was sent last, by token


class Handed:
    """A suite and a policy.

    Args:
      suite: what is measured, with all its settings.
      policy: an object with `act`, or a function.
    Raises:
      UsageError: if it cannot act.
    """

    def __init__(self, suite: Suite, policy: Any) -> None:
        self._token = uuid.uuid4().hex
        self._opened: tuple[Suite, Any] | None = (suite, as_policy(policy))
        self._sent = b""

    @property
    def suite(self) -> Suite:
        """The suite; raises WorkError where a worker cannot make it again."""
        return self._open()[0]

    @property
    def policy(self) -> Any:
        """The policy, one object for all episodes of this process; raises as `suite`."""
        return self._open()[1]

    def check_portable(self) -> None:
        """Checks that it can be sent to other processes.

        Raises:
          UsageError: if not.
        """
        import cloudpickle

        try:
            self._sent = cloudpickle.dumps(self._opened)
        except Exception as error:  # whatever objects raise that hold a socket, a lock, a context of GL
            raise UsageError(
                f"workers= sends the policy to other processes, and this one cannot be sent ({type(error).__name__}: "
                f"{error}): leave workers out, or hand over one that makes what it needs at its first action."
            ) from error

    def __getstate__(self) -> dict[str, Any]:
        if not self._sent:
            self.check_portable()
        return {"_token": self._token, "_sent": self._sent, "_opened": None}

    def _open(self) -> tuple[Suite, Any]:
        if self._opened is None:
            self._opened = _OPENED.get(self._token) or self._unpack()
        return self._opened

    def _unpack(self) -> tuple[Suite, Any]:
        import cloudpickle

        _OPENED.clear()
        try:
            opened: tuple[Suite, Any] = cloudpickle.loads(self._sent)
        except Exception as error:  # a module that is not found there, a device that is not free
            raise WorkError(
                f"The policy cannot be made again in a worker ({type(error).__name__}: {error}): leave workers out."
            ) from error
        _OPENED[self._token] = opened
        return opened
