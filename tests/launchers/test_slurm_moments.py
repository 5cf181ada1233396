"""What a command makes of its Slurm jobs at awkward moments, with programs that only look like Slurm's."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness.errors import WorkError
from harness.files import write_json
from harness.results.store import RowStore
from harness.running import slurm, slurm_earlier, slurm_queue, slurm_work
from harness.running.evaluation import EvaluateJob
from harness.running.slurm import Detached, SlurmLauncher
from harness.running.slurm_options import parse_slurm
from harness.running.slurm_queue import NoAnswerError, compressed
from harness.running.status import statuses
from harness.running.workers import Event, Job
from tests.launchers.fake_slurm import FakeSlurm
from tests.results.test_store import ROW

pytest.importorskip("submitit")


class Clock:
    """Time that passes in sleeps alone; what was planned for a moment happens then."""

    def __init__(self) -> None:
        self.now = 0.0
        self._planned: list[tuple[float, Callable[[], Any]]] = []

    def at(self, second: float, do: Callable[[], Any]) -> None:
        self._planned.append((second, do))

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        assert self.now < 5_000, "waits for ever"
        due = [plan for plan in self._planned if plan[0] <= self.now]
        self._planned = [plan for plan in self._planned if plan not in due]
        for _, do in due:
            do()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    for module in (slurm, slurm_earlier, slurm_queue, slurm_work):
        monkeypatch.setattr(module, "time", clock)
    return clock


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeSlurm:
    return FakeSlurm(tmp_path / "bin", monkeypatch)


def launcher(folder: Path, options: str = "time=5", **more: Any) -> SlurmLauncher:
    return SlurmLauncher(parse_slurm(options), folder / "slurm", **{"goes_on": True, **more})


def cell(folder: Path, setting: str = "easy", episodes: int = 2) -> Job:
    """An evaluation; of episodes that are stored already nobody speaks."""
    world: Any = SimpleNamespace(plan=SimpleNamespace(task=ROW.task), seed=ROW.train_seed)
    rows = folder / "run" / "rows"
    missing = tuple(sorted(set(range(episodes)) - RowStore(rows).episodes(ROW.task, setting, ROW.train_seed)))
    columns = {"train_seed": ROW.train_seed}
    job = EvaluateJob(world, setting, 0, missing, None, columns, rows)
    return Job("nothing:nothing", job, group=f"evaluation of {setting}")


def play(folder: Path, *episodes: int, setting: str = "easy") -> None:
    for episode in episodes:
        RowStore(folder / "run" / "rows").append(dataclasses.replace(ROW, setting=setting, episode=episode))


def outcome(command: SlurmLauncher, job: Job, status: str = "done") -> None:
    """Leaves what the job says at its end."""
    (place,) = (place for task, place in command._running.items() if task.job is job)
    write_json(command._records.outcome(place), {"status": status})


def work(command: SlurmLauncher, *jobs: Job) -> list[Event]:
    """Everything that a command hears of its jobs."""
    with command:
        for job in jobs:
            command.submit(job)
        return list(command.events())


def leave(folder: Path, *jobs: Job) -> None:
    """A command that leaves its jobs with Slurm."""
    with pytest.raises(Detached):
        work(launcher(folder, detach=True), *jobs)


def kinds(events: list[Event]) -> list[str]:
    return [event.kind for event in events]


def test_work_that_has_come_further_is_found_under_way(tmp_path: Path, fake: FakeSlurm, clock: Clock) -> None:
    leave(tmp_path, cell(tmp_path))
    play(tmp_path, 0)
    with launcher(tmp_path) as command:
        command.submit(job := cell(tmp_path))
        assert job.arguments.episodes == (1,)
        clock.at(5, lambda: play(tmp_path, 1))
        clock.at(5, lambda: outcome(command, job))
        assert kinds(list(command.events())) == ["done"]
    assert len(fake.calls("sbatch")) == 1
    assert not list((tmp_path / "slurm").glob("*.json"))


def test_a_job_of_fewer_episodes_is_waited_for_and_another_does_the_rest(
    tmp_path: Path, fake: FakeSlurm, clock: Clock
) -> None:
    leave(tmp_path, cell(tmp_path, episodes=1))
    with launcher(tmp_path) as command:
        command.submit(job := cell(tmp_path, episodes=2))
        clock.at(5, lambda: play(tmp_path, 0))
        clock.at(5, lambda: outcome(command, job))
        clock.at(40, lambda: play(tmp_path, 1))
        clock.at(40, lambda: outcome(command, job))
        events = list(command.events())
    assert kinds(events) == ["restarted", "done"]
    assert events[0].payload == "(Slurm job 1) was not of all that is asked for now"
    assert len(fake.calls("sbatch")) == 2


def test_an_interrupt_cancels_every_job_of_every_array(
    tmp_path: Path, fake: FakeSlurm, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slurm, "ARRAY", 2)
    clock.at(1, interrupt)
    with pytest.raises(KeyboardInterrupt):
        work(launcher(tmp_path), *(cell(tmp_path, f"easy{number}") for number in range(5)))
    assert len(fake.calls("sbatch")) == 3
    assert fake.queue() == []
    assert not list((tmp_path / "slurm").glob("*.json"))


def interrupt() -> None:
    raise KeyboardInterrupt


def test_a_refused_array_takes_those_before_with_it(
    tmp_path: Path, fake: FakeSlurm, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slurm, "ARRAY", 2)
    fake.set("refuse", "2")
    with pytest.raises(WorkError, match="QOSMaxSubmit"):
        work(launcher(tmp_path), *(cell(tmp_path, f"easy{number}") for number in range(4)))
    assert fake.queue() == []
    assert not list((tmp_path / "slurm").glob("*.json"))


def test_a_kill_right_after_sbatch_loses_no_job(
    tmp_path: Path, fake: FakeSlurm, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def kill(*_: object) -> None:
        raise SystemExit  # nothing of the command runs after it, as its exit is not called

    submit_array = slurm.submit_array
    monkeypatch.setattr(slurm, "submit_array", lambda *args, **more: kill(submit_array(*args, **more)))
    command = launcher(tmp_path).__enter__()
    command.submit(cell(tmp_path))
    with pytest.raises(SystemExit):
        list(command.events())
    monkeypatch.setattr(slurm, "submit_array", submit_array)
    assert fake.queue() == ["1"]
    leave(tmp_path, cell(tmp_path))
    assert (len(fake.calls("sbatch")), fake.queue()) == (1, ["1"])


def test_while_slurm_says_nothing_jobs_are_left_and_stay_on_record(
    tmp_path: Path, fake: FakeSlurm, clock: Clock
) -> None:
    clock.at(1, lambda: fake.set("down", "squeue scancel"))
    with pytest.raises(NoAnswerError, match="left as they are"):
        work(launcher(tmp_path), cell(tmp_path))
    assert clock.now > slurm_queue.OUTAGE_SEC
    fake.unset("down")
    leave(tmp_path, cell(tmp_path))
    assert (len(fake.calls("sbatch")), fake.queue()) == (1, ["1"])


def test_what_could_not_be_cancelled_is_cancelled_by_the_next_command(
    tmp_path: Path, fake: FakeSlurm, clock: Clock
) -> None:
    clock.at(1, lambda: fake.set("down", "squeue scancel"))
    clock.at(9, interrupt)
    with pytest.raises(KeyboardInterrupt):
        work(launcher(tmp_path), cell(tmp_path))
    assert fake.queue() == ["1"]
    fake.unset("down")
    leave(tmp_path, cell(tmp_path))
    assert fake.queue() == ["2"]


def test_a_job_that_is_being_cancelled_is_waited_for_and_its_last_word_is_not_taken(
    tmp_path: Path, fake: FakeSlurm, clock: Clock
) -> None:
    fake.set("kept")  # it finishes its episode first
    clock.at(1, interrupt)
    with pytest.raises(KeyboardInterrupt):
        work(launcher(tmp_path), cell(tmp_path))
    (record,) = (tmp_path / "slurm").glob("harness-*.json")
    last_word = tmp_path / "slurm" / f"{slurm_work.work_key(cell(tmp_path))}.{record.stem}.outcome.json"
    with launcher(tmp_path) as command:
        command.submit(job := cell(tmp_path))
        assert fake.queue() == ["1"]
        clock.at(clock.now + 20, lambda: write_json(last_word, {"status": "again"}))
        clock.at(clock.now + 40, lambda: fake.ends("1"))
        clock.at(clock.now + 90, lambda: play(tmp_path, 0, 1))
        clock.at(clock.now + 90, lambda: outcome(command, job))
        events = list(command.events())
    assert kinds(events) == ["restarted", "done"]
    assert events[0].payload == "(Slurm job 1) of an earlier command is being cancelled and is waited for"
    assert len(fake.calls("sbatch")) == 2


def test_what_a_cancelled_job_left_goes_with_the_next_command_whatever_that_is_at(
    tmp_path: Path, fake: FakeSlurm, clock: Clock
) -> None:
    fake.set("kept")
    clock.at(1, interrupt)
    with pytest.raises(KeyboardInterrupt):
        work(launcher(tmp_path), cell(tmp_path))
    (record,) = (tmp_path / "slurm").glob("harness-*.json")
    last_word = f"{slurm_work.work_key(cell(tmp_path))}.{record.stem}.outcome.json"
    write_json(tmp_path / "slurm" / last_word, {"status": "done"})
    work(launcher(tmp_path))
    assert record.exists()  # it is there still
    fake.ends("1")
    work(launcher(tmp_path))
    assert not list((tmp_path / "slurm").glob("*.json"))


def test_a_file_that_is_seen_late_is_waited_for(tmp_path: Path, fake: FakeSlurm, clock: Clock) -> None:
    with launcher(tmp_path) as command:
        command.submit(job := cell(tmp_path))
        clock.at(3, lambda: fake.ends("1"))
        clock.at(60, lambda: outcome(command, job))
        clock.at(100, lambda: play(tmp_path, 0, 1))
        assert kinds(list(command.events())) == ["done"]
    assert len(fake.calls("sbatch")) == 1


def test_a_job_without_a_word_is_submitted_again_and_given_up_alone(
    tmp_path: Path, fake: FakeSlurm, clock: Clock
) -> None:
    with launcher(tmp_path) as command:
        command.submit(cell(tmp_path))
        for second, job_id in ((3, "1"), (200, "2"), (400, "3")):
            clock.at(second, lambda job_id=job_id: fake.ends(job_id))
        events = list(command.events())
    assert kinds(events) == ["restarted", "restarted", "failed"]
    assert "job 3 (evaluation of easy) is gone" in str(events[-1].payload)


def test_rows_that_never_come_fail_their_cell_alone(tmp_path: Path, fake: FakeSlurm, clock: Clock) -> None:
    with launcher(tmp_path) as command:
        jobs = [cell(tmp_path), cell(tmp_path, "hard")]
        for job in jobs:
            command.submit(job)
        clock.at(3, lambda: play(tmp_path, 0, 1, setting="hard"))
        clock.at(3, lambda: outcome(command, jobs[1]))
        for second in (3, 200, 400):
            clock.at(second, lambda: outcome(command, jobs[0]))
        events = list(command.events())
    assert kinds(events) == ["done", "restarted", "restarted", "failed"]
    assert "has ended, but episodes 0, 1 are not in" in str(events[-1].payload)


def test_a_command_that_stays_never_has_more_jobs_than_asked_for(tmp_path: Path, fake: FakeSlurm, clock: Clock) -> None:
    command, jobs = launcher(tmp_path, "time=5,jobs=2"), [cell(tmp_path, f"easy{number}") for number in range(5)]
    most = []

    def end_first() -> None:
        most.append(len(fake.queue()))
        (first, (name, index)), *_ = command._running.items()
        fake.ends(first.job_id)
        play(tmp_path, 0, 1, setting=first.job.arguments.setting)
        write_json(command._records.outcome((name, index)), {"status": "done"})

    for second in range(5, 200, 30):
        clock.at(second, lambda: end_first() if command._running else None)
    assert kinds(work(command, *jobs)) == ["done"] * 5
    assert most == [2, 2, 2, 2, 1]


def test_arrays_that_are_left_behind_run_one_after_the_other_within_the_limit(
    tmp_path: Path, fake: FakeSlurm, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slurm, "ARRAY", 2)
    with pytest.raises(Detached, match="5 jobs"):
        work(launcher(tmp_path, "jobs=2", detach=True), *(cell(tmp_path, f"easy{number}") for number in range(5)))
    assert ["--dependency=afterany:" in fake.script(number) for number in (1, 2, 3)] == [False, True, True]
    assert "--array=0-1%2" in fake.script(2)
    assert "--requeue" in fake.script(1)


def test_status_tells_whether_what_was_left_is_there_still(tmp_path: Path, fake: FakeSlurm, clock: Clock) -> None:
    leave(tmp_path, cell(tmp_path))
    record = {"run_id": "run", "status": "detached", "seeds": [0], "episodes": 2, "settings": ["easy"], "workers": 1}
    record |= {"tasks": [{"task": ROW.task, "train_frames": 0}], "checkpoints": {}}
    (tmp_path / "run").mkdir()
    write_json(tmp_path / "run" / "record.json", record)

    def state() -> tuple[str, str]:
        (found,) = statuses(tmp_path)
        return found.state, found.note

    assert state() == ("detached", "")
    fake.set("down", "squeue")
    fake.ends("1")
    assert state() == ("detached", "")  # nobody knows
    fake.unset("down")
    assert state()[0] == "stopped"
    assert state()[1].startswith("None of its Slurm jobs waits or runs any more")


def test_ids_are_told_by_array_and_empty_ones_not_at_all() -> None:
    assert compressed(["1", "", "7_0", "7_4", "7_1", "9_2"]) == ["1", "7_[0-1,4]", "9_[2]"]
    assert sum(map(len, compressed(f"{1 + n // 1000}_{n % 1000}" for n in range(100_000)))) < 2_000
