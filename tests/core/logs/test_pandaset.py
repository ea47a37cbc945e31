"""PandaSet: poses as they are stored, sweeps from pickles that are not unpickled, one clear line for damage."""

from __future__ import annotations

import gzip
import json
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conformance import Conformance, Expected
from pickle_files import table
from PIL import Image as Pil

from lapose_core.drive import Drive, LogError
from lapose_core.geometry import Array, invert, make_poses, path_length, relative
from lapose_core.logs.pandaset import READER
from lapose_core.logs.reader import LogOptions

SIZE = (96, 54)
COUNT = 6
FOCAL = 98.5
TIMES = 1557539956.45 + np.arange(COUNT) / 10
WALL = np.array([[30.0, 28.0, 1.5], [10.0, 40.0, 0.0]])  # world points that every sweep sees


def camera_poses() -> Array:
    """Camera-to-world [N, 4, 4], world x y z with z up: driving to 45 degrees at 5 m/s, 1.8 m over the ground."""
    heading = np.pi / 4 + 0.05 * np.arange(COUNT)
    zero, one = 0 * heading, np.ones(COUNT)
    right = np.stack([np.sin(heading), -np.cos(heading), zero], -1)
    down = np.stack([zero, zero, -one], -1)
    forward = np.stack([np.cos(heading), np.sin(heading), zero], -1)
    centre = np.array([0.65, 0.55, 1.8]) + np.cumsum(0.5 * forward, axis=0)
    return make_poses(np.stack([right, down, forward], -1), centre)


def wxyz(rotation: Array) -> dict[str, float]:
    """The quaternion of one rotation [3, 3], from its eigenvector and angle."""
    values, vectors = np.linalg.eig(rotation)
    axis = np.real(vectors[:, np.argmin(np.abs(values - 1))])
    skew = np.array([rotation[2, 1] - rotation[1, 2], rotation[0, 2] - rotation[2, 0], rotation[1, 0] - rotation[0, 1]])
    axis = axis * (1 if axis @ skew >= 0 else -1)
    angle = np.arctan2(np.linalg.norm(skew), np.trace(rotation) - 1)
    return dict(zip("wxyz", [float(np.cos(angle / 2)), *(float(v) for v in np.sin(angle / 2) * axis)]))


def pose_rows() -> list[dict[str, dict[str, float]]]:
    return [
        {"position": dict(zip("xyz", map(float, pose[:3, 3]))), "heading": wxyz(pose[:3, :3])}
        for pose in camera_poses()
    ]


def write_sequence(folder: Path, cameras: tuple[str, ...] = ("front_camera", "back_camera")) -> Path:
    for k, camera in enumerate(cameras):
        path = folder / "camera" / camera
        path.mkdir(parents=True)
        for i in range(COUNT):
            Pil.new("RGB", SIZE, (30 * i, 200, 90 * k)).save(path / f"{i:02d}.jpg", quality=95)
        camera_file = {"fx": FOCAL, "fy": FOCAL, "cx": 48.5, "cy": 24.0}
        (path / "intrinsics.json").write_text(json.dumps(camera_file))
        (path / "poses.json").write_text(json.dumps(pose_rows()))
        (path / "timestamps.json").write_text(json.dumps(list(TIMES)))
    lidar = folder / "lidar"
    lidar.mkdir()
    for i in range(COUNT):
        points = np.vstack([WALL, [[np.nan, 0, 0]]])
        columns = dict(zip("xyz", points.T))
        columns |= {"i": np.full(3, 7.0), "t": np.full(3, TIMES[i]), "d": np.array([0, 1, 0])}
        (lidar / f"{i:02d}.pkl.gz").write_bytes(gzip.compress(table(columns)))
    (lidar / "poses.json").write_text(json.dumps(pose_rows()))
    (lidar / "timestamps.json").write_text(json.dumps(list(TIMES)))
    (folder / "meta").mkdir()
    return folder


class TestConformance(Conformance):
    reader = READER

    def write_log(self, folder: Path) -> Expected:
        for name in ("002", "011"):
            write_sequence(folder / name)
        camera = folder / "011/camera/front_camera"
        return Expected(
            path=folder,
            key="011",
            width=SIZE[0],
            height=SIZE[1],
            timestamps=np.arange(COUNT) / 10,
            poses=camera_poses(),
            intrinsics=(FOCAL, FOCAL, 49.0, 24.5),
            keys=("002", "011"),
            cameras=("front_camera", "back_camera"),
            clouds={i: WALL @ invert(pose)[:3, :3].T + invert(pose)[:3, 3] for i, pose in enumerate(camera_poses())},
            intensity=True,
            files=(camera / "poses.json", camera / "timestamps.json", camera / "intrinsics.json", camera / "03.jpg"),
            picture=lambda i: np.full((SIZE[1], SIZE[0], 3), (30 * i, 200, 0), np.uint8),
        )


