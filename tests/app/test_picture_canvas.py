"""The canvas of machines without a graphics card: drawn when it must be, and no more often than it may."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from PySide6.QtCore import QCoreApplication
from PySide6.QtGui import QColor
from PySide6.QtOpenGLWidgets import QOpenGLWidget
from PySide6.QtWidgets import QLabel, QVBoxLayout, QWidget

from lapose_inspector.visuals.canvas import SceneCanvas
from lapose_inspector.visuals.lazy import Lazy
from lapose_inspector.visuals.renderer import draws_in_software
from lapose_inspector.visuals.ribbon import Ribbon


class Panel(QWidget):
    """A label above a canvas that counts its drawings."""

    def __init__(self) -> None:
        super().__init__()
        self.canvas = SceneCanvas(self)
        self.canvas.bgcolor = "#204060"
        self.view = self.canvas.central_widget.add_view()
        self.label = QLabel("before")
        self.drawn = 0
        self.canvas.events.draw.connect(self._count)
        layout = QVBoxLayout(self)
        layout.addWidget(self.label)
        layout.addWidget(self.canvas.native, 1)

    def _count(self, event: object) -> None:
        self.drawn += 1


@pytest.fixture
def panel(qtbot) -> Iterator[Panel]:
    if not draws_in_software():
        pytest.skip("a graphics card draws here")
    panel = Panel()
    qtbot.addWidget(panel)
    panel.resize(400, 300)
    panel.show()
    qtbot.waitExposed(panel)
    qtbot.waitUntil(lambda: panel.drawn > 0, timeout=20_000)
    qtbot.wait(200)
    yield panel
    panel.canvas.close()


def test_the_window_has_no_opengl_widget_and_shows_the_scene(panel: Panel) -> None:
    assert not panel.findChildren(QOpenGLWidget)
    centre = panel.canvas.native.geometry().center()
    assert panel.grab().toImage().pixelColor(centre) == QColor("#204060")


def test_a_changed_label_draws_no_scene(panel: Panel, qtbot) -> None:
    drawn = panel.drawn
    panel.label.setText("after")
    qtbot.wait(100)
    assert panel.drawn == drawn


def test_of_many_wishes_the_last_one_is_granted(panel: Panel, qtbot) -> None:
    drawn = panel.drawn
    for i in range(50):
        panel.canvas.bgcolor = (i / 49, 0, 0, 1)
        panel.canvas.update()
        QCoreApplication.processEvents()
    qtbot.waitUntil(
        lambda: panel.grab().toImage().pixelColor(panel.canvas.native.geometry().center()).red() == 255, timeout=20_000
    )
    assert panel.drawn - drawn < 50


def test_a_hidden_canvas_is_not_drawn_until_it_is_shown(panel: Panel, qtbot) -> None:
    panel.canvas.native.hide()
    drawn = panel.drawn
    panel.canvas.bgcolor = "#ffffff"
    panel.canvas.update()
    qtbot.wait(100)
    assert panel.drawn == drawn
    panel.canvas.native.show()
    qtbot.waitUntil(lambda: panel.drawn > drawn, timeout=20_000)


def test_another_size_reaches_the_scene(panel: Panel, qtbot) -> None:
    panel.resize(600, 500)
    qtbot.waitUntil(lambda: panel.canvas.size == panel.canvas.native.size().toTuple(), timeout=20_000)
    picture = panel.canvas.native.grabFramebuffer()
    assert picture.size().toTuple() == panel.canvas.physical_size


def test_what_is_rehearsed_is_not_seen_and_then_drawn_without_shaders_to_put_together(panel: Panel, qtbot) -> None:
    line = Lazy(lambda: Ribbon(40.0, parent=panel.view.scene), order=1)
    native = panel.canvas.native

    def shaders_recorded() -> int:
        return sum(command[0] == "ATTACH" for command in native._recorder._commands)

    before = native.grabFramebuffer()
    line.rehearse(panel.canvas.rehearse)
    assert shaders_recorded() > 0
    assert native.grabFramebuffer() == before
    assert line.made
    width, height = panel.canvas.size
    segments = np.array([[[0, height / 2, 0], [width, height / 2, 0]]], np.float32)
    line.visible = True
    line.node.set_segments(segments, np.array([1.0, 0.0, 0.0, 1.0], np.float32))
    panel.canvas.rehearse()
    assert shaders_recorded() == 0
    shown = native.grabFramebuffer()
    middle = shown.pixelColor(shown.width() // 2, shown.height() // 2)
    assert (middle.red(), middle.green(), middle.blue()) == (255, 0, 0)
