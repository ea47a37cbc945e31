"""A hand drags over the timeline of a 1080p video: the painted picture and its label agree at every moment."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QImage, QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from lapose_core.sample_video import read_counted, write_counted
from lapose_inspector.inspector import Inspector

COUNT, GROUP = 300, 250
NO_KEY, LEFT = Qt.KeyboardModifier.NoModifier, Qt.MouseButton.LeftButton


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Frames that carry their index as a row of black and white blocks, large enough for any preview."""
    return write_counted(tmp_path_factory.mktemp("video") / "long group.mp4", count=COUNT, gop=GROUP)


def painted_index(app: Inspector) -> int:
    """The index that the blocks of the painted picture tell."""
    canvas = app.window.video.canvas
    image = canvas.grab(canvas.rect_of_image().toRect()).toImage().convertToFormat(QImage.Format.Format_Grayscale8)
    rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.bytesPerLine())
    return read_counted(rows[:, : image.width()])


def assert_label_tells_the_truth(app: Inspector) -> None:
    view = app.window.video
    shown = view.shown_frame
    assert painted_index(app) == shown
    assert view.badge_text.startswith(f"frame {shown} · ")
    assert (" · preview" in view.badge_text) == view.shows_preview


def assert_nothing_stale_after_rest(app: Inspector, qtbot) -> None:
    view = app.window.video
    qtbot.waitUntil(lambda: not view.stale and not view.shows_preview, timeout=30_000)
    assert painted_index(app) == app.timeline.frame
    assert view.badge_text == f"frame {app.timeline.frame} · {app.timeline.time:.2f} s"


def test_no_picture_under_another_frames_label(launch, video: Path, qtbot) -> None:
    app = launch(video, analyse=False, size=(1440, 900))
    view, scrubber, handle = app.window.video, app.window.transport.scrubber, app.window.windowHandle()
    qtbot.waitUntil(lambda: view.shown_frame == 0, timeout=20_000)
    qtbot.waitUntil(lambda: (s := app.frames.preview_state) is not None and s.done == COUNT, timeout=120_000)

    def place(frame: float) -> QPoint:
        left, right = scrubber.x_of(0), scrubber.x_of(COUNT - 1)
        return scrubber.mapTo(app.window, QPoint(round(left + (right - left) * frame / (COUNT - 1)), 15))

    QTest.mouseMove(handle, place(5))
    QTest.mousePress(handle, LEFT, NO_KEY, place(5))
    previews = 0
    rng = np.random.default_rng(1)
    for stretch in ((5, 290, 9), (290, 20, -13), (20, 24, 1), (24, 12, -1), (12, 200, 31)):
        for frame in range(*stretch):
            QTest.mouseMove(handle, place(frame))
            until = time.monotonic() + rng.choice((0.004, 0.02, 0.04))
            while time.monotonic() < until:
                qtbot.wait(2)
            previews += view.shows_preview
            assert_label_tells_the_truth(app)
        assert_nothing_stale_after_rest(app, qtbot)
    QTest.mouseRelease(handle, LEFT, NO_KEY, place(199))
    assert previews > 20, "the hand saw previews"
    assert_nothing_stale_after_rest(app, qtbot)


def test_an_overlay_and_the_zoom_stay_in_place_between_preview_and_frame(launch, video: Path, qtbot) -> None:
    app = launch(video, analyse=False)
    view = app.window.video
    qtbot.waitUntil(lambda: view.shown_frame == 0, timeout=20_000)
    qtbot.waitUntil(lambda: (s := app.frames.preview_state) is not None and s.done == COUNT, timeout=120_000)
    before = view.canvas.transform()
    at = QPointF(view.canvas.width() / 3, view.canvas.height() / 3)
    turn = QWheelEvent(
        at, view.canvas.mapToGlobal(at), QPoint(), QPoint(0, 480), Qt.MouseButton.NoButton, NO_KEY,
        Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    QApplication.sendEvent(view.canvas, turn)
    zoomed = view.canvas.transform()
    assert zoomed != before
    app.timeline.seek(260)
    qtbot.waitUntil(lambda: view.shown_frame == 260, timeout=10_000)
    assert view.canvas.transform() == zoomed
    qtbot.waitUntil(lambda: not view.shows_preview, timeout=30_000)
    assert view.canvas.transform() == zoomed
    assert view.canvas.zoom > 2
