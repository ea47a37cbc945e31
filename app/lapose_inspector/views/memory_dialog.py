"""How much memory and disk the program may take to be fast."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtWidgets import QFormLayout, QLabel, QPushButton, QSpinBox, QWidget

from lapose_core.frames.budget import MIB
from lapose_inspector.models.settings import LEAST_MEMORY, LEAST_PREVIEWS, MOST_MEMORY, MOST_PREVIEWS
from lapose_inspector.views.dialogs import Dialog
from lapose_inspector.views.forms import number_field

if TYPE_CHECKING:
    from lapose_inspector.memory import Memory


class MemoryDialog(Dialog):
    """Two limits that count at once and are remembered."""

    def __init__(self, memory: Memory, parent: QWidget) -> None:
        super().__init__("Memory and previews", parent)
        self._memory = memory
        self.memory = _spin_box(LEAST_MEMORY, MOST_MEMORY, memory.budget.limit // MIB)
        self.previews = _spin_box(LEAST_PREVIEWS, MOST_PREVIEWS, memory.proxies.limit // MIB)
        self.delete = QPushButton("Delete previews")
        self.delete.setAutoDefault(False)
        self.kept, self.on_disk = QLabel(), QLabel()
        for label in (self.kept, self.on_disk):
            label.setProperty("muted", True)
            label.setWordWrap(True)
        form = QFormLayout()
        form.setVerticalSpacing(8)
        form.addRow("Memory", self.memory)
        form.addRow("", self.kept)
        form.addRow("Previews on disk", self.previews)
        form.addRow("", self.on_disk)
        form.addRow("", self.delete)
        explanation = QLabel(
            "Decoded frames, latents and pictures share the memory; what was not used for longest goes first. "
            "Previews are small copies of a drive's frames that appear at once while the timeline is dragged."
        )
        explanation.setWordWrap(True)
        self.box.addWidget(explanation)
        self.box.addLayout(form)
        self.box.addWidget(self.buttons)
        self.resize(460, 320)
        self.memory.valueChanged.connect(self._on_changed)
        self.previews.valueChanged.connect(self._on_changed)
        self.delete.clicked.connect(self._on_delete)
        self._show()

    def _on_changed(self, _: int) -> None:
        self._memory.set_limits(self.memory.value(), self.previews.value())
        self._show()

    def _on_delete(self) -> None:
        self._memory.clear_previews()
        self._show()

    def _show(self) -> None:
        uses = self._memory.budget.uses()
        parts = ", ".join(f"{name} {size / MIB:.0f}" for name, size in uses.items())
        self.kept.setText(f"{self._memory.budget.used / MIB:.0f} MiB in use" + (f" ({parts})" if parts else ""))
        self.on_disk.setText(f"{self._memory.proxies.used() / MIB:.0f} MiB in {self._memory.proxies.folder}")


def _spin_box(least: int, most: int, value: int) -> QSpinBox:
    box = number_field(QSpinBox())
    box.setRange(least, most)
    box.setSingleStep(256)
    box.setSuffix(" MiB")
    # A number being typed is not yet a limit: 4 on the way to 4096 would drop everything.
    box.setKeyboardTracking(False)
    box.setValue(value)
    return box
