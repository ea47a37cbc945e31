"""Argoverse 2 sensor logs (Wilson et al., NeurIPS Datasets 2021): {train,val,test}/<log>/{sensors, calibration, ...}.

Tables are Arrow feather files, pictures and sweeps are named by nanoseconds. Quaternions there are wxyz; the vehicle's
axes are x forward, y left, z up from the middle of the rear axle, the city's are level with z up.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lapose_core.drive import Drive, Intrinsics, LogError, fingerprint
from lapose_core.geodesy import GeodeticOrigin, UniversalTransverseMercator
from lapose_core.geometry import Array, invert
from lapose_core.logs.folders import folders_in
from lapose_core.logs.images import ImageSource, common_size
from lapose_core.logs.pose_rows import poses_from_quaternions
from lapose_core.logs.pose_sync import FramePoses, poses_at
from lapose_core.logs.reader import Listing, LogOptions, Reader
from lapose_core.logs.sidecars import inside, parse_intrinsics
from lapose_core.logs.sweeps import Cloud, Sweeps, numbered_files, numbers_in, place_sweeps
from lapose_core.trajectory_files import poses_from

_FORMAT = "argoverse2"
_POSES = "city_SE3_egovehicle.feather"
_INTRINSICS = "calibration/intrinsics.feather"
_MOUNTS = "calibration/egovehicle_SE3_sensor.feather"
_PICTURES = (".jpg", ".jpeg", ".png")
# Ahead first; the stereo cameras are grey.
_CAMERAS = (
    "ring_front_center",
    "ring_front_left",
    "ring_front_right",
    "ring_side_left",
    "ring_side_right",
    "ring_rear_left",
    "ring_rear_right",
    "stereo_front_left",
    "stereo_front_right",
)
_FOLDERS = ("sensor", "tbv", "train", "val", "test")
_QUATERNION, _CENTRE = ("qw", "qx", "qy", "qz"), ("tx_m", "ty_m", "tz_m")
# The rear axle over the road, by the data set's authors.
_AXLE_HEIGHT = 0.33
# Poses come every 5 to 10 ms.
_MAX_GAP = 0.2
_LOOKED_AT = 50
# The city's x, y, z (up) to a world with y down, level as the camera's axes are.
_WORLD_FROM_CITY = np.array([[1.0, 0, 0, 0], [0, 0, -1, 0], [0, 1, 0, 0], [0, 0, 0, 1]])
# Where the cities' coordinates begin and their UTM zones, as the data set's authors publish them.
_CITIES = {
    "ATX": (30.27464237939507, -97.7404457407424, 14),
    "DTW": (42.29993066912924, -83.17555750783717, 17),
    "MIA": (25.77452579915163, -80.19656914449405, 17),
    "PAO": (37.416065, -122.13571963362166, 10),
    "PIT": (40.44177902989321, -80.01294377242584, 17),
    "WDC": (38.889377, -77.0355047439081, 18),
}


def is_argoverse2(path: Path) -> bool:
    """Whether the folder is a log, a camera of one, a split with logs, or a data set's root, by its layout."""
    try:
        return path.is_dir() and (_camera_of(path) is not None or next(_logs(path, _LOOKED_AT), None) is not None)
    except OSError:
        return False


def list_argoverse2(path: Path) -> list[Listing]:
    """The logs under ``path`` by split and name.

    Raises:
        LogError: where a folder cannot be read or there is no log.
    """
    camera = _camera_of(path)
    try:
        if camera is not None:
            log = camera.parents[2]
            return [_listing(log, log.resolve().name, camera.name)]
        found = [_listing(log, key) for key, log in _logs(path)]
    except OSError as error:
        raise LogError(f"{error.filename or path}: the folder cannot be read ({error.strerror})") from error
    if not found:
        raise LogError(f"{path}: no log with {_POSES}, calibration and sensors in this folder")
    return found


