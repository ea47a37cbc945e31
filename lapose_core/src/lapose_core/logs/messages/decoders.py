"""From a message's bytes to its named values, whichever of the encodings of MCAP they are in.

Every decoder gives nested dicts, so that those who interpret messages need not know the encoding. Times are dicts
with ``sec`` and ``nanosec`` (or ``nsec``), bytes are buffers.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from lapose_core.logs.messages.ros import DecodeError, RosDecoder, normal_name, parse_definitions
from lapose_core.logs.messages.ros_definitions import standard_definitions

Message = Mapping[str, Any]

# Enough for a header or the first fields of a message.
PREFIX_BYTES = 64
_JSON_STAMP = re.compile(rb'"(?:timestamp|stamp)"\s*:\s*\{\s*"sec"\s*:\s*(\d+)\s*,\s*"n(?:ano)?sec"\s*:\s*(\d+)\s*\}')


@dataclass(frozen=True)
class Decoder:
    """How to decode the messages of one topic.

    Attributes:
        decode: a message's bytes -> its values; raises DecodeError where they do not fit.
        stamp: the first `PREFIX_BYTES` of a message -> nanoseconds of its own time stamp, or None where these bytes
            do not tell.
        made_of: what ``make_decoder`` was given, from which a pickled one is made again.
    """

    decode: Callable[[bytes | memoryview], Message]
    stamp: Callable[[memoryview], int | None]
    made_of: tuple[str, str, str, bytes] = ("", "", "", b"")

    def __reduce__(self) -> tuple[Callable[..., Decoder], tuple[str, str, str, bytes]]:
        return make_decoder, self.made_of


def make_decoder(message_encoding: str, schema_name: str, schema_encoding: str, schema: bytes) -> Decoder:
    """The decoder of a topic, from its channel's and schema's description in an MCAP file or ROS 2 bag.

    Raises:
        DecodeError: saying why messages of this kind are not read.
    """
    if message_encoding in ("cdr", "ros1"):
        decoder = _ros(message_encoding, schema_name, schema_encoding, schema)
    elif message_encoding == "protobuf":
        decoder = _protobuf(schema_name, schema)
    elif message_encoding == "json":
        decoder = Decoder(_decode_json, _json_stamp)
    else:
        raise DecodeError(f"messages encoded as {message_encoding!r} are not read")
    return replace(decoder, made_of=(message_encoding, schema_name, schema_encoding, schema))


def schema_kind(name: str) -> str:
    """``package/Name`` of a schema; Foxglove's are ``foxglove/Name`` in every encoding."""
    package, _, short = normal_name(name).rpartition("/")
    return f"{'foxglove' if package in ('foxglove', 'foxglove_msgs') else package}/{short}"


def message_stamp(message: Message) -> int | None:
    """Nanoseconds of a message's own time stamp; None where it has none or it is not set."""
    header = message.get("header")
    stamp = header.get("stamp") if isinstance(header, Mapping) else message.get("timestamp")
    return stamp_nanoseconds(stamp)


def stamp_nanoseconds(stamp: object) -> int | None:
    """Nanoseconds of a ``sec``/``nanosec`` pair; None for zero, which means "not set", and for anything else."""
    if not isinstance(stamp, Mapping):
        return None
    seconds = stamp.get("sec", stamp.get("seconds", 0))
    fraction = next((stamp[name] for name in ("nanosec", "nsec", "nanos") if name in stamp), 0)
    if not isinstance(seconds, int) or not isinstance(fraction, int) or not 0 <= seconds < 1 << 33:
        return None
    return seconds * 1_000_000_000 + fraction or None


def frame_id(message: Message) -> str:
    """Name of the frame of reference that a message's values are in; empty where it does not say."""
    header = message.get("header")
    name = header.get("frame_id") if isinstance(header, Mapping) else message.get("frame_id")
    return name.strip().lstrip("/") if isinstance(name, str) else ""


def payload(message: Message, field: str = "data") -> memoryview:
    """The bytes in a field: a buffer, or in JSON a text in base64.

    Raises:
        DecodeError: where the field is missing or holds something else.
    """
    value = message.get(field)
    if isinstance(value, str):
        try:
            return memoryview(base64.b64decode(value, validate=True))
        except (binascii.Error, ValueError) as error:
            raise DecodeError(f"{field} is not in base64 ({error})") from error
    try:
        return memoryview(value).cast("B")  # type: ignore[arg-type]
    except TypeError as error:
        raise DecodeError(f"the message has no bytes in {field}") from error


