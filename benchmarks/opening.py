"""How long a log takes to appear in the window, and how long the window stands still meanwhile; a line of JSON a log.

    xvfb-run -a -s "-screen 0 1920x1080x24" .venv/bin/python benchmarks/opening.py [LOG ...] [--times 3]

``first_picture_s`` counts from the user's choice. A standstill is a time in which the window answers nothing; the
longest one after the choice is divided into the processor time of the window's own thread, the time that it waited for
a processor (Linux tells: other programs, or threads of ours), and the rest, which is Python's lock and the graphics
library. Only the first of the three is the window's own work.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QCoreApplication, QTimer

from lapose_inspector.application import make_application
from lapose_inspector.inspector import Inspector
from lapose_inspector.models.settings import Folders

WATCHED = 4.0
"""Seconds after the choice in which standstills are looked for."""


@dataclass(frozen=True)
class Standstill:
    """Seconds: its length, and of these those of the window's thread on a processor and waiting for one."""

    wall: float = 0.0
    own: float = 0.0
    queued: float = 0.0


class Heartbeat:
    """A timer of the window's thread that keeps the longest time in which it did not fire."""

    def __init__(self) -> None:
        self._schedule = Path(f"/proc/self/task/{threading.get_native_id()}/schedstat")
        self._timer = QTimer(interval=5)
        self._timer.timeout.connect(self._beat)
        self._timer.start()
        self.reset()

    def reset(self) -> None:
        """Forget what was."""
        self.longest = Standstill()
        self._last = self._clocks()

    def _beat(self) -> None:
        now = self._clocks()
        since = Standstill(*(a - b for a, b in zip(now, self._last, strict=True)))
        self._last = now
        self.longest = max(self.longest, since, key=lambda s: s.wall)

    def _clocks(self) -> tuple[float, float, float]:
        try:
            queued = int(self._schedule.read_text().split()[1]) * 1e-9
        except (OSError, IndexError):  # only Linux counts it
            queued = 0.0
        return time.perf_counter(), time.thread_time(), queued


def wait(done: Callable[[], bool], seconds: float = 120.0) -> bool:
    """Run the window until ``done``; whether it came within ``seconds``."""
    began = time.perf_counter()
    while not done():
        QCoreApplication.processEvents()
        time.sleep(0.001)
        if time.perf_counter() - began > seconds:
            return False
    return True


def measure(app: Inspector, log: Path, heart: Heartbeat) -> dict[str, object]:
    """Open ``log``, its first drive where it holds several, and look on for a while."""
    heart.reset()
    app.open(log)
    chosen = time.perf_counter()
    opener = app.opener
    wait(lambda: not opener.busy)
    listed = time.perf_counter() - chosen
    drives = len(opener.dataset.listings)
    if app.session.drive is None and drives:
        chosen = time.perf_counter()
        opener.choose_drive(opener.dataset.listings[0].key)
        wait(lambda: not opener.busy)
    if app.session.drive is None:
        return {"log": log.name, "problem": "does not open"}
    opened = time.perf_counter() - chosen
    shown = wait(lambda: app.window.video.shown_frame is not None)
    first = time.perf_counter() - chosen
    wait(lambda: False, max(0.0, WATCHED - first))
    worst = heart.longest
    app.close_drive()
    return {
        "log": log.name,
        "drives": drives,
        "listed_s": round(listed, 3),
        "opened_s": round(opened, 3),
        "first_picture_s": round(first, 3) if shown else None,
        "longest_standstill_s": round(worst.wall, 3),
        "of_it_own_work_s": round(worst.own, 3),
        "of_it_queued_s": round(worst.queued, 3),
        "of_it_rest_s": round(worst.wall - worst.own - worst.queued, 3),
    }


def main() -> None:
    """Measure each log ``--times`` times; the first opening of a process also pays for what all share."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    sample = Path(__file__).parents[1] / "resources" / "sample_drive"
    parser.add_argument("logs", nargs="*", type=Path, default=[sample])
    parser.add_argument("--times", type=int, default=3)
    options = parser.parse_args()
    make_application()
    with tempfile.TemporaryDirectory() as folder:
        app = Inspector(Folders.under(Path(folder)), remember=False)
        app.window.show()
        wait(lambda: app.window.windowHandle().isExposed() and app.model.loaded)
        heart = Heartbeat()
        wait(lambda: False, 1.0)
        for log in options.logs:
            for number in range(options.times):
                print(json.dumps({"opening": number + 1, **measure(app, log, heart)}), flush=True)
        app.close()


if __name__ == "__main__":
    main()
