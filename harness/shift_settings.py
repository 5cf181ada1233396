"""Settings composed by the user: what `--shift [setting+]name=value` adds to a suite."""

from __future__ import annotations

import importlib
import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from harness.axis import Axis
from harness.errors import UsageError, unknown
from harness.spec import Setting, Suite


def add_shifts(suite: Suite, texts: Sequence[str]) -> Suite:
    """The suite with one more setting per text, evaluated beside its own.

    Args:
      suite: any suite.
      texts: each `[SETTING+]NAME=VALUE[+NAME=VALUE...]`: axes of `harness list shifts`, on top of one of the suite's
        settings or, if none is named, of the training setting.
    Raises:
      UsageError: for a name that does not exist, a value out of range, or an axis of another domain.
    """
    added = {setting.name: setting for setting in (_composed(suite, text) for text in texts)}
    return replace(suite, settings=(*suite.settings, *added.values()))


def axes_of(suite: Suite) -> Mapping[str, Axis]:
    """The continuous shifts that work on a suite, by name."""
    if not suite.axes:
        return {}
    offered: Mapping[str, Axis] = importlib.import_module(suite.axes).AXES
    return {name: axis for name, axis in offered.items() if suite.domain in axis.domains}


def _composed(suite: Suite, text: str) -> Setting:
    parts = [part.strip() for part in text.split("+")]
    base = suite.train if "=" in parts[0] else suite.setting(parts.pop(0))
    if not parts:
        raise UsageError(f"--shift takes [setting+]name=value, and '{text}' names no shift.")
    settings = [_axis_setting(suite, part, text) for part in parts]
    _check_composable([base, *settings])
    names = ([] if base == suite.train else [base.name]) + [setting.name for setting in settings]
    shifts = [shift for setting in settings for shift in setting.shifts]
    # What overwrites goes first, whatever was named first: a turn is then a turn of the camera where it has gone.
    overwriting, others = [s for s in shifts if s.sets], [s for s in shifts if not s.sets]
    return Setting("+".join(names), (*overwriting, *base.shifts, *others))


def _check_composable(settings: Sequence[Setting]) -> None:
    """Sees to it that no part of a setting undoes another.

    Raises:
      UsageError: if an axis is named twice, or two parts overwrite the same field of the model.
    """
    for first, second in itertools.combinations(settings, 2):
        fields = [{field for shift in setting.shifts for field in shift.sets} for setting in (first, second)]
        same_axis = "=" in first.name and first.name.partition("=")[0] == second.name.partition("=")[0]
        if same_axis or fields[0] & fields[1]:
            raise UsageError(f"'{first.name}' and '{second.name}' set the same thing: ask for one of them.")


def _axis_setting(suite: Suite, part: str, text: str) -> Setting:
    name, equals, value = part.partition("=")
    axis = _find_axis(name, suite)
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not equals or not math.isfinite(number):
        raise UsageError(f"--shift takes [setting+]name=value with a number, not '{text}'.")
    return axis.setting(number, suite.domain)


def _find_axis(name: str, suite: Suite) -> Axis:
    here = axes_of(suite)
    if name in here:
        return here[name]
    known: Mapping[str, Axis] = importlib.import_module(suite.axes).AXES if suite.axes else {}
    if name not in known:
        raise unknown("shift", name, known)
    raise UsageError(f"Shift '{name}' does not work on this suite; these do: {', '.join(here) or 'none'}.")
