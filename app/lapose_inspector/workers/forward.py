"""Predictions under other actions and the directions that a slider sweeps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QObject, Signal, Slot

from lapose_inspector.models.forward_state import ForwardRequest
from lapose_inspector.models.map_state import COMPONENTS
from lapose_inspector.workers.latest import LatestWorker, Stale

if TYPE_CHECKING:
    from lapose_core.inference.directions import Direction
    from lapose_inspector.models.map_data import MapData
    from lapose_inspector.workers.inference import AnalysisWorker

SAMPLE = 4000
"""Transitions that directions are fitted to; of longer drives every n-th."""


class ForwardWorker(QObject):
    """``request`` from the GUI thread; the answer comes back there, for the newest request only. One that failed is
    made again with an analysis that begins."""

    ready = Signal(object, object)
    """ForwardRequest and Intervention, or Film where several steps were asked for."""
    failed = Signal(object, str)

    def __init__(self, analysis: AnalysisWorker, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._analysis = analysis
        self._wanted: ForwardRequest | None = None
        self._failed: ForwardRequest | None = None
        analysis.prepared.connect(self._on_prepared)
        analysis.process.predicted.connect(self._on_predicted)
        analysis.process.unpredictable.connect(self._on_unpredictable)

    def request(self, request: ForwardRequest | None) -> None:
        """Ask for a prediction of the drive under analysis; replaces an earlier one. None withdraws it."""
        self._wanted, self._failed = request, None
        self._analysis.process.request_prediction(request)

    @Slot(object)
    def _on_prepared(self, _: object) -> None:
        if self._failed is not None:
            self.request(self._failed)

    @Slot(int, object, object)
    def _on_predicted(self, generation: int, request: object, result: object) -> None:
        if generation == self._analysis.generation and request is self._wanted:
            self._wanted = None
            self.ready.emit(request, result)

    @Slot(int, object, str)
    def _on_unpredictable(self, generation: int, request: object, message: str) -> None:
        if generation == self._analysis.generation and request is self._wanted:
            self._wanted, self._failed = None, self._wanted
            self.failed.emit(request, message)


class DirectionsWorker(QObject):
    """``ready`` carries the directions of a drive's latents by key: probes that can be fitted, and components."""

    ready = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._worker = LatestWorker("directions", self)
        self._worker.done.connect(self.ready)

    def request(self, data: MapData) -> None:
        """Fit to what is analysed so far."""
        from lapose_core.inference.directions import principal_directions, probe_directions
        from lapose_inspector.beside.projecting import targets_of

        def job(stale: Stale) -> object:
            step = max(1, -(-len(data.latents) // SAMPLE))
            latents = data.latents[::step]
            if len(latents) < 2:
                return {}
            targets = {k: (name, unit, v[::step]) for k, (name, unit, _, v) in targets_of(data).items()}
            found = [*probe_directions(latents, targets), *principal_directions(latents, len(COMPONENTS))]
            return {direction.key: direction for direction in found}

        self._worker.submit(job)

    def stop(self) -> None:
        """End the thread."""
        self._worker.stop()


def offset_of(direction: Direction, amount: float) -> np.ndarray:
    """What an action [A] gains ``amount`` standard deviations along a direction."""
    return (amount * direction.spread * direction.step).astype(np.float32)
