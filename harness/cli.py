"""The command line. Everything heavy is imported inside the commands, so that help and errors come at once."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.errors import AgentError, UsageError, WorkError, unknown
from harness.interchange_commands import export_command, import_command
from harness.refusals import in_one_sentence
from harness.results.damage import CorruptRowsError, OnDamage, undigested_told
from harness.results.text import escaped, json_escaped
from harness.streams import abandon_output, prepare_streams

if TYPE_CHECKING:
    from harness.assets.found import FoundAsset
    from harness.spec import Suite

PREVIEW_EPISODES = 1_000
WRONG_USE: Any = typer.BadParameter.__base__  # typer has no name for the base of its errors of use

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Benchmark harness for visual generalization in reinforcement learning: train in the plain scene, "
    "evaluate zero-shot in the shifted ones, get tables that can be compared. --debug anywhere shows tracebacks.",
)
assets_app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Third-party files: what is there, get, check."
)
app.add_typer(assets_app, name="assets")
diagnose_app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="What the papers measure besides scores: of a run's policies, of an agent's training.",
)
app.add_typer(diagnose_app, name="diagnose")
demos_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Demonstrations as data.")
app.add_typer(demos_app, name="demos")
encoder_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Encoders that are trained before agents.")
app.add_typer(encoder_app, name="encoder")
baseline_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Frozen baselines of the regression gate.")
app.add_typer(baseline_app, name="baseline")

SUITE_HELP = "A suite (harness list suites), or package.module:ATTRIBUTE."
AGENT_HELP = "An agent (harness list agents), or package.module:ATTRIBUTE."
SuiteOption = Annotated[str, typer.Option(help=SUITE_HELP)]
AgentOption = Annotated[str, typer.Option(help=AGENT_HELP)]
TasksOption = Annotated[list[str] | None, typer.Option(help="A task of the suite; repeat for several. Default: all.")]
SettingsOption = Annotated[
    list[str] | None,
    typer.Option("--set", help="A setting of the agent (key=value) or of the protocol (protocol.key=value)."),
]
AgentFilesOption = Annotated[
    list[str] | None,
    typer.Option("--agent-file", help="A file or folder that an agent from outside is made of, too; repeatable."),
]
ReplayOption = Annotated[
    bool | None,
    typer.Option(
        "--replay/--no-replay", help="Play an episode of each cell again. Default: for agents and suites from outside."
    ),
]
ShiftsOption = Annotated[
    list[str] | None,
    typer.Option(help="One more setting, [SETTING+]NAME=VALUE[+NAME=VALUE...] (harness list shifts); repeatable."),
]
CheckpointOption = Annotated[Path | None, typer.Option(help="Evaluate these policies (a run's folder); train nothing.")]
SeedsOption = Annotated[
    str | None, typer.Option(help="Training seeds, such as 0-4 or 0,2,5; of an agent made from one.")
]
PresetOption = Annotated[str, typer.Option(help="quick, laptop or paper (harness list presets).")]
FramesOption = Annotated[int | None, typer.Option(help="Training budget per task, in frames.")]
EpisodesOption = Annotated[int | None, typer.Option(help="Evaluation episodes per task, setting and seed.")]
WorkersOption = Annotated[int | None, typer.Option(help="Worker processes. Default: cores / threads.")]
ThreadsOption = Annotated[int | None, typer.Option(help="CPU threads of one training; part of the result.")]
DeviceOption = Annotated[str, typer.Option(help="auto, cpu, cuda, or one card: cuda:1.")]
RunsOption = Annotated[Path, typer.Option(help="Where runs are kept.")]
QuietOption = Annotated[bool, typer.Option("--quiet", help="No progress on standard error.")]
PauseOption = Annotated[
    float | None, typer.Option(help="Least seconds between two checkpoints of a training. Default: the preset's.")
]
AssetsOption = Annotated[
    str | None, typer.Option("--assets", help="Folders with third-party files, before $HARNESS_ASSETS.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Machine-readable output on standard output.")]
RunsArgument = Annotated[
    list[Path] | None, typer.Argument(help="Folders of runs, runs, or files of rows. Default: runs.")
]
SuitesOption = Annotated[
    list[str] | None, typer.Option(help="Only this suite (also package.module:ATTRIBUTE); repeatable. Default: all.")
]
DetachOption = Annotated[
    bool,
    typer.Option(
        "--detach",
        help="Leave jobs with Slurm. They outlive their time limits; what waits for them, and what fails otherwise, "
        "is submitted when the same command is given again.",
    ),
]
ProfileOption = Annotated[str, typer.Option("--profile", help="standard, or fast (no shadows: other pixels).")]


@app.command("run")
def run_command(
    ctx: typer.Context,
    suite: Annotated[list[str] | None, typer.Option(help=f"{SUITE_HELP} Repeat for several.")] = None,
    agent: Annotated[list[str] | None, typer.Option(help=f"{AGENT_HELP} Repeat for several.")] = None,
    task: TasksOption = None,
    seeds: SeedsOption = None,
    preset: PresetOption = "quick",
    frames: FramesOption = None,
    episodes: EpisodesOption = None,
    checkpoint: CheckpointOption = None,
    workers: WorkersOption = None,
    threads: ThreadsOption = None,
    device: DeviceOption = "auto",
    set_: SettingsOption = None,
    shift: ShiftsOption = None,
    agent_file: AgentFilesOption = None,
    replay: ReplayOption = None,
    profile: ProfileOption = "standard",
    assets: AssetsOption = None,
    runs: RunsOption = Path("runs"),
    checkpoint_sec: PauseOption = None,
    launcher: Annotated[str, typer.Option(help="local, or a cluster: slurm, ray.")] = "local",
    slurm: Annotated[str | None, typer.Option(help="partition=..,time=..,gpus=..,jobs=.. (docs/campaigns.md)")] = None,
    ray: Annotated[str | None, typer.Option(help="cpus=..,gpus=.. of a job, such as gpus=0.5.")] = None,
    ray_address: Annotated[str | None, typer.Option(help="host:port of a Ray cluster's head, or auto.")] = None,
    detach: DetachOption = False,
    config: Annotated[Path | None, typer.Option(help="A YAML file with these options; those given win.")] = None,
    show_config: Annotated[bool, typer.Option("--show-config", help="Print that file instead of running.")] = False,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Of several runs: try failed cells again.")] = (
        False
    ),
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Train what is missing, evaluate what is missing, print the table. The same command resumes or repeats.

    Several suites and agents are a campaign: a policy is trained once, evaluated in all of them.
    """
    from harness.running.campaign_planning import make_plans

    asked = _asked(ctx, locals())  # not ctx.params, where some versions of Typer leave paths as text
    if show_config:
        _show_config(asked)
        return
    plans = make_plans(_run_options(asked), asked["suite"], asked["agent"])
    launch = _launcher(asked, plans)
    fmt = "json" if as_json else "terminal"
    if len(plans) > 1:
        _run_campaign(plans, asked, fmt, launch)
        return
    if retry_failed:
        raise UsageError("--retry-failed goes with several suites or agents; a single run tries again by itself.")
    (plan,) = plans
    try:
        _execute(plan, asked["checkpoint_sec"], quiet, launch)
    except (AgentError, WorkError):  # what was measured before is worth a look, whatever came then
        _show_what_there_is(plan, fmt)
        raise
    typer.echo(_run_table(plan, fmt))


def _check_pause(checkpoint_sec: float | None) -> None:
    if checkpoint_sec is not None and not checkpoint_sec >= 0:
        raise UsageError(f"--checkpoint-sec must be at least 0, not {checkpoint_sec}.")


@app.command("ablate")
def ablate_command(
    suite: SuiteOption,
    agent: AgentOption,
    over: Annotated[list[str], typer.Option(help="field=value,value,...: a setting as --set has it; repeatable.")],
    task: TasksOption = None,
    seeds: SeedsOption = None,
    preset: PresetOption = "quick",
    frames: FramesOption = None,
    episodes: EpisodesOption = None,
    checkpoint: CheckpointOption = None,
    workers: WorkersOption = None,
    threads: ThreadsOption = None,
    device: DeviceOption = "auto",
    set_: SettingsOption = None,
    shift: ShiftsOption = None,
    agent_file: AgentFilesOption = None,
    profile: ProfileOption = "standard",
    assets: AssetsOption = None,
    runs: RunsOption = Path("runs"),
    out: Annotated[
        Path | None, typer.Option(help="The curve, .png, .pdf or .svg. Default: in the runs' folder.")
    ] = None,
    checkpoint_sec: PauseOption = None,
    fmt: Annotated[str, typer.Option("--format", help="terminal, text, md, latex, html or json.")] = "terminal",
    quiet: QuietOption = False,
) -> None:
    """The same run over values of a setting: one table and one curve. The runs are those of 'harness run --set'."""
    from harness.reports.sheets import FORMATS
    from harness.running.ablation import plan_ablation
    from harness.running.plan import RunOptions

    _check_pause(checkpoint_sec)
    if fmt not in (*FORMATS, "json"):
        raise unknown("format", fmt, (*FORMATS, "json"))
    given: dict[str, Any] = {"suite": suite, "agent": agent, "tasks": task or (), "seeds": seeds, "preset": preset}
    given |= {"frames": frames, "episodes": episodes, "checkpoint": checkpoint, "workers": workers, "threads": threads}
    given |= {"device": device, "settings": set_ or (), "shifts": shift or (), "profile": profile}
    given |= {"agent_files": agent_file or ()}
    variations = plan_ablation(RunOptions(**given, assets=assets, runs=runs), over)
    _check_picture(out, (".png", ".pdf", ".svg"))
    _carry_out(variations, out or runs / _ablation_name(variations), checkpoint_sec, fmt, quiet)


