"""Whether a drive's poses can be those of a camera on a car, and which convention was mistaken where not.

A car moves where its camera looks, turns with its path, and stays upright. Each mistake of convention breaks
one of these in its own way, so that the poses tell by themselves what is wrong with them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lapose_core.drive import Drive
from lapose_core.geometry import Array, invert, matrix_from_quaternion, quaternion_from_matrix, relative, rotation_angle

Mask = NDArray[np.bool_]

_RATE = 5.0  # Hz; over 0.2 s a moving car covers more than its poses are off
_STEP = 0.1  # metres; shorter steps have no direction to speak of
_STRETCH = 8
_CONE = np.cos(np.radians(30))
_MOST, _FEW = 0.8, 0.5  # shares of the path
_ENOUGH_TURN = np.radians(20)
_OVER_NOISE = np.radians(3)
_FASTEST = 75.0  # m/s
_FASTEST_TURN = np.radians(90)  # rad/s
_WANDER = np.radians(15)
_AXES = ("+x", "+y", "+z", "-x", "-y", "-z")


VEHICLE_AXES = "their axes are FLU (y left, z up) or FRD (y right, z down)"
"""In a problem that goes away when the log is read with the axes it names."""


@dataclass(frozen=True)
class PoseSanity:
    """What the poses of a drive say about themselves.

    Attributes:
        forward: share of the path's length, 0 to 1, that leads along the camera's own +z within 30 degrees; None
            where the camera hardly moves.
        down: the world's axis nearest to the camera's down, such as ``+y``.
        tilt: median angle in radians between the camera's down and its mean over the drive.
        turn_ratio: turn of the camera over the turn of its path, 1 for a car; None for a straight path.
        speed: median in m/s while moving, or None.
        problems: each a sentence that names what is wrong and what to do; empty for sound poses.
    """

    forward: float | None
    down: str
    tilt: float
    turn_ratio: float | None
    speed: float | None
    problems: tuple[str, ...]

    @property
    def words(self) -> str:
        """One line for people."""
        if self.forward is None:
            return "the camera hardly moves, so that its axes cannot be checked"
        turn = "" if self.turn_ratio is None else f", turns {self.turn_ratio:.2f} times as much as its path"
        return (
            f"camera moves along its own +z for {100 * self.forward:.0f} % of the path{turn}; down is the world's "
            f"{self.down}, within {np.degrees(self.tilt):.1f} deg"
        )


def check_poses(drive: Drive) -> PoseSanity | None:
    """The report on a drive's poses, or None without two of them."""
    if drive.poses is None or drive.pose_valid is None or drive.pose_valid.sum() < 2:
        return None
    frames = drive.indices_at_rate(_RATE)
    frames = frames[drive.pose_valid[frames]]
    if len(frames) < 2:
        frames = np.flatnonzero(drive.pose_valid)
    poses, times = drive.poses[frames], drive.timestamps[frames]
    step = relative(poses)[:, :3, 3]
    length = np.linalg.norm(step, axis=1)
    elapsed = np.diff(times)
    # Steps over a gap are long and say little about the axes at their ends.
    usable = (length > _STEP) & (elapsed < 3 * np.median(elapsed))
    down = poses[:, :3, 1]
    wander = _wander(poses)
    problems: list[str] = []
    if usable.sum() < 2:
        return PoseSanity(None, _nearest_axis(down.mean(0)), wander[1], None, None, ())

    share = _shares(step[usable], length[usable])
    path_turn, camera_turn, turned = _turns(poses, usable)
    ratio = None
    if turned > _ENOUGH_TURN and np.sqrt((path_turn**2).mean()) > _OVER_NOISE:
        ratio = float((path_turn * camera_turn).sum() / (path_turn**2).sum())
    speed = float(np.median(length[usable] / elapsed[usable]))

    spin = rotation_angle(relative(poses)[:, :3, :3]) / elapsed
    if np.median(spin[usable]) > _FASTEST_TURN:
        problems.append(
            f"The camera turns by {np.degrees(np.median(spin[usable])):.0f} degrees per second throughout: angles in "
            "degrees were read as radians, or the numbers of the quaternion are in another order (xyzw is expected)."
        )
    elif share["+z"] < _MOST:
        problems += _axes_problems(poses, usable, share, wander, turned)
    if ratio is not None and not problems:
        problems += _turn_problems(ratio)
    if wander[1] > _WANDER and not problems:
        problems.append(
            f"The camera's down (+y) wanders by {np.degrees(wander[1]):.0f} degrees over the drive: gravity does "
            "not; the axes are mixed up, or the rotations are not the camera's."
        )
    problems += _position_problems(length, elapsed, speed, frames)
    return PoseSanity(share["+z"], _nearest_axis(down.mean(0)), wander[1], ratio, speed, tuple(problems))


