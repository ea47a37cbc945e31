"""Draws in a thread of its own what a canvas has recorded: where the processor is the graphics card, a picture takes
longer than the window's thread may be away.
"""

from __future__ import annotations

import contextlib
import ctypes
import threading
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from PySide6.QtCore import QObject, QSize, Signal
from PySide6.QtGui import QImage, QOffscreenSurface, QOpenGLContext
from PySide6.QtOpenGL import QOpenGLFramebufferObject
from vispy.gloo import gl
from vispy.gloo.gl import gl2
from vispy.gloo.glir import BaseGlirParser, GlirParser

from lapose_core.priority import BEHIND_WORK, stand_back

Command = tuple[Any, ...]
"""Of vispy's intermediate representation of OpenGL (GLIR): a name, an object's number, arguments."""

FORMAT = QImage.Format.Format_RGB32
_BGRA, _NATIVE_32_BITS = 0x80E1, 0x8367


class Recorder(BaseGlirParser):
    """In the place of vispy's interpreter of commands: it only keeps them. It has no context, so nothing that asks
    OpenGL for an answer works on the window's thread."""

    def __init__(self) -> None:
        super().__init__()
        self._commands: list[Command] = []

    def is_remote(self) -> bool:
        return True

    @property
    def shader_compatibility(self) -> str:
        return "desktop"

    def parse(self, commands: Iterable[Command]) -> None:
        # What they point to may change before they are carried out.
        self._commands += [
            tuple(one.copy() if isinstance(one, np.ndarray) else one for one in command) for command in commands
        ]

    def take(self) -> list[Command]:
        """All commands since the last time: whoever takes them carries them out."""
        commands, self._commands = self._commands, []
        return commands


@dataclass(frozen=True)
class Drawing:
    """A finished picture, and what buffers on the OpenGL side hold in bytes."""

    picture: QImage
    nbytes: int


class RenderThread(QObject):
    """One OpenGL context and the thread that it lives in. Make it on the window's thread.

    ``drawn`` brings the future of every drawing, when it is done, to the window's thread.
    """

    drawn = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self._surface = QOffscreenSurface()
        self._surface.create()  # may be a window, so not in the thread
        self._context: QOpenGLContext | None = None
        self._buffer: QOpenGLFramebufferObject | None = None
        self._parser = GlirParser()
        self._thread = ThreadPoolExecutor(1, "render", initializer=stand_back, initargs=(BEHIND_WORK,))
        self._largest = self._thread.submit(self._begin)

    @property
    def largest(self) -> int:
        """The longest side of a picture in pixels; waits for the context at first."""
        return self._largest.result()

    def draw(self, commands: list[Command], size: QSize) -> Future[Drawing]:
        """Carry out commands after all before them, into a picture of ``size`` pixels.

        An error of OpenGL, a shader that does not compile, is the future's exception; the commands after the one at
        fault are carried out.

        Raises:
            RuntimeError: after ``close``.
        """
        future = self._thread.submit(self._draw, commands, size)
        future.add_done_callback(self.drawn.emit)
        return future

    def close(self) -> None:
        """Wait for the drawing under way, let go of everything on the OpenGL side and end the thread."""
        with contextlib.suppress(RuntimeError):  # closed before, or the interpreter's end
            self._thread.submit(self._end)
        # Python's collector may call this in any thread, even in this one.
        self._thread.shutdown(wait=threading.current_thread() is threading.main_thread())

    # -- in the thread

    def _begin(self) -> int:
        self._context = QOpenGLContext()
        self._context.create()
        self._make_current()
        return int(gl.glGetParameter(gl.GL_MAX_RENDERBUFFER_SIZE))

    def _make_current(self) -> None:
        if self._context is None or not self._context.makeCurrent(self._surface):
            raise RuntimeError("OpenGL: no context can be made current; is the driver installed?")

    def _draw(self, commands: list[Command], size: QSize) -> Drawing:
        self._make_current()
        if self._buffer is None or self._buffer.size() != size:
            self._buffer = QOpenGLFramebufferObject(size, QOpenGLFramebufferObject.Attachment.CombinedDepthStencil)
        handle = self._buffer.handle()
        rest = iter([("CURRENT", 0, handle) if command[0] == "CURRENT" else command for command in commands])
        problem: Exception | None = None
        while True:
            try:
                self._parser.parse(rest)
                break
            except Exception as error:
                problem = problem or error
        if problem is not None:
            raise problem
        return Drawing(_read(self._buffer), bytes_given(self._parser))

    def _end(self) -> None:
        if self._context is not None:
            self._make_current()
            self._buffer = None
            self._context.doneCurrent()
            self._context = None


def bytes_given(parser: GlirParser) -> int:
    """What an interpreter of commands has put into buffers of OpenGL. vispy counts it, but tells nobody."""
    return sum(getattr(one, "_buffer_size", 0) for one in parser._objects.values())


def _read(buffer: QOpenGLFramebufferObject) -> QImage:
    """The buffer's pixels. Python's lock is free while OpenGL finishes them: Qt's own function would keep it."""
    width, height = buffer.width(), buffer.height()
    pixels = np.empty((height, width), np.uint32)
    buffer.bind()
    read = gl2._get_gl_func("glReadPixels", None, (*[ctypes.c_int] * 4, ctypes.c_uint, ctypes.c_uint, ctypes.c_void_p))
    read(0, 0, width, height, _BGRA, _NATIVE_32_BITS, pixels.ctypes.data)
    picture = QImage(width, height, FORMAT)
    np.frombuffer(picture.bits(), np.uint32).reshape(height, width)[:] = pixels[::-1]
    return picture
