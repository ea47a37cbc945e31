"""A drive cut into segments: where it is cut, what they say, and what each costs."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from analysis_data import empty_analysis, rotation_y, windows_of

from lapose_core.evaluation.metrics import ate
from lapose_core.evaluation.segments import Pictures, breakdown, segment_drive
from lapose_core.geometry import Array, accumulate, make_poses, relative
from lapose_core.inference.result import DriveAnalysis


def driven(steps: list[float], turn: float = 0.0) -> Array:
    """Poses of a car that moves ``steps`` metres along its axis, turning ``turn`` radians at each."""
    forward = np.zeros((len(steps), 3))
    forward[:, 2] = steps
    return accumulate(make_poses(rotation_y(np.full(len(steps), turn)), forward))


def analysed(truth: Array, predicted: Array | None = None, known: np.ndarray | None = None) -> DriveAnalysis:
    analysis = empty_analysis(len(truth), truth=truth)
    if known is not None:
        analysis.truth_valid = known
    analysis.merge_all(windows_of(analysis, truth if predicted is None else predicted))
    return analysis


def test_segments_cover_what_is_analysed_and_never_mix_kinds_of_motion() -> None:
    truth = driven([2.0] * 40 + [0.0] * 10 + [-1.0] * 12)
    segments = segment_drive(analysed(truth))
    assert segments[0].start == 0
    assert segments[-1].stop == len(truth)
    assert all(a.stop - 1 == b.start for a, b in itertools.pairwise(segments))
    assert all(4 <= s.stop - s.start <= 16 for s in segments)
    assert [("standstill" in s.tags, "reverse" in s.tags) for s in segments] == [
        (False, False), (False, False), (False, False), (True, False), (False, True),
    ]  # fmt: skip
    assert (segments[3].start, segments[3].stop) == (40, 51)


def test_a_moment_of_standing_does_not_cut() -> None:
    assert len(segment_drive(analysed(driven([2.0] * 7 + [0.0] * 2 + [2.0] * 6)))) == 1


def test_only_analysed_stretches_are_cut() -> None:
    analysis = empty_analysis(64, truth=driven([2.0] * 63))
    windows = windows_of(analysis, driven([2.0] * 63))
    analysis.merge_all([windows[0], windows[-1]])
    segments = segment_drive(analysis)
    assert {(s.start, s.stop) for s in segments} == {(0, 16), (48, 64)}


def test_errors_are_those_of_the_segment() -> None:
    truth = driven([2.0] * 30)
    steps = relative(truth)
    steps[15:, :3, :3] = rotation_y(np.full(15, np.radians(3.0)))
    steps[15:, :3, 3] *= 1.5
    good, bad = segment_drive(analysed(truth, accumulate(steps)))
    assert good.auc5 == pytest.approx(100.0)
    assert good.rotation == pytest.approx(0.0, abs=1e-6)
    assert bad.auc5 < 50
    assert bad.rotation == pytest.approx(3.0)
    assert bad.scale == pytest.approx(0.5)
    assert bad.errors == pytest.approx(np.full(15, 3.0))
    # Straight ahead is the truth here, so that constant-forward beats the model.
    assert bad.auc5_forward == pytest.approx(100.0)


def test_the_worst_frame_is_that_of_the_largest_error() -> None:
    truth = driven([2.0] * 15)
    steps = relative(truth)
    steps[9, :3, :3] = rotation_y(np.radians(4.0))
    analysis = analysed(truth, accumulate(steps))
    (segment,) = segment_drive(analysis)
    assert segment.worst_frame == analysis.frames[9]


def test_cost_is_what_the_ate_falls_by_when_the_segment_is_repaired() -> None:
    truth = driven([2.0] * 45, turn=0.03)
    steps = relative(truth)
    steps[15:30, :3, :3] = steps[15:30, :3, :3] @ rotation_y(np.full(15, 0.02))
    predicted = accumulate(steps)
    segments = segment_drive(analysed(truth, predicted))
    assert [s.ate_cost for s in segments] == pytest.approx(
        [0.0, ate(predicted[:, :3, 3], truth[:, :3, 3]), 0.0], abs=1e-9
    )


def test_without_truth_segments_are_cut_by_the_prediction_and_have_confidence_alone() -> None:
    predicted = driven([2.0] * 15 + [-1.0] * 15)
    analysis = empty_analysis(31)
    analysis.merge_all(windows_of(analysis, predicted))
    confidence = np.r_[np.full(15, 0.9), np.full(15, 0.2)]
    confidence[20] = 0.1
    forwards, backwards = segment_drive(analysis, confidence=confidence)
    assert "reverse" in backwards.tags
    assert backwards.score is None
    assert np.isnan([backwards.auc5, backwards.rotation, backwards.ate_cost]).all()
    assert forwards.confidence == pytest.approx(0.9)
    assert backwards.worst_frame == analysis.frames[20]
    assert breakdown([forwards, backwards]) is None


def test_segments_with_unknown_poses_have_no_figures() -> None:
    truth = driven([2.0] * 45)
    known = np.ones(46, bool)
    known[20:26] = False
    segments = segment_drive(analysed(truth, known=known))
    for segment in segments:
        whole = known[segment.start : segment.stop].all()
        assert (segment.score is not None) == whole
    assert any(s.score is None for s in segments)


def test_hard_braking_is_a_second_of_it() -> None:
    # At 2 Hz: from 12 m/s by 4 m/s^2; then a single short step, which is noise.
    braking = [6.0, 6.0, 6.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0, 1.0]
    assert "hard braking" in segment_drive(analysed(driven(braking)))[0].tags
    easing = [6.0, 6.0, 6.0, 6.0, 5.6, 5.2, 4.8, 4.4, 4.0, 4.0]
    assert "hard braking" not in segment_drive(analysed(driven(easing)))[0].tags


def test_dark_and_blank_pictures_are_tagged_and_the_log_knows_better_of_night() -> None:
    analysis = analysed(driven([2.0] * 30))
    dark = Pictures(np.r_[np.full(15, 0.05), np.full(16, 0.5)], np.full(31, 0.001))
    first, second = segment_drive(analysis, pictures=dark)
    assert {"night", "low texture"} <= first.tags
    assert "night" not in second.tags
    frames = int(analysis.frames[-1]) + 1
    first, _ = segment_drive(analysis, {"night": np.zeros(frames, bool)}, pictures=dark)
    assert "night" not in first.tags


def test_the_breakdown_counts_segments_per_tag() -> None:
    segments = segment_drive(analysed(driven([2.0] * 30 + [0.0] * 10 + [-1.0] * 12)))
    table = breakdown(segments)
    assert table is not None
    assert table.overall.clips == len(segments)
    assert table.regimes["reverse"].clips == 1
    assert table.regimes["standstill"].counted == 0
