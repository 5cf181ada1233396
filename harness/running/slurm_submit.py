"""Submitting an array of jobs to Slurm, through submitit."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from harness.errors import WorkError
from harness.running.slurm_options import SlurmOptions
from harness.running.slurm_task import run_task
from harness.running.workers import Job


def submit_array(
    options: SlurmOptions,
    folder: Path,
    name: str,
    works: Sequence[tuple[Job, Path]],
    cpus: int,
    *,
    requeue: bool = False,
    after: Collection[str] = (),
) -> list[str]:
    """Submits jobs as one array.

    Args:
      options: what is asked for.
      folder: of scripts and logs.
      name: what squeue calls the array.
      works: the jobs, and the files in which they say how they ended.
      cpus: of a job, unless the options say.
      requeue: whether a job whose time is up puts itself into the queue again.
      after: ids of arrays that are to end before.
    Returns:
      Slurm's ids of the jobs.
    Raises:
      WorkError: if Slurm does not take them.
    """
    import submitit

    executor = submitit.AutoExecutor(folder, cluster="slurm")
    limit = options.limit_min
    parameters: dict[str, Any] = {"slurm_array_parallelism": 10_000, "slurm_cpus_per_task": cpus, **options.parameters}
    if requeue:
        parameters["slurm_additional_parameters"] = {"requeue": True}
    if after:
        parameters["slurm_dependency"] = ":".join(["afterany", *after])
    executor.update_parameters(
        name=name, slurm_time=limit, slurm_signal_delay_s=max(15, min(120, 15 * limit)), **parameters
    )
    try:
        with executor.batch():
            jobs = [executor.submit(run_task, job, outcome, requeue) for job, outcome in works]
    except Exception as error:  # whatever submitit makes of a refusal of sbatch
        raise WorkError(f"Slurm did not take the jobs: {' '.join(str(error).split())}") from error
    return [str(job.job_id) for job in jobs]
