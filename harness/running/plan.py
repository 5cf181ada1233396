"""From what the user asked to a checked, frozen plan: every wrong name, number or combination ends here."""

from __future__ import annotations

import ctypes
import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError
from pydantic_core import PydanticSerializationError

from harness.agent import AgentSpec, Config
from harness.assets.found import FoundAsset
from harness.assets.store import AssetStore
from harness.errors import CheckpointError, UsageError, unknown
from harness.reading import first_problem
from harness.registry import load_agent, load_suite
from harness.results.rows import short_hash
from harness.running import provenance
from harness.running.fits import check_memory, check_policy
from harness.running.policies import PolicySource, find_policies
from harness.running.presets import Preset, load_preset
from harness.shift_settings import add_shifts
from harness.spec import OPEN_FIELDS, Protocol, Suite, check_profile

MAX_SEED = 2**31 - 1
PROTOCOL_PREFIX = "protocol."


@dataclass(frozen=True)
class RunOptions:
    """What the user asked for, as written; None means not given."""

    suite: str
    agent: str
    tasks: Sequence[str] = ()
    seeds: str | None = None
    preset: str = "quick"
    frames: int | None = None
    episodes: int | None = None
    checkpoint: Path | None = None
    workers: int | None = None
    threads: int | None = None
    device: str = "auto"
    settings: Sequence[str] = ()  # key=value
    shifts: Sequence[str] = ()  # [setting+]name=value
    profile: str = "standard"
    assets: str | None = None
    runs: Path = Path("runs")


@dataclass(frozen=True)
class TaskPlan:
    """How one task is trained and measured."""

    task: str
    config: Mapping[str, Any]  # the agent's settings, complete
    config_hash: str
    train_frames: int
    protocol: Protocol


@dataclass(frozen=True)
class RunPlan:
    """Everything a run is, checked. Workers get pieces of it, the record keeps all of it."""

    run_id: str
    folder: Path
    suite: Suite
    suite_name: str  # as asked for, importable again in a worker
    shifts: tuple[str, ...]  # settings added to the suite's own, as asked for
    agent: AgentSpec
    agent_name: str
    preset: Preset
    tasks: tuple[TaskPlan, ...]
    seeds: tuple[int, ...]
    episodes: int
    workers: int
    threads: int
    device: str
    profile: str
    store: AssetStore
    found: Mapping[str, FoundAsset]  # asset -> what the look-up gave
    policies: Mapping[tuple[str, int], PolicySource]  # (task, train seed) -> given checkpoint; empty: train

    @property
    def trains(self) -> bool:
        """Whether agents are trained here, rather than given, or without anything to learn."""
        return self.agent.learns and not self.policies

    @property
    def stand_ins(self) -> list[str]:
        """Names of the assets that are replaced by a stand-in."""
        return [name for name, found in self.found.items() if found.stand_in]

    def cells(self) -> list[tuple[TaskPlan, str, int]]:
        """(task, setting, seed) of every cell of the run, in table order."""
        names = [setting.name for setting in self.suite.all_settings]
        return [(task, name, seed) for task in self.tasks for name in names for seed in self.seeds]


