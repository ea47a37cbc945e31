"""What the rows of the lists with pictures have in common: the plate, a picture that fills its box, a small curve."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QImage, QPainter, QPen, QPixmap, QPolygonF

from lapose_core.drive import Image
from lapose_core.geometry import Array
from lapose_inspector.models.colours import ThemeColours
from lapose_inspector.visuals.tracks_axis import runs


def paint_plate(painter: QPainter, plate: QRectF, colours: ThemeColours, *, chosen: bool, hovered: bool) -> None:
    """The row's ground, where it stands out."""
    if chosen or hovered:
        painter.setPen(QPen(QColor(colours.accent), 1) if chosen else Qt.PenStyle.NoPen)
        painter.setBrush(QColor(colours.raised))
        painter.drawRoundedRect(plate.adjusted(0.5, 0.5, -0.5, -0.5), 5, 5)


def pixmap_of(picture: Image) -> QPixmap:
    """A picture [H, W, 3] for painting."""
    pixels = np.ascontiguousarray(picture)
    height, width = pixels.shape[:2]
    return QPixmap.fromImage(QImage(pixels.data, width, height, 3 * width, QImage.Format.Format_RGB888))


def paint_picture(painter: QPainter, box: QRectF, pixmap: QPixmap) -> None:
    """The middle of a picture of any shape, as much of it as fills the box."""
    width, height, shape = pixmap.width(), pixmap.height(), box.width() / box.height()
    part = QRectF(0, 0, min(width, height * shape), min(height, width / shape))
    part.moveCenter(QPointF(width / 2, height / 2))
    painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
    painter.drawPixmap(box, pixmap, part)


def paint_curve(painter: QPainter, x: Array, y: Array, pen: QPen) -> None:
    """A line through points [n] in pixels, with gaps where ``y`` is NaN."""
    painter.setPen(pen)
    for start, stop in runs(y):
        points = [QPointF(a, b) for a, b in zip(x[start:stop].tolist(), y[start:stop].tolist(), strict=True)]
        if len(points) > 1:
            painter.drawPolyline(QPolygonF(points))
        else:
            painter.drawPoint(points[0])
