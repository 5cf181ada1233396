"""Demonstrations: episodes of an expert (or of humans, replayed), kept as files that agents learn from.

A domain module may offer

    expert(task, assets) -> Expert
    human_demos(task, assets) -> (sequence of HumanDemo, identity of their file)

and any suite over it can then be demonstrated. What is stored are the suite's own observations in its training setting.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
from pydantic import Field, NonNegativeInt, PositiveInt

from harness.environment import PixelEnv, make_env
from harness.errors import UsageError, WorkError
from harness.files import disk_errors, sha256_of, write_bytes, write_json
from harness.reading import SEAL, SHA256, Record, SealedRecord, read_sealed, seal
from harness.running.provenance import code_revision, package_versions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.assets.store import AssetStore
    from harness.simulation import Simulation
    from harness.spec import Suite

RECORD = "demos.json"
FORMAT_VERSION = 1
ARRAYS = ("actions", "rewards", "terminated", "pixels", "proprio", "states")
MADE_BY = {"expert": "a trained or scripted expert, not a human", "human": "humans, their actions replayed"}
TRIES_PER_EPISODE, LEAST_TRIES = 10, 50  # then the expert is taken to be unable


class EpisodeRecord(Record):
    """What is known of one kept episode."""

    file: str = Field(pattern=r"^episode[0-9]{5,}\.safetensors$")
    sha256: str = Field(pattern=SHA256)
    number: NonNegativeInt  # within the stream that was tried
    num_steps: PositiveInt
    episode_return: float = Field(alias="return")
    successes: dict[str, bool]


class DemoRecord(SealedRecord):
    """`demos.json`: what is demonstrated, by whom and in which manner, and which episodes were kept."""

    format_version: int = Field(ge=FORMAT_VERSION, le=FORMAT_VERSION)
    suite: str
    suite_version: int
    task: str
    setting: str
    pictures: bool
    render_profile: str | None  # these two are None without pictures
    image_size: PositiveInt | None
    action_repeat: PositiveInt
    episode_frames: PositiveInt | None = None  # of the suite's episodes; None: of an earlier version, which did not say
    packages: dict[str, str]
    source: Literal["expert", "human"]
    made_by: str
    assets: str  # identity of the expert's or the recordings' file
    seed: NonNegativeInt
    noisy: bool
    successes_only: bool
    num_episodes: PositiveInt  # wanted
    num_tried: NonNegativeInt
    episodes: tuple[EpisodeRecord, ...]
    code_revision: str


class Expert(Protocol):
    """What demonstrates; it may look into the simulation. An `identity` (a text) is stored if it has one, and
    `sample(simulation, rng)` is used for noisy demonstrations."""

    def act(self, simulation: Any) -> np.ndarray:
        """The action in the simulation's present state, (A,), values in [-1, 1]."""


class HumanDemo(Protocol):
    """A recorded trajectory."""

    @property
    def actions(self) -> np.ndarray:
        """(T, A), one per control step; clipped to [-1, 1] when replayed."""

    def start(self, simulation: Any) -> None:
        """Lets the simulation's next episode begin where the recording began."""


@dataclass(frozen=True)
class Demo:
    """One episode of T agent steps. Observations are single, newest pictures: stacking them is up to the reader.

    Attributes:
      actions: float32 (T, A), within [-1, 1].
      rewards: float64 (T,), summed over the repeats of an action.
      terminated: whether the episode ended by itself and not by its length.
      pixels: uint8 (T + 1, 3 * cameras, H, W); None if not stored.
      proprio: float32 (T + 1, P); None if the suite has none.
      states: float64 (T + 1, S), the simulation's state observation; None if it has none.
    """

    actions: np.ndarray
    rewards: np.ndarray
    terminated: bool
    pixels: np.ndarray | None
    proprio: np.ndarray | None
    states: np.ndarray | None


@dataclass(frozen=True)
class DemoSet:
    """A folder of demonstrations; episodes are read one by one, as they are asked for."""

    folder: Path
    record: Mapping[str, Any]

    @property
    def identity(self) -> str:
        """`demos:<source>-<16 hex digits>` over all episodes, for the rows of an agent that learned from them."""
        digests = "".join(episode["sha256"] for episode in self.record["episodes"])
        return f"demos:{self.record['source']}-{hashlib.sha256(digests.encode()).hexdigest()[:16]}"

    def first(self, num: int) -> DemoSet:
        """The first episodes alone."""
        return replace(self, record={**self.record, "episodes": self.record["episodes"][:num]})

    def __len__(self) -> int:
        return len(self.record["episodes"])

    def __iter__(self) -> Iterator[Demo]:
        return map(self.read, range(len(self)))

    def read(self, index: int) -> Demo:
        """Reads one episode and checks it against the record.

        Raises:
          UsageError: if its file is missing or damaged.
        """
        from safetensors.numpy import load

        facts = self.record["episodes"][index]
        path = self.folder / facts["file"]
        if not _is_whole(self.folder, facts):
            raise UsageError(f"The demonstration {path} is missing or damaged; the command that made it makes it anew.")
        arrays = load(path.read_bytes())
        if missing := [name for name in ("actions", "rewards", "terminated") if name not in arrays]:
            raise UsageError(f"{path} is no demonstration: it has no {missing[0]}.")
        found = {name: arrays.get(name) for name in ARRAYS}
        return Demo(**{**found, "terminated": bool(arrays["terminated"][0])})  # type: ignore[arg-type]


