"""How a trajectory file belongs to the drive: what is added to its times, and whose axes its poses have."""

from __future__ import annotations

from PySide6.QtCore import QSignalBlocker, Signal
from PySide6.QtWidgets import QDoubleSpinBox, QHBoxLayout, QLabel, QWidget

from lapose_inspector.models.comparison import PoseFile
from lapose_inspector.views.combo_box import ComboBox
from lapose_inspector.views.forms import number_field
from lapose_inspector.views.import_dialog import FRAMES


class PoseFileRow(QWidget):
    """A change asks for the file to be read anew."""

    changed = Signal(object)
    """The PoseFile as it is now."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._file: PoseFile | None = None
        self.offset = number_field(QDoubleSpinBox())
        self.offset.setRange(-1e10, 1e10)  # clocks that count from 1970 differ by billions of seconds
        self.offset.setDecimals(3)
        self.offset.setSingleStep(0.01)
        self.offset.setSuffix(" s")
        self.offset.setKeyboardTracking(False)
        self.offset.setMaximumWidth(150)
        self.offset.setToolTip("Seconds added to the times of the trajectory file")
        self.axes = ComboBox()
        for key, text in FRAMES.items():
            self.axes.addItem(text, key)
        self.axes.setToolTip("Whose axes the poses in the trajectory file have")
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(6)
        row.addWidget(QLabel("Time offset"))
        row.addWidget(self.offset)
        row.addWidget(QLabel("Axes"))
        row.addWidget(self.axes, 1)
        self.offset.valueChanged.connect(self._on_change)
        self.axes.activated.connect(self._on_change)
        self.show_file(None)

    def show_file(self, file: PoseFile | None) -> None:
        """Show how a file is read; hidden where there is none."""
        self._file = file
        self.setVisible(file is not None)
        if file is not None:
            with QSignalBlocker(self.offset):
                self.offset.setValue(file.time_offset)
            self.axes.setCurrentIndex(self.axes.findData(file.pose_frame))

    def _on_change(self, *_: object) -> None:
        if self._file is not None:
            self.changed.emit(PoseFile(self._file.path, self.offset.value(), self.axes.currentData()))
