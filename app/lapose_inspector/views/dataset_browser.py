"""The drives of a data set to choose from, and the camera and pose topic of the open one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QModelIndex, QSize, QSortFilterProxyModel, Qt, QTimer, Signal
from PySide6.QtGui import QKeyEvent, QResizeEvent, QShowEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QFrame,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QListView,
    QProgressBar,
    QSizePolicy,
    QStackedLayout,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from lapose_inspector.models.dataset import Dataset
from lapose_inspector.models.session import Session
from lapose_inspector.views.combo_box import ComboBox
from lapose_inspector.views.drive_rows import HEIGHT, KEY, SEARCHED, DrivePainter, DriveRows
from lapose_inspector.workers.previews import PreviewLoader

if TYPE_CHECKING:
    from PySide6.QtGui import QAction

SETTLED = 120
"""Milliseconds without scrolling after which the rows in sight are looked at."""
LATE = 300
"""Milliseconds of listing or opening after which it is announced; sooner, the list would jump at each drive."""
BEYOND = 2
"""Rows before and after those in sight that are looked at as well."""


class DatasetBrowser(QWidget):
    """Filter by typing; Enter or a double click opens a drive. It reads nothing itself: the loader looks at the
    drives in sight, in the background."""

    drive_chosen = Signal(str)
    """Key of a drive to open."""
    camera_chosen = Signal(str)
    pose_topic_chosen = Signal(str)

    def __init__(
        self,
        session: Session,
        dataset: Dataset,
        previews: PreviewLoader,
        cancel: QAction,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._session, self._dataset, self._previews = session, dataset, previews
        self.rows = DriveRows(dataset, self)
        self.filtered = QSortFilterProxyModel(self)
        self.filtered.setSourceModel(self.rows)
        self.filtered.setFilterRole(SEARCHED)
        self.filtered.setFilterCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
        self._soon = QTimer(self, singleShot=True, interval=SETTLED)
        self._soon.timeout.connect(self._look_at_rows)
        self._late = QTimer(self, singleShot=True, interval=LATE)
        self._late.timeout.connect(self._show_busy)
        self._build(cancel)
        dataset.changed.connect(self._on_dataset)
        dataset.current_changed.connect(self._on_current)
        dataset.preview_changed.connect(self.rows.update)
        session.drive_changed.connect(self._show_choices)
        session.display.theme_changed.connect(self._on_theme)
        previews.loaded.connect(self._on_preview)
        self._on_dataset()
        self._show_choices()

    def _build(self, cancel: QAction) -> None:
        self.tools = QFrame(self)
        self.tools.setObjectName("tools")
        tools = QHBoxLayout(self.tools)
        tools.setContentsMargins(12, 0, 6, 0)
        self.title = QLabel()
        self.title.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        tools.addWidget(self.title, 1)

        self.filter = QLineEdit()
        self.filter.setPlaceholderText("Filter by name, description or camera")
        self.filter.setClearButtonEnabled(True)
        self.filter.textChanged.connect(self._on_filter)
        self.filter.returnPressed.connect(self._open_filtered)
        self.list = QListView()
        self.list.setModel(self.filtered)
        self.list.setItemDelegate(DrivePainter(self._session.display, self.list))
        self.list.setUniformItemSizes(True)
        self.list.setMouseTracking(True)
        self.list.setFrameShape(QFrame.Shape.NoFrame)
        self.list.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.list.verticalScrollBar().setSingleStep(HEIGHT // 3)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.list.doubleClicked.connect(self._open_index)
        self.list.verticalScrollBar().valueChanged.connect(self._look_soon)
        self.list.setAccessibleName("Drives")
        self.note = QLabel()
        self.note.setProperty("muted", True)
        self.note.setWordWrap(True)
        self.note.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.note.setContentsMargins(16, 8, 16, 8)
        self._stack = QStackedLayout()
        self._stack.addWidget(self.list)
        self._stack.addWidget(self.note)

        self.busy = QFrame()
        self.busy.hide()
        busy = QHBoxLayout(self.busy)
        busy.setContentsMargins(8, 0, 8, 0)
        self.doing = QLabel()
        self.doing.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        progress = QProgressBar()
        progress.setRange(0, 0)
        progress.setTextVisible(False)
        progress.setFixedWidth(70)
        self.cancel = QToolButton()
        self.cancel.setDefaultAction(cancel)
        self.cancel.setIconSize(QSize(16, 16))
        busy.addWidget(self.doing, 1)
        busy.addWidget(progress)
        busy.addWidget(self.cancel)
        self.problem = QLabel()
        self.problem.setProperty("warning", True)
        self.problem.setWordWrap(True)
        self.problem.setContentsMargins(10, 0, 10, 0)
        self.problem.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)

        self.cameras, self.topics = ComboBox(), ComboBox()
        self.cameras.activated.connect(lambda i: self.camera_chosen.emit(self.cameras.itemText(i)))
        self.topics.activated.connect(lambda i: self.pose_topic_chosen.emit(self.topics.itemText(i)))
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        top = QVBoxLayout()
        top.setContentsMargins(6, 6, 6, 0)
        top.addWidget(self.filter)
        column.addLayout(top)
        column.addWidget(self.busy)
        column.addWidget(self.problem)
        column.addLayout(self._stack, 1)
        self._choices = [self._choice(column, *pair) for pair in (("Camera", self.cameras), ("Poses", self.topics))]

    @staticmethod
    def _choice(column: QVBoxLayout, text: str, box: ComboBox) -> QFrame:
        row = QFrame()
        row.setObjectName("tools")
        line = QHBoxLayout(row)
        line.setContentsMargins(10, 0, 8, 5)
        label = QLabel(text)
        label.setBuddy(box)
        box.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        line.addWidget(label)
        line.addWidget(box, 1)
        column.addWidget(row)
        return row

    def sizeHint(self) -> QSize:
        return QSize(340, 420)

    def minimumSizeHint(self) -> QSize:
        return QSize(220, 160)

    def close_panel(self) -> None:
        """Let go of the models and the loader."""
        self._soon.stop()
        self._late.stop()
        self._dataset.changed.disconnect(self._on_dataset)
        self._dataset.current_changed.disconnect(self._on_current)
        self._dataset.preview_changed.disconnect(self.rows.update)
        self._session.drive_changed.disconnect(self._show_choices)
        self._session.display.theme_changed.disconnect(self._on_theme)
        self._previews.loaded.disconnect(self._on_preview)

    def focus_filter(self) -> None:
        """Be ready to type."""
        self.filter.setFocus()
        self.filter.selectAll()

    @property
    def shown_keys(self) -> list[str]:
        """Keys of the rows that the filter leaves, in order."""
        return [self.filtered.index(row, 0).data(KEY) for row in range(self.filtered.rowCount())]

    # -- the data set

    def _on_dataset(self) -> None:
        dataset = self._dataset
        self.title.setText(dataset.title)
        self.title.setToolTip("" if dataset.reader is None else f"{dataset.path} ({dataset.reader.title})")
        grown = False
        if self._listed is not dataset.listings:
            self._listed = dataset.listings
            grown = self.rows.take()
            if not grown:
                self.filter.clear()
        if not dataset.busy:
            self._late.stop()
            self.busy.hide()
        elif not self._late.isActive() and self.busy.isHidden():
            self._late.start()
        self.doing.setText(dataset.busy)
        self.problem.setVisible(bool(dataset.problem))
        self.problem.setText(dataset.problem)
        self._say()
        if not grown:
            self._on_current()
        self._look_soon()

    _listed: object = None

    def _show_busy(self) -> None:
        self.busy.show()

    @property
    def settled(self) -> bool:
        """Whether every row in sight shows all that there is to see of its drive."""
        known = all(self._dataset.preview(key) is not None for key in self._rows_in_sight())
        return known and not self._soon.isActive()

    def _say(self) -> None:
        empty = self.filtered.rowCount() == 0
        self._stack.setCurrentIndex(1 if empty else 0)
        if self._dataset.listings:
            self.note.setText(f"No drive has “{self.filter.text()}” in its name, description or cameras.")
        else:
            self.note.setText(
                ""
                if self._dataset.busy
                else "Open a data set's folder (File › Open folder, or drop it on the window) "
                "to choose among its drives here."
            )

    def _on_current(self) -> None:
        row = self.rows.row_of(self._dataset.current)
        if row is not None:
            index = self.filtered.mapFromSource(self.rows.index(row))
            if index.isValid():
                self.list.setCurrentIndex(index)
                self.list.scrollTo(index)
        elif self.filtered.rowCount() and not self.list.currentIndex().isValid():
            self.list.setCurrentIndex(self.filtered.index(0, 0))
        self.list.viewport().update()

    def _on_preview(self, path: object, key: str, preview: object) -> None:
        if path == self._dataset.path and self.rows.row_of(key) is not None:
            self._dataset.set_preview(key, preview)  # type: ignore[arg-type]

    def _look_soon(self) -> None:
        self._soon.start()

    def _look_at_rows(self) -> None:
        dataset = self._dataset
        if dataset.reader is None or dataset.path is None or not self.list.isVisible():
            self._previews.cancel()
            return
        keys = [key for key in self._rows_in_sight() if dataset.preview(key) is None]
        if keys:
            self._previews.want(dataset.reader, dataset.path, keys)
        else:
            self._previews.cancel()

    def _rows_in_sight(self) -> list[str]:
        count = self.filtered.rowCount()
        top = self.list.verticalScrollBar().value() // HEIGHT
        visible = self.list.viewport().height() // HEIGHT + 2
        seen = range(max(0, top), min(count, top + visible))
        near = [*range(seen.stop, min(count, seen.stop + BEYOND)), *range(max(0, seen.start - BEYOND), seen.start)]
        return [self.filtered.index(row, 0).data(KEY) for row in (*seen, *near)]

    # -- choosing

    def _on_filter(self, text: str) -> None:
        self.filtered.setFilterFixedString(text.strip())
        if self.filtered.rowCount():  # so that Enter opens the first that fits
            self.list.setCurrentIndex(self.filtered.index(0, 0))
        self.list.scrollToTop()
        self._say()
        self._look_soon()

    def _open_filtered(self) -> None:
        index = self.list.currentIndex()
        self._open_index(index if index.isValid() else self.filtered.index(0, 0))

    def _open_index(self, index: QModelIndex) -> None:
        key = index.data(KEY)
        if key is not None:
            self.drive_chosen.emit(key)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self.list.hasFocus():
            self._open_filtered()
        elif event.key() in (Qt.Key.Key_Down, Qt.Key.Key_Up) and self.filter.hasFocus():
            self.list.setFocus()
        else:
            super().keyPressEvent(event)

    def _show_choices(self) -> None:
        log = self._session.log
        for row, box, names, current in zip(
            self._choices,
            (self.cameras, self.topics),
            ((), ()) if log is None else (log.listing.cameras, log.listing.pose_topics),
            (None, None) if log is None else (log.camera, log.pose_topic),
            strict=True,
        ):
            box.clear()
            box.addItems(list(names))
            box.setCurrentText(current or "")
            row.setVisible(len(names) > 1)

    def _on_theme(self, _: str = "") -> None:
        self.list.viewport().update()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._look_soon()

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._look_soon()
