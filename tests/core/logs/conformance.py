"""What every log reader must do, as one suite: a test class of each format inherits it.

    class TestNuScenes(Conformance):
        reader = READER

        def write_log(self, folder: Path) -> Expected:
            ...  # a small log in the format's layout, of ten frames or so

Each test gets a log of its own, so the tests of the class may add to it or damage it.
"""

from __future__ import annotations

import os
import pickle
import re
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from log_files import tum_text
from numpy.typing import NDArray
from PIL import ImageFile

from lapose_core.drive import Drive, Image, LogError
from lapose_core.geometry import Array, invert
from lapose_core.logs import open_log
from lapose_core.logs.reader import LogOptions, Reader

_OPENING = 32 << 20  # bytes of Python objects that opening a small log may take
_TIME = 2e-6  # seconds; formats count in microseconds or finer


@dataclass(frozen=True)
class Expected:
    """The truth about a log that was just written, for the default camera of the drive ``key``.

    Attributes:
        path: what is opened.
        key: of the drive that the rest describes.
        width, height: of its frames.
        timestamps: [N] seconds from the first frame.
        poses: [N, 4, 4] camera-to-world up to the choice of the world, or None where the log has none.
        pose_valid: [N] bool; by default every frame has its pose.
        intrinsics: fx, fy, cx, cy, or None where the log does not know its camera.
        keys: of all drives at ``path`` in the listing's order; by default ``key`` alone.
        cameras: in the listing's order, where there is a choice.
        clouds: frame -> points [P, 3] in the camera's axes; the other frames have none.
        intensity: whether the format's points carry it.
        tracks: name -> unit of each track.
        files: files of the drive; after a change of any of them its fingerprint is another.
        picture: frame -> [H, W, 3]; compressed frames may differ by ``picture_error`` in the mean.
        pose_error: metres and radians that the poses may be off, for formats that store single precision.
    """

    path: Path
    key: str
    width: int
    height: int
    timestamps: Array
    poses: Array | None = None
    pose_valid: NDArray[np.bool_] | None = None
    intrinsics: tuple[float, float, float, float] | None = None
    keys: tuple[str, ...] = ()
    cameras: tuple[str, ...] = ()
    clouds: Mapping[int, Array] = field(default_factory=dict)
    intensity: bool = False
    tracks: Mapping[str, str] = field(default_factory=dict)
    files: tuple[Path, ...] = ()
    picture: Callable[[int], Image] | None = None
    picture_error: float = 6.0
    pose_error: float = 1e-4


def _loop(file: Path, content: bytes) -> None:
    file.symlink_to(file)


