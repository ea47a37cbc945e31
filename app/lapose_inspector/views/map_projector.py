"""Keeps the latent map's projection up to date while results grow: quick ones at once, t-SNE behind them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QObject, Signal, Slot

from lapose_inspector.beside.projecting import Projection, targets_of
from lapose_inspector.models.map_data import MapData
from lapose_inspector.models.map_state import MapState
from lapose_inspector.workers.projection import ProjectionWorker

GROWTH = 1.3
"""t-SNE starts over (from its own last map) when there are this many times as many points, or all of them."""


class MapProjector(QObject):
    """Two threads: a map of what has just come in must not wait for, or throw away, the refinement."""

    projected = Signal(object)
    """The Projection to show."""
    progressed = Signal()
    """``refining``, ``progress`` or ``failure`` changed."""

    def __init__(self, state: MapState, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._state = state
        self._data = MapData()
        self._complete = False
        self.shown: Projection | None = None
        """The map on the screen."""
        self._refined: Projection | None = None
        self._refining = 0
        """Points in the t-SNE that is under way."""
        self.progress = 0.0
        self.failure = ""
        self.quick, self.slow = ProjectionWorker(self), ProjectionWorker(self)
        self.quick.projected.connect(self._on_quick)
        self.slow.projected.connect(self._on_refined)
        self.slow.progressed.connect(self._on_progress)
        for worker in (self.quick, self.slow):
            worker.failed.connect(self._on_failed)

    @property
    def refining(self) -> bool:
        """Whether t-SNE is under way: the map will still move."""
        return self._refining > 0

    @property
    def doing(self) -> str:
        """What is under way, or what went wrong, in a few words; empty where nothing is."""
        if self._state.method == "t-sne" and self.refining:
            return f"refining t-SNE {self.progress:.0%}"
        return f"projection failed: {self.failure}" if self.failure else ""

    def forget(self) -> None:
        """Nothing that is shown or under way belongs to the present results."""
        self.quick.cancel()
        self.slow.cancel()
        self.shown = self._refined = None
        self._refining = 0
        self.failure = ""

    def stop(self) -> None:
        """End the threads."""
        self.quick.stop()
        self.slow.stop()

    def project(self, data: MapData, complete: bool) -> None:
        """Make a map of ``data`` as the state says; ``complete``: no more transitions will come."""
        self._data, self._complete = data, complete
        ids = data.ids

        def latents() -> NDArray[np.float32]:
            return data.latents

        if not len(ids):
            return
        method = self._state.method
        if method == "directions":
            self._stop_refining()
            self.quick.request(latents, ids, method, self.shown, axes=self._state.axes, targets=targets_of(data))
            return
        if method == "pca":
            self._stop_refining()
            self.quick.request(latents, ids, method, self.shown)
            return
        if self._refined is None:
            self.quick.request(latents, ids, "pca", self.shown)
        else:
            self.quick.request(latents, ids, "extend", self._refined)
        covered = self._refining or (len(self._refined.transitions) if self._refined is not None else 0)
        if len(ids) > GROWTH * covered or (complete and len(ids) != covered):
            self._refining, self.progress = len(ids), 0.0
            self.slow.request(latents, ids, "t-sne", self._refined)

    def _stop_refining(self) -> None:
        self.slow.cancel()
        self._refining = 0

    def _show(self, projection: Projection) -> None:
        self.shown = projection
        self.projected.emit(projection)

    @Slot(object)
    def _on_quick(self, projection: Projection) -> None:
        # While t-SNE moves, its own pictures show the map; a PCA that comes late would throw it back.
        if self._state.method == "t-sne" and self._refined is not None and projection.method == "pca":
            return
        self._show(projection)

    @Slot(object)
    def _on_refined(self, projection: Projection) -> None:
        self._refined, self.progress = projection, projection.progress
        if projection.progress >= 1.0:
            self._refining = 0
        if self._state.method != "t-sne":
            return
        data = self._data
        if len(data.ids) > len(projection.transitions):
            self.quick.request(lambda: data.latents, data.ids, "extend", projection)
        else:
            self._show(projection)

    @Slot(float)
    def _on_progress(self, share: float) -> None:
        self.progress = share
        self.progressed.emit()

    @Slot(str)
    def _on_failed(self, reason: str) -> None:
        self._refining = 0
        self.failure = reason
        self.progressed.emit()
