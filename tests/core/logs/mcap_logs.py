"""Recordings that the tests of MCAP files share, and how they open them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from message_files import COUNT, START, STEP, Event, encode, ros_image, stamp

from lapose_core.drive import Drive, LogError
from lapose_core.geometry import Array, invert
from lapose_core.logs.mcap_log import READER
from lapose_core.logs.reader import LogOptions

TIMES = np.arange(COUNT) * 0.1


VIDEO_COUNT = 30


def packets(codec: str, options: dict[str, str]) -> list[tuple[int, bytes]]:
    """Number of the picture and the bitstream of each packet, in order of decoding."""
    try:
        av.Codec(codec, "w")
    except ValueError:
        pytest.skip(f"this build of FFmpeg has no encoder {codec}")
    return encode(codec, tuple(options.items()), VIDEO_COUNT)


def video_drive(stream: list[tuple[int, bytes]], name: str) -> Iterator[Event]:
    for k, (i, data) in enumerate(stream):
        values = {"timestamp": stamp(START + i * STEP), "frame_id": "cam", "data": data, "format": name}
        yield START + k * STEP, "/front/video", "CompressedVideo", values


def open_file(path: Path, **options: Any) -> Drive:
    return READER.open(path, path.name, LogOptions(**options))


def steps(poses: Array) -> Array:
    return invert(poses[:1]) @ poses


def refused(path: Path, **options: Any) -> str:
    with pytest.raises(LogError) as caught:
        open_file(path, **options)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)
    return str(caught.value)


def pictures(stamps: list[int | None], topic: str = "/front/image") -> Iterator[Event]:
    for i, time in enumerate(stamps):
        yield START + i * STEP, topic, *ros_image(i, 0 if time is None else time)


def with_poses(*topics: Iterator[Event], count: int = COUNT, frame: str = "cam_optical") -> Iterator[Event]:
    for i in range(count):
        yield START + i * STEP, "/front/image", *ros_image(i, START + i * STEP, frame)
    for topic in topics:
        yield from topic