def _shares(step: Array, length: Array) -> dict[str, float]:
    """Share of the path that leads along each of the camera's axes; steps [N, 3] in its axes, lengths [N]."""
    along = step / length[:, None]
    total = length.sum()
    found = {}
    for i, axis in enumerate(_AXES):
        sign = 1 if axis[0] == "+" else -1
        found[axis] = float(length[sign * along[:, i % 3] > _CONE].sum() / total)
    return found


def _forward(poses: Array, usable: Mask) -> float:
    step = relative(poses)[:, :3, 3][usable]
    length = np.linalg.norm(step, axis=1)
    return _shares(step, length)["+z"] if (length > 0).all() else 0.0


def _wander(poses: Array) -> list[float]:
    """Median angle in radians between each axis [3] of the camera and its mean direction over the drive."""
    found = []
    for i in range(3):
        axis = poses[:, :3, i]
        mean = axis.mean(0) / max(float(np.linalg.norm(axis.mean(0))), 1e-12)
        found.append(float(np.median(np.arccos(np.clip(axis @ mean, -1, 1)))))
    return found


def _turns(poses: Array, usable: Mask) -> tuple[Array, Array, float]:
    """Signed turn of the path and of the camera in radians over each stretch of `_STRETCH` usable steps, and the
    whole range of the path's headings.

    Both about the camera's steadiest axis, which is the vertical whatever its name. Over a single step the noise
    of the positions would hide the turn.
    """
    vertical = poses[:, :3, int(np.argmin(_wander(poses)))].mean(0)
    vertical /= max(float(np.linalg.norm(vertical)), 1e-12)
    side = np.cross(vertical, [1.0, 0, 0] if abs(vertical[0]) < 0.9 else [0, 1.0, 0])
    side /= np.linalg.norm(side)
    ahead = np.cross(vertical, side)

    step = np.diff(poses[:, :3, 3], axis=0)
    heading = np.arctan2(step @ ahead, step @ side)
    # The steadiest axis does not show the turn; the one that turns most does.
    shown = poses[:-1, :3, int(np.argmax(_wander(poses)))]
    facing = np.arctan2(shown @ ahead, shown @ side)
    pairs = np.flatnonzero(usable[:-1] & usable[1:])
    path = _wrapped(heading[pairs + 1] - heading[pairs])
    # A step's direction belongs to its middle, a pose to its beginning: shift the camera's turn by half a step.
    turn = _wrapped(facing[1:] - facing[:-1])
    following = np.append(turn[1:], turn[-1:])
    camera = ((turn + following) / 2)[pairs]
    steady = np.abs(path) < np.pi / 3  # more in a fifth of a second is a jump of the positions
    path, camera = (np.concatenate([[0.0], np.cumsum(turn[steady])]) for turn in (path, camera))
    lag = min(_STRETCH, len(path) - 1)
    stretches = path[lag:] - path[: len(path) - lag], camera[lag:] - camera[: len(camera) - lag]
    return *stretches, float(np.ptp(path))


def _wrapped(angle: Array) -> Array:
    return (angle + np.pi) % (2 * np.pi) - np.pi