def load_demos(folder: Path) -> DemoSet:
    """Opens a folder that `collect_demos` wrote.

    Raises:
      UsageError: if it is none, its record is damaged, or its collection was never finished.
    """
    record = _read_record(folder)
    if record is None:
        raise UsageError(f"{folder} holds no demonstrations: it has no {RECORD}.")
    if len(record["episodes"]) < record["num_episodes"]:
        raise UsageError(
            f"{folder} holds {len(record['episodes'])} of {record['num_episodes']} demonstrations: go on collecting."
        )
    return DemoSet(folder, record)


def check_scene(demos: DemoSet, suite: Suite, task: str, profile: str) -> None:
    """Compares what demonstrations show with what an agent is to learn: task (with its reward), cameras, pictures.

    Args:
      demos: that were collected before.
      suite: with the protocol that is trained under.
      task: that is trained.
      profile: render profile of the pictures.
    Raises:
      UsageError: naming what differs.
    """
    wanted = _scene_facts(suite, task, profile)
    del wanted["packages"]  # what they played in, which collecting compares
    if demos.record["episode_frames"] is None:
        del wanted["episode_frames"]
    for key, value in wanted.items():
        if (found := demos.record[key]) != value:
            raise UsageError(f"{demos.folder} holds demonstrations of another scene: {key} {found!r}, not {value!r}.")


def check_recordings(suite: Suite, task: str, num: int, noisy: bool, store: AssetStore) -> None:
    """Checks that there are as many recordings of humans as are asked for, and that they fill an episode.

    Args:
      suite: with the protocol that is trained under.
      task, num, noisy, store: as `collect_demos` takes them (`episodes`).
    Raises:
      UsageError: naming what is wrong.
      MissingAssetError: if their file is absent.
    """
    player = _make_player(suite, task, "human", noisy, store, seed=0)
    _check_number(player, task, num)
    longest, frames = player.longest or 0, suite.protocol.for_task(task).episode_frames
    if frames > longest:
        raise UsageError(
            f"Episodes of {frames} frames are longer than the human demonstrations of {task}, which end after "
            f"{longest} at the latest: set protocol.episode_frames to {longest} at most."
        )


def collect_demos(
    suite: Suite,
    task: str,
    *,
    episodes: int,
    seed: int,
    out: Path,
    store: AssetStore,
    source: Literal["expert", "human"] = "expert",
    pictures: bool = True,
    noisy: bool = False,
    successes_only: bool | None = None,
    profile: str = "standard",
    progress: Callable[[int, int], None] = lambda kept, tried: None,
) -> DemoSet:
    """Lets an expert play, or replays humans, until there are enough demonstrations; goes on where it was stopped.

    Each episode is written as one step, so a kill at any moment loses at most the one at work, and the result is the
    same as without it. Files that have gone missing since, or were damaged, are made anew, byte for byte. An episode
    succeeds by the suite's headline definition.

    Args:
      suite: what is demonstrated, in its training setting.
      task: one of its tasks.
      episodes: how many demonstrations to keep.
      seed: of the stream of episodes that are tried.
      out: the folder; what it holds already must have been collected in the same way.
      store: where the expert's files are looked up; nothing stands in for them.
      source: "expert" or "human".
      pictures: False stores states only and needs no graphics; pictures are large (39 MB for 200 of 256 pixels).
      noisy: whether actions are drawn from the expert's distribution instead of being its mean.
      successes_only: whether failures are thrown away; by default an expert's are and humans' are not.
      profile: render profile of the pictures.
      progress: called with the numbers of episodes kept and tried, after each try.
    Raises:
      UsageError: for a task or source that does not exist, a number out of range, or a folder of something else.
      MissingAssetError: if a needed file is absent.
      WorkError: if the expert fails too often, a lost file comes out differently, or the disk is full.
    """
    if episodes < 1 or seed < 0:
        raise UsageError(f"Demonstrations need at least one episode and a seed from 0, not {episodes} and {seed}.")
    if successes_only is None:
        successes_only = source == "expert"
    player = _make_player(suite, suite.check_task(task), source, noisy, store, seed)
    _check_number(player, task, episodes)
    manner = {"source": source, "made_by": MADE_BY[source], "assets": player.identity, "seed": seed}
    manner |= {"noisy": noisy, "successes_only": successes_only}
    record = _open_record(out, _scene_facts(suite, task, profile if pictures else None) | manner, episodes)
    lost = [facts for facts in record["episodes"] if not _is_whole(out, facts)]
    if lost or len(record["episodes"]) < episodes:
        with contextlib.closing(_demo_env(suite, task, player, store, profile, pictures)) as env:
            for facts in lost:
                _restore(env, player, record, facts, out)
            _collect(env, player, record, out, progress)
    return load_demos(out)


