"""Whole-drive analysis for the window: what is asked of the inference thread, and what of its answers still counts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QObject, Signal, Slot

from lapose_core.drive import Drive
from lapose_inspector.models.display import Alignment
from lapose_inspector.models.session import Device, ModelInfo
from lapose_inspector.workers.analysis_job import DriveTap
from lapose_inspector.workers.devices import Place, place
from lapose_inspector.workers.inference_thread import AnalysisStart, InferenceThread, snapshot_interval


class AnalysisWorker(QObject):
    """Whole-drive analysis in the background. All signals arrive on the GUI thread.

    Results of a start that is no longer the newest are dropped.

    Args:
        results: the folder that keeps them.
        tap: is given the frames that are decoded.
        alignment: tells, in any thread, how the predicted path is laid on the truth.
        place: loads a checkpoint onto a device.
    """

    model_ready = Signal(object)
    """ModelInfo of the loaded checkpoint."""
    model_failed = Signal(str, str)
    """One line for the user, and details."""
    model_moved = Signal(object)
    """ModelInfo of the same checkpoint, which runs elsewhere from now on."""
    prepared = Signal(object)
    """The crop that the model sees of the drive just started."""
    grown = Signal(object)
    """A Derived: a snapshot, and what follows from it."""
    finished = Signal(bool)
    """The analysis stopped; whether it is complete."""
    failed = Signal(str, str)
    """The analysis cannot go on: one line, and details."""
    checking_changed = Signal(bool)
    """The checks that give confidence begin, or are over."""
    noted = Signal(str)
    """One line about what the analysis makes do with: a stored result made anew, too little memory."""

    def __init__(
        self,
        results: Path,
        parent: QObject | None = None,
        tap: DriveTap | None = None,
        alignment: Callable[[], Alignment] = lambda: "se3",
        place: Place = place,
    ) -> None:
        super().__init__(parent)
        self.generation = 0
        self.running = self.checking = False
        self.thread_ = InferenceThread(results, tap, alignment, place)
        self.thread_.loaded.connect(self._on_loaded)
        self.thread_.moved.connect(self._on_moved)
        self.thread_.unloadable.connect(self._on_unloadable)
        self.thread_.prepared.connect(self._on_prepared)
        self.thread_.grown.connect(self._on_grown)
        self.thread_.ended.connect(self._on_ended)
        self.thread_.broken.connect(self._on_broken)
        self.thread_.checking.connect(self._on_checking)
        self.thread_.noted.connect(self.noted)
        self.thread_.start()

    def load(self, checkpoint: Path, device: Device = "auto", *, compiled: bool = False) -> None:
        """Load a checkpoint folder onto a device, and where asked compile the model, which takes up to minutes; ends a
        running analysis."""
        self._next_generation()
        self.running = False
        self.thread_.request_load(checkpoint, device, compiled)

    def start(self, drive: Drive, rate: float, frame: int, *, ignore_camera: bool = False) -> None:
        """Analyse ``drive`` at ``rate`` Hz from ``frame`` on; a stored result is gone on with. With ``ignore_camera``
        the model is told nothing of the log's camera."""
        self._next_generation()
        self.running = True
        self.thread_.request_analysis(AnalysisStart(self.generation, drive, rate, frame, ignore_camera))

    def seek(self, frame: int) -> None:
        """Go on from ``frame``, because that is where the user looks now."""
        self.thread_.request_seek(frame)

    def cancel(self) -> None:
        """Stop within a part of a window, keeping what there is; ``finished`` follows. Or stop the checks."""
        self.thread_.request_cancel()

    def forget(self) -> None:
        """Drop the drive: its frames are no longer read."""
        self._next_generation()
        self.running = False
        self.thread_.request_analysis(None)

    def shown_in(self, seconds: float) -> None:
        """Tell how long it took to show a snapshot: those of a very long drive come less often."""
        self.thread_.snapshot_interval = snapshot_interval(seconds)

    def close(self) -> None:
        """End the thread, within a part of a window; the result so far is stored."""
        self.thread_.stop()

    @Slot(object)
    def _on_loaded(self, info: ModelInfo) -> None:
        self.model_ready.emit(info)

    @Slot(object)
    def _on_moved(self, info: ModelInfo) -> None:
        self.model_moved.emit(info)

    @Slot(str, str)
    def _on_unloadable(self, message: str, details: str) -> None:
        self.model_failed.emit(message, details)

    @Slot(int, object)
    def _on_prepared(self, generation: int, crop: object) -> None:
        if generation == self.generation:
            self.prepared.emit(crop)

    @Slot(int, object)
    def _on_grown(self, generation: int, derived: object) -> None:
        if generation == self.generation:
            self.grown.emit(derived)

    def _next_generation(self) -> None:
        self.generation += 1
        self._on_checking(self.generation, False)

    @Slot(int, bool)
    def _on_checking(self, generation: int, checking: bool) -> None:
        if generation == self.generation and checking != self.checking:
            self.checking = checking
            self.checking_changed.emit(checking)

    @Slot(int, bool)
    def _on_ended(self, generation: int, complete: bool) -> None:
        if generation == self.generation:
            self.running = False
            self.finished.emit(complete)

    @Slot(int, str, str)
    def _on_broken(self, generation: int, message: str, details: str) -> None:
        if generation == self.generation:
            self.running = False
            self.failed.emit(message, details)
