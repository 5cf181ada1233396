"""A campaign as a file, `harness run --config FILE`: the command's options in YAML, and a slip named with its line."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import Field, JsonValue, NonNegativeFloat, ValidationError

from harness.errors import UsageError, unknown
from harness.reading import Record, first_problem, read_bytes

EXTRA, FLOAT = "extra_forbidden", r"^[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"
INT = re.compile(r"[-+]?(0|[1-9][0-9_]*)")
MOST = 10_000  # entries of a file
IN_FILE = {  # option of the command -> its key in a file
    "suite": "suites",
    "agent": "agents",
    "task": "tasks",
    "set_": "set",
    "shift": "shifts",
    "agent_file": "agent_files",
    "replay": "replay",
    **{name: name for name in ("seeds", "preset", "frames", "episodes", "checkpoint", "workers", "threads", "device")},
    **{
        name: name
        for name in ("profile", "assets", "runs", "checkpoint_sec", "launcher", "slurm", "ray", "ray_address")
    },
}


class CampaignFile(Record):
    """What the file may hold; what it leaves out is as the command has it."""

    suites: list[str] = Field(default=[], min_length=1)
    agents: list[str] = Field(default=[], min_length=1)
    tasks: list[str] = Field(default=[])
    seeds: str | int | None = None
    preset: str | None = None
    frames: int | None = None
    episodes: int | None = None
    checkpoint: str | None = None
    workers: int | None = None
    threads: int | None = None
    device: str | None = None
    set: dict[str, JsonValue] = Field(default={})
    shifts: list[str] = Field(default=[])
    agent_files: list[str] = Field(default=[])
    replay: bool | None = None
    profile: str | None = None
    assets: str | None = None
    runs: str | None = None
    checkpoint_sec: NonNegativeFloat | None = None
    launcher: str | None = None
    slurm: str | None = None
    ray: str | None = None
    ray_address: str | None = None


def read_campaign(path: Path) -> dict[str, Any]:
    """The options a file gives, under their names in the command and in its types.

    Raises:
      UsageError: in one sentence, with the line where there is one.
    """
    try:
        text = read_bytes(path)
    except FileNotFoundError:
        raise UsageError(f"There is no file {path} (given by --config).") from None
    value, lines = _parsed(text, path)
    if not isinstance(value, dict):
        raise UsageError(f"{path} holds no options: it should be a mapping such as 'suites: [video_easy]'.")
    if wrong := next((key for key in value if not isinstance(key, str)), None):
        raise UsageError(f"{path}: an option is named by text, not by {wrong!r}.")
    for key in (key for key, entry in value.items() if entry is None):
        raise UsageError(f"{path}, line {lines[(str(key),)]}: '{key}' has no value; leave it out for the usual one.")
    try:
        found = CampaignFile.model_validate(value)
    except ValidationError as error:
        raise _sentence(error, path, lines) from error
    return {option: _as_option(option, getattr(found, key)) for option, key in IN_FILE.items() if key in value}


def show_campaign(options: Mapping[str, Any]) -> str:
    """The file that stands for a command, without a newline at the end; options that were not given are left out."""
    import yaml

    given = {key: options[option] for option, key in IN_FILE.items() if options.get(option) not in (None, [], ())}
    if "set" in given:
        given["set"] = dict(_setting(pair) for pair in given["set"])
    plain = {key: str(value) if isinstance(value, Path) else value for key, value in given.items()}
    return str(yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=120)).rstrip("\n")


def _setting(pair: str) -> tuple[str, Any]:
    key, equals, text = pair.partition("=")
    if not equals:
        raise UsageError(f"--set takes key=value, not '{pair}'.")
    try:
        return key.strip(), json.loads(text)
    except ValueError:
        return key.strip(), text.strip()


def _as_option(name: str, value: Any) -> Any:
    """A value of the file as the command's option has it."""
    if name == "set_":
        return [f"{key}={json.dumps(entry)}" for key, entry in value.items()]
    if name == "seeds" and value is not None:
        return str(value)
    return Path(value) if name in ("checkpoint", "runs") and value is not None else value


def _parsed(text: bytes, path: Path) -> tuple[Any, dict[tuple[Any, ...], int]]:
    """What the text holds, and at which line (from 1) each part of it stands."""
    import yaml

    class Loader(yaml.SafeLoader):
        """Reads 1e-4 as a number, which YAML 1.1 does not."""

    Loader.add_implicit_resolver("tag:yaml.org,2002:float", re.compile(FLOAT), list("-+0123456789"))
    try:
        loader = Loader(text)
        node = loader.get_single_node()
        lines = _few(_lines(node, path), path)
        return (None if node is None else loader.construct_document(node)), lines
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = "" if mark is None else f", line {mark.line + 1}"
        problem = getattr(error, "problem", None) or "it is not text"
        raise UsageError(f"{path}{where} is no YAML: {problem}.") from error
    except RecursionError as error:
        raise UsageError(f"{path} cannot be read: its entries lie too deep, or within themselves.") from error
    except (ValueError, TypeError) as error:
        raise UsageError(f"{path} cannot be read: {' '.join(str(error).split())}.") from error


def _few(parts: Iterator[tuple[tuple[Any, ...], int]], path: Path) -> dict[tuple[Any, ...], int]:
    """The parts of a file; too many, as aliases can make, are refused before anything is built of them."""
    lines = {}
    for place, line in parts:
        lines[place] = line
        if len(lines) > MOST:
            raise UsageError(f"{path}, line {line}: with its aliases it has more than {MOST:,} entries.")
    return lines


def _lines(node: Any, path: Path, place: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], int]]:
    """Place -> line, for every key and entry; keys that come twice are refused."""
    import yaml

    if isinstance(node, yaml.MappingNode):
        seen: dict[str, int] = {}
        for key, value in node.value:
            name, line = str(key.value), key.start_mark.line + 1
            if name in seen:
                raise UsageError(f"{path}, line {line}: '{name}' is given twice, first in line {seen[name]}.")
            seen[name] = line
            yield (*place, name), line
            yield from _lines(value, path, (*place, name))
    elif isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:int" and not INT.fullmatch(node.value):
        told = f"'{node.value}' is no plain number (YAML takes a leading 0 for base 8): write it otherwise or quote it"
        raise UsageError(f"{path}, line {node.start_mark.line + 1}: {told}.")
    elif isinstance(node, yaml.SequenceNode):
        for number, entry in enumerate(node.value):
            yield (*place, number), entry.start_mark.line + 1
            yield from _lines(entry, path, (*place, number))


def _sentence(error: ValidationError, path: Path, lines: Mapping[tuple[Any, ...], int]) -> UsageError:
    """The first problem, with its line."""
    first = error.errors(include_url=False)[0]
    place = tuple(first["loc"])
    line = next((lines[place[:end]] for end in range(len(place), 0, -1) if place[:end] in lines), None)
    where = f"{path}, line {line}" if line else str(path)
    if first["type"] == EXTRA:
        return UsageError(f"{where}: {unknown('option', str(place[0]), CampaignFile.model_fields)}")
    return UsageError(f"{where}: {first_problem(error)}.")
