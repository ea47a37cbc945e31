"""A vispy canvas for machines without a graphics card: a thread draws it into a picture, and that is painted.

A QOpenGLWidget makes Qt put the whole window together in OpenGL, for every label whose text changes. Where the
processor does that, it costs some 35 ms of it for a window of 1600x1000; a window without such a widget is painted in
1 ms. Nor does the processor need multisampling here: the lines smooth their own edges.

The window's thread only records what is to be drawn (``render_thread.py``). One drawing is under way at a time; the
next one is recorded when its picture has come.
"""

from __future__ import annotations

import time
import weakref
from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

from PySide6.QtCore import QSize, Qt, QTimer, Slot
from PySide6.QtGui import QColor, QHideEvent, QImage, QPainter, QPaintEvent, QResizeEvent, QShowEvent
from PySide6.QtWidgets import QWidget
from vispy import app
from vispy.app.backends import _qt

from lapose_inspector.visuals.render_thread import Command, Drawing, Recorder, RenderThread

REST = 1.0
"""How long a canvas rests after a drawing, as a multiple of what that took: others want the processor, too."""


class PictureApplication(app.Application):
    """vispy's application, whose canvases are pictures: the argument ``app`` of a SceneCanvas."""

    @property
    def backend_module(self) -> Any:
        module = super().backend_module
        return SimpleNamespace(**{**vars(module), "CanvasBackend": PictureCanvas})


class PictureCanvas(_qt.QtBaseCanvasBackend, QWidget):  # type: ignore[misc]
    """The widget behind such a canvas. Of the wishes to be redrawn that come while it draws or rests, one is granted
    after."""

    def _init_specific(self, p: Any, kwargs: Any) -> None:
        QWidget.__init__(self, p.parent)
        self._recorder, self._thread = Recorder(), RenderThread()
        self._thread.drawn.connect(self._take, Qt.ConnectionType.QueuedConnection)
        # However the widget ends, its thread must not outlive the surface it draws on.
        self._close_thread = weakref.finalize(self, self._thread.close)
        self._picture = QImage()
        self._initialised = False
        self._stale = True
        self._began = self._rested = 0.0
        self._running: Future[Drawing] | None = None
        self._problems: set[str] = set()  # errors told: one that comes with every drawing is told once
        self._due = QTimer(self, singleShot=True, timerType=Qt.TimerType.PreciseTimer)
        self._due.timeout.connect(self._render)
        self.given_bytes = 0
        """What the buffers on the OpenGL side held at the last drawing."""
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setFocusPolicy(Qt.FocusPolicy.WheelFocus)
        p.context.shared.parser = self._recorder
        p.context.shared.add_ref("qt", self)
        self._initialized = True

    # -- what vispy asks of a backend

    def _vispy_set_current(self) -> None:
        pass

    def _vispy_swap_buffers(self) -> None:
        pass

    def _vispy_update(self) -> None:
        self._stale = True
        self._plan()

    def _vispy_close(self) -> None:
        self._due.stop()
        self.close()
        self._close_thread()

    # -- drawing

    @property
    def settled(self) -> bool:
        """Whether what is painted is what there is to see, or nobody sees it."""
        return not self.isVisible() or not (self._stale or self._running)

    @property
    def largest(self) -> int:
        """The longest side of a picture in pixels."""
        return self._thread.largest

    def draw_now(self, size: QSize) -> QImage:
        """The scene as it is now, ``size`` pixels large; waits for it."""
        return self._record(size).result().picture

    def grabFramebuffer(self) -> QImage:
        """What is to be seen now, as a QOpenGLWidget has it; waits for it, and paints it, too."""
        self._due.stop()
        self._start()
        self._finish()
        return self._picture

    def _plan(self) -> None:
        if self.isVisible() and self._running is None and not self._due.isActive() and self._close_thread.alive:
            self._due.start(max(0, round(1e3 * (self._rested - time.perf_counter()))))

    @Slot()
    def _render(self) -> None:
        if self._vispy_canvas is not None and self._running is None and self._close_thread.alive:
            self._start()

    def _start(self) -> None:
        self._began = time.perf_counter()
        self._stale = False
        self._running = self._record(self._size())

    def rehearse(self) -> None:
        """Record the scene as it is now without drawing it. What is new in it, shaders above all, is put together, and
        goes up with the next drawing."""
        self._recorder.parse([command for command in self._recorded() if command[0] != "DRAW"])

    def _record(self, size: QSize) -> Future[Drawing]:
        return self._thread.draw(self._recorded(), size)

    def _recorded(self) -> list[Command]:
        canvas = self._vispy_canvas
        canvas.set_current()
        if not self._initialised:
            self._initialised = True
            canvas.events.initialize()
        canvas.events.draw(region=None)
        canvas.context.flush_commands()
        return self._recorder.take()

    @Slot(object)
    def _take(self, drawing: Future[Drawing]) -> None:
        if drawing is not self._running:
            return
        try:
            self._finish()
        except Exception as error:
            if str(error) not in self._problems:
                self._problems.add(str(error))
                raise

    def _finish(self) -> None:
        assert self._running is not None
        running, self._running = self._running, None
        try:
            drawing = running.result()
        finally:
            now = time.perf_counter()
            self._rested = now + REST * (now - self._began)
            if self._stale:
                self._plan()
        drawing.picture.setDevicePixelRatio(self.devicePixelRatioF())
        self._picture, self.given_bytes = drawing.picture, drawing.nbytes
        self.update()

    def _size(self) -> QSize:
        ratio = self.devicePixelRatioF()
        return QSize(max(1, int(self.width() * ratio)), max(1, int(self.height() * ratio)))

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        if self._picture.size() == self._size():
            painter.drawImage(0, 0, self._picture)
        elif not self._picture.isNull():
            painter.drawImage(self.rect(), self._picture)  # until that of the new size has come
        elif self._vispy_canvas is not None:
            painter.fillRect(self.rect(), QColor.fromRgbF(*map(float, self._vispy_canvas.bgcolor.rgb)))
        painter.end()

    def resizeEvent(self, event: QResizeEvent) -> None:  # also before it is first shown
        if self._vispy_canvas is None:
            return
        size = self._size().toTuple()
        self._vispy_canvas.set_current()
        self._vispy_set_physical_size(*size)
        self._vispy_canvas.events.resize(size=(self.width(), self.height()), physical_size=size)
        self._vispy_update()

    def showEvent(self, event: QShowEvent) -> None:
        if self._vispy_canvas is not None and self._stale:
            self._vispy_update()

    def hideEvent(self, event: QHideEvent) -> None:
        self._due.stop()
