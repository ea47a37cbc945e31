"""Which regime a piece of driving belongs to."""

from __future__ import annotations

import numpy as np
import pytest

from lapose_core.evaluation.regimes import (
    clip_regimes,
    forward_steps,
    mean_acceleration,
    mean_curvature,
    ordinary_transitions,
    transition_regimes,
)
from lapose_core.geometry import Array, accumulate, make_poses, relative


def drive(curvature: float, steps: list[float] | Array) -> Array:
    """Poses driven along ``steps`` metres (negative: backwards), turning by ``curvature`` 1/m."""
    steps = np.asarray(steps, dtype=np.float64)
    turn = curvature * np.abs(steps)
    c, s, zero, one = np.cos(turn), np.sin(turn), np.zeros_like(turn), np.ones_like(turn)
    rotation = np.stack([np.stack([c, zero, s], -1), np.stack([zero, one, zero], -1), np.stack([-s, zero, c], -1)], -2)
    return accumulate(make_poses(rotation, np.c_[zero, zero, steps]))


TIMES = np.arange(16) / 2.0
CURVES = ((0.0, "straight"), (0.0009, "straight"), (0.0011, "gentle"), (0.011, "medium"), (0.11, "sharp"))


@pytest.mark.parametrize(("curvature", "name"), CURVES)
@pytest.mark.parametrize("side", [1, -1])
def test_curvature_classes_of_clips_and_transitions(curvature: float, name: str, side: int) -> None:
    poses = drive(side * curvature, [2.0] * 15)
    assert name in clip_regimes(poses, TIMES)
    assert set(transition_regimes(poses, TIMES)) == {name}
    assert mean_curvature(poses) == pytest.approx(curvature)


def test_curvature_is_weighted_by_distance() -> None:
    """Turning the wheel while creeping does not make a motorway clip a sharp one."""
    poses = accumulate(np.concatenate([relative(drive(0.0, [10.0] * 14)), relative(drive(1.0, [0.05]))]))
    assert mean_curvature(poses) == pytest.approx(0.05 / 140.05)
    assert "straight" in clip_regimes(poses, TIMES)


def test_standstill_stands_alone() -> None:
    found = clip_regimes(drive(0.5, [0.05] * 15), TIMES)
    assert found == {"standstill", "rate 2 Hz"}
    assert np.isnan(mean_curvature(drive(0.0, [0.0] * 15)))
    assert set(transition_regimes(drive(0.5, [0.05] * 15), TIMES)) == {"standstill"}


def test_standing_transitions_do_not_depend_on_the_rate() -> None:
    fast = drive(0.0, [0.05] * 15)  # 0.05 m at 10 Hz is 0.5 m/s: creeping, not standing
    assert set(transition_regimes(fast, np.arange(16) / 10.0)) == {"straight"}


def test_reverse_is_a_class_of_its_own_beside_the_curvature() -> None:
    poses = drive(0.02, [-1.0] * 15)
    assert {"reverse", "medium"} <= clip_regimes(poses, TIMES)
    assert forward_steps(poses) == pytest.approx([-1.0] * 15)
    assert "reverse" not in clip_regimes(drive(0.0, [1.0] * 10 + [-1.0] * 5), TIMES)
    assert list(transition_regimes(drive(0.0, [1.0, -1.0, 0.0]), TIMES[:4])) == [
        "straight",
        "reverse",
        "standstill",
    ]


@pytest.mark.parametrize(("rate_of_change", "name"), [(0.0, "low"), (1.0, "mid"), (2.0, "high"), (-2.0, "high")])
def test_acceleration_classes(rate_of_change: float, name: str) -> None:
    speed = 20.0 + rate_of_change * (TIMES[:-1] + 0.25)
    poses = drive(0.0, speed * 0.5)
    assert mean_acceleration(poses, TIMES) == pytest.approx(abs(rate_of_change), abs=1e-9)
    assert f"acceleration {name}" in clip_regimes(poses, TIMES)


@pytest.mark.parametrize(("step", "name"), [(1.0, "1"), (0.5, "2"), (0.25, "4"), (0.2507, "4"), (1 / 1.3, "1.3")])
def test_the_rate_is_named_by_the_time_between_frames(step: float, name: str) -> None:
    assert f"rate {name} Hz" in clip_regimes(drive(0.0, [2.0] * 15), np.arange(16) * step)


def test_labels_of_the_log_join_by_majority_and_the_poses_overrule_it() -> None:
    labels = {
        "night": np.arange(16) < 9,
        "rain": np.arange(16) < 3,
        "light": np.array(["dusk"] * 4 + ["day"] * 12),
        "reverse": np.ones(16, bool),
        "curvature": np.array(["sharp"] * 16),
        "acceleration": np.array(["high"] * 16),
        "exposure": np.linspace(0, 1, 16),
    }
    found = clip_regimes(drive(0.0, [2.0] * 15), TIMES, labels)
    assert found == {"straight", "acceleration low", "rate 2 Hz", "night", "day"}
    with pytest.raises(ValueError, match="night"):
        clip_regimes(drive(0.0, [2.0] * 15), TIMES, {"night": np.ones(3, bool)})


def test_regimes_do_not_depend_on_where_the_world_begins() -> None:
    poses = drive(0.013, np.linspace(0.0, 4.0, 15))
    moved = np.array([[0, 0, 1, 5e5], [0, 1, 0, 4e6], [-1, 0, 0, 30], [0, 0, 0, 1.0]]) @ poses
    assert clip_regimes(moved, TIMES) == clip_regimes(poses, TIMES)
    assert list(transition_regimes(moved, TIMES)) == list(transition_regimes(poses, TIMES))


def test_ordinary_transitions() -> None:
    steps = relative(drive(0.0, [0.1, 0.3, 5.9, 6.1]))
    assert list(ordinary_transitions(steps)) == [False, True, True, False]
    for degrees, ordinary in ((3.4, True), (3.6, False)):
        turning = relative(drive(np.radians(degrees), [1.0]))
        assert list(ordinary_transitions(turning)) == [ordinary]


def test_a_single_pose_has_no_transition() -> None:
    assert len(transition_regimes(drive(0.0, []), TIMES[:1])) == 0
