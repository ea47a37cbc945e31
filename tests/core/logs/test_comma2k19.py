"""comma2k19 segments: ECEF poses become the camera's, CAN becomes tracks, and damage costs only what is damaged."""

from __future__ import annotations

import os
import pickle
import shutil
from pathlib import Path

import av
import numpy as np
import pytest
from conformance import Conformance, Expected
from log_files import arc, picture, real, tum_text, write_video

from lapose_core.drive import Drive, LogError
from lapose_core.geometry import Array, invert, make_poses, path_length, quaternion_from_matrix, relative, yaw
from lapose_core.logs.comma2k19 import READER
from lapose_core.logs.reader import LogOptions

ROUTE = "99c94dc769b5d96e|2018-05-01--08-13-53"
REAL = "comma2k19/b0c9d2329ad1606b_2018-08-02--08-34-47/40"
BOOT = 46408.5
LATITUDE, LONGITUDE = np.radians(37.4), np.radians(-122.1)
COUNT = 12


def east_down_north() -> Array:
    """Rows are those axes in ECEF, from geodetic latitude and longitude."""
    (sp, cp), (sl, cl) = ((np.sin(a), np.cos(a)) for a in (LATITUDE, LONGITUDE))
    return np.array([[-sl, cl, 0], [-cp * cl, -cp * sl, -sp], [-sp * cl, -sp * sl, cp]])


def ecef(height: float = 200.0) -> Array:
    """The place on WGS 84, by the textbook formula with the prime vertical radius."""
    a, f = 6378137.0, 1 / 298.257223563
    e2 = f * (2 - f)
    n = a / np.sqrt(1 - e2 * np.sin(LATITUDE) ** 2)
    level = (n + height) * np.cos(LATITUDE)
    up = (n * (1 - e2) + height) * np.sin(LATITUDE)
    return np.array([level * np.cos(LONGITUDE), level * np.sin(LONGITUDE), up])


