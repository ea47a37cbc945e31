"""Reading pose files, TUM, KITTI and CSV, and matching their poses to a drive's frames.

TUM: ``timestamp tx ty tz qx qy qz qw`` a line, seconds and camera-to-world, ``#`` begins a comment (Sturm
et al., IROS 2012). KITTI odometry: the 3 x 4 camera-to-world matrix row by row, one line per frame (Geiger
et al., CVPR 2012). CSV: see `csv_poses`. In the OpenCV camera axes of `lapose_core.geometry`, unless the
options say that they are of a vehicle.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lapose_core import csv_poses
from lapose_core.drive import LogError
from lapose_core.geometry import Array, as_poses, make_poses, matrix_from_quaternion
from lapose_core.logs.pose_sync import FramePoses, poses_at
from lapose_core.logs.reader import LogOptions, PoseFrame

_TUM_LINE = "'timestamp tx ty tz qx qy qz qw' (8 numbers)"
_KITTI_LINE = "the 3 x 4 matrix row by row (12 numbers)"
# The camera's x (right), y (down) and z (forward) as columns in the vehicle's axes.
_CAMERA_AXES = {
    "flu": np.array([[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]]),
    "frd": np.array([[0.0, 0, 1], [1, 0, 0], [0, 1, 0]]),
}
# Longer than this without a pose, a car's motion can no longer be interpolated linearly.
_GAP_SECONDS = 1.0
_CLOCKS = {"milliseconds": 1e3, "microseconds": 1e6, "nanoseconds": 1e9}


@dataclass(frozen=True)
class _PoseLines:
    """The lines of a file: times [N] or None, poses [N, 4, 4], and what is wrong with those that are none by row."""

    path: Path
    numbers: list[int]
    times: Array | None
    poses: Array
    problems: dict[int, str]

    def whole(self) -> Array:
        """The poses [N, 4, 4]. Raises LogError naming the first line that is none."""
        for row, problem in self.problems.items():
            raise LogError(f"{self.path}: line {self.numbers[row]}: {problem}")
        return self.poses

    def usable(self) -> tuple[NDArray[np.bool_], tuple[str, ...]]:
        """Which lines [N] are poses, and a note on the others. Raises LogError where those are most."""
        if 2 * len(self.problems) > len(self.poses):
            self.whole()
        valid = np.ones(len(self.poses), bool)
        valid[list(self.problems)] = False
        for row, problem in self.problems.items():
            some = f"{len(self.problems)} of {len(self.poses)} poses"
            return valid, (f"{some} in {self.path.name} are left out: line {self.numbers[row]}: {problem}.",)
        return valid, ()


def read_tum(path: Path) -> tuple[Array, Array]:
    """Times [N] in seconds and camera-to-world poses [N, 4, 4] of a TUM file.

    Raises:
        LogError: naming the file and the line, where it is not such a file or its times do not increase.
    """
    lines = _tum_lines(path)
    assert lines.times is not None
    return lines.times, lines.whole()


def _tum_lines(path: Path) -> _PoseLines:
    numbers, rows = _numbers(path, 8, _TUM_LINE)
    times, norm = rows[:, 0], np.linalg.norm(rows[:, 4:], axis=1)
    late = np.flatnonzero(~np.isfinite(times) | (np.diff(times, prepend=-np.inf) <= 0))
    if len(late):
        raise LogError(
            f"{path}: line {numbers[late[0]]}: time {times[late[0]]:.6f} does not come after the one before; "
            "sort the lines by time"
        )
    problems = _not_finite(rows)
    for row in np.flatnonzero(np.abs(norm - 1) > 0.01).tolist():
        problems[row] = f"the quaternion has length {norm[row]:.3g}, not 1; a TUM line is {_TUM_LINE}"
    rows[list(problems), 1:] = (0, 0, 0, 0, 0, 0, 1)
    return _PoseLines(path, numbers, times, make_poses(matrix_from_quaternion(rows[:, 4:]), rows[:, 1:4]), problems)


def read_kitti(path: Path) -> Array:
    """Camera-to-world poses [N, 4, 4] of a KITTI odometry pose file, one line per frame.

    Raises:
        LogError: naming the file and the line, where it is not such a file.
    """
    return _kitti_lines(path).whole()


def read_kitti_poses(path: Path) -> FramePoses:
    """The same, line by line: a line that is no pose, as NaN for a frame without one, is left out with a note.

    Raises:
        LogError: naming the file and the line, where it is not such a file or most lines are no poses.
    """
    lines = _kitti_lines(path)
    valid, notes = lines.usable()
    return FramePoses(lines.poses, valid, f"{path.name} (KITTI, one line per frame)", notes)


def _kitti_lines(path: Path) -> _PoseLines:
    numbers, rows = _numbers(path, 12, _KITTI_LINE)
    problems = _not_finite(rows)
    rows[list(problems)] = np.eye(4)[:3].ravel()
    matrices = rows.reshape(-1, 3, 4)
    poses = make_poses(matrices[:, :, :3], matrices[:, :, 3])
    for row, pose in enumerate(poses):
        try:
            as_poses(pose[None])
        except ValueError:
            problems[row] = f"the first three columns of the matrix are no rotation; a KITTI line is {_KITTI_LINE}"
            poses[row] = np.eye(4)
    return _PoseLines(path, numbers, None, poses, dict(sorted(problems.items())))


def _not_finite(rows: Array) -> dict[int, str]:
    bad = np.flatnonzero(~np.isfinite(rows).all(axis=1)).tolist()
    return dict.fromkeys(bad, "a value is not finite; leave out frames without a pose")


def pose_format(path: Path) -> str | None:
    """``tum`` or ``kitti`` by the number of columns of the first line, ``csv`` for a table of poses, else None."""
    if path.suffix.lower() == ".csv" or csv_poses.is_table(path):
        return "csv" if csv_poses.holds_poses(path) else None
    for _, fields in _lines(path):
        try:
            [float(field) for field in fields]
        except ValueError:
            return None
        return {8: "tum", 12: "kitti"}.get(len(fields))
    return None


def poses_from(options: LogOptions, timestamps: Array, beside: Path | None = None) -> FramePoses | None:
    """Poses of the frames at ``timestamps`` [N] from the file that the options name, else from ``beside``.

    Raises:
        LogError: where the file cannot be read or does not fit the frames.
    """
    path = options.poses or beside
    if path is None:
        return None
    return poses_for_frames(path, timestamps, time_offset=options.time_offset, pose_frame=options.pose_frame)


def poses_for_frames(
    path: Path, timestamps: Array, *, time_offset: float = 0.0, pose_frame: PoseFrame = "camera"
) -> FramePoses:
    """Camera poses of the frames at ``timestamps`` [N].

    Poses with times (TUM, and CSV with a column of times) are interpolated, others are taken line by line. A
    frame outside the span of the times, or inside a gap, has no valid pose.

    Args:
        path: a TUM, KITTI or CSV file.
        timestamps: [N] seconds.
        time_offset: seconds added to the file's times.
        pose_frame: whose axes the poses of the file have. Those of a vehicle are turned to a camera at the
            vehicle's origin that looks straight ahead.

    Raises:
        LogError: where the file cannot be read or does not fit the frames.
    """
    known = {".tum": "tum", ".kitti": "kitti", ".csv": "csv"}.get(path.suffix.lower()) or pose_format(path)
    if known is not None:
        found = _read(known, path, timestamps, time_offset)
        return found if pose_frame == "camera" else _to_camera(found, pose_frame)
    line, fields = next(_lines(path), (1, [""]))
    raise LogError(
        f"{path}: line {line}: not a pose file; expected {_TUM_LINE} or {_KITTI_LINE}, "
        f"found {_found(fields)}{_hint(fields)}"
    )


def _read(known: str, path: Path, timestamps: Array, time_offset: float) -> FramePoses:
    if known == "tum":
        lines = _tum_lines(path)
        assert lines.times is not None
        valid, notes = lines.usable()
        found = _interpolated(path, "TUM", lines.times[valid] + time_offset, lines.poses[valid], timestamps)
        return replace(found, notes=(*notes, *found.notes))
    if known == "csv":
        table = csv_poses.read_csv(path)
        words = f"CSV, {table.mapping}"
        if table.times is not None:
            found = _interpolated(path, words, table.times + time_offset, table.poses, timestamps)
        else:
            found = _line_by_line(path, words, table.poses, timestamps)
        return replace(found, notes=(*table.notes, *found.notes))
    found = read_kitti_poses(path)
    _require_a_line_each(path, len(found.poses), timestamps)
    return found


def _require_a_line_each(path: Path, count: int, timestamps: Array) -> None:
    if count != len(timestamps):
        raise LogError(
            f"{path}: {count} poses for {len(timestamps)} frames; a pose file without times needs one line "
            "per frame (a TUM file, which has times, may differ)"
        )


def _line_by_line(path: Path, words: str, poses: Array, timestamps: Array) -> FramePoses:
    _require_a_line_each(path, len(poses), timestamps)
    return FramePoses(poses, np.ones(len(poses), bool), f"{path.name} ({words}, one line per frame)")


def _to_camera(found: FramePoses, pose_frame: PoseFrame) -> FramePoses:
    """A vehicle's poses as those of a camera at its origin that looks along its x axis."""
    turn = np.eye(4)
    turn[:3, :3] = _CAMERA_AXES[pose_frame]
    poses = np.where(found.valid[:, None, None], found.poses @ turn, np.eye(4))
    return replace(
        found,
        poses=poses,
        provenance=f"{found.provenance}; vehicle axes {pose_frame.upper()} turned to the camera's",
        notes=(
            *found.notes,
            "The poses are of the vehicle: the camera is taken to look straight ahead from the vehicle's origin.",
        ),
    )


