"""One background thread that does only the newest of the jobs it is given."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from PySide6.QtCore import QObject, QThread, Signal, Slot

Stale = Callable[[], bool]
"""Asks, inside a job, whether a newer job has come: then the rest of this one is wasted."""
Job = Callable[[Stale], object]

log = logging.getLogger(__name__)


class LatestWorker(QObject):
    """Runs jobs in a thread of its own, latest wins: a job that is no longer the newest is dropped, before it
    starts or, with its result, after.

    ``done`` carries a job's result and ``failed`` its exception as text, both in the thread of the receiver.
    """

    done = Signal(object)
    failed = Signal(str)
    _queued = Signal(int, object)

    def __init__(self, name: str, parent: QObject | None = None, *, low_priority: bool = True) -> None:
        super().__init__(parent)
        self._generation = 0
        self._lock = threading.Lock()
        self._thread = QThread()
        self._thread.setObjectName(name)
        self._runner = _Runner(self._is_stale)
        self._runner.moveToThread(self._thread)
        self._queued.connect(self._runner.run)
        self._runner.finished.connect(self._on_finished)
        self._runner.failed.connect(self._on_failed)
        # No more than this: a thread that is made "nice" and then waits for a core while it holds Python's lock
        # stops the window too.
        self._thread.start(QThread.Priority.LowPriority if low_priority else QThread.Priority.InheritPriority)

    def submit(self, job: Job) -> None:
        """Run ``job`` instead of whatever is running or waiting."""
        with self._lock:
            self._generation += 1
            generation = self._generation
        self._queued.emit(generation, job)

    def cancel(self) -> None:
        """Let go of the running and waiting jobs; their results do not arrive."""
        with self._lock:
            self._generation += 1

    def stop(self) -> None:
        """Cancel and end the thread. A job that never asks whether it is stale is waited for."""
        self.cancel()
        self._thread.quit()
        self._thread.wait()

    def _is_stale(self, generation: int) -> bool:
        with self._lock:
            return generation != self._generation

    @Slot(int, object)
    def _on_finished(self, generation: int, result: object) -> None:
        if not self._is_stale(generation):
            self.done.emit(result)

    @Slot(int, str)
    def _on_failed(self, generation: int, reason: str) -> None:
        if not self._is_stale(generation):
            self.failed.emit(reason)


class _Runner(QObject):
    finished = Signal(int, object)
    failed = Signal(int, str)

    def __init__(self, is_stale: Callable[[int], bool]) -> None:
        super().__init__()
        self._is_stale = is_stale

    @Slot(int, object)
    def run(self, generation: int, job: Job) -> None:
        if self._is_stale(generation):
            return
        try:
            result = job(lambda: self._is_stale(generation))
        except Exception as error:
            log.exception("background job failed")
            self.failed.emit(generation, f"{type(error).__name__}: {error}")
        else:
            self.finished.emit(generation, result)