@app.command("sweep")
def sweep_command(
    suite: SuiteOption,
    agent: Annotated[list[str], typer.Option(help="An agent; once for all policies, or once for each.")],
    shift: Annotated[list[str], typer.Option(help="NAME=LOW:HIGH:COUNT (harness list shifts); twice for a grid.")],
    checkpoint: Annotated[
        list[Path] | None, typer.Option(help="Trained policies (a run's folder); repeatable, all in one plot.")
    ] = None,
    task: TasksOption = None,
    seeds: SeedsOption = None,
    preset: PresetOption = "quick",
    episodes: EpisodesOption = None,
    workers: WorkersOption = None,
    device: DeviceOption = "auto",
    set_: SettingsOption = None,
    agent_file: AgentFilesOption = None,
    profile: ProfileOption = "standard",
    assets: AssetsOption = None,
    runs: RunsOption = Path("runs"),
    on: Annotated[str, typer.Option(help="return or success.")] = "return",
    out: Annotated[
        list[Path] | None, typer.Option(help="A file to write, .png, .pdf or .csv; repeatable. Default: sweep.png")
    ] = None,
    quiet: QuietOption = False,
) -> None:
    """Score against the intensity of a shift, and where half of it is lost. The runs are those of 'harness run'."""
    from harness.reports.sensitivity import METRICS
    from harness.running.plan import RunOptions
    from harness.running.sweeping import plan_sweep

    files = out or [Path("sweep.png")]
    for path in files:
        _check_picture(path, (".png", ".pdf", ".csv"))
    if on not in METRICS:
        raise unknown("outcome", on, METRICS)
    given: dict[str, Any] = {"suite": suite, "agent": "", "tasks": task or (), "seeds": seeds, "preset": preset}
    given |= {"episodes": episodes, "workers": workers, "device": device, "settings": set_ or (), "profile": profile}
    given |= {"agent_files": agent_file or ()}
    sweep = plan_sweep(RunOptions(**given, assets=assets, runs=runs), agent, checkpoint or [], shift)
    for number, plan in enumerate(sweep.plans, start=1):
        if not quiet:
            _say(f"{number} of {len(sweep.plans)}: {sweep.labels[number - 1]}", err=True)
        _execute(plan, None, quiet)
    _show_sweep(sweep, on, files)


def _show_sweep(sweep: Any, metric: str, files: Sequence[Path]) -> None:
    """The curves as text, and in every file that was asked for."""
    from harness.files import write_text
    from harness.reports.sensitivity import csv_of, curves_of, text_of

    rows = {label: _swept(plan) for label, plan in zip(sweep.labels, sweep.plans, strict=True)}
    with _input():
        curves = curves_of(rows, sweep.points, sweep.plans[0].suite.train.name, metric)
    names = [each.axis.name for each in sweep.axes]
    neutral = sweep.axes[0].axis.neutral if len(names) == 1 else None
    typer.echo(text_of(curves, names, neutral))
    for path in files:
        if path.suffix == ".csv":
            write_text(path, csv_of(curves, names, neutral))
        else:
            _draw_sweep(sweep, curves, metric, path)
        _say(str(path), err=True)


def _swept(plan: Any) -> Any:
    """The episodes of a plan; its run may hold more."""
    rows = _rows_of(plan)
    seeds = [seed for seed in plan.seeds if seed is not None]
    wanted = rows["task"].isin([task.task for task in plan.tasks]) & (rows["episode"] < plan.episodes)
    return rows[wanted & rows["train_seed"].isin(seeds)] if seeds else rows[wanted]


def _draw_sweep(sweep: Any, curves: Any, metric: str, path: Path) -> None:
    from dataclasses import replace

    from harness.preview import picture
    from harness.reports.sensitivity_plot import plot_curves, plot_grids, shown_values

    if len(sweep.axes) > 1:
        plot_grids(curves, [each.axis.name for each in sweep.axes], metric, path)
        return
    plan, axis = sweep.plans[0], sweep.axes[0].axis
    settings = {point[0]: setting for setting, point in sweep.points.items()}
    pictures = {
        task.task: {
            value: picture(replace(plan.suite, protocol=task.protocol), task.task, setting, plan.store, plan.profile)
            for value, setting in ((value, settings[value]) for value in shown_values(sweep.axes[0].values))
        }
        for task in plan.tasks
    }
    plot_curves(curves, axis.name, axis.unit, axis.neutral, metric, pictures, path)


def _carry_out(variations: Any, out: Path, checkpoint_sec: float | None, fmt: str, quiet: bool) -> None:
    """Does what is missing of every run; then, or when the work failed, shows what there is."""
    from harness.reports.ablation_plot import plot_ablation

    try:
        for number, variation in enumerate(variations, start=1):
            if not quiet:
                _say(f"{number} of {len(variations)}: {variation.label}", err=True)
            _execute(variation.plan, checkpoint_sec, quiet)
    except (AgentError, WorkError):
        typer.echo(_ablation_table(variations, fmt)[0])
        raise
    table, points = _ablation_table(variations, fmt)
    typer.echo(table)
    plot_ablation(points, out)
    _say(str(out), err=True)


def _ablation_name(variations: Any) -> str:
    """Of the curve's file, where none is asked for."""
    plan, fields = variations[0].plan, "-".join(variations[0].values)
    return f"ablate-{re.sub(r'[^A-Za-z0-9_.-]+', '-', f'{plan.suite.name}-{plan.agent.name}-{fields}')}.png"


def _ablation_table(variations: Any, fmt: str) -> tuple[str, Any]:
    """The table of an ablation as text, and its points."""
    from harness.reports.ablation import Point, ablation_json, ablation_sheet, shared_facts
    from harness.reports.filling import build_table
    from harness.reports.sheets import show

    points = []
    for variation in variations:
        plan, rows = variation.plan, _rows_of(variation.plan)
        points.append(Point(variation.values, plan.run_id, build_table(rows, _expected(plan)), shared_facts(rows)))
    title = f"{plan.suite.name} · {plan.agent.name} over {', '.join(variations[0].values)}"
    text = ablation_json(points, title) if fmt == "json" else show([ablation_sheet(points, title)], fmt, title=title)
    return text, points


def _check_picture(path: Path | None, suffixes: Sequence[str], option: str = "--out") -> None:
    """Refuses a file that cannot be written, before any work."""
    from harness.files import check_target

    if path is None:
        return
    if path.suffix not in suffixes:
        raise UsageError(f"{option} takes a path that ends in {', '.join(suffixes)}, not '{path}'.")
    if not path.parent.is_dir():
        raise UsageError(f"There is no folder {path.parent} to write {path.name} into.")
    check_target(path)


def _asked(ctx: typer.Context, values: Mapping[str, Any]) -> dict[str, Any]:
    """The options of `harness run` by name: those given, then the file's, then the defaults."""
    from harness.running.campaign_file import read_campaign

    asked = {name: values[name] for name in ctx.params}
    sources = {name: ctx.get_parameter_source(name) for name in asked}
    given = {name for name, source in sources.items() if source is not None and source.name == "COMMANDLINE"}
    if asked["config"] is not None:
        asked |= {name: value for name, value in read_campaign(asked["config"]).items() if name not in given}
    for name in ("suite", "agent"):
        if not asked[name]:
            raise UsageError(f"Missing option '--{name}', or --config with '{name}s' (harness list {name}s).")
    _check_pause(asked["checkpoint_sec"])
    asked["given"] = given
    return asked


