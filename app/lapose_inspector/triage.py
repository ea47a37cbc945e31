"""The part of the controller that lists segments and goes to them."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Slot

from lapose_inspector.models.triage import Row, Triage
from lapose_inspector.workers.segment_pictures import SegmentPictures
from lapose_inspector.workers.triage import OpenDrive, OtherDrives, TriageWorker

if TYPE_CHECKING:
    from lapose_inspector.inspector import Inspector

GROWING = 600
"""Milliseconds, at the least, between two looks at a result that grows."""
SHARE = 5
"""How many times as long as a look takes is waited until the next: those at a very long drive take seconds."""


class TriageController(QObject):
    """Keeps the triage list up to date with the session and carries out its commands."""

    def __init__(self, app: Inspector, results: Path) -> None:
        super().__init__(app)
        self._app = app
        self.model = Triage()
        self.pictures = SegmentPictures(self)
        self._worker = TriageWorker(results, self)
        self._worker.done.connect(self._on_done)
        self._worker.failed.connect(self._on_failed)
        self._waiting = False
        self._asked_at = 0.0
        self._soon = QTimer(self, singleShot=True, interval=GROWING)
        self._soon.timeout.connect(self._request)
        session = app.session
        session.drive_changed.connect(self._on_drive)
        session.analysis_changed.connect(self._on_analysis)
        app.opener.dataset.changed.connect(self._on_set)
        self.model.scope_changed.connect(self._request)

    @property
    def settled(self) -> bool:
        """Whether the list shows what there is now."""
        return not self._waiting and not self._soon.isActive()

    def step(self, direction: int) -> None:
        """Go to the next (1) or previous (-1) segment of the list as it is shown."""
        row = self.model.step(direction)
        if row is not None:
            self._show(row)

    @Slot(object)
    def go_to(self, row: Row) -> None:
        """Look at a segment."""
        self.model.choose(row)
        self._show(row)

    def select_current(self) -> None:
        """Select the transitions of the segment that is being looked at."""
        self._select([row for row in self.model.shown if row.id == self.model.current])

    def select_listed(self) -> None:
        """Select the transitions of every segment that the list shows."""
        self._select(self.model.shown)

    def _select(self, rows: list[Row]) -> None:
        chosen: dict[str, list[int]] = {}
        for row in rows:
            chosen.setdefault(row.drive.fingerprint, []).extend(range(row.segment.start, row.segment.stop - 1))
        if chosen:
            self._app.session.selection.replace(chosen)

    def refresh(self) -> None:
        """Look again at what is stored of the set."""
        if not self._soon.isActive():
            self._soon.start()

    def show_list(self) -> None:
        """Show the segments, ready to type a filter."""
        self._app.window.show_panel("triage")
        self._app.window.triage.focus_filter()

    def show_regimes(self) -> None:
        """Show the table of regimes."""
        self._app.window.show_panel("triage")
        self._app.window.triage.show_regimes(True)

    def close(self) -> None:
        """End the threads and let go of the models."""
        self._soon.stop()
        self._worker.close()
        self.pictures.close()
        session = self._app.session
        session.drive_changed.disconnect(self._on_drive)
        session.analysis_changed.disconnect(self._on_analysis)
        self._app.opener.dataset.changed.disconnect(self._on_set)
        self.model.scope_changed.disconnect(self._request)

    def _show(self, row: Row) -> None:
        app, frame = self._app, row.segment.worst_frame
        app.timeline.pause()
        drive = app.session.drive
        if drive is not None and drive.fingerprint == row.drive.fingerprint:
            app.timeline.seek(frame)
        elif row.key is not None:
            app.opener.choose_drive(row.key, frame)

    @Slot(str)
    def _on_failed(self, reason: str) -> None:
        self._waiting = False
        self._app.window.status.showMessage(f"The segments cannot be listed: {reason}", 10_000)

    def _on_drive(self) -> None:
        self._worker.cancel()
        self._waiting = False
        if not self.model.whole_set:
            self.model.take([], None)
        self._soon.start()

    def _on_analysis(self) -> None:
        analysis = self._app.session.analysis
        if analysis is not None and analysis.complete and not self._app.analysis.checking:
            self._soon.stop()
            self._request()
        elif not self._soon.isActive():
            self._soon.start()

    def _on_set(self) -> None:
        several = len(self._app.opener.dataset.listings) > 1
        if several != self.model.has_set:
            self.model.has_set = several
            self.model.whole_set &= several
            self.model.changed.emit()
        if self.model.whole_set and not self._soon.isActive():
            self._soon.start()

    def _request(self) -> None:
        session, opener = self._app.session, self._app.opener
        current = None
        if session.drive is not None and session.analysis is not None:
            current = OpenDrive(session.drive, session.analysis, opener.dataset.current)
        others, info = None, session.model_info
        if self.model.whole_set and info is not None and (drives := opener.set_drives()):
            others = OtherDrives(drives, info.checkpoint_hash, session.rate, info.image_size)
        self._waiting, self._asked_at = True, time.monotonic()
        self._worker.request(current, others)

    @Slot(object, object, object)
    def _on_done(self, rows: list[Row], evaluation: object, missing: list[str]) -> None:
        self._waiting = False
        took = 1000 * (time.monotonic() - self._asked_at)
        self._soon.setInterval(max(GROWING, round(SHARE * took)))
        self.model.take(rows, evaluation, missing)  # type: ignore[arg-type]
        self.pictures.keep(row.drive for row in rows)
