"""Which reader a path gets, which of its drives is opened, and how fast a large folder is listed."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from foreign_package import install
from log_files import real, write_kitti, write_pictures, write_synthetic, write_video

import lapose_core.logs as logs
from lapose_core.drive import LogError
from lapose_core.logs import LogOptions, list_drives, open_log, readers
from lapose_core.logs.folders import files_in, folders_in
from lapose_core.logs.index import cache_folder
from lapose_core.logs.reader import Listing, Reader


def refused(path: Path, **arguments: object) -> str:
    with pytest.raises(LogError) as caught:
        open_log(path, **arguments)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture(autouse=True)
def _no_package_stays(monkeypatch: pytest.MonkeyPatch):
    logs._third_party.cache_clear()
    yield
    logs._third_party.cache_clear()


# -- which drive ---------------------------------------------------------------------------------------------


def test_a_drive_is_chosen_by_key_or_name(tmp_path: Path) -> None:
    root = tmp_path / "root"
    for key, name in (("one", "hill"), ("two", "valley"), ("three", "valley")):
        write_synthetic(root / key, name=name)
    assert open_log(root, drive="one").name == "hill"
    assert open_log(root, drive="hill").path == root / "one"
    assert "one, three, two" in refused(root, drive="valley") or "three, two" in refused(root, drive="valley")
    assert "--drive NAME: one, three, two" in refused(root)
    assert "choose one of two" in refused(root, drive="twoo")
    assert "there is no drive" in refused(root, drive="../root/one")


def test_a_camera_is_chosen_by_name(tmp_path: Path) -> None:
    root = write_kitti(tmp_path, cameras=(0, 1, 2))
    assert open_log(root).name == "07/image_2"
    assert open_log(root, options=LogOptions(camera="image_1")).name == "07/image_1"
    message = refused(root, options=LogOptions(camera="front"))
    assert "'front'" in message
    assert "image_2, image_0, image_1" in message


def test_a_folder_of_logs_lists_them_all(tmp_path: Path) -> None:
    write_synthetic(tmp_path / "b_synth")
    write_kitti_folder = tmp_path / "a_kitti"
    write_kitti_folder.mkdir()
    for sequence in ("03", "07"):
        write_kitti(write_kitti_folder, sequence)
    write_pictures(tmp_path / "c_pictures", 3)
    (tmp_path / "d_broken").mkdir()
    (tmp_path / "d_broken/drive.json").write_text("{")
    (tmp_path / "notes").mkdir()
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    reader, listings = list_drives(tmp_path)
    assert reader.name == "folder"
    assert [entry.key for entry in listings] == ["a_kitti/03", "a_kitti/07", "b_synth", "c_pictures", "d_broken"]
    assert "not valid JSON" in listings[-1].description
    assert open_log(tmp_path, drive="a_kitti/07").format == "kitti-odometry"
    assert open_log(tmp_path, drive="a_kitti/07", options=LogOptions(camera="image_1")).name == "07/image_1"
    assert open_log(tmp_path, drive="c_pictures").format == "images"
    assert "not valid JSON" in refused(tmp_path, drive="d_broken")


def test_the_order_puts_data_sets_before_what_would_take_their_files() -> None:
    names = [reader.name for reader in readers()]
    assert names[0] == "synthetic"
    assert names[-3:] == ["images", "video", "folder"]
    assert len(set(names)) == len(names)


# -- other packages' readers ---------------------------------------------------------------------------------

FOREIGN = """
from pathlib import Path
from lapose_core.logs.reader import Listing, Reader

def explode(*_):
    raise RuntimeError("out of order")