def _run_options(asked: Mapping[str, Any]) -> Any:
    """What holds for every suite and agent of a command."""
    from harness.running.plan import RunOptions

    names = ("seeds", "preset", "frames", "episodes", "checkpoint", "workers", "threads")
    elsewhere, device = asked["launcher"] != "local", asked["device"]
    if elsewhere and asked["replay"]:
        raise UsageError(
            "--replay plays on this machine, where rows of another may rightly differ: --launcher local alone."
        )
    if elsewhere and device == "auto" and _launcher_options(asked).has_gpu():
        device = "cuda"
    return RunOptions(
        device=device,
        elsewhere=elsewhere,
        suite="",
        agent="",
        tasks=asked["task"] or (),
        settings=asked["set_"] or (),
        shifts=asked["shift"] or (),
        agent_files=asked["agent_file"] or (),
        replay=False if elsewhere else asked["replay"],
        **{name: asked[name] for name in (*names, "profile", "assets", "runs")},
    )


def _launcher(asked: Mapping[str, Any], plans: Sequence[Any]) -> Any:
    """Where the work is done."""
    from harness.running.launchers import named

    return named(_launcher_options(asked), plans)


def _launcher_options(asked: Mapping[str, Any]) -> Any:
    from harness.running.launchers import LauncherOptions

    names = ("slurm", "detach", "ray", "ray_address")
    return LauncherOptions(asked["launcher"], **{name: asked[name] for name in names})


@contextlib.contextmanager
def _interrupts() -> Iterator[None]:
    """Turns an interrupt, or leaving, into its exit status; here, because Typer would show a bare "Aborted!"."""
    try:
        yield
    except KeyboardInterrupt as stop:
        if getattr(stop, "status", "") == "detached":
            _say(f"Left: {stop}; the same command goes on from here.", err=True)
            raise typer.Exit(0) from None
        _say("Interrupted; the same command goes on from here.", err=True)
        raise typer.Exit(130) from None


def _show_config(asked: Mapping[str, Any]) -> None:
    """Prints the file that stands for a command."""
    from harness.running.campaign_file import show_campaign

    defaults = {"launcher": "local", "preset": "quick", "device": "auto", "profile": "standard", "runs": Path("runs")}
    typer.echo(
        show_campaign({n: v for n, v in asked.items() if n in asked["given"] or n not in defaults or v != defaults[n]})
    )


def _run_campaign(plans: Sequence[Any], asked: Mapping[str, Any], fmt: str, launch: Any) -> None:
    """Does the work of several runs and prints their tables; exits with 1 if a cell has failed."""
    from harness.running.campaign import all_failures, run_campaign

    for plan in () if asked["quiet"] else plans:
        _announce(plan)
    _caution({found.name: found for plan in plans for found in plan.found.values()}.values())
    with _interrupts():
        failures = run_campaign(
            plans,
            checkpoint_sec=asked["checkpoint_sec"],
            quiet=asked["quiet"],
            before_work=lambda: _check_graphics(*plans),
            retry_failed=asked["retry_failed"],
            launch=launch,
            say=lambda text: None if asked["quiet"] else _say(text, err=True),
        )
    failed = all_failures(failures)
    typer.echo(_campaign_tables(plans, failed, fmt))
    if failed:
        raise WorkError(f"{len(failed)} failed, the rest is measured; --retry-failed tries again: {failed[0]}")


def _campaign_tables(plans: Sequence[Any], failed: Sequence[str], fmt: str) -> str:
    """One table per suite, all its agents in it, and one over all suites."""
    from harness.reports.overview import as_data, overview
    from harness.reports.render import render
    from harness.reports.sheets import show

    suites = dict.fromkeys(plan.suite.name for plan in plans)
    tables = {suite: _table([plan for plan in plans if plan.suite.name == suite]) for suite in suites}
    sheet = overview(tables, failed)
    if fmt != "json":
        return "\n\n\n".join([*(render(table, fmt) for table in tables.values()), show([sheet], fmt)])
    content = {"suites": {suite: json.loads(render(table, fmt)) for suite, table in tables.items()}}
    return json_escaped(json.dumps({**content, "all": as_data(sheet), "failed": list(failed)}, indent=2))


def _execute(plan: Any, checkpoint_sec: float | None, quiet: bool, launch: Any = None) -> None:
    """Does the work, or stops with the exit status of an interrupt."""
    from harness.results.store import RowStore
    from harness.running.launchers import local
    from harness.running.mixed_code import mixed_code
    from harness.running.run import execute

    if not quiet:
        _announce(plan)
    _caution(plan.found.values())
    if note := mixed_code(plan, RowStore(plan.folder / "rows")):
        _say(f"Note: {note}", err=True)
    with _interrupts():
        execute(
            plan,
            checkpoint_sec=checkpoint_sec,
            quiet=quiet,
            before_work=lambda: _check_graphics(plan),
            launch=launch or local,
        )


def _show_what_there_is(plan: Any, fmt: str) -> None:
    """The table of what was measured before the work failed, if anything was."""
    from harness.results.store import RowStore

    if RowStore(plan.folder / "rows").cells():
        typer.echo(_run_table(plan, fmt))


def _check_graphics(*plans: Any) -> None:
    """Tries the off-screen GL, where a suite draws with one and an agent looks at it."""
    if any(plan.suite.needs_graphics and plan.agent.observes == "pixels" for plan in plans):
        from harness.rendering.doctor import require_graphics

        require_graphics()


def _announce(plan: Any) -> None:
    """Says before the work what will be done."""
    tasks = ", ".join(task.task for task in plan.tasks)
    _say(f"Run {plan.run_id} in {plan.folder}", err=True)
    _say(f"{plan.agent.name} on {plan.suite.name}: {tasks}; device {plan.device}", err=True)


def _caution(assets: Iterable[FoundAsset]) -> None:
    """Says before the work what stands in for the real thing; never left out, however quiet the rest."""
    for found in assets:
        if found.stand_in:
            _say(found.stand_in_sentence(), err=True)
        elif found.note:
            _say(f"Note: {found.note}", err=True)


def _run_table(plan: Any, fmt: str) -> str:
    """The table of the cells this command asked for; a run may hold more."""
    from harness.reports.render import render

    return render(_table([plan]), fmt)


def _table(plans: Sequence[Any]) -> Any:
    """The table of some agents' runs in one suite."""
    from harness.reports.filling import build_table

    return build_table(_rows_of(*plans), _expected(*plans))


def _rows_of(*plans: Any) -> Any:
    """Rows of runs; damage among those asked for has ended the command before any work, others are left out."""
    from harness.results.columns import load_columns

    there = [plan.folder for plan in plans if plan.folder.is_dir()]  # none: nothing was measured before the work failed
    with _damage_told() as on_damage:
        rows = load_columns(*there, on_damage=on_damage)
    return rows.astype({name: "str" for name, kind in rows.dtypes.items() if str(kind) == "category"})


def _expected(*plans: Any) -> Any:
    """What the table of some agents' runs in one suite should hold."""
    from harness.reports.table import Expected

    suite, protocol = plans[0].suite, plans[0].suite.protocol
    return Expected(
        tasks=tuple(dict.fromkeys(task.task for plan in plans for task in plan.tasks)),
        settings=plans[0].settings,
        train_seeds=tuple(dict.fromkeys(seed for plan in plans for seed in plan.seeds)),
        episodes=plans[0].episodes,
        train_setting=suite.train.name,
        metric=protocol.metric,
        published_suite=suite.published_suite,
        protocol_frames=protocol.train_frames,
        protocol_episodes=protocol.eval_episodes,
        protocol_action_repeat=protocol.action_repeat,
        protocol_episode_frames={task: protocol.for_task(task).episode_frames for task in suite.all_tasks},
        views=suite.views,
        published_note=suite.published_note,
    )


@app.command("status")
def status_command(
    runs: Annotated[Path, typer.Argument(help="A folder of runs, or a run's folder.")] = Path("runs"),
    as_json: JsonOption = False,
) -> None:
    """Show how far runs are: cells done, running, failed and left, and about how long the rest takes."""
    from dataclasses import asdict

    from harness.running.status import statuses, total

    if not runs.is_dir():
        raise UsageError(f"There is no folder {runs}.")
    found = statuses(runs)
    if as_json:
        _show([{**asdict(run), "left": run.left} for run in found], True)
        return
    _show([*(run.shown() for run in found), *([total(found)] if len(found) > 1 else [])], False)


@app.command("list")
def list_command(
    kind: Annotated[str, typer.Argument(help="suites, tasks, agents, shifts, presets or published")],
    suite: Annotated[str | None, typer.Option(help="For tasks: only of this suite.")] = None,
    as_json: JsonOption = False,
) -> None:
    """List suites, tasks, agents, shifts, presets or sources of published numbers."""
    from harness import listing

    kinds = {
        "suites": listing.suites,
        "tasks": listing.tasks,
        "agents": listing.agents,
        "shifts": listing.shifts,
        "presets": listing.presets,
        "published": listing.published,
    }
    if kind not in kinds:
        raise unknown("list", kind, kinds)
    if suite is not None and kind != "tasks":
        raise UsageError("--suite goes with 'harness list tasks' only.")
    rows = listing.tasks(suite) if kind == "tasks" else kinds[kind]()
    _show(rows, as_json)