def open_argoverse2(path: Path, key: str, options: LogOptions) -> Drive:
    """Log ``key`` seen by one camera, by default ring_front_center.

    Poses are of the camera, the vehicle's interpolated to the pictures' times, in a world with x as the city's, y down
    and z as the city's y, whose origin is the vehicle at the first frame. The data set has taken the lenses' distortion
    out of its pictures, so its coefficients are told and not applied. What is wrong with calibration, poses or sweeps
    is told in a note and leaves the rest.

    Raises:
        LogError: where there is no such log or camera, or its pictures cannot be read.
    """
    log, first = _locate(path, key)
    cameras = _cameras(log, first)
    name = options.camera or (cameras[0] if cameras else _CAMERAS[0])
    if options.camera is not None and name not in cameras:
        known = f"choose one of {', '.join(cameras)}" if cameras else "there are no pictures"
        raise LogError(f"{log}: there is no camera {name!r}; {known}")
    folder = log / "sensors" / "cameras" / name
    stamps, files = numbered_files(log, folder, _PICTURES)
    if not files:
        raise LogError(f"{folder}: no pictures such as 315966253572412942.jpg; download the log's images")
    origin = int(stamps[0])
    times = _seconds(stamps, origin)
    width, height = common_size(files)

    notes: list[str] = []
    provenance = {"frames": f"log {log.resolve().name}, {name}", "timestamps": "the pictures' names, nanoseconds"}
    intrinsics = _intrinsics(log, name, width, height, notes, provenance)
    mount = _mount(log, name, notes)
    vehicle = _Vehicle.read(log, origin, notes)
    poses = None if vehicle is None or mount is None else vehicle.at(times, mount)
    if poses is not None:
        poses = replace(poses, provenance=f"{_POSES}, moved to {name} by the calibration, {poses.provenance}")
    given = poses_from(options, times)
    found = given or poses
    if found is not None:
        provenance["poses"] = found.provenance
        notes += found.notes
    matrices = None if found is None else found.poses

    sweeps = None if mount is None else _sweeps(log, origin, times, poses, mount, vehicle, notes)
    return Drive(
        name=f"{log.resolve().name}/{name}",
        path=folder,
        format=_FORMAT,
        width=width,
        height=height,
        timestamps=times,
        open_frames=partial(ImageSource, files, (width, height)),
        poses=matrices,
        pose_valid=None if found is None else found.valid,
        intrinsics=intrinsics,
        camera_height=None if mount is None else float(mount[2, 3]) + _AXLE_HEIGHT,
        point_cloud=sweeps,
        provenance=provenance,
        notes=tuple(notes),
        geodetic_origin=None if vehicle is None or poses is None or given is not None else _place(log, vehicle.origin),
        fingerprint=fingerprint(folder, f"{_FORMAT}:{name}:{intrinsics}", times, matrices),
    )


def _is_log(path: Path) -> bool:
    parts = ((path / _POSES).is_file(), (path / "calibration").is_dir(), (path / "sensors").is_dir())
    return parts[2] and (parts[0] or parts[1])


def _camera_of(path: Path) -> Path | None:
    """``path`` where it is the folder of a camera of a log."""
    path = Path(os.path.abspath(path))
    known = path.name in _CAMERAS and path.parent.name == "cameras"
    return path if known and _is_log(path.parents[2]) else None


def _logs(path: Path, looked_at: int | None = None, levels: int = 2) -> Iterator[tuple[str, Path]]:
    """Keys and folders of the logs under ``path``: itself, those of a split, or those of a root's splits."""
    if _is_log(path):
        yield path.resolve().name, path
        return
    names = sorted(folders_in(path))
    for name in islice(names, looked_at):
        if _is_log(path / name):
            yield name, path / name
    for name in names if levels else ():
        if name in _FOLDERS and not _is_log(path / name):
            yield from ((f"{name}/{key}", log) for key, log in _logs(path / name, looked_at, levels - 1))


def _locate(path: Path, key: str) -> tuple[Path, str | None]:
    """The log's folder, and the camera where ``path`` is one."""
    camera = _camera_of(path)
    if camera is not None:
        return camera.parents[2], camera.name
    if _is_log(path):
        return path, None
    log = inside(path, key, "drive")
    if not _is_log(log):
        raise LogError(f"{path}: there is no log {key!r} with sensors and calibration")
    return log, None


def _cameras(log: Path, first: str | None = None) -> list[str]:
    """The cameras with pictures, the default first."""
    folder = log / "sensors" / "cameras"
    there = [camera for camera in _CAMERAS if _has_entries(folder / camera)]
    return sorted(there, key=lambda c: c != first)


def _has_entries(folder: Path) -> bool:
    try:
        with os.scandir(folder) as entries:
            return next(entries, None) is not None
    except OSError:
        return False


