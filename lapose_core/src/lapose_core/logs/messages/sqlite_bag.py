"""One database file (.db3) of a ROS 2 bag: tables topics and messages, from Iron on also message_definitions."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

import numpy as np

from lapose_core.drive import LogError
from lapose_core.logs.messages.decoders import make_decoder, schema_kind
from lapose_core.logs.messages.log import Entries, Topic, Which
from lapose_core.logs.messages.ros import DecodeError

_NEEDED = {
    "topics": ("id", "name", "type", "serialization_format"),
    "messages": ("id", "topic_id", "timestamp", "data"),
}


class SqliteBag:
    """The description of one database file of a bag (a `MessageLog`).

    Raises:
        LogError: where it is no such database.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.notes = _damage(path)
        self._ids: dict[str, list[int]] = {}
        topics: dict[str, Topic] = {}
        with closing(_connect(path)) as database:
            try:
                definitions = _definitions(database)
                rows = database.execute("SELECT id, name, type, serialization_format FROM topics").fetchall()
            except sqlite3.Error as error:
                raise LogError(f"{path}: the topics cannot be read ({error}); 'ros2 bag reindex' may help") from error
        for number, name, kind, encoding in rows:
            self._ids.setdefault(str(name), []).append(int(number))
            topics[str(name)] = _topic(str(name), str(kind), str(encoding), definitions.get(str(kind)))
        self.topics: Mapping[str, Topic] = topics

    def entries(self, topic: str, which: Which = "all") -> Entries:
        """Where the messages of ``topic`` are, in order of log time; the first or the last if so asked."""
        marks = ",".join("?" * len(self._ids.get(topic, [])))
        order = {"all": "", "first": " ORDER BY timestamp LIMIT 1", "last": " ORDER BY timestamp DESC LIMIT 1"}[which]
        query = f"SELECT timestamp, id FROM messages WHERE topic_id IN ({marks}){order}"
        with closing(_connect(self.path)) as database:
            found = np.array(list(_until_damage(database, query, self._ids.get(topic, []))), np.int64).reshape(-1, 2)
        found = found[np.argsort(found[:, 0], kind="stable")]
        nothing = np.zeros(len(found), np.int64)
        return Entries(found[:, 0], nothing, nothing - 1, found[:, 1])

    def cost(self, entries: Sequence[Entries]) -> int:
        """0: every message of a database can be read by itself."""
        return 0

    def open(self) -> SqliteReader:
        """A reader of its messages."""
        return SqliteReader(self.path)


class SqliteReader:
    """Messages of one database by their entries (a `MessageReader`)."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._database = _connect(path)

    def read(self, entries: Entries, i: int, limit: int | None = None) -> memoryview:
        """Bytes of message ``i``, at most the first ``limit``.

        Raises:
            LogError: where the database is damaged there.
        """
        row = int(entries.offset[i])
        try:
            with self._database.blobopen("messages", "data", row, readonly=True) as blob:
                return memoryview(blob.read() if limit is None else blob.read(min(limit, len(blob))))
        except sqlite3.Error as error:
            raise LogError(
                f"{self._path}: message {row} cannot be read ({error}); the file is damaged there"
            ) from error

    def close(self) -> None:
        """Close the database."""
        self._database.close()


def _connect(path: Path) -> sqlite3.Connection:
    # Immutable: nothing is ever written beside the log, not even a lock.
    database: sqlite3.Connection | None = None
    try:
        if not path.is_file():
            raise LogError(f"{path}: there is no such file")
        database = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro&immutable=1", uri=True, check_same_thread=False)
        database.text_factory = partial(str, encoding="utf-8", errors="replace")
        database.execute("PRAGMA trusted_schema = OFF")
        # Named for something else, this also makes SQLite read a file that is shorter than its header says.
        database.execute("PRAGMA writable_schema = ON")
        for table, columns in _NEEDED.items():
            # A view of that name could be a query without end.
            kind = database.execute("SELECT type FROM sqlite_master WHERE name = ?", (table,)).fetchone()
            there = {row[1] for row in database.execute(f"PRAGMA table_info({table})")}
            missing = [column for column in columns if column not in there]
            if kind != ("table",) or missing:
                what = f"column {missing[0]} of table {table}" if kind and missing else f"table {table}"
                raise LogError(f"{path}: not the database of a ROS 2 bag: it has no {what}")
    except sqlite3.Error as error:
        if database is not None:
            database.close()
        raise LogError(f"{path}: not a database that can be read ({error}); 'ros2 bag reindex' may help") from error
    except LogError:
        if database is not None:
            database.close()
        raise
    return database


def _definitions(database: sqlite3.Connection) -> dict[str, tuple[str, bytes]]:
    """Type -> encoding and text of its definition; empty before Iron."""
    columns = {row[1] for row in database.execute("PRAGMA table_info(message_definitions)")}
    if not {"topic_type", "encoding", "encoded_message_definition"} <= columns:
        return {}
    rows = database.execute("SELECT topic_type, encoding, encoded_message_definition FROM message_definitions")
    return {str(kind): (str(encoding), str(text or "").encode()) for kind, encoding, text in rows}


def _topic(name: str, kind: str, encoding: str, definition: tuple[str, bytes] | None) -> Topic:
    schema_encoding, text = definition or ("", b"")
    try:
        decoder = make_decoder(encoding, kind, schema_encoding, text)
    except DecodeError as error:
        return Topic(name, schema_kind(kind), None, str(error))
    return Topic(name, schema_kind(kind), decoder)


def _until_damage(database: sqlite3.Connection, query: str, values: Sequence[int]) -> Iterator[tuple[int, int]]:
    try:
        yield from database.execute(query, values)
    except sqlite3.DatabaseError:
        return  # what was read so far is good, and the damage is in the notes


def _damage(path: Path) -> tuple[str, ...]:
    """Notes on a database that was cut short or not closed, from its first bytes (sqlite.org/fileformat)."""
    notes = []
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(32)
        if path.with_name(path.name + "-wal").is_file():
            notes.append(f"{path.name} was not closed: what is only in the journal {path.name}-wal is not read.")
    except OSError as error:
        raise LogError(f"{path}: cannot be read ({error.strerror})") from error
    page = int.from_bytes(head[16:18], "big")
    page = 65536 if page == 1 else page
    if len(head) == 32 and int.from_bytes(head[28:32], "big") * page > size:
        notes.append(f"{path.name} is cut short: the messages before the cut are there.")
    return tuple(notes)
