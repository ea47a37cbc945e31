"""Where everything is in an MCAP file (https://mcap.dev/spec): its records, chunks and summary.

The summary at the end of the file names every chunk, and message indexes behind the chunks say where the messages of
a channel are, so nothing else is read at opening. A file without a summary (it was cut short, or its writer made
none) is walked record by record instead; the bodies of messages are skipped.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar

if TYPE_CHECKING:
    from mcap.records import Channel, ChunkIndex, Schema

T = TypeVar("T")

MAGIC = b"\x89MCAP0\r\n"
MESSAGE, MESSAGE_INDEX = 5, 7
_FOOTER, _SCHEMA, _CHANNEL, _CHUNK, _CHUNK_INDEX, _STATISTICS, _DATA_END = 2, 3, 4, 6, 8, 11, 15
HEAD = struct.Struct("<BQ")  # opcode and length of a record
MESSAGE_HEAD = struct.Struct("<HIQQ")  # channel, sequence, log time, publish time
_CHUNK_HEAD = struct.Struct("<QQQI")  # start time, end time, uncompressed size, checksum
LATEST = (1 << 63) - 1  # nanoseconds; a later time is damage
# A chunk is a few megabytes; what unpacks to more than this is damage or malice.
_LARGEST_CHUNK = 1 << 30
# A summary is a few kilobytes per chunk at most.
_LARGEST_SUMMARY = 1 << 30


@dataclass(frozen=True)
class Chunk:
    """Where a chunk's bytes are in the file, as they are stored, and where the indexes of its messages are."""

    start: int
    size: int
    compression: str
    unpacked: int
    indexes: dict[int, int]  # channel -> position of its message index; empty where there are none


@dataclass
class Contents:
    """What an MCAP file holds, as far as its summary or a walk through it tells."""

    schemas: dict[int, Schema] = field(default_factory=dict)
    channels: dict[int, Channel] = field(default_factory=dict)
    chunks: list[Chunk] = field(default_factory=list)
    loose: dict[int, list[tuple[int, int]]] = field(default_factory=dict)  # channel -> (log time, position)
    counts: dict[int, int] | None = None
    notes: list[str] = field(default_factory=list)


def unpack(data: bytes, compression: str, size: int) -> bytes:
    """Up to ``size`` bytes of ``data``, uncompressed; of cut data as much as there is.

    Raises:
        ValueError: where the compression is not known, the size absurd, or the data are damaged.
    """
    if size > _LARGEST_CHUNK:
        raise ValueError(f"it would take {size} bytes")
    if not compression:
        return data
    if compression == "zstd":
        import zstandard

        try:
            return zstandard.ZstdDecompressor().stream_reader(io.BytesIO(data), read_across_frames=True).read(size)
        except zstandard.ZstdError as error:
            raise ValueError(str(error)) from error
    if compression == "lz4":
        import lz4.frame  # type: ignore[import-untyped]

        try:
            return lz4.frame.LZ4FrameDecompressor().decompress(data, max_length=size)
        except RuntimeError as error:
            raise ValueError(str(error)) from error
    raise ValueError(f"compression {compression!r} is not known")


def read_contents(file: BinaryIO, size: int) -> Contents:
    """What an open file of ``size`` bytes holds, by its summary, or record by record where it has none."""
    return _read_summary(file, size) or _walk(file, size)


def _read_summary(file: BinaryIO, size: int) -> Contents | None:
    """What the summary says, or None where there is none that can be trusted."""
    tail = HEAD.size + 20 + len(MAGIC)
    if size < 2 * len(MAGIC) + tail:
        return None
    file.seek(size - tail)
    raw = file.read(tail)
    if not raw.endswith(MAGIC) or raw[0] != _FOOTER:
        return None
    start = struct.unpack_from("<Q", raw, HEAD.size)[0]
    if not len(MAGIC) <= start < size - tail or size - start > _LARGEST_SUMMARY:
        return None
    file.seek(start)
    body = file.read(size - tail - start)
    out = Contents()
    try:
        for opcode, _, record in records(body):
            _summary_record(out, opcode, record, size)
    except (ValueError, struct.error, IndexError):
        return None
    # Messages outside chunks are in no index, and a summary may leave out channels or chunks.
    stored = sum(out.counts.values()) if out.counts else 0
    if not out.channels or not out.chunks or (stored and not _covers(out)):
        return None
    return out


def _summary_record(out: Contents, opcode: int, record: memoryview, size: int) -> None:
    from mcap.records import ChunkIndex, Statistics

    if opcode == _CHUNK_INDEX:
        index = _parse(ChunkIndex.read, record)
        out.chunks.append(_chunk_of(index))
        if out.chunks[-1].start + out.chunks[-1].size > size:
            raise ValueError("a chunk lies behind the end of the file")
    elif opcode == _STATISTICS:
        statistics = _parse(Statistics.read, record)
        out.counts = dict(statistics.channel_message_counts)
    else:
        _describe(out, opcode, record)


