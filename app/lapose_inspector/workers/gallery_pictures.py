"""Frame pairs for the gallery's page, of any known drive, read off the GUI thread one after the other."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from PySide6.QtCore import QObject, Signal, Slot

from lapose_core.drive import Drive, Image
from lapose_inspector.workers.latest import LatestWorker, Stale
from lapose_inspector.workers.open_sources import OpenSources
from lapose_inspector.workers.thumbnails import shrink

CACHE = 400
"""Pairs kept: of 120 x 60 pixels, 17 MB."""
SOURCES = 3
"""Drives whose frames stay open."""


@dataclass(frozen=True)
class PairKey:
    """Two frames of one drive: the same frame numbers of another drive are another pair."""

    drive: str
    frames: tuple[int, int]


Pair = tuple[Image, Image]
OpenDrive = Callable[[str], Drive]
"""Gives the drive of a fingerprint and no other; runs in the worker's thread and may raise LogError."""


class GalleryPictures(QObject):
    """A new request drops what is left of the one before. ``ready`` carries a PairKey and its two pictures, as soon
    as each is read; ``failed`` a PairKey and why."""

    ready = Signal(object, object)
    failed = Signal(object, str)
    _read = Signal(object, object, object)

    def __init__(self, width: int, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._width = width
        self._cache: OrderedDict[PairKey, Pair] = OrderedDict()
        self._sources = OpenSources(SOURCES)
        self._worker = LatestWorker("gallery", self, rest=self._sources.close)
        self._read.connect(self._on_read)

    @property
    def nbytes(self) -> int:
        """What the pictures take, and about what the open logs do."""
        return sum(image.nbytes for pair in self._cache.values() for image in pair) + self._sources.nbytes

    def request(self, keys: Sequence[PairKey], open_drive: OpenDrive) -> None:
        """Show these pairs; the cached ones at once."""
        missing = []
        for key in keys:
            if key in self._cache:
                self._cache.move_to_end(key)
                self.ready.emit(key, self._cache[key])
            else:
                missing.append(key)
        sources, width = self._sources, self._width

        def job(stale: Stale) -> object:
            for key in missing:
                if stale():
                    return None
                try:
                    source = sources.named(key.drive, partial(open_drive, key.drive))
                    pair: Pair | str = (
                        shrink(source.read(key.frames[0]), width),
                        shrink(source.read(key.frames[1]), width),
                    )
                except Exception as error:  # a pair that cannot be read must not keep the others
                    pair = str(error)
                self._read.emit(key, pair, stale)
            return None

        self._worker.submit(job)

    def stop(self) -> None:
        """End the thread and close the frame sources."""
        if self._worker.stop():
            self._sources.close()

    @Slot(object, object, object)
    def _on_read(self, key: PairKey, pair: Pair | str, stale: Stale) -> None:
        if isinstance(pair, str):
            if not stale():
                self.failed.emit(key, pair)
            return
        self._cache[key] = pair
        while len(self._cache) > CACHE:
            self._cache.popitem(last=False)
        if not stale():
            self.ready.emit(key, pair)
