"""The times of pictures and the poses of cameras in MCAP files, from every kind of message that has them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from log_files import picture
from mcap_logs import TIMES, open_file, pictures, refused, steps, with_poses
from message_files import (
    COMPRESSIONS,
    COUNT,
    HEIGHT,
    LATE,
    MOUNT,
    OPTICAL,
    START,
    STEP,
    WIDTH,
    Event,
    body_poses,
    camera_poses,
    foxglove_drive,
    header,
    pose,
    ros_drive,
    ros_odometry,
    ros_tf,
    stamp,
    transform,
    vector,
    write_json,
    write_protobuf,
    write_ros1,
    write_ros2,
)

from lapose_core.geometry import Array, invert, make_poses


def test_pictures_out_of_order_are_sorted_and_repeated_ones_left_out(tmp_path: Path) -> None:
    order = [0, 2, 1, 3, 3, 4]
    path = write_ros2(tmp_path / "a.mcap", pictures([START + STEP * k for k in order]))
    drive = open_file(path)
    np.testing.assert_allclose(drive.timestamps, 0.1 * np.arange(5), atol=1e-9)
    frames = drive.open_frames()
    for frame, message in enumerate([0, 2, 1, 3, 5]):
        assert np.array_equal(frames.read(frame), picture(message, WIDTH, HEIGHT))
    frames.close()
    assert any("sorted" in note for note in drive.notes)
    assert any("1 pictures repeat" in note for note in drive.notes)


def test_pictures_without_stamps_have_their_log_times(tmp_path: Path) -> None:
    drive = open_file(write_ros2(tmp_path / "a.mcap", pictures([None] * 4)))
    np.testing.assert_allclose(drive.timestamps, 0.1 * np.arange(4), atol=1e-9)
    assert "log times" in drive.provenance["timestamps"]


def test_stamps_in_chunks_that_hold_poses_cost_nothing_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lapose_core.logs.messages.stamps._CHEAP_BYTES", 1000)
    drive = open_file(write_ros2(tmp_path / "a.mcap", ros_drive(), chunk_size=30_000))
    assert "own stamps" in drive.provenance["timestamps"]
    np.testing.assert_allclose(drive.timestamps, TIMES, atol=1e-9)


def test_where_stamps_are_dear_log_times_are_shifted_to_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lapose_core.logs.messages.stamps._CHEAP_BYTES", 1000)
    # Each picture has a chunk of its own.
    path = write_ros2(tmp_path / "a.mcap", ros_drive(), chunk_size=100)
    drive = open_file(path)
    assert f"-{LATE * 1e-6:.1f} ms" in drive.provenance["timestamps"]
    assert drive.poses is not None
    np.testing.assert_allclose(steps(drive.poses), steps(camera_poses()), atol=1e-9)


def other_kinds(i: int) -> dict[str, tuple[str, dict[str, Any]]]:
    """The vehicle's pose at frame ``i`` in every kind of message that has one."""
    matrix, time = body_poses()[i], START + i * STEP
    where = {"header": header(time, "map")}
    covariance = {"pose": pose(matrix), "covariance": [0.0] * 36}
    edge = {"transform": transform(matrix), "child_frame_id": "base_link"}
    return {
        "/pose": ("geometry_msgs/PoseStamped", where | {"pose": pose(matrix)}),
        "/pose_covariance": ("geometry_msgs/PoseWithCovarianceStamped", where | {"pose": covariance}),
        "/transform": ("geometry_msgs/TransformStamped", where | edge),
        "/tf": ros_tf(time, ("map", "base_link", matrix)),
    }


@pytest.mark.parametrize("write", [write_ros1, write_ros2])
@pytest.mark.parametrize("topic", ["/pose", "/pose_covariance", "/transform", "/tf"])
def test_every_ros_kind_of_pose(tmp_path: Path, topic: str, write: Any) -> None:
    poses = ((START + i * STEP, topic, *other_kinds(i)[topic]) for i in range(COUNT))
    static = iter([(START, "/tf_static", *ros_tf(START, ("base_link", "cam_optical", MOUNT)))])
    drive = open_file(write(tmp_path / "a.mcap", with_poses(static, poses)))
    assert drive.poses is not None
    assert drive.provenance["poses"].startswith(topic)
    np.testing.assert_allclose(steps(drive.poses), steps(camera_poses()), atol=1e-9)