@app.command("leaderboard")
def leaderboard_command(
    runs: RunsArgument = None,
    suite: SuitesOption = None,
    task: Annotated[list[str] | None, typer.Option(help="Only this task; repeatable.")] = None,
    setting: Annotated[list[str] | None, typer.Option(help="Only this setting; repeatable.")] = None,
    fmt: Annotated[str, typer.Option("--format", help="terminal, text, md, csv, latex, html or json.")] = "terminal",
    interval: Annotated[
        str, typer.Option(help="student, or percentile: the field's, narrow for few seeds.")
    ] = "student",
    across: Annotated[list[str] | None, typer.Option(help="Compare although this field differs; repeatable.")] = None,
    plots: Annotated[
        Path | None, typer.Option(help="Also draw intervals, profiles, improvement into a folder.")
    ] = None,
    plot_format: Annotated[str, typer.Option(help="png, pdf or svg.")] = "png",
    published: Annotated[bool, typer.Option("--published", help="The papers' own tables, to the digit.")] = False,
    why: Annotated[bool, typer.Option("--why", help="What keeps columns and boards apart.")] = False,
    write: Annotated[Path | None, typer.Option(help="Instead: one Markdown file per suite, into this folder.")] = None,
    html: Annotated[
        Path | None, typer.Option(help="Instead: a site of static pages, into this folder; also of submissions.")
    ] = None,
) -> None:
    """Agents side by side, with what may be claimed from their numbers; published numbers beside."""
    if not published:
        _check_there(runs or [Path("runs")])
    selected: dict[str, Any] = {"runs": runs, "--task": task, "--setting": setting, "--across": across}
    selected |= {"--interval": interval != "student"}
    _check_board({"--why": why, "--plots": plots}, selected, fmt, published=published, write=write, html=html)
    _check_drawn("--plots", plots, "--plot-format", plot_format)
    if published:
        _show_published(suite or (), fmt, write)
        return
    from harness.reports import leaderboard_command as command
    from harness.reports.board_plots import write_plots
    from harness.reports.boards import measured_boards
    from harness.reports.ranking import build_leaderboard, check_across, method_named

    known = {name: _named_suite(name) for name in suite or ()}
    wanted = {"suite": [s.name if s else n for n, s in known.items()], "task": task or (), "setting": setting or ()}
    with _input():
        method, fields = method_named(interval), check_across(across or ())
        given = [suite for suite in known.values() if suite]
        loaded = _load_board(runs or [Path("runs")], wanted, given, for_pages=html is not None)
        rows = loaded.rows
    facts = suite_facts(map(str, rows["suite"].unique()), given)
    if write is not None:
        _write_boards(measured_boards(rows, facts, method=method, across=fields), write)
        return
    found = build_leaderboard(rows, facts, method=method, across=fields)
    if html is not None:
        _write_site(command.site_pages(loaded, found), html)
    else:
        typer.echo(command.show_leaderboard(found, fmt, why=why))
    for path in write_plots(found, plots, f".{plot_format}") if plots else ():
        _say(str(path), err=True)


def _check_there(paths: Iterable[Path]) -> None:
    """Refuses a path that leads nowhere before anything is loaded that reads rows: that takes longest."""
    for path in paths:
        if not path.exists():
            raise UsageError(f"No rows at {path}: no such file or folder.")


def _check_board(
    shown: Mapping[str, Any],
    selected: Mapping[str, Any],
    fmt: str,
    *,
    published: bool,
    write: Path | None,
    html: Path | None,
) -> None:
    """Refuses options of a leaderboard that do not go together, and checks where it is to be written."""
    from harness.reports.leaderboard_command import ALL_FORMATS, check_format

    with _input():
        check_format(fmt, [name for name in ALL_FORMATS if name not in ("csv", "json")] if published else ALL_FORMATS)
    if published:
        _check_used("--published shows tables as they were printed", {**shown, **selected, "--html": html})
    if write is not None:
        _check_used(
            "--write makes Markdown", {**shown, "--html": html, f"--format {fmt}": fmt not in ("terminal", "md")}
        )
    if shown["--why"]:
        _check_used("--why is a text", {f"--format {fmt}": fmt != "terminal"})
    if html is not None:
        _check_used("--html makes a site of what was measured", {**shown, f"--format {fmt}": fmt != "terminal"})
    _check_written(write, html)


def _check_drawn(folder_option: str, folder: Path | None, option: str, suffix: str) -> None:
    """Checks how pictures are to be drawn, and that they are."""
    from harness.reports.board_plots import SUFFIXES

    if f".{suffix}" not in SUFFIXES:
        raise unknown("picture format", suffix, [suffix[1:] for suffix in SUFFIXES])
    if folder is None and suffix != "png":
        raise UsageError(f"{option} goes with {folder_option} only.")


def _check_used(what: str, unused: Mapping[str, Any]) -> None:
    """Refuses what was given and would change nothing."""
    given = [name for name, is_given in unused.items() if is_given]
    if given:
        raise UsageError(f"{what}: give it without {' and '.join(given)}.")


def _check_written(write: Path | None, html: Path | None) -> None:
    """Checks where a leaderboard is to be written."""
    from harness.files import check_writable

    if write is not None and not write.is_dir():
        raise UsageError(f"There is no folder {write} to write leaderboards into.")
    if html is not None:
        check_writable(html)


def _load_board(paths: Sequence[Path], wanted: Any, given: Sequence[Suite], *, for_pages: bool) -> Any:
    """The rows of runs, and of submissions where there are any, saying which of those are refused."""
    from harness.reports.leaderboard_command import load_with_submissions
    from harness.suite_rules import rules_of, suite_rules

    rules = {suite.name: suite_rules(suite) for suite in given}
    known = lambda name: rules.get(name) or rules_of(name)  # noqa: E731
    with _damage_told() as on_damage:
        loaded = load_with_submissions(paths, wanted, known, for_pages=for_pages, on_damage=on_damage)
    for refused in loaded.submissions.refused:
        _say(f"Refused: {refused.path}: {refused.reason}.", err=True)
    return loaded


def _write_site(pages: dict[str, str], folder: Path) -> None:
    from harness.files import write_text
    from harness.reports.site import remove_earlier

    folder.mkdir(parents=True, exist_ok=True)
    for name, text in pages.items():
        write_text(folder / name, text)
    remove_earlier(folder, pages)
    _say(f"{folder / 'index.html'}  {len(pages)} pages")


def _write_boards(boards: Mapping[str, str], folder: Path) -> None:
    from harness.reports.boards import write_boards

    for path in write_boards(boards, folder):
        _say(str(path))


def _show_published(suites: Sequence[str], fmt: str, folder: Path | None) -> None:
    """The papers' tables, on standard output or as files."""
    from harness.reports.boards import published_boards
    from harness.reports.published_tables import published_sheets
    from harness.reports.sheets import show

    wanted = _published_suites(suites)
    if folder is None:
        typer.echo(show(published_sheets(wanted), fmt, title="Published"))
        return
    _write_boards(published_boards(wanted), folder)


def _published_suites(suites: Sequence[str]) -> dict[str, tuple[str, ...] | None] | None:
    """Which of the papers' suites, and which of their settings, are asked for; a name is one of ours or of theirs."""
    from harness.listing import published
    from harness.registry import load_suite, suite_names

    theirs = {row["suite"] for row in published()}
    ours = {name: load_suite(name) for name in suite_names()}
    wanted: dict[str, set[str] | None] = {name: None for name in suites if name in theirs and name not in ours}
    for name in (name for name in suites if name not in wanted):
        if name not in ours:
            raise unknown("suite", name, {*ours, *theirs})
        paper = ours[name].published_suite
        if paper is None:
            raise UsageError(f"There are no published numbers for suite '{name}' (harness list published).")
        shared = sum(other.published_suite == paper for other in ours.values()) > 1
        settings = {each.name for each in ours[name].all_settings} if shared else None
        wanted[paper] = None if settings is None else (wanted.get(paper) or set()) | settings
    return {name: None if found is None else tuple(found) for name, found in wanted.items()} or None


def _named_suite(name: str) -> Suite | None:
    """The suite a user names; None for one that only rows know."""
    from harness.registry import load_suite, suite_names

    return load_suite(name) if ":" in name or name in suite_names() else None


def suite_facts(names: Iterable[str], given: Sequence[Suite]) -> dict[str, Any]:
    """What leaderboards must know of suites that exist here; others are described by their rows."""
    from harness.registry import load_suite, suite_names
    from harness.reports.leaderboard import SuiteFacts

    known = set(suite_names())
    suites = {suite.name: suite for suite in (*map(load_suite, (n for n in names if n in known)), *given)}
    return {
        name: SuiteFacts(
            name=name,
            tasks=suite.tasks,
            settings=tuple(setting.name for setting in suite.settings),
            train_setting=suite.train.name,
            metric=suite.protocol.metric,
            frame_rewards=suite.frame_rewards,
            published_suite=suite.published_suite,
            published_note=suite.published_note,
        )
        for name, suite in suites.items()
    }


