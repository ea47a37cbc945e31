"""Reading pose files, TUM and KITTI, and matching their poses to a drive's frames.

TUM: ``timestamp tx ty tz qx qy qz qw`` a line, seconds and camera-to-world, ``#`` begins a comment (Sturm
et al., IROS 2012). KITTI odometry: the 3 x 4 camera-to-world matrix row by row, one line per frame (Geiger
et al., CVPR 2012). Both in the OpenCV camera axes of `lapose_core.geometry`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from lapose_core.drive import LogError
from lapose_core.geometry import Array, as_poses, make_poses, matrix_from_quaternion
from lapose_core.logs.pose_sync import FramePoses, poses_at

_TUM_LINE = "'timestamp tx ty tz qx qy qz qw' (8 numbers)"
_KITTI_LINE = "the 3 x 4 matrix row by row (12 numbers)"
# Longer than this without a pose, a car's motion can no longer be interpolated linearly.
_GAP_SECONDS = 1.0


def read_tum(path: Path) -> tuple[Array, Array]:
    """Times [N] in seconds and camera-to-world poses [N, 4, 4] of a TUM file.

    Raises:
        LogError: naming the file and the line, where it is not such a file or its times do not increase.
    """
    lines, rows = _numbers(path, 8, _TUM_LINE)
    times = rows[:, 0]
    late = np.flatnonzero(np.diff(times) <= 0)
    if len(late):
        line = lines[late[0] + 1]
        raise LogError(
            f"{path}: line {line}: time {times[late[0] + 1]:.6f} does not come after the one before; "
            "sort the lines by time"
        )
    norm = np.linalg.norm(rows[:, 4:], axis=1)
    bad = np.flatnonzero(np.abs(norm - 1) > 0.01)
    if len(bad):
        raise LogError(
            f"{path}: line {lines[bad[0]]}: the quaternion has length {norm[bad[0]]:.3g}, not 1; "
            f"a TUM line is {_TUM_LINE}"
        )
    return times, make_poses(matrix_from_quaternion(rows[:, 4:]), rows[:, 1:4])


def read_kitti(path: Path) -> Array:
    """Camera-to-world poses [N, 4, 4] of a KITTI odometry pose file, one line per frame.

    Raises:
        LogError: naming the file and the line, where it is not such a file.
    """
    lines, rows = _numbers(path, 12, _KITTI_LINE)
    matrices = rows.reshape(-1, 3, 4)
    poses = make_poses(matrices[:, :, :3], matrices[:, :, 3])
    for line, pose in zip(lines, poses):
        try:
            as_poses(pose[None])
        except ValueError as error:
            raise LogError(
                f"{path}: line {line}: the first three columns of the matrix are no rotation; "
                f"a KITTI line is {_KITTI_LINE}"
            ) from error
    return poses


def pose_format(path: Path) -> str | None:
    """``tum`` or ``kitti`` by the number of columns of the first line, or None for a file without poses."""
    for _, fields in _lines(path):
        try:
            [float(field) for field in fields]
        except ValueError:
            return None
        return {8: "tum", 12: "kitti"}.get(len(fields))
    return None


def poses_for_frames(path: Path, timestamps: Array) -> FramePoses:
    """Poses of the frames at ``timestamps`` [N]: of a TUM file interpolated, of a KITTI file line by line.

    A frame outside the span of a TUM file, or inside a gap of it, has no valid pose.

    Raises:
        LogError: where the file cannot be read or does not fit the frames.
    """
    known = {".tum": "tum", ".kitti": "kitti"}.get(path.suffix.lower()) or pose_format(path)
    if known == "tum":
        return _interpolated(path, timestamps)
    if known == "kitti":
        poses = read_kitti(path)
        if len(poses) != len(timestamps):
            raise LogError(
                f"{path}: {len(poses)} poses for {len(timestamps)} frames; a KITTI pose file needs one line "
                "per frame (a TUM file, which has times, may differ)"
            )
        return FramePoses(poses, np.ones(len(poses), bool), f"{path.name} (KITTI, one line per frame)")
    line, fields = next(_lines(path), (1, [""]))
    raise LogError(
        f"{path}: line {line}: not a pose file; expected {_TUM_LINE} or {_KITTI_LINE}, "
        f"found {_found(fields)}{_hint(fields)}"
    )


def _interpolated(path: Path, timestamps: Array) -> FramePoses:
    times, poses = read_tum(path)
    limit = max(_GAP_SECONDS, 3 * float(np.median(np.diff(times)))) if len(times) > 1 else _GAP_SECONDS
    if timestamps[-1] < times[0] or timestamps[0] > times[-1]:
        if len(times) == len(timestamps):
            return FramePoses(
                poses,
                np.ones(len(poses), bool),
                f"{path.name} (TUM, line by line)",
                (f"The times in {path.name} are of another clock: its lines were matched in order.",),
            )
        raise LogError(
            f"{path}: its times run from {times[0]:.3f} to {times[-1]:.3f} s, the frames' from "
            f"{timestamps[0]:.3f} to {timestamps[-1]:.3f} s; put the poses on the frames' clock"
        )
    found = poses_at(timestamps, times, poses, max_gap=limit)
    return replace(found, provenance=f"{path.name} (TUM), {found.provenance}")


def _lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Line numbers from 1 and fields of the lines that hold data."""
    try:
        with path.open(encoding="utf-8-sig", errors="replace") as file:
            for number, text in enumerate(file, 1):
                fields = text.split("#", 1)[0].split()
                if fields:
                    yield number, fields
    except OSError as error:
        raise LogError(f"{path}: the pose file cannot be read ({error.strerror})") from error


def _numbers(path: Path, columns: int, expected: str) -> tuple[list[int], Array]:
    numbers: list[int] = []
    rows: list[list[float]] = []
    for number, fields in _lines(path):
        try:
            row = [float(field) for field in fields]
        except ValueError as error:
            raise LogError(
                f"{path}: line {number}: not all numbers ({_found(fields)}); expected {expected}{_hint(fields)}"
            ) from error
        if len(row) != columns:
            raise LogError(f"{path}: line {number}: {len(row)} numbers; expected {expected}")
        if not np.isfinite(row).all():
            raise LogError(f"{path}: line {number}: a value is not finite; leave out frames without a pose")
        numbers.append(number)
        rows.append(row)
    if not rows:
        raise LogError(f"{path}: the pose file holds no poses; expected lines of {expected}")
    return numbers, np.array(rows)


def _found(fields: list[str]) -> str:
    text = " ".join(fields)
    return f"'{text[:40]}...'" if len(text) > 40 else f"'{text}'"


def _hint(fields: list[str]) -> str:
    text = " ".join(fields)
    if any("," in field or ";" in field for field in fields):
        return "; separate the numbers by spaces instead of commas"
    if text.lower().startswith(("time", "stamp", "x ", "tx ", "frame")):
        return "; begin a header line with #"
    return ""
