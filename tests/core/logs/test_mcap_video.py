"""Compressed video in MCAP files: any frame in any order, from any beginning."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from log_files import picture
from mcap_logs import VIDEO_COUNT, open_file, packets, refused, video_drive
from message_files import HEIGHT, WIDTH, Event, header, write_protobuf, write_ros2

from lapose_core.logs.messages.key_frames import is_key


@pytest.mark.parametrize("b_frames", ["0", "3"])
def test_video_frames_are_those_of_a_plain_decode_in_any_order(tmp_path: Path, b_frames: str) -> None:
    stream = packets("libx264", {"preset": "veryfast", "bf": b_frames})
    decoder: Any = av.CodecContext.create("h264", "r")
    plain = {}
    for i, data in stream:
        packet = av.Packet(data)
        packet.pts = i
        plain |= {frame.pts: frame.to_ndarray(format="rgb24") for frame in decoder.decode(packet)}
    plain |= {frame.pts: frame.to_ndarray(format="rgb24") for frame in decoder.decode(None)}
    path = write_protobuf(tmp_path / "a.mcap", video_drive(stream, "h264"), chunk_size=3000)
    frames = open_file(path).open_frames()
    random = np.random.default_rng(3)
    for i in [29, 0, 13, 12, 11, *random.integers(0, VIDEO_COUNT, 40), *range(VIDEO_COUNT)]:
        assert np.array_equal(frames.read(int(i)), plain[int(i)]), f"frame {i}"
    frames.close()


@pytest.mark.parametrize("kind", ["foxglove_msgs/CompressedVideo", "ffmpeg_image_transport_msgs/FFMPEGPacket"])
def test_video_in_ros_messages(tmp_path: Path, kind: str) -> None:
    def events() -> Iterator[Event]:
        for _, _, _, message in video_drive(packets("libx264", {"bf": "0", "preset": "veryfast"}), "h264"):
            time = message["timestamp"]["sec"] * 10**9 + message["timestamp"]["nanosec"]
            size = {"width": WIDTH, "height": HEIGHT, "flags": 0, "pts": 0, "is_bigendian": False}
            packet = {"header": header(time, "cam"), "encoding": "h264;yuv420p", "data": message["data"]} | size
            yield time, "/cam/video", kind, packet if "ffmpeg" in kind else message

    drive = open_file(write_ros2(tmp_path / "a.mcap", events()))
    assert (len(drive), drive.width, drive.height) == (VIDEO_COUNT, WIDTH, HEIGHT)
    frames = drive.open_frames()
    for i in (25, 3):
        assert np.abs(frames.read(i).astype(float) - picture(i, WIDTH, HEIGHT)).mean() < 12
    frames.close()


def test_video_that_begins_between_key_frames_starts_at_the_first(tmp_path: Path) -> None:
    path = write_protobuf(tmp_path / "a.mcap", video_drive(packets("libx264", {"bf": "0"})[5:], "h264"))
    drive = open_file(path)
    assert len(drive) == VIDEO_COUNT - 12
    assert any("first 7 pictures" in note for note in drive.notes)
    frames = drive.open_frames()
    assert np.abs(frames.read(0).astype(float) - picture(12, WIDTH, HEIGHT)).mean() < 12
    frames.close()


def test_video_that_begins_with_an_open_group_of_pictures(tmp_path: Path) -> None:
    """H.265 at a key frame whose followers are shown before it and need pictures that are not there."""
    options = {"preset": "fast", "x265-params": "keyint=10:min-keyint=10:open-gop=1:bframes=4:b-adapt=0:log-level=none"}
    stream = packets("libx265", options)
    keys = [k for k, (_, data) in enumerate(stream) if is_key("hevc", memoryview(data))]
    begin = keys[1]
    lost = sum(i < stream[begin][0] for i, _ in stream[begin:])
    assert lost > 0
    drive = open_file(write_protobuf(tmp_path / "a.mcap", video_drive(stream[begin:], "h265")))
    assert len(drive) == len(stream) - begin - lost
    frames = drive.open_frames()
    for frame in (0, 5, 12, 3):
        assert np.abs(frames.read(frame).astype(float) - picture(stream[begin][0] + frame, WIDTH, HEIGHT)).mean() < 12
    frames.close()


def test_video_without_a_key_frame_and_of_an_unknown_codec(tmp_path: Path) -> None:
    short = list(video_drive(packets("libx264", {"bf": "0"})[1:9], "h264"))
    assert "no key frame" in refused(write_protobuf(tmp_path / "a.mcap", iter(short)))
    other = [(t, topic, kind, m | {"format": "theora"}) for t, topic, kind, m in short]
    assert "theora" in refused(write_protobuf(tmp_path / "b.mcap", iter(other)))


def test_a_damaged_message_costs_the_video_only_what_needs_it(tmp_path: Path) -> None:
    events = list(video_drive(packets("libx264", {"bf": "0", "preset": "veryfast"}), "h264"))
    time, topic, kind, message = events[14]
    events[14] = (time, topic, kind, message | {"data": b"\0\0\1\x41 nothing"})
    drive = open_file(write_protobuf(tmp_path / "a.mcap", iter(events)))
    frames = drive.open_frames()
    for i in (3, 13, 24, 29):
        assert np.abs(frames.read(i).astype(float) - picture(i, WIDTH, HEIGHT)).mean() < 12
    frames.close()