def _interpolated(path: Path, words: str, times: Array, poses: Array, timestamps: Array) -> FramePoses:
    limit = max(_GAP_SECONDS, 3 * float(np.median(np.diff(times)))) if len(times) > 1 else _GAP_SECONDS
    apart = bool(timestamps[-1] < times[0] or timestamps[0] > times[-1])
    if not apart or len(times) != len(timestamps):
        _require_seconds(path, times, timestamps)
    if apart:
        if len(times) == len(timestamps):
            return FramePoses(
                poses,
                np.ones(len(poses), bool),
                f"{path.name} ({words}, line by line)",
                (f"The times in {path.name} are of another clock: its lines were matched in order.",),
            )
        raise LogError(
            f"{path}: its times run from {times[0]:.3f} to {times[-1]:.3f} s, the frames' from "
            f"{timestamps[0]:.3f} to {timestamps[-1]:.3f} s; put the poses on the frames' clock by a time "
            f"offset (--time-offset {timestamps[0] - times[0]:.3f} would make them begin together)"
        )
    found = poses_at(timestamps, times, poses, max_gap=limit)
    return replace(found, provenance=f"{path.name} ({words}), {found.provenance}")


def _require_seconds(path: Path, times: Array, timestamps: Array) -> None:
    """Refuse times that are of another unit: their steps and their span both say so."""
    if len(times) < 2 or len(timestamps) < 2:
        return
    for unit, factor in _CLOCKS.items():
        span = np.ptp(times) / np.ptp(timestamps) / factor
        step = np.median(np.diff(times)) / np.median(np.diff(timestamps)) / factor
        if 0.5 < span < 2 and 0.05 < step < 20:
            raise LogError(
                f"{path}: its times run over {np.ptp(times):.6g}, the frames' over {np.ptp(timestamps):.6g} s: they "
                f"seem to be {unit}; divide them by {factor:,.0f}"
            )


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
