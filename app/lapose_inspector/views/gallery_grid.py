"""One page of frame pairs, painted as a grid of cells."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QImage, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen, QResizeEvent
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from lapose_core.drive import Image
from lapose_inspector.models.colours import ThemeColours
from lapose_inspector.models.gallery import Item
from lapose_inspector.models.selection import TransitionId
from lapose_inspector.views.transition_drag import carry

WIDTH = 120
"""Pixels of each picture of a pair."""
GAP, PAD = 2, 6
SLACK = 8


class GalleryGrid(QWidget):
    """Cells as many as have room. A click chooses one, a drag carries its transition away."""

    chosen = Signal(object)
    """The Item that was clicked."""
    room_changed = Signal()
    """Another number of cells has room."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._items: list[Item] = []
        self._pictures: dict[TransitionId, tuple[QImage, QImage]] = {}
        self._failures: dict[TransitionId, str] = {}
        self._aspect = 2.0
        self._colours: ThemeColours | None = None
        self._current: TransitionId | None = None
        self._hovered = -1
        self._pressed: QPointF | None = None
        self._room = 0
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumSize(2 * WIDTH + 20, 100)

    def sizeHint(self) -> QSize:
        return QSize(600, 320)

    @property
    def items(self) -> list[Item]:
        """The transitions on the page."""
        return list(self._items)

    @property
    def room(self) -> int:
        """Cells that have room."""
        return self._columns() * self._rows()

    def picture(self, id: TransitionId) -> tuple[QImage, QImage] | None:
        """The pictures shown for a transition, once they are in."""
        return self._pictures.get(id)

    def set_items(self, items: Sequence[Item], aspect: float) -> None:
        """Show a page; pictures are ``aspect`` times as wide as high and come later."""
        keep = {item.id for item in items}
        self._pictures = {id: pair for id, pair in self._pictures.items() if id in keep}
        self._failures = {}
        self._items, self._aspect, self._hovered = list(items), aspect, -1
        self.update()

    def forget_pictures(self) -> None:
        """Show no picture of before: the same transitions are other frames now."""
        self._pictures = {}
        self.update()

    def set_pictures(self, id: TransitionId, pair: tuple[Image, Image]) -> None:
        """The pictures [h, w, 3] of one of the page's transitions; others are late and dropped."""
        if any(item.id == id for item in self._items):
            self._pictures[id] = _qimage(pair[0]), _qimage(pair[1])
            self.update()

    def set_failed(self, id: TransitionId, reason: str) -> None:
        """Say why a transition has no pictures."""
        self._failures[id] = reason
        self.update()

    def set_current(self, id: TransitionId | None) -> None:
        """Mark the transition at the cursor."""
        if id != self._current:
            self._current = id
            self.update()

    def set_theme(self, colours: ThemeColours) -> None:
        self._colours = colours
        self.update()

    def cell(self, index: int) -> QRectF:
        """Where a cell lies."""
        width, height = self._cell_size()
        columns = self._columns()
        left = (self.width() - columns * width) / 2
        return QRectF(left + index % columns * width, index // columns * height, width, height)

    def _cell_size(self) -> tuple[float, float]:
        lines = 2 * self.fontMetrics().height()
        return 2 * WIDTH + GAP + 2 * PAD, WIDTH / self._aspect + lines + 2 * PAD + 2

    def _columns(self) -> int:
        return max(1, int(self.width() // self._cell_size()[0]))

    def _rows(self) -> int:
        return max(1, int(self.height() // self._cell_size()[1]))

    def _at(self, position: QPointF) -> int:
        return next((i for i in range(len(self._items)) if self.cell(i).contains(position)), -1)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if self.room != self._room:
            self._room = self.room
            self.room_changed.emit()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self._pressed = event.position() if event.button() == Qt.MouseButton.LeftButton else None

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        here = event.position()
        if self._pressed is not None and (here - self._pressed).manhattanLength() > SLACK:
            index, self._pressed = self._at(self._pressed), None
            if index >= 0 and self._colours is not None:
                carry(self, self._items[index].id, self._items[index].title, self._colours.selection)
            return
        hovered = self._at(here)
        if hovered != self._hovered:
            self._hovered = hovered
            self.setCursor(Qt.CursorShape.PointingHandCursor if hovered >= 0 else Qt.CursorShape.ArrowCursor)
            self.update()
            if hovered >= 0:
                item = self._items[hovered]
                text = self._failures.get(item.id) or f"{item.title}\n{item.note}\nClick: go there · drag: its action"
                QToolTip.showText(event.globalPosition().toPoint(), text, self)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        pressed, self._pressed = self._pressed, None
        if pressed is not None:
            index = self._at(event.position())
            if index >= 0:
                self.chosen.emit(self._items[index])

    def leaveEvent(self, event) -> None:  # type: ignore[no-untyped-def]
        self._hovered = -1
        self.update()
        super().leaveEvent(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        event.ignore()  # the keys are the window's commands

    def paintEvent(self, event: QPaintEvent) -> None:
        with QPainter(self) as painter:
            self._paint(painter)

    def _paint(self, painter: QPainter) -> None:
        if self._colours is None:
            return
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        for index in range(len(self._items)):
            self._paint_cell(painter, index, self._colours)

    def _paint_cell(self, painter: QPainter, index: int, c: ThemeColours) -> None:
        item, box = self._items[index], self.cell(index).adjusted(2, 2, -2, -2)
        painter.setPen(QPen(QColor(c.cursor), 1.4) if item.id == self._current else Qt.PenStyle.NoPen)
        painter.setBrush(
            QColor(c.raised) if index == self._hovered or item.id == self._current else Qt.BrushStyle.NoBrush
        )
        painter.drawRoundedRect(box, 4, 4)
        height = WIDTH / self._aspect
        pair = self._pictures.get(item.id)
        painter.setPen(QColor(c.muted))
        for side in (0, 1):
            frame = QRectF(box.left() + PAD - 2 + side * (WIDTH + GAP), box.top() + PAD - 2, WIDTH, height)
            if pair is not None:
                painter.drawImage(frame, pair[side])
            else:
                painter.fillRect(frame, QColor(c.canvas))
                failed = item.id in self._failures
                wait = ("cannot be read" if side == 0 else "") if failed else "…"
                painter.drawText(frame, Qt.AlignmentFlag.AlignCenter, wait)
        metrics = painter.fontMetrics()
        width = int(box.width() - 2 * PAD)
        for row, (text, colour) in enumerate(((item.title, c.text), (item.note, c.muted))):
            top = box.top() + PAD + height + row * metrics.height()
            painter.setPen(QColor(colour))
            shown = metrics.elidedText(text, Qt.TextElideMode.ElideMiddle, width)
            painter.drawText(QRectF(box.left() + PAD, top, width, metrics.height()), Qt.AlignmentFlag.AlignLeft, shown)


def _qimage(picture: Image) -> QImage:
    height, width = picture.shape[:2]
    return QImage(picture.data, width, height, 3 * width, QImage.Format.Format_RGB888).copy()