def _listing(log: Path, key: str, first: str | None = None) -> Listing:
    cameras = _cameras(log, first)
    frames = seconds = None
    if cameras:
        try:
            stamps = numbers_in(log / "sensors" / "cameras" / cameras[0], _PICTURES)
            frames = len(stamps)
            seconds = float(stamps[-1] - stamps[0]) * 1e-9 if frames else None
        except OSError:  # told when the log is opened
            pass
    name = log.resolve().name
    return Listing(key, name, cameras=tuple(cameras), frames=frames, seconds=seconds)


def _seconds(stamps: NDArray[np.int64], origin: int) -> Array:
    return np.asarray((stamps - origin) * 1e-9, dtype=np.float64)


def _table(
    log: Path, name: str | Path, columns: tuple[str, ...], optional: tuple[str, ...] = ()
) -> dict[str, NDArray[Any]]:
    """Columns [N] of a feather file of the log, those that are ``optional`` where it has them.

    Raises:
        LogError: where it cannot be read, or naming the column that is missing or holds no numbers.
    """
    import pyarrow
    import pyarrow.feather

    path = inside(log, str(name), "table")
    if not path.is_file():
        raise LogError(f"{path}: the file is missing; download the log again")
    try:
        table = pyarrow.feather.read_table(path, memory_map=False)
    # Damaged tables are met with whatever error Arrow runs into first.
    except Exception as error:
        what = " ".join(str(error).split())[:120]
        raise LogError(f"{path}: not a whole feather file ({what}); download it again") from error
    out = {}
    for column in (*columns, *(name for name in optional if name in table.column_names)):
        if column not in table.column_names:
            raise LogError(f"{path}: column {column} is missing, there are {', '.join(table.column_names)[:120]}")
        values = table[column]
        text = pyarrow.types.is_string(values.type) or pyarrow.types.is_large_string(values.type)
        if text != (column == "sensor_name") or not (text or _is_number(values.type)):
            raise LogError(f"{path}: column {column} holds {values.type}; download the log again")
        out[column] = values.to_numpy()
    return out


def _is_number(kind: Any) -> bool:
    import pyarrow

    return bool(pyarrow.types.is_integer(kind) or pyarrow.types.is_floating(kind))


def _row(log: Path, name: str, sensor: str, columns: tuple[str, ...]) -> dict[str, float]:
    """The row of one sensor."""
    table = _table(log, name, ("sensor_name", *columns))
    rows = np.flatnonzero(table["sensor_name"] == sensor)
    if not len(rows):
        raise LogError(f"{log / name}: sensor_name: there is no {sensor}; download the log again")
    return {column: float(table[column][rows[0]]) for column in columns}


def _intrinsics(
    log: Path, name: str, width: int, height: int, notes: list[str], provenance: dict[str, str]
) -> Intrinsics | None:
    fields = ("fx_px", "fy_px", "cx_px", "cy_px", "width_px", "height_px")
    try:
        row = _row(log, _INTRINSICS, name, fields)
        pinhole = {field.removesuffix("_px"): value for field, value in row.items()}
        camera = parse_intrinsics(pinhole, width, height, f"{log / _INTRINSICS}: {name}", opencv=True)
    except LogError as error:
        notes.append(f"{error}. The camera is not known.")
        return None
    source = f"{_INTRINSICS}; the pictures are undistorted by the data set"
    try:
        lens = _row(log, _INTRINSICS, name, ("k1", "k2", "k3"))
        source += " (of a lens with " + ", ".join(f"{k} = {v:.3f}" for k, v in lens.items()) + ")"
    except LogError:  # not needed
        pass
    provenance["intrinsics"] = source
    return camera


def _mount(log: Path, name: str, notes: list[str]) -> Array | None:
    """The camera's pose [4, 4] in the vehicle's axes; None and a note where it is not known."""
    try:
        row = _row(log, _MOUNTS, name, (*_QUATERNION, *_CENTRE))
        values = np.array([[row[c] for c in (*_QUATERNION, *_CENTRE)]])
        poses, valid = poses_from_quaternions(values[:, :4], values[:, 4:])
        if not valid[0]:
            raise LogError(f"{log / _MOUNTS}: {name}: qw qx qy qz tx ty tz are no pose; download the log again")
        return poses[0]
    except LogError as error:
        notes.append(f"{error}. The drive has no ground truth and no point clouds.")
        return None


