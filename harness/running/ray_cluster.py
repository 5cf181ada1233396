"""A Ray cluster as this command uses it: joined, and its nodes looked at, before any work."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.errors import UsageError, WorkError
from harness.running.node_needs import NodeNeeds, lacking, needs_of
from harness.running.plan import RunPlan
from harness.running.ray_options import RayOptions

LOOK_SEC = 120.0  # for a node to load this package and to look at its files
HANDED_ON = ("MUJOCO_GL", "PYOPENGL_PLATFORM", "OMP_NUM_THREADS")  # variables that workers need as they are here


@dataclass(frozen=True)
class RayCluster:
    """A cluster whose nodes have been looked at.

    Attributes:
      options: what every job is given.
      needs: what every node has been found to have.
    """

    options: RayOptions
    needs: NodeNeeds


def inspect(options: RayOptions, plans: Sequence[RunPlan], threads: int) -> RayCluster:
    """Looks at a cluster's nodes, and leaves it again: there may be nothing to do.

    Args:
      options: checked by `check_ray`.
      plans: what is to be done there.
      threads: CPU threads of a training.
    Raises:
      UsageError: in one sentence: no Ray there, another version, no node that is large enough.
      WorkError: if a node lacks something, by the node's name.
    """
    if options.gpus == 0 and any(plan.device.startswith("cuda") for plan in plans):
        raise UsageError("--device cuda with --launcher ray needs a share of a card: --ray gpus=1, or gpus=0.5.")
    with joined(options.address) as ray, _marker(plans[0].folder.parent) as marker:
        nodes = _large_enough(ray.nodes(), options, options.cpus or threads)
        needs = needs_of(plans, Path(marker.name))
        _look_at(ray, nodes, needs)
    return RayCluster(options, replace(needs, paths=()))


@contextlib.contextmanager
def joined(address: str) -> Iterator[Any]:
    """Ray, for as long as this command is a part of the cluster; what Ray prints goes to standard error.

    Raises:
      UsageError: in one sentence, if there is none or one of another version.
    """
    import ray

    with contextlib.redirect_stdout(sys.stderr):  # where tables go, nothing else may
        _connect(ray, address)
        try:
            yield ray
        finally:
            ray.shutdown()


def _connect(ray: Any, address: str) -> None:
    variables = {name: os.environ[name] for name in HANDED_ON if name in os.environ}
    try:
        ray.init(
            address=address, log_to_driver=False, logging_level=logging.CRITICAL, runtime_env={"env_vars": variables}
        )
    except RuntimeError as error:
        text = " ".join(str(error).split())
        if "ersion mismatch" not in text:
            raise UsageError(f"Ray at {address} cannot be joined: {text.rstrip('.')}.") from error
        raise UsageError(f"Ray at {address} is of another version. {text.partition(': ')[2]}.") from error
    except (ConnectionError, ValueError, TimeoutError, OSError) as error:
        text = " ".join(str(error).split()).partition(". ")[0]
        raise UsageError(f"There is no Ray to join at {address}: {text.rstrip('.')}.") from error


def _large_enough(nodes: Sequence[Any], options: RayOptions, cpus: int) -> list[Any]:
    alive = [node for node in nodes if node["Alive"]]
    fitting = [n for n in alive if _has(n, "CPU") >= cpus and _has(n, "GPU") >= options.gpus]
    if fitting:
        return fitting
    there = "; ".join(f"{_name(node)}: {_has(node, 'CPU'):g} and {_has(node, 'GPU'):g}" for node in alive)
    raise UsageError(f"No node of Ray has {cpus} CPUs and {options.gpus:g} GPUs for a job (there is {there}).")


def _has(node: Any, resource: str) -> float:
    return float(node["Resources"].get(resource, 0))


def _name(node: Any) -> str:
    return f"{node['NodeManagerHostname']} ({node['NodeManagerAddress']}:{node['NodeManagerPort']})"


def _marker(runs: Path) -> Any:
    """A file in the folder of runs, or in the nearest one above it that exists."""
    place = next(path for path in (runs.absolute(), *runs.absolute().parents) if path.is_dir())
    try:
        return tempfile.NamedTemporaryFile(dir=place, prefix=".harness-shared-")
    except OSError as error:
        raise UsageError(f"Nothing can be written in {place}: {error.strerror}.") from error


def _look_at(ray: Any, nodes: Sequence[Any], needs: NodeNeeds) -> None:
    """Asks every node what it lacks; raises WorkError with the name of the first that lacks anything."""
    for function, arguments in ((_importer(), ()), (lacking, (needs,))):
        for node, problem in zip(nodes, _asked(ray, nodes, function, arguments), strict=True):
            if problem:
                raise WorkError(f"Node {_name(node)} of Ray {problem}.")


def _asked(ray: Any, nodes: Sequence[Any], function: Callable[..., str], arguments: Sequence[Any]) -> list[str]:
    """What a function says on every node; all at the same time."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    remote = ray.remote(num_cpus=0, max_retries=0)(function)
    there = [NodeAffinitySchedulingStrategy(node["NodeID"], soft=False) for node in nodes]
    found = [remote.options(scheduling_strategy=place).remote(*arguments) for place in there]
    ray.wait(found, num_returns=len(found), timeout=LOOK_SEC)
    return [_answer(ray, reference) for reference in found]


def _answer(ray: Any, reference: Any) -> str:
    try:
        return str(ray.get(reference, timeout=0))
    except ray.exceptions.RayTaskError as error:
        return f"cannot do what it is asked: {str(error).strip().splitlines()[-1]}"
    except ray.exceptions.RayError as error:
        return f"does not answer ({type(error).__name__})"


def _importer() -> Callable[[], str]:
    """What imports this package on a node; a closure, since those are sent by value: it may not be there."""

    def look() -> str:
        try:
            import harness.running.node_needs  # noqa: F401
        except ImportError as error:
            return f"cannot import the harness ({error}): install it there, for the Python that runs Ray"
        return ""

    return look
