"""The same checks over every agent of `baselines/`: what `harness.agent` promises about them."""

from __future__ import annotations

import ast
import importlib
import inspect
import math
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from harness import baselines
from harness.agent import (
    Agent,
    AgentContext,
    AgentSpec,
    Config,
    Encodes,
    EpisodicAgent,
    Phase,
    Policy,
    Sizes,
    Transition,
)
from harness.api import evaluate
from harness.assets.store import AssetStore
from harness.environment import PixelEnv, make_env
from harness.errors import CheckpointError
from harness.reports.filling import build_table, expected_from_rows
from harness.running.episodic import collect_episode
from harness.running.rollout import start_episode
from harness.running.tensors import shapes_in
from harness.spec import OPEN_FIELDS, Setting
from harness.testing import SUITE

FOLDER = Path(baselines.__file__ or "").parent
NAMES = sorted(path.stem for path in FOLDER.glob("*.py") if path.stem != "__init__")
AGENTS: dict[str, AgentSpec] = {name: importlib.import_module(f"harness.baselines.{name}").AGENT for name in NAMES}
LEARNERS = [name for name, spec in AGENTS.items() if spec.learns and spec.learns_from == "steps"]
EPISODIC = [name for name, spec in AGENTS.items() if spec.learns_from == "episodes"]
STAND_INS = AssetStore([], allow_stand_ins=True)

# Settings that make an update cheap and early; each agent takes those it has. Their meaning is the agent's.
CHEAP = {
    "batch_size": 4,
    "num_seed_frames": 50,
    "num_exploration_steps": 10,
    "update_every_steps": 5,
    "replay_capacity": 500,
    "representation_dim": 32,
    "hidden_dim": 32,
    "feature_dim": 16,
    "episodes_per_update": 2,
    "clone_epochs": 0,
    "encoder": "shufflenetv2",
    "num_catch_up_updates": 2,
    "num_shared_layers": 3,
    "num_head_layers": 1,
    "num_layers": 3,
    "num_filters": 8,
    "auxiliary_batch_size": 4,
    "crop_size": 20,
}

# Where an agent means something else by a name, or has cheaper choices of its own.
CHEAP_FOR = {"pvr": {"encoder": "resnet18", "layer": 1, "pool": 2}}

every_agent = pytest.mark.parametrize("name", NAMES)
every_episodic = pytest.mark.parametrize("name", EPISODIC)
every_learner = pytest.mark.parametrize("name", LEARNERS)


def make_world(name: str) -> PixelEnv:
    """The dots as the agent observes them."""
    spec = AGENTS[name]
    protocol = replace(SUITE.protocol, frame_stack=min(3, spec.max_frame_stack or 3))
    states = spec.observes == "states"
    return make_env(SUITE, "dot_reach", "train", assets=STAND_INS, protocol=protocol, states=states)


def make_agent(name: str, *, seed: int = 0, memory: Path | None = None) -> Any:
    spec, env = AGENTS[name], make_world(name)
    context = AgentContext(
        task="dot_reach",
        observation_space=env.observation_space,
        action_space=env.action_space,
        frame_stack=min(3, spec.max_frame_stack or 3),
        action_repeat=2,
        train_frames=150,
        seed=seed,
        device="cpu",
        assets=STAND_INS,
        memory=memory,
    )
    return spec.make(context, cheap_config(spec))


def cheap_config(spec: AgentSpec) -> Config:
    """The agent's settings for `quick`, made cheaper where it has them; what it does not use stays unused."""
    usual = spec.config()
    quick = {**spec.preset_settings.get("quick", {}), **CHEAP, **CHEAP_FOR.get(spec.name, {})}
    used = {key for key in spec.config.model_fields if getattr(usual, key) is not None or key == "replay_capacity"}
    return spec.configure({key: value for key, value in quick.items() if key in used})


def begin(agent: Any, episode: int, phase: Phase = "evaluation") -> None:
    start_episode(agent, phase=phase, seed=3, episode=episode)


def observe_episode(agent: Any, episode: int, name: str) -> list[dict[str, float]]:
    """One training episode; returns the metrics of its updates."""
    env, metrics = make_world(name), []
    observation, _ = env.reset(seed=3, options={"episode": episode})
    begin(agent, episode, "train")
    over = False
    while not over:
        action = agent.act(observation[None], explore=True)[0]
        metrics.append(dict(agent.update()))
        following, reward, terminated, truncated, _ = env.step(action)
        agent.observe(Transition(observation, action, reward, following, terminated, truncated))
        observation, over = following, terminated or truncated
    return metrics


