"""From what the user asked to a checked, frozen plan: every wrong name, number or combination ends here."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace

from harness.agent import AgentSpec
from harness.assets.store import AssetStore
from harness.errors import CheckpointError, UsageError
from harness.files import check_writable
from harness.registry import load_agent, load_suite
from harness.results.rows import shortened
from harness.results.store import is_name
from harness.running.asset_lookup import agent_assets, check_agent_assets, find_assets
from harness.running.device import choose_device
from harness.running.fits import check_memory
from harness.running.given_policies import any_policy, check_trained_for, given_policies
from harness.running.late_files import as_they_are, recorded
from harness.running.needs import check_demos, check_states
from harness.running.plan import RunOptions, RunPlan, TaskPlan
from harness.running.policies import PolicySource
from harness.running.presets import Preset, load_preset
from harness.running.run_folder import check_layout
from harness.running.run_id import run_id, with_config_hash
from harness.running.seeds import MAX_SEED, parse_seeds
from harness.running.settings import make_config, split_settings
from harness.running.user_files import identity
from harness.shift_settings import add_shifts
from harness.spec import Suite, check_profile

# Far beyond what anybody wants; more would fill the memory, or the system's table of processes, before any work.
MOST = {"frames": MAX_SEED, "episodes": 100_000, "workers": 1_000, "threads": 1_000}


def make_plan(options: RunOptions) -> RunPlan:
    """Checks everything and fixes every number; writes nothing.

    Raises:
      UsageError: (or one of its kinds) in one sentence, for whatever cannot be.
    """
    suite, agent, preset = load_suite(options.suite), load_agent(options.agent), load_preset(options.preset)
    check_states(agent, suite)
    own, own_assets = suite, suite.assets
    suite = add_shifts(suite, options.shifts)
    check_profile(options.profile)
    if not options.runs.is_dir():  # in one that is there a finished run may be, and reading needs no right to write
        check_writable(options.runs)
    asked = _asked(options, suite)
    policies = given_policies(options, agent, suite, asked)
    device = _device(options, agent)
    threads = _positive("threads", options.threads, preset.threads)
    if not agent.learns or policies:
        threads = 1  # as every evaluation takes, see `threads.EVALUATION_THREADS`
    store = AssetStore.from_environment(options.assets, allow_stand_ins=preset.stand_ins, held_out=suite.held_out)
    # Every task the run could have is planned, so that the run's identity does not depend on the tasks asked for.
    possible = tuple(task for task in suite.all_tasks if not policies or any(task == name for name, _ in policies))
    plans = tuple(plan_task(options, suite, agent, preset, task, policies) for task in possible)
    for each in (plan for plan in plans if plan.task in asked):
        check_task(options, suite, agent, each, any_policy(policies, each.task))
    seeds = _choose_seeds(options, agent, preset, policies)
    episodes = _positive("episodes", options.episodes, preset.eval_episodes or suite.protocol.eval_episodes)
    workers = _positive("workers", options.workers, _workers(agent, threads))
    # Last of all, as it may read many files; a checkpoint carries what it was trained with.
    if agent.learns and not policies:
        for each in (plan for plan in plans if plan.task in asked):
            check_demos(agent, agent.configure(each.config), suite, each, store, options.profile)
    found = find_assets(store, suite, agent_assets(agent, plans, trained=bool(policies)))
    check_agent_assets(agent, plans, found, policies.values(), asked)
    outside = identity(options.agent, agent, options.suite, own, options.agent_files)
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
        settings=tuple(setting.name for setting in suite.all_settings),
        seeds=seeds,
        episodes=episodes,
        workers=workers,
        threads=threads,
        device=device,
        profile=options.profile,
        store=store,
        found=found,
        policies=policies,
        replays=outside is not None if options.replay is None else options.replay,
        outside=outside,
    )
    plan = _named(plan, own_assets)
    return replace(plan, tasks=tuple(task for task in plan.tasks if task.task in asked))


def _asked(options: RunOptions, suite: Suite) -> tuple[str, ...]:
    """The tasks of the command, whose rows can be kept under their names."""
    asked = tuple(suite.check_task(task) for task in dict.fromkeys(options.tasks)) or suite.tasks
    for setting in suite.all_settings:
        for task in asked:
            if not is_name(task, setting.name):
                told = f"Task '{shortened(task)}' in setting '{shortened(setting.name)}'"
                raise UsageError(f"{told} has no name short enough for a file of rows: shorten it.")
    return asked


def _device(options: RunOptions, agent: AgentSpec) -> str:
    """Where the agent computes: one that uses the CPU alone is refused a card, and given none by "auto"."""
    if not agent.cpu_only:
        return choose_device(options.device, elsewhere=options.elsewhere)
    if options.device not in ("auto", "cpu"):
        raise UsageError(f"Agent {agent.name} computes on the CPU alone: give it no --device {options.device}.")
    return "cpu"


def _workers(agent: AgentSpec, threads: int) -> int:
    """How many processes work at once: while episodes are collected, one thread each, their learner waits."""
    cores = len(os.sched_getaffinity(0))
    return max(1, cores if agent.learns and agent.learns_from == "episodes" else cores // threads)


def _named(plan: RunPlan, own_assets: Sequence[str]) -> RunPlan:
    """The plan with its hashes, and the name and folder of its run.

    A run that is known to have read files outside its identity is another one where they have changed since.
    """
    agent, found, outside = plan.agent, plan.found, plan.outside
    tasks = tuple(
        with_config_hash(task, agent, found, any_policy(plan.policies, task.task), outside) for task in plan.tasks
    )
    name = run_id(replace(plan, tasks=tasks), own_assets)
    folder = plan.folder / name
    check_layout(folder)
    if outside is not None:
        known = recorded(folder)
        now = {**outside.late, **as_they_are(known)}
        if not known.items() <= now.items() and now != outside.late:
            return _named(replace(plan, outside=replace(outside, late=now)), own_assets)
    return replace(plan, run_id=name, folder=folder, tasks=tasks)


def _choose_seeds(
    options: RunOptions, agent: AgentSpec, preset: Preset, policies: Mapping[tuple[str, int], PolicySource]
) -> tuple[int | None, ...]:
    asked = None if options.seeds is None else parse_seeds(options.seeds)
    if not agent.seeded:
        _check_no_seeds(options, agent, asked)
        return (None,)
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


def _check_no_seeds(options: RunOptions, agent: AgentSpec, asked: tuple[int, ...] | None) -> None:
    if asked is not None:
        how = ", or offer a class, which is built with the AgentContext and its seed" if agent.ready_made else ""
        raise UsageError(
            f"'{options.agent}' is one policy whatever the seed, so --seeds {options.seeds} would count it as "
            f"{len(asked)}: leave it out and ask for more episodes with --episodes{how}."
        )


def plan_task(
    options: RunOptions,
    suite: Suite,
    agent: AgentSpec,
    preset: Preset,
    task: str,
    policies: Mapping[tuple[str, int], PolicySource],
) -> TaskPlan:
    given, protocol_settings = split_settings(options.settings)
    protocol = suite.protocol_for(task, preset.name)
    if agent.image_size is not None:  # rows name it, and what was measured on pictures of two sizes shares no cell
        protocol = protocol.replace(task, "image_size", agent.image_size)
    for name, value in protocol_settings.items():
        protocol = protocol.replace(task, name, value)
    if protocol.frame_stack < agent.min_frame_stack:
        raise UsageError(
            f"Agent {agent.name} needs at least {agent.min_frame_stack} stacked frames and {suite.name} has "
            f"{protocol.frame_stack}; another protocol is --set protocol.frame_stack={agent.min_frame_stack + 1}."
        )
    if agent.max_frame_stack is not None and protocol.frame_stack > agent.max_frame_stack:
        raise UsageError(
            f"Agent {agent.name} takes at most {agent.max_frame_stack} stacked frames and {suite.name} has "
            f"{protocol.frame_stack}; another protocol is --set protocol.frame_stack={agent.max_frame_stack}."
        )
    budget = suite.preset_frames(task, preset.name) or preset.train_frames or protocol.train_frames[task]
    frames = _positive("frames", options.frames, budget)
    source = any_policy(policies, task)
    if source:
        frames = source.record.train_frames
    config = make_config(agent, task, preset.name, given, source.record.config if source else {})
    return TaskPlan(task, config.model_dump(mode="json"), "", frames if agent.learns else 0, protocol)


def check_task(
    options: RunOptions, suite: Suite, agent: AgentSpec, plan: TaskPlan, source: PolicySource | None = None
) -> None:
    """Refuses a task that an agent, set as it is, cannot see or learn; one that is not asked for may be such a task.

    Raises:
      UsageError: with the reason.
    """
    protocol, task, config = plan.protocol, plan.task, agent.configure(plan.config)
    if protocol.image_size < (smallest := agent.smallest_image(config)):
        raise UsageError(
            f"Agent {agent.name} needs pictures of at least {smallest} pixels a side, not "
            f"{protocol.image_size}; another protocol is --set protocol.image_size={smallest}."
        )
    if problem := config.picture_problem(protocol.image_size):
        raise UsageError(f"Agent {agent.name} cannot look at pictures of {protocol.image_size} pixels: {problem}.")
    if problem := config.scene_problem(suite.cameras.get(task, 1)):
        raise UsageError(f"Agent {agent.name} cannot see {task} of {suite.name}: {problem}.")
    if source:
        check_trained_for(source, protocol, task, options.profile)
    elif agent.learns:
        repeat, frames = protocol.action_repeat[task], plan.train_frames
        if problem := config.training_problem(frames, protocol.episode_frames, repeat):
            raise UsageError(f"Within {frames} frames agent {agent.name} learns nothing on {task}: {problem}.")
        check_memory(agent, config, protocol, task)


def _positive(name: str, given: int | None, default: int) -> int:
    value = default if given is None else given
    most = MOST[name]
    if not 1 <= value <= most:
        raise UsageError(f"--{name} must be at least 1 and at most {most}, not {value}.")
    return value
