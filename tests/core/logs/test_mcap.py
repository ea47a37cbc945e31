"""MCAP files of every encoding give the drive that was recorded, whichever topics carry it and whatever is damaged."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import av
import numpy as np
import pytest
from conformance import Conformance, Expected
from log_files import picture
from mcap.reader import make_reader
from mcap.writer import IndexType
from message_files import (
    COMPRESSIONS,
    COUNT,
    HEIGHT,
    LATE,
    LIDAR,
    MOUNT,
    OPTICAL,
    POINTS,
    START,
    STEP,
    WIDTH,
    Event,
    K,
    body_poses,
    camera_poses,
    cloud_in_camera,
    encode,
    foxglove_drive,
    header,
    pose,
    ros_camera_info,
    ros_cloud,
    ros_drive,
    ros_image,
    ros_odometry,
    ros_tf,
    stamp,
    transform,
    vector,
    write_json,
    write_protobuf,
    write_raw,
    write_ros1,
    write_ros2,
)

from lapose_core.drive import Drive, LogError
from lapose_core.geometry import Array, invert, make_poses
from lapose_core.logs.mcap_log import READER
from lapose_core.logs.messages.key_frames import is_key
from lapose_core.logs.reader import LogOptions

TIMES = np.arange(COUNT) * 0.1


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


VIDEO_COUNT = 30


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


def packets(codec: str, options: dict[str, str]) -> list[tuple[int, bytes]]:
    """Number of the picture and the bitstream of each packet, in order of decoding."""
    try:
        av.Codec(codec, "w")
    except ValueError:
        pytest.skip(f"this build of FFmpeg has no encoder {codec}")
    return encode(codec, tuple(options.items()), VIDEO_COUNT)


def video_drive(stream: list[tuple[int, bytes]], name: str) -> Iterator[Event]:
    for k, (i, data) in enumerate(stream):
        values = {"timestamp": stamp(START + i * STEP), "frame_id": "cam", "data": data, "format": name}
        yield START + k * STEP, "/front/video", "CompressedVideo", values


def open_file(path: Path, **options: Any) -> Drive:
    return READER.open(path, path.name, LogOptions(**options))


def steps(poses: Array) -> Array:
    return invert(poses[:1]) @ poses


def refused(path: Path, **options: Any) -> str:
    with pytest.raises(LogError) as caught:
        open_file(path, **options)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)
    return str(caught.value)


# -- reading the file -------------------------------------------------------------------------------------------


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


# -- which topics -----------------------------------------------------------------------------------------------


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


# -- times ------------------------------------------------------------------------------------------------------


def pictures(stamps: list[int | None], topic: str = "/front/image") -> Iterator[Event]:
    for i, time in enumerate(stamps):
        yield START + i * STEP, topic, *ros_image(i, 0 if time is None else time)


def test_pictures_out_of_order_are_sorted_and_repeated_ones_left_out(tmp_path: Path) -> None:
    order = [0, 2, 1, 3, 3, 4]
    path = write_ros2(tmp_path / "a.mcap", pictures([START + STEP * k for k in order]))
    drive = open_file(path)
    np.testing.assert_allclose(drive.timestamps, 0.1 * np.arange(5), atol=1e-9)
    frames = drive.open_frames()
    for frame, message in enumerate([0, 2, 1, 3, 5]):
        assert np.array_equal(frames.read(frame), picture(message, WIDTH, HEIGHT))
    frames.close()
    assert any("sorted" in note for note in drive.notes)
    assert any("1 pictures repeat" in note for note in drive.notes)


def test_pictures_without_stamps_have_their_log_times(tmp_path: Path) -> None:
    drive = open_file(write_ros2(tmp_path / "a.mcap", pictures([None] * 4)))
    np.testing.assert_allclose(drive.timestamps, 0.1 * np.arange(4), atol=1e-9)
    assert "log times" in drive.provenance["timestamps"]


def test_stamps_in_chunks_that_hold_poses_cost_nothing_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lapose_core.logs.messages.stamps._CHEAP_BYTES", 1000)
    drive = open_file(write_ros2(tmp_path / "a.mcap", ros_drive(), chunk_size=30_000))
    assert "own stamps" in drive.provenance["timestamps"]
    np.testing.assert_allclose(drive.timestamps, TIMES, atol=1e-9)


def test_where_stamps_are_dear_log_times_are_shifted_to_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lapose_core.logs.messages.stamps._CHEAP_BYTES", 1000)
    # Each picture has a chunk of its own.
    path = write_ros2(tmp_path / "a.mcap", ros_drive(), chunk_size=100)
    drive = open_file(path)
    assert f"-{LATE * 1e-6:.1f} ms" in drive.provenance["timestamps"]
    assert drive.poses is not None
    np.testing.assert_allclose(steps(drive.poses), steps(camera_poses()), atol=1e-9)


# -- poses ------------------------------------------------------------------------------------------------------


def with_poses(*topics: Iterator[Event], count: int = COUNT, frame: str = "cam_optical") -> Iterator[Event]:
    for i in range(count):
        yield START + i * STEP, "/front/image", *ros_image(i, START + i * STEP, frame)
    for topic in topics:
        yield from topic


def other_kinds(i: int) -> dict[str, tuple[str, dict[str, Any]]]:
    """The vehicle's pose at frame ``i`` in every kind of message that has one."""
    matrix, time = body_poses()[i], START + i * STEP
    where = {"header": header(time, "map")}
    covariance = {"pose": pose(matrix), "covariance": [0.0] * 36}
    edge = {"transform": transform(matrix), "child_frame_id": "base_link"}
    return {
        "/pose": ("geometry_msgs/PoseStamped", where | {"pose": pose(matrix)}),
        "/pose_covariance": ("geometry_msgs/PoseWithCovarianceStamped", where | {"pose": covariance}),
        "/transform": ("geometry_msgs/TransformStamped", where | edge),
        "/tf": ros_tf(time, ("map", "base_link", matrix)),
    }


