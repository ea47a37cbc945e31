"""PLY, PCD and GLB read again by open3d, the Rerun recording by its SDK."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch  # noqa: F401  (before open3d, as everywhere in the program)
from export_data import NOTES, gapped
from test_export_mcap import analysed_drive

from lapose_core.drive import Drive
from lapose_core.export.bundle import Exported, export_bundle
from lapose_core.export.colours import rgb
from lapose_core.export.formats import Options, write_export
from lapose_core.export.glb import boxes
from lapose_core.export.mesh import CLOUD_POINTS, _within
from lapose_core.geometry import Array
from lapose_core.palette import TRUTH
from lapose_core.point_clouds import lay_sweeps

o3d = pytest.importorskip("open3d")


def with_lidar(drive: Drive) -> Drive:
    """A wall at x = 20 m of the world, seen from every frame, and one point of the car itself."""
    wall = np.stack(np.meshgrid([20.0], np.linspace(-3, 3, 9), np.linspace(-20, 20, 21)), -1).reshape(-1, 3)
    assert drive.poses is not None

    def cloud(frame: int) -> np.ndarray:
        inverse = np.linalg.inv(drive.poses[frame])  # type: ignore[index]
        seen = (wall + drive.poses[frame, :3, 3] * [0, 1, 1]) @ inverse[:3, :3].T + inverse[:3, 3]  # type: ignore[index]
        return np.concatenate([seen, [[0.1, 0.2, 0.3]]]).astype(np.float32)

    return replace(drive, point_cloud=cloud)


@pytest.fixture(scope="module")
def bundle() -> Exported:
    drive, analysis = analysed_drive()
    return export_bundle(analysis, drive=with_lidar(drive), annotations=NOTES)


def test_ply_holds_the_paths_in_the_world_to_the_last_digit(bundle: Exported, tmp_path: Path) -> None:
    path, side = write_export(bundle, "ply", tmp_path / "a.ply", Options(cloud="truth"))
    lines = o3d.io.read_line_set(str(path))
    points, edges, colours = (np.asarray(v) for v in (lines.points, lines.lines, lines.colors))
    n = len(bundle)
    np.testing.assert_array_equal(points[:n], bundle.truth[:, :3, 3])
    np.testing.assert_array_equal(edges[: n - 1], np.stack([np.arange(n - 1), np.arange(1, n)], -1))
    np.testing.assert_allclose(colours[0], rgb(TRUTH), atol=1 / 255)
    begin = n + 5 * n
    np.testing.assert_array_equal(points[begin : begin + n], bundle.predicted[:, :3, 3])
    frustum = points[n : n + 5]
    np.testing.assert_allclose(frustum[0], bundle.truth[0, :3, 3], atol=1e-12)
    cloud = points[2 * (begin) :]
    assert len(cloud) > 100
    np.testing.assert_allclose(cloud[:, 0], 20.0, atol=1e-4)
    head = path.read_bytes()[:2000]
    assert b"comment alignment: SE(3), " in head
    assert b"comment axes: camera-to-world" in head
    assert side.name == "a.ply.annotations.json"


def test_pcd_holds_centres_and_lidar_from_the_first_camera_on(bundle: Exported, tmp_path: Path) -> None:
    far = replace(bundle, drive=None, truth=bundle.truth.copy(), predicted=bundle.predicted.copy())
    for poses in (far.truth, far.predicted):
        poses[:, :3, 3] += [4.5e5, 5.4e6, 100]  # as UTM coordinates are
    write_export(far, "pcd", tmp_path / "a.pcd")
    cloud = o3d.io.read_point_cloud(str(tmp_path / "a.pcd"))
    points = np.asarray(cloud.points)
    assert len(points) == 2 * len(bundle)
    np.testing.assert_allclose(points[: len(bundle)], bundle.truth[:, :3, 3] - bundle.centre, atol=1e-4)
    np.testing.assert_allclose(np.asarray(cloud.colors)[0], rgb(TRUTH), atol=1 / 255)
    line = next(x for x in (tmp_path / "a.pcd").read_bytes().split(b"\n") if b"origin_in_world_m" in x)
    np.testing.assert_array_equal([float(v) for v in line.split(b": ")[1].split()], far.centre)
    write_export(bundle, "pcd", tmp_path / "b.pcd", Options(cloud="predicted"))
    assert len(o3d.io.read_point_cloud(str(tmp_path / "b.pcd")).points) > 2 * len(bundle) + 100


def test_glb_is_whole_upright_and_names_its_parts(bundle: Exported, tmp_path: Path) -> None:
    path, _ = write_export(bundle, "glb", tmp_path / "a.glb", Options(cloud="truth"))
    data = path.read_bytes()
    magic, version, size = struct.unpack("<4sII", data[:12])
    assert (magic, version, size) == (b"glTF", 2, len(data))
    length, kind = struct.unpack("<I4s", data[12:20])
    assert kind == b"JSON"
    document = json.loads(data[20 : 20 + length])
    assert [m["name"] for m in document["meshes"]] == [
        "truth path", "truth cameras", "predicted path", "predicted cameras", "lidar",
    ]  # fmt: skip
    assert document["asset"]["extras"]["alignment"] == bundle.alignment
    # The first camera stands in the origin, and what is above it in the world is above it in y.
    turn = np.array(document["nodes"][-1]["matrix"]).reshape(4, 4).T[:3, :3]
    np.testing.assert_allclose(turn @ [0, -1, 0], [0, 1, 0], atol=1e-12)
    assert np.linalg.det(turn) == pytest.approx(1.0)
    mesh = o3d.io.read_triangle_mesh(str(path))
    assert mesh.has_vertex_colors()
    n = len(bundle)
    assert len(mesh.vertices) == 2 * 8 * (n - 1 + 8 * n), "two paths and two rows of cameras"
    # The reader sorts vertices anew; every corner of a bar along the true path is there.
    steps = np.stack([np.arange(n - 1), np.arange(1, n)], -1)
    bars = boxes("", bundle.truth[:, :3, 3] - bundle.centre, steps, np.ones((n - 1, 3)), 0.12).points @ turn.T
    vertices = np.asarray(mesh.vertices)
    away = np.linalg.norm(bars[:, None] - vertices, axis=2).min(axis=1)
    assert away.max() < 1e-4
    colours = np.asarray(mesh.vertex_colors)
    nearest = np.linalg.norm(bars[:1] - vertices, axis=1).argmin()
    np.testing.assert_allclose(colours[nearest], rgb(TRUTH), atol=0.01)


def test_a_bar_is_closed_and_as_wide_as_said() -> None:
    points = np.array([[0.0, 0, 0], [0, 0, 4], [0, 0, 4]])
    part = boxes("bar", points, np.array([[0, 1], [1, 2]]), np.ones((2, 3)), 0.5)
    assert part.triangles is not None
    assert np.isfinite(part.points).all(), "also of a standing car"
    mesh = o3d.geometry.TriangleMesh(
        o3d.utility.Vector3dVector(part.points[:8]), o3d.utility.Vector3iVector(part.triangles[:12])
    )
    assert mesh.is_watertight()
    assert mesh.get_volume() == pytest.approx(4 * 0.5 * 0.5)


def test_pieces_are_not_joined_in_3d(tmp_path: Path) -> None:
    write_export(export_bundle(gapped()), "ply", tmp_path / "a.ply")
    lines = o3d.io.read_line_set(str(tmp_path / "a.ply"))
    points, edges = np.asarray(lines.points), np.asarray(lines.lines)
    lengths = np.linalg.norm(points[edges[:, 0]] - points[edges[:, 1]], axis=1)
    assert lengths.max() < 15, "no edge leads over a gap"


def test_clouds_stay_within_their_number() -> None:
    rng = np.random.default_rng(0)
    points, voxel = _within(rng.uniform(0, 60, (2 * CLOUD_POINTS, 3)) * [1, 1, 0.3], 0.01)
    assert len(points) <= CLOUD_POINTS
    assert voxel > 0.01


def test_sweeps_that_cannot_be_read_are_passed_over() -> None:
    drive, _ = analysed_drive()

    def broken(frame: int) -> None:
        raise OSError("gone")

    frames = np.arange(5)
    assert drive.poses is not None
    assert list(lay_sweeps(replace(drive, point_cloud=broken), frames, drive.poses[:5])) == []
    assert list(lay_sweeps(drive, frames, drive.poses[:5])) == []


# -- Rerun


def values_of(path: Path) -> dict[str, dict[str, Any]]:
    """Entity -> column -> values in order, of the one recording in the file."""
    from rerun.chunk import RrdReader

    reader = RrdReader(path)
    assert [r.application_id for r in reader.recordings()] == ["lapose_inspector"]
    assert len(reader.blueprints()) == 1
    out: dict[str, dict[str, Any]] = {}
    for chunk in reader.stream():
        batch = chunk.to_record_batch()
        entity = out.setdefault(chunk.entity_path, {})
        for name in batch.schema.names:
            entity.setdefault(name, []).extend(batch.column(name).to_pylist())
    return out


def test_rerun_loads_what_was_written(bundle: Exported, tmp_path: Path) -> None:
    pytest.importorskip("rerun")
    path, side = write_export(bundle, "rrd", tmp_path / "a.rrd", Options())
    verifier = Path(sys.executable).with_name("rerun")
    done = subprocess.run([verifier, "rrd", "verify", path], capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    assert "1 file verified without error" in done.stdout + done.stderr
    found = values_of(path)

    def column(entity: str, word: str) -> list[Any]:
        return next(v for name, v in found[entity].items() if word in name)

    camera = found["/world/log/prediction/camera"]
    order = np.argsort(camera["frame"])
    places: Array = np.array([v[0] for v in column("/world/log/prediction/camera", "translation")])[order]
    np.testing.assert_allclose(places, bundle.predicted[:, :3, 3] - bundle.centre, atol=1e-4)
    assert sorted(camera["frame"]) == bundle.frames.tolist()
    plot = [v[0] for v in column("/tracks/rotation_error/prediction", "scalars")]
    expected = np.degrees(bundle["rotation_error"][:-1])
    np.testing.assert_allclose(np.sort(plot), np.sort(expected), rtol=1e-6)
    words = [v[0] for v in column("/annotations", "text")]
    assert any("leaves the lane, <b>twice</b>" in w for w in words)
    assert sorted(v[0] for v in column("/annotations/full", "severity")) == ["major", "note"]
    assert len(column("/video", "sample")) == 36
    strips = column("/world/log/ground_truth/path", "strips")[0]
    assert len(strips) == len(bundle) - 1
    assert len(column("/world/log/lidar", "positions")[0]) > 100
    about = column("/about", "text")[0][0]
    assert "OpenCV" in about
    assert "SE(3)" in about
    assert side.name.endswith("annotations.json")


def test_rerun_without_pictures(bundle: Exported, tmp_path: Path) -> None:
    pytest.importorskip("rerun")
    write_export(bundle, "rrd", tmp_path / "a.rrd", Options(pictures=False, cloud="none"))
    found = values_of(tmp_path / "a.rrd")
    assert "/video" not in found
    assert "/world/log/lidar" not in found


def test_the_blueprint_shows_what_is_in_the_recording(bundle: Exported, tmp_path: Path) -> None:
    pytest.importorskip("rerun")
    from rerun.chunk import RrdReader

    path, _ = write_export(bundle, "rrd", tmp_path / "a.rrd", Options())
    entities = set(values_of(path))
    reader = RrdReader(path)
    (blueprint,) = reader.blueprints()
    views: dict[str, list[str]] = {"space_origin": [], "class_identifier": [], "display_name": []}
    for chunk in reader.stream(store=blueprint):
        batch = chunk.to_record_batch()
        for name in batch.schema.names if chunk.entity_path.startswith("/view/") else ():
            if (word := name.rsplit(":", 1)[-1]) in views:
                views[word] += [value[0] for value in batch.column(name).to_pylist() if value]
    origins, names = views["space_origin"], views["display_name"]
    assert {"Video", "3D trajectory", "Latent map", "Annotations", "About", "speed m/s"} <= set(names)
    assert len(origins) == len(names) == len(views["class_identifier"]) > 6
    for origin in origins:
        assert any(e == origin or e.startswith(f"{origin}/") for e in entities), f"{origin} shows nothing"
    plotted = {e.rsplit("/", 1)[0] for e in entities if e.startswith("/tracks/")}
    assert plotted == {o for o in origins if o.startswith("/tracks/")}, "every track is shown"
