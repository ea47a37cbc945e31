"""Choose one of many rows: type to filter, click a heading to sort, Enter or a double click to take it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import (
    QDialogButtonBox,
    QFrame,
    QHeaderView,
    QLabel,
    QLineEdit,
    QTreeWidget,
    QTreeWidgetItem,
    QWidget,
)

from lapose_inspector.views.dialogs import Dialog

PLACE = Qt.ItemDataRole.UserRole
TAKES = (Qt.Key.Key_Return, Qt.Key.Key_Enter)
MOVES = (Qt.Key.Key_Up, Qt.Key.Key_Down, Qt.Key.Key_PageUp, Qt.Key.Key_PageDown)


@dataclass(frozen=True)
class Cell:
    """What a cell shows; ``value`` is what its column is sorted by, where that is no text."""

    text: str
    value: float | None = None


class _Item(QTreeWidgetItem):
    """Sorted by the cells' values."""

    def __init__(self, cells: Sequence[Cell], place: int) -> None:
        super().__init__([cell.text for cell in cells])
        self._cells = cells
        self.setData(0, PLACE, place)
        for column, cell in enumerate(cells):
            self.setToolTip(column, cell.text)
            if cell.value is not None:
                self.setTextAlignment(column, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)

    def __lt__(self, other: QTreeWidgetItem) -> bool:
        column = self.treeWidget().sortColumn()
        assert isinstance(other, _Item)
        mine, theirs = self._cells[column], other._cells[column]
        if mine.value is None or theirs.value is None:
            return mine.text.lower() < theirs.text.lower()
        return mine.value < theirs.value


class Chooser(Dialog):
    """``take`` is called with the number of the row that was chosen.

    Args:
        columns: headings.
        rows: of one cell a heading, in the order in which they are shown at first.
    """

    def __init__(
        self,
        title: str,
        columns: Sequence[str],
        rows: Sequence[Sequence[Cell]],
        take: Callable[[int], object],
        parent: QWidget,
    ) -> None:
        super().__init__(title, parent)
        self._take = take
        self.search = QLineEdit()
        self.search.setPlaceholderText("Type to filter: any words of a row")
        self.search.setClearButtonEnabled(True)
        self.search.textChanged.connect(self._filter)
        self.search.installEventFilter(self)
        self.list = QTreeWidget()
        self.list.setHeaderLabels(list(columns))
        self.list.setRootIsDecorated(False)
        self.list.setUniformRowHeights(True)
        self.list.setFrameShape(QFrame.Shape.NoFrame)
        self.list.addTopLevelItems([_Item(cells, place) for place, cells in enumerate(rows)])
        header = self.list.header()
        header.setStretchLastSection(False)
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        header.setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        self.list.setSortingEnabled(True)
        self.list.itemDoubleClicked.connect(self._choose)
        self.count = QLabel()
        self.count.setProperty("muted", True)
        self.ok = self.buttons.addButton("Choose", QDialogButtonBox.ButtonRole.AcceptRole)
        self.ok.setDefault(True)
        self.buttons.accepted.connect(self._choose)
        for widget in (self.search, self.list, self.count, self.buttons):
            self.box.addWidget(widget)
        self.resize(760, 460)
        self._filter("")
        self.search.setFocus()

    @property
    def shown(self) -> list[int]:
        """Numbers of the rows that the filter leaves, as they stand."""
        items = [self.list.topLevelItem(i) for i in range(self.list.topLevelItemCount())]
        return [item.data(0, PLACE) for item in items if item is not None and not item.isHidden()]

    def _filter(self, text: str) -> None:
        words, first = text.lower().split(), None
        for i in range(self.list.topLevelItemCount()):
            item = self.list.topLevelItem(i)
            assert item is not None
            row = " ".join(item.text(column) for column in range(self.list.columnCount())).lower()
            item.setHidden(not all(word in row for word in words))
            if first is None and not item.isHidden():
                first = item
        current = self.list.currentItem()
        if current is None or current.isHidden():
            self.list.setCurrentItem(first)  # type: ignore[arg-type]
        shown, total = len(self.shown), self.list.topLevelItemCount()
        self.count.setText(f"{shown} of {total}" if shown < total else f"{total}")
        self.ok.setEnabled(shown > 0)

    def _choose(self, *_: object) -> None:
        item = self.list.currentItem()
        if item is not None and not item.isHidden():
            self.accept()
            self._take(item.data(0, PLACE))

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """The arrows move through the list while one types; Enter takes a row, and nothing where none is left."""
        if watched is self.search and isinstance(event, QKeyEvent) and event.type() == QEvent.Type.KeyPress:
            if event.key() in MOVES:
                self.list.keyPressEvent(event)
                return True
            if event.key() in TAKES:
                # The dialog would press Cancel where Choose is greyed.
                self._choose()
                return True
        return super().eventFilter(watched, event)
