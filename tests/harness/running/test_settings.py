"""`--set key=value`."""

from __future__ import annotations

import pytest

from harness.agent import AgentSpec, Config
from harness.errors import UsageError
from harness.running.settings import make_config, split_settings


def test_settings_are_split_and_typed() -> None:
    agent, protocol = split_settings(["rate=0.5", "name=walk er", "flag=true", "protocol.action_repeat=4"])
    assert agent == {"rate": 0.5, "name": "walk er", "flag": True}
    assert protocol == {"action_repeat": 4}


@pytest.mark.parametrize(
    "pair", ["rate", "=3", "protocol.action_repeat=x", "protocol.size=3", "protocol.frame_stack=1.5"]
)
def test_wrong_settings_are_refused(pair: str) -> None:
    with pytest.raises(UsageError):
        split_settings([pair])


def test_a_setting_given_twice_is_refused() -> None:
    with pytest.raises(UsageError, match="twice"):
        split_settings(["rate=1", "rate=2"])


def test_settings_may_be_whole_numbers_and_lists() -> None:
    class Listing(Config):
        sizes: tuple[int, ...] = (1,)
        rate: float = 0.5

    spec = AgentSpec(name="listing", version=1, maker="", description="", source="", config=Listing)
    config = make_config(spec, "t", "quick", {"sizes": [3, 4], "rate": 1}, {})
    assert (config.sizes, config.rate) == ((3, 4), 1.0)  # type: ignore[attr-defined]
    assert spec.configure(config.model_dump(mode="json")) == config
    for wrong in ({"sizes": [3, True]}, {"sizes": 3}, {"sizes": "34"}, {"rate": "1"}):
        with pytest.raises(UsageError, match=f"Agent listing: '{next(iter(wrong))}"):
            make_config(spec, "t", "quick", wrong, {})
