"""ROS 2 bags, as databases and as MCAP, whole, split, compressed and damaged."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zstandard
from conformance import Conformance, Expected
from log_files import picture
from mcap_ros2._dynamic import serialize_dynamic
from message_files import (
    COUNT,
    HEIGHT,
    START,
    STEP,
    WIDTH,
    Event,
    K,
    camera_poses,
    cloud_in_camera,
    definition,
    ros_drive,
    write_ros2,
)

from lapose_core.drive import Drive, LogError
from lapose_core.geometry import Array, invert
from lapose_core.logs.reader import LogOptions
from lapose_core.logs.rosbag2 import READER

SCHEMA = """
CREATE TABLE schema(schema_version INTEGER PRIMARY KEY, ros_distro TEXT NOT NULL);
CREATE TABLE metadata(id INTEGER PRIMARY KEY, metadata_version INTEGER NOT NULL, metadata TEXT NOT NULL);
CREATE TABLE topics(id INTEGER PRIMARY KEY, name TEXT NOT NULL, type TEXT NOT NULL,
    serialization_format TEXT NOT NULL, offered_qos_profiles TEXT NOT NULL);
CREATE TABLE messages(id INTEGER PRIMARY KEY, topic_id INTEGER NOT NULL, timestamp INTEGER NOT NULL,
    data BLOB NOT NULL);
CREATE INDEX timestamp_idx ON messages (timestamp ASC);
"""
DEFINITIONS = """
CREATE TABLE message_definitions(id INTEGER PRIMARY KEY, topic_type TEXT NOT NULL, encoding TEXT NOT NULL,
    encoded_message_definition TEXT NOT NULL, type_description_hash TEXT NOT NULL);
