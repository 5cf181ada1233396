"""A camera that is turned on the spot: about its view axis, or away from what it looks at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from harness.lazy import np
from harness.spec import BoundShift, Shift
from harness.suites.shifts.scene import Restoring, SceneWithCameras, drawn_cameras

if TYPE_CHECKING:
    from harness.assets.store import AssetStore
    from harness.suites.domains.dmcontrol import DMControlSimulation

NUM_TURNS = 100  # DMC-GB2 goes through this many, one per episode, in an order that the seed shuffles
ROLL = {"easy": 90.0, "hard": 180.0}  # degrees, bound to both sides
EASY_SHARE = 1 / 1.5  # of the hard look-away angles

# Hard look-away angles in degrees: about the camera's up axis from -a to a, about its right axis from low to high.
LOOK_AWAY = {
    "walker": (10.0, (-10.0, 10.0)),
    "cheetah": (10.0, (-10.0, 10.0)),
    "cartpole": (8.0, (-10.0, 10.0)),
    "finger": (6.0, (-6.0, 12.0)),
    "ball_in_cup": (6.0, (-6.0, 12.0)),
}


@dataclass(frozen=True)
class CameraRoll(Shift):
    """Turns every camera that is drawn about its view axis by a fixed angle; 0 leaves it alone.

    Args:
      degrees: positive angles turn the picture clockwise (Metaworld's counterclockwise, as it is a mirror image).
    """

    degrees: float

    def bind(self, simulation: SceneWithCameras, assets: AssetStore) -> BoundShift:  # type: ignore[override]
        return _BoundTurn(simulation, [about_view(self.degrees)], shuffled=False) if self.degrees else BoundShift()


@dataclass(frozen=True)
class RandomRoll(Shift):
    """DMC-GB2's `rotate` sets (Almuzairee et al. 2024): one of a hundred rolls per episode."""

    level: Literal["easy", "hard"]

    def bind(self, simulation: DMControlSimulation, assets: AssetStore) -> BoundShift:  # type: ignore[override]
        return _BoundTurn(simulation, [about_view(angle) for angle in roll_angles(self.level)], shuffled=True)


@dataclass(frozen=True)
class LookAway(Shift):
    """DMC-GB2's `shift` sets (Almuzairee et al. 2024): the camera looks past the robot, which nears the picture's edge.

    One of a hundred directions per episode, on the sides of a rectangle of angles.
    """

    level: Literal["easy", "hard"]

    def bind(self, simulation: DMControlSimulation, assets: AssetStore) -> BoundShift:  # type: ignore[override]
        angles = look_away_angles(simulation.domain, self.level)
        return _BoundTurn(simulation, [about_up_and_right(up, right) for up, right in angles], shuffled=True)


class _BoundTurn(Restoring):
    """Turns one by one in the order that `RandomState(seed)` shuffles them into."""

    def __init__(self, simulation: SceneWithCameras, turns: list[np.ndarray], *, shuffled: bool) -> None:
        super().__init__(simulation)
        self._simulation, self._turns, self._shuffled = simulation, turns, shuffled
        self._cameras = drawn_cameras(simulation)

    def begin_episode(self, seed: int, episode: int) -> Mapping[str, Any]:
        place = episode % len(self._turns)
        number = shuffled_order(seed, len(self._turns))[place] if self._shuffled else place
        self._turn = self._turns[number]
        return {}

    def before_render(self, step: int) -> None:
        """Each step of the physics puts the stock pose back, so that turns never add up over pictures."""
        for pose in (self._simulation.data.cam_xmat[camera] for camera in self._cameras):
            pose[:] = (pose.reshape(3, 3) @ self._turn).ravel()


def shuffled_order(seed: int, count: int) -> list[int]:
    """The numbers below `count` as `RandomState(seed)` shuffles a list."""
    order = list(range(count))
    np.random.RandomState(seed).shuffle(order)
    return order


def roll_angles(level: str) -> list[float]:
    """A hundred angles in degrees, from -A in even steps up to one step below A."""
    bound = ROLL[level]
    return [-bound + 2.0 * bound * i / NUM_TURNS for i in range(NUM_TURNS)]


def look_away_angles(domain: str, level: str) -> list[tuple[float, float]]:
    """Angles in degrees about the camera's up and right axes: 25 points on each side of the rectangle, corner first."""
    up, (low, high) = LOOK_AWAY[domain]
    corners = np.array([(-up, low), (up, low), (up, high), (-up, high)]) * (EASY_SHARE if level == "easy" else 1.0)
    along = np.arange(NUM_TURNS // 4)[:, None] / (NUM_TURNS // 4)
    sides = [start + along * (end - start) for start, end in zip(corners, np.roll(corners, -1, axis=0), strict=True)]
    return [(float(up), float(right)) for up, right in np.concatenate(sides)]


def about_view(degrees: float) -> np.ndarray:
    """A turn about the camera's backwards axis, (3, 3), to be applied on the right of its orientation."""
    cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[cosine, -sine, 0.0], [sine, cosine, 0.0], [0.0, 0.0, 1.0]])


def about_up_and_right(up: float, right: float) -> np.ndarray:
    """A turn about the camera's right axis followed by one about its up axis; angles in degrees."""
    (cu, cr), (su, sr) = np.cos(np.radians([up, right])), np.sin(np.radians([up, right]))
    about_up = np.array([[cu, 0.0, su], [0.0, 1.0, 0.0], [-su, 0.0, cu]])
    about_right = np.array([[1.0, 0.0, 0.0], [0.0, cr, -sr], [0.0, sr, cr]])
    return about_up @ about_right
