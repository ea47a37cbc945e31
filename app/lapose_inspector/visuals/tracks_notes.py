"""Notes over the tracks: a shade over the seconds that each is about, under a bar of its label's colour."""

from __future__ import annotations

from collections.abc import Iterable

from PySide6.QtCore import QRectF
from PySide6.QtGui import QColor, QPainter

from lapose_inspector.visuals.printing import clipped
from lapose_inspector.visuals.tracks_axis import TimeSpan

BAR = 3.0


def paint_notes(painter: QPainter, span: TimeSpan, height: float, notes: Iterable[tuple[float, float, str]]) -> None:
    """Paint (first second, last second, #rrggbb) of each note on what is painted already, ``height`` pixels high."""
    with clipped(painter, QRectF(span.left, 0, span.width, height)):
        for first, last, colour in notes:
            if last < span.start or first > span.stop:
                continue
            left, right = float(span.x(first)), float(span.x(last))
            box = QRectF(left, 0, max(2.0, right - left), height)
            shade = QColor(colour)
            shade.setAlphaF(0.12)
            painter.fillRect(box, shade)
            painter.fillRect(QRectF(box.left(), 0, box.width(), BAR), QColor(colour))
