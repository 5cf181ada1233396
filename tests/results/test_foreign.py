"""Files of other programs become rows that say where they are from; what is none of them is refused in a sentence."""

from __future__ import annotations

import json
from pathlib import Path

import gymnasium
import pytest

from harness.results.event_files import scalars
from harness.results.foreign import ForeignError, read_gymnasium, read_monitor, read_returns, read_scalars
from harness.results.importing import Stated, from_gymnasium, read_foreign, write_runs
from harness.results.store import RowStore

STATED = Stated("video_hard", "walker_walk", "video_hard", "mine", train_seed=3, action_repeat=2)
MONITOR = '#{"t_start": 17.5, "env_id": "walker"}\nr,l,t,is_success\n1.5,10,0.1,True\n-2.25,7,0.2,0.0\n'


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_a_monitor_file(tmp_path):
    path = write(tmp_path / "eval.monitor.csv", MONITOR)
    rows = read_foreign(path, "monitor", STATED)
    assert [(row.episode, row.episode_return, row.success) for row in rows] == [(0, 1.5, True), (1, -2.25, False)]
    assert [(row.num_steps, row.num_frames) for row in rows] == [(10, 20), (7, 14)]
    assert {row.origin for row in rows} == {
        "eval.monitor.csv (a monitor.csv of Stable-Baselines3; imported, checked by nobody)"
    }
    assert {(row.task, row.agent, row.train_seed, row.preset) for row in rows} == {
        ("walker_walk", "mine", 3, "imported")
    }
    (last,) = read_foreign(path, "monitor", STATED, count=1)
    assert last.episode_return == -2.25
    assert "the last 1" in last.origin


def test_importing_again_writes_the_same(tmp_path):
    rows = read_foreign(write(tmp_path / "m.csv", MONITOR), "monitor", STATED)
    (one,) = write_runs(rows, tmp_path / "runs")
    (other,) = write_runs(rows, tmp_path / "runs")
    assert one == other
    assert RowStore(one / "rows").rows() == rows


def test_gymnasium_as_it_records(tmp_path):
    env = gymnasium.wrappers.RecordEpisodeStatistics(gymnasium.make("CartPole-v1"))
    infos = []
    for seed in range(3):
        env.reset(seed=seed)
        done = False
        while not done:
            *_, terminated, truncated, info = env.step(0)
            done = terminated or truncated
        infos.append(info)
    returns = [info["episode"]["r"] for info in infos]
    assert [row.episode_return for row in from_gymnasium(env, STATED)] == returns
    plain = [{"r": [float(i["episode"]["r"])], "l": int(i["episode"]["l"]), "t": 0.1} for i in infos]
    lines = "\n".join(json.dumps({"episode": each}) for each in plain)
    for text in (lines, json.dumps(plain)):
        found = read_gymnasium(write(tmp_path / "episodes.json", text))
        assert [outcome.episode_return for outcome in found] == returns
        assert [outcome.num_steps for outcome in found] == [int(info["episode"]["l"]) for info in infos]
    with pytest.raises(ForeignError, match="is no RecordEpisodeStatistics"):
        from_gymnasium(env.unwrapped, STATED)


def write_events(folder):
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    writer = EventFileWriter(str(folder))
    for step, value in enumerate((0.5, 1.0, 4.0)):
        scalar = Summary.Value(tag="eval/return", simple_value=value)
        writer.add_event(Event(step=step, summary=Summary(value=[scalar])))
    writer.close()
    return folder


def test_scalars_of_tensorboard(tmp_path):
    write_events(tmp_path / "log")
    rows = read_foreign(tmp_path / "log", "tensorboard", STATED, tag="eval/return")
    assert [row.episode_return for row in rows] == [0.5, 1.0, 4.0]
    assert "scalars of TensorBoard, eval/return" in rows[0].origin
    with pytest.raises(ForeignError, match=r"no scalar 'eval/x'. There are: eval/return"):
        read_foreign(tmp_path / "log", "tensorboard", STATED, tag="eval/x")


def test_a_damaged_file_of_events_is_refused_and_a_torn_one_read(tmp_path):
    (file,) = write_events(tmp_path / "log").glob("*")
    data, values = file.read_bytes(), [0.5, 1.0, 4.0]
    for at in range(len(data)):
        file.write_bytes(data[:at] + bytes([data[at] ^ 4]) + data[at + 1 :])
        with pytest.raises(ForeignError, match="damaged: a checksum does not match"):
            read_scalars(file, "eval/return")
        file.write_bytes(data[:at])
        found = [*scalars(file).get("eval/return", {}).values()]
        assert found == values[: len(found)]


def test_a_csv_says_where_its_returns_are_from(tmp_path):
    text = "task,setting,train_seed,return,success\nwalk,train,0,1,true\nwalk,train,1,2,\nwalk,hard,0,3,false\n"
    rows = read_foreign(write(tmp_path / "r.csv", text), "csv", Stated(suite="s", agent="a"))
    assert [(row.setting, row.train_seed, row.episode, row.episode_return, row.success) for row in rows] == [
        ("train", 0, 0, 1.0, True),
        ("train", 1, 0, 2.0, None),
        ("hard", 0, 0, 3.0, False),
    ]


@pytest.mark.parametrize(
    ("read", "text", "told"),
    [
        (read_monitor, "r,l,t\n1,2,3\n", "does not begin with # and JSON"),
        (read_monitor, "#{}\nr,t\n1,2\n", "lacks the columns r, l, t"),
        (read_monitor, "#{}\nr,l,t\n1,2\n", "line 3 has 2 cells under 3 names"),
        (read_monitor, "#{}\nr,l,t\nnan,2,3\n", "line 3 has a return that is no finite number: nan"),
        (read_monitor, "#{}\nr,l,t\n1,-2,3\n", "length that is no number of steps"),
        (read_gymnasium, "{", "is no JSON"),
        (read_gymnasium, "[1]", "episode 0 is no object with r and l"),
        (read_gymnasium, '{"r": true, "l": 1}', "no finite number"),
        (read_gymnasium, '{"r": [1, 2], "l": 1}', "no finite number"),
        (read_returns, "", "no CSV with a line of names"),
        (read_returns, "reward\n1\n", "a column 'reward'. Known are: return"),
        (read_returns, "task\nx\n", "no column 'return'"),
        (read_returns, "return,success\n1,maybe\n", "neither True nor False: maybe"),
        (read_returns, "return\n1e999\n", "no finite number"),
    ],
)
def test_what_is_none_is_refused(tmp_path, read, text, told):
    with pytest.raises(ForeignError, match=told):
        read(write(tmp_path / "file", text))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("return\n1\n", "of which task its episodes are: give --task"),
        ("return,task,setting,train_seed\n1,a,b,-1\n", "Its train_seed is no number"),
        ("return,task,setting,episode\n1,a,b,1\n2,a,b,1\n", "An episode is twice"),
        ("return,task,setting\n", "There are no episodes"),
    ],
)
def test_places_that_are_none_are_refused(tmp_path, text, told):
    with pytest.raises(ForeignError, match=told):
        read_foreign(write(tmp_path / "r.csv", text), "csv", Stated(suite="s", agent="a"))