@pytest.mark.parametrize("write", [write_ros1, write_ros2])
@pytest.mark.parametrize("topic", ["/pose", "/pose_covariance", "/transform", "/tf"])
def test_every_ros_kind_of_pose(tmp_path: Path, topic: str, write: Any) -> None:
    poses = ((START + i * STEP, topic, *other_kinds(i)[topic]) for i in range(COUNT))
    static = iter([(START, "/tf_static", *ros_tf(START, ("base_link", "cam_optical", MOUNT)))])
    drive = open_file(write(tmp_path / "a.mcap", with_poses(static, poses)))
    assert drive.poses is not None
    assert drive.provenance["poses"].startswith(topic)
    np.testing.assert_allclose(steps(drive.poses), steps(camera_poses()), atol=1e-9)


@pytest.mark.parametrize("kind", ["PosesInFrame", "FrameTransforms", "LocationFix"])
@pytest.mark.parametrize("write", [write_protobuf, write_json])
def test_every_foxglove_kind_of_pose(tmp_path: Path, kind: str, write: Any) -> None:
    def events() -> Iterator[Event]:
        for event in foxglove_drive():
            if event[1] != "/pose" and not (event[1] == "/tf" and event[3]["parent_frame_id"] == "map"):
                yield event
        for i in range(COUNT):
            time, matrix = START + i * STEP, body_poses()[i]
            edge = {"timestamp": stamp(time), "parent_frame_id": "map", "child_frame_id": "base_link"}
            values = {
                "PosesInFrame": {"poses": [pose(matrix), pose(np.eye(4))]},
                "FrameTransforms": {"transforms": [edge | transform(matrix)]},
                # 1e-5 degrees of latitude are 1.11 m.
                "LocationFix": {"latitude": 48 + 2e-5 * i, "longitude": 11.0, "altitude": 0.0},
            }[kind]
            common = {} if kind == "FrameTransforms" else {"timestamp": stamp(time), "frame_id": "map"}
            yield time, "/where", kind, common | values

    drive = open_file(write(tmp_path / "a.mcap", events()))
    assert drive.poses is not None
    assert drive.provenance["poses"].startswith("/where")
    if kind == "LocationFix":
        np.testing.assert_allclose(np.diff(drive.poses[:, 1, 3]), 2.224, atol=1e-3)
    else:
        np.testing.assert_allclose(steps(drive.poses), steps(camera_poses()), atol=1e-9)


def test_the_height_over_the_road_is_that_over_base_footprint(tmp_path: Path) -> None:
    lift = make_poses(np.eye(3), np.array([0.0, 0, 0.35]))
    edges = (("base_footprint", "base_link", lift), ("base_link", "cam_optical", MOUNT))
    odometry = ((START + i * STEP, "/odom", *ros_odometry(START + i * STEP, body_poses()[i])) for i in range(COUNT))
    static = iter([(START, "/tf_static", *ros_tf(START, *edges))])
    drive = open_file(write_ros2(tmp_path / "a.mcap", with_poses(static, odometry)))
    assert drive.camera_height == pytest.approx(1.75)
    plain = write_ros2(tmp_path / "b.mcap", ros_drive())
    assert open_file(plain).camera_height is None


