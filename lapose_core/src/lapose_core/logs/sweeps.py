"""Files named by a number, frame or nanosecond; and lidar sweeps given to the frames they belong to."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lapose_core.drive import LogError
from lapose_core.geometry import Array, invert
from lapose_core.logs.pose_sync import FramePoses
from lapose_core.logs.sidecars import inside
from lapose_core.point_clouds import moved

Cloud = NDArray[np.float32]  # [P, 3], or [P, 4] with intensity


def numbered_files(root: Path, folder: Path, suffixes: Sequence[str]) -> tuple[NDArray[np.int64], list[Path]]:
    """The files in ``folder`` whose whole name before a suffix is a number, and these numbers [N], increasing.

    Other files are left alone, and so is the folder where it is not there.

    Raises:
        LogError: where the folder cannot be read, or it or a file is a link that leads out of ``root``.
    """
    found: dict[int, Path] = {}
    try:
        inside(root, str(folder.relative_to(root)), "folder")
        with os.scandir(folder) as entries:
            for entry in entries:
                number = _number(entry.name, suffixes)
                if number is None:
                    continue
                path = folder / entry.name
                if entry.is_symlink():
                    inside(root, str(path.relative_to(root)), "file")
                    if not path.is_file():
                        continue
                elif not entry.is_file():
                    continue
                found[number] = path
    except FileNotFoundError:
        pass
    except OSError as error:
        raise LogError(f"{folder}: the folder cannot be read ({error.strerror})") from error
    numbers = sorted(found)
    return np.array(numbers, dtype=np.int64), [found[n] for n in numbers]


def numbers_in(folder: Path, suffixes: Sequence[str]) -> NDArray[np.int64]:
    """The numbers of `numbered_files`, increasing, by the names alone: for listing many folders.

    Raises:
        OSError: where the folder cannot be read.
    """
    found = {n for name in os.listdir(folder) if (n := _number(name, suffixes)) is not None}
    return np.array(sorted(found), dtype=np.int64)


def _number(name: str, suffixes: Sequence[str]) -> int | None:
    stem, suffix = os.path.splitext(name)
    # Nineteen digits may be more than 64 bits hold.
    known = suffix.lower() in suffixes and stem.isdigit() and stem.isascii() and len(stem) < 19
    return int(stem) if known else None


@dataclass(frozen=True)
class Sweeps:
    """``Drive.point_cloud`` of lidar sweeps in files.

    Attributes:
        files: frame -> file of its sweep.
        transforms: frame -> [4, 4] from the axes of the file's points to those of the camera at the frame's time.
        read: a file -> points [P, 3] float32, or [P, 4] with intensity; raises LogError where it cannot.
    """

    files: Mapping[int, Path]
    transforms: Mapping[int, Array]
    read: Callable[[Path], Cloud]

    def __call__(self, frame: int) -> Cloud | None:
        """Points [P, 3 or 4] float32 in the camera's axes, None for a frame without a sweep."""
        if frame not in self.files:
            return None
        points = self.read(self.files[frame])
        points = points[np.isfinite(points[:, :3]).all(axis=1)]
        return moved(points, self.transforms[frame].astype(np.float32))


def place_sweeps(
    times: Array,  # [N]
    cameras: FramePoses | None,
    sweep_times: Array,  # [S]
    files: Sequence[Path],
    sensors: FramePoses | None,
    camera_from_sensor: Array,  # [4, 4]
    read: Callable[[Path], Cloud],
) -> Sweeps | None:
    """Sweeps given to the frames nearest in time, moved to the camera at the time of the frame.

    Where a frame or its sweep has no pose, the vehicle is taken to stand still between them. None without sweeps.

    Args:
        times: of the frames, seconds.
        cameras: poses of the camera at ``times``, or None.
        sweep_times: of the sweeps, seconds on the same clock, increasing.
        files: of the sweeps.
        sensors: poses of the axes of the sweeps' points at ``sweep_times``, in the world of ``cameras``, or None.
        camera_from_sensor: the same axes to the camera's, at one moment.
        read: as in `Sweeps`.
    """
    chosen = nearest_once(times, sweep_times)
    transforms: dict[int, Array] = {}
    for frame, sweep in chosen.items():
        known = cameras is not None and sensors is not None and cameras.valid[frame] and sensors.valid[sweep]
        if known and cameras is not None and sensors is not None:
            transforms[frame] = invert(cameras.poses[frame]) @ sensors.poses[sweep]
        else:
            transforms[frame] = camera_from_sensor
    return Sweeps({f: files[s] for f, s in chosen.items()}, transforms, read) if chosen else None


def nearest_once(times: Array, others: Array, limit: float | None = None) -> dict[int, int]:
    """Frame -> the sweep that belongs to it, by times [N] of frames and [S] of sweeps, both increasing.

    A sweep belongs to the frame nearest in time, at most ``limit`` seconds away, by default a typical step; of several
    the nearest stays.
    """
    if not len(times) or not len(others):
        return {}
    steps = [float(np.median(np.diff(t))) for t in (times, others) if len(t) > 1]
    limit = max(steps, default=0.1) if limit is None else limit
    after = np.clip(np.searchsorted(times, others), 0, len(times) - 1)
    before = np.maximum(after - 1, 0)
    nearest = np.where(others - times[before] <= times[after] - others, before, after)
    distance = np.abs(times[nearest] - others)
    chosen: dict[int, int] = {}
    for sweep in np.argsort(distance, kind="stable"):
        if distance[sweep] <= limit:
            chosen.setdefault(int(nearest[sweep]), int(sweep))
    return dict(sorted(chosen.items()))
