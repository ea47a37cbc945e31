"""The triage panel: segments from the worst to the best, and the table of regimes."""

from __future__ import annotations

from functools import partial

from PySide6.QtCore import QModelIndex, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QKeyEvent, QResizeEvent, QShowEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QFrame,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QListView,
    QStackedWidget,
    QToolButton,
    QVBoxLayout,
    QWidget,
)
from superqt import QFlowLayout

from lapose_inspector.models.session import Session
from lapose_inspector.models.triage import SORT_KEYS, SORT_WORDS, Row, Triage
from lapose_inspector.views.action_set import ActionSet
from lapose_inspector.views.combo_box import ComboBox
from lapose_inspector.views.panel import in_sight
from lapose_inspector.views.regime_table import RegimeTable
from lapose_inspector.views.set_bar import SetBar
from lapose_inspector.views.triage_rows import ITEM, TriagePainter, TriageRows
from lapose_inspector.workers.segment_pictures import SegmentPictures

SETTLED = 80
"""Milliseconds without scrolling after which the pictures of the rows in sight are read."""
LIST, TABLE, NOTE = range(3)


class TriageView(QWidget):
    """Shows the ``Triage`` model. Filter by words and tags, sort, group; a click chooses a segment."""

    row_chosen = Signal(object)
    """The Row to look at."""

    def __init__(
        self,
        session: Session,
        triage: Triage,
        pictures: SegmentPictures,
        actions: ActionSet,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._session, self._triage, self._pictures = session, triage, pictures
        self.set_bar = SetBar(triage, actions, self)
        self.rows = TriageRows(triage, self)
        self._soon = QTimer(self, singleShot=True, interval=SETTLED)
        self._soon.timeout.connect(self._want_pictures)
        self._build()
        triage.changed.connect(self._on_rows)
        triage.current_changed.connect(self._on_current)
        pictures.loaded.connect(self._on_picture)
        session.display.theme_changed.connect(self._on_theme)
        session.drive_changed.connect(self._say)
        session.analysis_changed.connect(self._say, partial(in_sight, self))
        self._on_rows()

    def _build(self) -> None:
        self.tools = QFrame(self)
        self.tools.setObjectName("tools")
        tools = QHBoxLayout(self.tools)
        tools.setContentsMargins(10, 0, 4, 0)
        tools.setSpacing(3)
        tools.addStretch(1)
        self.whole_set = self._switch(
            tools, "Set", "List the segments of all drives of the set; those without results can be analysed"
        )
        self.whole_set.toggled.connect(self._on_whole_set)
        self.group = self._switch(tools, "Group", "Group the segments by regime")
        self.group.toggled.connect(self._on_group)
        self.regimes = self._switch(tools, "Regimes", "Show the figures of each regime beside constant-forward")
        self.regimes.toggled.connect(self._say)

        self.filter = QLineEdit()
        self.filter.setPlaceholderText("Filter by tag or drive, auc<60")
        self.filter.setToolTip(
            "Words of a tag or drive, and bounds: auc<60, direction>5 and rotation>1 (degrees), scale>20 (%), "
            "ate>1 (m), confidence<0.8"
        )
        self.filter.setClearButtonEnabled(True)
        # A window gives its first focus to the first field that Tab reaches: there the keys of playback would be typed.
        self.filter.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.filter.returnPressed.connect(self._on_return)
        self.filter.textChanged.connect(self._on_filter)
        self.sort = ComboBox()
        self.sort.setToolTip("Which segments come first")
        for key in SORT_KEYS:
            self.sort.addItem(SORT_WORDS[key], key)
        self.sort.activated.connect(lambda i: setattr(self._triage, "sort", self.sort.itemData(i)))
        top = QHBoxLayout()
        top.setContentsMargins(6, 6, 6, 0)
        top.addWidget(self.filter, 1)
        top.addWidget(self.sort)
        self.chips = QWidget()
        self._flow = QFlowLayout(self.chips)
        self._flow.setContentsMargins(6, 0, 6, 0)
        self._flow.setSpacing(3)

        self.list = QListView()
        self.list.setModel(self.rows)
        self.list.setItemDelegate(TriagePainter(self._triage, self._pictures, self._session.display, self.list))
        self.list.setMouseTracking(True)
        self.list.setFrameShape(QFrame.Shape.NoFrame)
        self.list.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.list.verticalScrollBar().setSingleStep(24)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.list.clicked.connect(self._on_clicked)
        self.list.verticalScrollBar().valueChanged.connect(self._look_soon)
        self.list.setAccessibleName("Segments")
        self.table = RegimeTable()
        self.table.setFrameShape(QFrame.Shape.NoFrame)
        self.table.chosen.connect(self._on_regime)
        self.note = QLabel()
        self.note.setProperty("muted", True)
        self.note.setWordWrap(True)
        self.note.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.note.setContentsMargins(16, 8, 16, 8)
        self._stack = QStackedWidget()
        for widget in (self.list, self.table, self.note):
            self._stack.addWidget(widget)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addLayout(top)
        column.addWidget(self.chips)
        column.addWidget(self._stack, 1)
        column.addWidget(self.set_bar)

    @staticmethod
    def _switch(row: QHBoxLayout, text: str, tip: str) -> QToolButton:
        button = QToolButton()
        button.setText(text)
        button.setCheckable(True)
        button.setAutoRaise(True)
        button.setToolTip(tip)
        row.addWidget(button)
        return button

    def sizeHint(self) -> QSize:
        return QSize(340, 420)

    def minimumSizeHint(self) -> QSize:
        return QSize(220, 160)

    def close_panel(self) -> None:
        """Let go of the models and the loader."""
        self._soon.stop()
        self.set_bar.close_panel()
        self._triage.changed.disconnect(self._on_rows)
        self._triage.current_changed.disconnect(self._on_current)
        self._pictures.loaded.disconnect(self._on_picture)
        self._session.display.theme_changed.disconnect(self._on_theme)
        self._session.drive_changed.disconnect(self._say)
        self._session.analysis_changed.disconnect(self._say)

    def focus_filter(self) -> None:
        """Be ready to type."""
        self.show_regimes(False)
        self.filter.setFocus()
        self.filter.selectAll()

    def show_regimes(self, shown: bool) -> None:
        """Show the table of regimes, or the segments."""
        self.regimes.setChecked(shown)

    # -- what is shown

    def _on_rows(self) -> None:
        self.rows.take()
        self.sort.setCurrentIndex(SORT_KEYS.index(self._triage.sort))
        self._show_chips()
        self.table.show_figures(self._triage.evaluation, self._session.display.colours)
        self.whole_set.setVisible(self._triage.has_set)
        self.whole_set.setChecked(self._triage.whole_set)
        self.group.setChecked(self._triage.grouped)
        self._say()
        self._look_soon()

    def _show_chips(self) -> None:
        """One button a tag, rebuilt only where the tags or their counts are others."""
        offered = self._triage.offered_tags()
        if [(c.property("tag"), c.property("count")) for c in self._chips()] != offered:
            for old in self._chips():
                self._flow.removeWidget(old)
                old.hide()  # it goes when the event loop comes round, and would show through until then
                old.deleteLater()
            for tag, count in offered:
                chip = QToolButton()
                chip.setObjectName("chip")
                chip.setText(f"{tag} {count}")
                chip.setCheckable(True)
                chip.setProperty("tag", tag)
                chip.setProperty("count", count)
                chip.setToolTip(f"Only segments tagged “{tag}”")
                chip.clicked.connect(self._on_chips)
                self._flow.addWidget(chip)
        for chip in self._chips():
            chip.setChecked(chip.property("tag") in self._triage.tags)
            chip.setEnabled(chip.isChecked() or chip.property("count") > 0)
        self.chips.setVisible(bool(offered))

    def _chips(self) -> list[QToolButton]:
        items = (self._flow.itemAt(i) for i in range(self._flow.count()))
        return [item.widget() for item in items if item is not None]  # type: ignore[misc]

    def _say(self) -> None:
        """Show the list, the table, or in words why there is nothing to show."""
        session, triage = self._session, self._triage
        words = ""
        if session.drive is None and not triage.rows:
            words = "Open a driving log: its segments are listed here, the worst first."
        elif not triage.rows:
            words = "Waiting for the first analysed windows: the drive is then cut into segments of up to 16 samples."
        elif self.regimes.isChecked() and triage.evaluation is None:
            words = "Figures per regime need ground truth, which this log does not have (File › Poses of this drive)."
        elif not triage.items and not self.regimes.isChecked():
            words = "No segment passes the filter."
        self.note.setText(words)
        self._stack.setCurrentIndex(NOTE if words else TABLE if self.regimes.isChecked() else LIST)
        self._look_soon()

    def _on_current(self) -> None:
        row = self.rows.row_of(self._triage.current)
        if row is not None:
            self.list.scrollTo(self.rows.index(row))
        self.list.viewport().update()

    def _on_theme(self, _: str = "") -> None:
        self._on_rows()

    def _on_picture(self) -> None:
        self.list.viewport().update()

    # -- pictures of the rows in sight

    def _look_soon(self) -> None:
        self._soon.start()

    def _want_pictures(self) -> None:
        if self.list.isVisible():
            self._pictures.want([(r.drive, r.segment.worst_frame) for r in self._rows_in_sight()])

    def _rows_in_sight(self) -> list[Row]:
        port = self.list.viewport().rect()
        first = self.list.indexAt(port.topLeft())
        out: list[Row] = []
        for row in range(max(first.row(), 0), self.rows.rowCount()):
            index = self.rows.index(row)
            if self.list.visualRect(index).top() > port.bottom():
                break
            item = index.data(ITEM)
            if isinstance(item, Row):
                out.append(item)
        return out

    @property
    def settled(self) -> bool:
        """Whether every row in sight has its picture."""
        known = all(self._pictures.has(r.drive, r.segment.worst_frame) for r in self._rows_in_sight())
        return known and not self._soon.isActive()

    # -- choosing

    def _on_filter(self, text: str) -> None:
        self._triage.text = text

    def _on_return(self) -> None:
        self.list.setFocus()
        if self._triage.shown:
            self.row_chosen.emit(self._triage.shown[0])

    def _on_group(self, on: bool) -> None:
        self._triage.grouped = on

    def _on_whole_set(self, on: bool) -> None:
        self._triage.whole_set = on

    def _on_chips(self) -> None:
        self._triage.tags = frozenset(c.property("tag") for c in self._chips() if c.isChecked())

    def _on_regime(self, regime: str, sort: str) -> None:
        self.show_regimes(False)
        self._triage.sort = sort  # type: ignore[assignment]
        self._triage.tags = frozenset({regime} if regime else ())
        self.list.scrollToTop()

    def _on_clicked(self, index: QModelIndex) -> None:
        item = index.data(ITEM)
        if isinstance(item, Row):
            self.row_chosen.emit(item)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Down and self.filter.hasFocus():
            self.list.setFocus()
        else:
            super().keyPressEvent(event)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._look_soon()

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._look_soon()
