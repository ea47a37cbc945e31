"""The labels on offer for notes: add, rename, colour, order and remove them."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Qt, Slot
from PySide6.QtGui import QColor
from PySide6.QtWidgets import (
    QColorDialog,
    QDialog,
    QHBoxLayout,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from lapose_inspector.models.labels import Label
from lapose_inspector.views.annotation_dialog import swatch
from lapose_inspector.views.keep_buttons import keep_buttons

COLOUR, BEFORE = Qt.ItemDataRole.UserRole, Qt.ItemDataRole.UserRole + 1
NEW_COLOURS = ("#0072B2", "#F0E442", "#CC79A7", "#E6A817", "#56B4E9", "#B58CF0")

Accept = Callable[[tuple[Label, ...], dict[str, str]], object]
"""Called with the labels, and which old name became which new one."""


class PaletteDialog(QDialog):
    """A double click on a name renames it; rows are dragged into order."""

    def __init__(self, labels: tuple[Label, ...], accept: Accept, parent: QWidget) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle("Labels")
        self._accept = accept
        self.list = QListWidget()
        self.list.setDragDropMode(QListWidget.DragDropMode.InternalMove)
        self.list.setToolTip("Double click renames, dragging changes the order")
        self.list.itemChanged.connect(self._check)
        for label in labels:
            self._append(label.name, label.colour, label.name)
        self.list.setCurrentRow(0)
        self.problem = QLabel()
        self.problem.setProperty("warning", True)
        self.problem.setWordWrap(True)
        row = QHBoxLayout()
        for text, does, tip in (
            ("Add", self.add, "Add a label"),
            ("Colour…", self.ask_colour, "Choose the label's colour"),
            ("Remove", self.remove, "Offer the label no longer; notes keep it"),
        ):
            button = QPushButton(text)
            button.setAutoDefault(False)
            button.setToolTip(tip)
            button.clicked.connect(does)
            row.addWidget(button)
        row.addStretch(1)
        buttons, self.keep = keep_buttons(self, self.submit)
        column = QVBoxLayout(self)
        column.setContentsMargins(18, 16, 18, 14)
        column.setSpacing(10)
        column.addWidget(self.list)
        column.addLayout(row)
        column.addWidget(self.problem)
        column.addWidget(buttons)
        self.resize(360, 340)
        self._check()

    @property
    def labels(self) -> tuple[Label, ...]:
        """The labels as they stand; only while nothing is wrong with them."""
        items = [self.list.item(row) for row in range(self.list.count())]
        return tuple(Label(name=item.text().strip(), colour=item.data(COLOUR)) for item in items)

    @Slot()
    def add(self) -> None:
        """Add a label, ready to be named."""
        names, number = self._names(), 1
        while f"label {number}" in names:
            number += 1
        item = self._append(f"label {number}", NEW_COLOURS[self.list.count() % len(NEW_COLOURS)], None)
        self.list.setCurrentItem(item)
        self.list.editItem(item)

    @Slot()
    def remove(self) -> None:
        """Drop the current label."""
        self.list.takeItem(self.list.currentRow())
        self._check()

    @Slot()
    def ask_colour(self) -> None:
        """Choose the current label's colour."""
        item = self.list.currentItem()
        if item is not None:
            colour = QColorDialog.getColor(QColor(item.data(COLOUR)), self, f"Colour of {item.text()}")
            if colour.isValid():
                self.set_colour(colour.name())

    def set_colour(self, colour: str) -> None:
        """Give the current label a colour, #rrggbb."""
        item = self.list.currentItem()
        if item is not None:
            item.setData(COLOUR, colour)
            item.setIcon(swatch(colour))

    @Slot()
    def submit(self) -> None:
        """Keep the labels."""
        items = [self.list.item(row) for row in range(self.list.count())]
        pairs = ((item.data(BEFORE), item.text().strip()) for item in items)
        renamed = {old: new for old, new in pairs if old is not None and old != new}
        labels = self.labels
        self.accept()
        self._accept(labels, renamed)

    def _append(self, name: str, colour: str, before: str | None) -> QListWidgetItem:
        item = QListWidgetItem(swatch(colour), name)
        item.setFlags(item.flags() | Qt.ItemFlag.ItemIsEditable)
        item.setData(COLOUR, colour)
        item.setData(BEFORE, before)
        self.list.addItem(item)
        return item

    def _names(self) -> list[str]:
        return [self.list.item(row).text().strip() for row in range(self.list.count())]

    @Slot()
    def _check(self) -> None:
        names = self._names()
        twice = next((name for name in names if names.count(name) > 1), None)
        problem = "At least one label is needed." if not names else ""
        if not all(names):
            problem = "Every label needs a name."
        elif twice is not None:
            problem = f"Two labels are called “{twice}”."
        self.problem.setText(problem)
        if hasattr(self, "keep"):
            self.keep.setEnabled(not problem)
