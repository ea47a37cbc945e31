"""What the forward dynamics makes of one transition, computed when somebody looks at it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal, Slot

if TYPE_CHECKING:
    from lapose_inspector.workers.inference import AnalysisWorker


class ReconstructionWorker(QObject):
    """Reconstructions of single transitions, made between the windows of an analysis.

    ``request`` from the GUI thread; ``ready`` or ``failed`` comes back on the GUI thread, for the newest
    request only. One that failed is made again with an analysis that begins.
    """

    ready = Signal(int, object)
    """Transition and ``lapose_core.inference.reconstruction.Reconstruction``."""
    failed = Signal(int, str)

    def __init__(self, analysis: AnalysisWorker, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._analysis = analysis
        self._wanted: int | None = None
        self._failed: int | None = None
        analysis.prepared.connect(self._on_prepared)
        analysis.process.reconstructed.connect(self._on_reconstructed)
        analysis.process.unreconstructable.connect(self._on_unreconstructable)

    def request(self, transition: int | None) -> None:
        """Ask for ``transition`` of the drive under analysis; replaces an earlier one. None withdraws it."""
        self._wanted, self._failed = transition, None
        self._analysis.process.request_reconstruction(transition)

    @Slot(object)
    def _on_prepared(self, _: object) -> None:
        if self._failed is not None:
            self.request(self._failed)

    @Slot(int, int, object)
    def _on_reconstructed(self, generation: int, transition: int, result: object) -> None:
        if generation == self._analysis.generation and transition == self._wanted:
            self._wanted = None
            self.ready.emit(transition, result)

    @Slot(int, int, str)
    def _on_unreconstructable(self, generation: int, transition: int, message: str) -> None:
        if generation == self._analysis.generation and transition == self._wanted:
            self._wanted, self._failed = None, transition
            self.failed.emit(transition, message)