def _ros(wire: str, name: str, schema_encoding: str, schema: bytes) -> Decoder:
    readable = schema_encoding in ("ros1msg", "ros2msg") and schema.strip()
    definitions = parse_definitions(name, schema.decode("utf-8", "replace")) if readable else None
    if definitions is None and wire == "cdr":
        definitions = standard_definitions(name)
    if definitions is None:
        raise DecodeError(f"the recording has no message definition of {name} that can be read")
    decode = RosDecoder(name, definitions, "cdr" if wire == "cdr" else "ros1")
    offset = decode.stamp_offset

    def stamp(prefix: memoryview) -> int | None:
        if offset is None or len(prefix) < offset + 8:
            return None
        order = ">" if wire == "cdr" and not prefix[1] & 1 else "<"
        seconds, nanoseconds = struct.unpack_from(f"{order}iI", prefix, offset)
        return stamp_nanoseconds({"sec": seconds, "nanosec": nanoseconds})

    return Decoder(decode, stamp)


def _protobuf(name: str, schema: bytes) -> Decoder:
    from google.protobuf.message import DecodeError as ProtobufError  # type: ignore[import-untyped]
    from mcap.records import Schema
    from mcap_protobuf.decoder import DecoderFactory

    try:
        parse = DecoderFactory().decoder_for("protobuf", Schema(1, schema, "protobuf", name))
    # A descriptor that does not hold together fails in whichever of protobuf's checks meets it first.
    except Exception as error:
        raise DecodeError(f"the protobuf schema of {name} cannot be used ({error})") from error
    if parse is None:
        raise DecodeError(f"the protobuf schema of {name} cannot be used")

    def decode(data: bytes | memoryview) -> Message:
        try:
            return _plain(parse(bytes(data)))
        except (ProtobufError, RecursionError) as error:
            raise DecodeError(f"the message does not fit its schema ({error})") from error

    # Elsewhere the first field may be anything.
    return Decoder(decode, _protobuf_stamp if schema_kind(name).startswith("foxglove/") else lambda prefix: None)


def _plain(message: Any) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for field in message.DESCRIPTOR.fields:
        value = getattr(message, field.name)
        if field.message_type is None:
            values[field.name] = value if isinstance(value, str | bytes | int | float) else list(value)
        elif field.message_type.GetOptions().map_entry:
            continue  # none of the schemas that are read has a map
        elif not hasattr(value, "DESCRIPTOR"):
            values[field.name] = [_plain(item) for item in value]
        elif message.HasField(field.name):
            values[field.name] = _plain(value)
    return values


def _protobuf_stamp(prefix: memoryview) -> int | None:
    """The first field where it is a google.protobuf.Timestamp, as in every Foxglove schema that has a time."""
    if len(prefix) < 2 or prefix[0] != 0x0A or len(prefix) < 2 + prefix[1] or prefix[1] > 22:
        return None
    parts = {"sec": 0, "nanosec": 0}
    at, end = 2, 2 + prefix[1]
    while at < end:
        name = {0x08: "sec", 0x10: "nanosec"}.get(prefix[at])
        if name is None:
            return None
        at += 1
        value = shift = 0
        while at < end:
            value |= (prefix[at] & 0x7F) << shift
            shift += 7
            at += 1
            if not prefix[at - 1] & 0x80:
                break
        parts[name] = value
    return stamp_nanoseconds(parts)


def _decode_json(data: bytes | memoryview) -> Message:
    try:
        value = json.loads(bytes(data))
    except (ValueError, RecursionError) as error:
        raise DecodeError(f"the message is not JSON ({error})") from error
    if not isinstance(value, dict):
        raise DecodeError(f"the message is a JSON {type(value).__name__}, not an object")
    return value


def _json_stamp(prefix: memoryview) -> int | None:
    match = _JSON_STAMP.match(bytes(prefix).lstrip(b" {\n\t").removeprefix(b'"header":').lstrip(b" {"))
    return int(match[1]) * 1_000_000_000 + int(match[2]) or None if match else None
