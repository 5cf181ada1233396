"""Models of other libraries as policies, with models that only pretend."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest

import harness
from harness.errors import AgentError, UsageError
from harness.policies import from_sb3
from harness.running.plan import RunOptions
from harness.running.planning import make_plan
from harness.running.run import execute
from harness.testing import SUITE

Box, Dict = gymnasium.spaces.Box, gymnasium.spaces.Dict
FIRST, LAST = Box(0, 255, (9, 24, 24), np.uint8), Box(0, 255, (24, 24, 9), np.uint8)
JOINTS = Box(-1, 1, (4,), np.float32)
PIXELS = np.arange(9 * 24 * 24).reshape(1, 9, 24, 24).astype(np.uint8)
BOTH = {"pixels": PIXELS, "proprio": np.ones((1, 4), np.float32)}


class Model:
    """Has what a model of Stable-Baselines3 has, and keeps what it was asked."""

    def __init__(self, space: Any) -> None:
        self.observation_space, self.asked = space, []  # type: ignore[var-annotated]

    def predict(self, observation: Any, deterministic: bool = False) -> tuple[np.ndarray, None]:
        self.asked.append((observation, deterministic))
        return np.full((1, 2), 0.5), None


class Recurrent(Model):
    """Counts within an episode, in the state it hands out."""

    def predict(  # type: ignore[override]
        self, observation: Any, state: Any = None, episode_start: Any = None, deterministic: bool = False
    ) -> tuple[np.ndarray, tuple[int]]:
        self.asked.append((state, episode_start))
        number = 1 if state is None or episode_start[0] else state[0] + 1
        return np.full((1, 2), 0.01 * number), (number,)


@pytest.mark.parametrize(("space", "seen"), [(FIRST, PIXELS), (LAST, PIXELS.transpose(0, 2, 3, 1))])
@pytest.mark.parametrize("observations", [PIXELS, BOTH])
def test_channels_are_where_the_model_has_them(space: Any, seen: np.ndarray, observations: Any) -> None:
    model = Model(space)
    actions = from_sb3(model).act(observations, explore=False)
    assert (actions.dtype, actions.tolist()) == (np.float32, [[0.5, 0.5]])
    np.testing.assert_array_equal(model.asked[0][0], seen)
    assert model.asked[0][0].dtype == np.uint8
    assert model.asked[0][0].flags.c_contiguous


def test_a_model_of_several_keys_gets_those() -> None:
    model = Model(Dict({"pixels": LAST, "proprio": JOINTS}))
    from_sb3(model).act(BOTH, explore=False)
    seen = model.asked[0][0]
    assert set(seen) == {"pixels", "proprio"}
    assert seen["pixels"].shape == (1, 24, 24, 9)
    alone = Model(Dict({"proprio": JOINTS}))
    from_sb3(alone).act(BOTH, explore=False)
    assert list(alone.asked[0][0]) == ["proprio"]
    with pytest.raises(UsageError, match="This model sees 'proprio', and observations have pixels"):
        from_sb3(model).act(PIXELS, explore=False)


@pytest.mark.parametrize("deterministic", [True, False])
def test_it_draws_only_where_it_is_asked_to(deterministic: bool) -> None:
    model = Model(FIRST)
    from_sb3(model, deterministic).act(PIXELS, explore=True)
    assert model.asked[0][1] is deterministic


def test_a_recurrent_model_starts_every_episode_afresh() -> None:
    model = Recurrent(FIRST)
    policy = from_sb3(model)
    numbers = []
    for _ in range(2):
        policy.reset()
        numbers += [policy.act(PIXELS, explore=False)[0, 0] for _ in range(3)]
    assert numbers == pytest.approx([0.01, 0.02, 0.03] * 2)
    assert [state for state, _ in model.asked] == [None, (1,), (2,)] * 2


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (object(), r"a object has not"),
        (Model(Box(0, 1, (9, 24, 24), np.float32)), "trained on float32 where pixels are uint8"),
        (Model(Dict({"pixels": Box(0, 1, (9, 24, 24), np.float32)})), "trained on float32"),
    ],
)
def test_what_is_no_such_model_is_refused(model: Any, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        from_sb3(model)


def test_pixels_of_another_shape_are_named() -> None:
    model = Model(Box(0, 255, (3, 24, 24), np.uint8))
    with pytest.raises(
        (AgentError, UsageError), match=r"trained on pixels of shape \(3, 24, 24\), and these are \(9, 24"
    ):
        harness.evaluate(from_sb3(model), SUITE, tasks="dot_stay", settings="train")


def test_it_is_measured_from_python_and_by_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = harness.evaluate(harness.policies.from_sb3(Recurrent(LAST)), SUITE, tasks="dot_stay", settings="train")
    (tmp_path / "adapted.py").write_text(
        "from harness.policies import from_sb3\nfrom tests.harness.test_policies import LAST, Recurrent\n"
        "policy = from_sb3(Recurrent(LAST))\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    plan = make_plan(RunOptions("harness.testing:SUITE", "adapted:policy", ["dot_stay"], episodes=1, device="cpu"))
    stored = execute(plan, quiet=True).rows(setting="train")
    assert [row.trajectory for row in stored] == list(rows["trajectory"])
    assert {row.notes for row in stored} == {""}
