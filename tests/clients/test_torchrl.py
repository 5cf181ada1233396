"""TorchRL as it is: its check of specs, a collector, environments in parallel processes."""

from __future__ import annotations

import pytest

from harness.registry import load_suite

torchrl = pytest.importorskip("torchrl", reason="needs TorchRL: tox -e clients")
from torchrl.collectors import Collector  # noqa: E402
from torchrl.envs import GymEnv, ParallelEnv  # noqa: E402
from torchrl.envs.utils import RandomPolicy, check_env_specs  # noqa: E402

pytestmark = [pytest.mark.render, pytest.mark.filterwarnings("ignore")]
NAME = f"harness:harness/color_hard-cartpole_swingup-train-v{load_suite('color_hard').version}"
SHORT = {"profile": "fast", "episode_frames": 40, "image_size": 48}


def make() -> GymEnv:
    return GymEnv(NAME, device="cpu", **SHORT)


@pytest.mark.parametrize("name", [NAME, NAME.removeprefix("harness:")])
def test_specs(name: str) -> None:
    """With the package named in the id, and without, as `harness` was imported before TorchRL."""
    env = GymEnv(name, device="cpu", **SHORT)
    check_env_specs(env)
    env.close()


def test_a_collector_goes_over_the_ends_of_episodes() -> None:
    env = make()
    collector = Collector(env, RandomPolicy(env.action_spec), frames_per_batch=25, total_frames=50)
    batches = [batch["next", "done"].sum().item() for batch in collector]
    collector.shutdown()
    assert sum(batches) == 2  # 20 steps an episode


def test_parallel_environments() -> None:
    envs = ParallelEnv(2, make, mp_start_method="spawn")
    rollout = envs.rollout(5)
    envs.close()
    (pixels,) = (rollout[key] for key in ("pixels", "observation") if key in rollout)
    assert pixels.shape == (2, 5, 9, 48, 48)
