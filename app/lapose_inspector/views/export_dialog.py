"""The one dialog of all exports: format, part of the drive, alignment, annotations, destination, progress."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QProgressBar,
    QPushButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from lapose_core.annotations import SEVERITIES
from lapose_core.export.bundle import Choice
from lapose_core.export.formats import FORMATS, default_name, sidecar_path
from lapose_inspector.models.display import ALIGNMENT_NAMES, ALIGNMENTS
from lapose_inspector.models.export import RATES, ExportRequest, missing
from lapose_inspector.models.session import Session
from lapose_inspector.views.combo_box import ComboBox
from lapose_inspector.views.export_options import ExportOptions


class ExportDialog(QDialog):
    """Everything that can be chosen of an export; it stays open while the file is written."""

    wanted = Signal(object)
    """ExportRequest."""
    given_up = Signal()

    def __init__(self, session: Session, folder: Path, parent: QWidget) -> None:
        super().__init__(parent)
        assert session.drive is not None
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle("Export")
        self._session, self._annotations, self._folder = session, tuple(session.annotations.notes), folder
        self._own_name = ""
        self._running = False
        self.form, self.rate, self.alignment, self.notes = (ComboBox() for _ in range(4))
        for key, known in FORMATS.items():
            self.form.addItem(f"{known.title}  ({known.suffix})", key)
        for rate in RATES:
            self.rate.addItem("Every sample" if rate is None else f"{rate:g} a second at the most", rate)
        for key in ALIGNMENTS:
            self.alignment.addItem(ALIGNMENT_NAMES[key], key)
        self.alignment.setCurrentIndex(self.alignment.findData(session.display.alignment))
        self._fill_notes()
        last = len(session.drive) - 1
        self.first, self.last = QSpinBox(), QSpinBox()
        for box, value in ((self.first, 0), (self.last, last)):
            box.setRange(0, last)
            box.setValue(value)
        self.destination = QLineEdit()
        self.note, self.problem = QLabel(), QLabel()
        self.bar = QProgressBar()
        self.bar.setRange(0, 1000)
        self.bar.setTextVisible(False)
        self._build()
        self.form.currentIndexChanged.connect(self._on_form)
        for changed in (self.notes.currentIndexChanged, self.destination.textChanged, self.options.changed):
            changed.connect(self._refresh)
        for box in (self.first, self.last):
            box.valueChanged.connect(self._refresh)
        self._use_loop()

    def _fill_notes(self) -> None:
        if not self._annotations:
            self.notes.addItem("There are none", (None, "note", False))
            self.notes.setEnabled(False)
            return
        self.notes.addItem("All", (None, "note", True))
        for severity in SEVERITIES[1:]:
            self.notes.addItem(f"{severity.capitalize()} or graver", (None, severity, True))
        for label in sorted({note.label for note in self._annotations if note.label}):
            self.notes.addItem(f"Label {label}", (frozenset({label}), "note", True))
        self.notes.addItem("None", (None, "note", False))

    def _build(self) -> None:
        assert self._session.drive is not None
        self.rows = QFormLayout()
        self.rows.setLabelAlignment(Qt.AlignmentFlag.AlignRight)
        self.rows.setHorizontalSpacing(12)
        self.rows.setVerticalSpacing(8)
        self.rows.addRow("Format", self.form)
        self.options = ExportOptions(
            self.rows, has_lidar=self._session.drive.point_cloud is not None, frame=self._session.timeline.frame
        )
        frames = QHBoxLayout()
        frames.setSpacing(6)
        self.loop_button, whole = QPushButton("Loop range"), QPushButton("Whole drive")
        frames.addWidget(self.first)
        frames.addWidget(QLabel("to"))
        frames.addWidget(self.last)
        for button, run in ((self.loop_button, self._use_loop), (whole, self._use_all)):
            button.setAutoDefault(False)
            button.clicked.connect(run)
            frames.addWidget(button)
        frames.addStretch(1)
        self.loop_button.setEnabled(self._session.timeline.loop is not None)
        self.rows.addRow("Frames", frames)
        self.rows.addRow("Samples", self.rate)
        self.rows.addRow("Alignment", self.alignment)
        self.rows.addRow("Annotations", self.notes)
        where = QHBoxLayout()
        where.setSpacing(6)
        browse = QPushButton("Browse…")
        browse.setAutoDefault(False)
        browse.clicked.connect(self._browse)
        where.addWidget(self.destination, 1)
        where.addWidget(browse)
        self.rows.addRow("Write to", where)
        self.buttons = QDialogButtonBox()
        self.export_button = self.buttons.addButton("Export", QDialogButtonBox.ButtonRole.AcceptRole)
        self.export_button.setDefault(True)
        self.close_button = self.buttons.addButton("Close", QDialogButtonBox.ButtonRole.RejectRole)
        self.close_button.setAutoDefault(False)
        self.buttons.accepted.connect(self.submit)
        self.buttons.rejected.connect(self._on_reject)
        for label in (self.note, self.problem):
            label.setWordWrap(True)
            label.setTextFormat(Qt.TextFormat.PlainText)
            label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.note.setProperty("muted", True)
        self.problem.setProperty("warning", True)
        column = QVBoxLayout(self)
        column.setContentsMargins(18, 16, 18, 14)
        column.setSpacing(12)
        column.addLayout(self.rows)
        column.addWidget(self.note)
        column.addWidget(self.problem)
        column.addStretch(1)
        column.addWidget(self.bar)
        column.addWidget(self.buttons)
        self.resize(640, 460)

    # What is chosen

    def choose(self, form: str) -> None:
        """Choose a format."""
        self.form.setCurrentIndex(self.form.findData(form))
        self._on_form()

    @property
    def request(self) -> ExportRequest:
        """What is chosen now."""
        labels, severity, wanted = self.notes.currentData()
        choice = Choice(
            self.first.value(), self.last.value(), self.rate.currentData(), self.alignment.currentData(),
            annotations=wanted, labels=labels, severity=severity,
        )  # fmt: skip
        path = Path(self.destination.text().strip()).expanduser()
        return ExportRequest(self.form.currentData(), path, choice, self.options.value)

    def submit(self) -> None:
        """Ask for the export."""
        if self.export_button.isEnabled():
            self.show_problem("")
            self.wanted.emit(self.request)

    # What is shown

    def show_running(self, running: bool) -> None:
        """Lock the choices while a file is written."""
        self._running = running
        self.bar.setValue(0)
        self.close_button.setText("Cancel" if running else "Close")
        self._refresh()

    def show_progress(self, share: float) -> None:
        """The share that is done, 0 to 1."""
        if self._running:
            self.bar.setValue(round(1000 * share))

    def show_problem(self, problem: str) -> None:
        """Say what went wrong, and let it be tried again."""
        self.show_running(False)
        self._say(self.problem, problem)

    def _on_form(self, *_: Any) -> None:
        known = FORMATS[self.form.currentData()]
        self.options.show_for(known)
        self._say(self.problem, "")
        self._refresh()

    def _refresh(self, *_: Any) -> None:
        form = self.form.currentData()
        self._name()
        problem = missing(self._session, form)
        if self.first.value() > self.last.value():
            problem = "The first frame comes after the last."
        elif "panels" in FORMATS[form].options and not self.options.value.panels:
            problem = "Choose at least one panel of the video."
        elif not self.destination.text().strip():
            problem = "Name a file to write to."
        self.export_button.setEnabled(not problem and not self._running)
        self.bar.setVisible(self._running)
        for widget in (self.form, self.first, self.last, self.rate, self.alignment, self.destination):
            widget.setEnabled(not self._running)
        self.options.set_enabled(not self._running)
        self.notes.setEnabled(not self._running and bool(self._annotations))
        self._say(self.note, problem or self._words())

    def _words(self) -> str:
        known, choice = FORMATS[self.form.currentData()], self.request.choice
        words = known.tip
        notes = sum(choice.takes(a) for a in self._annotations if a.last_frame >= choice.first)
        if notes and known.annotations:
            words += f" It carries the {notes} annotations in full."
        elif notes:
            beside = sidecar_path(self.request.path).name
            words += f" The annotations go beside it in full, into {beside}."
        if self.request.path.is_file():
            words += " The file there will be replaced."
        return words

    def _name(self) -> None:
        """Keep the file's name in step with the format, until the user names it."""
        drive = self._session.drive
        current = self.destination.text().strip()
        if drive is None or current != self._own_name:
            return
        self._own_name = str(self._folder / default_name(drive.name, self.form.currentData(), self.options.value.which))
        if current != self._own_name:
            self.destination.setText(self._own_name)

    @staticmethod
    def _say(label: QLabel, text: str) -> None:
        label.setText(text)
        label.setVisible(bool(text))

    def _use_loop(self) -> None:
        loop = self._session.timeline.loop
        if loop is not None:
            self.first.setValue(loop[0])
            self.last.setValue(loop[1])

    def _use_all(self) -> None:
        self.first.setValue(0)
        self.last.setValue(self.last.maximum())

    def _browse(self) -> None:
        known = FORMATS[self.form.currentData()]
        name, _ = QFileDialog.getSaveFileName(
            self, "Export to", self.destination.text(), f"{known.title} (*{known.suffix});;All files (*)"
        )
        if name:
            self.destination.setText(name)

    def _on_reject(self) -> None:
        if self._running:
            self.given_up.emit()
        else:
            self.reject()