@pytest.fixture
def sequence(tmp_path: Path) -> Path:
    return write_sequence(tmp_path / "002")


def opened(sequence: Path, **options: Any) -> Drive:
    return READER.open(sequence, sequence.name, LogOptions(**options))


def refused(sequence: Path, **options: Any) -> str:
    with pytest.raises(LogError) as caught:
        opened(sequence, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def front(sequence: Path, name: str) -> Path:
    return sequence / "camera/front_camera" / name


def test_a_sequence_opens_by_itself(sequence: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (listing,) = READER.list(sequence)
    assert (listing.key, listing.frames, listing.seconds) == ("002", COUNT, pytest.approx(0.5))
    drive = opened(sequence)
    assert (drive.name, drive.rate, drive.notes) == ("002/front_camera", pytest.approx(10), ())
    assert path_length(drive.poses) == pytest.approx(0.5 * (COUNT - 1))
    assert (relative(drive.poses)[:, 2, 3] > 0.49).all()  # it drives along its own z
    monkeypatch.chdir(sequence)
    assert READER.list(Path(".")) == [listing]


def test_a_part_of_the_pictures_takes_its_own_rows(sequence: Path) -> None:
    for i in (0, 1, 3):
        front(sequence, f"{i:02d}.jpg").unlink()
    drive = opened(sequence)
    np.testing.assert_array_equal(drive.timestamps, TIMES[[2, 4, 5]])
    np.testing.assert_allclose(drive.poses, camera_poses()[[2, 4, 5]], atol=1e-12)
    sweep = drive.point_cloud(1)
    np.testing.assert_array_equal(sweep[:, 3], 7.0)
    world = sweep[:, :3] @ drive.poses[1, :3, :3].T + drive.poses[1, :3, 3]
    np.testing.assert_allclose(world, WALL, atol=1e-5)


def test_sweeps_that_were_unpacked(sequence: Path) -> None:
    for file in (sequence / "lidar").glob("*.pkl.gz"):
        file.with_suffix("").write_bytes(gzip.decompress(file.read_bytes()))
        file.unlink()
    assert len(opened(sequence).point_cloud(4)) == 2
    (sequence / "lidar/04.pkl").unlink()
    assert opened(sequence).point_cloud(4) is None


def test_a_sweep_that_is_an_attack_costs_its_frame_only(sequence: Path, tmp_path: Path) -> None:
    class Attack:
        def __reduce__(self) -> Any:
            return os.system, (f"touch '{tmp_path / 'marker'}'",)

    (sequence / "lidar/03.pkl.gz").write_bytes(gzip.compress(pickle.dumps(Attack())))
    drive = opened(sequence)
    with pytest.raises(LogError, match=r"03\.pkl\.gz: names '\w+\.system', which no table of numbers needs"):
        drive.point_cloud(3)
    assert not (tmp_path / "marker").exists()
    assert len(drive.point_cloud(2)) == 2


def test_a_sweep_that_is_damaged_costs_its_frame_only(sequence: Path) -> None:
    file = sequence / "lidar/03.pkl.gz"
    file.write_bytes(file.read_bytes()[:-30])
    with pytest.raises(LogError, match=r"03\.pkl\.gz"):
        opened(sequence).point_cloud(3)
    file.write_bytes(gzip.compress(table({"x": np.ones(3), "y": np.ones(3)})))
    with pytest.raises(LogError, match=r"03\.pkl\.gz: the sweep has no column 'z'"):
        opened(sequence).point_cloud(3)
    assert len(opened(sequence).open_frames().read(3)) == SIZE[1]


@pytest.mark.parametrize(
    "row",
    [
        None,
        {},
        {"position": {"x": 0, "y": 0, "z": 0}},
        {"position": {"x": 0, "y": 0, "z": 0}, "heading": {"w": float("nan"), "x": 0, "y": 0, "z": 0}},
        {"position": {"x": 0, "y": 0, "z": 0}, "heading": {"w": 1, "x": 1, "y": 1, "z": 1}},
        {"position": {"x": 0, "y": 0}, "heading": {"w": 1, "x": 0, "y": 0, "z": 0}},
        {"position": {"x": 0, "y": 0, "z": "up"}, "heading": {"w": 1, "x": 0, "y": 0, "z": 0}},
    ],
)
def test_a_bad_pose_costs_its_frame_only(sequence: Path, row: Any) -> None:
    rows: list[Any] = pose_rows()
    rows[2] = row
    front(sequence, "poses.json").write_text(json.dumps(rows))
    drive = opened(sequence)
    assert np.flatnonzero(~drive.pose_valid).tolist() == [2]
    assert "1 of 6 frames have no pose: poses.json: pose 2" in drive.notes[0]
    assert drive.point_cloud(2) is None
    front(sequence, "poses.json").write_text(json.dumps([row] * COUNT))
    assert opened(sequence).poses is None


@pytest.mark.parametrize("name", ["poses.json", "timestamps.json"])
def test_a_file_that_is_missing_cut_off_or_too_short(sequence: Path, name: str) -> None:
    file = front(sequence, name)
    text = file.read_text()
    for broken in (text[: len(text) // 2], "", "{}", "[1]", "\0\0"):
        file.write_text(broken)
        assert f"front_camera/{name}" in refused(sequence)
    file.unlink()
    assert name in refused(sequence, camera="front_camera") or "no camera 'front_camera'" in refused(
        sequence, camera="front_camera"
    )
    assert len(opened(sequence, camera="back_camera")) == COUNT


@pytest.mark.parametrize("bad", [TIMES[1], float("nan"), "noon", None, 10**400])
def test_a_time_that_does_not_come_after_the_one_before(sequence: Path, bad: Any) -> None:
    front(sequence, "timestamps.json").write_text(json.dumps([*TIMES[:3], bad, *TIMES[4:]]))
    assert "timestamps.json: time 3" in refused(sequence)
    (listing,) = READER.list(sequence)
    assert listing.frames is None


@pytest.mark.parametrize(
    "content",
    ["", "[]", '{"fx": 1}', '{"fx": -3, "fy": 1, "cx": 48, "cy": 24}', '{"fx": NaN, "fy": 1, "cx": 1, "cy": 1}'],
)
def test_a_camera_that_is_none_leaves_the_pictures(sequence: Path, content: str) -> None:
    front(sequence, "intrinsics.json").write_text(content)
    drive = opened(sequence)
    assert drive.intrinsics is None
    assert "intrinsics.json" in drive.notes[0]
    assert drive.poses is not None
    front(sequence, "intrinsics.json").unlink()
    assert "intrinsics.json" in opened(sequence).notes[0]


def test_pictures_of_another_size_than_the_camera(sequence: Path) -> None:
    for i in range(COUNT):
        Pil.new("RGB", (48, 27)).save(front(sequence, f"{i:02d}.jpg"))
    drive = opened(sequence)
    assert drive.intrinsics is None
    assert "cx=48.5, cy=24 is not near the middle of pictures of 48x27" in drive.notes[0]
    Pil.new("RGB", SIZE).save(front(sequence, "03.jpg"))
    assert "03.jpg: the picture is 96x54" in refused(sequence)


def test_no_picture_or_sweep_lies_outside(sequence: Path, tmp_path: Path) -> None:
    Pil.new("RGB", SIZE).save(tmp_path / "outside.jpg")
    front(sequence, "03.jpg").unlink()
    front(sequence, "03.jpg").symlink_to(tmp_path / "outside.jpg")
    assert "leads out" in refused(sequence)
    front(sequence, "03.jpg").unlink()
    Pil.new("RGB", SIZE).save(front(sequence, "03.jpg"))
    (tmp_path / "outside.pkl").write_bytes(b"")
    (sequence / "lidar/03.pkl.gz").unlink()
    (sequence / "lidar/03.pkl.gz").symlink_to("../../outside.pkl")
    assert "leads out" in refused(sequence)


@pytest.mark.timeout(30)
def test_loops_of_links_end(sequence: Path, tmp_path: Path) -> None:
    (sequence / "lidar/99.pkl.gz").symlink_to(sequence / "lidar/99.pkl.gz")
    (tmp_path / "003").symlink_to(tmp_path / "003")
    (sequence / "camera/left_camera").symlink_to(sequence)
    (tmp_path / "004").symlink_to(tmp_path)
    assert [listing.key for listing in READER.list(tmp_path)] == ["002"]
    assert len(opened(sequence)) == COUNT


def test_other_data_sets_with_numbered_folders_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "001/camera/front_camera").mkdir(parents=True)
    (tmp_path / "002/lidar").mkdir(parents=True)
    assert not READER.matches(tmp_path)
