"""PIE-G's own: BatchNorm modes, weights, overlay pictures."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch

from harness.agent import Phase
from harness.assets.store import AssetStore
from harness.baselines import pieg
from harness.baselines.learners.pieg import PIEG
from harness.errors import MissingAssetError, UsageError
from harness.running.settings import make_config
from tests.baselines.world import make_context, random_batch, small_backbone

SMALL = {"feature_dim": 8, "hidden_dim": 16, "representation_dim": 16, "num_exploration_steps": 0}
NOTHING = AssetStore([], allow_stand_ins=False)


def make(**changes: Any) -> PIEG:
    return PIEG(make_context(), pieg.Config(**(SMALL | changes)), backbone=small_backbone())


def pixels(num: int, seed: int = 0, size: int = 24) -> np.ndarray:
    # Not noise alone: observations whose brightness differs have statistics that differ.
    rng = np.random.default_rng(seed)
    noise = rng.integers(0, 100, (num, 9, size, size))
    return (noise + rng.integers(0, 156, (num, 1, 1, 1))).astype(np.uint8)


def buffers(agent: PIEG) -> dict[str, torch.Tensor]:
    return {key: value.clone() for key, value in agent.encoder.backbone.named_buffers()}


def begin(agent: PIEG, phase: Phase) -> None:
    agent.begin_episode(phase=phase, seed=0, episode=0)


@pytest.mark.parametrize(
    ("phase", "setting"),
    [("train", "bn_collect"), ("curve", "bn_curve"), ("evaluation", "bn_eval")],
)
def test_each_phase_of_acting_has_its_own_mode(phase: Phase, setting: str) -> None:
    actions = {}
    for mode in ("batch", "running"):
        others = {"bn_collect": "running", "bn_curve": "running", "bn_eval": "running"}
        agent = make(**(others | {setting: mode}))
        before = buffers(agent)
        begin(agent, phase)
        actions[mode] = agent.act(pixels(2), explore=phase == "train")
        assert all(torch.equal(value, before[key]) for key, value in buffers(agent).items())
    assert not np.allclose(actions["batch"], actions["running"], atol=1e-4)


def test_the_default_modes_are_the_published_ones() -> None:
    config = pieg.Config()
    modes = (config.bn_train, config.bn_collect, config.bn_curve, config.bn_eval)
    assert modes == ("batch", "running", "running", "batch")


@pytest.mark.parametrize("phase", ["curve", "evaluation"])
def test_an_action_does_not_depend_on_the_rest_of_the_batch(phase: Phase) -> None:
    agent = make()
    begin(agent, phase)
    together = agent.act(pixels(5), explore=False)
    alone = np.concatenate([agent.act(row[None], explore=False) for row in pixels(5)])
    np.testing.assert_allclose(together, alone, atol=1e-5)
    assert np.ptp(together, axis=0).min() > 1e-3


def reference_norm(norm: torch.nn.BatchNorm2d, x: torch.Tensor) -> torch.Tensor:
    """Torch's own BatchNorm in train mode, with the trained scale and offset and no memory."""
    fresh = torch.nn.BatchNorm2d(x.shape[1], eps=norm.eps, dtype=torch.float64).train()
    fresh.load_state_dict({**fresh.state_dict(), "weight": norm.weight, "bias": norm.bias})
    return fresh(x)


def reference_action(agent: PIEG, observation: np.ndarray) -> np.ndarray:
    """The action for one observation uint8 (9, H, W), BatchNorm over its three frames; written out once more."""
    network, relu = agent.encoder.backbone, torch.relu
    x = torch.from_numpy(observation).double().reshape(3, 3, *observation.shape[1:]) / 255 - 0.5
    x = torch.nn.MaxPool2d(3, 2, 1)(relu(reference_norm(network.bn1, network.conv1(x))))
    for block in [*network.layer1, *network.layer2]:
        out = relu(reference_norm(block.bn1, block.conv1(x)))
        out = reference_norm(block.bn2, block.conv2(out))
        shortcut = x if block.downsample is None else reference_norm(block.downsample[1], block.downsample[0](x))
        x = relu(out + shortcut)
    fused = torch.cat([x[1], x[2], x[1] - x[0], x[2] - x[1]]).flatten()[None]
    return agent.actor(agent.encoder.projection(fused))[0].detach().numpy()


def test_batch_statistics_are_those_of_the_observations_three_frames() -> None:
    backbone, rng = small_backbone(), torch.Generator().manual_seed(3)
    for norm in (module for module in backbone.modules() if isinstance(module, torch.nn.BatchNorm2d)):
        torch.nn.init.uniform_(norm.weight, 0.5, 1.5, rng)
        torch.nn.init.uniform_(norm.bias, -0.5, 0.5, rng)
    agent = PIEG(make_context(), pieg.Config(**SMALL), backbone=backbone, dtype=torch.float64)
    begin(agent, "evaluation")
    observations = pixels(3)
    expected = [reference_action(agent, observation) for observation in observations]
    np.testing.assert_allclose(agent.act(observations, explore=False), expected, atol=1e-6)  # actions are float32
    begin(agent, "curve")
    assert np.abs(agent.act(observations, explore=False) - expected).max() > 1e-2


def test_training_with_running_statistics_moves_nothing() -> None:
    agent = make(bn_train="running", bn_constructor_noise=False)
    start = buffers(agent)
    assert not start["bn1.running_mean"].any()  # as the random network has them: no noise went through
    agent.update_batch(random_batch(4, agent.context, torch.float32), agent.draw(4))
    assert all(torch.equal(value, start[key]) for key, value in buffers(agent).items())
    moving = make()
    assert moving.encoder.backbone.bn1.running_mean.any()  # the constructor's noise


