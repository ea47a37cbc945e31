"""KITTI raw (Geiger et al., IJRR 2013): <date>/{calib_*.txt, <date>_drive_NNNN_{sync,extract}/...}.

A ``_sync`` drive has rectified pictures at 10 Hz and one OXTS packet for each; an ``_extract`` drive has the pictures
as recorded, distorted, and every packet at 100 Hz. All sensors are stamped by one computer's clock.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lapose_core.drive import Drive, LogError, Track, fingerprint
from lapose_core.geometry import Array
from lapose_core.logs.folders import folders_in
from lapose_core.logs.images import SUFFIXES, ImageSource, common_size, has_images
from lapose_core.logs.kitti_raw_files import (
    CameraCalibration,
    FrameClock,
    camera_from_velodyne,
    camera_in_imu,
    frame_clock,
    read_camera,
    read_sweep,
    seconds_of,
)
from lapose_core.logs.kitti_raw_oxts import read_imu
from lapose_core.logs.pose_sync import FramePoses
from lapose_core.logs.reader import Listing, LogOptions, Reader
from lapose_core.logs.sidecars import inside
from lapose_core.logs.sweeps import Sweeps, numbered_files, numbers_in, place_sweeps
from lapose_core.trajectory_files import poses_from

_FORMAT = "kitti-raw"
_DATE = re.compile(r"\d{4}_\d\d_\d\d")
_DRIVE = re.compile(r"\d{4}_\d\d_\d\d_drive_\d{4}_(sync|extract)")
# Colour before grey, left before right.
_CAMERAS = ("image_02", "image_00", "image_03", "image_01")
_CAMERA_HEIGHT = 1.65  # metres over the road, by the data set's description of its car


def is_kitti_raw(path: Path) -> bool:
    """Whether the folder is a data set's root, a date, a drive, or a camera of a drive, by its layout."""
    try:
        return path.is_dir() and (_camera_of(path) is not None or next(_drives(path), None) is not None)
    except OSError:
        return False


def list_kitti_raw(path: Path) -> list[Listing]:
    """The drives under ``path`` by date and number.

    Raises:
        LogError: where a folder cannot be read or there is no drive.
    """
    camera = _camera_of(path)
    if camera is not None:
        return [_listing(camera.parent, camera.parent.resolve().name, camera.name)]
    try:
        found = [_listing(drive, key) for key, drive in _drives(path)]
    except OSError as error:
        raise LogError(f"{error.filename or path}: the folder cannot be read ({error.strerror})") from error
    if not found:
        raise LogError(f"{path}: no drive with image_00 to image_03; give a folder <date>/<date>_drive_NNNN_sync")
    return found


def open_kitti_raw(path: Path, key: str, options: LogOptions) -> Drive:
    """Drive ``key`` seen by one camera, by default the left colour one.

    Poses are of the camera, interpolated between OXTS packets to its own timestamps, in a world with x east, y down,
    z north whose origin is the GPS/IMU unit at the first frame. What is wrong with calibration, OXTS or velodyne is
    told in a note and leaves the rest.

    Raises:
        LogError: where there is no such drive or camera, or pictures or their timestamps cannot be read.
    """
    drive, first = _locate(path, key)
    cameras = _cameras(drive, first)
    name = options.camera or (cameras[0] if cameras else _CAMERAS[0])
    if options.camera is not None and name not in cameras:
        known = f"choose one of {', '.join(cameras)}" if cameras else "there are no pictures"
        raise LogError(f"{drive}: there is no camera {name!r}; {known}")
    numbers, files = numbered_files(drive, drive / name / "data", SUFFIXES)
    if not files:
        raise LogError(f"{drive / name / 'data'}: no pictures such as 0000000000.png; unpack the drive's archive here")
    width, height = common_size(files)
    notes: list[str] = []
    clock = frame_clock(drive / name, numbers, notes)

    date = drive if (drive / "calib_cam_to_cam.txt").is_file() else drive.parent
    calibration = _calibration(date, name, width, height, notes)
    rectified = calibration.rectified if calibration else not drive.resolve().name.endswith("_extract")
    imu = read_imu(drive, clock, numbers, rectified, notes)
    mount = _optional(partial(camera_in_imu, date), calibration, "ground truth", notes) if imu else None
    poses = imu.at(clock.times, mount) if imu and mount is not None else None
    given = poses_from(options, clock.times)
    found = given or poses
    turn = _optional(partial(camera_from_velodyne, date), calibration, "point clouds", notes)
    sweeps = None
    if turn is not None:
        sensors = partial(imu.at, mount=mount @ turn) if imu is not None and mount is not None else None
        sweeps = _sweeps(drive, clock, numbers, poses, turn, sensors, notes)
    if found is not None:
        notes += found.notes

    provenance = {
        "frames": f"{drive.resolve().name}, {name}, {'rectified' if rectified else 'not rectified'}",
        "timestamps": clock.source,
    }
    if calibration:
        field = "P_rect" if calibration.rectified else "K, D"
        provenance["intrinsics"] = f"calib_cam_to_cam.txt, {field} of camera {name[-2:]}"
    if found is not None:
        provenance["poses"] = found.provenance
    intrinsics = calibration.intrinsics if calibration else None
    matrices = None if found is None else found.poses
    return Drive(
        name=f"{drive.resolve().name}/{name}",
        path=drive / name,
        format=_FORMAT,
        width=width,
        height=height,
        timestamps=clock.times,
        open_frames=partial(ImageSource, files, (width, height)),
        poses=matrices,
        pose_valid=None if found is None else found.valid,
        intrinsics=intrinsics,
        camera_height=_CAMERA_HEIGHT,
        point_cloud=sweeps,
        tracks={"speed": Track(imu.times, imu.oxts.speed, "m/s", "oxts/data, vf")} if imu else {},
        provenance=provenance,
        notes=tuple(notes),
        geodetic_origin=imu.origin if imu is not None and found is not None and given is None else None,
        fingerprint=fingerprint(drive / name / "data", f"{_FORMAT}:{name}:{intrinsics}", clock.times, matrices),
    )