READER = Reader("foreign", "Foreign logs", {matches}, {list}, explode)
"""


def test_a_reader_that_cannot_be_loaded_is_named_and_harms_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    install(tmp_path / "p", monkeypatch, "broken_logs", "import nothing_of_this_name\n")
    install(tmp_path / "q", monkeypatch, "odd_logs", "READER = 7\n")
    assert open_log(write_synthetic(tmp_path / "log")).name == "hill"
    assert "broken_logs" in caplog.text
    assert "nothing_of_this_name" in caplog.text
    (tmp_path / "other").mkdir()
    (tmp_path / "other/notes.txt").write_text("hello")
    message = refused(tmp_path / "other")
    assert "broken_logs" in message
    assert "odd_logs" in message
    assert "int, not a lapose_core.logs.reader.Reader" in message


def test_a_reader_that_fails_is_told_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = FOREIGN.format(
        matches="lambda p: (p / 'foreign').exists()", list="lambda p: [Listing('a', 'a'), Listing('b', 'b')]"
    )
    install(tmp_path / "p", monkeypatch, "failing_logs", listed)
    (tmp_path / "log").mkdir()
    (tmp_path / "log/foreign").touch()
    assert [entry.key for entry in list_drives(tmp_path / "log")[1]] == ["a", "b"]
    message = refused(tmp_path / "log", drive="a")
    assert "the reader foreign failed (RuntimeError: out of order)" in message


def test_a_reader_that_lists_a_key_twice_or_fails_to_look_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    twice = FOREIGN.format(matches="lambda p: (p / 'foreign').exists()", list="lambda p: [Listing('a', 'a')] * 2")
    install(tmp_path / "p", monkeypatch, "twice_logs", twice)
    install(tmp_path / "q", monkeypatch, "blind_logs", FOREIGN.format(matches="explode", list="explode"))
    (tmp_path / "log").mkdir()
    (tmp_path / "log/foreign").touch()
    assert "lists two drives as 'a'" in refused(tmp_path / "log", drive="a")
    assert "out of order" in caplog.text
    assert open_log(write_pictures_log(tmp_path / "pictures")).format == "images"


def write_pictures_log(folder: Path) -> Path:
    write_pictures(folder, 3)
    return folder


# -- the index -----------------------------------------------------------------------------------------------


def write_many(root: Path, count: int) -> None:
    """Drives as `lapose synth` lays them out, without frames, which a listing does not need."""
    times = (np.arange(100) / 10).tolist()
    for i in range(count):
        folder = root / f"drive_{i:04d}"
        (folder / "frames").mkdir(parents=True)
        values = {"format": "lapose-synthetic", "version": 1, "name": f"d{i}", "times": times, "frames": "frames"}
        (folder / "drive.json").write_text(json.dumps(values))
    settle(root)


def settle(root: Path) -> None:
    """As if everything had been written a minute ago: what has just changed is never remembered."""
    for folder, _, files in os.walk(root):
        for name in (*files, ""):
            path = Path(folder, name)
            earlier = path.stat().st_mtime_ns - 60_000_000_000
            os.utime(path, ns=(earlier, earlier))


def test_a_thousand_drives_are_listed_in_two_seconds_after_the_first_time(tmp_path: Path) -> None:
    root = tmp_path / "root"
    write_many(root, 1000)
    before = sorted(p.relative_to(root) for p in root.rglob("*"))
    first = list_drives(root)[1]
    assert len(first) == 1000
    assert first[7].key == "drive_0007"
    assert (first[7].frames, first[7].seconds) == (100, pytest.approx(9.9))
    began = time.process_time()  # what else the machine does is not the listing's time
    assert list_drives(root)[1] == first
    assert time.process_time() - began < 2
    assert sorted(p.relative_to(root) for p in root.rglob("*")) == before
    kept = list((cache_folder() / "listings").iterdir())
    assert len(kept) == 1

    kept[0].write_text(kept[0].read_text().replace('"d7"', '"as remembered"'))
    assert list_drives(root)[1][7].name == "as remembered"
    (root / "drive_0007/drive.json").write_text(
        (root / "drive_0007/drive.json").read_text().replace('"d7"', '"renamed"')
    )
    assert list_drives(root)[1][7].name == "renamed"
    write_synthetic(root / "drive_9999")
    assert len(list_drives(root)[1]) == 1001


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"state": 1}'])
def test_a_damaged_index_is_written_again(tmp_path: Path, damage: str) -> None:
    root = tmp_path / "root"
    write_many(root, 300)
    first = list_drives(root)[1]
    for kept in (cache_folder() / "listings").iterdir():
        kept.write_text(damage)
    assert list_drives(root)[1] == first


def test_without_a_place_to_remember_it_is_listed_each_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_many(tmp_path / "root", 300)
    (tmp_path / "file").touch()
    monkeypatch.setenv("LAPOSE_CACHE", str(tmp_path / "file"))
    assert len(list_drives(tmp_path / "root")[1]) == 300
    assert len(list_drives(tmp_path / "root")[1]) == 300


# -- real data -----------------------------------------------------------------------------------------------


def test_a_folder_of_real_videos_lists_their_lengths() -> None:
    listings = list_drives(real("video"))[1]
    assert [(entry.key, entry.frames) for entry in listings] == [
        ("highway_traffic.mp4", 38),
        ("highway_white_right.mp4", 221),
    ]
    assert open_log(real("video"), drive="highway_traffic.mp4").name == "highway_traffic.mp4"


def test_a_video_that_cannot_be_read_does_not_hide_the_others(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", frames=5)
    (tmp_path / "b.mp4").write_bytes(b"no video")
    listings = list_drives(tmp_path)[1]
    assert [entry.key for entry in listings] == ["a.mp4", "b.mp4"]
    assert "cannot be read" in listings[1].description
    assert len(open_log(tmp_path, drive="a.mp4")) == 5
    assert "b.mp4" in refused(tmp_path, drive="b.mp4")


def test_drives_are_told_while_they_are_listed_and_listing_can_be_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAPOSE_CACHE", str(tmp_path / "cache"))
    root = tmp_path / "logs"
    for name in ("a", "b", "c"):
        write_pictures(root / name, 2)
    heard: list[tuple[str, int]] = []
    reader, listings = list_drives(root, lambda reader, some: heard.append((reader.name, len(some))))
    assert heard == [(reader.name, 1), (reader.name, 2), (reader.name, 3)]
    assert [e.key for e in listings] == ["a", "b", "c"]

    class EnoughError(Exception):
        pass

    def enough(reader: Reader, some: Sequence[Listing]) -> None:
        raise EnoughError

    with pytest.raises(EnoughError):
        list_drives(root, enough)
    assert len(list_drives(root)[1]) == 3


def test_names_in_a_folder_follow_links_and_survive_loops(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "sub").mkdir()
    for name in ("B.JPG", "a.jpg", ".hidden.jpg", "notes.txt", "jpg"):
        (tmp_path / "in" / name).write_text("x")
    (tmp_path / "in" / "link.jpg").symlink_to(tmp_path / "in" / "a.jpg")
    (tmp_path / "in" / "lost.jpg").symlink_to(tmp_path / "nowhere")
    (tmp_path / "in" / "loop.jpg").symlink_to(tmp_path / "in" / "loop.jpg")
    (tmp_path / "in" / "other").symlink_to(tmp_path / "in")
    assert sorted(files_in(tmp_path / "in", (".jpg",))) == ["B.JPG", "a.jpg", "link.jpg"]
    assert sorted(folders_in(tmp_path / "in")) == ["other", "sub"]
    with pytest.raises(FileNotFoundError):
        list(files_in(tmp_path / "missing", (".jpg",)))
