"""Writes exports off the GUI thread, one at a time."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from PySide6.QtCore import QObject, Signal, Slot

from lapose_core.drive import LogError
from lapose_core.export.files import Cancelled, Progress
from lapose_inspector.workers.latest import LatestWorker, Stale

_TOLD_EVERY = 0.05
"""Seconds between two reports of progress."""


@dataclass(frozen=True)
class ExportResult:
    """The files written, what they hold in a few words, and what it took; or ``problem``, one line, with its
    details."""

    files: tuple[Path, ...] = ()
    what: str = ""
    seconds: float = 0.0
    problem: str = ""
    details: str = ""


class ExportWorker(QObject):
    """A new export waits for none: give up the one before it first."""

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

    def write(self, export: Callable[[Progress], ExportResult]) -> None:
        """Run one export, which tells its progress, and is given up by what that raises."""
        told = self.progress

        def job(stale: Stale) -> object:
            return _write(export, stale, told.emit)

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


def _write(export: Callable[[Progress], ExportResult], stale: Stale, tell: Progress) -> ExportResult:
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
        result = export(progress)
    except Cancelled:
        return ExportResult(problem="given up")
    except (ValueError, OSError, LogError, ImportError) as error:
        return ExportResult(problem=_words(error), details=traceback.format_exc())
    return replace(result, seconds=time.monotonic() - began)


def _words(error: Exception) -> str:
    """One line about it; of the system's errors the file and the reason, without their number."""
    if isinstance(error, OSError) and error.strerror and error.filename:
        return f"{error.filename}: {error.strerror}"
    return str(error)
