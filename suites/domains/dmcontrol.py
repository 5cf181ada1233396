"""Seven tasks of the DeepMind Control Suite, drawn by the harness's own renderer."""

from __future__ import annotations

import importlib
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from harness.rendering.renderer import DrawnSimulation  # first: it chooses the GL backend before mujoco is imported

# isort: split
import mujoco
import numpy as np
from dm_control import suite
from dm_control.mujoco import wrapper
from dm_control.rl import control

from harness.errors import unknown
from harness.simulation import StepResult
from harness.spec import Shift
from harness.suites.domains.dmcontrol_protocol import ALL_TASKS

CAMERA = 0  # of every task benchmarked by DMC-GB: walker and cheetah `side`, cartpole `fixed`, the others `cam0`
NO_TIME_LIMIT = 1e6  # s; only the environment's own step cap ends an episode, as in DMC-GB

# Domains where nothing ever reaches the ground plane: a promise to the renderer, tested.
FLOOR_UNTOUCHED = frozenset({"ball_in_cup", "cartpole", "finger"})


class Attribute(NamedTuple):
    """An attribute of the shared asset files that holds a colour."""

    file: str
    element: str  # tag
    name: str
    attribute: str
    alpha: str = ""  # appended to the colour


# The colours DMC-GB's shifts may set, under DMC-GB's own names.
COLORS: Mapping[str, Attribute] = {
    "grid_rgb1": Attribute("./common/materials.xml", "texture", "grid", "rgb1"),
    "grid_rgb2": Attribute("./common/materials.xml", "texture", "grid", "rgb2"),
    "grid_markrgb": Attribute("./common/materials.xml", "texture", "grid", "markrgb"),
    "self_rgb": Attribute("./common/materials.xml", "material", "self", "rgba", alpha=" 1"),
    "skybox_rgb": Attribute("./common/skybox.xml", "texture", "skybox", "rgb1"),
    "skybox_rgb2": Attribute("./common/skybox.xml", "texture", "skybox", "rgb2"),
    "skybox_markrgb": Attribute("./common/skybox.xml", "texture", "skybox", "markrgb"),
}

# What the colours above end up in. No other field of the compiled model depends on them (tested).
COLOR_FIELDS = ("mat_rgba", "tex_data")


class DMControlSimulation(DrawnSimulation):
    """One task of the suite with its own renderer.

    `recolor` does what DMC-GB's colour settings do.

    Args:
      task: `domain_task`, one of `ALL_TASKS`.
      image_size: height and width of the picture, pixels.
      profile: the renderer's, "standard" or "fast".
      shifts: those that compile something into the model (`edit_spec`) do so here; the others change nothing.
    Raises:
      UsageError: for an unknown task.
    """

    camera = CAMERA

    def __init__(self, task: str, image_size: int, profile: str, shifts: tuple[Shift, ...] = ()) -> None:
        if task not in ALL_TASKS:
            raise unknown("task", task, ALL_TASKS)
        self.domain, _, name = task.rpartition("_")
        self._env = suite.load(self.domain, name, task_kwargs={"random": 0, "time_limit": NO_TIME_LIMIT})
        super().__init__(image_size, profile)
        builders = [shift for shift in shifts if type(shift).edit_spec is not Shift.edit_spec]
        if builders:
            self._env = rebuild(self._env, compile_edited(self.domain, builders))
        self._floor_untouched = self.domain in FLOOR_UNTOUCHED and not builders
        self._seed: int | None = None
        self._next_episode = 0
        spec = self._env.action_spec()
        self._low, self._range = spec.minimum.astype(np.float64), (spec.maximum - spec.minimum).astype(np.float64)
        self.action_size = int(spec.shape[0])

    @property
    def model(self) -> mujoco.MjModel:
        return self._env.physics.model.ptr

    @property
    def data(self) -> mujoco.MjData:
        return self._env.physics.data.ptr

    def begin_episode(self, seed: int, episode: int) -> None:
        """Resets to episode `episode` of the start states that `RandomState(seed)` gives.

        A start state depends on how many numbers the resets before it drew, and some draw until a state is free of
        contact, so episodes are reached by real resets (milliseconds each). Going back starts the stream again.
        """
        if seed != self._seed or episode < self._next_episode:
            self._env.task.random.seed(seed)  # the same stream as a new RandomState(seed)
            self._seed, self._next_episode = seed, 0
        while self._next_episode <= episode:
            self._env.reset()
            self._next_episode += 1

    def step(self, action: np.ndarray) -> StepResult:
        """Advances one control step; none of the tasks terminates."""
        unit = (action.astype(np.float64) + 1.0) / 2.0
        time_step = self._env.step((unit * self._range + self._low).astype(np.float32))
        return StepResult(float(time_step.reward), time_step.last())

    def state(self) -> np.ndarray:
        """Positions, velocities, activations, time, and where reacher's target is."""
        data = self.data
        target = self.model.geom("target").pos if self.domain == "reacher" else ()
        return np.concatenate([data.qpos, data.qvel, data.act, [data.time], target])

    def recolor(self, colors: Mapping[str, Sequence[float]]) -> None:
        """Makes the model look as if compiled with these colours; colours not named take their stock value.

        A second model is compiled from the edited files and its colours and textures are copied. The published code
        reloads the physics instead; the pictures are the same (tested), and here the physics is untouched.

        Args:
          colors: {name in `COLORS`: (red, green, blue), each in [0, 1]}.
        Raises:
          UsageError: for an unknown name.
        """
        donor = compile_recolored(self.domain, colors)
        for field in COLOR_FIELDS:  # what shifts compiled in comes after the stock textures and materials
            stock = getattr(donor, field)
            np.copyto(getattr(self.model, field)[: len(stock)], stock)
        for texture in range(donor.ntex):
            self.upload_texture(texture)