def collect(agent: Any, name: str, episode: int) -> dict[str, np.ndarray]:
    """One episode as a worker collects it."""
    return dict(collect_episode(make_world(name), agent, seed=3, episode=episode, on_step=lambda step: None).arrays)


def learn_from_episodes(agent: Any, name: str, first: int) -> dict[str, float]:
    """One update from as many episodes as the agent wants."""
    numbers = range(first, first + agent.episodes_wanted)
    return dict(agent.learn([collect(agent, name, number) for number in numbers]))


def observations(name: str, num: int) -> np.ndarray:
    env = make_world(name)
    return np.stack([env.reset(seed=5, options={"episode": i})[0] for i in range(num)])


def test_there_are_agents() -> None:
    assert {"random", "zero", "drqv2", "pieg", "sac", "drq", "svea"} <= set(NAMES)
    assert {"drqv2", "pieg", "sac", "drq", "svea", "rad", "curl", "soda", "pvr", "sgqn", "tlda"} <= set(LEARNERS)
    assert {"svea_overlay", "srm", "curl_vigen", "sgqn_vigen", "sada", "drm", "drm_metaworld"} <= set(LEARNERS)


@every_agent
def test_the_declaration_is_complete(name: str) -> None:
    spec = AGENTS[name]
    assert spec.name == name
    assert spec.version >= 1
    assert spec.description.endswith(".")
    assert spec.source
    module, _, attribute = spec.maker.partition(":")
    assert module.startswith("harness.baselines.")
    assert attribute
    tree = ast.parse((FOLDER / f"{name}.py").read_text(encoding="utf-8"))
    assert ast.get_docstring(tree)


@every_agent
def test_settings_load_and_wrong_ones_do_not(name: str) -> None:
    spec = AGENTS[name]
    assert issubclass(spec.config, Config)
    variants = [*spec.task_settings.values(), *spec.preset_settings.values(), {}]
    for settings in variants:
        config = spec.config(**settings)
        assert isinstance(spec.required_assets(config), tuple)
        with pytest.raises(ValidationError):
            spec.config(**settings, no_such_setting=1)
    with pytest.raises(ValidationError):
        spec.config().__setattr__("anything", 1)


@every_agent
def test_declarations_import_without_torch(name: str) -> None:
    code = f"import sys, baselines.{name}; print('torch' in sys.modules, 'mujoco' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


@every_agent
def test_it_is_what_its_declaration_says(name: str) -> None:
    agent = make_agent(name)
    kind = EpisodicAgent if name in EPISODIC else Agent if AGENTS[name].learns else Policy
    assert isinstance(agent, kind)
    hook = getattr(agent, "begin_episode", None)
    if hook is not None:
        assert set(inspect.signature(hook).parameters) == {"phase", "seed", "episode"}


@every_agent
@pytest.mark.parametrize("explore", [False, True])
@pytest.mark.parametrize("num", [1, 3])
def test_actions_are_in_range(name: str, explore: bool, num: int) -> None:
    agent = make_agent(name)
    for phase in ("train",) if explore else ("curve", "evaluation"):
        begin(agent, 0, phase)
        actions = agent.act(observations(name, num), explore=explore)
        assert isinstance(actions, np.ndarray)
        assert actions.dtype == np.float32
        assert actions.shape == (num, 2)
        assert np.isfinite(actions).all()
        assert np.abs(actions).max() <= 1.0


@every_agent
def test_an_evaluated_episode_does_not_depend_on_what_ran_before(name: str) -> None:
    def episode(agent: Any, number: int) -> np.ndarray:
        begin(agent, number)
        return np.stack([agent.act(observations(name, 1), explore=False) for _ in range(3)])

    agent = make_agent(name)
    first = episode(agent, 0)
    episode(agent, 1)
    begin(agent, 2, "train")
    agent.act(observations(name, 1), explore=True)
    assert np.array_equal(episode(agent, 0), first)


