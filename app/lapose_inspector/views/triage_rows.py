"""The rows of the triage list: a Qt model over the shown segments, and how one row is painted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QAbstractListModel, QModelIndex, QObject, QPersistentModelIndex, QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QPainter, QPen
from PySide6.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem

from lapose_core.drive import Image
from lapose_core.evaluation.numbers import number
from lapose_core.geometry import Array
from lapose_core.palette import REGIMES
from lapose_inspector.models.display import Display
from lapose_inspector.models.triage import Header, Row, Triage, shown_tags
from lapose_inspector.views.scrubber import clock_text
from lapose_inspector.visuals.list_row import paint_curve, paint_picture, paint_plate, pixmap_of
from lapose_inspector.visuals.tracks import small
from lapose_inspector.workers.segment_pictures import SegmentPictures

if TYPE_CHECKING:
    from lapose_core.evaluation.segments import Segment

Index = QModelIndex | QPersistentModelIndex

ITEM = int(Qt.ItemDataRole.UserRole) + 1
HEIGHT, HEADER_HEIGHT = 70, 26
PICTURE = QSize(88, 50)
NARROW = 0.38
"""Share of a row that its picture takes at the most."""
SPARK = QSize(70, 15)
PAD, TAG_GAP = 7.0, 4.0
WORST_SHOWN = 5.0
"""Degrees at the top of a sparkline, the reach of AUC@5: the same for all rows, so that two can be compared by eye."""


class TriageRows(QAbstractListModel):
    """What the triage list shows, headers included."""

    def __init__(self, triage: Triage, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._triage = triage
        self._items: list[Row | Header] = list(triage.items)

    def take(self) -> None:
        """Show the rows that the list has now."""
        self.beginResetModel()
        self._items = list(self._triage.items)
        self.endResetModel()

    def item(self, row: int) -> Row | Header:
        return self._items[row]

    def row_of(self, id: tuple[str, int] | None) -> int | None:
        """Where a segment stands."""
        found = (i for i, item in enumerate(self._items) if isinstance(item, Row) and item.id == id)
        return next(found, None)

    def rowCount(self, parent: Index | None = None) -> int:
        return 0 if parent is not None and parent.isValid() else len(self._items)

    def flags(self, index: Index) -> Qt.ItemFlag:
        if isinstance(self._items[index.row()], Header):
            return Qt.ItemFlag.ItemIsEnabled
        return Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable

    def data(self, index: Index, role: int = int(Qt.ItemDataRole.DisplayRole)) -> object:
        if not index.isValid():
            return None
        item = self._items[index.row()]
        if role == ITEM:
            return item
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.AccessibleTextRole):
            return item.title if isinstance(item, Header) else " · ".join((span_text(item.segment), *figures(item)))
        if role == Qt.ItemDataRole.ToolTipRole and isinstance(item, Row):
            return tool_tip(item)
        return None


def span_text(segment: Segment) -> str:
    """Where a segment lies, such as ``12.2–14.6 s``."""
    return f"{clock_text(segment.begin, 1)}–{clock_text(segment.end, 1)} s"


def headline(segment: Segment) -> str:
    """The one figure that a row is first judged by."""
    if segment.score is not None and math.isfinite(segment.auc5):
        return f"AUC@5 {segment.auc5:.0f}"
    if math.isfinite(segment.confidence):
        return f"conf {segment.confidence:.2f}"
    return "stands" if "standstill" in segment.tags else "AUC@5 –"


def figures(row: Row) -> list[str]:
    """The other figures of a segment, those that exist."""
    s = row.segment
    named = (
        (s.rotation, f"rot {number(s.rotation, 2)}°"),
        (s.direction, f"dir {number(s.direction, 1)}°"),
        (s.scale, f"scale {100 * s.scale:+.0f} %" if math.isfinite(s.scale) else ""),
        (s.ate_cost, f"ATE {s.ate_cost:+.2f} m"),
        (s.confidence if s.score is not None else float("nan"), f"conf {number(s.confidence, 2)}"),
        (float("nan") if s.score is not None else s.least_confidence, f"least {number(s.least_confidence, 2)}"),
    )
    return [text.replace("-", "−") for value, text in named if math.isfinite(value)]


def tool_tip(row: Row) -> str:
    """Everything about a row, with what the figures mean."""
    s = row.segment
    errors = np.isfinite(s.errors).any()
    line = f"larger of rotation and direction error, 0 to {WORST_SHOWN:.0f}°" if errors else "1 − confidence, 0 to 1"
    lines = [
        f"<b>{escape(row.drive.name)}</b>, frames {s.first_frame} to {s.last_frame} ({span_text(s)})",
        f"AUC@5, signed direction: {number(s.auc5, 1)}; constant-forward on it: {number(s.auc5_forward, 1)}",
        f"Rotation {number(s.rotation, 2)}°, direction {number(s.direction, 1)}°, step length "
        f"{number(100 * s.scale, 0)} % off: medians over its transitions",
        f"The drive's ATE would change by {number(-s.ate_cost, 2)} m were its motion true",
        f"Confidence, mean: {number(s.confidence, 2)}; least: {number(s.least_confidence, 2)}",
        f"Picture: frame {s.worst_frame}, its worst. Line: {line}",
        "Tags: " + ", ".join(sorted(s.tags)),
    ]
    return "<br>".join(lines)


class TriagePainter(QStyledItemDelegate):
    """A row: picture of the worst frame; where, how bad, tags; the error over its transitions."""

    def __init__(self, triage: Triage, pictures: SegmentPictures, display: Display, parent: QObject) -> None:
        super().__init__(parent)
        self._triage, self._pictures, self._display = triage, pictures, display

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        return QSize(220, HEADER_HEIGHT if isinstance(index.data(ITEM), Header) else HEIGHT)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        item = index.data(ITEM)
        box, font = QRectF(option.rect), option.font  # type: ignore[attr-defined]
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if isinstance(item, Header):
            self._paint_header(painter, box, item, font)
        else:
            self._paint_row(painter, box, item, font, option.state)  # type: ignore[attr-defined]
        painter.restore()

    def _paint_header(self, painter: QPainter, box: QRectF, header: Header, font: QFont) -> None:
        colours = self._display.colours
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(REGIMES.get(header.title, colours.muted)))
        painter.drawEllipse(QPointF(box.left() + 14, box.center().y() + 2), 4, 4)
        painter.setPen(QColor(colours.muted))
        painter.setFont(font)
        words = f"{header.title}  ·  {header.count} segment{'' if header.count == 1 else 's'}"
        painter.drawText(box.adjusted(26, 4, -6, 0), Qt.AlignmentFlag.AlignVCenter, words)

    def _paint_row(self, painter: QPainter, box: QRectF, row: Row, font: QFont, state: QStyle.StateFlag) -> None:
        colours = self._display.colours
        plate = box.adjusted(3, 2, -3, -2)
        chosen = row.id == self._triage.current
        paint_plate(painter, plate, colours, chosen=chosen, hovered=bool(state & QStyle.StateFlag.State_MouseOver))
        size = PICTURE.toSizeF() * min(1.0, NARROW * plate.width() / PICTURE.width())
        picture = QRectF(QPointF(plate.left() + PAD, box.center().y() - size.height() / 2), size)
        self._paint_picture(painter, picture, self._pictures.get(row.drive, row.segment.worst_frame))
        text = QRectF(picture.right() + PAD + 1, plate.top() + 4, 0, plate.height() - 8)
        text.setRight(plate.right() - PAD)
        line = text.height() / 3
        top, middle, bottom = (QRectF(text.left(), text.top() + i * line, text.width(), line) for i in range(3))
        whole = self._paint_title(painter, top, row, font)
        named = [] if whole else [headline(row.segment)]
        named += [row.drive.name] if self._triage.whole_set else []
        painter.setPen(QColor(colours.muted))
        paint_words(painter, middle, named + figures(row), font)
        values, least = (row.segment.errors, WORST_SHOWN)
        if not np.isfinite(values).any():
            values, least = row.segment.doubt, 1.0
        if np.isfinite(values).sum() > 1 and bottom.width() > 2.5 * SPARK.width():
            spark = QRectF(bottom.right() - SPARK.width(), bottom.bottom() - SPARK.height(), *SPARK.toTuple())
            paint_spark(painter, spark, values, least, colours.text, colours.grid)
            bottom.setRight(spark.left() - PAD)
        paint_tags(painter, bottom, shown_tags(row.segment), small(font, 0.85), colours.text, colours.border)

    def _paint_title(self, painter: QPainter, box: QRectF, row: Row, font: QFont) -> bool:
        """Where and how bad; whether there was room for both: else only where."""
        colours = self._display.colours
        bold = QFont(font)
        bold.setWeight(QFont.Weight.DemiBold)
        painter.setFont(bold)
        painter.setPen(QColor(colours.text))
        metrics = QFontMetricsF(bold)
        left, right = span_text(row.segment), headline(row.segment)
        whole = metrics.horizontalAdvance(left) + metrics.horizontalAdvance(right) + 8 <= box.width()
        if whole:
            painter.drawText(box, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, right)
        left = metrics.elidedText(left, Qt.TextElideMode.ElideRight, box.width())
        painter.drawText(box, Qt.AlignmentFlag.AlignVCenter, left)
        return whole

    def _paint_picture(self, painter: QPainter, box: QRectF, picture: Image | None) -> None:
        painter.fillRect(box, QColor(self._display.colours.canvas))
        if picture is not None:
            paint_picture(painter, box, pixmap_of(picture))


def paint_words(painter: QPainter, box: QRectF, parts: list[str], font: QFont) -> None:
    """Parts of a line: all of them, closer together and smaller where they need it, else as many as there is room for:
    half a figure says nothing."""
    for size, gap in ((0.92, " · "), (0.92, "  "), (0.84, "  ")):
        painter.setFont(small(font, size))
        metrics = QFontMetricsF(painter.font())
        if metrics.horizontalAdvance(gap.join(parts)) <= box.width():
            break
    while len(parts) > 1 and metrics.horizontalAdvance(gap.join(parts)) > box.width():
        parts = parts[:-1]
    shown = metrics.elidedText(gap.join(parts), Qt.TextElideMode.ElideRight, box.width())
    painter.drawText(box, Qt.AlignmentFlag.AlignVCenter, shown)


def paint_spark(painter: QPainter, box: QRectF, values: Array, top: float, colour: str, base: str) -> None:
    """A line of values [n], NaN where none is, between 0 and ``top``."""
    painter.setPen(QPen(QColor(base), 1))
    painter.drawLine(box.bottomLeft(), box.bottomRight())
    x = box.left() + np.arange(len(values)) / max(len(values) - 1, 1) * box.width()
    y = box.bottom() - np.clip(np.nan_to_num(values), 0, top) / top * (box.height() - 1)
    paint_curve(painter, x, np.where(np.isfinite(values), y, np.nan), QPen(QColor(colour), 1.2))


def paint_tags(painter: QPainter, box: QRectF, tags: list[str], font: QFont, text: str, border: str) -> None:
    """Tags as small plates, as many as there is room for and how many more there are; regimes have their colour as a
    dot."""
    painter.setFont(font)
    metrics = QFontMetricsF(font)
    height = min(metrics.height() + 2, box.height())
    widths = [metrics.horizontalAdvance(tag) + 10 + (9.0 if tag in REGIMES else 0.0) for tag in tags]
    shown = fitting(widths, metrics.horizontalAdvance("+9") + 10, box.width())
    plates = list(zip(tags[:shown], widths[:shown], strict=True))
    if shown < len(tags):
        more = f"+{len(tags) - shown}"
        plates.append((more, metrics.horizontalAdvance(more) + 10))
    x = box.left()
    for tag, width in plates:
        dot = 9.0 if tag in REGIMES else 0.0
        plate = QRectF(x, box.center().y() - height / 2, width, height)
        painter.setPen(QPen(QColor(border), 1))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawRoundedRect(plate.adjusted(0.5, 0.5, -0.5, -0.5), height / 2, height / 2)
        if dot:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(REGIMES[tag]))
            painter.drawEllipse(QPointF(x + 8.5, plate.center().y()), 3, 3)
        painter.setPen(QColor(text))
        painter.drawText(plate.adjusted(dot, 0, 0, 0), Qt.AlignmentFlag.AlignCenter, tag)
        x += width + TAG_GAP


def fitting(widths: Sequence[float], more: float, room: float) -> int:
    """How many of the plates fit in ``room`` pixels, where one of ``more`` pixels must say that others do not."""
    ends = np.cumsum([width + TAG_GAP for width in widths]) - TAG_GAP
    if not len(ends) or ends[-1] <= room:
        return len(widths)
    return int(np.searchsorted(ends + TAG_GAP + more, room, side="right"))
