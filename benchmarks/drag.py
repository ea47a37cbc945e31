"""A hand drags over the timeline of the real window: is the painted picture ever another than the one it is said to be?

    xvfb-run -a -s "-screen 0 1920x1080x24" .venv/bin/python benchmarks/drag.py [--short] [--shots FOLDER]

The video is made here; every frame carries its index as blocks of black and white. At each step of the hand the panel
is grabbed as it is painted at that moment, and what its blocks tell is compared with what its badge says. ``--shots``
keeps a picture of the window for each step, which makes a recording of the drag. Twice: while the previews are still
being made, and with all of them.

``wrong`` counts pictures under another frame's number, ``stale_at_rest`` drags after which the hand's frame did not
come; both must be 0. ``behind`` is how many frames of the drive the picture was behind the hand.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from measure import parser, report
from PySide6.QtCore import QCoreApplication, QPoint, Qt
from PySide6.QtGui import QImage
from PySide6.QtTest import QTest

from lapose_core.frames.heap import steady_heap
from lapose_core.sample_video import read_counted, write_counted
from lapose_inspector.application import make_application
from lapose_inspector.inspector import Inspector
from lapose_inspector.models.settings import Folders

NO_KEY, LEFT = Qt.KeyboardModifier.NoModifier, Qt.MouseButton.LeftButton
STRETCHES = ((0.02, 0.95, 60), (0.95, 0.1, 25), (0.1, 0.12, 12), (0.12, 0.05, 12), (0.05, 0.8, 10))
"""From and to, as shares of the drive, and in how many moves of the hand."""


def until(done: Callable[[], bool], seconds: float) -> bool:
    began = time.perf_counter()
    while not done() and time.perf_counter() - began < seconds:
        QCoreApplication.processEvents()
        time.sleep(0.001)
    return done()


@dataclass
class Seen:
    """What the hand saw."""

    steps: int = 0
    wrong: int = 0
    previews: int = 0
    stale_at_rest: int = 0
    behind: list[int] = field(default_factory=list)
    settled_ms: list[float] = field(default_factory=list)

    def figures(self) -> dict[str, float]:
        return {
            "steps": float(self.steps), "wrong": float(self.wrong), "previews": float(self.previews),
            "stale_at_rest": float(self.stale_at_rest), "behind_median": float(np.median(self.behind)),
            "behind_max": float(max(self.behind)), "settled_ms_median": float(np.median(self.settled_ms)),
            "settled_ms_max": max(self.settled_ms),
        }  # fmt: skip


class Hand:
    """Drags, and looks after each move."""

    def __init__(self, app: Inspector, shots: Path | None) -> None:
        self._app, self._shots, self._taken = app, shots, 0
        self._random = np.random.default_rng(1)

    def drag(self) -> Seen:
        app, seen = self._app, Seen()
        handle, last = app.window.windowHandle(), app.timeline.n_frames - 1
        for first, stop, moves in STRETCHES:
            places = [self._place(share * last) for share in np.linspace(first, stop, moves)]
            QTest.mouseMove(handle, places[0])
            QTest.mousePress(handle, LEFT, NO_KEY, places[0])
            for place in places:
                QTest.mouseMove(handle, place)
                until(lambda: False, float(self._random.choice((0.004, 0.02, 0.04))))
                self._look(seen)
            QTest.mouseRelease(handle, LEFT, NO_KEY, places[-1])
            began = time.perf_counter()
            view = app.window.video
            seen.stale_at_rest += not until(lambda: not view.stale and not view.shows_preview, 60.0)  # noqa: B023
            seen.settled_ms.append(1e3 * (time.perf_counter() - began))
            self._look(seen)
        return seen

    def _place(self, frame: float) -> QPoint:
        scrubber, last = self._app.window.transport.scrubber, self._app.timeline.n_frames - 1
        left, right = scrubber.x_of(0), scrubber.x_of(last)
        return scrubber.mapTo(self._app.window, QPoint(round(left + (right - left) * frame / last), 15))

    def _look(self, seen: Seen) -> None:
        view, canvas = self._app.window.video, self._app.window.video.canvas
        picture = canvas.grab(canvas.rect_of_image().toRect()).toImage()
        told = int(view.badge_text.removeprefix("frame ").split(" ")[0])
        seen.steps += 1
        seen.wrong += index_of(picture) != told
        seen.previews += view.shows_preview
        seen.behind.append(abs(self._app.timeline.frame - told))
        if self._shots is not None:
            self._app.window.grab().save(str(self._shots / f"{self._taken:04d}.png"))
            self._taken += 1


def index_of(picture: QImage) -> int:
    grey = picture.convertToFormat(QImage.Format.Format_Grayscale8)
    rows = np.frombuffer(grey.constBits(), np.uint8).reshape(grey.height(), grey.bytesPerLine())
    return read_counted(rows[:, : grey.width()])


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--shots", type=Path, help="a folder for a picture of the window at each step")
    given = options.parse_args()
    if given.shots is not None:
        given.shots.mkdir(parents=True, exist_ok=True)
    count, size = (240, (1280, 720)) if given.short else (1800, (1920, 1080))
    steady_heap()  # as the program does
    application = make_application()
    figures: dict[str, object] = {"frames": count}
    wrong = steps = 0.0
    with tempfile.TemporaryDirectory() as folder:
        log = write_counted(Path(folder) / "counted.mp4", count=count, size=size)
        app = Inspector(Folders.under(Path(folder)), analyse=False, remember=False)
        app.window.resize(1440, 900)
        app.window.show()
        app.open(log)
        if not until(lambda: app.window.video.shown_frame == 0, 300):
            app.close()
            raise SystemExit("the first picture did not come")
        hand = Hand(app, given.shots)
        for name in ("first", "previews"):
            found = hand.drag().figures()
            figures |= {f"{name}_{key}": value for key, value in found.items()}
            wrong, steps = wrong + found["wrong"] + found["stale_at_rest"], steps + found["steps"]
            until(lambda: (s := app.frames.preview_state) is not None and s.done == count, 300)
        app.close()
    application.quit()
    report("drag", {"wrong_per_step": wrong / steps}, figures)
    if wrong:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
