"""comma2k19 (Schafer et al., 2018): <dongle>|<start>/<segment>/{video.hevc, global_pose, processed_log}.

Every array is a .npy file without a suffix. ``frame_times`` and the CAN times are seconds since the device's
boot, one clock. Poses are of the camera in ECEF, one row per frame: the quaternion (w x y z, Hamilton) turns
device axes (x forward, y right, z down) into ECEF, which the velocities of the example segment confirm.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from lapose_core.drive import Drive, Intrinsics, LogError, Track, fingerprint
from lapose_core.geodesy import GeodeticOrigin, enu_axes, geodetic_from_ecef
from lapose_core.geometry import Array, make_poses, matrix_from_quaternion
from lapose_core.logs.folders import folders_in
from lapose_core.logs.pose_sync import FramePoses
from lapose_core.logs.reader import Listing, LogOptions, Reader
from lapose_core.logs.sidecars import inside, parse_intrinsics
from lapose_core.trajectory_files import poses_from

_ROUTE = re.compile(r"[0-9a-fA-F]{16}[|_]\d{4}-\d\d-\d\d--\d\d-\d\d-\d\d")
_SEGMENT = re.compile(r"\d{1,9}")
_CHUNK = re.compile(r"chunk_\d+", re.IGNORECASE)
_CAMERA = "road"
_VIDEO = "video.hevc"
_RATE = 20.0  # of the road camera, where the segment does not tell its times
# The data set's camera_intrinsics.txt: one for both cars, of the pictures as recorded.
# The principal point is half their size, so it counts from the border.
_INTRINSICS = {"fx": 910.0, "fy": 910.0, "cx": 582.0, "cy": 437.0, "width": 1164, "height": 874}
# Columns: camera x (right) = device y, camera y (down) = device z, camera z (forward) = device x.
_DEVICE_FROM_CAMERA = np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
# WGS 84: squared ratio of the equatorial to the polar half axis; distances from the centre that a road has.
_AXES_SQUARED = (6378137.0 / 6356752.314245) ** 2
_NEAREST, _FARTHEST = 6.33e6, 6.40e6
_TRACKS = (
    ("speed", "speed", "m/s", ""),
    ("steering angle", "steering_angle", "deg", ", of the wheel, positive to the left"),
)


def is_comma2k19(path: Path) -> bool:
    """Whether ``path`` is a segment, its video, a route, or a folder of routes or of chunks of them."""
    try:
        return bool(_segments(path, first=True))
    except OSError:
        return False


def list_comma2k19(path: Path) -> list[Listing]:
    """The segments under ``path``, by chunk, route and number.

    Raises:
        LogError: where a folder cannot be read.
    """
    root = _root(path)
    try:
        segments = _segments(root)
    except OSError as error:
        raise LogError(f"{error.filename or path}: the folder cannot be read ({error.strerror})") from error
    return [_listing(root, segment) for segment in segments]


def open_comma2k19(path: Path, key: str, options: LogOptions) -> Drive:
    """The drive of one segment. Poses are of the camera (x right, y down, z forward) in a local level world.

    That world has x to the east, y down along the ellipsoid's normal and z to the north at the first valid
    pose, which is its origin. What is wrong with poses, times or CAN is told in a note and leaves the rest.

    Raises:
        LogError: where there is no such segment, or its video is missing or cannot be read.
    """
    from lapose_core.video import VideoSource

    if options.camera not in (None, _CAMERA):
        raise LogError(f"{path}: camera: {options.camera!r} is not here; comma2k19 has only {_CAMERA!r}")
    root = _root(path)
    segment = root if _is_segment(root) else inside(root, key, "drive")
    if not _is_segment(segment):
        raise LogError(f"{segment}: drive: not a segment of comma2k19; give a folder that holds {_VIDEO}")
    video = inside(segment, _VIDEO, "video")
    if not video.is_file():
        raise LogError(f"{segment}: {_VIDEO} is missing; copy it from the data set's chunk into this folder")
    source = VideoSource(video)
    index, width, height, codec = source.index, source.width, source.height, source.description
    source.close()

    # The stream has no times of its own; the data set keeps them in a file.
    notes = [note for note in index.notes if note not in index.time_notes]
    provenance = {"frames": f"{_VIDEO} ({codec})"}
    clock = _clock(segment, len(index.timestamps), notes)
    provenance["timestamps"] = clock.source
    camera = _camera(width, height, notes)
    if camera is not None:
        provenance["intrinsics"] = "the data set's, for both cars"

    given = poses_from(options, clock.times)
    found, place = (given, None) if given is not None else _poses(segment, len(clock.times), notes)
    if found is not None:
        provenance["poses"] = found.provenance
        notes += found.notes
    poses = None if found is None else found.poses
    return Drive(
        name=f"{segment.resolve().parent.name}/{segment.resolve().name}",
        path=segment,
        format="comma2k19",
        width=width,
        height=height,
        timestamps=clock.times,
        open_frames=partial(VideoSource, video, index),
        poses=poses,
        pose_valid=None if found is None else found.valid,
        intrinsics=camera,
        tracks=_tracks(segment, clock.boot, notes),
        provenance=provenance,
        notes=tuple(notes),
        geodetic_origin=place,
        fingerprint=fingerprint(segment, "comma2k19", clock.times, poses),
    )


def _root(path: Path) -> Path:
    return path.parent if path.name == _VIDEO else path


def _is_segment(path: Path) -> bool:
    return (path / "global_pose").is_dir() or ((path / _VIDEO).is_file() and (path / "processed_log").is_dir())


def _segments(path: Path, first: bool = False) -> list[Path]:
    """The segments under ``path`` in order; with ``first`` at most the first that is found."""
    root = _root(path)
    if _is_segment(root):
        return [root]
    if path != root or not root.is_dir():
        return []
    routes = [root] if _ROUTE.fullmatch(root.name) else _named(root, _ROUTE)
    if not routes:
        routes = [route for chunk in _named(root, _CHUNK) for route in _named(chunk, _ROUTE)]
    out: list[Path] = []
    for route in routes:
        out += [segment for segment in _named(route, _SEGMENT) if _is_segment(segment)]
        if first and out:
            break
    return out


def _named(folder: Path, name: re.Pattern[str]) -> list[Path]:
    """The entries of ``folder`` of that name, numbers by value."""
    found = [folder / entry for entry in folders_in(folder) if name.fullmatch(entry)]
    return sorted(found, key=lambda p: [int(s) if s.isdecimal() else 0 for s in re.split(r"\D+", p.name)] + [p.name])


def _listing(root: Path, segment: Path) -> Listing:
    frames, seconds = None, None
    try:
        times = _array(segment, "global_pose/frame_times", 1)
        frames, seconds = len(times), float(times[-1] - times[0])
    except (LogError, IndexError):
        pass  # told when the segment is opened
    full = segment.resolve()
    return Listing(
        key=full.name if segment == root else segment.relative_to(root).as_posix(),
        name=f"{full.parent.name}/{full.name}",
        description="" if (segment / _VIDEO).is_file() else f"without {_VIDEO}: it cannot be shown",
        cameras=(_CAMERA,),
        frames=frames,
        seconds=seconds,
    )


@dataclass(frozen=True)
class _Clock:
    times: Array  # [N] seconds from the first frame
    boot: float | None  # the first frame's time on the device's clock; None where it is not known
    source: str


def _clock(segment: Path, count: int, notes: list[str]) -> _Clock:
    """The times of the video's ``count`` frames."""
    name = "global_pose/frame_times"
    try:
        known = _array(segment, name, 1)
        wrong = ~np.isfinite(known)
        wrong[1:] |= np.diff(known) <= 0
        if wrong.any():
            row = int(np.argmax(wrong))
            raise LogError(f"{segment / name}: row {row} does not come after the one before; copy it again")
        if len(known) == 0:
            raise LogError(f"{segment / name}: it is empty; copy it again")
    except LogError as error:
        notes.append(f"{error}. {_RATE:g} frames per second are assumed, and CAN is left out.")
        return _Clock(np.arange(count) / _RATE, None, f"assumed {_RATE:g} Hz")
    times = known[:count] - known[0]
    if len(known) != count:
        notes.append(f"The video has {count} frames, {name} has {len(known)} rows: they are matched from the first.")
    if len(times) < count:
        step = float(np.median(np.diff(times))) if len(times) > 1 else 1 / _RATE
        times = np.append(times, times[-1] + step * np.arange(1, count - len(times) + 1))
    return _Clock(times, float(known[0]), f"{name}, from the first frame")


