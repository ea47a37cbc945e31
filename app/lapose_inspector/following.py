"""The part of the controller by which the panels follow a playing drive: one after the other, and only as often as the
window has time for it, so that the picture keeps its pace."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, QTimer, Slot

if TYPE_CHECKING:
    from lapose_inspector.inspector import Inspector

SLICE = 0.001
"""Seconds after which no further panel is told in the same turn of the event loop."""
REST = 2.0
"""How long they rest when all have been told, as a multiple of what that took with all that came between."""
LONGEST_REST = 0.1


class Following(QObject):
    """Tells the timeline's followers where the cursor is while it plays. A step or a jump reaches them at once."""

    def __init__(self, app: Inspector) -> None:
        super().__init__(app)
        self._timeline = app.timeline
        self._timeline.paced = True
        self._began = self._rested = 0.0
        self._timer = QTimer(self, singleShot=True, timerType=Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._turn)
        self._timeline.frame_changed.connect(self._on_frame)

    def close(self) -> None:
        """Tell nobody any more."""
        self._timer.stop()
        self._timeline.paced = False
        self._timeline.frame_changed.disconnect(self._on_frame)

    def _on_frame(self, _: int) -> None:
        if self._timeline.followed.waiting and not self._timer.isActive():
            now = time.perf_counter()
            self._began = max(now, self._rested)
            self._timer.start(round(1e3 * (self._began - now)))

    @Slot()
    def _turn(self) -> None:
        began = time.perf_counter()
        followed = self._timeline.followed
        while followed.tell_next() and time.perf_counter() - began < SLICE:
            pass
        if followed.waiting:
            self._timer.start(0)
        else:
            now = time.perf_counter()
            self._rested = now + min(REST * (now - self._began), LONGEST_REST)
