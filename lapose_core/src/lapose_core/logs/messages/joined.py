"""Several files that are one recording, such as the splits of a ROS 2 bag, and messages that are compressed each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from lapose_core.drive import LogError
from lapose_core.logs.messages.log import Entries, MessageLog, MessageReader, Topic, Which, join
from lapose_core.logs.messages.mcap_index import unpack

_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
# Larger than any picture; what says more is damage or malice.
_LARGEST_MESSAGE = 1 << 29


class JoinedLog:
    """The files of one recording (a `MessageLog`).

    Args:
        path: the recording's folder or file.
        parts: of the files in order of time, at least one.
        counts: of messages by topic, where something else than the files tells them.
        notes: on the recording as a whole.
    """

    def __init__(
        self, path: Path, parts: Sequence[MessageLog], counts: Mapping[str, int], notes: Sequence[str] = ()
    ) -> None:
        self.path = path
        self._parts = parts
        self.notes = (*notes, *(note for part in parts for note in part.notes))
        merged: dict[str, Topic] = {}
        for part in parts:
            for name, topic in part.topics.items():
                known = merged.get(name)
                if known is None or (known.decoder is None and topic.decoder is not None):
                    merged[name] = topic
        self.topics: Mapping[str, Topic] = {
            name: replace(topic, count=counts.get(name, self._count(name))) for name, topic in sorted(merged.items())
        }

    def entries(self, topic: str, which: Which = "all") -> Entries:
        """Where the messages of ``topic`` are in all files; in the first or last file with any if so asked."""
        found = []
        parts = list(enumerate(self._parts))
        for k, part in reversed(parts) if which == "last" else parts:
            entries = part.entries(topic, which)
            found.append(replace(entries, part=np.full(len(entries), k, np.int64)))
            if which != "all" and len(entries):
                break
        return join(found)

    def cost(self, entries: Sequence[Entries]) -> int:
        """Bytes of compressed chunks that must be unpacked to see all these messages."""
        total = 0
        for k, part in enumerate(self._parts):
            own = [replace(e, **{name: getattr(e, name)[e.part == k] for name in _COLUMNS}) for e in entries]
            total += part.cost([e for e in own if len(e)])
        return total

    def open(self) -> JoinedReader:
        """A reader of the messages of all files."""
        return JoinedReader(self._parts)

    def _count(self, topic: str) -> int | None:
        counts = [part.topics[topic].count for part in self._parts if topic in part.topics]
        known = [count for count in counts if count is not None]
        return sum(known) if len(known) == len(counts) else None


_COLUMNS = ("log_times", "part", "chunk", "offset")


class JoinedReader:
    """Messages of several files (a `MessageReader`); a file is opened when something in it is asked for."""

    def __init__(self, parts: Sequence[MessageLog]) -> None:
        self._parts = parts
        self._open: dict[int, MessageReader] = {}

    def read(self, entries: Entries, i: int, limit: int | None = None) -> memoryview:
        """Bytes of message ``i``, at most the first ``limit``, uncompressed.

        Raises:
            LogError: where the file is damaged there.
        """
        k = int(entries.part[i])
        if k not in self._open:
            self._open[k] = self._parts[k].open()
        data = self._open[k].read(entries, i, limit)
        # CDR begins with a zero, so a message that begins like this was compressed by itself.
        if bytes(data[:4]) != _ZSTD_MAGIC:
            return data
        whole = bytes(data if limit is None else self._open[k].read(entries, i))
        try:
            return memoryview(unpack(whole, "zstd", _LARGEST_MESSAGE))[:limit]
        except ValueError as error:
            raise LogError(f"{self._parts[k].path}: message {i} cannot be unpacked ({error})") from error

    def close(self) -> None:
        """Close all files."""
        for reader in self._open.values():
            reader.close()
        self._open.clear()
