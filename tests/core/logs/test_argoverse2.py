"""Argoverse 2: any camera, the real log's poses and sweep, and one clear line for whatever is amiss."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
import pytest
from conformance import Conformance, Expected
from log_files import real, write_pictures
from PIL import Image as Pil
from scipy.spatial.transform import Rotation

from lapose_core.drive import Drive, LogError
from lapose_core.geodesy import GeodeticOrigin, UniversalTransverseMercator
from lapose_core.geometry import path_length, relative
from lapose_core.inference.preprocess import Crop, Preprocessor
from lapose_core.logs.argoverse2 import READER
from lapose_core.logs.reader import LogOptions

LOG = "7fab2350-7eaf-3b7e-a39d-6937a4c1bede"
KEY = f"val/{LOG}"
START = 315966253572412942
SIZES = {"ring_front_center": (30, 40), "ring_side_left": (40, 30), "stereo_front_left": (40, 30)}
LOOKS = {"ring_front_center": 0.02, "ring_side_left": np.pi / 2, "stereo_front_left": -0.01}
FOCAL = 34.0
COUNT = 8
SWEEPS = (0.013, 0.113, 0.263)


def vehicle(seconds: float) -> np.ndarray:
    """City from vehicle: a bend to the left at 9 m/s, far from the city's origin."""
    heading = 0.4 + 0.25 * seconds
    radius = 9 / 0.25
    out = np.eye(4)
    out[:3, :3] = Rotation.from_euler("ZYX", [heading, 0.01, -0.02]).as_matrix()
    out[:3, 3] = [5172 + radius * np.sin(heading), 2419 - radius * np.cos(heading), 67 + 0.1 * seconds]
    return out


def mount(camera: str) -> np.ndarray:
    """Vehicle from camera: the camera's x is right, y down, z ahead."""
    out = np.eye(4)
    ahead = np.array([[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]])
    out[:3, :3] = Rotation.from_euler("z", LOOKS[camera]).as_matrix() @ ahead
    out[:3, 3] = [1.63, 0.2 * LOOKS[camera], 1.4]
    return out


def camera_pose(seconds: float, camera: str) -> np.ndarray:
    return vehicle(seconds) @ mount(camera)


def points_of(sweep: int) -> np.ndarray:
    """Points [50, 3] of a sweep in the vehicle's axes, half precision as the data set's."""
    return np.random.default_rng(sweep).uniform([-20, -20, -0.3], [20, 20, 3], (50, 3)).astype(np.float16)


def times(camera: str = "ring_front_center") -> np.ndarray:
    """Of the pictures, seconds from START; each camera has its own."""
    return 0.05 * np.arange(COUNT) + 0.003 * list(SIZES).index(camera)


def stamps(seconds: np.ndarray) -> np.ndarray:
    return START + np.round(np.asarray(seconds) * 1e9).astype(np.int64)


def wxyz(poses: np.ndarray) -> dict[str, np.ndarray]:
    q = Rotation.from_matrix(poses[:, :3, :3]).as_quat()
    columns = dict(zip(("qx", "qy", "qz", "qw"), q.T))
    return columns | dict(zip(("tx_m", "ty_m", "tz_m"), poses[:, :3, 3].T))


