"""Decodes, in a thread of its own, the frames that a cursor moving backwards comes to next."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence

from lapose_core.drive import Drive
from lapose_core.frames.budget import Cache
from lapose_core.frames.heap import return_memory
from lapose_core.frames.reader import CachedReader
from lapose_core.priority import BEHIND_WORK, stand_back

# A group of pictures is rarely longer: a frame so far before the one being decoded may come on the way to it.
_ON_THE_WAY = 300
_POLL = 0.002
IDLE = 1.0
"""Seconds without a wish after which the frame source is closed."""
log = logging.getLogger(__name__)


class Behind:
    """Puts frames into ``cache``, the newest wish first. The thread and its frame source come with the first wish."""

    def __init__(self, drive: Drive, cache: Cache) -> None:
        self._cache = cache
        self._condition = threading.Condition()
        self._wanted: Sequence[int] = ()
        self._target: int | None = None
        self._closing = False
        self._reader = CachedReader(drive, cache)
        self.thread: threading.Thread | None = None

    @property
    def nbytes(self) -> int:
        """About what its decoder holds."""
        return self._reader.nbytes

    def want(self, frames: Sequence[int]) -> None:
        """Decode ``frames`` in this order when what is being decoded is there."""
        with self._condition:
            self._wanted = frames
            if self.thread is None and not self._closing:
                self.thread = threading.Thread(target=self._run, name="behind", daemon=True)
                self.thread.start()
            self._condition.notify()

    def wait_for(self, index: int, give_up: Callable[[], bool]) -> None:
        """Wait while frame ``index`` may be about to come: decoding its group a second time would take longer."""
        while not give_up() and index not in self._cache:
            target = self._target
            if target is None or not target - _ON_THE_WAY <= index <= target:
                return
            time.sleep(_POLL)

    def close(self) -> None:
        """Let the thread end."""
        with self._condition:
            self._closing = True
            self._condition.notify()

    def _run(self) -> None:
        # On few cores it would keep those waiting that answer for the cursor's own frame.
        stand_back(BEHIND_WORK)
        reader = self._reader
        try:
            while (frames := self._next(reader)) is not None:
                for index in frames:
                    self._target = index
                    try:
                        reader.prepare(index, lambda: self._closing)
                    except Exception:
                        log.debug("frame %d", index, exc_info=True)  # told when somebody asks for this frame
                    self._target = None
        finally:
            reader.close()

    def _next(self, reader: CachedReader) -> Sequence[int] | None:
        with self._condition:
            if not self._condition.wait_for(self._has_work, IDLE):
                # A decoder keeps the memory of as many pictures as it once had in use, also when they are dropped.
                reader.close()
                return_memory()
                self._condition.wait_for(self._has_work)
            frames, self._wanted = self._wanted, ()
            return None if self._closing else frames

    def _has_work(self) -> bool:
        return self._closing or bool(self._wanted)
