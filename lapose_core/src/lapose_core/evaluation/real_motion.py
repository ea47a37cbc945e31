"""The poses of the real drives in the project's shared data, for their motion alone.

The samples of KITTI raw, comma2k19 and Argoverse 2 there come without pictures, so their readers, which open
drives to look at, have nothing to open; what is read here are the poses only.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lapose_core.drive import LogError
from lapose_core.geometry import (
    Array,
    interpolate_poses,
    invert,
    make_poses,
    matrix_from_quaternion,
    nearest_rotation,
    relative,
)
from lapose_core.logs.sidecars import read_times
from lapose_core.trajectory_files import read_kitti

RATE = 10.0  # Hz: denser poses are brought to it

# Columns: the camera's x, y, z axes in a body's, which are forward, left, up or forward, right, down.
_LEFT_UP = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
_RIGHT_DOWN = np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])

_EARTH = 6378137.0  # metres, half axis of WGS 84


@dataclass(frozen=True)
class Motion:
    """Camera-to-world poses [N, 4, 4] at ``times`` [N] seconds; ``up`` [3] is the unit vertical of the world."""

    times: Array
    poses: Array
    up: Array


def real_drives(shared: Path) -> dict[str, Motion]:
    """The real drives under ``shared`` by name, at about 10 Hz; those that are not there are left out.

    Raises:
        LogError: where none is there, or one cannot be read.
    """
    out: dict[str, Motion] = {}
    found: list[tuple[str, Path, Callable[[Path], Motion]]] = []
    found += [(f"KITTI odometry {p.stem}", p, _kitti) for p in sorted(shared.glob("kitti_odometry/poses/*.txt"))]
    found += [(f"KITTI raw {p.stem[11:21]}", p, _oxts) for p in sorted(shared.glob("kitti_raw_oxts/*_imu.txt"))]
    found += [("comma2k19", p, _comma) for p in sorted(shared.glob("comma2k19/*/*/global_pose"))[:1]]
    found += [("Argoverse 2", p, _argoverse) for p in sorted(shared.glob("argoverse2/*/*/city_SE3_egovehicle.feather"))]
    for name, path, read in found:
        try:
            motion = read(path)
        except (OSError, ValueError, KeyError, IndexError) as error:
            raise LogError(f"{path}: not readable as the poses of {name} ({error})") from error
        out[name.replace("drive_", "")] = _thinned(motion)
    if not out:
        raise LogError(f"{shared}: no real drive is here; give the folder that holds kitti_odometry, comma2k19, ...")
    return out


def _thinned(motion: Motion) -> Motion:
    if np.median(np.diff(motion.times)) > 0.9 / RATE:
        return motion
    at = np.arange(motion.times[0], motion.times[-1], 1.0 / RATE)
    return Motion(at, interpolate_poses(motion.poses, motion.times, at), motion.up)


def _kitti(path: Path) -> Motion:
    poses = read_kitti(path)
    times = read_times(path.parents[1] / "sequences" / path.stem / "times.txt")[: len(poses)]
    # The world is the first camera's, whose tilt is not told: a car drives along the road on the whole, so the
    # vertical stands across the camera's mean direction of travel and its x axis.
    step = relative(poses)[:, :3, 3]
    ahead = step[step[:, 2] > 0.1].mean(0)
    across = np.array([0.0, -ahead[2], ahead[1]])
    up = (poses[:, :3, :3] @ across).mean(0)
    return Motion(times, poses, up / np.linalg.norm(up))


def _oxts(path: Path) -> Motion:
    rows = _in_order(np.loadtxt(path))
    roll, pitch, yaw = rows[:, 3:6].T
    body = _turn(2, yaw) @ _turn(1, pitch) @ _turn(0, roll)
    poses = make_poses(body, _mercator(rows))
    return Motion(np.arange(len(rows)) / RATE, poses @ _oxts_from_camera(path), np.array([0.0, 0.0, 1.0]))


def _mercator(rows: Array) -> Array:
    """East, north and up in metres from the first row [N, 3]; the projection is that of KITTI's own kit."""
    latitude, longitude = np.deg2rad(rows[:, 0]), np.deg2rad(rows[:, 1])
    scale = np.cos(latitude[0]) * _EARTH
    out = np.stack([scale * longitude, scale * np.log(np.tan(np.pi / 4 + latitude / 2)), rows[:, 2]], 1)
    return np.asarray(out - out[0], np.float64)


