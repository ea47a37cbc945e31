"""An exported MCAP file, by the official reader, by Foxglove's schemas, and by our own reader."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import av
import jsonschema
import numpy as np
import pytest
from analysis_data import ArraySource, MemoryDrive, windows_of
from export_data import NOTES
from mcap.reader import make_reader
from mcap_protobuf.decoder import DecoderFactory

from lapose_core.drive import Drive
from lapose_core.export.bundle import Choice, Exported, export_bundle
from lapose_core.export.files import Cancelled
from lapose_core.export.formats import Options, write_export
from lapose_core.geometry import invert, make_poses, matrix_from_quaternion
from lapose_core.inference.result import DriveAnalysis
from lapose_core.logs import open_log


def smooth(drive: MemoryDrive) -> None:
    """Pictures that a codec keeps: grey by their number."""
    for i in range(len(drive.images)):
        drive.images[i] = np.full_like(drive.images[i], 40 + 4 * i)


def analysed_drive(n: int = 36) -> tuple[Drive, DriveAnalysis]:
    memory = MemoryDrive(n)
    smooth(memory)
    drive = memory.drive
    analysis = DriveAnalysis.for_drive(
        drive, 2.0, window=8, latent_dim=5, checkpoint_hash="abc", checkpoint_name="nano"
    )
    assert drive.poses is not None
    analysis.merge_all(windows_of(analysis, drive.poses[analysis.frames], noise=0.02))
    return drive, analysis


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Exported]:
    drive, analysis = analysed_drive()
    bundle = export_bundle(analysis, drive=drive, annotations=NOTES)
    path = tmp_path_factory.mktemp("mcap") / "drive.mcap"
    assert write_export(bundle, "mcap", path, Options()) == [path], "the file carries the annotations itself"
    return path, bundle


def messages(path: Path) -> dict[str, list[tuple[int, str, Any]]]:
    """Log time, schema and decoded message by topic; the reader checks every checksum."""
    out = defaultdict(list)
    with path.open("rb") as file:
        reader = make_reader(file, validate_crcs=True, decoder_factories=[DecoderFactory()])
        for schema, channel, message in reader.iter_messages():
            assert schema is not None
            if channel.message_encoding == "json":
                value = json.loads(message.data)
                jsonschema.validate(value, json.loads(schema.data))
            else:
                value = DecoderFactory().decoder_for("protobuf", schema)(message.data)
            out[channel.topic].append((message.log_time, schema.name, value))
    return out


def pose_of(message: Any) -> np.ndarray:
    p, q = message.position, message.orientation
    return make_poses(matrix_from_quaternion(np.array([q.x, q.y, q.z, q.w])), np.array([p.x, p.y, p.z]))


def test_the_official_reader_finds_every_topic(exported: tuple[Path, Exported]) -> None:
    path, bundle = exported
    with path.open("rb") as file:
        reader = make_reader(file, validate_crcs=True)
        summary = reader.get_summary()
        assert summary is not None
        assert summary.statistics is not None
        assert summary.chunk_indexes
        assert {m.name: m.metadata for m in reader.iter_metadata()}["lapose"] == bundle.description()
    found = messages(path)
    counts = {topic: (len(rows), rows[0][1]) for topic, rows in found.items()}
    n, known, predicted = len(bundle), int(bundle.truth_valid.sum()), int(bundle.predicted_valid.sum())
    assert counts == {
        "/tf": (n + 1, "foxglove.FrameTransforms"),
        "/ground_truth/path": (1, "foxglove.PosesInFrame"),
        "/ground_truth/pose": (known, "foxglove.PoseInFrame"),
        "/prediction/path": (1, "foxglove.PosesInFrame"),
        "/prediction/pose": (predicted, "foxglove.PoseInFrame"),
        "/scene": (1, "foxglove.SceneUpdate"),
        "/camera/video": (36, "foxglove.CompressedVideo"),
        "/camera/calibration": (1, "foxglove.CameraCalibration"),
        "/samples": (n, "lapose.Sample"),
        "/log": (2, "foxglove.Log"),
        "/annotations": (2, "lapose.Annotation"),
    }
    with path.open("rb") as file:
        times = [message.log_time for _, _, message in make_reader(file).iter_messages(log_time_order=False)]
    assert times == sorted(times), "the file is in the order of time as it lies"


def test_both_paths_the_tree_and_the_scene(exported: tuple[Path, Exported]) -> None:
    path, bundle = exported
    found = messages(path)
    (_, _, truth), (_, _, predicted) = found["/ground_truth/path"][0], found["/prediction/path"][0]
    np.testing.assert_allclose([pose_of(p) for p in truth.poses], bundle.truth, atol=1e-12)
    np.testing.assert_allclose([pose_of(p) for p in predicted.poses], bundle.predicted, atol=1e-12)
    moving = [t for _, _, tree in found["/tf"] for t in tree.transforms if t.child_frame_id == "true_camera_optical"]
    assert [t.translation.x for t in moving] == pytest.approx(bundle.truth[:, 0, 3])
    (_, _, first) = found["/tf"][0]
    (turn,) = first.transforms
    q = turn.rotation
    up = matrix_from_quaternion(np.array([q.x, q.y, q.z, q.w])) @ [0, -1, 0]
    np.testing.assert_allclose(up, [0, 0, 1], atol=1e-12)
    entities = {e.id: e for e in found["/scene"][0][2].entities}
    assert set(entities) == {"ground_truth", "ground_truth frusta", "prediction", "prediction frusta"}
    line = entities["prediction"].lines[0]
    assert len(line.points) == len(line.colors) == len(bundle)
    worst, best = np.argmax(bundle["position_error"]), np.argmin(bundle["position_error"])
    brightness = [c.r + c.g + c.b for c in line.colors]
    assert brightness[worst] == max(brightness)
    assert brightness[best] == min(brightness)
    frusta = entities["ground_truth frusta"].lines[0]
    assert len(frusta.points) == 5 * len(bundle)
    ray = np.array([frusta.points[1].x, frusta.points[1].y, frusta.points[1].z, 1])
    corner = invert(bundle.truth[0]) @ ray
    assert bundle.drive is not None
    assert corner[2] == pytest.approx(1.0)
    assert corner[0] == pytest.approx(-75 / 80)


def test_annotations_and_values(exported: tuple[Path, Exported]) -> None:
    path, bundle = exported
    found = messages(path)
    assert [(m.level, m.name) for _, _, m in found["/log"]] == [(2, "start"), (4, "drift")]
    full = [m for _, _, m in found["/annotations"]]
    assert [m["id"] for m in full] == ["one", "two"]
    assert full[1]["text"] == NOTES[1].text
    assert (full[1]["time"], full[1]["end_time"]) == (5.0, 8.75), "cut at the end of the drive"
    rows = [m for _, _, m in found["/samples"]]
    assert [r["frame"] for r in rows] == bundle.frames.tolist()
    assert rows[3]["rotation_error"] == bundle["rotation_error"][3]
    assert rows[3]["latent"] == pytest.approx(bundle.latents[3].tolist())
    assert "rotation_error" not in rows[-1], "the last sample begins no transition"


def test_the_video_decodes_from_each_key_frame(exported: tuple[Path, Exported]) -> None:
    path, _ = exported
    rows = messages(path)["/camera/video"]
    assert [time for time, _, _ in rows] == [round(i * 0.25 * 1e9) for i in range(36)]
    keys = [i for i, (_, _, m) in enumerate(rows) if b"\x00\x00\x01\x67" in m.data]
    assert keys[0] == 0
    assert len(keys) >= 8, "one a second, with its parameter sets"
    for start in (0, keys[3]):
        decoder = av.CodecContext.create("h264", "r")
        shown = [f for _, _, m in rows[start:] for f in decoder.decode(av.Packet(m.data))] + decoder.decode(None)
        assert len(shown) == 36 - start
        means = [f.to_ndarray(format="rgb24").mean() for f in shown]
        assert means == pytest.approx([40 + 4 * (start + i) for i in range(len(shown))], abs=3)


def test_our_own_reader_opens_it(exported: tuple[Path, Exported]) -> None:
    path, bundle = exported
    drive = open_log(path)
    assert (len(drive), drive.width, drive.height) == (36, 150, 56)
    assert drive.poses is not None
    assert drive.pose_valid is not None
    assert drive.pose_valid[:35].all(), "the last picture comes after the last sample"
    np.testing.assert_allclose(drive.poses[bundle.frames], bundle.truth, atol=1e-9)
    assert drive.intrinsics is not None
    assert (drive.intrinsics.fx, drive.intrinsics.cx) == pytest.approx((80, 75))


def test_a_part_without_pictures_and_one_given_up(tmp_path: Path) -> None:
    drive, analysis = analysed_drive()
    part = export_bundle(analysis, Choice(first=8, last=20), drive=drive)
    write_export(part, "mcap", tmp_path / "part.mcap", Options(pictures=False))
    assert not any(topic.startswith("/camera") for topic in messages(tmp_path / "part.mcap"))
    sources: list[ArraySource] = []

    def give_up(share: float) -> None:
        if share > 0.3:
            raise Cancelled

    memory = MemoryDrive(36)
    whole = export_bundle(analysis, drive=memory.drive)
    with pytest.raises(Cancelled):
        write_export(whole, "mcap", tmp_path / "whole.mcap", Options(), give_up)
    assert [p.name for p in tmp_path.iterdir()] == ["part.mcap"]
    sources = memory.sources
    assert sources[-1].closed, "the log's file is let go"


def test_pictures_are_scaled_down_and_the_camera_with_them(tmp_path: Path) -> None:
    drive, analysis = analysed_drive()
    bundle = export_bundle(analysis, drive=drive)
    write_export(bundle, "mcap", tmp_path / "a.mcap", Options(longest=75))
    read = open_log(tmp_path / "a.mcap")
    assert (read.width, read.height) == (74, 28)
    assert read.intrinsics is not None
    assert read.intrinsics.fx == pytest.approx(80 * 74 / 150)
