"""Lidar sweeps laid along a path, thinned to one point per voxel, off the GUI thread and within a byte budget."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QObject, Signal, Slot

from lapose_core.drive import Drive, LogError
from lapose_core.geometry import Array
from lapose_core.point_clouds import SPACING, SWEEPS, Points, moved, thin, useful
from lapose_inspector.workers.latest import LatestWorker, Stale

BYTES = 96 * 1024 * 1024
"""Of thinned sweeps kept for laying them along another path; further ones are read again."""
POINTS = 200_000
"""In the map; where there would be more, voxels grow."""
VOXEL = 0.25
"""Metres: the map's voxels at first, and those of a sweep before it is laid."""
SHOWN_EVERY = 0.7
"""Seconds between two looks at a growing map."""


@dataclass(frozen=True)
class LidarMap:
    """Points [P, 3 or 4] of ``sweeps`` sweeps in the frame of reference of the path, with voxels of ``voxel`` metres.

    ``share`` of the path, 0 to 1, is done; ``problem`` is one line about the first sweep that could not be read.
    """

    points: Points
    sweeps: int
    voxel: float
    share: float
    problem: str = ""


class LidarMapper(QObject):
    """Builds the map of one path at a time; the newest wins."""

    grown = Signal(object)
    """LidarMap, now and then while it grows and when it is complete."""

    _part = Signal(int, object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._worker = LatestWorker("lidar", self)
        self._part.connect(self._on_part)
        self._generation = 0
        self._drive: Drive | None = None
        self._cache = SweepCache()

    def build(self, drive: Drive, frames: NDArray[np.int64], poses: Array) -> None:
        """Lay the sweeps of ``frames`` [N] at ``poses`` [N, 4, 4], camera to wherever the points shall be."""
        if drive is not self._drive:
            self._drive, self._cache = drive, SweepCache()
        self._generation += 1
        generation, cache, part = self._generation, self._cache, self._part

        def job(stale: Stale) -> object:
            for grown in lay(drive, frames, poses, cache, stale):
                part.emit(generation, grown)
            return None

        self._worker.submit(job)

    def cancel(self) -> None:
        """Build nothing."""
        self._generation += 1
        self._worker.cancel()

    def close(self) -> None:
        """End the thread."""
        self._worker.stop()

    @Slot(int, object)
    def _on_part(self, generation: int, grown: LidarMap) -> None:
        if generation == self._generation:
            self.grown.emit(grown)


class SweepCache:
    """Thinned sweeps by frame, up to ``limit`` bytes; a frame without a sweep has an empty one."""

    def __init__(self, limit: int = BYTES) -> None:
        self._limit, self.bytes = limit, 0
        self._sweeps: dict[int, Points] = {}

    def get(self, drive: Drive, frame: int) -> Points:
        """The sweep of a frame in its camera's axes.

        Raises:
            LogError: where it cannot be read.
        """
        kept = self._sweeps.get(frame)
        if kept is not None:
            return kept
        assert drive.point_cloud is not None
        points = drive.point_cloud(frame)
        points = np.zeros((0, 3), np.float32) if points is None else useful(points, VOXEL)
        if self.bytes + points.nbytes <= self._limit:
            self._sweeps[frame] = points
            self.bytes += points.nbytes
        return points


def lay(drive: Drive, frames: NDArray[np.int64], poses: Array, cache: SweepCache, stale: Stale):  # type: ignore[no-untyped-def]
    """Yields the growing map, last the complete one; ends early where it is stale."""
    merged, pending, waiting = np.zeros((0, 3), np.float32), [], 0
    voxel, sweeps, problem = VOXEL, 0, ""
    length = float(np.linalg.norm(np.diff(poses[:, :3, 3], axis=0), axis=1).sum())
    spacing = max(SPACING, length / SWEEPS)
    last: Array | None = None
    shown = time.monotonic()
    for at, (frame, pose) in enumerate(zip(frames.tolist(), poses, strict=True)):
        if stale():
            return
        if last is not None and np.linalg.norm(pose[:3, 3] - last) < spacing:
            continue
        try:
            points = cache.get(drive, frame)
        except (LogError, OSError, ValueError) as error:
            problem = problem or str(error)
            continue
        if not len(points):
            continue
        last = pose[:3, 3]
        sweeps += 1
        pending.append(moved(points, pose))
        waiting += len(points)
        due = time.monotonic() - shown > SHOWN_EVERY
        if due or waiting > 2 * POINTS:
            merged, voxel = _within(_joined([merged, *pending]), voxel)
            pending, waiting = [], 0
        if due:
            shown = time.monotonic()
            yield LidarMap(merged, sweeps, voxel, (at + 1) / len(frames), problem)
    merged, voxel = _within(_joined([merged, *pending]), voxel)
    yield LidarMap(merged, sweeps, voxel, 1.0, problem)


def _joined(parts: list[Points]) -> Points:
    """All points; with intensity where all parts have it."""
    some = [part for part in parts if len(part)] or parts[:1]
    columns = min(part.shape[1] for part in some)
    return np.concatenate([part[:, :columns] for part in some])


def _within(points: Points, voxel: float) -> tuple[Points, float]:
    """Points thinned by voxels as large as POINTS asks for, and their size in metres."""
    thinned = thin(points, voxel)
    while len(thinned) > POINTS:
        # Walls and roads are surfaces: their points fall with the square of the voxel.
        voxel *= max(1.1, float(np.sqrt(len(thinned) / POINTS)))
        thinned = thin(thinned, voxel)
    return thinned, voxel