class _Vehicle:
    """The vehicle's poses [K, 4, 4] in the world at increasing times [K], seconds."""

    def __init__(self, times: Array, poses: Array, origin: Array) -> None:
        self._times, self._poses = times, poses
        self.origin = origin
        """[3] of the world, in metres from the city's, in the world's axes."""

    @classmethod
    def read(cls, log: Path, origin: int, notes: list[str]) -> _Vehicle | None:
        """Those of the log, in seconds after ``origin`` ns; None and a note where there are none."""
        try:
            table = _table(log, _POSES, ("timestamp_ns", *_QUATERNION, *_CENTRE))
            stamps = table["timestamp_ns"]
            if stamps.dtype.kind not in "iu":
                raise LogError(f"{log / _POSES}: timestamp_ns holds {stamps.dtype}, which is no nanoseconds")
        except LogError as error:
            notes.append(f"{error}. The drive has no ground truth.")
            return None
        stamps = stamps.astype(np.int64)
        numbers = np.stack([table[c].astype(np.float64) for c in (*_QUATERNION, *_CENTRE)], axis=-1)
        poses, valid = poses_from_quaternions(numbers[:, :4], numbers[:, 4:])
        if not valid.all():
            notes.append(
                f"{int((~valid).sum())} of {len(valid)} rows of {_POSES} are no poses and are left out, "
                f"row {int(np.argmin(valid))} first; download it again."
            )
        stamps, poses = stamps[valid], poses[valid]
        keep = np.concatenate([[True], stamps[1:] > np.maximum.accumulate(stamps)[:-1]]) if len(stamps) else valid[:0]
        if not keep.all():
            notes.append(
                f"{int((~keep).sum())} rows of {_POSES} do not come after the one before and are left out, "
                f"row {int(np.flatnonzero(valid)[np.argmin(keep)])} first; download it again."
            )
        if not keep.any():
            notes.append(f"{log / _POSES}: there are no poses. The drive has no ground truth.")
            return None
        times, poses = _seconds(stamps[keep], origin), _WORLD_FROM_CITY @ poses[keep]
        start = poses[min(int(np.searchsorted(times, 0.0)), len(times) - 1), :3, 3].copy()
        poses[:, :3, 3] -= start
        return cls(times, poses, start)

    def at(self, times: Array, mount: Array) -> FramePoses:
        """Poses at ``times`` of what is mounted at ``mount`` [4, 4] in the vehicle's axes."""
        found = poses_at(times, self._times, self._poses, max_gap=_MAX_GAP)
        return replace(found, poses=np.where(found.valid[:, None, None], found.poses @ mount, np.eye(4)))


def _place(log: Path, origin: Array) -> GeodeticOrigin | None:
    """Where the world lies, by the city that the name of the log's map tells; the height is the data set's own."""
    try:
        names = [entry.name for entry in (log / "map").iterdir()]
    except OSError:
        return None
    city = next((city for city in _CITIES if any(f"____{city}_city" in name for name in names)), None)
    if city is None:
        return None
    latitude, longitude, zone = _CITIES[city]
    enu = invert(_WORLD_FROM_CITY)
    enu[:3, 3] = enu[:3, :3] @ origin
    source = f"the city {city} of the log's map, UTM zone {zone}"
    return GeodeticOrigin(latitude, longitude, 0.0, enu, source, UniversalTransverseMercator(zone))


def _sweeps(
    log: Path,
    origin: int,
    times: Array,
    cameras: FramePoses | None,
    mount: Array,
    vehicle: _Vehicle | None,
    notes: list[str],
) -> Sweeps | None:
    try:
        stamps, files = numbered_files(log, log / "sensors" / "lidar", (".feather",))
    except LogError as error:
        notes.append(f"{error}. The drive has no point clouds.")
        return None
    at = _seconds(stamps, origin)
    vehicles = None if vehicle is None else vehicle.at(at, np.eye(4))
    return place_sweeps(times, cameras, at, files, vehicles, invert(mount), _read_sweep)


def _read_sweep(path: Path) -> Cloud:
    """Points [P, 3 or 4] of a sweep, in the vehicle's axes at the time that names the file."""
    table = _table(path.parent, path.name, ("x", "y", "z"), ("intensity",))
    return np.stack([values.astype(np.float32) for values in table.values()], axis=-1)


READER = Reader(_FORMAT, "Argoverse 2", is_argoverse2, list_argoverse2, open_argoverse2)
