"""A report of one or several analysed drives: which there are to choose from, and what is to be written of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from lapose_core.annotations import Annotation, AnnotationError, read_annotations
from lapose_core.drive import LogError
from lapose_core.evaluation.metrics import Alignment
from lapose_core.export.files import Progress

if TYPE_CHECKING:
    from lapose_core.drive import Drive
    from lapose_core.evaluation.report import Subject
    from lapose_core.inference.result import DriveAnalysis

OpenDrive = Callable[[str, Path], "Drive"]
"""Opens the drive of a fingerprint, where nobody knows better from a path; may raise LogError."""
READING = 0.4
"""Share of the work that is reading results and opening logs, before the report is written."""


@dataclass(frozen=True)
class Analysed:
    """A drive with a result: stored in ``folder``, or, for the open one, ``subject`` as it is now."""

    name: str
    where: str
    folder: Path | None = None
    subject: Subject | None = None


@dataclass(frozen=True)
class ReportRequest:
    """Which drives, and how. ``pictures`` are taken from the logs, where they are still there."""

    drives: tuple[Analysed, ...]
    path: Path
    alignment: Alignment = "se3"
    pictures: bool = True


def stored_drives(results: Path, checkpoint_hash: str, rate: float, but_for: str) -> list[Analysed]:
    """Drives with a stored result of one model at one rate, but for the one with this fingerprint, by name."""
    from lapose_core.inference.store import ResultStore

    found = ResultStore(results).stored(checkpoint_hash, rate)
    listed = [
        Analysed(one.drive_name, one.drive_path, one.folder)
        for one in found
        if not (but_for and one.folder.name.startswith(but_for))
    ]
    return sorted(listed, key=lambda drive: (drive.name, drive.where))


def added_drive(folder: Path) -> Analysed:
    """The result that `lapose analyze` wrote into a folder.

    Raises:
        StoreError: where there is none.
    """
    from lapose_core.inference.store import read_description

    about = read_description(folder)
    return Analysed(str(about.get("drive_name", folder.name)), str(about.get("drive_path", "")), folder)


def subjects_of(request: ReportRequest, sessions: Path, open_drive: OpenDrive, progress: Progress) -> list[Subject]:
    """The results with their logs and their notes, which lie in ``sessions`` by fingerprint.

    A log that is gone, or has changed, lends no pictures.

    Raises:
        StoreError: where a result cannot be read.
        Cancelled: where ``progress`` raised it.
    """
    from lapose_core.evaluation.aligned import with_truth
    from lapose_core.evaluation.report import Subject
    from lapose_core.inference.store import read_result

    out = []
    for number, chosen in enumerate(request.drives):
        progress(READING * number / len(request.drives))
        if chosen.subject is not None:
            subject = chosen.subject
        else:
            assert chosen.folder is not None
            analysis = read_result(chosen.folder)
            drive = _log_of(analysis, open_drive)
            if drive is not None and drive.poses is not None and analysis.truth is None:
                analysis = with_truth(analysis, drive)
            subject = Subject(analysis, drive, _notes(sessions / analysis.fingerprint / "annotations.json"))
        out.append(subject if request.pictures else replace(subject, drive=None))
    return out


def _log_of(analysis: DriveAnalysis, open_drive: OpenDrive) -> Drive | None:
    from lapose_core.evaluation.aligned import require_same_samples

    try:
        drive = open_drive(analysis.fingerprint, Path(analysis.drive_path))
        require_same_samples(analysis, drive)
    except (LogError, OSError, ValueError):
        return None
    return drive


def _notes(path: Path) -> tuple[Annotation, ...]:
    try:
        return tuple(read_annotations(path)) if path.is_file() else ()
    except AnnotationError:
        return ()
