"""A line of values that change with every frame: painted, for a label would lay the whole window out each time."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QPointF, QSize
from PySide6.QtGui import QColor, QFontMetricsF, QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

Group = Sequence[tuple[str, str]]
"""Texts that stand together, each with its colour."""

LEFT, TOP, RIGHT, BOTTOM = 8, 2, 8, 3
GAP, GROUP_GAP = 8.0, 16.0
"""Pixels between the texts of a group, and between groups."""


class ValueLine(QWidget):
    """Groups side by side, or one under the other where the panel is too narrow."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._groups: tuple[Group, ...] = ()
        self._lines = 1
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)

    @property
    def text(self) -> str:
        """What it says, without colours."""
        return " ".join(text for group in self._groups for text, _ in group)

    @property
    def text_width(self) -> float:
        """Pixels that it takes in one line."""
        gaps = GROUP_GAP * (len(self._groups) - 1)
        return sum(self._width(group) for group in self._groups) + gaps + LEFT + RIGHT

    def show_values(self, groups: Sequence[Group]) -> None:
        """Show these. The panel is laid out anew where they take more lines; for fewer only when its width changes, or
        a number near the border would move it up and down."""
        if tuple(groups) != self._groups:
            self._groups = tuple(groups)
            self._take_lines(max(self._needed(), self._lines))
            self.update()

    def sizeHint(self) -> QSize:
        line = QFontMetricsF(self.font()).height()
        return QSize(0, round(self._lines * line) + TOP + BOTTOM)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._take_lines(self._needed())

    def _needed(self) -> int:
        return 1 if self.text_width <= self.width() else max(len(self._groups), 1)

    def _take_lines(self, lines: int) -> None:
        if lines != self._lines:
            self._lines = lines
            self.updateGeometry()

    def _width(self, group: Group) -> float:
        metrics = QFontMetricsF(self.font())
        return sum(metrics.horizontalAdvance(text) for text, _ in group) + GAP * (len(group) - 1)

    def paintEvent(self, event: QPaintEvent) -> None:
        with QPainter(self) as painter:
            metrics = QFontMetricsF(painter.font())
            x, y = float(LEFT), TOP + metrics.ascent()
            for group in self._groups:
                for text, colour in group:
                    painter.setPen(QColor(colour))
                    painter.drawText(QPointF(x, y), text)
                    x += metrics.horizontalAdvance(text) + GAP
                if self._lines == 1:
                    x += GROUP_GAP - GAP
                else:
                    x, y = float(LEFT), y + metrics.height()
