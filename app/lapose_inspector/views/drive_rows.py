"""The rows of the dataset browser: a Qt model over the listed drives, and how one row is painted."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import (
    QAbstractListModel,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    QRectF,
    QSize,
    Qt,
)
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QPainter, QPen, QPixmap
from PySide6.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem

from lapose_core.logs.reader import Listing
from lapose_inspector.models.colours import TRUTH
from lapose_inspector.models.dataset import Dataset, Preview, SpeedProfile, length_text
from lapose_inspector.models.display import Display
from lapose_inspector.visuals.list_row import paint_curve, paint_picture, paint_plate, pixmap_of
from lapose_inspector.visuals.tracks import small

Index = QModelIndex | QPersistentModelIndex

KEY, LISTING, PREVIEW, CURRENT, SEARCHED = (int(Qt.ItemDataRole.UserRole) + i for i in range(1, 6))
HEIGHT = 76
PICTURE = QSize(96, 54)
PROFILE_WIDTH, PROFILE_SHARE = (74.0, 120.0), 0.38
"""Pixels at the least and the most, and share of a row's text."""
PROFILE_FROM = 165.0
"""Pixels of text below which its words need all the room."""
PAD = 8.0


class DriveRows(QAbstractListModel):
    """One row per listed drive, in the data set's order."""

    def __init__(self, dataset: Dataset, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._dataset = dataset
        self._listings: tuple[Listing, ...] = dataset.listings
        self._rows: dict[str, int] = {}
        self.take()

    def take(self) -> bool:
        """Show the drives that the data set has now; whether they only follow on those that were shown."""
        before, now = self._listings, self._dataset.listings
        grown = 0 < len(before) < len(now) and now[: len(before)] == before
        if grown:
            self.beginInsertRows(QModelIndex(), len(before), len(now) - 1)
        else:
            self.beginResetModel()
        self._listings = now
        self._rows = {listing.key: row for row, listing in enumerate(now)}
        if grown:
            self.endInsertRows()
        else:
            self.endResetModel()
        return grown

    def update(self, key: str) -> None:
        """Something is new about one drive."""
        row = self._rows.get(key)
        if row is not None:
            self.dataChanged.emit(self.index(row), self.index(row))

    def row_of(self, key: str | None) -> int | None:
        return None if key is None else self._rows.get(key)

    def rowCount(self, parent: Index | None = None) -> int:
        return 0 if parent is not None and parent.isValid() else len(self._listings)

    def data(self, index: Index, role: int = int(Qt.ItemDataRole.DisplayRole)) -> object:
        if not index.isValid():
            return None
        listing = self._listings[index.row()]
        preview = self._dataset.preview(listing.key)
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.AccessibleTextRole):
            return listing.name
        if role == Qt.ItemDataRole.ToolTipRole:
            return tool_tip(listing, preview)
        if role == KEY:
            return listing.key
        if role == LISTING:
            return listing
        if role == PREVIEW:
            return preview
        if role == CURRENT:
            return listing.key == self._dataset.current
        if role == SEARCHED:
            return " ".join((listing.key, listing.name, listing.description, *listing.cameras))
        return None


def tool_tip(listing: Listing, preview: Preview | None) -> str:
    """All that is known of a drive, a line each."""
    lines = [listing.name if listing.name == listing.key else f"{listing.name} ({listing.key})"]
    lines += [text for text in (listing.description, details(listing, preview)) if text]
    if listing.cameras:
        lines.append("cameras: " + ", ".join(listing.cameras))
    if listing.pose_topics:
        lines.append("poses: " + ", ".join(listing.pose_topics))
    if preview is not None and preview.speed is not None:
        lines.append(f"speed from {preview.speed.source}")
    if preview is not None and preview.problem:
        lines.append(preview.problem)
    return "\n".join(lines)


def details(listing: Listing, preview: Preview | None) -> str:
    """Length and cameras in one line."""
    frames, seconds = listing.frames, listing.seconds
    if preview is not None:
        frames = preview.frames if frames is None else frames
        seconds = preview.seconds if seconds is None else seconds
    count = len(listing.cameras)
    cameras = f"{count} cameras" if count > 1 else listing.cameras[0] if count else ""
    return " · ".join(text for text in (length_text(frames, seconds), cameras) if text)


