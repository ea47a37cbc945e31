"""`lapose info` says what a log holds."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from log_files import arc, kitti_text, real, write_kitti, write_video

from lapose_core.commands.info import Info, motion_shares
from lapose_core.drive import Drive, LogError
from lapose_core.geometry import accumulate, make_poses, matrix_from_quaternion


def test_the_table_has_the_figures_of_the_drive(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert Info(write_kitti(tmp_path)).run() == 0
    text = capsys.readouterr().out
    lines = {line.split("  ")[0]: line for line in text.splitlines()}
    assert "kitti-odometry" in lines["format"]
    assert lines["frames"].split()[1] == "6"
    assert "24 x 16" in lines["size"]
    assert "0.50 s" in lines["duration"]
    assert "10.00 Hz" in lines["rate"]
    assert "6 of 6 frames" in lines["poses"]
    assert "fx 20.00" in lines["intrinsics"]
    assert "61.9 deg" in lines["field of view"]  # 2 atan(12 / 20)
    assert "2.5 m" in lines["path length"]
    starts = {len(line) - len(line[15:].lstrip()) for line in text.split("\n\n")[0].splitlines()}
    assert len(starts) == 1


def test_a_data_set_is_listed_and_a_drive_of_it_chosen(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_kitti(tmp_path, "03", count=4)
    write_kitti(tmp_path, "07", cameras=(0, 1, 2))
    assert Info(tmp_path).run() == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert rows[2] == ["drive", "frames", "seconds", "cameras", "description"]
    assert rows[3] == ["03", "4", "0.3", "image_0,", "image_1"]
    assert rows[4] == ["07", "6", "0.5", "image_2,", "image_0,", "image_1"]
    Info(tmp_path, json=True).run()
    listed = json.loads(capsys.readouterr().out)
    assert [drive["key"] for drive in listed["drives"]] == ["03", "07"]
    assert listed["format"] == "kitti-odometry"
    Info(tmp_path, drive="07", camera="image_1", json=True).run()
    assert json.loads(capsys.readouterr().out)["name"] == "07/image_1"


def test_a_wrong_convention_of_poses_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    video = write_video(tmp_path / "a.mp4", frames=60)
    turn = np.eye(4)
    turn[:3, :3] = [[0, -1, 0], [0, 0, -1], [1, 0, 0]]  # a vehicle's x forward, y left, z up, in the camera's axes
    (tmp_path / "ego.txt").write_text(kitti_text(arc(60) @ turn))
    Info(video, poses=tmp_path / "ego.txt").run()
    text = capsys.readouterr().out
    assert "along its own +z for 0 % of the path" in text
    assert "PROBLEM: The camera moves along its own +x for 100 %" in text
    assert "--pose-frame flu" in text
    Info(video, poses=tmp_path / "ego.txt", pose_frame="flu").run()
    text = capsys.readouterr().out
    assert "along its own +z for 100 % of the path" in text
    assert "PROBLEM" not in text


def test_what_a_log_lacks_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Info(write_video(tmp_path / "a.mp4", frames=3)).run()
    text = capsys.readouterr().out
    assert "poses       none" in text
    assert "intrinsics  none" in text
    assert "curvature" not in text


def test_json_holds_the_same_and_takes_given_poses(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    video = write_video(tmp_path / "a.mp4", frames=30)
    (tmp_path / "truth.txt").write_text(kitti_text(arc(30, step=1.0, turn=0.05)))
    assert Info(video, poses=tmp_path / "truth.txt", json=True).run() == 0
    values = json.loads(capsys.readouterr().out)
    assert (values["frames"], values["width"], values["height"], values["poses"]) == (30, 96, 64, 30)
    assert values["rate_hz"] == pytest.approx(25)
    assert values["path_length_m"] == pytest.approx(29)
    assert values["motion"]["medium"] == pytest.approx(1)


def test_what_cannot_be_read_raises_one_line(tmp_path: Path) -> None:
    with pytest.raises(LogError, match="no such file") as caught:
        Info(tmp_path / "missing").run()
    assert "\n" not in str(caught.value)


def drive_of(yaws: list[float], steps: list[float], valid: list[bool] | None = None) -> Drive:
    half = np.array(yaws) / 2
    rotation = matrix_from_quaternion(np.stack([0 * half, np.sin(half), 0 * half, np.cos(half)], -1))
    relative = make_poses(rotation, np.stack([0 * half, 0 * half, np.array(steps)], -1))
    poses = accumulate(relative)
    return Drive(
        name="x",
        path=Path("x"),
        format="test",
        width=8,
        height=8,
        timestamps=np.arange(len(poses)) / 10,
        open_frames=lambda: pytest.fail("info must not read frames"),
        poses=poses,
        pose_valid=None if valid is None else np.array(valid),
        fingerprint="-",
    )


def test_every_kind_of_motion_is_counted_once() -> None:
    shares = motion_shares(drive_of([0, 0.005, -0.05, 0.5, 0, 0, 0, 0], [1, 1, 1, 1, 0, 0, -1, -1]))
    assert shares == pytest.approx(
        {
            "straight": 1 / 8,
            "gentle": 1 / 8,
            "medium": 1 / 8,
            "sharp": 1 / 8,
            "standstill": 2 / 8,
            "reverse": 2 / 8,
        }
    )


def test_motion_across_frames_without_pose_is_not_counted() -> None:
    shares = motion_shares(drive_of([0, 0.5, 0.5, 0], [1, 1, 1, 1], [True, True, False, True, True]))
    assert shares is not None
    assert shares["straight"] == pytest.approx(1)
    assert motion_shares(drive_of([0, 0], [1, 1], [True, False, True])) is None


def test_real_kitti_drive(capsys: pytest.CaptureFixture[str]) -> None:
    Info(real("kitti_odometry"), json=True).run()
    values = json.loads(capsys.readouterr().out)
    assert values["intrinsics"]["fov_x_deg"] == pytest.approx(81.6, abs=0.2)
    assert 60 < values["path_length_m"] < 100
    assert sum(values["motion"].values()) == pytest.approx(1)
