"""A layout like that of words in a text: in rows, each as full as the width allows."""

from __future__ import annotations

from PySide6.QtCore import QPoint, QRect, QSize, Qt
from PySide6.QtWidgets import QLayout, QLayoutItem, QWidget


class FlowLayout(QLayout):
    """Items from left to right and from the top down, ``spacing`` pixels apart, each of the size it wants."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._items: list[QLayoutItem] = []

    def addItem(self, item: QLayoutItem) -> None:
        self._items.append(item)

    def count(self) -> int:
        return len(self._items)

    def itemAt(self, index: int) -> QLayoutItem | None:
        return self._items[index] if 0 <= index < len(self._items) else None

    def takeAt(self, index: int) -> QLayoutItem | None:
        return self._items.pop(index) if 0 <= index < len(self._items) else None

    def expandingDirections(self) -> Qt.Orientation:
        return Qt.Orientation.Horizontal

    def hasHeightForWidth(self) -> bool:
        return True

    def heightForWidth(self, width: int) -> int:
        places = self._places(width)
        below = self.contentsMargins().bottom()
        return max((place.bottom() + 1 for place in places), default=self.contentsMargins().top()) + below

    def minimumSize(self) -> QSize:
        size = QSize()
        for item in self._items:
            size = size.expandedTo(item.minimumSize())
        margins = self.contentsMargins()
        return size + QSize(margins.left() + margins.right(), margins.top() + margins.bottom())

    def sizeHint(self) -> QSize:
        return self.minimumSize()

    def setGeometry(self, rect: QRect) -> None:
        super().setGeometry(rect)
        for item, place in zip(self._items, self._places(rect.width())):
            item.setGeometry(place.translated(rect.topLeft()))

    def _places(self, width: int) -> list[QRect]:
        """Where each item lies in a layout of this width, from its corner."""
        margins, gap = self.contentsMargins(), max(0, self.spacing())
        right = width - margins.right()
        places: list[QRect] = []
        x, y, row = margins.left(), margins.top(), 0
        for item in self._items:
            size = item.sizeHint()
            if row and x + size.width() > right:
                x, y, row = margins.left(), y + row + gap, 0
            places.append(QRect(QPoint(x, y), size))
            x += size.width() + gap
            row = max(row, size.height())
        return places
