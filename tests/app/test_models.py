"""The clock, the derived series, the colours and the aligned paths."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable

import numpy as np
import pytest
from app_drives import RATE, analysed, drive_in_memory, turning_path
from hypothesis import given
from hypothesis import strategies as st

from lapose_inspector.models.colours import DARK, colormap_of, limits_of, rgba, series_colours
from lapose_inspector.models.derived import derive
from lapose_inspector.models.events import event_frames, nearest, next_event
from lapose_inspector.models.series import Series
from lapose_inspector.models.session import Session
from lapose_inspector.models.timeline import SPEEDS, Timeline


@pytest.fixture
def timeline() -> Timeline:
    out = Timeline()
    out.reset(100.0 + np.arange(50) / 10.0)
    return out


class TestTimeline:
    def test_playback_is_real_time_whatever_the_ticks(self, timeline: Timeline) -> None:
        for tick in (0.015, 0.1, 0.33):
            timeline.seek(0)
            timeline.play()
            for _ in range(int(2.0 / tick + 1e-9)):
                timeline.advance(tick)
            assert timeline.time == pytest.approx(2.0, abs=max(0.1, tick) + 1e-9)
            timeline.pause()

    @pytest.mark.parametrize("speed", SPEEDS)
    def test_speed_multiplies_time(self, timeline: Timeline, speed: float) -> None:
        timeline.speed = speed
        timeline.play()
        for _ in range(20):
            timeline.advance(0.02)
        assert timeline.time == pytest.approx(0.4 * speed, abs=0.1 + 1e-9)

    def test_it_stops_at_either_end(self, timeline: Timeline) -> None:
        timeline.play()
        timeline.advance(60)
        assert (timeline.frame, timeline.playing) == (49, False)
        timeline.play(-1)
        timeline.advance(60)
        assert (timeline.frame, timeline.playing) == (0, False)

    def test_playing_at_the_end_starts_over(self, timeline: Timeline) -> None:
        timeline.end()
        timeline.play()
        assert timeline.frame == 0

    def test_a_loop_repeats_and_never_leaves_its_range(self, timeline: Timeline) -> None:
        timeline.set_loop(10, 20)
        timeline.seek(10)
        timeline.play()
        seen = []
        for _ in range(400):
            timeline.advance(0.01)
            seen.append(timeline.frame)
        assert set(seen) == set(range(10, 21))
        assert sum(b < a for a, b in itertools.pairwise(seen)) == 3  # 4 s of a loop of 1.1 s
        assert timeline.playing

    def test_a_loop_before_a_short_step_is_not_left(self) -> None:
        timeline = Timeline()
        timeline.reset(np.array([0.0, 0.1, 0.2, 0.25, 0.35]))
        timeline.set_loop(0, 2)
        timeline.play()
        seen = set()
        for _ in range(100):
            timeline.advance(0.01)
            seen.add(timeline.frame)
        assert seen == {0, 1, 2}

    def test_the_last_frame_of_a_loop_is_shown_as_long_as_the_others(self, timeline: Timeline) -> None:
        timeline.set_loop(10, 20)
        timeline.seek(10)
        timeline.play()
        shown = []
        for _ in range(110 * 4):
            timeline.advance(0.01)
            shown.append(timeline.frame)
        counts = np.bincount(shown, minlength=21)[10:21]
        assert counts.max() - counts.min() <= 4  # one tick each time round

    def test_loop_ends_set_at_the_cursor(self, timeline: Timeline) -> None:
        timeline.seek(30)
        timeline.set_loop_start()
        assert timeline.loop == (30, 49)
        timeline.seek(10)
        timeline.set_loop_end()
        assert timeline.loop == (0, 10)
        timeline.clear_loop()
        assert timeline.loop is None
        assert not timeline.loop_enabled

    def test_shuttle_again_is_faster_and_the_other_way_is_normal_speed(self, timeline: Timeline) -> None:
        timeline.seek(25)
        timeline.shuttle(1)
        timeline.shuttle(1)
        assert (timeline.speed, timeline.direction) == (1.5, 1)
        timeline.shuttle(-1)
        assert (timeline.speed, timeline.direction, timeline.playing) == (1.0, -1, True)

    def test_a_step_is_one_frame_and_stops(self, timeline: Timeline) -> None:
        timeline.seek(10)
        timeline.play()
        timeline.step(1)
        assert (timeline.frame, timeline.playing) == (11, False)

    def test_a_jump_moves_even_when_frames_are_far_apart(self) -> None:
        timeline = Timeline()
        timeline.reset(np.arange(5) * 10.0)
        timeline.jump(1.0)
        assert timeline.frame == 1
        timeline.jump(-1.0)
        assert timeline.frame == 0

    def test_another_drive_forgets_loop_and_playback(self, timeline: Timeline) -> None:
        timeline.set_loop(3, 9)
        timeline.play()
        timeline.reset(np.arange(4) / 2.0, frame=9)
        assert (timeline.frame, timeline.playing, timeline.loop) == (3, False, None)

    def test_without_a_drive_nothing_moves(self) -> None:
        timeline = Timeline()
        for command in (
            timeline.play,
            timeline.home,
            timeline.end,
            timeline.set_loop_start,
            timeline.toggle_play,
        ):
            command()
        timeline.step(1)
        timeline.jump(1.0)
        timeline.advance(1.0)
        assert (timeline.frame, timeline.time, timeline.playing) == (0, 0.0, False)

    @given(
        st.lists(st.floats(0.001, 3.0), min_size=1, max_size=40),
        st.lists(
            st.one_of(
                st.tuples(st.just("seek"), st.integers(-50, 100)),
                st.tuples(st.just("advance"), st.floats(0, 5)),
                st.tuples(st.just("shuttle"), st.sampled_from([-1, 1])),
                st.tuples(st.just("jump"), st.floats(-9, 9)),
                st.tuples(st.just("step"), st.integers(-3, 3)),
            ),
            max_size=30,
        ),
    )
    def test_the_cursor_never_leaves_the_drive(self, gaps: list[float], commands: list[tuple]) -> None:
        timeline = Timeline()
        timeline.reset(np.cumsum(gaps))
        announced: list[int] = [timeline.frame]
        timeline.frame_changed.connect(announced.append)
        for name, value in commands:
            getattr(timeline, name)(value)
            assert 0 <= timeline.frame < timeline.n_frames
            assert announced[-1] == timeline.frame
        assert all(a != b for a, b in itertools.pairwise(announced))

    @given(st.lists(st.floats(0.001, 3.0), min_size=1, max_size=40))
    def test_frame_at_is_the_inverse_of_time_of(self, gaps: list[float]) -> None:
        timeline = Timeline()
        timeline.reset(np.cumsum(gaps))
        assert [timeline.frame_at(timeline.time_of(i)) for i in range(len(gaps))] == list(range(len(gaps)))


class TestSeries:
    def test_truth_is_there_before_any_analysis(self) -> None:
        session = Session()
        session.rate = RATE
        session.open(drive_in_memory())
        speed = session.series["speed"]
        assert speed.truth == pytest.approx(np.full(39, 0.8 * RATE))
        assert np.isnan(speed.values).all()
        assert speed.text(3) == "–"
        assert speed.text(3, truth=True) == "8.0 m/s"

    def test_an_exact_prediction_has_no_error(self) -> None:
        session = Session()
        session.open(drive_in_memory())
        session.set_analysis(analysed(drive_in_memory()))
        series = session.series
        assert series["speed"].values == pytest.approx(series["speed"].truth)
        assert series["yaw rate"].values == pytest.approx(series["yaw rate"].truth)
        for key in ("rotation error", "direction error", "scale error"):
            assert series[key].values == pytest.approx(np.zeros(39), abs=1e-6)
        assert series["yaw rate"].shown[-1] == pytest.approx(np.degrees(0.02) * RATE)

    def test_a_prediction_too_long_shows_as_scale_error_alone(self) -> None:
        session = Session()
        session.open(drive_in_memory())
        session.set_analysis(analysed(drive_in_memory(), scale=1.5))
        assert session.series["scale error"].shown == pytest.approx(np.full(39, 50.0))
        assert session.series["direction error"].values == pytest.approx(np.zeros(39), abs=1e-6)

    def test_what_is_not_analysed_or_has_no_truth_does_not_exist(self) -> None:
        valid = np.ones(40, bool)
        valid[5] = False
        drive = drive_in_memory(valid=valid)
        session = Session()
        session.open(drive)
        session.set_analysis(analysed(drive, windows=[0]))
        series = session.series
        assert np.isfinite(series["speed"].values).tolist() == [True] * 15 + [False] * 24
        assert np.flatnonzero(np.isnan(series["rotation error"].values[:15])).tolist() == [4, 5]
        assert np.flatnonzero(np.isnan(series["regime"].values)).tolist() == [4, 5]

    def test_regimes_are_named(self) -> None:
        session = Session()
        session.rate = RATE
        session.open(drive_in_memory())
        regime = session.series["regime"]
        assert (regime.text(2), regime.text(30)) == ("straight", "medium")

    def test_the_transition_at_a_frame(self) -> None:
        session = Session()
        session.open(drive_in_memory())
        session.rate = 2.0
        assert session.series.frames.tolist() == [0, 5, 10, 15, 20, 25, 30, 35]
        found = [session.series.transition_at(f) for f in (-1, 0, 4, 5, 34, 35, 36, 39, 40)]
        assert found == [None, 0, 0, 1, 6, 6, 6, 6, None]

    def test_the_last_sample_stands_for_the_frames_up_to_its_period(self) -> None:
        session = Session()
        session.rate = 5.0
        session.open(drive_in_memory())
        session.set_analysis(analysed(drive_in_memory(), rate=5.0))
        last = int(session.series.frames[-1])
        assert last == 38, "every second frame of 40"
        (segment,) = session.predicted_segments()
        assert (segment.frames[-1], segment.last_frame) == (last, 39)
        session.timeline.seek(39)
        assert session.transition == len(session.series) - 1


class TestColours:
    def test_missing_values_get_the_colour_of_missing(self) -> None:
        colours = series_colours(Series("speed", "Speed", "m/s", np.array([1.0, np.nan, 3.0])))
        assert colours[1] == pytest.approx(rgba(DARK.missing))
        assert not np.allclose(colours[0], colours[2])

    def test_zero_of_a_signed_series_is_the_middle_of_its_map(self) -> None:
        series = Series("yaw rate", "Yaw", "°/s", np.array([-3.0, 0.0, 1.0]), signed=True)
        low, high = limits_of(series)
        assert low == -high
        assert series_colours(series)[1] == pytest.approx(np.asarray(colormap_of(series)(0.5)), abs=0.02)

    @pytest.mark.parametrize("values", [[], [np.nan], [0.0, 0.0], [5.0], [-1e-300, 1e300]])
    @pytest.mark.parametrize("signed", [True, False])
    def test_degenerate_values_have_colours(self, values: list[float], signed: bool) -> None:
        colours = series_colours(Series("x", "X", "", np.array(values, float), signed=signed), "light")
        assert colours.shape == (len(values), 4)
        assert np.isfinite(colours).all()


class TestPaths:
    def test_an_exact_prediction_lies_on_the_truth(self) -> None:
        drive = drive_in_memory()
        session = Session()
        session.open(drive)
        session.set_analysis(analysed(drive))
        for mode in ("se3", "sim3", "raw"):
            session.display.alignment = mode
            (segment,) = session.predicted_segments()
            assert segment.poses == pytest.approx(drive.poses, abs=1e-6)

    def test_alignment_and_matched_frames_are_told(self) -> None:
        valid = np.ones(40, bool)
        valid[30:] = False
        drive = drive_in_memory(valid=valid)
        session = Session()
        session.open(drive)
        session.set_analysis(analysed(drive, scale=2.0))
        assert session.alignment_text == "SE(3) aligned, scale 1.00, 30/40 frames matched"
        session.display.alignment = "sim3"
        assert session.alignment_text == "Sim(3) aligned, scale 0.50, 30/40 frames matched"
        session.display.alignment = "raw"
        assert session.alignment_text.startswith("first pose on the truth")

    def test_truth_with_gaps_is_in_pieces(self) -> None:
        valid = np.ones(40, bool)
        valid[[0, 20]] = False
        session = Session()
        session.open(drive_in_memory(valid=valid))
        assert [(int(s.frames[0]), int(s.frames[-1])) for s in session.true_segments()] == [(1, 19), (21, 39)]
        assert session.origin == pytest.approx(turning_path(40)[1, :3, 3])

    def test_unfinished_analyses_are_in_pieces(self) -> None:
        drive = drive_in_memory(60)
        session = Session()
        session.open(drive)
        result = analysed(drive, windows=[0, 4])
        session.set_analysis(result)
        assert [s.first for s in session.predicted_segments()] == [0, result.window_starts[4]]
        assert [s.last_frame for s in session.predicted_segments()] == [15, 47]
        assert "2 stretches each by itself" in session.alignment_text

    def test_stretches_without_truth_are_told_apart(self) -> None:
        drive = drive_in_memory(60)
        session = Session()
        session.open(dataclasses.replace(drive, poses=None, pose_valid=None))
        session.set_analysis(analysed(drive, windows=[0, 4]))
        assert "2 separate stretches, each from its own origin" in session.alignment_text
        session.set_analysis(analysed(drive))
        assert session.alignment_text == "not aligned: this drive has no ground truth"


def test_events_are_regime_changes_and_error_peaks() -> None:
    drive = drive_in_memory()
    session = Session()
    session.rate = RATE
    session.open(drive)
    frames = event_frames(session.series)
    assert frames.tolist() == [20]  # the turn begins with the transition from frame 20
    assert next_event(session.series, 0, 1) == 20
    assert next_event(session.series, 20, 1) is None
    assert next_event(session.series, 39, -1) == 20


class TestEveryFrame:
    """Playback that leaves out no frame, however late the display is."""

    @staticmethod
    def play(
        timeline: Timeline, ticks: int, seconds: float, shown: Callable[[int], bool] = lambda n: True
    ) -> list[int]:
        seen = [timeline.frame]
        timeline.frame_changed.connect(seen.append)
        for n in range(ticks):
            timeline.advance(seconds, shown(n))
        timeline.frame_changed.disconnect(seen.append)
        return seen

    def test_no_frame_is_left_out_whatever_the_ticks(self) -> None:
        for tick in (0.01, 0.04, 0.5, 3.0):
            timeline = Timeline()
            timeline.reset(np.array([0.0, 0.1, 0.2, 0.25, 0.9, 1.0, 1.1, 1.2]))
            timeline.every_frame = True
            timeline.play()
            assert self.play(timeline, 400, tick) == list(range(8))
            assert not timeline.playing
            timeline.play(-1)
            assert self.play(timeline, 400, tick) == list(range(7, -1, -1))

    def test_it_waits_for_the_display_and_does_not_catch_up(self) -> None:
        timeline = Timeline()
        timeline.reset(np.arange(100) / 10)
        timeline.every_frame = True
        timeline.play()
        seen = self.play(timeline, 200, 0.05, shown=lambda n: n < 20 or n >= 160)
        assert seen == list(range(len(seen)))
        assert 25 <= len(seen) <= 32  # of 200 ticks, 140 waited

    def test_a_loop_shows_each_of_its_frames_each_time(self) -> None:
        timeline = Timeline()
        timeline.reset(np.arange(20) / 10)
        timeline.every_frame = True
        timeline.set_loop(5, 8)
        timeline.seek(5)
        timeline.play()
        assert self.play(timeline, 9, 7.0) == [5, 6, 7, 8, 5, 6, 7, 8, 5, 6]

    def test_real_time_catches_up(self) -> None:
        timeline = Timeline()
        timeline.reset(np.arange(100) / 10)
        timeline.play()
        timeline.advance(3.0, shown=False)
        assert timeline.frame == 30


def test_the_nearest_of_some_frames() -> None:
    frames = np.array([3, 8, 20])
    assert [nearest(frames, at, 1) for at in (0, 3, 8, 20)] == [3, 8, 20, None]
    assert [nearest(frames, at, -1) for at in (0, 3, 8, 99)] == [None, None, 3, 20]


def test_a_growing_result_takes_what_stays_from_the_snapshot_before() -> None:
    drive = drive_in_memory(60)
    analysis = analysed(drive)
    first = derive(drive, RATE, analysis, "se3")
    again = derive(drive, RATE, analysis, "se3", first)
    assert again.series["speed"].truth is first.series["speed"].truth
    for key, series in first.series.series.items():
        np.testing.assert_array_equal(again.series[key].values, series.values)


def test_a_session_takes_what_another_thread_derived_and_lays_the_path_anew_when_asked_otherwise() -> None:
    session = Session()
    session.rate = RATE
    drive = drive_in_memory(60)
    session.open(drive)
    analysis = analysed(drive)
    session.take(derive(drive, RATE, analysis, "raw"))
    assert session.analysis is analysis
    assert session.predicted_path is not None
    assert session.predicted_path.alignment == session.display.alignment == "se3"
    other = Session()
    other.rate = RATE
    other.open(drive)
    other.set_analysis(analysis)
    for mine, theirs in zip(session.predicted_segments(), other.predicted_segments(), strict=True):
        np.testing.assert_allclose(mine.poses, theirs.poses, atol=1e-9)
