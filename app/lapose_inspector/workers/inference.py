"""Whole-drive analysis for the window: what is asked of the inference process, and what of its answers still counts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal, Slot

from lapose_core.drive import Drive
from lapose_inspector.beside.analysis_loop import AnalysisStart, snapshot_interval
from lapose_inspector.beside.devices import Place, place
from lapose_inspector.models.display import Alignment
from lapose_inspector.models.session import Device, ModelInfo
from lapose_inspector.workers.inference_process import InferenceProcess

if TYPE_CHECKING:
    from lapose_core.frames.proxies import ProxyFolder


class AnalysisWorker(QObject):
    """Whole-drive analysis in the background. All signals arrive on the GUI thread.

    Results of a start that is no longer the newest are dropped.

    Args:
        results: the folder that keeps them.
        proxies: where preview pictures are made of the frames that are decoded; None makes none.
        pictured: is told, in a thread, that there are new ones of the drive with this fingerprint.
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
        proxies: ProxyFolder | None = None,
        pictured: Callable[[str], None] = lambda fingerprint: None,
        alignment: Callable[[], Alignment] = lambda: "se3",
        place: Place = place,
    ) -> None:
        super().__init__(parent)
        self.generation = 0
        self.running = self.checking = False
        self.process = InferenceProcess(results, proxies, pictured, alignment, place)
        self.process.loaded.connect(self._on_loaded)
        self.process.moved.connect(self._on_moved)
        self.process.unloadable.connect(self._on_unloadable)
        self.process.prepared.connect(self._on_prepared)
        self.process.grown.connect(self._on_grown)
        self.process.ended.connect(self._on_ended)
        self.process.broken.connect(self._on_broken)
        self.process.checking.connect(self._on_checking)
        self.process.noted.connect(self.noted)
        self.process.lost.connect(self._on_lost)

    def load(self, checkpoint: Path, device: Device = "auto", *, compiled: bool = False) -> None:
        """Load a checkpoint folder onto a device, and where asked compile the model, which takes up to minutes; ends a
        running analysis."""
        self._next_generation()
        self.running = False
        self.process.request_load(checkpoint, device, compiled)

    def start(self, drive: Drive, rate: float, frame: int, *, ignore_camera: bool = False) -> None:
        """Analyse ``drive`` at ``rate`` Hz from ``frame`` on; a stored result is gone on with. With ``ignore_camera``
        the model is told nothing of the log's camera."""
        self._next_generation()
        self.running = True
        self.process.request_analysis(AnalysisStart(self.generation, drive, rate, frame, ignore_camera))

    def seek(self, frame: int) -> None:
        """Go on from ``frame``, because that is where the user looks now."""
        self.process.request_seek(frame)

    def cancel(self) -> None:
        """Stop within a part of a window, keeping what there is; ``finished`` follows. Or stop the checks."""
        self.process.request_cancel()

    def forget(self) -> None:
        """Drop the drive: its frames are no longer read."""
        self._next_generation()
        self.running = False
        self.process.request_analysis(None)

    def shown_in(self, seconds: float) -> None:
        """Tell how long it took to show a snapshot: those of a very long drive come less often."""
        self.process.pace(snapshot_interval(seconds))

    def close(self) -> None:
        """End the process, within a part of a window; the result so far is stored."""
        self.process.stop()

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

    @Slot(str)
    def _on_lost(self, how: str) -> None:
        was_running, self.running = self.running or self.checking, False
        self._on_checking(self.generation, False)
        if was_running:
            done = "What was done is stored but for the last seconds: start the analysis again to go on"
            self.failed.emit(f"The process of the analysis ended by itself ({how}). {done}", "")
        else:
            self.noted.emit(f"The process of the model ended by itself ({how}). It starts again with the analysis")
