"""Decoding frames off the GUI thread: the newest request wins, and the frame after it is decoded ahead."""

from __future__ import annotations

import threading
from collections import OrderedDict

from PySide6.QtCore import QObject, QThread, Signal, Slot

from lapose_core.drive import Drive, FrameSource, Image, LogError

CACHE_BYTES = 256 * 1024 * 1024
LARGEST_STRIDE = 8
"""Requests that move by more frames than this are jumps, after which nothing is decoded ahead."""


class FrameCache:
    """Decoded frames by index, the least recently used dropped beyond ``limit`` bytes."""

    def __init__(self, limit: int = CACHE_BYTES) -> None:
        self._limit = limit
        self._bytes = 0
        self._frames: OrderedDict[int, Image] = OrderedDict()

    def get(self, index: int) -> Image | None:
        frame = self._frames.get(index)
        if frame is not None:
            self._frames.move_to_end(index)
        return frame

    def put(self, index: int, frame: Image) -> None:
        """Keep ``frame``; the newest one stays even when it alone is larger than the limit."""
        old = self._frames.pop(index, None)
        self._bytes += frame.nbytes - (old.nbytes if old is not None else 0)
        self._frames[index] = frame
        while self._bytes > self._limit and len(self._frames) > 1:
            _, dropped = self._frames.popitem(last=False)
            self._bytes -= dropped.nbytes

    def __contains__(self, index: int) -> bool:
        return index in self._frames

    def __len__(self) -> int:
        return len(self._frames)


class FrameLoader(QObject):
    """Frames of one drive, decoded in a thread of its own with its own frame source.

    ``request`` from the GUI thread; ``frame_ready`` or ``failed`` comes back on the GUI thread. Of requests
    that a newer one overtook, only frames on the way from the last one announced to the one wanted are
    announced: in playback of a log that decodes slower than it plays, no frame is still wanted when it is
    ready, and the picture would freeze.
    """

    frame_ready = Signal(int, object)
    """Index and image uint8 [H, W, 3]."""
    failed = Signal(int, str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._generation = 0
        self._wanted: int | None = None
        self._announced: int | None = None
        self._thread = _DecodeThread()
        self._thread.decoded.connect(self._on_decoded)
        self._thread.undecodable.connect(self._on_undecodable)
        self._thread.start()

    def open(self, drive: Drive | None) -> None:
        """Serve frames of ``drive`` from now on; what was asked of another one is forgotten."""
        self._generation += 1
        self._wanted = self._announced = None
        self._thread.open(drive, self._generation)

    def request(self, index: int) -> None:
        """Ask for frame ``index`` of the open drive; replaces an earlier request that is still waiting."""
        self._wanted = index
        self._thread.request(index)

    def close(self) -> None:
        """End the thread; a frame being decoded is finished first."""
        self._thread.stop()

    @Slot(int, int, object)
    def _on_decoded(self, generation: int, index: int, image: Image) -> None:
        if generation == self._generation and self._is_on_the_way(index):
            self._announced = index
            self.frame_ready.emit(index, image)

    def _is_on_the_way(self, index: int) -> bool:
        if self._wanted is None or self._announced is None:
            return index == self._wanted
        low, high = sorted((self._announced, self._wanted))
        return index == self._wanted or low < index < high

    @Slot(int, int, str)
    def _on_undecodable(self, generation: int, index: int, message: str) -> None:
        if generation == self._generation and index == self._wanted:
            self.failed.emit(index, message)


class _DecodeThread(QThread):
    decoded = Signal(int, int, object)
    undecodable = Signal(int, int, str)

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("frames")
        self._condition = threading.Condition()
        self._drive: Drive | None = None
        self._generation = 0
        self._request: int | None = None
        self._stride, self._reopen = 0, False
        self._last: int | None = None
        self._stopping = False

    def open(self, drive: Drive | None, generation: int) -> None:
        with self._condition:
            self._drive, self._generation = drive, generation
            self._request = self._last = None
            self._stride, self._reopen = 0, True
            self._condition.notify()

    def request(self, index: int) -> None:
        with self._condition:
            moved = 0 if self._last is None else index - self._last
            self._stride = moved if abs(moved) <= LARGEST_STRIDE else 0
            self._last = self._request = index
            self._condition.notify()

    def stop(self) -> None:
        with self._condition:
            self._stopping = True
            self._condition.notify()
        self.wait()

    def run(self) -> None:
        source: FrameSource | None = None
        cache = FrameCache()
        while True:
            with self._condition:
                self._condition.wait_for(self._has_work)
                if self._stopping:
                    break
                drive, generation = self._drive, self._generation
                index, stride, self._request = self._request, self._stride, None
                reopen, self._reopen = self._reopen, False
            if reopen:
                _close(source)
                source, cache = None, FrameCache()
            if drive is None or index is None:
                continue
            try:
                image = cache.get(index)
                if image is None:
                    source = source or drive.open_frames()
                    image = source.read(index)
                    cache.put(index, image)
            except Exception as error:  # a broken log must not end the thread, whatever its decoder raises
                message = str(error) if isinstance(error, LogError) else f"{type(error).__name__}: {error}"
                self.undecodable.emit(generation, index, message)
                continue
            self.decoded.emit(generation, index, image)
            self._decode_ahead(source, drive, cache, index + stride if stride else None)
        _close(source)

    def _has_work(self) -> bool:
        return self._stopping or self._reopen or self._request is not None

    def _decode_ahead(self, source: FrameSource | None, drive: Drive, cache: FrameCache, index: int | None) -> None:
        if source is None or index is None or not 0 <= index < len(drive) or index in cache:
            return
        with self._condition:
            if self._request is not None or self._stopping:
                return
        try:
            cache.put(index, source.read(index))
        except Exception:
            return  # announced when somebody asks for this frame


def _close(source: FrameSource | None) -> None:
    if source is not None:
        source.close()