@pytest.mark.parametrize("kind", ["PosesInFrame", "FrameTransforms", "LocationFix"])
@pytest.mark.parametrize("write", [write_protobuf, write_json])
def test_every_foxglove_kind_of_pose(tmp_path: Path, kind: str, write: Any) -> None:
    def events() -> Iterator[Event]:
        for event in foxglove_drive():
            if event[1] != "/pose" and not (event[1] == "/tf" and event[3]["parent_frame_id"] == "map"):
                yield event
        for i in range(COUNT):
            time, matrix = START + i * STEP, body_poses()[i]
            edge = {"timestamp": stamp(time), "parent_frame_id": "map", "child_frame_id": "base_link"}
            values = {
                "PosesInFrame": {"poses": [pose(matrix), pose(np.eye(4))]},
                "FrameTransforms": {"transforms": [edge | transform(matrix)]},
                # 1e-5 degrees of latitude are 1.11 m.
                "LocationFix": {"latitude": 48 + 2e-5 * i, "longitude": 11.0, "altitude": 0.0},
            }[kind]
            common = {} if kind == "FrameTransforms" else {"timestamp": stamp(time), "frame_id": "map"}
            yield time, "/where", kind, common | values

    drive = open_file(write(tmp_path / "a.mcap", events()))
    assert drive.poses is not None
    assert drive.provenance["poses"].startswith("/where")
    if kind == "LocationFix":
        np.testing.assert_allclose(np.diff(drive.poses[:, 1, 3]), 2.224, atol=1e-3)
    else:
        np.testing.assert_allclose(steps(drive.poses), steps(camera_poses()), atol=1e-9)


def test_the_height_over_the_road_is_that_over_base_footprint(tmp_path: Path) -> None:
    lift = make_poses(np.eye(3), np.array([0.0, 0, 0.35]))
    edges = (("base_footprint", "base_link", lift), ("base_link", "cam_optical", MOUNT))
    odometry = ((START + i * STEP, "/odom", *ros_odometry(START + i * STEP, body_poses()[i])) for i in range(COUNT))
    static = iter([(START, "/tf_static", *ros_tf(START, *edges))])
    drive = open_file(write_ros2(tmp_path / "a.mcap", with_poses(static, odometry)))
    assert drive.camera_height == pytest.approx(1.75)
    plain = write_ros2(tmp_path / "b.mcap", ros_drive())
    assert open_file(plain).camera_height is None


def test_broken_poses_are_left_out_and_their_frames_bridged(tmp_path: Path) -> None:
    bodies = body_poses()

    def odometry() -> Iterator[Event]:
        for i in range(COUNT):
            kind, message = ros_odometry(START + i * STEP, bodies[i])
            if i == 3:
                message["pose"]["pose"]["position"]["x"] = float("nan")
            if i == 5:
                message["pose"]["pose"]["orientation"] = vector([0, 0, 0, 0])
            if i == 6:
                message["pose"]["pose"]["orientation"] = vector([1, 2, 3, 4])
            yield START + i * STEP, "/odom", kind, message

    static = iter([(START, "/tf_static", *ros_tf(START, ("base_link", "cam_optical", MOUNT)))])
    drive = open_file(write_ros2(tmp_path / "a.mcap", with_poses(static, odometry())))
    assert drive.poses is not None
    assert drive.pose_valid is not None
    assert drive.pose_valid.all()
    np.testing.assert_allclose(steps(drive.poses)[[1, 2, 4, 7]], steps(camera_poses())[[1, 2, 4, 7]], atol=1e-9)
    np.testing.assert_allclose(steps(drive.poses), steps(camera_poses()), atol=0.02)
    assert any("3 messages of /odom" in note for note in drive.notes)


def test_poses_out_of_order_and_frames_outside_them(tmp_path: Path) -> None:
    bodies = body_poses()
    order = [4, 2, 3, 3, 6, 5]
    odometry = ((START + i * STEP, "/odom", *ros_odometry(START + i * STEP, bodies[i])) for i in order)
    static = iter([(START, "/tf_static", *ros_tf(START, ("base_link", "cam_optical", MOUNT)))])
    drive = open_file(write_ros2(tmp_path / "a.mcap", with_poses(static, odometry)))
    assert drive.pose_valid is not None
    assert drive.poses is not None
    assert drive.pose_valid.tolist() == [2 <= i <= 6 for i in range(COUNT)]
    np.testing.assert_allclose(steps(drive.poses[2:7]), steps(camera_poses()[2:7]), atol=1e-9)
    assert any("5 of 10 frames have no pose" in note for note in drive.notes)


