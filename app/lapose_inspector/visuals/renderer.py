"""Who draws: a graphics card, or the CPU in its place."""

from __future__ import annotations

from vispy import scene
from vispy.gloo import gl

SOFTWARE = ("llvmpipe", "softpipe", "swiftshader", "software", "swrast")


def draws_in_software(canvas: scene.SceneCanvas) -> bool:
    """Whether the canvas's OpenGL runs on the CPU, where every point costs time. Needs a canvas with a context."""
    canvas.set_current()
    name = gl.glGetParameter(gl.GL_RENDERER)
    return any(word in str(name).lower() for word in SOFTWARE)
