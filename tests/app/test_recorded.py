"""Tracks of the vehicle beside the errors: units, the value at the cursor, where they were read."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from panel_drive import make_drive
from PySide6.QtCore import QPoint
from PySide6.QtGui import QHelpEvent
from PySide6.QtWidgets import QApplication, QToolTip

from lapose_core.drive import Track
from lapose_inspector.information import drive_information
from lapose_inspector.models.recorded import recorded_tracks
from lapose_inspector.models.session import Session
from lapose_inspector.views.tracks_view import TracksView
from lapose_inspector.visuals.tracks import rows

TRACKS = {
    "speed": Track(np.array([100.0, 101.0, 102.0, 109.0]), np.array([5.0, 6.0, np.nan, 8.0]), "m/s", "CAN, speed"),
    "steering angle": Track(100 + np.arange(240) / 50, np.linspace(-0.5, 0.5, 240), "rad", "CAN, steering"),
    "empty": Track(np.zeros(0), np.zeros(0), "V", "nothing"),
}


def session_of(*, truth: bool) -> Session:
    session = Session()
    session.open(replace(make_drive(100, truth=truth), tracks=TRACKS))
    return session


@pytest.fixture
def make_view(qtbot):
    views = []

    def make(session: Session) -> TracksView:
        view = TracksView(session)
        qtbot.addWidget(view)
        view.resize(900, 260)
        view.show()
        qtbot.waitExposed(view)
        views.append(view)
        return view

    yield make
    for view in views:
        view.close_panel()


def test_tracks_stand_beside_the_errors_in_units_for_people(make_view) -> None:
    view = make_view(session_of(truth=True))
    assert [(t.label, t.unit) for t in view.tracks][-2:] == [("Speed (log)", "m/s"), ("Steering angle", "°")]
    assert len(view.tracks) == 7
    steering = view.tracks[-1]
    assert steering.lines[0].values[-1] == pytest.approx(np.degrees(0.5))
    assert steering.times[0] == 0.0
    assert steering.signed
    assert not view.tracks[-2].signed


def test_without_truth_they_get_the_room_of_the_errors(make_view) -> None:
    labels = [track.label for track in make_view(session_of(truth=False)).tracks]
    assert labels == ["Speed", "Yaw rate", "Speed (log)", "Steering angle"]


def test_the_value_is_the_nearest_unless_it_is_far() -> None:
    speed = recorded_tracks(session_of(truth=False).drive)[0]
    assert [speed.text(s) for s in (-0.6, -0.1, 0.49, 0.99, 1.2, 2.4, 5.0, 9.4)] == [
        "–", "5.0", "5.0", "6.0", "6.0", "–", "–", "8.0",
    ]  # fmt: skip


def test_a_change_of_the_cursor_is_painted(make_view) -> None:
    session = session_of(truth=True)
    view = make_view(session)
    before = view.grab().toImage()
    session.timeline.seek(20)
    assert view.grab().toImage() != before


def test_the_source_is_in_the_tooltip_and_in_the_information(make_view) -> None:
    session = session_of(truth=True)
    view = make_view(session)
    top, height = rows(view.height(), 7)[6]
    at = QPoint(30, round(top + height / 2))
    QApplication.sendEvent(view, QHelpEvent(QHelpEvent.Type.ToolTip, at, view.mapToGlobal(at)))
    assert QToolTip.text() == "Steering angle in °, from CAN, steering"
    QToolTip.hideText()
    assert ("speed", "4 values in m/s, from CAN, speed") in dict(drive_information(session))["Recorded"]
