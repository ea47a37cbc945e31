"""The formats that leave the program, and the one call that writes any of them."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from lapose_core.export.files import Progress, no_progress, write_text

if TYPE_CHECKING:
    from lapose_core.annotations import AnnotationSet
    from lapose_core.export.bundle import Exported

Which = Literal["predicted", "truth"]


@dataclass(frozen=True)
class Options:
    """How a format is written; each takes what concerns it.

    Attributes:
        which: the path in formats that hold one.
        pictures: whether the video goes along.
        longest: pixels of a picture's longer side at the most; None leaves its size.
        cloud: the path that the log's lidar sweeps are laid along.
        panels: of the overlay video, some of `overlay_video.PANELS`.
        subtitles: annotations of the overlay video: a track that players switch, drawn into it, or none.
        panel: of a figure, one of `figures.SIZES` or `figures.PICTURED`.
        frame: of a figure that shows one; None is the first of the range.
        dpi: of a figure in pixels per inch.
    """

    which: Which = "predicted"
    pictures: bool = True
    longest: int | None = None
    cloud: Literal["truth", "predicted", "none"] = "predicted"
    panels: tuple[str, ...] = ("video", "path", "trajectory", "tracks", "map")
    subtitles: Literal["track", "burnt", "none"] = "track"
    panel: str = "trajectory"
    frame: int | None = None
    dpi: int = 300


Writer = Callable[["Exported", Path, Options, Progress], None]


@dataclass(frozen=True)
class Format:
    """A file format.

    Attributes:
        key: as on the command line.
        title: as in menus.
        suffix: of its files.
        module, function: the writer, imported when it is needed.
        tip: what it is for, one sentence.
        group: formats of one group stand together in menus.
        annotations: whether a file gives annotations back in full; where not, a sidecar lies beside it.
        needs: what it cannot be written without.
        options: the fields of `Options` it looks at.
    """

    key: str
    title: str
    suffix: str
    module: str
    function: str
    tip: str
    group: str
    annotations: bool = False
    needs: frozenset[Literal["prediction", "log", "origin"]] = frozenset()
    options: tuple[str, ...] = ()


def _tum(bundle: Exported, path: Path, options: Options, progress: Progress) -> None:
    from lapose_core.export.bundle import AXES
    from lapose_core.export.tables import annotation_words
    from lapose_core.export.tum import write_tum

    rows = _single(bundle, options.which)
    poses = bundle.predicted if options.which == "predicted" else bundle.truth
    source = [f"model {bundle.model}, {bundle.rate:g} Hz", bundle.alignment] if options.which == "predicted" else []
    notes = [f"annotation {a.first_frame}-{a.last_frame} {annotation_words(a)}" for a in bundle.annotations]
    comments = [f"{options.which} trajectory of {bundle.drive_name}", *source, AXES, *notes]
    write_tum(path, bundle.times[rows], poses[rows], comments)


def _kitti(bundle: Exported, path: Path, options: Options, progress: Progress) -> None:
    from lapose_core.export.kitti import write_kitti

    rows = _single(bundle, options.which)
    if options.which == "truth" and len(rows) < len(bundle):
        raise ValueError(
            f"{bundle.drive_name}: {len(bundle) - len(rows)} of {len(bundle)} samples have no true pose and a KITTI "
            "file has no times to tell which: export --to tum"
        )
    write_kitti(path, (bundle.predicted if options.which == "predicted" else bundle.truth)[rows])


def _single(bundle: Exported, which: Which) -> np.ndarray:
    """The samples of a path that these formats can hold: one that is chained throughout."""
    from lapose_core.export.bundle import piece_words

    runs = bundle.runs(which)
    if not runs and which == "truth":
        raise ValueError(f"{bundle.drive_name}: there are no true poses; give the log that has them with --log")
    if not runs:
        raise ValueError(f"{bundle.drive_name}: nothing is analysed yet in these frames; run `lapose analyze` first")
    if which == "predicted" and len(set(bundle.piece[bundle.predicted_valid].tolist())) > 1:
        raise ValueError(
            f"{bundle.drive_name}: {piece_words(bundle.analysis)}; finish the analysis, export fewer frames, or choose "
            "one piece with --segment"
        )
    return np.concatenate(runs)


FORMATS: dict[str, Format] = {
    f.key: f
    for f in (
        Format("tum", "TUM", ".tum", __name__, "_tum", "One path with times, for evo and SLAM tools.", "paths",
               options=("which",)),
        Format("kitti", "KITTI", ".txt", __name__, "_kitti", "One path as 3 x 4 matrices, a line a sample.", "paths",
               options=("which",)),
        Format("csv", "CSV", ".csv", "tables", "write_csv", "A row a sample: both paths, errors, latents, notes.",
               "tables"),
        Format("parquet", "Parquet", ".parquet", "tables", "write_parquet",
               "The same table for pandas, polars and duckdb, with units.", "tables", annotations=True),
        Format("mcap", "MCAP for Foxglove", ".mcap", "mcap", "write_mcap",
               "Video, both paths, transforms, scene, errors and notes for Foxglove.", "viewers", annotations=True,
               options=("pictures", "longest")),
        Format("rrd", "Rerun", ".rrd", "rerun_file", "write_rrd",
               "The same for the Rerun viewer, laid out like this window.", "viewers",
               options=("pictures", "longest", "cloud")),
        Format("ply", "PLY", ".ply", "mesh", "write_ply", "Paths, cameras and lidar as coloured lines and points.",
               "3d", options=("cloud",)),
        Format("pcd", "PCD", ".pcd", "mesh", "write_pcd", "Camera centres and lidar as coloured points.", "3d",
               options=("cloud",)),
        Format("glb", "GLB", ".glb", "mesh", "write_glb", "Paths, cameras and lidar for any 3D viewer.", "3d",
               options=("cloud",)),
        Format("geojson", "GeoJSON", ".geojson", "geo", "write_geojson", "Both paths and the notes on a map.", "maps",
               annotations=True, needs=frozenset({"log", "origin"})),
        Format("kml", "KML", ".kml", "geo", "write_kml", "Both paths and the notes for Google Earth.", "maps",
               needs=frozenset({"log", "origin"})),
        Format("gpx", "GPX", ".gpx", "geo", "write_gpx", "Both paths as tracks, the notes as waypoints.", "maps",
               needs=frozenset({"log", "origin"})),
        Format("html", "Report", ".html", "html", "write_html",
               "A page on the whole drive: figures, regimes, worst segments, plots, notes.", "pictures",
               needs=frozenset({"prediction"})),
        Format("mp4", "Overlay video", ".mp4", "overlay_video", "write_mp4",
               "Every frame with the paths on the road, 3D, tracks and map.", "pictures", needs=frozenset({"log"}),
               options=("panels", "subtitles")),
        Format("svg", "Figure, SVG", ".svg", "figures", "write_figure", "A panel for print, as lines.", "pictures",
               options=("panel",)),
        Format("png", "Figure, PNG", ".png", "figures", "write_figure", "A panel for print, as pixels.", "pictures",
               options=("panel", "dpi")),
    )
}  # fmt: skip


def write_export(
    bundle: Exported,
    form: str,
    path: Path,
    options: Options | None = None,
    progress: Progress = no_progress,
) -> list[Path]:
    """Write ``bundle`` as the format with the key ``form``; returns the files written.

    Each is whole or not there. Where the format cannot carry annotations in full, and there are any, they lie in a
    sidecar beside it, ``<file>.annotations.json``, which `lapose_core.annotations.read_annotations` reads.

    Raises:
        ValueError: where the bundle lacks what the format needs, or there is no such folder.
        Cancelled: where ``progress`` raised it; there is then no new file.
        OSError: where the disk refuses.
    """
    from lapose_core.annotations import to_json

    known = FORMATS[form]
    module = known.module if "." in known.module else f"lapose_core.export.{known.module}"
    function = getattr(importlib.import_module(module), known.function)
    arguments = (options or Options(),) if known.options else ()
    function(bundle, path, *arguments, progress)
    written = [path]
    if bundle.annotations and not known.annotations:
        written.append(sidecar_path(path))
        write_text(written[1], to_json(annotation_set(bundle)))
    progress(1.0)
    return written


def sidecar_path(path: Path) -> Path:
    """Where the annotations of an exported file lie."""
    return path.with_name(f"{path.name}.annotations.json")


def annotation_set(bundle: Exported) -> AnnotationSet:
    """The exported annotations as a set that merges into the drive's."""
    from lapose_core.annotations import AnnotationSet

    notes = {note.id: note for note in bundle.annotations}
    return AnnotationSet(bundle.analysis.fingerprint, bundle.drive_name, notes)


def default_name(drive: str, form: str, which: Which = "predicted") -> str:
    """A file name such as ``00.predicted.tum`` or ``00.parquet``."""
    safe = re.sub(r"[^\w.-]+", "_", drive).strip("._") or "drive"
    known = FORMATS[form]
    return f"{safe}.{which}{known.suffix}" if "which" in known.options else f"{safe}{known.suffix}"
