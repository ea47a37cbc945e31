"""A picture of the real window, or a figure of a panel, for documentation and tests: wait until everything is shown,
then take it."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QObject, QTimer, Signal, Slot
from PySide6.QtGui import QPixmap

from lapose_inspector.inspector import Inspector
from lapose_inspector.models.figure import FigureRequest

Take = Callable[[Callable[[str], object]], object]
"""Takes a picture, and tells the problem, or ""."""

SETTLE = 1.2
"""Seconds from the last thing to wait for to the picture: deferred redraws and the first map are through."""
PANEL_SECONDS = 20.0
"""How long frame and reconstruction may take after the analysis."""
MAP_SECONDS = 60.0
"""How long the latent map may refine after everything else is shown."""
OPEN_SECONDS = 120.0
"""How long a log may take to open and its frame to appear."""


class Screenshot(QObject):
    """Waits for drive (or, where there are several, the list of them), analysis, frame, reconstruction and the map's
    last layout; then calls ``take``, and when that has told a problem or "", ``done`` tells it too."""

    done = Signal(str)

    def __init__(self, inspector: Inspector, take: Take, frame: int | None, analysis_seconds: float) -> None:
        super().__init__(inspector)
        self._inspector, self._take, self._frame = inspector, take, frame
        self._limit = analysis_seconds
        self._started = time.monotonic()
        self._settled_since: float | None = None
        self._ready_since: float | None = None
        inspector.error_shown.connect(self._on_error)
        self._poll = QTimer(self, interval=50)
        self._poll.timeout.connect(self._look)
        self._poll.start()

    @Slot(str)
    def _on_error(self, message: str) -> None:
        self._end(message)

    @Slot()
    def _look(self) -> None:
        app, now = self._inspector, time.monotonic()
        drive = app.session.drive
        if drive is None and app.opener.dataset.listings and not app.opener.busy:
            # Several drives, and none was named: the picture is of the list.
            settled = app.window.browser.settled
            self._settled_since = (self._settled_since or now) if settled else None
            if self._settled_since is not None and now - self._settled_since >= SETTLE:
                self._grab()
            elif now - self._started > OPEN_SECONDS:
                self._end(f"the drives were not all read within {OPEN_SECONDS:g} s")
            return
        if drive is None:
            if now - self._started > OPEN_SECONDS:
                self._end(f"the log did not open within {OPEN_SECONDS:g} s")
            return
        if self._ready_since is None:
            self._ready_since = now
            if self._frame is not None and self._frame >= len(drive):
                self._end(f"--at {self._frame}: the last frame of {drive.name} is {len(drive) - 1}")
                return
        waited = now - self._ready_since
        analysed = app.session.analysis is not None and app.session.analysis.complete
        if (not analysed or app.analysis.checking) and waited < self._limit and not app.model.idle_status:
            return
        if not self._panels_ready() and waited < self._limit + PANEL_SECONDS:
            self._settled_since = None
            return
        moving = app.window.latent_map.refining or not app.growth.shown
        if moving and waited < self._limit + PANEL_SECONDS + MAP_SECONDS:
            self._settled_since = None
            return
        self._settled_since = self._settled_since or now
        if now - self._settled_since >= SETTLE:
            self._grab()

    def _panels_ready(self) -> bool:
        app, frame = self._inspector, self._inspector.timeline.frame
        if app.window.video.shown_frame != frame or app.window.video.shows_preview:
            return False
        if not (app.window.trajectory.canvas.settled and app.window.latent_map.canvas.settled):
            return False
        analysis = app.session.analysis
        transition = app.session.transition
        if analysis is None or transition is None or not analysis.done[transition]:
            return True
        return app.window.forward.shown_transition == transition

    def _grab(self) -> None:
        self._poll.stop()
        self._take(self.done.emit)

    def _end(self, problem: str) -> None:
        if self._poll.isActive():
            self._poll.stop()
            self.done.emit(problem)


def window_picture(inspector: Inspector, out: Path) -> Take:
    """Takes the window as a PNG."""

    def take(told: Callable[[str], object]) -> None:
        pixmap = grab_window(inspector)
        saved = not pixmap.isNull() and pixmap.save(str(out), "PNG")
        told("" if saved else f"{out}: the picture cannot be written; is the folder there?")

    return take


def panel_figure(inspector: Inspector, request: FigureRequest) -> Take:
    """Takes a figure of a panel for print."""
    return lambda told: inspector.figures.make(request, told)


def grab_window(inspector: Inspector) -> QPixmap:
    """The window as it is now, OpenGL canvases included."""
    for panel in (inspector.window.trajectory, inspector.window.latent_map):
        panel.canvas.catch_up()
    return inspector.window.grab()
