"""Stacked plots over one time axis, painted once per change and blitted under a moving cursor."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from PySide6.QtCore import QLineF, QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QImage, QPainter, QPen, QPolygonF

from lapose_core.geometry import Array
from lapose_inspector.models.colours import ThemeColours
from lapose_inspector.models.curves import Summary, value_range
from lapose_inspector.visuals.printing import clipped, on_screen
from lapose_inspector.visuals.tracks_axis import (
    TimeSpan,
    decimate,
    runs,
    time_step,
    time_text,
    value_ticks,
)
from lapose_inspector.visuals.tracks_shading import shade, shade_loop, shade_selection

AXIS = 22.0
GUTTER = 168.0
"""Width of the margin with names, values and value labels."""
WIDE = 292.0
"""The same where plots are too low for a second line, and values stand beside the names."""
TICKS = 40.0
LEFT = 10.0
"""Pixels left of names and values."""
RIGHT = 14.0
LEAST_HEIGHT = 20
"""Pixels of a plot: in less, neither its name nor its curve can be read."""
PIECE = 64
"""Points of a curve stroked at once."""


@dataclass(frozen=True)
class Line:
    """Values [n] of one curve. Truth is dashed, so that not colour alone tells it apart."""

    values: Array
    colour: str
    dashed: bool = False
    known: Summary | None = None

    @cached_property
    def summary(self) -> Summary:
        """Of the values: ``known``, where somebody has made it."""
        return self.known or Summary(self.values)


@dataclass(frozen=True)
class Track:
    """One plot: name, unit, curves over ``times`` [n], and what to say when there is no curve.

    A track on its own clock has ``lookup``, seconds -> index of the value that stands then, and the ``source`` that
    it was read from; the others have a value per transition.
    """

    label: str
    unit: str
    times: Array
    lines: tuple[Line, ...]
    signed: bool = False
    empty: str = ""
    least: float = 1e-3
    source: str = ""
    lookup: Callable[[float], int | None] | None = None
    known_limits: tuple[float, float] | None = None

    def index_at(self, seconds: float, transition: int | None) -> int | None:
        """The value that stands at a time, which lies in ``transition``."""
        at = transition if self.lookup is None else self.lookup(seconds)
        return at if at is not None and 0 <= at < len(self.times) else None

    @cached_property
    def limits(self) -> tuple[float, float]:
        """The values at the bottom and the top of the plot."""
        if self.known_limits is not None:
            return self.known_limits
        return value_range([line.values for line in self.lines], signed=self.signed, least=self.least)


def small(font: QFont, factor: float = 0.86) -> QFont:
    out = QFont(font)
    if out.pointSizeF() > 0:
        out.setPointSizeF(out.pointSizeF() * factor)
    else:
        out.setPixelSize(max(round(out.pixelSize() * factor), 8))
    return out


def rows(height: float, count: int) -> list[tuple[float, float]]:
    """Top and height of each of ``count`` plots above the time axis, on whole pixels."""
    edges = np.round(np.linspace(1, height - AXIS, count + 1))
    return [(float(a), float(b - a)) for a, b in pairwise(edges)]


def gutter(height: float, count: int, font: QFont) -> float:
    """The margin's width for ``count`` plots in ``height`` pixels."""
    low = (height - AXIS) / max(count, 1) < 2 * QFontMetricsF(font).height() + 2
    return WIDE if low else GUTTER


def paint_ground(
    painter: QPainter,
    size: QSize,
    colours: ThemeColours,
    span: TimeSpan,
    loop: tuple[float, float] | None,
    selected: Array,
    doubtful: Array,
) -> None:
    """What lies under the plots; ``loop`` and the rows of ``selected`` and ``doubtful`` [n, 2] are stretches of
    seconds."""
    painter.fillRect(QRectF(QPointF(0, 0), size), QColor(colours.panel))
    plot = QRectF(span.left, 0, span.width, size.height() - AXIS)
    painter.fillRect(plot, QColor(colours.canvas))
    if loop is not None:
        shade_loop(painter, plot, span, loop, colours)
    shade(painter, plot, span, doubtful, QColor(colours.warning), 0.12)
    shade_selection(painter, plot, span, selected, colours)
    painter.setPen(QColor(colours.grid))
    for tick in _ticks(span)[0]:
        x = round(float(span.x(tick))) + 0.5
        painter.drawLine(QPointF(x, 0), QPointF(x, plot.height()))