def test_broken_poses_are_left_out_and_their_frames_bridged(tmp_path: Path) -> None:
    bodies = body_poses()

    def odometry() -> Iterator[Event]:
        for i in range(COUNT):
            kind, message = ros_odometry(START + i * STEP, bodies[i])
            if i == 3:
                message["pose"]["pose"]["position"]["x"] = float("nan")
            if i == 5:
                message["pose"]["pose"]["orientation"] = vector([0, 0, 0, 0])
            if i == 6:
                message["pose"]["pose"]["orientation"] = vector([1, 2, 3, 4])
            yield START + i * STEP, "/odom", kind, message

    static = iter([(START, "/tf_static", *ros_tf(START, ("base_link", "cam_optical", MOUNT)))])
    drive = open_file(write_ros2(tmp_path / "a.mcap", with_poses(static, odometry())))
    assert drive.poses is not None
    assert drive.pose_valid is not None
    assert drive.pose_valid.all()
    np.testing.assert_allclose(steps(drive.poses)[[1, 2, 4, 7]], steps(camera_poses())[[1, 2, 4, 7]], atol=1e-9)
    np.testing.assert_allclose(steps(drive.poses), steps(camera_poses()), atol=0.02)
    assert any("3 messages of /odom" in note for note in drive.notes)


def test_poses_out_of_order_and_frames_outside_them(tmp_path: Path) -> None:
    bodies = body_poses()
    order = [4, 2, 3, 3, 6, 5]
    odometry = ((START + i * STEP, "/odom", *ros_odometry(START + i * STEP, bodies[i])) for i in order)
    static = iter([(START, "/tf_static", *ros_tf(START, ("base_link", "cam_optical", MOUNT)))])
    drive = open_file(write_ros2(tmp_path / "a.mcap", with_poses(static, odometry)))
    assert drive.pose_valid is not None
    assert drive.poses is not None
    assert drive.pose_valid.tolist() == [2 <= i <= 6 for i in range(COUNT)]
    np.testing.assert_allclose(steps(drive.poses[2:7]), steps(camera_poses()[2:7]), atol=1e-9)
    assert any("5 of 10 frames have no pose" in note for note in drive.notes)


def test_poses_of_another_time_are_no_poses(tmp_path: Path) -> None:
    later = START + 10**12
    odometry = ((later + i * STEP, "/odom", *ros_odometry(later + i * STEP, np.eye(4))) for i in range(4))
    path = write_ros2(tmp_path / "a.mcap", with_poses(odometry))
    drive = open_file(path)
    assert drive.poses is None
    assert any("its times are not those of the pictures" in note for note in drive.notes)
    assert "/odom" in refused(path, pose_topic="/odom")


def test_transforms_of_several_rates_are_chained(tmp_path: Path) -> None:
    """map -> odom comes at 2 Hz and drifts evenly, odom -> base_link at 10 Hz, cam on a mast that is fixed."""
    bodies = body_poses()

    def drift(i: float) -> Array:
        return make_poses(np.eye(3), np.array([0.05 * i, 0.02 * i, 0.0]))

    def transforms() -> Iterator[Event]:
        for i in range(0, COUNT + 5, 5):
            yield START + i * STEP, "/tf", *ros_tf(START + i * STEP, ("map", "odom", drift(i)))
        for i in range(COUNT):
            edge = ("odom", "base_link", invert(drift(i)) @ bodies[i])
            yield START + i * STEP, "/tf", *ros_tf(START + i * STEP, edge)
            # ROS 1 repeats what does not move.
            fixed = ("base_link", "cam_optical", MOUNT)
            yield START + i * STEP, "/tf", *ros_tf(START + i * STEP, fixed)

    drive = open_file(write_ros2(tmp_path / "a.mcap", with_poses(transforms())))
    assert drive.poses is not None
    np.testing.assert_allclose(steps(drive.poses), steps(camera_poses()), atol=1e-9)


def test_moving_transforms_join_the_odometry_s_frame_to_the_camera_s(tmp_path: Path) -> None:
    """The cabin sways on the chassis, whose odometry it is."""
    bodies = body_poses()

    def sway(i: int) -> Array:
        return make_poses(np.eye(3), np.array([0.0, 0.01 * i, 0.5]))

    def events() -> Iterator[Event]:
        yield START, "/tf_static", *ros_tf(START, ("cabin", "cam_optical", MOUNT))
        for i in range(COUNT):
            time = START + i * STEP
            yield time, "/tf", *ros_tf(time, ("chassis", "cabin", sway(i)))
            yield time, "/odom", *ros_odometry(time, bodies[i] @ invert(sway(i)), "chassis")

    for compression in COMPRESSIONS:
        path = write_ros2(tmp_path / f"{compression}.mcap", with_poses(events()), compression=COMPRESSIONS[compression])
        drive = open_file(path)
        assert drive.poses is not None
        np.testing.assert_allclose(steps(drive.poses), steps(camera_poses()), atol=1e-9)
        assert not any("assumed" in note for note in drive.notes)


def test_a_loop_of_transforms_ends(tmp_path: Path) -> None:
    def transforms() -> Iterator[Event]:
        for i in range(COUNT):
            edges = [("a", "b"), ("b", "cam_optical"), ("cam_optical", "a")]
            yield START + i * STEP, "/tf", *ros_tf(START + i * STEP, *((*edge, body_poses()[i]) for edge in edges))

    assert len(open_file(write_ros2(tmp_path / "a.mcap", with_poses(transforms())))) == COUNT


