"""What would become of a log with a pose file beside it, found out before it is opened so."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from PySide6.QtCore import QObject, Signal, Slot

from lapose_core.drive import Drive, LogError
from lapose_core.geometry import path_length
from lapose_core.logs.reader import LogOptions
from lapose_inspector.workers.latest import LatestWorker, Stale


@dataclass(frozen=True)
class ImportReport:
    """What will be assumed, as sentences; ``problem`` is one line where it cannot be opened so."""

    lines: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    problem: str = ""


class ImportCheck(QObject):
    """Reads a log without poses once, and then each pose file and choice against its frames. Latest wins."""

    reported = Signal(object)
    """ImportReport of the newest request."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._worker = LatestWorker("import", self)
        self._worker.done.connect(self._on_done)
        self._known: tuple[Path, str | None, str | None, Drive] | None = None

    def check(self, path: Path, drive: str | None, options: LogOptions) -> None:
        """Find out about ``path`` with these options."""

        def job(stale: Stale) -> object:
            try:
                opened = self._open(path, drive, options.camera)
                return ImportReport() if stale() else report(opened, options)
            except LogError as error:
                return ImportReport(problem=str(error))
            except Exception as error:  # a reader's bug is told like a broken log
                return ImportReport(problem=f"{path}: {type(error).__name__}: {error}")

        self._worker.submit(job)

    def close(self) -> None:
        """Let go of the thread; a log that is being opened is not waited for."""
        self._worker.abandon()

    def _open(self, path: Path, key: str | None, camera: str | None) -> Drive:
        from lapose_core.logs import list_drives, open_log

        if key is None and len(list_drives(path)[1]) > 1:
            raise LogError(f"{path}: several drives; open it, choose one, then File › Poses of this drive")
        if self._known is None or self._known[:3] != (path, key, camera):
            self._known = (path, key, camera, open_log(path, drive=key, options=LogOptions(camera=camera)))
        return self._known[3]

    @Slot(object)
    def _on_done(self, result: ImportReport) -> None:
        self.reported.emit(result)


def report(drive: Drive, options: LogOptions) -> ImportReport:
    """What ``drive`` becomes with the poses of ``options``.

    Raises:
        LogError: where the pose file cannot be read or does not fit.
    """
    from lapose_core.logs.sanity import check_poses
    from lapose_core.trajectory_files import poses_from

    rate = f"{drive.rate:.4g} frames per second" if len(drive) > 1 else "one frame"
    count = f"{len(drive)} frame{'' if len(drive) == 1 else 's'}"
    lines = [f"{count} of {drive.width}×{drive.height}, 0 to {drive.duration:.2f} s, {rate}."]
    found = poses_from(options, drive.timestamps)
    notes: tuple[str, ...] = ()
    if found is not None:
        lines.append(f"Poses: {found.provenance}.")
        notes = found.notes
        drive = replace(drive, poses=found.poses, pose_valid=found.valid)
    elif drive.poses is None:
        lines.append("No poses: choose a file to compare the prediction with.")
    else:
        lines.append(f"Poses of the log itself: {drive.provenance.get('poses', 'as read')}.")
    if drive.poses is not None and drive.pose_valid is not None:
        known = int(drive.pose_valid.sum())
        metres = path_length(drive.poses[drive.pose_valid]) if known > 1 else 0.0
        lines.append(f"{known} of {count} with a pose; the path is {metres:.1f} m long.")
    sanity = check_poses(drive)
    if sanity is not None:
        lines.append(f"{sanity.words[0].upper()}{sanity.words[1:]}.")
    return ImportReport((*lines, *notes), () if sanity is None else sanity.problems)
