"""What is exported reads back as what it was."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from analysis_data import empty_analysis, winding_path, windows_of
from hypothesis import given, settings
from hypothesis import strategies as st

from lapose_core.commands.export import Export
from lapose_core.evaluation.aligned import aligned_segment
from lapose_core.export.files import write_text
from lapose_core.export.kitti import write_kitti
from lapose_core.export.tum import write_tum
from lapose_core.geometry import make_poses, matrix_from_quaternion
from lapose_core.inference.result import DriveAnalysis
from lapose_core.inference.store import write_result
from lapose_core.trajectory_files import read_kitti, read_tum

finite = st.floats(-1e7, 1e7, allow_nan=False)


@given(
    st.lists(st.tuples(finite, finite, finite), min_size=1, max_size=8),
    st.integers(0, 2**31),
    st.floats(0, 2e9),
)
@settings(deadline=None, max_examples=40)
def test_tum_and_kitti_round_trips(
    tmp_path_factory: pytest.TempPathFactory, centres: list[tuple[float, ...]], seed: int, start: float
) -> None:
    folder = tmp_path_factory.mktemp("export")
    rng = np.random.default_rng(seed)
    poses = make_poses(matrix_from_quaternion(rng.normal(size=(len(centres), 4))), np.array(centres))
    times = start + np.cumsum(rng.uniform(1e-3, 1, len(centres)))
    write_tum(folder / "a.tum", times, poses, ["any # comment\nof two lines"])
    read_times, read = read_tum(folder / "a.tum")
    np.testing.assert_array_equal(read_times, times)
    np.testing.assert_array_equal(read[:, :3, 3], poses[:, :3, 3])
    np.testing.assert_allclose(read, poses, atol=1e-12)
    write_kitti(folder / "a.txt", poses)
    np.testing.assert_array_equal(read_kitti(folder / "a.txt"), poses)


def test_the_two_formats_by_hand(tmp_path: Path) -> None:
    # A quarter turn to the right about y: quaternion (0, sin 45, 0, cos 45).
    pose = np.array([[[0, 0, 1, 1.5], [0, 1, 0, 0], [-1, 0, 0, -2], [0, 0, 0, 1.0]]])
    write_tum(tmp_path / "a.tum", np.array([1305031102.175304]), pose)
    comment, line = (tmp_path / "a.tum").read_text().splitlines()
    assert comment == "# timestamp tx ty tz qx qy qz qw"
    assert line.split()[0] == "1305031102.175304"
    assert [float(v) for v in line.split()[1:]] == pytest.approx([1.5, 0, -2, 0, 0.5**0.5, 0, 0.5**0.5])
    write_kitti(tmp_path / "a.txt", pose)
    assert [float(v) for v in (tmp_path / "a.txt").read_text().split()] == [
        0,
        0,
        1,
        1.5,
        0,
        1,
        0,
        0,
        -1,
        0,
        0,
        -2,
    ]


def test_a_refused_export_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.tum"
    path.write_text("old")
    bad = np.full((1, 4, 4), np.nan)
    with pytest.raises(ValueError, match="not finite"):
        write_tum(path, np.zeros(1), bad)
    with pytest.raises(UnicodeEncodeError):
        write_text(path, "half a file \ud800")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(ValueError, match="no such folder"):
        write_kitti(tmp_path / "absent/a.txt", winding_path(2))
    with pytest.raises(ValueError, match="is a folder"):
        write_kitti(tmp_path, winding_path(2))


def analysed(truth: np.ndarray | None, predicted: np.ndarray, windows: slice = slice(None)) -> DriveAnalysis:
    analysis = empty_analysis(len(predicted), truth=truth)
    analysis.merge_all(windows_of(analysis, predicted)[windows])
    return analysis


def test_exported_prediction_lies_on_the_truth_when_it_is_right(tmp_path: Path) -> None:
    path = winding_path(40)
    world = make_poses(matrix_from_quaternion(np.array([0.3, 0.1, -0.2, 0.9])), np.array([10.0, -5, 400]))
    truth = world @ path
    write_result(analysed(truth, path), tmp_path)
    for mode in ("raw", "se3", "sim3"):
        out = tmp_path / f"{mode}.tum"
        assert Export(tmp_path, to="tum", out=out, align=mode).run() == 0  # type: ignore[arg-type]
        times, poses = read_tum(out)
        np.testing.assert_allclose(poses, truth, atol=1e-6)
        np.testing.assert_array_equal(times, 100 + np.arange(40) * 0.5)
    assert Export(tmp_path, to="kitti", out=tmp_path / "truth.txt", which="truth").run() == 0
    np.testing.assert_array_equal(read_kitti(tmp_path / "truth.txt"), truth)


def test_only_sim3_undoes_a_wrong_scale(tmp_path: Path) -> None:
    truth = winding_path(40, seed=3)
    half = truth.copy()
    half[:, :3, 3] *= 0.5
    analysis = analysed(truth, half)
    off = {m: aligned_segment(analysis, 0, 40, m) for m in ("raw", "se3", "sim3")}  # type: ignore[arg-type]
    assert off["sim3"].similarity is not None
    assert off["sim3"].similarity.scale == pytest.approx(2.0)
    assert "x2.000" in off["sim3"].alignment
    np.testing.assert_allclose(off["sim3"].poses, truth, atol=1e-6)
    errors = {m: np.linalg.norm(s.poses[:, :3, 3] - truth[:, :3, 3], axis=1) for m, s in off.items()}
    assert errors["raw"][0] == pytest.approx(0.0, abs=1e-9)
    assert errors["se3"].mean() > 1.0


def test_without_truth_the_prediction_begins_at_the_identity(tmp_path: Path) -> None:
    path = winding_path(20)
    write_result(analysed(None, path), tmp_path)
    assert Export(tmp_path, to="kitti", out=tmp_path / "p.txt", align="se3").run() == 0
    np.testing.assert_allclose(read_kitti(tmp_path / "p.txt"), path, atol=1e-9)
    with pytest.raises(ValueError, match="no true poses; give the log"):
        Export(tmp_path, to="tum", out=tmp_path / "t.tum", which="truth").run()


def test_pieces_that_do_not_join_are_never_chained(tmp_path: Path) -> None:
    truth = winding_path(80)
    analysis = empty_analysis(80, truth=truth)
    windows = windows_of(analysis, truth)
    analysis.merge_all([windows[0], windows[-1]])
    write_result(analysis, tmp_path)
    out = tmp_path / "p.tum"
    with pytest.raises(ValueError, match=r"2 pieces that do not join.*--segment"):
        Export(tmp_path, to="tum", out=out).run()
    assert not out.exists()
    assert Export(tmp_path, to="tum", out=out, segment=1).run() == 0
    times, poses = read_tum(out)
    assert len(poses) == 16
    np.testing.assert_allclose(poses, truth[64:], atol=1e-6)
    assert times[0] == analysis.times[64]
    with pytest.raises(ValueError, match="--segment"):
        Export(tmp_path, to="tum", out=out, segment=2).run()


def test_an_empty_result_says_what_to_do(tmp_path: Path) -> None:
    write_result(empty_analysis(20), tmp_path)
    with pytest.raises(ValueError, match="lapose analyze"):
        Export(tmp_path, to="tum", out=tmp_path / "p.tum").run()


def test_the_report_is_a_format_as_the_others_are(tmp_path: Path) -> None:
    path = winding_path(40)
    write_result(analysed(path, path), tmp_path)
    assert Export(tmp_path, to="html", out=tmp_path / "a.html", frames=(20, 90)).run() == 0
    assert "<h2>By motion regime</h2>" in (tmp_path / "a.html").read_text()
