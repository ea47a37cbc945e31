"""Opening a log off the GUI thread: a long video is indexed while the window stays alive."""

from __future__ import annotations

import threading
import traceback
from dataclasses import dataclass
from pathlib import Path

from lapose_core.drive import Drive, LogError
from PySide6.QtCore import QObject, QThread, Signal, Slot


@dataclass(frozen=True)
class OpenRequest:
    """What to open, and where to put the cursor."""

    path: Path
    poses: Path | None = None
    frame: int = 0


class OpenWorker(QObject):
    """Opens logs one after the other; only the newest request is announced, on the GUI thread."""

    opened = Signal(object, object)
    """OpenRequest and Drive."""
    failed = Signal(object, str, str)
    """OpenRequest, one line for the user, and details."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._generation = 0
        self._thread = _OpenThread()
        self._thread.opened.connect(self._on_opened)
        self._thread.failed.connect(self._on_failed)
        self._thread.start()

    def open(self, request: OpenRequest) -> None:
        """Open ``request``; an earlier one that is still waiting is dropped."""
        self._generation += 1
        self._thread.request(self._generation, request)

    def close(self) -> None:
        """End the thread; a log being opened is finished first."""
        self._thread.stop()

    @Slot(int, object, object)
    def _on_opened(self, generation: int, request: OpenRequest, drive: Drive) -> None:
        if generation == self._generation:
            self.opened.emit(request, drive)

    @Slot(int, object, str, str)
    def _on_failed(self, generation: int, request: OpenRequest, message: str, details: str) -> None:
        if generation == self._generation:
            self.failed.emit(request, message, details)


class _OpenThread(QThread):
    opened = Signal(int, object, object)
    failed = Signal(int, object, str, str)

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("opening")
        self._condition = threading.Condition()
        self._request: tuple[int, OpenRequest] | None = None
        self._stopping = False

    def request(self, generation: int, request: OpenRequest) -> None:
        with self._condition:
            self._request = (generation, request)
            self._condition.notify()

    def stop(self) -> None:
        with self._condition:
            self._stopping = True
            self._condition.notify()
        self.wait()

    def run(self) -> None:
        while True:
            with self._condition:
                self._condition.wait_for(lambda: self._stopping or self._request is not None)
                if self._stopping:
                    return
                assert self._request is not None
                (generation, request), self._request = self._request, None
            try:
                from lapose_core.logs import open_log

                drive = open_log(request.path, poses=request.poses)
                self._check_first_frame(drive)
            except LogError as error:
                self.failed.emit(generation, request, str(error), traceback.format_exc())
            except Exception as error:  # a reader's bug must not end the thread
                message = f"{request.path}: {type(error).__name__}: {error}"
                self.failed.emit(generation, request, message, traceback.format_exc())
            else:
                self.opened.emit(generation, request, drive)

    @staticmethod
    def _check_first_frame(drive: Drive) -> None:
        # A log whose pictures are all unreadable should fail here, not as an empty window.
        source = drive.open_frames()
        try:
            source.read(0)
        finally:
            source.close()
