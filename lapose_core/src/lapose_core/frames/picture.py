"""Frames as they leave the decoder: half the size of RGB, and cheap to make small."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter

from lapose_core.drive import FrameSource, Image
from lapose_core.frames.keeper import frame_bytes


class GivenUp(Exception):
    """A frame was no longer wanted before it was decoded."""


@dataclass(frozen=True)
class Picture:
    """A decoded frame and how it is to be turned to stand upright.

    Attributes:
        frame: as decoded.
        mirrored: whether it is mirrored left to right.
        turns: quarter turns to the left after that.
    """

    frame: Any
    mirrored: bool = False
    turns: int = 0

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the upright picture."""
        size = (self.frame.width, self.frame.height)
        return size[::-1] if self.turns % 2 else size

    @property
    def nbytes(self) -> int:
        return frame_bytes(self.frame)

    def rgb(self, reformatter: VideoReformatter | None = None, threads: int = 1) -> Image:
        """The picture [H, W, 3] RGB uint8, exactly as its source's ``read`` gives it.

        A ``reformatter``, which belongs to one thread, saves setting up the conversion for each picture; ``threads``
        share it, 0 for as many as there are cores.
        """
        frame: Any = (reformatter or VideoReformatter()).reformat(self.frame, format="rgb24", threads=threads)
        return self.upright(frame.to_ndarray())

    def upright(self, image: Image) -> Image:
        """``image`` [h, w, 3], laid out as ``frame`` is, mirrored and turned."""
        if self.mirrored:
            image = image[:, ::-1]
        return np.ascontiguousarray(np.rot90(image, self.turns))


@runtime_checkable
class PictureSource(FrameSource, Protocol):
    """A frame source that decodes video."""

    def pictures(self, start: int = 0, stop: int | None = None) -> Iterator[tuple[int, Picture]]:
        """Frames start, start + 1, ... before stop with their indices, not yet turned into RGB."""
        ...


def pictures(source: FrameSource, start: int = 0, stop: int | None = None) -> Iterator[tuple[int, Picture]]:
    """Every frame from ``start`` to before ``stop`` with its index, in one pass, whatever the source.

    Raises:
        LogError: where a frame cannot be decoded.
    """
    if isinstance(source, PictureSource):
        yield from source.pictures(start, stop)
        return
    for index, image in source.iterate(start, stop):
        yield index, Picture(VideoFrame.from_ndarray(image, format="rgb24"))