def paint_plots(
    painter: QPainter,
    size: QSize,
    font: QFont,
    colours: ThemeColours,
    span: TimeSpan,
    tracks: tuple[Track, ...],
    part: slice = slice(None),
) -> None:
    """The plots with their names, or a ``part`` of them."""
    painter.setFont(font)
    for (top, height), track in list(zip(rows(size.height(), len(tracks)), tracks, strict=True))[part]:
        _paint_name(painter, top, height, track, colours, two=span.left < WIDE)
        _paint_track(painter, QRectF(span.left, top, span.width, height), track, span, colours)


def paint_axis(painter: QPainter, size: QSize, font: QFont, colours: ThemeColours, span: TimeSpan) -> None:
    """The labels of the time axis."""
    painter.setFont(small(font))
    painter.setPen(QColor(colours.muted))
    for box, text in tick_labels(size, span, painter.font()):
        painter.drawText(box, Qt.AlignmentFlag.AlignCenter, text)


def _ticks(span: TimeSpan) -> tuple[Array, float]:
    """Seconds [K] of the time axis's ticks, and the step between them."""
    step = time_step(span.length, max(int(span.width / 110), 2))
    return np.arange(np.ceil(span.start / step - 1e-9), np.floor(span.stop / step + 1e-9) + 1) * step, step


def tick_labels(size: QSize, span: TimeSpan, font: QFont) -> list[tuple[QRectF, str]]:
    """Where the time axis's labels stand, and what they say."""
    metrics, out = QFontMetricsF(font), []
    ticks, step = _ticks(span)
    for tick in ticks:
        text = time_text(float(tick), step)
        width = metrics.horizontalAdvance(text) + 4
        left = float(np.clip(span.x(tick) - width / 2, span.left - 14, size.width() - width - 2))
        out.append((QRectF(left, size.height() - AXIS + 2, width, AXIS - 4), text))
    return out


def _paint_track(painter: QPainter, box: QRectF, track: Track, span: TimeSpan, colours: ThemeColours) -> None:
    base = painter.font()
    painter.setPen(QColor(colours.border))
    painter.drawLine(QPointF(0, box.bottom() - 0.5), QPointF(box.right(), box.bottom() - 0.5))
    if not any(np.isfinite(line.values).any() for line in track.lines):
        painter.setPen(QColor(colours.muted))
        painter.drawText(box.adjusted(8, 0, -8, 0), Qt.AlignmentFlag.AlignCenter, track.empty)
        return
    low, high = track.limits
    inner = box.adjusted(0, 4, 0, -4)

    def y_of(values: Array) -> Array:
        return inner.bottom() - (np.clip(values, low, high) - low) / (high - low) * inner.height()

    painter.setFont(small(base, 0.8))
    text_height = QFontMetricsF(painter.font()).height()
    ticks, digits = value_ticks(low, high, max(int(inner.height() / (1.4 * text_height)), 1))
    for tick in ticks:
        y = round(float(y_of(np.array(tick)))) + 0.5
        painter.setPen(QPen(QColor(colours.grid), 1, Qt.PenStyle.SolidLine))
        painter.drawLine(QPointF(box.left(), y), QPointF(box.right(), y))
    painter.setPen(QColor(colours.muted))
    placed: list[float] = []
    # The outermost values say the scale; those between are written where there is room for them.
    for tick in sorted(ticks, key=lambda t: (t not in (ticks[0], ticks[-1]), -t)):
        middle = float(np.clip(y_of(np.array(tick)), box.top() + text_height / 2, box.bottom() - text_height / 2))
        if all(abs(middle - other) >= 0.85 * text_height for other in placed):
            placed.append(middle)
            label = QRectF(box.left() - TICKS, middle - text_height / 2, TICKS - 5, text_height)
            text = f"{tick:.{digits}f}".replace("-", "−")
            painter.drawText(label, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, text)
    painter.setFont(base)
    with clipped(painter, box):
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if track.signed:
            painter.setPen(QPen(QColor(colours.muted), 1, Qt.PenStyle.DotLine))
            zero = round(float(y_of(np.array(0.0)))) + 0.5
            painter.drawLine(QPointF(box.left(), zero), QPointF(box.right(), zero))
        # One sample more at either side, so that a line leaves the picture instead of ending at its last sample.
        first = max(int(np.searchsorted(track.times, span.start)) - 1, 0)
        last = int(np.searchsorted(track.times, span.stop, side="right")) + 1
        for line in track.lines:
            at, values = line.summary.between(first, min(last, len(track.times)), int(inner.width()))
            _paint_line(painter, inner, span.x(track.times[at]), line, values, y_of, (low, high))