def _turn(axis: int, angle: Array) -> Array:
    """Rotations [N, 3, 3] by angles [N] about the body's axis 0, 1 or 2."""
    j, k = (axis + 1) % 3, (axis + 2) % 3
    out = np.zeros((len(angle), 3, 3))
    out[:, axis, axis] = 1.0
    out[:, j, j] = out[:, k, k] = np.cos(angle)
    out[:, k, j] = np.sin(angle)
    out[:, j, k] = -out[:, k, j]
    return out


def _in_order(rows: Array) -> Array:
    """The rows [N, 30] of an OXTS file in order of time.

    The files of the shared data hold their frames in no order. Each row knows its own velocity and turning,
    so it says where the next one, a tenth of a second later, must be; the chain of these is the drive. Rows
    that the chain passes by, which are those of a car at rest, are left out.
    """
    here = _mercator(rows)
    yaw, (forward, left, upward) = rows[:, 5], rows[:, 8:11].T
    velocity = np.stack(
        [forward * np.cos(yaw) - left * np.sin(yaw), forward * np.sin(yaw) + left * np.cos(yaw), upward], 1
    )
    half = 0.5 / RATE
    gap = here[:, None] + half * (velocity[:, None] + velocity[None]) - here[None]
    turn = yaw[None] - yaw[:, None] - half * (rows[:, None, 22] + rows[None, :, 22])
    # Five metres a radian: about what the heading's error does to the place a second later.
    cost = np.linalg.norm(gap, axis=2) + 5.0 * np.abs((turn + np.pi) % (2 * np.pi) - np.pi)
    np.fill_diagonal(cost, np.inf)
    order = [int(np.argmax(cost.min(0)))]  # the row that none leads to
    while True:
        ahead = cost[order[-1]].copy()
        ahead[order] = np.inf
        best = int(np.argmin(ahead))
        if ahead[best] > 0.5:
            return rows[order]
        order.append(best)


def _oxts_from_camera(path: Path) -> Array:
    """Pose [4, 4] of the left grey camera in the OXTS body's axes, by the calibration of that day if it is here."""
    day = path.parents[1] / "kitti_raw" / path.name[:10]
    chain = [day / "calib_imu_to_velo.txt", day / "calib_velo_to_cam.txt"]
    if not all(p.is_file() for p in chain):
        return make_poses(_LEFT_UP[None], np.zeros((1, 3)))[0]
    camera_from_oxts = np.eye(4)
    for file in chain:
        fields = dict(line.split(":", 1) for line in file.read_text().splitlines() if ":" in line)
        rotation, shift = (np.array([float(v) for v in fields[key].split()]) for key in "RT")
        step = make_poses(nearest_rotation(rotation.reshape(3, 3))[None], shift[None])[0]
        camera_from_oxts = step @ camera_from_oxts
    return invert(camera_from_oxts)


def _comma(folder: Path) -> Motion:
    def load(name: str) -> Array:
        return np.asarray(np.load(folder / name, allow_pickle=False), np.float64)

    times, places, quaternions = load("frame_times"), load("frame_positions"), load("frame_orientations")
    rotation = matrix_from_quaternion(np.roll(quaternions, -1, axis=1)) @ _RIGHT_DOWN
    up = places[0] / np.linalg.norm(places[0])
    return Motion(times - times[0], make_poses(rotation, places - places[0]), up)


def _argoverse(path: Path) -> Motion:
    from pyarrow import feather

    ego = feather.read_table(path).to_pydict()
    sensors = feather.read_table(path.parent / "calibration" / "egovehicle_SE3_sensor.feather").to_pydict()
    row = sensors["sensor_name"].index("ring_front_center")

    def poses(table: dict[str, list[float]]) -> Array:
        quaternion = np.stack([np.array(table[k], np.float64) for k in ("qx", "qy", "qz", "qw")], 1)
        place = np.stack([np.array(table[k], np.float64) for k in ("tx_m", "ty_m", "tz_m")], 1)
        return make_poses(matrix_from_quaternion(quaternion), place)

    nanoseconds = np.array(ego["timestamp_ns"], np.int64)
    nanoseconds, first = np.unique(nanoseconds, return_index=True)
    world = poses(ego)[first]
    world[:, :3, 3] -= world[0, :3, 3]
    times = (nanoseconds - nanoseconds[0]) * 1e-9
    return Motion(times, world @ poses(sensors)[row], np.array([0.0, 0.0, 1.0]))
