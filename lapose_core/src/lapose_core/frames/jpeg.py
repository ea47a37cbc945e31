"""Small pictures as JPEG, the one format in which any of them is one read and one decode.

The planes of 8-bit 4:2:0 video, which most cameras write, are made small as they are, and libjpeg-turbo takes them so;
what is of another format is brought to this one first. On 1080p made 640x360, one thread: 0.2 ms to scale, 0.4
to encode and 0.6 to decode to RGB.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import simplejpeg
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter
from numpy.typing import NDArray

from lapose_core.drive import Image
from lapose_core.frames.picture import Picture

LONG_SIDE = 720
"""Pixels of a small picture's longer side, at most: more than a video panel shows on most displays."""
WHOLE = 960
"""Of a frame's longer side, up to which its picture is as large as it is."""
_QUALITY = 80
_LARGEST_FACTOR = 16  # of box_mean
# Of red and blue in luma, by FFmpeg's number for the standard; where a video names none, FFmpeg takes the older one.
_JPEG_WEIGHTS = (0.299, 0.114)
_WEIGHTS = {1: (0.2126, 0.0722), 2: _JPEG_WEIGHTS, 5: _JPEG_WEIGHTS, 6: _JPEG_WEIGHTS}


class JpegError(ValueError):
    """The bytes are no picture."""


def small_size(width: int, height: int) -> tuple[int, int]:
    """Width and height of the small pictures of frames ``width`` x ``height``: a whole fraction of them, rounded."""
    factor = _factor(width, height)
    return max(1, round(width / factor)), max(1, round(height / factor))


class Encoder:
    """Makes small pictures. Not thread-safe."""

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()

    def encode(self, picture: Picture) -> bytes:
        """The picture, upright and of ``small_size``."""
        frame = picture.frame
        known = int(frame.colorspace) in _WEIGHTS
        if not known or frame.format.name not in ("yuv420p", "yuvj420p"):
            frame = self._reformatter.reformat(
                frame,
                format="yuv420p",
                dst_colorspace=None if known else Colorspace.ITU601,
                dst_color_range=ColorRange.MPEG,
                threads=1,
            )
        planes = map(picture.upright, _small_planes(frame))
        return bytes(simplejpeg.encode_jpeg_yuv_planes(*planes, quality=_QUALITY))


def decode(data: bytes) -> Image:
    """The picture [H, W, 3] RGB uint8 of a JPEG.

    Raises:
        JpegError: where it is none.
    """
    try:
        image: Image = simplejpeg.decode_jpeg(data)
    except ValueError as error:
        raise JpegError(str(error)) from error
    return image


def _factor(width: int, height: int) -> int:
    longer = max(width, height)
    return 1 if longer <= WHOLE else min(-(-longer // LONG_SIDE), _LARGEST_FACTOR)


def _small_planes(frame: Any) -> list[NDArray[np.uint8]]:
    """The planes of a 4:2:0 frame made small, and its numbers those of a JPEG: a video may follow another standard."""
    from lapose_core.frames.box_mean import box_mean, mix  # compiled or read when the first picture is made

    factor, size = _factor(frame.width, frame.height), small_size(frame.width, frame.height)
    full = frame.format.name == "yuvj420p" or int(frame.color_range) == ColorRange.JPEG
    gain, black = (1.0, 0) if full else (255 / 219, 16)
    planes = [box_mean(_rows(frame.planes[0]), frame.width, factor, size, gain, -gain * black)]
    gain, half = 1.0 if full else 255 / 224, ((size[0] + 1) // 2, (size[1] + 1) // 2)
    for plane in frame.planes[1:]:
        planes.append(box_mean(_rows(plane), plane.width, factor, half, gain, 128 - gain * 128))
    weights = _WEIGHTS.get(int(frame.colorspace), _JPEG_WEIGHTS)
    if weights != _JPEG_WEIGHTS:
        mix(planes[0], planes[1], planes[2], _to_jpeg(*weights))
    return planes


@lru_cache(1)
def _to_jpeg(red: float, blue: float) -> NDArray[np.float32]:
    """A JPEG's Y, Cb, Cr of those [3, 3] whose luma holds so much of red and blue."""
    return np.ascontiguousarray(np.linalg.inv(_to_rgb(*_JPEG_WEIGHTS)) @ _to_rgb(red, blue), np.float32)


def _to_rgb(red: float, blue: float) -> NDArray[np.float64]:
    """RGB of Y, Cb, Cr [3, 3], all in one unit, where luma holds so much of red and blue."""
    green = 1 - red - blue
    r, b = 2 * (1 - red), 2 * (1 - blue)
    return np.array([[1, 0, r], [1, -blue * b / green, -red * r / green], [1, b, 0]])


def _rows(plane: Any) -> NDArray[np.uint8]:
    """A plane's rows, with what pads them."""
    return np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)