def _axes_problems(
    poses: Array, usable: Mask, share: dict[str, float], wander: list[float], turned: float
) -> list[str]:
    main = max(share, key=lambda axis: share[axis])
    moves = f"The camera moves along its own {main} for {100 * share[main]:.0f} % of the path"
    inverted = _forward(invert(poses), usable)
    opengl = _forward(poses @ np.diag([1.0, -1, -1, 1]), usable)
    if share[main] >= _MOST and main == "-z":
        causes = ["it drives in reverse or looks to the rear"]
        if opengl > _MOST:
            causes.append("its axes are OpenGL's (x right, y up, z back)")
        if inverted > _MOST:
            causes.append("the poses are world-to-camera and have to be inverted")
        return [f"{moves}: {', or '.join(causes)}."]
    if share[main] >= _MOST:
        return [f"{moves}: {_vehicle(main, wander, turned)}."]
    if inverted > _MOST:
        return [
            f"Only {100 * share['+z']:.0f} % of the path leads along the camera's +z, but {100 * inverted:.0f} % would "
            "if the poses were inverted: they are world-to-camera, and camera-to-world is expected."
        ]
    reordered = poses.copy()
    reordered[:, :3, :3] = matrix_from_quaternion(np.roll(quaternion_from_matrix(poses[:, :3, :3]), -1, axis=-1))
    if _forward(reordered, usable) > _MOST:
        return [
            f"Only {100 * share['+z']:.0f} % of the path leads along the camera's +z, but most of it would if the "
            "numbers of the quaternion were in the order wxyz: xyzw is expected."
        ]
    for i, axis in enumerate("xyz"):
        mirrored = poses.copy()
        mirrored[:, i, 3] *= -1
        if _forward(mirrored, usable) > _MOST:
            return [
                f"Only {100 * share['+z']:.0f} % of the path leads along the camera's +z, but most of it would if the "
                f"world's {axis} were mirrored: positions are of a left-handed world, rotations of a right-handed one."
            ]
    if share["+z"] < _FEW:
        return [
            f"Only {100 * share['+z']:.0f} % of the path leads along the camera's +z, and no other axis does better: "
            "positions and rotations do not belong together (order of the quaternion, of the angles, or the times)."
        ]
    return []


def _vehicle(main: str, wander: list[float], turned: float) -> str:
    """What motion along another axis than z means."""
    # While turning, the vertical alone keeps its direction: a camera's is y, a vehicle's is z.
    looks_aside = turned > _ENOUGH_TURN and wander[1] < _WANDER < wander[2]
    is_vehicle = turned > _ENOUGH_TURN and wander[2] < _WANDER < wander[1]
    side = {"+x": "left", "-x": "right", "+y": "up", "-y": "down"}[main]
    vehicle = {
        "+x": f"the poses are a vehicle's, x forward; {VEHICLE_AXES}",
        "+y": "the poses are a vehicle's, with y forward (x right, z up), which has to be converted",
    }.get(main, f"the poses have {main} forward, which has to be converted")
    if looks_aside:
        return f"it looks to the {side}" + (", as a side camera does" if "x" in main else "")
    return vehicle if is_vehicle else f"{vehicle}, unless the camera looks {side}"


def _turn_problems(ratio: float) -> list[str]:
    said = f"The camera turns {ratio:.2f} times as much as its path"
    if ratio < -0.3:
        return [f"{said}: one of positions and rotations is of a left-handed world."]
    if ratio < 0.1:
        return [f"{said}: angles in radians were read as degrees, or the rotations are constant."]
    if ratio > 10:
        return [f"{said}: angles in degrees were read as radians."]
    return []


def _position_problems(length: Array, elapsed: Array, speed: float, frames: NDArray[np.int64]) -> list[str]:
    if speed > _FASTEST:
        return [f"The median speed is {speed:.0f} m/s: positions are not in metres, or times not in seconds."]
    jump = int(np.argmax(length / elapsed))
    if length[jump] / elapsed[jump] > 2 * _FASTEST:
        return [
            f"The position jumps by {length[jump]:.1f} m between frames {frames[jump]} and {frames[jump + 1]}: the "
            "poses are of several pieces, or one of them is wrong."
        ]
    return []


def _nearest_axis(direction: Array) -> str:
    i = int(np.argmax(np.abs(direction)))
    return ("+" if direction[i] >= 0 else "-") + "xyz"[i]
