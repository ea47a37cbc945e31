"""Maps of latent actions, made off the GUI thread: PCA at once in a thread, t-SNE refined in a process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QObject, Signal, Slot

from lapose_inspector.beside.calls import Calls, Stale
from lapose_inspector.beside.projecting import Projection, Targets, along, extend, pca, refine
from lapose_inspector.workers.latest import IDLE, LatestWorker

Request = Literal["pca", "t-sne", "directions", "extend"]


class ProjectionWorker(QObject):
    """Projects in a thread of its own, t-SNE in a process. Latest wins: a request drops the one before it.

    ``projected`` carries a Projection; t-SNE sends many, with growing ``progress``, and before
    the first of them only ``progressed``, 0..1. The process ends when it had nothing to do for ``idle`` seconds.
    """

    projected = Signal(object)
    progressed = Signal(float)
    failed = Signal(str)
    _interim = Signal(object, object)

    def __init__(self, parent: QObject | None = None, *, idle: float = IDLE) -> None:
        super().__init__(parent)
        self._beside = Calls("t-SNE")
        self._worker = LatestWorker("projection", self, rest=self._beside.rest, idle=idle)
        self._worker.done.connect(self._on_done)
        self._worker.failed.connect(self.failed)
        self._interim.connect(self._on_interim)

    def request(
        self,
        latents: NDArray[np.float32] | Callable[[], NDArray[np.float32]],
        transitions: NDArray[np.int64],
        method: Request,
        previous: Projection | None = None,
        *,
        axes: tuple[str, str] = ("pc1", "pc2"),
        targets: Targets | None = None,
    ) -> None:
        """Project latents [n, A] (finite), or those that are called for in the worker's thread, of transitions [n].

        ``axes`` and ``targets`` are those of a map of directions.

        ``previous`` is the map on the screen: t-SNE starts from it, and the result is turned onto it.
        ``extend`` places new transitions into it and leaves the others where they are.
        """

        def job(stale: Stale) -> object:
            projection = project(stale)
            if projection is not None and len(projection.points):
                _ = projection.tree, projection.thinned, projection.extent
            return projection

        def project(stale: Stale) -> Projection | None:
            def show(picture: Projection | float) -> None:
                self._interim.emit(picture, stale)

            wanted = latents() if callable(latents) else latents
            if method == "pca":
                return pca(wanted, transitions, previous)
            if method == "directions":
                return along(wanted, transitions, axes, targets or {})
            if method == "extend" and previous is not None:
                return extend(wanted, transitions, previous)
            # Without what it has found about itself, such as its tree.
            bare = None if previous is None else replace(previous)
            return self._beside.run(refine, wanted, transitions, bare, tell=show, stale=stale)

        self._worker.submit(job)

    @property
    def process_id(self) -> int | None:
        """Of the process that lays out t-SNE; None where none runs."""
        return self._beside.pid

    def cancel(self) -> None:
        """Drop what is under way."""
        self._worker.cancel()

    def stop(self) -> None:
        """Drop what is under way and end the thread and the process; see LatestWorker for a library call that cannot be
        ended."""
        self._worker.stop()
        self._beside.close()

    @Slot(object)
    def _on_done(self, projection: Projection | None) -> None:
        if projection is not None:
            self.projected.emit(projection)

    @Slot(object, object)
    def _on_interim(self, picture: Projection | float, stale: Stale) -> None:
        if stale():
            return
        if isinstance(picture, Projection):
            self.projected.emit(picture)
        else:
            self.progressed.emit(picture)
