"""An OpenGL canvas that suits who draws, and can be drawn again for print, with more pixels than the screen has."""

from __future__ import annotations

from typing import Any

import numpy as np
import vispy
from numpy.typing import NDArray
from PySide6.QtCore import QSize
from vispy import gloo, scene
from vispy.gloo import gl

from lapose_inspector.visuals.render_thread import bytes_given
from lapose_inspector.visuals.renderer import draws_in_software

vispy.use("pyside6", "gl2")

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
    _pictured = False  # without a graphics card: a thread draws pictures

    def __init__(self, parent: object = None, *, samples: int = 4) -> None:
        self._pictured = draws_in_software()
        self._copies = 2 if self._pictured else max(samples, 1)
        if self._pictured:
            # Not at the top: vispy must know its backend before.
            from lapose_inspector.visuals.picture_canvas import PictureApplication

            super().__init__(keys=None, app=PictureApplication("pyside6"), parent=parent)
        else:
            super().__init__(keys=None, config={"samples": samples}, parent=parent)

    @property
    def nbytes(self) -> int:
        """About what the canvas keeps: vertices and indices, and the colour and depth of every pixel."""
        width, height = self.physical_size
        given = self.native.given_bytes if self._pictured else bytes_given(self.context.shared.parser)
        return int(self._copies * 8 * width * height) + given

    @property
    def settled(self) -> bool:
        """Whether the screen shows the scene as it is; a widget of OpenGL is drawn when it is painted."""
        return not self._pictured or self.native.settled

    def catch_up(self) -> None:
        """Wait until the screen shows the scene as it is now."""
        if not self.settled:
            self.native.grabFramebuffer()

    def rehearse(self) -> None:
        """Put together what would be drawn now; a widget of OpenGL does so when it is painted."""
        if self._pictured:
            self.native.rehearse()

    def visual_at(self, pos: Any) -> Any:
        """The node that hears the mouse there. vispy draws the scene once more to know, for every click and turn of
        the wheel; here views do not overlap, and their bounds tell."""
        return self._visual_bounds_at(pos)

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
        largest = self.native.largest if self._pictured else int(gl.glGetParameter(gl.GL_MAX_RENDERBUFFER_SIZE))
        fine = min(SMOOTHING * scale, largest / max(self.size))
        # vispy's own render() draws another size into a corner: everything here has to believe in the size.
        self._print_scale = fine
        try:
            pixels = self._pixels_of_picture() if self._pictured else self._pixels_of_buffer()
        finally:
            self._print_scale = 0.0
            self._believe_in_size()
        return averaged(pixels, SMOOTHING) if fine >= SMOOTHING else pixels

    def _pixels_of_picture(self) -> NDArray[np.uint8]:
        self._believe_in_size()
        picture = self.native.draw_now(QSize(*self.physical_size))
        pixels = np.frombuffer(picture.constBits(), np.uint8).reshape(picture.height(), picture.width(), 4)
        return pixels[..., 2::-1].copy()

    def _pixels_of_buffer(self) -> NDArray[np.uint8]:
        width, height = self.physical_size
        shape = (height, width)
        target = gloo.FrameBuffer(color=gloo.RenderBuffer(shape), depth=gloo.RenderBuffer(shape))
        try:
            self.push_fbo(target, (0, 0), (width, height))
            try:
                self._draw_scene()
                return target.read()[..., :3]
            finally:
                self.pop_fbo()
        finally:
            target.delete()

    def _believe_in_size(self) -> None:
        self.context.set_viewport(0, 0, *self.physical_size)
        self._update_transforms()


def averaged(pixels: NDArray[np.uint8], factor: int) -> NDArray[np.uint8]:
    """Every ``factor`` x ``factor`` pixels of [H, W, 3] as one; what is left over at the ends goes."""
    height, width = (side // factor for side in pixels.shape[:2])
    blocks = pixels[: height * factor, : width * factor].reshape(height, factor, width, factor, 3)
    total = np.zeros((height, width, 3), np.uint16)
    for row in range(factor):
        for column in range(factor):
            total += blocks[:, row, :, column]
    return (total // factor**2).astype(np.uint8)
