"""An MCAP file for Foxglove (https://mcap.dev, https://docs.foxglove.dev/docs/sdk/schemas), in its protobuf schemas.

Frames of reference: ``map`` is level with z up, ``world`` below it is the log's own, ``true_camera_optical``
and ``predicted_camera_optical`` move in it (x right, y down, z forward). Times are those of the drive.

| topic | schema |
|---|---|
| /ground_truth/path, /prediction/path | foxglove.PosesInFrame: all poses, once |
| /ground_truth/pose, /prediction/pose | foxglove.PoseInFrame: a sample each |
| /tf | foxglove.FrameTransforms |
| /scene | foxglove.SceneUpdate: paths, error colours, frusta |
| /camera/video, /camera/calibration | foxglove.CompressedVideo (H.264), foxglove.CameraCalibration |
| /location | foxglove.LocationFix, where the drive's place on the Earth is known |
| /log | foxglove.Log: the annotations, for people |
| /annotations, /samples | JSON with schema: the annotations in full, errors and other values of each sample |
"""

from __future__ import annotations

import heapq
import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from lapose_core.annotations import Annotation, annotation_row
from lapose_core.drive import Intrinsics
from lapose_core.export.bundle import Column, Exported
from lapose_core.export.colours import path_colours, rgb
from lapose_core.export.files import Progress, no_progress, replacing
from lapose_core.export.formats import Options
from lapose_core.export.pictures import drive_of, even_size, pictures
from lapose_core.export.shapes import frusta, frustum_samples
from lapose_core.export.tables import annotation_words
from lapose_core.export.video_stream import encoded
from lapose_core.geometry import Array, make_poses, quaternion_from_matrix
from lapose_core.palette import PREDICTION, TRUTH

Event = tuple[int, str, Any]
"""Nanoseconds, topic, message: a protobuf message, or a dict for the JSON topics."""

_TOPICS = {"truth": "/ground_truth", "predicted": "/prediction"}
_CAMERAS = {"truth": "true_camera_optical", "predicted": "predicted_camera_optical"}
_DISTORTION = {"none": "plumb_bob", "brown-conrady": "plumb_bob", "kannala-brandt": "kannala_brandt"}
_LEVELS: dict[str, Any] = {"note": 2, "minor": 3, "major": 4, "critical": 5}  # foxglove.Log.Level
_ANNOTATION_SCHEMA = {
    "type": "object",
    "title": "lapose.Annotation",
    "properties": {
        "id": {"type": "string"},
        "first_frame": {"type": "integer"},
        "last_frame": {"type": "integer"},
        "label": {"type": "string"},
        "severity": {"type": "string"},
        "text": {"type": "string"},
        "created": {"type": "string", "format": "date-time"},
        "modified": {"type": "string", "format": "date-time"},
        "transitions": {"type": "array", "items": {"type": "integer"}},
        "time": {"type": "number", "description": "seconds on the drive's clock"},
        "end_time": {"type": "number"},
    },
}


def write_mcap(bundle: Exported, path: Path, options: Options, progress: Progress = no_progress) -> None:
    """Write an indexed, compressed MCAP file; the pictures go along where the log is at hand and they are wanted.

    Raises:
        ValueError: where there is no such folder.
        LogError: naming a frame that cannot be decoded.
    """
    from mcap.writer import CompressionType, Writer

    with replacing(path) as part, part.open("wb") as file:
        writer = Writer(file, compression=CompressionType.ZSTD)
        writer.start(profile="", library=bundle.description()["software"])
        channels = _Channels(writer, bundle)
        for time, topic, message in heapq.merge(*_events(bundle, options, progress), key=lambda event: event[0]):
            channels.write(time, topic, message)
        writer.add_metadata("lapose", bundle.description())
        writer.finish()


class _Channels:
    """Registers a topic when its first message comes."""

    def __init__(self, writer: Any, bundle: Exported) -> None:
        self._writer, self._known = writer, dict[str, int]()
        self._schemas = {"/annotations": _ANNOTATION_SCHEMA, "/samples": _sample_schema(bundle)}

    def write(self, time: int, topic: str, message: Any) -> None:
        channel = self._known.get(topic)
        if channel is None:
            channel = self._known[topic] = self._register(topic, message)
        data = (
            json.dumps(message, allow_nan=False).encode() if isinstance(message, dict) else message.SerializeToString()
        )
        self._writer.add_message(channel, log_time=time, publish_time=time, data=data)

    def _register(self, topic: str, message: Any) -> int:
        if isinstance(message, dict):
            schema = self._schemas[topic]
            text = json.dumps(schema).encode()
            identity = self._writer.register_schema(name=schema["title"], encoding="jsonschema", data=text)
            return int(self._writer.register_channel(topic=topic, message_encoding="json", schema_id=identity))
        from mcap_protobuf.schema import register_schema

        identity = register_schema(self._writer, type(message))
        return int(self._writer.register_channel(topic=topic, message_encoding="protobuf", schema_id=identity))


