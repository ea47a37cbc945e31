"""Any frame of an open drive at once: its small picture from the proxy, and the frame itself when the cursor rests.

Three threads serve the newest request, each with what it needs of its own:

* the *decoder* reads full frames, and those to come where requests go on in one direction;
* the *previewer* answers from the proxy while the decoder is not there yet;
* `Behind` decodes groups of pictures before the cursor while it moves backwards.

A fourth, the `ProxyBuilder`, fills the proxy when nobody asks for anything.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from lapose_core.drive import Drive, Image, LogError
from lapose_core.frames.behind import Behind
from lapose_core.frames.budget import ByteBudget
from lapose_core.frames.builder import ProxyBuilder
from lapose_core.frames.heap import return_memory
from lapose_core.frames.picture import GivenUp
from lapose_core.frames.proxy import Proxy
from lapose_core.frames.reader import CachedReader

REST = 0.08
"""Seconds without another request after which the cursor rests, and the full frame is fetched."""
SETTLED = 0.5
"""Seconds without another request after which the frames just passed are kept for longer."""
GRACE = 0.04
"""Seconds that the full frame has before its preview is shown, where it is the next one or needs no decoding."""
LARGEST_STRIDE = 8
"""Requests that move by more frames than this are jumps, after which nothing is decoded ahead."""
AHEAD = 8
"""Strides decoded ahead, at most; after n requests in one direction, n."""
KEPT_IN_PLAY = 32
"""Frames that stay behind the cursor while it goes forwards, once as many were passed: a decoder's memory is used again
and again, where new memory for each frame would cost a third of decoding it."""
BEHIND = 48
"""Frames before the cursor that are decoded ahead of it while it moves backwards through video."""
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Request:
    number: int
    index: int
    stride: int = 0  # frames moved since the request before; 0 where it is a jump
    streak: int = 0  # how many requests in a row went in that direction
    since: float = field(default_factory=time.monotonic)


class FrameStore:
    """Frames of ``drive``, the newest request first. Never the wrong one: every answer carries its index.

    Args:
        budget: what decoded frames are kept in.
        open_proxy: opens the drive's small pictures, in one of the store's threads; the store closes them.
        shown: called with index, image uint8 [H, W, 3] and whether it is a preview (of the proxy's size), in one of
            the store's threads. An answer to a request that is not the newest may still come.
        failed: called with index and reason where a frame cannot be decoded, likewise.
        build: whether missing previews are made in the background.
    """

    def __init__(
        self,
        drive: Drive,
        budget: ByteBudget,
        open_proxy: Callable[[], Proxy | None] | None = None,
        *,
        shown: Callable[[int, Image, bool], None],
        failed: Callable[[int, str], None],
        build: bool = True,
    ) -> None:
        self.drive = drive
        self.proxy: Proxy | None = None
        self.builder: ProxyBuilder | None = None
        self._cache = budget.cache("frames")
        self._shown, self._failed = shown, failed
        self._condition = threading.Condition()
        self._request: _Request | None = None
        self._full = 0  # number of the newest request whose full frame was shown, or could not be
        self._answered = 0  # likewise, the preview counting too
        self._gave_up = False
        self._closing = False
        self._since = time.monotonic()
        self._trusted = False
        self._reader = CachedReader(drive, self._cache)
        self._behind = Behind(drive, self._cache)
        self._threads = [threading.Thread(target=self._decode, name="frames", daemon=True)]
        if open_proxy is not None:
            serve = partial(self._preview, open_proxy, build)
            self._threads.append(threading.Thread(target=serve, name="previews", daemon=True))
        for thread in self._threads:
            thread.start()

    def look_again(self) -> None:
        """Take over the previews that others made in passing; from any thread but that which must not wait for the
        disk."""
        if self.proxy is not None:
            self.proxy.look_again()

    def request(self, index: int) -> None:
        """Ask for frame ``index``; replaces an earlier request that is still waiting."""
        with self._condition:
            before = self._request
            moved = 0 if before is None else index - before.index
            stride = moved if abs(moved) <= LARGEST_STRIDE else 0
            on = before is not None and stride * before.stride > 0
            streak = 0 if stride == 0 else before.streak + 1 if on and before is not None else 1
            number = 1 if before is None else before.number + 1
            self._request = _Request(number, index, stride, streak)
            self._condition.notify_all()

    @property
    def quiet_for(self) -> float:
        """Seconds since the last request, or since the start; 0 while it is being answered."""
        with self._condition:
            if self._request is None:
                return time.monotonic() - self._since
            return time.monotonic() - self._request.since if self._full == self._request.number else 0.0

    @property
    def cursor(self) -> int:
        """The frame last asked for."""
        with self._condition:
            return 0 if self._request is None else self._request.index

    @property
    def decoder_bytes(self) -> int:
        """About what the open decoders hold for themselves."""
        builder = 0 if self.builder is None else self.builder.nbytes
        return self._reader.nbytes + self._behind.nbytes + builder

    @property
    def closing(self) -> bool:
        return self._closing

    @property
    def alive(self) -> bool:
        """Whether one of the threads still runs."""
        return any(thread.is_alive() for thread in self._all_threads())

    def close(self, wait: bool = True) -> None:
        """End the threads; nothing is shown any more. Without ``wait`` they end when their current frame is there."""
        with self._condition:
            self._closing = True
            self._condition.notify_all()
        self._behind.close()
        self._cache.close()
        if self.proxy is not None:
            self.proxy.close()
        if wait:
            # The previewer starts the builder, so it is over before the builder is asked for.
            for thread in self._threads:
                thread.join()
            for thread in self._all_threads():
                thread.join()

    def _all_threads(self) -> list[threading.Thread]:
        helpers = (self._behind.thread, self.builder.thread if self.builder is not None else None)
        return [*self._threads, *(thread for thread in helpers if thread is not None)]

    def check(self, index: int, image: Image) -> None:
        """Hold the proxy's picture of frame ``index`` against the frame: one of another drive is begun anew."""
        if self.proxy is None or self._trusted:
            return
        agrees = self.proxy.agrees(index, image)
        if agrees is False:
            log.warning("%s: the preview pictures are not of this drive and are made again", self.proxy.folder)
            self.proxy.clear()
        if agrees is not None:
            self._trusted = True

    @property
    def trusted(self) -> bool:
        """Whether the proxy's pictures are known to be of this drive."""
        return self._trusted

    # Full frames

    def _decode(self) -> None:
        reader = self._reader
        done = 0
        try:
            while (request := self._next(done)) is not None:
                done = request.number
                if self._wait_for_rest(request):
                    self._read(reader, request)
        finally:
            reader.close()
            return_memory()

    def _next(self, after: int) -> _Request | None:
        """Wait for a request with a higher number; None at the end."""
        if not self._asks(after, SETTLED):
            self._reader.settle(lambda: self._asks(after, 0))
        self._asks(after, None)
        with self._condition:
            return None if self._closing else self._request

    def _asks(self, after: int, timeout: float | None) -> bool:
        """Whether within ``timeout`` seconds there is a request with a higher number, or the end."""
        with self._condition:
            return self._condition.wait_for(
                lambda: self._closing or (self._request is not None and self._request.number > after), timeout
            )

    def _wait_for_rest(self, request: _Request) -> bool:
        """Whether the full frame of ``request`` is wanted: of a jump that a preview answers, once the cursor rests."""
        if request.stride or not self._has_preview(request.index) or request.index in self._cache:
            return True
        with self._condition:
            until = request.since + REST
            while not self._superseded(request) and (left := until - time.monotonic()) > 0:
                self._condition.wait(left)
            return not self._superseded(request)

    def _read(self, reader: CachedReader, request: _Request) -> None:
        index = request.index
        try:
            self._behind.wait_for(index, lambda: self._superseded(request))
            image = reader.read(index, lambda: self._gives_up(request))
        except GivenUp:
            self._gave_up = True
            return
        except Exception as error:  # a broken log must not end the thread, whatever its decoder raises
            reason = str(error) if isinstance(error, LogError) else f"{type(error).__name__}: {error}"
            self._answer(request, lambda: self._failed(index, reason))
            return
        self._gave_up = False
        self._answer(request, lambda: self._shown(index, image, False))
        if self.proxy is not None and index in self.proxy:
            self.check(index, image)
        if request.streak > KEPT_IN_PLAY and request.stride > 0:
            for passed in range(request.stride):
                self._cache.pop(index - KEPT_IN_PLAY * request.stride - passed)
        if request.stride > 0:
            self._decode_ahead(reader, request)
        elif request.stride < 0:
            self._look_behind(reader, request)

    def _answer(self, request: _Request, tell: Callable[[], None], *, preview: bool = False) -> None:
        """Answer ``request``; a preview only where its frame has not come. Under the lock, or one might overtake it."""
        with self._condition:
            if self._closing or (preview and self._full >= request.number):
                return
            self._answered = max(self._answered, request.number)
            if not preview:
                self._full = max(self._full, request.number)
            self._condition.notify_all()
            tell()

    def _gives_up(self, request: _Request) -> bool:
        """Whether to stop decoding: of what nobody waits for any more, but never twice in a row without a preview
        instead, or a quick hand would see no picture at all."""
        with self._condition:
            if self._closing:
                return True
            if not self._superseded(request) or self._request is None:
                return False
            return not self._gave_up or self._has_preview(self._request.index)

    def _superseded(self, request: _Request) -> bool:
        return self._closing or self._request is not request

    def _decode_ahead(self, reader: CachedReader, request: _Request) -> None:
        for n in range(1, min(request.streak, AHEAD) + 1):
            index = request.index + n * request.stride
            # Where the budget holds so little that the cursor's own frame is gone, others would not stay either.
            if index >= len(self.drive) or self._superseded(request) or request.index not in self._cache:
                return
            try:
                reader.prepare(index, lambda: self._superseded(request))
            except Exception:
                return  # told when somebody asks for this frame

    def _look_behind(self, reader: CachedReader, request: _Request) -> None:
        """Have the frames before the cursor decoded where they are missing: of video, the groups that hold them."""
        video = reader.is_video
        step = 1 if video else -request.stride
        far = BEHIND if video else min(request.streak, AHEAD) * step
        wanted = range(request.index - step, max(-1, request.index - far - 1), -step)
        missing = [index for index in wanted if index not in self._cache]
        if missing:
            self._behind.want(missing[:1] if video else missing)

    # Previews

    def _has_preview(self, index: int) -> bool:
        return self._trusted and self.proxy is not None and index in self.proxy

    def _preview(self, open_proxy: Callable[[], Proxy | None], build: bool) -> None:
        proxy = open_proxy()
        if proxy is None:
            return
        with self._condition:
            # One of an earlier session shows nothing until one of its pictures was held against its frame.
            self._trusted = len(proxy.missing) == len(proxy)
            self.proxy = proxy
            if self._closing:
                proxy.close()
                return
        if build:
            self.builder = ProxyBuilder(self.drive, proxy, self)
        self._serve_previews(proxy)

    def _serve_previews(self, proxy: Proxy) -> None:
        done = 0
        while (request := self._next(done)) is not None:
            done, index = request.number, request.index
            if self._has_preview(index) and self._is_late(request):
                image = proxy.read(index)
                if image is not None:
                    self._answer(request, partial(self._shown, index, image, True), preview=True)

    def _is_late(self, request: _Request) -> bool:
        """Whether the full frame takes so long that its preview is worth showing before."""
        # Before the cursor a frame is there, or its whole group is to be decoded first.
        soon = request.stride > 0 or request.index in self._cache
        with self._condition:
            until = request.since + GRACE if soon and self._answered >= request.number - 1 else 0.0
            while self._full < request.number and not self._superseded(request):
                left = until - time.monotonic()
                if left <= 0:
                    break
                self._condition.wait(left)
            return self._full < request.number and not self._superseded(request)