def save(path: Path, values: object) -> None:
    """A .npy file without a suffix, as the data set has them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        np.save(file, np.asarray(values))


def hevc(path: Path, frames: int, size: tuple[int, int] = (96, 72)) -> Path:
    try:
        av.Codec("libx265", "w")
    except ValueError:
        pytest.skip("this build of FFmpeg has no encoder libx265")
    options = {"preset": "ultrafast", "x265-params": "keyint=15:bframes=0:log-level=none"}
    return write_video(path, codec="libx265", size=size, frames=frames, options=options)


def write_segment(folder: Path, size: tuple[int, int] = (96, 72)) -> Array:
    """A segment of COUNT frames at 20 Hz; returns its true poses [N, 4, 4] in the level world of the first."""
    truth = arc(COUNT)
    truth[:, :3, 3] -= truth[0, :3, 3]
    world = make_poses(east_down_north().T, ecef())
    device_axes = np.eye(4)
    device_axes[:3, :3] = [[0, 1, 0], [0, 0, 1], [1, 0, 0]]  # columns: forward, right, down in camera axes
    device = world @ truth @ device_axes
    poses, can = folder / "global_pose", folder / "processed_log" / "CAN"
    save(poses / "frame_times", BOOT + 0.05 * np.arange(COUNT))
    save(poses / "frame_positions", device[:, :3, 3])
    save(poses / "frame_orientations", quaternion_from_matrix(device[:, :3, :3])[:, [3, 0, 1, 2]])
    for name, values in (("speed", np.full((60, 1), 10.0)), ("steering_angle", np.linspace(-3, 3, 60))):
        save(can / name / "t", BOOT + 0.01 * np.arange(60))
        save(can / name / "value", values)
    hevc(folder / "video.hevc", COUNT, size)
    return truth


class TestComma2k19(Conformance):
    reader = READER

    def write_log(self, folder: Path) -> Expected:
        truth = write_segment(folder / "Chunk_1" / ROUTE / "10")
        write_segment(folder / "Chunk_1" / ROUTE / "9")
        return Expected(
            folder,
            f"Chunk_1/{ROUTE}/10",
            96,
            72,
            0.05 * np.arange(COUNT),
            truth,
            None,
            (910 * 96 / 1164, 910 * 72 / 874, 48.0, 36.0),
            keys=(f"Chunk_1/{ROUTE}/9", f"Chunk_1/{ROUTE}/10"),
            cameras=("road",),
            tracks={"speed": "m/s", "steering angle": "deg"},
            files=(folder / "Chunk_1" / ROUTE / "10" / "video.hevc",),
            picture=lambda i: picture(i, 96, 72),
            picture_error=12,
        )


def open_segment(path: Path) -> Drive:
    (listing,) = READER.list(path)
    return READER.open(path, listing.key, LogOptions())


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("comma") / ROUTE / "7"
    write_segment(folder)
    return folder


@pytest.fixture
def segment(written: Path, tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(written, tmp_path / ROUTE / "7"))


def test_a_segment_opens_with_everything_it_holds(segment: Path) -> None:
    drive = open_segment(segment)
    assert (drive.format, drive.name, len(drive)) == ("comma2k19", f"{ROUTE}/7", COUNT)
    assert drive.notes == ()
    np.testing.assert_allclose(drive.timestamps, 0.05 * np.arange(COUNT), atol=1e-9)
    camera = drive.intrinsics
    assert camera is not None
    np.testing.assert_allclose(
        [camera.fx, camera.fy, camera.cx, camera.cy], [910 * 96 / 1164, 910 * 72 / 874, 48, 36], rtol=1e-12
    )
    source = drive.open_frames()
    assert source.read(COUNT - 1).shape == (72, 96, 3)
    source.close()


def test_ecef_becomes_the_camera_in_a_level_world(segment: Path) -> None:
    truth = write_segment(segment)
    drive = open_segment(segment)
    assert drive.poses is not None
    assert drive.pose_valid is not None
    assert drive.pose_valid.all()
    # ECEF itself has a resolution of a nanometre; 200 m above the ellipsoid its normal is off by 1e-7.
    np.testing.assert_allclose(drive.poses, truth, atol=1e-6)


def test_the_place_on_the_earth_is_that_of_the_positions(segment: Path) -> None:
    drive = open_segment(segment)
    place = drive.geodetic_origin
    assert place is not None
    assert drive.poses is not None
    found = place.coordinates(drive.poses[:1, :3, 3])[0]
    np.testing.assert_allclose(found, [37.4, -122.1, 200.0], rtol=0, atol=1e-8)
    # The readers' level axes follow the ellipsoid to a microradian.
    np.testing.assert_allclose(place.enu_from_world[:3, :3], [[1, 0, 0], [0, 0, 1], [0, -1, 0]], atol=1e-6)


def test_can_becomes_tracks_on_the_clock_of_the_frames(segment: Path) -> None:
    tracks = open_segment(segment).tracks
    assert {name: track.unit for name, track in tracks.items()} == {"speed": "m/s", "steering angle": "deg"}
    np.testing.assert_allclose(tracks["speed"].times, 0.01 * np.arange(60), atol=1e-9)
    np.testing.assert_array_equal(tracks["speed"].values, 10.0)
    np.testing.assert_allclose(tracks["steering angle"].values[[0, -1]], [-3, 3])


@pytest.mark.timeout(120)
def test_the_real_segment_is_one_kilometre_driven_forward(tmp_path: Path) -> None:
    segment = Path(shutil.copytree(real(REAL), tmp_path / "40"))
    os.chmod(segment, 0o755)
    hevc(segment / "video.hevc", 1200)  # x265 writes past its buffers at 48x36
    drive = open_segment(segment)
    assert len(drive) == 1200
    assert drive.notes == ()
    assert drive.poses is not None
    assert path_length(drive.poses) == pytest.approx(1011.8, abs=0.1)
    step = relative(drive.poses)[:, :3, 3]
    forward = step / np.linalg.norm(step, axis=1, keepdims=True)
    assert np.median(forward[:, 2]) > 0.99
    assert (forward[:, 2] > 0.97).mean() > 0.99
    # The camera's own y is down in the world, too: the device stands upright behind the windscreen.
    assert (drive.poses[:, 1, 1] > 0.99).all()
    speed = np.linalg.norm(step, axis=1) / np.diff(drive.timestamps)
    at = (drive.timestamps[1:] + drive.timestamps[:-1]) / 2
    can = drive.tracks["speed"]
    assert np.median(np.abs(np.interp(at, can.times, can.values) - speed)) < 0.3
    turning = yaw(relative(drive.poses)[:, :3, :3]) / np.diff(drive.timestamps)
    wheel = drive.tracks["steering angle"]
    # To the right is positive in the one and negative in the other.
    assert np.corrcoef(turning, np.interp(at, wheel.times, wheel.values))[0, 1] < -0.7


def test_the_real_segment_is_listed_and_says_what_is_missing() -> None:
    root = real("comma2k19")
    assert READER.matches(root)
    (listing,) = READER.list(root)
    assert listing.frames == 1200
    assert listing.seconds == pytest.approx(59.95, abs=0.01)
    assert "video.hevc" in listing.description
    with pytest.raises(LogError, match=r"40: video\.hevc is missing"):
        READER.open(root, listing.key, LogOptions())


def test_folders_of_segments_routes_and_chunks_are_listed_in_order(written: Path, tmp_path: Path) -> None:
    root = tmp_path / "comma"
    other = ROUTE.replace("05-01", "05-02").replace("|", "_")
    for name in (f"Chunk_2/{other}/3", f"Chunk_10/{ROUTE}/0", f"Chunk_2/{ROUTE}/10", f"Chunk_2/{ROUTE}/2"):
        shutil.copytree(written, root / name)
    (root / "Chunk_2" / ROUTE / "notes").mkdir()
    expected = [f"Chunk_2/{ROUTE}/2", f"Chunk_2/{ROUTE}/10", f"Chunk_2/{other}/3", f"Chunk_10/{ROUTE}/0"]
    assert [listing.key for listing in READER.list(root)] == expected
    assert [listing.key for listing in READER.list(root / "Chunk_2" / ROUTE)] == ["2", "10"]
    assert len(READER.open(root, expected[3], LogOptions())) == COUNT
    for path in (root, root / "Chunk_2", root / "Chunk_2" / ROUTE, written, written / "video.hevc"):
        assert READER.matches(path)
    for path in (tmp_path, root / "missing", written / "global_pose", written / "global_pose" / "frame_times"):
        assert not READER.matches(path)
    assert len(open_segment(written / "video.hevc")) == COUNT


def test_other_poses_may_be_given(segment: Path, tmp_path: Path) -> None:
    (tmp_path / "own.tum").write_text(tum_text(0.05 * np.arange(COUNT) - 2, arc(COUNT, step=3.0)))
    options = LogOptions(poses=tmp_path / "own.tum", time_offset=2.0)
    drive = READER.open(segment, "7", options)
    assert drive.poses is not None
    assert path_length(drive.poses) == pytest.approx(3.0 * (COUNT - 1), rel=1e-6)
    with pytest.raises(LogError, match="wide"):
        READER.open(segment, "7", LogOptions(camera="wide"))


# -- what is wrong costs only itself, and is said -------------------------------------------------------------


def told(drive: Drive, *words: str) -> None:
    (note,) = drive.notes
    assert "\n" not in note
    for word in words:
        assert word in note


@pytest.mark.parametrize("name", ["frame_positions", "frame_orientations"])
@pytest.mark.parametrize(
    "damage", ["missing", "cut", "pickle", "column", "rows", "version", "linked out", "loop", "text"]
)
def test_unreadable_poses_leave_the_rest(segment: Path, tmp_path: Path, name: str, damage: str) -> None:
    path = segment / "global_pose" / name
    values = np.load(path)
    (tmp_path / "elsewhere").write_bytes(path.read_bytes())
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-40])
    elif damage == "pickle":
        path.write_bytes(pickle.dumps(values))
    elif damage == "version":
        whole = path.read_bytes()
        path.write_bytes(whole[:6] + b"\x09" + whole[7:])
    elif damage == "column":
        save(path, values[:, :2])
    elif damage == "rows":
        save(path, values[:-2])
    elif damage == "text":
        save(path, values.astype(str))
    else:
        path.unlink()
        if damage == "linked out":
            path.symlink_to(tmp_path / "elsewhere")
        elif damage == "loop":
            path.symlink_to(path)
    drive = open_segment(segment)
    assert drive.poses is None
    assert set(drive.tracks) == {"speed", "steering angle"}
    told(drive, "global_pose", name, "no poses")


def test_a_pickled_object_is_never_loaded(segment: Path, tmp_path: Path) -> None:
    class Hostile:
        def __reduce__(self) -> tuple:
            return os.mkdir, (str(tmp_path / "owned"),)

    with (segment / "global_pose" / "frame_positions").open("wb") as file:
        np.save(file, np.array([Hostile()], dtype=object), allow_pickle=True)
    told(open_segment(segment), "frame_positions", "no poses")
    assert not (tmp_path / "owned").exists()


def test_rows_that_are_no_pose_are_marked(segment: Path) -> None:
    truth = write_segment(segment)
    path = segment / "global_pose"
    positions, orientations = np.load(path / "frame_positions"), np.load(path / "frame_orientations")
    positions[0] = np.nan  # the origin is then the first good row
    positions[3] = 0
    orientations[5] *= 2
    orientations[7] = np.inf
    save(path / "frame_positions", positions)
    save(path / "frame_orientations", orientations)
    drive = open_segment(segment)
    assert drive.poses is not None
    assert drive.pose_valid is not None
    np.testing.assert_array_equal(np.flatnonzero(~drive.pose_valid), [0, 3, 5, 7])
    np.testing.assert_allclose(invert(drive.poses[1:2]) @ drive.poses[8:9], invert(truth[1:2]) @ truth[8:9], atol=1e-6)
    told(drive, "4 of 12 frames have no pose")
    save(path / "frame_positions", positions * np.nan)
    told(open_segment(segment), "global_pose", "no poses")


@pytest.mark.parametrize("damage", ["missing", "backwards", "nan", "empty", "cut"])
def test_times_that_are_none_are_assumed_and_said(segment: Path, damage: str) -> None:
    path = segment / "global_pose" / "frame_times"
    times = np.load(path)
    if damage == "missing":
        path.unlink()
    elif damage == "cut":
        path.write_bytes(path.read_bytes()[:-4])
    else:
        save(path, {"backwards": times[::-1], "nan": times * np.nan, "empty": times[:0]}[damage])
    drive = open_segment(segment)
    np.testing.assert_allclose(drive.timestamps, np.arange(COUNT) / 20)
    assert drive.poses is not None
    assert drive.tracks == {}
    told(drive, "frame_times", "20 frames per second are assumed", "CAN")


@pytest.mark.parametrize("rows", [COUNT - 3, COUNT + 5])
def test_other_numbers_of_rows_than_frames_are_matched_from_the_first(segment: Path, rows: int) -> None:
    path = segment / "global_pose"
    for name in ("frame_times", "frame_positions", "frame_orientations"):
        values = np.load(path / name)
        extra = values[-1:] + (0.05 * np.arange(1, 6) if name == "frame_times" else np.zeros((5, 1)))
        save(path / name, np.concatenate([values, extra])[:rows])
    drive = open_segment(segment)
    np.testing.assert_allclose(drive.timestamps, 0.05 * np.arange(COUNT), atol=1e-9)
    assert drive.pose_valid is not None
    assert drive.pose_valid.sum() == min(rows, COUNT)
    assert f"{COUNT} frames, global_pose/frame_times has {rows} rows" in drive.notes[0]


@pytest.mark.parametrize("damage", ["no values", "backwards", "cut"])
def test_can_that_cannot_be_read_leaves_the_rest(segment: Path, damage: str) -> None:
    path = segment / "processed_log" / "CAN" / "speed"
    if damage == "no values":
        (path / "value").unlink()
    elif damage == "backwards":
        save(path / "t", np.load(path / "t")[::-1])
    else:
        (path / "t").write_bytes((path / "t").read_bytes()[:90])
    drive = open_segment(segment)
    assert set(drive.tracks) == {"steering angle"}
    assert drive.poses is not None
    told(drive, "CAN/speed", "no speed")


def test_a_segment_without_can_opens(segment: Path) -> None:
    shutil.rmtree(segment / "processed_log")
    assert open_segment(segment).tracks == {}


def test_pictures_of_another_shape_have_no_known_camera(tmp_path: Path) -> None:
    write_segment(tmp_path / ROUTE / "0", size=(96, 48))
    drive = open_segment(tmp_path / ROUTE)
    assert drive.intrinsics is None
    told(drive, "1164x874", "96x48")


def refused(path: Path, key: str) -> str:
    with pytest.raises(LogError) as caught:
        READER.open(path, key, LogOptions())
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_cannot_be_opened_is_refused_in_one_line(segment: Path, tmp_path: Path) -> None:
    route = segment.parent
    assert "leads out" in refused(route, "../../7")
    assert "not a segment" in refused(route, "8")
    (route / "9").symlink_to(route / "9")
    (route / "10").mkdir()
    assert [listing.key for listing in READER.list(route)] == ["7"]
    (tmp_path / "video").write_bytes((segment / "video.hevc").read_bytes())
    (segment / "video.hevc").write_bytes(b"")
    assert "video.hevc" in refused(route, "7")
    (segment / "video.hevc").unlink()
    assert "video.hevc is missing" in refused(route, "7")
    (segment / "video.hevc").symlink_to(tmp_path / "video")
    assert "leads out" in refused(route, "7")


def test_a_cut_video_has_the_frames_before_the_cut(segment: Path) -> None:
    whole = (segment / "video.hevc").read_bytes()
    (segment / "video.hevc").write_bytes(whole[: len(whole) // 2])
    drive = open_segment(segment)
    assert 0 < len(drive) < COUNT
    assert drive.pose_valid is not None
    assert drive.pose_valid.all()
    source = drive.open_frames()
    assert source.read(0).shape == (72, 96, 3)
    source.close()
