"""``lapose export``: an analysed drive as a file for other programs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import tyro

from lapose_core.commands.log_choice import LogChoice

if TYPE_CHECKING:
    from lapose_core.annotations import Annotation
    from lapose_core.drive import Drive
    from lapose_core.inference.result import DriveAnalysis


@dataclass(frozen=True)
class Export(LogChoice):
    """Write an analysed drive, or a part of it, in a format of another program (docs/export.md)."""

    result: tyro.conf.Positional[Path]
    """Folder that `lapose analyze` wrote."""

    to: Literal[
        "tum",
        "kitti",
        "csv",
        "parquet",
        "mcap",
        "rrd",
        "ply",
        "pcd",
        "glb",
        "geojson",
        "kml",
        "gpx",
        "html",
        "mp4",
        "svg",
        "png",
    ]
    """Format; docs/export.md says what each carries."""

    out: Path
    """File to write; an existing one is replaced. Annotations that the format cannot carry go beside it."""

    which: Literal["predicted", "truth"] = "predicted"
    """Which trajectory, in formats that hold one."""

    align: Literal["raw", "se3", "sim3"] = "raw"
    """How the prediction is brought onto the truth, where there is one: raw puts the first pose on the true
    first pose; se3 and sim3 (with scale) are least squares over the camera centres."""

    segment: int | None = None
    """Which contiguous piece of an analysis with gaps (0 is the first); by default all of them."""

    frames: tuple[int, int] | None = None
    """First and last frame of the drive to export, both included."""

    at_rate: float | None = None
    """Samples per second at the most; by default every analysed sample."""

    annotations: Path | None = None
    """Annotations of the drive, a JSON sidecar."""

    labels: tuple[str, ...] = ()
    """Annotations with one of these labels only."""

    severity: Literal["note", "minor", "major", "critical"] = "note"
    """Annotations at least as grave only."""

    pictures: bool = True
    """Whether the video goes along, in formats that can hold it and where the log is given."""

    longest: int | None = None
    """Pixels of a picture's longer side at the most."""

    cloud: Literal["truth", "predicted", "none"] = "predicted"
    """Path that the log's lidar sweeps are laid along, in 3D formats."""

    panels: tuple[Literal["video", "path", "trajectory", "tracks", "map"], ...] = (
        "video",
        "path",
        "trajectory",
        "tracks",
        "map",
    )
    """What the overlay video shows; path is drawn on the video."""

    subtitles: Literal["track", "burnt", "none"] = "track"
    """Annotations of the overlay video: a track that players can switch, drawn into the pictures, or left out."""

    panel: Literal["trajectory", "tracks", "map", "video", "3d"] = "trajectory"
    """What a figure shows; video and 3d are of one frame, and PNG only."""

    at: int | None = None
    """Frame of such a figure; by default the first of the range."""

    dpi: int = 300
    """Pixels per inch of a PNG figure."""

    log: Path | None = None
    """The log, for true poses where the result has none and for pictures. By default, where the format needs it, the
    path the result was made from."""

    def run(self) -> int:
        from tqdm import tqdm

        from lapose_core.evaluation.aligned import with_truth
        from lapose_core.export.bundle import Choice, export_bundle
        from lapose_core.export.formats import FORMATS, Options, write_export
        from lapose_core.inference.store import read_result

        analysis = read_result(self.result)
        drive = self._drive(analysis, needed="log" in FORMATS[self.to].needs or self._pictured())
        if drive is not None and drive.poses is not None and self.log is not None:
            analysis = with_truth(analysis, drive)
        first, last = self.frames or (0, None)
        choice = Choice(
            first,
            last,
            self.at_rate,
            self.align,
            labels=frozenset(self.labels) or None,
            severity=self.severity,
            segment=self.segment,
        )
        options = Options(
            self.which,
            self.pictures,
            self.longest,
            self.cloud,
            self.panels,
            self.subtitles,
            self.panel,
            self.at,
            self.dpi,
        )
        bundle = export_bundle(analysis, choice, drive=drive, annotations=self._notes(analysis))
        with tqdm(total=1.0, bar_format="{l_bar}{bar}| {elapsed}<{remaining}", disable=None, leave=False) as bar:
            written = write_export(bundle, self.to, self.out, options, lambda share: bar.update(share - bar.n))
        count = len(bundle.annotations)
        notes = f", {count} annotation{'s' * (count > 1)}" if count else ""
        print(f"{self.out}: {len(bundle)} samples{notes}, {bundle.alignment}")
        for path in written[1:]:
            print(f"{path}: the annotations, which the format cannot carry in full")
        return 0

    def _pictured(self) -> bool:
        return self.to == "png" and self.panel in ("video", "3d")

    def _drive(self, analysis: DriveAnalysis, needed: bool) -> Drive | None:
        if self.log is not None:
            return self.open(self.log)
        if not needed:
            return None
        path = Path(analysis.drive_path)
        if not path.exists():
            raise ValueError(f"{path}: the log is not there any more; say where it is with --log")
        return self.open(path)

    def _notes(self, analysis: DriveAnalysis) -> list[Annotation]:
        from lapose_core.annotations import read_annotations

        if self.annotations is None:
            return []
        found = read_annotations(self.annotations)
        if found.fingerprint != analysis.fingerprint:
            # A copied log has another fingerprint, and is the same drive all the same.
            name = found.drive_name or "an unnamed drive"
            print(f"note: {self.annotations} was made on another copy of the log, or on another drive ({name})")
        return list(found)
