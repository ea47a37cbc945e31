"""The two frames of a transition as small pictures, read off the GUI thread."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
from PySide6.QtCore import QObject, Signal, Slot

from lapose_core.drive import Drive, Image
from lapose_inspector.workers.latest import LatestWorker, Stale
from lapose_inspector.workers.open_sources import OpenSources

CACHE = 64
"""Pairs kept: 64 pairs of 160 x 75 pixels are under 5 MB."""


class ThumbnailLoader(QObject):
    """Reads frame pairs, latest wins, with a frame source of its own, in the worker's thread.

    ``ready`` carries the pair of frame indices and the two pictures [h, w, 3]; ``failed`` the pair and why.
    """

    ready = Signal(object, object)
    failed = Signal(object, str)

    def __init__(self, width: int = 160, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._width = width
        self._sources = OpenSources()
        self._cache: OrderedDict[tuple[int, int], tuple[Image, Image]] = OrderedDict()
        self._drive: Drive | None = None
        self._wanted: tuple[int, int] | None = None
        self._worker = LatestWorker("thumbnails", self, rest=self._sources.close)
        self._worker.done.connect(self._on_done)
        self._worker.failed.connect(self._on_failed)

    @property
    def nbytes(self) -> int:
        """What the pictures take, and about what the open log does."""
        return sum(image.nbytes for pair in self._cache.values() for image in pair) + self._sources.nbytes

    def set_drive(self, drive: Drive | None) -> None:
        """Read from another drive from now on."""
        self._worker.cancel()
        self._drive = drive
        self._cache.clear()

    def request(self, first: int, second: int) -> None:
        """Ask for two frames; answered at once where they are cached."""
        drive, pair = self._drive, (first, second)
        self._wanted = pair
        if drive is None:
            return
        if pair in self._cache:
            self._cache.move_to_end(pair)
            self._worker.cancel()
            self.ready.emit(pair, self._cache[pair])
            return
        sources, width = self._sources, self._width

        def job(stale: Stale) -> object:
            source = sources.of(drive)
            return drive, pair, (shrink(source.read(first), width), shrink(source.read(second), width))

        self._worker.submit(job)

    def stop(self) -> None:
        """End the thread and close the frame source."""
        if self._worker.stop():
            self._sources.close()

    @Slot(object)
    def _on_done(self, result: tuple[Drive, tuple[int, int], tuple[Image, Image]]) -> None:
        drive, pair, pictures = result
        if drive is self._drive:
            self._cache[pair] = pictures
            while len(self._cache) > CACHE:
                self._cache.popitem(last=False)
            self.ready.emit(pair, pictures)

    @Slot(str)
    def _on_failed(self, reason: str) -> None:
        self.failed.emit(self._wanted, reason)


def shrink(image: Image, width: int) -> Image:
    """An image [H, W, 3] averaged down by the whole factor that brings it nearest above ``width`` pixels."""
    factor = max(1, image.shape[1] // width)
    rows, columns = image.shape[0] // factor, image.shape[1] // factor
    blocks = image[: rows * factor, : columns * factor].reshape(rows, factor, columns, factor, 3)
    return np.ascontiguousarray(blocks.mean(axis=(1, 3)).astype(np.uint8))
