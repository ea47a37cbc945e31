"""The annotations of the open drive, what is marked to become one, and which one is looked at."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

from psygnal import Signal

from lapose_core.annotations import Annotation, AnnotationSet, Severity, new_id
from lapose_inspector.models.history import History, Step
from lapose_inspector.models.labels import Label, LabelPalette

Pairs: TypeAlias = dict[str, tuple[Annotation | None, Annotation | None]]
"""What a step does to notes: id -> the note before and after it; None where there is none."""


class Annotations:
    """Every change of the notes is a step of ``history``; files are not this model's business."""

    changed = Signal()
    """The notes: the user's change, another window's, or another drive's."""
    current_changed = Signal()
    marks_changed = Signal()

    def __init__(self, history: History) -> None:
        self.history = history
        self.palette = LabelPalette()
        self._notes: AnnotationSet | None = None
        self._current: str | None = None
        self._start: int | None = None
        self._end: int | None = None
        self.last_label = ""
        self.last_severity: Severity = "note"
        """What was chosen last, to begin the next note with."""

    # -- the notes

    @property
    def notes(self) -> AnnotationSet:
        """The notes of the open drive; empty without one."""
        return AnnotationSet("") if self._notes is None else self._notes

    @property
    def open_(self) -> bool:
        """Whether there is a drive to annotate."""
        return self._notes is not None

    def open(self, notes: AnnotationSet | None) -> None:
        """Another drive's notes, or none without a drive."""
        self._notes, self._current = notes, None
        self._start = self._end = None
        self.changed.emit()
        self.current_changed.emit()
        self.marks_changed.emit()

    def take(self, notes: AnnotationSet) -> None:
        """The same drive's notes with what other programs wrote."""
        if notes != self._notes:
            self._notes = notes
            self.changed.emit()
            self._check_current()

    def add(
        self,
        first_frame: int,
        last_frame: int,
        label: str = "",
        severity: Severity = "note",
        text: str = "",
        transitions: Sequence[int] = (),
    ) -> Annotation:
        """Add a note on frames ``first_frame`` to ``last_frame``, inclusive, and look at it.

        Raises:
            ValueError: without a drive, or naming the field that makes no sense.
        """
        note = Annotation(
            new_id(), first_frame, last_frame, label, severity, text, transitions=tuple(sorted(transitions))
        )
        self._do("add the note" + _named(note), {note.id: (None, note)})
        self.last_label, self.last_severity = label, severity
        self.current = note.id
        return self.notes.notes[note.id]

    def edit(self, note: Annotation) -> None:
        """Put ``note`` in the place of the one with its id; nothing where it says the same.

        Raises:
            KeyError: where there is none.
        """
        before = self.notes.notes[note.id]
        if replace(note, modified=before.modified) != before:
            self._do("change the note" + _named(note), {note.id: (before, note)})
            self.last_label, self.last_severity = note.label, note.severity

    def remove(self, id: str) -> None:
        """Delete a note.

        Raises:
            KeyError: where there is none.
        """
        before = self.notes.notes[id]
        self._do("delete the note" + _named(before), {id: (before, None)})

    def bring_in(self, notes: Iterable[Annotation]) -> int:
        """Add the notes of a file in one step, and say how many are new.

        Of a note that is here already the later writing stays.

        Raises:
            ValueError: without a drive.
        """
        pairs: Pairs = {}
        for note in notes:
            before = self.notes.get(note.id)
            if before is None or note.modified > before.modified:
                pairs[note.id] = (before, note)
        if pairs:
            self._do(f"import {len(pairs)} notes", pairs)
        return len(pairs)

    def change_labels(self, labels: tuple[Label, ...], renamed: Mapping[str, str]) -> None:
        """Offer other labels, and give the notes that have one of ``renamed`` (old name -> new) its new name, in one
        step.

        Raises:
            ValueError: where a name occurs twice.
        """
        before = self.palette.labels
        put = self._putting(
            {note.id: (note, replace(note, label=renamed[note.label])) for note in self.notes if note.label in renamed}
        )

        def apply(which: int) -> None:
            self.palette.set_labels((before, labels)[which])
            put(which)

        if labels != before:
            apply(1)
            self.history.push(Step("change the labels", lambda: apply(0), lambda: apply(1)))

    def _do(self, text: str, pairs: Pairs) -> None:
        if self._notes is None:
            raise ValueError("there is no drive to annotate: open one first")
        put = self._putting(pairs)
        put(1)
        self.history.push(Step(text, lambda: put(0), lambda: put(1)))

    def _putting(self, pairs: Pairs) -> Callable[[int], None]:
        """What puts the first or the second of each pair into the notes; nothing once they are another drive's."""
        fingerprint = None if self._notes is None else self._notes.fingerprint

        def put(which: int) -> None:
            notes = self._notes
            if not pairs or notes is None or notes.fingerprint != fingerprint:
                return
            for id, pair in pairs.items():
                note = pair[which]
                if note is not None:
                    notes = notes.put(note)
                elif notes.get(id) is not None:
                    notes = notes.remove(id)
            self._notes = notes
            self.changed.emit()
            self._check_current()

        return put

    # -- the one looked at

    @property
    def current(self) -> str | None:
        """Id of the note that the list and the band point out."""
        return self._current

    @current.setter
    def current(self, id: str | None) -> None:
        if id is not None and self.notes.get(id) is None:
            id = None
        if id != self._current:
            self._current = id
            self.current_changed.emit()

    @property
    def current_note(self) -> Annotation | None:
        return None if self._current is None else self.notes.get(self._current)

    def _check_current(self) -> None:
        if self._current is not None and self.notes.get(self._current) is None:
            self.current = None

    # -- marks

    @property
    def marks(self) -> tuple[int | None, int | None]:
        """First and last frame of the next note, as far as they are marked."""
        return self._start, self._end

    def mark_start(self, frame: int) -> None:
        """The next note begins at ``frame``; an end before it is forgotten."""
        self.set_marks(frame, self._end if self._end is not None and self._end >= frame else None)

    def mark_end(self, frame: int) -> None:
        """The next note ends at ``frame``; a start after it is forgotten."""
        self.set_marks(self._start if self._start is not None and self._start <= frame else None, frame)

    def set_marks(self, start: int | None, end: int | None) -> None:
        if (start, end) != (self._start, self._end):
            self._start, self._end = start, end
            self.marks_changed.emit()

    def range_at(self, frame: int) -> tuple[int, int]:
        """Frames that a note made now covers: the marked range, from a single mark to ``frame``, or just ``frame``."""
        ends = [frame if mark is None else mark for mark in self.marks]
        return min(ends), max(ends)


def _named(note: Annotation) -> str:
    return f" “{note.label}”" if note.label else ""