def _damage_told() -> contextlib.AbstractContextManager[OnDamage]:
    """Around reading rows: says what is left out, and at the end what has no digest."""
    return undigested_told(partial(_say, err=True), lambda damage: _say(f"Left out: {damage}", err=True))


def _undigested_told() -> contextlib.AbstractContextManager[OnDamage]:
    """Around reading rows: raises damage, and says at the end what has no digest."""
    return undigested_told(partial(_say, err=True))


@contextlib.contextmanager
def _input() -> Iterator[None]:
    """What a user named does not exist or cannot be: an error of use."""
    try:
        yield
    except CorruptRowsError:
        raise
    except (ValueError, FileNotFoundError) as error:
        raise UsageError(str(error)) from error


@app.command("submit")
def submit_command(
    run: Annotated[Path, typer.Argument(help="A finished run's folder.")],
    out: Annotated[Path | None, typer.Option(help="The file to write. Default: <run id>.zip")] = None,
    policies: Annotated[
        bool, typer.Option("--policies", help="Put the policies in too, so that others can play episodes again.")
    ] = False,
) -> None:
    """Pack a run's rows, record and learning curves into one checked file, for anybody's leaderboard."""
    from harness.files import check_target, write_bytes
    from harness.results.submission import read_submission, submit

    if out is not None:
        _check_suffix(out, ".zip")
        check_target(out)
    with _input(), _undigested_told() as on_damage:
        data = submit(run, policies=policies, on_damage=on_damage)
        found = read_submission(data, run.name)
    path = out or Path(f"{found.record.run_id}.zip")
    check_target(path)
    write_bytes(path, data)
    if any(row.stand_ins for row in found.rows):
        _say("Note: it was measured with stand-ins for real files, so leaderboards leave its rows out.", err=True)
    _say(f"{path}  {len(found.rows)} episodes, sha256 {found.digest}")


@app.command("verify")
def verify_command(
    submission: Annotated[Path, typer.Argument(help="A file of harness submit --policies.")],
    episodes: Annotated[int, typer.Option(help="How many, drawn from all of it.")] = 5,
    seed: Annotated[
        int | None, typer.Option(help="Which are drawn. Default: at random, so that no sender knows.")
    ] = None,
    suite: Annotated[str | None, typer.Option(help="package.module:ATTRIBUTE of a suite from outside.")] = None,
    agent: Annotated[str | None, typer.Option(help="package.module:ATTRIBUTE of an agent from outside.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, or one card: cuda:1.")] = "auto",
    workers: Annotated[int | None, typer.Option(help="Worker processes. Default: cores.")] = None,
    assets: AssetsOption = None,
    as_json: JsonOption = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress on standard error.")] = False,
) -> None:
    """Play some of a submission's episodes again and compare; what came of it is kept beside the file."""
    import secrets

    from harness.files import check_target, write_text
    from harness.results.certificate import certificate_path
    from harness.results.plausible import impossible
    from harness.results.submission import SubmissionError, load_submission
    from harness.running.verifying import ReplayOptions, verify
    from harness.suite_rules import rules_of

    try:
        found = load_submission(submission)
        for problem in impossible(found.rows, rules_of(found.record.suite.name)):
            raise SubmissionError(f"it has impossible values: {problem}")
    except FileNotFoundError as error:
        raise UsageError(f"There is no submission {submission}.") from error
    except SubmissionError as error:
        raise UsageError(f"{submission} is refused: {str(error).removesuffix('.')}.") from error
    path = certificate_path(submission)
    check_target(path)
    drawn = secrets.randbelow(2**31) if seed is None else seed
    options = ReplayOptions(episodes, drawn, suite, agent, assets, device, workers)
    certificate = verify(found, options, quiet=quiet)
    write_text(path, certificate.model_dump_json(indent=2) + "\n")
    typer.echo(certificate.model_dump_json(indent=2) if as_json else escaped(certificate.told()))
    if certificate.num_same < len(certificate.replayed):
        raise typer.Exit(1)


def _check_suffix(path: Path, suffix: str) -> None:
    if path.suffix != suffix:
        raise UsageError(f"--out takes a path that ends in {suffix}, not '{path}'.")
    if not path.parent.is_dir():
        raise UsageError(f"There is no folder {path.parent} to write {path.name} into.")


@app.command("check")
def check_command(
    runs: Annotated[list[Path] | None, typer.Argument(help="The candidate: a run's folder, or files of rows.")] = None,
    baseline: Annotated[
        list[Path] | None, typer.Option(help="A run, or a file of harness baseline save; repeatable for runs.")
    ] = None,
    margin: Annotated[str, typer.Option(help="Accepted loss: 5% of the baseline's mean, or an amount.")] = "5%",
    on: Annotated[str, typer.Option(help="return or success.")] = "return",
    alpha: Annotated[float, typer.Option(help="Level of the tests.")] = 0.05,
    noise: Annotated[str, typer.Option(help="What differs by chance: auto, episodes or seeds.")] = "auto",
    across: Annotated[list[str] | None, typer.Option(help="Compare although this field differs; repeatable.")] = None,
    suite: SuitesOption = None,
    task: Annotated[list[str] | None, typer.Option(help="Only this task; repeatable.")] = None,
    setting: Annotated[list[str] | None, typer.Option(help="Only this setting; repeatable.")] = None,
    each_setting: Annotated[bool, typer.Option("--each-setting", help="One line per setting, not per task.")] = False,
    inconclusive: Annotated[str, typer.Option(help="End with 0 (pass) or 1 (fail) where one cannot tell.")] = "",
    plan: Annotated[bool, typer.Option("--plan", help="Only say what a gate could see.")] = False,
    episodes: Annotated[str | None, typer.Option(help="With --plan: per policy, such as 10,50.")] = None,
    seeds: Annotated[str | None, typer.Option(help="With --plan: trainings, such as 3,5,10.")] = None,
    fmt: Annotated[str, typer.Option("--format", help="text, markdown, junit or json.")] = "text",
    out: Annotated[Path | None, typer.Option(help="Write it there; standard output then has the text.")] = None,
) -> None:
    """Is a candidate worse than a baseline? Ends with 0: not worse, 1: worse, 3: cannot tell, 2: not comparable."""
    with _never_a_verdict():
        _check_there([*(runs or ()), *(baseline or ())])
    from harness.reports.check_command import parse_counts
    from harness.reports.gate import Question, check_question, parse_margin

    with _never_a_verdict(), _input():
        question = check_question(Question(parse_margin(margin), on, alpha, noise, tuple(across or ()), each_setting))
        _check_gate_options(runs, baseline, inconclusive, plan, episodes or seeds, fmt, out)
        named = {name: _named_suite(name) for name in suite or ()}
        wanted = {"suite": [s.name if s else n for n, s in named.items()], "task": task or (), "setting": setting or ()}
        sizes = parse_counts("episodes", episodes), parse_counts("seeds", seeds)
        if plan:
            status = _show_plan(baseline or [], wanted, question, sizes, fmt, out)
        else:
            status = _show_check(runs or [], baseline or [], wanted, question, inconclusive, fmt, out)
    raise typer.Exit(status)


def _check_gate_options(
    runs: Any, baseline: Any, inconclusive: str, plan: bool, sizes: Any, fmt: str, out: Path | None
) -> None:
    from harness.files import check_target
    from harness.reports.check_command import INCONCLUSIVE
    from harness.reports.gate_text import FORMATS, PLAN_FORMATS

    formats = PLAN_FORMATS if plan else FORMATS
    if fmt not in formats:
        raise unknown("format", fmt, formats)
    if not baseline:
        raise UsageError("Say what to compare with: --baseline RUN_OR_FILE.")
    if bool(runs) == plan:
        raise UsageError("--plan looks at the baseline alone: name no run." if plan else "Name the run to check.")
    if sizes and not plan:
        raise UsageError("--episodes and --seeds go with --plan only.")
    if inconclusive not in INCONCLUSIVE or (inconclusive and plan):
        raise UsageError(f"--inconclusive is pass or fail, and goes without --plan, not '{inconclusive}'.")
    if out is not None:
        if not out.parent.is_dir():
            raise UsageError(f"There is no folder {out.parent} to write {out.name} into.")
        check_target(out)


def _show_check(
    runs: list[Path], baseline: list[Path], wanted: Any, question: Any, inconclusive: str, fmt: str, out: Path | None
) -> int:
    import time

    from harness.reports.check_command import exit_status, load_side
    from harness.reports.gate import check
    from harness.reports.gate_text import show_gate

    _check_records([*runs, *baseline])
    with _undigested_told() as on_damage:
        sides = load_side(runs, wanted, on_damage), load_side(baseline, wanted, on_damage)
    gate = check(*sides, question)
    status, now = exit_status(gate, inconclusive), time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime())
    _put(show_gate(gate, fmt, status=status, now=now), out, lambda: show_gate(gate, "text", status=status, now=now))
    return status


