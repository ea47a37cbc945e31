"""KITTI raw: synced and unsynced drives, real OXTS rows, and one clear line for whatever is amiss."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conformance import Conformance, Expected
from kitti_raw_drives import (
    DATE,
    FOCAL,
    LENS,
    RAW,
    RECT,
    VELO_FROM_IMU,
    Written,
    camera_from_imu,
    packet,
    stamp,
    write_calibration,
    write_drive,
)
from log_files import real, write_pictures
from PIL import Image as Pil

from lapose_core.drive import Drive, LogError
from lapose_core.geometry import invert, path_length, relative
from lapose_core.logs.kitti_raw import READER
from lapose_core.logs.kitti_raw_files import read_camera
from lapose_core.logs.reader import LogOptions

SYNC = f"{DATE}/{DATE}_drive_0005_sync"


def opened(path: Path, key: str = "", **options: Any) -> Drive:
    return READER.open(path, key, LogOptions(**options))


def refused(path: Path, key: str = "", **options: Any) -> str:
    with pytest.raises(LogError) as caught:
        opened(path, key, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def note(drive: Drive, *words: str) -> None:
    """One note of the drive holds all ``words`` and is one line."""
    found = [n for n in drive.notes if all(word in n for word in words)]
    assert found, f"no note with {words} in {drive.notes}"
    assert "\n" not in found[0]


def flat(i: int) -> np.ndarray:
    return np.full((RECT[1], RECT[0], 3), (i * 9, 255 - i, 40), np.uint8)


class TestSynced(Conformance):
    reader = READER

    def write_log(self, folder: Path) -> Expected:
        written = write_drive(folder)
        write_drive(folder, 9, rectified=False, count=3)
        drive = written.folder
        return Expected(
            folder,
            SYNC,
            *RECT,
            written.times[2] - written.times[2][0],
            written.poses(2),
            intrinsics=(FOCAL, FOCAL, 16.0, 9.7),
            keys=(SYNC, f"{DATE}/{DATE}_drive_0009_extract"),
            cameras=("image_02", "image_00", "image_03", "image_01"),
            clouds={0: written.cloud(2, 0, 0), 2: written.cloud(2, 2, 1), 6: written.cloud(2, 6, 2)},
            intensity=True,
            tracks={"speed": "m/s"},
            files=(drive / "image_02" / "data" / "0000000003.png",),
            picture=flat,
            # Linear between packets 0.1 s apart, on a bend: an eighth of v^2 / r * dt^2.
            pose_error=2.5e-3,
        )


class TestUnsynced(Conformance):
    reader = READER

    def write_log(self, folder: Path) -> Expected:
        written = write_drive(folder, rectified=False)
        return Expected(
            written.folder,
            written.folder.name,
            *RAW,
            written.times[2] - written.times[2][0],
            written.poses(2),
            intrinsics=(29.0, 28.5, 18.8, 6.2),
            cameras=("image_02", "image_00", "image_03", "image_01"),
            clouds={0: written.cloud(2, 0, 0), 2: written.cloud(2, 2, 1), 6: written.cloud(2, 6, 2)},
            intensity=True,
            tracks={"speed": "m/s"},
            files=(written.folder / "image_02" / "data" / "0000000003.png",),
            pose_error=1e-4,
        )


@pytest.fixture
def synced(tmp_path: Path) -> Written:
    return write_drive(tmp_path)


# -- what is opened --------------------------------------------------------------------------------------------


def test_any_level_of_the_data_set_opens(tmp_path: Path) -> None:
    written = write_drive(tmp_path)
    camera = written.folder / "image_03"
    for path, key in ((tmp_path, SYNC), (tmp_path / DATE, written.folder.name), (written.folder, written.folder.name)):
        assert READER.matches(path)
        (listing,) = READER.list(path)
        assert (listing.key, listing.name, listing.frames) == (key, written.folder.name, 8)
        drive = opened(path, key)
        assert drive.name.endswith("image_02")
        assert drive.path == written.folder / "image_02"
    for path in (camera, camera / "data"):
        assert READER.matches(path)
        assert READER.list(path)[0].cameras[0] == "image_03"
        assert opened(path).name.endswith("image_03")
    for path in (written.folder / "oxts", written.folder / "velodyne_points", camera / "timestamps.txt"):
        assert not READER.matches(path)


def test_paths_relative_to_the_working_folder_open(synced: Written, monkeypatch: pytest.MonkeyPatch) -> None:
    camera = synced.folder / "image_03"
    for folder, path, name in ((synced.folder, ".", "02"), (camera / "data", "..", "03"), (camera / "data", ".", "03")):
        monkeypatch.chdir(folder)
        assert READER.matches(Path(path))
        assert READER.list(Path(path))[0].name == synced.folder.name
        drive = opened(Path(path))
        assert drive.name.endswith(name)
        assert drive.poses is not None
        assert drive.intrinsics is not None


@pytest.mark.parametrize("rectified", [True, False])
@pytest.mark.parametrize("camera", [0, 1, 2, 3])
def test_each_camera_has_its_own_poses_times_and_axes(tmp_path: Path, camera: int, rectified: bool) -> None:
    written = write_drive(tmp_path, rectified=rectified)
    drive = opened(written.folder, camera=f"image_{camera:02d}")
    assert drive.poses is not None
    found, true = drive.poses, written.poses(camera)
    assert np.abs(invert(found[:1]) @ found - invert(true[:1]) @ true).max() < 2.5e-3
    assert np.abs(found[:, 1, :3] @ [0, 1, 0]).min() > 0.99  # the world's y is down and so is the camera's
    assert drive.point_cloud is not None
    cloud = drive.point_cloud(2)
    assert cloud is not None
    assert np.abs(cloud[:, :3] - written.cloud(camera, 2, 1)).max() < 5e-3
    with_lens = drive.intrinsics
    assert with_lens is not None
    assert (with_lens.model, with_lens.distortion) == (("none", ()) if rectified else ("brown-conrady", LENS))


def test_the_world_is_east_down_north(synced: Written) -> None:
    drive = opened(synced.folder)
    assert drive.poses is not None
    step = drive.poses[-1, :3, 3] - drive.poses[0, :3, 3]
    middle = 0.3 + 0.2 * synced.times[2][-1] / 2
    heading = step / np.linalg.norm(step)
    assert heading[0] == pytest.approx(np.cos(middle), abs=0.05)
    assert heading[2] == pytest.approx(np.sin(middle), abs=0.05)
    assert step[1] == pytest.approx(-0.2 * synced.times[2][-1], abs=0.02)
    assert np.abs(drive.poses[0, :3, 3]).max() < 3


def test_places_are_those_of_the_packets(synced: Written, tmp_path: Path) -> None:
    drive = opened(synced.folder)
    place = drive.geodetic_origin
    assert place is not None
    assert drive.poses is not None
    imu = drive.poses @ camera_from_imu(2, True)
    kept = [f.read_text().split()[:3] for f in sorted((synced.folder / "oxts/data").iterdir())]
    at = np.round(synced.times[0], 2)
    expected = np.stack([np.interp(synced.times[2], at, column) for column in np.array(kept, float).T], -1)
    found = place.coordinates(imu[:, :3, 3])
    # Interpolated are metres there and degrees here: a centimetre of curvature between packets at the most.
    np.testing.assert_allclose(found[1:-1], expected[1:-1], rtol=0, atol=1e-7)
    (tmp_path / "p.tum").write_text("0 0 0 0 0 0 0 1\n1 0 0 9 0 0 0 1\n")
    assert opened(synced.folder, poses=tmp_path / "p.tum").geodetic_origin is None, "other poses lie elsewhere"


def test_the_speed_is_on_the_frames_clock(synced: Written) -> None:
    track = opened(synced.folder).tracks["speed"]
    np.testing.assert_allclose(track.values, 8.0)
    np.testing.assert_allclose(track.times, np.round(synced.times[0], 2) - synced.times[2][0], atol=1e-8)


def test_frames_outside_of_the_packets_have_no_pose(tmp_path: Path) -> None:
    written = write_drive(tmp_path, rectified=False, count=10)
    for i in range(75, 200):
        (written.folder / "oxts" / "data" / f"{i:010d}.txt").unlink(missing_ok=True)
    drive = opened(written.folder)
    assert drive.pose_valid is not None
    # Packet 74 is at 0.54 s.
    assert drive.pose_valid.tolist() == [t < 0.55 for t in written.times[2]]
    note(drive, "4 of 10 frames have no pose")


def test_a_frame_just_before_the_first_packet_is_carried_by_the_velocity(tmp_path: Path) -> None:
    written = write_drive(tmp_path)
    at = written.times[2] + 0.006
    (written.folder / "oxts" / "timestamps.txt").write_text("".join(stamp(t) + "\n" for t in at))
    for i, t in enumerate(at):
        (written.folder / "oxts" / "data" / f"{i:010d}.txt").write_text(packet(t))
    drive = opened(written.folder)
    assert drive.pose_valid is not None
    assert drive.pose_valid.all()
    assert drive.poses is not None
    true = written.poses(2)
    assert np.abs(relative(drive.poses) - relative(true)).max() < 3e-3
    assert "carried" in drive.provenance["poses"]


def test_part_of_a_drive_keeps_its_numbers(synced: Written) -> None:
    for i in (0, 1, 4):
        (synced.folder / "image_02" / "data" / f"{i:010d}.png").unlink()
    drive = opened(synced.folder)
    kept = [2, 3, 5, 6, 7]
    np.testing.assert_allclose(drive.timestamps, synced.times[2][kept] - synced.times[2][2], atol=1e-8)
    assert drive.poses is not None
    true = synced.poses(2)[kept]
    assert np.abs(relative(drive.poses) - relative(true)).max() < 2.5e-3
    assert drive.point_cloud is not None
    assert [drive.point_cloud(i) is not None for i in range(5)] == [True, False, False, True, False]
    note(drive, "5 of the drive's 8 frames")


def test_scaled_pictures_have_a_scaled_camera(synced: Written) -> None:
    shutil.rmtree(synced.folder / "image_02" / "data")
    write_pictures(synced.folder / "image_02" / "data", 8, (RECT[0] * 2, RECT[1] * 2), "{:010d}.png")
    camera = opened(synced.folder).intrinsics
    assert camera is not None
    assert (camera.fx, camera.cx, camera.width) == (2 * FOCAL, 2 * (15.5 + 0.5), 60)


# -- what is amiss ---------------------------------------------------------------------------------------------


def edit(path: Path, change: Callable[[str], str]) -> None:
    path.write_text(change(path.read_text()))


def test_without_timestamps_ten_hertz_are_assumed_and_said(synced: Written) -> None:
    (synced.folder / "image_02" / "timestamps.txt").unlink()
    drive = opened(synced.folder)
    np.testing.assert_allclose(drive.timestamps, np.arange(8) / 10)
    note(drive, "10 frames per second are assumed")
    note(drive, "matched by number")
    assert drive.poses is not None
    assert drive.point_cloud is not None
    assert drive.point_cloud(6) is not None
    (synced.folder / "oxts" / "timestamps.txt").unlink()
    assert opened(synced.folder, camera="image_00").poses is not None


def test_an_unsynced_drive_needs_its_packets_times(tmp_path: Path) -> None:
    written = write_drive(tmp_path, rectified=False)
    (written.folder / "oxts" / "timestamps.txt").unlink()
    drive = opened(written.folder)
    assert drive.poses is None
    note(drive, "oxts/timestamps.txt", "another rate", "no ground truth")


@pytest.mark.parametrize(
    ("change", "line", "what"),
    [
        (lambda lines: [*lines[:3], lines[1], *lines[4:]], 4, "does not come after"),
        (lambda lines: [*lines[:2], "", *lines[3:]], 3, "there is no time"),
        (lambda lines: [*lines[:4], "yesterday", *lines[5:]], 5, "'yesterday' is no date and time"),
        (lambda lines: [*lines[:4], "2011-13-26 13:02:25.9", *lines[5:]], 5, "is no date and time"),
        (lambda lines: [*lines[:7], lines[7][:18]], 8, "is no date and time"),
    ],
)
def test_bad_camera_times_name_the_line(synced: Written, change: Any, line: int, what: str) -> None:
    path = synced.folder / "image_02" / "timestamps.txt"
    path.write_text("\n".join(change(path.read_text().splitlines())) + "\n")
    message = refused(synced.folder)
    assert f"image_02/timestamps.txt: line {line}: " in message
    assert what in message
    assert READER.list(synced.folder)[0].seconds is None
    assert len(opened(synced.folder, camera="image_03")) == 8


def test_a_cut_off_file_of_times_is_refused(synced: Written) -> None:
    path = synced.folder / "image_02" / "timestamps.txt"
    path.write_text("\n".join(path.read_text().splitlines()[:5]) + "\n")
    assert "5 times, but the pictures go up to 0000000007" in refused(synced.folder)


@pytest.mark.parametrize(
    ("name", "lost"),
    [
        ("calib_cam_to_cam.txt", ("intrinsics", "poses", "point_cloud")),
        ("calib_velo_to_cam.txt", ("poses", "point_cloud")),
        ("calib_imu_to_velo.txt", ("poses",)),
    ],
)
def test_a_missing_calibration_costs_what_hangs_on_it(synced: Written, name: str, lost: tuple[str, ...]) -> None:
    (synced.folder.parent / name).unlink()
    drive = opened(synced.folder)
    for what in ("intrinsics", "poses", "point_cloud"):
        assert (getattr(drive, what) is None) == (what in lost), what
    note(drive, name, "calibration archive")


@pytest.mark.parametrize(
    ("name", "field", "value", "what"),
    [
        ("calib_cam_to_cam.txt", "P_rect_02", None, "P_rect_02 is missing"),
        ("calib_cam_to_cam.txt", "P_rect_02", "1 2 3", "expected 12 finite numbers, found 3"),
        ("calib_cam_to_cam.txt", "P_rect_02", "0 0 0 0 0 0 0 0 0 0 0 0", "no camera"),
        ("calib_cam_to_cam.txt", "S_rect_02", "-4 nan", "S_rect_02"),
        ("calib_cam_to_cam.txt", "S_rect_02", "0 1e300", "no size"),
        ("calib_cam_to_cam.txt", "R_rect_00", "1 0 0 0 1 0 0 0 2", "no rotation"),
        ("calib_velo_to_cam.txt", "R", "nan 0 0 0 1 0 0 0 1", "expected 9 finite numbers"),
        ("calib_velo_to_cam.txt", "R", "1 0 0 0 1 0 0 0 -1", "no rotation"),
        ("calib_imu_to_velo.txt", "T", None, "T is missing"),
    ],
)
def test_a_wrong_calibration_is_named_and_the_pictures_stay(
    synced: Written, name: str, field: str, value: str | None, what: str
) -> None:
    def change(text: str) -> str:
        rows = [row for row in text.splitlines() if not row.startswith(f"{field}:")]
        return "\n".join(rows + ([f"{field}: {value}"] if value else [])) + "\n"

    edit(synced.folder.parent / name, change)
    drive = opened(synced.folder)
    assert drive.poses is None
    note(drive, name, what)
    assert drive.open_frames().read(3).shape == (RECT[1], RECT[0], 3)


def test_pictures_of_another_shape_than_the_calibration_are_told(synced: Written) -> None:
    shutil.rmtree(synced.folder / "image_02" / "data")
    write_pictures(synced.folder / "image_02" / "data", 8, (20, 20), "{:010d}.png")
    drive = opened(synced.folder)
    assert drive.intrinsics is None
    note(drive, "calib_cam_to_cam.txt", "30x18 and 36x12", "20x20", "give the calibration of the pictures")


@pytest.mark.parametrize("text", ["", "49.0 8.4 112", "nan " * 30, "49.0 eight " * 15, "95 " + "0 " * 29])
def test_a_damaged_packet_is_left_out(synced: Written, text: str) -> None:
    (synced.folder / "oxts" / "data" / "0000000003.txt").write_text(text)
    drive = opened(synced.folder)
    note(drive, "1 of 8 OXTS packets", "oxts/data/0000000003.txt", "copy")
    assert drive.pose_valid is not None
    assert drive.pose_valid.all()
    assert drive.poses is not None
    assert np.abs(relative(drive.poses) - relative(synced.poses(2))).max() < 0.01
    for i in range(8):
        (synced.folder / "oxts" / "data" / f"{i:010d}.txt").write_text(text)
    drive = opened(synced.folder)
    assert drive.poses is None
    note(drive, "no OXTS packet is whole", "no ground truth")
    assert drive.point_cloud is not None
    cloud = drive.point_cloud(0)
    assert cloud is not None
    # Without poses the sweep is taken as of the frame's own moment.
    turn = camera_from_imu(2, True) @ invert(VELO_FROM_IMU)
    assert np.abs(cloud[:, :3] - (synced.points[0] @ turn[:3, :3].T + turn[:3, 3])).max() < 1e-3


def test_packets_out_of_time_are_left_out(synced: Written) -> None:
    path = synced.folder / "oxts" / "timestamps.txt"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:3], lines[1], *lines[4:]]) + "\n")
    drive = opened(synced.folder)
    note(drive, "1 OXTS packets do not come after")
    assert drive.poses is not None
    assert np.abs(relative(drive.poses) - relative(synced.poses(2))).max() < 0.01


def test_packets_in_disorder_are_told(tmp_path: Path) -> None:
    written = write_drive(tmp_path, count=40)
    assert not [n for n in opened(written.folder).notes if "out of order" in n]
    order = np.random.default_rng(0).permutation(40)
    texts = [(written.folder / "oxts" / "data" / f"{i:010d}.txt").read_text() for i in order]
    for i, text in enumerate(texts):
        (written.folder / "oxts" / "data" / f"{i:010d}.txt").write_text(text)
    note(opened(written.folder), "out of order")


def test_without_oxts_there_are_pictures_and_sweeps(synced: Written) -> None:
    shutil.rmtree(synced.folder / "oxts")
    drive = opened(synced.folder)
    assert drive.poses is None
    assert drive.tracks == {}
    note(drive, "oxts/data", "unpack the drive's archive")
    assert drive.point_cloud is not None


def test_a_cut_off_sweep_is_told_when_it_is_looked_at(synced: Written) -> None:
    path = synced.folder / "velodyne_points" / "data" / "0000000002.bin"
    path.write_bytes(path.read_bytes()[:-8])
    drive = opened(synced.folder)
    assert drive.point_cloud is not None
    assert drive.point_cloud(0) is not None
    for content in (path.read_bytes(), path.read_bytes()[:-1]):
        path.write_bytes(content)
        with pytest.raises(LogError, match=r"0000000002\.bin: the sweep .*copy the file again"):
            drive.point_cloud(2)


def test_points_that_are_none_are_dropped(synced: Written) -> None:
    path = synced.folder / "velodyne_points" / "data" / "0000000000.bin"
    rows = np.fromfile(path, "<f4").reshape(-1, 4)
    rows[5, 1] = np.nan
    rows.tofile(path)
    cloud = opened(synced.folder).point_cloud
    assert cloud is not None
    found = cloud(0)
    assert found is not None
    assert found.shape == (39, 4)
    assert np.isfinite(found).all()


def test_a_drive_without_pictures_says_what_to_do(synced: Written) -> None:
    for k in range(4):
        for path in (synced.folder / f"image_{k:02d}" / "data").iterdir():
            path.unlink()
    assert READER.list(synced.folder)[0].cameras == ()
    assert "no pictures such as 0000000000.png; unpack" in refused(synced.folder)
    assert "there are no pictures" in refused(synced.folder, camera="image_01")


def test_a_picture_of_another_size_is_named(synced: Written) -> None:
    Pil.new("RGB", (20, 20)).save(synced.folder / "image_02" / "data" / "0000000005.png")
    assert "0000000005.png: the picture is 20x20" in refused(synced.folder)


def test_a_damaged_picture_costs_its_frame(synced: Written) -> None:
    path = synced.folder / "image_02" / "data" / "0000000005.png"
    path.write_bytes(path.read_bytes()[:40])
    frames = opened(synced.folder).open_frames()
    assert frames.read(4).shape == (RECT[1], RECT[0], 3)
    with pytest.raises(LogError, match=r"0000000005\.png"):
        frames.read(5)


# -- links -----------------------------------------------------------------------------------------------------


def test_links_out_of_the_drive_are_refused(synced: Written, tmp_path: Path) -> None:
    outside = tmp_path / "outside.png"
    Pil.new("RGB", RECT).save(outside)
    picture = synced.folder / "image_02" / "data" / "0000000002.png"
    picture.unlink()
    picture.symlink_to(outside)
    assert "leads out of the log's folder" in refused(synced.folder)
    assert "leads out" in refused(tmp_path, "../elsewhere")
    moved = tmp_path / "moved"
    shutil.move(synced.folder / "oxts", moved)
    (synced.folder / "oxts").symlink_to(moved)
    drive = opened(synced.folder, camera="image_03")
    assert drive.poses is None
    note(drive, "oxts", "leads out of the log's folder")


@pytest.mark.timeout(30)
def test_links_in_circles_do_not_hang(synced: Written, tmp_path: Path) -> None:
    loop = synced.folder / "image_02" / "data" / "0000000009.png"
    loop.symlink_to(loop)
    (synced.folder / "again").symlink_to(tmp_path)
    (tmp_path / "2012_01_01").symlink_to(tmp_path)
    (tmp_path / DATE / f"{DATE}_drive_0099_sync").symlink_to(tmp_path / DATE / f"{DATE}_drive_0099_sync")
    assert [listing.key for listing in READER.list(tmp_path)] == [SYNC]
    with pytest.raises(LogError, match=r"0000000009\.png"):
        opened(synced.folder)
    loop.unlink()
    loop.symlink_to("missing.png")
    assert len(opened(synced.folder)) == 8
    shutil.rmtree(synced.folder / "velodyne_points" / "data")
    (synced.folder / "velodyne_points" / "data").symlink_to(synced.folder / "velodyne_points" / "data")
    note(opened(synced.folder), "velodyne_points", "no point clouds")


def test_reading_needs_no_torch(synced: Written) -> None:
    code = (
        "import sys; from pathlib import Path; from lapose_core.logs.kitti_raw import READER; "
        "from lapose_core.logs.reader import LogOptions; "
        f"READER.open(Path({str(synced.folder)!r}), '', LogOptions()); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# -- real data -------------------------------------------------------------------------------------------------


def test_the_real_drive_opens_with_each_camera_and_its_sweep() -> None:
    root = real("kitti_raw")
    centres = {}
    for k in range(4):
        drive = opened(root, SYNC, camera=f"image_{k:02d}")
        assert (len(drive), drive.width, drive.height) == (1, 1242, 375)
        assert drive.poses is not None
        centres[k] = drive.poses[0, :3, 3]
        # The packet's heading is 70 degrees to the right of east.
        assert np.arctan2(drive.poses[0, 2, 2], drive.poses[0, 0, 2]) == pytest.approx(-1.2219, abs=0.03)
        assert drive.point_cloud is not None
        cloud = drive.point_cloud(0)
        assert cloud is not None
        assert 0 <= cloud[:, 3].min() < cloud[:, 3].max() <= 1
        road = cloud[(np.abs(cloud[:, 0]) < 3) & (cloud[:, 2] > 5) & (cloud[:, 2] < 15), 1]
        assert np.median(road) == pytest.approx(1.65, abs=0.15)
    # The data set's baselines: 0.54 m between grey and between colour cameras, 0.06 m from grey to colour.
    assert np.linalg.norm(centres[1] - centres[0]) == pytest.approx(0.537, abs=0.002)
    assert np.linalg.norm(centres[3] - centres[2]) == pytest.approx(0.533, abs=0.002)
    assert np.linalg.norm(centres[2] - centres[0]) == pytest.approx(0.06, abs=0.01)


@pytest.mark.parametrize("camera", [0, 1, 2, 3])
def test_rectified_and_raw_cameras_of_the_real_calibration_stand_at_one_place(camera: int) -> None:
    path = real("kitti_raw") / DATE / "calib_cam_to_cam.txt"
    rectified = read_camera(path, camera, 1242, 375)
    raw = read_camera(path, camera, 1392, 512)
    assert (rectified.rectified, raw.rectified) == (True, False)
    assert raw.intrinsics.distortion[0] < -0.3
    between = rectified.from_cam0 @ invert(raw.from_cam0)
    assert np.linalg.norm(between[:3, 3]) < 0.006
    # Rectifying turns camera k by R_rect_k.
    line = next(row for row in path.read_text().splitlines() if row.startswith(f"R_rect_{camera:02d}:"))
    own = np.array(line.split()[1:], float).reshape(3, 3)
    np.testing.assert_allclose(between[:3, :3], own, atol=1e-5)


def test_a_place_is_seen_in_the_same_direction_by_the_raw_and_the_rectified_camera() -> None:
    path = real("kitti_raw") / DATE / "calib_cam_to_cam.txt"
    rectified, raw = read_camera(path, 2, 1242, 375), read_camera(path, 2, 1392, 512)
    points = np.random.default_rng(0).uniform([-3, -1, 8, 1], [3, 1, 30, 1], (50, 4))
    points[:, 3] = 1
    in_raw = points @ raw.from_cam0.T
    in_rectified = points @ rectified.from_cam0.T
    rays = in_raw[:, :3] / in_raw[:, 2:3]
    own = rectified.from_cam0[:3, :3] @ raw.from_cam0[:3, :3].T
    turned = rays @ own.T
    np.testing.assert_allclose(turned[:, :2] / turned[:, 2:], in_rectified[:, :2] / in_rectified[:, 2:3], atol=2e-3)


def travel_order(rows: np.ndarray) -> np.ndarray:
    """The rows in the order they were driven: each one's successor lies where its velocity leads in 0.1 s."""
    scale = np.cos(np.radians(rows[0, 0])) * 6378137
    at = np.stack([scale * np.radians(rows[:, 1]), scale * np.log(np.tan(np.radians(90 + rows[:, 0]) / 2))], -1)
    ahead = at + rows[:, [7, 6]] * 0.1033
    distance = np.linalg.norm(ahead[:, None] - at[None], axis=-1)
    np.fill_diagonal(distance, np.inf)
    successor = distance.argmin(1)
    chain = [int(np.setdiff1d(np.arange(len(rows)), successor)[0])]
    while int(successor[chain[-1]]) not in chain:
        chain.append(int(successor[chain[-1]]))
    return np.array(chain)


