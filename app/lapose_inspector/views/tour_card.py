"""A card over the window that explains one part of it, and a frame around that part."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, QPoint, QRect, Qt, QTimer, Signal
from PySide6.QtGui import QColor, QKeyEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from lapose_inspector.models.display import Display

WIDTH, GAP = 380, 12


class TourCard(QFrame):
    """Beside what it explains, inside the window; the window stays usable. Escape ends the tour."""

    moved = Signal(int)
    """1 for the next step, -1 for the one before."""
    ended = Signal()

    def __init__(self, steps: int, display: Display, window: QWidget) -> None:
        super().__init__(window)
        self._steps, self._display, self._target = steps, display, window
        self.setObjectName("tourCard")
        self.setFixedWidth(WIDTH)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.title, self.text, self.count = QLabel(), QLabel(), QLabel()
        self.text.setWordWrap(True)
        self.count.setProperty("muted", True)
        self.back, self.next, self.skip = QPushButton("Back"), QPushButton("Next"), QPushButton("Skip the tour")
        self.back.clicked.connect(lambda: self.moved.emit(-1))
        self.next.clicked.connect(lambda: self.moved.emit(1))
        self.skip.clicked.connect(self.ended)
        row = QHBoxLayout()
        row.addWidget(self.skip)
        row.addStretch(1)
        row.addWidget(self.count)
        row.addWidget(self.back)
        row.addWidget(self.next)
        column = QVBoxLayout(self)
        column.setContentsMargins(16, 14, 16, 12)
        column.setSpacing(9)
        for widget in (self.title, self.text):
            column.addWidget(widget)
        column.addLayout(row)
        self.frame = _Frame(display, window)
        # A panel that was just shown gets its place only when the layout is done.
        self._later = QTimer(self, singleShot=True, interval=80)
        self._later.timeout.connect(self._place)
        window.installEventFilter(self)
        display.theme_changed.connect(self._on_theme)
        self._on_theme()

    def close_card(self) -> None:
        """Go away, with the frame."""
        self._display.theme_changed.disconnect(self._on_theme)
        self._later.stop()
        self.window().removeEventFilter(self)
        for widget in (self.frame, self):
            widget.hide()
            widget.deleteLater()

    def show_step(self, number: int, title: str, text: str, target: QWidget) -> None:
        """Explain ``target`` as step ``number``, from 0."""
        self._target = target
        self.title.setText(title)
        self.text.setText(text)
        self.count.setText(f"{number + 1} of {self._steps}")
        self.back.setEnabled(number > 0)
        last = number == self._steps - 1
        self.next.setText("Done" if last else "Next")
        self.skip.setVisible(not last)
        self.show()
        self.frame.show()
        self._place()
        self._later.start()
        self.next.setFocus()

    def _on_theme(self, _: str = "") -> None:
        c = self._display.colours
        self.setStyleSheet(
            f"QFrame#tourCard {{ background: {c.raised}; border: 1px solid {c.accent}; border-radius: 8px; }}"
        )
        self.title.setStyleSheet("font-size: 14px; font-weight: 600;")
        self.frame.update()

    def _place(self) -> None:
        window = self.parentWidget()
        if window is None:
            return
        self.adjustSize()
        at = QRect(self._target.mapTo(window, QPoint(0, 0)), self._target.size())
        self.frame.setGeometry(at.adjusted(-2, -2, 2, 2))
        width, height = self.width(), self.height()
        places = (
            QPoint(at.right() + GAP, at.top()),
            QPoint(at.left() - GAP - width, at.top()),
            QPoint(at.center().x() - width // 2, at.top() - GAP - height),
            QPoint(at.center().x() - width // 2, at.bottom() + GAP),
        )
        inside = window.rect().adjusted(GAP, GAP, -GAP, -GAP)
        fitting = [p for p in places if inside.contains(QRect(p, self.size()))]
        spot = fitting[0] if fitting else QPoint(at.center().x() - width // 2, at.center().y() - height // 2)
        spot.setX(min(max(spot.x(), GAP), max(GAP, window.width() - width - GAP)))
        spot.setY(min(max(spot.y(), GAP), max(GAP, window.height() - height - GAP)))
        self.move(spot)
        self.frame.raise_()
        self.raise_()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Resize:
            self._later.start()
        return super().eventFilter(watched, event)

    def event(self, event: QEvent) -> bool:
        asked = event.type() == QEvent.Type.ShortcutOverride
        if asked and isinstance(event, QKeyEvent) and event.key() == Qt.Key.Key_Escape:
            # The window has commands of its own on this key; here it means the tour.
            event.accept()
            return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Escape:
            self.ended.emit()
        else:
            super().keyPressEvent(event)


class _Frame(QWidget):
    """A border that lets the mouse through."""

    def __init__(self, display: Display, window: QWidget) -> None:
        super().__init__(window)
        self._display = display
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)

    def paintEvent(self, event: QPaintEvent) -> None:
        with QPainter(self) as painter:
            self._paint(painter)

    def _paint(self, painter: QPainter) -> None:
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(QColor(self._display.colours.accent), 3))
        painter.drawRoundedRect(self.rect().adjusted(2, 2, -2, -2), 5, 5)
