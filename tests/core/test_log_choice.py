"""The options that choose a drive, the same for each command that opens a log."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest
import tyro
from log_files import arc, tum_text, write_kitti, write_video

from lapose_core.commands.evaluate import Evaluate
from lapose_core.commands.log_choice import LogChoice
from lapose_core.commands.shards import Shards
from lapose_core.drive import LogError

COMMANDS = {
    "Info": ["LOG"],
    "Analyze": ["LOG", "--out", "OUT"],
    "Evaluate": ["LOG"],
    "Report": ["RESULT", "--log", "LOG"],
    "Export": ["RESULT", "--to", "tum", "--out", "OUT", "--log", "LOG"],
    "Shards": ["LOG", "--out", "OUT"],
}


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_takes_them(name: str) -> None:
    kind = getattr(importlib.import_module(f"lapose_core.commands.{name.lower()}"), name)
    given = "--drive 07 --camera image_1 --poses p.csv --time-offset -2.5 --pose-frame flu --pose-topic /odom"
    options = tyro.cli(kind, args=[*COMMANDS[name], *given.split()]).options()
    assert (options.camera, options.poses, options.pose_topic) == ("image_1", Path("p.csv"), "/odom")
    assert (options.time_offset, options.pose_frame) == (-2.5, "flu")
    assert tyro.cli(kind, args=COMMANDS[name]).options().camera is None


def test_they_open_the_drive_that_they_name(tmp_path: Path) -> None:
    write_kitti(tmp_path, "03", count=4)
    write_kitti(tmp_path, "07")
    assert LogChoice(drive="07", camera="image_1").open(tmp_path).name == "07/image_1"
    assert len(LogChoice(drive="03").open(tmp_path)) == 4
    with pytest.raises(LogError, match="--drive NAME: 03, 07"):
        LogChoice().open(tmp_path)


def test_poses_are_shifted_in_time(tmp_path: Path) -> None:
    drive = LogChoice().open(write_video(tmp_path / "a.mp4", frames=5))
    (tmp_path / "given.tum").write_text(tum_text(drive.timestamps + 7, arc(5)))
    shifted = LogChoice(poses=tmp_path / "given.tum", time_offset=-7).open(tmp_path / "a.mp4")
    assert "interpolated" in shifted.provenance["poses"]
    with pytest.raises(LogError, match="time offset must be a number of seconds, not nan"):
        LogChoice(poses=tmp_path / "given.tum", time_offset=float("nan")).open(tmp_path / "a.mp4")


def test_a_camera_or_topic_where_there_is_no_choice_is_refused(tmp_path: Path) -> None:
    video = write_video(tmp_path / "a.mp4", frames=3)
    with pytest.raises(LogError, match="no choice of cameras"):
        LogChoice(camera="front").open(video)
    with pytest.raises(LogError, match="no choice of pose topics"):
        LogChoice(pose_topic="/odom").open(video)


@pytest.mark.parametrize("command", [Evaluate, Shards])
def test_what_belongs_to_one_log_is_refused_for_several(command: type, tmp_path: Path) -> None:
    for given in ({"drive": "a"}, {"poses": tmp_path / "p.tum"}):
        values = {"logs": (tmp_path, tmp_path), **given} | ({"out": tmp_path / "out"} if command is Shards else {})
        with pytest.raises(ValueError, match=f"--{next(iter(given))} belongs to one log"):
            command(**values).run()
