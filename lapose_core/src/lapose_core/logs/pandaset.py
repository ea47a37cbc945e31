"""PandaSet (Xiao et al., ITSC 2021): NNN/{camera/<name>_camera, lidar}, pictures as .jpg and sweeps as .pkl.gz.

Poses are camera-to-world with the camera's axes right, down, forward; the points of a sweep are in world
coordinates already, with the motion of the vehicle taken out, so that lidar/poses.json is not needed.
"""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lapose_core.drive import Drive, Intrinsics, LogError, fingerprint
from lapose_core.geometry import Array, invert
from lapose_core.logs.folders import folders_in
from lapose_core.logs.images import ImageSource, common_size
from lapose_core.logs.pickled_frame import read_pickled_columns
from lapose_core.logs.pose_rows import number_rows, poses_from_quaternions
from lapose_core.logs.pose_sync import FramePoses
from lapose_core.logs.reader import Listing, LogOptions, Reader
from lapose_core.logs.sidecars import inside, parse_intrinsics, read_json
from lapose_core.logs.sweeps import Sweeps, numbered_files
from lapose_core.trajectory_files import poses_from

_FORMAT = "pandaset"
_CAMERAS = tuple(f"{c}_camera" for c in ("front", "front_left", "front_right", "left", "right", "back"))
_PICTURES = (".jpg", ".jpeg")


def _matches(path: Path) -> bool:
    try:
        return _is_sequence(path) or (path.is_dir() and any(map(_is_sequence, _numbered(path))))
    except OSError:
        return False


def _is_sequence(path: Path) -> bool:
    # Its poses tell a camera of PandaSet from another data set's folder of the same name.
    return any((path / "camera" / camera / "poses.json").is_file() for camera in _CAMERAS)


def _numbered(path: Path) -> list[Path]:
    return sorted(path / name for name in folders_in(path) if name.isascii() and name.isdigit())


def _sequences(path: Path) -> dict[str, Path]:
    """The sequences by the keys of their listings."""
    if _is_sequence(path):
        return {path.resolve().name: path}
    return {p.name: p for p in _numbered(path) if _is_sequence(p)}


def _list(path: Path) -> list[Listing]:
    found: list[Listing] = []
    for key, sequence in _sequences(path).items():
        cameras = _cameras(sequence)
        try:
            numbers, _ = _pictures(sequence, cameras[0])
            times = _times(sequence / "camera" / cameras[0] / "timestamps.json", numbers)
        except LogError:  # told when the sequence is opened
            found.append(Listing(key, key, cameras=cameras))
            continue
        found.append(Listing(key, key, cameras=cameras, frames=len(numbers), seconds=float(times[-1] - times[0])))
    return found


def _open(path: Path, key: str, options: LogOptions) -> Drive:
    sequence = _sequences(path).get(key)
    if sequence is None:
        raise LogError(f"{path}: there is no PandaSet sequence {key!r} with pictures and poses in camera/")
    camera = options.camera or _cameras(sequence)[0]
    if camera not in _cameras(sequence):
        raise LogError(f"{sequence}: there is no camera {camera!r}; choose one of {', '.join(_cameras(sequence))}")
    folder = sequence / "camera" / camera
    numbers, files = _pictures(sequence, camera)
    width, height = common_size(files)
    times = _times(folder / "timestamps.json", numbers)
    notes: list[str] = []
    own = _poses(folder / "poses.json", numbers, notes)
    sweeps = _sweeps(sequence, numbers, own)
    used = poses_from(options, times) or own
    notes += used.notes
    provenance = {
        "frames": f"sequence {key}, {camera}, {files[0].name} to {files[-1].name}",
        "timestamps": "timestamps.json",
    }
    intrinsics = _intrinsics(folder / "intrinsics.json", width, height, notes)
    if intrinsics is not None:
        provenance["intrinsics"] = "intrinsics.json"
    has_poses = bool(used.valid.any())
    if has_poses:
        provenance["poses"] = used.provenance
    return Drive(
        name=f"{key}/{camera}",
        path=path,
        format=_FORMAT,
        width=width,
        height=height,
        timestamps=times,
        open_frames=partial(ImageSource, files, (width, height)),
        poses=used.poses if has_poses else None,
        pose_valid=used.valid if has_poses else None,
        intrinsics=intrinsics,
        point_cloud=sweeps,
        provenance=provenance,
        notes=tuple(notes),
        fingerprint=fingerprint(folder, f"{_FORMAT}:{camera}", times, used.poses),
    )


def _cameras(sequence: Path) -> tuple[str, ...]:
    return tuple(c for c in _CAMERAS if (sequence / "camera" / c / "poses.json").is_file())


