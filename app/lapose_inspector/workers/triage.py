"""Segments of the open drive, and of the set's other drives that have results, computed off the GUI thread."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal, Slot

from lapose_core.drive import Drive, LogError
from lapose_core.logs.reader import Listing, LogOptions
from lapose_inspector.beside.set_analysis import SetDrives
from lapose_inspector.models.triage import Row
from lapose_inspector.workers.latest import LatestWorker, Stale

if TYPE_CHECKING:
    from lapose_core.inference.result import DriveAnalysis


@dataclass(frozen=True)
class OpenDrive:
    """The open drive with its result; ``key`` names it in the set."""

    drive: Drive
    analysis: DriveAnalysis
    key: str | None


@dataclass(frozen=True)
class OtherDrives:
    """The listed drives of a set, and which stored results to look for."""

    drives: SetDrives
    checkpoint_hash: str
    rate: float
    image_size: tuple[int, int]
    """Of the model's input, (width, height): with the drive's camera it tells what the model saw."""


class TriageWorker(QObject):
    """Latest wins. ``done`` carries the rows, the ``Evaluation`` over them, or None without truth, and the keys of the
    set's drives that have no complete result."""

    done = Signal(object, object, object)
    failed = Signal(str)

    def __init__(self, results: Path, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._others = _Others(results)
        self._worker = LatestWorker("triage", self)
        self._worker.done.connect(self._on_done)
        self._worker.failed.connect(self.failed)

    def request(self, current: OpenDrive | None, others: OtherDrives | None) -> None:
        """Cut the open drive into segments; with ``others`` also those drives of the set that were analysed."""
        known = self._others

        def job(stale: Stale) -> object:
            from lapose_core.evaluation.segments import breakdown

            rows = [] if current is None else _rows(current.drive, current.analysis, current.key)
            missing: list[str] = []
            if others is not None:
                more, complete = known.rows(others, None if current is None else current.drive.fingerprint, stale)
                rows += more
                # The open drive's analysis is the window's own affair.
                complete |= set() if current is None or current.key is None else {current.key}
                missing = [listing.key for listing in others.drives.listings if listing.key not in complete]
            return rows, breakdown([row.segment for row in rows]), missing

        self._worker.submit(job)

    def cancel(self) -> None:
        self._worker.cancel()

    def close(self) -> None:
        self._worker.stop()

    @Slot(object)
    def _on_done(self, result: tuple[list[Row], object, list[str]]) -> None:
        self.done.emit(*result)


def _rows(drive: Drive, analysis: DriveAnalysis, key: str | None) -> list[Row]:
    from lapose_core.evaluation.segments import segment_drive

    pictures = None if analysis.checks is None else analysis.checks.pictures
    segments = segment_drive(analysis, drive.regimes, pictures, analysis.confidence)
    return [Row(drive, segment, key) for segment in segments]


class _Others:
    """Belongs to the worker's thread. A result that has not changed is not read again."""

    def __init__(self, results: Path) -> None:
        self._results = results
        self._kept: dict[Path, tuple[tuple[float, LogOptions | None], list[Row], bool]] = {}

    def rows(self, others: OtherDrives, current: str | None, stale: Stale) -> tuple[list[Row], set[str]]:
        """Rows of the stored results of drives of this set, but for the drive whose fingerprint is ``current``; and
        the keys of the drives that are analysed to the end."""
        from lapose_core.inference.store import RESULT, ResultStore

        out: list[Row] = []
        complete: set[str] = set()
        for stored in ResultStore(self._results).stored(others.checkpoint_hash, others.rate):
            if stale():
                break
            listing = _listing_of(others.drives, stored.drive_name, Path(stored.drive_path))
            if listing is None:
                continue
            state = (stored.folder / RESULT).stat().st_mtime, others.drives.options.get(listing.key)
            kept = self._kept.get(stored.folder)
            if kept is None or kept[0] != state:
                kept = self._kept[stored.folder] = (state, *_read(stored.folder, others, listing))
            out += [row for row in kept[1] if row.drive.fingerprint != current]
            if kept[2]:
                complete.add(listing.key)
        return out, complete


def _listing_of(drives: SetDrives, name: str, path: Path) -> Listing | None:
    if not path.absolute().is_relative_to(drives.path.absolute()):
        return None
    fitting = [e for e in drives.listings if name in (e.key, e.name) or e.name.endswith(f"/{name}")]
    return fitting[0] if len(fitting) == 1 else None


def _read(folder: Path, others: OtherDrives, listing: Listing) -> tuple[list[Row], bool]:
    """Rows of a stored result, and whether it is complete; none where the drive is no longer the one that was
    analysed."""
    from lapose_core.inference.preprocess import Preprocessor
    from lapose_core.inference.store import StoreError, read_result

    try:
        analysis = read_result(folder)
        drive = others.drives.open(listing)
        view = Preprocessor.for_drive(drive, others.image_size).view
    except (StoreError, LogError, OSError, ValueError):
        return [], False
    # What the model was told of the camera stands behind the view.
    same = drive.fingerprint == analysis.key.fingerprint and analysis.key.view.startswith(view)
    return (_rows(drive, analysis, listing.key), analysis.complete) if same else ([], False)