def _camera(width: int, height: int, notes: list[str]) -> Intrinsics | None:
    try:
        return parse_intrinsics(_INTRINSICS, width, height, "the data set's camera", opencv=False)
    except LogError as error:
        notes.append(f"{error}. The camera is not known.")
        return None


def _poses(segment: Path, count: int, notes: list[str]) -> tuple[FramePoses | None, GeodeticOrigin | None]:
    """Poses of the video's ``count`` frames and where their world lies; None, with the reason in ``notes``, where they
    cannot be read."""
    try:
        centre = _array(segment, "global_pose/frame_positions", 3)
        quaternion = _array(segment, "global_pose/frame_orientations", 4)
        if len(centre) != len(quaternion):
            raise LogError(
                f"{segment / 'global_pose'}: {len(centre)} frame_positions but {len(quaternion)} frame_orientations; "
                "copy the folder again"
            )
    except LogError as error:
        notes.append(f"{error}. The drive has no poses.")
        return None, None
    centre, quaternion = centre[:count], quaternion[:count]
    with np.errstate(invalid="ignore", over="ignore"):
        unit = np.abs(np.linalg.norm(quaternion, axis=1) - 1) < 0.01
        distance = np.linalg.norm(centre, axis=1)
        good = unit & (distance > _NEAREST) & (distance < _FARTHEST)
    if not good.any():
        notes.append(
            f"{segment / 'global_pose'}: no row is a position on the Earth (ECEF, metres) with a unit quaternion; "
            "copy the folder again. The drive has no poses."
        )
        return None, None
    valid = np.zeros(count, bool)
    valid[: len(good)] = good
    origin = centre[good][0]
    world = _east_down_north(origin)
    rotation = matrix_from_quaternion(quaternion[good][:, [1, 2, 3, 0]]) @ _DEVICE_FROM_CAMERA
    poses = np.repeat(np.eye(4)[None], count, axis=0)
    poses[valid] = make_poses(world @ rotation, (centre[good] - origin) @ world.T)
    missing = int((~valid).sum())
    found = FramePoses(
        poses,
        valid,
        "global_pose, ECEF turned into east, down, north at the first pose",
        (f"{missing} of {count} frames have no pose in global_pose.",) if missing else (),
    )
    latitude, longitude, altitude = geodetic_from_ecef(origin[None])[0].tolist()
    enu = make_poses(enu_axes(latitude, longitude) @ world.T, np.zeros(3))
    return found, GeodeticOrigin(latitude, longitude, altitude, enu, "global_pose/frame_positions, ECEF")