@every_agent
def test_a_setting_that_changes_nothing_has_no_gap(name: str) -> None:
    """As `--shift light=1`: whatever an agent does otherwise there would be measured as a gap and is none."""
    agent = make_agent(name)
    if AGENTS[name].observes == "states":
        pytest.skip("acts on states: sees no setting")
    if name in EPISODIC:
        learn_from_episodes(agent, name, 0)
    elif AGENTS[name].learns:
        for episode in range(6):
            observe_episode(agent, episode, name)
    suite = replace(SUITE, settings=(Setting("nothing", ()),))
    stack = {"frame_stack": min(3, AGENTS[name].max_frame_stack or 3)}
    rows = evaluate(agent, suite, tasks="dot_reach", episodes=3, protocol=stack)
    table = build_table(rows, expected_from_rows(rows, train_setting="train"))
    (line,) = [line for line in table.lines if line.setting == "nothing" and line.task == "dot_reach"]
    assert line.gap is not None
    assert (line.gap.mean, line.gap.low, line.gap.high) == (0.0, 0.0, 0.0)
    assert len(set(rows["episode_return"])) == 3


@every_learner
def test_updates_are_finite_and_change_what_it_does(name: str) -> None:
    agent = make_agent(name)
    begin(agent, 0)
    before = agent.act(observations(name, 2), explore=False)
    metrics = [told for episode in range(4) for told in observe_episode(agent, episode, name) if told]
    assert metrics
    assert all(np.isfinite(list(told.values())).all() for told in metrics)
    begin(agent, 0)
    after = agent.act(observations(name, 2), explore=False)
    assert np.isfinite(after).all()
    assert not np.array_equal(before, after)


