"""The tasks of Metaworld (Yu et al. 2019, version 3), drawn by the harness's own renderer."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from harness.rendering.renderer import DrawnSimulation  # first: it chooses the GL backend before mujoco is imported

# isort: split
import mujoco
import numpy as np
from metaworld.env_dict import ENV_CLS_MAP
from metaworld.policies import ENV_POLICY_MAP

from harness.errors import unknown
from harness.simulation import StepResult
from harness.spec import Shift
from harness.suites.domains.metaworld_protocol import TASKS

if TYPE_CHECKING:
    from harness.assets.store import AssetStore

# DrM puts `corner2` at (0.75, 0.075, 0.7) at every reset (XuGW-Kevin/DrM metaworld_env.py); today that is `corner4`.
CAMERA = "corner4"

# Tasks whose success says nothing about the gripper, and where being near the object is asked for besides.
NEAR = {"drawer_open": "near_handle"}


class MetaworldSimulation(DrawnSimulation):
    """One Metaworld task with its own renderer.

    A shift may write any visual field of `model` before the episode starts, and in `before_render` also poses of lights
    and cameras in `data`, which each control step works out anew.
    Pictures have MuJoCo's rows in reverse, as in the published code, which hands on OpenGL's rows from the bottom. With
    `corner4`, a camera on its head, the table then lies under the robot, and left and right are those of a mirror.

    An episode never ends by itself: success is remembered, and the published training goes on after it.

    Args:
      task: one of `TASKS`.
      image_size: height and width of the picture, pixels.
      profile: the renderer's, "standard" or "fast".
      camera: name of a camera of the model.
      edit: changes the model before it is compiled; visual things only.
    Raises:
      UsageError: for an unknown task.
    """

    action_size = 4

    def __init__(
        self, task: str, image_size: int, profile: str, *, camera: str, edit: Callable[[mujoco.MjSpec], None]
    ) -> None:
        if task not in TASKS:
            raise unknown("task", task, TASKS)
        self.task = task
        self.camera = camera
        super().__init__(image_size, profile)
        self._env = make_task(task, edit)
        self._observation = np.zeros(39)
        self._now: dict[str, bool] = {}
        self._ever: dict[str, bool] = {}

    @property
    def model(self) -> mujoco.MjModel:
        return self._env.model

    @property
    def data(self) -> mujoco.MjData:
        return self._env.data

    def begin_episode(self, seed: int, episode: int) -> None:
        """Resets with a random stream that belongs to (seed, episode).

        Metaworld ignores the seed given to its `reset`; it draws from `np_random` as often as the task needs.
        """
        self._env.np_random = np.random.Generator(np.random.PCG64(np.random.SeedSequence((seed, episode))))
        self._env.reset()
        # Some tasks place objects and goal after their last forward pass: their poses would be those of before.
        # Kinematics alone leaves everything that physics starts from as it is.
        mujoco.mj_kinematics(self.model, self.data)
        mujoco.mj_camlight(self.model, self.data)  # a shift may have moved lights and cameras
        now = self._env._get_curr_obs_combined_no_goal()
        self._observation = np.hstack([now, now, self._env._get_pos_goal()])
        self._now = dict.fromkeys(self._conditions({}), False)
        self._ever = dict(self._now)

    def step(self, action: np.ndarray) -> StepResult:
        """Advances one control step (1/80 s)."""
        self._observation, reward, _, _, info = self._env.step(action)
        self._now = {name: bool(holds) for name, holds in self._conditions(info).items()}
        self._ever = {name: self._ever[name] or holds for name, holds in self._now.items()}
        return StepResult(float(reward), False)

    def render(self) -> np.ndarray:
        return np.flipud(self.draw(self.camera)).copy()

    def state(self) -> np.ndarray:
        """MuJoCo's integration state, the goal, and where the bodies are fixed (a drawer's place is one of those)."""
        kind = mujoco.mjtState.mjSTATE_INTEGRATION
        state = np.empty(mujoco.mj_stateSize(self.model, kind))
        mujoco.mj_getState(self.model, self.data, state, kind)
        return np.concatenate([state, self._env._target_pos, self.model.body_pos.ravel()])

    def successes(self) -> Mapping[str, bool]:
        """`any_step` counts a success at any control step (as DrM does), `final_step` only at the last one.

        With `_near_handle` the gripper must be within 3 cm of the handle at the same time.
        """
        ever = {_join("any_step", name): holds for name, holds in self._ever.items()}
        return {**ever, **{_join("final_step", name): holds for name, holds in self._now.items()}}

    def observe_state(self) -> np.ndarray:
        """Metaworld's own observation with the goal, float64 (39,); what scripted policies act on."""
        return self._observation

    def _conditions(self, info: Mapping[str, Any]) -> dict[str, bool]:
        """What holds after a control step, the headline first; names only where `info` is empty."""
        conditions = {"": bool(info.get("success"))}
        if self.task in NEAR:
            conditions[NEAR[self.task]] = bool(info.get("success")) and bool(info.get("near_object"))
        return conditions


