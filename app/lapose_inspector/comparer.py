"""The part of the controller that compares the analysis with another trajectory."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Slot
from PySide6.QtWidgets import QFileDialog

from lapose_inspector.workers.comparing import (
    CompareWorker,
    Problem,
    Work,
    compute_reference,
    read_file,
    run_checkpoint,
)

if TYPE_CHECKING:
    from lapose_core.evaluation.classical_reference import Name
    from lapose_inspector.inspector import Inspector

PAUSE = 700
"""Milliseconds without new results after which a growing analysis is compared anew."""


class Comparer(QObject):
    """Finds the other trajectory in the background and keeps the figures up to date with the analysis."""

    def __init__(self, app: Inspector, cache: Path) -> None:
        super().__init__(app)
        self._app, self._session, self._model = app, app.session, app.session.comparison
        self._cache = cache
        self.worker = CompareWorker(self)
        self.worker.progress.connect(self._on_progress)
        self.worker.found.connect(self._on_found)
        self.worker.compared.connect(self._on_compared)
        self._soon = QTimer(self, singleShot=True, interval=PAUSE)
        self._soon.timeout.connect(self._compare)
        self._session.drive_changed.connect(self.clear)
        self._session.analysis_changed.connect(self._on_analysis)

    def close(self) -> None:
        """End the threads and let go of the models."""
        self._soon.stop()
        self._session.drive_changed.disconnect(self.clear)
        self._session.analysis_changed.disconnect(self._on_analysis)
        self.worker.close()

    # -- asking

    def choose_file(self) -> None:
        """Ask for a pose file."""
        name, _ = QFileDialog.getOpenFileName(
            self._app.window, "Compare with a trajectory", self._app.opener.last_folder(),
            "Poses (*.txt *.tum *.kitti *.csv);;All files (*)",
        )  # fmt: skip
        if name:
            self.compare_file(Path(name))

    def choose_checkpoint(self) -> None:
        """Ask for a checkpoint folder."""
        name = QFileDialog.getExistingDirectory(self._app.window, "Compare with a checkpoint", str(Path.home()))
        if name:
            self.compare_checkpoint(Path(name))

    # -- carrying out

    def compare_file(self, path: Path) -> None:
        """Compare with the poses of a TUM, KITTI or CSV file."""
        drive = self._session.drive
        if drive is not None:
            self._find(f"Reading {path.name}", read_file(path, drive))

    def compare_checkpoint(self, path: Path) -> None:
        """Compare with another checkpoint's analysis at the present rate, stored or made now."""
        drive, info = self._session.drive, self._session.model_info
        if drive is not None:
            known = None if info is None else info.checkpoint_hash
            work = run_checkpoint(drive, self._session.rate, path, known, self._cache / "results")
            self._find(f"Analysing with {path.name}", work)

    def compare_reference(self, name: Name) -> None:
        """Compare with a classical reference on the analysis's samples."""
        from lapose_core.evaluation.classical import load_method
        from lapose_core.evaluation.classical_reference import TITLES, reference_camera

        session = self._session
        drive = session.drive
        if drive is None:
            return
        size = (1, 1) if session.model_info is None else session.model_info.image_size
        try:
            load_method(name)
            camera = reference_camera(drive, session.analysis, size)
        except (ImportError, ValueError) as error:
            self._app.window.show_panel("compare")
            self._model.say(problem=str(error))
            return
        frames = session.series.frames
        work = compute_reference(drive, frames, name, camera, self._cache / "references")
        self._find(f"Computing the {TITLES[name]}", work)

    @Slot()
    def clear(self) -> None:
        """Compare with nothing."""
        self.worker.cancel()
        self._soon.stop()
        self._model.say()
        if self._model.other is not None:
            self._model.set_other(None)

    def cancel(self) -> None:
        """Give up what is being found; what is compared already stays."""
        self.worker.cancel()
        self._model.say()

    def _find(self, doing: str, work: Work) -> None:
        self._app.window.show_panel("compare")
        self._model.say(doing)
        self.worker.find(work)

    @Slot(float)
    def _on_progress(self, share: float) -> None:
        if self._model.doing:
            self._model.say(self._model.doing, share)

    @Slot(object)
    def _on_found(self, found: object) -> None:
        if isinstance(found, Problem):
            self._model.say(problem=found.message)
            return
        self._model.say()
        self._model.set_other(found)  # type: ignore[arg-type]
        self._compare()

    def _on_analysis(self) -> None:
        if self._model.other is not None:
            # Figures of other samples must not stand beside the new ones.
            result, series = self._model.result, self._session.series
            if result is not None and len(result.apart.rotation) != len(series):
                self._model.set_result(None)
            self._soon.start()

    @Slot()
    def _compare(self) -> None:
        analysis, other, drive = self._session.analysis, self._model.other, self._session.drive
        if analysis is not None and other is not None and drive is not None:
            self.worker.compare(analysis, other, drive)

    @Slot(object)
    def _on_compared(self, result: object) -> None:
        if self._model.other is not None:
            self._model.set_result(result)  # type: ignore[arg-type]
