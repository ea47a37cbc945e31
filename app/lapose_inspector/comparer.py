"""The part of the controller that compares the analysis with another trajectory."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Slot
from PySide6.QtWidgets import QFileDialog

from lapose_inspector.beside.set_analysis import Analyst
from lapose_inspector.models.comparison import PoseFile, Wish
from lapose_inspector.workers.comparing import (
    CompareWorker,
    Marked,
    Problem,
    Work,
    compute_reference,
    read_file,
    read_marks,
    read_stored,
    run_checkpoint,
    run_set,
)

if TYPE_CHECKING:
    from lapose_core.evaluation.classical_reference import Name
    from lapose_core.evaluation.set_comparison import SetComparison
    from lapose_core.inference.library import StoredResult
    from lapose_inspector.inspector import Inspector

PAUSE = 700
"""Milliseconds without new results after which a growing analysis is compared anew."""


class Comparer(QObject):
    """Finds the other trajectory in the background and keeps the figures up to date with the analysis."""

    def __init__(self, app: Inspector, cache: Path) -> None:
        super().__init__(app)
        self._app, self._session, self._model = app, app.session, app.session.comparison
        self._cache = cache
        self._checkpoint: Path | None = None
        """The checkpoint compared with, where it is one."""
        self._set_path: Path | None = None
        """Of the set that was compared on."""
        self._kept: SetComparison | None = None
        """Of the whole set, while the trajectory of another drive of it is awaited."""
        self.worker = CompareWorker(self)
        self.worker.progress.connect(self._on_progress)
        self.worker.found.connect(self._on_found)
        self.worker.compared.connect(self._on_compared)
        self._wish: Wish | None = None
        """What is being found."""
        self._restoring = False
        """Whether the wish of the session before waits for the analysis."""
        self._soon = QTimer(self, singleShot=True, interval=PAUSE)
        self._soon.timeout.connect(self._compare)
        self._session.drive_changed.connect(self._on_drive)
        for signal in (self._session.rate_changed, self._session.model_changed):
            signal.connect(self._drop_set)
        self._session.analysis_changed.connect(self._on_analysis)

    def close(self) -> None:
        """End the threads and let go of the models."""
        self._soon.stop()
        self._session.drive_changed.disconnect(self._on_drive)
        for signal in (self._session.rate_changed, self._session.model_changed):
            signal.disconnect(self._drop_set)
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
            self.compare_file(PoseFile(Path(name)))

    def choose_checkpoint(self) -> None:
        """Ask for a checkpoint folder."""
        name = QFileDialog.getExistingDirectory(self._app.window, "Compare with a checkpoint", str(Path.home()))
        if name:
            self.compare_checkpoint(Path(name))

    def choose_stored(self) -> None:
        """Choose another checkpoint's stored result of this drive at this rate."""
        from lapose_core.inference.library import stored_results

        analysis = self._session.analysis
        if analysis is None:
            return
        key = analysis.key
        found = [
            result
            for result in stored_results(self._cache / "results")
            if (result.key.fingerprint, result.key.rate) == (key.fingerprint, key.rate)
            and result.key.checkpoint_hash != key.checkpoint_hash
        ]
        title = "Compare with a stored result"
        if not found:
            text = (
                f"No other checkpoint has analysed {analysis.drive_name} at {key.rate:g} Hz: choose its folder instead."
            )
            self._app.show_error(title, text, "")
            return
        from lapose_inspector.views.chooser import Chooser
        from lapose_inspector.views.result_rows import RESULT_COLUMNS, result_cells

        rows = [result_cells(result) for result in found]
        Chooser(title, RESULT_COLUMNS, rows, lambda place: self.compare_stored(found[place]), self._app.window).open()

    # -- carrying out

    def compare_stored(self, result: StoredResult) -> None:
        """Compare with a stored result of this drive."""
        self._checkpoint = None
        self._model.set_file(None)
        wish = Wish(kind="stored", path=result.folder)
        self._find(f"Reading the result of {result.checkpoint_name}", read_stored(result.folder), wish)

    @Slot(object)
    def compare_file(self, file: PoseFile) -> None:
        """Compare with the poses of a TUM, KITTI or CSV file."""
        drive = self._session.drive
        if drive is not None:
            self._model.set_file(file)
            wish = Wish(kind="file", path=file.path, time_offset=file.time_offset, pose_frame=file.pose_frame)
            self._find(f"Reading {file.path.name}", read_file(file, drive, self._session.series.frames), wish)

    def compare_checkpoint(self, path: Path) -> None:
        """Compare with another checkpoint's analysis at the present rate, stored or made now."""
        drive, info = self._session.drive, self._session.model_info
        if drive is not None:
            known = None if info is None else info.checkpoint_hash
            self._checkpoint = path
            self._model.set_file(None)
            work = run_checkpoint(drive, self._analyst(path), known, self._waits)
            self._find(f"Analysing with {path.name}", work, Wish(kind="checkpoint", path=path))

    @property
    def can_compare_set(self) -> bool:
        """Whether a checkpoint is compared with, on a drive that is one of several."""
        other = self._model.other
        several = len(self._app.opener.dataset.listings) > 1 and self._app.opener.dataset.current is not None
        return other is not None and other.kind == "checkpoint" and several and self._checkpoint is not None

    def toggle_set(self) -> None:
        """Compare both checkpoints on every drive of the set, or on the open drive alone again."""
        mine = self._app.model.checkpoint
        if self._model.whole_set is not None:
            self._model.set_whole_set(None)
        elif self._checkpoint is not None and mine is not None and (drives := self._app.opener.set_drives()):
            self._set_path = drives.path
            work = run_set(drives, self._analyst(mine), self._analyst(self._checkpoint), self._waits)
            self._find(f"Comparing on {len(drives.listings)} drives", work)

    def choose_manifest(self) -> None:
        """Ask for a training manifest."""
        name, _ = QFileDialog.getOpenFileName(
            self._app.window, "Clips of a training manifest", self._app.opener.last_folder(),
            "Training manifest (*.json);;All files (*)",
        )  # fmt: skip
        if name:
            self.mark_manifest(Path(name))

    def mark_manifest(self, path: Path) -> None:
        """Give figures of the clips in a manifest's stretches, and of the others."""
        self._find(f"Reading {path.name}", read_marks(path))

    def _waits(self) -> bool:
        """Whether the open drive's own analysis goes first."""
        return self._app.analysis.running

    def _analyst(self, checkpoint: Path) -> Analyst:
        return Analyst(
            checkpoint, self._session.rate, self._cache / "results", ignore_camera=not self._session.use_camera
        )

    def compare_reference(self, name: Name) -> None:
        """Compare with a classical reference on the analysis's samples."""
        from lapose_core.evaluation.classical import check_installed
        from lapose_core.evaluation.classical_reference import TITLES, reference_camera

        session = self._session
        drive = session.drive
        if drive is None:
            return
        size = (1, 1) if session.model_info is None else session.model_info.image_size
        try:
            check_installed(name)
            camera = reference_camera(drive, session.analysis, size)
        except (ImportError, ValueError) as error:
            self._app.window.show_panel("compare")
            self._model.say(problem=str(error))
            return
        frames = session.series.frames
        self._model.set_file(None)
        folder = self._cache / "references"
        work = compute_reference(drive, frames, name, camera, folder, stored_only=self._restoring)
        self._find(f"Computing the {TITLES[name]}", work, Wish(kind=name))

    @Slot()
    def clear(self) -> None:
        """Compare with nothing."""
        self.worker.cancel()
        self._soon.stop()
        self._kept = self._wish = self._model.kept = None
        self._restoring = False
        self._model.set_file(None)
        self._model.say()
        if self._model.other is not None:
            self._model.set_other(None)

    def cancel(self) -> None:
        """Give up what is being found; what is compared already stays."""
        self.worker.cancel()
        self._model.say()

    def restore(self, wish: Wish) -> None:
        """Compare again as when the drive was open last, once it is analysed; what is gone is left out."""
        if self._kept is None and not self._model.doing:
            self._model.kept, self._restoring = wish, True
            self._on_analysis()

    def _find(self, doing: str, work: Work, wish: Wish | None = None) -> None:
        self._wish = wish
        if not self._restoring:
            self._app.window.show_panel("compare")
        self._restoring = False
        self._model.say(doing)
        self.worker.find(work)

    @Slot(float)
    def _on_progress(self, share: float) -> None:
        if self._model.doing:
            self._model.say(self._model.doing, share)

    @Slot(object)
    def _on_found(self, found: object) -> None:
        from lapose_core.evaluation.comparison import Trajectory

        if isinstance(found, Problem):
            self._kept = None
            if self._model.other is None:
                self._model.kept = None
            self._model.say(problem=found.message)
            return
        self._model.say()
        if isinstance(found, Marked):
            self._model.mark(found.name, found.marks)
        elif isinstance(found, Trajectory):
            self._model.kept = self._wish
            self._model.set_other(found)
            self._model.set_whole_set(self._kept)
            self._kept = None
            self._compare()
        else:
            self._model.set_whole_set(found)  # type: ignore[arg-type]

    def _drop_set(self, *_: object) -> None:
        """Figures of another rate or model must not stay."""
        if self._model.whole_set is not None:
            self._model.set_whole_set(None)
        if self._restoring:
            self._on_analysis()

    def _on_drive(self) -> None:
        """Another drive has another trajectory; a comparison over the whole set goes on in it."""
        whole, checkpoint, dataset = self._model.whole_set, self._checkpoint, self._app.opener.dataset
        self.clear()
        same_set = dataset.current is not None and dataset.path == self._set_path
        if whole is not None and checkpoint is not None and same_set:
            self.compare_checkpoint(checkpoint)
            self._kept = whole

    def _on_analysis(self) -> None:
        analysis = self._session.analysis
        ready = analysis is not None and analysis.complete and self._session.model_info is not None
        if self._restoring and ready:
            self._restore()
        if self._model.other is not None:
            # Figures of other samples must not stand beside the new ones.
            result, series = self._model.result, self._session.series
            if result is not None and len(result.apart.rotation) != len(series):
                self._model.set_result(None)
            self._soon.start()

    def _restore(self) -> None:
        wish = self._model.kept
        path = None if wish is None else wish.path
        if wish is None or (path is not None and not path.exists()):
            self._model.kept, self._restoring = None, False
        elif wish.kind == "file" and path is not None:
            self.compare_file(PoseFile(path, wish.time_offset, wish.pose_frame))
        elif wish.kind == "checkpoint" and path is not None:
            self.compare_checkpoint(path)
        elif wish.kind == "stored" and path is not None:
            self._find("Reading the stored result", read_stored(path), wish)
        elif wish.kind in ("opencv", "colmap"):
            self.compare_reference(wish.kind)
            self._restoring = False

    @Slot()
    def _compare(self) -> None:
        analysis, other, drive = self._session.analysis, self._model.other, self._session.drive
        if analysis is not None and other is not None and drive is not None:
            self.worker.compare(analysis, other, drive)

    @Slot(object)
    def _on_compared(self, result: object) -> None:
        if self._model.other is not None:
            self._model.set_result(result)  # type: ignore[arg-type]
