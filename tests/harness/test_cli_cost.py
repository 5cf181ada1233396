"""harness diagnose cost: what it counts, and what cannot be."""

from __future__ import annotations

import json

import pytest
import torch

from harness import cli
from harness.baselines.nn.flops import counted
from harness.baselines.nn.gaussian_policy import GaussianPolicy

DOTS = ("--suite", "harness.testing:STATE_SUITE")


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = 0
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("sys.argv", ["harness", "diagnose", "cost", "--device", "cpu", *arguments])
            cli.main()
    except SystemExit as stop:
        code = int(stop.code or 0)
    out, err = capsys.readouterr()
    return code, out, err


def test_a_linear_layer_is_two_operations_per_weight_and_row() -> None:
    layer = torch.nn.Linear(7, 5)
    with counted() as told:
        layer(torch.zeros(3, 7)).sum().backward()
    assert told() == 2 * 3 * 7 * 5 * 2  # forward, and the gradient of the weight; the input needs none


def test_an_iteration_of_whole_episodes(capsys: pytest.CaptureFixture[str]) -> None:
    settings = ("episodes_per_update=3", "hidden_dim=16", "value_epochs=0", "cg_iterations=1")
    chosen = [part for setting in settings for part in ("--set", setting)]
    code, out, _ = run(capsys, "--agent", "npg", *DOTS, "--steps", "5", *chosen, "--json")
    (cost,) = json.loads(out)
    assert code == 0
    steps = cost["frames"] // 2  # an action lasts two frames
    assert cost["iteration"] == f"3 episodes of {steps // 3} steps, and an update"
    parts = {part["part"]: part for part in cost["parts"]}
    observed, actions = 4, 2
    weights = sum(p.numel() for p in GaussianPolicy(observed, actions, (16, 16)).parameters() if p.ndim == 2)
    assert parts["act"]["flops"] == 2 * weights * steps  # scaled from five steps to all of them
    assert parts["step"]["flops"] == parts["observe"]["flops"] == 0
    assert parts["update"]["flops"] > 3 * 2 * weights * steps  # gradient and Fisher product, over all rows
    assert cost["flops"] == sum(part["flops"] for part in cost["parts"])
    assert cost["seconds"] == pytest.approx(sum(part["seconds"] for part in cost["parts"]))
    assert all(part["seconds"] > 0 for part in cost["parts"])


def test_updates_of_full_size_are_counted_whatever_is_measured(capsys: pytest.CaptureFixture[str]) -> None:
    counts = []
    for steps in ("5", "25"):
        chosen = ("--set", "episodes_per_update=6", "--set", "cg_iterations=1", "--steps", steps, "--json")
        (cost,) = json.loads(run(capsys, "--agent", "npg", *DOTS, *chosen)[1])
        counts.append({part["part"]: part["flops"] for part in cost["parts"]})
    assert counts[0] == pytest.approx(counts[1])


def test_one_step_of_an_agent_that_learns_from_steps(capsys: pytest.CaptureFixture[str]) -> None:
    settings = ("batch_size=4", "hidden_dim=16", "num_filters=4", "num_shared_layers=3", "feature_dim=8")
    chosen = [part for setting in settings for part in ("--set", setting)]
    code, out, _ = run(capsys, "--agent", "sac", "--agent", "drq", "--steps", "4", *DOTS, *chosen)
    assert code == 0
    lines = [line for line in out.splitlines() if line.startswith(("| sac", "| drq"))]
    assert [line.split("|")[3].strip() for line in lines] == ["act", "step", "observe", "update", "iteration"] * 2
    assert all(float(line.split("|")[5]) > 0 for line in lines if " update " in line or " act " in line)
    assert "an iteration is 1 step; from 4 measured steps" in out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--agent", "zero"), "does not learn"),
        (("--agent", "npg", "--suite", "harness.testing:SUITE"), "acts on states"),
        (("--agent", "npg", *DOTS, "--set", "hidden_dim=0"), "hidden_dim"),
        (("--agent", "npgg", *DOTS), "Did you mean 'npg'"),
        (("--agent", "npg", *DOTS, "--steps", "0"), "--steps must be at least 1"),
        (("--agent", "npg", *DOTS, "--task", "dot_rech"), "dot_reach"),
        (("--agent", "npg", *DOTS, "--profile", "best"), "render profile"),
    ],
)
def test_wrong_input(arguments: tuple[str, ...], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, *arguments)
    assert code == 2
    assert words in err
    assert out == ""
    assert len(err.strip().splitlines()) == 1
