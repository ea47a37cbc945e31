"""Notes that people make on frames and stretches of a drive, and the JSON sidecar that keeps them.

A sidecar is merged, never overwritten: of each note the latest writing counts, and a deletion is remembered with its
time, so that two programs with the same file open keep each other's notes.
"""

from __future__ import annotations

import contextlib
import json
import os
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal, get_args

from lapose_core.export.files import write_text

FORMAT, VERSION = "lapose-annotations", 1

Severity = Literal["note", "minor", "major", "critical"]
SEVERITIES: tuple[Severity, ...] = get_args(Severity)
"""From a mere remark to what must not happen."""

_TICK = timedelta(microseconds=1)


class AnnotationError(ValueError):
    """A sidecar cannot be used. The message names the file, the field and what to do."""


@dataclass(frozen=True)
class Annotation:
    """A note on one frame or a range of frames of a drive.

    Attributes:
        id: unique over all drives and programs.
        first_frame, last_frame: drive frames, both inclusive; equal for a note on one frame.
        label: what it is about, from the user's palette.
        severity: one of SEVERITIES.
        text: free text.
        created, modified: in UTC.
        transitions: first frames of the drive's transitions that it is linked to, increasing.

    Raises:
        ValueError: naming the field that makes no sense.
    """

    id: str
    first_frame: int
    last_frame: int
    label: str = ""
    severity: Severity = "note"
    text: str = ""
    created: datetime = field(default_factory=lambda: datetime.now(UTC))
    modified: datetime = field(default_factory=lambda: datetime.now(UTC))
    transitions: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if not self.id:
            raise ValueError("id: must not be empty")
        for name in ("first_frame", "last_frame"):
            if not _is_frame(getattr(self, name)):
                raise ValueError(f"{name}: must be a whole number from 0 on, got {getattr(self, name)!r}")
        if self.last_frame < self.first_frame:
            raise ValueError(f"last_frame: {self.last_frame} comes before first_frame {self.first_frame}")
        for name in ("id", "label", "text"):
            if not isinstance(getattr(self, name), str):
                raise ValueError(f"{name}: must be text, got {getattr(self, name)!r}")
        if self.severity not in SEVERITIES:
            raise ValueError(f"severity: must be one of {', '.join(SEVERITIES)}, got {self.severity!r}")
        for name in ("created", "modified"):
            if getattr(self, name).tzinfo is None:
                raise ValueError(f"{name}: must carry its time zone")
        if not all(_is_frame(frame) for frame in self.transitions):
            raise ValueError(f"transitions: must be whole numbers from 0 on, got {self.transitions!r}")

    @property
    def frames(self) -> int:
        """How many frames it covers."""
        return self.last_frame - self.first_frame + 1

    def covers(self, frame: int) -> bool:
        """Whether ``frame`` lies in its range."""
        return self.first_frame <= frame <= self.last_frame


def new_id() -> str:
    """An id that no other annotation has."""
    return uuid.uuid4().hex


@dataclass(frozen=True)
class AnnotationSet:
    """The annotations of one drive, and when others were deleted. Nothing changes it; every change gives another.

    Attributes:
        fingerprint: of the drive (``Drive.fingerprint``).
        drive_name: for people.
        notes: id -> annotation.
        deleted: id -> when that annotation was deleted, in UTC.
    """

    fingerprint: str
    drive_name: str = ""
    notes: Mapping[str, Annotation] = field(default_factory=dict)
    deleted: Mapping[str, datetime] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.notes)

    def __iter__(self) -> Iterator[Annotation]:
        """By first frame, then last frame, then age."""
        order = sorted(self.notes.values(), key=lambda a: (a.first_frame, a.last_frame, a.created, a.id))
        return iter(order)

    def get(self, id: str) -> Annotation | None:
        """The annotation of this id."""
        return self.notes.get(id)

    def at(self, frame: int) -> list[Annotation]:
        """Those that cover ``frame``."""
        return [note for note in self if note.covers(frame)]

    def put(self, note: Annotation, now: datetime | None = None) -> AnnotationSet:
        """With ``note`` added, or in place of the one of its id, modified ``now``.

        Its time is later than that of whatever it replaces, even where a clock went back.
        """
        stamped = replace(note, modified=self._after(note.id, now))
        deleted = {id: time for id, time in self.deleted.items() if id != note.id}
        return replace(self, notes={**self.notes, note.id: stamped}, deleted=deleted)

    def remove(self, id: str, now: datetime | None = None) -> AnnotationSet:
        """Without the annotation ``id``, whose deletion is remembered.

        Raises:
            KeyError: where there is none.
        """
        time = self._after(self.notes[id].id, now)
        notes = {other: note for other, note in self.notes.items() if other != id}
        return replace(self, notes=notes, deleted={**self.deleted, id: time})

    def merged(self, other: AnnotationSet) -> AnnotationSet:
        """Both sets as one: of each id the latest writing or deletion counts. The order of merging does not matter."""
        deleted = dict(self.deleted)
        for id, time in other.deleted.items():
            deleted[id] = max(time, deleted.get(id, time))
        notes = dict(self.notes)
        for id, note in other.notes.items():
            notes[id] = max(note, notes.get(id, note), key=_precedence)
        for id in deleted.keys() & notes.keys():
            if deleted[id] >= notes[id].modified:
                del notes[id]
            else:
                del deleted[id]
        return replace(self, drive_name=self.drive_name or other.drive_name, notes=notes, deleted=deleted)

    def _after(self, id: str, now: datetime | None) -> datetime:
        time = now or datetime.now(UTC)
        known = self.notes.get(id)
        last = self.deleted.get(id) if known is None else known.modified
        return time if last is None or time > last else last + _TICK


