"""Updates beside the environment's steps: at the same time where that is allowed, and never with another bit."""

from __future__ import annotations

import importlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from harness.agent import AgentContext
from harness.assets.store import AssetStore
from harness.environment import PixelEnv, make_env
from harness.errors import AgentError
from harness.registry import load_suite
from harness.running.side_by_side import Stepping
from harness.running.train import Trainer, TrainSpec
from harness.spec import BoundShift
from harness.testing import SUITE, DotReach

STAND_INS = AssetStore([], allow_stand_ins=True)
ACTION = np.full(2, 0.5, np.float32)
PATIENCE_SEC = 20.0  # of each for the other, in a test that they are there at the same time
SMALL = {"batch_size": 4, "hidden_dim": 16, "feature_dim": 8}
SETTINGS: dict[str, dict[str, Any]] = {
    "drqv2": {**SMALL, "num_seed_frames": 100, "num_exploration_steps": 60},
    "drq": {
        **SMALL,
        "num_exploration_steps": 40,
        "num_catch_up_updates": 3,
        "num_shared_layers": 3,
        "num_filters": 4,
        "replay_capacity": 150,
    },
}


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """As of a worker with `--threads 1`; torch's threads wait for each other busily where cores are few."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def dots(task: str = "dot_reach") -> PixelEnv:
    return make_env(SUITE, task, "train", assets=STAND_INS)


def started(env: PixelEnv) -> PixelEnv:
    env.reset(seed=0)
    return env


def watch(monkeypatch: pytest.MonkeyPatch, during: Callable[[], Any]) -> list[str]:
    """Lets every control step of the dots call something; returns the list of threads that steps are taken on."""
    step, threads = DotReach.step, list[str]()

    def watched(self: DotReach, action: np.ndarray) -> Any:
        threads.append(threading.current_thread().name)
        during()
        return step(self, action)

    monkeypatch.setattr(DotReach, "step", watched)
    return threads


def test_both_are_under_way_at_the_same_time(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted, *_ = started(dots()).step(ACTION)
    meeting = threading.Barrier(2, timeout=PATIENCE_SEC)  # broken where one waits for the other's end
    threads = watch(monkeypatch, meeting.wait)
    stepping = Stepping(started(dots()), side_by_side=True)
    found, *_ = stepping.update_and_step(lambda: [meeting.wait() for _ in range(2)], ACTION)
    stepping.close()
    np.testing.assert_array_equal(found, wanted)
    assert threading.current_thread().name not in threads


@pytest.mark.parametrize(("side_by_side", "any_thread"), [(False, True), (True, False)])
def test_one_after_the_other_is_the_update_first(
    side_by_side: bool, any_thread: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    threads = watch(monkeypatch, lambda: order.append("step"))
    monkeypatch.setattr(DotReach, "any_thread", any_thread)
    Stepping(started(dots()), side_by_side=side_by_side).update_and_step(lambda: order.append("update"), ACTION)
    assert (order, set(threads)) == (["update", "step", "step"], {threading.current_thread().name})


@pytest.mark.parametrize("any_thread", [False, True])
def test_shifts_have_a_say_too(any_thread: bool) -> None:
    class Bound(BoundShift):
        def before_render(self, step: int) -> None:
            threads.add(threading.current_thread())

    threads: set[threading.Thread] = set()
    bound = Bound()
    assert not bound.any_thread  # code from outside says so first
    bound.any_thread = any_thread
    env = dots()
    env._shifts = (bound,)
    started(env)
    threads.clear()
    stepping = Stepping(env, side_by_side=True)
    stepping.update_and_step(lambda: None, ACTION)
    stepping.close()
    assert (threads == {threading.current_thread()}) is not any_thread


def failing(name: str) -> Callable[..., None]:
    def fail(*_: Any) -> None:
        raise KeyError(name)

    return fail


@pytest.mark.parametrize(("update", "step"), [(True, False), (False, True), (True, True)])
@pytest.mark.parametrize("side_by_side", [True, False])
def test_the_first_failure_in_the_usual_order_is_told(
    side_by_side: bool, update: bool, step: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch(monkeypatch, failing("step") if step else lambda: None)
    stepping = Stepping(started(dots()), side_by_side=side_by_side)
    with pytest.raises(KeyError, match="update" if update else "step"):
        stepping.update_and_step(failing("update") if update else lambda: None, ACTION)
    stepping.close()


def test_a_failing_update_leaves_the_environment_at_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[None] = []
    watch(monkeypatch, lambda: done.append(time.sleep(0.05)))
    stepping = Stepping(started(dots()), side_by_side=True)
    with pytest.raises(KeyError):
        stepping.update_and_step(failing("update"), ACTION)
    assert len(done) == 2  # control steps of one step
    stepping.close()


def make_agent(name: str, env: PixelEnv, memory: Path | None, **changes: Any) -> Any:
    spec: Any = importlib.import_module(f"harness.baselines.{name}").AGENT
    context = AgentContext(
        task="dot_reach",
        observation_space=env.observation_space,
        action_space=env.action_space,  # type: ignore[arg-type]
        frame_stack=3,
        action_repeat=2,
        train_frames=800,
        seed=1,
        device="cpu",
        assets=STAND_INS,
        memory=memory,
    )
    return spec.make(context, spec.configure({**SETTINGS[name], **changes}))


def train(name: str, folder: Path, make: Callable[[], PixelEnv] = dots, **changes: Any) -> dict[str, Any]:
    """Trains; returns the log without times, and all bytes of the last checkpoint and of the replay's files."""
    env, memory = make(), folder / "memory"
    memory.mkdir(parents=True, exist_ok=True)
    agent = make_agent(name, env, memory, **changes.pop("settings", {}))
    given = {"train_frames": 600, "seed": 5, "checkpoint_sec": 0.0, "curve_every_frames": 200, "curve_episodes": 1}
    Trainer(agent, env, TrainSpec(**{**given, **changes}), folder, make_curve_env=make).run()
    env.close()
    return kept(folder)