def _camera_of(path: Path) -> Path | None:
    """The folder image_0k of a drive that ``path`` is, or is the data folder of."""
    path = Path(os.path.abspath(path))
    folder = path.parent if path.name == "data" else path
    beside = (folder.parent / "oxts", folder.parent / "velodyne_points")
    known = folder.name in _CAMERAS and (folder / "data").is_dir()
    return folder if known and (_DRIVE.fullmatch(folder.parent.name) or any(p.is_dir() for p in beside)) else None


def _is_drive(path: Path) -> bool:
    return any((path / camera / "data").is_dir() for camera in _CAMERAS)


def _drives(path: Path) -> Iterator[tuple[str, Path]]:
    """Keys and folders of the drives under ``path``: itself, those of a date, or those of a root's dates."""
    if _is_drive(path):
        yield path.resolve().name, path
        return
    for name in sorted(folders_in(path)):
        if _DRIVE.fullmatch(name) and _is_drive(path / name):
            yield name, path / name
        elif _DATE.fullmatch(name):
            for inner in sorted(folders_in(path / name)):
                if _DRIVE.fullmatch(inner) and _is_drive(path / name / inner):
                    yield f"{name}/{inner}", path / name / inner


def _locate(path: Path, key: str) -> tuple[Path, str | None]:
    """The drive's folder, and the camera where ``path`` is one."""
    # The calibration lies beside the drive, which "." does not tell.
    path = Path(os.path.abspath(path))
    camera = _camera_of(path)
    if camera is not None:
        return camera.parent, camera.name
    if _is_drive(path):
        return path, None
    drive = inside(path, key, "drive")
    if not _is_drive(drive):
        raise LogError(f"{path}: there is no drive {key!r} with pictures")
    return drive, None


def _cameras(drive: Path, first: str | None = None) -> list[str]:
    """The cameras with pictures, the default first."""
    there = [c for c in _CAMERAS if (drive / c / "data").is_dir() and has_images(drive / c / "data")]
    return sorted(there, key=lambda c: c != first)


def _listing(drive: Path, key: str, first: str | None = None) -> Listing:
    cameras = _cameras(drive, first)
    frames = seconds = None
    if cameras:
        try:
            numbers = numbers_in(drive / cameras[0] / "data", SUFFIXES)
            frames = len(numbers)
            times = frame_clock(drive / cameras[0], numbers, []).times
            seconds = float(times[-1] - times[0])
        except (LogError, OSError, IndexError):  # told when the drive is opened
            pass
    name = drive.resolve().name
    what = "as recorded, not rectified" if name.endswith("_extract") else "synchronised and rectified"
    return Listing(key, name, what, tuple(cameras), frames=frames, seconds=seconds)


def _calibration(date: Path, name: str, width: int, height: int, notes: list[str]) -> CameraCalibration | None:
    try:
        path = inside(date, "calib_cam_to_cam.txt", "calibration")
        return read_camera(path, int(name[-2:]), width, height)
    except LogError as error:
        notes.append(f"{error}. The camera is not known, nor is the ground truth.")
        return None


def _optional(
    make: Callable[[CameraCalibration], Array], calibration: CameraCalibration | None, what: str, notes: list[str]
) -> Array | None:
    """What ``make`` gives, or None and a note where it is told that a file is amiss."""
    if calibration is None:
        return None
    try:
        return make(calibration)
    except LogError as error:
        notes.append(f"{error}. The drive has no {what}.")
        return None


def _sweeps(
    drive: Path,
    clock: FrameClock,
    frames: NDArray[np.int64],
    cameras: FramePoses | None,
    turn: Array,
    sensors: Callable[[Array], FramePoses] | None,
    notes: list[str],
) -> Sweeps | None:
    """The velodyne's sweeps in the camera's axes, ``turn`` [4, 4] from its own; ``sensors`` gives its poses."""
    folder = drive / "velodyne_points"
    try:
        numbers, files = numbered_files(drive, folder / "data", (".bin", ".txt"))
        if not files:
            return None
        path = inside(drive, "velodyne_points/timestamps.txt", "timestamps")
        if path.is_file() and clock.origin is not None:
            times = seconds_of(path, numbers, clock.origin)
        else:
            times = np.full(len(numbers), np.nan)
            _, frame, sweep = np.intersect1d(frames, numbers, return_indices=True)
            times[sweep] = clock.times[frame]
    except LogError as error:
        notes.append(f"{error}. The drive has no point clouds.")
        return None
    # The scanner loses sweeps now and then; their lines are blank.
    order = np.argsort(times, kind="stable")[: int(np.isfinite(times).sum())]
    times, files = times[order], [files[i] for i in order]
    poses = sensors(times) if sensors is not None else None
    return place_sweeps(clock.times, cameras, times, files, poses, turn, read_sweep)


READER = Reader(_FORMAT, "KITTI raw", is_kitti_raw, list_kitti_raw, open_kitti_raw)
