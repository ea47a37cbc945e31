"""Stretches of time that are shaded behind the plots: what is looped, selected or in doubt."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QImage, QPainter, QPen

from lapose_core.geometry import Array
from lapose_inspector.models.colours import ThemeColours
from lapose_inspector.visuals.printing import on_screen
from lapose_inspector.visuals.tracks_axis import TimeSpan

FEW = 50
"""Shaded stretches that are painted one by one."""


def shade(painter: QPainter, plot: QRectF, span: TimeSpan, ranges: Array, colour: QColor, alpha: float) -> None:
    """Lay a colour over stretches [n, 2] of seconds."""
    colour.setAlphaF(alpha)
    _paint_stretches(painter, QRectF(plot.left(), 0, plot.width(), plot.height()), _sides(span, plot, ranges), colour)


def _sides(span: TimeSpan, plot: QRectF, ranges: Array) -> Array:
    """Left and right [k, 2] in the plot of the stretches [n, 2] in sight, in seconds and in order. Of more than there
    are pixels, those that touch the same are one."""
    x = span.x(ranges.reshape(-1, 2)).clip(plot.left(), plot.right())
    x = x[(x[:, 1] > plot.left()) & (x[:, 0] < plot.right())]
    if len(x) > plot.width():
        low, high = np.floor(x[:, 0]), np.maximum.accumulate(np.ceil(x[:, 1]))
        new = np.concatenate([[True], low[1:] > high[:-1]])
        x = np.stack([low[new], high[np.append(np.flatnonzero(new)[1:] - 1, len(high) - 1)]], 1)
    return x


def _paint_stretches(painter: QPainter, box: QRectF, sides: Array, colour: QColor) -> None:
    """The stretches between ``sides`` [k, 2] as high as the box."""
    painter.setPen(Qt.PenStyle.NoPen)
    ratio = painter.device().devicePixelRatio()
    if len(sides) <= FEW or not on_screen(painter, ratio):
        painter.setBrush(colour)
        painter.drawRects([QRectF(left, box.top(), right - left, box.height()) for left, right in sides.tolist()])
        return
    # One row of pixels, stretched: a thousand rectangles took 18 ms.
    width = round(box.width() * ratio)
    first = np.clip(np.round((sides[:, 0] - box.left()) * ratio).astype(np.int64), 0, width - 1)
    stop = np.clip(np.round((sides[:, 1] - box.left()) * ratio).astype(np.int64), first + 1, width)
    depth = np.zeros(width + 1, np.int64)
    np.add.at(depth, first, 1)
    np.add.at(depth, stop, -1)
    row = np.where(np.cumsum(depth[:-1]) > 0, np.uint32(colour.rgba()), np.uint32(0))
    painter.drawImage(box, QImage(row.data, width, 1, 4 * width, QImage.Format.Format_ARGB32))


def shade_selection(painter: QPainter, plot: QRectF, span: TimeSpan, selected: Array, colours: ThemeColours) -> None:
    """The selected stretches [n, 2] of seconds, each at least a pixel wide, with an edge along the top."""
    wash, edge = QColor(colours.selection), QColor(colours.selection)
    wash.setAlphaF(0.2)
    sides = _sides(span, plot, selected)
    sides[:, 1] = np.maximum(sides[:, 1], sides[:, 0] + 1.0)
    for colour, height in ((wash, plot.height()), (edge, 2.0)):
        _paint_stretches(painter, QRectF(plot.left(), 0, plot.width(), height), sides, colour)


def shade_loop(
    painter: QPainter, plot: QRectF, span: TimeSpan, loop: tuple[float, float], colours: ThemeColours
) -> None:
    """What is looped, between its two ends in seconds."""
    left = float(np.clip(span.x(loop[0]), plot.left(), plot.right()))
    right = float(np.clip(span.x(loop[1]), plot.left(), plot.right()))
    wash = QColor(colours.accent)
    wash.setAlphaF(0.13)
    painter.fillRect(QRectF(left, 0, right - left, plot.height()), wash)
    painter.setPen(QPen(QColor(colours.accent), 1))
    for at, x in ((loop[0], left), (loop[1], right)):
        if span.start <= at <= span.stop:
            painter.drawLine(QPointF(round(x) + 0.5, 0), QPointF(round(x) + 0.5, plot.height()))
