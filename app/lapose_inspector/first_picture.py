"""What waits until a drive's first picture is on the screen: the model and the picture want the same few cores."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QObject, QTimer, Slot

from lapose_inspector.workers.frames import FrameLoader

PAINTED = 30
"""Milliseconds from a decoded picture to its place on the screen."""
PATIENCE = 1500
"""Milliseconds after which no picture is waited for any longer."""


class FirstPicture(QObject):
    """Calls ``then`` once after each ``expect``, on the GUI thread.

    Inference that begins while the panels are drawn for the first time takes Python's lock and a core from them: the
    window stood still for up to a second on two busy cores (``benchmarks/opening.py``).
    """

    def __init__(self, frames: FrameLoader, then: Callable[[], None], parent: QObject) -> None:
        super().__init__(parent)
        self._timer = QTimer(self, singleShot=True)
        self._timer.timeout.connect(then)
        frames.frame_ready.connect(self._on_picture)
        frames.failed.connect(self._on_picture)

    @property
    def expected(self) -> bool:
        """Whether the call is still to come."""
        return self._timer.isActive()

    def expect(self) -> None:
        """Wait for the next picture, or the news that it cannot be read."""
        self._timer.start(PATIENCE)

    def drop(self) -> None:
        """Call nothing."""
        self._timer.stop()

    @Slot()
    def _on_picture(self) -> None:
        if self.expected and self._timer.interval() == PATIENCE:
            self._timer.start(PAINTED)