def _covers(out: Contents) -> bool:
    indexed = {number for chunk in out.chunks for number in chunk.indexes}
    counted = {number for number, count in (out.counts or {}).items() if count}
    return counted <= out.channels.keys() and (not indexed or counted <= indexed)


def _chunk_of(index: ChunkIndex) -> Chunk:
    head = HEAD.size + _CHUNK_HEAD.size + 4 + len(index.compression.encode()) + 8
    return Chunk(
        index.chunk_start_offset + head,
        index.compressed_size,
        index.compression,
        index.uncompressed_size,
        dict(index.message_index_offsets),
    )


def _describe(out: Contents, opcode: int, record: memoryview) -> None:
    from mcap.records import Channel, Schema

    if opcode == _SCHEMA:
        schema = _parse(Schema.read, record)
        out.schemas[schema.id] = schema
    elif opcode == _CHANNEL:
        channel = _parse(Channel.read, record)
        out.channels[channel.id] = channel


def _parse(read: Callable[[Any], T], record: memoryview) -> T:
    from mcap.data_stream import ReadDataStream
    from mcap.exceptions import McapError

    try:
        return read(ReadDataStream(io.BytesIO(record)))
    except (McapError, struct.error, UnicodeDecodeError) as error:
        raise ValueError(f"a record is damaged ({error})") from error


def records(data: bytes | memoryview, only: int | None = None) -> Iterator[tuple[int, int, memoryview]]:
    """Opcode, position and body of the whole records in ``data``; ends quietly where they are cut."""
    view = memoryview(data)
    at = 0
    while at + HEAD.size <= len(view):
        opcode, length = HEAD.unpack_from(view, at)
        end = at + HEAD.size + length
        if end > len(view):
            return
        if only is None or opcode == only:
            yield opcode, at, view[at + HEAD.size : end]
        at = end


def record_at(file: BinaryIO, at: int, size: int, opcode: int) -> bytes | None:
    """The body of the record at position ``at``, or None where there is no whole one of that kind."""
    if not 0 <= at < size:
        return None
    file.seek(at)
    head = file.read(HEAD.size)
    if len(head) < HEAD.size or head[0] != opcode:
        return None
    length = HEAD.unpack(head)[1]
    return file.read(length) if at + HEAD.size + length <= size else None


def _walk(file: BinaryIO, size: int) -> Contents:
    """What a file without a usable summary holds, record by record, up to the first damage."""
    out = Contents()
    at = len(MAGIC)
    whole = False
    while at + HEAD.size <= size:
        file.seek(at)
        opcode, length = HEAD.unpack(file.read(HEAD.size))
        body, end = at + HEAD.size, at + HEAD.size + length
        if opcode == _DATA_END:
            whole = True
            break
        if opcode == _CHUNK:
            _walk_chunk(file, out, body, min(end, size))
        if end > size:
            break
        try:
            if opcode in (_SCHEMA, _CHANNEL):
                _describe(out, opcode, memoryview(file.read(length)))
            elif opcode == MESSAGE and length >= MESSAGE_HEAD.size:
                number, _, time, _ = MESSAGE_HEAD.unpack(file.read(MESSAGE_HEAD.size))
                out.loose.setdefault(number, []).append((time & LATEST, at))
            elif opcode == MESSAGE_INDEX and out.chunks and length >= 6:
                # An index in a file without summary: no need to unpack its chunk later.
                out.chunks[-1].indexes[struct.unpack("<H", file.read(2))[0]] = at
        except ValueError:
            break
        at = end
    if not whole and out.chunks:
        # The indexes behind the last chunk may be cut; its messages are then found by looking through it.
        out.chunks[-1] = replace(out.chunks[-1], indexes={})
    out.notes.append(
        "the file has no summary, so all of it was looked through at opening ('mcap recover' adds one)."
        if whole
        else "the file is damaged or cut short; the messages before that are there ('mcap recover' repairs it)."
    )
    return out


def _walk_chunk(file: BinaryIO, out: Contents, body: int, end: int) -> None:
    """Take note of a chunk in a file without summary."""
    head = file.read(_CHUNK_HEAD.size + 4)
    if len(head) < _CHUNK_HEAD.size + 4:
        return
    _, _, unpacked, _, letters = struct.unpack(_CHUNK_HEAD.format + "I", head)
    if letters > 32:
        return
    rest = file.read(letters + 8)
    if len(rest) < letters + 8:
        return
    compression = rest[:letters].decode("ascii", "replace")
    start = body + len(head) + len(rest)
    stored = min(struct.unpack_from("<Q", rest, letters)[0], end - start)
    file.seek(start)
    try:
        # Channels are described in the chunks themselves, each in the first chunk that uses it.
        for opcode, _, record in records(unpack(file.read(stored), compression, unpacked)):
            if opcode in (_SCHEMA, _CHANNEL):
                _describe(out, opcode, record)
    except ValueError as error:
        out.notes.append(f"the chunk at byte {body} cannot be unpacked ({error}) and is left out.")
        return
    out.chunks.append(Chunk(start, stored, compression, unpacked, {}))
