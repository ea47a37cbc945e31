"""A combo box with an arrow of its own: a style sheet that gives the box a frame takes Qt's arrow away."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent, QPalette, QPen
from PySide6.QtWidgets import QComboBox, QStyle, QStyleOptionComboBox, QStylePainter, QWidget

INSET = 13.0
"""Pixels from the box's right edge to the middle of the arrow; the style sheet keeps that room free of text."""
HALF = 3.5
NARROW, LONG = 56, 150
"""Pixels within which the least width lies; a longer text is cut off with an ellipsis."""
SLACK = 4
"""Pixels by which a text of the box's own width runs over the field that the style names."""


class ComboBox(QComboBox):
    """A QComboBox whose arrow is drawn in the palette's text colour, sharp at every scale."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.currentTextChanged.connect(self._on_text)

    def _on_text(self, _: str) -> None:
        self.updateGeometry()

    def minimumSizeHint(self) -> QSize:
        """Room for the text that is chosen, not for the longest: a panel's row of controls must not make the window
        wider."""
        hint, metrics = super().minimumSizeHint(), self.fontMetrics()
        longest = max((metrics.horizontalAdvance(self.itemText(i)) for i in range(self.count())), default=0)
        chosen = hint.width() - longest + metrics.horizontalAdvance(self.currentText())
        return QSize(min(max(chosen, NARROW), LONG, hint.width()), hint.height())

    def paintEvent(self, event: QPaintEvent) -> None:
        option = QStyleOptionComboBox()
        self.initStyleOption(option)
        box = QStyle.ComplexControl.CC_ComboBox
        field = self.style().subControlRect(box, option, QStyle.SubControl.SC_ComboBoxEditField, self)
        option.currentText = self.fontMetrics().elidedText(  # type: ignore[attr-defined]
            self.currentText(), Qt.TextElideMode.ElideRight, field.width() + SLACK
        )
        styled = QStylePainter(self)
        with styled:
            styled.drawComplexControl(box, option)
            styled.drawControl(QStyle.ControlElement.CE_ComboBoxLabel, option)
        group = QPalette.ColorGroup.Normal if self.isEnabled() else QPalette.ColorGroup.Disabled
        with QPainter(self) as painter:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            pen = QPen(self.palette().color(group, QPalette.ColorRole.Text), 1.5)
            pen.setCapStyle(Qt.PenCapStyle.RoundCap)
            pen.setJoinStyle(Qt.PenJoinStyle.RoundJoin)
            painter.setPen(pen)
            x, y = self.width() - INSET, self.height() / 2 + 0.5
            painter.drawPolyline(
                [QPointF(x - HALF, y - HALF / 2), QPointF(x, y + HALF / 2), QPointF(x + HALF, y - HALF / 2)]
            )
