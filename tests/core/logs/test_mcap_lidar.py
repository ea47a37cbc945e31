"""Point clouds in MCAP files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mcap_logs import open_file, with_poses
from message_files import (
    COUNT,
    LIDAR,
    MOUNT,
    POINTS,
    START,
    STEP,
    Event,
    body_poses,
    camera_poses,
    cloud_in_camera,
    ros_cloud,
    ros_drive,
    ros_odometry,
    ros_tf,
    write_ros2,
)

from lapose_core.drive import LogError
from lapose_core.geometry import invert


def test_a_sweep_between_frames_moves_with_the_vehicle(tmp_path: Path) -> None:
    """A point of the world, seen 40 ms after frame 4 and just as far before frame 5 less 20 ms, is at its place."""
    later = 40_000_000
    wall = np.array([[30.0, 4.0, 2.0]])
    bodies = body_poses()

    def events() -> Iterator[Event]:
        static = (("base_link", "cam_optical", MOUNT), ("base_link", "lidar", LIDAR))
        yield START, "/tf_static", *ros_tf(START, *static)
        # The pose at the sweep's own time, so that nothing is interpolated.
        turn = invert(bodies[4]) @ bodies[5]
        between = bodies[4].copy()
        between[:3, 3] += bodies[4][:3, :3] @ turn[:3, 3] * 0.4
        for i in range(COUNT):
            yield START + i * STEP, "/odom", *ros_odometry(START + i * STEP, bodies[i])
        yield START + 4 * STEP + later, "/odom", *ros_odometry(START + 4 * STEP + later, between)
        seat = between @ LIDAR
        seen = (wall - seat[:3, 3]) @ seat[:3, :3]
        yield START + 4 * STEP + later, "/points", *ros_cloud(START + 4 * STEP + later, seen)

    drive = open_file(write_ros2(tmp_path / "a.mcap", with_poses(events())))
    assert drive.point_cloud is not None
    points = drive.point_cloud(4)
    assert points is not None
    camera = camera_poses()[4]
    np.testing.assert_allclose(points[:, :3], (wall - camera[:3, 3]) @ camera[:3, :3], atol=1e-4)
    np.testing.assert_array_equal(points[:, 3], 10.0 * np.arange(len(points)))
    assert drive.point_cloud(5) is None


def test_clouds_without_a_transform_are_left_out_with_a_note(tmp_path: Path) -> None:
    cloud = iter([(START, "/points", *ros_cloud(START))])
    drive = open_file(write_ros2(tmp_path / "a.mcap", with_poses(cloud)))
    assert drive.point_cloud is None
    odometry = ((START + i * STEP, "/odom", *ros_odometry(START + i * STEP, body_poses()[i])) for i in range(COUNT))
    cloud = iter([(START, "/points", *ros_cloud(START))])
    drive = open_file(write_ros2(tmp_path / "b.mcap", with_poses(cloud, odometry)))
    assert drive.point_cloud is None
    assert any("no transform leads" in note for note in drive.notes)


@pytest.mark.parametrize(
    "changes",
    [{"width": 10**6}, {"point_step": 0}, {"fields": []}, {"data": b""}],
    ids=["too wide", "no step", "no fields", "no data"],
)
def test_a_damaged_sweep_is_an_error_of_that_sweep(tmp_path: Path, changes: dict[str, Any]) -> None:
    events = list(ros_drive())
    at = next(k for k, event in enumerate(events) if event[1] == "/lidar/points")
    time, topic, kind, message = events[at]
    events[at] = (time, topic, kind, message | changes)
    drive = open_file(write_ros2(tmp_path / "a.mcap", iter(events)))
    assert drive.point_cloud is not None
    with pytest.raises(LogError, match="/lidar/points"):
        drive.point_cloud(2)
    assert drive.point_cloud(6) is not None


def test_points_that_are_no_numbers_are_left_out(tmp_path: Path) -> None:
    events = list(ros_drive())
    at = next(k for k, event in enumerate(events) if event[1] == "/lidar/points")
    points = np.vstack([POINTS, [np.nan, 0, 0], [np.inf, 1, 1]])
    events[at] = (*events[at][:2], *ros_cloud(START + 2 * STEP, points))
    drive = open_file(write_ros2(tmp_path / "a.mcap", iter(events)))
    assert drive.point_cloud is not None
    found = drive.point_cloud(2)
    assert found is not None
    np.testing.assert_allclose(found[:, :3], cloud_in_camera(), atol=1e-5)
