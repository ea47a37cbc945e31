"""The list of notes on the open drive: filter them, go to them, change and delete them."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QStackedLayout,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from lapose_core.annotations import SEVERITIES, Annotation
from lapose_inspector.models.session import Session
from lapose_inspector.views.action_set import ActionSet
from lapose_inspector.views.annotation_band import note_text
from lapose_inspector.views.annotation_dialog import swatch
from lapose_inspector.views.combo_box import ComboBox
from lapose_inspector.views.plain_tree import plain_tree
from lapose_inspector.views.scrubber import clock_text
from lapose_inspector.views.tool_row import ToolRow

COLUMNS = ("Label", "Frames", "Time", "Severity", "Note")
TIPS = (
    "From the palette (Annotate › Labels)",
    "First and last frame, inclusive",
    "Seconds from the drive's first frame to the note's",
    "From a mere remark to what must not happen",
    "Free text",
)
ID = Qt.ItemDataRole.UserRole
BUTTONS = ("annotate.add", "annotate.edit", "annotate.delete", "annotate.select", "annotate.labels")


class AnnotationsView(QWidget):
    """A click or the arrow keys go to a note; Enter or a double click changes it."""

    note_chosen = Signal(str)
    """Id of the note to go to."""
    note_opened = Signal(str)
    """Id of the note to change."""

    def __init__(self, session: Session, actions: ActionSet, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session, self._notes = session, session.annotations
        self._filling = False
        self._build(actions)
        for signal in self._signals():
            signal.connect(self._fill)
        self._notes.current_changed.connect(self._show_current)
        self._fill()

    def _signals(self) -> tuple:
        return self._notes.changed, self._notes.palette.changed, self._session.drive_changed

    def close_panel(self) -> None:
        """Let go of the models."""
        for signal in self._signals():
            signal.disconnect(self._fill)
        self._notes.current_changed.disconnect(self._show_current)

    def _build(self, actions: ActionSet) -> None:
        self.tools = ToolRow(self)
        self.count = QLabel()
        self.tools.add(self.count, 1)
        for id in BUTTONS:
            self.tools.add_action(actions[id])
        self.filter = QLineEdit()
        self.filter.setPlaceholderText("Filter by label or text")
        self.filter.setClearButtonEnabled(True)
        self.filter.textChanged.connect(self._fill)
        self.least = ComboBox()
        self.least.addItems(["Any severity", *(f"{name.capitalize()} or worse" for name in SEVERITIES[1:])])
        self.least.setToolTip("Show notes of at least this severity")
        self.least.activated.connect(self._fill)
        self.tree = plain_tree(COLUMNS, len(COLUMNS) - 1)
        for column, tip in enumerate(TIPS):
            self.tree.headerItem().setToolTip(column, tip)
        self.tree.setAccessibleName("Annotations")
        self.tree.currentItemChanged.connect(self._on_chosen)
        self.tree.itemClicked.connect(lambda item, _: self.note_chosen.emit(item.data(0, ID)))
        self.tree.itemDoubleClicked.connect(lambda item, _: self.note_opened.emit(item.data(0, ID)))
        self.note = QLabel()
        self.note.setProperty("muted", True)
        self.note.setWordWrap(True)
        self.note.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.note.setContentsMargins(16, 8, 16, 8)
        top = QHBoxLayout()
        top.setContentsMargins(6, 6, 6, 0)
        top.addWidget(self.filter, 1)
        top.addWidget(self.least)
        body = QVBoxLayout(self)
        body.setContentsMargins(0, 0, 0, 0)
        body.setSpacing(4)
        body.addLayout(top)
        self._stack = QStackedLayout()
        self._stack.addWidget(self.tree)
        self._stack.addWidget(self.note)
        body.addLayout(self._stack, 1)

    def sizeHint(self) -> QSize:
        return QSize(480, 260)

    @property
    def shown(self) -> list[Annotation]:
        """The notes that the filter leaves, in order."""
        words, least = self.filter.text().lower().split(), self.least.currentIndex()
        return [
            note
            for note in self._notes.notes
            if SEVERITIES.index(note.severity) >= least
            and all(word in f"{note.label} {note.text}".lower() for word in words)
        ]

    def _fill(self, *_: object) -> None:
        shown, total = self.shown, len(self._notes.notes)
        self._filling = True
        self.tree.clear()
        for note in shown:
            self.tree.addTopLevelItem(self._row(note))
        self._filling = False
        self._show_current()
        self.count.setText("" if not total else f"{len(shown)} of {total}" if len(shown) < total else f"{total}")
        self._stack.setCurrentIndex(0 if shown else 1)
        if not self._notes.open_:
            self.note.setText("Open a driving log to annotate it.")
        elif total:
            self.note.setText("No note has these words and this severity.")
        else:
            self.note.setText(
                "No notes yet. Press A to annotate the frame at the cursor, or mark a range with I and O first; "
                "dragging along the band under the timeline marks one too."
            )

    def _row(self, note: Annotation) -> QTreeWidgetItem:
        timeline = self._session.timeline
        one = note.first_frame == note.last_frame
        frames = f"{note.first_frame}" if one else f"{note.first_frame}–{note.last_frame}"
        last = timeline.n_frames - 1
        time = clock_text(timeline.time_of(min(note.first_frame, last)), 2) + " s" if last >= 0 else "–"
        text = " ".join(note.text.split())
        item = QTreeWidgetItem([note.label or "–", frames, time, note.severity, text])
        item.setIcon(0, swatch(self._notes.palette.colour_of(note.label)))
        item.setData(0, ID, note.id)
        for column in range(len(COLUMNS)):
            item.setToolTip(column, note_text(note))
        return item

    def _show_current(self) -> None:
        current = self._notes.current
        self._filling = True
        self.tree.setCurrentItem(None)  # type: ignore[call-overload]
        for row in range(self.tree.topLevelItemCount()):
            item = self.tree.topLevelItem(row)
            if item is not None and item.data(0, ID) == current:
                self.tree.setCurrentItem(item)
                self.tree.scrollToItem(item)
        self._filling = False

    def _on_chosen(self, item: QTreeWidgetItem | None, _: object) -> None:
        if item is not None and not self._filling:
            self.note_chosen.emit(item.data(0, ID))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        item = self.tree.currentItem()
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and item is not None and self.tree.hasFocus():
            self.note_opened.emit(item.data(0, ID))
        else:
            super().keyPressEvent(event)