def test_without_transforms_the_camera_is_assumed_to_look_ahead(tmp_path: Path) -> None:
    bodies = body_poses()
    odometry = ((START + i * STEP, "/odom", *ros_odometry(START + i * STEP, bodies[i])) for i in range(COUNT))
    drive = open_file(write_ros2(tmp_path / "a.mcap", with_poses(odometry)))
    assert drive.poses is not None
    np.testing.assert_allclose(steps(drive.poses), steps(bodies @ OPTICAL), atol=1e-9)
    assert any("assumed at the origin of base_link" in note for note in drive.notes)


@pytest.mark.parametrize("frame", ["camera_link", "front_camera"])
def test_a_camera_frame_that_is_a_body_frame_is_turned(tmp_path: Path, frame: str) -> None:
    """The pictures name a frame with x forward and z up, which is not where a camera on a car looks."""
    bodies = body_poses()
    odometry = ((START + i * STEP, "/odom", *ros_odometry(START + i * STEP, bodies[i])) for i in range(COUNT))
    static = iter([(START, "/tf_static", *ros_tf(START, ("base_link", frame, MOUNT @ invert(OPTICAL))))])
    drive = open_file(write_ros2(tmp_path / "a.mcap", with_poses(static, odometry, frame=frame)))
    assert drive.poses is not None
    np.testing.assert_allclose(steps(drive.poses), steps(camera_poses()), atol=1e-9)
    assert any("points up" in note for note in drive.notes)


def test_odometry_of_the_camera_itself(tmp_path: Path) -> None:
    poses = camera_poses()
    odometry = (
        (START + i * STEP, "/vo", *ros_odometry(START + i * STEP, poses[i], "cam_optical")) for i in range(COUNT)
    )
    drive = open_file(write_ros2(tmp_path / "a.mcap", with_poses(odometry)))
    assert drive.poses is not None
    np.testing.assert_allclose(steps(drive.poses), steps(poses), atol=1e-9)


def test_map_sized_positions_are_centred_without_loss(tmp_path: Path) -> None:
    far = make_poses(np.eye(3), np.array([691_000.25, 5_334_000.5, 520.0]))
    bodies = far @ body_poses()
    odometry = ((START + i * STEP, "/odom", *ros_odometry(START + i * STEP, bodies[i])) for i in range(COUNT))
    static = iter([(START, "/tf_static", *ros_tf(START, ("base_link", "cam_optical", MOUNT)))])
    drive = open_file(write_ros2(tmp_path / "a.mcap", with_poses(static, odometry)))
    assert drive.poses is not None
    assert np.abs(drive.poses[0, :3, 3]).max() < 1e-6
    np.testing.assert_allclose(steps(drive.poses), steps(camera_poses()), atol=1e-8)


def test_satellite_fixes_give_positions_and_a_course(tmp_path: Path) -> None:
    """Five metres a step to the north-east; 1e-5 degrees are 1.11 m of latitude and less of longitude."""
    latitude = 48.0
    # Metres to a degree on the WGS 84 ellipsoid at this latitude: radii of curvature, along and across.
    a, f = 6378137.0, 1 / 298.257223563
    e2 = f * (2 - f)
    sine = np.sin(np.radians(latitude))
    along = np.radians(a * (1 - e2) / (1 - e2 * sine**2) ** 1.5)
    across = np.radians(a / np.sqrt(1 - e2 * sine**2) * np.cos(np.radians(latitude)))

    def fixes() -> Iterator[Event]:
        for i in range(COUNT):
            values = {
                "header": header(START + i * STEP, "gps"),
                "status": {"status": -1 if i == 4 else 0, "service": 1},
                "latitude": latitude + (99 if i == 4 else 3.0 * i / along),
                "longitude": 11.0 + 4.0 * i / across,
                "altitude": 0.0,
                "position_covariance": [0.0] * 9,
                "position_covariance_type": 0,
            }
            yield START + i * STEP, "/fix", "sensor_msgs/NavSatFix", values

    drive = open_file(write_ros2(tmp_path / "a.mcap", with_poses(fixes())))
    assert drive.poses is not None
    assert drive.pose_valid is not None
    assert drive.pose_valid.all()
    assert "derived" in drive.provenance["poses"]
    centres = drive.poses[:, :3, 3]
    np.testing.assert_allclose(centres[-1] - centres[0], [4.0 * 9, 3.0 * 9, 0], atol=1e-3)
    np.testing.assert_allclose(drive.poses[:, :3, 2], np.tile([0.8, 0.6, 0], (COUNT, 1)), atol=1e-4)
    np.testing.assert_allclose(drive.poses[:, :3, 1], np.tile([0, 0, -1.0], (COUNT, 1)), atol=1e-9)
    place = drive.geodetic_origin
    assert place is not None
    last = place.coordinates(centres[-1:] - centres[0])[0]
    np.testing.assert_allclose(last[:2], [latitude + 27 / along, 11 + 36 / across], rtol=0, atol=1e-7)