def _show_plan(
    baseline: list[Path], wanted: Any, question: Any, sizes: tuple[list[int], list[int]], fmt: str, out: Path | None
) -> int:
    from harness.reports.check_command import load_side
    from harness.reports.gate_plan import plan
    from harness.reports.gate_text import show_plan

    _check_records(baseline)
    with _undigested_told() as on_damage:
        lines = plan(load_side(baseline, wanted, on_damage), question, *sizes)
    _put(show_plan(lines, fmt), out, lambda: show_plan(lines, "text"))
    return 0


def _put(text: str, out: Path | None, shown: Callable[[], str]) -> None:
    """Writes into a file, and shows what a person reads; or shows all there is."""
    from harness.files import write_text

    if out is not None:
        write_text(out, text + "\n")
    typer.echo(text if out is None else shown())


def _check_records(paths: Iterable[Path]) -> None:
    """A run that is at work, or was stopped, is compared when it is done."""
    from harness.running.record import RECORD_FILE, check_finished

    for path in paths:
        if path.is_dir():
            for record in (path / RECORD_FILE, *path.glob(f"*/{RECORD_FILE}")):
                check_finished(record)


@contextlib.contextmanager
def _never_a_verdict() -> Iterator[None]:
    """Whatever else goes wrong in a gate has the status of wrong use: 1 would be taken for 'worse'."""
    try:
        yield
    except (UsageError, CorruptRowsError, typer.Exit):
        raise
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    except BrokenPipeError:  # the reader of our output has left
        abandon_output()
        raise typer.Exit(2) from None
    except Exception as error:
        told = in_one_sentence(error)
        if os.environ.get("HARNESS_DEBUG"):
            raise
        raise UsageError(
            str(told or f"The gate failed, which is no verdict: {type(error).__name__}: {error}")
        ) from error


@baseline_app.command("save")
def baseline_save(
    run: Annotated[Path, typer.Argument(help="A run's folder, or a file of rows.")],
    file: Annotated[Path, typer.Argument(help="The .json file to write.")],
) -> None:
    """Freeze the rows of a finished run into one file to compare with."""
    _check_there([run])
    from harness.files import check_target
    from harness.reports.check_command import freeze

    with _input():
        if not file.parent.is_dir():
            raise UsageError(f"There is no folder {file.parent} to write {file.name} into.")
        check_target(file)
        _check_records([run])
        with _undigested_told() as on_damage:
            num_episodes = freeze([run], file, on_damage)
    _say(f"{file}: {num_episodes} episodes")


@app.command("report")
def report_command(
    runs: RunsArgument = None,
    out: Annotated[Path, typer.Option(help="The page to write.")] = Path("report.html"),
    interval: Annotated[
        str, typer.Option(help="student, or percentile: the field's, narrow for few seeds.")
    ] = "student",
    figures: Annotated[Path | None, typer.Option(help="Also write every picture into this folder.")] = None,
    figure_format: Annotated[str, typer.Option(help="png, pdf or svg.")] = "png",
    videos: Annotated[
        bool, typer.Option("--videos", help="Play the best, median and worst episode of each setting again, to show.")
    ] = False,
    device: Annotated[str | None, typer.Option(help="With --videos: auto, cpu, cuda or cuda:1.")] = None,
    workers: Annotated[int | None, typer.Option(help="With --videos: worker processes. Default: cores.")] = None,
    assets: AssetsOption = None,
    quiet: QuietOption = False,
) -> None:
    """One page about some runs that needs nothing else: verdict, tables, intervals, curves, how to repeat it."""
    _check_there(runs or [Path("runs")])
    from harness.files import check_target, check_writable, write_text
    from harness.reports.ranking import build_leaderboard, method_named
    from harness.reports.report import build_report, write_figures
    from harness.reports.run_sources import sources_of
    from harness.results.store import load_rows

    _check_suffix(out, ".html")
    check_target(out)
    if not videos and (device, workers, assets, quiet) != (None, None, None, False):
        raise UsageError("--device, --workers, --assets and --quiet go with --videos.")
    _check_drawn("--figures", figures, "--figure-format", figure_format)
    if figures is not None:
        check_writable(figures)
    paths = runs or [Path("runs")]
    with _input(), _damage_told() as on_damage:
        method = method_named(interval)
        rows = load_rows(*paths, on_damage=on_damage)
        if rows.empty:
            raise UsageError(f"No rows in {', '.join(map(str, paths))}: nothing has been measured there yet.")
    facts = suite_facts(map(str, rows["suite"].unique()), ())
    found = build_leaderboard(rows, facts, method=method)
    sources = sources_of(rows, paths)
    replay = {"device": device or "auto", "workers": workers, "assets": assets}
    episodes = _film(rows, facts, sources, replay, quiet=quiet) if videos else ()
    write_text(out, build_report(rows, found, facts, sources, episodes))
    _say(str(out))
    for path in write_figures(found, sources, figures, f".{figure_format}") if figures else ():
        _say(str(path))


def _film(rows: Any, facts: Any, sources: Any, options: Mapping[str, Any], *, quiet: bool) -> Any:
    """Sections of a report with the episodes it shows, played again; what cannot be is told, and all of it refused."""
    from functools import partial

    from harness.reports.episodes import Clip, chosen_episodes, episode_sections
    from harness.running.filming import film_run, place_of
    from harness.running.verifying import ReplayOptions

    folders = {source.run_id: source.folder for source in sources}
    choices = chosen_episodes(rows, facts)
    clips: list[Clip] = []
    refused = {source.run_id: "it was not measured here." for source in sources if source.origin}
    for run_id in dict.fromkeys(choice.run_id for choice in choices):
        mine = {(c.task, c.setting, c.train_seed, c.episode): c for c in choices if c.run_id == run_id}
        try:
            if folders.get(run_id) is None:
                raise UsageError("there are rows of it, and no folder with its record and policies.")
            films = film_run(folders[run_id], mine.keys(), partial(ReplayOptions, **options), quiet=quiet)
        except UsageError as error:
            refused[run_id] = str(error)
            continue
        by_place = {place_of(film.row): film for film in films}
        for place, choice in mine.items():
            film = by_place[place]
            returns = film.row.episode_return, film.replayed.episode_return
            clips.append(Clip(choice, film.clip, *returns, film.is_same))
    for run_id, reason in refused.items():
        _say(f"Not played again: {run_id}: {reason}", err=True)
    if not clips:
        raise UsageError("No episode could be played again: give the report without --videos.")
    return episode_sections(clips, refused)


app.command("import")(import_command)
app.command("export")(export_command)


@app.command("curves")
def curves_command(
    run: Annotated[Path, typer.Argument(help="A run's folder.")],
    out: Annotated[Path | None, typer.Option(help="The PNG to write. Default: curves.png in the run's folder.")] = None,
    published: Annotated[
        bool,
        typer.Option(
            "--published",
            help="Also the published curves of its tasks, returns and success, where there are any: RRL's.",
        ),
    ] = False,
) -> None:
    """Draw a run's learning curves: returns of training episodes, and of evaluations in the training setting."""
    from harness.files import check_target
    from harness.running.train_log import read_train_log

    logs = {escaped(log.parent.name): read_train_log(log) for log in sorted(run.glob("train/*/train.jsonl"))}
    if not any(logs.values()):
        raise UsageError(f"{run} holds no training to draw.")
    path = out or run / "curves.png"
    if not path.parent.is_dir():
        raise UsageError(f"There is no folder {path.parent} to write {path.name} into.")
    check_target(path)
    returns, successes = _published_curves(run) if published else ({}, {})
    from harness.reports.curves import plot_curves

    plot_curves(logs, path, returns, successes)
    _say(str(path))


