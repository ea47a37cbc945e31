"""The part of the controller that opens logs: listing, choosing a drive and a camera, importing, remembering."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Slot
from PySide6.QtWidgets import QFileDialog

from lapose_core.logs.reader import Listing, LogOptions
from lapose_inspector.beside.set_analysis import SetDrives
from lapose_inspector.models.dataset import Dataset
from lapose_inspector.models.log import OpenLog, after
from lapose_inspector.models.settings import RecentLog
from lapose_inspector.workers.opening import Listed, Opened, OpenRequest, OpenWorker
from lapose_inspector.workers.previews import PreviewLoader

if TYPE_CHECKING:
    from lapose_inspector.inspector import Inspector

POSE_SUFFIXES = (".tum", ".kitti", ".csv", ".txt")


class Opener(QObject):
    """Opens what the user names and tells the inspector of the drive; what was open stays until then."""

    def __init__(self, app: Inspector) -> None:
        super().__init__(app)
        self._app = app
        self.dataset = Dataset()
        self._growing = False
        """Whether the drives on show are those of a list that is not complete."""
        self.previews = PreviewLoader(self)
        self.worker = OpenWorker(self)
        self.worker.growing.connect(self._on_growing)
        self.worker.listed.connect(self._on_listed)
        self.worker.opened.connect(self._on_opened)
        self.worker.failed.connect(self._on_failed)

    @property
    def busy(self) -> bool:
        """Whether a log is being listed or opened."""
        return self.worker.busy

    @property
    def log(self) -> OpenLog | None:
        """The open drive's log."""
        return self._app.session.log

    def open(self, path: Path, drive: str | None = None, options: LogOptions | None = None, frame: int = 0) -> None:
        """Open a log in the background; ``options`` are those of the last time unless given."""
        path = path.expanduser().absolute()
        options = self._app.settings.chosen(path, drive) if options is None else options
        self._request(OpenRequest(path, options, drive, frame))

    def open_again(self, entry: RecentLog, frame: int = 0) -> None:
        """Open a remembered log as it was."""
        self.open(entry.path, entry.drive, entry.options, frame)

    def choose_drive(self, key: str, frame: int = 0) -> None:
        """Open another drive of the data set, with the cursor on ``frame``."""
        dataset = self.dataset
        listing = dataset.find(key)
        if listing is None or dataset.path is None:
            return
        options = self.options_of(listing)
        self._request(OpenRequest(dataset.path, options, listing.key, frame, listing, dataset.reader))

    def options_of(self, listing: Listing) -> LogOptions:
        """As what a drive of the data set would be opened now: as it was last, or else with the open one's camera."""
        dataset, log = self.dataset, self.log
        if dataset.path is None:
            return LogOptions()
        several = len(dataset.listings) > 1
        options = self._app.settings.chosen(dataset.path, listing.key if several else None)
        if options == LogOptions() and log is not None and log.options.camera in listing.cameras:
            # The same camera in the next drive, as one who compares drives wants it.
            options = LogOptions(camera=log.options.camera)
        return options

    def set_drives(self) -> SetDrives | None:
        """The drives of the data set, for work on all of them; None where none is listed."""
        dataset = self.dataset
        if dataset.path is None or dataset.reader is None:
            return None
        options = {listing.key: self.options_of(listing) for listing in dataset.listings}
        return SetDrives(dataset.path, dataset.reader, dataset.listings, options)

    def step_drive(self, step: int) -> None:
        """Open the data set's next (1) or previous (-1) drive."""
        keys = tuple(listing.key for listing in self.dataset.listings)
        key = after(keys, self.dataset.current, step) if self.dataset.current else next(iter(keys), None)
        if key is not None:
            self.choose_drive(key)

    def choose_camera(self, name: str) -> None:
        """Show another camera of the open drive, at the same frame."""
        self._choose(camera=name)

    def choose_pose_topic(self, name: str) -> None:
        """Take the open drive's poses from another topic."""
        self._choose(pose_topic=name)

    def step_camera(self, step: int) -> None:
        """Show the next (1) or previous (-1) camera."""
        log = self.log
        name = None if log is None else after(log.listing.cameras, log.camera, step)
        if name is not None:
            self.choose_camera(name)

    def step_pose_topic(self) -> None:
        """Take the poses from the next topic."""
        log = self.log
        name = None if log is None else after(log.listing.pose_topics, log.pose_topic, 1)
        if name is not None:
            self.choose_pose_topic(name)

    def cancel(self) -> None:
        """Give up what is being listed or opened; the drives found so far stay."""
        partial = self._growing and self.worker.listing
        self.worker.cancel()
        self._app.session.status = self._app.model.idle_status
        count = len(self.dataset.listings)
        self.dataset.end(f"Only the first {count} are listed; open the folder again for all." if partial else "")
        self._app.window.show_opening(False)

    def close(self) -> None:
        """End the threads."""
        self.previews.close()
        self.worker.close()

    def drive_closed(self) -> None:
        """No drive is open; the data set stays."""
        self.dataset.set_current(None)

    # Asking

    def choose_file(self) -> None:
        name, _ = QFileDialog.getOpenFileName(self._app.window, "Open a log", self.last_folder())
        if name:
            self.open(Path(name))

    def choose_folder(self) -> None:
        name = QFileDialog.getExistingDirectory(self._app.window, "Open a log or a data set", self.last_folder())
        if name:
            self.open(Path(name))

    def ask_import(self, poses: Path | None = None, *, current: bool = True) -> None:
        """Ask for a log and the poses that belong to it, beginning with the ``current`` one where there is one."""
        log = self.log if current else None
        options = LogOptions() if log is None else log.options
        if poses is not None:
            options = replace(options, poses=poses)
        path, drive = (None, None) if log is None else (log.path, log.drive)
        frame = self._app.timeline.frame if log is not None else 0

        from lapose_inspector.views.import_dialog import ImportDialog

        def accept(chosen: Path, key: str | None, wanted: LogOptions) -> None:
            self.open(chosen, key, wanted, frame if chosen == path else 0)

        ImportDialog(accept, path, drive, options, self._app.window).open()

    @Slot(object)
    def take_dropped(self, path: Path) -> None:
        """A log is opened; a pose file asks how it belongs to the open one."""
        if self.log is not None and path.suffix.lower() in POSE_SUFFIXES and path.is_file():
            self.ask_import(path)
        else:
            self.open(path)

    def last_folder(self) -> str:
        """Where a file dialog begins."""
        last = self._app.settings.last_log
        return str(last.path.parent) if last is not None else str(Path.home())

    # Carrying out

    def _choose(self, **changed: str) -> None:
        log = self.log
        if log is None:
            return
        options = replace(log.options, **changed)  # type: ignore[arg-type]
        if options != log.options:
            frame = self._app.timeline.frame
            known = self.dataset.path == log.path and self.dataset.find(log.listing.key) is not None
            listing, reader = (log.listing, self.dataset.reader) if known else (None, None)
            self._request(OpenRequest(log.path, options, log.drive or log.listing.key, frame, listing, reader))

    def _request(self, request: OpenRequest) -> None:
        name = request.path.name if request.drive is None else request.drive
        self._app.session.status = f"opening {name}"
        if request.listing is None:
            self._growing = False
            self.dataset.begin(f"Listing {request.path.name or request.path}…")
        else:
            self.dataset.begin(f"Opening {name}…")
        self.worker.open(request)
        self._app.window.show_opening(True)

    @Slot(object, object)
    def _on_growing(self, request: OpenRequest, listed: Listed) -> None:
        self._show_drives(request, listed)
        self._growing = True
        self.dataset.begin(f"Listing {request.path.name}: {len(listed.listings)} drives so far…")
        self._app.window.show_opening(True)

    def _show_drives(self, request: OpenRequest, listed: Listed) -> None:
        # A list that grows comes up once: the user may put it away.
        shown = self._growing and len(self.dataset.listings) > 1
        self.dataset.show(request.path, listed.reader, listed.listings)
        if not shown and len(listed.listings) > 1:
            self._app.window.show_panel("drives")

    @Slot(object, object)
    def _on_listed(self, request: OpenRequest, listed: Listed) -> None:
        self._show_drives(request, listed)
        self._growing = False
        if self.worker.busy:
            self.dataset.begin(f"Opening {request.drive or request.path.name}…")
            return
        self._app.session.status = self._app.model.idle_status or ("" if self.dataset.current else "choose a drive")
        self._app.settings.remember(request.path)
        self._app.window.show_opening(False)
        self._app.window.browser.list.setFocus()

    @Slot(object, object)
    def _on_opened(self, request: OpenRequest, opened: Opened) -> None:
        self._app.window.show_opening(self.worker.busy)
        if not self.worker.listing:
            self.dataset.end()
        key = opened.listing.key
        several = self.dataset.path == request.path and len(self.dataset.listings) > 1
        log = OpenLog(request.path, key if several else None, request.options, opened.listing, opened.sanity)
        self._app.settings.remember(request.path, log.drive, request.options)
        self.dataset.set_current(key if self.dataset.path == request.path else None)
        # Where a camera has fewer frames than the one before, its last one is nearest to what was shown.
        self._app.show_drive(opened.drive, min(request.frame, len(opened.drive) - 1), log)

    @Slot(object, str, str)
    def _on_failed(self, request: OpenRequest, message: str, details: str) -> None:
        self._app.window.show_opening(self.worker.busy)
        self._app.session.status = self._app.model.idle_status
        self._app.settings.forget(request.path, request.drive)
        chosen = request.drive is not None and self.dataset.path == request.path
        self.dataset.end(message)
        name = request.drive if chosen and request.drive else request.path.name
        self._app.show_error(f"{name} cannot be opened", message, details)