def _east_down_north(origin: Array) -> Array:
    """Rotation [3, 3] from ECEF to the level axes at ``origin`` [3]; its rows are east, down and north.

    The normal is that of the ellipsoid through the point that is similar to WGS 84: at a road's height within
    a microradian of the geodetic vertical.
    """
    up = origin * (1.0, 1.0, _AXES_SQUARED)
    up /= np.linalg.norm(up)
    east = np.array([-up[1], up[0], 0.0]) if np.hypot(up[0], up[1]) > 1e-9 else np.array([0.0, 1.0, 0.0])
    east /= np.linalg.norm(east)
    return np.stack([east, -up, np.cross(up, east)])


def _tracks(segment: Path, boot: float | None, notes: list[str]) -> dict[str, Track]:
    """Speed and steering from the CAN bus, on the clock of the drive."""
    out: dict[str, Track] = {}
    for name, folder, unit, sign in _TRACKS:
        where = f"processed_log/CAN/{folder}"
        if boot is None or not (segment / where).is_dir():
            continue
        try:
            times, values = _array(segment, f"{where}/t", 1), _array(segment, f"{where}/value", 1)
            # The device gives some messages the time of the batch in which they came.
            out[name] = Track(times - boot, values, unit, where + sign)
        except LogError as error:
            notes.append(f"{error}. The drive has no {name}.")
    return out


def _array(segment: Path, name: str, columns: int) -> Array:
    """A .npy file's numbers as float64: [K] for one column, else [K, columns]. Nothing is unpickled."""
    path = inside(segment, name, "file")
    if not path.is_file():
        raise LogError(f"{path}: the file is missing; copy it from the data set")
    try:
        # A header may promise more than the file holds: mapped, that is refused before memory is taken. Objects
        # (a pickle) cannot be mapped and are refused likewise.
        values = np.lib.format.open_memmap(path, mode="r")
        if values.dtype.kind not in "fiu":
            raise ValueError(f"it holds {values.dtype}")
        array = np.array(values, dtype=np.float64)
    # A damaged header is met with whatever error it runs into first: syntax, tokens, values, memory.
    except Exception as error:
        what = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise LogError(f"{path}: not a whole .npy file of numbers ({what}); copy it again") from error
    if columns == 1 and array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != (1 if columns == 1 else 2) or (columns > 1 and array.shape[1] != columns):
        expected = "[rows]" if columns == 1 else f"[rows, {columns}]"
        raise LogError(f"{path}: its shape is {list(array.shape)}, expected {expected}; copy it again")
    return array


READER = Reader("comma2k19", "comma2k19", is_comma2k19, list_comma2k19, open_comma2k19)
