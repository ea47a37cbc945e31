"""Opening a log off the GUI thread: a long video is indexed while the window stays alive."""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QObject, Signal, Slot

from lapose_core.drive import Drive, LogError
from lapose_inspector.workers.latest import LatestWorker, Stale


@dataclass(frozen=True)
class OpenRequest:
    """What to open, and where to put the cursor."""

    path: Path
    poses: Path | None = None
    frame: int = 0


@dataclass(frozen=True)
class _Problem:
    message: str
    details: str


class OpenWorker(QObject):
    """Opens logs one after the other; only the newest request is announced, on the GUI thread."""

    opened = Signal(object, object)
    """OpenRequest and Drive."""
    failed = Signal(object, str, str)
    """OpenRequest, one line for the user, and details."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._worker = LatestWorker("opening", self)
        self._worker.done.connect(self._on_done)

    def open(self, request: OpenRequest) -> None:
        """Open ``request``; an earlier one is dropped."""

        def job(stale: Stale) -> object:
            return request, _open(request)

        self._worker.submit(job)

    def close(self) -> None:
        """End the thread. A long video that is being indexed is not waited for."""
        self._worker.stop()

    @Slot(object)
    def _on_done(self, result: tuple[OpenRequest, Drive | _Problem]) -> None:
        request, outcome = result
        if isinstance(outcome, _Problem):
            self.failed.emit(request, outcome.message, outcome.details)
        else:
            self.opened.emit(request, outcome)


def _open(request: OpenRequest) -> Drive | _Problem:
    try:
        from lapose_core.logs import open_log

        drive = open_log(request.path, poses=request.poses)
        _check_first_frame(drive)
    except LogError as error:
        return _Problem(str(error), traceback.format_exc())
    except Exception as error:  # a reader's bug is told like a broken log: the user needs to know which
        return _Problem(f"{request.path}: {type(error).__name__}: {error}", traceback.format_exc())
    return drive


def _check_first_frame(drive: Drive) -> None:
    # A log whose pictures are all unreadable should fail here, not as an empty window.
    source = drive.open_frames()
    try:
        source.read(0)
    finally:
        source.close()
