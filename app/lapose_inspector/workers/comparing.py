"""Trajectories to compare with, read or computed in the background, and the comparison itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QObject, Signal, Slot

from lapose_core.drive import Drive, LogError
from lapose_inspector.workers.latest import LatestWorker, Stale

if TYPE_CHECKING:
    from lapose_core.evaluation.classical_reference import Name, ReferenceCamera
    from lapose_core.evaluation.comparison import Trajectory
    from lapose_core.inference.result import DriveAnalysis

Told = Callable[[float], None]
Work = Callable[[Stale, Told], "Trajectory | None"]


@dataclass(frozen=True)
class Problem:
    """Why there is no trajectory, in one line for the user."""

    message: str


class CompareWorker(QObject):
    """Two threads: a trajectory that takes minutes must not keep figures waiting. In each, latest wins."""

    progress = Signal(float)
    found = Signal(object)
    """A Trajectory, or a Problem."""
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


def read_file(path: Path, drive: Drive) -> Work:
    """Reads a pose file."""

    def work(_: Stale, tell: Told) -> Trajectory:
        from lapose_core.evaluation.classical_reference import imported_trajectory

        return imported_trajectory(path, drive)

    return work


def compute_reference(drive: Drive, frames: np.ndarray, name: Name, camera: ReferenceCamera, folder: Path) -> Work:
    """Computes a classical reference, or takes the one that was kept in ``folder``."""

    def work(stale: Stale, tell: Told) -> Trajectory | None:
        from lapose_core.evaluation.classical_reference import ReferenceCache, ReferenceCancelled, classical_reference

        cache = ReferenceCache(folder)
        path = cache.path_of(drive, frames, name, camera)
        kept = cache.load(path)
        if kept is not None:
            return kept
        try:
            made = classical_reference(drive, frames, name, camera, progress=tell, cancelled=stale)
        except ReferenceCancelled:
            return None
        cache.save(path, made)
        return made

    return work


def run_checkpoint(drive: Drive, rate: float, checkpoint: Path, open_hash: str | None, folder: Path) -> Work:
    """Analyses the drive with another checkpoint, going on from what is stored in ``folder``."""

    def work(stale: Stale, tell: Told) -> Trajectory | None:
        from lapose_core.evaluation.comparison import trajectory_of_analysis
        from lapose_core.inference.analysis import DriveAnalyzer
        from lapose_core.inference.store import ResultStore
        from lapose_core.training.checkpoints import checkpoint_hash, load_checkpoint

        digest = checkpoint_hash(checkpoint)
        if digest == open_hash:
            raise ValueError(f"{checkpoint.name} is the checkpoint that is open already: choose another")
        model, store = load_checkpoint(checkpoint), ResultStore(folder)
        stored = store.load(DriveAnalyzer.key(model, drive, rate, digest), drive.even_indices(rate))
        analyzer = DriveAnalyzer(
            model, drive, rate, checkpoint_hash=digest, checkpoint_name=checkpoint.name, analysis=stored
        )
        steps = analyzer.steps()
        try:
            for _ in steps:
                if stale():
                    break
                tell(analyzer.analysis.progress)
        finally:
            steps.close()
            store.save(analyzer.analysis)
        if stale():
            return None
        if not analyzer.analysis.done.any():
            raise ValueError(f"{checkpoint.name} could not analyse any part of {drive.name}")
        return trajectory_of_analysis(analyzer.analysis)

    return work
