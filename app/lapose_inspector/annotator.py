"""The part of the controller that makes notes: marks, the dialog, going to them, and undo of whatever was done."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QObject, Slot

from lapose_core.annotations import Annotation

if TYPE_CHECKING:
    from lapose_inspector.inspector import Inspector
    from lapose_inspector.views.annotation_dialog import Accept, Draft


class Annotator(QObject):
    """Carries out the commands of the menu Annotate."""

    def __init__(self, app: Inspector) -> None:
        super().__init__(app)
        self._app, self._session = app, app.session
        self._notes, self.history = app.session.annotations, app.session.history
        selection, timeline = self._session.selection, self._session.timeline
        self.history.watch("change the selection", selection.changed, self._read_selection, self._write_selection)
        self.history.watch("change the named sets", selection.sets_changed, lambda: selection.sets, selection.restore)
        self.history.watch(
            "change the loop", timeline.loop_changed, lambda: (timeline.loop, timeline.loop_enabled), self._write_loop
        )
        self.history.watch(
            "mark a range", self._notes.marks_changed, lambda: self._notes.marks, lambda m: self._notes.set_marks(*m)
        )

    def close(self) -> None:
        """Let go of the models."""
        self.history.unwatch()

    # -- marking and making

    def mark_start(self) -> None:
        """The next note begins at the cursor."""
        self._notes.mark_start(self._session.timeline.frame)

    def mark_end(self) -> None:
        """The next note ends at the cursor."""
        self._notes.mark_end(self._session.timeline.frame)

    def clear_marks(self) -> None:
        self._notes.set_marks(None, None)

    def annotate(self) -> None:
        """Ask for a note on the marked range, or else on the frame at the cursor."""
        if self._notes.open_:
            self._session.timeline.pause()
            self.ask(*self._notes.range_at(self._session.timeline.frame))

    @Slot(int, int)
    def ask(self, first: int, last: int) -> None:
        """Ask for a note on frames ``first`` to ``last``."""
        from lapose_inspector.views.annotation_dialog import Draft

        draft = Draft(first, last, self._notes.last_label or self._notes.palette.labels[0].name)
        draft = replace(draft, severity=self._notes.last_severity)
        selected = self._selected_frames()
        linked = bool(len(selected)) and bool(((selected >= first) & (selected <= last)).any())
        self._dialog("New note", draft, tuple(selected.tolist()), linked, partial(self._add, selected))

    def _add(self, selected: np.ndarray, draft: Draft, linked: bool) -> None:
        links = selected.tolist() if linked else ()
        self._notes.set_marks(None, None)  # first, so that undo takes the note back before the marks
        self._notes.add(draft.first_frame, draft.last_frame, draft.label, draft.severity, draft.text, links)
        self._app.window.show_panel("notes")

    def edit(self) -> None:
        """Change the current note."""
        note = self._notes.current_note
        if note is not None:
            self.edit_note(note.id)

    @Slot(str)
    def edit_note(self, id: str) -> None:
        """Ask for changes of a note."""
        note = self._notes.notes.get(id)
        if note is None:
            return
        self._notes.current = id
        from lapose_inspector.views.annotation_dialog import Draft

        draft = Draft(note.first_frame, note.last_frame, note.label, note.severity, note.text)
        links = note.transitions or tuple(self._selected_frames().tolist())
        self._dialog("Edit note", draft, links, bool(note.transitions), partial(self._change, note, links))

    def _change(self, note: Annotation, links: tuple[int, ...], draft: Draft, linked: bool) -> None:
        if self._notes.notes.get(note.id) is None:
            # Another window deleted it while it was being edited: what was typed is not to be lost.
            self._notes.add(draft.first_frame, draft.last_frame, draft.label, draft.severity, draft.text)
            return
        changed = replace(
            note, first_frame=draft.first_frame, last_frame=draft.last_frame, label=draft.label,
            severity=draft.severity, text=draft.text, transitions=links if linked else (),
        )  # fmt: skip
        self._notes.edit(changed)

    def _dialog(self, title: str, draft: Draft, links: tuple[int, ...], linked: bool, accept: Accept) -> None:
        from lapose_inspector.views.annotation_dialog import AnnotationDialog

        dialog = AnnotationDialog(
            title, draft, self._notes.palette, self._session.timeline, len(links), linked, accept, self._app.window
        )
        dialog.palette_wanted.connect(self.edit_palette)
        dialog.open()

    def remove(self) -> None:
        """Delete the current note."""
        note = self._notes.current_note
        if note is not None:
            self._notes.remove(note.id)
            self._app.window.status.showMessage("Note deleted. Ctrl+Z brings it back.", 5000)

    # -- going there

    @Slot(str)
    def go_to(self, id: str) -> None:
        """Put the cursor on a note's first frame."""
        note = self._notes.notes.get(id)
        if note is not None:
            self._notes.current = id
            self._session.timeline.pause()
            self._session.timeline.seek(note.first_frame)

    def select_linked(self) -> None:
        """Select the transitions that the current note is linked to."""
        note, drive, series = self._notes.current_note, self._session.drive, self._session.series
        if note is not None and drive is not None and note.transitions:
            found = np.flatnonzero(np.isin(series.frames[:-1], note.transitions))
            if len(found):
                self._session.selection.replace({drive.fingerprint: found})
            else:
                rate = f"{self._session.rate:g} Hz"
                self._app.window.status.showMessage(f"The linked transitions do not exist at {rate}.", 5000)

    def loop_current(self) -> None:
        """Loop over the current note's frames."""
        note = self._notes.current_note
        if note is not None:
            self._session.timeline.set_loop(note.first_frame, note.last_frame)
            self._session.timeline.seek(note.first_frame)

    # -- the palette

    @Slot()
    def edit_palette(self) -> None:
        """Edit the labels on offer."""
        from lapose_inspector.views.palette_dialog import PaletteDialog

        PaletteDialog(self._notes.palette.labels, self._notes.change_labels, self._app.window).open()

    # -- what undo needs

    def _selected_frames(self) -> np.ndarray:
        """First frames [n] of this drive's selected transitions."""
        drive, series = self._session.drive, self._session.series
        if drive is None:
            return np.zeros(0, np.int64)
        selected = self._session.selection.of(drive.fingerprint)
        return series.frames[selected[selected < len(series)]]

    def _read_selection(self) -> _Selected:
        selection = self._session.selection
        return _Selected(selection.rate, {drive: selection.of(drive) for drive in selection.drives})

    def _write_selection(self, state: _Selected) -> None:
        if state.rate == self._session.selection.rate:
            self._session.selection.replace(state.transitions)

    def _write_loop(self, state: tuple[tuple[int, int] | None, bool]) -> None:
        loop, enabled = state
        timeline = self._session.timeline
        if loop is None:
            timeline.clear_loop()
        else:
            timeline.set_loop(*loop)
        timeline.loop_enabled = enabled


class _Selected:
    """A selection; each is another, since the model tells of real changes only."""

    def __init__(self, rate: float, transitions: dict[str, np.ndarray]) -> None:
        self.rate, self.transitions = rate, transitions
