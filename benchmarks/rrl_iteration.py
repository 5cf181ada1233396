"""Seconds of an iteration of RRL by part, the Fisher product beside a double backward pass, and collection's overhead.

    python -m benchmarks.rrl_iteration [--task door] [--rows 40000] [--steps 20] [--encoder resnet34] [--threads 1]

Physics, picture and features are measured step by step and scaled to an iteration of `--rows` steps; the natural step
(10 iterations of conjugate gradient) and the value fit (2 epochs) are of full size, on random numbers of the right
shapes. The product is compared with the Hessian of the KL divergence by two backward passes: equal, and so many times
faster. What an episode takes beyond physics, picture and features is collection's overhead. Weights may be stand-ins.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np

REPEATS = 3  # of a product; the fastest counts
AGREEMENT = 1e-4  # of the two products, relative to the largest number, in float32


def fastest(function: Callable[[], Any], repeats: int = REPEATS) -> float:
    """Seconds of the fastest of some calls."""
    seconds = []
    for _ in range(repeats):
        started = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - started)
    return min(seconds)


def double_backward(policy: Any, observations: Any, damping: float) -> Callable[[Any], Any]:
    """The product by differentiating the mean KL divergence twice; as in mjrl, each runs both policies."""
    import copy

    import torch

    old = copy.deepcopy(policy)
    parameters = list(policy.parameters())

    def product(vector: Any) -> Any:
        with torch.no_grad():
            mean, log_std = old(observations), old.log_std
        new_var, old_var = torch.exp(2 * policy.log_std), torch.exp(2 * log_std)
        apart = ((mean - policy(observations)) ** 2 + old_var - new_var) / (2 * new_var + 1e-8)
        kl = (apart + policy.log_std - log_std).sum(-1).mean()
        slopes = torch.cat([g.reshape(-1) for g in torch.autograd.grad(kl, parameters, create_graph=True)])
        return torch.cat([g.reshape(-1) for g in torch.autograd.grad(slopes @ vector, parameters)]) + damping * vector

    return product


def products(rows: int, features: int, actions: int, hidden: int = 256) -> tuple[float, float, float]:
    """Seconds of a product by Gauss-Newton and by double backward, and how far they differ at most, relatively."""
    import torch

    from harness.baselines.learners.natural_gradient import FisherProduct
    from harness.baselines.nn.gaussian_policy import GaussianPolicy

    torch.manual_seed(0)
    policy = GaussianPolicy(features, actions, (hidden, hidden))
    observations = torch.randn(rows, features)
    vector = torch.randn(sum(p.numel() for p in policy.parameters()))
    ours, theirs = FisherProduct(policy, observations, 1e-4), double_backward(policy, observations, 1e-4)
    found, wanted = ours(vector), theirs(vector)
    apart = float((found - wanted).abs().max() / wanted.abs().max())
    return fastest(lambda: ours(vector)), fastest(lambda: theirs(vector)), apart


def learning(rows: int, features: int, actions: int) -> dict[str, float]:
    """Seconds of the natural step and of the value fit."""
    import torch

    from harness.baselines.learners.natural_gradient import natural_step, policy_gradient
    from harness.baselines.nn.gaussian_policy import GaussianPolicy
    from harness.baselines.nn.value_network import ValueNetwork, fit, make_optimizer

    torch.manual_seed(0)
    policy, value = GaussianPolicy(features, actions, (256, 256)), ValueNetwork(features + 4, (128, 128))
    seen, chosen, weights = torch.randn(rows, features), torch.randn(rows, actions), torch.randn(rows)

    def improve() -> None:
        natural_step(policy, policy_gradient(policy, seen, chosen, weights), seen, step_size=0.05)

    orders = [torch.randperm(rows) for _ in range(2)]
    inputs, optimizer = torch.randn(rows, features + 4), make_optimizer(value, 1e-3, 1e-3)
    return {
        "natural step": fastest(improve, 1),
        "value fit": fastest(lambda: fit(value, optimizer, inputs, weights, orders, 64), 1),
    }


def collecting(task: str, encoder: str, steps: int) -> dict[str, float]:
    """Seconds of a step, by part, and of a step of an episode as it is collected."""
    from dataclasses import replace

    from harness.agent import AgentContext
    from harness.assets.store import AssetStore
    from harness.baselines import rrl
    from harness.baselines.learners.rrl import RRL
    from harness.environment import make_env
    from harness.registry import load_suite
    from harness.running.episodic import collect_episode

    suite, store = load_suite("adroit_distractors"), AssetStore.from_environment(allow_stand_ins=True)
    protocol = replace(suite.protocol, episode_frames=steps, task_episode_frames={})
    blind, env = (make_env(suite, task, "train", assets=store, protocol=protocol, draw=d) for d in (False, True))
    space, actions = env.observation_space, env.action_space
    world: Any = {"task": task, "observation_space": space, "action_space": actions, "assets": store, "seed": 0}
    context = AgentContext(**world, frame_stack=1, action_repeat=1, train_frames=1, device="cpu")
    agent = RRL(context, rrl.Config(encoder=encoder, num_demos=0))  # type: ignore[arg-type]

    def play(of: Any) -> None:
        of.reset(seed=0, options={"episode": 0})
        for _ in range(steps):
            of.step(np.zeros(actions.shape, np.float32))

    play(env)  # shaders are compiled once
    picture = {name: value[None] for name, value in env.reset(seed=0, options={"episode": 0})[0].items()}
    physics, both = fastest(lambda: play(blind), 2) / steps, fastest(lambda: play(env), 2) / steps
    encode = fastest(lambda: [agent.features(picture) for _ in range(steps)], 2) / steps
    whole = fastest(lambda: collect_episode(env, agent, seed=0, episode=0, on_step=lambda _: None), 2) / steps
    env.close()
    blind.close()
    return {"physics": physics, "picture": both - physics, "encode": encode, "collected": whole}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", default="door")
    parser.add_argument("--rows", type=int, default=40_000)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--encoder", default="resnet34")
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    import torch

    torch.set_num_threads(given.threads)
    ours, theirs, apart = products(given.rows, 536, 28)
    print(f"product       {ours * 1e3:9.0f} ms, by two backward passes {theirs * 1e3:.0f} ms: x{theirs / ours:.1f}")
    if apart > AGREEMENT:
        raise SystemExit(f"The products differ by {apart:.2g} of their largest number.")
    step = collecting(given.task, given.encoder, given.steps)
    whole = step.pop("collected")
    for name, seconds in step.items():
        print(f"{name:13} {seconds * 1e3:9.1f} ms a step {seconds * given.rows:9.0f} s an iteration")
    for name, seconds in learning(given.rows, 536, 28).items():
        print(f"{name:13} {seconds:32.1f} s an iteration")
    print(f"collection    {whole * 1e3:9.1f} ms a step: {100 * (whole / sum(step.values()) - 1):.1f} % over its parts")


if __name__ == "__main__":
    main()
