"""What a cell costs does not grow with the number of cells; the whole measurement: python -m tests.campaigns.scale."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.running.queue import GroupedQueue
from harness.running.status import statuses
from tests.campaigns import scale


def test_a_hundred_thousand_cells_are_planned_in_seconds_of_processor(tmp_path: Path) -> None:
    seconds, _, made = scale.timed(lambda: scale.plan(tmp_path, 100_000))
    assert len(made.cells()) == 100_000
    assert seconds < 10  # 0.3 where it was measured


def test_cells_are_carried_out_resumed_and_told_of_at_little_cost(tmp_path: Path) -> None:
    found = scale.measure(tmp_path, 100, ("work", "again", "status", "table"))
    assert [(run.state, run.done) for run in statuses(tmp_path)] == [("done", 100)]
    assert found["work"][0] < 100 * 0.1  # starting a worker included, seconds of processor
    assert found["again"][0] < 2
    assert found["status"][0] < 2


def test_the_folder_of_rows_is_not_listed_for_every_cell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made, listed = scale.plan(tmp_path, 100), []
    scale.work(made)
    iterdir = Path.iterdir
    monkeypatch.setattr(Path, "iterdir", lambda folder: listed.append(folder) or iterdir(folder))
    scale.work(scale.plan(tmp_path, 100))
    assert 0 < listed.count(made.folder / "rows") < 20


def test_a_queue_gives_in_order_and_by_group() -> None:
    queue: GroupedQueue[str] = GroupedQueue()
    for entry, group in (("a1", "a"), ("b1", "b"), ("a2", "a"), ("c", "")):
        queue.append(entry, group)
    assert queue.first() == ("a1", "a")
    assert queue.first(["x", "b"]) == ("b1", "b")
    queue.remove("a1")
    assert (queue.first(), queue.first(["a"])) == (("b1", "b"), ("a2", "a"))
    queue.push_front("a0", "a")
    assert (queue.first(), queue.first(["a"])) == (("a0", "a"), ("a0", "a"))
    assert queue.first([""]) is None  # of no group: never a match
    for entry in ("a0", "a2", "b1", "c"):
        queue.remove(entry)
    assert len(queue) == 0
    assert queue.first() is None


@pytest.mark.parametrize("waiting", [1_000, 20_000])
def test_a_look_into_the_queue_takes_no_longer_when_many_wait(waiting: int) -> None:
    queue: GroupedQueue[object] = GroupedQueue()
    entries = [object() for _ in range(waiting)]
    for number, entry in enumerate(entries):
        queue.append(entry, f"group {number}")

    def drain() -> None:
        while len(queue):
            assert queue.first(["another group"]) is None
            found = queue.first()
            assert found is not None
            queue.remove(found[0])

    assert scale.timed(drain)[0] / waiting < 1e-4  # seconds; it was a hundred times that with a list of 20,000
