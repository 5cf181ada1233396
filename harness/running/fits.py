"""Whether an agent fits: its networks into this machine's memory, and a policy's files to its networks."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from harness.agent import Sizes
from harness.errors import CheckpointError, UsageError
from harness.reading import first_problem
from harness.running.policies import PROVENANCE_FILE
from harness.running.tensors import misfit, shapes_in

if TYPE_CHECKING:
    from harness.agent import AgentSpec, Config
    from harness.running.policies import PolicySource
    from harness.spec import Protocol

CGROUP_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
MAX_DIGITS = 60  # of a number that is written out


def machine_bytes() -> int:
    """Memory that this process may use at most: the machine's, or what its container is given."""
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for path in CGROUP_LIMITS:
        try:
            limits.append(int(Path(path).read_text()))
        except (OSError, ValueError):  # no such limit
            continue
    return min(limits)


def check_memory(agent: AgentSpec, config: Config, protocol: Protocol, task: str) -> None:
    """Refuses settings with which a training cannot be held in memory, as far as the agent can tell.

    Raises:
      UsageError: with the number of bytes it would take at least.
    """
    if agent.training_bytes is None:
        return
    size, stack = protocol.image_size, protocol.frame_stack
    needed = agent.training_bytes(config, Sizes(pixels=(3 * stack, size, size), actions=1, frame_stack=stack))
    have = machine_bytes()
    if needed > have:
        raise UsageError(
            f"Training {agent.name} on {task} would take at least {_written(needed)} bytes of memory with these "
            f"settings, and this machine has {have:,}: set smaller sizes."
        )


def _written(number: int) -> str:
    return f"{number:,}" if number < 10**MAX_DIGITS else f"10^{MAX_DIGITS}"


def check_policy(agent: AgentSpec, source: PolicySource) -> None:
    """Compares a policy's settings and the tensors in its files with what its agent would make of them.

    Raises:
      CheckpointError: if they do not fit.
    """
    record = source.record
    try:
        config = agent.configure(record.config)
    except ValidationError as error:
        path = source.folder / PROVENANCE_FILE
        raise CheckpointError(f"{path} is damaged: {first_problem(error, 'config')}.") from error
    if agent.tensors is None or record.pixels is None or record.actions is None:
        return
    sizes = Sizes(record.pixels, record.actions, record.conditions.frame_stack)
    found = {name: shape for file in shapes_in(source.folder).values() for name, shape in file.items()}
    wanted = agent.tensors(config, sizes)
    if wanted is not None and (problem := misfit(found, wanted)):
        raise CheckpointError(f"The policy in {source.folder} does not fit {agent.name} as it was set: {problem}.")
