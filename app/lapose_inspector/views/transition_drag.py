"""One transition carried by the mouse from a panel to another."""

from __future__ import annotations

from PySide6.QtCore import QByteArray, QMimeData, QPoint, Qt
from PySide6.QtGui import QColor, QDrag, QPainter, QPixmap
from PySide6.QtWidgets import QWidget

from lapose_inspector.models.selection import TransitionId

MIME = "application/x-lapose-transition"


def carry(widget: QWidget, id: TransitionId, text: str, colour: str) -> None:
    """Start dragging a transition from ``widget``; returns when it is dropped."""
    drag = QDrag(widget)
    drag.setMimeData(mime_of(id))
    metrics = widget.fontMetrics()
    pixmap = QPixmap(metrics.horizontalAdvance(text) + 30, metrics.height() + 10)
    pixmap.fill(QColor(0, 0, 0, 170))
    with QPainter(pixmap) as painter:
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setBrush(QColor(colour))
        painter.setPen(Qt.PenStyle.NoPen)
        painter.drawEllipse(7, pixmap.height() // 2 - 5, 10, 10)
        painter.setPen(Qt.GlobalColor.white)
        painter.drawText(24, 5 + metrics.ascent(), text)
    drag.setPixmap(pixmap)
    drag.setHotSpot(QPoint(12, pixmap.height() // 2))
    drag.exec(Qt.DropAction.CopyAction)


def mime_of(id: TransitionId) -> QMimeData:
    """A transition as what a drag carries."""
    data = QMimeData()
    data.setData(MIME, QByteArray(f"{id.drive} {id.transition}".encode()))
    return data


def carried(data: QMimeData) -> TransitionId | None:
    """The transition that a drag carries, or None."""
    if not data.hasFormat(MIME):
        return None
    drive, _, index = bytes(data.data(MIME).data()).decode().rpartition(" ")
    return TransitionId(drive, int(index)) if drive and index.isdigit() else None
