"""The four Adroit tasks with RRL's cameras and rewards, drawn by the harness's own renderer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from harness.rendering.renderer import DrawnSimulation  # first: it chooses the GL backend before mujoco is imported

# isort: split
import mujoco
import numpy as np

from harness.errors import unknown
from harness.simulation import StepResult
from harness.spec import Shift
from harness.suites.domains.adroit_cameras import CAMERAS
from harness.suites.domains.adroit_models import make_library_env
from harness.suites.domains.adroit_protocol import DENSE_TASKS, TASKS
from harness.suites.domains.adroit_rewards import JUDGES, Verdict
from harness.suites.domains.adroit_success import SUSTAINED_STEPS, GoalCount

if TYPE_CHECKING:
    from harness.assets.store import AssetStore
    from harness.suites.domains.adroit_expert import Expert, HumanDemo

FRAME_SKIP = 5  # physics steps of 2 ms per control step
NUM_HAND_JOINTS = 24
HAND_JOINTS = {"door": slice(4, -2), "hammer": slice(2, -7), "pen": slice(0, -6), "relocate": slice(6, -6)}  # of qpos
RELOCATE_TARGET_HEIGHT = 0.25  # m; RRL fixes it, the original draws it from 0.15 to 0.35

# What the colour shift paints (RRL's geoms 52 and up for door and hammer; pen and relocate are this project's choice).
OBJECT_BODIES = {
    "door": ("frame", "door", "latch"),
    "hammer": ("nail_board", "nail", "Object"),
    "pen": ("Object", "target"),
    "relocate": ("Object",),
}


class AdroitSimulation(DrawnSimulation):
    """One Adroit task with its own renderer.

    A shift may write any visual field of `model` before the episode starts, and in `before_render` also `data`'s
    world poses of lights, cameras and static geoms; it must never call `mj_forward`, which moves the physics.

    Args:
      task: one of `TASKS` (RRL's sparse reward) or of `DENSE_TASKS` (DAPG's).
      image_size: height and width of the picture, pixels.
      profile: the renderer's, "standard" or "fast".
      shifts: what may edit the model before it is compiled.
    Raises:
      UsageError: for an unknown task.
    """

    def __init__(self, task: str, image_size: int, profile: str, shifts: tuple[Shift, ...] = ()) -> None:
        if task not in TASKS + DENSE_TASKS:
            raise unknown("task", task, TASKS + DENSE_TASKS)
        self.name = task.removesuffix("_dense")
        super().__init__(image_size, profile)
        self._dense = task in DENSE_TASKS
        self._env = make_library_env(self.name, shifts)
        self._cameras = CAMERAS[self.name]
        self._recorded_start: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None
        self.action_size = int(self.model.nu)
        self.num_cameras = len(self._cameras)
        self._count_goals()

    @property
    def model(self) -> mujoco.MjModel:
        return self._env.model

    @property
    def data(self) -> mujoco.MjData:
        return self._env.data

    @property
    def cameras(self) -> tuple[str, ...]:
        """Names of the cameras that are drawn, in order."""
        return self._cameras

    @property
    def object_bodies(self) -> tuple[str, ...]:
        """Names of the bodies that are the task's objects."""
        return OBJECT_BODIES[self.name]

    def begin_episode(self, seed: int, episode: int) -> None:
        """Resets the library's environment with a seed made of (seed, episode); no other episode is played."""
        derived = np.random.SeedSequence((seed, episode)).generate_state(1)[0]
        self._env.reset(seed=int(derived))
        if self.name == "relocate":
            self.model.site("target").pos[2] = RELOCATE_TARGET_HEIGHT
        if self._recorded_start is not None:
            self.data.qpos[:], self.data.qvel[:], self.model.body("frame").pos[:] = self._recorded_start
            self._recorded_start = None
        # Everything is computed from positions once more, from the same solver state as in the library's own reset.
        self.data.qacc_warmstart[:] = 0.0
        mujoco.mj_forward(self.model, self.data)
        self._count_goals()

    def start_next_from(self, qpos: np.ndarray, qvel: np.ndarray, door_frame_pos: np.ndarray) -> None:
        """Lets the next episode of the door, and that one only, begin in a recorded state.

        Args:
          qpos: float64 (30,), radians and metres.
          qvel: float64 (30,).
          door_frame_pos: float64 (3,), position of body `frame`, metres.
        """
        self._recorded_start = (qpos, qvel, door_frame_pos)

    def step(self, action: np.ndarray) -> StepResult:
        """Advances 10 ms; only the pen's episode terminates, when the pen has fallen."""
        env = self._env
        clipped = np.clip(action, -1.0, 1.0)
        env.do_simulation(env.act_mean + clipped * env.act_rng, FRAME_SKIP)
        verdict = self.judge()
        self._goals.add(verdict.goal)
        self._goals_rrl.add(verdict.goal_rrl)
        return StepResult(float(verdict.dense if self._dense else verdict.sparse), verdict.terminated)

    def judge(self) -> Verdict:
        """Rewards and goals of the state as it is."""
        return JUDGES[self.name](**self._measure())

    def render(self) -> np.ndarray:
        """Draws every camera; channels are joined, three for each."""
        planes = np.empty((3 * len(self._cameras), self.image_size, self.image_size), np.uint8)
        for number, camera in enumerate(self._cameras):
            planes[3 * number : 3 * number + 3] = self.draw(camera).transpose(2, 0, 1)
        # Lies in memory as agents get it: joining pixel by pixel takes six times as long.
        return planes.transpose(1, 2, 0)

    def state(self) -> np.ndarray:
        """Time, positions, velocities, the solver's warm start, and where this episode put door, nail or target."""
        data = self.data
        return np.concatenate([[data.time], data.qpos, data.qvel, data.act, data.qacc_warmstart, self._layout()])

    def observe_state(self) -> np.ndarray:
        """The state observation of gymnasium-robotics' `AdroitHand*-v1`, float64, which the published experts read."""
        return self._env._get_obs()

    def successes(self) -> Mapping[str, bool]:
        """DAPG's goal sustained, reached in any step, reached in the last step; then the same for RRL's goal."""
        return {**self._goals.successes(), **self._goals_rrl.successes("_rrl")}

    def proprioception(self) -> np.ndarray:
        """The 24 joints of the hand, radians, float32; arm joints are left out, as in RRL."""
        return self.data.qpos[HAND_JOINTS[self.name]].astype(np.float32)

    def _count_goals(self) -> None:
        self._goals, self._goals_rrl = (GoalCount(SUSTAINED_STEPS[self.name]) for _ in range(2))

    def _layout(self) -> np.ndarray:
        """What a reset draws and the physics state does not hold, float64."""
        model = self.model
        if self.name == "door":
            return model.body("frame").pos
        if self.name == "hammer":
            return model.body("nail_board").pos
        if self.name == "pen":
            return model.body("target").quat
        return np.concatenate([model.body("Object").pos, model.site("target").pos])

    def _measure(self) -> dict[str, np.ndarray | float]:
        """What the task's judge asks for."""
        data, site = self.data, lambda name: self.data.site(name).xpos
        if self.name == "door":
            hinge = float(data.joint("door_hinge").qpos[0])
            return {"hinge": hinge, "palm": site("S_grasp"), "handle": site("S_handle"), "qvel": data.qvel}
        if self.name == "hammer":
            places = {"palm": "S_grasp", "head": "tool", "nail": "S_target", "goal": "nail_goal"}
            measured = {key: site(name) for key, name in places.items()}
            return {**measured, "hammer": data.body("Object").xpos, "qvel": data.qvel}
        if self.name == "pen":
            axis = (site("object_top") - site("object_bottom")) / self._env.pen_length
            wanted_axis = (site("target_top") - site("target_bottom")) / self._env.tar_length
            pen = data.body("Object").xpos
            return {"pen": pen, "wanted": site("eps_ball"), "axis": axis, "wanted_axis": wanted_axis}
        return {"palm": site("S_grasp"), "ball": data.body("Object").xpos, "target": site("target")}


def make_simulation(task: str, *, image_size: int, profile: str, shifts: tuple[Shift, ...]) -> AdroitSimulation:
    """Builds an Adroit task.

    Args:
      task: one of `TASKS` or `DENSE_TASKS`.
      image_size: height and width of the picture, pixels.
      profile: "standard" or "fast".
      shifts: what will be bound; their `edit_spec` is called before the model is compiled.
    Raises:
      UsageError: for an unknown task.
    """
    return AdroitSimulation(task, image_size, profile, shifts)


def expert(task: str, assets: AssetStore) -> Expert:
    """The published expert policy of a task; see `harness.demos`."""
    from harness.suites.domains.adroit_expert import load_expert

    return load_expert(task, assets)


def human_demos(task: str, assets: AssetStore) -> tuple[tuple[HumanDemo, ...], str]:
    """Recorded human trajectories of a task and the identity of their file; see `harness.demos`."""
    from harness.suites.domains.adroit_expert import load_human_demos

    return load_human_demos(task, assets)