def save(path: Path, columns: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pyarrow.feather.write_feather(pa.table(columns), path)


def change(path: Path, **columns: Any) -> None:
    """Replace columns of a table; None removes one."""
    table = pyarrow.feather.read_table(path)
    kept = {name: table[name] for name in table.column_names if name not in columns}
    save(path, kept | {name: values for name, values in columns.items() if values is not None})


def write_log(log: Path) -> Path:
    for camera, size in SIZES.items():
        folder = log / "sensors" / "cameras" / camera
        write_pictures(folder, COUNT, size, "{}.jpg")
        for i, stamp in enumerate(stamps(times(camera))):
            (folder / f"{i}.jpg").rename(folder / f"{stamp}.jpg")
    for i, seconds in enumerate(SWEEPS):
        x, y, z = points_of(i).T
        rows = {"x": x, "y": y, "z": z, "intensity": np.arange(len(x), dtype=np.uint8)}
        save(log / "sensors" / "lidar" / f"{stamps(np.array(seconds))}.feather", rows)
    at = np.arange(-0.1, 0.6, 0.0075)
    rows = {"timestamp_ns": stamps(at)} | wxyz(np.stack([vehicle(t) for t in at]))
    save(log / "city_SE3_egovehicle.feather", rows)
    names = list(SIZES)
    count = len(names)
    save(
        log / "calibration" / "intrinsics.feather",
        {
            "sensor_name": names,
            "fx_px": [FOCAL] * count,
            "fy_px": [FOCAL + 1] * count,
            "cx_px": [SIZES[n][0] / 2 + 0.3 for n in names],
            "cy_px": [SIZES[n][1] / 2 - 0.4 for n in names],
            "k1": [-0.24] * count,
            "k2": [-0.21] * count,
            "k3": [0.33] * count,
            "height_px": np.array([SIZES[n][1] for n in names], np.uint16),
            "width_px": np.array([SIZES[n][0] for n in names], np.uint16),
        },
    )
    mounts = {"sensor_name": [*names, "up_lidar"]}
    save(
        log / "calibration" / "egovehicle_SE3_sensor.feather",
        mounts | wxyz(np.stack([*(mount(n) for n in names), np.eye(4)])),
    )
    return log


def opened(path: Path, key: str = LOG, **options: Any) -> Drive:
    return READER.open(path, key, LogOptions(**options))


def refused(path: Path, key: str = LOG, **options: Any) -> str:
    with pytest.raises(LogError) as caught:
        opened(path, key, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def note(drive: Drive, *words: str) -> None:
    """One note of the drive holds all ``words`` and is one line."""
    found = [n for n in drive.notes if all(word in n for word in words)]
    assert found, f"no note with {words} in {drive.notes}"
    assert "\n" not in found[0]


def cloud(frame: int, sweep: int, camera: str = "ring_front_center") -> np.ndarray:
    """The points of a sweep in the camera's axes at a frame's time."""
    turn = np.linalg.inv(camera_pose(times(camera)[frame], camera)) @ vehicle(SWEEPS[sweep])
    return points_of(sweep).astype(np.float64) @ turn[:3, :3].T + turn[:3, 3]


def flat(i: int) -> np.ndarray:
    return np.full((40, 30, 3), (i * 9, 255 - i, 40), np.uint8)


class TestArgoverse2(Conformance):
    reader = READER

    def write_log(self, folder: Path) -> Expected:
        other = write_log(folder / "test" / "0b0c")
        log = write_log(folder / "val" / LOG)
        shutil.rmtree(other / "sensors" / "lidar")
        name = "ring_front_center"
        return Expected(
            folder,
            KEY,
            30,
            40,
            times() - times()[0],
            np.stack([camera_pose(t, name) for t in times()]),
            intrinsics=(FOCAL, FOCAL + 1, 15.8, 20.1),
            keys=("test/0b0c", KEY),
            cameras=tuple(SIZES),
            clouds={0: cloud(0, 0), 2: cloud(2, 1), 5: cloud(5, 2)},
            intensity=True,
            files=(log / "sensors" / "cameras" / name / f"{stamps(times())[3]}.jpg",),
            picture=flat,
            pose_error=1e-4,
        )


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return write_log(tmp_path / "val" / LOG)


# -- what is opened --------------------------------------------------------------------------------------------


def test_any_level_of_the_data_set_opens(log: Path, tmp_path: Path) -> None:
    (tmp_path / "sensor").mkdir()
    shutil.move(tmp_path / "val", tmp_path / "sensor" / "val")
    log = tmp_path / "sensor" / "val" / LOG
    paths = {tmp_path: f"sensor/{KEY}", tmp_path / "sensor": KEY, log.parent: LOG, log: LOG}
    for path, key in paths.items():
        assert READER.matches(path)
        (listing,) = READER.list(path)
        assert (listing.key, listing.name, listing.frames) == (key, LOG, COUNT)
        drive = opened(path, key)
        assert drive.name == f"{LOG}/ring_front_center"
        assert drive.path == log / "sensors" / "cameras" / "ring_front_center"
    camera = log / "sensors" / "cameras" / "ring_side_left"
    assert READER.matches(camera)
    assert READER.list(camera)[0].cameras[0] == "ring_side_left"
    assert opened(camera).name.endswith("ring_side_left")
    for path in (log / "sensors", log / "calibration", log / "sensors" / "lidar"):
        assert not READER.matches(path)


def test_paths_relative_to_the_working_folder_open(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    camera = log / "sensors" / "cameras" / "ring_side_left"
    for folder, path, name in ((log, ".", "center"), (camera, ".", "left"), (camera.parent, camera.name, "left")):
        monkeypatch.chdir(folder)
        assert READER.matches(Path(path))
        assert READER.list(Path(path))[0].name == LOG
        drive = opened(Path(path))
        assert drive.name.endswith(name)
        assert drive.poses is not None


@pytest.mark.parametrize("camera", SIZES)
def test_each_camera_has_its_own_poses_times_and_axes(log: Path, camera: str) -> None:
    drive = opened(log, camera=camera)
    assert (drive.width, drive.height) == SIZES[camera]
    assert drive.poses is not None
    true = np.stack([camera_pose(t, camera) for t in times(camera)])
    assert np.abs(relative(drive.poses) - np.linalg.inv(true[:-1]) @ true[1:]).max() < 1e-4
    assert drive.poses[:, 1, 1].min() > 0.99  # the world's y is down and so is the camera's
    assert np.abs(drive.poses[0, :3, 3]).max() < 3
    assert drive.camera_height == pytest.approx(1.4 + 0.33)
    assert drive.point_cloud is not None
    found = drive.point_cloud(2)
    assert found is not None
    assert np.abs(found[:, :3] - cloud(2, 1, camera)).max() < 5e-3
    np.testing.assert_array_equal(found[:, 3], np.arange(len(found)))


def test_the_city_in_the_maps_name_tells_the_place(log: Path) -> None:
    assert opened(log).geodetic_origin is None, "no map, no city"
    (log / "map").mkdir()
    (log / "map" / f"log_map_archive_{LOG}____ATX_city_77093.json").write_text("{}")
    drive = opened(log)
    place = drive.geodetic_origin
    assert place is not None
    assert drive.poses is not None
    city = camera_pose(times()[0], "ring_front_center")[:3, 3]
    origin = GeodeticOrigin(30.27464237939507, -97.7404457407424, 0.0, np.eye(4), "", UniversalTransverseMercator(14))
    np.testing.assert_allclose(
        place.coordinates(drive.poses[:1, :3, 3]), origin.coordinates(city[None]), rtol=0, atol=1e-6
    )


def test_the_lens_is_told_and_not_applied(log: Path) -> None:
    drive = opened(log)
    assert drive.intrinsics is not None
    assert (drive.intrinsics.model, drive.intrinsics.distortion) == ("none", ())
    assert "undistorted by the data set (of a lens with k1 = -0.240" in drive.provenance["intrinsics"]
    change(log / "calibration" / "intrinsics.feather", k2=None)
    drive = opened(log)
    assert drive.intrinsics is not None
    assert drive.provenance["intrinsics"].endswith("undistorted by the data set")


def test_pictures_that_are_no_times_are_left_alone(log: Path) -> None:
    folder = log / "sensors" / "cameras" / "ring_front_center"
    write_pictures(folder, 1, (9, 9), "thumbnail.jpg")
    (folder / ".hidden.jpg").write_text("x")
    (folder / "315.txt").write_text("x")
    assert len(opened(log)) == COUNT
    assert READER.list(log)[0].frames == COUNT


def test_scaled_pictures_have_a_scaled_camera(log: Path) -> None:
    folder = log / "sensors" / "cameras" / "ring_front_center"
    for path in folder.iterdir():
        Pil.new("RGB", (15, 20)).save(path)
    camera = opened(log).intrinsics
    assert camera is not None
    assert (camera.fx, camera.cx, camera.width) == (FOCAL / 2, 7.9, 15)


# -- what is amiss ---------------------------------------------------------------------------------------------

POSES, INTRINSICS, MOUNTS = (
    "city_SE3_egovehicle.feather",
    "calibration/intrinsics.feather",
    "calibration/egovehicle_SE3_sensor.feather",
)
LOST = {INTRINSICS: ("intrinsics",), MOUNTS: ("poses", "point_cloud"), POSES: ("poses",)}


def check_lost(drive: Drive, name: str) -> None:
    for what in ("intrinsics", "poses", "point_cloud"):
        assert (getattr(drive, what) is None) == (what in LOST[name]), what
    assert drive.open_frames().read(2).shape == (40, 30, 3)


@pytest.mark.parametrize("name", LOST)
@pytest.mark.parametrize("damage", ["missing", "cut off", "empty", "text", "parquet"])
def test_a_table_that_cannot_be_read_costs_what_hangs_on_it(log: Path, name: str, damage: str) -> None:
    path = log / name
    content = path.read_bytes()
    if damage == "missing":
        path.unlink()
    elif damage == "parquet":
        pyarrow.parquet.write_table(pyarrow.feather.read_table(path), path)
    else:
        path.write_bytes({"cut off": content[: len(content) // 2], "empty": b"", "text": b"hello\nworld"}[damage])
    drive = opened(log)
    check_lost(drive, name)
    note(drive, name, "download" if damage == "missing" else "not a whole feather file")


@pytest.mark.parametrize(
    ("name", "column"), [(INTRINSICS, "fx_px"), (INTRINSICS, "sensor_name"), (MOUNTS, "qw"), (POSES, "timestamp_ns")]
)
def test_a_missing_or_wrong_column_is_named(log: Path, name: str, column: str) -> None:
    rows = pyarrow.feather.read_table(log / name).num_rows
    change(log / name, **{column: None})
    drive = opened(log)
    check_lost(drive, name)
    note(drive, name, f"column {column} is missing")
    change(log / name, **{column: pa.array([[1, 2]] * rows)})
    drive = opened(log)
    check_lost(drive, name)
    note(drive, name, f"column {column} holds list")


def test_times_that_are_no_whole_nanoseconds_are_refused(log: Path) -> None:
    table = pyarrow.feather.read_table(log / POSES)
    change(log / POSES, timestamp_ns=table["timestamp_ns"].to_numpy() * 1.0)
    drive = opened(log)
    assert drive.poses is None
    note(drive, POSES, "timestamp_ns holds float64")


def test_a_sensor_that_is_not_in_the_tables_is_named(log: Path) -> None:
    change(log / INTRINSICS, sensor_name=["a", "b", "c"])
    change(log / MOUNTS, sensor_name=["a", "b", "c", "d"])
    drive = opened(log)
    assert drive.intrinsics is None
    assert drive.poses is None
    note(drive, INTRINSICS, "there is no ring_front_center")
    note(drive, MOUNTS, "there is no ring_front_center")


@pytest.mark.parametrize("values", [[np.nan] * 4, [0.0] * 4, [5.0] * 4])
def test_a_mounting_that_is_no_pose_is_named(log: Path, values: list[float]) -> None:
    change(log / MOUNTS, qw=values)
    if values[0] == 0.0:
        change(log / MOUNTS, qx=values, qy=values, qz=values)
    drive = opened(log)
    check_lost(drive, MOUNTS)
    note(drive, MOUNTS, "ring_front_center", "are no pose")
    assert drive.camera_height is None


def test_rows_that_are_no_poses_are_left_out(log: Path) -> None:
    table = pyarrow.feather.read_table(log / POSES)
    qw, tx = (table[c].to_numpy().copy() for c in ("qw", "tx_m"))
    qw[20], tx[22] = 3.0, np.nan
    change(log / POSES, qw=qw, tx_m=tx)
    drive = opened(log)
    note(drive, f"2 of {len(qw)} rows", "row 20 first")
    assert drive.pose_valid is not None
    assert drive.pose_valid.all()
    assert drive.poses is not None
    true = np.stack([camera_pose(t, "ring_front_center") for t in times()])
    assert np.abs(relative(drive.poses) - np.linalg.inv(true[:-1]) @ true[1:]).max() < 1e-3
    change(log / POSES, qw=np.full(len(qw), np.nan))
    drive = opened(log)
    assert drive.poses is None
    note(drive, POSES, "there are no poses")


def test_rows_out_of_time_are_left_out(log: Path) -> None:
    table = pyarrow.feather.read_table(log / POSES)
    at = table["timestamp_ns"].to_numpy().copy()
    at[30] = at[10]
    at[40] = at[39]
    change(log / POSES, timestamp_ns=at)
    drive = opened(log)
    note(drive, "2 rows", "row 30 first", "do not come after")
    assert drive.poses is not None
    true = np.stack([camera_pose(t, "ring_front_center") for t in times()])
    assert np.abs(relative(drive.poses) - np.linalg.inv(true[:-1]) @ true[1:]).max() < 1e-3


def test_frames_outside_of_the_poses_or_in_a_gap_have_none(log: Path) -> None:
    table = pyarrow.feather.read_table(log / POSES)
    seconds = (table["timestamp_ns"].to_numpy() - START) * 1e-9
    keep = (seconds < 0.06) | ((seconds > 0.28) & (seconds < 0.32))
    pyarrow.feather.write_feather(table.filter(pa.array(keep)), log / POSES)
    drive = opened(log)
    assert drive.pose_valid is not None
    assert drive.pose_valid.tolist() == [True, True, False, False, False, False, True, False]
    note(drive, "5 of 8 frames have no pose")
    assert drive.point_cloud is not None
    found = drive.point_cloud(2)
    assert found is not None
    # Without poses the sweep is taken as of the frame's own moment.
    still = np.linalg.inv(mount("ring_front_center"))
    assert np.abs(found[:, :3] - (points_of(1) @ still[:3, :3].T + still[:3, 3])).max() < 5e-3


def test_pictures_of_another_shape_than_the_calibration_are_told(log: Path) -> None:
    for path in (log / "sensors" / "cameras" / "ring_front_center").iterdir():
        Pil.new("RGB", (40, 40)).save(path)
    drive = opened(log)
    assert drive.intrinsics is None
    assert drive.poses is not None
    note(drive, INTRINSICS, "30x40", "40x40", "give the camera of the pictures")


def test_a_damaged_sweep_is_told_when_it_is_looked_at(log: Path) -> None:
    path = sorted((log / "sensors" / "lidar").iterdir())[1]
    path.write_bytes(path.read_bytes()[:200])
    drive = opened(log)
    assert drive.point_cloud is not None
    assert drive.point_cloud(0) is not None
    with pytest.raises(LogError, match=rf"{path.name}: not a whole feather file .*download it again"):
        drive.point_cloud(2)


def test_a_log_without_pictures_says_what_to_do(log: Path) -> None:
    shutil.rmtree(log / "sensors" / "cameras")
    (listing,) = READER.list(log)
    assert (listing.cameras, listing.frames) == ((), None)
    assert "ring_front_center: no pictures such as 315966253572412942.jpg; download" in refused(log)
    assert "there are no pictures" in refused(log, camera="ring_side_left")
    assert "no log" in refused(log.parent, "nothing")


# -- links -----------------------------------------------------------------------------------------------------


def test_links_out_of_the_log_are_refused(log: Path, tmp_path: Path) -> None:
    assert "leads out" in refused(log.parent, "../../etc")
    outside = tmp_path / "outside.feather"
    shutil.move(log / POSES, outside)
    (log / POSES).symlink_to(outside)
    drive = opened(log)
    assert drive.poses is None
    note(drive, POSES, "leads out of the log's folder")
    shutil.move(log / "sensors" / "lidar", tmp_path / "lidar")
    (log / "sensors" / "lidar").symlink_to(tmp_path / "lidar")
    drive = opened(log)
    assert drive.point_cloud is None
    note(drive, "sensors/lidar", "leads out of the log's folder")
    folder = log / "sensors" / "cameras" / "ring_front_center"
    first = sorted(folder.iterdir())[0]
    shutil.move(first, tmp_path / "first.jpg")
    first.symlink_to(tmp_path / "first.jpg")
    assert "leads out of the log's folder" in refused(log)


@pytest.mark.timeout(30)
def test_links_in_circles_do_not_hang(log: Path, tmp_path: Path) -> None:
    (tmp_path / "train").symlink_to(tmp_path)
    (tmp_path / "val" / "val").symlink_to(tmp_path)
    (tmp_path / "test").symlink_to(tmp_path / "test")
    (log.parent / "loop").symlink_to(log.parent / "loop")
    keys = [listing.key for listing in READER.list(tmp_path)]
    assert KEY in keys
    assert len(keys) == len(set(keys)) < 10
    loop = log / "sensors" / "lidar" / f"{START}.feather"
    loop.symlink_to(loop)
    note(opened(log), f"{START}.feather", "no point clouds")


# -- the real log ----------------------------------------------------------------------------------------------


def real_log(tmp_path: Path, camera: str, size: tuple[int, int], seconds: np.ndarray) -> Path:
    """The real log with pictures of the right size at the given seconds from the middle of its poses."""
    log = tmp_path / LOG
    shutil.copytree(real("argoverse2") / KEY, log)
    for path in (log, *log.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    folder = log / "sensors" / "cameras" / camera
    folder.mkdir(parents=True)
    for t in seconds:
        Pil.new("RGB", size, (90, 120, 150)).save(folder / f"{315966265259836000 + round(t * 1e9)}.jpg", quality=30)
    return log


def test_the_real_log_has_its_poses_camera_and_sweep(tmp_path: Path) -> None:
    seconds = np.arange(-5, 4, 0.5)
    log = real_log(tmp_path, "ring_front_center", (1550, 2048), seconds)
    drive = opened(log)
    assert (drive.width, drive.height) == (1550, 2048)
    assert drive.poses is not None
    assert drive.pose_valid is not None
    assert drive.pose_valid.all()
    assert drive.intrinsics is not None
    assert drive.intrinsics.fx == pytest.approx(1776.04, abs=0.01)
    assert not [n for n in drive.notes if "pose" in n or "camera" in n.lower()]
    # The vehicle's own positions over the same time, straight from the table.
    table = pyarrow.feather.read_table(log / POSES)
    at = (table["timestamp_ns"].to_numpy() - 315966265259836000) * 1e-9
    city = np.stack([np.interp(seconds, at, table[c].to_numpy()) for c in ("tx_m", "ty_m", "tz_m")], -1)
    driven = np.linalg.norm(np.diff(city, axis=0), axis=1).sum()
    assert driven > 15
    assert path_length(drive.poses) == pytest.approx(driven, rel=0.02)
    step = relative(drive.poses)
    moved = np.linalg.norm(step[:, :3, 3], axis=1)
    # The vehicle turns in this stretch, by some ten degrees a step.
    assert (step[moved > 1, 2, 3] / moved[moved > 1]).min() > 0.94
    assert drive.poses[:, 1, 1].min() > 0.99
    # One sweep, at the frame of its own time; the road lies under the camera.
    assert drive.point_cloud is not None
    frames = [i for i in range(len(drive)) if drive.point_cloud(i) is not None]
    assert frames == [10]
    points = drive.point_cloud(10)
    assert points is not None
    assert len(points) == 99229
    assert 0 <= points[:, 3].min() < points[:, 3].max() <= 255
    road = points[(np.abs(points[:, 0]) < 2) & (points[:, 2] > 4) & (points[:, 2] < 12), 1]
    assert drive.camera_height == pytest.approx(1.73, abs=0.01)
    assert np.median(road) == pytest.approx(drive.camera_height, abs=0.15)


def test_the_portrait_pictures_are_cropped_about_the_horizon(tmp_path: Path) -> None:
    drive = opened(real_log(tmp_path, "ring_front_center", (1550, 2048), np.array([0.0, 0.05])))
    pre = Preprocessor.for_drive(drive, (240, 112))
    assert pre.crop == Crop(left=0, top=653, width=1550, height=723)
    assert pre.intrinsics is not None
    assert pre.intrinsics.cy == pytest.approx(56, abs=0.5)
    assert np.degrees(pre.intrinsics.fov_x) == pytest.approx(47.2, abs=0.2)


@pytest.mark.parametrize("camera", ["ring_side_left", "ring_rear_right"])
def test_the_real_side_and_rear_cameras_look_where_they_are_named(tmp_path: Path, camera: str) -> None:
    drive = opened(real_log(tmp_path, camera, (2048, 1550), np.arange(-3, 0, 0.5)), camera=camera)
    assert drive.poses is not None
    step = relative(drive.poses)[:, :3, 3]
    step = step[np.linalg.norm(step, axis=1) > 0.5]
    direction = (step / np.linalg.norm(step, axis=1)[:, None]).mean(0)
    if camera == "ring_side_left":
        assert direction[0] > 0.9  # driving ahead is to the right of what it sees
    else:
        assert direction[2] < -0.7
