"""What the process does that runs torch: loading, analysis and reconstruction take turns.

The window sends the names of methods of `AnalysisLoop` with their arguments, and gets those of signals of its own
`InferenceProcess` with theirs."""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from lapose_core.drive import Drive, LogError
from lapose_core.frames.heap import return_memory
from lapose_inspector.beside.analysis_job import AnalysisJob, LoadedModel, windows_at_once
from lapose_inspector.beside.devices import Place
from lapose_inspector.beside.passing import PassingPictures
from lapose_inspector.beside.process import leave_soon
from lapose_inspector.models.forward_state import ForwardRequest
from lapose_inspector.models.session import Device, ModelInfo

if TYPE_CHECKING:
    from lapose_core.frames.proxies import ProxyFolder
    from lapose_core.model.lapose import LaPose
    from lapose_inspector.beside.pipe import Pipe

log = logging.getLogger(__name__)

Question = Callable[[AnalysisJob], object]
"""Asked between two parts of a window, of the drive under analysis; takes a fraction of a second. It and its answer
can be pickled."""

SNAPSHOT_INTERVAL = 0.15
"""Seconds between two snapshots of a growing result, at the least; panels redraw for each."""
SHOWING_SHARE = 0.1
"""Of the window's time that showing a growing result may take: that of a very long drive is shown less often."""
LONGEST_INTERVAL = 5.0
"""Seconds between two snapshots, at the most."""
REST = 2.0
"""Seconds without anything to do after which memory is tidied, which takes some 50 ms."""


@dataclass(frozen=True)
class AnalysisStart:
    """What to analyse, and where to begin."""

    generation: int
    drive: Drive
    rate: float
    frame: int
    ignore_camera: bool = False