def _events(bundle: Exported, options: Options, progress: Progress) -> list[Iterator[Event]]:
    """Streams of events, each in the order of time."""
    streams = [_once(bundle), _samples(bundle), _notes(bundle)]
    if options.pictures and bundle.drive is not None:
        streams.append(_video(bundle, options, progress))
    return streams


def _nanoseconds(seconds: float) -> int:
    # The format counts from zero; no log is known whose clock begins before.
    return max(0, round(seconds * 1e9))


def _once(bundle: Exported) -> Iterator[Event]:
    """What holds all the time, at the first sample's time."""
    from foxglove_schemas_protobuf.FrameTransform_pb2 import FrameTransform
    from foxglove_schemas_protobuf.FrameTransforms_pb2 import FrameTransforms
    from foxglove_schemas_protobuf.PosesInFrame_pb2 import PosesInFrame
    from foxglove_schemas_protobuf.SceneUpdate_pb2 import SceneUpdate

    time = _nanoseconds(bundle.times[0])
    turn = FrameTransform(parent_frame_id="map", child_frame_id="world")
    _stamp(turn.timestamp, time)
    _place(turn.translation, turn.rotation, make_poses(bundle.upright, -bundle.upright @ bundle.centre))
    yield time, "/tf", FrameTransforms(transforms=[turn])
    scene = SceneUpdate()
    for which in ("truth", "predicted"):
        runs = bundle.runs(which)
        if not runs:
            continue
        message = PosesInFrame(frame_id="world")
        _stamp(message.timestamp, time)
        for pose in (bundle.truth if which == "truth" else bundle.predicted)[np.concatenate(runs)]:
            added = message.poses.add()
            _place(added.position, added.orientation, pose)
        yield time, f"{_TOPICS[which]}/path", message
        _draw(bundle, which, scene, time)
    yield time, "/scene", scene


def _draw(bundle: Exported, which: str, scene: Any, time: int) -> None:
    """A path as a line, the prediction's by its error, and its frusta."""
    from foxglove_schemas_protobuf.LinePrimitive_pb2 import LinePrimitive

    entity = scene.entities.add(frame_id="world", id=_TOPICS[which].strip("/"))
    _stamp(entity.timestamp, time)
    entity.metadata.add(key="alignment", value=bundle.alignment)
    colours = path_colours(bundle, which)
    poses = bundle.truth if which == "truth" else bundle.predicted
    for rows in bundle.runs(which):
        line = _line(entity, LinePrimitive.LINE_STRIP)
        for row in rows:
            line.points.add(**dict(zip("xyz", poses[row, :3, 3])))
            line.colors.add(**dict(zip("rgb", colours[row])), a=1.0)
    entity = scene.entities.add(frame_id="world", id=f"{_TOPICS[which].strip('/')} frusta")
    _stamp(entity.timestamp, time)
    line = _line(entity, LinePrimitive.LINE_LIST)
    points, lines = frusta(bundle, which, frustum_samples(bundle, which))
    for point in points:
        line.points.add(**dict(zip("xyz", point)))
    line.indices.extend(lines.ravel().tolist())
    red, green, blue = rgb(TRUTH if which == "truth" else PREDICTION)
    line.color.r, line.color.g, line.color.b, line.color.a = red, green, blue, 0.8


def _line(entity: Any, kind: int) -> Any:
    line = entity.lines.add(type=kind, thickness=2.0, scale_invariant=True)
    line.pose.orientation.w = 1.0
    return line


def _samples(bundle: Exported) -> Iterator[Event]:
    from foxglove_schemas_protobuf.FrameTransform_pb2 import FrameTransform
    from foxglove_schemas_protobuf.FrameTransforms_pb2 import FrameTransforms
    from foxglove_schemas_protobuf.LocationFix_pb2 import LocationFix
    from foxglove_schemas_protobuf.PoseInFrame_pb2 import PoseInFrame

    for row, seconds in enumerate(bundle.times.tolist()):
        time = _nanoseconds(seconds)
        tree = FrameTransforms()
        for which, poses, valid in (
            ("truth", bundle.truth, bundle.truth_valid),
            ("predicted", bundle.predicted, bundle.predicted_valid),
        ):
            if not valid[row]:
                continue
            message = PoseInFrame(frame_id="world")
            _stamp(message.timestamp, time)
            _place(message.pose.position, message.pose.orientation, poses[row])
            yield time, f"{_TOPICS[which]}/pose", message
            added: FrameTransform = tree.transforms.add(parent_frame_id="world", child_frame_id=_CAMERAS[which])
            _stamp(added.timestamp, time)
            _place(added.translation, added.rotation, poses[row])
        if tree.transforms:
            yield time, "/tf", tree
        place = None if bundle.drive is None else bundle.drive.geodetic_origin
        if place is not None and bundle.truth_valid[row]:
            latitude, longitude, altitude = place.coordinates(bundle.truth[row : row + 1, :3, 3])[0]
            fix = LocationFix(frame_id=_CAMERAS["truth"], latitude=latitude, longitude=longitude, altitude=altitude)
            _stamp(fix.timestamp, time)
            yield time, "/location", fix
        yield time, "/samples", _sample(bundle, row)


