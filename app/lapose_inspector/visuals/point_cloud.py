"""Lidar points as light dots: one sweep in a plain colour, or many laid along a path, coloured by height."""

from __future__ import annotations

import numpy as np
from cmap import Colormap
from numpy.typing import NDArray
from vispy import scene

LIMIT = 40_000
"""Dots of one sweep drawn at most; a spinning lidar's 120,000 look the same at panel size and cost three times as
much."""
ALPHA = 0.75

Points = NDArray[np.float32]  # [P, 3]


class PointCloud:
    """``limit``: dots drawn at most; of more points, every n-th is."""

    def __init__(self, parent: scene.Node, colour: NDArray[np.float32], *, order: int, limit: int = LIMIT) -> None:
        self._markers = scene.Markers(parent=parent)
        self._markers.order = order
        self._markers.set_gl_state("translucent", depth_test=False)
        self._markers.visible = False
        self._colour, self._limit = colour, limit
        self._points: Points | None = None
        self._colours: NDArray[np.float32] | None = None

    @property
    def points(self) -> Points:
        """What is drawn, scene points [count, 3]."""
        return self._points if self._points is not None else np.zeros((0, 3), np.float32)

    @property
    def count(self) -> int:
        """Dots drawn."""
        return len(self.points)

    def set_points(self, points: Points | None, colours: NDArray[np.float32] | None = None) -> None:
        """Show scene points [P, 3], each in its colour [P, 4] or all in the cloud's; None or none at all hides the
        node."""
        if points is not None and len(points) > self._limit:
            step = -(-len(points) // self._limit)
            points, colours = points[::step], None if colours is None else colours[::step]
        self._points = points if points is not None and len(points) else None
        self._colours = colours
        self._markers.visible = self._points is not None
        if self._points is not None:
            shown = self._colour if colours is None else colours
            self._markers.set_data(self._points, size=2, edge_width=0, face_color=shown, symbol="square")

    def set_colour(self, colour: NDArray[np.float32]) -> None:
        self._colour = colour
        self.set_points(self._points, self._colours)


def height_limits(points: Points, ground: float) -> tuple[float, float]:
    """The heights over ``ground`` in metres, of scene points [P, 3], at the two ends of the colours."""
    if not len(points):
        return 0.0, 1.0
    low, high = np.percentile(points[:, 2], [2, 98]) - ground
    return float(low), float(max(high, low + 1.0))


def height_colours(points: Points, ground: float, limits: tuple[float, float], theme: str) -> NDArray[np.float32]:
    """Colours [P, 4] of scene points by their height; neither end vanishes in the theme's canvas."""
    ends = (0.35, 1.0) if theme == "dark" else (0.75, 0.1)
    table = np.array(Colormap("cmocean:ice")(np.linspace(*ends, 256)), np.float32)
    table[:, 3] = ALPHA
    low, high = limits
    place = (points[:, 2] - ground - low) / (high - low)
    return table[np.clip(place * 255, 0, 255).astype(np.intp)]
