"""The gallery panel: the frame pairs of the selected transitions, or of those found to be like one, page by page."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt, QTimer, Signal, Slot
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QStackedLayout, QToolButton, QVBoxLayout, QWidget

from lapose_core.drive import Image
from lapose_inspector.models.gallery import Gallery, Item
from lapose_inspector.models.selection import TransitionId
from lapose_inspector.models.session import Session
from lapose_inspector.views.combo_box import ComboBox
from lapose_inspector.views.gallery_grid import WIDTH, GalleryGrid
from lapose_inspector.workers.gallery_pictures import GalleryPictures, OpenDrive, PairKey


class GalleryView(QWidget):
    """Follows the gallery; ``chosen`` says which transition was clicked.

    Args:
        open_drive: gives the drive of a fingerprint; called in the pictures' thread.
    """

    chosen = Signal(object)

    def __init__(
        self, session: Session, gallery: Gallery, open_drive: OpenDrive, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._session, self._gallery, self._open_drive = session, gallery, open_drive
        self._page = 0
        self.pictures = GalleryPictures(WIDTH, self)
        self.pictures.ready.connect(self._on_ready)
        self.pictures.failed.connect(self._on_failed)
        # A lasso changes the selection once; a growing analysis changes the series many times a second.
        self._soon = QTimer(self, singleShot=True, interval=60)
        self._soon.timeout.connect(self._show_page)
        self._build()
        gallery.changed.connect(self._on_change)
        session.timeline.followed.connect(self._on_cursor)
        session.drive_changed.connect(self._on_change)
        session.display.theme_changed.connect(self._on_theme)
        self._on_theme()
        self._show_page()

    def close_panel(self) -> None:
        """Let go of the models and the thread."""
        session = self._session
        self._soon.stop()
        self._gallery.changed.disconnect(self._on_change)
        session.timeline.followed.disconnect(self._on_cursor)
        session.drive_changed.disconnect(self._on_change)
        session.display.theme_changed.disconnect(self._on_theme)
        self.pictures.stop()

    @property
    def page(self) -> int:
        """The page on the screen, from 0."""
        return self._page

    @property
    def pages(self) -> int:
        """How many there are, 1 at the least."""
        return max(1, -(-len(self._gallery) // self.grid.room))

    def turn(self, step: int) -> None:
        """Show another page."""
        page = min(max(self._page + step, 0), self.pages - 1)
        if page != self._page:
            self._page = page
            self._show_page()

    def _build(self) -> None:
        self.tools = QFrame(self)
        self.tools.setObjectName("tools")
        row = QHBoxLayout(self.tools)
        row.setContentsMargins(12, 0, 6, 0)
        row.setSpacing(4)
        self.content_box = ComboBox(self.tools)
        self.content_box.addItem("Selection", "selection")
        self.content_box.addItem("Like one", "similar")
        self.content_box.setToolTip("What is shown: the selected transitions, or the answer to the newest search")
        self.content_box.activated.connect(lambda i: self._gallery.show(self.content_box.itemData(i)))
        self.order_box = ComboBox(self.tools)
        self.order_box.addItem("By time", False)
        self.order_box.addItem("By value", True)
        self.order_box.setToolTip("Order of the selection: along the drive, or by what colours the map, largest first")
        self.order_box.activated.connect(self._choose_order)
        self.count = QLabel(self.tools)
        row.addWidget(self.content_box)
        row.addWidget(self.order_box)
        row.addWidget(self.count)
        row.addStretch(1)
        self.back, self.on = self._button("◀", "Previous page"), self._button("▶", "Next page")
        self.back.clicked.connect(lambda: self.turn(-1))
        self.on.clicked.connect(lambda: self.turn(1))
        self.place = QLabel(self.tools)
        for widget in (self.back, self.place, self.on):
            row.addWidget(widget)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.tools)
        self._stack = QStackedLayout()
        column.addLayout(self._stack, 1)
        self.grid = GalleryGrid()
        self.grid.chosen.connect(self.chosen)
        self.grid.room_changed.connect(self._on_change)
        self.message = QLabel()
        self.message.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.message.setWordWrap(True)
        self.message.setProperty("muted", True)
        self._stack.addWidget(self.message)
        self._stack.addWidget(self.grid)

    def _button(self, text: str, tip: str) -> QToolButton:
        button = QToolButton(self.tools)
        button.setText(text)
        button.setToolTip(tip)
        button.setAutoRaise(True)
        button.setIconSize(QSize(16, 16))
        return button

    def _choose_order(self, index: int) -> None:
        self._gallery.by_value = self.order_box.itemData(index)

    def _on_change(self, _: object = None) -> None:
        self._soon.start()

    @Slot()
    def _show_page(self) -> None:
        gallery, room = self._gallery, self.grid.room
        self._page = min(self._page, self.pages - 1)
        items = gallery.page(self._page * room, (self._page + 1) * room)
        if [(i.id, i.frames) for i in items] != [(i.id, i.frames) for i in self.grid.items]:
            # Frames of a transition change with the analysis rate; what shows the old ones must go.
            before = {i.id: i.frames for i in self.grid.items}
            if any(before.get(i.id, i.frames) != i.frames for i in items):
                self.grid.forget_pictures()
        drive = self._session.drive
        self.grid.set_items(items, drive.width / drive.height if drive is not None else 2.0)
        self._on_cursor()
        keys = [PairKey(i.id.drive, i.frames) for i in items if i.frames[0] >= 0 and self.grid.picture(i.id) is None]
        self.pictures.request(keys, self._open_drive)
        for item in items:
            if item.frames[0] < 0:
                self.grid.set_failed(item.id, "Open this drive to see its frames")
        self._update_texts(len(gallery))

    def _update_texts(self, count: int) -> None:
        gallery = self._gallery
        self.content_box.setCurrentIndex(self.content_box.findData(gallery.content))
        self.order_box.setVisible(gallery.content == "selection")
        self.order_box.setCurrentIndex(int(gallery.by_value))
        found = gallery.found
        if gallery.content == "similar" and found is not None:
            clock = gallery.clock(found.query.drive)
            frame = "?" if clock is None else str(int(clock.frames[found.query.transition]))
            drives = f"{found.drives} drives" if found.drives > 1 else "this drive"
            self.count.setText(f"{count} like frame {frame}, {drives}")
            self.count.setToolTip(f"The nearest in latent space of {found.searched:,} transitions")
        else:
            self.count.setText(f"{count:,} transitions" if count else "")
        self.place.setText(f"{self._page + 1} / {self.pages}")
        for widget in (self.back, self.on, self.place):
            widget.setVisible(self.pages > 1)
        self.back.setEnabled(self._page > 0)
        self.on.setEnabled(self._page < self.pages - 1)
        self._stack.setCurrentWidget(self.grid if count else self.message)
        if gallery.content == "similar":
            self.message.setText("Ask for transitions like the one at the cursor: Ctrl+F")
        else:
            self.message.setText(
                "Select points on the latent map with the lasso (S) or the box (B): their frames come here"
            )

    def _on_cursor(self) -> None:
        session = self._session
        at = session.transition
        here = session.drive is not None and at is not None
        self.grid.set_current(TransitionId(session.drive.fingerprint, at) if here else None)  # type: ignore[union-attr,arg-type]

    def _on_theme(self, _: str = "") -> None:
        self.grid.set_theme(self._session.display.colours)

    def _items_of(self, key: PairKey) -> list[Item]:
        return [i for i in self.grid.items if i.id.drive == key.drive and i.frames == key.frames]

    @Slot(object, object)
    def _on_ready(self, key: PairKey, pair: tuple[Image, Image]) -> None:
        for item in self._items_of(key):
            self.grid.set_pictures(item.id, pair)

    @Slot(object, str)
    def _on_failed(self, key: PairKey, reason: str) -> None:
        for item in self._items_of(key):
            self.grid.set_failed(item.id, reason)
