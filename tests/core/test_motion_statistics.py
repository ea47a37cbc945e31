"""Motion statistics: what is measured on a motion that is known, the real poses, and how the two are compared."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lapose_core.drive import LogError
from lapose_core.evaluation.motion_statistics import QUANTITIES, compare, covered, measure, synthetic_motion
from lapose_core.evaluation.real_motion import Motion, real_drives
from lapose_core.geometry import make_poses, relative

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="the real drives of ../shared/data are not here")

DOWN = np.array([0.0, 1.0, 0.0])


def _motion(
    speed: float, yaw_rate: float, pitch_degrees: float = 0.0, heave_metres: float = 0.0, acceleration: float = 0.0
) -> Motion:
    """A circle at 10 Hz, the camera nodding and heaving once every 0.4 s."""
    t = np.arange(100) / 10.0
    yaw = yaw_rate * t
    nod = np.sin(2 * np.pi * t / 0.4 + 0.3)
    pitch = np.deg2rad(pitch_degrees) * nod
    c, s, zero, one = np.cos(yaw), np.sin(yaw), np.zeros(100), np.ones(100)
    about_y = np.stack([c, zero, s, zero, one, zero, -s, zero, c], 1).reshape(-1, 3, 3)
    about_x = np.stack(
        [one, zero, zero, zero, np.cos(pitch), -np.sin(pitch), zero, np.sin(pitch), np.cos(pitch)], 1
    ).reshape(-1, 3, 3)
    now = speed + acceleration * t
    x, z = np.cumsum(now * s) * 0.1, np.cumsum(now * c) * 0.1
    return Motion(t, make_poses(about_y @ about_x, np.stack([x, heave_metres * nod, z], 1)), -DOWN)


def test_a_steady_circle_is_measured_as_it_was_driven() -> None:
    found = measure(_motion(speed=10.0, yaw_rate=0.05))
    assert set(found) == set(QUANTITIES)
    assert np.median(found["speed"]) == pytest.approx(10.0, rel=1e-3)
    assert np.median(found["yaw_rate"]) == pytest.approx(np.rad2deg(0.05), rel=1e-3)  # to the right
    assert np.median(found["curvature"]) == pytest.approx(0.005, rel=1e-2)
    assert np.median(found["lateral_acceleration"]) == pytest.approx(0.5, rel=1e-2)
    for still in ("acceleration", "pitch_jitter", "roll_jitter", "heave"):
        assert np.abs(found[still]).max() < 1e-2


def test_reversing_is_negative_and_has_no_direction_of_travel() -> None:
    found = measure(_motion(speed=-3.0, yaw_rate=0.0))
    assert np.median(found["speed"]) == pytest.approx(-3.0)
    assert len(found["lateral_direction"]) == 0
    assert len(found["curvature"]) > 0


def test_acceleration_shaking_and_heave_have_their_size() -> None:
    found = measure(_motion(speed=8.0, yaw_rate=0.0, pitch_degrees=0.2, heave_metres=0.01, acceleration=1.5))
    assert np.median(found["acceleration"]) == pytest.approx(1.5, rel=0.02)
    # A sine of amplitude A and period 0.4 s changes by A sqrt(2) sin(...) in 0.1 s.
    assert found["pitch_jitter"].std() == pytest.approx(0.2, rel=0.1)
    assert found["heave"].std() == pytest.approx(1.0 / np.sqrt(2), rel=0.1)
    assert np.abs(found["roll_jitter"]).max() < 1e-6


def test_a_standing_car_shakes_nothing() -> None:
    found = measure(_motion(speed=0.0, yaw_rate=0.0, pitch_degrees=0.3))
    assert len(found["pitch_jitter"]) == len(found["acceleration"]) == len(found["curvature"]) == 0


def test_a_drive_shorter_than_the_windows_is_measured_without_them() -> None:
    whole = _motion(10.0, 0.0)
    found = measure(Motion(whole.times[:5], whole.poses[:5], whole.up))
    assert len(found["speed"]) == 4
    assert len(found["acceleration"]) == len(found["heave"]) == 0


def _oxts_rows(count: int = 60) -> np.ndarray:
    """A left turn at 8 m/s around 49 degrees north, ten rows a second."""
    t = np.arange(count) / 10.0
    yaw = 0.3 + 0.2 * t
    east = np.cumsum(8.0 * np.cos(yaw)) * 0.1
    north = np.cumsum(8.0 * np.sin(yaw)) * 0.1
    rows = np.zeros((count, 30))
    rows[:, 0] = 49.0 + np.rad2deg(north / 6378137.0)
    rows[:, 1] = 8.0 + np.rad2deg(east / 6378137.0) / np.cos(np.deg2rad(49.0))
    rows[:, 2] = 110.0
    rows[:, 5] = yaw
    rows[:, 8] = 8.0
    rows[:, 22] = 0.2
    return rows


def test_oxts_rows_in_no_order_give_the_drive_back(tmp_path: Path) -> None:
    folder = tmp_path / "kitti_raw_oxts"
    folder.mkdir()
    rows = _oxts_rows()
    np.savetxt(folder / "2011_09_26_drive_0042_imu.txt", rows[np.random.default_rng(0).permutation(len(rows))])
    drives = real_drives(tmp_path)
    assert list(drives) == ["KITTI raw 0042"]
    motion = drives["KITTI raw 0042"]
    assert len(motion.poses) == 60
    step = relative(motion.poses)[:, :3, 3]
    np.testing.assert_allclose(step[:, 2], 0.8, atol=0.02)  # forwards, from the first row to the last
    found = measure(motion)
    assert np.median(found["yaw_rate"]) == pytest.approx(-np.rad2deg(0.2), rel=0.01)  # to the left


def test_unreadable_or_absent_drives_are_named(tmp_path: Path) -> None:
    with pytest.raises(LogError, match="no real drive"):
        real_drives(tmp_path)
    folder = tmp_path / "kitti_raw_oxts"
    folder.mkdir()
    (folder / "2011_09_26_drive_0001_imu.txt").write_text("49.0 8.0\nnot a row\n")
    with pytest.raises(LogError, match="drive_0001"):
        real_drives(tmp_path)


@needs_shared
def test_the_synthetic_world_covers_the_real_drives_and_turns_more(tmp_path: Path) -> None:
    summary = compare(SHARED, tmp_path, worlds=60)
    assert len(summary["real"]) == 7
    shares = {(q, d): share for q, drives in summary["covered"].items() for d, share in drives.items()}
    assert min(shares.values()) > 0.93, {k: v for k, v in shares.items() if v <= 0.93}
    world, real = summary["synthetic"]["all"], summary["real"].values()
    # Deliberately beyond: faster, sharper and backwards.
    assert world["speed"]["p99"] > max(d["speed"]["p99"] for d in real)
    assert world["speed"]["p1"] < -2.0
    assert world["yaw_rate"]["std"] > 1.5 * np.mean([d["yaw_rate"]["std"] for d in real])
    assert world["yaw_rate"]["p99"] > max(d["yaw_rate"]["p99"] for d in real)
    # And not beyond: a body that shakes like a real car's.
    for jitter in ("pitch_jitter", "roll_jitter", "heave"):
        assert min(d[jitter]["std"] for d in real) < world[jitter]["std"] < max(d[jitter]["std"] for d in real)
    assert json.loads((tmp_path / "motion_statistics.json").read_text()) == summary
    with Image.open(tmp_path / "motion_statistics.png") as picture:
        assert picture.width > 1000


def test_a_world_that_is_too_calm_does_not_cover() -> None:
    world = measure(_motion(speed=5.0, yaw_rate=0.0, pitch_degrees=0.05))
    drive = measure(_motion(speed=8.0, yaw_rate=0.2, pitch_degrees=0.5))
    assert covered(world["speed"], drive["speed"]) == 0.0
    assert covered(world["yaw_rate"], drive["yaw_rate"]) == 0.0
    assert covered(world["pitch_jitter"], drive["pitch_jitter"]) < 0.5
    assert covered(drive["pitch_jitter"], world["pitch_jitter"]) == 1.0
    assert np.isnan(covered(world["speed"], np.zeros(0)))


def test_synthetic_motion_is_sorted_by_setting() -> None:
    found = synthetic_motion(worlds=6, first=20)
    assert sum(len(drives) for drives in found.values()) == 6
    assert set(found) <= {"city", "suburb", "rural", "highway", "yard"}