"""


def write_db3(path: Path, events: Iterator[Event], *, definitions: bool = False, compress: bool = False) -> Path:
    """A database file as ROS 2 writes it; before Iron without definitions."""
    path.parent.mkdir(parents=True, exist_ok=True)
    database = sqlite3.connect(path)
    database.executescript(SCHEMA + (DEFINITIONS if definitions else ""))
    topics: dict[str, int] = {}
    encoders: dict[str, Any] = {}
    for time, topic, kind, message in events:
        name = kind.replace("/", "/msg/")
        if kind not in encoders:
            encoders[kind] = serialize_dynamic(name, definition(kind))[name]
            if definitions:
                row = (name, "ros2msg", definition(kind), "")
                database.execute("INSERT INTO message_definitions VALUES (NULL, ?, ?, ?, ?)", row)
        if topic not in topics:
            topics[topic] = len(topics) + 1
            database.execute("INSERT INTO topics VALUES (?, ?, ?, 'cdr', '')", (topics[topic], topic, name))
        data = encoders[kind](message)
        data = zstandard.compress(data) if compress else data
        database.execute("INSERT INTO messages VALUES (NULL, ?, ?, ?)", (topics[topic], time, data))
    database.commit()
    database.close()
    return path


def write_metadata(folder: Path, files: list[str], counts: dict[str, int] | None = None) -> Path:
    lines = ["rosbag2_bagfile_information:", "  version: 5", "  storage_identifier: sqlite3", "  relative_file_paths:"]
    lines += [f"    - {name}" for name in files]
    lines += ["  topics_with_message_count:"]
    for name, count in (counts or {}).items():
        lines += ["    - topic_metadata:", f"        name: {name}", "        type: x", f"      message_count: {count}"]
    (folder / "metadata.yaml").write_text("\n".join(lines) + "\n")
    return folder


def expected(path: Path, files: tuple[Path, ...]) -> Expected:
    return Expected(
        path=path,
        key=path.name,
        width=WIDTH,
        height=HEIGHT,
        timestamps=np.arange(COUNT) * 0.1,
        poses=camera_poses(),
        intrinsics=(K[0], K[4], K[2] + 0.5, K[5] + 0.5),
        cameras=("/front/image_raw",),
        clouds={2: cloud_in_camera(), 6: cloud_in_camera()},
        intensity=True,
        tracks={"speed": "m/s"},
        files=files,
        picture=lambda i: picture(i, WIDTH, HEIGHT),
        picture_error=0.0,
        pose_error=1e-9,
    )


class TestDatabase(Conformance):
    reader = READER

    def write_log(self, folder: Path) -> Expected:
        file = write_db3(folder / "bag" / "bag_0.db3", ros_drive())
        write_metadata(folder / "bag", ["bag_0.db3"], {"/front/image_raw": COUNT, "/odom": COUNT})
        return expected(folder / "bag", (file,))


class TestSplitMcap(Conformance):
    """Two files, and the odometry of a moment may be in the other file than its picture."""

    reader = READER

    def write_log(self, folder: Path) -> Expected:
        files = [write_ros2(folder / "bag" / f"bag_{k}.mcap", part) for k, part in enumerate(halves())]
        write_metadata(folder / "bag", [file.name for file in files])
        return expected(folder / "bag", tuple(files))


class TestSingleDatabaseWithDefinitions(Conformance):
    reader = READER

    def write_log(self, folder: Path) -> Expected:
        file = write_db3(folder / "bag.db3", ros_drive(), definitions=True)
        return expected(file, (file,))


def halves() -> tuple[Iterator[Event], Iterator[Event]]:
    middle = START + COUNT // 2 * STEP + STEP // 30
    events = list(ros_drive())
    return iter([e for e in events if e[0] < middle]), iter([e for e in events if e[0] >= middle])


def open_bag(path: Path, **options: Any) -> Drive:
    return READER.open(path, path.name, LogOptions(**options))


def steps(poses: Array) -> Array:
    return invert(poses[:1]) @ poses


def refused(path: Path) -> str:
    with pytest.raises(LogError) as caught:
        open_bag(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)
    return str(caught.value)


def check_whole(drive: Drive) -> None:
    assert len(drive) == COUNT
    assert drive.poses is not None
    np.testing.assert_allclose(steps(drive.poses), steps(camera_poses()), atol=1e-9)
    frames = drive.open_frames()
    for i in (9, 0, 5):
        assert np.array_equal(frames.read(i), picture(i, WIDTH, HEIGHT))
    frames.close()


def test_messages_compressed_one_by_one(tmp_path: Path) -> None:
    write_db3(tmp_path / "bag_0.db3", ros_drive(), compress=True)
    check_whole(open_bag(write_metadata(tmp_path, ["bag_0.db3"])))


@pytest.mark.parametrize(
    "metadata",
    [None, "", "not: [yaml", "rosbag2_bagfile_information: 3", "a: &a [*a, *a]", "x: !!python/object:os.system 1"],
    ids=["missing", "empty", "no YAML", "another shape", "recursive", "an object"],
)
def test_without_a_readable_description_the_files_speak_for_themselves(tmp_path: Path, metadata: str | None) -> None:
    for k, part in enumerate(halves()):
        write_db3(tmp_path / f"bag_{k}.db3", part)
    if metadata is not None:
        (tmp_path / "metadata.yaml").write_text(metadata)
    drive = open_bag(tmp_path)
    check_whole(drive)
    assert any("metadata.yaml" in note for note in drive.notes)


def test_a_missing_split_costs_only_its_part(tmp_path: Path) -> None:
    first, second = halves()
    write_db3(tmp_path / "bag_0.db3", first)
    drive = open_bag(write_metadata(tmp_path, ["bag_0.db3", "bag_1.db3"], {"/front/image_raw": COUNT}))
    assert len(drive) == COUNT // 2
    assert any("bag_1.db3" in note and "missing" in note for note in drive.notes)
    (listing,) = READER.list(tmp_path)
    assert listing.frames != COUNT


def test_a_damaged_split_costs_only_its_part(tmp_path: Path) -> None:
    first, second = halves()
    write_db3(tmp_path / "bag_0.db3", first)
    (tmp_path / "bag_1.db3").write_bytes(b"SQLite format 3\0" + bytes(5000))
    drive = open_bag(write_metadata(tmp_path, ["bag_0.db3", "bag_1.db3"]))
    assert len(drive) == COUNT // 2
    assert any("bag_1.db3" in note for note in drive.notes)


@pytest.mark.parametrize("share", [0.3, 0.7])
def test_a_database_that_is_cut_short_is_read_as_far_as_it_goes(tmp_path: Path, share: float) -> None:
    path = write_db3(tmp_path / "bag.db3", ros_drive())
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    drive = open_bag(path)
    assert any("cut short" in note for note in drive.notes)
    assert len(drive) < COUNT


@pytest.mark.parametrize("name", ["../outside.db3", "/etc/passwd", "link.db3"])
def test_no_path_leads_out_of_the_bag(tmp_path: Path, name: str) -> None:
    outside = write_db3(tmp_path / "outside.db3", ros_drive())
    bag = tmp_path / "bag"
    bag.mkdir()
    (bag / "link.db3").symlink_to(outside)
    assert "leads out" in refused(write_metadata(bag, [name]))


def test_a_loop_of_links_ends(tmp_path: Path) -> None:
    (tmp_path / "bag_0.db3").symlink_to(tmp_path / "bag_0.db3")
    assert READER.matches(tmp_path)
    refused(write_metadata(tmp_path, ["bag_0.db3"]))


def test_files_that_are_packed_name_the_remedy(tmp_path: Path) -> None:
    path = write_db3(tmp_path / "bag_0.db3", ros_drive())
    packed = tmp_path / "bag_0.db3.zstd"
    packed.write_bytes(zstandard.compress(path.read_bytes()))
    write_metadata(tmp_path, [packed.name])
    check_whole(open_bag(tmp_path))  # unpacked beside it already
    path.unlink()
    assert READER.matches(tmp_path)
    assert "zstd -d" in refused(tmp_path)


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("DROP TABLE messages", "no table messages"),
        ("DROP TABLE topics", "no table topics"),
        ("ALTER TABLE messages RENAME COLUMN data TO bytes", "no column data"),
        (
            "DROP TABLE messages; CREATE VIEW messages AS WITH RECURSIVE r(id) AS (SELECT 1 UNION ALL SELECT id + 1 "
            "FROM r) SELECT id, 1 AS topic_id, 1 AS timestamp, x'00' AS data FROM r",
            "no table messages",
        ),
    ],
    ids=["no messages", "no topics", "a missing column", "a query without end"],
)
def test_a_database_that_is_no_bag_is_refused(tmp_path: Path, script: str, words: str) -> None:
    path = write_db3(tmp_path / "bag.db3", ros_drive())
    database = sqlite3.connect(path)
    database.executescript(script)
    database.close()
    assert words in refused(path)


def test_what_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bag.db3"
    path.write_bytes(b"something else entirely " * 100)
    assert "not a database" in refused(path)


def test_nothing_is_written_beside_the_bag(tmp_path: Path) -> None:
    path = write_db3(tmp_path / "bag.db3", ros_drive())
    before = (path.stat().st_mtime_ns, sorted(p.name for p in tmp_path.iterdir()))
    check_whole(open_bag(path))
    assert (path.stat().st_mtime_ns, sorted(p.name for p in tmp_path.iterdir())) == before


def test_a_journal_that_was_left_is_mentioned(tmp_path: Path) -> None:
    path = write_db3(tmp_path / "bag.db3", ros_drive())
    path.with_name("bag.db3-wal").write_bytes(b"x" * 64)
    assert any("journal" in note for note in open_bag(path).notes)
