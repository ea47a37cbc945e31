"""A frame source that keeps what it decodes in the budget's cache, whatever the source."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, runtime_checkable

from lapose_core.drive import Drive, FrameSource, Image
from lapose_core.frames.budget import MIB, Cache


@runtime_checkable
class SharingSource(FrameSource, Protocol):
    """A frame source that can keep its frames in a cache it is given."""

    def share(self, cache: Cache) -> None: ...


@runtime_checkable
class KeepingSource(FrameSource, Protocol):
    """A frame source that keeps frames, and tells how much it holds."""

    @property
    def nbytes(self) -> int: ...

    def keep_at_most(self, cache_bytes: int) -> None: ...


FEW = 24 * MIB
"""Bytes of frames kept by a source that single frames are read from."""


def few_frames(drive: Drive) -> FrameSource:
    """A source of the drive's frames for now and then a single one, which keeps few of those passed on the way.

    Raises:
        LogError: where the log cannot be opened.
    """
    source = drive.open_frames()
    if isinstance(source, KeepingSource):
        source.keep_at_most(FEW)
    return source


def bytes_of(source: FrameSource | None) -> int:
    """About what an open source holds beside the caches that it was given."""
    return source.nbytes if isinstance(source, KeepingSource) else 0


@runtime_checkable
class VideoLike(SharingSource, Protocol):
    """One in which a frame costs those before it too, back to a key frame."""

    give_up: Callable[[], bool] | None
    threads: int

    def prepare(self, index: int) -> None: ...


@runtime_checkable
class LendingSource(VideoLike, Protocol):
    """One that keeps its last frames in its decoder's memory until there is time to copy them."""

    def settle(self) -> None: ...


class CachedReader:
    """Frames of ``drive``, each decoded once while it is in ``cache``; for one thread. It opens the log when needed."""

    def __init__(self, drive: Drive, cache: Cache) -> None:
        self._drive, self._cache = drive, cache
        self._source: FrameSource | None = None

    def read(self, index: int, give_up: Callable[[], bool] | None = None) -> Image:
        """Frame ``index`` [H, W, 3] RGB uint8, exactly.

        Raises:
            LogError: where it cannot be decoded.
            GivenUp: where ``give_up`` said so before it was.
        """
        source = self._opened(give_up)
        if isinstance(source, SharingSource):
            return source.read(index)
        image: Image | None = self._cache.get(index)
        if image is None:
            image = source.read(index)
            self._cache.put(index, image, image.nbytes)
        return image

    def prepare(self, index: int, give_up: Callable[[], bool] | None = None) -> None:
        """Have frame ``index`` in the cache; raises as ``read`` does."""
        if index in self._cache:
            return
        source = self._opened(give_up)
        if isinstance(source, VideoLike):
            source.prepare(index)
        else:
            self.read(index)

    def settle(self, give_up: Callable[[], bool]) -> None:
        """Do what was put off for the sake of a quick answer, until ``give_up`` says that somebody waits again."""
        if isinstance(self._source, LendingSource):
            self._source.give_up = give_up
            self._source.settle()

    @property
    def nbytes(self) -> int:
        """About what the open log holds beside the cache."""
        return bytes_of(self._source)

    @property
    def is_video(self) -> bool:
        """Whether a frame costs those before it too."""
        return isinstance(self._opened(None), VideoLike)

    def close(self) -> None:
        if self._source is not None:
            self._source.close()
            self._source = None

    def _opened(self, give_up: Callable[[], bool] | None) -> FrameSource:
        if self._source is None:
            self._source = self._drive.open_frames()
            if isinstance(self._source, SharingSource):
                self._source.share(self._cache)
            if isinstance(self._source, VideoLike):
                self._source.threads = 0
        if isinstance(self._source, VideoLike):
            self._source.give_up = give_up
        return self._source
