"""The selection: sets of transitions by drive, and the named ones."""

from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from lapose_inspector.models.selection import Selection, TransitionId
from lapose_inspector.models.session import Session


def counted(selection: Selection) -> list[int]:
    """The size after each change that was announced."""
    sizes: list[int] = []
    selection.changed.connect(lambda: sizes.append(len(selection)))
    return sizes


def test_add_and_subtract_work_on_each_drive_by_itself() -> None:
    selection = Selection(5.0)
    selection.replace({"a": [3, 1, 1, 2], "b": [1]})
    selection.add({"a": [9], "c": [4]})
    selection.subtract({"a": [2], "b": [1]})
    assert list(selection) == [TransitionId("a", 1), TransitionId("a", 3), TransitionId("a", 9), TransitionId("c", 4)]
    assert ("a", 3) in selection
    assert ("b", 3) not in selection, "the same index of another drive is another transition"
    assert ("a", 2) not in selection
    assert selection.drives == ("a", "c")


def test_invert_leaves_what_cannot_be_seen() -> None:
    selection = Selection(5.0)
    selection.replace({"a": [0, 1, 7], "b": [5]})
    selection.invert({"a": np.arange(4)})
    assert selection.of("a").tolist() == [2, 3, 7]
    assert selection.of("b").tolist() == [5]


def test_only_real_changes_are_announced_and_once_each() -> None:
    selection = Selection(5.0)
    sizes = counted(selection)
    selection.replace({"a": [1, 2]})
    selection.replace({"a": [2, 1]})
    selection.subtract({"b": [1]})
    selection.add({})
    selection.clear()
    selection.clear()
    assert sizes == [2, 0]


def test_runs_join_neighbours() -> None:
    selection = Selection(5.0)
    selection.replace({"a": [4, 5, 6, 9, 11, 12]})
    assert selection.runs("a") == [(4, 7), (9, 10), (11, 13)]
    assert selection.runs("b") == []


def test_another_rate_drops_the_selection_and_refuses_its_sets() -> None:
    session = Session()
    session.rate = 5.0
    session.selection.replace({"a": [1]})
    session.selection.keep("curves")
    session.rate = 2.0
    assert len(session.selection) == 0
    with pytest.raises(ValueError, match="made at 5 Hz"):
        session.selection.recall("curves")
    session.rate = 5.0
    session.selection.recall("curves")
    assert list(session.selection) == [("a", 1)]


def test_named_sets_are_kept_recalled_and_forgotten() -> None:
    selection = Selection(5.0)
    with pytest.raises(ValueError, match="nothing is selected"):
        selection.keep("empty")
    selection.replace({"a": [1]})
    with pytest.raises(ValueError, match="needs a name"):
        selection.keep("  ")
    selection.keep("one")
    selection.add({"a": [2]})
    assert [(s.name, len(s)) for s in selection.sets] == [("one", 1)], "a set does not follow the selection"
    selection.keep("one")
    assert [(s.name, len(s)) for s in selection.sets] == [("one", 2)]
    selection.clear()
    selection.recall("one")
    assert selection.of("a").tolist() == [1, 2]
    selection.forget("one")
    assert selection.sets == ()
    with pytest.raises(ValueError, match="no set 'one'"):
        selection.recall("one")


def test_negative_indices_are_refused() -> None:
    with pytest.raises(ValueError, match="begin at 0"):
        Selection(5.0).add({"a": [-1]})


def test_esc_lets_go_of_one_thing_at_a_time(launch, log_folder, qtbot) -> None:
    app = launch(log_folder)
    qtbot.waitUntil(
        lambda: app.session.analysis is not None and app.session.analysis.complete and app.growth.shown, timeout=60_000
    )
    fingerprint = app.session.drive.fingerprint
    actions = app.window.actions_
    projected = lambda: app.window.latent_map.projection  # noqa: E731
    qtbot.waitUntil(
        lambda: projected() is not None and len(projected().points) == len(app.session.series), timeout=20_000
    )
    actions["select.all"].trigger()
    assert len(app.session.selection) == len(app.session.series)
    app.session.selection.subtract({fingerprint: [0, 1]})
    actions["select.invert"].trigger()
    assert app.session.selection.of(fingerprint).tolist() == [0, 1]
    QTest.keyClick(app.window, Qt.Key.Key_Escape)
    assert len(app.session.selection) == 0


def test_steps_go_from_one_selected_transition_to_the_next(launch, log_folder, qtbot) -> None:
    app = launch(log_folder, analyse=False)
    frames = app.session.series.frames
    app.session.selection.replace({app.session.drive.fingerprint: [3, 9], "another": [5]})
    app.timeline.seek(int(frames[4]))
    qtbot.waitUntil(app.window.actions_["select.next"].isEnabled, timeout=20_000)
    app.window.actions_["select.next"].trigger()
    assert app.timeline.frame == frames[9]
    app.window.actions_["select.next"].trigger()
    assert app.timeline.frame == frames[9]
    app.window.actions_["select.previous"].trigger()
    assert app.timeline.frame == frames[3]


def test_the_selection_shows_in_timeline_tracks_and_3d(launch, log_folder, qtbot) -> None:
    app = launch(log_folder, analyse=False)
    window = app.window
    qtbot.waitUntil(lambda: bool(app.session.true_segments()), timeout=20_000)

    def pictures():
        return window.transport.grab().toImage(), window.tracks.grab().toImage()

    before = pictures()
    app.session.selection.replace({app.session.drive.fingerprint: np.arange(5, 20)})
    after = pictures()
    assert all(one != other for one, other in zip(before, after))
    assert window.trajectory.scene.selected.visible
    app.session.selection.clear()
    assert not window.trajectory.scene.selected.visible
    assert pictures() == before