def make_plan(options: RunOptions) -> RunPlan:
    """Checks everything and fixes every number; writes nothing.

    Raises:
      UsageError: (or one of its kinds) in one sentence, for whatever cannot be.
    """
    suite, agent, preset = load_suite(options.suite), load_agent(options.agent), load_preset(options.preset)
    own_assets = suite.assets
    suite = add_shifts(suite, options.shifts)
    check_profile(options.profile)
    if not options.runs.is_dir():  # in one that is there a finished run may be, and reading needs no right to write
        check_writable(options.runs)
    asked = tuple(suite.check_task(task) for task in dict.fromkeys(options.tasks)) or suite.tasks
    policies = _given_policies(options, agent, suite, asked)
    device = choose_device(options.device)
    threads = _positive("threads", options.threads, preset.threads)
    if not agent.learns or policies:
        threads = 1  # as every evaluation takes, see `jobs.EVALUATION_THREADS`
    store = AssetStore.from_environment(options.assets, allow_stand_ins=preset.stand_ins, held_out=suite.held_out)
    # Every task the run could have is planned, so that the run's identity does not depend on the tasks asked for.
    possible = tuple(task for task in suite.all_tasks if not policies or any(task == name for name, _ in policies))
    plans = tuple(_plan_task(options, suite, agent, preset, task, policies) for task in possible)
    seeds = _choose_seeds(options, preset, policies)
    episodes = _positive("episodes", options.episodes, preset.eval_episodes or suite.protocol.eval_episodes)
    workers = _positive("workers", options.workers, max(1, len(os.sched_getaffinity(0)) // threads))
    # Last of all, as it may read many files; a checkpoint carries what it was trained with.
    found = find_assets(store, suite, () if policies else _agent_assets(agent, plans))
    outside = {name: provenance.source_digest(name) for name in (options.suite, options.agent) if ":" in name}
    plans = tuple(_with_hash(plan, agent, found, policies, outside) for plan in plans)
    plan = RunPlan(
        run_id="",
        folder=options.runs,
        suite=suite,
        suite_name=options.suite,
        shifts=tuple(options.shifts),
        agent=agent,
        agent_name=options.agent,
        preset=preset,
        tasks=plans,
        seeds=seeds,
        episodes=episodes,
        workers=workers,
        threads=threads,
        device=device,
        profile=options.profile,
        store=store,
        found=found,
        policies=policies,
    )
    run_id = _run_id(plan, own_assets)
    chosen = tuple(task for task in plans if task.task in asked)
    return replace(plan, run_id=run_id, folder=options.runs / run_id, tasks=chosen)


def _choose_seeds(
    options: RunOptions, preset: Preset, policies: Mapping[tuple[str, int], PolicySource]
) -> tuple[int, ...]:
    asked = None if options.seeds is None else parse_seeds(options.seeds)
    if not policies:
        return tuple(range(preset.num_seeds)) if asked is None else asked
    have = sorted({seed for _, seed in policies})
    missing = [seed for seed in asked or () if seed not in have]
    if missing:
        raise CheckpointError(
            f"{options.checkpoint} has policies of the training seeds {', '.join(map(str, have))}, "
            f"not of {', '.join(map(str, missing))}."
        )
    return tuple(have) if asked is None else asked


def check_writable(folder: Path) -> None:
    """Checks that a folder exists or can be made, and can be written; makes nothing.

    Raises:
      UsageError: otherwise.
    """
    if not folder.name and folder != Path(folder.anchor or "."):
        raise UsageError("--runs needs the name of a folder.")
    existing = folder.absolute()
    while not existing.exists():
        existing = existing.parent
    if not existing.is_dir():
        raise UsageError(f"Cannot keep runs in {folder}: {existing} is not a folder.")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise UsageError(f"Cannot keep runs in {folder}: {existing} cannot be written. Choose another with --runs.")


def parse_seeds(text: str) -> tuple[int, ...]:
    """Reads `3`, `0-4` or `0,2,5-7` as seeds, sorted and without repeats.

    Raises:
      UsageError: if the text is none of these or a seed exceeds 2^31 - 1.
    """
    seeds: set[int] = set()
    for part in text.split(","):
        match = re.fullmatch(r"\s*([0-9]{1,10})(?:\s*-\s*([0-9]{1,10}))?\s*", part)
        if not match:
            raise UsageError(f"Seeds are numbers and ranges such as 0-4 or 0,2,5, not '{text}'.")
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first or last > MAX_SEED or last - first >= 10_000:
            raise UsageError(f"Seeds '{part.strip()}' are not a rising range of at most 10000 within 0..{MAX_SEED}.")
        seeds.update(range(first, last + 1))
    return tuple(sorted(seeds))


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


def choose_device(name: str) -> str:
    """Resolves "auto", "cpu" or "cuda"; asks the driver, not torch, so that the answer comes at once.

    Raises:
      UsageError: for another name, or "cuda" where there is no CUDA device.
    """
    if name not in ("auto", "cpu", "cuda"):
        raise unknown("device", name, ["auto", "cpu", "cuda"])
    has_cuda = _num_cuda_devices() > 0 if name != "cpu" else False
    if name == "cuda" and not has_cuda:
        raise UsageError("There is no CUDA device here; use --device cpu, or run: harness doctor")
    return "cuda" if has_cuda else "cpu"


def _num_cuda_devices() -> int:
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return 0
    count = ctypes.c_int(0)
    if driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(count)) != 0:
        return 0
    return count.value


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text.strip()
    except RecursionError:
        raise UsageError("A value of --set is nested too deeply to be read.") from None


def _positive(name: str, given: int | None, default: int) -> int:
    value = default if given is None else given
    if not 1 <= value <= MAX_SEED:
        raise UsageError(f"--{name} must be at least 1 and at most {MAX_SEED}, not {value}.")
    return value


def _given_policies(
    options: RunOptions, agent: AgentSpec, suite: Suite, asked: Sequence[str]
) -> Mapping[tuple[str, int], PolicySource]:
    if options.checkpoint is None:
        if not agent.learns and options.frames is not None:
            raise UsageError(f"Agent '{options.agent}' does not learn, so a training budget (--frames) makes no sense.")
        return MappingProxyType({})
    if not agent.learns:
        raise UsageError(f"Agent '{options.agent}' has no parameters, so --checkpoint makes no sense.")
    if options.frames is not None:
        raise UsageError("--frames is a training budget and --checkpoint trains nothing: give one of the two.")
    policies = find_policies(options.checkpoint, agent)
    for source in policies.values():
        check_policy(agent, source)
    have = sorted({task for task, _ in policies})
    missing = [task for task in options.tasks if task not in have]
    if missing or not any(task in asked for task in have):
        raise CheckpointError(
            f"{options.checkpoint} holds a policy for {', '.join(have)}, not for {', '.join(missing or asked)}."
        )
    return MappingProxyType({key: source for key, source in policies.items() if key[0] in suite.all_tasks})


def _plan_task(
    options: RunOptions,
    suite: Suite,
    agent: AgentSpec,
    preset: Preset,
    task: str,
    policies: Mapping[tuple[str, int], PolicySource],
) -> TaskPlan:
    given, protocol_settings = split_settings(options.settings)
    protocol = suite.protocol.for_task(task)
    if agent.image_size is not None:  # rows name it, and what was measured on pictures of two sizes shares no cell
        protocol = protocol.replace(task, "image_size", agent.image_size)
    for name, value in protocol_settings.items():
        protocol = protocol.replace(task, name, value)
    if protocol.frame_stack < agent.min_frame_stack:
        raise UsageError(
            f"Agent {agent.name} needs at least {agent.min_frame_stack} stacked frames and {suite.name} has "
            f"{protocol.frame_stack}; another protocol is --set protocol.frame_stack={agent.min_frame_stack + 1}."
        )
    published = protocol.train_frames[task]
    frames = _positive("frames", options.frames, published if preset.train_frames is None else preset.train_frames)
    source = _any_policy(policies, task)
    if source:
        frames = source.record.train_frames
    config = make_config(agent, task, preset.name, given, source.record.config if source else {})
    if protocol.image_size < (smallest := agent.smallest_image(config)):
        raise UsageError(
            f"Agent {agent.name} needs pictures of at least {smallest} pixels a side, not "
            f"{protocol.image_size}; another protocol is --set protocol.image_size={smallest}."
        )
    if source:
        _check_trained_for(source, protocol, task, options.profile)
    elif agent.learns:
        repeat = protocol.action_repeat[task]
        if problem := config.training_problem(frames, protocol.episode_frames, repeat):
            raise UsageError(f"Within {frames} frames agent {agent.name} learns nothing on {task}: {problem}.")
        check_memory(agent, config, protocol, task)
    return TaskPlan(task, config.model_dump(mode="json"), "", frames if agent.learns else 0, protocol)


def _check_trained_for(source: PolicySource, protocol: Protocol, task: str, profile: str) -> None:
    """Refuses a policy that sees or moves otherwise than it was trained to; what to add is in the message."""
    conditions = source.conditions
    given = {
        "action_repeat": protocol.action_repeat[task],
        "frame_stack": protocol.frame_stack,
        "image_size": protocol.image_size,
    }
    for name, value in given.items():
        if conditions[name] != value:
            raise CheckpointError(
                f"The policy in {source.folder} was trained with {name} {conditions[name]}, not {value}: "
                f"add --set protocol.{name}={conditions[name]}."
            )
    if conditions["render_profile"] != profile:
        raise CheckpointError(
            f"The policy in {source.folder} was trained with the render profile {conditions['render_profile']}, "
            f"not {profile}."
        )


def _any_policy(policies: Mapping[tuple[str, int], PolicySource], task: str) -> PolicySource | None:
    return next((policy for (name, _), policy in policies.items() if name == task), None)


def find_assets(store: AssetStore, suite: Suite, more: Iterable[str] = ()) -> Mapping[str, FoundAsset]:
    """Looks up what a suite needs, and more by name, and lets its shifts look closer.

    Raises:
      MissingAssetError: for what is absent, as a whole or in part, and has no stand-in.
      CorruptAssetError: for a file that is not what the manifest says.
    """
    found = {name: look_up(store, name) for name in dict.fromkeys([*suite.assets, *more])}
    for shift in (shift for setting in suite.all_settings for shift in setting.shifts):
        shift.check_assets(found)
    return MappingProxyType(found)


def _agent_assets(agent: AgentSpec, plans: Sequence[TaskPlan]) -> list[str]:
    return [name for plan in plans for name in agent.required_assets(agent.configure(plan.config))]


def look_up(store: AssetStore, name: str) -> FoundAsset:
    """Finds an asset by name, or pictures to overlay by `pictures:<choice>`; raises as the store does."""
    kind, colon, choice = name.partition(":")
    return store.find_pictures(choice) if colon and kind == "pictures" else store.find(name)


def _with_hash(
    plan: TaskPlan,
    agent: AgentSpec,
    found: Mapping[str, FoundAsset],
    policies: Mapping[tuple[str, int], PolicySource],
    outside: Mapping[str, str],
) -> TaskPlan:
    """The hash covers what an agent is and was trained with; suite and protocol have columns of their own.

    Agents and suites from a user's own files count by the contents of those files, as they have no version we know.
    """
    source = _any_policy(policies, plan.task)
    names = agent.required_assets(agent.configure(plan.config))
    assets = source.record.assets if source else {name: found[name].identity for name in names}
    facts = [agent.name, agent.version, dict(plan.config), plan.train_frames, assets, dict(outside)]
    return replace(plan, config_hash=short_hash(facts))


def _run_id(plan: RunPlan, own_assets: Sequence[str]) -> str:
    """Same facts, same run: tasks, seeds, episodes and added settings may grow within a run, nothing else may."""
    names = dict.fromkeys([*own_assets, *(_agent_assets(plan.agent, plan.tasks) if plan.trains else ())])
    facts = {
        "suite": [plan.suite.name, plan.suite.version],
        "agent": [plan.agent_name, plan.agent.version],
        "hashes": [[task.task, task.config_hash] for task in plan.tasks],
        "protocol": [[_numbers(task.protocol), task.protocol.action_repeat[task.task]] for task in plan.tasks],
        "assets": {name: plan.found[name].identity for name in names},
        "policies": sorted([*key, source.digest] for key, source in plan.policies.items()),
        "compute": [plan.device, plan.threads, plan.profile],
        "packages": provenance.package_versions(),
    }
    label = re.sub(r"[^A-Za-z0-9_.-]+", "-", f"{plan.suite.name}-{plan.agent.name}")
    mode = "checkpoint" if plan.policies else plan.preset.name
    return f"{label}-{mode}-{short_hash(facts)[:8]}"


def _numbers(protocol: Protocol) -> list[int]:
    return [protocol.frame_stack, protocol.image_size, protocol.episode_frames, protocol.eval_seed_offset]
