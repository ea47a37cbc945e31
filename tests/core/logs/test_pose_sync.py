"""Poses on their own clock, brought to the frames' times; and the vehicle's tracks."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from log_files import arc

from lapose_core.drive import LogError, Track
from lapose_core.geometry import make_poses, matrix_from_quaternion
from lapose_core.logs.pose_sync import poses_at

TIMES = np.arange(11) / 10


def ahead(times: np.ndarray, speed: float = 10.0) -> np.ndarray:
    poses = np.repeat(np.eye(4)[None], len(times), axis=0)
    poses[:, 2, 3] = speed * times
    return poses


def test_centres_are_linear_and_rotations_go_the_short_way() -> None:
    turned = matrix_from_quaternion(np.array([[0, 0, 0, 1], [0, np.sin(0.1), 0, np.cos(0.1)]]))
    known = make_poses(turned, np.array([[0, 0, 0], [2.0, 0, 4.0]]))
    found = poses_at(np.array([0.0, 0.25, 1.0]), np.array([0.0, 1.0]), known, max_gap=2)
    assert found.valid.all()
    np.testing.assert_allclose(found.poses[1, :3, 3], [0.5, 0, 1.0])
    expected = matrix_from_quaternion(np.array([0, np.sin(0.025), 0, np.cos(0.025)]))
    np.testing.assert_allclose(found.poses[1, :3, :3], expected, atol=1e-4)
    np.testing.assert_allclose(found.poses[[0, 2]], known, atol=1e-12)
    assert found.notes == ()


def test_nothing_is_extrapolated() -> None:
    frames = np.array([-0.1, -0.0005, 0.0, 0.55, 1.0, 1.0005, 1.1])
    found = poses_at(frames, TIMES, ahead(TIMES), max_gap=0.5)
    np.testing.assert_array_equal(found.valid, [False, True, True, True, True, True, False])
    np.testing.assert_array_equal(found.poses[[0, -1]], np.eye(4)[None].repeat(2, 0))
    assert found.poses[1, 2, 3] == 0  # within rounding of the span: the first pose, no further
    assert "2 of 7 frames" in found.notes[0]


def test_a_frame_in_a_gap_has_no_pose_but_one_at_its_edge_has() -> None:
    known = np.array([0.0, 0.1, 0.2, 0.9, 1.0])
    frames = np.array([0.15, 0.2, 0.2004, 0.3, 0.6, 0.9, 0.95])
    found = poses_at(frames, known, ahead(known), max_gap=0.5)
    np.testing.assert_array_equal(found.valid, [True, True, True, False, False, True, True])
    assert poses_at(frames, known, ahead(known), max_gap=0.71).valid.all()
    assert "0.5 s" in found.provenance


@pytest.mark.parametrize("count", [0, 1])
def test_no_pose_or_one_pose(count: int) -> None:
    found = poses_at(TIMES, TIMES[3 : 3 + count], arc(count), max_gap=1)
    assert found.valid.sum() == count
    assert found.poses.shape == (11, 4, 4)


def test_times_that_do_not_increase_are_a_fault_of_the_reader() -> None:
    for bad in ([0, 1, 1], [0, 2, 1], [0, np.nan, 1]):
        with pytest.raises(ValueError, match="increase"):
            poses_at(TIMES, np.array(bad, float), arc(3), max_gap=1)
    with pytest.raises(ValueError, match="3 poses for 2 times"):
        poses_at(TIMES, np.array([0.0, 1.0]), arc(3), max_gap=1)


def test_a_track_names_its_source_where_it_is_faulty() -> None:
    track = Track([0, 1, 1, 2], [3, np.nan, 5, 6], "m/s", "CAN/speed")  # type: ignore[arg-type]
    assert track.times.dtype == track.values.dtype == np.float64
    for times, values in (([0, 2, 1], [0, 0, 0]), ([0, np.nan], [0, 0]), ([0, 1], [0]), ([np.inf], [0])):
        with pytest.raises(LogError, match="CAN/speed"):
            Track(np.array(times), np.array(values), "m/s", "CAN/speed")


@pytest.mark.parametrize("module", ["lapose_core.trajectory_files", "lapose_core.logs.pose_sync", "lapose_core.logs"])
def test_any_module_of_the_readers_may_be_imported_first(module: str) -> None:
    check = f"import sys, {module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check]).returncode == 0
