"""Panels follow a playing drive as they have time, and stand at its frame when it stands."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from lapose_inspector.inspector import Inspector
from lapose_inspector.models.timeline import Timeline


def paced_timeline(frames: int = 100) -> tuple[Timeline, list[int], list[int]]:
    """A timeline whose followers somebody has to tell, and what two of them were told."""
    timeline, first, second = Timeline(), [], []
    timeline.reset(np.arange(frames) / 10)
    timeline.paced = True
    timeline.followed.connect(lambda: first.append(timeline.frame))
    timeline.followed.connect(lambda: second.append(timeline.frame))
    return timeline, first, second


def test_a_step_reaches_everyone_at_once() -> None:
    timeline, first, second = paced_timeline()
    timeline.seek(5)
    timeline.step(1)
    assert first == second == [5, 6]


def test_in_play_followers_are_told_one_at_a_time_and_the_latest_frame_counts() -> None:
    timeline, first, second = paced_timeline()
    timeline.play()
    timeline.advance(0.1)
    assert first == second == []
    assert timeline.followed.tell_next()
    timeline.advance(0.1)
    timeline.advance(0.1)
    assert timeline.followed.tell_next()  # who waits longest comes first
    assert (first, second) == ([1], [3])
    assert timeline.followed.tell_next()
    assert not timeline.followed.tell_next()
    assert first == [1, 3]


def test_when_it_stands_everyone_has_been_told_the_last_frame() -> None:
    timeline, first, second = paced_timeline()
    timeline.play()
    timeline.advance(0.4)
    timeline.followed.tell_next()
    timeline.advance(0.3)
    timeline.pause()
    assert first[-1] == second[-1] == timeline.frame == 7
    timeline.play()
    timeline.advance(1000.0)  # to the end
    assert not timeline.playing
    assert first[-1] == second[-1] == timeline.frame == 99


def panels_at(app: Inspector) -> set[int]:
    """The frames at which those panels stand that tell."""
    window = app.window
    where = int(window.status.where.text().split("frame ")[1].split(" /")[0])
    time = float(window.transport.time.text().split(" /")[0])
    mark = window.tracks.mark
    assert mark is not None
    return {where, app.timeline.frame_at(time + 1e-6), int(mark.text.split("frame ")[1])}


def test_panels_follow_in_play_and_agree_when_it_stops(launch, log_folder: Path, qtbot) -> None:
    app: Inspector = launch(log_folder, analyse=False)
    qtbot.waitUntil(lambda: app.window.video.shown_frame == 0, timeout=20_000)
    app.timeline.loop_enabled = True
    app.timeline.play()
    for _ in range(3):  # they go on following, not only once
        seen = panels_at(app)
        qtbot.waitUntil(lambda: not panels_at(app) & seen, timeout=20_000)  # noqa: B023
    QTest.keyClick(app.window, Qt.Key.Key_Space)
    assert not app.timeline.playing
    assert panels_at(app) == {app.timeline.frame}
    truth = app.window.trajectory.scene
    shown = truth.cursors["truth"].pose
    assert shown is not None
    assert np.allclose(shown, truth.pose_at("truth", app.timeline.frame))
    qtbot.waitUntil(lambda: app.window.video.shown_frame == app.timeline.frame, timeout=20_000)
