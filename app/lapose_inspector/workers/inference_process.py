"""The window's end of the process that runs torch (`beside.analysis_loop`)."""

from __future__ import annotations

import logging
import pickle
import queue
import threading
import traceback
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from PySide6.QtCore import QObject, Signal

from lapose_core.priority import stand_back
from lapose_inspector.beside.analysis_loop import SNAPSHOT_INTERVAL, AnalysisStart, Question, analyse
from lapose_inspector.beside.devices import Place
from lapose_inspector.beside.process import Process
from lapose_inspector.models.derived import Derived, derive
from lapose_inspector.models.display import Alignment
from lapose_inspector.models.forward_state import ForwardRequest
from lapose_inspector.models.session import Device, ModelInfo

if TYPE_CHECKING:
    from lapose_core.frames.proxies import ProxyFolder
    from lapose_core.inference.result import Changes, DriveAnalysis

log = logging.getLogger(__name__)

PATIENCE = 30.0
"""Seconds that the end waits for a result to be stored, before the process is killed."""


class InferenceProcess(QObject):
    """Starts the process with the first checkpoint, and anew with an analysis where it ended by itself.

    Requests are sent in one thread, because a drive's poses take their time, and answers come in another, which keeps
    the window's own copy of the growing result and makes what is shown of it.

    Args:
        results: the folder that keeps them.
        proxies: where preview pictures are made of what is decoded.
        pictured: is told, in a thread, that there are new ones of the drive with this fingerprint.
        alignment: tells, in any thread, how the predicted path is laid on the truth.
        place: loads a checkpoint onto a device; a function of a module.
    """

    loaded = Signal(object)
    moved = Signal(object)
    unloadable = Signal(str, str)
    prepared = Signal(int, object)
    grown = Signal(int, object)
    ended = Signal(int, bool)
    checking = Signal(int, bool)
    broken = Signal(int, str, str)
    noted = Signal(str)
    answered = Signal(int, str, object)
    unanswered = Signal(int, str, str)
    reconstructed = Signal(int, int, object)
    unreconstructable = Signal(int, int, str)
    predicted = Signal(int, object, object)
    unpredictable = Signal(int, object, str)
    lost = Signal(str)
    """The process ended by itself: how, in words."""

    def __init__(
        self,
        results: Path,
        proxies: ProxyFolder | None,
        pictured: Callable[[str], None],
        alignment: Callable[[], Alignment],
        place: Place,
    ) -> None:
        super().__init__()
        self._made_of = results, proxies, place
        self._pictured, self._alignment = pictured, alignment
        self._outbox: queue.SimpleQueue[tuple[str, tuple[object, ...]] | None] = queue.SimpleQueue()
        self._writer = threading.Thread(target=self._write, name="to inference", daemon=True)
        self._reader: threading.Thread | None = None
        self._process: Process | None = None
        self._stopping = False
        self.snapshot_interval = SNAPSHOT_INTERVAL
        """Seconds between two snapshots, at the least."""
        self.kept_bytes = 0
        """What the process keeps of the drive under analysis, to answer soon."""
        self._checkpoint: tuple[str, tuple[object, ...]] | None = None
        self._again = False  # the checkpoint is loaded anew, which nobody needs to hear of
        self._start: AnalysisStart | None = None
        self._request: tuple[int, ForwardRequest | None] = (0, None)
        self._transition: int | None = None
        self._topics: set[str] = set()
        self._ending = ""  # how the process ended by itself, in words
        # Of the thread that reads.
        self._analysis: DriveAnalysis | None = None
        self._sent: Derived | None = None
        self._reading: int | None = None  # generation of the two

    # Requests, from the GUI thread

    def request_load(self, checkpoint: Path, device: Device, compiled: bool) -> None:
        self._start = None
        self._put("request_load", checkpoint, device, compiled)

    def request_analysis(self, start: AnalysisStart | None) -> None:
        self._start = start
        self._put("request_analysis", start and replace(start, drive=start.drive.bare()))

    def request_seek(self, frame: int) -> None:
        self._put("request_seek", frame)

    def request_cancel(self) -> None:
        self._put("request_cancel")

    def ask(self, topic: str, question: Question | None) -> None:
        """See ``AnalysisLoop.ask``: ``answered`` or ``unanswered`` follows."""
        (self._topics.discard if question is None else self._topics.add)(topic)
        self._put("ask", topic, question)

    def request_reconstruction(self, transition: int | None) -> None:
        self._transition = transition
        self._put("request_reconstruction", transition)

    def request_prediction(self, request: ForwardRequest | None) -> None:
        self._request = (self._request[0] + 1, request)
        self._put("request_prediction", *self._request)

    def pace(self, interval: float) -> None:
        """Seconds between two snapshots, which who shows them knows."""
        if interval != self.snapshot_interval:
            self.snapshot_interval = interval
            self._put("pace", interval)

    @property
    def pid(self) -> int | None:
        """Of the process; None where none runs."""
        process = self._process
        return None if process is None else process.pid

    @property
    def alive(self) -> bool:
        """Whether a thread or the process is not over yet."""
        threads = (self._writer, self._reader)
        return self._process is not None or any(thread is not None and thread.is_alive() for thread in threads)

    def stop(self) -> None:
        """End the process, within a part of a window; the result so far is stored."""
        self._put("stop")
        self._stopping = True
        self._outbox.put(None)
        if self._writer.ident is not None:
            self._writer.join()
        reader, process = self._reader, self._process
        if reader is None:
            return
        reader.join(PATIENCE)
        if reader.is_alive() and process is not None:
            log.warning("the process of the analysis does not end, and is killed")
            process.kill()
            reader.join()

    def _put(self, name: str, *arguments: object) -> None:
        if self._stopping:
            return
        self._outbox.put((name, arguments))
        if self._writer.ident is None and _begins(name, arguments):
            self._writer.start()

    # The thread that sends

    def _write(self) -> None:
        stand_back()
        while (message := self._outbox.get()) is not None:
            name, arguments = message
            if name == "request_load":
                self._checkpoint, self._again = message, False
            if self._process is None and not self._begin(message):
                self._refuse()
                continue
            self._send(name, arguments)

    def _begin(self, message: tuple[str, tuple[object, ...]]) -> bool:
        """Start the process where ``message`` is one to begin with; whether it runs."""
        if not _begins(*message):
            return False
        try:
            process = Process("inference", analyse)
            process.pipe.send(self._made_of)
        except OSError as error:
            self._lose(f"it could not be started: {error}")
            return False
        self._ending = ""
        self._process = process
        self._reader = threading.Thread(target=self._read, args=(process,), name="from inference", daemon=True)
        self._reader.start()
        if self.snapshot_interval != SNAPSHOT_INTERVAL:
            self._send("pace", (self.snapshot_interval,))
        if self._checkpoint not in (None, message):
            self._again = True
            self._send(*self._checkpoint)
        return True

    def _send(self, name: str, arguments: tuple[object, ...]) -> None:
        process = self._process
        if process is None:
            return
        try:
            process.pipe.send((name, arguments))
        except OSError:
            pass  # the thread that reads hears of it, too
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            log.exception("%s", name)
            start = self._start
            if name == "request_analysis" and start is not None:
                self.broken.emit(
                    start.generation, f"{start.drive.name} cannot be opened in another process", str(error)
                )

    # The thread that reads

    def _read(self, process: Process) -> None:
        stand_back()
        try:
            while True:
                name, arguments = cast("tuple[str, tuple[Any, ...]]", process.pipe.receive())
                handle = getattr(self, f"_on_{name}", None) or getattr(self, name).emit
                handle(*arguments)
        except (EOFError, OSError):
            how = process.end(1.0)
        self._process = self._analysis = self._sent = None
        self.kept_bytes = 0
        if not self._stopping:
            self._lose(how)

    def _lose(self, how: str) -> None:
        self._ending = how
        self.lost.emit(how)
        self._refuse()

    def _refuse(self) -> None:
        """Tell of all that was asked that no process answers; who has the answer already does not listen."""
        start = self._start
        if not self._ending or start is None:
            return
        reason = f"the process of the model ended by itself ({self._ending}); start the analysis again"
        if self._transition is not None:
            self.unreconstructable.emit(start.generation, self._transition, reason)
        self._on_unpredictable(start.generation, self._request[0], reason)
        for topic in tuple(self._topics):
            self.unanswered.emit(start.generation, topic, reason)

    def _on_loaded(self, info: ModelInfo) -> None:
        again, self._again = self._again, False
        (self.moved if again else self.loaded).emit(info)

    def _on_begun(self, generation: int, analysis: DriveAnalysis) -> None:
        self._reading, self._analysis, self._sent = generation, analysis, None

    def _on_grown(self, generation: int, changes: Changes) -> None:
        start, analysis = self._start, self._analysis
        if start is None or analysis is None or not start.generation == generation == self._reading:
            return
        try:
            analysis.apply(changes)
            self._sent = derive(start.drive, start.rate, analysis.snapshot(), self._alignment(), self._sent)
        except Exception as error:
            log.exception("the result of %s", start.drive.name)
            self._put("request_analysis", None)
            message = f"The result of {start.drive.name} cannot be shown: {error}"
            self.broken.emit(generation, message, traceback.format_exc())
            return
        self.grown.emit(generation, self._sent)

    def _on_predicted(self, generation: int, number: int, result: object) -> None:
        asked, request = self._request
        if number == asked:
            self.predicted.emit(generation, request, result)

    def _on_unpredictable(self, generation: int, number: int, message: str) -> None:
        asked, request = self._request
        if number == asked and request is not None:
            self.unpredictable.emit(generation, request, message)

    def _on_kept(self, size: int) -> None:
        self.kept_bytes = size

    def _on_pictured(self, fingerprint: str) -> None:
        self._pictured(fingerprint)


def _begins(name: str, arguments: tuple[object, ...]) -> bool:
    """Whether a request is one for which the process is started."""
    return name == "request_load" or (name == "request_analysis" and arguments[0] is not None)
