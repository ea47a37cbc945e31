"""The files of KITTI raw (Geiger et al., IJRR 2013): timestamps, calibration, velodyne sweeps."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lapose_core.drive import Intrinsics, LogError
from lapose_core.geometry import Array, as_poses, invert, make_poses
from lapose_core.logs.sidecars import inside

_STAMP = re.compile(r"((?:19|20)\d\d-\d\d-\d\d)[ T](\d\d:\d\d:\d\d(?:\.\d{1,9})?)")

_RATE = 10.0

NO_STAMP = np.iinfo(np.int64).min
"""In place of the time of a line that is blank: the sensor lost that packet."""


def read_stamps(path: Path) -> NDArray[np.int64]:
    """Nanoseconds since 1970 [N], one per line of a timestamps.txt; `NO_STAMP` for a blank line.

    Raises:
        LogError: naming the line that is no date and time.
    """
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8-sig", errors="replace").splitlines()]
    except OSError as error:
        raise LogError(f"{path}: the file of times cannot be read ({error.strerror})") from error
    while lines and not lines[-1]:
        lines.pop()
    out = np.full(len(lines), NO_STAMP, dtype=np.int64)
    for i, line in enumerate(lines):
        if not line:
            continue
        try:
            parts = _STAMP.fullmatch(line)
            if parts is None:
                raise ValueError
            out[i] = np.datetime64(f"{parts[1]}T{parts[2]}", "ns").astype(np.int64)
        except ValueError as error:
            raise LogError(
                f"{path}: line {i + 1}: {line[:40]!r} is no date and time such as 2011-09-26 13:02:25.964389445; "
                "copy the file again"
            ) from error
    return out


@dataclass(frozen=True)
class FrameClock:
    """Times [N] of the frames in seconds from the first, which was taken at ``origin`` ns, None where assumed."""

    times: Array
    origin: int | None
    source: str


def frame_clock(folder: Path, numbers: NDArray[np.int64], notes: list[str]) -> FrameClock:
    """The clock of the pictures ``numbers`` [N] of a camera's folder, increasing.

    Raises:
        LogError: naming the line of timestamps.txt that is missing, no time, or not after the one before.
    """
    path = inside(folder.parent, f"{folder.name}/timestamps.txt", "timestamps")
    if not path.is_file():
        notes.append(f"{folder.name} has no timestamps.txt: {_RATE:g} frames per second are assumed.")
        return FrameClock((numbers - numbers[0]) / _RATE, None, f"assumed {_RATE:g} Hz")
    stamps = read_stamps(path)
    if numbers[-1] >= len(stamps):
        raise LogError(
            f"{path}: {len(stamps)} times, but the pictures go up to {numbers[-1]:010d}; copy the file again"
        )
    chosen = stamps[numbers]
    late = np.flatnonzero(np.concatenate([[False], np.diff(chosen) <= 0]) | (chosen == NO_STAMP))
    if len(late):
        what = "there is no time" if chosen[late[0]] == NO_STAMP else "the time does not come after the one before"
        raise LogError(f"{path}: line {numbers[late[0]] + 1}: {what}; copy the file again")
    if len(numbers) < len(stamps):
        notes.append(f"{len(numbers)} of the drive's {len(stamps)} frames have a picture in {folder.name}.")
    return FrameClock((chosen - chosen[0]) * 1e-9, int(chosen[0]), f"{folder.name}/timestamps.txt")


def seconds_of(path: Path, numbers: NDArray[np.int64], origin: int) -> Array:
    """Seconds [K] after ``origin`` ns of the lines ``numbers`` [K] of a timestamps.txt; NaN where there is none.

    Raises:
        LogError: as `read_stamps`.
    """
    stamps = read_stamps(path)
    there = numbers < len(stamps)
    there[there] = stamps[numbers[there]] != NO_STAMP
    out = np.full(len(numbers), np.nan)
    out[there] = (stamps[numbers[there]] - origin) * 1e-9
    return out


def read_calibration(path: Path) -> dict[str, Array]:
    """The numbers of a calib_*.txt by name; lines of anything else, such as calib_time, are left out.

    Raises:
        LogError: where the file cannot be read.
    """
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        hint = "; it comes with the date's calibration archive" if isinstance(error, FileNotFoundError) else ""
        raise LogError(f"{path}: the calibration cannot be read ({error.strerror}){hint}") from error
    out: dict[str, Array] = {}
    for line in lines:
        name, _, values = line.partition(":")
        try:
            out[name.strip()] = np.array([float(v) for v in values.split()])
        except ValueError:
            continue
    return out


def _field(values: dict[str, Array], name: str, count: int, path: Path) -> Array:
    found = values.get(name)
    if found is None:
        raise LogError(f"{path}: {name} is missing; copy the date's calibration again")
    if len(found) != count or not np.isfinite(found).all():
        raise LogError(f"{path}: {name}: expected {count} finite numbers, found {len(found)}; copy the file again")
    return found


def _rigid(rotation: Array, translation: Array, name: str, path: Path) -> Array:
    pose = make_poses(rotation.reshape(3, 3), translation)
    try:
        return as_poses(pose[None])[0]
    except ValueError as error:
        raise LogError(f"{path}: {name} is no rotation matrix; copy the date's calibration again") from error


def read_transform(path: Path) -> Array:
    """The [4, 4] of R and T in calib_imu_to_velo.txt or calib_velo_to_cam.txt, from the first axes to the second.

    Raises:
        LogError: naming the field that is missing or no rotation.
    """
    values = read_calibration(path)
    return _rigid(_field(values, "R", 9, path), _field(values, "T", 3, path), "R", path)


@dataclass(frozen=True)
class CameraCalibration:
    """One camera as its pictures are, rectified or not: ``from_cam0`` [4, 4] takes points from camera 0's own axes."""

    intrinsics: Intrinsics
    from_cam0: Array
    rectified: bool


