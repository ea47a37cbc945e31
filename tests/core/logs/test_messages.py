"""Messages come out as they went in: against the official decoders, and whatever the bytes are."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mcap_ros2._dynamic import serialize_dynamic
from message_files import (
    ROS,
    START,
    camera_poses,
    definition,
    foxglove_classes,
    ros_camera_info,
    ros_cloud,
    ros_tf,
    stamp,
)
from message_files import ros_odometry as odometry

from lapose_core.logs.messages.decoders import make_decoder, message_stamp, schema_kind, stamp_nanoseconds
from lapose_core.logs.messages.key_frames import is_key
from lapose_core.logs.messages.poses import course, east_north_up
from lapose_core.logs.messages.ros import DecodeError, RosDecoder, parse_definitions
from lapose_core.logs.messages.ros_definitions import standard_definitions

MESSAGES = [
    odometry(START, camera_poses()[3]),
    ros_tf(START, ("a", "bc", np.eye(4)), ("bc", "def", camera_poses()[2])),
    ros_camera_info(),
    ros_cloud(START),
]


def cdr(kind: str, message: dict[str, Any]) -> bytes:
    name = kind.replace("/", "/msg/")
    return serialize_dynamic(name, definition(kind))[name](message)


def same(found: Any, want: Any) -> bool:
    if isinstance(want, dict):
        return set(found) == set(want) and all(same(found[name], want[name]) for name in want)
    if isinstance(want, list) and want and isinstance(want[0], dict):
        return len(found) == len(want) and all(same(a, b) for a, b in zip(found, want))
    if isinstance(want, list):
        return np.array_equal(np.asarray(found, float), np.asarray(want, float))
    return bytes(found) == want if isinstance(want, bytes) else found == want


@pytest.mark.parametrize(("kind", "message"), MESSAGES, ids=[kind for kind, _ in MESSAGES])
def test_messages_come_out_as_the_official_writer_put_them_in(kind: str, message: dict[str, Any]) -> None:
    data = cdr(kind, message)
    decoder = make_decoder("cdr", kind.replace("/", "/msg/"), "ros2msg", definition(kind).encode())
    assert same(decoder.decode(data), message)
    # Without its definition, or with one in a language that is not read, the built-in one serves.
    for encoding, text in (("", b""), ("ros2idl", b"module x {};")):
        assert same(make_decoder("cdr", kind.replace("/", "/msg/"), encoding, text).decode(data), message)


def test_big_endian_and_the_second_version_of_cdr() -> None:
    definitions = parse_definitions("a/B", "uint8 flag\nfloat64 value\nint16[] numbers\nstring name")
    decode = RosDecoder("a/B", definitions, "cdr")
    want = {"flag": 3, "value": 2.5, "numbers": [1, -2], "name": "hé"}
    text = "hé".encode() + b"\0"
    big = b"\0\0\0\0" + b"\3" + bytes(7) + np.array(2.5, ">f8").tobytes() + b"\0\0\0\2" + b"\0\1\xff\xfe"
    assert same(decode(big + b"\0\0\0\4" + text), want)
    # XCDR2 aligns doubles to four bytes.
    second = b"\0\7\0\0" + b"\3" + bytes(3) + np.array(2.5, "<f8").tobytes() + b"\2\0\0\0" + b"\1\0\xfe\xff"
    assert same(decode(second + b"\4\0\0\0" + text), want)


def test_the_stamp_is_found_in_the_first_bytes() -> None:
    for kind, message in MESSAGES:
        decoder = make_decoder("cdr", kind, "ros2msg", definition(kind).encode())
        data = memoryview(cdr(kind, message))
        if "header" in message:
            assert decoder.stamp(data[:64]) == START == message_stamp(decoder.decode(data))
    image = foxglove_classes()["CompressedImage"](data=b"x" * 900)
    image.timestamp.seconds, image.timestamp.nanos = START // 10**9, START % 10**9
    from mcap_protobuf.schema import build_file_descriptor_set

    schema = build_file_descriptor_set(type(image)).SerializeToString()
    decoder = make_decoder("protobuf", "foxglove.CompressedImage", "protobuf", schema)
    data = memoryview(image.SerializeToString())
    assert decoder.stamp(data[:64]) == START == message_stamp(decoder.decode(data))
    text = b'{"timestamp":{"sec":12,"nsec":5},"data":"' + b"A" * 100
    assert make_decoder("json", "foxglove.CompressedImage", "jsonschema", b"").stamp(memoryview(text)) == 12 * 10**9 + 5


def test_stamps_that_are_not_set() -> None:
    assert stamp_nanoseconds(stamp(0)) is None
    assert stamp_nanoseconds(None) is None
    assert stamp_nanoseconds({"sec": -5, "nanosec": 1}) is None
    assert stamp_nanoseconds({"sec": 5, "nsec": 1}) == 5_000_000_001


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Missing thing", "definition of a/Missing is missing"),
        ("B again", "contains itself"),
        ("uint8", "no field"),
        ("\n".join(f"uint8[1000000] a{i}" for i in range(2)), "more than"),
    ],
)
def test_a_definition_that_is_none_is_refused(text: str, words: str) -> None:
    with pytest.raises(DecodeError, match=words):
        parse_definitions("a/B", text)


def test_types_that_multiply_are_refused_at_once() -> None:
    line = "\n" + "=" * 80 + "\n"
    text = "T0[9] x" + "".join(f"{line}MSG: a/T{k}\nT{k + 1}[9] x" for k in range(40)) + f"{line}MSG: a/T40\nuint8 x"
    with pytest.raises(DecodeError, match="more than"):
        parse_definitions("a/B", text)


@pytest.mark.parametrize("kind", [kind for kind, _ in MESSAGES])
@pytest.mark.parametrize("count", [2**32 - 1, 2**31, 100_000])
def test_a_huge_length_is_found_before_memory_is_taken(kind: str, count: int) -> None:
    data = bytearray(cdr(kind, dict(MESSAGES)[kind]))
    decode = make_decoder("cdr", kind, "ros2msg", definition(kind).encode()).decode
    refused = 0
    for at in range(4, len(data) - 4, 4):
        broken = bytes(data[:at]) + count.to_bytes(4, "little") + bytes(data[at + 4 :])
        try:
            decode(broken)
        except DecodeError:
            refused += 1
    assert refused


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(ROS)), st.binary(max_size=300))
def test_any_bytes_are_a_message_or_refused(kind: str, data: bytes) -> None:
    for wire in ("cdr", "ros1"):
        definitions = parse_definitions(kind, definition(kind))
        with suppress(DecodeError):
            assert isinstance(RosDecoder(kind, definitions, wire)(data), dict)


def test_the_built_in_definitions_are_those_of_the_official_texts() -> None:
    for kind in ROS:
        known = standard_definitions(kind)
        assert known is not None, kind
        for name, fields in parse_definitions(kind, definition(kind)).items():
            assert known[name] == fields, name


def test_names_of_schemas() -> None:
    assert schema_kind("sensor_msgs/msg/Image") == schema_kind("sensor_msgs/Image") == "sensor_msgs/Image"
    assert schema_kind("foxglove.CompressedVideo") == "foxglove/CompressedVideo"
    assert schema_kind("foxglove_msgs/msg/CompressedVideo") == "foxglove/CompressedVideo"


def test_key_frames_by_their_headers() -> None:
    assert is_key("h264", memoryview(b"\0\0\0\1\x67abc\0\0\1\x68a\0\0\1\x65xyz"))
    assert not is_key("h264", memoryview(b"\0\0\0\1\x67abc\0\0\1\x41xyz"))
    assert is_key("hevc", memoryview(b"\0\0\1\x40\1a\0\0\1\x26\1a"))
    assert not is_key("hevc", memoryview(b"\0\0\1\x02\1a"))
    assert is_key("av1", memoryview(b"\x12\0\x0a\2ab\x32\1a"))
    assert not is_key("av1", memoryview(b"\x12\0\x32\1a"))
    assert not any(is_key(codec, memoryview(b"")) for codec in ("h264", "hevc", "av1", "vp9", "vp8", "mjpeg"))


def test_the_course_holds_while_standing_and_turns_with_the_way() -> None:
    east = np.column_stack([np.arange(0, 10.0, 2), np.zeros(5), np.zeros(5)])
    standing = np.repeat(east[-1:], 6, axis=0) + np.random.default_rng(0).normal(0, 0.05, (6, 3))
    north = east[-1] + np.column_stack([np.zeros(5), np.arange(2, 12.0, 2), np.zeros(5)])
    heading = course(np.vstack([east, standing, north]))
    assert heading is not None
    np.testing.assert_allclose(heading[:4], 0, atol=1e-9)
    assert np.ptp(heading[5:11]) < 0.1
    np.testing.assert_allclose(heading[-4:], np.pi / 2, atol=1e-9)
    assert course(standing) is None


def test_local_metres_of_a_degree() -> None:
    """A minute of latitude is a nautical mile, by definition 1852 m, within the flattening of the earth."""
    found = east_north_up(np.array([[45.0, 9.0, 0.0], [45.0 + 1 / 60, 9.0, 0.0], [45.0, 9.0, 100.0]]))
    np.testing.assert_allclose(found[1, :2], [0.0, 1852.0], atol=1.0)
    np.testing.assert_allclose(found[2], [0.0, 0.0, 100.0], atol=1e-6)
