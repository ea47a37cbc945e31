"""Who draws: a graphics card, or the CPU in its place."""

from __future__ import annotations

from functools import cache

from PySide6.QtGui import QOffscreenSurface, QOpenGLContext

SOFTWARE = ("llvmpipe", "softpipe", "swiftshader", "software", "swrast")
_RENDERER = 0x1F01


@cache
def draws_in_software() -> bool:
    """Whether OpenGL runs on the CPU, where every pixel costs time. Needs the application to exist."""
    context, surface = QOpenGLContext(), QOffscreenSurface()
    surface.create()
    if not context.create() or not context.makeCurrent(surface):
        return False
    name = str(context.functions().glGetString(_RENDERER)).lower()
    context.doneCurrent()
    return any(word in name for word in SOFTWARE)
