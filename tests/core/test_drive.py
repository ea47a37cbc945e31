"""A drive checks what it is made of, and samples its frames at any rate."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapose_core.drive import Drive, Intrinsics, LogError, fingerprint
from lapose_core.undistort import distort


def drive(times: Any, **changes: Any) -> Drive:
    """A drive without frames to read, at ``times``."""
    values: dict[str, Any] = {
        "name": "d",
        "path": Path("/logs/d"),
        "format": "test",
        "width": 4,
        "height": 2,
        "timestamps": np.asarray(times, float),
        "open_frames": lambda: pytest.fail("a description must not read frames"),
        "fingerprint": "-",
    }
    return Drive(**values | changes)


steps = st.lists(st.floats(0.02, 0.3), min_size=1, max_size=200)
rates = st.floats(0.1, 100)


@given(steps, rates)
def test_sampling_gives_increasing_frames_from_the_first(gaps: list[float], rate: float) -> None:
    log = drive(np.cumsum([5.0, *gaps]))
    indices = log.indices_at_rate(rate)
    assert indices[0] == 0
    assert (np.diff(indices) > 0).all()
    assert indices[-1] < len(log)


@given(steps, rates)
def test_each_sample_is_the_frame_nearest_to_the_grid(gaps: list[float], rate: float) -> None:
    log = drive(np.cumsum([0.0, *gaps]))
    indices = log.indices_at_rate(rate)
    if rate >= log.rate * 0.999:
        assert len(indices) == len(log)
        return
    for instant in np.arange(0, log.duration, 1 / rate):
        nearest = np.abs(log.timestamps - instant).min()
        assert np.abs(log.timestamps[indices] - instant).min() == pytest.approx(nearest, abs=1e-9)


def test_an_even_rate_takes_every_nth_frame() -> None:
    log = drive(np.arange(100) / 20)
    np.testing.assert_array_equal(log.indices_at_rate(4), np.arange(0, 100, 5))
    np.testing.assert_array_equal(log.indices_at_rate(20), np.arange(100))
    np.testing.assert_array_equal(log.indices_at_rate(1000), np.arange(100))
    np.testing.assert_array_equal(drive([3.0]).indices_at_rate(4), [0])


@pytest.mark.parametrize(
    ("own", "wanted", "every", "rate"),
    [
        (9.65, 5, 2, 4.825),
        (9.65, 2, 5, 1.93),
        (29.97, 5, 6, 4.995),
        (10, 4, 3, 10 / 3),
        (10, 8, 1, 10),
        (10, 50, 1, 10),
    ],
)
def test_an_even_rate_takes_every_nth_frame_of_a_jittery_log(
    own: float, wanted: float, every: int, rate: float
) -> None:
    # Long enough that a grid by the median step would have drifted by more than a frame.
    jitter = np.random.default_rng(0).exponential(0.02, 4000).clip(max=0.15) / own
    log = drive(np.arange(4000) / own + jitter)
    np.testing.assert_array_equal(log.even_indices(wanted), np.arange(0, 4000, every))
    assert log.even_rate(wanted) == pytest.approx(rate, rel=1e-3)


def test_even_samples_go_on_after_a_gap() -> None:
    log = drive(np.delete(np.arange(100) / 10, slice(31, 55)))
    steps = np.diff(log.timestamps[log.even_indices(5)])
    # Beside the gap itself one step may be odd: both frames that bound it are samples.
    assert np.isclose(steps, 0.2).sum() >= len(steps) - 2
    assert (steps[17:] > 0.19).all()
    np.testing.assert_array_equal(drive([3.0]).even_indices(4), [0])
    assert drive([3.0]).even_rate(4) == 4


@pytest.mark.parametrize("rate", [0, -1, float("nan")])
def test_a_rate_that_is_none_is_refused(rate: float) -> None:
    with pytest.raises(ValueError, match="rate must be positive"):
        drive([0, 1]).indices_at_rate(rate)
    with pytest.raises(ValueError, match="rate must be positive"):
        drive([0, 1]).even_indices(rate)


def test_rate_and_duration() -> None:
    log = drive([10, 10.1, 10.2, 12.2])
    assert log.rate == pytest.approx(10)
    assert log.duration == pytest.approx(2.2)
    assert drive([7]).rate == 0


@pytest.mark.parametrize(
    ("times", "message"),
    [
        ([], "no frames"),
        ([0, 1, 1], "timestamp 2"),
        ([0, 2, 1, 3], "timestamp 2"),
        ([0, np.nan, 2], "timestamp 1"),
        ([0, 1, np.inf], "timestamp 2"),
        ([[0, 1]], "no frames"),
    ],
)
def test_times_that_do_not_increase_are_refused(times: list[Any], message: str) -> None:
    with pytest.raises(LogError, match=message):
        drive(times)


def test_poses_must_be_poses_and_as_many_as_frames() -> None:
    eye = np.eye(4)[None].repeat(3, 0)
    log = drive([0, 1, 2], poses=eye)
    assert log.pose_valid is not None
    assert log.pose_valid.all()
    assert drive([0, 1, 2]).pose_valid is None
    with pytest.raises(LogError, match="3 poses for 2 frames"):
        drive([0, 1], poses=eye)
    with pytest.raises(LogError, match="pose 0"):
        drive([0, 1, 2], poses=eye * 2)


def test_intrinsics_follow_the_picture() -> None:
    camera = Intrinsics(100, 110, 40, 30, 80, 60)
    assert np.degrees(camera.fov_x) == pytest.approx(2 * np.degrees(np.arctan(0.4)))
    half = camera.resize(40, 30)
    assert (half.fx, half.fy, half.cx, half.cy) == (50, 55, 20, 15)
    assert half.fov_x == pytest.approx(camera.fov_x)
    cut = camera.crop(10, 5, 60, 50)
    assert (cut.fx, cut.cx, cut.cy, cut.width, cut.height) == (100, 30, 25, 60, 50)
    for bad in ((0, 1, 1, 1), (1, -1, 1, 1), (1, 1, np.nan, 1), (np.inf, 1, 1, 1)):
        with pytest.raises(ValueError, match="no camera"):
            Intrinsics(*bad, 8, 8)


def test_opencvs_first_pixel_has_its_middle_at_half_here() -> None:
    k = (-0.3, 0.1, 1e-3, -5e-4)
    camera = Intrinsics.opencv(100, 110, 39.2, 30.7, 80, 60, "brown-conrady", k)
    assert (camera.width, camera.height, camera.model, camera.distortion) == (80, 60, "brown-conrady", k)
    rays = np.random.default_rng(0).uniform(-0.3, 0.3, (20, 2))
    matrix = np.array([[100, 0, 39.2], [0, 110, 30.7], [0, 0, 1]])
    theirs = cv2.projectPoints(np.column_stack([rays, np.ones(20)]), np.zeros(3), np.zeros(3), matrix, np.array(k))[0]
    ours = distort(rays, camera) * [camera.fx, camera.fy] + [camera.cx, camera.cy]
    np.testing.assert_allclose(ours, theirs[:, 0] + 0.5, atol=1e-9)


def test_scaling_a_picture_moves_its_points_as_it_does_the_camera() -> None:
    # A ramp of OpenCV's pixel numbers: a value tells where it was before, and the principal point stays where it was.
    ramp = np.tile(np.arange(80, dtype=np.float32), (60, 1))
    small = cv2.resize(ramp, (40, 30), interpolation=cv2.INTER_AREA)[0]
    camera = Intrinsics.opencv(100, 100, 39.2, 30.7, 80, 60).resize(40, 30)
    assert np.interp(camera.cx - 0.5, np.arange(40), small) == pytest.approx(39.2)


def test_the_fingerprint_is_of_the_content(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"1")
    times = np.arange(3.0)
    first = fingerprint(tmp_path, "f", times, None)
    assert fingerprint(tmp_path, "f", times, None) == first
    assert fingerprint(tmp_path, "f", times + 1, None) != first
    assert fingerprint(tmp_path, "f", times, np.eye(4)[None].repeat(3, 0)) != first
    (tmp_path / "a.png").write_bytes(b"22")
    assert fingerprint(tmp_path, "f", times, None) != first
