"""A Jaco arm and a Duplo brick: tasks of dm_control's manipulation set, drawn by the harness's own renderer."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Mapping
from typing import Any

from harness.rendering.renderer import DrawnSimulation  # first: it chooses the GL backend before mujoco is imported

# isort: split
import mujoco
import numpy as np
from absl import logging as absl_logging
from dm_control import composer
from dm_control.manipulation import place  # importing manipulation fills the registry
from dm_control.manipulation.shared import registry

from harness.errors import unknown
from harness.simulation import StepResult
from harness.spec import Shift
from harness.suites.domains.jaco_protocol import TASKS
from harness.suites.shifts.deformed_shapes import BRICK_SCALE

CAMERA = "front_close"
SOLVED = 1.0  # the highest reward of a control step; for reach_duplo: the grip is within 0.05 m of the brick
MAX_PLACEMENTS = 10  # tries of an episode's random start before giving up


class JacoSimulation(DrawnSimulation):
    """One manipulation task with its own renderer.

    The task is dm_control's with all its observables off: they would draw a picture at every control step. The model
    is compiled once: the only thing dm_control's recompilation at each reset may change, the radius of the brick's
    studs, has no variation in these tasks. A brick of whatever size starts where the suite's largest would not touch
    the pedestal, so that start states do not depend on the setting.

    Args:
      task: one of `TASKS`.
      image_size: height and width of the picture, pixels.
      profile: the renderer's, "standard" or "fast".
      shifts: those with `edit_task` change the task's shapes before it is compiled.
    Raises:
      UsageError: for an unknown task.
    """

    camera = CAMERA

    def __init__(self, task: str, image_size: int, profile: str, shifts: tuple[Shift, ...] = ()) -> None:
        if task not in TASKS:
            raise unknown("task", task, TASKS)
        self._task = registry.get_constructor(f"{task}_vision")()
        if isinstance(self._task, place.Place):
            keep_clear_of_pedestal(self._task)
        for shift in shifts:
            if hasattr(shift, "edit_task"):
                shift.edit_task(self._task)
        for entity in self._task.root_entity.iter_entities():
            entity.observables.disable_all()
        for observable in self._task.task_observables.values():
            observable.enabled = False
        self._random = np.random.RandomState(0)
        self._env = composer.Environment(
            self._task,
            random_state=self._random,
            max_reset_attempts=MAX_PLACEMENTS,
            recompile_mjcf_every_episode=False,
        )
        super().__init__(image_size, profile)
        spec = self._env.action_spec()
        self._low, self._range = spec.minimum.astype(np.float64), (spec.maximum - spec.minimum).astype(np.float64)
        self.action_size = int(spec.shape[0])
        self._solved = self._was_solved = False
        self._reset()  # compiles

    @property
    def model(self) -> mujoco.MjModel:
        return self._env.physics.model.ptr

    @property
    def data(self) -> mujoco.MjData:
        return self._env.physics.data.ptr

    def begin_episode(self, seed: int, episode: int) -> None:
        """Resets with a generator seeded by (seed, episode), so that every episode is one reset away."""
        self._random.seed([seed, episode])
        self._reset()
        self._solved = self._was_solved = False

    def _reset(self) -> None:
        with _quiet_tries():
            self._env.reset()

    def step(self, action: np.ndarray) -> StepResult:
        """Advances 0.04 s; none of the tasks terminates."""
        unit = (action.astype(np.float64) + 1.0) / 2.0
        time_step = self._env.step(unit * self._range + self._low)
        reward = float(time_step.reward)
        self._solved = reward >= SOLVED
        self._was_solved |= self._solved
        return StepResult(reward, time_step.last())

    def successes(self) -> Mapping[str, bool]:
        """Full reward at the last control step, and at any."""
        return {"last_step": self._solved, "any_step": self._was_solved}

    def state(self) -> np.ndarray:
        """Positions, velocities, activations, time, and where the task put its fixed bodies and sites."""
        data, model = self.data, self.model
        placed = (model.body_pos.ravel(), model.site_pos.ravel())
        return np.concatenate([data.qpos, data.qvel, data.act, [data.time], *placed])


def keep_clear_of_pedestal(task: place.Place) -> None:
    """Takes any start for a failed try in which a brick of `BRICK_SCALE` would touch the pedestal.

    dm_control draws places until the brick at hand touches nothing, which depends on its size.

    Args:
      task: as dm_control builds it, with the stock brick.
    """
    placer, frame, target = task._prop_placer, task._prop_frame, task._pedestal.target_site
    footprint = BRICK_SCALE * np.array(task._prop.mjcf_model.find("site", "bounding_box").size[:2])
    touches = placer._has_collisions_with_prop

    def touches_or_might(physics: Any, prop: composer.Entity) -> bool:
        centre, turn = physics.bind(frame).xpos[:2], physics.bind(frame).xmat.reshape(3, 3)[:2, :2]
        axis = (physics.bind(target).xpos[:2] - centre) @ turn  # of the pedestal, as the brick sees it
        gap = np.linalg.norm(np.maximum(np.abs(axis) - footprint, 0.0))
        return bool(gap <= place._PEDESTAL_RADIUS) or touches(physics, prop)

    placer._has_collisions_with_prop = touches_or_might


@contextlib.contextmanager
def _quiet_tries() -> Iterator[None]:
    """Keeps to itself that the arm could not be bent to a random start; dm_control draws another one then."""
    logger = absl_logging.get_absl_logger()
    logger.addFilter(_is_no_failed_try)
    try:
        yield
    finally:
        logger.removeFilter(_is_no_failed_try)


def _is_no_failed_try(record: logging.LogRecord) -> bool:
    return not (record.module == "inverse_kinematics" and str(record.msg).startswith("Failed to converge"))


def make_simulation(task: str, *, image_size: int, profile: str, shifts: tuple[Shift, ...]) -> JacoSimulation:
    """Builds a manipulation task.

    Args:
      task: one of `TASKS`.
      image_size: height and width of the picture, pixels.
      profile: "standard" or "fast".
      shifts: what will be bound; deformations are built in.
    Raises:
      UsageError: for an unknown task.
    """
    return JacoSimulation(task, image_size, profile, shifts)