def read_camera(path: Path, camera: int, width: int, height: int) -> CameraCalibration:
    """Camera 0..3 of calib_cam_to_cam.txt for pictures of ``width`` x ``height``.

    Their size tells whether they are rectified (S_rect, P_rect, R_rect) or as recorded (S, K, D, R, T). Pictures of
    the shape of one of them but another size are scaled ones.

    Raises:
        LogError: naming the field that is missing or wrong, or where the pictures have neither shape.
    """
    values = read_calibration(path)
    name = f"{camera:02d}"
    sizes = {}
    for rectified, field in ((True, f"S_rect_{name}"), (False, f"S_{name}")):
        calibrated = _field(values, field, 2, path)
        if not ((calibrated >= 1) & (calibrated < 1e5)).all():
            raise LogError(f"{path}: {field}: {calibrated.tolist()} is no size of a picture; copy the file again")
        sizes[rectified] = (round(calibrated[0]), round(calibrated[1]))
    shape = width / height
    # Rectified and raw differ by a fifth in shape; a scaled picture is off by the rounding of its sides.
    nearest = min(sizes, key=lambda r: abs(np.log(sizes[r][0] / sizes[r][1] / shape)))
    if abs(sizes[nearest][0] / sizes[nearest][1] / shape - 1) > 0.02:
        known = " and ".join(f"{w}x{h}" for w, h in sizes.values())
        raise LogError(
            f"{path}: S_rect_{name}, S_{name}: the camera is of {known} pictures, but these are {width}x{height}, "
            "of another shape; give the calibration of the pictures"
        )
    return (
        _rectified(values, name, sizes[True], (width, height), path)
        if nearest
        else _raw(values, name, sizes[False], (width, height), path)
    )


def _rectified(
    values: dict[str, Array], name: str, size: tuple[int, int], pictures: tuple[int, int], path: Path
) -> CameraCalibration:
    projection = _field(values, f"P_rect_{name}", 12, path).reshape(3, 4)
    k = projection[:, :3]
    intrinsics = _intrinsics((k[0, 0], k[1, 1], k[0, 2], k[1, 2]), size, pictures, (), f"{path}: P_rect_{name}")
    # All rectified cameras have the axes of rectified camera 0; P = K [I | t].
    turn = _rigid(_field(values, "R_rect_00", 9, path), np.zeros(3), "R_rect_00", path)
    shift = np.eye(4)
    try:
        shift[:3, 3] = np.linalg.solve(k, projection[:, 3])
    except np.linalg.LinAlgError as error:
        raise LogError(f"{path}: P_rect_{name} is of no camera; copy the date's calibration again") from error
    return CameraCalibration(intrinsics, shift @ turn, True)


def _raw(
    values: dict[str, Array], name: str, size: tuple[int, int], pictures: tuple[int, int], path: Path
) -> CameraCalibration:
    k = _field(values, f"K_{name}", 9, path)
    lens = _field(values, f"D_{name}", 5, path)
    intrinsics = _intrinsics((k[0], k[4], k[2], k[5]), size, pictures, tuple(lens.tolist()), f"{path}: K_{name}")
    turn = _rigid(_field(values, f"R_{name}", 9, path), _field(values, f"T_{name}", 3, path), f"R_{name}", path)
    return CameraCalibration(intrinsics, turn, False)


def _intrinsics(
    pinhole: tuple[float, float, float, float],
    size: tuple[int, int],
    pictures: tuple[int, int],
    lens: tuple[float, ...],
    where: str,
) -> Intrinsics:
    try:
        fx, fy, cx, cy = (float(v) for v in pinhole)
        camera = Intrinsics.opencv(fx, fy, cx, cy, *size, "brown-conrady" if lens else "none", lens)
    except ValueError as error:
        raise LogError(f"{where}: {error}; copy the date's calibration again") from error
    return camera if size == pictures else camera.resize(*pictures)


def camera_from_velodyne(date: Path, camera: CameraCalibration) -> Array:
    """The [4, 4] from the velodyne's axes to the camera's. Raises LogError as `read_transform`."""
    return camera.from_cam0 @ read_transform(inside(date, "calib_velo_to_cam.txt", "calibration"))


def camera_in_imu(date: Path, camera: CameraCalibration) -> Array:
    """The camera's pose [4, 4] in the OXTS unit's axes: imu -> velodyne -> camera 0 -> camera, inverted.

    Raises:
        LogError: as `read_transform`.
    """
    velodyne_from_imu = read_transform(inside(date, "calib_imu_to_velo.txt", "calibration"))
    return invert(camera_from_velodyne(date, camera) @ velodyne_from_imu)


def read_sweep(path: Path) -> NDArray[np.float32]:
    """Points [P, 4] float32 of a velodyne sweep: x y z reflectance, binary float32 or a line of text each.

    Raises:
        LogError: where the file cannot be read or is cut off.
    """
    try:
        if path.suffix.lower() == ".bin":
            values = np.frombuffer(path.read_bytes(), dtype="<f4")
        else:
            values = np.array(path.read_bytes().split(), dtype=np.float32)
    except OSError as error:
        raise LogError(f"{path}: the sweep cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise LogError(f"{path}: the sweep holds text that is no number; copy the file again") from error
    if values.size % 4:
        raise LogError(f"{path}: the sweep is cut off: {values.size} values are no points of 4; copy the file again")
    return values.reshape(-1, 4).astype(np.float32)
