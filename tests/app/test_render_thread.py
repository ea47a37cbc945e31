"""Scenes drawn by a thread: the same pictures, the last state, nothing lost, and every end without a crash."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Iterator

import numpy as np
import pytest
from PySide6.QtCore import QCoreApplication, QEvent
from PySide6.QtGui import QColor, QImage
from PySide6.QtWidgets import QVBoxLayout, QWidget
from vispy import scene
from vispy.scene.visuals import create_visual_node
from vispy.visuals import Visual

from lapose_inspector.visuals.canvas import SceneCanvas
from lapose_inspector.visuals.dots import Dots
from lapose_inspector.visuals.renderer import draws_in_software
from lapose_inspector.visuals.ribbon import Ribbon

COLOURS = np.array([[1, 0.4, 0, 1], [0, 0.6, 1, 1], [1, 1, 1, 0.5]], np.float32)


class Scene(QWidget):
    """A dot field, a line and a mesh in one view."""

    def __init__(self, canvas: scene.SceneCanvas) -> None:
        super().__init__()
        self.canvas = canvas
        canvas.bgcolor = "#204060"
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(canvas.native)
        view = canvas.central_widget.add_view()
        view.camera = scene.PanZoomCamera((0, 0, 10, 10))
        self.dots = Dots(parent=view.scene)
        self.line = Ribbon(3.0, parent=view.scene)
        self.mesh = scene.Mesh(
            vertices=np.array([[1, 1, 0], [4, 1, 0], [2, 4, 0]], np.float32), faces=np.array([[0, 1, 2]]),
            color=(0.2, 0.9, 0.3, 0.7), parent=view.scene,
        )  # fmt: skip
        self.show_dots(np.array([[7, 7], [8, 3], [3, 8]], np.float32))
        ends = np.array([[[0, 0, 0], [5, 6, 0]], [[5, 6, 0], [9, 2, 0]]], np.float32)
        self.line.set_segments(ends, COLOURS[0])
        self.resize(400, 300)

    def show_dots(self, points: np.ndarray) -> None:
        self.dots.set_data(points, np.resize(COLOURS, (len(points), 4)), 30.0)


def pixels(picture: QImage) -> np.ndarray:
    """[H, W, 3] of a picture."""
    picture = picture.convertToFormat(QImage.Format.Format_RGB32)
    every = np.frombuffer(picture.constBits(), np.uint8).reshape(picture.height(), picture.width(), 4)
    return every[..., :3].astype(int)


def render_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("render")]


@pytest.fixture
def shown(qtbot) -> Iterator[Scene]:
    if not draws_in_software():
        pytest.skip("a graphics card draws here")
    window = Scene(SceneCanvas())
    qtbot.addWidget(window)
    window.show()
    qtbot.waitUntil(lambda: window.canvas.settled, timeout=30_000)
    yield window
    window.canvas.close()


def test_the_picture_is_that_of_an_opengl_widget(shown: Scene, qtbot) -> None:
    widget = Scene(scene.SceneCanvas(keys=None))
    qtbot.addWidget(widget)
    widget.show()
    qtbot.waitExposed(widget)
    expected = pixels(widget.canvas.native.grabFramebuffer())
    widget.canvas.close()
    seen = pixels(shown.canvas.native.grabFramebuffer())
    assert seen.shape == expected.shape
    assert np.unique(seen.reshape(-1, 3), axis=0).shape[0] > 20
    assert (np.abs(seen - expected).max(axis=-1) > 2).mean() < 0.001


def test_a_hundred_changes_end_in_the_last_one(shown: Scene, qtbot) -> None:
    drawn: list[object] = []
    shown.canvas.events.draw.connect(drawn.append)
    for step in range(100):
        shown.show_dots(np.array([[step / 10, 5.0]], np.float32))
        QCoreApplication.processEvents()
    shown.canvas.bgcolor = "#000000"
    qtbot.waitUntil(lambda: shown.canvas.settled, timeout=30_000)
    assert len(drawn) < 100
    seen = shown.grab().toImage()
    assert (pixels(seen) == pixels(shown.canvas.native.grabFramebuffer())).all()
    assert seen.pixelColor(2, 2) == QColor("#000000")


def test_data_given_while_a_drawing_is_under_way_arrives(shown: Scene) -> None:
    canvas = shown.canvas
    points = np.array([[7, 7], [8, 3], [3, 8]], np.float32)
    before = pixels(canvas.native.grabFramebuffer())
    canvas.native._render()  # one drawing is under way
    shown.show_dots(points + 1)
    shown.line.set_colours(COLOURS[1])
    shown.show_dots(points)
    shown.line.set_colours(COLOURS[0])
    assert (pixels(canvas.native.grabFramebuffer()) == before).all()
    shown.show_dots(points + 1)
    assert (pixels(canvas.native.grabFramebuffer()) != before).any()


def test_an_array_changed_after_a_drawing_was_recorded_changes_nothing(shown: Scene) -> None:
    canvas = shown.canvas
    points = np.array([[7, 7], [8, 3], [3, 8]], np.float32)
    expected = pixels(canvas.native.grabFramebuffer())
    shown.show_dots(points)
    drawing = canvas.native._record(canvas.native._size())
    points[:] = 1
    assert (pixels(drawing.result().picture) == expected).all()


def test_a_canvas_closes_while_it_draws(qtbot, shown: Scene) -> None:
    before = len(render_threads())
    many = np.random.default_rng(0).uniform(0, 10, (20_000, 2)).astype(np.float32)
    for _ in range(5):
        window = Scene(SceneCanvas())
        window.show()
        window.show_dots(many)
        window.canvas.native._render()
        window.canvas.close()
        window.canvas.update()
        window.close()
        window.deleteLater()
        QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)
        QCoreApplication.processEvents()
    assert len(render_threads()) == before


def test_a_canvas_that_nobody_closed_takes_its_thread_along(qtbot, shown: Scene) -> None:
    before = len(render_threads())
    window = Scene(SceneCanvas())
    window.show()
    window.canvas.native.grabFramebuffer()
    assert len(render_threads()) == before + 1
    gone = weakref.ref(window.canvas.native)
    window.close()
    window.deleteLater()
    del window
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)
    gc.collect()
    assert gone() is None
    assert len(render_threads()) == before


class BrokenVisual(Visual):
    """A shader that no driver compiles."""

    def __init__(self) -> None:
        super().__init__("attribute vec2 a_position; void main() { gl_Position = nothing; }", "void main() {}")
        self.shared_program["a_position"] = np.zeros((3, 2), np.float32)
        self._draw_mode = "triangles"
        self.freeze()

    def _prepare_transforms(self, view) -> None:  # type: ignore[no-untyped-def]
        pass


Broken = create_visual_node(BrokenVisual)


def test_an_error_of_opengl_is_told_and_the_next_drawing_is_well(shown: Scene, qtbot) -> None:
    expected = pixels(shown.canvas.native.grabFramebuffer())
    broken = Broken(parent=shown.dots.parent)
    with pytest.raises(RuntimeError, match="nothing"):
        shown.canvas.native.grabFramebuffer()
    broken.parent = None
    assert (pixels(shown.canvas.native.grabFramebuffer()) == expected).all()


def test_an_error_nobody_waits_for_reaches_the_programs_handler(shown: Scene, qtbot) -> None:
    with qtbot.capture_exceptions() as caught:
        broken = Broken(parent=shown.dots.parent)
        qtbot.waitUntil(lambda: bool(caught), timeout=30_000)
        broken.parent = None
        qtbot.waitUntil(lambda: shown.canvas.settled, timeout=30_000)
    assert "nothing" in str(caught[0][1])


def test_an_error_that_comes_with_every_drawing_is_told_once(shown: Scene, qtbot) -> None:
    drawn: list[object] = []
    with qtbot.capture_exceptions() as caught:
        broken = Broken(parent=shown.dots.parent)
        shown.canvas.events.draw.connect(drawn.append)
        for _ in range(5):
            before = len(drawn)
            shown.canvas.update()
            qtbot.waitUntil(lambda before=before: len(drawn) > before and shown.canvas.settled, timeout=30_000)
        broken.parent = None
        qtbot.waitUntil(lambda: shown.canvas.settled, timeout=30_000)
    told = [str(error) for _, error, _ in caught]
    assert told
    assert len(told) == len(set(told)) < len(drawn)


def test_another_size_is_shown_scaled_and_then_drawn(shown: Scene, qtbot) -> None:
    shown.resize(600, 500)
    QCoreApplication.sendPostedEvents()
    assert shown.grab().toImage().pixelColor(597, 497) == QColor("#204060")
    qtbot.waitUntil(lambda: shown.canvas.settled, timeout=30_000)
    assert shown.canvas.native._picture.size().toTuple() == (600, 500)


def test_print_is_drawn_beside_the_screens_picture(shown: Scene) -> None:
    before = pixels(shown.canvas.native.grabFramebuffer())
    printed = shown.canvas.printed(2.0)
    assert printed.shape == (600, 800, 3)
    small = printed.reshape(300, 2, 400, 2, 3).mean((1, 3))[..., ::-1]
    assert np.abs(small - before).mean() < 3
    assert (pixels(shown.canvas.native.grabFramebuffer()) == before).all()


def test_the_mouse_finds_the_view_without_a_drawing(shown: Scene) -> None:
    drawn: list[object] = []
    shown.canvas.events.draw.connect(drawn.append)
    assert isinstance(shown.canvas.visual_at((200, 150)), scene.ViewBox)
    assert shown.canvas.visual_at((2000, 150)) is None
    assert not drawn
