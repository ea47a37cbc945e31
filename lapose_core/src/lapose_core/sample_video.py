"""Videos to measure with, 30 frames a second of H.264 with B-frames: one of any length that is made in seconds, and one
whose frames say which they are."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

RATE = 30


def write_log(
    path: Path, *, seconds: float, clip: float = 20.0, gop: int = 250, size: tuple[int, int] = (1920, 1080)
) -> Path:
    """``seconds`` of video: a moving texture of ``clip`` seconds is encoded, and its packets are repeated."""
    count = round(min(clip, seconds) * RATE)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE, options={"preset": "veryfast", "bf": "2"})
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        stream.codec_context.gop_size = gop
        stream.codec_context.time_base = Fraction(1, RATE)
        packets = [packet for i in range(count) for packet in stream.encode(_picture(i, count, size))]
        packets += stream.encode(None)
        base = packets[0].time_base
        length = round(count / RATE / base)
        data = [(bytes(p), p.pts, p.dts, p.is_keyframe) for p in packets]
        for turn in range(-(-round(seconds * RATE) // count)):
            for content, pts, dts, key in data:
                packet = av.Packet(content)
                packet.stream, packet.time_base, packet.is_keyframe = stream, base, key
                packet.pts, packet.dts = pts + turn * length, dts + turn * length
                container.mux(packet)
    return path


def _picture(i: int, count: int, size: tuple[int, int]) -> av.VideoFrame:
    """Blocks of 8 columns that move down, row by row: no two frames are alike."""
    noise = np.random.default_rng(0).integers(0, 255, (size[1] + count, size[0] // 8, 3), dtype=np.uint8)
    picture = np.repeat(noise[i : i + size[1]] // 4 + 64, 8, axis=1)
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
    frame.pts, frame.time_base = i, Fraction(1, RATE)
    return frame


BITS = 12
"""Of the index that a counted frame carries."""


def write_counted(path: Path, *, count: int, gop: int = 250, size: tuple[int, int] = (1920, 1080)) -> Path:
    """``count`` frames that carry their index as a row of black and white blocks, large enough for any preview."""
    width, height = size
    rng = np.random.default_rng(0)
    ground = np.kron(rng.integers(60, 180, (-(-height // 8), width // 8 + count), np.uint8), np.ones((8, 8), np.uint8))
    with av.open(str(path), "w") as container:
        options = {"preset": "ultrafast", "g": str(gop), "sc_threshold": "0", "bf": "2"}
        stream = container.add_stream("libx264", rate=RATE, options=options)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.time_base = Fraction(1, RATE)
        for index in range(count):
            grey = ground[:height, 4 * index : 4 * index + width].copy()
            for bit in range(BITS):
                left = bit * width // BITS
                grey[height // 3 : height // 2, left : left + width // BITS] = 235 if index >> bit & 1 else 16
            frame = av.VideoFrame.from_ndarray(grey, format="gray").reformat(format="yuv420p")
            frame.pts = index
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def read_counted(grey: NDArray[np.uint8]) -> int:
    """The index that a picture [H, W] of a counted frame carries, whatever its size."""
    height, width = grey.shape
    row = grey[round(height * 5 / 12)]
    return sum(int(row[int(width * (bit + 0.5) / BITS)] > 125) << bit for bit in range(BITS))