def _demo_env(suite: Suite, task: str, player: _Player, store: AssetStore, profile: str, pictures: bool) -> PixelEnv:
    """The task's training setting; a recording is replayed to its end, longer than an episode if it is."""
    protocol = suite.protocol.for_task(task)
    if player.longest is not None:
        protocol = protocol.replace(task, "episode_frames", player.longest)
    return make_env(suite, task, suite.train, assets=store, profile=profile, protocol=protocol, draw=pictures)


def _collect(
    env: PixelEnv, player: _Player, record: dict[str, Any], out: Path, progress: Callable[[int, int], None]
) -> None:
    """Plays until the record is full, writing every episode that is kept."""
    wanted = record["num_episodes"]
    limit = min(player.limit, max(LEAST_TRIES, TRIES_PER_EPISODE * wanted))
    while len(record["episodes"]) < wanted:
        number = record["num_tried"]
        if number >= limit:
            raise WorkError(f"Only {len(record['episodes'])} of {number} tries succeeded; {wanted} were asked for.")
        demo, info = _play(env, player, record["seed"], number, record["pictures"])
        record["num_tried"] = number + 1
        if info.get("success", True) or not record["successes_only"]:
            name = f"episode{len(record['episodes']):05d}.safetensors"
            digest = _write_arrays(out / name, demo)
            outcome = {"return": float(demo.rewards.sum()), "successes": info.get("successes", {})}
            about = {"file": name, "sha256": digest, "number": number, "num_steps": len(demo.actions)}
            record["episodes"].append({**about, **outcome})
        write_json(out / RECORD, seal(record))
        progress(len(record["episodes"]), record["num_tried"])


def _is_whole(folder: Path, facts: Mapping[str, Any]) -> bool:
    """Whether the file of a recorded episode holds what was written to it."""
    path = folder / facts["file"]
    return path.is_file() and sha256_of(path) == facts["sha256"]


def _restore(env: PixelEnv, player: _Player, record: Mapping[str, Any], facts: Mapping[str, Any], out: Path) -> None:
    """Plays a recorded episode again and writes its file.

    Raises:
      WorkError: if it is not what it was, as other graphics may draw other pictures.
    """
    demo, _ = _play(env, player, record["seed"], facts["number"], record["pictures"])
    path = out / facts["file"]
    if _write_arrays(path, demo) != facts["sha256"]:
        path.unlink()
        raise WorkError(f"{path} was lost, and playing it again gives another one here; delete {out} and collect anew.")


def _play(env: PixelEnv, player: _Player, seed: int, number: int, pictures: bool) -> tuple[Demo, dict[str, Any]]:
    """Plays one episode to its end."""
    choose = player.begin(env.simulation, number)
    observation, info = env.reset(seed=seed, options={"episode": number})
    seen = [_look(env, observation, pictures)]
    actions: list[np.ndarray] = []
    rewards: list[float] = []
    over = terminated = False
    while not over and (action := choose(len(actions))) is not None:
        action = np.clip(action, -1.0, 1.0).astype(np.float32)
        observation, reward, terminated, truncated, info = env.step(action)
        seen.append(_look(env, observation, pictures))
        actions.append(action)
        rewards.append(reward)
        over = terminated or truncated
    looks = [None if parts[0] is None else np.stack(parts) for parts in zip(*seen, strict=True)]
    return Demo(np.stack(actions), np.array(rewards, np.float64), bool(terminated), *looks), info


def _look(env: PixelEnv, observation: Any, pictures: bool) -> tuple[np.ndarray | None, ...]:
    """The newest picture, the proprioception and the state observation, each None where there is none."""
    pixels = observation["pixels"] if isinstance(observation, dict) else observation
    newest = pixels[-3 * env.simulation.num_cameras :].copy() if pictures else None
    observe = getattr(env.simulation, "observe_state", None)
    states = None if observe is None else np.array(observe(), np.float64)
    return newest, env.simulation.proprioception(), states


