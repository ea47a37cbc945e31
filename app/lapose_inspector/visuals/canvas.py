"""An OpenGL canvas that suits who draws, and can be drawn again for print, with more pixels than the screen has."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from vispy import gloo, scene
from vispy.gloo import gl

from lapose_inspector.visuals.renderer import draws_in_software

SMOOTHING = 2
"""Pixels are drawn this many times finer and averaged: a framebuffer has no multisampling."""


class SceneCanvas(scene.SceneCanvas):
    """``scene.SceneCanvas`` with multisampling, no keys of its own and a way to print.

    Args:
        samples: of multisampling. It is what keeps thin lines whole; a driver without it simply gives none. 0 for a
            scene that smooths its own edges. Without a graphics card there is none.
    """

    _print_scale = 0.0  # pixels per logical pixel while printing
    _copies = 1  # of the colour and depth of a pixel

    def __init__(self, parent: object = None, *, samples: int = 4) -> None:
        software = draws_in_software()
        self._copies = 2 if software else max(samples, 1)
        if software:
            # Not at the top: vispy must know its backend before.
            from lapose_inspector.visuals.picture_canvas import PictureApplication

            super().__init__(keys=None, app=PictureApplication("pyside6"), parent=parent)
        else:
            super().__init__(keys=None, config={"samples": samples}, parent=parent)

    @property
    def nbytes(self) -> int:
        """About what the canvas keeps: vertices and indices, and the colour and depth of every pixel."""
        width, height = self.physical_size
        # vispy counts what it gave to OpenGL, but tells nobody.
        given = sum(getattr(one, "_buffer_size", 0) for one in self.context.shared.parser._objects.values())
        return int(self._copies * 8 * width * height) + given

    @property
    def physical_size(self) -> tuple[int, int]:
        """Width and height in pixels of what is drawn on."""
        if not self._print_scale:
            width, height = super().physical_size
        else:
            width, height = (round(side * self._print_scale) for side in self.size)
        return width, height

    def printed(self, scale: float) -> NDArray[np.uint8]:
        """The scene as it is now [H, W, 3] at ``scale`` pixels per logical pixel, or as many as the driver can draw;
        lines and points keep their size on paper. The canvas must have been on the screen."""
        self.set_current()
        most = int(gl.glGetParameter(gl.GL_MAX_RENDERBUFFER_SIZE)) / max(self.size)
        fine = min(SMOOTHING * scale, most)
        # vispy's own render() draws another size into a corner: everything here has to believe in the size.
        self._print_scale = fine
        width, height = self.physical_size
        shape = (height, width)
        target = gloo.FrameBuffer(color=gloo.RenderBuffer(shape), depth=gloo.RenderBuffer(shape))
        try:
            self.push_fbo(target, (0, 0), (width, height))
            try:
                self._draw_scene()
                pixels = target.read()[..., :3]
            finally:
                self.pop_fbo()
        finally:
            self._print_scale = 0.0
            self.context.set_viewport(0, 0, *self.physical_size)
            self._update_transforms()
            target.delete()
        return averaged(pixels, SMOOTHING) if fine >= SMOOTHING else pixels


def averaged(pixels: NDArray[np.uint8], factor: int) -> NDArray[np.uint8]:
    """Every ``factor`` x ``factor`` pixels of [H, W, 3] as one; what is left over at the ends goes."""
    height, width = (side // factor for side in pixels.shape[:2])
    blocks = pixels[: height * factor, : width * factor].reshape(height, factor, width, factor, 3)
    total = np.zeros((height, width, 3), np.uint16)
    for row in range(factor):
        for column in range(factor):
            total += blocks[:, row, :, column]
    return (total // factor**2).astype(np.uint8)
