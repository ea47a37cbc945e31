"""Who draws: a graphics card, or the CPU in its place."""

from __future__ import annotations

from functools import cache

from PySide6.QtGui import QOffscreenSurface, QOpenGLContext

SOFTWARE = ("llvmpipe", "softpipe", "swiftshader", "software", "swrast")
_RENDERER = 0x1F01


@cache
def renderer_name() -> str:
    """What OpenGL calls who draws, or "" where there is none. Needs the application to exist."""
    context, surface = QOpenGLContext(), QOffscreenSurface()
    surface.create()
    if not context.create() or not context.makeCurrent(surface):
        return ""
    name = str(context.functions().glGetString(_RENDERER))
    context.doneCurrent()
    return name


def draws_in_software() -> bool:
    """Whether OpenGL runs on the CPU, where every pixel costs time. Needs the application to exist."""
    return any(word in renderer_name().lower() for word in SOFTWARE)
