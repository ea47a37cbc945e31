"""A second result for the latent map: another drive of the same model, or another model on the same drive."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from lapose_inspector.models.map_data import MapSource, model_name
from lapose_inspector.models.series import result_series
from lapose_inspector.workers.latest import LatestWorker, Stale

if TYPE_CHECKING:
    from lapose_core.inference.library import StoredResult
    from lapose_core.inference.result import DriveAnalysis


class MapComparison(QObject):
    """``ready`` carries a MapSource in the space of the open drive's latents; ``failed`` why there is none."""

    ready = Signal(object)
    failed = Signal(str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._worker = LatestWorker("map comparison", self)
        self._worker.done.connect(self.ready)
        self._worker.failed.connect(self.failed)

    def request(self, result: StoredResult, analysis: DriveAnalysis) -> None:
        """Read a stored result and lay it on the open drive's, which nobody changes any more."""

        def job(stale: Stale) -> object:
            from lapose_core.inference.store import read_result

            return compared_source(read_result(result.folder), analysis)

        self._worker.submit(job)

    def cancel(self) -> None:
        """Drop what is being read."""
        self._worker.cancel()

    def stop(self) -> None:
        """End the thread."""
        self._worker.stop()


def comparable(folder: Path, analysis: DriveAnalysis) -> list[StoredResult]:
    """Stored results that can lie on one map with the open drive's: of the same model, or of the same drive."""
    from lapose_core.inference.library import stored_results

    key = analysis.key
    return [
        result
        for result in stored_results(folder)
        if result.key != key
        and (
            result.key.checkpoint_hash == key.checkpoint_hash
            or (result.key.fingerprint == key.fingerprint and result.key.rate == key.rate)
        )
    ]


def compared_source(other: DriveAnalysis, analysis: DriveAnalysis) -> MapSource:
    """A result as the map's second source.

    Raises:
        ValueError: where the two share neither model nor drive, or too few transitions to lay one on the other.
    """
    series = result_series(other)
    if other.checkpoint_hash == analysis.checkpoint_hash:
        return MapSource.of(other, series, f"{other.drive_name} at {other.rate:g} Hz")
    if other.fingerprint != analysis.fingerprint or other.rate != analysis.rate:
        raise ValueError(
            "the two results share neither the model nor the drive and rate: nothing relates their latents"
        )
    from lapose_core.inference.latent_alignment import align_latents

    aligned = align_latents(other.latents, analysis.latents)
    source = MapSource.of(other, series, model_name(other))
    note = f"laid on by Procrustes over {aligned.shared:,} transitions, R² {aligned.r2:.2f}"
    return replace(source, latents=aligned.latents, note=note)