def write_real(root: Path, rows: np.ndarray, stamps: list[str]) -> Path:
    """A synced drive of real packets; calibration and pictures are made up."""
    write_calibration(root / DATE)
    folder = root / DATE / f"{DATE}_drive_0005_sync"
    write_pictures(folder / "image_02" / "data", len(rows), RECT, "{:010d}.png")
    (folder / "image_02" / "timestamps.txt").write_text("\n".join(stamps) + "\n")
    (folder / "oxts" / "data").mkdir(parents=True)
    for i, row in enumerate(rows):
        (folder / "oxts" / "data" / f"{i:010d}.txt").write_text(" ".join(repr(float(v)) for v in row) + "\n")
    (folder / "oxts" / "timestamps.txt").write_text("\n".join(stamps) + "\n")
    return folder


@pytest.mark.parametrize("drive_number", ["0001", "0015", "0005"])
def test_real_packets_move_as_fast_as_they_say(tmp_path: Path, drive_number: str) -> None:
    rows = np.loadtxt(real("kitti_raw_oxts") / f"{DATE}_drive_{drive_number}_imu.txt")
    order = travel_order(rows)
    assert len(order) == len(rows)
    assert not np.array_equal(order, np.arange(len(rows)))  # the file is in no order at all
    if drive_number == "0005":
        # Of this drive the real times are here too, and the first packet.
        drive = real("kitti_raw") / DATE / f"{DATE}_drive_0005_sync" / "oxts"
        stamps = (drive / "timestamps.txt").read_text().split("\n")[: len(rows)]
        first = np.loadtxt(drive / "data" / "0000000000.txt")
        np.testing.assert_array_equal(rows[order[0], :6], first[:6])
    else:
        stamps = [stamp(0.1033 * i) for i in range(len(rows))]
    folder = write_real(tmp_path, rows[order], stamps)
    drive = opened(folder)
    assert not [n for n in drive.notes if "out of order" in n]
    assert drive.poses is not None
    assert drive.pose_valid is not None
    assert drive.pose_valid.all()
    speed = drive.tracks["speed"].values
    driven = float((speed[1:] * np.diff(drive.timestamps)).sum())
    assert path_length(drive.poses) == pytest.approx(driven, rel=0.04)
    # The camera goes where it looks, and turns as the gyroscope says.
    step = relative(drive.poses)
    fast = speed[1:] > 4
    ahead = step[fast, 2, 3] / np.linalg.norm(step[fast, :3, 3], axis=1)
    assert np.median(ahead) > 0.998
    turned = np.arctan2(step[:, 0, 2], step[:, 2, 2]) / np.diff(drive.timestamps)
    gyroscope = -rows[order][1:, 22]  # wu, positive to the left
    assert np.abs(turned - gyroscope).mean() < 0.05
    assert np.corrcoef(turned, gyroscope)[0, 1] > (0.9 if np.abs(gyroscope).max() > 0.1 else 0.0)
    rate = path_length(drive.poses) / drive.duration
    assert rate == pytest.approx(speed.mean(), rel=0.05)