def make_simulation(task: str, *, image_size: int, profile: str, shifts: tuple[Shift, ...]) -> DMControlSimulation:
    """Builds a task of the suite.

    Args:
      task: one of `ALL_TASKS`.
      image_size: height and width of the picture, pixels.
      profile: "standard" or "fast".
      shifts: what will be bound.
    Raises:
      UsageError: for an unknown task.
    """
    return DMControlSimulation(task, image_size, profile, shifts)


def rebuild(env: control.Environment, model: mujoco.MjModel) -> control.Environment:
    """The same task on another compiled model."""
    physics = type(env.physics).from_model(wrapper.MjModel(model))
    step_sec = env.control_timestep()
    return control.Environment(physics, env.task, time_limit=NO_TIME_LIMIT, control_timestep=step_sec)


def compile_edited(domain: str, shifts: Sequence[Shift]) -> mujoco.MjModel:
    """Compiles the domain's stock model with what the shifts add to it, in their order."""
    xml, assets = importlib.import_module(f"dm_control.suite.{domain}").get_model_and_assets()
    spec = mujoco.MjSpec.from_string(xml, include=dict(assets))
    for shift in shifts:
        shift.edit_spec(spec)
    return spec.compile()


def compile_recolored(domain: str, colors: Mapping[str, Sequence[float]]) -> mujoco.MjModel:
    """Compiles the domain's stock model with other colours.

    Args:
      domain: such as "walker".
      colors: {name in `COLORS`: (red, green, blue)}.
    Raises:
      UsageError: for an unknown colour name.
    """
    xml, assets = importlib.import_module(f"dm_control.suite.{domain}").get_model_and_assets()
    return mujoco.MjModel.from_xml_string(xml, edit_assets(assets, colors))


def edit_assets(assets: Mapping[str, bytes], colors: Mapping[str, Sequence[float]]) -> dict[str, bytes]:
    """A copy of `dm_control.suite.common.ASSETS` with other colours.

    Numbers are written as Python writes them, which reads back to the same float64.

    Raises:
      UsageError: for an unknown colour name.
    """
    edited = dict(assets)
    for name, rgb in colors.items():
        if name not in COLORS:
            raise unknown("colour", name, COLORS)
        place = COLORS[name]
        root = ElementTree.fromstring(edited[place.file])
        (element,) = (e for e in root.iter(place.element) if e.get("name") == place.name)
        element.set(place.attribute, " ".join(str(float(value)) for value in rgb) + place.alpha)
        edited[place.file] = ElementTree.tostring(root)
    return edited
