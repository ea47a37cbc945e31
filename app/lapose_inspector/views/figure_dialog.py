"""The dialog of a figure for print: which panel, how large on paper, how fine, where to."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QCheckBox,
    QDialog,
    QDialogButtonBox,
    QDockWidget,
    QDoubleSpinBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from lapose_core.export.formats import default_name
from lapose_inspector.models.figure import FigureRequest
from lapose_inspector.views.combo_box import ComboBox

FORMS = (("PNG, pixels", "png"), ("SVG, lines and text", "svg"))
AS_SHOWN = "As on the screen"


class FigureDialog(QDialog):
    """Everything that can be chosen of a figure; it stays open while the file is written."""

    wanted = Signal(object)
    """FigureRequest."""
    chosen = Signal(str)
    """The panel that a figure is to be made of."""

    def __init__(
        self,
        docks: Mapping[str, QDockWidget],
        drive: str,
        folder: Path,
        last: FigureRequest | None,
        parent: QWidget,
    ) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle("Figure of a panel")
        self._docks, self._drive, self._folder = docks, drive, folder
        self._own_name, self._running = "", False
        self.panel, self.form = ComboBox(), ComboBox()
        for key, dock in docks.items():
            self.panel.addItem(dock.windowTitle(), key)
        for text, key in FORMS:
            self.form.addItem(text, key)
        start = last or FigureRequest("trajectory", folder)
        self.width_, self.height_ = _spin(20, 1200, start.width, " mm"), _spin(0, 1200, start.height or 0, " mm")
        self.height_.setSpecialValueText(AS_SHOWN)
        self.text = _spin(4, 30, start.text, " pt")
        self.text.setDecimals(1)
        self.dpi = QSpinBox()
        self.dpi.setRange(72, 1200)
        self.dpi.setValue(start.dpi)
        self.dpi.setSuffix(" pixels per inch")
        self.whole = QCheckBox("Everything in it, also what needs scrolling")
        self.whole.setChecked(start.whole)
        self.destination = QLineEdit()
        self.note, self.problem = QLabel(), QLabel()
        self._build()
        self.panel.setCurrentIndex(self.panel.findData(start.panel))
        self.form.setCurrentIndex(self.form.findData(start.form))
        for changed in (
            self.panel.currentIndexChanged, self.form.currentIndexChanged, self.width_.valueChanged,
            self.height_.valueChanged, self.whole.toggled, self.text.valueChanged, self.dpi.valueChanged,
            self.destination.textChanged,
        ):  # fmt: skip
            changed.connect(self._refresh)
        self.panel.currentIndexChanged.connect(lambda _: self.chosen.emit(self.panel.currentData()))
        self._refresh()

    def _build(self) -> None:
        rows = QFormLayout()
        rows.setLabelAlignment(Qt.AlignmentFlag.AlignRight)
        rows.setHorizontalSpacing(12)
        rows.setVerticalSpacing(8)
        where = QHBoxLayout()
        where.setSpacing(6)
        browse = QPushButton("Browse…")
        browse.setAutoDefault(False)
        browse.clicked.connect(self._browse)
        where.addWidget(self.destination, 1)
        where.addWidget(browse)
        for label, field in (
            ("Panel", self.panel), ("Format", self.form), ("Width", self.width_), ("Height", self.height_),
            ("", self.whole), ("Text", self.text), ("Density", self.dpi), ("Write to", where),
        ):  # fmt: skip
            rows.addRow(label, field)
        self.buttons = QDialogButtonBox()
        self.export_button = self.buttons.addButton("Export", QDialogButtonBox.ButtonRole.AcceptRole)
        self.export_button.setDefault(True)
        close = self.buttons.addButton("Close", QDialogButtonBox.ButtonRole.RejectRole)
        close.setAutoDefault(False)
        self.buttons.accepted.connect(self.submit)
        self.buttons.rejected.connect(self.reject)
        for words in (self.note, self.problem):
            words.setWordWrap(True)
            words.setTextFormat(Qt.TextFormat.PlainText)
        self.note.setProperty("muted", True)
        self.problem.setProperty("warning", True)
        column = QVBoxLayout(self)
        column.setContentsMargins(18, 16, 18, 14)
        column.setSpacing(12)
        column.addLayout(rows)
        column.addWidget(self.note)
        column.addWidget(self.problem)
        column.addStretch(1)
        column.addWidget(self.buttons)
        self.resize(560, 420)

    def choose(self, panel: str) -> None:
        """Choose a panel."""
        self.panel.setCurrentIndex(self.panel.findData(panel))

    @property
    def request(self) -> FigureRequest:
        """What is chosen now."""
        return FigureRequest(
            self.panel.currentData(),
            Path(self.destination.text().strip()).expanduser(),
            self.form.currentData(),
            self.width_.value(),
            self.height_.value() or None,
            self.dpi.value(),
            self.text.value(),
            self.whole.isChecked(),
        )

    def submit(self) -> None:
        """Ask for the figure."""
        if self.export_button.isEnabled():
            self.show_problem("")
            self.wanted.emit(self.request)

    def show_running(self, running: bool) -> None:
        """Lock the choices while the file is written."""
        self._running = running
        self._refresh()

    def show_problem(self, problem: str) -> None:
        """Say what went wrong, and let it be tried again."""
        self.problem.setText(problem)
        self.problem.setVisible(bool(problem))
        self.show_running(False)

    def _refresh(self, *_: Any) -> None:
        self._name()
        request = self.request
        panel = self._docks[request.panel].widget()
        least, room = panel.minimumSizeHint(), request.room(panel.height())
        width, height = max(room[0], least.width()), max(room[1], least.height())
        points = request.text * room[0] / width
        pixels = [round(side * request.scale(width)) for side in (width, height)]
        words = f"Black on white, {request.width:g} × {request.width * height / width:.0f} mm"
        words += ", higher where the panel needs it" if request.whole else ""
        words += f"; {pixels[0]} × {pixels[1]} pixels." if request.form == "png" else "; pictures in it as pixels."
        if points < request.text - 0.05:
            words += f" So narrow, the panel's text has {points:.1f} pt."
        if request.path.is_file():
            words += " The file there will be replaced."
        self.note.setText("Writing…" if self._running else words)
        named = bool(self.destination.text().strip())
        self.export_button.setEnabled(named and not self._running)
        self.problem.setVisible(bool(self.problem.text()))

    def _name(self) -> None:
        """Keep the file's name in step with panel and format, until the user names it."""
        current = self.destination.text().strip()
        if current == self._own_name:
            name = default_name(f"{self._drive}.{self.panel.currentData()}", self.form.currentData())
            self._own_name = str(self._folder / name)
            if current != self._own_name:
                self.destination.setText(self._own_name)

    def _browse(self) -> None:
        form = self.form.currentData()
        name, _ = QFileDialog.getSaveFileName(
            self, "Figure", self.destination.text(), f"{form.upper()} (*.{form});;All files (*)"
        )
        if name:
            self.destination.setText(name)


def _spin(low: float, high: float, value: float, unit: str) -> QDoubleSpinBox:
    box = QDoubleSpinBox()
    box.setRange(low, high)
    box.setDecimals(0)
    box.setValue(value)
    box.setSuffix(unit)
    return box
