"""Workers that die or hang are replaced, errors arrive as themselves, and messages come before errors."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.errors import AgentError, WorkError
from harness.running.workers import Event, Job, WorkerPool

HERE = "tests.harness.running.test_workers"


def double(number: int, report: Callable[[Any], None]) -> int:
    report(("thinking about", number))
    return 2 * number


def process_id(_: Any, report: Callable[[Any], None]) -> int:
    time.sleep(0.05)
    return os.getpid()


def fail(kind: str, report: Callable[[Any], None]) -> None:
    report("before")
    if kind == "agent":
        raise AgentError("The agent misbehaved.")
    raise KeyError("nobody expected this")


def die_until(marker: str, report: Callable[[Any], None]) -> str:
    path = Path(marker)
    lives = int(path.read_text()) if path.exists() else 0
    path.write_text(str(lives + 1))
    if lives < 1:
        os._exit(7)
    return "survived"


def die(_: Any, report: Callable[[Any], None]) -> None:
    os._exit(7)


def hang_once(marker: str, report: Callable[[Any], None]) -> str:
    if not Path(marker).exists():
        Path(marker).touch()
        time.sleep(60)
    return "came back"


def run(pool: WorkerPool, *jobs: Job) -> list[Event]:
    for job in jobs:
        pool.submit(job)
    return list(pool.events())


def results(events: list[Event]) -> list[Any]:
    return sorted(event.payload for event in events if event.kind == "done")


def test_jobs_report_and_return() -> None:
    with WorkerPool(2) as pool:
        events = run(pool, *(Job(f"{HERE}:double", n) for n in range(5)))
    assert results(events) == [0, 2, 4, 6, 8]
    assert sorted(e.payload[1] for e in events if e.kind == "message") == [0, 1, 2, 3, 4]


def test_a_group_stays_with_its_worker() -> None:
    with WorkerPool(2) as pool:
        events = run(pool, *(Job(f"{HERE}:process_id", None, group=g) for g in "aabbaabb"))
    by_group: dict[str, set[int]] = {"a": set(), "b": set()}
    for event in events:
        by_group[event.job.group].add(event.payload)
    assert len(by_group["a"] | by_group["b"]) <= 2


@pytest.mark.parametrize(
    ("kind", "error", "words"), [("agent", AgentError, "misbehaved"), ("x", WorkError, "KeyError")]
)
def test_errors_keep_their_type_and_come_after_messages(kind: str, error: type[Exception], words: str) -> None:
    seen: list[Event] = []
    with WorkerPool(1) as pool, pytest.raises(error, match=words) as caught:  # noqa: PT012 (the loop is the point)
        pool.submit(Job(f"{HERE}:fail", kind))
        for event in pool.events():
            seen.append(event)
    assert [event.payload for event in seen] == ["before"]
    assert "in fail" in caught.value.worker_traceback  # type: ignore[attr-defined]


def test_a_dead_worker_is_replaced_and_its_job_run_again(tmp_path: Path) -> None:
    with WorkerPool(1) as pool:
        events = run(pool, Job(f"{HERE}:die_until", str(tmp_path / "lives")), Job(f"{HERE}:double", 4))
    assert [event.kind for event in events].count("restarted") == 1
    assert {event.payload for event in events if event.kind == "done"} == {"survived", 8}


def test_a_job_that_always_kills_its_worker_is_given_up() -> None:
    with WorkerPool(1) as pool, pytest.raises(WorkError, match=r"Given up after 3 tries.*exit code 7"):
        run(pool, Job(f"{HERE}:die", None))


def test_a_worker_that_died_while_idle_is_replaced() -> None:
    with WorkerPool(1) as pool:
        assert results(run(pool, Job(f"{HERE}:double", 1))) == [2]
        for worker in pool._workers:
            worker.process.kill()
            worker.process.join()
        assert results(run(pool, Job(f"{HERE}:double", 2))) == [4]


def test_a_stuck_worker_is_replaced(tmp_path: Path) -> None:
    with WorkerPool(1, watchdog_sec=2.0) as pool:
        events = run(pool, Job(f"{HERE}:hang_once", str(tmp_path / "hung")))
    assert [event.kind for event in events] == ["restarted", "done"]
    assert "said nothing for 2 s" in events[0].payload
