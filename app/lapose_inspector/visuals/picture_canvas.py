"""A vispy canvas for machines without a graphics card: it draws into a picture of its own, and paints that.

A QOpenGLWidget makes Qt put the whole window together in OpenGL, for every label whose text changes. Where the
processor does that, it costs some 35 ms of it for a window of 1600x1000; a window without such a widget is painted in
1 ms. Nor does the processor need multisampling here: the lines smooth their own edges.
"""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

from PySide6.QtCore import QSize, Qt, QTimer, Slot
from PySide6.QtGui import (
    QHideEvent,
    QImage,
    QOffscreenSurface,
    QOpenGLContext,
    QPainter,
    QPaintEvent,
    QResizeEvent,
    QShowEvent,
)
from PySide6.QtOpenGL import QOpenGLFramebufferObject
from PySide6.QtWidgets import QWidget
from vispy import app
from vispy.app.backends import _qt

REST = 2.0
"""How long a canvas rests after a drawing, as a multiple of what that took: others want the thread, too."""
FORMAT = QImage.Format.Format_RGB32


class PictureApplication(app.Application):
    """vispy's application, whose canvases are pictures: the argument ``app`` of a SceneCanvas."""

    @property
    def backend_module(self) -> Any:
        module = super().backend_module
        return SimpleNamespace(**{**vars(module), "CanvasBackend": PictureCanvas})


class PictureCanvas(_qt.QtBaseCanvasBackend, QWidget):  # type: ignore[misc]
    """The widget behind such a canvas. Of the wishes to be redrawn that come while it rests, one is granted after."""

    def _init_specific(self, p: Any, kwargs: Any) -> None:
        QWidget.__init__(self, p.parent)
        self._context, self._surface = QOpenGLContext(), QOffscreenSurface()
        self._surface.create()
        self._context.create()
        self._buffer: QOpenGLFramebufferObject | None = None
        self._picture = QImage()
        self._stale = True
        self._rested = 0.0
        self._due = QTimer(self, singleShot=True, timerType=Qt.TimerType.PreciseTimer)
        self._due.timeout.connect(self._render)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setFocusPolicy(Qt.FocusPolicy.WheelFocus)
        p.context.shared.add_ref("qt", self)
        self._initialized = True

    # -- what vispy asks of a backend

    def _vispy_set_current(self) -> None:
        self._context.makeCurrent(self._surface)

    def _vispy_swap_buffers(self) -> None:
        pass

    def _vispy_get_fb_bind_location(self) -> int:
        return 0 if self._buffer is None else self._buffer.handle()

    def _vispy_update(self) -> None:
        self._stale = True
        if self.isVisible() and not self._due.isActive():
            self._due.start(max(0, round(1e3 * (self._rested - time.perf_counter()))))

    def _vispy_close(self) -> None:
        self._due.stop()
        self.close()
        if self._context.makeCurrent(self._surface):
            self._buffer = None
            self._context.doneCurrent()

    # -- drawing

    @Slot()
    def _render(self) -> None:
        if self._vispy_canvas is None or not self._context.isValid():
            return
        began = time.perf_counter()
        self._vispy_canvas.set_current()
        size = self._size()
        if self._buffer is None:
            self._vispy_canvas.events.initialize()
        if self._buffer is None or self._buffer.size() != size:
            self._buffer = QOpenGLFramebufferObject(size, QOpenGLFramebufferObject.Attachment.CombinedDepthStencil)
        self._stale = False
        self._buffer.bind()
        self._vispy_canvas.events.draw(region=None)
        self._vispy_canvas.context.flush_commands()
        picture = self._buffer.toImage()
        # Blending leaves an alpha below 1 behind; nothing is to be seen through the canvas.
        picture.reinterpretAsFormat(FORMAT)
        picture.setDevicePixelRatio(self.devicePixelRatioF())
        self._picture = picture
        now = time.perf_counter()
        self._rested = now + REST * (now - began)
        self.update()

    def grabFramebuffer(self) -> QImage:
        """What is drawn now, as a QOpenGLWidget has it."""
        self._render()
        return self._picture

    def _size(self) -> QSize:
        ratio = self.devicePixelRatioF()
        return QSize(max(1, int(self.width() * ratio)), max(1, int(self.height() * ratio)))

    def paintEvent(self, event: QPaintEvent) -> None:
        # Else the picture before it, until its turn comes: one paint event is that of all panels.
        if self._buffer is None or self._buffer.size() != self._size():
            self._render()
        painter = QPainter(self)
        painter.drawImage(0, 0, self._picture)
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
