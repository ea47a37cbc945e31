"""Frames that are one picture a message: raw pixels as of sensor_msgs/Image, or compressed as JPEG, PNG or WebP."""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from lapose_core.drive import Image, LogError
from lapose_core.logs.messages.decoders import Decoder, Message, payload
from lapose_core.logs.messages.log import Entries, Ints, MessageLog, Topic
from lapose_core.logs.messages.ros import DecodeError
from lapose_core.logs.single_pictures import SinglePictures

RAW = ("sensor_msgs/Image", "foxglove/RawImage")
COMPRESSED = ("sensor_msgs/CompressedImage", "foxglove/CompressedImage")
_FILES = ("JPEG", "PNG", "WEBP")
# Larger than any camera's; what says more is damage.
_LARGEST_SIDE = 1 << 15

# Encoding -> channels, and which of them are red, green and blue.
_INTERLEAVED = {
    "rgb8": (3, (0, 1, 2)),
    "8UC3": (3, (2, 1, 0)),
    "bgr8": (3, (2, 1, 0)),
    "rgba8": (4, (0, 1, 2)),
    "bgra8": (4, (2, 1, 0)),
    "8UC4": (4, (2, 1, 0)),
    "mono8": (1, (0, 0, 0)),
    "8UC1": (1, (0, 0, 0)),
}
_SIXTEEN_BITS = {"mono16": (1, (0, 0, 0)), "16UC1": (1, (0, 0, 0)), "rgb16": (3, (0, 1, 2)), "bgr16": (3, (2, 1, 0))}
# Encoding -> FFmpeg's name of the pixel format; its converter knows these.
_CONVERTED = {
    "yuv422": "uyvy422",
    "uyvy": "uyvy422",
    "yuv422_yuy2": "yuyv422",
    "yuyv": "yuyv422",
    "nv12": "nv12",
    "nv21": "nv21",
    "nv24": "nv24",
} | {f"bayer_{order}{bits}": f"bayer_{order}{bits}" for order in ("rggb", "bggr", "gbrg", "grbg") for bits in (8, 16)}


def picture_size(kind: str, message: Message) -> tuple[int, int]:
    """Width and height of the picture in a message, from its header.

    Raises:
        DecodeError: where it holds no picture that can be read.
    """
    if kind in RAW:
        width, height = message.get("width"), message.get("height")
        if not isinstance(width, int) or not isinstance(height, int) or not 0 < min(width, height) <= _LARGEST_SIDE:
            raise DecodeError(f"a picture of {width} x {height} pixels")
        return width, height
    return _open_file(message, lambda picture: picture.size)


def decode_picture(kind: str, message: Message) -> Image:
    """The picture in a message, [H, W, 3] RGB uint8; grey ones have three equal channels, 16 bits lose the lower 8.

    Raises:
        DecodeError: where it is damaged or of an encoding that is not known.
    """
    if kind in RAW:
        return _raw(message)
    return _open_file(message, lambda picture: np.array(picture.convert("RGB")))


def _open_file(message: Message, use: Any) -> Any:
    from PIL import Image as Pil

    data = payload(message)
    try:
        with Pil.open(io.BytesIO(data), formats=_FILES) as picture:
            return use(picture)
    # Decoders meet damaged bytes with whatever error they run into first: struct, zlib, syntax, size, key.
    except Exception as error:
        named = message.get("format")
        reason = str(error).split(" <_io")[0]
        raise DecodeError(f"the picture ({named!r}) cannot be read as JPEG, PNG or WebP ({reason})") from error


def _raw(message: Message) -> Image:
    width, height = picture_size(RAW[0], message)
    encoding = str(message.get("encoding", ""))
    data = np.frombuffer(payload(message), np.uint8)
    step = message.get("step")
    step = step if isinstance(step, int) and step > 0 else None
    for table, size in ((_INTERLEAVED, 1), (_SIXTEEN_BITS, 2)):
        if encoding in table:
            channels, order = table[encoding]
            rows = _rows(data, height, step or width * channels * size, width * channels * size)
            if size == 2:  # the higher byte of each
                rows = rows[:, 0 if message.get("is_bigendian") else 1 :: 2]
            return np.ascontiguousarray(rows.reshape(height, width, channels)[..., list(order)])
    if encoding in _CONVERTED:
        return _convert(data, width, height, step, _CONVERTED[encoding], bool(message.get("is_bigendian")))
    known = ", ".join([*_INTERLEAVED, *_SIXTEEN_BITS, *_CONVERTED])
    raise DecodeError(f"pictures encoded as {encoding!r} are not read; known are {known}")


def _rows(data: np.ndarray, height: int, step: int, used: int) -> np.ndarray:
    """Rows [height, used] of bytes that lie ``step`` apart."""
    if step < used or len(data) < step * (height - 1) + used:
        raise DecodeError(f"{len(data)} bytes are too few for {height} rows of {used} bytes, {step} apart")
    return np.lib.stride_tricks.as_strided(data, (height, used), (step, 1), writeable=False)


def _convert(data: np.ndarray, width: int, height: int, step: int | None, name: str, big: bool) -> Image:
    import av
    import av.error

    name += ("be" if big else "le") if name.endswith("16") else ""
    try:
        frame = av.VideoFrame(width, height, name)
        at = 0
        for plane in frame.planes:
            target = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)  # type: ignore[call-overload]
            rows = plane.height
            packed = _packed_row(name, width, plane.width)
            # The planes follow each other, all with the message's step.
            apart = max(step or packed, packed)
            target[:rows, :packed] = _rows(data[at:], rows, apart, packed)
            at += rows * apart
        return frame.reformat(format="rgb24").to_ndarray()
    except (av.error.FFmpegError, ValueError) as error:
        raise DecodeError(f"{name} of {width} x {height} pixels cannot be turned into RGB ({error})") from error


def _packed_row(name: str, width: int, plane_width: int) -> int:
    if name.startswith("bayer"):
        return width * (2 if "16" in name else 1)
    if name.startswith("nv"):
        return width * 2 if name == "nv24" and plane_width != width else width
    return width * 2


class PictureSource(SinglePictures):
    """`FrameSource` of a topic with one picture a message; ``rows`` [N] is the message of each frame.

    Frames have ``size`` (width, height).
    """

    def __init__(self, log: MessageLog, topic: Topic, entries: Entries, rows: Ints, size: tuple[int, int]) -> None:
        assert topic.decoder is not None
        super().__init__(len(rows))
        self._decoder: Decoder = topic.decoder
        self._where = f"{log.path}: {topic.name}"
        self._kind = topic.schema
        self._reader = log.open()
        self._entries = entries
        self._rows = rows
        self._size = size

    def close(self) -> None:
        """Close the recording and forget the pictures in memory, unless they are shared."""
        super().close()
        self._reader.close()

    def _load(self, index: int) -> Image:
        data = self._reader.read(self._entries, int(self._rows[index]))
        try:
            image = decode_picture(self._kind, self._decoder.decode(data))
        except DecodeError as error:
            raise LogError(f"{self._where}: frame {index}: {error}") from error
        size = (image.shape[1], image.shape[0])
        if size != self._size:
            raise LogError(
                f"{self._where}: frame {index} is {size[0]}x{size[1]} but the first {self._size[0]}x{self._size[1]}; "
                "a log's pictures must have one size"
            )
        return image
