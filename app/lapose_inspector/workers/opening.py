"""Listing and opening logs off the GUI thread: a large data set or a long video leaves the window alive."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QObject, Signal, Slot

from lapose_core.drive import Drive, LogError
from lapose_core.logs.reader import Listing, LogOptions, Reader
from lapose_inspector.workers.latest import LatestWorker, Stale

if TYPE_CHECKING:
    from lapose_core.logs.sanity import PoseSanity


@dataclass(frozen=True)
class OpenRequest:
    """What to open, and where to put the cursor.

    ``drive`` is the key or name of one of the drives at ``path``. Where its ``listing`` by a ``reader`` is known
    already, nothing is listed: a large data set takes a second even from the index.
    """

    path: Path
    options: LogOptions = field(default_factory=LogOptions)
    drive: str | None = None
    frame: int = 0
    listing: Listing | None = None
    reader: Reader | None = None


@dataclass(frozen=True)
class Listed:
    """The drives at a path."""

    reader: Reader
    listings: list[Listing]


@dataclass(frozen=True)
class Opened:
    """A drive, what was listed of it, and what its poses say about themselves."""

    drive: Drive
    listing: Listing
    sanity: PoseSanity | None


@dataclass(frozen=True)
class _Problem:
    message: str
    details: str


FRAMES_TRIED = 4
"""Frames that are tried until one can be read."""
GROWS_EVERY = 0.25
"""Seconds between two looks at a list that is still growing."""


class _GivenUpError(Exception):
    """A listing that nobody waits for any more."""


class OpenWorker(QObject):
    """Lists a path, then opens its drive if there is one or one was named; only the newest request is announced,
    on the GUI thread. A drive of a list that is still growing can be opened, and the list goes on.
    """

    growing = Signal(object, object)
    """OpenRequest and Listed, the drives so far."""
    listed = Signal(object, object)
    """OpenRequest and Listed. Without ``opened`` or ``failed`` after it where there are several drives to choose
    from."""
    opened = Signal(object, object)
    """OpenRequest and Opened."""
    failed = Signal(object, str, str)
    """OpenRequest, one line for the user, and details."""

    _part = Signal(object, object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._lister, self._opener = _Thread("listing", self), _Thread("opening", self)
        self._lister.done.connect(self._on_listed)
        self._opener.done.connect(self._on_opened)
        self._part.connect(self._on_part)
        self._lister.import_readers()

    @property
    def busy(self) -> bool:
        """Whether a request is under way."""
        return self.listing or self._opener.request is not None

    @property
    def listing(self) -> bool:
        """Whether drives are being listed."""
        return self._lister.request is not None

    def open(self, request: OpenRequest) -> None:
        """Open ``request``; an earlier one is dropped."""
        self._opener.let_go()
        if request.listing is None:
            self._lister.let_go()
            self._lister.submit(request, lambda stale: self._list(request, stale))
        else:
            self._opener.submit(request, lambda stale: _open(request, request.listing, request.reader))

    def cancel(self) -> None:
        """Give up the request under way; nothing is announced."""
        self._lister.let_go()
        self._opener.let_go()

    def close(self) -> None:
        """End the threads. A long video that is being indexed is not waited for."""
        self._lister.stop()
        self._opener.stop()

    def _list(self, request: OpenRequest, stale: Stale) -> Listed:
        from lapose_core.logs import list_drives

        told = time.monotonic()

        def found(reader: Reader, listings: Sequence[Listing]) -> None:
            nonlocal told
            if stale():
                raise _GivenUpError
            if time.monotonic() - told > GROWS_EVERY:
                told = time.monotonic()
                self._part.emit(request, Listed(reader, list(listings)))

        return Listed(*list_drives(request.path, found))

    @Slot(object, object)
    def _on_part(self, request: OpenRequest, listed: Listed) -> None:
        if request is self._lister.request:
            self.growing.emit(request, listed)

    @Slot(object, object)
    def _on_listed(self, request: OpenRequest, outcome: Listed | _Problem) -> None:
        if isinstance(outcome, _Problem):
            self.failed.emit(request, outcome.message, outcome.details)
            return
        if request.drive is not None or len(outcome.listings) == 1:
            chosen = _named(outcome.listings, request.drive)
            self._opener.submit(request, lambda stale: _open(request, chosen, outcome.reader))
        self.listed.emit(request, outcome)

    @Slot(object, object)
    def _on_opened(self, request: OpenRequest, outcome: Opened | _Problem) -> None:
        if isinstance(outcome, _Problem):
            self.failed.emit(request, outcome.message, outcome.details)
        else:
            self.opened.emit(request, outcome)


class _Thread(QObject):
    """A thread that does one request at a time and can be left alone with it."""

    done = Signal(object, object)
    """OpenRequest and what came of it."""

    def __init__(self, name: str, parent: QObject) -> None:
        super().__init__(parent)
        self._name = name
        self.request: OpenRequest | None = None
        self._worker = self._new_worker()

    def import_readers(self) -> None:
        """Import what the first log would wait for otherwise."""
        self._worker.submit(_import_readers)

    def submit(self, request: OpenRequest, work: Callable[[Stale], object]) -> None:
        self.request = request

        def job(stale: Stale) -> object:
            try:
                return request, work(stale)
            except _GivenUpError:
                return None
            except LogError as error:
                return request, _Problem(str(error), traceback.format_exc())
            except Exception as error:  # a reader's bug is told like a broken log: the user needs to know which
                return request, _Problem(f"{request.path}: {type(error).__name__}: {error}", traceback.format_exc())

        self._worker.submit(job)

    def let_go(self) -> None:
        """Drop the request; nothing comes of it."""
        # Nothing can end a call into a reader: its thread is left to finish by itself, and the next request
        # does not wait for it.
        if self.request is not None:
            self._worker.abandon()
            self._worker.deleteLater()
            self._worker = self._new_worker()
        self.request = None

    def stop(self) -> None:
        self._worker.stop()

    def _new_worker(self) -> LatestWorker:
        worker = LatestWorker(self._name, self)
        worker.done.connect(self._on_done)
        return worker

    @Slot(object)
    def _on_done(self, result: tuple[OpenRequest, object] | None) -> None:
        if result is not None:
            self.request = None
            self.done.emit(*result)


def _import_readers(stale: Stale) -> None:
    from lapose_core.logs import readers, sanity  # noqa: F401

    readers()


def _named(listings: list[Listing], wanted: str | None) -> Listing | None:
    if wanted is None:
        return listings[0]
    found = [e for e in listings if e.key == wanted] or [e for e in listings if e.name == wanted]
    return found[0] if len(found) == 1 else None


def _open(request: OpenRequest, listing: Listing | None, reader: Reader | None) -> Opened:
    from lapose_core.logs import open_log
    from lapose_core.logs.sanity import check_poses

    if listing is None or reader is None or request.options.camera not in (None, *listing.cameras):
        drive = open_log(request.path, drive=request.drive, options=request.options)  # says what there is instead
        raise LogError(f"{request.path}: {drive.name} was not listed; open the data set again")
    try:
        drive = reader.open(request.path, listing.key, request.options)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise LogError(f"{request.path}: {listing.key} cannot be read ({why})") from error
    _check_frames(drive)
    if not listing.frames or listing.seconds is None:
        listing = replace(listing, frames=len(drive), seconds=drive.duration)
    return Opened(drive, listing, check_poses(drive))


def _check_frames(drive: Drive) -> None:
    # A log whose pictures are all unreadable should fail here, not as an empty window; one bad picture is told in its
    # place.
    source = drive.open_frames()
    problem: LogError | None = None
    try:
        for index in dict.fromkeys(np.linspace(0, len(drive) - 1, FRAMES_TRIED).astype(int).tolist()):
            try:
                source.read(index)
                return
            except LogError as error:
                problem = problem or error
    finally:
        source.close()
    if problem is not None:
        raise problem
