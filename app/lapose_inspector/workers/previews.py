"""Thumbnails and speed profiles of a data set's drives, read off the GUI thread for those in sight."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QObject, Signal, Slot

from lapose_core.drive import LogError
from lapose_core.logs.reader import LogOptions, Reader
from lapose_inspector.models.dataset import Preview, speed_profile
from lapose_inspector.workers.latest import LatestWorker, Stale
from lapose_inspector.workers.thumbnails import shrink

WIDTH = 128
"""Pixels, at the least, of a thumbnail's width: twice as many as are shown on a plain screen."""


class PreviewLoader(QObject):
    """Opens drives one after the other, for a moment each. What is wanted later replaces what is still waiting."""

    loaded = Signal(object, str, object)
    """Path of the data set, key of the drive, and Preview."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._worker = LatestWorker("previews", self)
        self._wanted: tuple[Path, tuple[str, ...]] | None = None
        self._found.connect(self._on_found)

    _found = Signal(object, str, object)

    def want(self, reader: Reader, path: Path, keys: Sequence[str]) -> None:
        """Look at these drives of ``path``, in this order, and at no others."""
        if self._wanted == (path, tuple(keys)):
            return
        self._wanted = (path, tuple(keys))
        wanted, found = tuple(keys), self._found

        def job(stale: Stale) -> object:
            for key in wanted:
                if stale():
                    break
                # One that was begun is told even when others are wanted by now: it has cost its time.
                found.emit(path, key, _look(reader, path, key))
            return None

        self._worker.submit(job)

    def cancel(self) -> None:
        """Look at nothing more."""
        self._wanted = None
        self._worker.cancel()

    def close(self) -> None:
        """End the thread; a drive that is being opened is not waited for."""
        self._worker.stop()

    @Slot(object, str, object)
    def _on_found(self, path: Path, key: str, preview: Preview) -> None:
        self.loaded.emit(path, key, preview)


def _look(reader: Reader, path: Path, key: str) -> Preview:
    try:
        drive = reader.open(path, key, LogOptions())
        source = drive.open_frames()
        try:
            picture = shrink(source.read(len(drive) // 3), WIDTH)
        finally:
            source.close()
        return Preview(picture, len(drive), drive.duration, speed_profile(drive))
    except (LogError, OSError, ValueError) as error:
        return Preview(problem=" ".join(str(error).split()))
    except Exception as error:  # a reader's bug must not end the thread
        return Preview(problem=f"{key}: {type(error).__name__}: {error}")
