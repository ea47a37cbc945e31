"""The dialog of a report of several drives: which of them, with pictures or not, where to, and its progress."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QCheckBox, QHBoxLayout, QLabel, QListWidget, QListWidgetItem, QPushButton, QWidget

from lapose_inspector.models.display import ALIGNMENT_NAMES, ALIGNMENTS
from lapose_inspector.models.drive_report import Analysed, ReportRequest
from lapose_inspector.views.combo_box import ComboBox
from lapose_inspector.views.write_dialog import WriteDialog

ROLE = Qt.ItemDataRole.UserRole


class ReportDialog(WriteDialog):
    """A list of analysed drives with ticks; it asks for a ReportRequest."""

    adding = Signal()
    """The user wants to name a folder with another result."""

    def __init__(self, drives: Sequence[Analysed], folder: Path, alignment: str, parent: QWidget) -> None:
        super().__init__("Report of drives", parent)
        self._folder = folder
        self.list = QListWidget()
        self.alignment = ComboBox()
        for key in ALIGNMENTS:
            self.alignment.addItem(ALIGNMENT_NAMES[key], key)
        self.alignment.setCurrentIndex(self.alignment.findData(alignment))
        self.pictures = QCheckBox("From the logs, where they are still there")
        self.pictures.setChecked(True)
        self._build()
        for drive in drives:
            self.add(drive, ticked=False)
        self.list.itemChanged.connect(self.refresh)
        self.refresh()

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
        self.column.addWidget(QLabel("Drives that this model has analysed at this rate"))
        self.column.addWidget(self.list, 1)
        self.column.addLayout(buttons)
        self.rows.addRow("Alignment", self.alignment)
        self.rows.addRow("Pictures", self.pictures)
        self.finish(stretch=False)
        self.resize(620, 560)

    def add(self, drive: Analysed, *, ticked: bool = True) -> None:
        """Offer one more drive."""
        item = QListWidgetItem(f"{drive.name}    {drive.where}")
        item.setFlags(Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsUserCheckable)
        item.setCheckState(Qt.CheckState.Checked if ticked else Qt.CheckState.Unchecked)
        item.setData(ROLE, drive)
        self.list.addItem(item)
        self.refresh()

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
        return ReportRequest(ticked, self.path, self.alignment.currentData(), self.pictures.isChecked())

    def choices(self) -> Sequence[QWidget]:
        return self.list, self.alignment, self.pictures

    def hindrance(self) -> str:
        if not self.list.count():
            return "No drive is analysed yet: run the analysis (F5), or add a folder that lapose analyze wrote."
        return "" if self.request.drives else "Tick the drives to report on."

    def describe(self) -> str:
        if len(self.request.drives) == 1:
            return "The page of one drive."
        return "One page with the figures over all of them and each drive's own report folded below."

    def own_name(self) -> str:
        return str(self._folder / "report.html")

    def kind(self) -> tuple[str, str]:
        return "Report", "HTML (*.html)"
