"""What Ray is asked for, `--ray cpus=2,gpus=0.5 --ray-address HOST:PORT`, checked before Ray is loaded."""

from __future__ import annotations

import importlib.util
import os
import re
import socket
from dataclasses import dataclass

from harness.errors import UsageError
from harness.running.pairs import parse_pairs

NAMES = ("cpus", "gpus")
ANSWER_SEC = 2.0  # to open a line to the cluster's address


@dataclass(frozen=True)
class RayOptions:
    """Checked options.

    Attributes:
      address: host:port of the cluster's head, or "auto" for the cluster that this machine belongs to.
      cpus: of every job; None: as many as it has threads.
      gpus: of every job, such as 0.5 for two at a time on one card.
    """

    address: str = "auto"
    cpus: int | None = None
    gpus: float = 0.0


def parse_ray(text: str | None, address: str | None) -> RayOptions:
    """Reads `key=value,...` and the address.

    Raises:
      UsageError: in one sentence.
    """
    values = parse_pairs("--ray", text, NAMES)
    cpus = _cpus(values["cpus"]) if "cpus" in values else None
    gpus = _gpus(values["gpus"]) if "gpus" in values else 0.0
    return RayOptions(_address(address or os.environ.get("RAY_ADDRESS") or "auto"), cpus, gpus)


def check_ray(options: RayOptions) -> None:
    """Asks whether Ray is installed, and whether anything listens at the address.

    Raises:
      UsageError: in one sentence.
    """
    found = importlib.util.find_spec("ray")
    if found is None or found.origin is None:  # the latter: a folder that happens to be called so
        raise UsageError("--launcher ray needs Ray: pip install 'visual-rl-harness[ray]'.")
    if options.address == "auto":
        return
    host, _, port = options.address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=ANSWER_SEC).close()
    except OSError as error:
        raise UsageError(f"There is no Ray at {options.address}: {error.strerror or error}.") from error


def _address(text: str) -> str:
    if text.startswith("ray://"):
        raise UsageError(f"--ray-address takes host:port of the cluster's head, and no Ray client's address: '{text}'.")
    match = re.fullmatch(r"[^\s:/]+:([0-9]{1,5})", text)
    if text != "auto" and (match is None or not 0 < int(match[1]) < 65_536):
        raise UsageError(f"--ray-address takes host:port or 'auto', not '{text}'.")
    return text


def _cpus(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,4}", text) or int(text) < 1:
        raise UsageError(f"--ray cpus takes a whole number from 1 on, not '{text}'.")
    return int(text)


def _gpus(text: str) -> float:
    number = float(text) if re.fullmatch(r"[0-9]{1,4}(\.[0-9]{1,4})?", text) else -1.0
    if number < 0 or (number > 1 and number % 1):
        raise UsageError(f"--ray gpus takes a share of a card such as 0.25, or whole cards, not '{text}'.")
    return number
