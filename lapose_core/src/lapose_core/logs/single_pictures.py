"""Frames that are each a picture by itself, wherever it lies: the last few are kept, or all in a shared cache."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator

from lapose_core.drive import Image
from lapose_core.frames.budget import ByteBudget, Cache

_KEPT_BYTES = 64 << 20


class SinglePictures(ABC):
    """A `FrameSource` of ``count`` pictures. A subclass gives ``_load``."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._cache = self._own = ByteBudget(_KEPT_BYTES).cache("frames")

    @abstractmethod
    def _load(self, index: int) -> Image:
        """Decode frame ``index`` [H, W, 3] RGB uint8. Raises LogError where it cannot be, or has another size."""

    def __len__(self) -> int:
        return self._count

    def read(self, index: int) -> Image:
        """Frame ``index`` [H, W, 3] RGB uint8; grey pictures have three equal channels.

        Raises:
            LogError: where the picture cannot be read or has another size than the others.
            IndexError: where there is no such frame.
        """
        if not 0 <= index < len(self):
            raise IndexError(f"frame {index} of {len(self)}")
        image: Image | None = self._cache.get(index)
        if image is None:
            image = self._load(index)
            self._cache.put(index, image, image.nbytes)
        return image

    def iterate(self, start: int = 0, stop: int | None = None, step: int = 1) -> Iterator[tuple[int, Image]]:
        """Frames start, start + step, ... before stop with their indices."""
        if start < 0 or step < 1:
            raise ValueError(f"iterate goes forward from 0 or later: start {start}, step {step}")
        for i in range(start, len(self) if stop is None else min(stop, len(self)), step):
            kept: Image | None = self._cache.get(i)
            yield i, self._load(i) if kept is None else kept

    def share(self, cache: Cache) -> None:
        """Keep pictures in ``cache`` from now on, which sources of the same log may share, also across threads."""
        self._cache = cache

    def close(self) -> None:
        """Forget the pictures in memory, unless they are shared."""
        self._own.close()
        self._cache = self._own
