"""The dialog of a figure for print: which panel, how large on paper, how fine, where to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QCheckBox, QDockWidget, QDoubleSpinBox, QSpinBox, QWidget

from lapose_core.export.formats import default_name
from lapose_inspector.models.figure import FigureRequest
from lapose_inspector.views.combo_box import ComboBox
from lapose_inspector.views.forms import number_field
from lapose_inspector.views.write_dialog import WriteDialog

FORMS = (("PNG, pixels", "png"), ("SVG, lines and text", "svg"))
AS_SHOWN = "As on the screen"


class FigureDialog(WriteDialog):
    """Everything that can be chosen of a figure; it asks for a FigureRequest."""

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
        super().__init__("Figure of a panel", parent)
        self._docks, self._drive, self._folder = docks, drive, folder
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
        self.dpi = number_field(QSpinBox())
        self.dpi.setRange(72, 1200)
        self.dpi.setValue(start.dpi)
        self.dpi.setSuffix(" pixels per inch")
        self.whole = QCheckBox("Everything in it, also what needs scrolling")
        self.whole.setChecked(start.whole)
        for label, field in (
            ("Panel", self.panel), ("Format", self.form), ("Width", self.width_), ("Height", self.height_),
            ("", self.whole), ("Text", self.text), ("Density", self.dpi),
        ):  # fmt: skip
            self.rows.addRow(label, field)
        self.finish()
        self.resize(560, 420)
        self.panel.setCurrentIndex(self.panel.findData(start.panel))
        self.form.setCurrentIndex(self.form.findData(start.form))
        for changed in (
            self.panel.currentIndexChanged, self.form.currentIndexChanged, self.width_.valueChanged,
            self.height_.valueChanged, self.whole.toggled, self.text.valueChanged, self.dpi.valueChanged,
        ):  # fmt: skip
            changed.connect(self.refresh)
        self.panel.currentIndexChanged.connect(lambda _: self.chosen.emit(self.panel.currentData()))
        self.refresh()

    def choose(self, panel: str) -> None:
        """Choose a panel."""
        self.panel.setCurrentIndex(self.panel.findData(panel))

    @property
    def request(self) -> FigureRequest:
        """What is chosen now."""
        return FigureRequest(
            self.panel.currentData(),
            self.path,
            self.form.currentData(),
            self.width_.value(),
            self.height_.value() or None,
            self.dpi.value(),
            self.text.value(),
            self.whole.isChecked(),
        )

    def choices(self) -> Sequence[QWidget]:
        return self.panel, self.form, self.width_, self.height_, self.text, self.dpi, self.whole

    def hindrance(self) -> str:
        return ""

    def describe(self) -> str:
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
        return words

    def own_name(self) -> str:
        name = default_name(f"{self._drive}.{self.panel.currentData()}", self.form.currentData())
        return str(self._folder / name)

    def kind(self) -> tuple[str, str]:
        form = self.form.currentData()
        return "Figure", f"{form.upper()} (*.{form});;All files (*)"


def _spin(low: float, high: float, value: float, unit: str) -> QDoubleSpinBox:
    box = number_field(QDoubleSpinBox())
    box.setRange(low, high)
    box.setDecimals(0)
    box.setValue(value)
    box.setSuffix(unit)
    return box
