"""Small pictures as JPEG, the one format in which any of them is one read and one decode.

Of video as most cameras write it the planes are made small as they are, and libjpeg-turbo takes them so. On 1080p made
640x360, one thread: 0.2 ms to scale, 0.4 to encode and 0.6 to decode to RGB. FFmpeg, which does it for all that is
written otherwise, scales in 0.6, or in 1.4 where the colours are those of high definition.
"""

from __future__ import annotations

from typing import Any

import av
import numpy as np
import simplejpeg
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter
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
    """Pictures of upright ``size`` (width, height). Not thread-safe."""

    def __init__(self, size: tuple[int, int]) -> None:
        self._size = size
        self._reformatter = VideoReformatter()

    def encode(self, picture: Picture) -> bytes:
        """The picture, scaled down to the encoder's size."""
        width, height = self._size
        if picture.turns % 2:
            width, height = height, width
        upright = picture.turns == 0 and not picture.mirrored
        if upright and self._in_whole_pixels(picture.frame):
            return _jpeg(_small_planes(picture.frame, self._size))
        small = self._scaled(picture.frame, width, height, "yuvj420p" if upright else "rgb24")
        if not upright:
            turned = av.VideoFrame.from_ndarray(picture.upright(small.to_ndarray()), format="rgb24")
            small = self._scaled(turned, *self._size, "yuvj420p")
        return _jpeg([_values(plane) for plane in small.planes])

    def _in_whole_pixels(self, frame: Any) -> bool:
        """Whether each pixel is a square of the frame's, whose colours are understood."""
        known = frame.format.name in ("yuv420p", "yuvj420p") and int(frame.colorspace) in _WEIGHTS
        factor = _factor(frame.width, frame.height)
        return known and factor <= _LARGEST_FACTOR and small_size(frame.width, frame.height) == self._size

    def _scaled(self, frame: Any, width: int, height: int, pixels: str) -> Any:
        return self._reformatter.reformat(
            frame,
            width=width,
            height=height,
            format=pixels,
            interpolation=Interpolation.AREA,
            # What a JPEG's numbers mean is fixed; a video's may follow another standard.
            dst_colorspace=Colorspace.ITU601,
            dst_color_range=ColorRange.JPEG,
            threads=1,
        )


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


def _jpeg(planes: list[NDArray[np.uint8]]) -> bytes:
    return bytes(simplejpeg.encode_jpeg_yuv_planes(*planes, quality=_QUALITY))


def _factor(width: int, height: int) -> int:
    longer = max(width, height)
    return 1 if longer <= WHOLE else -(-longer // LONG_SIDE)


def _small_planes(frame: Any, size: tuple[int, int]) -> list[NDArray[np.uint8]]:
    """The planes of a 4:2:0 frame made ``size`` (width, height), with the levels and the luma of a JPEG."""
    from lapose_core.frames.box_mean import box_mean, mix  # compiled or read when the first picture is made

    factor = _factor(frame.width, frame.height)
    full = frame.format.name == "yuvj420p" or int(frame.color_range) == ColorRange.JPEG
    gain, black = (1.0, 0) if full else (255 / 219, 16)
    planes = [box_mean(_rows(frame.planes[0]), frame.width, factor, size, gain, -gain * black)]
    gain, half = 1.0 if full else 255 / 224, ((size[0] + 1) // 2, (size[1] + 1) // 2)
    for plane in frame.planes[1:]:
        planes.append(box_mean(_rows(plane), plane.width, factor, half, gain, 128 - gain * 128))
    weights = _WEIGHTS[int(frame.colorspace)]
    if weights != _JPEG_WEIGHTS:
        matrix = np.linalg.inv(_to_rgb(*_JPEG_WEIGHTS)) @ _to_rgb(*weights)
        mix(planes[0], planes[1], planes[2], np.ascontiguousarray(matrix, np.float32))
    return planes


def _to_rgb(red: float, blue: float) -> NDArray[np.float64]:
    """RGB of Y, Cb, Cr [3, 3], all in one unit, where luma holds so much of red and blue."""
    green = 1 - red - blue
    r, b = 2 * (1 - red), 2 * (1 - blue)
    return np.array([[1, 0, r], [1, -blue * b / green, -red * r / green], [1, b, 0]])


def _rows(plane: Any) -> NDArray[np.uint8]:
    """A plane's rows, with what pads them."""
    return np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)


def _values(plane: Any) -> NDArray[np.uint8]:
    """A plane's pixels [h, w]."""
    return np.ascontiguousarray(_rows(plane)[:, : plane.width])
