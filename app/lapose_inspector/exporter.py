"""The part of the controller that takes drives out of the program and brings annotations back in."""

from __future__ import annotations

import traceback
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Slot
from PySide6.QtWidgets import QFileDialog

from lapose_core.annotations import read_annotations
from lapose_core.export.files import Progress
from lapose_inspector.models.export import ExportRequest, Source, missing
from lapose_inspector.views.export_dialog import ExportDialog
from lapose_inspector.workers.exporting import ExportResult
from lapose_inspector.writing import Writing

if TYPE_CHECKING:
    from lapose_inspector.inspector import Inspector


class Exporter(Writing[ExportDialog]):
    """Asks what to export, writes it in the background, and says how it went."""

    thing, failure = "export", "The drive cannot be exported"

    def __init__(self, app: Inspector) -> None:
        super().__init__(app, _written)
        self._form = "tum"

    def ask(self, form: str | None = None) -> None:
        """Show the dialog, with the format of the last time or ``form`` chosen."""
        if self._app.session.drive is None:
            return
        if self.dialog is None:
            dialog = ExportDialog(self._app.session, self.folder(), self._app.window)
            dialog.wanted.connect(self.export)
            self.show(dialog)
        assert self.dialog is not None
        self.dialog.choose(form or self._form)

    @Slot(object)
    def export(self, request: ExportRequest) -> None:
        """Write an export in the background; a problem is shown, not raised."""
        problem = missing(self._app.session, request.form)
        if problem:
            self.finish(ExportResult(problem=problem))
            return
        self._form = request.form
        self.worker.write(partial(write_one, Source.of(self._app.session), request))
        if self.dialog is not None:
            self.dialog.show_running(True)

    def ask_picture(self, key: str) -> None:
        """Ask where to save the panel ``key``, or the ``window``, as it is shown now."""
        start = str(self.folder() / f"{key}.png")
        name, _ = QFileDialog.getSaveFileName(self._app.window, "Save picture", start, "PNG (*.png)")
        if name:
            self.save_picture(key, Path(name))

    def save_picture(self, key: str, path: Path) -> None:
        """Save a panel, or the ``window``, as a PNG of the screen's pixels; a problem is shown, not raised."""
        window = self._app.window
        if key != "window":
            window.show_panel(key)
        widget = window if key == "window" else window.docks[key]
        if widget.grab().save(str(path), "PNG"):
            window.status.showMessage(f"Picture written to {path}", 6000)
        else:
            self._app.show_error("The picture cannot be saved", f"{path}: cannot be written; is the folder there?", "")

    def ask_notes(self) -> None:
        """Ask for a file of annotations and bring them in."""
        name, _ = QFileDialog.getOpenFileName(
            self._app.window, "Import notes", str(self.folder()), "Annotations (*.annotations.json *.json)"
        )
        if name:
            self.import_notes(Path(name))

    def import_notes(self, path: Path) -> None:
        """Bring in the notes of a sidecar; a problem is shown, not raised.

        A copy of a log has another fingerprint, so notes of another drive are known by frames that do not exist.
        """
        drive = self._app.session.drive
        if drive is None:
            return
        try:
            found = read_annotations(path)
            beyond = [note for note in found if note.last_frame >= len(drive)]
            if beyond:
                raise ValueError(
                    f"{path}: last_frame: {beyond[0].last_frame}, but the last frame of {drive.name} is "
                    f"{len(drive) - 1}; these are notes of {found.drive_name or 'another drive'}"
                )
            count = self._app.session.annotations.bring_in(found)
        except ValueError as error:
            self._app.show_error("The notes cannot be imported", str(error), traceback.format_exc())
            return
        other = found.fingerprint != drive.fingerprint
        made = f", made on another copy of the log ({found.drive_name})" if other and count else ""
        self._app.window.status.showMessage(f"{count} of {len(found)} notes are new{made}", 8000)

    def folder(self) -> Path:
        """Where exports go by themselves."""
        last = self._app.settings.export_folder
        return last if last is not None and last.is_dir() else Path(self._app.opener.last_folder())


def write_one(source: Source, request: ExportRequest, progress: Progress) -> ExportResult:
    """Write one export of the open drive."""
    from lapose_core.export.formats import write_export

    bundle = source.bundle(request)
    files = write_export(bundle, request.form, request.path, request.options, progress)
    return ExportResult(tuple(files), f"{len(bundle)} samples")


def _written(result: ExportResult) -> str:
    beside = "" if len(result.files) == 1 else ", annotations beside it"
    return f"{result.what} written to {result.files[0]} in {result.seconds:.1f} s{beside}"