def test_given_poses_may_count_from_1970_as_the_recording_does(tmp_path: Path) -> None:
    path = write_ros2(tmp_path / "a.mcap", pictures([START + i * STEP for i in range(4)]))
    lines = [f"{(START + i * STEP) * 1e-9:.6f} {i} 0 0 0 0 0 1" for i in range(4)]
    (tmp_path / "poses.tum").write_text("\n".join(lines))
    drive = open_file(path, poses=tmp_path / "poses.tum")
    assert drive.poses is not None
    np.testing.assert_allclose(drive.poses[:, 0, 3], [0, 1, 2, 3], atol=1e-5)


# -- cameras ----------------------------------------------------------------------------------------------------


def with_info(**changes: Any) -> Iterator[Event]:
    yield START, "/front/camera_info", *ros_camera_info(**changes)
    yield from pictures([START, START + STEP])


def test_the_calibration_is_fitted_to_the_pictures(tmp_path: Path) -> None:
    def camera(name: str, **changes: Any) -> tuple[float, ...]:
        found = open_file(write_ros2(tmp_path / f"{name}.mcap", with_info(**changes))).intrinsics
        assert found is not None
        assert (found.width, found.height) == (WIDTH, HEIGHT)
        return found.fx, found.fy, found.cx, found.cy

    assert camera("same") == (50.0, 51.0, 32.0, 19.75)
    assert camera("twice", width=2 * WIDTH, height=2 * HEIGHT) == (25.0, 25.5, 16.0, 9.875)
    roi = {"x_offset": 10, "y_offset": 4, "width": WIDTH, "height": HEIGHT, "do_rectify": False}
    assert camera("part", width=200, height=100, roi=roi) == (50.0, 51.0, 22.0, 15.75)
    assert camera("unsaid", width=0, height=0) == (50.0, 51.0, 32.0, 19.75)


@pytest.mark.parametrize(
    ("model", "d", "expected_model", "count"),
    [
        ("plumb_bob", [0.1, 0.2, 0.0, 0.0, 0.3], "brown-conrady", 5),
        ("plumb_bob", [0.0] * 5, "none", 0),
        ("rational_polynomial", [0.1] * 8, "brown-conrady", 8),
        ("equidistant", [0.1, 0.2, 0.3, 0.4], "kannala-brandt", 4),
        ("", [], "none", 0),
    ],
)
def test_distortion_is_kept(tmp_path: Path, model: str, d: list[float], expected_model: str, count: int) -> None:
    camera = open_file(write_ros2(tmp_path / "a.mcap", with_info(distortion_model=model, d=d))).intrinsics
    assert camera is not None
    assert (camera.model, len(camera.distortion)) == (expected_model, count)
    assert list(camera.distortion) == d[:count]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"k": [0.0] * 9}, "not calibrated"),
        ({"k": [float("nan"), *K[1:]]}, "not finite"),
        ({"width": 640, "height": 640}, "640x640"),
        ({"distortion_model": "magic"}, "magic"),
    ],
)
def test_a_calibration_that_does_not_fit_costs_only_the_camera(
    tmp_path: Path, changes: dict[str, Any], words: str
) -> None:
    drive = open_file(write_ros2(tmp_path / "a.mcap", with_info(**changes)))
    assert drive.intrinsics is None
    assert len(drive) == 2
    assert any(words in note for note in drive.notes)


def test_without_a_calibration_the_camera_is_unknown(tmp_path: Path) -> None:
    drive = open_file(write_ros2(tmp_path / "a.mcap", pictures([START])))
    assert drive.intrinsics is None
    assert any("camera is not known" in note for note in drive.notes)


def test_a_calibration_beside_pictures_at_the_root(tmp_path: Path) -> None:
    def events() -> Iterator[Event]:
        yield START, "/camera_info", *ros_camera_info()
        yield from pictures([START], "/image_raw")

    assert open_file(write_ros2(tmp_path / "a.mcap", events())).intrinsics is not None


def test_rectified_pictures_without_a_projection_matrix_have_k(tmp_path: Path) -> None:
    def events() -> Iterator[Event]:
        yield START, "/front/camera_info", *ros_camera_info(p=[0.0] * 12)
        yield from pictures([START], "/front/image_rect")

    camera = open_file(write_ros2(tmp_path / "a.mcap", events())).intrinsics
    assert camera is not None
    assert (camera.fx, camera.model) == (50.0, "none")


