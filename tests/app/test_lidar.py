"""Lidar along a path: walls stay sharp where the path is right, and memory stays within its budget."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from panel_drive import analyse, make_drive, winding_path

from lapose_core.drive import Drive, LogError
from lapose_core.geometry import Array, invert
from lapose_inspector.models.paths import PathSegment
from lapose_inspector.models.session import Session
from lapose_inspector.views.trajectory_view import TrajectoryView
from lapose_inspector.workers import lidar_map
from lapose_inspector.workers.lidar_map import SweepCache, lay, thin

RATE = 10.0
WALL = 6.0  # metres to the right of the first camera


def wall_points() -> Array:
    """A wall in the world's plane x = WALL, two metres high."""
    y, z = np.meshgrid(np.linspace(-1, 1, 9), np.linspace(0, 120, 481))
    return np.stack([np.full(y.size, WALL), y.ravel(), z.ravel()], -1)


def lidar_drive(count: int = 60, *, bad: int | None = None) -> Drive:
    """Each even frame sees the wall within 20 m; odd frames have no sweep."""
    poses = np.tile(np.eye(4), (count, 1, 1))
    poses[:, 2, 3] = np.arange(count) * 0.8
    wall = wall_points()

    def cloud(frame: int) -> np.ndarray | None:
        if frame == bad:
            raise LogError("sweep.bin: the file is cut off; copy it again")
        if frame % 2:
            return None
        seen = invert(poses[frame])
        points = wall @ seen[:3, :3].T + seen[:3, 3]
        return points[np.linalg.norm(points, axis=1) < 20].astype(np.float32)

    return replace(make_drive(count, RATE, poses=poses), point_cloud=cloud)


def built(drive: Drive, poses: Array, cache: SweepCache | None = None) -> lidar_map.LidarMap:
    *_, last = lay(drive, np.arange(len(poses)), poses, cache or SweepCache(), lambda: False)
    return last


def test_a_wall_is_sharp_along_the_truth_and_smeared_along_a_drifting_path() -> None:
    drive = lidar_drive()
    sharp = built(drive, drive.poses)
    assert sharp.share == 1.0
    assert 20 <= sharp.sweeps <= 30  # of 30 there are, at least a metre apart
    assert float(np.abs(sharp.points[:, 0] - WALL).max()) < 1e-3
    drifting = drive.poses.copy()
    drifting[:, 0, 3] += 0.03 * np.arange(60)
    smeared = built(drive, drifting)
    assert float(np.ptp(smeared.points[:, 0])) > 1.2
    assert len(smeared.points) > 1.3 * len(sharp.points)


def test_the_map_and_the_cache_keep_to_their_budgets(monkeypatch: pytest.MonkeyPatch) -> None:
    drive = lidar_drive()
    cache, unlimited = SweepCache(limit=30_000), SweepCache()
    full = built(drive, drive.poses, cache)
    built(drive, drive.poses, unlimited)
    assert 0 < cache.bytes <= 30_000 < unlimited.bytes
    monkeypatch.setattr(lidar_map, "POINTS", 300)
    small = built(drive, drive.poses)
    assert len(small.points) <= 300 < len(full.points)
    assert small.voxel > full.voxel


def test_a_sweep_that_cannot_be_read_is_named_and_the_others_stay() -> None:
    grown = built(lidar_drive(bad=10), lidar_drive().poses)
    assert "sweep.bin: the file is cut off" in grown.problem
    assert grown.sweeps >= 19


def test_a_newer_request_ends_the_work() -> None:
    drive = lidar_drive()
    assert list(lay(drive, np.arange(60), drive.poses, SweepCache(), lambda: True)) == []


def test_thinning_gives_what_open3d_gives() -> None:
    open3d = pytest.importorskip("open3d")
    points = np.random.default_rng(3).uniform(-20, 20, (5000, 3)).astype(np.float32)
    cloud = open3d.geometry.PointCloud(open3d.utility.Vector3dVector(points.astype(np.float64)))
    # Without a corner given, its cells begin half a voxel before the least point, ours at it.
    corner = points.min(0) - 1.0
    expected = np.asarray(cloud.voxel_down_sample_and_trace(2.0, corner, points.max(0) + 2.0)[0].points)
    got = thin(np.concatenate([corner[None], points]), 2.0)
    got = got[np.linalg.norm(got - corner, axis=1) > 1e-6]
    assert len(got) == len(expected)
    nearest = np.linalg.norm(expected[:, None] - got[None], axis=2).min(1)
    assert float(nearest.max()) < 1e-3


@given(
    st.lists(st.tuples(*[st.floats(-50, 50, width=32)] * 3), max_size=60), st.floats(0.1, 5.0)
)  # fmt: skip
def test_thinning_keeps_one_point_a_voxel_near_each_point(points: list, voxel: float) -> None:
    cloud = np.array(points, np.float32).reshape(-1, 3)
    thinned = thin(cloud, voxel)
    assert len(thinned) <= len(cloud)
    for point in cloud:
        assert np.abs(thinned - point).max(1).min() <= voxel * 1.001


