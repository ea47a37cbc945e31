"""The tracks in a real window: what is painted where, and what the mouse does."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from panel_drive import analyse, make_drive, winding_path
from PySide6.QtCore import QPoint, QPointF, QRect, QRectF, Qt
from PySide6.QtGui import QColor, QImage, QPainter, QWheelEvent
from PySide6.QtWidgets import QApplication

from lapose_inspector.models.colours import DARK, PREDICTION
from lapose_inspector.models.curves import Summary, value_range
from lapose_inspector.models.derived import derive
from lapose_inspector.models.session import Session
from lapose_inspector.views.tracks_view import TracksView
from lapose_inspector.visuals.tracks import AXIS, GUTTER, LEAST_HEIGHT, RIGHT, rows
from lapose_inspector.visuals.tracks_axis import (
    TimeSpan,
    decimate,
    runs,
    time_step,
    time_text,
    value_ticks,
)
from lapose_inspector.visuals.tracks_shading import shade_selection

RATE = 10.0


def session_of(count: int = 600, *, truth: bool = True, until: float = 1.0, noise: float = 1.0) -> Session:
    session = Session()
    session.rate = RATE
    drive = make_drive(count, RATE, truth=truth)
    session.open(drive)
    session.set_analysis(analyse(drive, winding_path(count, RATE), RATE, until=until, noise=noise))
    return session


@pytest.fixture
def make_view(qtbot):
    views = []

    def make(session: Session, width: int = 1280, height: int = 230) -> TracksView:
        view = TracksView(session)
        qtbot.addWidget(view)
        view.resize(width, height)
        view.show()
        qtbot.waitExposed(view)
        views.append(view)
        return view

    yield make
    for view in views:
        view.close_panel()


def wheel(view: TracksView, at: QPointF, turns: int) -> None:
    event = QWheelEvent(
        at,
        view.mapToGlobal(at),
        QPoint(),
        QPoint(0, 120 * turns),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(view, event)


def colour_columns(view: TracksView, colour: str) -> np.ndarray:
    """Pixel columns of the plots in which a colour is painted."""
    image = view.grab().toImage()
    wanted = QColor(colour)
    found = []
    for x in range(int(GUTTER) + 2, image.width()):
        for y in range(0, int(image.height() - AXIS)):
            c = image.pixelColor(x, y)
            if all(abs(a - b) < 12 for a, b in zip(c.getRgb()[:3], wanted.getRgb()[:3], strict=True)):
                found.append(x)
                break
    return np.array(found)


@pytest.mark.parametrize("frame", [0, 137, 412, 599])
def test_a_click_goes_to_the_frame_under_it(make_view, qtbot, frame):
    session = session_of()
    view = make_view(session)
    wheel(view, QPointF(float(view.span.x(frame / RATE)), 40), 5)  # so that a frame is several pixels wide
    at = QPoint(round(float(view.span.x(frame / RATE))), 60)
    qtbot.mouseClick(view, Qt.MouseButton.LeftButton, pos=at)
    assert session.timeline.frame == frame


def test_a_click_beside_the_plots_moves_nothing(make_view, qtbot):
    session = session_of()
    session.timeline.seek(200)
    view = make_view(session)
    qtbot.mouseClick(view, Qt.MouseButton.LeftButton, pos=QPoint(40, 60))
    assert session.timeline.frame == 200


def test_the_wheel_zooms_about_the_time_under_the_pointer(make_view):
    view = make_view(session_of())
    at = QPointF(700.0, 90.0)
    before, length = view.span.seconds(700), view.span.length
    for turns in (1, 3, -2):
        wheel(view, at, turns)
        assert view.span.seconds(700) == pytest.approx(before, abs=1e-9)
    assert view.span.length < length
    wheel(view, at, -40)
    assert (view.span.start, view.span.stop) == (0.0, pytest.approx(59.9))


def test_dragging_pans_and_a_double_click_shows_all(make_view, qtbot):
    session = session_of()
    view = make_view(session)
    wheel(view, QPointF(700, 90), 6)
    held = view.span.seconds(600)
    qtbot.mousePress(view, Qt.MouseButton.LeftButton, pos=QPoint(600, 90))
    qtbot.mouseMove(view, QPoint(640, 90))
    qtbot.mouseMove(view, QPoint(680, 90))
    qtbot.mouseRelease(view, Qt.MouseButton.LeftButton, pos=QPoint(680, 90))
    assert view.span.seconds(680) == pytest.approx(held)
    assert session.timeline.frame == 0  # a drag is no click
    qtbot.mouseDClick(view, Qt.MouseButton.LeftButton, pos=QPoint(600, 90))
    assert view.span.length == pytest.approx(59.9)


def test_dragging_on_the_axis_scrubs(make_view, qtbot):
    session = session_of()
    view = make_view(session)
    y = view.height() - 8
    qtbot.mousePress(view, Qt.MouseButton.LeftButton, pos=QPoint(400, y))
    first = session.timeline.frame
    qtbot.mouseMove(view, QPoint(900, y))
    assert session.timeline.time == pytest.approx(view.span.seconds(900), abs=0.06)
    assert session.timeline.frame > first > 0


def test_in_a_low_panel_the_plots_scroll_under_the_axis(make_view):
    session = session_of()
    view = make_view(session, height=110)
    hidden = 1 + len(view.tracks) * LEAST_HEIGHT + AXIS - 110
    assert hidden > 0
    width, axis, plots = 1280 - int(RIGHT), 110 - int(AXIS), 110 - int(AXIS) - int(hidden)
    before = view.grab().toImage()
    wheel(view, QPointF(40, 40), -9)
    after = view.grab().toImage()
    assert after.copy(0, axis, 1280, int(AXIS)) == before.copy(0, axis, 1280, int(AXIS))
    assert after.copy(0, 0, width, plots) == before.copy(0, int(hidden), width, plots)
    assert after.copy(0, 0, width, plots) != before.copy(0, 0, width, plots)
    assert view.span.length == pytest.approx(59.9), "the wheel over the names does not zoom"


def test_the_view_turns_the_page_when_the_cursor_leaves_it(make_view):
    session = session_of()
    view = make_view(session)
    wheel(view, QPointF(GUTTER + 5, 90), 8)
    length = view.span.length
    session.timeline.seek(400)
    assert view.span.start < 40.0 < view.span.stop
    assert view.span.length == pytest.approx(length)


@pytest.mark.parametrize(("turns", "width", "height"), [(0, 1280, 230), (6, 1280, 230), (0, 700, 400), (0, 1280, 120)])
def test_a_moved_cursor_leaves_the_picture_that_painting_all_of_it_gives(make_view, qtbot, turns, width, height):
    session = session_of(until=0.6)
    view = make_view(session, width, height)
    if turns:
        wheel(view, QPointF(width / 2, 60), turns)
    screen = view.screen()
    for frame in (300, 301, 302, 309, 290, 340, 341, 359, 599, 0, 1, 310):
        session.timeline.seek(frame)
        qtbot.wait(20)
        whole = view.grab().toImage()

        def on_screen() -> bool:
            return screen.grabWindow(view.winId()).toImage().convertToFormat(whole.format()) == whole  # noqa: B023

        qtbot.waitUntil(on_screen, timeout=20_000)


def test_the_prediction_is_painted_where_it_is_analysed_and_nowhere_else(make_view):
    session = session_of(truth=False, until=0.5, noise=0.0)  # the truth would be drawn over it
    session.timeline.seek(599)
    view = make_view(session)
    done = np.flatnonzero(session.series.done)
    columns = colour_columns(view, PREDICTION)
    assert columns.max() == pytest.approx(float(view.span.x((done[-1] + 0.5) / RATE)), abs=3)
    assert columns.min() < GUTTER + 8
    before = len(columns)
    drive = session.drive
    assert drive is not None
    session.set_analysis(analyse(drive, winding_path(600, RATE), RATE))
    assert len(colour_columns(view, PREDICTION)) > 1.8 * before


def test_errors_without_truth_say_what_they_need(make_view):
    view = make_view(session_of(truth=False))
    said = {track.label: track.empty for track in view.tracks}
    for label in ("Rotation error", "Direction error", "Scale error"):
        assert "needs ground truth" in said[label]
    assert [track.unit for track in view.tracks] == ["m/s", "°/s", "°", "°", "%"]


def test_an_empty_session_says_how_to_fill_it(make_view):
    session = Session()
    view = make_view(session)
    empty = view.grab().toImage()
    session.open(make_drive(50))
    assert len(view.tracks) == 5
    assert view.grab().toImage() != empty


def test_a_long_drive_keeps_its_single_peak_in_the_picture(make_view):
    count = 60_000
    session = Session()
    session.rate = RATE
    path = winding_path(count, RATE)
    drive = make_drive(count, RATE, poses=path)
    session.open(drive)
    analysis = analyse(drive, path, RATE)
    analysis.relative[21_234, :3, 3] *= 1.6
    session.set_analysis(analysis)
    view = make_view(session)
    scale = view.tracks[-1]
    x, y = decimate(view.span.x(scale.times), scale.lines[0].values, int(view.span.width))
    assert len(x) < 3000
    assert x[np.nanargmax(y)] == pytest.approx(float(view.span.x(scale.times[21_234])), abs=1.0)
    assert np.nanmax(y) == pytest.approx(60.0, abs=0.01)
    at, values = scale.lines[0].summary.between(0, count - 1, int(view.span.width))
    assert len(at) < count / 3
    assert scale.times[at[np.nanargmax(values)]] == pytest.approx(scale.times[21_234], abs=64 / RATE)
    assert np.nanmax(values) == np.nanmax(scale.lines[0].values)
    # It is drawn: text-coloured pixels reach higher there than beside it.
    image, ink = view.grab().toImage(), QColor(session.display.colours.text)
    column = round(float(view.span.x(scale.times[21_234])))
    top, height = rows(view.height(), len(view.tracks))[-1]

    def highest(x: int) -> int:
        return next((y for y in range(int(top), int(top + height)) if image.pixelColor(x, y) == ink), image.height())

    assert min(highest(x) for x in range(column - 1, column + 2)) < min(highest(x) for x in range(400, 420)) - 5


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_the_theme_reaches_the_picture(make_view, theme):
    session = session_of(100)
    view = make_view(session)
    session.display.theme = theme
    image = view.grab().toImage()
    assert image.pixelColor(4, image.height() - 4) == QColor(session.display.colours.panel)


def test_a_closed_panel_is_let_go(qtbot):
    session = session_of(60)
    view = TracksView(session)
    view.close_panel()
    gone = weakref.ref(view)
    view.deleteLater()
    del view
    qtbot.wait(20)
    gc.collect()
    assert gone() is None
    assert len(session.drive_changed) == len(session.analysis_changed) == len(session.timeline.followed) == 0
    session.timeline.seek(5)


@settings(deadline=None)
@given(
    arrays(np.float64, st.integers(1, 3000), elements=st.floats(-1e6, 1e6) | st.just(np.nan)),
    st.integers(1, 40),
    st.data(),
)
def test_a_summary_loses_no_extreme_of_what_is_in_sight(values, columns, data):
    first = data.draw(st.integers(0, len(values) - 1))
    last = data.draw(st.integers(first + 1, len(values)))
    at, some = Summary(values).between(first, last, columns)
    assert len(at) == len(some) <= max(last - first, 2)
    assert (np.diff(at) >= 0).all()
    seen = values[first:last]
    if np.isfinite(seen).any():
        assert np.nanmin(some) <= np.nanmin(seen)
        assert np.nanmax(some) >= np.nanmax(seen)
    else:
        assert len(some) < len(seen) or np.isnan(some).all()


@settings(deadline=None)
@given(
    arrays(np.float64, st.integers(1, 3000), elements=st.floats(-1e6, 1e6) | st.just(np.nan)),
    st.integers(10, 200),
)
def test_decimation_loses_neither_extremes_nor_gaps(values, columns):
    x = np.linspace(0, columns - 1e-6, len(values))
    dx, dy = decimate(x, values, columns)
    assert len(dx) <= 2 * (columns + 1)
    assert (np.diff(dx) >= 0).all()
    if np.isfinite(values).any():
        assert np.nanmin(dy) == np.nanmin(values)
        assert np.nanmax(dy) == np.nanmax(values)
    else:
        assert np.isnan(dy).all()


def test_one_outlier_does_not_flatten_a_track():
    values = np.r_[np.linspace(0.1, 2.0, 500), 900.0]
    low, high = value_range([values], signed=False)
    assert low == 0.0
    assert 2.0 <= high < 3.0
    low, high = value_range([np.array([-3.0, 1.0])], signed=True)
    assert -low == high >= 3.0


@settings(deadline=None)
@given(st.floats(1e-3, 1e4), st.booleans(), st.integers(1, 6))
def test_every_range_has_a_label_beside_zero(high, signed, most):
    ticks, digits = value_ticks(-high if signed else 0.0, high, most)
    assert np.abs(ticks).max() > 0
    assert 0.0 in ticks
    assert len({f"{t:.{digits}f}" for t in ticks}) == len(ticks)


def test_times_are_written_as_clocks_show_them():
    assert time_text(4.5, 0.5) == "4.5 s"
    assert time_text(42.0, 1.0) == "42 s"
    assert time_text(185.0, 60.0) == "3:05"
    assert time_text(-0.0, 10.0) == "0 s"
    assert time_step(90.0, 6) == 15.0


def test_runs_and_spans():
    assert runs(np.array([np.nan, 1, 2, np.nan, 3])) == [(1, 3), (4, 5)]
    span = TimeSpan(0.0, 10.0, 10.0, 100.0, 500.0)
    assert span.zoomed(2.0, 5.0).length == 10.0
    assert span.zoomed(0.5, 9.9).stop <= 10.0
    assert span.seconds(float(span.x(3.3))) == pytest.approx(3.3)


@pytest.mark.parametrize("count", [7, 700])
def test_what_is_selected_is_shaded_whether_it_is_little_or_much(qapp, count):
    rng = np.random.default_rng(0)
    first = np.sort(rng.choice(np.arange(5, 1990, 2), count, replace=False))
    span = TimeSpan(0.0, 1000.0, 1000.0, 100.0, 2000.0)
    image = QImage(2200, 100, QImage.Format.Format_RGB32)
    image.fill(0)
    with QPainter(image) as painter:
        plot = QRectF(span.left, 0, span.width, 80)
        # Half a second is a pixel; some are narrower, and are shown as one.
        seconds = np.stack([first, first + rng.choice([0.2, 1.0], count)], 1) / 2
        shade_selection(painter, plot, span, seconds, DARK)
    for row, colour in ((1, DARK.selection), (40, None)):
        shaded = np.array([image.pixel(x, row) & 0xFFFFFF for x in range(image.width())])
        assert np.flatnonzero(shaded).tolist() == (100 + first).tolist()
        if colour is not None:
            assert set(shaded[shaded > 0].tolist()) == {int(colour[1:], 16)}
    assert image.pixel(100 + int(first[0]), 81) & 0xFFFFFF == 0


def test_a_growing_result_is_drawn_in_two_steps_and_then_as_at_once(make_view, qtbot):
    session = session_of(until=0.4)
    drive = session.drive
    view = make_view(session)
    view.grab()
    before = view.grab().toImage()
    whole = derive(drive, RATE, analyse(drive, winding_path(600, RATE), RATE, until=0.8), session.display.alignment)
    session.grow(whole)
    assert session.analysis_changed.tell_next()
    session.timeline.seek(420)  # the cursor moves between the two
    between = view.grab().toImage()
    plots = QRect(int(GUTTER) + 300, 0, 300, 200)
    assert between.copy(plots) == before.copy(plots)
    while session.analysis_changed.tell_next():
        pass
    grown = view.grab().toImage()
    assert grown.copy(plots) != before.copy(plots)
    session.set_analysis(whole.analysis)
    view._redraw()
    assert view.grab().toImage() == grown
    session.grow(derive(drive, RATE, analyse(drive, winding_path(600, RATE), RATE), session.display.alignment))
    session.analysis_changed.tell_next()
    wheel(view, QPointF(700, 90), 3)  # what is drawn by half is of another view now
    while session.analysis_changed.tell_next():
        pass
    zoomed = view.grab().toImage()
    view._redraw()
    assert view.grab().toImage() == zoomed