def test_real_packets_as_they_lie_in_the_file_are_told_to_be_in_disorder(tmp_path: Path) -> None:
    rows = np.loadtxt(real("kitti_raw_oxts") / f"{DATE}_drive_0001_imu.txt")
    folder = write_real(tmp_path, rows, [stamp(0.1033 * i) for i in range(len(rows))])
    note(opened(folder), "The OXTS positions move", "out of order or of several drives")


def test_real_packets_lie_between_the_rounded_times(tmp_path: Path) -> None:
    """Packets are stamped at 10 ms while frames come every 103: the interpolation takes the jitter out."""
    rows = np.loadtxt(real("kitti_raw_oxts") / f"{DATE}_drive_0005_imu.txt")
    drive = real("kitti_raw") / DATE / f"{DATE}_drive_0005_sync"
    folder = write_real(
        tmp_path, rows[travel_order(rows)], (drive / "oxts" / "timestamps.txt").read_text().split("\n")[: len(rows)]
    )
    shutil.copy(drive / "image_02" / "timestamps.txt", folder / "image_02" / "timestamps.txt")
    found = opened(folder)
    assert found.poses is not None
    assert found.pose_valid is not None
    assert found.pose_valid.all()
    measured = np.interp(found.timestamps, found.tracks["speed"].times, found.tracks["speed"].values)[1:]

    def jitter(centres: np.ndarray) -> float:
        speed = np.linalg.norm(np.diff(centres, axis=0), axis=1) / np.diff(found.timestamps)
        return float(np.abs(np.diff(speed - measured))[20:].mean())

    (folder / "oxts" / "timestamps.txt").unlink()
    by_row = opened(folder)
    assert by_row.poses is not None
    assert jitter(found.poses[:, :3, 3]) < 0.5 * jitter(by_row.poses[:, :3, 3])
