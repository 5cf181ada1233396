"""Settings as the user writes them, `--set key=value`: the agent's, and numbers of the protocol."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError
from pydantic_core import PydanticSerializationError

from harness.agent import AgentSpec, Config
from harness.errors import UsageError, unknown
from harness.reading import first_problem
from harness.spec import OPEN_FIELDS

PROTOCOL_PREFIX = "protocol."


def split_settings(pairs: Sequence[str]) -> tuple[dict[str, Any], dict[str, int]]:
    """Splits `key=value` texts into agent settings and protocol settings (`protocol.<name>=<integer>`).

    Values are read as JSON where they are JSON (numbers, true, null, lists), else as text.

    Raises:
      UsageError: if a pair has no `=`, a key comes twice, or a protocol setting does not exist or is no integer.
    """
    agent: dict[str, Any] = {}
    protocol: dict[str, int] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        key = key.strip()
        if not equals or not key:
            raise UsageError(f"--set takes key=value, not '{pair}'.")
        if key in agent or key.removeprefix(PROTOCOL_PREFIX) in protocol:
            raise UsageError(f"--set {key} is given twice.")
        value = _value(text)
        if not key.startswith(PROTOCOL_PREFIX):
            agent[key] = value
            continue
        name = key.removeprefix(PROTOCOL_PREFIX)
        if name not in OPEN_FIELDS:
            raise unknown("protocol setting", name, OPEN_FIELDS)
        if not isinstance(value, int) or isinstance(value, bool):
            raise UsageError(f"--set {key} takes an integer, not '{text}'.")
        protocol[name] = value
    return agent, protocol


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text.strip()
    except RecursionError:
        raise UsageError("A value of --set is nested too deeply to be read.") from None


def make_config(agent: AgentSpec, task: str, preset: str, given: Mapping[str, Any], base: Mapping[str, Any]) -> Config:
    """The agent's settings: its own for the task, the preset's, then the user's, later ones winning.

    Args:
      agent: whose settings.
      task: one of the suite's tasks.
      preset: name of a preset.
      given: what the user set.
      base: the settings a policy was trained with, instead of the task's and the preset's; empty to train.
    Raises:
      UsageError: for a setting that does not exist, a value out of range, or one that a trained policy cannot have any
        more, in one sentence.
    """
    for key in given:
        if key not in agent.config.model_fields:
            raise unknown(f"setting of agent {agent.name}", key, agent.config.model_fields)
    merged = dict(base) if base else {**agent.task_settings.get(task, {}), **agent.preset_settings.get(preset, {})}
    try:
        config = agent.configure({**merged, **given})
    except ValidationError as error:
        raise UsageError(f"Agent {agent.name}: {first_problem(error)}.") from error
    except PydanticSerializationError as error:
        raise UsageError(f"A setting of agent {agent.name} holds bytes that are no text.") from error
    if base:
        _check_acts_at_evaluation(agent, config, given, base)
    return config


def _check_acts_at_evaluation(
    agent: AgentSpec, config: Config, given: Mapping[str, Any], trained: Mapping[str, Any]
) -> None:
    """Refuses to call a policy trained with what it was not trained with."""
    allowed = config.evaluation_settings
    values = config.model_dump(mode="json")  # as a record holds them
    changed = [key for key in given if key not in allowed and values[key] != trained.get(key)]
    if changed:
        key, others = changed[0], f"; it takes {', '.join(allowed)}" if allowed else ""
        raise UsageError(
            f"--set {key} acts in training alone, and --checkpoint evaluates a policy of {agent.name} that was trained "
            f"with {trained.get(key)!r}{others}."
        )