def _paint_line(
    painter: QPainter,
    inner: QRectF,
    x: Array,
    line: Line,
    values: Array,
    y_of: Callable[[Array], Array],
    limits: tuple[float, float],
) -> None:
    dx, dy = decimate(x, values, int(inner.width()))
    colour = QColor(line.colour)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    if dx is not x:  # more values than pixels
        if line.dashed:
            colour.setAlphaF(0.6)  # bars have no gaps to see the other curve through
        _paint_bars(painter, inner, dx, dy, y_of, colour)
        colour.setAlphaF(1.0)
    else:
        pen = QPen(colour, 1.4, Qt.PenStyle.SolidLine, Qt.PenCapStyle.FlatCap, Qt.PenJoinStyle.BevelJoin)
        if line.dashed:
            pen.setDashPattern([3.5, 2.0])
        painter.setPen(pen)
        for start, stop in runs(dy):
            points = [QPointF(a, b) for a, b in zip(dx[start:stop], y_of(dy[start:stop]), strict=True)]
            # Qt strokes a polyline as one shape, in time that grows with the square of its crossings.
            for i in range(0, max(len(points) - 1, 1), PIECE):
                piece = points[i : i + PIECE + 1]
                if len(piece) > 1:
                    painter.drawPolyline(QPolygonF(piece))
                else:
                    painter.drawEllipse(piece[0], 0.9, 0.9)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(colour)
    marked = -np.inf
    for beyond, edge, tip in ((dy > limits[1], inner.top(), -3.0), (dy < limits[0], inner.bottom(), 3.0)):
        for at in dx[beyond]:
            if at - marked >= 5:
                marked = at
                painter.drawPolygon([QPointF(at - 3, edge), QPointF(at + 3, edge), QPointF(at, edge + tip)])
        marked = -np.inf


def _paint_bars(
    painter: QPainter, box: QRectF, dx: Array, dy: Array, y_of: Callable[[Array], Array], colour: QColor
) -> None:
    """Decimated values as one upright bar per pixel column, each reaching to the bar before it."""
    low, high = np.fmin(dy[0::2], dy[1::2]), np.fmax(dy[0::2], dy[1::2])
    low[1:], high[1:] = (
        np.where(np.isfinite(low[1:]), np.fmin(low[1:], high[:-1]), np.nan),
        np.where(np.isfinite(high[1:]), np.fmax(high[1:], low[:-1]), np.nan),
    )
    known = np.isfinite(low)
    if not known.any():
        return
    x, tops, bottoms = dx[0::2][known], y_of(high[known]) - 0.5, y_of(low[known]) + 0.5
    ratio = painter.device().devicePixelRatio()
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
    if on_screen(painter, ratio):  # as a picture: lines take Qt ten times as long
        first, rows = x[0] - 0.5, round(box.height() * ratio)
        middles = box.top() + (np.arange(rows)[:, None] + 0.5) / ratio
        bars = np.zeros((rows, round(x[-1] - x[0]) + 1), np.uint32)
        bars[:, (x - 0.5 - first).astype(np.int64)] = np.where(
            (middles >= tops) & (middles < bottoms), colour.rgba(), 0
        )
        image = QImage(bars.data, bars.shape[1], rows, 4 * bars.shape[1], QImage.Format.Format_ARGB32)
        painter.drawImage(QRectF(first, box.top(), bars.shape[1], rows / ratio), image)
    else:
        painter.setPen(QPen(colour, 1.0))
        painter.drawLines([QLineF(at, top, at, bottom) for at, top, bottom in zip(x, tops, bottoms, strict=True)])
    painter.restore()


def _paint_name(
    painter: QPainter, top: float, height: float, track: Track, colours: ThemeColours, *, two: bool
) -> None:
    metrics = QFontMetricsF(painter.font())
    y, label = baseline(top, height, metrics, two=two), label_of(track, metrics)
    painter.setPen(QColor(colours.text))
    painter.drawText(QPointF(LEFT, y), label)
    painter.setPen(QColor(colours.muted))
    painter.drawText(QPointF(LEFT + metrics.horizontalAdvance(label + " "), y), track.unit)


def label_of(track: Track, metrics: QFontMetricsF) -> str:
    """A track's name as its margin has room for it."""
    room = GUTTER - TICKS - 16 - metrics.horizontalAdvance(" " + track.unit)
    return metrics.elidedText(track.label, Qt.TextElideMode.ElideRight, room) if track.source else track.label


def baseline(top: float, height: float, metrics: QFontMetricsF, *, two: bool) -> float:
    """Of the first line in a plot's margin. It has ``two`` lines in all plots or in none: they differ by a pixel in
    height, and their margin's width is one."""
    return top + (height - (2 if two else 1) * metrics.height()) / 2 + metrics.ascent()