@every_learner
def test_it_learns_from_the_smallest_pictures_it_says_it_takes(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def show(image_size: int) -> None:
        protocol = replace(SUITE.protocol, image_size=image_size)
        world = partial(make_env, SUITE, "dot_reach", "train", assets=STAND_INS, protocol=protocol)
        monkeypatch.setattr(sys.modules[__name__], "make_world", lambda name: world())

    smallest = AGENTS[name].smallest_image(cheap_config(AGENTS[name]))
    show(max(smallest, OPEN_FIELDS["image_size"][0]))
    agent = make_agent(name)
    metrics = [told for episode in range(3) for told in observe_episode(agent, episode, name) if told]
    assert metrics
    assert all(np.isfinite(list(told.values())).all() for told in metrics)
    if smallest > 1:
        show(smallest - 1)
        with pytest.raises(ValueError, match=r"leave nothing|are smaller"):
            make_agent(name)


@every_learner
def test_it_is_deterministic_under_its_seed(name: str) -> None:
    actions = []
    for seed in (0, 0, 1):
        agent = make_agent(name, seed=seed)
        for episode in range(3):
            observe_episode(agent, episode, name)
        actions.append(agent.act(observations(name, 2), explore=True))
    assert np.array_equal(actions[0], actions[1])
    assert not np.array_equal(actions[0], actions[2])


@every_learner
@pytest.mark.parametrize("in_files", [False, True])
def test_saved_and_loaded_it_goes_on_as_if_nothing_happened(name: str, in_files: bool, tmp_path: Path) -> None:
    memory = tmp_path / "memory" if in_files else None
    agent = make_agent(name, memory=memory)
    for episode in range(3):
        observe_episode(agent, episode, name)
    (tmp_path / "checkpoint").mkdir()
    agent.save(tmp_path / "checkpoint")
    other = make_agent(name, memory=memory)
    other.load(tmp_path / "checkpoint")
    told = [(observe_episode(one, 3, name), one.act(observations(name, 2), explore=True)) for one in (agent, other)]
    assert told[0][0] == told[1][0]
    assert np.array_equal(told[0][1], told[1][1])


@every_learner
def test_a_saved_policy_acts_the_same(name: str, tmp_path: Path) -> None:
    agent = make_agent(name)
    for episode in range(3):
        observe_episode(agent, episode, name)
    agent.save_policy(tmp_path)
    other = make_agent(name, seed=1)
    other.load_policy(tmp_path)
    for phase in ("curve", "evaluation"):
        actions = []
        for one in (agent, other):
            begin(one, 0, phase)
            actions.append(one.act(observations(name, 2), explore=False))
        assert np.array_equal(*actions)
    suffixes = {path.suffix for path in tmp_path.rglob("*") if path.is_file()}
    assert suffixes <= {".json", ".safetensors", ".npy"}


@pytest.mark.parametrize("name", [name for name in NAMES if AGENTS[name].learns and AGENTS[name].observes == "pixels"])
def test_its_features_can_be_looked_at(name: str) -> None:
    agent = make_agent(name)
    begin(agent, 0)
    assert isinstance(agent, Encodes)
    seen = observations(name, 2)
    maps = agent.feature_maps(seen)
    assert (maps.dtype, maps.ndim, len(maps)) == (np.float32, 4, 2)
    assert np.isfinite(maps).all()
    assert np.ptp(maps) > 0
    np.testing.assert_allclose(agent.feature_maps(seen[1:]), maps[1:], rtol=1e-4, atol=1e-5)
    assert not np.allclose(maps[0], maps[1])


@every_learner
def test_an_empty_folder_is_no_checkpoint(name: str, tmp_path: Path) -> None:
    agent = make_agent(name)
    with pytest.raises(CheckpointError):
        agent.load(tmp_path)
    with pytest.raises(CheckpointError):
        agent.load_policy(tmp_path)


@every_learner
def test_what_it_says_of_its_files_is_what_it_stores(name: str, tmp_path: Path) -> None:
    """A plan compares policies with it before anything is loaded."""
    spec, agent = AGENTS[name], make_agent(name)
    if spec.tensors is None:
        pytest.skip("says nothing of its files")
    agent.save_policy(tmp_path)
    env = make_world(name)
    sizes = Sizes(env.observation_space.shape or (), math.prod(env.action_space.shape or ()), 3)  # type: ignore[arg-type]
    (found,) = shapes_in(tmp_path).values()
    assert found == dict(sorted(spec.tensors(agent.config, sizes).items()))


@every_learner
def test_the_memory_it_says_to_need_is_a_lower_bound(name: str, tmp_path: Path) -> None:
    """Checked from below by what a checkpoint holds, and from above by what the published settings surely fit into."""
    spec, agent = AGENTS[name], make_agent(name)
    if spec.training_bytes is None:
        pytest.skip("says nothing of its memory")
    agent.save(tmp_path)
    stored = sum(path.stat().st_size for path in tmp_path.glob("*.safetensors"))
    frozen = sum(parameter.nbytes for parameter in agent.encoder.parameters() if not parameter.requires_grad)
    small, published = Sizes((9, 24, 24), 2, 3), Sizes((9, 84, 84), 6, 3)
    assert spec.training_bytes(agent.config, small) > 0.9 * (stored - frozen)
    assert 1e7 < spec.training_bytes(spec.config(), published) < 4e9


@every_episodic
def test_an_episode_depends_on_the_policy_and_its_number_alone(name: str, tmp_path: Path) -> None:
    agent, other = make_agent(name), make_agent(name, seed=1)
    agent.save_policy(tmp_path)
    other.load_policy(tmp_path)
    collect(other, name, 7)
    for episode in (2, 0):
        ours, theirs = collect(agent, name, episode), collect(other, name, episode)
        assert ours.keys() == theirs.keys()
        assert all(np.array_equal(ours[key], theirs[key]) for key in ours)
    assert not all(np.array_equal(ours[key], array) for key, array in collect(agent, name, 1).items())


@every_episodic
def test_it_learns_from_episodes_and_goes_on_from_a_checkpoint(name: str, tmp_path: Path) -> None:
    agent, other = make_agent(name), make_agent(name)
    assert agent.start(None) == other.start(None)
    before = agent.act(observations(name, 2), explore=False)
    told = learn_from_episodes(agent, name, 0)
    assert np.isfinite(list(told.values())).all()
    assert not np.array_equal(agent.act(observations(name, 2), explore=False), before)
    (tmp_path / "checkpoint").mkdir()
    agent.save(tmp_path / "checkpoint")
    other.load(tmp_path / "checkpoint")
    other.take_demos(None)
    assert learn_from_episodes(agent, name, 5) == learn_from_episodes(other, name, 5)
    for one in (agent, other):
        begin(one, 0)
    actions = [one.act(observations(name, 2), explore=False) for one in (agent, other)]
    assert np.array_equal(*actions)
    with pytest.raises(CheckpointError):
        other.load(tmp_path)
