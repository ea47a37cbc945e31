"""OXTS packets of KITTI raw, the GPS/IMU unit's, as poses over time (Geiger et al., IJRR 2013)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lapose_core.drive import LogError
from lapose_core.geodesy import RADIUS, GeodeticOrigin, SphericalMercator
from lapose_core.geometry import Array, make_poses
from lapose_core.logs.kitti_raw_files import FrameClock, seconds_of
from lapose_core.logs.pose_sync import FramePoses, poses_at
from lapose_core.logs.sidecars import inside
from lapose_core.logs.sweeps import numbered_files

# Columns of an OXTS packet, by the data set's dataformat.txt.
_LAT, _LON, _ALT, _ROLL, _PITCH, _YAW, _NORTH, _EAST, _FORWARD, _UP = 0, 1, 2, 3, 4, 5, 6, 7, 8, 10
_COLUMNS = 11
# East, north, up to a world with x east, y down, z north, level as the camera's axes are.
_WORLD_FROM_ENU = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])

_MAX_GAP = 0.5
# Packets come every 10 ms, so the first and the last frame may lie that far outside of those that were kept.
_CARRIED = 0.01
# Seconds around a frame in which one packet or more comes before it and after it, at 100 Hz.
_AROUND = 0.025


@dataclass(frozen=True)
class Oxts:
    """GPS and IMU over time: ``rows`` [N] their lines, ``poses`` [N, 4, 4] of the unit, x forward, y left, z up.

    The world has x east, y down, z north; its origin is the data set's. ``velocity`` [N, 3] is in its axes,
    ``speed`` [N] that along the vehicle, m/s. ``places`` [N, 3] are latitude, longitude and altitude, and
    ``mercator_scale`` that of the projection.
    """

    rows: NDArray[np.int64]
    poses: Array
    velocity: Array
    speed: Array
    places: Array
    mercator_scale: float
    notes: tuple[str, ...] = ()


def read_oxts(numbers: NDArray[np.int64], files: Sequence[Path]) -> Oxts | None:
    """The packets in ``files`` [N], one a file, named by the numbers of their rows; None where none is whole.

    A packet that is cut off or holds a value that is none is left out with a note. The position is the data set's
    Mercator projection with the scale of the first latitude, the orientation Rz(yaw) Ry(pitch) Rx(roll).
    """
    packets = np.full((len(files), _COLUMNS), np.nan)
    for i, path in enumerate(files):
        try:
            with open(path, "rb") as file:
                fields = file.read().split(None, _COLUMNS)[:_COLUMNS]
            packets[i, : len(fields)] = [float(field) for field in fields]
        except (OSError, ValueError):
            continue
    with np.errstate(invalid="ignore"):
        whole = np.isfinite(packets).all(axis=1) & (np.abs(packets[:, _LAT]) < 89) & (np.abs(packets[:, _LON]) <= 360)
    if not whole.any():
        return None
    notes = []
    if not whole.all():
        bad = files[int(np.argmin(whole))]
        notes.append(
            f"{int((~whole).sum())} of {len(files)} OXTS packets are no position and attitude and are left out, "
            f"{bad.parent.parent.name}/{bad.parent.name}/{bad.name} first; copy them again."
        )
    p = packets[whole]
    scale = np.cos(np.radians(p[0, _LAT]))
    east = scale * RADIUS * np.radians(p[:, _LON])
    north = scale * RADIUS * np.log(np.tan(np.radians(90 + p[:, _LAT]) / 2))
    poses = make_poses(
        _WORLD_FROM_ENU @ _attitude(p[:, _ROLL], p[:, _PITCH], p[:, _YAW]),
        np.stack([east, north, p[:, _ALT]], -1) @ _WORLD_FROM_ENU.T,
    )
    velocity = p[:, [_EAST, _NORTH, _UP]] @ _WORLD_FROM_ENU.T
    places = p[:, [_LAT, _LON, _ALT]]
    return Oxts(numbers[whole], poses, velocity, p[:, _FORWARD], places, float(scale), tuple(notes))


def _attitude(roll: Array, pitch: Array, yaw: Array) -> Array:
    """Rotations [N, 3, 3] from the unit's axes to east, north, up."""
    (cr, sr), (cp, sp), (cy, sy) = ((np.cos(a), np.sin(a)) for a in (roll, pitch, yaw))
    return np.stack(
        [
            np.stack([cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr], -1),
            np.stack([sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr], -1),
            np.stack([-sp, cp * sr, cp * cr], -1),
        ],
        -2,
    )


