"""The part of the controller that keeps what the user made of a drive on disk: its notes, and how it was looked at.

Each drive has a folder under the user's data, named by its fingerprint, with ``annotations.json`` (see
`lapose_core.annotations`) and ``session.json`` (see `models.session_state`). Nothing is written into the log.
"""

from __future__ import annotations

import contextlib
import logging
import os
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QFileSystemWatcher, QObject, QTimer, Slot

from lapose_core.annotations import AnnotationError, AnnotationSet, merge_annotations
from lapose_core.export.files import write_text
from lapose_inspector.models.session_state import (
    KeptSet,
    Runs,
    SessionState,
    capture,
    kept_selection,
    kept_sets,
    restore,
    restore_look,
)
from lapose_inspector.models.stored import read_or_set_aside, to_json
from lapose_inspector.workers.latest import LatestWorker, Stale

if TYPE_CHECKING:
    from lapose_inspector.inspector import Inspector

log = logging.getLogger(__name__)

NOTES, STATE = "annotations.json", "session.json"
INTERVAL = 400
"""Milliseconds between two looks at whether the session has changed: what a crash can lose, but no note."""
SETTLED = 50
"""Milliseconds after another program's write before the notes are read."""


class SessionKeeper(QObject):
    """Notes are written the moment they change, the rest of the session shortly after.

    Args:
        app: the inspector, with its window.
        folder: the user's data folder.
        remember: whether cursor, selection, colours and layout are kept and restored; notes always are.
        rate_given: whether the user asked for an analysis rate, which then is not restored.
    """

    def __init__(self, app: Inspector, folder: Path, *, remember: bool, rate_given: bool) -> None:
        super().__init__(app)
        self._app, self._session, self._notes = app, app.session, app.session.annotations
        self._folder, self._remember = folder / "sessions", remember
        self._restore_rate, self._first = not rate_given, True
        self._fingerprint: str | None = None
        self._kept: SessionState | None = None
        self._selection: Runs = ()
        self._sets: tuple[KeptSet, ...] = ()
        self._writing = False
        self._seen: tuple[int, ...] | None = None
        self._notes.palette.open(folder / "labels.json")
        self._writer = LatestWorker("session", self)
        self._writer.failed.connect(self._on_unwritten)
        self._watcher = QFileSystemWatcher(self)
        self._settled = QTimer(self, singleShot=True, interval=SETTLED)
        self._settled.timeout.connect(self._on_folder)
        self._watcher.directoryChanged.connect(self._settled.start)
        self._look = QTimer(self, interval=INTERVAL)
        self._look.timeout.connect(self.save)
        self._session.drive_changed.connect(self._on_drive)
        self._session.selection.changed.connect(self._on_selection)
        self._session.selection.sets_changed.connect(self._on_sets)
        self._notes.changed.connect(self._on_notes)
        if remember:
            self._look.start()

    @property
    def folder(self) -> Path | None:
        """Where the open drive's session lies; None without a drive."""
        return None if self._fingerprint is None else self._folder / self._fingerprint

    def close(self) -> None:
        """Write what is not yet written, and let go of the models."""
        self._look.stop()
        self._watcher.directoryChanged.disconnect(self._settled.start)
        self._settled.stop()
        self._writer.stop()
        self.save(now=True)
        self._session.drive_changed.disconnect(self._on_drive)
        self._session.selection.changed.disconnect(self._on_selection)
        self._session.selection.sets_changed.disconnect(self._on_sets)
        self._notes.changed.disconnect(self._on_notes)

    # -- another drive

    def _on_drive(self) -> None:
        drive = self._session.drive
        if self._watcher.directories():
            self._watcher.removePaths(self._watcher.directories())
        self._fingerprint = None if drive is None else drive.fingerprint
        self._kept = None
        if drive is None or self.folder is None:
            self._notes.open(None)
        else:
            self._notes.open(self._read_notes(AnnotationSet(drive.fingerprint, drive.name)))
            with contextlib.suppress(OSError):
                self.folder.mkdir(parents=True, exist_ok=True)
                self._watcher.addPath(str(self.folder))
            self._on_selection()
            self._on_sets()
            if self._remember:
                self._restore(drive.fingerprint)
            self._first = False  # later drives of this run come into the window as it is
        self._session.history.clear()

    def _restore(self, fingerprint: str) -> None:
        assert self.folder is not None
        state = read_or_set_aside(self.folder / STATE, SessionState)
        if state is None:
            return
        if self._first:
            if self._restore_rate:
                self._session.rate = state.rate
            restore_look(state, self._session, self._app.instruments.map)
            if any(state.layout):
                self._app.window.restore_layout(*state.layout)
        restore(state, self._session, fingerprint)
        if state.compared is not None:
            self._app.comparer.restore(state.compared)

    # -- notes

    def _on_notes(self) -> None:
        if self._fingerprint is not None and not self._writing:
            self._exchange()

    @Slot()
    def _on_folder(self) -> None:
        """Something in the session's folder changed; most often it is the rest of the session."""
        if self.folder is not None and _signature(self.folder / NOTES) != self._seen:
            self._exchange()

    def _exchange(self) -> None:
        """Write the user's notes and take those of other windows."""
        if self.folder is None or self._notes.notes.fingerprint != self._fingerprint:
            return
        notes = self._read_notes(self._notes.notes)
        self._writing = True
        try:
            self._notes.take(notes)
        finally:
            self._writing = False

    def _read_notes(self, mine: AnnotationSet) -> AnnotationSet:
        """``mine`` merged with what is on disk, written there where something is new."""
        assert self.folder is not None
        path = self.folder / NOTES
        if not mine.notes and not mine.deleted and not path.exists():
            return mine
        try:
            merged = merge_annotations(path, mine)
            self._seen = _signature(path)
            return merged
        except AnnotationError as error:
            aside = path.with_name(path.name + ".bad")
            with contextlib.suppress(OSError):
                os.replace(path, aside)
            message = f"{error}. It is set aside as {aside.name}; new notes go into a new file."
            self._app.show_error("The notes on this drive cannot be read", message, traceback.format_exc())
        except (OSError, ValueError) as error:
            message = f"{path}: {error}. The notes are kept in memory only."
            self._app.show_error("The notes cannot be written", message, traceback.format_exc())
        return mine

    # -- the rest of the session

    def _on_selection(self) -> None:
        if self._fingerprint is not None:
            self._selection = kept_selection(self._session, self._fingerprint)

    def _on_sets(self) -> None:
        if self._fingerprint is not None:
            self._sets = kept_sets(self._session, self._fingerprint)

    @Slot()
    def save(self, now: bool = False) -> None:
        """Write the session where it changed; in the background unless ``now``."""
        drive = self._session.drive
        if not self._remember or self.folder is None or drive is None or drive.fingerprint != self._fingerprint:
            return
        layout, map = self._app.window.save_layout(), self._app.instruments.map
        state = capture(self._session, map, layout, self._selection, self._sets)
        if state == self._kept and not now:
            return
        self._kept, path = state, self.folder / STATE

        def write(_: Stale = lambda: False) -> None:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_text(path, to_json(state, indent=1))

        if not now:
            self._writer.submit(write)
            return
        self._writer.cancel()
        try:
            write()
        except (OSError, ValueError) as error:
            self._on_unwritten(str(error))

    @Slot(str)
    def _on_unwritten(self, reason: str) -> None:
        log.warning("the session cannot be kept: %s", reason)


def _signature(path: Path) -> tuple[int, ...] | None:
    """What tells one writing of a file from the next."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