@dataclass(frozen=True)
class _Player:
    """Who demonstrates: `begin(simulation, number)` gives step -> action, or None when there are no more."""

    begin: Callable[[Simulation, int], Callable[[int], np.ndarray | None]]
    identity: str
    limit: int  # how many episodes there can be
    longest: int | None = None  # control steps of the longest recording


def _make_player(suite: Suite, task: str, source: str, noisy: bool, store: AssetStore, seed: int) -> _Player:
    if source not in MADE_BY:
        raise UsageError(f"Demonstrations come from 'expert' or 'human', not from '{source}'.")
    domain = importlib.import_module(suite.domain)
    hook = getattr(domain, "expert" if source == "expert" else "human_demos", None)
    if hook is None:
        raise UsageError(f"Nothing demonstrates the tasks of {suite.name}: its domain offers no {source} for them.")
    if source == "expert":
        return _expert_player(hook(task, store), noisy, seed, task)
    if noisy:
        raise UsageError("Human demonstrations are replayed as they are: ask for no noise (noisy_demos=false).")
    if suite.protocol.action_repeat[task] != 1:
        raise UsageError(f"Human demonstrations of {task} hold one action per control step; use action repeat 1.")
    return _human_player(*hook(task, store))


def _check_number(player: _Player, task: str, wanted: int) -> None:
    if wanted > player.limit:
        raise UsageError(f"There are {player.limit} human demonstrations of {task}, fewer than {wanted}.")


def _expert_player(expert: Any, noisy: bool, seed: int, task: str) -> _Player:
    if noisy and not hasattr(expert, "sample"):
        raise UsageError(f"The expert of {task} has no noise of its own.")

    def begin(simulation: Simulation, number: int) -> Callable[[int], np.ndarray | None]:
        rng = np.random.default_rng((seed, number))
        return lambda step: expert.sample(simulation, rng) if noisy else expert.act(simulation)

    return _Player(begin, getattr(expert, "identity", ""), limit=2**31)


def _human_player(demos: Sequence[HumanDemo], identity: str) -> _Player:
    def begin(simulation: Simulation, number: int) -> Callable[[int], np.ndarray | None]:
        demos[number].start(simulation)
        actions = demos[number].actions
        return lambda step: actions[step] if step < len(actions) else None

    return _Player(begin, identity, limit=len(demos), longest=max(len(demo.actions) for demo in demos))


def _scene_facts(suite: Suite, task: str, profile: str | None) -> dict[str, Any]:
    """What is demonstrated; `profile` is None without pictures."""
    protocol = suite.protocol.for_task(task)
    return {
        "format_version": FORMAT_VERSION,
        "suite": suite.name,
        "suite_version": suite.version,
        "task": task,
        "setting": suite.train.name,
        "pictures": profile is not None,
        "render_profile": profile,
        "image_size": protocol.image_size if profile else None,
        "action_repeat": protocol.action_repeat[task],
        "episode_frames": protocol.episode_frames,
        "packages": package_versions(),
    }


def _open_record(out: Path, facts: dict[str, Any], episodes: int) -> dict[str, Any]:
    """The record to go on with: that of the folder, or a new one."""
    old = _read_record(out)
    if old is None:
        with disk_errors(str(out)):
            out.mkdir(parents=True, exist_ok=True)
        return {**facts, "num_episodes": episodes, "num_tried": 0, "episodes": [], "code_revision": code_revision()}
    if old["episode_frames"] is None:  # as recorded before the length of episodes was
        facts = {**facts, "episode_frames": None}
    other = [key for key, value in facts.items() if old.get(key) != value]
    if other:
        raise UsageError(f"{out} holds other demonstrations ({', '.join(other)} differ); choose another folder.")
    with contextlib.suppress(OSError):  # where nothing can be written, what kills have left stays
        for left in out.glob(".*.tmp"):
            left.unlink()
    return {**old, "num_episodes": max(episodes, len(old["episodes"]))}


def _read_record(folder: Path) -> dict[str, Any] | None:
    """The record as plain values; None where there is none."""
    try:
        record = read_sealed(folder / RECORD, DemoRecord, remedy=f"delete {folder} and collect anew")
    except FileNotFoundError:
        return None
    return record.model_dump(mode="json", by_alias=True, exclude={SEAL})


def _write_arrays(path: Path, demo: Demo) -> str:
    """Writes one episode as one step; returns its SHA-256."""
    from safetensors.numpy import save

    demo = replace(demo, terminated=np.array([demo.terminated]))  # type: ignore[arg-type]
    arrays = {name: getattr(demo, name) for name in ARRAYS}
    data = save({name: array for name, array in arrays.items() if array is not None})
    write_bytes(path, data)
    return hashlib.sha256(data).hexdigest()
