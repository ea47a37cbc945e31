"""Trajectories to compare with, read or computed in the background, and the comparison itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QObject, Signal, Slot

from lapose_core.drive import Drive, LogError
from lapose_inspector.beside import set_analysis
from lapose_inspector.beside.calls import run_politely
from lapose_inspector.beside.set_analysis import Analyst, SetDrives, Told, compare_set
from lapose_inspector.models.comparison import PoseFile
from lapose_inspector.workers.latest import LatestWorker, Stale

if TYPE_CHECKING:
    from lapose_core.evaluation.classical_reference import Name, ReferenceCamera
    from lapose_core.evaluation.comparison import Trajectory
    from lapose_core.evaluation.set_comparison import Marks, SetComparison
    from lapose_core.inference.result import DriveAnalysis

Work = Callable[[Stale, Told], "Trajectory | SetComparison | Marked | None"]


@dataclass(frozen=True)
class Marked:
    """Where the stretches of a training manifest lie, by drive fingerprint."""

    name: str
    marks: Marks


@dataclass(frozen=True)
class Problem:
    """Why there is no trajectory, in one line for the user."""

    message: str


class CompareWorker(QObject):
    """Two threads: a trajectory that takes minutes must not keep figures waiting. In each, latest wins."""

    progress = Signal(float)
    found = Signal(object)
    """A Trajectory, a SetComparison, Marked, or a Problem."""
    compared = Signal(object)
    """A Comparison."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._finder, self._judge = LatestWorker("trajectory", self), LatestWorker("comparison", self)
        self._finder.done.connect(self._on_found)
        self._finder.failed.connect(self._on_failed)
        self._judge.done.connect(self.compared)
        self._judge.failed.connect(self._on_failed)

    def find(self, work: Work) -> None:
        """Have a trajectory read or computed."""
        told = self.progress

        def job(stale: Stale) -> object:
            def tell(share: float) -> None:
                if not stale():
                    told.emit(share)

            try:
                return work(stale, tell)
            except (LogError, ValueError, ImportError, OSError) as error:
                return Problem(str(error))

        self._finder.submit(job)

    def compare(self, analysis: DriveAnalysis, other: Trajectory, drive: Drive) -> None:
        """Have the figures made; ``analysis`` is a snapshot that nobody changes."""

        def job(_: Stale) -> object:
            from lapose_core.evaluation.comparison import compare

            return compare(analysis, other, drive)

        self._judge.submit(job)

    def cancel(self) -> None:
        """Give up what is being found and compared."""
        self._finder.cancel()
        self._judge.cancel()

    def close(self) -> None:
        """End the threads."""
        self._finder.stop()
        self._judge.stop()

    @Slot(object)
    def _on_found(self, found: object) -> None:
        if found is not None:
            self.found.emit(found)

    @Slot(str)
    def _on_failed(self, reason: str) -> None:
        self.found.emit(Problem(reason))


def read_file(file: PoseFile, drive: Drive, samples: np.ndarray) -> Work:
    """Reads a pose file; ``samples`` are the analysed frames."""

    def work(_: Stale, tell: Told) -> Trajectory:
        from lapose_core.evaluation.classical_reference import imported_trajectory

        return imported_trajectory(
            file.path, drive, time_offset=file.time_offset, pose_frame=file.pose_frame, samples=samples
        )

    return work


def compute_reference(
    drive: Drive, frames: np.ndarray, name: Name, camera: ReferenceCamera, folder: Path, *, stored_only: bool = False
) -> Work:
    """Computes a classical reference, or takes the one that was kept in ``folder``: ``stored_only`` that or none."""

    def work(stale: Stale, tell: Told) -> Trajectory | None:
        from lapose_core.evaluation.classical_reference import TITLES, ReferenceCache
        from lapose_inspector.beside.reference import compute

        cache = ReferenceCache(folder)
        kept = cache.load(cache.path_of(drive, frames, name, camera))
        if kept is not None:
            return kept
        if stored_only:
            raise ValueError(f"The {TITLES[name]} of the last time is no longer stored: have it computed again")
        title = f"the {TITLES[name]}"
        return run_politely(title, compute, drive.bare(), frames, name, camera, folder, tell=tell, stale=stale)

    return work


def run_checkpoint(drive: Drive, analyst: Analyst, open_hash: str | None, wait: Callable[[], bool]) -> Work:
    """Takes another checkpoint's analysis of the drive, once ``wait`` says that nothing else goes first."""

    def work(stale: Stale, tell: Told) -> Trajectory | None:
        return run_politely(
            "the other checkpoint", set_analysis.run_checkpoint, drive.bare(), analyst, open_hash,
            tell=tell, stale=stale, wait=wait,
        )  # fmt: skip

    return work


def read_stored(folder: Path) -> Work:
    """Reads the stored result in a folder."""

    def work(_: Stale, tell: Told) -> Trajectory:
        from lapose_core.evaluation.comparison import trajectory_of_analysis
        from lapose_core.inference.store import read_result

        return trajectory_of_analysis(read_result(folder))

    return work


def run_set(drives: SetDrives, a: Analyst, b: Analyst, wait: Callable[[], bool]) -> Work:
    """Compares two checkpoints on every drive of a set, likewise."""

    def work(stale: Stale, tell: Told) -> SetComparison | None:
        return run_politely("the comparison", compare_set, drives, a, b, tell=tell, stale=stale, wait=wait)

    return work


def read_marks(path: Path) -> Work:
    """Reads where the stretches of a training manifest lie."""

    def work(_: Stale, tell: Told) -> Marked:
        from lapose_core.evaluation.set_comparison import manifest_marks
        from lapose_core.training.manifest import read_manifest

        marks = manifest_marks(read_manifest(path))
        if not marks:
            raise ValueError(f"{path}: no entry tells its drive's fingerprint, so that its clips cannot be found")
        return Marked(path.name.split(".")[0], marks)

    return work