def read_annotations(path: Path) -> AnnotationSet:
    """The annotations of a sidecar.

    Raises:
        AnnotationError: naming the file and the field; also where there is no file.
    """
    try:
        data = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise AnnotationError(f"{path}: cannot be read ({error.strerror})") from error
    except (ValueError, RecursionError) as error:
        raise AnnotationError(f"{path}: is no JSON ({error}); restore it from a copy or remove it") from error
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise AnnotationError(f"{path}: format: expected {FORMAT!r}; this is no file of annotations")
    if data.get("version") != VERSION:
        raise AnnotationError(
            f"{path}: version: this program reads {VERSION}, the file has {data.get('version')!r}; update the program"
        )
    for name, kind in (("fingerprint", str), ("drive_name", str), ("annotations", list), ("deleted", dict)):
        if not isinstance(data.get(name), kind):
            raise AnnotationError(f"{path}: {name}: expected a {kind.__name__}, found {data.get(name)!r}")
    notes: dict[str, Annotation] = {}
    for number, row in enumerate(data["annotations"]):
        try:
            note = _annotation(row)
        except ValueError as error:
            raise AnnotationError(f"{path}: annotations[{number}]: {error}") from error
        notes[note.id] = note
    try:
        deleted = {id: _time("deleted", time) for id, time in data["deleted"].items()}
    except ValueError as error:
        raise AnnotationError(f"{path}: {error}") from error
    return AnnotationSet(data["fingerprint"], data["drive_name"], notes, deleted)


def merge_annotations(path: Path, mine: AnnotationSet) -> AnnotationSet:
    """Merge ``mine`` into the sidecar at ``path`` and return what it then holds.

    The file is replaced whole and only where something changes; another program that does the same at that moment
    waits. The folder is created where it is missing.

    Raises:
        AnnotationError: where what lies there cannot be read, or belongs to another drive; it is left as it is.
        OSError: where the disk refuses.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with _locked(path):
        merged, there = mine, None
        if path.exists():
            there = read_annotations(path)
            if there.fingerprint != mine.fingerprint:
                raise AnnotationError(
                    f"{path}: fingerprint: the notes are of another drive ({there.fingerprint}, not {mine.fingerprint})"
                )
            merged = mine.merged(there)
        if merged != there:
            write_text(path, to_json(merged))
    return merged


def to_json(annotations: AnnotationSet) -> str:
    """The text of a sidecar."""
    data = {
        "format": FORMAT,
        "version": VERSION,
        "fingerprint": annotations.fingerprint,
        "drive_name": annotations.drive_name,
        "annotations": [annotation_row(note) for note in annotations],
        "deleted": {id: time.isoformat() for id, time in sorted(annotations.deleted.items())},
    }
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"


def annotation_row(note: Annotation) -> dict[str, Any]:
    """An annotation as plain JSON values, times in ISO 8601."""
    return {
        "id": note.id,
        "first_frame": note.first_frame,
        "last_frame": note.last_frame,
        "label": note.label,
        "severity": note.severity,
        "text": note.text,
        "created": note.created.isoformat(),
        "modified": note.modified.isoformat(),
        "transitions": list(note.transitions),
    }


def _annotation(row: object) -> Annotation:
    """Raises ValueError naming the field."""
    if not isinstance(row, dict):
        raise ValueError(f"expected an object, found a {type(row).__name__}")
    for name in ("id", "first_frame", "last_frame", "created", "modified"):
        if name not in row:
            raise ValueError(f"{name}: is missing")
    links = row.get("transitions", [])
    if not isinstance(links, list):
        raise ValueError(f"transitions: expected a list, found {links!r}")
    return Annotation(
        id=row["id"],
        first_frame=row["first_frame"],
        last_frame=row["last_frame"],
        label=row.get("label", ""),
        severity=row.get("severity", "note"),
        text=row.get("text", ""),
        created=_time("created", row["created"]),
        modified=_time("modified", row["modified"]),
        transitions=tuple(links),
    )


def _time(name: str, text: object) -> datetime:
    try:
        time = datetime.fromisoformat(text)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise ValueError(f"{name}: expected a time such as 2026-01-31T12:00:00+00:00, found {text!r}") from None
    if time.tzinfo is None:
        raise ValueError(f"{name}: {text!r} has no time zone")
    return time.astimezone(UTC)


def _precedence(note: Annotation) -> tuple[datetime, str]:
    """The later writing counts; of two at one instant always the same one, whoever merges."""
    return note.modified, json.dumps(annotation_row(note))


def _is_frame(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold ``path`` against other programs that merge into it; the system lets go when the program dies."""
    with path.with_name(f".{path.name}.lock").open("a+b") as lock:
        if os.name == "nt":
            import msvcrt

            lock.seek(0)
            msvcrt.locking(lock.fileno(), msvcrt.LK_LOCK, 1)  # type: ignore[attr-defined,unused-ignore]
        else:
            import fcntl

            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
