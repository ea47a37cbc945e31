"""Fills a proxy in the background, whenever nobody asks for anything."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING

import numpy as np

from lapose_core.drive import Drive, FrameSource
from lapose_core.frames.picture import pictures
from lapose_core.frames.proxy import Proxy
from lapose_core.frames.reader import VideoLike, bytes_of
from lapose_core.priority import BEHIND_WINDOW, BEHIND_WORK, stand_back

if TYPE_CHECKING:
    from lapose_core.frames.store import FrameStore

QUIET = 0.3
"""Seconds without a request after which the pass goes on."""
_LOOK_AGAIN = 0.05
# Pictures taken by others within this many seconds: an analysis passes here and makes the proxy on its way.
_FED = 1.0
log = logging.getLogger(__name__)


class ProxyBuilder:
    """One thread that decodes what ``proxy`` lacks, from the cursor to the end and then from the beginning."""

    def __init__(self, drive: Drive, proxy: Proxy, store: FrameStore) -> None:
        self._drive, self._proxy, self._store = drive, proxy, store
        self._unreadable: set[int] = set()
        self._source: FrameSource | None = None
        self.thread = threading.Thread(target=self._run, name="proxy", daemon=True)
        self.thread.start()

    @property
    def nbytes(self) -> int:
        """About what its decoder holds."""
        return bytes_of(self._source)

    def _run(self) -> None:
        stand_back(BEHIND_WINDOW + BEHIND_WORK)
        try:
            while not self._wait():
                source = self._source = self._source or self._open()
                if not self._store.trusted:
                    self._check(source)
                    continue
                start = self._next()
                if start is None:
                    return
                self._pass(source, start)
        except Exception:
            if not self._store.closing:
                log.warning("no more preview pictures of %s are made", self._drive.name, exc_info=True)
        finally:
            last, self._source = self._source, None
            if last is not None:
                last.close()

    def _open(self) -> FrameSource:
        source = self._drive.open_frames()
        if isinstance(source, VideoLike):
            source.give_up = lambda: self._store.closing
        return source

    def _wait(self) -> bool:
        """Wait until nobody asks for a frame, and none comes in by another way; True at the end."""
        while not self._store.closing:
            if self._store.quiet_for >= QUIET and self._proxy.fed_for >= _FED:
                return False
            time.sleep(_LOOK_AGAIN)
        return True

    def _next(self) -> int | None:
        missing = np.setdiff1d(self._proxy.missing, list(self._unreadable))
        if not len(missing) or self._proxy.state.stopped:
            return None
        ahead = missing[missing >= self._store.cursor]
        return int((ahead if len(ahead) else missing)[0])

    def _check(self, source: FrameSource) -> None:
        """Hold one of an earlier session's pictures against its frame."""
        done = np.setdiff1d(np.arange(len(self._proxy)), self._proxy.missing)
        if not len(done):
            self._proxy.clear()
        index = int(done[len(done) // 2]) if len(done) else 0
        self._store.check(index, source.read(index))

    def _pass(self, source: FrameSource, start: int) -> None:
        """Frames from ``start`` on, until one is there, the drive ends, or the user wants something elsewhere."""
        index = start - 1
        try:
            for index, picture in pictures(source, start):
                if index in self._proxy or not self._proxy.take(index, picture, in_passing=False):
                    return
                if self._store.quiet_for < QUIET and (self._wait() or self._store.cursor not in self._proxy):
                    return
        except Exception as error:
            if self._store.closing:
                return
            log.info("no preview of frame %d: %s", index + 1, error)
            self._unreadable.add(index + 1)
