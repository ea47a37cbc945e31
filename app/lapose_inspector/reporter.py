"""The part of the controller that writes a report of several drives."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Slot
from PySide6.QtWidgets import QFileDialog

from lapose_core.export.files import Progress, check_place
from lapose_inspector.models.drive_report import (
    READING,
    Analysed,
    OpenDrive,
    ReportRequest,
    added_drive,
    stored_drives,
    subjects_of,
)
from lapose_inspector.views.report_dialog import ReportDialog
from lapose_inspector.workers.exporting import ExportResult
from lapose_inspector.writing import Writing

if TYPE_CHECKING:
    from lapose_inspector.inspector import Inspector


class Reporter(Writing[ReportDialog]):
    """Asks which analysed drives to report on, writes the page in the background, and says how it went.

    Args:
        app: the inspector.
        results: where results are stored.
        sessions: where the notes of drives lie, by fingerprint.
    """

    thing, failure = "report", "The report cannot be written"

    def __init__(self, app: Inspector, results: Path, sessions: Path) -> None:
        super().__init__(app, _written)
        self._results, self._sessions = results, sessions

    def ask(self) -> None:
        """Show the dialog with every drive that has a result; those of the open data set are chosen."""
        if self.dialog is not None:
            return
        dialog = ReportDialog(
            self.candidates(), self._app.exporter.folder(), self._app.display.alignment, self._app.window
        )
        dialog.choose(self._of_the_set)
        dialog.adding.connect(self._add)
        dialog.wanted.connect(self.write)
        self.show(dialog)

    def candidates(self) -> list[Analysed]:
        """The open drive as it is analysed now, and the others that this model has analysed at this rate."""
        session = self._app.session
        out, fingerprint, path = [], "", ""
        analysis = session.analysis
        if session.drive is not None and analysis is not None and analysis.done.any():
            from lapose_core.evaluation.report import Subject

            fingerprint, path = session.drive.fingerprint, str(session.drive.path)
            notes = tuple(session.annotations.notes)
            subject = Subject(analysis.snapshot(), session.drive, notes)
            out.append(Analysed(session.drive.name, "open", subject=subject))
        if session.model_info is not None:
            stored = stored_drives(self._results, session.model_info.checkpoint_hash, session.rate, fingerprint)
            out += [drive for drive in stored if drive.where != path]  # of what the open log was before it changed
        return out

    @Slot(object)
    def write(self, request: ReportRequest) -> None:
        """Write a report in the background; a problem is shown, not raised."""
        if self.dialog is not None:
            self.dialog.show_running(True)
        self.worker.write(partial(write_drives, request, self._sessions, self._app.instruments.known.open))

    def _of_the_set(self, drive: Analysed) -> bool:
        """Whether it is the open drive, or one of the data set that is listed."""
        path = self._app.opener.dataset.path
        if drive.subject is not None or path is None:
            return drive.subject is not None
        return Path(drive.where).absolute().is_relative_to(path.absolute())

    @Slot()
    def _add(self) -> None:
        assert self.dialog is not None
        start = str(self._app.exporter.folder())
        name = QFileDialog.getExistingDirectory(self.dialog, "A folder that lapose analyze wrote", start)
        if name:
            self.add(Path(name))

    def add(self, folder: Path) -> None:
        """Offer the result in a folder too; a problem is shown in the dialog."""
        if self.dialog is None:
            return
        try:
            self.dialog.add(added_drive(folder))
        except ValueError as error:
            self.dialog.show_problem(str(error))


def write_drives(request: ReportRequest, sessions: Path, open_drive: OpenDrive, progress: Progress) -> ExportResult:
    """Write the report: of one drive as its own, of several as a set."""
    from lapose_core.evaluation.report import write_report, write_set_report

    check_place(request.path)
    subjects = subjects_of(request, sessions, open_drive, progress)

    def rest(share: float) -> None:
        progress(READING + (1 - READING) * share)

    if len(subjects) == 1:
        (one,) = subjects
        write_report(
            one.analysis, request.path, alignment=request.alignment, drive=one.drive, annotations=one.annotations,
            progress=rest,
        )  # fmt: skip
    else:
        write_set_report(subjects, request.path, alignment=request.alignment, progress=rest)
    return ExportResult((request.path,), f"{len(subjects)} drive{'s' * (len(subjects) > 1)}")


def _written(result: ExportResult) -> str:
    return f"Report of {result.what} written to {result.files[0]} in {result.seconds:.1f} s"