class DrivePainter(QStyledItemDelegate):
    """A row: thumbnail; name, description, length and cameras; speed over time."""

    def __init__(self, display: Display, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._display = display
        self._pictures: dict[int, tuple[Preview, QPixmap]] = {}

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        return QSize(240, HEIGHT)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        colours = self._display.colours
        listing, preview = index.data(LISTING), index.data(PREVIEW)
        box = QRectF(option.rect)  # type: ignore[attr-defined]
        state = option.state  # type: ignore[attr-defined]
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        plate = box.adjusted(3, 2, -3, -2)
        chosen, hovered = (
            bool(state & flag) for flag in (QStyle.StateFlag.State_Selected, QStyle.StateFlag.State_MouseOver)
        )
        paint_plate(painter, plate, colours, chosen=chosen, hovered=hovered)
        if index.data(CURRENT):
            painter.fillRect(QRectF(plate.left(), plate.top() + 8, 3, plate.height() - 16), QColor(colours.accent))
        picture = QRectF(plate.left() + PAD, box.center().y() - PICTURE.height() / 2, PICTURE.width(), PICTURE.height())
        self._paint_picture(painter, picture, preview)
        text = QRectF(picture.right() + PAD + 2, plate.top() + 5, 0, plate.height() - 10)
        text.setRight(plate.right() - PAD)
        profile = None
        if preview is not None and preview.speed is not None and text.width() >= PROFILE_FROM:
            profile = QRectF(text)
            width = float(np.clip(PROFILE_SHARE * text.width(), *PROFILE_WIDTH))
            profile.setLeft(text.right() - width)
            profile.setTop(text.top() + QFontMetricsF(option.font).height() + 1)  # type: ignore[attr-defined]
            self._paint_speed(painter, profile, preview.speed, option.font)  # type: ignore[attr-defined]
        self._paint_text(painter, text, listing, preview, option.font, profile)  # type: ignore[attr-defined]
        painter.restore()

    def _paint_picture(self, painter: QPainter, box: QRectF, preview: Preview | None) -> None:
        colours = self._display.colours
        painter.fillRect(box, QColor(colours.canvas))
        if preview is None or preview.picture is None:
            painter.setPen(QColor(colours.muted))
            painter.setFont(small(painter.font()))
            words = "…" if preview is None else "cannot be\nopened"
            painter.drawText(box, Qt.AlignmentFlag.AlignCenter, words)
            return
        paint_picture(painter, box, self._pixmap(preview))

    def _pixmap(self, preview: Preview) -> QPixmap:
        kept = self._pictures.get(id(preview))
        if kept is None:
            image = preview.picture
            assert image is not None
            if len(self._pictures) > 200:
                self._pictures.clear()
            # The preview is kept with its picture: an id says nothing once its object is gone.
            kept = self._pictures[id(preview)] = (preview, pixmap_of(image))
        return kept[1]

    def _paint_text(
        self,
        painter: QPainter,
        box: QRectF,
        listing: Listing,
        preview: Preview | None,
        font: QFont,
        profile: QRectF | None,
    ) -> None:
        colours = self._display.colours
        bold, light = QFont(font), small(font)
        bold.setWeight(QFont.Weight.DemiBold)
        lines = [(listing.name, bold, colours.text)]
        if preview is not None and preview.problem:
            # Which file it is, is the tooltip's business: here the path would take all of the room.
            lines.append((preview.problem.split(": ", 1)[-1], light, colours.warning))
        elif listing.description:
            lines.append((listing.description, light, colours.muted))
        elif listing.key != listing.name:
            lines.append((listing.key, light, colours.muted))
        lines += [(words, light, colours.muted) for words in details(listing, preview).split(" · ") if words]
        lines = lines[:4]
        height = sum(QFontMetricsF(line_font).height() + 1 for _, line_font, _ in lines)
        y, left = box.center().y() - height / 2, QRectF(box)
        for row, (line, line_font, colour) in enumerate(lines):
            metrics = QFontMetricsF(line_font)
            if row == 1 and profile is not None:
                left.setRight(profile.left() - PAD)
            painter.setFont(line_font)
            painter.setPen(QColor(colour))
            # Drives of one recording differ at the end of their names.
            mode = Qt.TextElideMode.ElideRight if row else Qt.TextElideMode.ElideMiddle
            shown = metrics.elidedText(" ".join(line.split()), mode, left.width())
            painter.drawText(QRectF(left.left(), y, left.width(), metrics.height()), shown)
            y += metrics.height() + 1

    def _paint_speed(self, painter: QPainter, box: QRectF, profile: SpeedProfile, font: QFont) -> None:
        colours = self._display.colours
        font = small(font, 0.8)
        metrics = QFontMetricsF(font)
        plot = box.adjusted(0, metrics.height(), 0, 0)
        top = float(np.nanmax(profile.speeds))
        painter.setFont(font)
        painter.setPen(QColor(colours.muted))
        words = f"max {top:.1f} m/s"
        painter.drawText(QRectF(box.left(), box.top() - 2, box.width(), metrics.height()), words)
        painter.setPen(QPen(QColor(colours.grid), 1))
        painter.drawLine(plot.bottomLeft(), plot.bottomRight())
        span = max(float(profile.times[-1] - profile.times[0]), 1e-6)
        x = plot.left() + (profile.times - profile.times[0]) / span * plot.width()
        y = plot.bottom() - np.clip(profile.speeds, 0, None) / max(top, 1.0) * (plot.height() - 2)
        paint_curve(painter, x, y, QPen(QColor(TRUTH), 1.3))
