"""KITTI odometry (Geiger et al., CVPR 2012): sequences/NN/{image_0..3, calib.txt, times.txt}, poses/."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lapose_core.drive import Drive, Intrinsics, LogError, fingerprint
from lapose_core.geometry import Array
from lapose_core.logs.images import ImageSource, common_size, has_images, list_images
from lapose_core.logs.reader import Listing, LogOptions, Reader
from lapose_core.logs.sidecars import inside, read_times
from lapose_core.trajectory_files import FramePoses, pose_format, poses_from, read_kitti_poses

_RATE = 10.0
_CAMERA_HEIGHT = 1.65  # metres over the road, by the data set's description of its car
Rows = NDArray[np.int64]
# Colour before grey, left before right.
_CAMERAS = ("image_2", "image_0", "image_3", "image_1")


def is_kitti_odometry(path: Path) -> bool:
    """Whether the folder is a dataset root, a sequence or an image folder of a sequence, by its layout."""
    if not path.is_dir():
        return False
    sequences = path / "sequences"
    return (
        _is_camera(path) or _is_sequence(path) or (sequences.is_dir() and any(map(_is_sequence, sequences.iterdir())))
    )


def list_sequences(path: Path) -> list[Listing]:
    """The sequences of a dataset's root in order, or the one that ``path`` is or is an image folder of.

    Raises:
        LogError: where there is no sequence with an image folder.
    """
    if _is_camera(path):
        return [_listing(path.parent, path.name)]
    if _is_sequence(path):
        return [_listing(path)]
    folder = path / "sequences"
    found = [_listing(p) for p in sorted(folder.iterdir()) if _is_sequence(p)] if folder.is_dir() else []
    if not found:
        raise LogError(f"{path}: no sequence with an image folder")
    return found


def open_kitti_odometry(path: Path, key: str, options: LogOptions) -> Drive:
    """The drive of sequence ``key`` of KITTI odometry, seen by one camera.

    ``path`` is the dataset's root, a sequence, or an image folder; without a choice of camera the left colour
    one is taken, else the left grey one. The poses in the file are of camera 0; those of camera k are shifted
    by the baseline in its projection matrix. Pictures are named by frame number, which picks the lines of
    times.txt and of the pose file, so part of a sequence may be present. Poses given in TUM format are taken
    as those of the chosen camera.

    Raises:
        LogError: where the layout is incomplete, or a file cannot be read.
    """
    sequence = _sequence(path, key)
    cameras = _cameras(sequence, path.name if _is_camera(path) else None)
    camera = options.camera or cameras[0]
    if camera not in cameras:
        raise LogError(f"{sequence}: there is no camera {camera!r}; choose one of {', '.join(cameras)}")
    files = list_images(sequence / camera)
    if not files:
        raise LogError(f"{sequence / camera}: no .png or .jpg pictures in this folder")
    width, height = common_size(files)
    rows = _frame_numbers(files)
    notes: list[str] = []
    provenance = {"frames": f"sequence {sequence.name}, {camera}"}

    if (sequence / "times.txt").is_file():
        times = _pick(read_times(sequence / "times.txt"), rows, sequence / "times.txt", "times", notes)
        provenance["timestamps"] = "times.txt"
    else:
        times = (rows - rows[0]) / _RATE
        provenance["timestamps"] = f"assumed {_RATE:g} Hz"
        notes.append(f"The sequence has no times.txt: {_RATE:g} frames per second are assumed.")

    projection = _projection(sequence / "calib.txt", int(camera[-1]))
    intrinsics, offset = None, np.zeros(3)
    if projection is not None:
        intrinsics, offset = _camera(projection, width, height, sequence / "calib.txt")
        provenance["intrinsics"] = f"calib.txt, P{camera[-1]}"
    else:
        notes.append(f"calib.txt has no P{camera[-1]}: the camera is not known.")

    found = _poses(sequence, options, rows, times, offset, notes)
    if found is not None:
        provenance["poses"] = found.provenance
        notes += found.notes
    matrices = None if found is None else found.poses
    return Drive(
        name=f"{sequence.name}/{camera}",
        path=sequence / camera,
        format="kitti-odometry",
        width=width,
        height=height,
        timestamps=times,
        open_frames=partial(ImageSource, files, (width, height)),
        poses=matrices,
        pose_valid=None if found is None else found.valid,
        intrinsics=intrinsics,
        camera_height=_CAMERA_HEIGHT,
        provenance=provenance,
        notes=tuple(notes),
        fingerprint=fingerprint(sequence / camera, "kitti-odometry", times, matrices),
    )


def _is_camera(path: Path) -> bool:
    return path.name in _CAMERAS and ((path.parent / "calib.txt").is_file() or path.parent.parent.name == "sequences")


def _is_sequence(path: Path) -> bool:
    return any((path / camera).is_dir() and _is_camera(path / camera) for camera in _CAMERAS)


def _sequence(path: Path, key: str) -> Path:
    """The folder of the sequence that `list_sequences` calls ``key``."""
    folder = path.parent if _is_camera(path) else path
    if _is_sequence(folder):
        return folder
    sequence = inside(path, f"sequences/{key}", "sequence")
    if not _is_sequence(sequence):
        raise LogError(f"{path}: sequences/{key}: there is no such sequence with an image folder")
    return sequence


def _cameras(sequence: Path, first: str | None = None) -> list[str]:
    """The cameras of a sequence, the default first; those without pictures last."""
    there = [camera for camera in _CAMERAS if (sequence / camera).is_dir()]
    return sorted(there, key=lambda c: (c != first, not has_images(sequence / c)))


def _listing(sequence: Path, first: str | None = None) -> Listing:
    cameras = _cameras(sequence, first)
    files = list_images(sequence / cameras[0])
    seconds = None
    if files:
        rows, times_file = _frame_numbers(files), sequence / "times.txt"
        try:
            times = (
                _pick(read_times(times_file), rows, times_file, "times", []) if times_file.is_file() else rows / _RATE
            )
            seconds = float(times[-1] - times[0])
        except LogError:  # told when the drive is opened
            pass
    name = sequence.resolve().name
    return Listing(name, name, cameras=tuple(cameras), frames=len(files), seconds=seconds)


def _frame_numbers(files: list[Path]) -> Rows:
    """Frame number of each picture; 0, 1, ... where names are not all distinct numbers."""
    if all(re.fullmatch(r"\d{1,9}", file.stem) for file in files):
        rows = np.array([int(file.stem) for file in files], dtype=np.int64)
        if (np.diff(rows) > 0).all():
            return rows
    return np.arange(len(files), dtype=np.int64)


def _pick(values: Array, rows: Rows, path: Path, what: str, notes: list[str]) -> Array:
    """The lines of a per-frame file that belong to the pictures."""
    if rows[-1] >= len(values):
        raise LogError(
            f"{path}: {len(values)} {what}, but the pictures go up to frame {rows[-1]}; give one line per frame"
        )
    if len(rows) < len(values):
        notes.append(f"{len(rows)} of the sequence's {len(values)} frames have a picture ({path.name}).")
    return values[rows]


def _poses(
    sequence: Path, options: LogOptions, rows: Rows, times: Array, offset: Array, notes: list[str]
) -> FramePoses | None:
    given = options.poses
    # A KITTI file has a line for each frame of the sequence, with or without a picture, and is of camera 0.
    if given is not None and (pose_format(given) != "kitti" or options.pose_frame != "camera"):
        return poses_from(options, times)
    beside = (sequence.parent.parent / "poses" / f"{sequence.name}.txt", sequence / "poses.txt")
    path = given or next((p for p in beside if p.is_file()), None)
    if path is None:
        return None
    found = read_kitti_poses(path)
    matrices, valid = _pick(found.poses, rows, path, "poses", notes), found.valid[rows]
    shift = np.eye(4)
    shift[:3, 3] = offset
    source = f"{path.parent.name}/{path.name}"
    if offset.any():
        source += f", moved {np.linalg.norm(offset):.3f} m from camera 0 to this camera"
    return FramePoses(np.where(valid[:, None, None], matrices @ shift, np.eye(4)), valid, source, found.notes)


def _projection(path: Path, camera: int) -> Array | None:
    """The 3 x 4 projection matrix ``P<camera>`` of calib.txt, or None where it has none."""
    if not path.is_file():
        return None
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
        name, _, values = line.partition(":")
        if name.strip() != f"P{camera}":
            continue
        try:
            matrix = np.array([float(v) for v in values.split()]).reshape(3, 4)
        except ValueError as error:
            raise LogError(f"{path}: line {number}: P{camera} is not 12 numbers") from error
        if not np.isfinite(matrix).all():
            raise LogError(f"{path}: line {number}: P{camera} holds a value that is not finite")
        return matrix
    return None


def _camera(projection: Array, width: int, height: int, path: Path) -> tuple[Intrinsics, Array]:
    """The camera and its centre [3] in the axes of camera 0, from P = K [I | t]: the centre is -t."""
    k = projection[:, :3]
    try:
        intrinsics = Intrinsics.opencv(k[0, 0], k[1, 1], k[0, 2], k[1, 2], width, height)
        return intrinsics, np.asarray(0.0 - np.linalg.solve(k, projection[:, 3]), dtype=np.float64)
    except (ValueError, np.linalg.LinAlgError) as error:
        raise LogError(f"{path}: the projection matrix is of no camera ({error})") from error


READER = Reader(
    name="kitti-odometry",
    title="KITTI odometry",
    matches=is_kitti_odometry,
    list=list_sequences,
    open=open_kitti_odometry,
)
