"""MCAP files of every encoding give the drive that was recorded, whatever is damaged and whichever topics there are."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from conformance import Conformance, Expected
from log_files import picture
from mcap.reader import make_reader
from mcap.writer import IndexType
from mcap_logs import TIMES, VIDEO_COUNT, open_file, packets, refused, steps, video_drive
from message_files import (
    COMPRESSIONS,
    COUNT,
    HEIGHT,
    START,
    STEP,
    WIDTH,
    Event,
    K,
    body_poses,
    camera_poses,
    cloud_in_camera,
    foxglove_drive,
    header,
    pose,
    ros_drive,
    ros_image,
    ros_odometry,
    ros_tf,
    write_json,
    write_protobuf,
    write_raw,
    write_ros1,
    write_ros2,
)

from lapose_core.drive import LogError
from lapose_core.logs.mcap_log import READER


def expected(path: Path, image: str, **changes: Any) -> Expected:
    values: dict[str, Any] = {
        "path": path,
        "key": path.name,
        "width": WIDTH,
        "height": HEIGHT,
        "timestamps": TIMES,
        "poses": camera_poses(),
        "intrinsics": (K[0], K[4], K[2] + 0.5, K[5] + 0.5),
        "cameras": (image,),
        "clouds": {2: cloud_in_camera(), 6: cloud_in_camera()},
        "intensity": True,
        "files": (path,),
        "picture": lambda i: picture(i, WIDTH, HEIGHT),
        "picture_error": 0.0,
        "pose_error": 1e-9,
    }
    return Expected(**(values | changes))


class TestRos2(Conformance):
    reader = READER

    def write_log(self, folder: Path) -> Expected:
        path = write_ros2(folder / "drive.mcap", ros_drive(), compression=COMPRESSIONS["none"])
        return expected(path, "/front/image_raw", tracks={"speed": "m/s"})


class TestRos1(Conformance):
    reader = READER

    def write_log(self, folder: Path) -> Expected:
        events = ros_drive(image="/front/image_raw/compressed", compressed=True)
        path = write_ros1(folder / "drive.mcap", events, compression=COMPRESSIONS["lz4"], chunk_size=9000)
        return expected(path, "/front/image_raw/compressed", tracks={"speed": "m/s"})


class TestProtobuf(Conformance):
    reader = READER

    def write_log(self, folder: Path) -> Expected:
        path = write_protobuf(folder / "drive.mcap", foxglove_drive(), chunk_size=9000)
        return expected(path, "/CAM_FRONT/image")


class TestJson(Conformance):
    reader = READER

    def write_log(self, folder: Path) -> Expected:
        path = write_json(folder / "drive.mcap", foxglove_drive(kind="RawImage"), use_chunking=False)
        return expected(path, "/CAM_FRONT/image")


class Video(Conformance):
    """Compressed video; pictures are compared with what a plain decode gives."""

    reader = READER
    stream: ClassVar[tuple[str, str, dict[str, str]]] = ("libx264", "h264", {"preset": "veryfast", "bf": "0"})

    def write_log(self, folder: Path) -> Expected:
        codec, name, options = self.stream
        path = write_protobuf(folder / "video.mcap", video_drive(packets(codec, options), name), chunk_size=2000)
        return expected(
            path,
            "/front/video",
            timestamps=np.arange(VIDEO_COUNT) * 0.1,
            poses=None,
            intrinsics=None,
            clouds={},
            picture_error=12.0,
        )


class TestH264(Video):
    pass


class TestH265(Video):
    stream = ("libx265", "h265", {"preset": "ultrafast", "x265-params": "bframes=0:log-level=none:repeat-headers=1"})


class TestAv1(Video):
    stream = ("libsvtav1", "av1", {"preset": "11", "svtav1-params": "pred-struct=1"})


class TestVp9(Video):
    stream = ("libvpx-vp9", "vp9", {"lag-in-frames": "0", "cpu-used": "8", "auto-alt-ref": "0"})


class TestH264WithBFrames(Video):
    """Foxglove forbids them, but cameras send them: messages are then in order of decoding."""

    stream = ("libx264", "h264", {"preset": "veryfast", "bf": "3"})


# -- reading the file -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"chunk_size": 5000},
        {"index_types": IndexType.CHUNK},
        {"index_types": IndexType.NONE, "use_statistics": False},
        {"repeat_channels": False, "repeat_schemas": False},
        {"use_chunking": False},
    ],
    ids=["one chunk", "many chunks", "no message index", "no index", "no channels in the summary", "no chunks"],
)
def test_every_way_of_indexing_and_compressing_gives_the_same_drive(
    tmp_path: Path, compression: str, options: dict[str, Any]
) -> None:
    source = write_ros2(tmp_path / "plain.mcap", ros_drive())
    path = tmp_path / "other.mcap"
    copy(source, path, compression=COMPRESSIONS[compression], **options)
    drive = open_file(path)
    np.testing.assert_allclose(drive.timestamps, TIMES, atol=1e-9)
    assert drive.poses is not None
    np.testing.assert_allclose(steps(drive.poses), steps(camera_poses()), atol=1e-9)
    frames = drive.open_frames()
    for i in (7, 0, 9):
        assert np.array_equal(frames.read(i), picture(i, WIDTH, HEIGHT))
    frames.close()


def copy(source: Path, target: Path, **options: Any) -> Path:
    """The same messages written in another manner."""
    with source.open("rb") as file:
        reader = make_reader(file)
        rows = list(reader.iter_messages())
    definitions = {schema.name: (schema.data, channel.message_encoding) for schema, channel, _ in rows if schema}
    return write_raw(
        target,
        ((message.log_time, channel.topic, schema.name, message.data) for schema, channel, message in rows if schema),
        ("cdr", "ros2msg", lambda kind: definitions[kind][0]),
        **options,
    )


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("share", [0.35, 0.6, 0.95])
def test_a_file_that_is_cut_short_is_read_up_to_the_cut(tmp_path: Path, compression: str, share: float) -> None:
    path = write_ros2(tmp_path / "cut.mcap", ros_drive(), compression=COMPRESSIONS[compression], chunk_size=12000)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    drive = open_file(path)
    # Compressed records end where the cut is; some percent of the file are its indexes and summary.
    assert COUNT * share - 3 <= len(drive) <= COUNT
    # At the very end only the summary is cut.
    assert any(("no summary" if share > 0.9 else "cut short") in note for note in drive.notes)
    assert drive.poses is not None
    assert drive.pose_valid is not None
    # The last picture was logged before its pose.
    known = np.flatnonzero(drive.pose_valid)
    assert len(known) >= len(drive) - 1
    np.testing.assert_allclose(steps(drive.poses[known]), steps(camera_poses()[known]), atol=1e-9)
    frames = drive.open_frames()
    assert np.array_equal(frames.read(len(drive) - 1), picture(len(drive) - 1, WIDTH, HEIGHT))
    frames.close()


def test_a_damaged_chunk_costs_only_what_is_in_it(tmp_path: Path) -> None:
    path = write_ros2(tmp_path / "a.mcap", ros_drive(), compression=COMPRESSIONS["lz4"], chunk_size=9000)
    with path.open("rb") as file:
        summary = make_reader(file).get_summary()
    assert summary is not None
    data = bytearray(path.read_bytes())
    chunk = summary.chunk_indexes[1]
    middle = chunk.chunk_start_offset + chunk.chunk_length // 2
    data[middle - 500 : middle + 500] = b"\xff" * 1000
    path.write_bytes(bytes(data))
    drive = open_file(path)
    frames = drive.open_frames()
    good = []
    for i in range(len(drive)):
        try:
            good.append(np.array_equal(frames.read(i), picture(i, WIDTH, HEIGHT)))
        except LogError as error:
            problem = str(error)
    frames.close()
    assert "cannot be unpacked" in problem
    assert COUNT - 3 <= len(good) < COUNT
    assert all(good)
    assert any("damaged and were left out" in note for note in drive.notes)


def test_a_first_picture_that_is_damaged_costs_only_itself(tmp_path: Path) -> None:
    events = list(foxglove_drive())
    at = next(k for k, event in enumerate(events) if event[2] == "CompressedImage")
    time, topic, kind, message = events[at]
    events[at] = (time, topic, kind, message | {"data": b"no picture"})
    drive = open_file(write_json(tmp_path / "a.mcap", iter(events)))
    assert (len(drive), drive.width) == (COUNT, WIDTH)
    frames = drive.open_frames()
    with pytest.raises(LogError, match="frame 0"):
        frames.read(0)
    assert np.array_equal(frames.read(1), picture(1, WIDTH, HEIGHT))
    frames.close()


def test_opening_reads_little_of_a_large_file(tmp_path: Path) -> None:
    # Chunks that are not compressed: pictures are skipped but for their first bytes.
    path = write_ros2(tmp_path / "a.mcap", ros_drive(count=60), compression=COMPRESSIONS["none"], chunk_size=50_000)
    open_file(path)  # what is imported is not of the log
    before = reads()
    open_file(path)
    spent = reads() - before
    if spent == 0:
        pytest.skip("this system does not count what a process reads")
    assert spent < 0.4 * path.stat().st_size


def reads() -> int:
    """Bytes that this process has read from files, as the system counts them."""
    try:
        lines = Path("/proc/self/io").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("rchar")), 0)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "not an MCAP file"),
        (b"PK\3\4 something else entirely", "not an MCAP file"),
        (b"\x89MCAP1\r\n" + bytes(100), "version 0"),
        (b"\x89MCAP0\r\n", "no topics"),
        (b"\x89MCAP0\r\n\x06" + b"\xff" * 8 + bytes(60), "no topics"),
    ],
    ids=["empty", "another format", "another version", "nothing but magic", "a huge length"],
)
def test_what_is_no_mcap_file_is_refused(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "bad.mcap"
    path.write_bytes(content)
    assert words in refused(path)


def test_a_chunk_that_says_it_is_enormous_is_not_unpacked(tmp_path: Path) -> None:
    path = write_ros2(tmp_path / "a.mcap", ros_drive())
    data = bytearray(path.read_bytes())
    with path.open("rb") as file:
        summary = make_reader(file).get_summary()
    assert summary is not None
    chunk = summary.chunk_indexes[0]
    size = chunk.uncompressed_size.to_bytes(8, "little")
    huge = (1 << 60).to_bytes(8, "little")
    path.write_bytes(bytes(data).replace(size, huge))
    assert "would take" in refused(path) or "no topics" in refused(path)


def test_random_damage_never_ends_in_anything_but_one_line(tmp_path: Path) -> None:
    path = write_ros2(tmp_path / "a.mcap", ros_drive(count=4), compression=COMPRESSIONS["lz4"], chunk_size=9000)
    whole = path.read_bytes()
    random = np.random.default_rng(5)
    opened = 0
    for _ in range(60):
        data = bytearray(whole)
        for at in random.integers(8, len(data), 6):
            data[at] = random.integers(256)
        path.write_bytes(bytes(data))
        message = damage(path)
        assert "\n" not in message
        opened += not message
    assert opened > 5


def damage(path: Path) -> str:
    """What is said of a file that cannot be read from beginning to end; anything but a LogError gets through."""
    try:
        drive = open_file(path)
        frames = drive.open_frames()
        for i in range(len(drive)):
            frames.read(i)
    except LogError as error:
        return str(error)
    return ""


# -- which topics ---------------------------------------------------------------------------------------------------


def several_cameras(count: int = 3) -> Iterator[Event]:
    for i in range(count):
        time = START + i * STEP
        for topic in ("/rear/image", "/front_left/image", "/depth/front/image"):
            yield time, topic, *ros_image(i, time)
        small = dict(ros_image(i, time)[1], width=8, height=4, step=24, data=bytes(96))
        yield time, "/front_narrow/image", "sensor_msgs/Image", small
        yield time, "/front_wide/image", *ros_image(i, time)


def test_front_cameras_come_first_then_the_largest(tmp_path: Path) -> None:
    path = write_ros2(tmp_path / "a.mcap", several_cameras())
    (listing,) = READER.list(path)
    assert listing.cameras == (
        "/front_wide/image",
        "/front_narrow/image",
        "/front_left/image",
        "/rear/image",
        "/depth/front/image",
    )
    drive = open_file(path)
    assert "/front_wide/image" in drive.provenance["frames"]
    assert any("/front_wide/image" in note for note in drive.notes)
    assert open_file(path, camera="/front_narrow/image").width == 8
    assert "/front_wide/image" in refused(path, camera="/nowhere")


def two_pose_sources() -> Iterator[Event]:
    yield from ros_drive()
    for i in range(COUNT):
        time = START + i * STEP
        still = np.eye(4)
        still[0, 3] = 2.0 * i
        yield time, "/gps/pose", "geometry_msgs/PoseStamped", {"header": header(time, "map"), "pose": pose(still)}
        yield time, "/tf", *ros_tf(time, ("odom", "base_link", body_poses()[i]))


def test_odometry_is_preferred_and_others_can_be_chosen(tmp_path: Path) -> None:
    path = write_ros2(tmp_path / "a.mcap", two_pose_sources())
    (listing,) = READER.list(path)
    assert listing.pose_topics == ("/odom", "/gps/pose", "/tf")
    drive = open_file(path)
    assert drive.provenance["poses"].startswith("/odom")
    assert any("/odom" in note for note in drive.notes)
    by_tf = open_file(path, pose_topic="/tf")
    assert by_tf.poses is not None
    np.testing.assert_allclose(steps(by_tf.poses), steps(camera_poses()), atol=1e-9)
    chosen = open_file(path, pose_topic="/gps/pose")
    assert chosen.poses is not None
    np.testing.assert_allclose(np.diff(chosen.poses[:, 0, 3]), 2.0, atol=1e-9)
    assert any("base_link is assumed" in note for note in chosen.notes)
    assert "/odom" in refused(path, pose_topic="/nowhere")


def test_a_recording_without_pictures_says_what_it_has(tmp_path: Path) -> None:
    odometry = ((START + i, "/odom", *ros_odometry(START + i, np.eye(4))) for i in range(3))
    assert "nav_msgs/Odometry" in refused(write_ros2(tmp_path / "a.mcap", odometry))


def test_an_unknown_schema_among_others_is_left_alone(tmp_path: Path) -> None:
    good = write_ros2(tmp_path / "good.mcap", ros_drive())
    with good.open("rb") as file:
        rows = list(make_reader(file).iter_messages())
    texts = {schema.name: schema.data for schema, _, _ in rows if schema} | {"acme_msgs/msg/Radar": b"%$ no definition"}
    events = [(m.log_time, c.topic, s.name, m.data) for s, c, m in rows if s]
    events.insert(3, (START, "/radar", "acme_msgs/msg/Radar", b"\0\1\0\0anything"))
    path = write_raw(tmp_path / "a.mcap", iter(events), ("cdr", "ros2msg", texts.__getitem__))
    assert open_file(path).poses is not None


def test_pictures_in_an_encoding_that_is_not_read_are_named(tmp_path: Path) -> None:
    path = write_raw(
        tmp_path / "a.mcap",
        iter([(START, "/cam", "foxglove.RawImage", b"\0" * 40)]),
        ("flatbuffer", "flatbuffer", lambda kind: b"schema"),
    )
    assert "flatbuffer" in refused(path)


# -- JSON -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [b"not json", b"[1, 2]", b'{"data": "%%%"}', b"{}"])
def test_json_that_is_no_picture_is_refused(tmp_path: Path, data: bytes) -> None:
    path = write_raw(
        tmp_path / "a.mcap",
        iter([(START, "/cam", "foxglove.CompressedImage", data)]),
        ("json", "jsonschema", lambda kind: json.dumps({}).encode()),
    )
    assert "/cam" in refused(path)
