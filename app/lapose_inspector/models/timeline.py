"""The one clock: which frame is shown, and how playback moves it."""

from __future__ import annotations

import numpy as np
from psygnal import Signal

from lapose_core.geometry import Array
from lapose_inspector.models.turn_signal import TurnSignal

SPEEDS = (0.1, 0.25, 0.5, 1.0, 1.5, 2.0, 4.0, 8.0)
"""The playback speeds that slower/faster step through, as multiples of real time."""


class Timeline:
    """The frame at the cursor of a drive with ``timestamps`` [N] in seconds.

    Playback is real time: ``advance`` moves a clock in seconds, and the frame is the last one whose
    timestamp the clock has reached, so a slow display skips frames instead of slowing the drive down. With
    ``every_frame`` it is the other way round: no frame is left out, and the drive slows down where it must.
    """

    frame_changed = Signal(int)
    playing_changed = Signal(bool)
    speed_changed = Signal(float)
    every_frame_changed = Signal(bool)
    loop_changed = Signal(object)
    """The loop range (first, last) in frames, inclusive, or None; also emitted when looping is switched."""
    range_changed = Signal()
    """Another drive: the number of frames and their timestamps are new."""

    def __init__(self) -> None:
        self._timestamps: Array = np.zeros(0)
        self._frame = 0
        self._clock = 0.0
        self._playing = False
        self._direction = 1
        self._speed = 1.0
        self._every_frame = False
        self._loop: tuple[int, int] | None = None
        self._loop_enabled = False
        self.followed = TurnSignal()
        """The cursor is elsewhere, for everyone who follows it but the picture. A ``paced`` timeline only spreads it
        while it plays: then somebody has to tell the listeners. Once it stands still, all have been told."""
        self.paced = False

    @property
    def timestamps(self) -> Array:
        """Seconds of each frame [N]; empty without a drive."""
        return self._timestamps

    @property
    def n_frames(self) -> int:
        return len(self._timestamps)

    @property
    def frame(self) -> int:
        return self._frame

    @property
    def time(self) -> float:
        """Seconds from the drive's first frame to the frame at the cursor."""
        return self.time_of(self._frame)

    def time_of(self, frame: int) -> float:
        """Seconds from the drive's first frame to ``frame``; 0 without a drive."""
        return float(self._timestamps[frame] - self._timestamps[0]) if self.n_frames else 0.0

    def frame_at(self, seconds: float) -> int:
        """The last frame whose time (from the first frame) is at or before ``seconds``; clamped."""
        if not self.n_frames:
            return 0
        found = np.searchsorted(self._timestamps, self._timestamps[0] + seconds + 1e-9, side="right") - 1
        return int(np.clip(found, 0, self.n_frames - 1))

    def reset(self, timestamps: Array, frame: int = 0) -> None:
        """Take another drive's timestamps [N]; stops playback and forgets the loop."""
        self.pause()
        self._timestamps = np.asarray(timestamps, dtype=np.float64)
        self._loop, self._loop_enabled = None, False
        self._frame = int(np.clip(frame, 0, max(0, self.n_frames - 1)))
        self._clock = self.time
        self.range_changed.emit()
        self.loop_changed.emit(None)
        self._tell()

    def seek(self, frame: int) -> None:
        """Put the cursor on ``frame``, clamped to the drive."""
        self._move(frame)
        self._clock = self.time

    def step(self, frames: int) -> None:
        """Move by ``frames`` and stop playback: a step is a look at one frame."""
        self.pause()
        self.seek(self._frame + frames)

    def jump(self, seconds: float) -> None:
        """Move by ``seconds`` of the log, by at least one frame."""
        target = self.frame_at(self.time + seconds)
        if target == self._frame:
            target += 1 if seconds > 0 else -1
        self.seek(target)

    def home(self) -> None:
        self.seek(0)

    def end(self) -> None:
        self.seek(self.n_frames - 1)

    @property
    def playing(self) -> bool:
        return self._playing

    @property
    def direction(self) -> int:
        """+1 forwards, -1 backwards."""
        return self._direction

    def play(self, direction: int = 1) -> None:
        """Play in ``direction``; from the far end, start over at the other one."""
        if self.n_frames < 2:
            return
        self._direction = 1 if direction >= 0 else -1
        first, last = self._bounds()
        if self._direction > 0 and self._frame >= last:
            self.seek(first)
        elif self._direction < 0 and self._frame <= first:
            self.seek(last)
        self._clock = self.time
        if not self._playing:
            self._playing = True
            self.playing_changed.emit(True)

    def pause(self) -> None:
        if self._playing:
            self._playing = False
            while self.followed.tell_next():
                pass
            self.playing_changed.emit(False)

    def toggle_play(self) -> None:
        if self._playing:
            self.pause()
        else:
            self.play(1)

    def shuttle(self, direction: int) -> None:
        """Play in ``direction``; already playing that way, play faster (the J and L keys)."""
        if self._playing and self._direction == direction:
            self.faster()
        else:
            self.speed = 1.0
            self.play(direction)

    @property
    def speed(self) -> float:
        """Playback speed as a multiple of real time, 0.1 to 8."""
        return self._speed

    @speed.setter
    def speed(self, value: float) -> None:
        value = float(np.clip(value, SPEEDS[0], SPEEDS[-1]))
        if value != self._speed:
            self._speed = value
            self.speed_changed.emit(value)

    @property
    def every_frame(self) -> bool:
        """Whether playback waits for each frame to be shown."""
        return self._every_frame

    @every_frame.setter
    def every_frame(self, value: bool) -> None:
        if value != self._every_frame:
            self._every_frame = bool(value)
            self._clock = self.time
            self.every_frame_changed.emit(self._every_frame)

    def faster(self) -> None:
        self.speed = next((s for s in SPEEDS if s > self._speed + 1e-9), SPEEDS[-1])

    def slower(self) -> None:
        self.speed = next((s for s in reversed(SPEEDS) if s < self._speed - 1e-9), SPEEDS[0])

    @property
    def loop(self) -> tuple[int, int] | None:
        """The loop range (first, last) in frames, inclusive."""
        return self._loop

    @property
    def loop_enabled(self) -> bool:
        return self._loop_enabled

    @loop_enabled.setter
    def loop_enabled(self, value: bool) -> None:
        """Without a range, the whole drive loops."""
        if value != self._loop_enabled:
            self._loop_enabled = bool(value)
            self.loop_changed.emit(self._loop)

    def set_loop(self, first: int | None, last: int | None) -> None:
        """Loop over frames ``first`` to ``last``; an end left None is the drive's own. Looping goes on."""
        if self.n_frames < 2:
            return
        low = 0 if first is None else int(np.clip(first, 0, self.n_frames - 1))
        high = self.n_frames - 1 if last is None else int(np.clip(last, 0, self.n_frames - 1))
        self._loop = (min(low, high), max(low, high))
        self._loop_enabled = True
        self.loop_changed.emit(self._loop)

    def set_loop_start(self) -> None:
        """Begin the loop at the cursor; an end that would lie before it moves to the drive's end."""
        last = self._loop[1] if self._loop and self._loop[1] > self._frame else None
        self.set_loop(self._frame, last)

    def set_loop_end(self) -> None:
        """End the loop at the cursor; a start that would lie after it moves to the drive's start."""
        first = self._loop[0] if self._loop and self._loop[0] < self._frame else None
        self.set_loop(first, self._frame)

    def clear_loop(self) -> None:
        self._loop, self._loop_enabled = None, False
        self.loop_changed.emit(None)

    def advance(self, seconds: float, shown: bool = True) -> None:
        """Let ``seconds`` of wall-clock time pass; does nothing unless playing.

        Args:
            shown: whether the frame at the cursor is on the screen; with ``every_frame`` the clock stands until it is.
        """
        if not self._playing or seconds <= 0:
            return
        if self._every_frame:
            if shown:
                self._advance_by_one(seconds)
            return
        first, last = self._bounds()
        start, stop = self.time_of(first), self.time_of(last)
        self._clock += seconds * self._speed * self._direction
        # The last frame is shown for as long as the step before it, as it would be with a frame after it.
        tail = stop - self.time_of(last - 1) if last > first else 0.0
        if self._direction > 0 and self._clock >= stop + (tail if self._loop_enabled else 0.0):
            self._clock = start if self._loop_enabled else stop
            ended = not self._loop_enabled
        elif self._direction < 0 and self._clock < start:
            self._clock = stop if self._loop_enabled else start
            ended = not self._loop_enabled
        else:
            ended = False
        frame = self.frame_at(self._clock)
        # The step after the last may be shorter than the one before it.
        self._move(min(frame, last) if self._direction > 0 else frame)
        if ended:
            self.pause()

    def _advance_by_one(self, seconds: float) -> None:
        """Let time pass until the next frame is due, and no further; a clock that is late does not catch up."""
        first, last = self._bounds()
        self._clock += seconds * self._speed * self._direction
        following = self._frame + self._direction
        due = self.time_of(min(max(following, 0), self.n_frames - 1))
        if not first <= following <= last:
            if not self._loop_enabled:
                self.pause()
                return
            following = first if self._direction > 0 else last
            # The end is shown for as long as the frame before it.
            due = 2 * self.time_of(self._frame) - self.time_of(self._frame - self._direction)
        if (self._clock - due) * self._direction >= 0:
            self._move(following)
            self._clock = self.time_of(following)

    def _bounds(self) -> tuple[int, int]:
        if self._loop_enabled and self._loop is not None and self._loop[1] > self._loop[0]:
            return self._loop
        return 0, self.n_frames - 1

    def _move(self, frame: int) -> None:
        frame = int(np.clip(frame, 0, max(0, self.n_frames - 1)))
        if frame != self._frame:
            self._frame = frame
            self._tell()

    def _tell(self) -> None:
        spread = self.paced and self._playing
        if spread:
            self.followed.spread()
        self.frame_changed.emit(self._frame)
        if not spread:
            self.followed.emit()