def test_poses_of_another_time_are_no_poses(tmp_path: Path) -> None:
    later = START + 10**12
    odometry = ((later + i * STEP, "/odom", *ros_odometry(later + i * STEP, np.eye(4))) for i in range(4))
    path = write_ros2(tmp_path / "a.mcap", with_poses(odometry))
    drive = open_file(path)
    assert drive.poses is None
    assert any("its times are not those of the pictures" in note for note in drive.notes)
    assert "/odom" in refused(path, pose_topic="/odom")


def test_transforms_of_several_rates_are_chained(tmp_path: Path) -> None:
    """map -> odom comes at 2 Hz and drifts evenly, odom -> base_link at 10 Hz, cam on a mast that is fixed."""
    bodies = body_poses()

    def drift(i: float) -> Array:
        return make_poses(np.eye(3), np.array([0.05 * i, 0.02 * i, 0.0]))

    def transforms() -> Iterator[Event]:
        for i in range(0, COUNT + 5, 5):
            yield START + i * STEP, "/tf", *ros_tf(START + i * STEP, ("map", "odom", drift(i)))
        for i in range(COUNT):
            edge = ("odom", "base_link", invert(drift(i)) @ bodies[i])
            yield START + i * STEP, "/tf", *ros_tf(START + i * STEP, edge)
            # ROS 1 repeats what does not move.
            fixed = ("base_link", "cam_optical", MOUNT)
            yield START + i * STEP, "/tf", *ros_tf(START + i * STEP, fixed)

    drive = open_file(write_ros2(tmp_path / "a.mcap", with_poses(transforms())))
    assert drive.poses is not None
    np.testing.assert_allclose(steps(drive.poses), steps(camera_poses()), atol=1e-9)


def test_moving_transforms_join_the_odometry_s_frame_to_the_camera_s(tmp_path: Path) -> None:
    """The cabin sways on the chassis, whose odometry it is."""
    bodies = body_poses()

    def sway(i: int) -> Array:
        return make_poses(np.eye(3), np.array([0.0, 0.01 * i, 0.5]))

    def events() -> Iterator[Event]:
        yield START, "/tf_static", *ros_tf(START, ("cabin", "cam_optical", MOUNT))
        for i in range(COUNT):
            time = START + i * STEP
            yield time, "/tf", *ros_tf(time, ("chassis", "cabin", sway(i)))
            yield time, "/odom", *ros_odometry(time, bodies[i] @ invert(sway(i)), "chassis")

    for compression in COMPRESSIONS:
        path = write_ros2(tmp_path / f"{compression}.mcap", with_poses(events()), compression=COMPRESSIONS[compression])
        drive = open_file(path)
        assert drive.poses is not None
        np.testing.assert_allclose(steps(drive.poses), steps(camera_poses()), atol=1e-9)
        assert not any("assumed" in note for note in drive.notes)


def test_a_loop_of_transforms_ends(tmp_path: Path) -> None:
    def transforms() -> Iterator[Event]:
        for i in range(COUNT):
            edges = [("a", "b"), ("b", "cam_optical"), ("cam_optical", "a")]
            yield START + i * STEP, "/tf", *ros_tf(START + i * STEP, *((*edge, body_poses()[i]) for edge in edges))

    assert len(open_file(write_ros2(tmp_path / "a.mcap", with_poses(transforms())))) == COUNT


def test_without_transforms_the_camera_is_assumed_to_look_ahead(tmp_path: Path) -> None:
    bodies = body_poses()
    odometry = ((START + i * STEP, "/odom", *ros_odometry(START + i * STEP, bodies[i])) for i in range(COUNT))
    drive = open_file(write_ros2(tmp_path / "a.mcap", with_poses(odometry)))
    assert drive.poses is not None
    np.testing.assert_allclose(steps(drive.poses), steps(bodies @ OPTICAL), atol=1e-9)
    assert any("assumed at the origin of base_link" in note for note in drive.notes)


@pytest.mark.parametrize("frame", ["camera_link", "front_camera"])
def test_a_camera_frame_that_is_a_body_frame_is_turned(tmp_path: Path, frame: str) -> None:
    """The pictures name a frame with x forward and z up, which is not where a camera on a car looks."""
    bodies = body_poses()
    odometry = ((START + i * STEP, "/odom", *ros_odometry(START + i * STEP, bodies[i])) for i in range(COUNT))
    static = iter([(START, "/tf_static", *ros_tf(START, ("base_link", frame, MOUNT @ invert(OPTICAL))))])
    drive = open_file(write_ros2(tmp_path / "a.mcap", with_poses(static, odometry, frame=frame)))
    assert drive.poses is not None
    np.testing.assert_allclose(steps(drive.poses), steps(camera_poses()), atol=1e-9)
    assert any("points up" in note for note in drive.notes)


