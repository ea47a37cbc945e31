"""What painting must know to come out on paper as on the screen: how fine it is, and where it ends."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPaintEngine, QPainter

CLIP, END = "\ufdd0clip", "\ufdd0end"
"""Marks in an SVG drawing; the character is one that no text may hold."""
_INVISIBLE = QColor(1, 2, 3)


def pixel_scale(painter: QPainter, fallback: float) -> float:
    """Pixels of the device for each unit of the painter: of print, more than the screen's ``fallback``."""
    return max(fallback, abs(painter.deviceTransform().m11()))


def on_screen(painter: QPainter, ratio: float) -> bool:
    """Whether a screen of ``ratio`` pixels a unit is painted on, for which pictures may be kept."""
    drawn = painter.paintEngine().type() == QPaintEngine.Type.Raster
    return drawn and abs(painter.deviceTransform().m11() - ratio) < 1e-3


@contextlib.contextmanager
def clipped(painter: QPainter, rect: QRectF) -> Iterator[None]:
    """Paint inside ``rect`` only; leaves the painter as it was.

    Qt's SVG drawings know no clipping: there the rectangle is marked, and ``svg_figure.finished`` makes a clip of it.
    """
    painter.save()
    painter.setClipRect(rect, Qt.ClipOperation.IntersectClip)
    marked = painter.paintEngine().type() == QPaintEngine.Type.SVG
    if marked:
        area = painter.deviceTransform().mapRect(rect)
        mark(painter, f"{CLIP} {area.x():.2f} {area.y():.2f} {area.width():.2f} {area.height():.2f}")
    try:
        yield
    finally:
        if marked:
            mark(painter, END)
        painter.restore()


def mark(painter: QPainter, text: str) -> None:
    """Write a mark into an SVG drawing, as an element of its own."""
    painter.save()
    # The drawing begins a new element with each new colour.
    painter.setPen(_INVISIBLE)
    painter.drawText(QPointF(0, 0), text)
    painter.restore()
