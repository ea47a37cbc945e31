"""The latent map's points, and over them the cursor and the trail that led to it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from vispy import scene

from lapose_inspector.visuals.dots import Dots
from lapose_inspector.visuals.lazy import Lazy, Rehearsed, blended, markers
from lapose_inspector.visuals.ribbon import Ribbon

Points2 = NDArray[np.float32]  # [N, 2]

SYMBOLS = ("disc", "triangle_up")
"""Of the points of the first and the second result."""
RING, RIM = 17.5, 2.5
"""Pixels of the ring at the cursor: its diameter and its width."""
HOLLOW = 0.55
"""Share of a dot's radius that is clear where dots stand for the second result."""


def marker_size(count: int) -> float:
    """Diameter in pixels that keeps ``count`` points apart on a panel: 9 for a hundred, 3 for 100,000."""
    return float(np.clip(13.0 - 2.0 * np.log10(max(count, 1)), 3.0, 9.0))


class MapPoints:
    """All transitions in one node; data goes up only when they move or change colour.

    ``plain`` draws them as dots without a rim, which a CPU can do many of.
    """

    def __init__(self, parent: scene.Node, *, order: int) -> None:
        self._markers = Lazy(lambda: markers(parent), order=order)
        self._dots = Lazy(lambda: Dots(parent=parent), order=order)
        self.parts: tuple[Rehearsed, ...] = (self._markers, self._dots)
        self.uploads = 0
        """How often data went to the GPU; moving the cursor must not raise it."""

    @property
    def visible(self) -> bool:
        return self._markers.visible or self._dots.visible

    def set_data(
        self,
        points: Points2,
        colours: NDArray[np.float32],
        rim: NDArray[np.float32],
        sources: NDArray[np.int64] | None = None,
        *,
        plain: bool = False,
    ) -> None:
        """Points [N, 2], N >= 1, and colours [N, 4]; ``rim`` [4] shows points that are like the canvas.

        ``sources`` [N] are 0 or 1, whose symbols differ; None where there is one.
        """
        size = marker_size(len(points))
        self._markers.visible, self._dots.visible = not plain, plain
        if plain:
            self._dots.node.set_data(points, colours, size, 0.0 if sources is None else HOLLOW * sources)
        else:
            symbols = SYMBOLS[0] if sources is None else np.array(SYMBOLS)[sources]
            edge = 0.7 if size > 5 else 0.0
            self._markers.node.set_data(
                points, size=size, face_color=colours, edge_color=rim, edge_width=edge, symbol=symbols
            )
        self.uploads += 1

    def clear(self) -> None:
        """Show no points."""
        self._markers.visible = self._dots.visible = False


class MapCursor:
    """A ring on the transition at the cursor and a fading line through the ones before it."""

    def __init__(self, parent: scene.Node, colour: NDArray[np.float32], *, order: int) -> None:
        self._trail = Lazy(lambda: Ribbon(2.0, parent=parent), order=order)
        self._ring = Lazy(lambda: Dots(parent=parent), order=order + 1)
        self.parts: tuple[Rehearsed, ...] = (self._trail, self._ring)
        self._colour = colour
        self._points: Points2 = np.zeros((0, 2), np.float32)

    @property
    def position(self) -> Points2 | None:
        """Where the ring is [2], or None while it is hidden."""
        return self._points[-1] if self._ring.visible else None

    def set_trail(self, points: Points2) -> None:
        """The last of the points [n, 2] is the cursor; none hides both."""
        self._points = points
        self._ring.visible = len(points) > 0
        self._trail.visible = len(points) > 1
        if len(points):
            self._ring.node.set_data(points[-1:], self._colour, RING, 1.0 - 2.0 * RIM / RING)
        if len(points) > 1:
            colours = np.tile(self._colour, (len(points), 1))
            colours[:, 3] = np.linspace(0.0, 0.6, len(points))
            steps = np.pad(np.stack([points[:-1], points[1:]], 1), ((0, 0), (0, 0), (0, 1)))
            self._trail.node.set_segments(steps, np.stack([colours[:-1], colours[1:]], 1))

    def set_colour(self, colour: NDArray[np.float32]) -> None:
        self._colour = colour
        self.set_trail(self._points)


class MapSelection:
    """Rings round the selected points; recolouring the points themselves would upload all of them."""

    def __init__(self, parent: scene.Node, colour: NDArray[np.float32], *, order: int) -> None:
        self._rings = Lazy(lambda: Dots(parent=parent), order=order)
        self.parts: tuple[Rehearsed, ...] = (self._rings,)
        self._colour = colour
        self._points: Points2 = np.zeros((0, 2), np.float32)
        self._among = 0

    @property
    def count(self) -> int:
        """How many rings there are."""
        return len(self._points)

    def set_points(self, points: Points2, among: int) -> None:
        """Ring the points [n, 2] of a map of ``among`` points."""
        self._points, self._among = points, among
        self._rings.visible = len(points) > 0
        if len(points):
            size = marker_size(among) + 2.5
            width = 1.4 if size > 7 else 1.0
            self._rings.node.set_data(points, self._colour, size + width, 1.0 - 2.0 * width / (size + width))

    def set_colour(self, colour: NDArray[np.float32]) -> None:
        self._colour = colour
        self.set_points(self._points, self._among)


class MapOutline:
    """The lasso or box while it is drawn, in canvas pixels."""

    def __init__(self, parent: scene.Node, *, order: int) -> None:
        self._line = Lazy(lambda: blended(scene.Line(parent=parent, width=1.5, antialias=True)), order=order)

    def set_points(self, points: NDArray[np.float64], colour: NDArray[np.float32]) -> None:
        """Draw the closed outline through [n, 2]; fewer than two points hide it."""
        self._line.visible = len(points) > 1
        if len(points) > 1:
            self._line.node.set_data(np.concatenate([points, points[:1]]).astype(np.float32), color=colour)
