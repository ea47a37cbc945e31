"""What the dialogs with a form have in common: rows, a field with buttons beside it, words under it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QAbstractSpinBox, QFormLayout, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

Box = TypeVar("Box", bound=QAbstractSpinBox)

MARGIN = 7
"""Pixels between the edge of a field and its text, as the style sheet has them for the other fields."""


def form_rows() -> QFormLayout:
    """Rows of a name, to the right of its column, and a field."""
    rows = QFormLayout()
    rows.setLabelAlignment(Qt.AlignmentFlag.AlignRight)
    rows.setHorizontalSpacing(12)
    rows.setVerticalSpacing(8)
    return rows


def with_buttons(field: QWidget, *buttons: tuple[str, Callable[[], object]]) -> QHBoxLayout:
    """A field and buttons beside it, none of which answers to Enter."""
    row = QHBoxLayout()
    row.setSpacing(6)
    row.addWidget(field, 1)
    for text, run in buttons:
        button = QPushButton(text)
        button.setAutoDefault(False)
        button.clicked.connect(lambda _=False, run=run: run())
        row.addWidget(button)
    return row


def number_field(box: Box) -> Box:
    """A spin box whose text stands off its edge. A style sheet cannot: Qt ignores its padding there."""
    box.lineEdit().setTextMargins(MARGIN, 0, 0, 0)
    return box


def words(kind: str) -> QLabel:
    """A label for sentences that change, ``muted`` or ``warning``; they can be marked and copied."""
    label = QLabel()
    label.setWordWrap(True)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    label.setProperty(kind, True)
    return label


def say(label: QLabel, text: str) -> None:
    """Put ``text`` there; a label without text takes no room."""
    label.setText(text)
    label.setVisible(bool(text))


def column_of(dialog: QWidget) -> QVBoxLayout:
    """The dialog's layout, with its margins."""
    column = QVBoxLayout(dialog)
    column.setContentsMargins(18, 16, 18, 14)
    column.setSpacing(12)
    return column
