"""The video in a real window: the pixels painted are those of the frame that the badge names."""

from __future__ import annotations

import gc
import threading
import time
import weakref
from dataclasses import replace

import numpy as np
import pytest
from panel_drive import (
    HEIGHT,
    WIDTH,
    IndexFrames,
    analyse,
    index_picture,
    make_drive,
    read_index,
    winding_path,
)
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QImage, QWheelEvent
from PySide6.QtWidgets import QApplication

from lapose_core.area_mean import screen_pixels
from lapose_core.inference.preprocess import Preprocessor
from lapose_core.inference.result import DriveAnalysis
from lapose_inspector.models.session import Session
from lapose_inspector.views.value_line import ValueLine
from lapose_inspector.views.video_view import LATE, VideoView
from lapose_inspector.visuals.image import ImageCanvas
from lapose_inspector.workers.frames import FrameLoader


@pytest.fixture
def make_view(qtbot):
    opened = []

    def make(session: Session, drive=None, size=(620, 330)) -> VideoView:
        loader = FrameLoader()
        view = VideoView(session, loader)
        qtbot.addWidget(view)
        opened.append((view, loader))
        view.resize(*size)
        view.show()
        qtbot.waitExposed(view)
        if drive is not None:
            loader.open(drive)
            session.open(drive)
        return view

    yield make
    for view, loader in opened:
        view.close_panel()
        loader.close()


def pixels(image: QImage) -> np.ndarray:
    image = image.convertToFormat(QImage.Format.Format_RGB888)
    flat = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.bytesPerLine())
    return flat[:, : 3 * image.width()].reshape(image.height(), image.width(), 3).copy()


def painted(view: VideoView) -> np.ndarray:
    """The pixels of the picture alone, as painted."""
    canvas = view.canvas
    rect = canvas.rect_of_image().toRect()
    return pixels(canvas.grab().toImage().copy(rect))


def shows(view: VideoView, frame: int) -> bool:
    return view.shown_frame == frame and not view.stale