def _pictures(sequence: Path, camera: str) -> tuple[NDArray[np.int64], list[Path]]:
    """Frame numbers [N] and files of a camera's pictures; a part of the 80 may be there."""
    folder = sequence / "camera" / camera
    numbers, files = numbered_files(sequence, folder, _PICTURES)
    if not files:
        raise LogError(f"{folder}: no pictures 00.jpg, 01.jpg, ...; unpack the sequence again")
    return numbers, files


def _times(path: Path, numbers: NDArray[np.int64]) -> Array:
    """Seconds [N] of the frames ``numbers``."""
    values = _rows(path, numbers, "times")
    times = number_rows([[v] for v in values], 1)[:, 0]
    late = ~np.isfinite(times)
    late[1:] |= ~(np.diff(times) > 0)
    if late.any():
        number = numbers[int(np.argmax(late))]
        raise LogError(f"{path}: time {number} is no number of seconds after the one before; get the file again")
    return times


def _poses(path: Path, numbers: NDArray[np.int64], notes: list[str]) -> FramePoses:
    """Camera-to-world poses of the frames ``numbers``; a row that is no pose costs its frame only."""
    rows = _rows(path, numbers, "poses")

    def column(name: str, fields: str) -> Array:
        parts = [row.get(name) if isinstance(row, dict) else None for row in rows]
        return number_rows([[p.get(f) for f in fields] if isinstance(p, dict) else None for p in parts], len(fields))

    poses, valid = poses_from_quaternions(column("heading", "wxyz"), column("position", "xyz"))
    if not valid.all():
        first = numbers[int(np.argmin(valid))]
        notes.append(
            f"{int((~valid).sum())} of {len(valid)} frames have no pose: {path.name}: pose {first} is no position "
            "x y z with a unit quaternion as heading w x y z; get the file again."
        )
    return FramePoses(poses, valid, f"{path.name}, one for each picture")


def _rows(path: Path, numbers: NDArray[np.int64], what: str) -> list[Any]:
    """The entries ``numbers`` of a JSON list with one entry per frame of the sequence."""
    try:
        values = json.loads(path.read_bytes())
    except OSError as error:
        raise LogError(f"{path}: cannot be read ({error.strerror}); unpack the sequence again") from error
    except (ValueError, RecursionError) as error:
        raise LogError(f"{path}: cut off or no JSON ({error}); get the file again") from error
    if not isinstance(values, list):
        raise LogError(f"{path}: expected a list of {what}, found a {type(values).__name__}")
    if numbers[-1] >= len(values):
        raise LogError(
            f"{path}: {len(values)} {what}, but the pictures go up to number {numbers[-1]}; get the file again"
        )
    return [values[n] for n in numbers]


def _intrinsics(path: Path, width: int, height: int, notes: list[str]) -> Intrinsics | None:
    try:
        values = read_json(path)
        camera = parse_intrinsics(values, width, height, str(path), opencv=True)
        # The file tells no size, so pictures that were made smaller show by a principal point far off the middle.
        if not (0.3 < camera.cx / width < 0.7 and 0.25 < camera.cy / height < 0.75):
            raise LogError(
                f"{path}: cx={values['cx']:g}, cy={values['cy']:g} is not near the middle of pictures of "
                f"{width}x{height}; give the intrinsics of pictures of this size"
            )
    except LogError as error:
        notes.append(f"The camera is not known: {error}.")
        return None
    return camera


def _sweeps(sequence: Path, numbers: NDArray[np.int64], poses: FramePoses) -> Sweeps | None:
    """Sweep NN belongs to picture NN: the sensor turns with the cameras' clock."""
    folder = sequence / "lidar"
    if not folder.is_dir():
        return None
    files: dict[int, Path] = {}
    for frame, number in enumerate(numbers.tolist()):
        for name in (f"{number:02d}.pkl.gz", f"{number:02d}.pkl"):
            if poses.valid[frame] and (folder / name).is_file():
                files[frame] = inside(sequence, f"lidar/{name}", "sweep")
                break
    return Sweeps(files, {frame: invert(poses.poses[frame]) for frame in files}, _read_sweep) if files else None


def _read_sweep(path: Path) -> NDArray[np.float32]:
    columns = read_pickled_columns(path)
    missing = [name for name in "xyz" if name not in columns]
    if missing:
        raise LogError(f"{path}: the sweep has no column {missing[0]!r}; get the file again")
    names = "xyzi" if "i" in columns else "xyz"
    return np.stack([columns[name] for name in names], axis=1).astype(np.float32)


READER = Reader(name=_FORMAT, title="PandaSet", matches=_matches, list=_list, open=_open)
