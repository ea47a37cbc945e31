"""What any recording of messages offers: topics, an index of their messages, and one message's bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from lapose_core.drive import LogError
from lapose_core.logs.messages.decoders import Decoder, Message
from lapose_core.logs.messages.ros import DecodeError

# Of so many messages at the beginning of a topic one must be readable.
_TRIED = 50

T = TypeVar("T")

Ints = NDArray[np.int64]
Which = Literal["all", "first", "last"]


@dataclass(frozen=True)
class Topic:
    """One topic of a recording.

    Attributes:
        name: such as ``/camera/front/image``.
        schema: normalised ``package/Name``, such as ``sensor_msgs/Image`` or ``foxglove/CompressedVideo``.
        decoder: of its messages, or None where they cannot be decoded.
        problem: why not, in words.
        count: of messages, where the recording's index tells.
    """

    name: str
    schema: str
    decoder: Decoder | None
    problem: str = ""
    count: int | None = None


@dataclass(frozen=True)
class Entries:
    """Where the messages of one topic are, in the order in which they were logged.

    Attributes:
        log_times: [N] nanoseconds, not decreasing.
        part: [N] file of the recording.
        chunk: [N] position of the compressed chunk in that file, or -1 for a message that can be read by itself.
        offset: [N] position in the chunk or the file, or the row of a database.
    """

    log_times: Ints
    part: Ints
    chunk: Ints
    offset: Ints

    def __len__(self) -> int:
        return len(self.log_times)


class MessageReader(Protocol):
    """An open recording. Not thread-safe: each thread opens its own."""

    def read(self, entries: Entries, i: int, limit: int | None = None) -> memoryview:
        """Bytes of message ``i``, at most the first ``limit``. Raises LogError where the file is damaged there."""
        ...

    def close(self) -> None: ...


class MessageLog(Protocol):
    """A recording's description, shared between threads.

    Attributes:
        path: of the file or folder.
        topics: by name.
        notes: what had to be assumed, and what is damaged, one sentence each.
    """

    path: Path
    topics: Mapping[str, Topic]
    notes: tuple[str, ...]

    def entries(self, topic: str, which: Which = "all") -> Entries:
        """Where the messages of ``topic`` are, all or, which is quicker, a few of the first or last.

        Raises LogError where the file is damaged.
        """
        ...

    def cost(self, entries: Sequence[Entries]) -> int:
        """Bytes of compressed chunks that must be unpacked to see all these messages."""
        ...

    def open(self) -> MessageReader: ...


def first_readable(reader: MessageReader, topic: Topic, entries: Entries, where: str, use: Callable[[Message], T]) -> T:
    """What ``use`` makes of the first message of a topic that it does not refuse by a DecodeError.

    Damage at the beginning of a file so costs only what it hits.

    Raises:
        LogError: where none of the first can be used: what is wrong with the first one, after ``where``.
    """
    problem = ""
    for i in range(min(len(entries), _TRIED) if topic.decoder is not None else 0):
        assert topic.decoder is not None
        try:
            return use(topic.decoder.decode(reader.read(entries, i)))
        except DecodeError as error:
            problem = problem or f"{where}: the first message: {error}"
        except LogError as error:
            problem = problem or str(error)
    raise LogError(problem or f"{where}: the topic has no messages that can be read")


def join(parts: Sequence[Entries]) -> Entries:
    """The entries of one topic in several files of a recording, in order of log time."""
    times = np.concatenate([part.log_times for part in parts])
    number = np.concatenate([np.full(len(part), k, np.int64) for k, part in enumerate(parts)])
    order = np.argsort(times, kind="stable")
    return Entries(
        times[order],
        number[order],
        np.concatenate([part.chunk for part in parts])[order],
        np.concatenate([part.offset for part in parts])[order],
    )


def in_file_order(wanted: Sequence[Entries]) -> Iterator[tuple[int, int]]:
    """(k, i): message i of ``wanted[k]``, for all of them, so that each chunk is unpacked once."""
    if not wanted:
        return
    which = np.concatenate([np.full(len(entries), k, np.int64) for k, entries in enumerate(wanted)])
    row = np.concatenate([np.arange(len(entries)) for entries in wanted])
    keys = [np.concatenate([getattr(e, name) for e in wanted]) for name in ("offset", "chunk", "part")]
    for j in np.lexsort(keys):
        yield int(which[j]), int(row[j])
