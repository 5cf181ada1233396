"""A camera that wanders around the robot (Distracting Control Suite, as in DMC-GB)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from harness.lazy import np
from harness.spec import BoundShift, Shift
from harness.suites.shifts.camera_turn import about_view
from harness.suites.shifts.intensity import PERIOD, check_intensity
from harness.suites.shifts.scene import Restoring, draws

if TYPE_CHECKING:
    from harness.assets.store import AssetStore
    from harness.suites.domains.dmcontrol import DMControlSimulation

ROBOT = 1  # the first body after the world; its subtree is the robot, or what the suite takes for it
OVER_THE_TOP = frozenset({"reacher"})  # domains seen from above, whose camera may cross the pole

# Per unit of intensity; angles in radians, lengths as shares of the stock distance.
ANGLE = math.pi / 2  # bound of azimuth, polar angle and roll around the stock pose
ZOOM_IN, ZOOM_OUT = 0.5, 1.5
SPEED, SPEED_SPREAD = 0.4, 0.1  # m per move at the distance below: bound, and standard deviation of its change
SPEED_DISTANCE = 4.0  # m
ROLL_SPEED, ROLL_SPEED_SPREAD = math.pi / 50, math.pi / 300  # per move


@dataclass(frozen=True)
class DistractingCamera(Shift):
    """Starts the camera at a random pose around the stock one and lets it wander, always looking at the stock point.

    Stone et al. 2021 (arXiv 2101.02722), with DMC-GB's ranges and pace; 0 leaves the camera alone.

    Args:
      intensity: in [0, 1].
    Raises:
      UsageError: if it is not.
    """

    sets: ClassVar[tuple[str, ...]] = ("camera pose",)

    intensity: float

    def __post_init__(self) -> None:
        check_intensity(self.intensity)

    def bind(self, simulation: DMControlSimulation, assets: AssetStore) -> BoundShift:  # type: ignore[override]
        return _BoundCamera(simulation, self.intensity) if self.intensity else BoundShift()


class CameraWalk:
    """A camera's place in spherical coordinates, and its roll, on a bounded random walk.

    The walk has momentum: each move changes the velocity a little. A move that would leave the bounds is clipped, and
    the velocity becomes the clipped move. Like the published code it moves once before the first picture.

    Args:
      home: stock place relative to the centre, (3,), metres.
      intensity: in (0, 1].
      random: its own generator.
      half_dome: whether the camera stays above the horizon and on the stock side (azimuth in [-pi, 0]).
    """

    def __init__(self, home: np.ndarray, intensity: float, random: np.random.Generator, half_dome: bool) -> None:
        distance, azimuth, polar = to_sphere(home)
        reach = ANGLE * intensity
        self.low = np.array([distance * (1.0 - ZOOM_IN * intensity), azimuth - reach, polar - reach])
        self.high = np.array([distance * (1.0 + ZOOM_OUT * intensity), azimuth + reach, polar + reach])
        if half_dome:
            self.low[1:] = np.maximum(self.low[1:], [-np.pi, 0.0])
            self.high[1:] = np.minimum(self.high[1:], [0.0, np.pi / 2])
        self.max_roll = reach
        self._random, self._intensity, self._scale = random, intensity, distance / SPEED_DISTANCE
        self.sphere = random.uniform(self.low, self.high)  # distance, azimuth, polar angle from +z
        self.roll = float(random.uniform(-reach, reach))
        direction = random.standard_normal(3)
        # As published, the first speed is not scaled by the distance; the cap of the first move sees to it.
        self._velocity = direction / np.linalg.norm(direction) * random.uniform(0.0, SPEED * intensity)
        self._roll_velocity = float(random.uniform(-1.0, 1.0)) * ROLL_SPEED * intensity
        self.advance()

    @property
    def position(self) -> np.ndarray:
        """Relative to the centre, (3,), metres."""
        return from_sphere(self.sphere)

    def advance(self) -> None:
        """One move."""
        before, cap = self.position, SPEED * self._intensity * self._scale
        velocity = self._velocity + self._random.normal(0.0, SPEED_SPREAD * self._intensity * self._scale, 3)
        velocity *= min(1.0, cap / np.linalg.norm(velocity))
        self.sphere = np.clip(to_sphere(before + velocity), self.low, self.high)
        self._velocity = self.position - before
        self._advance_roll()

    def _advance_roll(self) -> None:
        cap = ROLL_SPEED * self._intensity
        speed = self._roll_velocity + self._random.normal(0.0, ROLL_SPEED_SPREAD * self._intensity)
        after = float(np.clip(self.roll + np.clip(speed, -cap, cap), -self.max_roll, self.max_roll))
        self._roll_velocity, self.roll = after - self.roll, after


class _BoundCamera(Restoring):
    def __init__(self, simulation: DMControlSimulation, intensity: float) -> None:
        import mujoco

        super().__init__(simulation)
        self._simulation, self._intensity = simulation, intensity
        mode = simulation.model.cam_mode[simulation.camera]
        self._follows = mode == mujoco.mjtCamLight.mjCAMLIGHT_TRACKCOM
        self._half_dome = simulation.domain not in OVER_THE_TOP

    def begin_episode(self, seed: int, episode: int) -> Mapping[str, Any]:
        self._random = draws("distracting camera", seed, episode)
        self._walk: CameraWalk | None = None  # needs the stock pose, known after the simulation's reset
        return {}

    def after_control_step(self, count: int) -> None:
        if self._walk is not None and count % PERIOD == 0:
            self._walk.advance()

    def before_render(self, step: int) -> None:
        """Writes the pose before every picture: each step of the physics puts the stock pose back."""
        data, camera = self._simulation.data, self._simulation.camera
        walk = self._walk = self._walk or self._begin_walk(data, camera)
        centre = data.subtree_com[ROBOT] if self._follows else np.zeros(3)
        place, target = centre + walk.position, centre + self._target
        look = (look_level if self._half_dome else look_by_shortest_turn)(target - place)
        data.cam_xpos[camera] = place
        data.cam_xmat[camera] = (look @ about_view(np.degrees(walk.roll))).ravel()

    def _begin_walk(self, data: Any, camera: int) -> CameraWalk:
        """Around the robot's centre of mass where the camera follows it, else around the world's origin."""
        robot, place = data.subtree_com[ROBOT], data.cam_xpos[camera].copy()
        backwards = data.cam_xmat[camera].reshape(3, 3)[:, 2]
        target = place - np.linalg.norm(place - robot) * backwards
        centre = robot if self._follows else np.zeros(3)
        self._target = target - centre
        return CameraWalk(place - centre, self._intensity, self._random, self._half_dome)


def to_sphere(point: np.ndarray) -> np.ndarray:
    """(x, y, z) to distance, azimuth from +x in (-pi, pi], polar angle from +z in [0, pi]."""
    x, y, z = point
    flat = np.hypot(x, y)
    return np.array([np.hypot(flat, z), np.arctan2(y, x), np.arctan2(flat, z)])


def from_sphere(sphere: np.ndarray) -> np.ndarray:
    """The inverse of `to_sphere`; also takes polar angles below 0."""
    distance, azimuth, polar = sphere
    flat = distance * np.sin(polar)
    return np.array([flat * np.cos(azimuth), flat * np.sin(azimuth), distance * np.cos(polar)])


def look_level(direction: np.ndarray) -> np.ndarray:
    """Orientation of a camera that looks along a direction with a level horizon.

    Returns:
      (3, 3), columns right, up, backwards; straight up or down "up" lies in the y-z plane.
    """
    flat = np.hypot(direction[0], direction[1])
    right = np.array([direction[1], -direction[0], 0.0]) / flat if flat > 0.0 else np.array([1.0, 0.0, 0.0])
    backwards = -direction / np.linalg.norm(direction)
    return np.stack([right, np.cross(backwards, right), backwards], axis=1)


def look_by_shortest_turn(direction: np.ndarray) -> np.ndarray:
    """Orientation of a camera turned the shortest way from looking down (-z) to looking along a direction."""
    x, y, z = direction / np.linalg.norm(direction)
    axis, cosine = np.array([y, -x, 0.0]), -z  # axis = (-z) x direction, as long as the sine
    cross = np.array([[0.0, 0.0, axis[1]], [0.0, 0.0, -axis[0]], [-axis[1], axis[0], 0.0]])
    return np.eye(3) + cross + cross @ cross / (1.0 + cosine)