def test_poses_between_samples_lie_on_the_segment() -> None:
    poses = winding_path(41, RATE)
    segment = PathSegment(np.arange(0, 41, 4), poses[::4], 0, last_frame=42)
    np.testing.assert_allclose(segment.poses_at(np.array([8, 42]))[:, :3, 3], poses[[8, 40], :3, 3])
    at = segment.pose_at(10)
    np.testing.assert_allclose(at, segment.poses_at(np.array([10]))[0])
    assert np.linalg.norm(at[:3, 3] - poses[10, :3, 3]) < 0.1


@pytest.fixture
def view(qtbot):
    session = Session()
    session.rate = 5.0
    shown = TrajectoryView(session)
    qtbot.addWidget(shown)
    shown.resize(700, 400)
    shown.show()
    qtbot.waitExposed(shown)
    yield shown
    shown.close_panel()


def test_the_panel_shows_sweeps_along_either_path_by_height(view: TrajectoryView, qtbot) -> None:
    session, lidar = view._session, view.scene.lidar
    assert not view.lidar_box.isVisible()
    session.open(lidar_drive())
    assert view.lidar_box.isVisible()
    session.display.cloud = "prediction"
    assert "no predicted path yet" in view.legend.text()
    session.display.cloud = "truth"
    assert view.lidar_box.currentData() == "truth"
    qtbot.waitUntil(lambda: lidar.count > 0 and "sweeps, by height" in view.legend.text(), timeout=20_000)
    world = lidar.points @ view.scene.space.rotation + view.scene.space.origin
    assert float(np.abs(world[:, 0] - WALL).max()) < 1e-2
    assert len(np.unique(lidar.colours, axis=0)) > 3
    along_truth = lidar.points.copy()
    path = session.drive.poses.copy()
    path[:, 0, 3] += np.linspace(0, 2, 60)
    session.set_analysis(analyse(session.drive, path, 5.0))
    session.display.cloud = "prediction"
    qtbot.waitUntil(lambda: lidar.count > 0 and len(lidar.points) != len(along_truth), timeout=20_000)
    session.display.cloud = "off"
    assert lidar.count == 0
    assert "Lidar" not in view.legend.text()


def with_intensity(drive: Drive) -> Drive:
    """The wall in stripes along its length, the brighter the further."""
    assert drive.point_cloud is not None
    plain = drive.point_cloud

    def cloud(frame: int) -> np.ndarray | None:
        points = plain(frame)
        if points is None:
            return None
        return np.column_stack([points, np.floor(points[:, 2] + drive.poses[frame, 2, 3])]).astype(np.float32)

    return replace(drive, point_cloud=cloud)


def test_intensity_stays_with_its_points_through_moving_and_thinning() -> None:
    drive = with_intensity(lidar_drive())
    grown = built(drive, drive.poses)
    assert grown.points.shape[1] == 4
    # A voxel may hold points of two stripes, whose mean it has.
    assert float(np.abs(grown.points[:, 3] - (grown.points[:, 2] - 0.5)).max()) < 1.2


def test_sweeps_with_and_without_intensity_make_a_map_without() -> None:
    drive, plain = with_intensity(lidar_drive()), lidar_drive()
    mixed = replace(drive, point_cloud=lambda i: (plain if i < 10 else drive).point_cloud(i))
    assert built(mixed, drive.poses).points.shape[1] == 3


def test_sweeps_are_coloured_by_height_or_intensity(view: TrajectoryView, qtbot) -> None:
    session, one, many = view._session, view.scene.cloud, view.scene.lidar
    session.open(with_intensity(lidar_drive()))
    qtbot.waitUntil(lambda: one.count > 0, timeout=20_000)
    assert "by height" in view.legend.text()
    by_height = one.colours.copy()
    assert view.tools.intensity_button.isVisible()
    view.tools.intensity_button.click()
    assert session.display.cloud_colour == "intensity"
    assert "by intensity" in view.legend.text()
    assert one.colours.shape == by_height.shape
    assert not np.allclose(one.colours, by_height)
    order = np.argsort(one.points @ view.scene.space.rotation[:, 2])  # along the wall, the way of the car
    assert (np.diff(one.colours[order].sum(1)) > -1e-6).mean() > 0.95
    session.display.cloud = "off"
    assert not view.tools.intensity_button.isVisible()
    session.display.cloud = "truth"
    qtbot.waitUntil(lambda: many.count > 0 and "by intensity" in view.legend.text(), timeout=20_000)
    session.open(lidar_drive())
    qtbot.waitUntil(lambda: "no intensity" in view.legend.text(), timeout=20_000)
