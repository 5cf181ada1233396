"""FERM: sizes, what comes before the first step, crops, cameras, checkpoints, and what cannot be."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from harness.agent import Transition
from harness.assets.store import AssetStore
from harness.baselines import ferm
from harness.baselines.learners.ferm import FERM
from harness.demos import DemoSet, collect_demos
from harness.errors import CheckpointError, UsageError
from tests.baselines.learners.test_ferm_against_plain import hybrid_space
from tests.baselines.world import dot_env, folder_bytes, make_context, train
from tests.harness.demonstrated import SUITE

SMALL: dict[str, Any] = {
    "num_filters": 8,
    "feature_dim": 16,
    "hidden_dim": 16,
    "batch_size": 16,
    "crop_size": 20,
    "replay_capacity": 300,
    "warm_up_updates": 5,
    "num_demos": 4,
    "learning_rate": 1e-4,
}


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def demos(tmp_path_factory: pytest.TempPathFactory) -> DemoSet:
    suite = replace(SUITE, protocol=SUITE.protocol.replace("dot_reach", "image_size", 24))
    out, store = tmp_path_factory.mktemp("demos") / "dots", AssetStore([], allow_stand_ins=True)
    return collect_demos(suite, "dot_reach", episodes=40, seed=0, out=out, store=store)


def make(memory: Path | None = None, **changes: Any) -> FERM:
    context = make_context(memory=memory, seed=changes.pop("seed", 0))
    return FERM(ferm.AGENT, context, ferm.Config(**{**SMALL, **changes}))


def count(*modules: torch.nn.Module) -> int:
    return sum(parameter.numel() for module in modules for parameter in module.parameters())


@pytest.mark.parametrize(
    ("actions", "cameras", "stack", "proprio", "total"),
    [
        (28, 1, 1, 24, 7_444_934),  # door
        (26, 1, 1, 24, 7_436_738),  # hammer
        (24, 1, 1, 24, 7_428_542),  # pen
        (30, 3, 1, 24, 7_454_858),  # relocate
    ],
)
def test_parameter_counts_on_the_hand(actions: int, cameras: int, stack: int, proprio: int, total: int) -> None:
    space = hybrid_space(100, cameras, proprio)
    with torch.device("meta"):
        context = make_context(
            observation_space=space, frame_stack=stack, action_dim=actions, device="meta", evaluation_only=True
        )
        agent = FERM(ferm.AGENT, context, ferm.Config())
    assert count(agent.encoder, agent.critic, agent.actor) == total
    assert count(agent.likeness) == 2_500
    if cameras == 3:
        assert (count(agent.critic.q1), count(agent.actor.policy)) == (1_158_145, 1_187_900)


@pytest.mark.parametrize(("actions", "total"), [(1, 7_262_288), (6, 7_282_778)])  # cartpole and walker, stacks of 3
def test_parameter_counts_on_pictures_alone(actions: int, total: int) -> None:
    with torch.device("meta"):
        context = make_context(image_size=100, action_dim=actions, device="meta", evaluation_only=True)
        agent = FERM(ferm.AGENT, context, ferm.Config())
    assert count(agent.encoder, agent.critic, agent.actor) == total


def test_the_warm_up_helps_on_pictures_of_other_demonstrations(demos: DemoSet) -> None:
    """All but the last ten are learned from; of those, the first pictures are to be told from one another."""
    agent = make(warm_up_updates=60, batch_size=64, replay_capacity=10_000, num_filters=16, feature_dim=32)
    for number in range(len(demos) - 10):
        agent._store(demos.read(number))
    firsts = [demos.read(number).pixels[0] for number in range(len(demos) - 10, len(demos))]  # type: ignore[index]
    held_out = torch.from_numpy(np.stack(firsts)).repeat(1, 3, 1, 1)
    draws = agent.draw_warm_up(10)
    before = float(agent.contrastive_loss(held_out, draws).detach())
    while agent.prepare():
        pass
    after = float(agent.contrastive_loss(held_out, draws).detach())
    assert agent.warm_up_losses[1] < 0.7 * agent.warm_up_losses[0]
    assert after < 0.6 * before


def test_the_replay_begins_with_the_demonstrations_and_forgets_them_first(demos: DemoSet) -> None:
    agent = make(replay_capacity=150)
    agent.start(demos)
    steps = sum(len(demo.actions) for demo in demos)
    assert len(agent.replay) == min(150, steps)
    assert agent.num_steps == 0
    batch = agent.gather(np.array([[39, 0]]))
    first = demos.read(39)
    assert first.pixels is not None
    stacked = batch.observations.pixels[0].numpy().reshape(3, 3, 24, 24)  # type: ignore[attr-defined]
    assert all(np.array_equal(frame, first.pixels[0]) for frame in stacked)
    assert np.array_equal(batch.actions[0].numpy(), first.actions[0])
    last = agent.gather(np.array([[39, len(first.actions) - 1]]))
    assert float(last.discounts) == pytest.approx(0.99)  # the time limit cuts nothing
    train(agent, 6)
    assert min(agent.replay._episodes) >= 40  # of the demonstrations, numbers 0 to 39, none is left


def test_crops_reach_the_far_border_only_where_it_acts(demos: DemoSet) -> None:
    agent = make(num_catch_up_updates=3)
    agent.start(demos)
    seen: list[tuple[bool, int]] = []
    draw, draw_warm_up = agent.draw, agent.draw_warm_up

    def note(num: int, how: Any) -> Any:
        draws = how(400)
        largest = int(max(draws.view.max(), getattr(draws, "next_view", draws.view).max()))
        seen.append((agent._before_acting, largest))
        return how(num)

    agent.draw, agent.draw_warm_up = lambda num: note(num, draw), lambda num: note(num, draw_warm_up)  # type: ignore[method-assign]
    while agent.prepare():
        pass
    assert (agent.num_prepared, agent.num_updates) == (8, 3)
    agent.update()
    assert seen == [(True, 3)] * 8 + [(False, 4)]  # 24 - 20 pixels


def test_actor_and_targets_move_in_every_update_before_the_first_step(demos: DemoSet) -> None:
    agent = make(num_catch_up_updates=3, warm_up_updates=0, actor_every_updates=2)
    agent.start(demos)
    while agent.prepare():
        pass
    state = agent.optimizers["actor"].state
    assert {int(state[p]["step"]) for p in agent.actor.parameters()} == {3}


def test_as_many_updates_per_step_as_asked_for(demos: DemoSet) -> None:
    agent = make(updates_per_step=4, warm_up_updates=0)
    agent.start(demos)
    agent.update()
    assert agent.num_updates == 4


def test_a_checkpoint_amid_the_warm_up_goes_on_to_the_same_bits(demos: DemoSet, tmp_path: Path) -> None:
    whole, broken = make(tmp_path / "a", num_catch_up_updates=2), make(tmp_path / "b", num_catch_up_updates=2)
    for agent in (whole, broken):
        agent.start(demos)
    for _ in range(3):
        broken.prepare()
    broken.save(tmp_path / "checkpoint")
    resumed = make(tmp_path / "b", num_catch_up_updates=2)
    resumed.load(tmp_path / "checkpoint")
    for agent in (whole, resumed):
        while agent.prepare():
            pass
        train(agent, 1)
        agent.save(tmp_path / f"end{agent is whole}")
    assert folder_bytes(tmp_path / "endTrue") == folder_bytes(tmp_path / "endFalse")


def test_a_camera_is_chosen_by_number() -> None:
    space = hybrid_space(24, cameras=3)
    two = FERM(ferm.AGENT, make_context(observation_space=space, frame_stack=1), ferm.Config(**SMALL, cameras=(2, 0)))
    assert two.pixel_shape == (6, 24, 24)
    pixels = np.arange(9, dtype=np.uint8)[:, None, None] * np.ones((24, 24), np.uint8)
    assert two.senses.pixels({"pixels": pixels, "proprio": np.zeros(3)})[:, 0, 0].tolist() == [6, 7, 8, 0, 1, 2]
    with pytest.raises(UsageError, match="no camera 3: the scene of dot_reach has 3"):
        FERM(ferm.AGENT, make_context(observation_space=space, frame_stack=1), ferm.Config(**SMALL, cameras=(3,)))


def test_proprioception_can_be_left_out_and_matters_else() -> None:
    context = make_context(observation_space=hybrid_space(), frame_stack=1)
    pixels = np.random.default_rng(0).integers(0, 256, (1, 6, 24, 24), dtype=np.uint8)
    moved = []
    for proprioception in (True, False):
        agent = FERM(ferm.AGENT, context, ferm.Config(**SMALL, proprioception=proprioception))
        actions = [
            agent.act({"pixels": pixels, "proprio": np.full((1, 3), felt)}, explore=False) for felt in (0.0, 2.0)
        ]
        moved.append(not np.array_equal(*actions))
    assert moved == [True, False]


def test_proprioception_goes_through_the_replay_with_its_picture() -> None:
    context = make_context(observation_space=hybrid_space(), frame_stack=1)
    agent = FERM(ferm.AGENT, context, ferm.Config(**SMALL))
    pixels, felt = np.zeros((3, 6, 24, 24), np.uint8), np.arange(9, dtype=np.float32).reshape(3, 3)
    seen = [{"pixels": pixels[step] + step, "proprio": felt[step]} for step in range(3)]
    for step in range(2):
        agent.observe(Transition(seen[step], np.full(2, 0.5, np.float32), 1.0, seen[step + 1], step == 1, False))
    batch: Any = agent.gather(np.array([[0, 0], [0, 1]]))
    assert np.array_equal(batch.observations.proprio.numpy(), felt[:2])
    assert np.array_equal(batch.next_observations.proprio.numpy(), felt[1:])
    assert batch.next_observations.pixels[:, 0, 0, 0].tolist() == [1, 2]
    assert batch.actions.shape == (2, 2)
    assert batch.discounts.flatten().tolist() == pytest.approx([0.99, 0.0])  # an end that is none of the time limit


def test_a_policy_of_other_senses_is_refused(tmp_path: Path) -> None:
    context = make_context(observation_space=hybrid_space(), frame_stack=1)
    FERM(ferm.AGENT, context, ferm.Config(**SMALL)).save_policy(tmp_path)
    with pytest.raises(CheckpointError, match="proprio"):
        FERM(ferm.AGENT, context, ferm.Config(**SMALL, proprioception=False)).load_policy(tmp_path)


def test_it_acts_in_the_dots() -> None:
    env = dot_env()
    agent = make()
    observation, _ = env.reset(seed=0)
    assert agent.act(observation[None], explore=True).shape == (1, 2)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"num_demos": 0}, "leaves nothing for warm_up_updates"),
        ({"num_demos": 0, "warm_up_updates": 0}, "needs num_exploration_steps"),
        ({"cameras": (-1,)}, "greater than or equal to 0"),
    ],
)
def test_settings_that_cannot_be(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        ferm.Config(**{**SMALL, **changes})


def test_too_few_demonstrations_for_a_batch() -> None:
    problem = ferm.Config(num_demos=1, batch_size=300).training_problem(1_000, 200, 1)
    assert problem == "its batch_size of 300 is more than 1 demonstrations hold, 200 steps"
