"""Waymo Open, version 2: poses turned to our axes, pictures by row, and one clear line for what cannot be read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from conformance import Conformance, Expected
from waymo_files import (
    CENTRE,
    COUNT,
    FOCAL,
    LENS,
    MOMENT,
    SEGMENT,
    SHUTTER,
    SIZE,
    Change,
    Rows,
    camera_pose,
    colour,
    jpeg,
    picture_seconds,
    sweep_in_world,
    write_waymo,
)

from lapose_core.drive import Drive, LogError
from lapose_core.geometry import invert, path_length, relative
from lapose_core.logs.parquet_rows import ParquetRows
from lapose_core.logs.reader import LogOptions
from lapose_core.logs.waymo import READER

NAMES = ("FRONT", "FRONT_LEFT", "FRONT_RIGHT", "SIDE_LEFT", "SIDE_RIGHT")


class TestConformance(Conformance):
    reader = READER

    def write_log(self, folder: Path) -> Expected:
        write_waymo(folder / "training")
        clouds = {}
        for i in range(COUNT - 1):
            camera = invert(camera_pose(i))
            clouds[i] = sweep_in_world(i) @ camera[:3, :3].T + camera[:3, 3]
        return Expected(
            path=folder,
            key=f"training/{SEGMENT}",
            width=SIZE[0],
            height=SIZE[1],
            timestamps=np.arange(COUNT) / 10,
            poses=np.stack([camera_pose(i) for i in range(COUNT)]),
            intrinsics=(*FOCAL, *CENTRE),
            clouds=clouds,
            intensity=True,
            files=(folder / f"training/camera_image/{SEGMENT}.parquet",),
            picture=lambda i: np.full((SIZE[1], SIZE[0], 3), colour(1, i), np.uint8),
            pose_error=1e-7,
            cameras=NAMES,
        )

    def test_each_camera_can_be_chosen(self, log: Expected) -> None:
        left = READER.open(log.path, log.key, LogOptions(camera="FRONT_LEFT"))
        front = READER.open(log.path, log.key, LogOptions(camera="FRONT"))
        assert left.fingerprint != front.fingerprint
        np.testing.assert_allclose(left.open_frames().read(3)[5, 5], colour(2, 3), atol=3)
        expected = np.stack([camera_pose(i, 2) for i in range(COUNT)])
        np.testing.assert_allclose(invert(left.poses[:1]) @ left.poses, invert(expected[:1]) @ expected, atol=1e-7)
        with pytest.raises(LogError, match=r"key\.camera_name 4\); choose another"):
            READER.open(log.path, log.key, LogOptions(camera="SIDE_LEFT"))
        with pytest.raises(LogError, match="no camera 'no_such_camera'"):
            READER.open(log.path, log.key, LogOptions(camera="no_such_camera"))


def opened(path: Path, **options: Any) -> Drive:
    return READER.open(path, READER.list(path)[0].key, LogOptions(**options))


def refused(path: Path, **options: Any) -> str:
    with pytest.raises(LogError) as caught:
        opened(path, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def component(split: Path, name: str) -> Path:
    return split / name / f"{SEGMENT}.parquet"


def test_the_data_set_a_split_and_a_file_open(tmp_path: Path) -> None:
    split = write_waymo(tmp_path / "validation")
    for path in (tmp_path, split, split / "camera_image", component(split, "camera_image")):
        assert READER.matches(path)
        (listing,) = READER.list(path)
        assert listing.name == SEGMENT
        assert len(opened(path)) == COUNT
    assert not READER.matches(component(split, "lidar"))


def test_times_poses_and_lens(tmp_path: Path) -> None:
    drive = opened(write_waymo(tmp_path))
    assert drive.timestamps[0] == pytest.approx(MOMENT * 1e-6 + SHUTTER, abs=1e-6)
    np.testing.assert_array_equal(drive.poses[0, :3, 3], 0)
    assert (relative(drive.poses)[:, 2, 3] > 0.99).all()  # it drives along its own z
    assert (drive.poses[:, 2, 1] < -0.99).all()  # its y points down
    assert path_length(drive.poses) == pytest.approx(8.0, rel=0.01)
    assert (drive.intrinsics.model, drive.intrinsics.distortion) == ("brown-conrady", LENS)
    assert drive.provenance["scene"] == "Night, location_sf, rain"
    assert drive.notes == ()


def without(name: str, *columns: str) -> Change:
    def change(found: str, rows: Rows) -> None:
        if found == name:
            for column in columns:
                del rows[column]

    return change


def put(name: str, column: str, row: int, value: Any) -> Change:
    def change(found: str, rows: Rows) -> None:
        if found == name:
            rows[column][row] = value

    return change


def test_poses_of_the_component_where_the_pictures_have_none(tmp_path: Path) -> None:
    image = "[CameraImageComponent]"
    change = without("camera_image", f"{image}.pose.transform", f"{image}.pose_timestamp")
    drive = opened(write_waymo(tmp_path, change))
    expected = np.stack([camera_pose(i) for i in range(COUNT)])
    np.testing.assert_allclose(invert(drive.poses[:1]) @ drive.poses, invert(expected[:1]) @ expected, atol=1e-7)
    assert drive.timestamps[0] == pytest.approx(MOMENT * 1e-6, abs=1e-6)
    assert drive.provenance["poses"].startswith("vehicle_pose")
    component(tmp_path, "vehicle_pose").unlink()
    drive = opened(tmp_path)
    assert drive.poses is None
    assert len(drive) == COUNT


@pytest.mark.parametrize(
    "pose",
    [None, [float("nan")] * 16, [0.0] * 16, (2 * np.eye(4)).ravel().tolist(), np.diag([1, 1, -1, 1]).ravel() * 1.0],
)
def test_a_bad_pose_costs_its_frame_only(tmp_path: Path, pose: Any) -> None:
    column = "[CameraImageComponent].pose.transform"
    drive = opened(write_waymo(tmp_path, put("camera_image", column, 2 * 3, None if pose is None else list(pose))))
    assert np.flatnonzero(~drive.pose_valid).tolist() == [3]
    assert "1 of 9 frames have no pose in camera_image" in drive.notes[0]
    assert drive.point_cloud(3) is None
    assert drive.point_cloud(4) is not None


@pytest.mark.parametrize(
    ("component_name", "column"),
    [
        ("camera_image", "key.frame_timestamp_micros"),
        ("camera_image", "key.camera_name"),
        ("camera_image", "[CameraImageComponent].image"),
    ],
)
def test_a_missing_column_is_named(tmp_path: Path, component_name: str, column: str) -> None:
    message = refused(write_waymo(tmp_path, without(component_name, column)))
    assert f"{SEGMENT}.parquet: there is no column {column!r}" in message


@pytest.mark.parametrize("name", ["camera_calibration", "lidar", "lidar_pose", "lidar_calibration", "stats"])
def test_a_damaged_component_leaves_the_rest(tmp_path: Path, name: str) -> None:
    file = component(write_waymo(tmp_path), name)
    whole = file.read_bytes()
    for broken in (whole[: len(whole) // 2], b"", b"PAR1" * 10):
        file.write_bytes(broken)
        drive = opened(tmp_path)
        assert len(drive) == COUNT
        assert "\n" not in "".join(drive.notes)
        if name != "stats":
            assert f"{name}/{SEGMENT}.parquet" in drive.notes[0]
    file.unlink()
    drive = opened(tmp_path)
    assert (drive.poses is None) == (name == "camera_calibration")
    assert (drive.point_cloud is None) == (name in ("camera_calibration", "lidar", "lidar_calibration"))


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("camera_calibration", "[CameraCalibrationComponent].intrinsic.f_u"),
        ("camera_calibration", "[CameraCalibrationComponent].extrinsic.transform"),
        ("lidar", "key.laser_name"),
        ("lidar_calibration", "[LiDARCalibrationComponent].beam_inclination.min"),
    ],
)
def test_a_component_that_lacks_a_column_leaves_the_pictures(tmp_path: Path, name: str, column: str) -> None:
    drive = opened(write_waymo(tmp_path, without(name, column)))
    assert f"there is no column {column!r}" in drive.notes[0]
    assert drive.open_frames().read(0).shape == (SIZE[1], SIZE[0], 3)


def test_pictures_are_damaged_or_cut_off(tmp_path: Path) -> None:
    write_waymo(tmp_path, put("camera_image", "[CameraImageComponent].image", 2 * 4, b"\xff\xd8 no picture"))
    frames = opened(tmp_path).open_frames()
    with pytest.raises(LogError, match=r"parquet: the picture of row 8 cannot be read"):
        frames.read(4)
    np.testing.assert_allclose(frames.read(5)[5, 5], colour(1, 5), atol=3)
    write_waymo(tmp_path, put("camera_image", "[CameraImageComponent].image", 2 * 4, None))
    with pytest.raises(LogError, match=r"row 8 has no picture"):
        opened(tmp_path).open_frames().read(4)
    write_waymo(tmp_path, put("camera_image", "[CameraImageComponent].image", 2 * 4, jpeg(1, 4, (48, 32))))
    with pytest.raises(LogError, match=r"row 8 is 48x32, the others are 96x64"):
        opened(tmp_path).open_frames().read(4)
    file = component(tmp_path, "camera_image")
    whole = file.read_bytes()
    for broken in (whole[:-20], whole[: len(whole) // 2], b""):
        file.write_bytes(broken)
        assert "camera_image" in refused(tmp_path)
    file.write_bytes(whole[:200] + bytes(len(whole) // 4) + whole[200 + len(whole) // 4 :])
    message = refused(tmp_path)
    assert "get the file again" in message


def test_pictures_of_another_size_than_the_camera(tmp_path: Path) -> None:
    def size(width: int, height: int) -> Change:
        def change(name: str, rows: Rows) -> None:
            if name == "camera_calibration":
                rows["[CameraCalibrationComponent].width"] = [width] * 2
                rows["[CameraCalibrationComponent].height"] = [height] * 2

        return change

    half = opened(write_waymo(tmp_path / "a", size(192, 128))).intrinsics
    assert (half.fx, half.cx, half.width) == (FOCAL[0] / 2, CENTRE[0] / 2, 96)
    drive = opened(write_waymo(tmp_path / "b", size(96, 96)))
    assert drive.intrinsics is None
    assert "96x96 pictures, but these are 96x64" in drive.notes[0]
    assert drive.poses is not None


def test_two_pictures_of_one_time_and_rows_in_another_order(tmp_path: Path) -> None:
    def change(name: str, rows: Rows) -> None:
        if name == "camera_image":
            for column, values in rows.items():
                rows[column] = values[::-1]
            rows["key.frame_timestamp_micros"][1] = rows["key.frame_timestamp_micros"][3]

    drive = opened(write_waymo(tmp_path, change))
    assert len(drive) == COUNT - 1
    assert "1 pictures have the time of another" in drive.notes[0]
    frames = drive.open_frames()
    for i in range(COUNT - 2):
        np.testing.assert_allclose(frames.read(i)[5, 5], colour(1, i), atol=3)


def test_times_of_pictures_that_do_not_increase_give_way_to_the_frames(tmp_path: Path) -> None:
    column = "[CameraImageComponent].pose_timestamp"
    for bad in (0.0, float("nan"), None, MOMENT * 1e-6 + picture_seconds(3)):
        drive = opened(write_waymo(tmp_path, put("camera_image", column, 2 * 2, bad)))
        np.testing.assert_allclose(drive.timestamps, MOMENT * 1e-6 + np.arange(COUNT) / 10, atol=1e-6)
        assert "frame_timestamp_micros" in drive.provenance["timestamps"]


def test_a_link_out_of_the_data_set_and_a_loop(tmp_path: Path) -> None:
    split = write_waymo(tmp_path / "training")
    for name in ("camera_image", "vehicle_pose"):
        component(split, name).rename(tmp_path / f"{name}.parquet")
        component(split, name).symlink_to(tmp_path / f"{name}.parquet")
    assert "leads out" in refused(tmp_path)
    component(split, "camera_image").unlink()
    component(split, "camera_image").symlink_to(component(split, "camera_image"))
    assert "no file name" in refused(tmp_path)
    (tmp_path / "validation").symlink_to(tmp_path / "validation")
    assert READER.matches(tmp_path)


def test_beams_evenly_spread_and_no_pose_of_each_point(tmp_path: Path) -> None:
    def change(name: str, rows: Rows) -> None:
        if name == "lidar_calibration":
            rows["[LiDARCalibrationComponent].beam_inclination.values"] = [None, None]

    split = write_waymo(tmp_path, change)
    component(split, "lidar_pose").unlink()
    points = opened(split).point_cloud(0)
    assert len(points) == len(sweep_in_world(0))
    # Four beams from -0.3 to 0.04 lie at the middles of four parts.
    height = -points[:, 1]
    assert len(np.unique(np.round(height / np.linalg.norm(points[:, :3], axis=1), 1))) >= 3
    with pytest.raises(LogError, match="4 beams but 3 inclinations"):
        opened(write_waymo(tmp_path / "x", lambda n, r: three(n, r))).point_cloud(0)


def three(name: str, rows: Rows) -> None:
    if name == "lidar_calibration":
        rows["[LiDARCalibrationComponent].beam_inclination.values"] = [None, [-0.3, -0.1, 0.0]]


def test_a_sweep_of_another_shape(tmp_path: Path) -> None:
    column = "[LiDARComponent].range_image_return1"
    drive = opened(write_waymo(tmp_path, put("lidar", f"{column}.shape", 2 * 2 + 1, [4, 36, 5])))
    with pytest.raises(LogError, match=r"576 values are no image of \[4, 36, 5\]"):
        drive.point_cloud(2)
    assert drive.point_cloud(3) is not None
    drive = opened(write_waymo(tmp_path, put("lidar", f"{column}.values", 2 * 2 + 1, None)))
    with pytest.raises(LogError, match="has no range image"):
        drive.point_cloud(2)


@pytest.mark.parametrize("folder", [True, False])
def test_records_of_version_1_are_refused_with_what_to_do(tmp_path: Path, folder: bool) -> None:
    file = tmp_path / "validation" / f"segment-{SEGMENT}_with_camera_labels.tfrecord"
    file.parent.mkdir()
    file.write_bytes(bytes(100))
    path = file.parent if folder else file
    assert READER.matches(path)
    with pytest.raises(LogError) as caught:
        READER.list(path)
    message = str(caught.value)
    assert "\n" not in message
    assert "version 1" in message
    assert f"gsutil cp gs://waymo_open_dataset_v_2_0_1/validation/$c/{SEGMENT}.parquet waymo/validation/$c/" in message


def test_a_big_row_group_is_read_page_by_page(tmp_path: Path) -> None:
    noise = np.random.default_rng(0)

    def change(name: str, rows: Rows) -> None:
        if name == "camera_image":
            for column, values in rows.items():
                rows[column] = values * 6
            picture = rows["[CameraImageComponent].image"]
            # What follows the end of a JPEG is not looked at.
            rows["[CameraImageComponent].image"] = [p + noise.bytes(1 << 20) for p in picture]
            rows["key.frame_timestamp_micros"] = [MOMENT + 100_000 * (i // 2) for i in range(len(picture))]

    file = component(write_waymo(tmp_path, change, row_group_size=10_000, rows_a_page=2), "camera_image")
    assert file.stat().st_size > 100 << 20
    rows = ParquetRows(file, ["[CameraImageComponent].image"])
    pool = pa.default_memory_pool()
    before, most = pool.bytes_allocated(), 0
    for number in (*range(0, 100, 3), 40, 107):
        data = rows.row(number)["[CameraImageComponent].image"].as_py()
        frame, camera = (number // 2) % COUNT, number % 2 + 1
        assert data[: len(jpeg(camera, frame))] == jpeg(camera, frame)
        most = max(most, pool.bytes_allocated() - before)
    rows.close()
    assert most < 32 << 20
    frames = opened(tmp_path).open_frames()
    for i in (53, 52, 50, 3, 20):
        np.testing.assert_allclose(frames.read(i)[5, 5], colour(1, i % COUNT), atol=3)


def test_a_row_that_is_not_there(tmp_path: Path) -> None:
    rows = ParquetRows(component(write_waymo(tmp_path), "stats"), ["[StatsComponent].weather"])
    for number in (-1, COUNT, 10**6):
        with pytest.raises(LogError, match="there is no such row"):
            rows.row(number)
    assert rows.row(COUNT - 1)["[StatsComponent].weather"].as_py() == "rain"