def test_odometry_of_the_camera_itself(tmp_path: Path) -> None:
    poses = camera_poses()
    odometry = (
        (START + i * STEP, "/vo", *ros_odometry(START + i * STEP, poses[i], "cam_optical")) for i in range(COUNT)
    )
    drive = open_file(write_ros2(tmp_path / "a.mcap", with_poses(odometry)))
    assert drive.poses is not None
    np.testing.assert_allclose(steps(drive.poses), steps(poses), atol=1e-9)


def test_map_sized_positions_are_centred_without_loss(tmp_path: Path) -> None:
    far = make_poses(np.eye(3), np.array([691_000.25, 5_334_000.5, 520.0]))
    bodies = far @ body_poses()
    odometry = ((START + i * STEP, "/odom", *ros_odometry(START + i * STEP, bodies[i])) for i in range(COUNT))
    static = iter([(START, "/tf_static", *ros_tf(START, ("base_link", "cam_optical", MOUNT)))])
    drive = open_file(write_ros2(tmp_path / "a.mcap", with_poses(static, odometry)))
    assert drive.poses is not None
    assert np.abs(drive.poses[0, :3, 3]).max() < 1e-6
    np.testing.assert_allclose(steps(drive.poses), steps(camera_poses()), atol=1e-8)


def test_satellite_fixes_give_positions_and_a_course(tmp_path: Path) -> None:
    """Five metres a step to the north-east; 1e-5 degrees are 1.11 m of latitude and less of longitude."""
    latitude = 48.0
    # Metres to a degree on the WGS 84 ellipsoid at this latitude: radii of curvature, along and across.
    a, f = 6378137.0, 1 / 298.257223563
    e2 = f * (2 - f)
    sine = np.sin(np.radians(latitude))
    along = np.radians(a * (1 - e2) / (1 - e2 * sine**2) ** 1.5)
    across = np.radians(a / np.sqrt(1 - e2 * sine**2) * np.cos(np.radians(latitude)))

    def fixes() -> Iterator[Event]:
        for i in range(COUNT):
            values = {
                "header": header(START + i * STEP, "gps"),
                "status": {"status": -1 if i == 4 else 0, "service": 1},
                "latitude": latitude + (99 if i == 4 else 3.0 * i / along),
                "longitude": 11.0 + 4.0 * i / across,
                "altitude": 0.0,
                "position_covariance": [0.0] * 9,
                "position_covariance_type": 0,
            }
            yield START + i * STEP, "/fix", "sensor_msgs/NavSatFix", values

    drive = open_file(write_ros2(tmp_path / "a.mcap", with_poses(fixes())))
    assert drive.poses is not None
    assert drive.pose_valid is not None
    assert drive.pose_valid.all()
    assert "derived" in drive.provenance["poses"]
    centres = drive.poses[:, :3, 3]
    np.testing.assert_allclose(centres[-1] - centres[0], [4.0 * 9, 3.0 * 9, 0], atol=1e-3)
    np.testing.assert_allclose(drive.poses[:, :3, 2], np.tile([0.8, 0.6, 0], (COUNT, 1)), atol=1e-4)
    np.testing.assert_allclose(drive.poses[:, :3, 1], np.tile([0, 0, -1.0], (COUNT, 1)), atol=1e-9)
    place = drive.geodetic_origin
    assert place is not None
    last = place.coordinates(centres[-1:] - centres[0])[0]
    np.testing.assert_allclose(last[:2], [latitude + 27 / along, 11 + 36 / across], rtol=0, atol=1e-7)


def test_given_poses_may_count_from_1970_as_the_recording_does(tmp_path: Path) -> None:
    path = write_ros2(tmp_path / "a.mcap", pictures([START + i * STEP for i in range(4)]))
    lines = [f"{(START + i * STEP) * 1e-9:.6f} {i} 0 0 0 0 0 1" for i in range(4)]
    (tmp_path / "poses.tum").write_text("\n".join(lines))
    drive = open_file(path, poses=tmp_path / "poses.tum")
    assert drive.poses is not None
    np.testing.assert_allclose(drive.poses[:, 0, 3], [0, 1, 2, 3], atol=1e-5)
