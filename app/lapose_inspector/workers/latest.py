"""One background thread that does only the newest of the jobs it is given."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from PySide6.QtCore import QObject, Signal, Slot

from lapose_core.priority import stand_back
from lapose_inspector.beside.calls import LostError, Stale

Job = Callable[[Stale], object]

IDLE = 10.0
"""Seconds without a job after which a worker's thread ends, with what it kept for the next: open logs, a process."""
PATIENCE = 1.0
"""Seconds that the end of a worker waits for a job that does not ask whether it is stale."""

log = logging.getLogger(__name__)


class LatestWorker(QObject):
    """Runs jobs in a thread of its own, which the first of them starts. Latest wins: a job that is no longer the newest
    is dropped, before it starts or, with its result, after. After ``idle`` seconds without a job the thread ends, and
    the next job starts another.

    ``done`` carries a job's result and ``failed`` its exception as text, both in the thread of the receiver.

    Args:
        rest: called in the thread before it ends for want of jobs: lets go of what they keep open from one to the next.
    """

    done = Signal(object)
    failed = Signal(str)

    def __init__(
        self,
        name: str,
        parent: QObject | None = None,
        *,
        rest: Callable[[], None] = lambda: None,
        idle: float = IDLE,
    ) -> None:
        super().__init__(parent)
        self._jobs = _Jobs(name, rest, idle)
        self._jobs.outcome.finished.connect(self._on_finished)
        self._jobs.outcome.failed.connect(self._on_failed)

    def submit(self, job: Job) -> None:
        """Run ``job`` instead of whatever is running or waiting."""
        self._jobs.put(job)

    def cancel(self) -> None:
        """Let go of the running and waiting jobs; their results do not arrive."""
        self._jobs.put(None)

    def abandon(self) -> None:
        """Let go of the thread without waiting: it ends when its job does, whose result does not arrive."""
        self._jobs.stop()

    def stop(self) -> bool:
        """Cancel and end the thread, waiting PATIENCE seconds at most.

        Returns:
            whether the thread is over. Where it is not, a library call that hears nothing holds it; the
            thread ends when that returns, and keeps no process alive.
        """
        self._jobs.stop()
        thread = self._jobs.thread
        if thread is None:
            return True
        thread.join(PATIENCE)
        return not thread.is_alive()

    @Slot(int, object)
    def _on_finished(self, generation: int, result: object) -> None:
        if not self._jobs.is_stale(generation):
            self.done.emit(result)

    @Slot(int, str)
    def _on_failed(self, generation: int, reason: str) -> None:
        if not self._jobs.is_stale(generation):
            self.failed.emit(reason)


def unfinished() -> list[str]:
    """Names of the threads that still hold a job, also of workers that were stopped."""
    return [thread.name for thread in threading.enumerate() if isinstance(thread, _JobThread)]


class _Outcome(QObject):
    finished = Signal(int, object)
    failed = Signal(int, str)


class _JobThread(threading.Thread):
    """Not a QThread: destroying one that runs aborts the process, and a library call cannot be ended."""


class _Jobs:
    """The newest job, and the thread that does it."""

    def __init__(self, name: str, rest: Callable[[], None], idle: float) -> None:
        self.outcome = _Outcome()
        self.thread: _JobThread | None = None
        """The one that runs, or ran last; of the thread that puts jobs."""
        self._name, self._rest, self._idle = name, rest, idle
        self._condition = threading.Condition()
        self._generation = 0
        self._job: Job | None = None
        self._runs = self._stopping = False

    def put(self, job: Job | None) -> None:
        with self._condition:
            self._generation += 1
            self._job = job
            self._condition.notify()
            if job is None or self._runs or self._stopping:
                return
            self._runs = True
        self.thread = _JobThread(name=self._name, target=self._run, daemon=True)
        self.thread.start()

    def stop(self) -> None:
        with self._condition:
            self._stopping = True
        self.put(None)

    def is_stale(self, generation: int) -> bool:
        with self._condition:
            return generation != self._generation

    def _run(self) -> None:
        stand_back()
        # Methods of their own, so that no local keeps the last job and its drive alive while waiting.
        while self._serve() or not self._over():
            pass

    def _serve(self) -> bool:
        """Wait for a job and do it; False at the end, or where none came for long."""
        with self._condition:
            self._condition.wait_for(self._has_work, self._idle)
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

    def _has_work(self) -> bool:
        return self._stopping or self._job is not None

    def _over(self) -> bool:
        """Let go of what the jobs kept; whether the thread ends, for no job came meanwhile."""
        if not self._stopping:
            try:
                self._rest()
            except Exception:
                log.exception("%s", self._name)
        with self._condition:
            self._runs = self._job is not None and not self._stopping
            return not self._runs
