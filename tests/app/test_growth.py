"""A growing result reaches the panels one after the other, and those that nobody sees when they are seen."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lapose_inspector.inspector import Inspector
from lapose_inspector.models.derived import Derived, derive
from lapose_inspector.models.turn_signal import MORE, TurnSignal


def test_listeners_are_told_one_at_a_time_and_of_the_newest_once() -> None:
    signal, told = TurnSignal(), []
    signal.connect(lambda: told.append("a"))
    signal.connect(lambda: told.append("b"))
    signal.spread()
    assert signal.tell_next()
    signal.spread()
    assert signal.tell_next()
    assert told == ["a", "b"], "who waited longest comes first"
    assert signal.tell_next()
    assert not signal.tell_next()
    assert told == ["a", "b", "a"]


def test_who_does_not_want_to_know_is_told_later() -> None:
    signal, told, wanted = TurnSignal(), [], []
    signal.connect(lambda: told.append("hidden"), lambda: bool(wanted))
    signal.connect(lambda: told.append("seen"))
    signal.spread()
    while signal.tell_next():
        pass
    assert told == ["seen"]
    assert not signal.waiting
    wanted.append(True)
    assert signal.waiting
    assert signal.tell_next()
    assert told == ["seen", "hidden"]


def test_a_listener_with_more_to_do_has_further_turns() -> None:
    signal, told = TurnSignal(), []

    def in_parts() -> object:
        told.append("part")
        return MORE if told.count("part") % 3 else None

    signal.connect(in_parts)
    signal.connect(lambda: told.append("whole"))
    signal.spread()
    while signal.tell_next():
        pass
    assert told == ["part", "whole", "part", "part"]
    assert not signal.waiting
    signal.emit()
    assert told[4:] == ["part", "part", "part", "whole"]


def test_what_is_told_at_once_is_not_told_again() -> None:
    signal, told = TurnSignal(), []
    signal.connect(lambda: told.append(1), lambda: False)
    signal.spread()
    signal.emit()
    assert told == [1]
    signal.disconnect(next(iter(signal._listeners)))
    assert len(signal) == 0
    assert not signal.waiting


@pytest.fixture
def grown(launch, log_folder: Path, qtbot) -> tuple[Inspector, Derived]:
    """A window with an analysed drive, and the same result with all speeds doubled."""
    app = launch(log_folder)
    qtbot.waitUntil(lambda: app.session.analysis is not None and app.session.analysis.complete, timeout=120_000)
    app.analysis.forget()  # no snapshot of the checks comes between
    qtbot.waitUntil(lambda: app.growth.shown, timeout=10_000)
    analysis = app.session.analysis.snapshot()
    analysis.relative[:, :3, 3] *= 2
    return app, derive(app.session.drive, app.session.rate, analysis, app.display.alignment)


def test_panels_follow_in_turns_of_their_own(grown, qtbot) -> None:
    app, derived = grown
    tracks = app.window.tracks
    before = tracks.tracks[0].lines[0].values.copy()
    app.growth.take(derived)
    assert np.array_equal(tracks.tracks[0].lines[0].values, before, equal_nan=True), "not in the turn that brought it"
    qtbot.waitUntil(lambda: app.growth.shown, timeout=20_000)
    assert tracks.tracks[0].lines[0].values == pytest.approx(2 * before, nan_ok=True)


def test_a_snapshot_that_comes_while_another_is_drawn_is_shown_too(grown, qtbot) -> None:
    app, derived = grown
    tracks = app.window.tracks
    before = tracks.tracks[0].lines[0].values.copy()
    analysis = derived.analysis.snapshot()
    analysis.relative[:, :3, 3] *= 1.5
    second = derive(app.session.drive, app.session.rate, analysis, app.display.alignment)
    app.session.grow(derived)
    for _ in range(3):  # drawn in part
        tracks._take_series()
    app.growth.take(second)
    qtbot.waitUntil(lambda: app.growth.shown, timeout=20_000)
    assert tracks.tracks[0].lines[0].values == pytest.approx(3 * before, nan_ok=True)


def test_a_hidden_panel_shows_the_newest_when_it_comes_back(grown, qtbot) -> None:
    app, derived = grown
    tracks = app.window.tracks
    before = tracks.tracks[0].lines[0].values.copy()
    app.window.toggle_panel("tracks")
    app.growth.take(derived)
    qtbot.waitUntil(lambda: app.growth.shown, timeout=20_000)
    assert np.array_equal(tracks.tracks[0].lines[0].values, before, equal_nan=True)
    app.window.toggle_panel("tracks")
    qtbot.waitUntil(lambda: tracks.tracks[0].lines[0].values == pytest.approx(2 * before, nan_ok=True), timeout=20_000)


def test_a_result_of_another_model_is_shown_at_once(grown) -> None:
    app, derived = grown
    derived.analysis.checkpoint_hash = "another"
    app.growth.take(derived)
    assert app.growth.shown
    assert app.window.tracks.tracks[0].lines[0].values is derived.series["speed"].shown


def test_a_result_that_takes_long_to_show_comes_less_often(grown, qtbot) -> None:
    app, derived = grown
    app.session.analysis_changed.connect(lambda: qtbot.wait(60))
    app.growth.take(derived)
    qtbot.waitUntil(lambda: app.growth.shown, timeout=20_000)
    qtbot.waitUntil(lambda: app.analysis.process.snapshot_interval >= 0.5, timeout=20_000)


def test_what_is_done_never_reads_as_nothing(grown) -> None:
    app, derived = grown
    status = app.window.status
    first = derived.analysis.snapshot()
    first.windows_done = set()
    first.done[:] = False
    first.done[0] = True
    app.session.set_analysis(first)
    app.window.show_running(True)
    assert 10 <= status.progress.value() < 1000, "a transition is there, though no window is"
    app.growth.take(derived)
    app.window.show_running(False)
    assert not app.growth.shown
    assert status.doing.text() == "analysed", "the end is told at once, also while panels have yet to be told"
