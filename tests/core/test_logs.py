"""Opening logs: every format's layout, and one clear line for whatever cannot be read."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from log_files import (
    BASELINE,
    FOCAL,
    arc,
    kitti_text,
    real,
    tum_text,
    write_kitti,
    write_pictures,
    write_synthetic,
    write_video,
)
from PIL import Image as Pil

from lapose_core.drive import LogError
from lapose_core.logs import open_log
from lapose_core.trajectory_files import read_kitti, read_tum

# -- one clear line ------------------------------------------------------------------------------------------


def refused(path: Path, **arguments: Any) -> str:
    with pytest.raises(LogError) as caught:
        open_log(path, **arguments)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_what_is_not_a_log_is_refused_in_one_line(tmp_path: Path) -> None:
    assert "no such file" in refused(tmp_path / "missing")
    assert "empty" in refused(tmp_path)
    (tmp_path / "notes.txt").write_text("hello")
    assert "nothing in this folder is known" in refused(tmp_path)
    (tmp_path / "renamed.mp4").write_text("this is no video\n" * 100)
    assert "renamed.mp4" in refused(tmp_path / "renamed.mp4")
    (tmp_path / "nothing.mp4").write_bytes(b"")
    assert "nothing.mp4" in refused(tmp_path / "nothing.mp4")
    write_pictures(tmp_path / "p", 1)
    assert "open its folder" in refused(tmp_path / "p" / "000000.png")
    assert "pose file" in refused(tmp_path / "p", poses=tmp_path / "missing.tum")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
@pytest.mark.timeout(20)
def test_a_pipe_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    assert "neither a file nor a folder" in refused(tmp_path / "pipe.mp4")
    os.mkfifo(tmp_path / "pipe.png")
    refused(tmp_path)


def test_several_drives_in_a_folder_are_named(tmp_path: Path) -> None:
    for name in ("a.mp4", "b.mp4"):
        write_video(tmp_path / name, frames=2)
    message = refused(tmp_path)
    assert "a.mp4" in message
    assert "b.mp4" in message
    (tmp_path / "b.mp4").unlink()
    assert open_log(tmp_path).format == "video"


@pytest.mark.parametrize("suffix", [".mp4", ".png", ".jpg"])
def test_random_bytes_are_refused(tmp_path: Path, suffix: str) -> None:
    noise = np.random.default_rng(0)
    for size in (1, 100, 10_000):
        folder = tmp_path / str(size)
        folder.mkdir()
        (folder / f"x{suffix}").write_bytes(noise.bytes(size))
        refused(folder)


# -- pose files ----------------------------------------------------------------------------------------------


def test_pose_files_read_back(tmp_path: Path) -> None:
    poses, times = arc(20), 1e9 + np.arange(20) / 7
    (tmp_path / "a.tum").write_text(tum_text(times, poses))
    (tmp_path / "a.txt").write_text(kitti_text(poses))
    read_back = read_tum(tmp_path / "a.tum")
    np.testing.assert_array_equal(read_back[0], times)
    np.testing.assert_allclose(read_back[1], poses, atol=1e-12)
    np.testing.assert_array_equal(read_kitti(tmp_path / "a.txt"), poses)


GOOD = "0.0 0 0 0 0 0 0 1\n"


@pytest.mark.parametrize(
    ("text", "line", "hint"),
    [
        (GOOD + "# half\n0.1 0 0 1 0 0 0\n", 3, "7 numbers"),
        (GOOD + "0.0 0 0 1 0 0 0 1\n", 2, "does not come after"),
        (GOOD + "0.1,0,0,1,0,0,0,1\n", 2, "spaces instead of commas"),
        ("timestamp tx ty tz qx qy qz qw\n" + GOOD, 1, "begin a header line with #"),
        ("1 0 0 0\n", 1, "not all numbers|4 numbers"),
    ],
)
def test_a_faulty_tum_file_names_the_line_and_what_to_do(tmp_path: Path, text: str, line: int, hint: str) -> None:
    write_video(tmp_path / "a.mp4", frames=5)
    (tmp_path / "a.tum").write_text(text)
    message = refused(tmp_path / "a.mp4")
    assert f"a.tum: line {line}:" in message
    assert any(part in message for part in hint.split("|"))


def test_a_faulty_kitti_file_names_the_line(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", frames=3)
    rows = kitti_text(arc(3)).splitlines()
    (tmp_path / "a.kitti").write_text("\n".join([rows[0], "1 2 3", rows[2]]))
    message = refused(tmp_path / "a.mp4")
    assert "a.kitti: line 2:" in message
    assert "3 numbers" in message
    bad = rows[1].replace("1.0", "2.5", 1)
    (tmp_path / "a.kitti").write_text("\n".join([rows[0], bad, bad]))
    message = refused(tmp_path / "a.mp4")
    assert "a.kitti: line 2:" in message
    assert "no rotation" in message


@pytest.mark.parametrize("suffix", ["tum", "kitti"])
@pytest.mark.parametrize(("damage", "hint"), [("nan", "not finite"), ("long", "no rotation|quaternion has length 7")])
def test_a_line_that_is_no_pose_costs_its_frame(tmp_path: Path, suffix: str, damage: str, hint: str) -> None:
    write_video(tmp_path / "a.mp4", frames=6)
    poses = arc(6)
    rows = (kitti_text(poses) if suffix == "kitti" else tum_text(0.04 * np.arange(6), poses)[12:]).splitlines()
    fields = rows[2].split()
    rows[2] = " ".join([*fields[:-1], {"nan": "nan", "long": "7"}[damage]])
    if suffix == "kitti" and damage == "long":
        rows[2] = " ".join(["7", *fields[1:]])
    (tmp_path / f"a.{suffix}").write_text("\n".join(rows))
    drive = open_log(tmp_path / "a.mp4")
    assert drive.poses is not None
    told = " ".join(drive.notes)
    assert f"1 of 6 poses in a.{suffix} are left out: line 3:" in told
    assert any(part in told for part in hint.split("|"))
    valid = drive.pose_valid
    # Those with times are bridged, as any gap of that length is.
    assert valid.tolist() == [True, True, suffix == "tum", True, True, True]
    np.testing.assert_allclose(drive.poses[valid], poses[valid], atol=0.01)
    with pytest.raises(LogError, match="line 3"):
        (read_tum if suffix == "tum" else read_kitti)(tmp_path / f"a.{suffix}")


def test_an_empty_or_binary_pose_file_is_refused(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", frames=3)
    for content in (b"", b"# only a comment\n", np.random.default_rng(1).bytes(3000)):
        (tmp_path / "a.tum").write_bytes(content)
        assert "a.tum" in refused(tmp_path / "a.mp4")
        (tmp_path / "given.bin").write_bytes(content)
        assert "given.bin" in refused(tmp_path / "a.mp4", poses=tmp_path / "given.bin")


# -- video ---------------------------------------------------------------------------------------------------


def test_tum_poses_are_interpolated_to_the_frames_within_their_span(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", frames=25)  # 25 Hz, 0 to 0.96 s
    times = np.arange(0.2, 0.71, 0.1)
    poses = np.repeat(np.eye(4)[None], len(times), axis=0)
    poses[:, 2, 3] = 10 * times
    (tmp_path / "a.tum").write_text(tum_text(times, poses))
    drive = open_log(tmp_path / "a.mp4")
    inside = (drive.timestamps >= 0.2 - 1e-9) & (drive.timestamps <= 0.7 + 1e-9)
    np.testing.assert_array_equal(drive.pose_valid, inside)
    np.testing.assert_allclose(drive.poses[inside, 2, 3], 10 * drive.timestamps[inside], atol=1e-9)
    np.testing.assert_array_equal(drive.poses[~inside], np.repeat(np.eye(4)[None], (~inside).sum(), 0))
    assert "12 of 25 frames have no pose" in " ".join(drive.notes)


def test_no_pose_is_invented_inside_a_gap(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", frames=100)
    times = np.array([0.0, 0.1, 0.2, 3.0, 3.1, 3.2, 3.96])
    (tmp_path / "a.tum").write_text(tum_text(times, arc(len(times))))
    valid = open_log(tmp_path / "a.mp4").pose_valid
    assert valid[0:6].all()
    assert not valid[6:75].any()
    assert valid[75:].all()


def test_poses_of_another_clock(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", frames=10)
    (tmp_path / "a.tum").write_text(tum_text(1.6e9 + np.arange(10) / 25, arc(10)))
    drive = open_log(tmp_path / "a.mp4")
    np.testing.assert_allclose(drive.poses, arc(10), atol=1e-12)
    assert "another clock" in " ".join(drive.notes)
    (tmp_path / "a.tum").write_text(tum_text(1.6e9 + np.arange(9) / 25, arc(9)))
    assert "clock" in refused(tmp_path / "a.mp4")


@pytest.mark.parametrize(("unit", "factor"), [("milliseconds", 1e3), ("nanoseconds", 1e9)])
def test_poses_whose_times_are_no_seconds_are_refused(tmp_path: Path, unit: str, factor: float) -> None:
    write_video(tmp_path / "a.mp4", frames=50)
    (tmp_path / "a.tum").write_text(tum_text(factor * np.arange(25) / 12.5, arc(25)))
    assert f"seem to be {unit}" in refused(tmp_path / "a.mp4")
    (tmp_path / "a.tum").write_text(tum_text(np.arange(25000) / 12.5, arc(25000)))
    assert open_log(tmp_path / "a.mp4").pose_valid.all(), "a long trajectory may hold a short clip"


def test_which_pose_file_beside_a_video_is_taken(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", frames=4)
    assert open_log(tmp_path / "a.mp4").poses is None
    (tmp_path / "poses.txt").write_text(kitti_text(arc(4)))
    assert open_log(tmp_path / "a.mp4").provenance["poses"].startswith("poses.txt")
    (tmp_path / "a.txt").write_text("A rainy day in March\n")
    drive = open_log(tmp_path / "a.mp4")
    assert drive.provenance["poses"].startswith("poses.txt")
    assert "a.txt" in " ".join(drive.notes)
    (tmp_path / "a.kitti").write_text(kitti_text(arc(4)))
    assert open_log(tmp_path / "a.mp4").provenance["poses"].startswith("a.kitti")
    (tmp_path / "elsewhere.txt").write_text(kitti_text(arc(4, step=2.0)))
    given = open_log(tmp_path / "a.mp4", poses=tmp_path / "elsewhere.txt")
    np.testing.assert_array_equal(given.poses, arc(4, step=2.0))


def test_the_poses_of_another_video_are_left_alone(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", frames=4)
    write_video(tmp_path / "b.mp4", frames=4)
    (tmp_path / "poses.txt").write_text(kitti_text(arc(4)))
    assert open_log(tmp_path / "a.mp4").poses is None


def test_a_videos_frames_open_independently(tmp_path: Path) -> None:
    drive = open_log(write_video(tmp_path / "a.mp4", frames=8))
    first, second = drive.open_frames(), drive.open_frames()
    assert np.array_equal(first.read(6), second.read(6))
    first.close()
    assert second.read(2).shape == (64, 96, 3)
    second.close()


def test_a_camera_beside_a_video_is_scaled_to_its_frames(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", frames=2)
    camera = {"fx": 200, "fy": 200, "cx": 96, "cy": 64, "width": 192, "height": 128}
    (tmp_path / "a.intrinsics.json").write_text(json.dumps(camera))
    found = open_log(tmp_path / "a.mp4").intrinsics
    # OpenCV's half pixel is one of the pictures that were calibrated.
    assert (found.fx, found.cx, found.cy, found.width, found.height) == (100, 48.25, 32.25, 96, 64)


# -- picture folders -----------------------------------------------------------------------------------------


def test_pictures_come_in_natural_order_as_rgb(tmp_path: Path) -> None:
    write_pictures(tmp_path, 12, name="frame{}.png", mode="L")
    drive = open_log(tmp_path)
    frames = drive.open_frames()
    assert [int(frames.read(i)[0, 0, 0]) for i in range(12)] == [9 * i for i in range(12)]
    assert frames.read(3).shape == (16, 24, 3)
    assert [i for i, _ in frames.iterate(2, 11, 4)] == [2, 6, 10]
    assert drive.rate == pytest.approx(10)
    assert "10 pictures per second" in drive.notes[0]


def test_times_poses_and_camera_beside_pictures(tmp_path: Path) -> None:
    write_pictures(tmp_path, 5)
    times = 1e9 + np.array([0, 0.1, 0.25, 0.3, 0.5])
    (tmp_path / "times.txt").write_text("".join(f"{t:.6f}\n" for t in times))
    (tmp_path / "poses.tum").write_text(tum_text(times, arc(5)))
    (tmp_path / "intrinsics.json").write_text('{"fx": 20, "fy": 21, "cx": 12, "cy": 8}')
    drive = open_log(tmp_path)
    np.testing.assert_allclose(drive.timestamps, times, atol=1e-6)
    np.testing.assert_allclose(drive.poses, arc(5), atol=1e-6)
    assert (drive.intrinsics.fy, drive.intrinsics.width) == (21, 24)
    assert drive.notes == ()
    assert set(drive.provenance) == {"frames", "timestamps", "poses", "intrinsics"}


def test_dates_as_times_keep_their_digits(tmp_path: Path) -> None:
    write_pictures(tmp_path / "data", 3)
    stamps = [
        "2011-09-26 23:59:59.964389445",
        "2011-09-27 00:00:00.068000000",
        "2011-09-27 00:00:00.171000001",
    ]
    (tmp_path / "timestamps.txt").write_text("\n".join(stamps))
    np.testing.assert_allclose(open_log(tmp_path).timestamps, [0, 0.103610555, 0.206610556], atol=1e-12)


@pytest.mark.parametrize(
    ("name", "content", "hint"),
    [
        ("times.txt", "0\n1\n", "2 times for 3 pictures"),
        ("times.txt", "0\n1\n1\n", "line 3"),
        ("times.txt", "0\nsoon\n2\n", "line 2"),
        ("times.txt", "0\nnan\n2\n", "line 2"),
        ("times.txt", "1403636579763555584\n1403636579813555456\n1403636579863555584\n", "in seconds"),
        ("times.txt", "", "empty"),
        ("intrinsics.json", '{"fx": 20, "fy": 20, "cx": 12}', "cy"),
        ("intrinsics.json", '{"fx": "wide", "fy": 20, "cx": 12, "cy": 8}', "fx"),
        ("intrinsics.json", '{"fx": -1, "fy": 20, "cx": 12, "cy": 8}', "no camera"),
        (
            "intrinsics.json",
            '{"fx": 1, "fy": 1, "cx": 1, "cy": 1, "width": 9, "height": 99}',
            "another shape",
        ),
        ("intrinsics.json", '{"fx": 1, "fy": 1, "cx": 1, "cy": 1, "model": "fisheye"}', "model"),
        (
            "intrinsics.json",
            '{"fx": 1, "fy": 1, "cx": 1, "cy": 1, "model": "kannala-brandt", "distortion": [1]}',
            "coefficients",
        ),
        ("intrinsics.json", "[1, 2]", "JSON object"),
        ("intrinsics.json", "{", "not valid JSON"),
        ("intrinsics.json", "[" * 100_000, "not valid JSON"),
        ("poses.txt", "0.jpg 0.0\n", "not a pose file"),
    ],
)
def test_a_faulty_file_beside_pictures_is_named(tmp_path: Path, name: str, content: str, hint: str) -> None:
    write_pictures(tmp_path, 3)
    (tmp_path / name).write_text(content)
    message = refused(tmp_path)
    assert name in message
    assert hint in message


def test_pictures_of_unequal_size_are_refused(tmp_path: Path) -> None:
    write_pictures(tmp_path, 4)
    Pil.new("RGB", (30, 16)).save(tmp_path / "000002.png")
    assert "000002.png" in refused(tmp_path)


def test_a_damaged_picture_is_an_error_when_it_is_read(tmp_path: Path) -> None:
    write_pictures(tmp_path, 4)
    whole = (tmp_path / "000002.png").read_bytes()
    for damaged in (whole[: len(whole) // 2], b"", np.random.default_rng(2).bytes(400)):
        (tmp_path / "000002.png").write_bytes(damaged)
        frames = open_log(tmp_path).open_frames()
        assert frames.read(1).shape == (16, 24, 3)
        with pytest.raises(LogError, match=r"000002\.png"):
            frames.read(2)


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "1", "I;16"])
def test_every_kind_of_picture_becomes_rgb(tmp_path: Path, mode: str) -> None:
    if mode == "I;16":
        Pil.fromarray(np.full((16, 24), 0x8000, np.uint16)).save(tmp_path / "0.png")
    else:
        Pil.new("RGB", (24, 16), (128, 128, 128)).quantize().convert(mode).save(tmp_path / "0.png")
    image = open_log(tmp_path).open_frames().read(0)
    assert image.shape == (16, 24, 3)
    assert image.dtype == np.uint8
    if mode != "1":
        assert np.abs(image.astype(int) - 128).max() <= 3


def test_a_picture_taken_sideways_is_turned_upright(tmp_path: Path) -> None:
    picture = Pil.new("RGB", (24, 16))
    exif = picture.getexif()
    exif[274] = 6
    picture.save(tmp_path / "0.jpg", exif=exif)
    drive = open_log(tmp_path)
    assert (drive.width, drive.height) == (16, 24)
    assert drive.open_frames().read(0).shape == (24, 16, 3)


# -- KITTI odometry ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("entry", ["", "sequences/07", "sequences/07/image_0"])
def test_kitti_opens_at_every_level(tmp_path: Path, entry: str) -> None:
    drive = open_log(write_kitti(tmp_path, cameras=(0,)) / entry)
    assert (drive.format, len(drive), drive.width, drive.height) == ("kitti-odometry", 6, 24, 16)
    np.testing.assert_array_equal(drive.poses, arc(6))
    np.testing.assert_allclose(drive.timestamps, np.arange(6) / 10)
    assert (drive.intrinsics.fx, drive.intrinsics.cx, drive.intrinsics.cy) == (FOCAL, 12.5, 8.5)
    assert drive.open_frames().read(2).shape == (16, 24, 3)


def test_the_colour_camera_is_preferred(tmp_path: Path) -> None:
    write_kitti(tmp_path, cameras=(0, 1, 2, 3))
    assert open_log(tmp_path).name == "07/image_2"


def test_poses_move_by_the_baseline_with_the_camera(tmp_path: Path) -> None:
    write_kitti(tmp_path)
    right = open_log(tmp_path / "sequences/07/image_1")
    # The right camera's centre lies a baseline along camera 0's x axis, at every frame.
    offset = np.einsum("nij,nj->ni", arc(6)[:, :3, :3].transpose(0, 2, 1), (right.poses - arc(6))[:, :3, 3])
    np.testing.assert_allclose(offset, np.tile([BASELINE, 0, 0], (6, 1)), atol=1e-12)
    np.testing.assert_array_equal(right.poses[:, :3, :3], arc(6)[:, :3, :3])
    assert "0.540 m" in right.provenance["poses"]


def test_several_sequences_are_named(tmp_path: Path) -> None:
    write_kitti(tmp_path)
    write_kitti(tmp_path, "08")
    assert "--drive NAME: 07, 08" in refused(tmp_path)
    assert open_log(tmp_path / "sequences/08").name == "08/image_0"
    assert open_log(tmp_path, drive="08").name == "08/image_0"


def test_part_of_a_sequence_takes_its_own_lines(tmp_path: Path) -> None:
    write_kitti(tmp_path, cameras=(0,))
    for i in (0, 1, 5):
        (tmp_path / f"sequences/07/image_0/{i:06d}.png").unlink()
    drive = open_log(tmp_path)
    np.testing.assert_array_equal(drive.poses, arc(6)[2:5])
    np.testing.assert_allclose(drive.timestamps, [0.2, 0.3, 0.4])
    assert "3 of the sequence's 6 frames" in drive.notes[0]


def test_what_kitti_may_lack_and_what_not(tmp_path: Path) -> None:
    write_kitti(tmp_path)
    sequence = tmp_path / "sequences/07"
    (tmp_path / "poses/07.txt").write_text(kitti_text(arc(5)))
    assert "07.txt: 5 poses" in refused(tmp_path)
    (tmp_path / "poses/07.txt").unlink()
    (sequence / "times.txt").unlink()
    (sequence / "calib.txt").write_text("P0: 1 2 three\n")
    assert "calib.txt: line 1" in refused(tmp_path)
    (sequence / "calib.txt").write_text("")
    drive = open_log(tmp_path)
    assert drive.poses is None
    assert drive.intrinsics is None
    assert drive.rate == pytest.approx(10)
    assert len(drive.notes) == 2
    for file in (sequence / "image_0").iterdir():
        file.unlink()
    assert open_log(tmp_path).name == "07/image_1"
    for file in (sequence / "image_1").iterdir():
        file.unlink()
    assert "no .png or .jpg" in refused(tmp_path)


def test_cameras_of_one_sequence_have_their_own_fingerprint(tmp_path: Path) -> None:
    write_kitti(tmp_path)
    (tmp_path / "poses/07.txt").unlink()
    prints = {open_log(tmp_path / "sequences/07" / camera).fingerprint for camera in ("image_0", "image_1")}
    assert len(prints) == 2
    assert open_log(tmp_path).fingerprint in prints


# -- the synthetic world's logs ------------------------------------------------------------------------------


@pytest.mark.parametrize("entry", ["", "drive.json"])
def test_a_synthetic_log_opens_as_folder_or_description(tmp_path: Path, entry: str) -> None:
    drive = open_log(write_synthetic(tmp_path) / entry)
    assert (drive.name, drive.format, len(drive), drive.rate) == ("hill", "synthetic", 6, 4)
    np.testing.assert_allclose(drive.poses, arc(6), atol=1e-12)
    assert drive.intrinsics.fx == 20
    assert list(drive.regimes["light"]) == ["day"] * 6
    assert drive.regimes["reverse"].dtype == bool


def test_a_synthetic_log_with_a_video(tmp_path: Path) -> None:
    write_synthetic(tmp_path, frames="frames.mp4")
    write_video(tmp_path / "frames.mp4", frames=6)
    drive = open_log(tmp_path)
    assert (drive.width, drive.height) == (96, 64)
    np.testing.assert_allclose(drive.timestamps, 0.25 * np.arange(6))
    write_video(tmp_path / "frames.mp4", frames=5)
    assert "6 times for 5 frames" in refused(tmp_path)


@pytest.mark.parametrize("name", ["../secret", "{outside}", "frames/../../secret", "link", "loop", "\0", 7, ""])
def test_no_path_in_a_log_leaves_its_folder(tmp_path: Path, name: Any) -> None:
    outside = tmp_path / "secret"
    write_pictures(outside, 6)
    log = tmp_path / "log"
    if isinstance(name, str):
        name = name.replace("{outside}", str(outside))
    write_synthetic(log, frames=name)
    (log / "link").symlink_to(outside)
    (log / "loop").symlink_to(log / "loop")
    assert "frames" in refused(log)


@pytest.mark.parametrize("name", ["../poses.tum", "link.tum", "\0", 7])
def test_no_pose_file_named_in_a_log_lies_outside_it(tmp_path: Path, name: Any) -> None:
    log = write_synthetic(tmp_path / "log", poses=name)
    (log / "poses.tum").rename(tmp_path / "poses.tum")
    (log / "link.tum").symlink_to(tmp_path / "poses.tum")
    assert "poses" in refused(log)


def test_no_picture_or_pose_file_of_a_log_is_a_link_out_of_it(tmp_path: Path) -> None:
    write_pictures(tmp_path / "secret", 1)
    log = write_synthetic(tmp_path / "log")
    (log / "frames" / "000003.png").unlink()
    (log / "frames" / "000003.png").symlink_to(tmp_path / "secret" / "000000.png")
    assert "leads out" in refused(log)
    log = write_synthetic(tmp_path / "other")
    (log / "poses.tum").rename(tmp_path / "poses.tum")
    (log / "poses.tum").symlink_to(tmp_path / "poses.tum")
    assert "leads out" in refused(log)


def test_the_bundled_drive_has_the_camera_that_it_was_rendered_with() -> None:
    sample = Path(__file__).parents[2] / "resources" / "sample_drive"
    camera = open_log(sample).intrinsics
    written = json.loads((sample / "drive.json").read_text())["intrinsics"]
    assert {name: getattr(camera, name) for name in written} == written


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"format": "other"}, "format"),
        ({"version": 2}, "version"),
        ({"times": [0, 1, 2]}, "times"),
        ({"times": [0, 1, 1, 2, 3, 4]}, "times"),
        ({"times": "soon"}, "times"),
        ({"times": [0, None]}, "times"),
        ({"frames": "absent"}, "frames"),
        ({"intrinsics": {"fx": 1}}, "intrinsics"),
        ({"intrinsics": 5}, "intrinsics"),
        ({"regimes": {"light": ["day"]}}, "light"),
        ({"regimes": {"light": [{}] * 6}}, "light"),
        ({"regimes": []}, "regimes"),
    ],
)
def test_a_faulty_description_names_the_field(tmp_path: Path, changes: dict, field: str) -> None:
    message = refused(write_synthetic(tmp_path, **changes))
    assert "drive.json" in message or "absent" in message
    assert field in message


# -- real data -----------------------------------------------------------------------------------------------


def test_real_kitti_drive() -> None:
    drive = open_log(real("kitti_odometry"))
    assert (len(drive), drive.width, drive.height) == (90, 1241, 376)
    assert drive.pose_valid.all()
    assert drive.intrinsics.fx == pytest.approx(718.856)
    assert drive.rate == pytest.approx(9.65, abs=0.05)
    speed = np.linalg.norm(np.diff(drive.poses[:, :3, 3], axis=0), axis=1) / np.diff(drive.timestamps)
    assert 5 < speed.mean() < 12
    image = drive.open_frames().read(89)
    assert image.shape == (376, 1241, 3)
    assert np.array_equal(image[..., 0], image[..., 2])


def test_real_steering_angles_are_no_poses() -> None:
    drive = open_log(real("sullychen"))
    assert (len(drive), drive.width, drive.height) == (101, 455, 256)
    assert drive.poses is None
    assert drive.open_frames().read(100).mean() < 128


def test_real_pictures_in_a_data_folder() -> None:
    drive = open_log(real("kitti_unrectified"))
    assert (len(drive), drive.width, drive.height) == (10, 1392, 512)


@pytest.mark.parametrize(("name", "frames"), [("highway_white_right.mp4", 221), ("highway_traffic.mp4", 38)])
def test_real_videos(name: str, frames: int) -> None:
    drive = open_log(real(f"video/{name}"))
    assert len(drive) == frames
    assert drive.rate == pytest.approx(25)
    assert drive.poses is None