class AnalysisLoop:
    """Serves, in this order: the end, a checkpoint, a start, a cancel, one reconstruction, a part of a window.

    A reconstruction is followed by a window where an analysis runs, so that neither starves the other. Requests come
    from another thread than the one that runs.

    Args:
        results: the folder that keeps them.
        proxies: where preview pictures are made of the frames that are decoded; None makes none.
        place: loads a checkpoint onto a device.
        tell: hears, from any thread, the name and the arguments of what the window is told.
    """

    def __init__(
        self, results: Path, proxies: ProxyFolder | None, place: Place, tell: Callable[[str, tuple[object, ...]], None]
    ) -> None:
        self._results, self._proxies, self._place = results, proxies, place
        self._send = tell
        self._condition = threading.Condition()
        # Requests, written by the thread that listens under the condition and taken by the one that runs.
        self._load: tuple[Path, Device, bool] | None = None
        self._start: AnalysisStart | None = None
        self._drop = False
        self._seek: int | None = None
        self._cancel = False
        self._reconstruct: int | None = None
        self._predict: tuple[int, ForwardRequest] | None = None
        self._questions: dict[str, Question] = {}
        self._stopping = False
        self._interval = SNAPSHOT_INTERVAL
        # Of the thread that runs alone.
        self._model: LoadedModel | None = None
        self._info: ModelInfo | None = None
        self._job: AnalysisJob | None = None
        self._pictures: PassingPictures | None = None
        self._generation = 0
        self._window_due = False
        self._sent_at, self._sent_revision = 0.0, -1
        self._kept = 0
        self._checks_grown = False

    def request_load(self, checkpoint: Path, device: Device, compiled: bool) -> None:
        with self._condition:
            self._load, self._start, self._drop = (checkpoint, device, compiled), None, True
            self._condition.notify()

    def request_analysis(self, start: AnalysisStart | None) -> None:
        with self._condition:
            self._start, self._drop = start, start is None
            self._cancel, self._seek, self._reconstruct, self._predict = False, None, None, None
            self._questions.clear()
            self._condition.notify()

    def request_seek(self, frame: int) -> None:
        with self._condition:
            self._seek = frame
            job = None if self._drop or self._start is not None else self._job
            self._condition.notify()
        if job is not None:
            job.analyzer.seek(frame)  # decoding goes there while the model is still at its step

    def request_cancel(self) -> None:
        with self._condition:
            self._cancel = True
            self._condition.notify()

    def ask(self, topic: str, question: Question | None) -> None:
        """Have a question answered about the drive under analysis, between two parts of a window: ``answered`` or
        ``unanswered`` follows. It replaces an earlier one of its topic, and None withdraws that."""
        with self._condition:
            self._questions.pop(topic, None)
            if question is not None:
                self._questions[topic] = question
            self._condition.notify()

    def request_reconstruction(self, transition: int | None) -> None:
        with self._condition:
            self._reconstruct = transition
            self._condition.notify()

    def request_prediction(self, number: int, request: ForwardRequest | None) -> None:
        with self._condition:
            self._predict = None if request is None else (number, request)
            self._condition.notify()

    def pace(self, interval: float) -> None:
        """Seconds between two snapshots, at the least."""
        self._interval = interval

    def stop(self) -> None:
        with self._condition:
            self._stopping = True
            self._condition.notify()

    def run(self) -> None:
        """Until ``stop``; the result so far is then stored."""
        while self._serve():
            self._tell_kept()
        self._close_job()
        self._model = None

    def _tell(self, name: str, *arguments: object) -> None:
        self._send(name, arguments)

    def _tell_kept(self) -> None:
        """What the drive under analysis keeps to answer soon."""
        kept = 0 if self._job is None else self._job.nbytes
        if kept != self._kept:
            self._kept = kept
            self._tell("kept", kept)

    def _serve(self) -> bool:
        """Wait for the next thing to do and do it; False at the end."""
        self._rest()
        with self._condition:
            self._condition.wait_for(self._has_work)
            if self._stopping:
                return False
            load, self._load = self._load, None
            start, self._start = self._start, None
            drop, self._drop = self._drop, False
            seek, self._seek = self._seek, None
            cancel, self._cancel = self._cancel, False
            job_runs = self._job is not None and self._job.running
            transition, prediction = None, None
            if self._reconstruct is not None and not (self._window_due and job_runs):
                transition, self._reconstruct = self._reconstruct, None
            elif self._predict is not None and not (self._window_due and job_runs):
                prediction, self._predict = self._predict, None
            topic, idle = None, transition is None and prediction is None and not (self._window_due and job_runs)
            if self._questions and self._job is not None and idle:
                topic = next(iter(self._questions))
                question = self._questions.pop(topic)
        if drop:
            self._close_job()
        if load is not None:
            self._load_checkpoint(*load)
        if start is not None:
            self._begin(start)
        if seek is not None and self._job is not None:
            self._job.analyzer.seek(seek)
        if cancel and self._job is not None and self._job.checks.running:
            self._job.stop_checks()
            self._show(self._job)
            self._tell("checking", self._generation, False)
        elif cancel and self._job is not None and self._job.running:
            self._job.pause()
            self._report(self._job)
        elif transition is not None and self._job is not None:
            self._reconstruct_one(transition)
            self._window_due = True
        elif prediction is not None:
            self._predict_one(*prediction)
            self._window_due = True
        elif topic is not None and self._job is not None:
            self._answer(self._job, topic, question)
            self._window_due = True
        elif self._job is not None and self._job.running and start is None:
            self._analyse_one(self._job)
        elif self._job is not None and self._job.checks.running and start is None:
            self._check_one(self._job)
        return True

    def _rest(self) -> None:
        """Where nothing comes for a while, the system gets back what windows and pictures left behind."""
        with self._condition:
            if self._condition.wait_for(self._has_work, REST):
                return
        gc.collect()
        return_memory()

    def _has_work(self) -> bool:
        requests = self._load is not None or self._start is not None or self._drop or self._cancel
        # A reconstruction needs a drive; until one is being analysed the request waits.
        asked = self._reconstruct is not None or self._predict is not None or bool(self._questions)
        runs = self._job is not None and (self._job.running or self._job.checks.running)
        return self._stopping or requests or (asked and self._job is not None) or runs

    def _load_checkpoint(self, path: Path, wanted: Device, compiled: bool) -> None:
        try:
            import torch

            from lapose_core.training.checkpoints import checkpoint_hash

            # One core stays free for the window and for decoding.
            torch.set_num_threads(max(1, (os.cpu_count() or 1) - 1))
            placed = self._place(path, wanted)
            model = placed.model
            name = model.config.name if path.name in ("", ".") else path.name
            if compiled:
                self._compile(model, windows_at_once(str(next(model.parameters()).device)))
            self._model = LoadedModel(model, name, checkpoint_hash(path), path)
            size = (model.config.image_width, model.config.image_height)
            parameters = sum(p.numel() for p in model.parameters())
            self._info = ModelInfo(
                name, self._model.checkpoint_hash, self._model.device, parameters, model.config.window, size,
                placed.kinds, placed.note,
            )  # fmt: skip
        except Exception as error:  # anything a damaged checkpoint makes torch raise is the user's to read
            self._model = self._info = None
            log.warning("checkpoint %s: %s", path, error)
            self._tell("unloadable", f"The checkpoint {path} cannot be loaded: {error}", traceback.format_exc())
            return
        self._tell("loaded", self._info)

    def _look_where_it_runs(self) -> None:
        """Tell where the model runs now: an analysis without the memory that it needs moves it to the processor."""
        if self._model is None or self._info is None or self._model.device == self._info.device:
            return
        note = f"{self._info.device} had too little memory"
        self._info = replace(self._info, device=self._model.device, device_note=note)
        self._tell("moved", self._info)

    def _compile(self, model: LaPose, batch: int) -> None:
        from lapose_core.inference.compiled import compile_blocks

        began = time.monotonic()
        problem = compile_blocks(model, batch)
        done = f"the model was compiled in {time.monotonic() - began:.0f} s"
        self._note(f"the model is not compiled, it runs as it is: {problem}" if problem else done)

    def _begin(self, start: AnalysisStart) -> None:
        from lapose_core.inference.store import ResultStore

        self._generation = start.generation
        earlier, self._job = self._job, None
        if earlier is not None:
            earlier.pause()
        try:
            if self._model is None:
                raise ValueError("no checkpoint is loaded: choose one with Analyse > Checkpoint")
            store = ResultStore(self._results, report=self._note)
            pictures = None if self._proxies is None else PassingPictures(self._proxies, start.drive, self._tell)
            job = AnalysisJob(
                self._model, start.drive, start.rate, store, earlier,
                ignore_camera=start.ignore_camera, notice=self._note, tap=pictures,
            )  # fmt: skip
            if earlier is not None:
                earlier.close()
            self._close_pictures()
            self._job, self._pictures = job, pictures
            job.analyzer.analysis.record()
            self._tell("begun", start.generation, job.analyzer.analysis)
            job.begin(start.frame)
            self._tell("prepared", start.generation, job.analyzer.preprocessor.crop)
            self._report(job)
        except Exception as error:
            self._break(start.drive, error)

    def _note(self, message: str) -> None:
        log.warning("%s", message)
        # The folder is always the same one, and long.
        self._tell("noted", message.replace(f"{self._results}{os.sep}", ""))

    def _analyse_one(self, job: AnalysisJob) -> None:
        try:
            if job.step():
                self._window_due = False
                self._look_where_it_runs()
            grown = job.analyzer.analysis.revision != self._sent_revision
            if not job.running or (grown and time.monotonic() - self._sent_at > self._interval):
                self._report(job)
        except Exception as error:
            self._break(job.drive, error)

    def _report(self, job: AnalysisJob) -> None:
        """Send what there is, and the end where it has come."""
        self._sent_at, self._sent_revision = time.monotonic(), job.analyzer.analysis.revision
        self._show(job)
        if not job.running:
            self._tell("ended", self._generation, job.analyzer.analysis.complete)
            if job.analyzer.analysis.complete and job.checks.begin():
                self._show(job)
            self._tell("checking", self._generation, job.checks.running)

    def _show(self, job: AnalysisJob) -> None:
        self._tell("grown", self._generation, job.analyzer.analysis.take_changes())

    def _check_one(self, job: AnalysisJob) -> None:
        self._checks_grown = job.check() or self._checks_grown
        if self._checks_grown and (not job.checks.running or time.monotonic() - self._sent_at > self._interval):
            self._checks_grown, self._sent_at = False, time.monotonic()
            self._show(job)
        if not job.checks.running:
            self._tell("checking", self._generation, False)

    def _reconstruct_one(self, transition: int) -> None:
        assert self._job is not None
        try:
            result = self._job.reconstruct(transition)
        except Exception as error:
            expected = isinstance(error, LogError | ValueError)
            if not expected:
                log.exception("reconstruction of transition %d", transition)
            message = str(error) if expected else f"{type(error).__name__}: {error}"
            self._tell("unreconstructable", self._generation, transition, message)
            return
        self._tell("reconstructed", self._generation, transition, result)

    def _predict_one(self, number: int, request: ForwardRequest) -> None:
        if self._job is None:
            return
        try:
            result = self._job.predict(request)
        except Exception as error:
            expected = isinstance(error, LogError | ValueError)
            if not expected:
                log.exception("prediction from transition %d", request.transition)
            message = str(error) if expected else f"{type(error).__name__}: {error}"
            self._tell("unpredictable", self._generation, number, message)
            return
        self._tell("predicted", self._generation, number, result)

    def _answer(self, job: AnalysisJob, topic: str, question: Question) -> None:
        try:
            answer = question(job)
        except Exception as error:
            expected = isinstance(error, LogError | ValueError)
            if not expected:
                log.exception("%s of %s", topic, job.drive.name)
            message = str(error) if expected else f"{type(error).__name__}: {error}"
            self._tell("unanswered", self._generation, topic, message)
            return
        self._tell("answered", self._generation, topic, answer)

    def _break(self, drive: Drive, error: Exception) -> None:
        log.warning("analysis of %s: %s", drive.name, error)
        details = traceback.format_exc()
        self._close_job()
        self._tell("broken", self._generation, f"The analysis of {drive.name} stopped: {error}", details)

    def _close_job(self) -> None:
        job, self._job = self._job, None
        if job is not None:
            try:
                job.close()
            except Exception:
                log.exception("closing the analysis of %s", job.drive.name)
        self._close_pictures()

    def _close_pictures(self) -> None:
        pictures, self._pictures = self._pictures, None
        if pictures is not None:
            pictures.close()


def snapshot_interval(showing: float) -> float:
    """Seconds to the next snapshot after one that took ``showing`` seconds to show."""
    # One that the machine was too busy to show must not end the growing.
    return min(max(SNAPSHOT_INTERVAL, showing / SHOWING_SHARE), LONGEST_INTERVAL)


def analyse(pipe: Pipe) -> None:
    """The whole process: its first message is what the loop is made of, the others are requests to it."""
    results, proxies, place = cast("tuple[Path, ProxyFolder | None, Place]", pipe.receive())

    def tell(name: str, arguments: tuple[object, ...]) -> None:
        with contextlib.suppress(OSError):  # the window is gone, which the thread that listens hears
            pipe.send((name, arguments))

    def listen() -> None:
        try:
            while True:
                name, arguments = cast("tuple[str, tuple[object, ...]]", pipe.receive())
                getattr(loop, name)(*arguments)
        except (EOFError, OSError):
            leave_soon()
            loop.stop()

    loop = AnalysisLoop(results, proxies, place, tell)
    threading.Thread(target=listen, name="listening", daemon=True).start()
    loop.run()