_DAMAGES: Mapping[str, Callable[[Path, bytes], object]] = {
    "missing": lambda file, content: None,
    "empty": lambda file, content: file.write_bytes(b""),
    "cut": lambda file, content: file.write_bytes(content[: len(content) // 2]),
    "noise": lambda file, content: file.write_bytes(np.random.default_rng(0).bytes(max(64, len(content)))),
    "loop": _loop,
}


def _one_of_each_kind(path: Path) -> list[Path]:
    """One of the files that are alike but for a number in their paths, for each kind; not the first of them."""
    if path.is_file():
        return [path]
    kinds: dict[str, list[Path]] = {}
    for file in sorted(p for p in path.rglob("*") if p.is_file()):
        kinds.setdefault(re.sub(r"\d+", "0", file.relative_to(path).as_posix()), []).append(file)
    return [files[len(files) // 2] for files in kinds.values()]


def _or_nothing(read: Callable[[], Any]) -> Any:
    """What ``read`` gives, or nothing where it refuses in one line."""
    try:
        return read()
    except LogError as error:
        said = str(error)
    assert "\n" not in said
    return None


class Conformance:
    """The suite. A subclass gives ``reader`` and ``write_log``."""

    reader: ClassVar[Reader]

    def write_log(self, folder: Path) -> Expected:
        """Write a small log of the format under ``folder``."""
        raise NotImplementedError

    @pytest.fixture
    def log(self, tmp_path: Path) -> Expected:
        return self.write_log(tmp_path / "log")

    @pytest.fixture
    def drive(self, log: Expected) -> Drive:
        return self.reader.open(log.path, log.key, LogOptions())

    # -- finding ---------------------------------------------------------------------------------------------

    def test_the_format_is_recognised(self, log: Expected, tmp_path: Path) -> None:
        assert self.reader.matches(log.path)
        assert open_log(log.path, drive=log.key).format == self.reader.name

    def test_what_is_not_of_the_format_is_left_alone(self, tmp_path: Path) -> None:
        other = tmp_path / "other"
        (other / "sub").mkdir(parents=True)
        (other / "notes.txt").write_text("hello")
        (other / "loop").symlink_to(other / "loop")
        (other / "round").symlink_to(other)
        (tmp_path / "empty").mkdir()
        for path in (other, other / "notes.txt", other / "loop", tmp_path / "empty", tmp_path / "missing"):
            assert not self.reader.matches(path)

    def test_the_listing_is_stable_and_its_keys_are_unique(self, log: Expected) -> None:
        listings = self.reader.list(log.path)
        keys = [listing.key for listing in listings]
        assert tuple(keys) == (log.keys or (log.key,))
        assert len(set(keys)) == len(keys)
        assert all(keys)
        assert all(listing.name for listing in listings)
        assert self.reader.list(log.path) == listings
        for listing in listings:
            drive = self.reader.open(log.path, listing.key, LogOptions())
            if listing.frames is not None:
                assert listing.frames == len(drive)
            if listing.seconds is not None:
                # A container's duration counts the last frame's own time, a rounded table may be a step off.
                assert listing.seconds == pytest.approx(drive.duration, abs=2 / max(drive.rate, 1e-9))

    def test_a_drive_that_is_not_there_is_refused_in_one_line(self, log: Expected) -> None:
        if len(self.reader.list(log.path)) > 1:
            for key in ("no such drive", "../log", ""):
                with pytest.raises(LogError) as caught:
                    self.reader.open(log.path, key, LogOptions())
                assert "\n" not in str(caught.value)

    # -- opening ---------------------------------------------------------------------------------------------

    def test_opening_decodes_no_picture_and_takes_little_memory(
        self, log: Expected, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.reader.open(log.path, log.key, LogOptions())  # what is imported is not the log's memory

        def decode(picture: ImageFile.ImageFile) -> None:
            raise AssertionError(f"opening decoded {picture.filename}")

        with monkeypatch.context() as patch:
            patch.setattr(ImageFile.ImageFile, "load", decode)
            tracemalloc.start()
            try:
                self.reader.list(log.path)
                self.reader.open(log.path, log.key, LogOptions())
                assert tracemalloc.get_traced_memory()[1] < _OPENING
            finally:
                tracemalloc.stop()

    def test_the_description_is_what_was_written(self, log: Expected, drive: Drive) -> None:
        assert drive.format == self.reader.name
        assert drive.name
        assert (drive.width, drive.height) == (log.width, log.height)
        assert (np.diff(drive.timestamps) > 0).all()
        np.testing.assert_allclose(drive.timestamps - drive.timestamps[0], log.timestamps, atol=_TIME)
        assert {"frames", "timestamps"} <= set(drive.provenance)
        assert {name: track.unit for name, track in drive.tracks.items()} == dict(log.tracks)
        for track in drive.tracks.values():
            assert track.times[-1] >= drive.timestamps[0]
            assert track.times[0] <= drive.timestamps[-1]

    def test_the_camera_is_that_of_the_frames(self, log: Expected, drive: Drive) -> None:
        if log.intrinsics is None:
            assert drive.intrinsics is None
            return
        camera = drive.intrinsics
        assert camera is not None
        assert (camera.width, camera.height) == (drive.width, drive.height)
        np.testing.assert_allclose((camera.fx, camera.fy, camera.cx, camera.cy), log.intrinsics, rtol=1e-5)
        assert "intrinsics" in drive.provenance

    def test_the_poses_are_the_camera_s_at_the_frames_times(self, log: Expected, drive: Drive) -> None:
        if log.poses is None:
            assert drive.poses is None
            return
        assert drive.poses is not None
        assert drive.pose_valid is not None
        valid = np.ones(len(drive), bool) if log.pose_valid is None else log.pose_valid
        np.testing.assert_array_equal(drive.pose_valid, valid)
        np.testing.assert_array_equal(drive.poses[~valid], np.eye(4)[None].repeat((~valid).sum(), 0))
        # Compared from the first valid frame, because the world's origin and axes are the reader's choice.
        found, true = drive.poses[valid], log.poses[valid]
        np.testing.assert_allclose(invert(found[:1]) @ found, invert(true[:1]) @ true, atol=log.pose_error)
        assert "poses" in drive.provenance

    def test_given_poses_replace_the_log_s_own(self, log: Expected, drive: Drive, tmp_path: Path) -> None:
        count = len(drive)
        ahead = np.eye(4)[None].repeat(count, 0)
        ahead[:, 0, 3] = 3.0 * (drive.timestamps - drive.timestamps[0])
        (tmp_path / "given.tum").write_text(tum_text(drive.timestamps - 5, ahead))
        given = LogOptions(poses=tmp_path / "given.tum", time_offset=5, pose_frame="flu")
        found = self.reader.open(log.path, log.key, given)
        assert found.poses is not None
        assert found.pose_valid is not None
        assert found.pose_valid.all()
        np.testing.assert_allclose(found.poses[:, :3, 3], ahead[:, :3, 3], atol=1e-6)
        # The vehicle's x is ahead, and so is the camera's z.
        np.testing.assert_allclose(found.poses[:, :3, 2], np.tile([1.0, 0, 0], (count, 1)), atol=1e-9)
        assert "given.tum" in found.provenance["poses"]
        assert found.fingerprint != drive.fingerprint

    def test_each_camera_can_be_chosen(self, log: Expected) -> None:
        listing = next(entry for entry in self.reader.list(log.path) if entry.key == log.key)
        assert listing.cameras == log.cameras
        drives = [self.reader.open(log.path, log.key, LogOptions(camera=camera)) for camera in log.cameras]
        for camera, drive in zip(log.cameras, drives):
            with _frames(drive) as frames:
                assert frames.read(0).shape == (drive.height, drive.width, 3), camera
        assert len({drive.fingerprint for drive in drives}) == len(drives)
        if drives:
            default = self.reader.open(log.path, log.key, LogOptions())
            assert default.fingerprint == drives[0].fingerprint
            with pytest.raises(LogError) as caught:
                self.reader.open(log.path, log.key, LogOptions(camera="no_such_camera"))
            assert "no_such_camera" in str(caught.value)
            assert "\n" not in str(caught.value)

    def test_the_fingerprint_is_of_the_content(self, log: Expected, drive: Drive) -> None:
        assert self.reader.open(log.path, log.key, LogOptions()).fingerprint == drive.fingerprint
        assert log.files, "name the files of the drive, so that a change of each can be tried"
        seen = {drive.fingerprint}
        for file in log.files:
            later = file.stat().st_mtime_ns + 10_000_000_000
            os.utime(file, ns=(later, later))
            changed = self.reader.open(log.path, log.key, LogOptions()).fingerprint
            assert changed not in seen, f"{file} changed and the fingerprint did not"
            seen.add(changed)

    # -- frames ----------------------------------------------------------------------------------------------

    def test_the_frames_are_the_pictures_that_were_written(self, log: Expected, drive: Drive) -> None:
        with _frames(drive) as frames:
            assert len(frames) == len(drive) == len(log.timestamps)
            for i in range(len(frames)):
                image = frames.read(i)
                assert image.shape == (log.height, log.width, 3)
                assert image.dtype == np.uint8
                if log.picture is not None:
                    error = np.abs(image.astype(float) - log.picture(i)).mean()
                    assert error <= log.picture_error, f"frame {i} is another picture (mean error {error:.1f})"

    def test_a_frame_is_the_same_however_it_is_reached(self, drive: Drive) -> None:
        with _frames(drive) as frames:
            plain = [image.copy() for _, image in frames.iterate()]
        assert len(plain) == len(drive)
        random = np.random.default_rng(0)
        with _frames(drive) as frames:
            for i in [len(drive) - 1, 0, *random.integers(0, len(drive), 25)]:
                assert np.array_equal(frames.read(int(i)), plain[i])
            stepped = list(frames.iterate(1, len(drive), 2))
            assert [i for i, _ in stepped] == list(range(1, len(drive), 2))
            assert all(np.array_equal(image, plain[i]) for i, image in stepped)
            for outside in (-1, len(drive)):
                with pytest.raises(IndexError):
                    frames.read(outside)

    def test_frame_sources_of_several_threads_are_independent(self, drive: Drive) -> None:
        with _frames(drive) as frames:
            plain = [frames.read(i).copy() for i in range(len(drive))]

        def check(seed: int) -> bool:
            order = np.random.default_rng(seed).permutation(len(drive))
            with _frames(drive) as own:
                return all(np.array_equal(own.read(int(i)), plain[i]) for i in order)

        with ThreadPoolExecutor(4) as pool:
            assert all(pool.map(check, range(8)))

    # -- damage ----------------------------------------------------------------------------------------------

    @pytest.mark.parametrize("damage", list(_DAMAGES))
    def test_damage_to_a_file_is_one_line_or_costs_what_is_in_it(self, log: Expected, damage: str) -> None:
        whole = self._readable(log)
        for file in _one_of_each_kind(log.path):
            content = file.read_bytes()
            file.unlink()
            _DAMAGES[damage](file, content)
            usable = _or_nothing(partial(self._readable, log)) or set()
            assert usable <= whole
            # Without a picture, files that count the pictures no longer fit.
            if damage in ("empty", "cut", "noise") and file.suffix in (".png", ".jpg"):
                assert len(usable) >= len(whole) - 1, f"{file.name} cost more than its own frame"
            file.unlink(missing_ok=True)
            file.write_bytes(content)
        assert self._readable(log) == whole

    def _readable(self, log: Expected) -> set[int]:
        """The frames that can be read; nothing but LogError is raised, in one line each."""
        if not self.reader.matches(log.path):
            return set()
        listings = self.reader.list(log.path)
        key = next((entry.key for entry in listings if entry.key == log.key), None)
        if key is None:
            return set()
        drive = self.reader.open(log.path, key, LogOptions())
        for i in range(len(drive)) if drive.point_cloud is not None else ():
            _or_nothing(partial(drive.point_cloud, i))  # type: ignore[arg-type]
        found: set[int] = set()
        with _frames(drive) as frames:
            for i in range(len(drive)):
                if _or_nothing(partial(frames.read, i)) is not None:
                    found.add(i)
        return found

    def test_frames_can_be_read_in_another_process(self, drive: Drive) -> None:
        index = len(drive) // 2
        with _frames(drive) as frames:
            expected = frames.read(index)
        done = subprocess.run(
            [sys.executable, "-c", _READ_ELSEWHERE, str(index)], input=pickle.dumps(drive.bare()), capture_output=True
        )
        assert done.returncode == 0, done.stderr.decode()
        assert done.stdout == expected.tobytes()
        assert pickle.loads(pickle.dumps(self.reader)) == self.reader

    # -- lidar -----------------------------------------------------------------------------------------------

    def test_point_clouds_are_in_the_camera_s_axes(self, log: Expected, drive: Drive) -> None:
        if not log.clouds:
            assert drive.point_cloud is None or all(drive.point_cloud(i) is None for i in range(len(drive)))
            return
        assert drive.point_cloud is not None
        for i in range(len(drive)):
            points = drive.point_cloud(i)
            if i not in log.clouds:
                assert points is None, f"frame {i} has a sweep that belongs to another"
                continue
            assert points is not None, f"frame {i} has no sweep"
            assert points.dtype == np.float32
            assert points.shape == (len(log.clouds[i]), 4 if log.intensity else 3)
            assert _farthest(points[:, :3], log.clouds[i]) < 5e-3
            assert _farthest(log.clouds[i], points[:, :3]) < 5e-3


_READ_ELSEWHERE = """
import pickle, sys
frames = pickle.load(sys.stdin.buffer).open_frames()
sys.stdout.buffer.write(frames.read(int(sys.argv[1])).tobytes())
frames.close()
"""


class _frames:
    """A frame source of a drive that is closed at the end."""

    def __init__(self, drive: Drive) -> None:
        self._source = drive.open_frames()

    def __enter__(self):
        return self._source

    def __exit__(self, *_: object) -> None:
        self._source.close()


def _farthest(points: NDArray, others: NDArray) -> float:
    """The largest distance from a point of ``points`` [P, 3] to the nearest of ``others`` [Q, 3]."""
    offsets = points[:, None, :].astype(np.float64) - others[None, :, :]
    return float(np.linalg.norm(offsets, axis=-1).min(axis=1).max())
