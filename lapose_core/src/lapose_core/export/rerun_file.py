"""A recording for the Rerun viewer (https://rerun.io), laid out like this program's own panels.

Timelines: ``frame`` is the drive's frame, ``time`` its clock.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lapose_core.annotations import annotation_row
from lapose_core.export.bundle import Exported
from lapose_core.export.colours import path_colours, rgb, yaw_rate_colours
from lapose_core.export.files import Progress, no_progress, replacing
from lapose_core.export.mesh import laid_cloud
from lapose_core.export.pictures import drive_of, even_size, pictures
from lapose_core.export.shapes import frusta, frustum_samples, latent_plane
from lapose_core.export.tables import annotation_words
from lapose_core.export.video_stream import encoded
from lapose_core.geometry import quaternion_from_matrix
from lapose_core.palette import PREDICTION, TRUTH

if TYPE_CHECKING:
    from lapose_core.export.formats import Options

_LEVELS = {"note": "INFO", "minor": "WARN", "major": "ERROR", "critical": "CRITICAL"}
_NEUTRAL = [183, 192, 206]
_PAIRED = ("speed", "true_speed", "yaw_rate", "true_yaw_rate")
"""Columns whose lines have the colours of prediction and truth."""
# Column -> plot, unit as shown, factor.
_PLOTS = {
    "speed": ("speed m/s", 1.0),
    "true_speed": ("speed m/s", 1.0),
    "yaw_rate": ("yaw rate °/s", 180 / np.pi),
    "true_yaw_rate": ("yaw rate °/s", 180 / np.pi),
    "rotation_error": ("rotation error °", 180 / np.pi),
    "direction_error": ("direction error °", 180 / np.pi),
    "scale_ratio": ("predicted over true step", 1.0),
    "position_error": ("position error m", 1.0),
    "confidence": ("confidence", 1.0),
    "cross_entropy": ("forward model nats per code", 1.0),
}


def write_rrd(bundle: Exported, path: Path, options: Options, progress: Progress = no_progress) -> None:
    """Write a recording with its blueprint; the pictures go along where the log is at hand and they are wanted.

    Raises:
        ValueError: where there is no such folder, or the Rerun SDK is not installed.
        LogError: naming a frame that cannot be decoded.
    """
    try:
        import rerun as rr
    except ImportError as error:
        raise ValueError(f"the Rerun SDK cannot be imported ({error}); pip install 'lapose-core[rerun]'") from error
    with_pictures = options.pictures and bundle.drive is not None
    with replacing(path) as part, part.open("wb") as file:
        # Its own data stream, not the process's: another recording may be open.
        recording = rr.RecordingStream("lapose_inspector", recording_id=f"{bundle.analysis.fingerprint}-{path.stem}")
        # Where the disk is full the SDK's own file sink waits for ever. In memory the video is as large as in the file.
        stream = recording.binary_stream()
        recording.send_blueprint(_blueprint(bundle, with_pictures), make_active=False, make_default=True)
        try:
            _log_static(recording, rr, bundle, options, progress)
            _log_samples(recording, rr, bundle)
            _log_notes(recording, rr, bundle)
            if with_pictures:
                _log_pictures(recording, rr, bundle, options, progress)
            file.write(stream.read() or b"")
        finally:
            recording.disconnect()


def _blueprint(bundle: Exported, with_pictures: bool) -> Any:
    """As in the window: video over the 3D view, the latent map over notes and description, and below them the tracks.

    The tracks stand side by side, for the viewer gives each a title that in a row of its own is half of its height.
    """
    import rerun.blueprint as rrb

    left = [rrb.Spatial3DView(name="3D trajectory", origin="/world")]
    if with_pictures:
        left.insert(0, rrb.Spatial2DView(name="Video", origin="/video"))
    words = rrb.Tabs(
        rrb.TextLogView(name="Annotations", origin="/annotations"),
        rrb.TextDocumentView(name="About", origin="/about"),
    )
    right = [rrb.Spatial2DView(name="Latent map", origin="/latent_map"), words]
    above = rrb.Horizontal(rrb.Vertical(*left), rrb.Vertical(*right, row_shares=[3, 2]), column_shares=[3, 2])
    plots = list(dict.fromkeys(plot for name, (plot, _) in _PLOTS.items() if np.isfinite(bundle[name]).any()))
    tracks = rrb.Grid(
        *(
            # Colours mean the same everywhere, so one legend does.
            rrb.TimeSeriesView(
                name=plot, origin=f"/tracks/{_key(plot)}", plot_legend=rrb.PlotLegend(visible=plot == plots[0])
            )
            for plot in plots
        ),
        grid_columns=4,
        name="Tracks",
    )
    return rrb.Blueprint(
        rrb.Vertical(above, tracks, row_shares=[2, 1]) if plots else above,
        rrb.TimePanel(timeline="frame", state="collapsed"),
        collapse_panels=True,
    )


def _key(plot: str) -> str:
    return "".join(c if c.isalnum() else "_" for c in plot.encode("ascii", "ignore").decode()).strip("_")


def _log_static(recording: Any, rr: Any, bundle: Exported, options: Options, progress: Progress) -> None:
    about = "\n".join(f"- **{key}**: {text}" for key, text in bundle.description().items())
    about += f"\n- **origin_in_world_m**: {bundle.centre.tolist()}"
    recording.log("about", rr.TextDocument(about, media_type=rr.MediaType.MARKDOWN), static=True)
    # The world is turned upright; everything below stays in the log's own axes, counted from the first camera.
    recording.log("world", rr.ViewCoordinates.RIGHT_HAND_Z_UP, static=True)
    recording.log("world/log", rr.Transform3D(mat3x3=bundle.upright), static=True)
    for which, name, colour in (("truth", "ground_truth", TRUTH), ("predicted", "prediction", PREDICTION)):
        runs = bundle.runs(which)
        if not runs:
            continue
        centres = (bundle.truth if which == "truth" else bundle.predicted)[:, :3, 3] - bundle.centre
        colours = (255 * path_colours(bundle, which)).round().astype(np.uint8)
        # A strip has one colour, so a path whose colours change is one of two points a piece.
        pieces = [centres[[a, b]] for run in runs for a, b in itertools.pairwise(run)]
        starts = np.concatenate([run[:-1] for run in runs])
        recording.log(f"world/log/{name}/path", rr.LineStrips3D(pieces, colors=colours[starts]), static=True)
        points, lines = frusta(bundle, which, frustum_samples(bundle, which))
        strips = (points - bundle.centre)[lines]
        flat = [round(255 * c) for c in rgb(colour)]
        recording.log(f"world/log/{name}/cameras", rr.LineStrips3D(strips, colors=flat), static=True)
        for column in ("speed", "yaw_rate"):
            entity = f"tracks/{_key(_PLOTS[column][0])}/{name}"
            recording.log(entity, rr.SeriesLines(colors=flat, names=name.replace("_", " ")), static=True)
    for column, (plot, _) in _PLOTS.items():
        if column not in _PAIRED and np.isfinite(bundle[column]).any():
            lines = rr.SeriesLines(colors=_NEUTRAL, names=column.replace("_", " "))
            recording.log(f"tracks/{_key(plot)}/prediction", lines, static=True)
    cloud = laid_cloud(bundle, options, progress)
    if len(cloud):
        recording.log("world/log/lidar", rr.Points3D(cloud - bundle.centre, colors=[150, 150, 150]), static=True)
    points = latent_plane(bundle)
    known = np.isfinite(points).all(axis=1)
    if known.any():
        colours = (255 * yaw_rate_colours(bundle)).astype(np.uint8)
        dots = rr.Points2D(points[known], colors=colours[known], radii=rr.Radius.ui_points(3))
        recording.log("latent_map/all", dots, static=True)


def _log_samples(recording: Any, rr: Any, bundle: Exported) -> None:
    plane = latent_plane(bundle)
    for row in range(len(bundle)):
        _at(recording, int(bundle.frames[row]), float(bundle.times[row]))
        for name, poses, valid in (
            ("ground_truth", bundle.truth, bundle.truth_valid),
            ("prediction", bundle.predicted, bundle.predicted_valid),
        ):
            if valid[row]:
                quaternion = quaternion_from_matrix(poses[row, :3, :3])
                place = rr.Transform3D(translation=poses[row, :3, 3] - bundle.centre, quaternion=quaternion)
                recording.log(f"world/log/{name}/camera", place)
        for column, (plot, factor) in _PLOTS.items():
            value = bundle[column][row]
            if np.isfinite(value):
                line = "ground_truth" if column.startswith("true_") else "prediction"
                recording.log(f"tracks/{_key(plot)}/{line}", rr.Scalars(factor * float(value)))
        if np.isfinite(plane[row]).all():
            here = rr.Points2D(plane[row : row + 1], colors=[255, 255, 255], radii=rr.Radius.ui_points(6))
            recording.log("latent_map/now", here)


def _log_notes(recording: Any, rr: Any, bundle: Exported) -> None:
    for note in bundle.annotations:
        frame = max(note.first_frame, bundle.first_frame)
        _at(recording, frame, float(np.interp(frame, bundle.frames, bundle.times)))
        words = f"{annotation_words(note)} (frames {note.first_frame} to {note.last_frame})"
        recording.log("annotations", rr.TextLog(words, level=_LEVELS[note.severity]))
        values = {key: str(value) for key, value in annotation_row(note).items()}
        recording.log("annotations/full", rr.AnyValues(**values))


def _log_pictures(recording: Any, rr: Any, bundle: Exported, options: Options, progress: Progress) -> None:
    drive = drive_of(bundle)
    recording.log("video", rr.VideoStream(rr.VideoCodec.H264), static=True)
    if drive.intrinsics is not None:
        camera = drive.intrinsics.resize(*even_size(drive.width, drive.height, options.longest))
        name = "ground_truth" if bundle.truth_valid.any() else "prediction"
        pinhole = rr.Pinhole(
            width=camera.width,
            height=camera.height,
            focal_length=[camera.fx, camera.fy],
            principal_point=[camera.cx, camera.cy],
            camera_xyz=rr.ViewCoordinates.RDF,
            image_plane_distance=2.0,
        )
        recording.log(f"world/log/{name}/camera", pinhole, static=True)
    shown, coded = itertools.tee(pictures(bundle, progress, longest=options.longest))
    for (frame, seconds, _), data in zip(shown, encoded((image for *_, image in coded), drive.rate), strict=True):
        _at(recording, frame, seconds)
        recording.log("video", rr.VideoStream.from_fields(sample=data))


def _at(recording: Any, frame: int, seconds: float) -> None:
    recording.set_time("frame", sequence=frame)
    recording.set_time("time", duration=seconds)
