"""The part of the controller that shows a growing result: panel after panel, with time for the user in between."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, QTimer, Slot

from lapose_inspector.models.derived import Derived

if TYPE_CHECKING:
    from lapose_inspector.inspector import Inspector

SLICE = 0.001
"""Seconds after which no further panel is told in the same turn of the event loop: one that has much to do stands
alone."""
PAUSE = 12
"""Milliseconds between two turns: what a panel then has to paint is painted, and keys and the mouse are heard."""


class Growth(QObject):
    """Takes the snapshots of the running analysis. A panel that nobody sees takes the newest when it is seen again."""

    def __init__(self, app: Inspector) -> None:
        super().__init__(app)
        self._app = app
        self._spent = 0.0
        self._timer = QTimer(self, singleShot=True, interval=PAUSE, timerType=Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._turn)
        app.analysis.grown.connect(self.take)
        for dock in app.window.docks.values():
            dock.visibilityChanged.connect(self._go_on)

    @property
    def shown(self) -> bool:
        """Whether every panel in sight shows the newest snapshot."""
        return not self._app.session.analysis_changed.waiting

    @Slot(object)
    def take(self, derived: Derived) -> None:
        """Show a snapshot in the turns that follow."""
        self._app.session.grow(derived)
        self._go_on()

    @Slot()
    def _go_on(self) -> None:
        if not self._timer.isActive() and not self.shown:
            self._timer.start()

    @Slot()
    def _turn(self) -> None:
        began = time.perf_counter()
        signal = self._app.session.analysis_changed
        while signal.tell_next() and time.perf_counter() - began < SLICE:
            pass
        self._spent += time.perf_counter() - began
        if signal.waiting:
            self._timer.start()
        else:
            self._app.analysis.shown_in(self._spent)
            self._spent = 0.0

    def close(self) -> None:
        """Show nothing more."""
        self._timer.stop()
