"""Folders with steering angles: each picture gets its own angle and time, and odd lines cost only themselves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from conformance import Conformance, Expected
from log_files import arc, real, tum_text, write_pictures

from lapose_core.drive import Drive, LogError
from lapose_core.logs.reader import LogOptions
from lapose_core.logs.steering import READER

COUNT = 12  # so that 10.jpg must come after 9.jpg


def write_folder(folder: Path, lines: list[str], pictures: str = ".", count: int = COUNT) -> Path:
    write_pictures(folder / pictures, count, name="{}.jpg")
    (folder / "data.txt").write_text("\n".join(lines))
    return folder


def dated(i: int, seconds: float) -> str:
    whole, milliseconds = divmod(round(seconds * 1000), 1000)
    return f"{i}.jpg {0.5 * i:.6f},2018-07-01 17:{9 + whole // 60:02d}:{whole % 60:02d}:{milliseconds}"


class TestSteering(Conformance):
    reader = READER

    def write_log(self, folder: Path) -> Expected:
        seconds = np.array([58.005, 58.04, 58.07, 59.9, 60.01, 60.1, 63.5, 63.51, 63.6, 63.7, 63.75, 64.0])
        write_folder(folder, [dated(i, s) for i, s in enumerate(seconds)], "data")
        return Expected(
            folder,
            folder.name,
            24,
            16,
            seconds - seconds[0],
            tracks={"steering angle": "deg"},
            files=(folder / "data" / "3.jpg",),
            picture=lambda i: np.full((16, 24, 3), (i * 9, 255 - i, 40), np.uint8),
        )


def open_folder(path: Path) -> Drive:
    (listing,) = READER.list(path)
    assert READER.matches(path)
    return READER.open(path, listing.key, LogOptions())


def red(image: np.ndarray) -> int:
    return round(float(image[..., 0].mean()) / 9)


@pytest.mark.parametrize("pictures", [".", "data"])
def test_angles_belong_to_the_pictures_that_they_name(tmp_path: Path, pictures: str) -> None:
    lines = [f"{i}.jpg {0.5 * i:.6f}" for i in reversed(range(COUNT))]
    drive = open_folder(write_folder(tmp_path / "drive", lines, pictures))
    assert (drive.format, drive.name, len(drive), drive.width, drive.height) == ("steering", "drive", COUNT, 24, 16)
    angle = drive.tracks["steering angle"]
    assert angle.unit == "deg"
    np.testing.assert_allclose(angle.values, 0.5 * np.arange(COUNT))
    np.testing.assert_array_equal(angle.times, drive.timestamps)
    source = drive.open_frames()
    assert [red(source.read(i)) for i in (0, 1, 9, 10, 11)] == [0, 1, 9, 10, 11]


def test_without_dates_thirty_hertz_are_assumed_and_said(tmp_path: Path) -> None:
    drive = open_folder(write_folder(tmp_path / "drive", [f"{i}.jpg 1.0" for i in range(COUNT)]))
    np.testing.assert_allclose(drive.timestamps, np.arange(COUNT) / 30)
    assert any("30 pictures per second are assumed" in note for note in drive.notes)
    assert drive.provenance["timestamps"] == "assumed 30 Hz"


def test_dates_are_the_times(tmp_path: Path) -> None:
    # Milliseconds are written without leading zeros; the drive goes past the minute and has a pause.
    seconds = np.array([58.005, 58.040, 58.070, 59.9, 60.01, 60.1, 63.5, 63.51, 63.6, 63.7, 63.75, 64.0])
    drive = open_folder(write_folder(tmp_path / "drive", [dated(i, s) for i, s in enumerate(seconds)]))
    np.testing.assert_allclose(drive.timestamps, seconds - seconds[0], atol=1e-6)
    assert drive.notes == ()


def test_dates_that_stand_still_or_go_back_are_bridged_and_said(tmp_path: Path) -> None:
    seconds = 0.05 * np.arange(COUNT)
    lines = [dated(i, s) for i, s in enumerate(seconds)]
    lines[0] = "0.jpg 0.0"  # none
    lines[4] = dated(4, seconds[3])  # repeated
    lines[6] = dated(6, 0.01)  # back
    lines[8] = "8.jpg 4.0,2018-02-31 10:00:00:1"  # no such day
    lines[11] = "11.jpg 5.5,yesterday"
    drive = open_folder(write_folder(tmp_path / "drive", lines))
    np.testing.assert_allclose(drive.timestamps, seconds, atol=1e-6)
    assert any("5 of 12 pictures have no date" in note for note in drive.notes)
    mostly = [dated(i, -i % 3) for i in range(COUNT)]
    drive = open_folder(write_folder(tmp_path / "jumbled", mostly))
    np.testing.assert_allclose(drive.timestamps, np.arange(COUNT) / 30)
    assert any("too few dates in order" in note for note in drive.notes)


def test_pictures_without_angle_and_odd_lines_are_told(tmp_path: Path) -> None:
    lines = [f"{i}.jpg {i}" for i in range(COUNT)]
    lines[2] = "2.jpg nan"
    lines[3] = "3.jpg straight on"
    lines[5] = ""
    lines += ["99.jpg 1.0", "../secret.jpg 1.0", "/etc/passwd 2.0"]
    (tmp_path / "secret.jpg").write_bytes(b"x")
    drive = open_folder(write_folder(tmp_path / "drive", lines))
    assert len(drive) == COUNT
    np.testing.assert_allclose(drive.tracks["steering angle"].values, [0, 1, 4, 6, 7, 8, 9, 10, 11])
    text = " ".join(drive.notes)
    assert "3 of 12 pictures have no angle" in text
    assert "2 lines of data.txt are left out: line 3 " in text
    assert "3 pictures that data.txt names are not there" in text


def test_poses_may_be_given(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "drive", [f"{i}.jpg 1.0" for i in range(COUNT)])
    (tmp_path / "own.tum").write_text(tum_text(np.arange(COUNT) / 30, arc(COUNT)))
    drive = READER.open(folder, "drive", LogOptions(poses=tmp_path / "own.tum"))
    assert drive.poses is not None
    np.testing.assert_allclose(drive.poses, arc(COUNT), atol=1e-9)


def test_the_real_folder() -> None:
    folder = real("sullychen")
    drive = open_folder(folder)
    assert (len(drive), drive.width, drive.height) == (101, 455, 256)
    angle = drive.tracks["steering angle"]
    assert len(angle.values) == 101
    assert (angle.values[24], angle.values[100]) == (11.7, 2.12)
    assert drive.open_frames().read(100).shape == (256, 455, 3)
    assert len(open_folder(folder / "data.txt")) == 101


def refused(path: Path) -> str:
    with pytest.raises(LogError) as caught:
        READER.open(path, path.name, LogOptions())
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_cannot_be_opened_is_refused_in_one_line(tmp_path: Path) -> None:
    good = write_folder(tmp_path / "a", ["0.jpg 1.0"])
    with pytest.raises(LogError, match="no such drive"):
        READER.open(good, "../a", LogOptions())
    message = refused(write_folder(tmp_path / "b", ["time,x", "1,2"]))
    assert "data.txt" in message
    assert "rename it" in message
    assert "no line reads" in refused(write_folder(tmp_path / "c", [""]))
    assert "none of the pictures" in refused(write_folder(tmp_path / "d", ["frame0.jpg 1.0"]))
    (good / "5.jpg").unlink()
    write_pictures(good, 1, size=(30, 16), name="5.jpg")
    assert "5.jpg" in refused(good)


def test_damaged_pictures_are_refused_when_looked_at(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "drive", [f"{i}.jpg 1.0" for i in range(COUNT)])
    (folder / "5.jpg").write_bytes((folder / "5.jpg").read_bytes()[:60])
    drive = open_folder(folder)
    source = drive.open_frames()
    assert red(source.read(4)) == 4
    with pytest.raises(LogError, match=r"5\.jpg"):
        source.read(5)


def test_links_do_not_lead_astray(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "drive", ["0.jpg 1.0"])
    (tmp_path / "other.txt").write_text("0.jpg 2.0")
    (folder / "data.txt").unlink()
    (folder / "data.txt").symlink_to(tmp_path / "other.txt")
    assert "leads out" in refused(folder)
    (folder / "data.txt").unlink()
    (folder / "data.txt").symlink_to(folder / "data.txt")
    assert not READER.matches(folder)
    write_pictures(tmp_path / "elsewhere", 2)
    linked = tmp_path / "linked"
    linked.mkdir()
    (linked / "data.txt").write_text("000000.png 1.0")
    (linked / "data").symlink_to(tmp_path / "elsewhere")
    assert "leads out" in refused(linked)


def test_only_folders_with_both_match(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "drive", ["0.jpg 1.0"])
    assert READER.matches(folder / "data.txt")
    assert not READER.matches(folder / "0.jpg")
    assert not READER.matches(tmp_path)
    (tmp_path / "data.txt").write_text("0.jpg 1.0")
    assert not READER.matches(tmp_path)
