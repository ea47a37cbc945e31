"""A combo box with an arrow of its own: a style sheet that gives the box a frame takes Qt's arrow away."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent, QPalette, QPen
from PySide6.QtWidgets import QComboBox, QStyle, QStyleOptionComboBox, QStylePainter

INSET = 13.0
"""Pixels from the box's right edge to the middle of the arrow; the style sheet keeps that room free of text."""
HALF = 3.5
NARROW = 92
SLACK = 4
"""Pixels by which a text of the box's own width runs over the field that the style names."""


class ComboBox(QComboBox):
    """A QComboBox whose arrow is drawn in the palette's text colour, sharp at every scale."""

    def minimumSizeHint(self) -> QSize:
        """Narrower than the longest text, which is cut off with an ellipsis: a panel's row of controls must not
        make the window wider."""
        hint = super().minimumSizeHint()
        return QSize(min(hint.width(), NARROW), hint.height())

    def paintEvent(self, event: QPaintEvent) -> None:
        option = QStyleOptionComboBox()
        self.initStyleOption(option)
        box = QStyle.ComplexControl.CC_ComboBox
        field = self.style().subControlRect(box, option, QStyle.SubControl.SC_ComboBoxEditField, self)
        option.currentText = self.fontMetrics().elidedText(  # type: ignore[attr-defined]
            self.currentText(), Qt.TextElideMode.ElideRight, field.width() + SLACK
        )
        styled = QStylePainter(self)
        styled.drawComplexControl(box, option)
        styled.drawControl(QStyle.ControlElement.CE_ComboBoxLabel, option)
        styled.end()
        group = QPalette.ColorGroup.Normal if self.isEnabled() else QPalette.ColorGroup.Disabled
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        pen = QPen(self.palette().color(group, QPalette.ColorRole.Text), 1.5)
        pen.setCapStyle(Qt.PenCapStyle.RoundCap)
        pen.setJoinStyle(Qt.PenJoinStyle.RoundJoin)
        painter.setPen(pen)
        x, y = self.width() - INSET, self.height() / 2 + 0.5
        painter.drawPolyline(
            [QPointF(x - HALF, y - HALF / 2), QPointF(x, y + HALF / 2), QPointF(x + HALF, y - HALF / 2)]
        )
        painter.end()
