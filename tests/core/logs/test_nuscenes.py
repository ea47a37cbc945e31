"""nuScenes: scenes, poses, lidar, and one clear line for tables that do not hold."""

from __future__ import annotations

import os
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conformance import Conformance, Expected
from nuscenes_files import (
    BACK,
    INTRINSIC,
    SCENES,
    SENSORS,
    SIZE,
    START,
    VERSION,
    WALL,
    Change,
    camera_pose,
    colour,
    token,
    write_nuscenes,
)
from PIL import Image as Pil

from lapose_core.drive import Drive, LogError
from lapose_core.geometry import Array, invert, path_length, relative
from lapose_core.logs.json_rows import iterate_rows
from lapose_core.logs.nuscenes import READER
from lapose_core.logs.nuscenes_index import load_index
from lapose_core.logs.reader import LogOptions

KEY = f"{VERSION}/{SCENES[0]}"
FRAMES = 19


def opened(root: Path, key: str = KEY, **options: Any) -> Drive:
    return READER.open(root, key, LogOptions(**options))


def refused(root: Path, key: str = KEY, **options: Any) -> str:
    with pytest.raises(LogError) as caught:
        opened(root, key, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


class TestConformance(Conformance):
    reader = READER

    def write_log(self, folder: Path) -> Expected:
        write_nuscenes(folder)
        times = np.array([round(i * 1e6 / 12) * 1e-6 for i in range(FRAMES)])
        poses = np.stack([camera_pose(t) for t in times])
        point = np.append(WALL, 1.0)
        lidar = to_lidar()
        return Expected(
            path=folder,
            key=KEY,
            width=SIZE[0],
            height=SIZE[1],
            timestamps=times,
            poses=poses,
            intrinsics=(50.0, 50.0, 33.0, 18.75),
            keys=(KEY, f"{VERSION}/{SCENES[1]}"),
            cameras=("CAM_FRONT", "CAM_BACK"),
            intensity=True,
            clouds={
                i: np.stack([(invert(poses[i]) @ point)[:3], (invert(poses[i]) @ lidar[i] @ [1, 2, 3, 1])[:3]])
                for i in range(FRAMES)
            },
            files=(folder / VERSION / "sample_data.json", folder / VERSION / "ego_pose.json"),
            picture=lambda i: np.full((SIZE[1], SIZE[0], 3), colour(0, i), np.uint8),
        )


def to_lidar() -> Array:
    """World pose of the lidar for the sweep of each frame [N, 4, 4], by looking for the nearest sweep."""
    sweeps = np.arange(31) / 20
    nearest = [int(np.abs(sweeps - i / 12).argmin()) for i in range(FRAMES)]
    return np.stack([camera_pose(sweeps[k], "LIDAR_TOP") for k in nearest])


def test_scenes_are_listed_with_their_descriptions(tmp_path: Path) -> None:
    write_nuscenes(tmp_path)
    assert READER.matches(tmp_path)
    assert READER.matches(tmp_path / VERSION)
    assert not READER.matches(tmp_path / "samples")
    assert not READER.matches(tmp_path / "missing")
    first, second = READER.list(tmp_path)
    assert (first.key, first.name, first.description) == (KEY, SCENES[0], "Parked truck, construction")
    assert first.cameras == ("CAM_FRONT", "CAM_BACK")
    assert first.seconds == pytest.approx(1.5)
    assert second.description == "Turn left, rain"
    assert [x.key for x in READER.list(tmp_path / VERSION)] == [first.key, second.key]


def test_samples_and_sweeps_in_order_of_time(tmp_path: Path) -> None:
    drive = opened(write_nuscenes(tmp_path), f"{VERSION}/{SCENES[1]}")
    assert (drive.name, drive.format, drive.width, drive.height) == (f"{SCENES[1]}/CAM_FRONT", "nuscenes", *SIZE)
    np.testing.assert_allclose(drive.timestamps, START * 1e-6 + 60 + np.arange(FRAMES) / 12, atol=2e-6)
    assert drive.rate == pytest.approx(12, abs=1e-3)
    source = drive.open_frames()
    for i in (18, 0, 7):
        np.testing.assert_allclose(source.read(i)[10, 10], colour(1, i), atol=3)
    assert drive.provenance["scene"] == "Turn left, rain"
    assert "4 samples and 15 sweeps" in drive.provenance["frames"]
    assert drive.notes == ()


@pytest.mark.parametrize("channel", ["CAM_FRONT", "CAM_BACK"])
def test_camera_poses_are_ego_pose_times_calibration(tmp_path: Path, channel: str) -> None:
    drive = opened(write_nuscenes(tmp_path), camera=channel)
    expected = np.stack([camera_pose(round(i * 1e6 / 12) * 1e-6, channel) for i in range(FRAMES)])
    np.testing.assert_allclose(drive.poses, expected, atol=1e-9)
    assert drive.pose_valid.all()
    forward = relative(drive.poses)[:, 2, 3]
    assert (forward * (1 if channel == "CAM_FRONT" else -1) > 0.5).all()
    assert path_length(opened(tmp_path).poses) == pytest.approx(1.5 * 8, rel=0.01)
    assert drive.camera_height == pytest.approx(SENSORS[channel][1][2])
    camera = drive.intrinsics
    assert (camera.fx, camera.cx, camera.cy, camera.model) == (INTRINSIC[0][0], 33.0, 18.75, "none")


def test_each_sweep_is_in_the_axes_of_the_nearest_frame_once(tmp_path: Path) -> None:
    drive = opened(write_nuscenes(tmp_path))
    clouds = [drive.point_cloud(i) for i in range(FRAMES)]
    assert all(cloud is not None and cloud.dtype == np.float32 for cloud in clouds)
    for pose, cloud in zip(drive.poses, clouds):
        assert len(cloud) == 2  # the point that is not finite is left out
        np.testing.assert_allclose(pose[:3, :3] @ cloud[0, :3] + pose[:3, 3], WALL, atol=1e-4)

    def thin(rows: dict[str, list[dict[str, Any]]]) -> None:
        rows["sample_data"] = [r for r in rows["sample_data"] if "LIDAR" not in r["filename"] or r["is_key_frame"]]

    other = opened(write_nuscenes(tmp_path / "thin", thin))
    assert [i for i in range(FRAMES) if other.point_cloud(i) is not None] == [0, 6, 12, 18]


def test_pictures_of_a_part_of_the_data_set(tmp_path: Path) -> None:
    write_nuscenes(tmp_path)
    for file in (tmp_path / "sweeps/CAM_FRONT").iterdir():
        file.unlink()
    drive = opened(tmp_path)
    assert (len(drive), drive.rate) == (4, pytest.approx(2))
    assert "15 of the 19 pictures" in drive.notes[0]
    np.testing.assert_allclose(drive.poses[1], camera_pose(0.5), atol=1e-9)
    for file in (tmp_path / "samples/CAM_FRONT").iterdir():
        file.unlink()
    assert "none of its 19 pictures is there; unpack" in refused(tmp_path)
    assert len(opened(tmp_path, camera="CAM_BACK")) == FRAMES
    assert "choose another camera" in refused(tmp_path, camera="CAM_FRONT_LEFT")


def edit(table: str, row: str, **values: Any) -> Change:
    def change(rows: dict[str, list[dict[str, Any]]]) -> None:
        found = [r for r in rows[table] if r["token"] == token(row)]
        assert found
        found[0].update(values)

    return change


BAD_POSE = f"{SCENES[0]}CAM_FRONT3"


@pytest.mark.parametrize(
    "values",
    [
        {"rotation": [float("nan"), 0, 0, 1]},
        {"rotation": [0, 0, 0, 0]},
        {"rotation": [2, 0, 0, 1]},
        {"rotation": [1, 0, 0]},
        {"rotation": "level"},
        {"rotation": [1, 0, 0, 10**400]},
        {"translation": [None, 0, 0]},
        {"translation": [0, 0, float("inf")]},
        {"token": token("another")},
    ],
)
def test_a_bad_pose_costs_its_frame_only(tmp_path: Path, values: dict[str, Any]) -> None:
    drive = opened(write_nuscenes(tmp_path, edit("ego_pose", BAD_POSE, **values)))
    assert np.flatnonzero(~drive.pose_valid).tolist() == [3]
    np.testing.assert_array_equal(drive.poses[3], np.eye(4))
    assert "1 of 19 frames have no pose" in drive.notes[0]
    assert len(drive.point_cloud(3)) == 2  # as if the vehicle stood still between sweep and frame


def test_a_bad_calibration_leaves_the_pictures(tmp_path: Path) -> None:
    change = edit("calibrated_sensor", "cCAM_FRONT", rotation=[1, 1, 1, 1], camera_intrinsic=[[1, 0], [0, 1]])
    drive = opened(write_nuscenes(tmp_path, change))
    assert (len(drive), drive.poses, drive.intrinsics) == (FRAMES, None, None)
    assert any("calibrated_sensor.json: fx" in note for note in drive.notes)
    assert any("no unit quaternion" in note for note in drive.notes)
    assert opened(tmp_path, camera="CAM_BACK").poses is not None


def test_pictures_of_another_size_than_the_table_says(tmp_path: Path) -> None:
    write_nuscenes(tmp_path)
    for file in (tmp_path / "samples/CAM_FRONT").iterdir():
        Pil.new("RGB", (32, 18)).save(file)
    for file in (tmp_path / "sweeps/CAM_FRONT").iterdir():
        Pil.new("RGB", (32, 18)).save(file)
    half = opened(tmp_path).intrinsics
    assert (half.fx, half.cx, half.width) == (25, 16.5, 32)
    for folder in ("samples", "sweeps"):
        for file in (tmp_path / folder / "CAM_FRONT").iterdir():
            Pil.new("RGB", (32, 32)).save(file)
    drive = opened(tmp_path)
    assert drive.intrinsics is None
    assert "64x36 pictures, but these are 32x32" in drive.notes[0]


@pytest.mark.parametrize("name", ["scene", "sample", "sensor", "calibrated_sensor", "sample_data", "ego_pose"])
def test_a_table_that_is_missing_cut_off_or_of_another_kind(tmp_path: Path, name: str) -> None:
    file = write_nuscenes(tmp_path) / VERSION / f"{name}.json"
    text = file.read_text()
    for broken in (text[: len(text) // 2], "", "[", '{"a": 1}', "[1, 2]", "\0" * 50, "[{}]"):
        file.write_text(broken)
        assert f"{name}.json" in refused(tmp_path)
    file.unlink()
    assert f"{name}.json" in refused(tmp_path)


@pytest.mark.parametrize(
    ("table", "row", "field"),
    [
        ("sample_data", BAD_POSE, "filename"),
        ("sample_data", BAD_POSE, "timestamp"),
        ("sample_data", BAD_POSE, "ego_pose_token"),
        ("calibrated_sensor", "cCAM_FRONT", "camera_intrinsic"),
        ("scene", SCENES[0], "description"),
        ("sample", f"{SCENES[0]}1", "scene_token"),
        ("sensor", "CAM_FRONT", "modality"),
    ],
)
def test_a_missing_field_is_named(tmp_path: Path, table: str, row: str, field: str) -> None:
    def change(rows: dict[str, list[dict[str, Any]]]) -> None:
        next(r for r in rows[table] if r["token"] == token(row)).pop(field)

    message = refused(write_nuscenes(tmp_path, change))
    assert f"{table}.json: row" in message
    assert field in message


@pytest.mark.parametrize(("field", "value"), [("ego_pose_token", []), ("timestamp", "noon"), ("timestamp", 2**70)])
def test_a_field_of_another_type_is_named(tmp_path: Path, field: str, value: Any) -> None:
    assert field in refused(write_nuscenes(tmp_path, edit("sample_data", BAD_POSE, **{field: value})))


def test_another_version_and_another_scene(tmp_path: Path) -> None:
    write_nuscenes(tmp_path, version="v2.0-mini")
    assert READER.matches(tmp_path)
    with pytest.raises(LogError, match=r"v2\.0-mini found; nuScenes tables of version v1\.0 are read"):
        READER.list(tmp_path)
    write_nuscenes(tmp_path / "a")
    assert "no scene 'v1.0-mini/scene-9'" in refused(tmp_path / "a", "v1.0-mini/scene-9")


def test_two_pictures_of_one_time(tmp_path: Path) -> None:
    time = START + round(4e6 / 12)
    drive = opened(write_nuscenes(tmp_path, edit("sample_data", BAD_POSE, timestamp=time)))
    assert len(drive) == FRAMES - 1
    assert "1 pictures have the time of another" in drive.notes[0]


@pytest.mark.parametrize("name", ["../outside.jpg", "samples/CAM_FRONT/link.jpg", "", 7, "\0"])
def test_no_picture_lies_outside(tmp_path: Path, name: Any) -> None:
    Pil.new("RGB", SIZE).save(tmp_path / "outside.jpg")
    root = write_nuscenes(tmp_path / "log", edit("sample_data", BAD_POSE, filename=name))
    (root / "samples/CAM_FRONT/link.jpg").symlink_to(tmp_path / "outside.jpg")
    message = refused(root)
    assert "filename in sample_data.json" in message
    assert "leads out" in message or "is no file name" in message


@pytest.mark.timeout(20)
def test_a_loop_of_links_ends(tmp_path: Path) -> None:
    root = write_nuscenes(tmp_path, edit("sample_data", BAD_POSE, filename="samples/CAM_FRONT/loop.jpg"))
    (root / "samples/CAM_FRONT/loop.jpg").symlink_to(root / "samples/CAM_FRONT/loop.jpg")
    (root / "v1.0-loop").symlink_to(root / "v1.0-loop")
    (root / "samples" / "up").symlink_to(root)
    assert READER.matches(root)
    assert len(READER.list(root)) == 2
    assert "no file name" in refused(root)


def test_a_sweep_that_is_cut_off_or_gone(tmp_path: Path) -> None:
    write_nuscenes(tmp_path)
    sweeps = sorted((tmp_path / "samples/LIDAR_TOP").iterdir())
    sweeps[0].write_bytes(sweeps[0].read_bytes()[:-3])
    sweeps[1].write_bytes(sweeps[1].read_bytes()[:-4])
    drive = opened(tmp_path)
    for frame in (0, 6):
        with pytest.raises(LogError, match=r"pcd\.bin: the sweep is cut off"):
            drive.point_cloud(frame)
    sweeps[0].unlink()
    assert opened(tmp_path).point_cloud(0) is None


def test_poses_given_by_the_user_take_the_place_of_the_tables(tmp_path: Path) -> None:
    drive = opened(write_nuscenes(tmp_path))
    lines = [f"{t:.6f} {i} 0 0 0 0 0 1\n" for i, t in enumerate(drive.timestamps)]
    (tmp_path / "own.tum").write_text("".join(lines))
    own = opened(tmp_path, poses=tmp_path / "own.tum")
    np.testing.assert_allclose(own.poses[:, 0, 3], np.arange(FRAMES), atol=1e-3)
    np.testing.assert_array_equal(own.point_cloud(5), drive.point_cloud(5))


# -- the index -------------------------------------------------------------------------------------------------


def scan(tables: Path, **arguments: Any) -> Any:
    samples = {token(f"{scene}{k}"): s for s, scene in enumerate(SCENES) for k in range(4)}
    channels = {token(f"c{c}"): i for i, c in enumerate(SENSORS)}
    return load_index(tables, samples, channels, **arguments)


def test_the_index_is_kept_until_a_table_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAPOSE_CACHE", str(tmp_path / "cache"))
    tables = write_nuscenes(tmp_path / "log") / VERSION
    built = scan(tables, cached_above=0).rows(0, 0).copy()
    (kept,) = (tmp_path / "cache/nuscenes").iterdir()
    written = kept.stat().st_mtime_ns
    np.testing.assert_array_equal(scan(tables, cached_above=0).rows(0, 0), built)
    assert kept.stat().st_mtime_ns == written
    for damaged in (b"", b"\x93NUMPY" * 9, kept.read_bytes()[:200]):
        kept.write_bytes(damaged)
        np.testing.assert_array_equal(scan(tables, cached_above=0).rows(0, 0), built)
    os.utime(tables / "sample_data.json", ns=(1, 1))
    scan(tables, cached_above=0)
    assert len(list((tmp_path / "cache/nuscenes").iterdir())) == 2
    assert not list(tables.glob("*.npy"))


def test_a_table_bigger_than_a_chunk_is_read_in_bounded_memory(tmp_path: Path) -> None:
    row = '{\n"token": "%032d",\n"text": "%s"\n}'
    count = 120_000
    with (tmp_path / "big.json").open("w") as file:
        file.write("[\n")
        for i in range(count):
            file.write((",\n" if i else "") + row % (i, "é" * (i % 90)))
        file.write("\n]")
    assert (tmp_path / "big.json").stat().st_size > 3 * (1 << 22)
    tracemalloc.start()
    found = 0
    with (tmp_path / "big.json").open("rb") as raw:
        for i, (offset, length, values) in enumerate(iterate_rows(tmp_path / "big.json")):
            assert values["token"] == f"{i:032d}"
            if i % 10_007 == 0:
                raw.seek(offset)
                assert raw.read(length).decode() == row % (i, "é" * (i % 90))
            found += 1
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found == count
    assert peak < 8 * (1 << 22)


def test_the_camera_that_looks_back_is_upright() -> None:
    pose = camera_pose(0.0, "CAM_BACK")
    assert SENSORS["CAM_BACK"][2] == BACK
    np.testing.assert_allclose(pose[:3, 1], [0, 0, -1], atol=1e-12)
