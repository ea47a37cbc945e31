"""A video to measure with: 1080p30 H.264 with B-frames, as long as is asked for and made in seconds."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

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
