"""Workers that die or hang are replaced, errors arrive as themselves, and messages come before errors."""

from __future__ import annotations

import ctypes
import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.errors import AgentError, WorkError
from harness.running.messages import Beats, Place
from harness.running.patience import Patience
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
        ctypes.CDLL(None)._exit(7)
    return "survived"


def die(_: Any, report: Callable[[Any], None]) -> None:
    ctypes.CDLL(None)._exit(7)  # from C, so that nobody can keep it from that


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
    with WorkerPool(1, Patience(unknown_sec=2.0)) as pool:
        events = run(pool, Job(f"{HERE}:hang_once", str(tmp_path / "hung")))
    assert [event.kind for event in events] == ["restarted", "done"]
    assert re.search(r"said nothing for [23] s", events[0].payload)


def hang_after_steps(marker: str, report: Callable[[Any], None]) -> str:
    beats = Beats(report)
    for step in range(20):
        time.sleep(0.05)
        beats(("steps", step))
    return hang_once(marker, report)


def test_a_worker_is_waited_for_as_its_steps_suggest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.running.patience.LOOK_SEC", 0.5)
    started = time.monotonic()
    with WorkerPool(1, Patience(unknown_sec=600.0, least_sec=1.0, times=2.0)) as pool:
        events = run(pool, Job(f"{HERE}:hang_after_steps", str(tmp_path / "hung")))
    kinds = [event.kind for event in events]
    assert kinds.count("restarted") == 1
    assert kinds[-1] == "done"
    assert {event.payload[0] for event in events if event.kind == "message"} == {"steps"}  # what beats carry
    assert time.monotonic() - started < 60


def leave(how: str, report: Callable[[Any], None]) -> None:
    report(Place("episode 4"))
    exec(how)


LEAVING = {
    "import os; os._exit(0)": r"^EndedProcess: it called os\._exit\(0\)$",
    "import os; os.abort()": r"^EndedProcess: it called os\.abort\(\)$",
    "raise SystemExit(0)": r"^SystemExit: it called sys\.exit\(0\)$",
    "raise KeyboardInterrupt": r"^KeyboardInterrupt$",
    "raise GeneratorExit('x')": r"^GeneratorExit: x$",
    "open('/no/such/file')": r"^Cannot use '/no/such/file': No such file or directory\.$",
    "import os; os.closerange(3, 1000)": r"^The worker of leaving, episode 4, lost its line .* closed descriptors",
    "import os; os.closerange(3, 1000); os.open('/dev/null', 2); report(1)": r"^The worker of leaving.* lost its",
    "import os; os.kill(os.getpid(), 9)": r"^Given up .* of leaving, episode 4, was killed by SIGKILL; the agent",
    "import ctypes; ctypes.CDLL(None)._exit(0)": r"^Given up after 3 tries: .* died \(exit code 0\); the agent or ",
    "import ctypes; ctypes.string_at(0)": r"^Given up after 3 tries: .* was killed by SIGSEGV; the agent or the suite",
}


@pytest.mark.parametrize("how", LEAVING)
def test_however_a_job_ends_its_process_there_is_a_sentence(how: str, capfd: pytest.CaptureFixture[str]) -> None:
    with WorkerPool(1) as pool, pytest.raises(WorkError) as caught:
        run(pool, Job(f"{HERE}:leave", how, group="leaving"))
    assert re.search(LEAVING[how], str(caught.value))
    assert capfd.readouterr().err == ""


def test_a_job_may_start_processes_that_end_as_they_like(capfd: pytest.CaptureFixture[str]) -> None:
    how = "import multiprocessing as m; p = m.get_context('fork').Process(target=print); p.start(); p.join()"
    how += "; assert p.exitcode == 0"
    with WorkerPool(1) as pool:
        assert [event.kind for event in run(pool, Job(f"{HERE}:leave", how))] == ["done"]
