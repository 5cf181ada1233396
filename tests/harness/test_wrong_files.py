"""Whatever is wrong in a file or a setting ends in one sentence with its name, at once, and changes nothing.

The cases are not chosen: they are every field of every record that is read, as every kind of value it is not.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import NoneType
from typing import Any, get_args

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import typer.main
from safetensors.numpy import load_file, save_file

from harness import cli
from harness.assets import manifest
from harness.assets.store import AssetStore
from harness.demos import RECORD as DEMOS_FILE
from harness.demos import collect_demos
from harness.listing import agents
from harness.reading import SEAL, seal
from harness.registry import load_agent, load_suite
from harness.results.earlier import columns_of
from harness.results.row_files import schema
from harness.results.rows import COLUMNS, Row, to_dict
from harness.results.store import RowStore
from harness.running.cells import Cell
from harness.running.columns import cell_columns, training_facts
from harness.running.plan import RunOptions
from harness.running.planning import make_plan
from harness.running.policies import PROVENANCE_FILE, PolicyRecord, store_policy
from harness.running.provenance import code_revision
from harness.running.training_folder import PROGRESS_FILE, REVISIONS_FILE, note_revision, write_progress
from tests.harness.wrong_values import TEXTS, edits, encoded, missing_and_unknown, wrong_types
from tests.prompt import AT_ONCE
from tests.results.test_store import ROW

DOTS, LEARNER = "harness.testing:SUITE", "tests.harness.learner:AGENT"
RUN = ("run", "--suite", DOTS, "--agent", LEARNER, "--device", "cpu", "--quiet", "--task", "dot_reach", "--seeds", "0")
DEMOS = ("demos", "collect", "--suite", "tests.harness.demonstrated:SUITE", "--task", "dot_reach", "--episodes", "1")
COUNTERS = {"num_frames": 50, "num_steps": 25, "num_episodes": 1, "elapsed_sec": 1.5}
LOG_LINE = {**COUNTERS, "episode_return": 3.5, "weight_norm": 0.5}
CURVE_LINE = {**COUNTERS, "curve_returns": [1.5, 2.5]}

COMMAND = typer.main.get_command(cli.app)  # once: building it takes longer than most cases

REACHED = "goes on from here"  # what an interrupt says: nothing was found wrong before the work

Check = Callable[..., None]


def contents(folder: Path) -> dict[str, bytes | None]:
    """Everything below a folder."""
    return {str(path): path.read_bytes() if path.is_file() else None for path in sorted(folder.rglob("*"))}


@pytest.fixture
def check(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Check:
    """Gives the command line wrong input in `tmp_path` and checks how it says no."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cli, "app", COMMAND)
    monkeypatch.setattr("harness.running.run.RunRecord.write", reached)  # the first thing that a run writes

    def call(arguments: tuple[str, ...], *words: str, file: Path | None = None, text: bytes = b"") -> None:
        right = file.read_bytes() if file else b""
        if file:
            file.write_bytes(text)
        before, started = contents(tmp_path), time.process_time()
        monkeypatch.setattr(sys, "argv", ["harness", *arguments])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        seconds, shown = time.process_time() - started, capsys.readouterr()
        assert (stop.value.code, shown.out) == (130 if words == (REACHED,) else 2, ""), (words, shown.err)
        assert shown.err.startswith("error: ") or words == (REACHED,), shown.err
        assert shown.err.count("\n") == 1, shown.err
        assert "\x1b" not in shown.err
        assert len(shown.err) < 1000
        for word in (*words, *([file.name] if file else [])):
            assert word in shown.err, (word, shown.err)
        assert contents(tmp_path) == before
        assert seconds < AT_ONCE, (words, seconds)
        if file:
            file.write_bytes(right)

    return call


