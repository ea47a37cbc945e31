"""Logs to try the readers on: small ones written here, real ones where they are."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image as Pil

from lapose_core.geometry import Array, make_poses, matrix_from_quaternion, quaternion_from_matrix

SHARED = Path(__file__).parents[3] / "shared" / "data"
X264 = {"preset": "veryfast", "bf": "3"}
FOCAL, BASELINE = 20.0, 0.54
Stamp = Callable[[int], int]


def real(name: str) -> Path:
    """A piece of real data; the test is skipped, by name, where it is absent."""
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"shared/data/{name} is not here")
    return path


def arc(count: int, step: float = 0.5, turn: float = 0.02) -> Array:
    """A drive to the right along a circle, camera-to-world [N, 4, 4]."""
    heading = turn * np.arange(count)
    half = heading / 2
    quaternion = np.stack([0 * half, np.sin(half), 0 * half, np.cos(half)], -1)
    centre = np.cumsum(np.stack([np.sin(heading), 0 * heading, np.cos(heading)], -1) * step, axis=0)
    return make_poses(matrix_from_quaternion(quaternion), centre)


def tum_text(times: Array, poses: Array) -> str:
    quaternion = quaternion_from_matrix(poses[:, :3, :3])
    rows = np.column_stack([times, poses[:, :3, 3], quaternion])
    return "# a comment\n" + "".join(" ".join(repr(float(v)) for v in row) + "\n" for row in rows)


def kitti_text(poses: Array) -> str:
    return "".join(" ".join(repr(float(v)) for v in row) + "\n" for row in poses[:, :3].reshape(-1, 12))


def write_pictures(
    folder: Path, count: int, size: tuple[int, int] = (24, 16), name: str = "{:06d}.png", mode: str = "RGB"
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(count):
        Pil.new(mode, size, i * 9 if mode == "L" else (i * 9, 255 - i, 40)).save(folder / name.format(i))


def picture(i: int, width: int, height: int) -> np.ndarray:
    """A scene that moves and changes everywhere, so that no two frames look alike."""
    y, x = np.mgrid[0:height, 0:width]
    wave = 127 + 120 * np.sin((x + 3 * i) / 9.0) * np.cos((y - 2 * i) / 7.0)
    image = np.stack([wave, np.roll(wave, 5 * i, 1), 255 - wave], -1).astype(np.uint8)
    image[: height // 4, : 1 + (i * 7) % width] = (i * 37) % 256
    return image


def hidden_vp8(packet: av.Packet) -> av.Packet:
    """The same VP8 picture, not to be shown: bit 4 of its header (RFC 6386, 9.1) cleared."""
    data = bytearray(bytes(packet))
    data[0] &= ~0x10
    hidden = av.Packet(bytes(data))
    hidden.stream, hidden.time_base, hidden.pts, hidden.dts = (
        packet.stream,
        packet.time_base,
        packet.pts,
        packet.dts,
    )
    return hidden


def write_video(
    path: Path,
    *,
    codec: str = "libx264",
    frames: int = 40,
    size: tuple[int, int] = (96, 64),
    pixels: str = "yuv420p",
    options: dict[str, str] | None = None,
    gop: int | None = None,
    b_frames: int | None = None,
    stamp: Stamp = lambda i: i * 40,
    shift: int = 0,
    skip_packets: int = 0,
    rotation: int | None = None,
    hide_packet: int | None = None,
    container_options: dict[str, str] | None = None,
) -> Path:
    """Encode `picture` 0.. at ``stamp(i)`` milliseconds; packets may be shifted in time or left out."""
    with av.open(str(path), "w", options=container_options or {}) as container:
        stream = container.add_stream(codec, rate=25, options=options or {})
        stream.width, stream.height, stream.pix_fmt = *size, pixels
        context = stream.codec_context
        context.thread_count = 1
        context.time_base = Fraction(1, 25 if codec in ("mpeg4", "mpeg2video") else 1000)
        if gop is not None:
            context.gop_size = gop
        if b_frames is not None:
            context.max_b_frames = b_frames
        if rotation is not None:
            stream.set_display_rotation(rotation)
        packets = []
        for i in range(frames):
            frame = av.VideoFrame.from_ndarray(picture(i, *size), format="rgb24").reformat(format=pixels)
            frame.time_base = Fraction(1, 1000)
            frame.pts = stamp(i)
            packets += stream.encode(frame)
        packets += stream.encode(None)
        if hide_packet is not None:
            packets[hide_packet] = hidden_vp8(packets[hide_packet])
        for packet in packets[skip_packets:]:
            if shift:
                offset = round(shift / 1000 / packet.time_base)
                packet.pts, packet.dts = packet.pts + offset, packet.dts + offset
            container.mux(packet)
    if codec == "libsvtav1":  # as root it leaves this thread at real-time priority, which starves all others
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    return path


def write_kitti(root: Path, sequence: str = "07", count: int = 6, cameras: tuple[int, ...] = (0, 1)) -> Path:
    folder = root / "sequences" / sequence
    for camera in cameras:
        write_pictures(folder / f"image_{camera}", count, mode="L")
    rows = [f"P{k}: {FOCAL} 0 12 {-FOCAL * BASELINE * k} 0 {FOCAL} 8 0 0 0 1 0" for k in range(4)]
    (folder / "calib.txt").write_text("\n".join(rows) + "\nTr: 1 0 0 0 0 1 0 0 0 0 1 0\n")
    (folder / "times.txt").write_text("".join(f"{0.1 * i:e}\n" for i in range(count)))
    (root / "poses").mkdir(exist_ok=True)
    (root / "poses" / f"{sequence}.txt").write_text(kitti_text(arc(count)))
    return root


def write_synthetic(folder: Path, count: int = 6, **changes: Any) -> Path:
    """A log in the layout of `lapose synth`, with pictures; ``changes`` replace entries of drive.json."""
    write_pictures(folder / "frames", count)
    times = [0.25 * i for i in range(count)]
    values = {
        "format": "lapose-synthetic",
        "version": 1,
        "name": "hill",
        "seed": 3,
        "rate": 4.0,
        "size": [24, 16],
        "frames": "frames",
        "times": times,
        "intrinsics": {"fx": 20.0, "fy": 20.0, "cx": 12.0, "cy": 8.0},
        "regimes": {"light": ["day"] * count, "reverse": [False] * count},
    }
    (folder / "drive.json").write_text(json.dumps(values | changes))
    (folder / "poses.tum").write_text(tum_text(np.array(times), arc(count)))
    return folder
