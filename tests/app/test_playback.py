"""Playback, steps and the loop in the real window, by keys and by mouse."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from app_drives import write_folder
from PySide6.QtCore import QEvent, QPointF, Qt
from PySide6.QtGui import QMouseEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from lapose_core.export.tum import write_tum
from lapose_inspector.inspector import Inspector
from lapose_inspector.models.timeline import SPEEDS

SHIFT = Qt.KeyboardModifier.ShiftModifier
NONE = Qt.KeyboardModifier.NoModifier


@pytest.fixture
def app(launch, log_folder: Path, qtbot) -> Inspector:
    return launch(log_folder, analyse=False)


def drag(app: Inspector, first: int, last: int, modifiers: Qt.KeyboardModifier) -> None:
    """A drag over the timeline from one frame to another."""
    scrubber = app.window.transport.scrubber
    places = [QPointF(scrubber.x_of(frame), 14.0) for frame in (first, (first + last) // 2, last)]
    kinds = [QEvent.Type.MouseButtonPress, QEvent.Type.MouseMove, QEvent.Type.MouseMove, QEvent.Type.MouseButtonRelease]
    left, no = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton
    for kind, at in zip(kinds, [*places, places[-1]], strict=True):
        button = no if kind == QEvent.Type.MouseMove else left
        held = no if kind == QEvent.Type.MouseButtonRelease else left
        QApplication.sendEvent(scrubber, QMouseEvent(kind, at, scrubber.mapToGlobal(at), button, held, modifiers))


def test_shift_drag_chooses_the_loop_and_leaves_the_cursor(app: Inspector) -> None:
    app.timeline.seek(3)
    drag(app, 10, 30, SHIFT)
    assert app.timeline.loop == (10, 30)
    assert app.timeline.loop_enabled
    assert app.timeline.frame == 3
    drag(app, 25, 5, SHIFT)
    assert app.timeline.loop == (5, 25)


def test_an_end_of_the_loop_can_be_dragged(app: Inspector) -> None:
    app.timeline.set_loop(10, 20)
    drag(app, 20, 35, NONE)
    assert app.timeline.loop == (10, 35)
    drag(app, 10, 2, NONE)
    assert app.timeline.loop == (2, 35)
    drag(app, 2, 38, NONE)
    assert app.timeline.loop == (35, 38), "an end dragged over the other changes places with it"


def test_a_drag_elsewhere_moves_the_cursor(app: Inspector) -> None:
    app.timeline.set_loop(10, 20)
    drag(app, 15, 30, NONE)
    assert app.timeline.frame == 30
    assert app.timeline.loop == (10, 20)


def test_the_selected_stretch_at_the_cursor_is_looped(app: Inspector, qtbot) -> None:
    drive = app.session.drive.fingerprint
    frames = app.session.series.frames
    app.session.selection.replace({drive: np.array([3, 4, 5, 12, 13])})
    qtbot.waitUntil(app.window.actions_["play.loop_selection"].isEnabled, timeout=20_000)
    app.timeline.seek(int(frames[4]))
    QTest.keyClick(app.window, Qt.Key.Key_Backslash, Qt.KeyboardModifier.ControlModifier)
    assert app.timeline.loop == (frames[3], frames[6])
    assert app.timeline.frame == frames[4], "the cursor stays where it is in it"
    app.timeline.seek(int(frames[8]))
    QTest.keyClick(app.window, Qt.Key.Key_Backslash, Qt.KeyboardModifier.ControlModifier)
    assert app.timeline.loop == (frames[12], frames[14])
    assert app.timeline.frame == frames[12]


def test_speeds_have_keys(app: Inspector) -> None:
    for n, speed in enumerate(SPEEDS, 1):
        QTest.keyClick(app.window, Qt.Key.Key_X)
        QTest.keyClick(app.window, getattr(Qt.Key, f"Key_{n}"))
        assert app.timeline.speed == speed
    QTest.keyClick(app.window, Qt.Key.Key_X)
    QTest.keyClick(app.window, Qt.Key.Key_0)
    assert app.timeline.every_frame


def test_j_k_l_play_both_ways_and_step_while_k_is_held(app: Inspector) -> None:
    app.timeline.seek(10)
    QTest.keyClick(app.window, Qt.Key.Key_L)
    QTest.keyClick(app.window, Qt.Key.Key_L)
    assert (app.timeline.playing, app.timeline.direction, app.timeline.speed) == (True, 1, 1.5)
    QTest.keyClick(app.window, Qt.Key.Key_J)
    assert (app.timeline.playing, app.timeline.direction, app.timeline.speed) == (True, -1, 1.0)
    QTest.keyClick(app.window, Qt.Key.Key_K)
    assert not app.timeline.playing

    app.timeline.seek(10)
    QTest.keyPress(app.window, Qt.Key.Key_K)
    QTest.keyClick(app.window, Qt.Key.Key_J)
    QTest.keyClick(app.window, Qt.Key.Key_J)
    assert (app.timeline.frame, app.timeline.playing) == (8, False)
    QTest.keyClick(app.window, Qt.Key.Key_L)
    assert (app.timeline.frame, app.timeline.playing) == (9, False)
    # Wherever the release goes, it is heard.
    QTest.keyRelease(app.window.transport.scrubber, Qt.Key.Key_K)
    QTest.keyClick(app.window, Qt.Key.Key_L)
    assert app.timeline.playing
    QTest.keyClick(app.window, Qt.Key.Key_K)


def test_steps_to_true_poses_land_on_them(launch, tmp_path: Path, qtbot) -> None:
    folder = write_folder(tmp_path / "sparse", 40, poses=False)
    stamps = np.array([2, 3, 11, 30]) / 10
    write_tum(folder / "poses.tum", stamps, np.tile(np.eye(4), (4, 1, 1)) + 0.0)
    app = launch(folder, analyse=False)
    assert app.session.drive is not None
    assert app.session.drive.pose_valid is not None
    valid = np.flatnonzero(app.session.drive.pose_valid).tolist()
    assert 2 <= len(valid) < 40
    seen = []
    app.timeline.home()
    for _ in valid:
        QTest.keyClick(app.window, Qt.Key.Key_Right, Qt.KeyboardModifier.AltModifier)
        seen.append(app.timeline.frame)
    assert seen == valid
    QTest.keyClick(app.window, Qt.Key.Key_Left, Qt.KeyboardModifier.AltModifier)
    assert app.timeline.frame == valid[-2]


def test_every_frame_is_shown_in_turn_when_decoding_is_slow(launch, log_folder: Path, qtbot) -> None:
    app = launch(log_folder, analyse=False)
    qtbot.waitUntil(lambda: app.window.video.shown_frame == 0, timeout=10_000)
    seen: list[int] = []
    app.frames.frame_ready.connect(lambda index, *_: seen.append(index))
    app.timeline.every_frame = True
    app.timeline.speed = 8.0
    app.timeline.play()
    qtbot.waitUntil(lambda: not app.timeline.playing, timeout=30_000)
    qtbot.waitUntil(lambda: app.window.video.shown_frame == 39, timeout=10_000)
    assert seen == list(range(1, 40))


def test_the_frames_really_shown_are_counted(app: Inspector, qtbot) -> None:
    app.timeline.loop_enabled = True
    qtbot.waitUntil(lambda: app.window.video.shown_frame == 0, timeout=10_000)
    app.timeline.play()
    began = time.monotonic()
    qtbot.waitUntil(lambda: (app.player.shown_per_second or 0) > 0 and time.monotonic() - began > 1.5, timeout=20_000)
    assert app.player.shown_per_second < 12  # the drive's own rate is 10
    assert app.window.transport.rate.text().endswith(" fps")
    assert not app.window.transport.rate.text().startswith("–")
    app.timeline.pause()
    assert app.window.transport.rate.text() == "– fps"