def kept(folder: Path) -> dict[str, Any]:
    """What a training leaves, without times."""
    files = {str(path.relative_to(folder)): path for path in sorted(folder.rglob("*")) if path.is_file()}
    found: dict[str, Any] = {name: path.read_bytes() for name, path in files.items() if "tfevents" not in name}
    for name in found:
        if name.endswith("progress.json"):
            found[name] = json.loads(found[name])["num_frames"]
        elif name.endswith("train.jsonl"):
            lines = [json.loads(line) for line in found[name].splitlines()]
            found[name] = [{key: value for key, value in line.items() if key != "elapsed_sec"} for line in lines]
    return found


@pytest.mark.parametrize("name", SETTINGS)
def test_hundreds_of_steps_give_the_same_bits(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    after = train(name, tmp_path / "after", side_by_side=False)
    threads = watch(monkeypatch, lambda: None)
    train(name, tmp_path / "beside", train_frames=350)
    beside = train(name, tmp_path / "beside")  # goes on from a checkpoint in the middle
    assert any(thread.startswith("step") for thread in threads)
    assert beside == after
    losses = [line["critic_loss"] for line in after["train.jsonl"] if "critic_loss" in line]
    assert len(losses) > 5
    assert len(set(losses)) == len(losses)
    assert sum("memory/replay/" in path for path in after) > 5


@pytest.mark.parametrize("method", ["update", "step"])
def test_a_failure_in_training_has_its_usual_sentence(
    method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    env = dots()
    agent = make_agent("drqv2", env, None)
    failure, wanted = AgentError, "The agent raised KeyError in update() (training, episode 0, frame 0): 'update'"
    if method == "update":
        agent.update = failing("update")
    else:
        watch(monkeypatch, failing("step"))
        failure, wanted = KeyError, "'step'"
    with pytest.raises(failure) as caught:
        Trainer(agent, env, TrainSpec(train_frames=100, seed=5), tmp_path).run()
    assert str(caught.value) == wanted
    assert not any(thread.name.startswith("step") for thread in threading.enumerate())


@pytest.mark.render
def test_drawn_pictures_are_the_same_on_the_step_s_thread(tmp_path: Path) -> None:
    suite = load_suite("color_easy")
    protocol = replace(suite.protocol.replace("cartpole_swingup", "episode_frames", 160), image_size=32)

    def cartpole() -> PixelEnv:
        return make_env(suite, "cartpole_swingup", "color_easy", assets=STAND_INS, protocol=protocol)

    settings = {"num_seed_frames": 200, "num_exploration_steps": 10, "batch_size": 2}
    spec: dict[str, Any] = {"train_frames": 320, "curve_every_frames": 0, "settings": settings}
    after = train("drqv2", tmp_path / "after", cartpole, side_by_side=False, **spec)
    assert train("drqv2", tmp_path / "beside", cartpole, **spec) == after
    assert sum(path.endswith("frames.npy") for path in after) == 2
