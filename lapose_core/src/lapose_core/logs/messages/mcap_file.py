"""One MCAP file: its topics, and its messages one by one."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np

from lapose_core.drive import LogError
from lapose_core.logs.messages.decoders import make_decoder, schema_kind
from lapose_core.logs.messages.log import Entries, Topic, Which
from lapose_core.logs.messages.mcap_index import (
    HEAD,
    LATEST,
    MAGIC,
    MESSAGE,
    MESSAGE_HEAD,
    MESSAGE_INDEX,
    Chunk,
    read_contents,
    record_at,
    records,
    unpack,
)
from lapose_core.logs.messages.ros import DecodeError

_CACHE_BYTES = 64 << 20
_SHORT = 1024  # bytes


def open_raw(path: Path) -> BinaryIO:
    """A file to read here and there: without a buffer, which would be filled anew at every place."""
    return cast(BinaryIO, path.open("rb", buffering=0))


class McapFile:
    """The description of one MCAP file (a `MessageLog`).

    Raises:
        LogError: where it is no MCAP file, or holds nothing that can be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with open_raw(path) as file:
                if file.read(len(MAGIC)) != MAGIC:
                    raise LogError(
                        f"{path}: not an MCAP file of version 0 (its first bytes are not those of one); "
                        "record or convert it again"
                    )
                self._size = path.stat().st_size
                self._contents = read_contents(file, self._size)
        except OSError as error:
            raise LogError(f"{path}: cannot be read ({error.strerror})") from error
        self.notes = tuple(f"{path.name}: {note}" for note in self._contents.notes)
        self._channels: dict[str, list[int]] = {}
        for number, channel in self._contents.channels.items():
            self._channels.setdefault(channel.topic, []).append(number)
        self.topics: Mapping[str, Topic] = {
            name: self._topic(name, numbers) for name, numbers in sorted(self._channels.items())
        }
        if not self.topics:
            raise LogError(f"{path}: the file has no topics; it is empty or was cut off at its beginning")

    def entries(self, topic: str, which: Which = "all") -> Entries:
        """Where the messages of ``topic`` are, in order of log time; those of the first or last chunk if so asked."""
        wanted = self._channels.get(topic, [])
        found = [(time, -1, at) for number in wanted for time, at in self._contents.loose.get(number, ())]
        with open_raw(self.path) as file:
            unpacker = Unpacker(self.path, file, self._contents.chunks)
            chunks = list(enumerate(self._contents.chunks))
            for k, chunk in reversed(chunks) if which == "last" else chunks:
                if which != "all" and found:
                    break
                for _, time, offset in self._in_chunk(file, unpacker, k, set(wanted)):
                    direct = not chunk.compression and offset + HEAD.size <= chunk.size
                    found.append((time, -1, chunk.start + offset) if direct else (time, k, offset))
        rows = np.array(found, np.int64).reshape(-1, 3)
        rows = rows[np.argsort(rows[:, 0], kind="stable")]
        return Entries(rows[:, 0], np.zeros(len(rows), np.int64), rows[:, 1], rows[:, 2])

    def cost(self, entries: Sequence[Entries]) -> int:
        """Bytes of compressed chunks, unpacked, that must be unpacked to see all these messages."""
        chunks = {int(k) for each in entries for k in np.unique(each.chunk) if k >= 0}
        return sum(self._contents.chunks[k].unpacked for k in chunks)

    def open(self) -> McapReader:
        """A reader of its messages."""
        return McapReader(self.path, self._contents.chunks)

    def _topic(self, name: str, numbers: list[int]) -> Topic:
        channel = self._contents.channels[numbers[0]]
        schema = self._contents.schemas.get(channel.schema_id)
        counts = self._contents.counts
        count = None if counts is None else sum(counts.get(number, 0) for number in numbers)
        kind = schema_kind(schema.name) if schema else ""
        try:
            decoder = make_decoder(
                channel.message_encoding,
                schema.name if schema else "",
                schema.encoding if schema else "",
                schema.data if schema else b"",
            )
        except DecodeError as error:
            return Topic(name, kind, None, str(error), count)
        return Topic(name, kind, decoder, "", count)

    def _in_chunk(self, file: BinaryIO, unpacker: Unpacker, k: int, wanted: set[int]) -> Iterator[tuple[int, int, int]]:
        """Channel, log time and offset of the wanted messages of chunk ``k``."""
        chunk = self._contents.chunks[k]
        if not chunk.indexes:
            for _, offset, message in records(unpacker.chunk(k), MESSAGE):
                number, _, time, _ = MESSAGE_HEAD.unpack_from(message)
                if number in wanted:
                    yield number, time & LATEST, offset
            return
        for number in wanted & chunk.indexes.keys():
            body = record_at(file, chunk.indexes[number], self._size, MESSAGE_INDEX)
            if body is None or len(body) < 6:
                raise LogError(
                    f"{self.path}: the message index at byte {chunk.indexes[number]} is damaged; "
                    "'mcap recover' writes a file without the damage"
                )
            pairs = np.frombuffer(body, "<u8", (len(body) - 6) // 16 * 2, 6).reshape(-1, 2)
            for time, offset in (pairs & LATEST).astype(np.int64):
                if offset >= chunk.unpacked:
                    raise LogError(f"{self.path}: a message index points {offset} bytes into a chunk that is shorter")
                yield number, int(time), int(offset)


class McapReader:
    """Messages of one file by their entries (a `MessageReader`); keeps the last chunks unpacked."""

    def __init__(self, path: Path, chunks: Sequence[Chunk]) -> None:
        self._path = path
        try:
            self._file = open_raw(path)
        except OSError as error:
            raise LogError(f"{path}: cannot be read ({error.strerror})") from error
        self._size = path.stat().st_size
        self._unpacker = Unpacker(path, self._file, chunks)

    def read(self, entries: Entries, i: int, limit: int | None = None) -> memoryview:
        """Bytes of message ``i``, at most the first ``limit``.

        Raises:
            LogError: where the file is damaged there.
        """
        k, offset = int(entries.chunk[i]), int(entries.offset[i])
        head = HEAD.size + MESSAGE_HEAD.size
        if k < 0:
            self._file.seek(offset)
            # A short message, or the first bytes of a long one, come with its head.
            raw = self._file.read(head + (_SHORT if limit is None else limit))
            start, end = offset, self._size
        else:
            data = self._unpacker.chunk(k)
            start, end = offset, len(data)
            raw = data[offset : offset + head]
        if len(raw) < head or raw[0] != MESSAGE:
            raise self._damaged(offset)
        length = HEAD.unpack_from(raw)[1] - MESSAGE_HEAD.size
        if not 0 <= length <= end - start - head:
            raise self._damaged(offset)
        wanted = length if limit is None else min(length, limit)
        if k < 0:
            rest = self._file.read(head + wanted - len(raw)) if head + wanted > len(raw) else b""
            return memoryview(raw + rest if rest else raw)[head : head + wanted]
        return memoryview(data)[offset + head : offset + head + wanted]

    def close(self) -> None:
        """Close the file and forget the chunks."""
        self._unpacker.clear()
        self._file.close()

    def _damaged(self, offset: int) -> LogError:
        return LogError(
            f"{self._path}: there is no whole message where the index says (byte {offset}); the file is damaged, "
            "'mcap recover' keeps what is whole"
        )


class Unpacker:
    """Chunks of an open file, unpacked; the last ones are kept up to a number of bytes."""

    def __init__(self, path: Path, file: BinaryIO, chunks: Sequence[Chunk]) -> None:
        self._path = path
        self._file = file
        self._chunks = chunks
        self._kept: OrderedDict[int, bytes] = OrderedDict()
        self._bytes = 0

    def chunk(self, k: int) -> bytes:
        """The records of chunk ``k``; those before the damage in a chunk that is cut.

        Raises:
            LogError: where it cannot be unpacked at all.
        """
        if k in self._kept:
            self._kept.move_to_end(k)
            return self._kept[k]
        chunk = self._chunks[k]
        self._file.seek(chunk.start)
        try:
            data = unpack(self._file.read(chunk.size), chunk.compression, chunk.unpacked)
        except ValueError as error:
            raise LogError(f"{self._path}: the chunk at byte {chunk.start} cannot be unpacked ({error})") from error
        self._kept[k] = data
        self._bytes += len(data)
        while self._bytes > _CACHE_BYTES and len(self._kept) > 1:
            self._bytes -= len(self._kept.popitem(last=False)[1])
        return data

    def clear(self) -> None:
        """Forget all of them."""
        self._kept.clear()
        self._bytes = 0