def wheel(widget, at: QPointF, turns: int) -> None:
    event = QWheelEvent(
        at,
        widget.mapToGlobal(at),
        QPoint(),
        QPoint(0, 120 * turns),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(widget, event)


def test_seeking_paints_exactly_that_frame(make_view, qtbot):
    session = Session()
    view = make_view(session, make_drive(600))
    for frame in (0, 1, 255, 412, 599, 3):
        session.timeline.seek(frame)
        qtbot.waitUntil(lambda frame=frame: shows(view, frame), timeout=20_000)
        assert read_index(painted(view)) == frame
        assert view.badge_text == f"frame {frame} · {frame / 10:.2f} s"


class GatedFrames(IndexFrames):
    """Decodes frame ``slow`` only once the gate is opened."""

    def __init__(self, count: int, slow: int, gate: threading.Event) -> None:
        super().__init__(count)
        self._slow, self._gate = slow, gate

    def read(self, index: int):
        if index == self._slow:
            assert self._gate.wait(20)
        return super().read(index)


def test_a_shorter_drive_follows_a_longer_one(make_view, qtbot):
    session = Session()
    view = make_view(session, make_drive(100))
    session.timeline.seek(90)
    qtbot.waitUntil(lambda: shows(view, 90), timeout=20_000)
    session.open(make_drive(20), 5)
    assert not view.badge_text.startswith("frame 90")


def test_until_a_frame_is_ready_the_old_one_stays_under_its_own_number(make_view, qtbot):
    gate = threading.Event()
    drive = replace(make_drive(100), open_frames=lambda: GatedFrames(100, 70, gate))
    session = Session()
    view = make_view(session, drive)
    session.timeline.seek(12)
    qtbot.waitUntil(lambda: shows(view, 12), timeout=20_000)
    session.timeline.seek(70)
    try:
        qtbot.waitUntil(lambda: "loading 70" in view.badge_text, timeout=20_000)
        assert view.badge_text.startswith("frame 12 · 1.20 s")
        assert read_index(painted(view)) == 12
        assert view.stale
    finally:
        gate.set()
    qtbot.waitUntil(lambda: shows(view, 70), timeout=20_000)
    assert read_index(painted(view)) == 70
    assert view.badge_text == "frame 70 · 7.00 s"


def test_a_frame_that_cannot_be_decoded_is_named_and_the_old_one_stays(make_view, qtbot):
    session = Session()
    view = make_view(session, make_drive(100, broken=(50,)))
    session.timeline.seek(49)
    qtbot.waitUntil(lambda: shows(view, 49), timeout=20_000)
    session.timeline.seek(50)
    qtbot.waitUntil(lambda: "cannot read 50" in view.badge_text, timeout=20_000)
    assert read_index(painted(view)) == 49
    session.timeline.seek(51)
    qtbot.waitUntil(lambda: shows(view, 51), timeout=20_000)


def test_another_drive_starts_with_an_empty_picture(make_view, qtbot):
    session = Session()
    view = make_view(session, make_drive(100))
    qtbot.waitUntil(lambda: shows(view, 0), timeout=20_000)
    session.open(None)
    assert view.shown_frame is None
    assert view.canvas.image_size.isEmpty()
    assert "Open a driving log" in view.canvas.empty_text


def analysed(count: int = 300, until: float = 1.0, **kinds) -> tuple[Session, DriveAnalysis, object]:
    drive = make_drive(count, **kinds)
    session = Session()
    session.rate = 5.0
    return session, analyse(drive, winding_path(count, 10.0), 5.0, until=until), drive


def test_the_path_is_painted_on_the_road_and_nowhere_in_the_sky(make_view, qtbot):
    session, analysis, drive = analysed()
    view = make_view(session, drive)
    session.timeline.seek(60)
    qtbot.waitUntil(lambda: shows(view, 60), timeout=20_000)
    session.set_analysis(analysis)
    with_path = painted(view).astype(int)
    session.display.set_overlay("path", False)
    changed = np.abs(with_path - painted(view)).sum(-1) > 30
    horizon = round(100 / HEIGHT * len(changed))
    assert changed[horizon:].mean() > 0.05
    assert not changed[: horizon - 12, 150:].any()
    # The point 1.5 m under the camera's path just ahead lies near the middle of the bottom rows.
    assert changed[-4, int(0.45 * changed.shape[1]) : int(0.55 * changed.shape[1])].all()


def test_prediction_and_truth_can_be_hidden_one_by_one(make_view, qtbot):
    session, analysis, drive = analysed()
    view = make_view(session, drive)
    session.set_analysis(analysis)
    session.timeline.seek(60)
    qtbot.waitUntil(lambda: shows(view, 60), timeout=20_000)
    both = painted(view)
    session.display.set_overlay("prediction", False)
    truth_only = painted(view)
    session.display.set_overlay("truth", False)
    neither = painted(view)
    assert (both != truth_only).any()
    assert (truth_only != neither).any()
    assert [a.text() for a in view.actions() if not a.isChecked()] == ["Prediction", "Truth"]
    view.actions()[1].trigger()
    assert session.display.overlay("prediction")


def test_what_the_model_does_not_see_is_shaded(make_view, qtbot):
    session, _, drive = analysed(intrinsics=None)
    view = make_view(session, drive)
    session.crop = Preprocessor(WIDTH, HEIGHT, None, (112, 112)).crop
    qtbot.waitUntil(lambda: shows(view, 0), timeout=20_000)
    view.canvas.update()
    shaded = painted(view)
    session.display.set_overlay("crop", False)
    plain = painted(view)
    row, left, middle = -20, 20, plain.shape[1] // 2
    assert shaded[row, left].sum() < 0.75 * plain[row, left].sum()
    assert (shaded[row, middle] == plain[row, middle]).all()


def test_the_readout_has_units_and_dashes_where_nothing_is_known(make_view, qtbot):
    session, analysis, drive = analysed()
    view = make_view(session, drive)
    session.timeline.seek(60)
    before = view.readout_text
    assert "speed ● – ◆ 11.6 m/s" in before
    session.set_analysis(analysis)
    assert "speed ● 11.6 m/s ◆ 11.6 m/s" in view.readout_text
    assert "yaw rate ● +" in view.readout_text or "yaw rate ● −" in view.readout_text
    assert "°/s" in view.readout_text
    no_truth, analysis, drive = analysed(truth=False)
    view = make_view(no_truth, drive)
    no_truth.set_analysis(analysis)
    assert "◆ –" in view.readout_text


@pytest.mark.parametrize("width", [340, 620])
def test_the_whole_readout_fits_the_panel(make_view, qtbot, width):
    session, analysis, drive = analysed()
    view = make_view(session, drive, (width, 330))
    session.timeline.seek(60)
    session.set_analysis(analysis)
    line = view.findChild(ValueLine)
    assert "yaw rate" in line.text
    qtbot.waitUntil(lambda: line.height() >= line.sizeHint().height(), timeout=20_000)
    ink = pixels(line.grab().toImage()).astype(int)
    ink = (abs(ink - ink[0, 0]) > 40).any(-1)
    assert ink.any()
    assert not ink[:, -4:].any()  # nothing is cut off
    assert (ink[: len(ink) // 2].any() and ink[len(ink) // 2 :].any()) or width > 340  # two lines


def test_values_beside_a_border_do_not_move_the_panel_up_and_down(qtbot):
    line = ValueLine()
    qtbot.addWidget(line)
    short, long = [(("speed", "#fff"), ("9.9 m/s", "#fff"))] * 2, [(("speed", "#fff"), ("10.9 m/s", "#fff"))] * 2
    line.show_values(long)
    line.resize(600, 20)
    line.show()
    one = line.sizeHint().height()
    line.resize(int(line.text_width) - 1, 20)
    two = line.sizeHint().height()
    assert two > one
    line.show_values(short)
    assert line.sizeHint().height() == two
    line.resize(600, 20)
    assert line.sizeHint().height() == one


@pytest.mark.parametrize("size", [(320, 240), (900, 500)])
def test_a_picture_fitted_in_the_thread_is_painted_as_the_whole_one_would_be(make_view, qtbot, size):
    session, drive = Session(), make_drive(20)
    view = make_view(session, drive, size)
    view._loader.fit_in_thread(screen_pixels)
    session.timeline.seek(7)
    qtbot.waitUntil(lambda: shows(view, 7), timeout=20_000)
    came = view.canvas.room_for(view.canvas.image_size)
    assert (came.width() < drive.width) == (size[0] < drive.width)
    fitted = pixels(view.canvas.grab().toImage()).astype(int)
    view.canvas.set_image(drive.open_frames().read(7))
    whole = pixels(view.canvas.grab().toImage()).astype(int)
    assert abs(fitted - whole).max() <= 2
    wheel(view.canvas, QPointF(160, 100), 4)  # of a part there is no fitted picture
    assert view.canvas.room_for(view.canvas.image_size) is None


def test_the_wheel_zooms_about_the_pointer_and_a_double_click_fits(make_view, qtbot):
    session = Session()
    view = make_view(session, make_drive(50))
    qtbot.waitUntil(lambda: shows(view, 0), timeout=20_000)
    canvas = view.canvas
    whole = canvas.rect_of_image()
    at = whole.center() + QPointF(60, 20)
    point = canvas.transform().inverted()[0].map(at)
    wheel(canvas, at, 4)
    assert canvas.zoom == pytest.approx(1.25**4)
    moved = canvas.transform().inverted()[0].map(at)
    assert (moved.x(), moved.y()) == pytest.approx((point.x(), point.y()), abs=1e-6)
    qtbot.mouseDClick(canvas, Qt.MouseButton.LeftButton, pos=at.toPoint())
    assert canvas.rect_of_image() == whole


def test_panning_stops_at_the_picture_edge(qtbot):
    canvas = ImageCanvas()
    qtbot.addWidget(canvas)
    canvas.resize(480, 224)
    canvas.show()
    canvas.set_image(index_picture(5))
    wheel(canvas, QPointF(240, 112), 3)
    qtbot.mousePress(canvas, Qt.MouseButton.LeftButton, pos=QPoint(100, 100))
    qtbot.mouseMove(canvas, QPoint(2000, 1500))
    qtbot.mouseRelease(canvas, Qt.MouseButton.LeftButton, pos=QPoint(2000, 1500))
    rect = canvas.rect_of_image()
    assert (rect.left(), rect.top()) == pytest.approx((0, 0), abs=1e-6)


def test_a_zoomed_picture_shows_the_right_source_pixels(qtbot):
    canvas = ImageCanvas()
    qtbot.addWidget(canvas)
    canvas.resize(480, 224)
    canvas.show()
    image = np.zeros((224, 480, 3), np.uint8)
    image[100:110, 200:210] = (255, 40, 0)
    canvas.set_image(image)
    wheel(canvas, QPointF(205, 105), 10)
    box = canvas.transform().mapRect(QImage(10, 10, QImage.Format.Format_RGB32).rect().translated(200, 100))
    shown = pixels(canvas.grab().toImage())
    inside = shown[box.top() + 2 : box.bottom() - 2, box.left() + 2 : box.right() - 2]
    assert inside.size > 1000
    assert (inside == (255, 40, 0)).all()
    assert not shown[: max(box.top() - 12, 0)].any()


def test_a_drive_without_intrinsics_uses_the_predicted_field_of_view_and_says_so(make_view, qtbot):
    session, analysis, drive = analysed(intrinsics=None)
    view = make_view(session, drive)
    assert "needs intrinsics" in view.assumption_text
    session.crop = Preprocessor.for_drive(drive, (240, 112)).crop
    session.set_analysis(analysis)
    assert "predicted FoV" in view.assumption_text
    assert "1.5 m assumed" in view.assumption_text


class SlowFrames(IndexFrames):
    """Frames that take longer to decode than they last in playback."""

    def read(self, index: int):
        time.sleep(0.07)
        return super().read(index)


def test_slow_decoding_drops_frames_in_playback_but_does_not_freeze_the_picture(make_view, qtbot):
    session = Session()
    drive = replace(make_drive(400), open_frames=lambda: SlowFrames(400))
    view = make_view(session, drive)
    qtbot.waitUntil(lambda: shows(view, 0), timeout=20_000)
    seen = set()
    session.timeline.play()
    for _ in range(20):
        session.timeline.advance(0.1)
        qtbot.wait(30)
        seen.add(view.shown_frame)
        assert view.shown_frame == read_index(painted(view))
    assert len(seen) > 5


def test_a_closed_panel_is_let_go(qtbot):
    session, loader = Session(), FrameLoader()
    view = VideoView(session, loader)
    view.close_panel()
    gone = weakref.ref(view)
    view.deleteLater()
    del view
    qtbot.wait(LATE + 20)
    gc.collect()
    loader.close()
    assert gone() is None
    assert len(session.drive_changed) == len(session.timeline.frame_changed) == 0