def test_the_frozen_network_stays_frozen() -> None:
    agent = make()
    start = {key: value.clone() for key, value in agent.encoder.named_parameters()}
    agent.update_batch(random_batch(4, agent.context, torch.float32), agent.draw(4))
    for key, value in agent.encoder.named_parameters():
        assert torch.equal(value, start[key]) == key.startswith("backbone."), key


def test_pretrained_weights_are_loaded_and_named(asset_store: AssetStore) -> None:
    context = make_context(assets=asset_store)
    config = pieg.Config(**SMALL, bn_constructor_noise=False)
    agent = PIEG(context, config)
    assert agent.weights == asset_store.find("resnet18").identity
    assert float(agent.encoder.backbone.conv1.weight[0, 0, 0, 0]) == pytest.approx(-0.010419349, rel=1e-6)
    assert float(agent.encoder.backbone.layer1[0].bn1.running_var.mean()) > 0


@pytest.mark.parametrize("layer", [3, 4])
def test_deeper_layers_need_the_whole_file(layer: int, asset_store: AssetStore) -> None:
    config = pieg.Config(**SMALL, layer=layer)
    assert config.required_assets()[0] == "resnet18_full"
    try:
        asset_store.find("resnet18_full")
    except MissingAssetError:
        with pytest.raises(MissingAssetError, match="resnet18"):
            PIEG(make_context(assets=asset_store), config)
    else:
        assert PIEG(make_context(assets=asset_store), config).encoder.backbone.layer == layer


def test_the_stand_in_network_is_the_same_for_every_seed() -> None:
    agents = [PIEG(make_context(seed=seed), pieg.Config(**SMALL)) for seed in (0, 1)]
    assert agents[0].weights == "stand-in:resnet18-v1"
    weights = [agent.encoder.backbone.layer1[0].conv1.weight for agent in agents]
    assert torch.equal(*weights)
    assert not torch.equal(*(agent.encoder.projection[0].weight for agent in agents))


def test_without_weights_training_stops_at_once_and_acting_when_it_is_asked_to() -> None:
    with pytest.raises(MissingAssetError):
        PIEG(make_context(assets=NOTHING), pieg.Config(**SMALL))
    agent = PIEG(make_context(assets=NOTHING, evaluation_only=True), pieg.Config(**SMALL))
    with pytest.raises(MissingAssetError):
        agent.act(pixels(1), explore=False)


def test_a_policy_file_brings_its_weights(tmp_path: Path) -> None:
    config = pieg.Config(**SMALL)
    trained = PIEG(make_context(), config)
    trained.save_policy(tmp_path)
    agent = PIEG(make_context(assets=NOTHING, evaluation_only=True, seed=4), config)
    agent.load_policy(tmp_path)
    assert agent.weights == "stand-in:resnet18-v1"
    assert np.array_equal(agent.act(pixels(2), explore=False), trained.act(pixels(2), explore=False))


def test_missing_overlay_pictures_are_a_loud_error() -> None:
    agent = make()
    agent.context = dataclasses.replace(agent.context, assets=NOTHING)
    with pytest.raises(MissingAssetError, match="overlay"):
        agent.draw(4)
    draws, batch = super(PIEG, agent).draw(4), random_batch(4, agent.context, torch.float32)
    with pytest.raises(ValueError, match="overlay pictures"):
        agent.update_batch(batch, draws)


def test_assets_a_configuration_needs() -> None:
    assert pieg.Config().required_assets() == ("resnet18", "pictures:auto")
    paper = pieg.Config(**pieg.AGENT.preset_settings["paper"])
    assert paper.required_assets() == ("resnet18", "pictures:places365")


def test_one_frame_has_no_differences() -> None:
    with pytest.raises(UsageError, match="frame_stack must be at least 2"):
        PIEG(make_context(frame_stack=1), pieg.Config(**SMALL), backbone=small_backbone())


def test_lower_precision_of_the_frozen_part_is_close_and_only_on_request() -> None:
    pixels = torch.randint(0, 256, (4, 9, 24, 24), dtype=torch.uint8)
    exact, rounded = (PIEG(make_context(), pieg.Config(**SMALL, frozen_dtype=d)) for d in ("float32", "bfloat16"))
    features = [agent.encoder.fused_features(pixels.float() / 255 - 0.5) for agent in (exact, rounded)]
    assert features[1].dtype == torch.float32
    difference = (features[0] - features[1]).abs().mean() / features[0].abs().mean()
    assert 0 < difference < 0.03


@pytest.mark.slow
@pytest.mark.parametrize(("changes", "saturated"), [({}, False), ({"learning_rate": 1e-4}, True)])
def test_quick_leaves_the_actor_something_to_see(changes: dict[str, float], saturated: bool) -> None:
    """As many updates as `quick` makes; at the published learning rate they end in one action for everything."""
    context = make_context(image_size=84, action_dim=6)
    config = make_config(pieg.AGENT, "cheetah_run", "quick", changes, {})
    agent = PIEG(context, config, backbone=small_backbone(width=16))
    batch = random_batch(config.batch_size, context, torch.float32)
    for _ in range(50):
        agent.update_batch(batch, agent.draw(config.batch_size))
    actions = agent.act(pixels(4, size=84), explore=False)
    assert (np.abs(actions).mean() > 0.99) == saturated
    assert (actions.std(axis=0).mean() < 1e-3) == saturated
    assert np.abs(actions).mean() < 0.6 or saturated


def test_several_cameras_are_refused() -> None:
    space = gymnasium.spaces.Box(0, 255, (27, 24, 24), np.uint8)
    with pytest.raises(UsageError, match="one camera"):
        PIEG(make_context(observation_space=space), pieg.Config(**SMALL))
