"""What the parts of the controller that write files have in common: a dialog, a thread, and how it went."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Generic, TypeVar

from PySide6.QtCore import QObject, Slot

from lapose_inspector.views.write_dialog import WriteDialog
from lapose_inspector.workers.exporting import ExportResult, ExportWorker

if TYPE_CHECKING:
    from lapose_inspector.inspector import Inspector

D = TypeVar("D", bound=WriteDialog)


class Writing(QObject, Generic[D]):
    """Writes one file at a time in the background, for a dialog that stays open meanwhile or for none.

    ``thing`` and ``failure`` are what is given up, and the title of a problem that no dialog is there to show.

    Args:
        written: what the status bar says of a file that was written.
    """

    thing, failure = "file", "The file cannot be written"

    def __init__(self, app: Inspector, written: Callable[[ExportResult], str]) -> None:
        super().__init__(app)
        self._app, self._written = app, written
        self.worker = ExportWorker(self)
        self.worker.finished.connect(self.finish)
        self.dialog: D | None = None

    def show(self, dialog: D) -> None:
        """Show the dialog, which is not there yet."""
        self.dialog = dialog
        dialog.given_up.connect(self.cancel)
        dialog.finished.connect(self._on_closed)
        self.worker.progress.connect(dialog.show_progress)
        dialog.open()

    @Slot()
    def cancel(self) -> None:
        """Give up what is being written; what was at its destination stays."""
        self.worker.cancel()
        if self.dialog is not None:
            self.dialog.show_running(False)
        self._app.window.status.showMessage(f"The {self.thing} was given up", 6000)

    def close(self) -> None:
        """End the thread."""
        self.worker.close()

    @Slot(object)
    def finish(self, result: ExportResult) -> None:
        """Say how it went: a problem where the user asked, so that it can be tried again."""
        if result.problem and self.dialog is not None:
            self.dialog.show_problem(result.problem)
        elif result.problem:
            self._app.show_error(self.failure, result.problem, result.details)
        else:
            self._app.settings.export_folder = result.files[0].parent
            self._app.window.status.showMessage(self._written(result), 8000)
            if self.dialog is not None:
                self.dialog.accept()

    @Slot()
    def _on_closed(self) -> None:
        if self.worker.busy:
            self.cancel()
        self.dialog = None