class Expert:
    """A scripted policy; it sees positions, so it is for demonstrations and checks, never for tables.

    Args:
      task: one of `TASKS`.
    Raises:
      UsageError: for an unknown task.
    """

    identity = "metaworld's scripted policy"

    def __init__(self, task: str) -> None:
        if task not in TASKS:
            raise unknown("task", task, TASKS)
        self._policy = ENV_POLICY_MAP[stock_name(task)]()  # type: ignore[abstract]

    def act(self, simulation: MetaworldSimulation) -> np.ndarray:
        """The action for the simulation as it is now, float32 (4,), values in [-1, 1]."""
        with warnings.catch_warnings():
            # The policies answer with more than 1 as a matter of course, and warn of it; here it is clipped.
            warnings.filterwarnings("ignore", r"Constant\(s\) may be too high", UserWarning)
            action = self._policy.get_action(simulation.observe_state())
        return np.clip(action, -1.0, 1.0).astype(np.float32)


def expert(task: str, assets: AssetStore | None = None) -> Expert:
    """The scripted policy of a task, as `harness.demos` asks for it; it needs no files."""
    return Expert(task)


def make_simulation(task: str, *, image_size: int, profile: str, shifts: tuple[Shift, ...]) -> MetaworldSimulation:
    """Builds a task seen from `CAMERA`.

    Args:
      task: one of `TASKS`.
      image_size: height and width of the picture, pixels.
      profile: "standard" or "fast".
      shifts: may add to the model before it is compiled.
    Raises:
      UsageError: for an unknown task.
    """

    def edit(spec: mujoco.MjSpec) -> None:
        for shift in shifts:
            shift.edit_spec(spec)

    return MetaworldSimulation(task, image_size, profile, camera=CAMERA, edit=edit)


def make_task(task: str, edit: Callable[[mujoco.MjSpec], None]) -> Any:
    """Metaworld's environment of a task on an edited model, seeded draws, the goal in its state, no step limit."""
    stock = ENV_CLS_MAP[stock_name(task)]

    class Edited(stock):  # type: ignore[misc, valid-type]
        def _initialize_simulation(self) -> tuple[mujoco.MjModel, mujoco.MjData]:
            spec = mujoco.MjSpec.from_file(self.fullpath)
            edit(spec)
            model = spec.compile()
            return model, mujoco.MjData(model)

    env = Edited()
    env.seeded_rand_vec, env._freeze_rand_vec, env._set_task_called = True, False, True
    env._partially_observable = False
    # Observations are clipped to this cached space, which was worked out for a hidden goal: the goal would stay 0.
    env.__dict__.pop("sawyer_observation_space")
    env.max_path_length = sys.maxsize
    return env


def stock_name(task: str) -> str:
    """`drawer-open-v3` for `drawer_open`."""
    return f"{task.replace('_', '-')}-v3"


def _join(*words: str) -> str:
    return "_".join(word for word in words if word)
