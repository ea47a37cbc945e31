"""The point cloud of one frame as light dots."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from vispy import scene

LIMIT = 40_000
"""Dots drawn at most; a spinning lidar's 120,000 look the same at panel size and cost three times as much."""


class PointCloud:
    def __init__(self, parent: scene.Node, colour: NDArray[np.float32], *, order: int) -> None:
        self._markers = scene.Markers(parent=parent)
        self._markers.order = order
        self._markers.set_gl_state("translucent", depth_test=False)
        self._markers.visible = False
        self._colour = colour
        self._points: NDArray[np.float32] | None = None

    @property
    def points(self) -> NDArray[np.float32]:
        """What is drawn, scene points [count, 3]."""
        return self._points if self._points is not None else np.zeros((0, 3), np.float32)

    @property
    def count(self) -> int:
        """Dots drawn."""
        return len(self.points)

    def set_points(self, points: NDArray[np.float32] | None) -> None:
        """Show scene points [P, 3]; None or none at all hides the node."""
        if points is not None and len(points) > LIMIT:
            points = points[:: -(-len(points) // LIMIT)]
        self._points = points if points is not None and len(points) else None
        self._markers.visible = self._points is not None
        if self._points is not None:
            self._markers.set_data(self._points, size=2, edge_width=0, face_color=self._colour, symbol="square")

    def set_colour(self, colour: NDArray[np.float32]) -> None:
        self._colour = colour
        self.set_points(self._points)