@dataclass(frozen=True)
class Imu:
    """OXTS packets at ``times`` [K], seconds on the clock of the frames, increasing; where their world's origin is."""

    times: Array
    oxts: Oxts
    origin: GeodeticOrigin

    def at(self, times: Array, mount: Array) -> FramePoses:
        """Poses at ``times`` of what is mounted at ``mount`` [4, 4] in the unit's axes."""
        ends = make_poses(
            self.oxts.poses[[0, -1], :3, :3],
            self.oxts.poses[[0, -1], :3, 3] + np.array([[-_CARRIED], [_CARRIED]]) * self.oxts.velocity[[0, -1]],
        )
        known = np.concatenate([ends[:1], self.oxts.poses, ends[1:]])
        around = np.concatenate([[self.times[0] - _CARRIED], self.times, [self.times[-1] + _CARRIED]])
        found = poses_at(times, around, known, max_gap=_MAX_GAP)
        poses = np.where(found.valid[:, None, None], found.poses @ mount, np.eye(4))
        source = (
            f"oxts, Mercator projection, moved from the GPS/IMU unit by the calibration, {found.provenance}; "
            f"at the ends carried on for up to {_CARRIED:g} s by the measured velocity"
        )
        return replace(found, poses=poses, provenance=source)


def read_imu(
    drive: Path, clock: FrameClock, frames: NDArray[np.int64], rectified: bool, notes: list[str]
) -> Imu | None:
    """The drive's packets on the clock of the frames; None and a note where there is no ground truth in them."""
    folder = drive / "oxts"
    try:
        numbers, files = numbered_files(drive, folder / "data", (".txt",))
        path = inside(drive, "oxts/timestamps.txt", "timestamps")
        stamped = _packet_times(path, clock, frames, numbers, rectified, notes)
        wanted = _near(stamped, clock.times)
        oxts = read_oxts(numbers[wanted], [file for file, near in zip(files, wanted) if near])
        if oxts is None:
            what = "no OXTS packet is whole" if wanted.any() else "there are no OXTS packets at the frames' times"
            raise LogError(f"{folder / 'data'}: {what}; unpack the drive's archive here")
        notes += oxts.notes
    except LogError as error:
        notes.append(f"{error}. The drive has no ground truth.")
        return None
    times = stamped[np.searchsorted(numbers, oxts.rows)]
    late = times <= np.concatenate([[-np.inf], np.maximum.accumulate(times)[:-1]])
    keep = ~late
    if late.any():
        notes.append(f"{int(late.sum())} OXTS packets do not come after the one before and are left out.")
    times = times[keep]
    first = int(np.clip(np.searchsorted(times, 0.0), 0, len(times) - 1))
    start = oxts.poses[keep][first, :3, 3]
    enu = make_poses(_WORLD_FROM_ENU.T, np.zeros(3))
    latitude, longitude, altitude = oxts.places[keep][first].tolist()
    projection = SphericalMercator(oxts.mercator_scale)
    place = GeodeticOrigin(latitude, longitude, altitude, enu, "oxts", projection)
    poses = oxts.poses[keep].copy()
    poses[:, :3, 3] -= start
    kept = replace(
        oxts,
        rows=oxts.rows[keep],
        poses=poses,
        velocity=oxts.velocity[keep],
        speed=oxts.speed[keep],
        places=oxts.places[keep],
    )
    imu = Imu(times, kept, place)
    _check_order(imu, notes)
    return imu


def _near(times: Array, frames: Array) -> NDArray[np.bool_]:
    """Which packets [K] to read: all that have a time, but at 100 Hz only those around each frame.

    Each is a file, and of the longest unsynced drive there are fifty thousand.
    """
    known = np.isfinite(times)
    if known.sum() < 2 or np.median(np.abs(np.diff(times[known]))) > _AROUND / 2:
        return known
    edges = np.concatenate([[-np.inf], frames, [np.inf]])
    after = np.clip(np.searchsorted(edges, times), 1, len(edges) - 1)
    return known & (np.minimum(times - edges[after - 1], edges[after] - times) <= _AROUND)


def _packet_times(
    path: Path, clock: FrameClock, frames: NDArray[np.int64], rows: NDArray[np.int64], rectified: bool, notes: list[str]
) -> Array:
    """Seconds [K] of the packets of ``rows`` on the clock of the frames; NaN where one has none."""
    if path.is_file() and clock.origin is not None:
        return seconds_of(path, rows, clock.origin)
    if not rectified:
        raise LogError(f"{path}: the packets of an unsynced drive are of another rate and need their times")
    notes.append("OXTS packets and pictures are matched by number, because their times are not all there.")
    out = np.full(len(rows), np.nan)
    _, frame, packet = np.intersect1d(frames, rows, return_indices=True)
    out[packet] = clock.times[frame]
    return out


def _check_order(imu: Imu, notes: list[str]) -> None:
    """Say so where the positions do not move as the velocities do: packets in disorder, or of several drives."""
    steps = np.diff(imu.times)
    moved = np.linalg.norm(np.diff(imu.oxts.poses[:, :3, 3], axis=0), axis=1)[steps <= _MAX_GAP].sum()
    driven = (np.linalg.norm(imu.oxts.velocity, axis=1)[1:] * steps)[steps <= _MAX_GAP].sum()
    if moved > 1.5 * driven + 5:
        notes.append(
            f"The OXTS positions move {moved:.0f} m, but the velocities only {driven:.0f} m: the packets may be "
            "out of order or of several drives."
        )