def reached(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def make_policy(folder: Path) -> dict[str, Any]:
    """A policy folder as a training leaves it; returns its record."""
    plan = make_plan(RunOptions(suite=DOTS, agent=LEARNER, device="cpu", tasks=["dot_reach"]))
    facts = training_facts(plan, plan.tasks[0], 0)
    facts |= {"assets": {"a": "sha256:0"}, "notes": ["a note"], "stand_ins": ["b"], "trained_frames": 2000}
    record = store_policy(Stored(), folder, {**facts, "pixels": [9, 24, 24], "actions": 2}).record  # type: ignore[arg-type]
    assert record.record_digest
    values: dict[str, Any] = json.loads((folder / PROVENANCE_FILE).read_text())
    del values[SEAL]
    return values


class Stored:
    """Stores weights of the dot tasks' shape."""

    def save_policy(self, folder: Path) -> None:
        save_file({"weights": np.zeros((2, 9 * 24 * 24))}, folder / "weights.safetensors")


# What a record contradicts itself in when one of them is edited, or what has a form of its own.
SEEN_AT_ONCE = ("train_frames", "config_hash", "conditions.train_frames", "conditions.config_hash", "digest")
OPTIONAL = tuple(name for name, field in PolicyRecord.model_fields.items() if not field.is_required())


def test_every_field_of_a_policys_record(check: Check, tmp_path: Path) -> None:
    record = make_policy(tmp_path / "policy")
    file, command = tmp_path / "policy" / PROVENANCE_FILE, (*RUN, "--checkpoint", "policy")
    cases = [*wrong_types(record, optional=OPTIONAL), *missing_and_unknown(record, optional=OPTIONAL)]
    assert len(cases) > 250
    for case in cases:
        check(command, f"'{case.field}'", file=file, text=encoded(seal(case.value)))


def test_every_edit_of_a_policys_record(check: Check, tmp_path: Path) -> None:
    """Values that could be right, under the digest of the old ones."""
    record = seal(make_policy(tmp_path / "policy"))
    cases = [case for case in edits(record) if case.field != SEAL]
    assert len(cases) > 40
    for case in cases:
        told = case.field.rpartition(".")[2] if case.field in SEEN_AT_ONCE else "was edited, or damaged"
        text = encoded(case.value)
        check((*RUN, "--checkpoint", "policy"), told, file=tmp_path / "policy" / PROVENANCE_FILE, text=text)


@pytest.mark.parametrize("text", TEXTS)
def test_texts_that_are_no_record(text: str, check: Check, tmp_path: Path) -> None:
    make_policy(tmp_path / "policy")
    check((*RUN, "--checkpoint", "policy"), file=tmp_path / "policy" / PROVENANCE_FILE, text=TEXTS[text])


def make_run(folder: Path) -> Path:
    """A run's folder as a kill leaves it in the middle of a training; returns that training's folder."""
    plan = make_plan(RunOptions(suite=DOTS, agent=LEARNER, device="cpu", tasks=["dot_reach"], runs=folder / "runs"))
    training = plan.folder / "train" / "dot_reach-seed0"
    checkpoint = training / "checkpoints" / "000000000050"
    checkpoint.mkdir(parents=True)
    (plan.folder / "lock").touch()
    (checkpoint / "weights.safetensors").write_bytes(b"of the agent")
    write_progress(checkpoint, COUNTERS)
    note_revision(training, "abc")
    (training / "train.jsonl").write_text("".join(json.dumps(line) + "\n" for line in (LOG_LINE, CURVE_LINE)))
    return training


def test_every_field_of_a_checkpoints_record(check: Check, tmp_path: Path) -> None:
    file = make_run(tmp_path) / "checkpoints" / "000000000050" / PROGRESS_FILE
    check(RUN, REACHED)
    record = json.loads(file.read_text())
    del record[SEAL]
    for case in [*wrong_types(record), *missing_and_unknown(record, optional=("digest",))]:
        if case.field != "digest" or case.value["digest"] is not None:
            check(RUN, f"'{case.field}'", "to start over", file=file, text=encoded(seal(case.value)))
    for case in edits(seal(record)):
        check(RUN, file=file, text=encoded(case.value))
    for text in TEXTS.values():
        check(RUN, file=file, text=text)


def test_every_file_of_a_checkpoint(check: Check, tmp_path: Path) -> None:
    checkpoint = make_run(tmp_path) / "checkpoints" / "000000000050"
    for text in (b"", b"of another", b"of the agent "):
        (checkpoint / "weights.safetensors").write_bytes(text)
        check(RUN, "000000000050 is damaged: its files do not match its progress.json")


def test_revisions_and_logs(check: Check, tmp_path: Path) -> None:
    training = make_run(tmp_path)
    for case in wrong_types(["abc", "def"]):
        check(RUN, f"'{case.field}'", file=training / REVISIONS_FILE, text=encoded(case.value))
    for text in TEXTS.values():
        check(RUN, file=training / REVISIONS_FILE, text=text)
    log, curves = training / "train.jsonl", ("curves", str(training.parents[1]))
    for line in (LOG_LINE, CURVE_LINE):
        cases = [
            *wrong_types(line),
            *missing_and_unknown(line, optional=("episode_return", "weight_norm", "curve_returns")),
        ]
        for case in cases:
            if case.field != "unheard_of" and not case.name.startswith("without curve"):
                text = encoded(LOG_LINE) + b"\n" + encoded(case.value) + b"\n"
                for command in (RUN, curves):
                    check(command, "line 2", f"'{case.field}'", file=log, text=text)
    for text in TEXTS.values():
        if text:  # an empty line says nothing
            check(RUN, "line 1", file=log, text=text.replace(b"\n", b" ") + b"\n")


ADDED = tuple(set(COLUMNS) - set(columns_of(1)))  # which rows of earlier versions lack


def make_rows(folder: Path) -> Path:
    """A run's folder with one cell of one row, in the form of earlier versions; returns its file."""
    plan = make_plan(RunOptions(suite=DOTS, agent=LEARNER, device="cpu", tasks=["dot_reach"], runs=folder / "runs"))
    columns = cell_columns(plan, Cell(plan.tasks[0], "train", 0, (0,)), None)
    measured = {name: getattr(ROW, name) for name in ROW.__dataclass_fields__ if name not in columns}
    row = Row(**{**measured, **columns, "setting": "train", "code_revision": code_revision()})
    (plan.folder / "rows").mkdir(parents=True)
    (plan.folder / "lock").touch()
    file = plan.folder / "rows" / "dot_reach+train+seed0.jsonl"
    file.write_bytes(encoded(to_dict(row)) + b"\n")
    assert RowStore(file.parent).rows() == [row]
    return file


def test_every_column_of_a_row(check: Check, tmp_path: Path) -> None:
    file = make_rows(tmp_path)
    check(RUN, REACHED)
    row = json.loads(file.read_text())
    cases = [*wrong_types(row, optional=("success", "train_seed")), *missing_and_unknown(row, optional=ADDED)]
    for case in cases:
        if case.name in ("episode_return is number", "success is truth"):
            continue
        check(RUN, "line 1", case.field, file=file, text=encoded(case.value) + b"\n")
    for name in ("successes_json", "shift_json", "assets_json", "packages_json"):
        for text in TEXTS.values():
            wrong = {**row, name: text.decode(errors="surrogateescape")}
            check(RUN, "line 1", f"Row.{name}", file=file, text=encoded(wrong) + b"\n")
    for text in TEXTS.values():
        check(RUN, "line 1", file=file, text=text.replace(b"\n", b" ") + b"\n")


def test_every_column_of_a_complete_cell(check: Check, tmp_path: Path) -> None:
    """As another type that the file can have, and with the values that its own type can have."""
    lines = make_rows(tmp_path)
    row = json.loads(lines.read_text())
    file = lines.with_suffix(".parquet")
    lines.unlink()
    right = pa.Table.from_pylist([row, {**row, "episode": 1}], schema=schema())
    pq.write_table(right, file)
    check(RUN, REACHED)
    others = [(pa.string(), "7"), (pa.float64(), 7.5), (pa.bool_(), True), (pa.int64(), 7), (pa.list_(pa.int64()), [7])]
    tried = 0
    for index, field in enumerate(schema()):
        for kind, value in others:
            if kind != field.type:
                wrong = right.set_column(index, pa.field(field.name, kind), pa.array([value, value], kind))
                pq.write_table(wrong, file)
                check(RUN, file.name, f"its {field.name} are of type {str(kind)[:4]}")
                tried += 1
    for value in (float("nan"), float("inf"), -float("inf")):
        index = schema().get_field_index("episode_return")
        pq.write_table(right.set_column(index, schema().field(index), pa.array([1.5, value])), file)
        check(RUN, file.name, "row 2", "return that is not finite")
    assert tried > 130


def test_every_field_of_demonstrations(check: Check, tmp_path: Path) -> None:
    suite, command = load_suite("tests.harness.demonstrated:SUITE"), (*DEMOS, "--out", "demos")
    store = AssetStore([], allow_stand_ins=False)
    collect_demos(suite, "dot_reach", episodes=1, seed=0, out=tmp_path / "demos", store=store)
    file = tmp_path / "demos" / DEMOS_FILE
    record = json.loads(file.read_text())
    del record[SEAL]
    cases = [*wrong_types(record, optional=("render_profile", "image_size", "episode_frames"))]
    cases += missing_and_unknown(record, optional=("episode_frames",))
    assert len(cases) > 150
    for case in cases:
        check(command, f"'{case.field}'", "collect anew", file=file, text=encoded(seal(case.value)))
    for case in edits(seal(record)):
        check(command, file=file, text=encoded(case.value))
    for text in TEXTS.values():
        check(command, file=file, text=text)


@pytest.fixture
def own_manifest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A manifest of one's own that is read anew each time."""
    monkeypatch.setattr(manifest, "MANIFEST", tmp_path / "manifest.json")
    yield manifest.MANIFEST
    manifest.manifest.cache_clear()


def test_every_field_of_the_manifest(check: Check, own_manifest: Path) -> None:
    source = {"path": "a.mp4", "bytes": 3, "sha256": "0", "git_blob": "0", "url": "u", "convert": "c"}
    entry = {"purpose": "p", "source": "s", "licence": "l", "unit": "u", "choices": [[source]], "tree": "t"}
    entry |= {"partial": False, "how_to_get": "h", "stand_in": "s"}
    right = {"format": 1, "assets": {"x": entry}}
    own_manifest.write_bytes(encoded(right))
    for case in [*wrong_types(right), *missing_and_unknown(right)]:
        if case.field.rpartition(".")[2] in NULLABLE and case.name.endswith("null"):
            continue
        manifest.manifest.cache_clear()
        field = case.field.removeprefix("assets.x.")
        check(("assets", "list"), f"'{field}'", file=own_manifest, text=encoded(case.value))
    for text in TEXTS.values():
        manifest.manifest.cache_clear()
        check(("assets", "list"), file=own_manifest, text=text)


NULLABLE = ("bytes", "sha256", "git_blob", "url", "convert", "tree", "how_to_get", "stand_in")


@pytest.mark.parametrize("agent", [row["agent"] for row in agents()])
def test_every_setting_of_an_agent(agent: str, check: Check) -> None:
    spec = load_agent(agent)
    settings = {k: v for k, v in spec.config().model_dump(mode="json").items() if v is not None}  # a None has no type
    suite = DOTS if spec.learns_from == "steps" else "adroit_distractors"  # which the others can see
    command = ("run", "--suite", suite, "--agent", agent, "--device", "cpu", "--quiet")
    fields = spec.config.model_fields.items()
    for case in wrong_types(settings, optional=tuple(name for name, f in fields if NoneType in get_args(f.annotation))):
        name = case.field.partition(".")[0]
        check((*command, "--set", f"{name}={json.dumps(case.value[name])}"), f"Agent {agent}: '{case.field}'")
    check((*command, "--set", "unheard_of=1"), "unheard_of")


def test_every_size_of_an_agent(check: Check) -> None:
    """Settings called sizes, as numbers that no machine has memory for."""
    tried = 0
    for agent in (row["agent"] for row in agents()):
        spec = load_agent(agent)
        names = [name for name in spec.config.model_fields if name.endswith("_dim")]
        for name in names if spec.training_bytes else ():
            for number in (2**40, 99999999999999999999, 10**400):
                command = ("run", "--suite", DOTS, "--agent", agent, "--set", f"{name}={number}")
                size = max(64, spec.smallest_image(spec.config()))
                command += ("--set", f"protocol.image_size={size}")
                check(command, f"Training {agent} on dot_reach would take at least", "bytes of memory")
                tried += 1
    assert tried >= 20


@pytest.mark.parametrize("agent", ["drq", "drqv2", "pieg", "sac"])
def test_a_batch_that_no_replay_holds(agent: str, check: Check) -> None:
    for number in (2**40, 99999999999999999999, 10**400):
        command = ("run", "--suite", DOTS, "--agent", agent, "--set", f"batch_size={number}")
        check((*command, "--set", "protocol.image_size=64"), f"{agent} learns nothing on dot_reach", "ever holds")


def test_every_tensor_of_a_policy(check: Check, tmp_path: Path) -> None:
    """Under records that are right for everything else: digests and all."""
    make_policy(tmp_path / "policy")
    file = tmp_path / "policy" / "weights.safetensors"
    right = load_file(file)
    wrong: list[dict[str, Any]] = [{}, {"other": right["weights"]}, {**right, "more": np.zeros(1)}]
    wrong += [{"weights": right["weights"].astype(kind)} for kind in (np.float32, np.int64, np.uint8, np.bool_)]
    wrong += [{"weights": right["weights"][:1]}, {"weights": right["weights"].T}, {"weights": right["weights"][None]}]
    for tensors in wrong:
        save_file(tensors, file)
        check((*RUN, "--checkpoint", "policy"), file.name, "does not match its own record")
    header = {"weights": {"dtype": "F64", "shape": [2, 1728], "data_offsets": [0, 27648]}}
    body = right["weights"].tobytes()
    for case in [*wrong_types(header), *edits(header)]:
        text = encoded(case.value)
        file.write_bytes(len(text).to_bytes(8, "little") + text + body)
        check((*RUN, "--checkpoint", "policy"), file.name)
    for text in TEXTS.values():
        file.write_bytes(len(text).to_bytes(8, "little") + text + body)
        check((*RUN, "--checkpoint", "policy"), file.name)


def test_a_process_of_its_own_says_so_at_once(tmp_path: Path) -> None:
    """As users start it; CPU time, because test machines are busy."""
    record = make_policy(tmp_path / "policy")
    root = str(Path(__file__).resolve().parents[2])
    changes = {"conditions": None, "notes": "\x1b]0;title\x07", "config": {"rate": True}, "train_frames": 5}
    for change in ({name: value} for name, value in changes.items()):
        (tmp_path / "policy" / PROVENANCE_FILE).write_bytes(encoded(seal({**record, **change})))
        before, started = contents(tmp_path), os.times()
        done = subprocess.run(
            [sys.executable, "-m", "harness", *RUN, "--checkpoint", "policy"],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": root},
            capture_output=True,
            text=True,
        )
        ended = os.times()
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith(f"error: policy/{PROVENANCE_FILE} is damaged: '{next(iter(change))}")
        assert done.stderr.count("\n") == 1
        assert "\x1b" not in done.stderr
        assert contents(tmp_path) == before
        used = ended.children_user + ended.children_system - started.children_user - started.children_system
        assert used < AT_ONCE
