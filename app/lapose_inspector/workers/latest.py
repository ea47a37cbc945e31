"""One background thread that does only the newest of the jobs it is given."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from PySide6.QtCore import QObject, Signal, Slot

from lapose_core.priority import stand_back
from lapose_inspector.beside.calls import LostError, Stale

Job = Callable[[Stale], object]

PATIENCE = 1.0
"""Seconds that the end of a worker waits for a job that does not ask whether it is stale."""

log = logging.getLogger(__name__)


class LatestWorker(QObject):
    """Runs jobs in a thread of its own, which the first of them starts. Latest wins: a job that is no longer the newest
    is dropped, before it starts or, with its result, after.

    ``done`` carries a job's result and ``failed`` its exception as text, both in the thread of the receiver.
    """

    done = Signal(object)
    failed = Signal(str)

    def __init__(self, name: str, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._thread = _JobThread(name)
        self._thread.outcome.finished.connect(self._on_finished)
        self._thread.outcome.failed.connect(self._on_failed)

    def submit(self, job: Job) -> None:
        """Run ``job`` instead of whatever is running or waiting."""
        self._thread.put(job)
        if self._thread.ident is None:
            self._thread.start()

    def cancel(self) -> None:
        """Let go of the running and waiting jobs; their results do not arrive."""
        self._thread.put(None)

    def abandon(self) -> None:
        """Let go of the thread without waiting: it ends when its job does, whose result does not arrive."""
        self._thread.stop()

    def stop(self) -> bool:
        """Cancel and end the thread, waiting PATIENCE seconds at most.

        Returns:
            whether the thread is over. Where it is not, a library call that hears nothing holds it; the
            thread ends when that returns, and keeps no process alive.
        """
        self._thread.stop()
        if self._thread.ident is not None:
            self._thread.join(PATIENCE)
        return not self._thread.is_alive()

    @Slot(int, object)
    def _on_finished(self, generation: int, result: object) -> None:
        if not self._thread.is_stale(generation):
            self.done.emit(result)

    @Slot(int, str)
    def _on_failed(self, generation: int, reason: str) -> None:
        if not self._thread.is_stale(generation):
            self.failed.emit(reason)


def unfinished() -> list[str]:
    """Names of the threads that still hold a job, also of workers that were stopped."""
    return [thread.name for thread in threading.enumerate() if isinstance(thread, _JobThread)]


class _Outcome(QObject):
    finished = Signal(int, object)
    failed = Signal(int, str)


class _JobThread(threading.Thread):
    """Not a QThread: destroying one that runs aborts the process, and a library call cannot be ended."""

    def __init__(self, name: str) -> None:
        super().__init__(name=name, daemon=True)
        self.outcome = _Outcome()
        self._condition = threading.Condition()
        self._generation = 0
        self._job: Job | None = None
        self._stopping = False

    def put(self, job: Job | None) -> None:
        with self._condition:
            self._generation += 1
            self._job = job
            self._condition.notify()

    def stop(self) -> None:
        with self._condition:
            self._stopping = True
        self.put(None)

    def is_stale(self, generation: int) -> bool:
        with self._condition:
            return generation != self._generation

    def run(self) -> None:
        stand_back()
        # A method of its own, so that no local keeps the last job and its drive alive while waiting.
        while self._serve():
            pass

    def _serve(self) -> bool:
        """Wait for a job and do it; False at the end."""
        with self._condition:
            self._condition.wait_for(lambda: self._stopping or self._job is not None)
            job, self._job = self._job, None
            generation = self._generation
        if self._stopping or job is None:
            return False
        try:
            result = job(lambda: self.is_stale(generation))
        except Exception as error:
            log.exception("background job failed")
            words = str(error) if isinstance(error, LostError) else f"{type(error).__name__}: {error}"
            self.outcome.failed.emit(generation, words)
        else:
            self.outcome.finished.emit(generation, result)
        return True
