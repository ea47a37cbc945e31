"""The commands of the menu Annotate: undo, notes on frames and ranges, and the labels they get."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lapose_inspector.actions.command import Command, has_drive

if TYPE_CHECKING:
    from lapose_inspector.inspector import Inspector


def _has_note(app: Inspector) -> bool:
    return app.session.annotations.current_note is not None


def _has_links(app: Inspector) -> bool:
    note = app.session.annotations.current_note
    return note is not None and bool(note.transitions)


def _has_marks(app: Inspector) -> bool:
    return app.session.annotations.marks != (None, None)


def _manifest_commands() -> list[Command]:
    menu, icon = "Annotate/Training manifest", "mdi6.school-outline"
    return [
        Command(
            "annotate.manifest.selection", "From the selection…", lambda a: a.manifests.choose("selection"), menu, (),
            icon, "Write where the selected transitions lie, for lapose shards --manifest to cut clips of.",
            enabled=lambda a: len(a.session.selection) > 0,
        ),
        Command(
            "annotate.manifest.notes", "From the notes…", lambda a: a.manifests.choose("notes"), menu, (), icon,
            "Write where the notes lie that the list shows, for lapose shards --manifest to cut clips of.",
            enabled=lambda a: len(a.session.annotations.notes) > 0,
        ),
        Command(
            "annotate.manifest.triage", "From the triage list…", lambda a: a.manifests.choose("triage"), menu, (), icon,
            "Write where the segments lie that the triage list shows, for lapose shards --manifest to cut clips of.",
            enabled=lambda a: bool(a.triage.model.items),
        ),
    ]  # fmt: skip


def annotate_commands() -> list[Command]:
    return [*_note_commands(), *_manifest_commands()]


def _note_commands() -> list[Command]:
    return [
        Command(
            "annotate.undo", "Undo", lambda a: a.session.history.undo(), "Annotate", ("Ctrl+Z",), "mdi6.undo",
            "Take back the last change of notes, labels, selection, named sets, marks or loop.",
            enabled=lambda a: a.session.history.undo_text is not None, section="history",
        ),
        Command(
            "annotate.redo", "Redo", lambda a: a.session.history.redo(), "Annotate", ("Ctrl+Shift+Z", "Ctrl+Y"),
            "mdi6.redo", "Do again what was undone last.",
            enabled=lambda a: a.session.history.redo_text is not None, section="history",
        ),
        Command(
            "annotate.start", "Range starts here", lambda a: a.annotator.mark_start(), "Annotate", ("I",),
            "mdi6.ray-start", "The next note begins at the cursor.", enabled=has_drive, section="make",
        ),
        Command(
            "annotate.end", "Range ends here", lambda a: a.annotator.mark_end(), "Annotate", ("O",),
            "mdi6.ray-end", "The next note ends at the cursor.", enabled=has_drive, section="make",
        ),
        Command(
            "annotate.clear", "Clear range", lambda a: a.annotator.clear_marks(), "Annotate", (),
            "mdi6.close-circle-outline", "Forget the marked range.", enabled=_has_marks, section="make",
        ),
        Command(
            "annotate.add", "Annotate…", lambda a: a.annotator.annotate(), "Annotate", ("A",),
            "mdi6.note-plus-outline", "Write a note on the marked range, or else on the frame at the cursor.",
            enabled=has_drive, section="make",
        ),
        Command(
            "annotate.import", "Import notes…", lambda a: a.exporter.ask_notes(), "Annotate", (), "mdi6.import",
            "Bring in the notes of a file that lay beside an export, or of another copy of this log.",
            enabled=has_drive, section="make",
        ),
        Command(
            "annotate.edit", "Edit note…", lambda a: a.annotator.edit(), "Annotate", ("E",),
            "mdi6.note-edit-outline", "Change the note that the list and the band point out.",
            enabled=_has_note, section="note",
        ),
        Command(
            "annotate.delete", "Delete note", lambda a: a.annotator.remove(), "Annotate", ("Del",),
            "mdi6.note-remove-outline", "Delete the note that the list and the band point out.",
            enabled=_has_note, section="note",
        ),
        Command(
            "annotate.loop", "Loop over note", lambda a: a.annotator.loop_current(), "Annotate", (),
            "mdi6.repeat-variant", "Play the note's frames round and round.", enabled=_has_note, section="note",
        ),
        Command(
            "annotate.select", "Select linked transitions", lambda a: a.annotator.select_linked(), "Annotate", (),
            "mdi6.link-variant", "Select what the note was linked to when it was written.",
            enabled=_has_links, section="note",
        ),
        Command(
            "annotate.labels", "Labels…", lambda a: a.annotator.edit_palette(), "Annotate", (),
            "mdi6.label-multiple-outline", "Edit the labels on offer and their colours.", section="labels",
        ),
    ]  # fmt: skip
