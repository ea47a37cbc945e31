"""Small pictures of single frames of several drives, read off the GUI thread for the rows in sight."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence

from PySide6.QtCore import QObject, Signal, Slot

from lapose_core.drive import Drive, Image, LogError
from lapose_inspector.workers.latest import LatestWorker, Stale
from lapose_inspector.workers.open_sources import OpenSources
from lapose_inspector.workers.thumbnails import shrink

KEPT = 600
"""Pictures kept: of 128 x 72 pixels, 17 MB."""
WIDTH = 128


class SegmentPictures(QObject):
    """What is wanted later replaces what is still waiting; a picture once read is kept."""

    loaded = Signal()
    """A picture came."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        # By the drive's id, and with the drive, so that the id stays its own: two cameras of one log may share a
        # fingerprint, and no picture may ever be another's.
        self._kept: OrderedDict[tuple[int, int], tuple[Drive, Image | None]] = OrderedDict()
        self._sources = OpenSources()
        self._worker = LatestWorker("segment pictures", self, rest=self._sources.close)
        self._found.connect(self._on_found)

    _found = Signal(object, int, object)

    @property
    def nbytes(self) -> int:
        """What the pictures take, and about what the open log does."""
        kept = sum(image.nbytes for _, image in self._kept.values() if image is not None)
        return kept + self._sources.nbytes

    def get(self, drive: Drive, frame: int) -> Image | None:
        """The picture where it was read, else None."""
        return self._kept.get((id(drive), frame), (drive, None))[1]

    def has(self, drive: Drive, frame: int) -> bool:
        """Whether the frame was read, or found to be unreadable."""
        return (id(drive), frame) in self._kept

    def keep(self, drives: Iterable[Drive]) -> None:
        """Forget the pictures of all other drives, and so those drives."""
        known = {id(drive) for drive in drives}
        for key in [key for key in self._kept if key[0] not in known]:
            del self._kept[key]

    def want(self, frames: Sequence[tuple[Drive, int]]) -> None:
        """Read these frames, in this order, and no others."""
        missing = [(drive, frame) for drive, frame in frames if not self.has(drive, frame)]
        if not missing:
            return
        sources, found = self._sources, self._found

        def job(stale: Stale) -> object:
            # Drive by drive and forward, as decoders like it best.
            for drive, frame in sorted(missing, key=lambda pair: (id(pair[0]), pair[1])):
                if stale():
                    break
                found.emit(drive, frame, _read(sources, drive, frame))
            return None

        self._worker.submit(job)

    def close(self) -> None:
        """End the thread."""
        if self._worker.stop():
            self._sources.close()

    @Slot(object, int, object)
    def _on_found(self, drive: Drive, frame: int, picture: Image | None) -> None:
        self._kept[id(drive), frame] = (drive, picture)
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        self.loaded.emit()


def _read(sources: OpenSources, drive: Drive, frame: int) -> Image | None:
    """The frame made small; None where it cannot be read."""
    try:
        return shrink(sources.of(drive).read(frame), WIDTH)
    except (LogError, OSError, ValueError):
        return None
