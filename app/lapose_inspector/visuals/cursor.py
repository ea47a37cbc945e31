"""The camera at the cursor: a bold pyramid, moved by its transform alone."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from vispy import scene

from lapose_core.geometry import Array
from lapose_inspector.visuals.dots import Dots
from lapose_inspector.visuals.frusta import EDGES
from lapose_inspector.visuals.lazy import Lazy, Rehearsed
from lapose_inspector.visuals.ribbon import Ribbon
from lapose_inspector.visuals.steady_matrix import SteadyMatrix


class CursorCamera:
    """A pyramid with a filled image plane. Its geometry is one metre deep and uploaded once per drive."""

    def __init__(self, parent: scene.Node, colour: NDArray[np.float32], *, order: int) -> None:
        self._node = scene.Node(parent=parent)
        self._node.transform = SteadyMatrix()
        self._node.visible = False
        self._node.order = order  # vispy sorts siblings only, so the group carries the order
        self._colour = colour
        self._shape = np.zeros((8, 3), np.float32)
        self._faces = np.array([[1, 2, 3], [1, 3, 4], [5, 6, 7]], np.uint32)
        self._visuals: tuple[scene.Mesh, Ribbon] | None = None  # not before there is a pose
        self._pose: Array | None = None
        self._size = 1.0

    def _make(self) -> tuple[scene.Mesh, Ribbon]:
        colour, fill_colour = self._colour, self._colour.copy()
        fill_colour[3] = 0.28
        fill = scene.Mesh(vertices=self._shape, faces=self._faces, color=fill_colour, parent=self._node)
        fill.set_gl_state("translucent", depth_test=False, cull_face=False)
        line = Ribbon(2.4, parent=self._node)
        line.set_segments(self._shape[EDGES], colour)
        dot = Dots(parent=self._node)
        dot.set_data(np.zeros((1, 3), np.float32), colour, 9.0)
        for i, visual in enumerate((fill, line, dot)):
            visual.order = i
        return fill, line

    @property
    def made(self) -> bool:
        """Whether there is something to move."""
        return self._visuals is not None

    def rehearse(self, record: Callable[[], None]) -> None:
        """Make what is drawn and have it recorded. Only before it is first shown."""
        self._visuals = self._make()
        self._node.visible = True
        try:
            record()
        finally:
            self._node.visible = False

    @property
    def pose(self) -> Array | None:
        """The camera-to-scene pose [4, 4] that is drawn, or None."""
        return self._pose

    def set_shape(self, shape: NDArray[np.float32]) -> None:
        """Take another camera's pyramid [8, 3], one metre deep."""
        self._shape = shape
        if self._visuals is not None:
            fill, line = self._visuals
            line.set_segments(shape[EDGES], self._colour)
            fill.set_data(vertices=shape, faces=self._faces, color=fill.color)

    def set_pose(self, pose: Array | None) -> None:
        """Move to a camera-to-scene pose [4, 4]; None hides it."""
        self._pose = pose
        if pose is not None and self._visuals is None:
            self._visuals = self._make()
        if self._node.visible != (pose is not None):
            self._node.visible = pose is not None
        self._place()

    def set_size(self, size: float) -> None:
        """Depth of the pyramid in metres."""
        self._size = size
        self._place()

    def _place(self) -> None:
        if self._pose is not None:
            matrix = self._pose.copy()
            matrix[:3, :3] *= self._size
            self._node.transform.matrix = matrix.T  # vispy multiplies row vectors


class Residual:
    """The line from the true to the predicted camera at the cursor: the error one sees."""

    def __init__(self, parent: scene.Node, colour: NDArray[np.float32], *, order: int) -> None:
        self._line = Lazy(lambda: Ribbon(1.4, parent=parent), order=order)
        self.parts: tuple[Rehearsed, ...] = (self._line,)
        self._colour = colour

    def set_ends(self, truth: Array | None, prediction: Array | None) -> None:
        """Scene points [3] of both ends, or None where one does not exist."""
        self._line.visible = truth is not None and prediction is not None
        if truth is not None and prediction is not None:
            self._line.node.set_segments(np.stack([truth, prediction])[None].astype(np.float32), self._colour)

    def set_colour(self, colour: NDArray[np.float32]) -> None:
        self._colour = colour
        if self._line.visible:
            self._line.node.set_colours(colour)