def _sample(bundle: Exported, row: int) -> dict[str, Any]:
    out: dict[str, Any] = {"frame": int(bundle.frames[row]), "time": float(bundle.times[row])}
    for column in bundle.columns:
        value = column.values[row]
        if column.values.dtype.kind == "U":
            out[column.name] = str(value)
        elif np.isfinite(value):
            out[column.name] = float(value)
    if np.isfinite(bundle.latents[row]).all():
        out["latent"] = [float(v) for v in bundle.latents[row]]
    return out


def _sample_schema(bundle: Exported) -> dict[str, Any]:
    def described(column: Column) -> dict[str, str]:
        kind = "string" if column.values.dtype.kind == "U" else "number"
        return {"type": kind, "description": f"{column.description} [{column.unit}]"}

    properties: dict[str, Any] = {"frame": {"type": "integer"}, "time": {"type": "number"}}
    properties |= {column.name: described(column) for column in bundle.columns}
    properties["latent"] = {"type": "array", "items": {"type": "number"}, "description": "latent action"}
    return {"type": "object", "title": "lapose.Sample", "properties": properties}


def _notes(bundle: Exported) -> Iterator[Event]:
    from foxglove_schemas_protobuf.Log_pb2 import Log

    events: list[Event] = []
    for note in bundle.annotations:
        begin, end = _times(bundle, note)
        time = _nanoseconds(begin)
        words = f"{annotation_words(note)} (frames {note.first_frame} to {note.last_frame})"
        message = Log(level=_LEVELS[note.severity], message=words, name=note.label or "annotation")
        _stamp(message.timestamp, time)
        events.append((time, "/log", message))
        events.append((time, "/annotations", {**annotation_row(note), "time": begin, "end_time": end}))
    yield from sorted(events, key=lambda event: event[0])


def _times(bundle: Exported, note: Annotation) -> tuple[float, float]:
    """Seconds at which an annotation begins and ends, inside the exported range."""
    if bundle.drive is not None:
        last = len(bundle.drive) - 1
        begin, end = (float(bundle.drive.timestamps[min(f, last)]) for f in (note.first_frame, note.last_frame))
    else:
        begin, end = np.interp([note.first_frame, note.last_frame], bundle.frames, bundle.times).tolist()
    first, last_time = float(bundle.times[0]), float(bundle.times[-1])
    if bundle.drive is not None:
        first, last_time = (float(bundle.drive.timestamps[f]) for f in (bundle.first_frame, bundle.last_frame))
    return min(max(begin, first), last_time), min(max(end, first), last_time)


def _video(bundle: Exported, options: Options, progress: Progress) -> Iterator[Event]:
    from foxglove_schemas_protobuf.CameraCalibration_pb2 import CameraCalibration
    from foxglove_schemas_protobuf.CompressedVideo_pb2 import CompressedVideo

    drive = drive_of(bundle)
    frame_id = _CAMERAS["truth" if bundle.truth_valid.any() else "predicted"]
    if drive.intrinsics is not None:
        camera = drive.intrinsics.resize(*even_size(drive.width, drive.height, options.longest))
        calibration = CameraCalibration(frame_id=frame_id, **_calibration(camera))
        time = _nanoseconds(bundle.times[0])
        _stamp(calibration.timestamp, time)
        yield time, "/camera/calibration", calibration
    shown, coded = itertools.tee(pictures(bundle, progress, longest=options.longest))
    for (_, seconds, _), data in zip(shown, encoded((image for _, _, image in coded), drive.rate), strict=True):
        message = CompressedVideo(frame_id=frame_id, data=data, format="h264")
        _stamp(message.timestamp, _nanoseconds(seconds))
        yield _nanoseconds(seconds), "/camera/video", message


def _calibration(camera: Intrinsics) -> dict[str, Any]:
    # OpenCV's pixels, which the schema has, have their middle at whole numbers.
    cx, cy = camera.cx - 0.5, camera.cy - 0.5
    coefficients = list(camera.distortion)
    name = _DISTORTION[camera.model]
    if camera.model == "brown-conrady" and len(coefficients) > 5:
        name = "rational_polynomial"
    elif camera.model != "kannala-brandt":
        coefficients += [0.0] * (5 - len(coefficients))
    return {
        "width": camera.width,
        "height": camera.height,
        "distortion_model": name,
        "D": coefficients,
        "K": [camera.fx, 0, cx, 0, camera.fy, cy, 0, 0, 1],
        "R": [1, 0, 0, 0, 1, 0, 0, 0, 1],
        "P": [camera.fx, 0, cx, 0, 0, camera.fy, cy, 0, 0, 0, 1, 0],
    }


def _stamp(field: Any, nanoseconds: int) -> None:
    field.seconds, field.nanos = divmod(nanoseconds, 10**9)


def _place(position: Any, orientation: Any, pose: Array) -> None:
    position.x, position.y, position.z = pose[:3, 3]
    orientation.x, orientation.y, orientation.z, orientation.w = quaternion_from_matrix(pose[:3, :3])
