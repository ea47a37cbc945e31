"""Pose metrics against hand-computed cases, the formulas of the protocol, and their invariances."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lapose_core.evaluation.baselines import constant_forward
from lapose_core.evaluation.latent import deviations, effective_rank, ranks, ridge_probe, spearman
from lapose_core.evaluation.map_quality import map_quality
from lapose_core.evaluation.metrics import (
    accuracy,
    align,
    ate,
    ate_scaled,
    auc,
    clip_metrics,
    magnitude,
    pairwise_errors,
    rpe_per_second,
)
from lapose_core.geometry import accumulate, invert, make_poses, matrix_from_quaternion, rotation_angle
from lapose_core.trajectory_files import read_kitti

TIMES = np.arange(16) / 2.0
SHARED = Path(__file__).resolve().parents[3] / "shared/data"
AUTHORS_MAP = SHARED / "authors_map/tsne_data.json"
KITTI_POSES = SHARED / "kitti_odometry/poses/00.txt"


def yawed(angle: float) -> np.ndarray:
    """Rotation by ``angle`` radians to the right."""
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])


def arc(curvature: float, steps: np.ndarray) -> np.ndarray:
    """Poses on a circle of ``curvature`` 1/m, each ``steps`` metres of arc on, heading along the tangent."""
    turns = curvature * steps
    half = np.where(turns == 0, 1.0, np.sinc(turns / 2 / np.pi)) * steps  # chord of the arc
    translations = np.stack([half * np.sin(turns / 2), 0 * half, half * np.cos(turns / 2)], -1)
    return accumulate(make_poses(np.stack([yawed(a) for a in turns]), translations))


def wandering(seed: int, n: int = 16) -> np.ndarray:
    rng = np.random.default_rng(seed)
    steps = np.c_[rng.normal(0, 0.2, n - 1), rng.normal(0, 0.05, n - 1), rng.uniform(0.5, 5, n - 1)]
    quaternions = np.c_[rng.normal(0, 0.05, (n - 1, 3)), np.ones(n - 1)]
    return accumulate(make_poses(matrix_from_quaternion(quaternions), steps))


def random_motion(seed: int, extent: float = 100.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return make_poses(matrix_from_quaternion(rng.normal(size=4)), rng.uniform(-extent, extent, 3))


# --- pairs -----------------------------------------------------------------------------------------


def test_two_frames_by_hand() -> None:
    truth = make_poses(np.stack([np.eye(3), np.eye(3)]), np.array([[0, 0, 0], [0, 0, 2.0]]))
    predicted = make_poses(np.stack([np.eye(3), yawed(np.radians(3))]), np.array([[0, 0, 0], [np.sqrt(3), 0, 1.0]]))
    errors = pairwise_errors(predicted, truth)
    assert errors.rotation == pytest.approx([3.0])
    assert errors.direction == pytest.approx([60.0])
    assert errors.direction_unsigned == pytest.approx([60.0])
    assert errors.pose(signed=True) == pytest.approx([60.0])


def test_all_pairs_of_sixteen_frames() -> None:
    errors = pairwise_errors(wandering(0), wandering(1))
    assert len(errors.rotation) == len(errors.direction) == 120


def test_direction_beyond_a_right_angle_folds_only_when_unsigned() -> None:
    truth = constant_forward(2)
    predicted = truth.copy()
    predicted[1, :3, 3] = [1, 0, -1]
    errors = pairwise_errors(predicted, truth)
    assert errors.direction == pytest.approx([135.0])
    assert errors.direction_unsigned == pytest.approx([45.0])


@pytest.mark.parametrize("standing", ["prediction", "truth", "both"])
def test_a_zero_vector_is_a_missed_direction_and_never_nan(standing: str) -> None:
    still, moving = np.tile(np.eye(4), (2, 1, 1)), constant_forward(2)
    errors = pairwise_errors(still if standing != "truth" else moving, still if standing != "prediction" else moving)
    assert errors.direction == pytest.approx([180.0])
    assert errors.direction_unsigned == pytest.approx([90.0])


def test_reversing_predicted_as_driving_forwards() -> None:
    metrics = clip_metrics(constant_forward(16), constant_forward(16, step=-1.0), TIMES)
    assert metrics.auc5 == 100.0
    assert metrics.auc5_signed == 0.0
    assert metrics.auc30_signed == 0.0
    assert metrics.rta5 == 100.0
    assert metrics.rta5_signed == 0.0


def test_a_rotation_of_half_a_turn_is_180_degrees() -> None:
    truth = constant_forward(2)
    predicted = truth.copy()
    predicted[1, :3, :3] = np.diag([-1.0, 1.0, -1.0])
    assert pairwise_errors(predicted, truth).rotation == pytest.approx([180.0])


# --- area under the curve --------------------------------------------------------------------------


def test_auc_by_hand() -> None:
    # Bins [0,1) [1,2) [2,3) [3,4) [4,5]: cumulative shares 1/4, 1/4, 2/4, 2/4, 2/4.
    assert auc(np.array([0.5, 2.5, 7.0, np.nan]), 5) == pytest.approx(100 * (0.25 + 0.25 + 0.5 + 0.5 + 0.5) / 5)


def test_auc_of_exponential_errors_is_the_histograms_and_not_the_integral() -> None:
    # In closed form: the mean over m = 1..5 of 1 - exp(-m) is 0.884; the integral would be 0.802.
    errors = np.random.default_rng(0).exponential(1.0, 400_000)
    assert auc(errors, 5) == pytest.approx(88.4, abs=0.1)
    quantiles = -np.log1p(-(np.arange(100_000) + 0.5) / 100_000)
    assert auc(quantiles, 5) == pytest.approx(100 * np.mean(1 - np.exp(-np.arange(1, 6))), abs=1e-2)


@pytest.mark.parametrize("value", [np.nan, np.inf, 5.01, 180.0])
def test_errors_beyond_the_threshold_or_not_finite_score_nothing(value: float) -> None:
    assert auc(np.full(120, value), 5) == 0.0
    assert accuracy(np.full(120, value), 5) == 0.0


def test_auc_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="no errors"):
        auc(np.array([]), 5)
    with pytest.raises(ValueError, match="whole number"):
        auc(np.zeros(3), 0)


@given(st.lists(st.floats(0, 180), min_size=1, max_size=50), st.floats(0, 20))
def test_auc_lies_in_range_and_never_rises_with_the_errors(errors: list[float], more: float) -> None:
    before, after = auc(np.array(errors), 30), auc(np.array(errors) + more, 30)
    assert 0 <= after <= before <= 100


def test_constant_forward_on_curves_is_the_published_table() -> None:
    """AUC@5 100 / 89 / 69 / 32 / 14 / 0 of evaluation.md, 16 frames.

    The step that reproduces it is 3.15 m on average and grows from 2.1 to 4.2 m over the clip. No constant
    step does: equally long pairs then share one error, so the area moves in jumps (see the next test).
    """
    steps = 3.15 * np.linspace(1 - 0.325, 1 + 0.325, 15)
    scores = [
        clip_metrics(constant_forward(16), arc(k, steps), TIMES).auc5 for k in (0.0, 0.001, 0.002, 0.005, 0.01, 0.05)
    ]
    assert scores == pytest.approx([100, 89, 69, 32, 14, 0], abs=0.5 + 1e-9)


def test_constant_forward_on_curves_at_a_constant_step_of_three_metres() -> None:
    scores = [
        clip_metrics(constant_forward(16), arc(k, np.full(15, 3.0)), TIMES).auc5
        for k in (0.0, 0.001, 0.002, 0.005, 0.01, 0.05)
    ]
    assert scores == pytest.approx([100, 89.17, 69.17, 34.17, 14.67, 0], abs=0.01)


@pytest.mark.skipif(not KITTI_POSES.exists(), reason="KITTI odometry of ../shared/data is not here")
@pytest.mark.parametrize(("step", "expected"), [(1, 75.5), (2, 75.6), (4, 74.5)])
def test_constant_forward_on_a_real_drive_scores_what_was_measured_before(step: int, expected: float) -> None:
    """Sequence 00, frames 0-89, at 10, 5, 2.5 Hz: clips of 8 frames, two apart, unsigned (prototype.md)."""
    poses = read_kitti(KITTI_POSES)[:90:step]
    clips = [poses[a : a + 8] for a in range(0, len(poses) - 7, 2)]
    scores = [clip_metrics(constant_forward(8), clip).auc5 for clip in clips]
    assert np.mean(scores) == pytest.approx(expected, abs=0.06)


# --- trajectories ----------------------------------------------------------------------------------


def test_ate_by_hand() -> None:
    # A square's corners, one of which is predicted 4 m too high: no rigid motion can do better than the
    # least-squares plane, which leaves a residual of 1 m at each corner.
    truth = np.array([[0, 0, 0], [1e3, 0, 0], [1e3, 1e3, 0], [0, 1e3, 0]], float)
    predicted = truth.copy()
    predicted[0, 2] = 4.0
    assert ate(predicted, truth) == pytest.approx(1.0, rel=1e-4)


@pytest.mark.parametrize("speed", [1.0, 2.0])
def test_an_exactly_straight_path_is_a_legal_trajectory(speed: float) -> None:
    metrics = clip_metrics(constant_forward(16, speed), constant_forward(16, 2.0), TIMES)
    assert metrics.auc5 == metrics.auc5_signed == 100.0
    assert metrics.ate_s == pytest.approx(0.0, abs=1e-9)
    assert metrics.scale_error == pytest.approx(abs(speed / 2 - 1))
    # Both centred on their means, distances (2 - speed) * |i - 7.5|.
    assert metrics.ate_m == pytest.approx((2 - speed) * np.sqrt(((np.arange(16) - 7.5) ** 2).mean()), abs=1e-9)


def test_auc_ignores_the_speed_profile_on_a_straight_road_but_ate_does_not() -> None:
    truth = arc(0.0, np.linspace(1, 5, 15))
    metrics = clip_metrics(constant_forward(16, 3.0), truth, TIMES)
    assert metrics.auc5_signed == 100.0
    assert metrics.scale_error == pytest.approx(0.0)
    gap = truth[:, 2, 3] - 3.0 * np.arange(16)
    assert metrics.ate_m == pytest.approx(gap.std())
    assert metrics.ate_m > 2.0


def test_a_standing_clip_is_left_out_and_said_to_be() -> None:
    truth = constant_forward(16, 0.099)
    metrics = clip_metrics(constant_forward(16), truth, TIMES)
    assert not metrics.counted
    for name in ("auc5", "auc5_signed", "auc30", "auc30_signed", "rra5", "rta5", "ate_s", "scale_error"):
        assert np.isnan(getattr(metrics, name)), name
    assert np.isfinite(metrics.ate_m)
    assert clip_metrics(constant_forward(16), constant_forward(16, 0.101), TIMES).counted


def test_a_prediction_that_stands_still_scores_zero_and_not_nan() -> None:
    metrics = clip_metrics(np.tile(np.eye(4), (16, 1, 1)), wandering(3), TIMES)
    assert metrics.auc5 == 0.0
    assert metrics.scale_error == 1.0
    assert np.isfinite([metrics.ate_s, metrics.ate_s_centroid, metrics.ate_s_step]).all()


def test_a_prediction_that_is_not_finite_misses_its_pairs_only() -> None:
    truth = wandering(4)
    predicted = truth.copy()
    predicted[15] = np.nan
    metrics = clip_metrics(predicted, truth, TIMES)
    assert not metrics.finite
    assert metrics.auc5 == pytest.approx(100 * 105 / 120)
    assert metrics.rra5 == pytest.approx(100 * 105 / 120)
    assert np.isnan([metrics.ate_m, metrics.ate_s, metrics.scale_error]).all()


def test_the_three_magnitudes_by_hand() -> None:
    centres = np.array([[0, 0, 0], [0, 0, 1], [0, 0, 5]], float)
    assert magnitude(centres, "origin") == pytest.approx(2.0)
    assert magnitude(centres, "centroid") == pytest.approx((2 + 1 + 3) / 3)
    assert magnitude(centres, "step") == pytest.approx(2.5)


@pytest.mark.parametrize("of", ["origin", "centroid", "step"])
def test_ate_s_is_free_of_scale_and_place(of: str) -> None:
    truth, predicted = wandering(5)[:, :3, 3], wandering(6)[:, :3, 3]
    motion = random_motion(7)
    moved = 13.0 * predicted @ motion[:3, :3].T + motion[:3, 3]
    assert ate_scaled(moved, truth, of) == pytest.approx(ate_scaled(predicted, truth, of), rel=1e-6)


def test_rpe_per_second_by_hand() -> None:
    # 2 Hz; 0.1 m and 1 degree too much a frame: 0.2 m and 2 degrees a second.
    truth, predicted = constant_forward(16, 2.0), constant_forward(16, 2.1)
    metres, degrees = rpe_per_second(predicted, truth, TIMES)
    assert (metres, degrees) == pytest.approx((0.2, 0.0), abs=1e-9)
    turning = accumulate(make_poses(np.tile(yawed(np.radians(1)), (15, 1, 1)), np.zeros((15, 3))))
    assert rpe_per_second(turning, np.tile(np.eye(4), (16, 1, 1)), TIMES)[1] == pytest.approx(2.0)


def test_fov_error_in_degrees() -> None:
    metrics = clip_metrics(
        constant_forward(3),
        constant_forward(3),
        fov=np.radians([80.0, 86.0]),
        fov_truth=float(np.radians(84)),
    )
    assert metrics.fov_error == pytest.approx(3.0)
    assert np.isnan(metrics.rpe_translation)


def test_shapes_that_disagree_are_refused() -> None:
    with pytest.raises(ValueError, match="two equal"):
        clip_metrics(constant_forward(15), constant_forward(16))
    with pytest.raises(ValueError, match="two frames"):
        clip_metrics(constant_forward(1), constant_forward(1))


# --- alignment -------------------------------------------------------------------------------------


@given(st.integers(0, 10_000), st.floats(0.01, 100))
@settings(deadline=None, max_examples=30)
def test_alignment_finds_a_known_similarity(seed: int, scale: float) -> None:
    truth, motion = wandering(seed), random_motion(seed + 1)
    moved = invert(motion) @ truth
    found = align(moved, truth, "se3")
    np.testing.assert_allclose(found.poses(moved), truth, atol=1e-6)
    moved[:, :3, 3] /= scale
    found = align(moved, truth, "sim3")
    assert found.scale == pytest.approx(scale, rel=1e-6)
    np.testing.assert_allclose(found.poses(moved), truth, atol=1e-5)


def test_raw_alignment_joins_the_first_poses_and_nothing_else() -> None:
    truth, predicted = wandering(1), random_motion(2) @ wandering(3)
    found = align(predicted, truth, "raw")
    moved = found.poses(predicted)
    assert found.scale == 1.0
    np.testing.assert_allclose(moved[0], truth[0], atol=1e-9)
    np.testing.assert_allclose(invert(moved[0]) @ moved[9], invert(predicted[0]) @ predicted[9], atol=1e-9)


@pytest.mark.parametrize("step", [2.0, 0.0])
@pytest.mark.parametrize("mode", ["se3", "sim3"])
def test_cameras_are_not_rolled_about_a_path_that_leaves_it_open(step: float, mode: str) -> None:
    truth = random_motion(5) @ constant_forward(16, step)
    moved = align(constant_forward(16, step), truth, mode).poses(constant_forward(16, step))  # type: ignore[arg-type]
    assert np.degrees(rotation_angle(truth[:, :3, :3].swapaxes(1, 2) @ moved[:, :3, :3])).max() < 1e-3
    np.testing.assert_allclose(moved[:, :3, 3], truth[:, :3, 3], atol=1e-6)


@given(st.integers(0, 10_000))
@settings(deadline=None, max_examples=25)
def test_the_axes_decide_ties_only(seed: int) -> None:
    """On a path that bends, the alignment is the least-squares one of the centres."""
    truth, predicted = wandering(seed), wandering(seed + 1)
    residual = align(predicted, truth, "se3").points(predicted[:, :3, 3]) - truth[:, :3, 3]
    best = ate(predicted[:, :3, 3], truth[:, :3, 3])
    assert np.sqrt((residual**2).sum(1).mean()) == pytest.approx(best, rel=1e-6)


@given(st.integers(0, 10_000), st.integers(0, 10_000))
@settings(deadline=None, max_examples=25)
def test_no_figure_depends_on_where_the_world_begins(seed: int, place: int) -> None:
    truth, predicted = wandering(seed), wandering(seed + 1)
    here = clip_metrics(predicted, truth, TIMES)
    motion = random_motion(place)
    for a, b in (
        (motion @ predicted, motion @ truth),
        (motion @ predicted, truth),
        (predicted, motion @ truth),
    ):
        there = clip_metrics(a, b, TIMES)
        for name in ("ate_m", "ate_s", "ate_s_step", "scale_error", "rpe_translation", "rpe_rotation"):
            assert getattr(there, name) == pytest.approx(getattr(here, name), rel=1e-6), name
        # One pair may cross the edge of a one-degree bin.
        assert there.auc5_signed == pytest.approx(here.auc5_signed, abs=0.2)


# --- latents and maps ------------------------------------------------------------------------------


def test_a_probe_finds_what_is_linear_and_not_what_is_absent() -> None:
    rng = np.random.default_rng(0)
    latents = rng.normal(size=(600, 8))
    latents[:, 7] = 3.0  # a dead dimension
    speed = 2 * latents[:, 0] - latents[:, 1] + 5
    score = ridge_probe(latents[:400], speed[:400], latents[400:], speed[400:])
    assert score.r2 == pytest.approx(1.0, abs=1e-4)
    assert score.r2_ordinary == score.r2
    assert score.spearman == pytest.approx(1.0, abs=1e-3)
    noise = rng.normal(size=600)
    assert ridge_probe(latents[:400], noise[:400], latents[400:], noise[400:]).r2 < 0.05


def test_a_few_sharp_turns_own_the_plain_r2() -> None:
    rng = np.random.default_rng(1)
    turn = rng.normal(0, 1, 500)
    turn[::50] = 100.0
    latents = np.c_[turn + rng.normal(0, 3, 500), rng.normal(size=500)]
    ordinary = np.abs(turn) < 3.5
    score = ridge_probe(latents[:250], turn[:250], latents[250:], turn[250:], ordinary=ordinary[250:])
    assert score.r2 > 0.9
    assert score.r2_ordinary < 0.2


def test_probes_leave_out_what_was_not_analysed() -> None:
    rng = np.random.default_rng(2)
    latents = rng.normal(size=(100, 4))
    target = latents[:, 0].copy()
    latents[3] = np.nan
    target[70] = np.nan
    assert ridge_probe(latents[:50], target[:50], latents[50:], target[50:]).r2 > 0.95
    with pytest.raises(ValueError, match="usable train"):
        ridge_probe(latents[3:4], target[3:4], latents[50:], target[50:])


def test_rank_correlation_by_hand() -> None:
    assert ranks(np.array([10.0, 20.0, 20.0, 5.0])) == pytest.approx([1, 2.5, 2.5, 0])
    assert spearman(np.array([1.0, 2, 3]), np.array([1.0, 8, 27])) == pytest.approx(1.0)
    assert spearman(np.array([1.0, 2, 3]), np.array([3.0, 2, 1])) == pytest.approx(-1.0)
    # d = (0, 1, 1, 2, 0): 1 - 6 * 6 / (5 * 24)
    assert spearman(np.array([1.0, 2, 3, 4, 5]), np.array([1.0, 3, 4, 2, 5])) == pytest.approx(0.7)
    assert spearman(np.ones(4), np.arange(4.0)) == 0.0


def test_effective_rank_counts_directions() -> None:
    rng = np.random.default_rng(3)
    assert effective_rank(rng.normal(size=(5000, 6))) == pytest.approx(6.0, abs=0.05)
    line = np.outer(rng.normal(size=100), np.ones(6))
    assert effective_rank(line) == pytest.approx(1.0, abs=1e-6)
    assert effective_rank(np.ones((10, 6))) == 0.0
    assert deviations(np.array([[0.0, 1], [2, 1], [np.nan, 0]])) == pytest.approx([1.0, 0.0])


@pytest.mark.skipif(not AUTHORS_MAP.exists(), reason=f"{AUTHORS_MAP.name} of ../shared/data is not here")
def test_map_quality_of_the_published_map() -> None:
    data = json.loads(AUTHORS_MAP.read_text())
    quality = map_quality(
        np.c_[data["x"], data["y"]], data["batch"], np.array(data["translation_mag"]), np.array(data["yaw"])
    )
    # The table in evaluation.md, in its two digits; the intervals are Monte Carlo.
    expected = {
        "speed_r2": (0.68, 0.55, 0.76),
        "speed_spearman": (0.88, 0.82, 0.91),
        "yaw_r2": (0.87, 0.83, 0.90),
        "yaw_spearman": (0.64, 0.54, 0.72),
    }
    for name, (value, low, high) in expected.items():
        figure = getattr(quality, name)
        assert figure.value == pytest.approx(value, abs=0.005), name
        assert (figure.low, figure.high) == pytest.approx((low, high), abs=0.025), name
    assert quality.turn.value == pytest.approx(0.82, abs=0.005)
    assert quality.majority == pytest.approx(0.62, abs=0.005)


def test_neighbours_of_the_same_clip_do_not_help() -> None:
    rng = np.random.default_rng(4)
    clips = np.repeat(np.arange(20), 15)
    # Each clip a tight cluster at a random place, with a speed of its own: readable within a clip only.
    points = rng.normal(size=(20, 2))[clips] * 10 + rng.normal(0, 0.01, (300, 2))
    speed = rng.normal(size=20)[clips]
    assert map_quality(points, clips, speed, rng.normal(0, 0.05, 300)).speed_r2.value < 0.3


def test_a_map_with_too_few_clips_is_refused() -> None:
    with pytest.raises(ValueError, match="neighbours in other clips"):
        map_quality(np.zeros((12, 2)), [0] * 6 + [1] * 6, np.ones(12), np.ones(12))
