"""Find a command by typing a part of it (Ctrl+P)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtGui import QIcon, QKeyEvent
from PySide6.QtWidgets import QDialog, QLineEdit, QListWidget, QListWidgetItem, QVBoxLayout, QWidget


@dataclass(frozen=True)
class Entry:
    """A line of the palette."""

    text: str
    hint: str
    run: Callable[[], object]
    icon: QIcon | None = None


def score(query: str, text: str) -> int | None:
    """How well ``text`` answers ``query``: lower is better, None where a letter is missing.

    Every word of the query must occur, whole words and early ones first; else its letters in order.
    """
    query, text = query.lower().strip(), text.lower()
    if not query:
        return 0
    places = [text.find(word) for word in query.split()]
    if all(place >= 0 for place in places):
        return sum(places)
    position = -1
    spread = 1000
    for letter in query.replace(" ", ""):
        found = text.find(letter, position + 1)
        if found < 0:
            return None
        spread += found - position
        position = found
    return spread


class CommandPalette(QDialog):
    """A filterable list; Enter runs the chosen line, Escape closes."""

    def __init__(self, entries: list[Entry], parent: QWidget) -> None:
        super().__init__(parent, Qt.WindowType.Popup)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._entries = entries
        self.search, self.list = QLineEdit(), QListWidget()
        self.search.setPlaceholderText("Type a command")
        self.search.textChanged.connect(self._filter)
        self.search.installEventFilter(self)
        self.list.itemClicked.connect(self._run_item)
        self.list.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        box = QVBoxLayout(self)
        box.setContentsMargins(8, 8, 8, 8)
        box.addWidget(self.search)
        box.addWidget(self.list)
        width = min(560, parent.width() - 40)
        self.resize(width, min(420, parent.height() - 80))
        self.move(parent.mapToGlobal(parent.rect().center()).x() - width // 2, parent.mapToGlobal(
            parent.rect().topLeft()
        ).y() + 60)  # fmt: skip
        self._filter("")
        self.search.setFocus()

    def _filter(self, query: str) -> None:
        found = []
        for place, entry in enumerate(self._entries):
            rank = score(query, entry.text)
            if rank is not None:
                found.append((rank, place, entry))
        self.list.clear()
        for _, place, entry in sorted(found, key=lambda row: row[:2]):
            item = QListWidgetItem(f"{entry.text}    {entry.hint}" if entry.hint else entry.text)
            if entry.icon is not None:
                item.setIcon(entry.icon)
            item.setData(Qt.ItemDataRole.UserRole, place)
            self.list.addItem(item)
        self.list.setCurrentRow(0)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if isinstance(event, QKeyEvent) and event.type() == QEvent.Type.KeyPress:
            if event.key() in (Qt.Key.Key_Down, Qt.Key.Key_Up) and self.list.count():
                step = 1 if event.key() == Qt.Key.Key_Down else -1
                self.list.setCurrentRow((self.list.currentRow() + step) % self.list.count())
                return True
            if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
                item = self.list.currentItem()
                if item is not None:
                    self._run_item(item)
                return True
        return super().eventFilter(watched, event)

    def _run_item(self, item: QListWidgetItem) -> None:
        entry = self._entries[item.data(Qt.ItemDataRole.UserRole)]
        # Closed first: what runs may open a dialog, which must not have a dying popup as its parent.
        self.close()
        entry.run()
