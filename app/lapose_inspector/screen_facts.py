"""What the inspector draws with, for ``lapose doctor``: Qt, its platform, and the OpenGL that the canvases get."""

from __future__ import annotations

from PySide6 import __version__
from PySide6.QtCore import qVersion
from PySide6.QtGui import QGuiApplication, QOffscreenSurface, QOpenGLContext


def screen_facts() -> dict[str, object]:
    """Versions, screens and the OpenGL renderer, as plain values. Needs the application to exist."""
    screens = [
        f"{s.size().width()}x{s.size().height()} at {s.devicePixelRatio():g}, {s.refreshRate():.0f} Hz"
        for s in QGuiApplication.screens()
    ]
    facts: dict[str, object] = {
        "Qt": qVersion(), "PySide6": __version__, "platform": QGuiApplication.platformName(), "screens": screens,
    }  # fmt: skip
    context, surface = QOpenGLContext(), QOffscreenSurface()
    surface.create()
    if not context.create() or not context.makeCurrent(surface):
        return {**facts, "OpenGL": None, "problem": "no OpenGL context can be made"}
    gl = context.functions()
    for name, key in (("vendor", 0x1F00), ("renderer", 0x1F01), ("version", 0x1F02)):
        facts[f"OpenGL {name}"] = gl.glGetString(key)
    renderer = str(facts["OpenGL renderer"]).lower()
    facts["drawn by"] = "the processor" if "llvmpipe" in renderer or "softpipe" in renderer else "a graphics card"
    context.doneCurrent()
    return facts
