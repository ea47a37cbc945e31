"""What the user wants to export, and the bundle that comes of it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from lapose_core.annotations import Annotation
from lapose_core.drive import Drive
from lapose_core.export.bundle import Choice
from lapose_core.export.formats import FORMATS, Options

if TYPE_CHECKING:
    from lapose_core.export.bundle import Exported
    from lapose_core.inference.result import DriveAnalysis
    from lapose_inspector.models.session import Session

RATES: tuple[float | None, ...] = (None, 10.0, 5.0, 2.0, 1.0)
"""Samples per second offered; None keeps every analysed one."""


@dataclass(frozen=True)
class ExportRequest:
    """A format, what of the drive, how and where to."""

    form: str
    path: Path
    choice: Choice = field(default_factory=Choice)
    options: Options = field(default_factory=Options)


@dataclass(frozen=True)
class Source:
    """What is exported from: a snapshot that later analysis does not change."""

    drive: Drive
    analysis: DriveAnalysis | None
    annotations: tuple[Annotation, ...] = ()

    @classmethod
    def of(cls, session: Session) -> Source:
        """What is open now.

        Raises:
            ValueError: without a drive.
        """
        if session.drive is None:
            raise ValueError("no drive is open")
        return cls(session.drive, session.analysis, tuple(session.annotations.notes))

    def bundle(self, request: ExportRequest) -> Exported:
        """The part that is asked for. A true path alone has every frame of the drive.

        Raises:
            ValueError: where the frames hold nothing to export.
        """
        from lapose_core.export.bundle import export_bundle

        wants_truth = "which" in FORMATS[request.form].options and request.options.which == "truth"
        analysis = self.analysis
        choice = request.choice
        if analysis is None or wants_truth:
            analysis, choice = _empty(self.drive), replace(choice, segment=None)
        return export_bundle(analysis, choice, drive=self.drive, annotations=self.annotations)


def missing(session: Session, form: str) -> str:
    """Why the open drive cannot be exported as ``form``, in one sentence; '' where it can."""
    drive = session.drive
    if drive is None:
        return "Open a drive first."
    analysed = session.analysis is not None and bool(session.analysis.done.any())
    if not analysed and (drive.poses is None or "prediction" in FORMATS[form].needs):
        return "Nothing is analysed yet: run the analysis first (F5)."
    if "origin" in FORMATS[form].needs and drive.geodetic_origin is None:
        return (
            "It is not known where on the Earth this drive lies: its log does not tell, or its poses come from "
            "elsewhere. KITTI raw, comma2k19, Argoverse 2 with its map and recordings with fixes have a place."
        )
    return ""


def _empty(drive: Drive) -> DriveAnalysis:
    """All frames of a drive with their truth and no prediction."""
    from lapose_core.inference.result import DriveAnalysis

    return DriveAnalysis.for_drive(
        drive, max(drive.rate, 1e-3), window=2, latent_dim=1, checkpoint_hash="-", checkpoint_name="no model"
    )
