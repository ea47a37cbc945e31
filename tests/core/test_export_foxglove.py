"""What Foxglove asks of a recording beyond that it decodes: its own schemas, stamps, frames and video as documented."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import foxglove_schemas_protobuf
import numpy as np
import pytest
from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorSet
from mcap.reader import make_reader
from test_export_geo import placed
from test_export_mcap import messages

from lapose_core.export.bundle import Exported
from lapose_core.export.formats import Options, write_export

KNOWN = {
    "foxglove.FrameTransforms", "foxglove.PosesInFrame", "foxglove.PoseInFrame", "foxglove.SceneUpdate",
    "foxglove.CompressedVideo", "foxglove.CameraCalibration", "foxglove.LocationFix", "foxglove.Log",
}  # fmt: skip


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Exported]:
    """A drive with notes and a place on the Earth, so that every topic is there."""
    bundle = placed()
    path = tmp_path_factory.mktemp("foxglove") / "drive.mcap"
    write_export(bundle, "mcap", path, Options())
    return path, bundle


def described(data: bytes) -> dict[str, DescriptorProto]:
    """Message descriptions by full name."""
    return {
        f"{file.package}.{m.name}": m for file in FileDescriptorSet.FromString(data).file for m in file.message_type
    }


def official(name: str) -> DescriptorProto:
    """As Foxglove's own package has it."""
    short = name.split(".")[-1]
    module = __import__(f"{foxglove_schemas_protobuf.__name__}.{short}_pb2", fromlist=[short])
    out = DescriptorProto()
    getattr(module, short).DESCRIPTOR.CopyToProto(out)
    return out


def test_every_schema_is_foxglove_s_own(exported: tuple[Path, Exported]) -> None:
    path, _ = exported
    with path.open("rb") as file:
        summary = make_reader(file).get_summary()
    assert summary is not None
    schemas = {s.name: s for s in summary.schemas.values()}
    assert {name for name in schemas if name.startswith("foxglove.")} == KNOWN
    for name in KNOWN:
        assert schemas[name].encoding == "protobuf"
        found = described(schemas[name].data)
        assert found[name] == official(name), f"{name} is not the published message"
        for field in found[name].field:
            if field.type == field.TYPE_MESSAGE and field.type_name.startswith(".foxglove."):
                assert found[field.type_name[1:]] == official(field.type_name[1:])
    by_topic = {c.topic: (c.message_encoding, schemas_of(summary, c.schema_id)) for c in summary.channels.values()}
    assert by_topic["/samples"] == ("json", "jsonschema")
    assert by_topic["/annotations"] == ("json", "jsonschema")


def schemas_of(summary: Any, identity: int) -> str:
    return str(summary.schemas[identity].encoding)


def test_stamps_are_log_times_and_never_run_back(exported: tuple[Path, Exported]) -> None:
    path, _ = exported
    for topic, rows in messages(path).items():
        times = [time for time, _, _ in rows]
        assert times == sorted(times), topic
        for time, _, message in rows:
            stamps = [message.timestamp] if hasattr(message, "timestamp") else []
            stamps += [t.timestamp for t in getattr(message, "transforms", [])]
            stamps += [e.timestamp for e in getattr(message, "entities", [])]
            for stamp in stamps:
                assert stamp.seconds * 10**9 + stamp.nanos == time, topic


def test_all_frames_hang_on_one_root(exported: tuple[Path, Exported]) -> None:
    path, _ = exported
    found = messages(path)
    parents = {t.child_frame_id: t.parent_frame_id for _, _, tree in found["/tf"] for t in tree.transforms}
    assert parents == {"world": "map", "true_camera_optical": "world", "predicted_camera_optical": "world"}
    used = {m.frame_id for rows in found.values() for _, _, m in rows if getattr(m, "frame_id", "")}
    used |= {entity.frame_id for _, _, scene in found["/scene"] for entity in scene.entities}
    assert used <= {"map", *parents}, "the viewer could not place what is in an unknown frame"


def test_rotations_are_unit_quaternions_and_colours_are_in_range(exported: tuple[Path, Exported]) -> None:
    path, _ = exported
    found = messages(path)
    turns = [t.rotation for _, _, tree in found["/tf"] for t in tree.transforms]
    turns += [p.orientation for _, _, m in found["/prediction/path"] for p in m.poses]
    lines = [line for _, _, scene in found["/scene"] for entity in scene.entities for line in entity.lines]
    turns += [line.pose.orientation for line in lines]
    norms = [np.linalg.norm([q.x, q.y, q.z, q.w]) for q in turns]
    np.testing.assert_allclose(norms, 1.0, atol=1e-9)
    for line in lines:
        assert len(line.colors) in (0, len(line.points)), "one colour a point, or one for all"
        assert all(0 <= v <= 1 for c in line.colors for v in (c.r, c.g, c.b, c.a))
        assert not line.indices or max(line.indices) < len(line.points)


def test_the_video_is_as_foxglove_documents_it(exported: tuple[Path, Exported]) -> None:
    """Annex B, one picture a message, no picture that needs a later one, parameter sets with each key frame."""
    path, bundle = exported
    rows = messages(path)["/camera/video"]
    assert len(rows) == len(bundle.drive)  # type: ignore[arg-type]
    for _, _, message in rows:
        assert message.format == "h264"
        kinds = [unit[0] & 31 for unit in message.data.replace(b"\0\0\0\1", b"\0\0\1").split(b"\0\0\1") if unit]
        assert message.data.startswith((b"\0\0\1", b"\0\0\0\1"))
        assert sum(kind in (1, 5) for kind in kinds) >= 1
        if 5 in kinds:
            assert kinds.index(7) < kinds.index(8) < kinds.index(5)


def test_the_place_of_each_sample(exported: tuple[Path, Exported]) -> None:
    path, bundle = exported
    rows = messages(path)["/location"]
    assert bundle.drive is not None
    assert bundle.drive.geodetic_origin is not None
    found = [(m.latitude, m.longitude, m.altitude) for _, _, m in rows]
    wanted = bundle.drive.geodetic_origin.coordinates(bundle.truth[bundle.truth_valid, :3, 3])
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-9)
