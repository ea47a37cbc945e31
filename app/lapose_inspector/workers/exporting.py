"""Writes exports off the GUI thread, one at a time."""

from __future__ import annotations

import time
import traceback
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QObject, Signal, Slot

from lapose_core.drive import LogError
from lapose_core.export.files import Cancelled
from lapose_inspector.models.export import ExportRequest, Source
from lapose_inspector.workers.latest import LatestWorker, Stale

_TOLD_EVERY = 0.05
"""Seconds between two reports of progress."""


@dataclass(frozen=True)
class ExportResult:
    """The files written, how many samples, and what it took; or ``problem``, one line, with its details."""

    files: tuple[Path, ...] = ()
    samples: int = 0
    seconds: float = 0.0
    problem: str = ""
    details: str = ""


class ExportWorker(QObject):
    """A new request waits for none: give up the one before it first."""

    progress = Signal(float)
    """The share that is done, 0 to 1."""
    finished = Signal(object)
    """ExportResult of an export that was not given up."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._worker = LatestWorker("export", self)
        self._worker.done.connect(self._on_done)
        self._busy = False

    @property
    def busy(self) -> bool:
        """Whether an export is being written."""
        return self._busy

    def write(self, source: Source, request: ExportRequest) -> None:
        """Write one export."""
        told = self.progress

        def job(stale: Stale) -> object:
            return _write(source, request, stale, told.emit)

        self._busy = True
        self._worker.submit(job)

    def cancel(self) -> None:
        """Give up; what was at the destination stays."""
        self._busy = False
        self._worker.cancel()

    def close(self) -> None:
        """End the thread."""
        self._busy = False
        self._worker.stop()

    @Slot(object)
    def _on_done(self, result: object) -> None:
        self._busy = False
        self.finished.emit(result)


def _write(source: Source, request: ExportRequest, stale: Stale, tell) -> ExportResult:  # type: ignore[no-untyped-def]
    from lapose_core.export.formats import write_export

    began = last = time.monotonic()

    def progress(share: float) -> None:
        nonlocal last
        if stale():
            raise Cancelled
        now = time.monotonic()
        if now - last > _TOLD_EVERY:
            last = now
            tell(share)

    try:
        bundle = source.bundle(request)
        files = write_export(bundle, request.form, request.path, request.options, progress)
    except Cancelled:
        return ExportResult(problem="given up")
    except (ValueError, OSError, LogError, ImportError) as error:
        return ExportResult(problem=str(error), details=traceback.format_exc())
    return ExportResult(tuple(files), len(bundle), time.monotonic() - began)