def _published_curves(run: Path) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Returns and success rates of the tasks that a run trained on."""
    from harness.registry import load_suite
    from harness.results.published_curves import published_curves, published_successes
    from harness.running.finished_run import read_facts

    facts = read_facts(run)
    tasks = {log.parent.name.rpartition("-seed")[0] for log in run.glob("train/*/train.jsonl")}
    suite = load_suite(facts.suite.asked).published_suite or ""
    returns, successes = published_curves(suite, tasks), published_successes(suite, tasks)
    if not returns and not successes:
        raise UsageError(f"No published curve is known of the tasks of {run}: leave --published out.")
    return returns, successes


@diagnose_app.command("features")
def diagnose_features(
    run: Annotated[Path, typer.Argument(help="A run's folder, with trained policies.")],
    task: TasksOption = None,
    setting: Annotated[
        list[str] | None, typer.Option(help="Compare this setting with training; repeatable. Default: all.")
    ] = None,
    shift: ShiftsOption = None,
    episodes: Annotated[int, typer.Option(help="Episodes per policy.")] = 5,
    states: Annotated[int, typer.Option(help="States of an episode.")] = 10,
    every: Annotated[int, typer.Option(help="Agent steps between two of them.")] = 10,
    device: DeviceOption = "auto",
    assets: AssetsOption = None,
    out: Annotated[
        Path | None, typer.Option(help="The picture: PNG, PDF or SVG. Default: in the run's folder.")
    ] = None,
    rows: Annotated[Path | None, typer.Option(help="Also write the rows, as .csv or .json.")] = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """How far the encoder's features move when only the looks of a state change (PIE-G, Figure 2)."""
    from harness.running.features import Sampling, shifted_settings
    from harness.running.finished_run import check_sees, plan_policies, read_facts

    for name, value in (("episodes", episodes), ("states", states), ("every", every)):
        if not 1 <= value <= PREVIEW_EPISODES:
            raise UsageError(f"--{name} must be at least 1 and at most {PREVIEW_EPISODES}, not {value}.")
    facts = read_facts(run)
    check_sees(facts.agent.asked)
    plan = plan_policies(run, facts, tasks=task or (), shifts=shift or (), device=device, assets=assets)
    settings = shifted_settings(plan, setting or ())
    _check_picture(out, (".png", ".pdf", ".svg"))
    _check_picture(rows, (".csv", ".json"), option="--rows")
    found = _look_at_features(plan, settings, Sampling(episodes, states, every), facts.run_id, quiet)
    _show_features(found, out or run / "features.png", rows, as_json)


def _look_at_features(plan: Any, settings: Sequence[str], sampling: Any, run_id: str, quiet: bool) -> list[Any]:
    """Measures, and tells how far it is."""
    from harness.running.features import measure_features
    from harness.running.progress import Progress

    _caution(plan.found.values())
    _check_graphics(plan)
    policies = sum(key[0] in {task.task for task in plan.tasks} for key in plan.policies)
    total = policies * (1 + len(settings)) * sampling.episodes
    try:
        with Progress(train_frames={}, episodes=total, quiet=quiet) as progress:
            done = progress.episode_done
            return list(measure_features(plan, settings, sampling, run_id=run_id, on_episode=done))
    except KeyboardInterrupt:
        _say("Interrupted.", err=True)
        raise typer.Exit(130) from None


def _show_features(found: Any, out: Path, rows: Path | None, as_json: bool) -> None:
    from harness.files import disk_errors, write_text
    from harness.reports.features import feature_sheet, plot_features
    from harness.reports.sheets import show
    from harness.results.feature_rows import as_csv
    from harness.results.feature_rows import as_json as rows_as_json

    typer.echo(rows_as_json(found) if as_json else show([feature_sheet(found)]))
    if rows is not None:
        write_text(rows, as_csv(found) if rows.suffix == ".csv" else rows_as_json(found) + "\n")
    with disk_errors(str(out)):
        plot_features(found, out)
    _say(str(out), err=True)


