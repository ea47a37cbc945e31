"""One clock in the real window: wherever it is moved, every panel shows the same frame."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from app_drives import RATE
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QColor
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QWidget

from lapose_inspector.inspector import Inspector

NO_KEY = Qt.KeyboardModifier.NoModifier


@pytest.fixture
def app(launch, log_folder: Path, qtbot) -> Inspector:
    """A drive whose map and paths do not move any more."""
    inspector = launch(log_folder)
    qtbot.waitUntil(
        lambda: (
            inspector.session.analysis is not None and inspector.session.analysis.complete and inspector.growth.shown
        ),
        timeout=120_000,
    )
    qtbot.waitUntil(lambda: not inspector.window.latent_map.refining, timeout=60_000)
    qtbot.wait(100)
    return inspector


def click(app: Inspector, widget: QWidget, place: np.ndarray) -> None:
    """A left click at widget pixels, as the window system delivers it."""
    at = widget.mapTo(app.window, QPoint(*(round(float(v)) for v in place)))
    handle = app.window.windowHandle()
    QTest.mouseMove(handle, at)
    QTest.mouseClick(handle, Qt.MouseButton.LeftButton, NO_KEY, at)


def assert_everything_is_at(app: Inspector, frame: int, qtbot) -> None:
    window, session = app.window, app.session
    assert app.timeline.frame == frame
    qtbot.waitUntil(lambda: window.video.shown_frame == frame, timeout=20_000)
    scene = window.trajectory.scene
    for which in ("truth", "prediction"):
        np.testing.assert_array_equal(scene.cursors[which].pose, scene.pose_at(which, frame))
    truth = scene.space.poses(session.drive.poses[frame])
    np.testing.assert_allclose(scene.cursors["truth"].pose, truth, atol=1e-9)
    transition = session.series.transition_at(frame)
    qtbot.waitUntil(lambda: window.forward.shown_transition == transition, timeout=20_000)
    projection = window.latent_map.projection
    row = int(np.searchsorted(projection.transitions, transition))
    np.testing.assert_array_equal(window.latent_map.scene.marker.position, projection.points[row])
    tracks = window.tracks
    column = round(float(tracks.span.x(frame / RATE)))
    shown = tracks.grab().toImage()
    cursor = QColor(app.display.colours.cursor)
    lit = [shown.pixelColor(x, y) == cursor for x in (column - 1, column, column + 1) for y in range(4, 60)]
    assert sum(lit) > 20
    assert f"frame {frame} / 39" in window.status.where.text()


def test_a_click_on_a_latent_point_moves_every_panel(app: Inspector, qtbot) -> None:
    view = app.window.latent_map
    at = view.scene.pixels(view.projection.points)
    distance = np.linalg.norm(at[:, None] - at[None], axis=2)
    np.fill_diagonal(distance, np.inf)
    lonely = np.argsort(-distance.min(axis=1))[:2]
    for row in lonely:
        click(app, view.canvas.native, at[row])
        transition = int(view.projection.transitions[row])
        assert_everything_is_at(app, int(app.session.analysis.frames[transition]), qtbot)


def test_a_click_on_the_3d_path_moves_every_panel(app: Inspector, qtbot) -> None:
    view = app.window.trajectory
    app.display.set_overlay("truth", False)  # paths that cross would leave it open which one is meant
    before = app.window.latent_map.scene.marker.position.copy()
    places = view.scene.pixels(view.scene.points("prediction"))
    room = np.abs(places[:, None] - places[None]).max(axis=2)
    np.fill_diagonal(room, np.inf)
    samples = [int(s) for s in np.argsort(-room.min(axis=1)) if 3 < s < 37][:2]
    for sample in samples:
        app.display.set_overlay("truth", False)
        click(app, view.canvas.native, places[sample])
        app.display.set_overlay("truth", True)
        assert_everything_is_at(app, int(app.session.analysis.frames[sample]), qtbot)
    assert not np.array_equal(app.window.latent_map.scene.marker.position, before)


def test_ctrl_right_and_ctrl_left_jump_between_events(launch, log_folder: Path, qtbot) -> None:
    app = launch(log_folder, analyse=False)
    QTest.keyClick(app.window, Qt.Key.Key_Right, Qt.KeyboardModifier.ControlModifier)
    assert app.timeline.frame == 20  # the road turns here: the only change of regime
    QTest.keyClick(app.window, Qt.Key.Key_End)
    QTest.keyClick(app.window, Qt.Key.Key_Left, Qt.KeyboardModifier.ControlModifier)
    assert app.timeline.frame == 20


def test_an_interrupt_ends_the_program_and_saves_its_settings(
    log_folder: Path, checkpoint: Path, folders, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "lapose_inspector", str(log_folder), "--checkpoint", str(checkpoint)]
    program = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ)
    try:
        deadline = time.monotonic() + 120
        while not any(folders.cache_dir.rglob("*.json")) and program.poll() is None:
            assert time.monotonic() < deadline, "the analysis never began"
            time.sleep(0.1)
        program.send_signal(signal.SIGINT)
        _, said = program.communicate(timeout=60)
    finally:
        program.kill()
    assert (program.returncode, said) == (0, "")
    assert log_folder.name in (folders.config_dir / "settings.json").read_text()
