"""The part of the controller that plays: it moves the clock, counts the frames shown, and steps from place to place."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QElapsedTimer, QObject, Qt, QTimer, Slot
from PySide6.QtWidgets import QWidget

from lapose_inspector.models.events import error_frames, nearest
from lapose_inspector.views.held_key import HeldKey

if TYPE_CHECKING:
    from lapose_inspector.inspector import Inspector

TICK = 15
"""Milliseconds between two moves of the playback clock: about a display's frame."""
COUNTED = 1.0
"""Seconds over which frames shown are counted."""
SHOW_EVERY = 0.25
"""Seconds between two figures of them; faster could not be read."""


class Player(QObject):
    """Plays ``app.timeline`` and tells the transport how many frames a second are really shown."""

    def __init__(self, app: Inspector) -> None:
        super().__init__(app)
        self._app, self._timeline = app, app.timeline
        self._stop_key: HeldKey | None = None
        self._on_screen: int | None = None
        self._times: deque[float] = deque()
        self._told = 0.0
        self._elapsed = QElapsedTimer()
        self._tick = QTimer(self, interval=TICK, timerType=Qt.TimerType.PreciseTimer)
        self._tick.timeout.connect(self._advance)
        self._timeline.playing_changed.connect(self._on_playing)
        app.frames.frame_ready.connect(self._on_full)
        app.frames.preview_ready.connect(self._on_preview)
        app.frames.failed.connect(self._on_failed)

    def watch(self, window: QWidget) -> None:
        """Know from now on whether the key that stops is held in ``window``."""
        self._stop_key = HeldKey(Qt.Key.Key_K, window)

    def close(self) -> None:
        """Stop, and let go of the models."""
        self._tick.stop()
        self._timeline.playing_changed.disconnect(self._on_playing)

    @property
    def shown_per_second(self) -> float | None:
        """Frames shown per second over the last second of playing; None before two were."""
        if len(self._times) < 2 or self._times[-1] <= self._times[0]:
            return None
        return (len(self._times) - 1) / (self._times[-1] - self._times[0])

    def shuttle(self, direction: int) -> None:
        """Play in ``direction``, or faster; with the key that stops held down, move by one frame."""
        if self._stop_key is not None and self._stop_key.held:
            self._timeline.step(direction)
        else:
            self._timeline.shuttle(direction)

    def toggle_every_frame(self) -> None:
        """Between leaving out frames that come late and slowing down for them."""
        self._timeline.every_frame = not self._timeline.every_frame

    def go_to_truth(self, direction: int) -> None:
        """Move to the next frame with a true pose before (-1) or after (+1) the cursor."""
        drive = self._app.session.drive
        if drive is not None and drive.pose_valid is not None:
            self._go_to(np.flatnonzero(drive.pose_valid), direction)

    def go_to_error(self, direction: int) -> None:
        """Move to the next peak of an error before (-1) or after (+1) the cursor."""
        self._go_to(error_frames(self._app.session.series), direction)

    def loop_selection(self) -> None:
        """Loop over the selected stretch at the cursor, or the next one; after the last, over that."""
        stretches = self._app.session.selected_frames()
        if len(stretches):
            here = self._timeline.frame
            at = min(int(np.searchsorted(stretches[:, 1], here)), len(stretches) - 1)
            first, last = (int(frame) for frame in stretches[at])
            self._timeline.set_loop(first, last)
            if not first <= here <= last:
                self._timeline.seek(first)

    def _go_to(self, frames: np.ndarray, direction: int) -> None:
        frame = nearest(frames, self._timeline.frame, direction)
        if frame is not None:
            self._timeline.pause()
            self._timeline.seek(frame)

    def _on_playing(self, playing: bool) -> None:
        self._times.clear()
        self._told = 0.0
        if playing:
            self._elapsed.start()
            self._tick.start()
        else:
            self._tick.stop()
            self._app.window.transport.show_rate(None)

    @Slot()
    def _advance(self) -> None:
        self._timeline.advance(self._elapsed.restart() / 1000.0, self._on_screen == self._timeline.frame)
        now = time.monotonic()
        if now - self._told >= SHOW_EVERY:
            self._told = now
            self._forget(now)
            self._app.window.transport.show_rate(self.shown_per_second)

    @Slot(int, object)
    def _on_full(self, index: int, image: object) -> None:
        self._on_screen = index
        self._count(index)

    @Slot(int, object)
    def _on_preview(self, index: int, image: object) -> None:
        self._count(index)

    @Slot(int, str)
    def _on_failed(self, index: int, reason: str) -> None:
        self._on_screen = index  # there is nothing to wait for

    def _count(self, index: int) -> None:
        if self._timeline.playing:
            now = time.monotonic()
            self._times.append(now)
            self._forget(now)

    def _forget(self, now: float) -> None:
        while self._times and now - self._times[0] > COUNTED:
            self._times.popleft()