@diagnose_app.command("cost")
def diagnose_cost(
    agent: Annotated[list[str], typer.Option(help=f"{AGENT_HELP} Repeat for several.")],
    suite: SuiteOption = "adroit_distractors",
    task: Annotated[str | None, typer.Option(help="A task of the suite. Default: its first.")] = None,
    settings: SettingsOption = None,
    steps: Annotated[int, typer.Option(help="Agent steps that are measured.")] = 20,
    device: DeviceOption = "auto",
    profile: ProfileOption = "standard",
    assets: AssetsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Seconds and floating-point operations of an iteration of training, part by part (RRL, section 7.9)."""
    from harness.running.cost_plan import plan_costs

    if not 1 <= steps <= PREVIEW_EPISODES:
        raise UsageError(f"--steps must be at least 1 and at most {PREVIEW_EPISODES}, not {steps}.")
    worlds = plan_costs(agent, suite, task, settings or (), device=device, profile=profile, assets=assets)
    from harness.baselines.nn.flops import counted, finished
    from harness.reports.cost import cost_table
    from harness.running.cost import measure_cost

    costs = [measure_cost(world, steps, count=counted, finished=finished).as_json() for world in worlds]
    typer.echo(json.dumps(costs, indent=2) if as_json else cost_table(costs))


@app.command("doctor")
def doctor_command() -> None:
    """Find out why rendering does not work, and print the remedy."""
    from harness.rendering.doctor import diagnose

    raise typer.Exit(diagnose(sys.stdout))


@app.command("preview")
def preview_command(
    suite: SuiteOption,
    task: TasksOption = None,
    shift: ShiftsOption = None,
    out: Annotated[Path | None, typer.Option(help="The PNG to write. Default: <suite>.png")] = None,
    gif: Annotated[
        Path | None, typer.Option(help="Instead: a GIF of one task in motion, all settings side by side.")
    ] = None,
    steps: Annotated[int | None, typer.Option(help="Agent steps of the GIF. Default: 50.")] = None,
    episode: Annotated[int, typer.Option(help="Which episode; what shifts draw differs from one to the next.")] = 0,
    profile: ProfileOption = "standard",
    assets: AssetsOption = None,
) -> None:
    """Draw every task and setting of a suite, as the agent sees them, into one PNG; or one task into a GIF."""
    from harness.assets.store import AssetStore
    from harness.files import check_target
    from harness.registry import load_suite
    from harness.running.asset_lookup import find_assets
    from harness.shift_settings import add_shifts
    from harness.spec import check_profile

    chosen = add_shifts(load_suite(suite), shift or ())
    tasks = [chosen.check_task(name) for name in task or chosen.tasks]
    _check_gif_options(gif, steps, out, task or ())
    _check_moment(chosen, tasks[0], steps, episode)
    path = gif or out or Path(f"{chosen.name}.png")
    if not path.parent.is_dir():
        raise UsageError(f"There is no folder {path.parent} to write {path.name} into.")
    check_profile(profile)
    check_target(path)
    store = AssetStore.from_environment(assets, allow_stand_ins=True)
    _caution(find_assets(store, chosen).values())
    from harness.preview import STRIP_STEPS, contact_sheet, episode_strip

    if gif is None:
        contact_sheet(chosen, store, tasks=tuple(tasks), profile=profile, episode=episode, save_to=path)
    else:
        num_steps = steps or STRIP_STEPS
        episode_strip(chosen, tasks[0], store, num_steps=num_steps, profile=profile, episode=episode, save_to=path)
    _say(str(path))


def _check_moment(suite: Suite, task: str, steps: int | None, episode: int) -> None:
    """Refuses what would be drawn for minutes: some simulators come to an episode through all before it."""
    if episode < 0:
        raise UsageError(f"Episode numbers start at 0, not {episode}.")
    if episode >= PREVIEW_EPISODES:
        raise UsageError(f"A preview shows one of the first {PREVIEW_EPISODES} episodes (from 0), not {episode}.")
    protocol = suite.protocol.for_task(task)
    most = -(-protocol.episode_frames // protocol.action_repeat[task])
    if steps is not None and steps > most:
        raise UsageError(f"An episode of {task} has {most} agent steps: --steps is at most that, not {steps}.")


def _check_gif_options(gif: Path | None, steps: int | None, out: Path | None, tasks: Sequence[str]) -> None:
    if gif is None:
        if steps is not None:
            raise UsageError("--steps goes with --gif only.")
        return
    if out is not None:
        raise UsageError("--gif writes a GIF and --out a PNG; give one of the two.")
    if len(tasks) != 1:
        raise UsageError(f"--gif shows one task: give --task once, not {len(tasks)} times.")
    if steps is not None and steps < 1:
        raise UsageError(f"--steps must be at least 1, not {steps}.")
    if gif.suffix.lower() != ".gif":
        raise UsageError(f"--gif takes a path that ends in .gif, not '{gif}'.")


@assets_app.command("list")
def assets_list(assets: AssetsOption = None, as_json: JsonOption = False) -> None:
    """Every third-party file set: what it is for, its licence, and whether it is here."""
    from harness.assets.listing import list_assets
    from harness.assets.store import AssetStore

    _show(list_assets(AssetStore.from_environment(assets, allow_stand_ins=False)), as_json)


@assets_app.command("fetch")
def assets_fetch(
    names: Annotated[list[str], typer.Argument(help="Names as in 'harness assets list'.")],
    into: Annotated[Path | None, typer.Option(help="Folder to fetch into. Default: the user's cache folder.")] = None,
    assets: AssetsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Download and verify what is not here yet. Interrupted downloads resume."""
    from harness.assets.manifest import asset_named
    from harness.assets.store import AssetStore, cache_folder

    for name in names:
        asset_named(name)  # a wrong name ends here, before any download
    from harness.assets.download import fetch_assets

    store = AssetStore.from_environment(assets, allow_stand_ins=False)
    _show(fetch_assets(names, into or cache_folder(), store=store), as_json)


@assets_app.command("verify")
def assets_verify(
    names: Annotated[list[str] | None, typer.Argument(help="Names; default: all.")] = None,
    assets: AssetsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare what is here with its SHA-256; exit 1 if a file differs, or a named one is absent."""
    from harness.assets.listing import verify_assets, verify_status
    from harness.assets.store import AssetStore

    rows = verify_assets(AssetStore.from_environment(assets, allow_stand_ins=False), names or ())
    _show(rows, as_json)
    raise typer.Exit(verify_status(rows, names or ()))


@demos_app.command("collect")
def demos_collect(
    suite: SuiteOption,
    task: Annotated[str, typer.Option(help="One of its tasks.")],
    episodes: Annotated[int, typer.Option(help="Demonstrations to keep.")] = 25,
    seed: Annotated[int, typer.Option(help="Stream of the episodes that are tried.")] = 0,
    source: Annotated[
        str, typer.Option(help="expert (a policy plays) or human (recorded actions are replayed).")
    ] = "expert",
    out: Annotated[Path | None, typer.Option(help="Folder. Default: demos/<suite>-<task>-<source>")] = None,
    pictures: Annotated[bool, typer.Option(help="Store pictures, not states alone.")] = True,
    noisy: Annotated[bool, typer.Option(help="Draw the expert's actions instead of taking the mean.")] = False,
    keep_failures: Annotated[bool, typer.Option(help="Keep unsuccessful episodes of an expert too.")] = False,
    profile: ProfileOption = "standard",
    assets: AssetsOption = None,
) -> None:
    """Collect demonstrations of one task; goes on where it was stopped."""
    from harness.assets.store import AssetStore
    from harness.demos import collect_demos
    from harness.files import check_writable
    from harness.registry import load_suite
    from harness.spec import check_profile

    chosen = load_suite(suite)
    chosen.check_task(task)
    if source not in ("expert", "human"):
        raise unknown("source", source, ["expert", "human"])
    if not 1 <= episodes <= 100_000 or not 0 <= seed < 2**31:
        raise UsageError("--episodes goes from 1 to 100000 and --seed from 0 to 2147483647.")
    folder = out or Path("demos") / f"{chosen.name}-{task}-{source}"
    check_writable(folder)
    demos = collect_demos(
        chosen,
        task,
        episodes=episodes,
        seed=seed,
        out=folder,
        store=AssetStore.from_environment(assets, allow_stand_ins=False),
        source=source,  # type: ignore[arg-type]
        pictures=pictures,
        noisy=noisy,
        successes_only=False if keep_failures else None,
        profile=check_profile(profile),
        progress=lambda kept, tried: _say(f"{kept}/{episodes} kept of {tried} tried", err=True),
    )
    typer.echo(json.dumps({"folder": str(folder), **demos.record}, indent=2))


@encoder_app.command("train")
def encoder_train(
    kind: Annotated[str, typer.Argument(help="vae: RRL(VAE)'s.")],
    suite: SuiteOption,
    task: Annotated[str, typer.Option(help="One of its tasks, which an expert plays.")],
    images: Annotated[int, typer.Option(help="Pictures to train on, at least; published are 1000000.")] = 20_000,
    epochs: Annotated[int, typer.Option(help="Passes over them.")] = 10,
    seed: Annotated[int, typer.Option(help="Of episodes, parameters, order and noise.")] = 0,
    out: Annotated[Path, typer.Option(help="Folder of the file, to be given as --assets.")] = Path("encoders"),
    profile: ProfileOption = "standard",
    assets: AssetsOption = None,
) -> None:
    """Train an encoder on pictures of one task; goes on where it was stopped. Its file is named by its digest."""
    from harness.assets.store import AssetStore
    from harness.encoder_pictures import load_expert
    from harness.files import check_writable
    from harness.registry import load_suite
    from harness.spec import check_profile

    if kind != "vae":
        raise unknown("kind", kind, ["vae"])
    if not 4 <= images <= 10_000_000 or not 1 <= epochs <= 1_000 or not 0 <= seed < 2**31:
        raise UsageError("--images goes from 4 to 10000000, --epochs from 1 to 1000 and --seed from 0 to 2147483647.")
    chosen = load_suite(suite)
    store = AssetStore.from_environment(assets, allow_stand_ins=False)
    expert = load_expert(chosen, chosen.check_task(task), store)
    check_writable(out)
    asked = {"images": images, "epochs": epochs, "seed": seed, "profile": check_profile(profile)}
    _train_vae(chosen, task, expert, store, out, asked)


@encoder_app.command("take")
def encoder_take(
    policy: Annotated[Path, typer.Argument(help="A trained policy of agent rad: its folder, or its run's.")],
    out: Annotated[Path, typer.Option(help="Folder of the file, to be given as --assets.")] = Path("encoders"),
) -> None:
    """Take the encoder out of a trained RAD policy, for --agent rrl_sac --set encoder=rad-DIGEST."""
    from harness.assets.encoder_files import write_encoder
    from harness.baselines.nn.rad_files import taken_from
    from harness.files import check_writable
    from harness.registry import load_agent
    from harness.running.policies import find_policies

    sources = find_policies(policy, load_agent("rad"))
    if len(sources) != 1:
        raise UsageError(f"{policy} holds {len(sources)} policies: name the folder of the one to take.")
    check_writable(out)
    (source,) = sources.values()
    path = write_encoder("rad", taken_from(source), out)
    told = {"encoder": path.stem, "file": str(path), "task": source.record.task, "policy": source.digest}
    typer.echo(json_escaped(json.dumps(told, indent=2)))


def _train_vae(suite: Any, task: str, expert: Any, store: Any, out: Path, asked: Mapping[str, Any]) -> None:
    """Collects, trains, and writes the file; what is kept in between lies in a hidden folder beside it."""
    import shutil

    from harness.assets.encoder_files import write_encoder
    from harness.baselines.learners.vae import VaeTraining, shrink
    from harness.encoder_pictures import MANNERS, collect_pictures
    from harness.results.rows import short_hash

    facts = {**asked, "suite": suite.name, "version": suite.version, "task": task, "expert": _identity_of(expert)}
    work = out / f".vae-{short_hash({**facts, 'noise': MANNERS})}"
    collected = {"store": store, "seed": asked["seed"], "profile": asked["profile"]}
    files = list(collect_pictures(suite, task, expert, asked["images"], work, shrink, **collected))
    training = VaeTraining(files, work, asked["seed"])
    _say(f"{training.num_pictures} pictures of {len(files)} episodes", err=True)
    training.train(asked["epochs"], lambda epoch, losses: _say(f"epoch {epoch}: {_told_losses(losses)}", err=True))
    path = write_encoder("vae", training.encoder_bytes(), out)
    shutil.rmtree(work)
    told = {"encoder": path.stem, "file": str(path), "pictures": training.num_pictures, **facts}
    typer.echo(json_escaped(json.dumps(told, indent=2)))


def _identity_of(expert: Any) -> str:
    return str(getattr(expert, "identity", ""))


def _told_losses(losses: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:.4g}" for name, value in losses.items())


def _show(rows: Any, as_json: bool) -> None:
    from harness.listing import columns

    typer.echo(json.dumps(rows, indent=2) if as_json else columns(rows))


def _say(text: str, *, err: bool = False) -> None:
    """Prints one line that may hold names from outside."""
    typer.echo(escaped(text), err=err)


def _wrong_use(error: Any) -> int:
    """Shows an error of the command line itself, such as an option that does not exist; returns the exit status."""
    text = io.StringIO()
    error.show(file=text)
    typer.echo(escaped(text.getvalue().rstrip("\n"), keep="\n"), err=True)
    return int(error.exit_code)


def main() -> None:
    """Entry point of the `harness` command; turns errors into one sentence and an exit status."""
    if "--debug" in sys.argv[1:]:  # anywhere, not only before the command's name
        sys.argv.remove("--debug")
        os.environ["HARNESS_DEBUG"] = "1"
    prepare_streams()
    try:
        sys.exit(app(standalone_mode=False))
    except WRONG_USE as error:
        sys.exit(_wrong_use(error))
    except typer.Abort:
        _say("Aborted!", err=True)
        sys.exit(1)
    except BrokenPipeError:  # the reader of our output has left
        abandon_output()
        sys.exit(1)
    except Exception as error:
        told = in_one_sentence(error)
        if told is None or os.environ.get("HARNESS_DEBUG"):
            typer.echo(escaped(getattr(error, "worker_traceback", ""), keep="\n"), err=True)
            raise
        abandon_output()
        _say(f"error: {told}", err=True)
        sys.exit(told.exit_code)


if __name__ == "__main__":
    main()
