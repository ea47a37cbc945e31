"""The GUI thread's pulse: a timer that should fire every 10 ms, and what the thread did where it did not."""

from __future__ import annotations

import collections
import os
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

import numpy as np
from PySide6.QtCore import Qt, QTimer

PERIOD = 0.010
"""Seconds between two beats."""
STALL = 0.033
"""Seconds without a beat after which the stack is looked at."""


@dataclass
class Stall:
    """Seconds without a beat: their length, and of these those of the thread on a processor and waiting for one."""

    wall: float
    own: float
    queued: float
    stacks: collections.Counter[str] = field(default_factory=collections.Counter)

    def describe(self) -> dict[str, object]:
        where = [stack for stack, _ in self.stacks.most_common(1)]
        return {
            "ms": round(1e3 * self.wall, 1), "own_ms": round(1e3 * self.own, 1),
            "queued_ms": round(1e3 * self.queued, 1), "where": where[0] if where else "",
        }  # fmt: skip


class Pulse:
    """Begin it on the GUI thread. ``gaps`` are the seconds between beats; ``stalls`` the longest of them."""

    def __init__(self, keep: int = 12) -> None:
        schedule = Path(f"/proc/self/task/{threading.get_native_id()}/schedstat")  # only Linux counts it
        self._schedule = os.open(schedule, os.O_RDONLY) if schedule.exists() else None
        self._thread, self._keep = threading.get_ident(), keep
        self._timer = QTimer(interval=round(1e3 * PERIOD), timerType=Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._beat)
        self.reset()
        self._stop = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="pulse", daemon=True)
        self._timer.start()
        self._watcher.start()

    def reset(self) -> None:
        """Forget what was."""
        self.gaps: list[float] = []
        self.own: list[float] = []
        self.stalls: list[Stall] = []
        self._seen: collections.Counter[str] = collections.Counter()
        self._last = self._clocks()

    def end(self) -> None:
        self._timer.stop()
        self._stop.set()
        self._watcher.join()
        if self._schedule is not None:
            os.close(self._schedule)

    def figures(self) -> dict[str, float]:
        """Percentiles of the gaps in ms; and of the thread's own processor time in them, which no other program and
        no other thread can lengthen."""
        gaps, own = 1e3 * np.array(self.gaps), 1e3 * np.array(self.own)
        return {
            "p50_ms": float(np.percentile(gaps, 50)), "p99_ms": float(np.percentile(gaps, 99)),
            "max_ms": float(gaps.max()), "own_p99_ms": float(np.percentile(own, 99)),
            "own_max_ms": float(own.max()), "beats": float(len(gaps)),
        }  # fmt: skip

    def _beat(self) -> None:
        now = self._clocks()
        wall, own, queued = (a - b for a, b in zip(now, self._last, strict=True))
        self._last = now
        self.gaps.append(wall)
        self.own.append(own)
        seen, self._seen = self._seen, collections.Counter()
        if wall > STALL:
            self.stalls.append(Stall(wall, own, queued, seen))
            self.stalls = sorted(self.stalls, key=lambda s: -s.own)[: self._keep]

    def _watch(self) -> None:
        while not self._stop.wait(0.004):
            if time.perf_counter() - self._last[0] > STALL:
                self._seen[_stack(self._thread)] += 1

    def _clocks(self) -> tuple[float, float, float]:
        # Opened once: each call of the system is a chance to lose Python's lock.
        queued = 0.0 if self._schedule is None else int(os.pread(self._schedule, 80, 0).split()[1]) * 1e-9
        return time.perf_counter(), time.thread_time(), queued


def _stack(thread: int) -> str:
    """The innermost calls of our own code in a thread, and the innermost of all; the outermost first."""
    # No frame may be held on to: its locals would outlive their function, and a QPainter that does crashes Qt.
    calls: list[tuple[str, int, str]] = []
    here: FrameType | None = sys._current_frames().get(thread)
    while here is not None:
        calls.append((here.f_code.co_filename, here.f_lineno, here.f_code.co_name))
        here = here.f_back
    if not calls:
        return ""
    ours = [call for call in calls if "/lapose_" in call[0]][:3]
    shown = [*reversed(ours), *([calls[0]] if calls[0] not in ours else [])]
    return " > ".join(f"{Path(file).name}:{line} {name}" for file, line, name in shown)