def test_rectified_pictures_have_the_projection_matrix(tmp_path: Path) -> None:
    def events() -> Iterator[Event]:
        yield START, "/front/camera_info", *ros_camera_info()
        yield from pictures([START], "/front/image_rect_color")

    camera = open_file(write_ros2(tmp_path / "a.mcap", events())).intrinsics
    assert camera is not None
    assert (camera.fx, camera.fy, camera.cx, camera.cy, camera.model) == (48.0, 49.0, 30.5, 18.5, "none")


# -- pictures ---------------------------------------------------------------------------------------------------


def raw_pictures(encoding: str, data: bytes, step: int, big: int = 0) -> Iterator[Event]:
    for i in range(2):
        kind, message = ros_image(0, START + i * STEP)
        yield (
            START + i * STEP,
            "/front/image",
            kind,
            message
            | {
                "encoding": encoding,
                "data": data,
                "step": step,
                "is_bigendian": big,
            },
        )


GREY = np.add.outer(np.arange(HEIGHT) * 3, np.arange(WIDTH)).astype(np.uint8)
COLOUR = np.stack([GREY, 255 - GREY, GREY // 2], -1)


@pytest.mark.parametrize(
    ("encoding", "data", "step", "want"),
    [
        ("rgb8", COLOUR.tobytes(), WIDTH * 3, COLOUR),
        ("bgr8", COLOUR[..., ::-1].tobytes(), WIDTH * 3, COLOUR),
        ("rgba8", np.dstack([COLOUR, GREY]).tobytes(), WIDTH * 4, COLOUR),
        ("bgra8", np.dstack([COLOUR[..., ::-1], GREY]).tobytes(), WIDTH * 4, COLOUR),
        ("mono8", GREY.tobytes(), WIDTH, np.repeat(GREY[..., None], 3, -1)),
        ("mono16", (GREY.astype("<u2") * 256 + 7).tobytes(), WIDTH * 2, np.repeat(GREY[..., None], 3, -1)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_raw_encodings(tmp_path: Path, encoding: str, data: bytes, step: int, want: np.ndarray) -> None:
    drive = open_file(write_ros2(tmp_path / "a.mcap", raw_pictures(encoding, data, step)))
    frames = drive.open_frames()
    assert np.array_equal(frames.read(1), want)
    frames.close()


def test_converted_encodings(tmp_path: Path) -> None:
    """A flat colour survives sub-sampling and the mosaic of a Bayer sensor."""
    red, green, blue = 200, 120, 40
    y = 16 + 0.2568 * red + 0.5041 * green + 0.0979 * blue  # ITU-R BT.601, limited range
    u = 128 - 0.1482 * red - 0.2910 * green + 0.4392 * blue
    v = 128 + 0.4392 * red - 0.3678 * green - 0.0714 * blue
    y, u, v = (round(value) for value in (y, u, v))
    mosaic = np.zeros((HEIGHT, WIDTH), np.uint8)
    mosaic[0::2, 0::2], mosaic[1::2, 1::2] = red, blue
    mosaic[0::2, 1::2] = mosaic[1::2, 0::2] = green
    cases = {
        "bayer_rggb8": (mosaic.tobytes(), WIDTH),
        "yuv422": (bytes([u, y, v, y]) * (WIDTH * HEIGHT // 2), WIDTH * 2),
        "yuv422_yuy2": (bytes([y, u, y, v]) * (WIDTH * HEIGHT // 2), WIDTH * 2),
        "nv12": (bytes([y]) * (WIDTH * HEIGHT) + bytes([u, v]) * (WIDTH * HEIGHT // 4), WIDTH),
    }
    for encoding, (data, step) in cases.items():
        drive = open_file(write_ros2(tmp_path / f"{encoding}.mcap", raw_pictures(encoding, data, step)))
        frames = drive.open_frames()
        inner = frames.read(0)[4:-4, 4:-4].reshape(-1, 3).astype(float)
        assert np.abs(inner - [red, green, blue]).max() < 6, encoding
        frames.close()


@pytest.mark.parametrize(
    ("encoding", "data", "words"),
    [("rgb8", b"\0" * 100, "too few"), ("secret9", b"\0" * 100, "secret9"), ("bayer_rggb8", b"\0" * 100, "too few")],
)
def test_a_picture_that_cannot_be_read_is_an_error_of_that_frame(
    tmp_path: Path, encoding: str, data: bytes, words: str
) -> None:
    def events() -> Iterator[Event]:
        yield START, "/front/image", *ros_image(0, START)
        kind, message = ros_image(1, START + STEP)
        yield START + STEP, "/front/image", kind, message | {"encoding": encoding, "data": data, "step": WIDTH * 3}
        yield START + 2 * STEP, "/front/image", *ros_image(2, START + 2 * STEP)

    drive = open_file(write_ros2(tmp_path / "a.mcap", events()))
    frames = drive.open_frames()
    with pytest.raises(LogError, match=words):
        frames.read(1)
    assert np.array_equal(frames.read(2), picture(2, WIDTH, HEIGHT))
    frames.close()


# -- video ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("b_frames", ["0", "3"])
def test_video_frames_are_those_of_a_plain_decode_in_any_order(tmp_path: Path, b_frames: str) -> None:
    stream = packets("libx264", {"preset": "veryfast", "bf": b_frames})
    decoder: Any = av.CodecContext.create("h264", "r")
    plain = {}
    for i, data in stream:
        packet = av.Packet(data)
        packet.pts = i
        plain |= {frame.pts: frame.to_ndarray(format="rgb24") for frame in decoder.decode(packet)}
    plain |= {frame.pts: frame.to_ndarray(format="rgb24") for frame in decoder.decode(None)}
    path = write_protobuf(tmp_path / "a.mcap", video_drive(stream, "h264"), chunk_size=3000)
    frames = open_file(path).open_frames()
    random = np.random.default_rng(3)
    for i in [29, 0, 13, 12, 11, *random.integers(0, VIDEO_COUNT, 40), *range(VIDEO_COUNT)]:
        assert np.array_equal(frames.read(int(i)), plain[int(i)]), f"frame {i}"
    frames.close()


@pytest.mark.parametrize("kind", ["foxglove_msgs/CompressedVideo", "ffmpeg_image_transport_msgs/FFMPEGPacket"])
def test_video_in_ros_messages(tmp_path: Path, kind: str) -> None:
    def events() -> Iterator[Event]:
        for _, _, _, message in video_drive(packets("libx264", {"bf": "0", "preset": "veryfast"}), "h264"):
            time = message["timestamp"]["sec"] * 10**9 + message["timestamp"]["nanosec"]
            size = {"width": WIDTH, "height": HEIGHT, "flags": 0, "pts": 0, "is_bigendian": False}
            packet = {"header": header(time, "cam"), "encoding": "h264;yuv420p", "data": message["data"]} | size
            yield time, "/cam/video", kind, packet if "ffmpeg" in kind else message

    drive = open_file(write_ros2(tmp_path / "a.mcap", events()))
    assert (len(drive), drive.width, drive.height) == (VIDEO_COUNT, WIDTH, HEIGHT)
    frames = drive.open_frames()
    for i in (25, 3):
        assert np.abs(frames.read(i).astype(float) - picture(i, WIDTH, HEIGHT)).mean() < 12
    frames.close()


def test_video_that_begins_between_key_frames_starts_at_the_first(tmp_path: Path) -> None:
    path = write_protobuf(tmp_path / "a.mcap", video_drive(packets("libx264", {"bf": "0"})[5:], "h264"))
    drive = open_file(path)
    assert len(drive) == VIDEO_COUNT - 12
    assert any("first 7 pictures" in note for note in drive.notes)
    frames = drive.open_frames()
    assert np.abs(frames.read(0).astype(float) - picture(12, WIDTH, HEIGHT)).mean() < 12
    frames.close()


def test_video_that_begins_with_an_open_group_of_pictures(tmp_path: Path) -> None:
    """H.265 at a key frame whose followers are shown before it and need pictures that are not there."""
    options = {"preset": "fast", "x265-params": "keyint=10:min-keyint=10:open-gop=1:bframes=4:b-adapt=0:log-level=none"}
    stream = packets("libx265", options)
    keys = [k for k, (_, data) in enumerate(stream) if is_key("hevc", memoryview(data))]
    begin = keys[1]
    lost = sum(i < stream[begin][0] for i, _ in stream[begin:])
    assert lost > 0
    drive = open_file(write_protobuf(tmp_path / "a.mcap", video_drive(stream[begin:], "h265")))
    assert len(drive) == len(stream) - begin - lost
    frames = drive.open_frames()
    for frame in (0, 5, 12, 3):
        assert np.abs(frames.read(frame).astype(float) - picture(stream[begin][0] + frame, WIDTH, HEIGHT)).mean() < 12
    frames.close()


def test_video_without_a_key_frame_and_of_an_unknown_codec(tmp_path: Path) -> None:
    short = list(video_drive(packets("libx264", {"bf": "0"})[1:9], "h264"))
    assert "no key frame" in refused(write_protobuf(tmp_path / "a.mcap", iter(short)))
    other = [(t, topic, kind, m | {"format": "theora"}) for t, topic, kind, m in short]
    assert "theora" in refused(write_protobuf(tmp_path / "b.mcap", iter(other)))


def test_a_damaged_message_costs_the_video_only_what_needs_it(tmp_path: Path) -> None:
    events = list(video_drive(packets("libx264", {"bf": "0", "preset": "veryfast"}), "h264"))
    time, topic, kind, message = events[14]
    events[14] = (time, topic, kind, message | {"data": b"\0\0\1\x41 nothing"})
    drive = open_file(write_protobuf(tmp_path / "a.mcap", iter(events)))
    frames = drive.open_frames()
    for i in (3, 13, 24, 29):
        assert np.abs(frames.read(i).astype(float) - picture(i, WIDTH, HEIGHT)).mean() < 12
    frames.close()


# -- lidar ------------------------------------------------------------------------------------------------------


def test_a_sweep_between_frames_moves_with_the_vehicle(tmp_path: Path) -> None:
    """A point of the world, seen 40 ms after frame 4 and just as far before frame 5 less 20 ms, is at its place."""
    later = 40_000_000
    wall = np.array([[30.0, 4.0, 2.0]])
    bodies = body_poses()

    def events() -> Iterator[Event]:
        static = (("base_link", "cam_optical", MOUNT), ("base_link", "lidar", LIDAR))
        yield START, "/tf_static", *ros_tf(START, *static)
        # The pose at the sweep's own time, so that nothing is interpolated.
        turn = invert(bodies[4]) @ bodies[5]
        between = bodies[4].copy()
        between[:3, 3] += bodies[4][:3, :3] @ turn[:3, 3] * 0.4
        for i in range(COUNT):
            yield START + i * STEP, "/odom", *ros_odometry(START + i * STEP, bodies[i])
        yield START + 4 * STEP + later, "/odom", *ros_odometry(START + 4 * STEP + later, between)
        seat = between @ LIDAR
        seen = (wall - seat[:3, 3]) @ seat[:3, :3]
        yield START + 4 * STEP + later, "/points", *ros_cloud(START + 4 * STEP + later, seen)

    drive = open_file(write_ros2(tmp_path / "a.mcap", with_poses(events())))
    assert drive.point_cloud is not None
    points = drive.point_cloud(4)
    assert points is not None
    camera = camera_poses()[4]
    np.testing.assert_allclose(points[:, :3], (wall - camera[:3, 3]) @ camera[:3, :3], atol=1e-4)
    np.testing.assert_array_equal(points[:, 3], 10.0 * np.arange(len(points)))
    assert drive.point_cloud(5) is None


def test_clouds_without_a_transform_are_left_out_with_a_note(tmp_path: Path) -> None:
    cloud = iter([(START, "/points", *ros_cloud(START))])
    drive = open_file(write_ros2(tmp_path / "a.mcap", with_poses(cloud)))
    assert drive.point_cloud is None
    odometry = ((START + i * STEP, "/odom", *ros_odometry(START + i * STEP, body_poses()[i])) for i in range(COUNT))
    cloud = iter([(START, "/points", *ros_cloud(START))])
    drive = open_file(write_ros2(tmp_path / "b.mcap", with_poses(cloud, odometry)))
    assert drive.point_cloud is None
    assert any("no transform leads" in note for note in drive.notes)


@pytest.mark.parametrize(
    "changes",
    [{"width": 10**6}, {"point_step": 0}, {"fields": []}, {"data": b""}],
    ids=["too wide", "no step", "no fields", "no data"],
)
def test_a_damaged_sweep_is_an_error_of_that_sweep(tmp_path: Path, changes: dict[str, Any]) -> None:
    events = list(ros_drive())
    at = next(k for k, event in enumerate(events) if event[1] == "/lidar/points")
    time, topic, kind, message = events[at]
    events[at] = (time, topic, kind, message | changes)
    drive = open_file(write_ros2(tmp_path / "a.mcap", iter(events)))
    assert drive.point_cloud is not None
    with pytest.raises(LogError, match="/lidar/points"):
        drive.point_cloud(2)
    assert drive.point_cloud(6) is not None


def test_points_that_are_no_numbers_are_left_out(tmp_path: Path) -> None:
    events = list(ros_drive())
    at = next(k for k, event in enumerate(events) if event[1] == "/lidar/points")
    points = np.vstack([POINTS, [np.nan, 0, 0], [np.inf, 1, 1]])
    events[at] = (*events[at][:2], *ros_cloud(START + 2 * STEP, points))
    drive = open_file(write_ros2(tmp_path / "a.mcap", iter(events)))
    assert drive.point_cloud is not None
    found = drive.point_cloud(2)
    assert found is not None
    np.testing.assert_allclose(found[:, :3], cloud_in_camera(), atol=1e-5)


# -- JSON -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [b"not json", b"[1, 2]", b'{"data": "%%%"}', b"{}"])
def test_json_that_is_no_picture_is_refused(tmp_path: Path, data: bytes) -> None:
    path = write_raw(
        tmp_path / "a.mcap",
        iter([(START, "/cam", "foxglove.CompressedImage", data)]),
        ("json", "jsonschema", lambda kind: json.dumps({}).encode()),
    )
    assert "/cam" in refused(path)
