"""Lidar points as light dots: one sweep, or many laid along a path, coloured by height or by intensity."""

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

    def __init__(self, parent: scene.Node, *, order: int, limit: int = LIMIT) -> None:
        self._parent, self._order, self._limit = parent, order, limit
        self._markers: scene.Markers | None = None  # not before there are points: most logs have none
        self.points: Points = np.zeros((0, 3), np.float32)
        """What is drawn, scene points [count, 3]."""
        self.colours = np.zeros((0, 4), np.float32)
        """Of the drawn points [count, 4]."""

    @property
    def count(self) -> int:
        """Dots drawn."""
        return len(self.points)

    def clear(self) -> None:
        """Show nothing."""
        self.points, self.colours = self.points[:0], self.colours[:0]
        if self._markers is not None:
            self._markers.visible = False

    def set_points(self, points: Points, colours: NDArray[np.float32]) -> None:
        """Show scene points [P, 3], each in its colour [P, 4]."""
        step = max(1, -(-len(points) // self._limit))
        self.points, self.colours = points[::step], colours[::step]
        if self.count and self._markers is None:
            self._markers = scene.Markers(parent=self._parent)
            self._markers.order = self._order
            self._markers.set_gl_state("translucent", depth_test=False)
        if self._markers is not None:
            self._markers.visible = self.count > 0
        if self.count and self._markers is not None:
            self._markers.set_data(self.points, size=2, edge_width=0, face_color=self.colours, symbol="square")


def shade_limits(values: NDArray[np.floating], least: float) -> tuple[float, float]:
    """The values at the two ends of the colours, at least ``least`` apart, of ``values`` [P]."""
    if not len(values):
        return 0.0, least
    low, high = np.percentile(values, [2, 98])
    return float(low), float(max(high, low + least))


def shades(values: NDArray[np.floating], limits: tuple[float, float], theme: str) -> NDArray[np.float32]:
    """Colours [P, 4] of ``values`` [P]; neither end vanishes in the theme's canvas."""
    ends = (0.35, 1.0) if theme == "dark" else (0.75, 0.1)
    table = np.array(Colormap("cmocean:ice")(np.linspace(*ends, 256)), np.float32)
    table[:, 3] = ALPHA
    low, high = limits
    place = np.nan_to_num((values - low) / (high - low))
    return table[np.clip(place * 255, 0, 255).astype(np.intp)]
