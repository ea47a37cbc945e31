"""Two trajectories on one clock: the figures, who is better where, and classical references."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from lapose_core.drive import Drive, Intrinsics, LogError
from lapose_core.evaluation.classical import ClassicalTrajectory
from lapose_core.evaluation.classical_reference import (
    ReferenceCache,
    ReferenceCamera,
    ReferenceCancelled,
    classical_reference,
    imported_trajectory,
    reference_camera,
)
from lapose_core.evaluation.comparison import FIGURES, Row, Trajectory, compare, row_of, table, trajectory_of_analysis
from lapose_core.evaluation.set_comparison import ALL, DriveComparison, SetComparison, by_regime, manifest_marks, split
from lapose_core.export.kitti import write_kitti
from lapose_core.export.tum import write_tum
from lapose_core.geometry import Array, accumulate, make_poses, relative
from lapose_core.inference.result import DriveAnalysis, WindowResult
from lapose_core.training.manifest import Entry

N, RATE = 81, 10.0


def path(n: int = N, turn: float = 0.01) -> Array:
    c, s = np.cos(turn), np.sin(turn)
    rotation = np.tile([[c, 0, s], [0, 1, 0], [-s, 0, c]], (n - 1, 1, 1))
    return accumulate(make_poses(rotation, np.tile([0.0, 0.0, 0.8], (n - 1, 1))))


class Numbers:
    """Frames whose first pixel is their index."""

    def __len__(self) -> int:
        return N

    def read(self, index: int) -> NDArray[np.uint8]:
        return np.full((8, 16, 3), index, np.uint8)

    def iterate(self, start: int = 0, stop: int | None = None, step: int = 1):  # type: ignore[no-untyped-def]
        return iter([(i, self.read(i)) for i in range(start, stop or N, step)])

    def close(self) -> None: ...


def drive_of(poses: Array | None, height: float | None = None) -> Drive:
    camera = Intrinsics(10, 10, 8, 4, 16, 8)
    return Drive(
        "d", Path("/nowhere"), "test", 16, 8, np.arange(N) / RATE, Numbers, poses=poses,
        intrinsics=camera, camera_height=height, fingerprint="f" * 16,
    )  # fmt: skip


def analysed(drive: Drive, steps: Array, name: str = "a") -> DriveAnalysis:
    out = DriveAnalysis.for_drive(
        drive, RATE, window=16, latent_dim=4, checkpoint_hash="c" * 12, checkpoint_name=name, view=""
    )
    for index, start in enumerate(out.window_starts):
        n = out.window_length - 1
        part = slice(start, start + n)
        values = (np.zeros((n, 4), np.float32), steps[part], np.full(n, 1.2), 0.8, np.full(n, 2.0))
        out.merge(WindowResult(index, start, *values))
    return out


def turned(steps: Array, part: slice, degrees: float) -> Array:
    """The steps, those of ``part`` turned by as much about the vertical."""
    out, angle = steps.copy(), np.radians(degrees)
    c, s = np.cos(angle), np.sin(angle)
    out[part] = make_poses(np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]]), np.zeros(3)) @ out[part]
    return out


def test_the_better_one_wins_where_it_is_better() -> None:
    drive = drive_of(path())
    steps = relative(drive.poses)
    worse_early, worse_late = turned(steps, slice(10, 30), 4.0), turned(steps, slice(50, 60), 8.0)
    result = compare(analysed(drive, worse_early), trajectory_of_analysis(analysed(drive, worse_late, "b")), drive)
    for stretch in result.stretches:
        first, last = {"b": (10, 30), "a": (50, 60)}[stretch.winner]
        assert abs(stretch.first_frame - first) <= 2
        assert abs(stretch.last_frame - last) <= 2
    assert {s.winner for s in result.stretches} == {"a", "b"}
    assert np.nanmax(np.degrees(result.errors_a.rotation)) == pytest.approx(4.0)
    assert np.nanmax(np.degrees(result.apart.rotation)) == pytest.approx(8.0)
    assert len(result.clips) == 5


def test_the_table_is_paired_and_knows_which_way_is_better() -> None:
    drive = drive_of(path())
    steps = relative(drive.poses)
    worse = steps.copy()
    worse[:, :3, 3] *= 1.3
    result = compare(analysed(drive, steps), trajectory_of_analysis(analysed(drive, worse)), drive)
    rows = {row.name: row for row in result.rows}
    assert rows["Scale error"].difference == pytest.approx(0.3, abs=1e-6)
    assert rows["Scale error"].verdict == "a"
    assert rows["Scale error"].low == pytest.approx(0.3, abs=1e-6)
    assert rows["AUC@5 signed"].verdict is None
    assert rows["AUC@5 signed"].a == rows["AUC@5 signed"].b == 100.0
    assert rows["ATE-M"].clips == 5


def test_a_table_of_some_clips_tells_what_was_gained_there() -> None:
    drive = drive_of(path())
    steps = relative(drive.poses)
    result = compare(
        analysed(drive, turned(steps, slice(0, 15), 6.0)),
        trajectory_of_analysis(analysed(drive, turned(steps, slice(60, 75), 6.0), "b")),
        drive,
    )
    marked = [clip for clip in result.clips if clip.touches([(3, 5)])]
    elsewhere = [clip for clip in result.clips if not clip.touches([(3, 5)])]
    assert (len(marked), len(elsewhere)) == (1, 4)
    gained = {row.name: row.difference for row in table(marked, True)}
    lost = {row.name: row.difference for row in table(elsewhere, True)}
    assert gained["AUC@5 signed"] > 50
    assert lost["AUC@5 signed"] < -20


def test_without_metres_nothing_is_said_in_metres() -> None:
    drive = drive_of(path())
    other = replace(trajectory_of_analysis(analysed(drive, relative(drive.poses))), metric=False)
    rows = {row.name: row for row in compare(analysed(drive, relative(drive.poses)), other, drive).rows}
    assert np.isnan(rows["ATE-M"].b)
    assert np.isnan(rows["Scale error"].b)
    assert rows["ATE-S"].clips == 5


def test_without_truth_nobody_wins() -> None:
    drive = drive_of(None)
    steps = relative(path())
    bent = turned(steps, slice(40, 50), 6.0)
    result = compare(analysed(drive, steps), trajectory_of_analysis(analysed(drive, bent)), drive)
    assert result.errors_a is None
    assert {s.winner for s in result.stretches} == {"apart"}
    assert all(row.verdict is None and np.isnan(row.a) for row in result.rows)
    (stretch, *_) = result.stretches
    assert 38 <= stretch.first_frame <= 42


def test_a_set_tells_marked_clips_from_the_others_and_draws_whole_drives() -> None:
    truth = path()
    better = replace(drive_of(truth), name="better", fingerprint="b" * 16)
    worse = replace(drive_of(truth), name="worse", fingerprint="c" * 16)
    bent = relative(path(turn=0.025))
    found = SetComparison(
        (
            DriveComparison("1", "better", compare(analysed(better, bent), of(better, truth), better)),
            DriveComparison(
                "2", "worse", compare(analysed(worse, relative(truth)), of(worse, accumulate(bent)), worse)
            ),
        )
    )
    assert len(found.clips) == 10
    first = row_of(FIGURES[0], [clip for clip in found.clips if clip.drive == better.fingerprint])
    assert first.low > 0, "clip by clip the same gain"
    both = row_of(FIGURES[0], found.clips)
    assert np.isnan(both.low), "two drives make no interval"
    assert both.verdict is None
    of_six = [replace(clip, drive=f"{clip.drive}{copy}") for copy in range(3) for clip in found.clips]
    six = row_of(FIGURES[0], of_six)
    assert six.difference == pytest.approx(both.difference)
    assert six.low < -first.difference / 3 < first.difference / 3 < six.high, "half of the drives gain, half lose"
    marks = manifest_marks(
        [Entry(Path("log"), ((0, 20),), RATE, fingerprint=better.fingerprint), Entry(Path("x"), ((0, 5),), RATE)]
    )
    parts = split(found.clips, "of misses", marks)
    assert {name: len(clips) for name, clips in parts.items()} == {"of misses": 2, "Not of misses": 8}
    assert row_of(FIGURES[0], parts["of misses"]).difference == pytest.approx(first.difference)
    assert ALL not in parts
    assert {name: len(clips) for name, clips in by_regime(found.clips).items()} == {"medium": 10}
    assert {drive.name for drive, _ in found.stretches} == {"better", "worse"}


def of(drive: Drive, poses: Array) -> Trajectory:
    return Trajectory("b", "checkpoint", np.arange(N), poses, np.zeros(N, np.int64))


def test_an_imported_file_is_compared_where_it_has_poses(tmp_path: Path) -> None:
    drive = drive_of(path())
    write_tum(tmp_path / "other.tum", np.arange(20, 60) / RATE, path()[20:60])
    other = imported_trajectory(tmp_path / "other.tum", drive)
    assert (other.name, other.kind) == ("other", "imported")
    result = compare(analysed(drive, relative(drive.poses)), other, drive)
    assert result.errors_b.valid.sum() == 39
    assert np.nanmax(result.errors_b.rotation) < 1e-6


def test_an_imported_file_says_what_cannot_be_a_cars(tmp_path: Path) -> None:
    drive = drive_of(path())
    centimetres = path()
    centimetres[:, :3, 3] *= 100
    write_tum(tmp_path / "other.tum", np.arange(N) / RATE, centimetres)
    assert "not in metres" in " ".join(imported_trajectory(tmp_path / "other.tum", drive).warnings)
    write_tum(tmp_path / "other.tum", np.arange(N) / RATE, path())
    assert imported_trajectory(tmp_path / "other.tum", drive).warnings == ()


def test_poses_without_times_may_be_those_of_the_samples(tmp_path: Path) -> None:
    drive, samples = drive_of(path()), np.arange(0, N, 2)
    write_kitti(tmp_path / "other.kitti", path()[samples])
    with pytest.raises(LogError, match=f"{len(samples)} poses for {N} frames"):
        imported_trajectory(tmp_path / "other.kitti", drive)
    other = imported_trajectory(tmp_path / "other.kitti", drive, samples=samples)
    np.testing.assert_array_equal(other.frames, samples)
    np.testing.assert_allclose(other.poses, path()[samples], atol=1e-12)
    with pytest.raises(LogError, match="cannot be read"):
        imported_trajectory(tmp_path / "absent.kitti", drive, samples=samples)


def test_a_path_that_went_through_text_is_no_better_than_itself() -> None:
    row = Row("ATE-M", "m", False, 0.79, 0.79 - 1e-12, -1e-12, -2e-12, -1e-13, 7)
    assert row.verdict is None
    assert replace(row, b=0.7, difference=-0.09, low=-0.1, high=-0.05).verdict == "b"


def test_pieces_are_never_joined() -> None:
    poses = path(10)
    other = Trajectory("x", "imported", np.arange(10), poses, np.array([0, 0, 0, -1, -1, 1, 1, 1, 1, 1]))
    _, known = other.steps(np.arange(10))
    assert known.tolist() == [True, True, False, False, False, True, True, True, True]


# References


def exact(units: float, scaled: bool = False):  # type: ignore[no-untyped-def]
    """A method that knows the path, in units that differ from chunk to chunk."""

    def method(images, intrinsics, *, camera_height=None, watch=None):  # type: ignore[no-untyped-def]
        watch(0.5)
        first = int(images[0, 0, 0, 0])
        poses = accumulate(relative(path()[first : first + len(images)]))
        poses[:, :3, 3] *= 1.0 if scaled else units + 0.1 * first
        return ClassicalTrajectory(poses, np.ones(len(images), bool), scaled, "exact")

    return method


def test_chunks_are_joined_in_one_unit() -> None:
    drive, told = drive_of(None), []
    camera = reference_camera(drive, None, (16, 8))
    reference = classical_reference(drive, np.arange(N), "opencv", camera, progress=told.append, method=exact(2.0))
    lengths = np.linalg.norm(relative(reference.poses)[:, :3, 3], axis=1)
    assert np.allclose(lengths, lengths[0])
    assert not reference.metric
    assert "Not ground truth" in reference.how
    assert told[-1] == 1.0
    assert told == sorted(told)
    assert told[1] == pytest.approx(0.5 * told[2]), "progress inside of a stretch too"
    metric = classical_reference(drive, np.arange(N), "opencv", camera, method=exact(2.0, scaled=True))
    assert metric.metric
    assert np.allclose(metric.poses, path(), atol=1e-9)


def test_a_reference_can_be_given_up_and_is_kept(tmp_path: Path) -> None:
    drive = drive_of(None)
    camera = reference_camera(drive, None, (16, 8))
    with pytest.raises(ReferenceCancelled):
        classical_reference(drive, np.arange(N), "opencv", camera, cancelled=lambda: True, method=exact(1.0))
    asked = iter([False, True])
    with pytest.raises(ReferenceCancelled):  # while a stretch is being matched
        classical_reference(drive, np.arange(N), "opencv", camera, cancelled=lambda: next(asked), method=exact(1.0))
    with pytest.raises(StopIteration):
        next(asked)
    cache = ReferenceCache(tmp_path / "new")
    where = cache.path_of(drive, np.arange(N), "opencv", camera)
    assert cache.load(where) is None
    reference = classical_reference(drive, np.arange(N), "opencv", camera, method=exact(1.0))
    cache.save(where, reference)
    again = cache.load(where)
    assert again is not None
    assert np.array_equal(again.poses, reference.poses)
    assert (again.name, again.how, again.notes) == (reference.name, reference.how, reference.notes)
    where.write_bytes(b"damaged")
    assert cache.load(where) is None
    other = ReferenceCamera(camera.intrinsics, "other words")
    assert cache.path_of(drive, np.arange(N), "opencv", other) != where


def test_without_calibration_the_predicted_field_of_view_stands_in() -> None:
    drive = replace(drive_of(None), intrinsics=None)
    with pytest.raises(ValueError, match="analyse the drive first"):
        reference_camera(drive, None, (16, 8))
    camera = reference_camera(drive, analysed(drive, relative(path())), (16, 8))
    assert camera.intrinsics.fov_x == pytest.approx(1.2)
    assert "predicted" in camera.words


def test_opencv_follows_the_sample_drive() -> None:
    pytest.importorskip("cv2")
    from lapose_core.logs import open_log

    drive = open_log(Path(__file__).parents[2] / "resources" / "sample_drive")
    frames = drive.indices_at_rate(5.0)[:24]
    reference = classical_reference(drive, frames, "opencv", reference_camera(drive, None, (16, 8)))
    truth = relative(drive.poses[frames])
    found = relative(reference.poses)
    from lapose_core.inference.errors import step_errors

    errors = step_errors(found, truth, np.ones(len(truth), bool))
    assert np.degrees(np.nanmedian(errors.rotation)) < 1.0
    assert np.degrees(np.nanmedian(errors.direction)) < 5.0
