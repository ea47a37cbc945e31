"""Whether a key is held down: what makes a chord of two plain keys."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QApplication, QWidget

_LEFT = (QEvent.Type.ApplicationDeactivate, QEvent.Type.WindowDeactivate)
"""After these nobody tells of the key's release."""


class HeldKey(QObject):
    """Watches ``key`` while ``window`` is in use.

    Its press is seen on the window, even where a shortcut takes it. Its release may go to a panel that keeps it to
    itself, so it is looked for among all events, but only while the key is held.
    """

    def __init__(self, key: Qt.Key, window: QWidget) -> None:
        super().__init__(window)
        self._key = key
        self.held = False
        window.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        kind = event.type()
        if kind in (QEvent.Type.ShortcutOverride, QEvent.Type.KeyRelease) and isinstance(event, QKeyEvent):
            if event.key() == self._key and not event.isAutoRepeat():
                self._hold(kind == QEvent.Type.ShortcutOverride)
        elif kind in _LEFT:
            self._hold(False)
        return False

    def _hold(self, held: bool) -> None:
        application = QApplication.instance()
        if held == self.held or application is None:
            return
        self.held = held
        if held:
            application.installEventFilter(self)
        else:
            application.removeEventFilter(self)
