"""What moves over the tracks: the cursor's line, its values as dots and in the margin, its time and frame on the axis.

Of a picture that stands still only the part is painted that the cursor leaves or reaches.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PySide6.QtCore import QPointF, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QPainter, QPen

from lapose_inspector.models.colours import ThemeColours
from lapose_inspector.visuals.tracks import (
    AXIS,
    GUTTER,
    LEFT,
    TICKS,
    WIDE,
    Track,
    baseline,
    label_of,
    rows,
    small,
    tick_labels,
)
from lapose_inspector.visuals.tracks_axis import TimeSpan

DOT = 3.4
"""Radius in pixels of a value."""


@dataclass(frozen=True)
class Readout:
    """What is written in a track's margin for the cursor: (text, colour) for each curve."""

    parts: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Mark:
    """The cursor in the plots, in their pixels: of its line the ``x``, the ``dots`` with their colours, and the
    ``plate`` on the axis with its ``text``, which covers the labels in the boxes ``hidden``."""

    x: float
    dots: tuple[tuple[QPointF, str], ...]
    plate: QRectF
    text: str
    hidden: tuple[QRectF, ...]

    def areas(self, height: int) -> tuple[QRect, QRect]:
        """What it covers of plots ``height`` pixels high, on them and on the axis."""
        across = [self.x, *(at.x() for at, _ in self.dots)]
        margin = DOT + 2
        line = QRectF(min(across) - margin, 0, max(across) - min(across) + 2 * margin, height - AXIS + 1)
        axis = self.plate
        for box in self.hidden:
            axis = axis.united(box)
        return line.toAlignedRect(), axis.adjusted(-1, -1, 1, 1).toAlignedRect()


class Marks:
    """Makes the marks of plots that stand still: where the axis has its labels is looked up once."""

    def __init__(self, size: QSize, font: QFont, span: TimeSpan, tracks: tuple[Track, ...]) -> None:
        self._size, self._span, self._tracks = size, span, tracks
        self._metrics = QFontMetricsF(small(font))
        self._labels = [box for box, _ in tick_labels(size, span, small(font))]
        self._boxes = [QRectF(span.left, top, span.width, height) for top, height in rows(size.height(), len(tracks))]

    def at(self, seconds: float, frame: int, transition: int | None) -> Mark | None:
        """The cursor at a time, which is that of a frame and lies in a transition; None where it is out of sight."""
        size, span = self._size, self._span
        if not span.start - 1e-9 <= seconds <= span.stop + 1e-9:
            return None
        x = round(float(span.x(seconds))) + 0.5
        text = f"{seconds:.2f} s · frame {frame}"
        plate = QRectF(0, size.height() - AXIS + 2, self._metrics.horizontalAdvance(text) + 14, AXIS - 4)
        plate.moveLeft(min(max(x - plate.width() / 2, span.left - 30), size.width() - plate.width() - 2))
        around = plate.adjusted(-4, 0, 4, 0)  # a label would show as a stump at the plate's side
        hidden = tuple(box for box in self._labels if box.intersects(around))
        dots = [
            dot
            for box, track in zip(self._boxes, self._tracks, strict=True)
            for dot in self._dots(box, track, track.index_at(seconds, transition))
        ]
        return Mark(x, tuple(dots), plate, text, hidden)

    def _dots(self, box: QRectF, track: Track, at: int | None) -> list[tuple[QPointF, str]]:
        if at is None:
            return []
        (low, high), inner, x = track.limits, box.adjusted(0, 4, 0, -4), float(self._span.x(track.times[at]))
        if not box.left() <= x <= box.right():
            return []
        values = ((float(line.values[at]), line.colour) for line in track.lines)
        return [
            (QPointF(x, inner.bottom() - (min(max(value, low), high) - low) / (high - low) * inner.height()), colour)
            for value, colour in values
            if np.isfinite(value)
        ]


def paint_mark(painter: QPainter, mark: Mark, size: QSize, font: QFont, colours: ThemeColours) -> None:
    """The line, the dots and the plate on plots of ``size``."""
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(QPen(QColor(colours.cursor), 1.0))
    painter.drawLine(QPointF(mark.x, 0), QPointF(mark.x, size.height() - AXIS))
    painter.setPen(QPen(QColor(colours.canvas), 1.2))
    for at, colour in mark.dots:
        painter.setBrush(QColor(colour))
        painter.drawEllipse(at, DOT, DOT)
    painter.setPen(Qt.PenStyle.NoPen)
    for box in mark.hidden:
        painter.fillRect(box, QColor(colours.panel))
    painter.setBrush(QColor(colours.cursor))
    painter.drawRoundedRect(mark.plate, 4, 4)
    painter.setFont(small(font))
    painter.setPen(QColor(colours.canvas))
    painter.drawText(mark.plate, Qt.AlignmentFlag.AlignCenter, mark.text)


def margin(size: QSize, span: TimeSpan) -> QRect:
    """Where names and values stand."""
    return QRect(0, 0, int(span.left - TICKS), int(size.height() - AXIS))


def paint_values(
    painter: QPainter, size: QSize, font: QFont, span: TimeSpan, tracks: Sequence[Track], readouts: Sequence[Readout]
) -> None:
    """The values beside the tracks' names, or under them where there is room."""
    painter.setFont(font)
    two = span.left < WIDE
    for (top, height), track, readout in zip(rows(size.height(), len(tracks)), tracks, readouts, strict=True):
        _paint_readout(painter, top, height, track, readout, two=two)


def _paint_readout(painter: QPainter, top: float, height: float, track: Track, readout: Readout, *, two: bool) -> None:
    metrics = QFontMetricsF(painter.font())
    y = baseline(top, height, metrics, two=two) + (metrics.height() if two else 0)
    x, each = (LEFT, (GUTTER - TICKS - 10) / 2) if two else (GUTTER - TICKS - 4, (WIDE - GUTTER) / 2)
    if not two:
        x = max(x, LEFT + metrics.horizontalAdvance(f"{label_of(track, metrics)} {track.unit} "))
    stop = (GUTTER if two else WIDE) - TICKS - 4
    for text, colour in readout.parts:
        painter.setPen(QColor(colour))
        shown = metrics.elidedText(text, Qt.TextElideMode.ElideRight, stop - x) if track.source else text
        painter.drawText(QPointF(x, y), shown)
        x += max(metrics.horizontalAdvance(text) + 8, each)
