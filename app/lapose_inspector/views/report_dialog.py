"""The dialog of a report of several drives: which of them, with pictures or not, where to, and its progress."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QCheckBox,
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from lapose_inspector.models.display import ALIGNMENT_NAMES, ALIGNMENTS
from lapose_inspector.models.drive_report import Analysed, ReportRequest
from lapose_inspector.views.combo_box import ComboBox

ROLE = Qt.ItemDataRole.UserRole


class ReportDialog(QDialog):
    """A list of analysed drives with ticks; it stays open while the page is written."""

    wanted = Signal(object)
    """ReportRequest."""
    given_up = Signal()
    adding = Signal()
    """The user wants to name a folder with another result."""

    def __init__(self, drives: Sequence[Analysed], folder: Path, alignment: str, parent: QWidget) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle("Report of drives")
        self._running = False
        self.list = QListWidget()
        self.alignment = ComboBox()
        for key in ALIGNMENTS:
            self.alignment.addItem(ALIGNMENT_NAMES[key], key)
        self.alignment.setCurrentIndex(self.alignment.findData(alignment))
        self.pictures = QCheckBox("From the logs, where they are still there")
        self.pictures.setChecked(True)
        self.destination = QLineEdit(str(folder / "report.html"))
        self.note, self.problem = QLabel(), QLabel()
        self.bar = QProgressBar()
        self.bar.setRange(0, 1000)
        self.bar.setTextVisible(False)
        self._build()
        for drive in drives:
            self.add(drive, ticked=False)
        self.list.itemChanged.connect(self._refresh)
        self.destination.textChanged.connect(self._refresh)
        self._refresh()

    def _build(self) -> None:
        buttons = QHBoxLayout()
        for text, run in (
            ("All", lambda: self.choose(lambda _: True)), ("None", lambda: self.choose(lambda _: False)),
            ("Add a result…", self.adding.emit),
        ):  # fmt: skip
            button = QPushButton(text)
            button.setAutoDefault(False)
            button.clicked.connect(run)
            buttons.addWidget(button)
        buttons.addStretch(1)
        where, browse = QHBoxLayout(), QPushButton("Browse…")
        where.setSpacing(6)
        browse.setAutoDefault(False)
        browse.clicked.connect(self._browse)
        where.addWidget(self.destination, 1)
        where.addWidget(browse)
        rows = QFormLayout()
        rows.setLabelAlignment(Qt.AlignmentFlag.AlignRight)
        rows.setHorizontalSpacing(12)
        rows.setVerticalSpacing(8)
        rows.addRow("Alignment", self.alignment)
        rows.addRow("Pictures", self.pictures)
        rows.addRow("Write to", where)
        self.buttons = QDialogButtonBox()
        self.export_button = self.buttons.addButton("Export", QDialogButtonBox.ButtonRole.AcceptRole)
        self.export_button.setDefault(True)
        self.close_button = self.buttons.addButton("Close", QDialogButtonBox.ButtonRole.RejectRole)
        self.close_button.setAutoDefault(False)
        self.buttons.accepted.connect(self.submit)
        self.buttons.rejected.connect(self._on_reject)
        for words in (self.note, self.problem):
            words.setWordWrap(True)
            words.setTextFormat(Qt.TextFormat.PlainText)
        self.note.setProperty("muted", True)
        self.problem.setProperty("warning", True)
        column = QVBoxLayout(self)
        column.setContentsMargins(18, 16, 18, 14)
        column.setSpacing(12)
        column.addWidget(QLabel("Drives that this model has analysed at this rate"))
        column.addWidget(self.list, 1)
        column.addLayout(buttons)
        column.addLayout(rows)
        for part in (self.note, self.problem, self.bar, self.buttons):
            column.addWidget(part)
        self.resize(620, 560)

    def add(self, drive: Analysed, *, ticked: bool = True) -> None:
        """Offer one more drive."""
        item = QListWidgetItem(f"{drive.name}    {drive.where}")
        item.setFlags(Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsUserCheckable)
        item.setCheckState(Qt.CheckState.Checked if ticked else Qt.CheckState.Unchecked)
        item.setData(ROLE, drive)
        self.list.addItem(item)
        self._refresh()

    def choose(self, wanted: Callable[[Analysed], bool]) -> None:
        """Tick the drives for which ``wanted`` says so, and no others."""
        for row in range(self.list.count()):
            item = self.list.item(row)
            item.setCheckState(Qt.CheckState.Checked if wanted(item.data(ROLE)) else Qt.CheckState.Unchecked)

    @property
    def request(self) -> ReportRequest:
        """What is chosen now."""
        items = [self.list.item(row) for row in range(self.list.count())]
        ticked = tuple(item.data(ROLE) for item in items if item.checkState() == Qt.CheckState.Checked)
        path = Path(self.destination.text().strip()).expanduser()
        return ReportRequest(ticked, path, self.alignment.currentData(), self.pictures.isChecked())

    def submit(self) -> None:
        """Ask for the report."""
        if self.export_button.isEnabled():
            self.show_problem("")
            self.wanted.emit(self.request)

    def show_running(self, running: bool) -> None:
        """Lock the choices while the page is written."""
        self._running = running
        self.bar.setValue(0)
        self.close_button.setText("Cancel" if running else "Close")
        for widget in (self.list, self.alignment, self.pictures, self.destination):
            widget.setEnabled(not running)
        self._refresh()

    def show_progress(self, share: float) -> None:
        """The share that is done, 0 to 1."""
        if self._running:
            self.bar.setValue(round(1000 * share))

    def show_problem(self, problem: str) -> None:
        """Say what went wrong, and let it be tried again."""
        self.problem.setText(problem)
        self.show_running(False)

    def _refresh(self, *_: Any) -> None:
        request = self.request
        count = len(request.drives)
        words = "One page with the figures over all of them and each drive's own report folded below."
        if count < 2:
            words = "The page of one drive." if count else "Tick the drives to report on."
        if not self.list.count():
            words = "No drive is analysed yet: run the analysis (F5), or add a folder that lapose analyze wrote."
        elif request.path.is_file():
            words += " The file there will be replaced."
        self.note.setText(words)
        self.problem.setVisible(bool(self.problem.text()))
        self.bar.setVisible(self._running)
        self.export_button.setEnabled(bool(count and self.destination.text().strip()) and not self._running)

    def _browse(self) -> None:
        name, _ = QFileDialog.getSaveFileName(self, "Report", self.destination.text(), "HTML (*.html)")
        if name:
            self.destination.setText(name)

    def _on_reject(self) -> None:
        if self._running:
            self.given_up.emit()
        else:
            self.reject()
