"""The latent map's points, and over them the cursor and the trail that led to it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from vispy import scene
from vispy.visuals.transforms import STTransform

from lapose_inspector.visuals.ribbon import Ribbon

Points2 = NDArray[np.float32]  # [N, 2]


def marker_size(count: int) -> float:
    """Diameter in pixels that keeps ``count`` points apart on a panel: 9 for a hundred, 3 for 100,000."""
    return float(np.clip(13.0 - 2.0 * np.log10(max(count, 1)), 3.0, 9.0))


class MapPoints:
    """All transitions in one marker node; data goes up only when they move or change colour."""

    def __init__(self, parent: scene.Node, *, order: int) -> None:
        self._markers = scene.Markers(parent=parent)
        self._markers.order = order
        self._markers.set_gl_state("translucent", depth_test=False)
        self._markers.visible = False
        self.uploads = 0
        """How often data went to the GPU; moving the cursor must not raise it."""

    @property
    def node(self) -> scene.Node:
        return self._markers

    def set_data(
        self,
        points: Points2,
        colours: NDArray[np.float32],
        rim: NDArray[np.float32],
        symbols: NDArray[np.str_] | str = "disc",
    ) -> None:
        """Points [N, 2], N >= 1, and colours [N, 4]; ``rim`` [4] shows points that are like the canvas.

        ``symbols`` [N] are vispy's names, or one for all.
        """
        size = marker_size(len(points))
        self._markers.set_data(
            points, size=size, face_color=colours, edge_color=rim, edge_width=0.7 if size > 5 else 0.0, symbol=symbols
        )
        self._markers.visible = True
        self.uploads += 1

    def clear(self) -> None:
        """Show no points."""
        self._markers.visible = False


class MapCursor:
    """A ring on the transition at the cursor and a fading line through the ones before it."""

    def __init__(self, parent: scene.Node, colour: NDArray[np.float32], *, order: int) -> None:
        self._trail = Ribbon(2.0, parent=parent)
        self._ring = scene.Markers(parent=parent)
        self._ring.set_gl_state("translucent", depth_test=False)
        self._trail.order, self._ring.order = order, order + 1
        self._trail.visible = self._ring.visible = False
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
        clear = self._colour.copy()
        clear[3] = 0.0
        if len(points):
            self._ring.set_data(
                points[-1:], size=15, face_color=clear, edge_color=self._colour, edge_width=2.5, symbol="disc"
            )
        if len(points) > 1:
            colours = np.tile(self._colour, (len(points), 1))
            colours[:, 3] = np.linspace(0.0, 0.6, len(points))
            steps = np.pad(np.stack([points[:-1], points[1:]], 1), ((0, 0), (0, 0), (0, 1)))
            self._trail.set_segments(steps, np.stack([colours[:-1], colours[1:]], 1))

    def set_colour(self, colour: NDArray[np.float32]) -> None:
        self._colour = colour
        self.set_trail(self._points)


class MapSelection:
    """Rings round the selected points; recolouring the points themselves would upload all of them."""

    def __init__(self, parent: scene.Node, colour: NDArray[np.float32], *, order: int) -> None:
        self._markers = scene.Markers(parent=parent)
        self._markers.order = order
        self._markers.set_gl_state("translucent", depth_test=False)
        self._markers.visible = False
        self._colour = colour
        self._points: Points2 = np.zeros((0, 2), np.float32)
        self._size = 9.0

    @property
    def count(self) -> int:
        """How many rings there are."""
        return len(self._points)

    def set_points(self, points: Points2, among: int) -> None:
        """Ring the points [n, 2] of a map of ``among`` points."""
        self._points, self._size = points, marker_size(among) + 2.5
        self._markers.visible = len(points) > 0
        if len(points):
            clear = self._colour.copy()
            clear[3] = 0.0
            self._markers.set_data(
                points, size=self._size, face_color=clear, edge_color=self._colour,
                edge_width=1.4 if self._size > 7 else 1.0,
            )  # fmt: skip

    def set_colour(self, colour: NDArray[np.float32], among: int) -> None:
        self._colour = colour
        self.set_points(self._points, among)


class MapOutline:
    """The lasso or box while it is drawn, in canvas pixels."""

    def __init__(self, parent: scene.Node, *, order: int) -> None:
        self._line = scene.Line(parent=parent, width=1.5, antialias=True)
        self._line.order = order
        self._line.visible = False
        self._line.set_gl_state("translucent", depth_test=False)

    def set_points(self, points: NDArray[np.float64], colour: NDArray[np.float32]) -> None:
        """Draw the closed outline through [n, 2]; fewer than two points hide it."""
        self._line.visible = len(points) > 1
        if len(points) > 1:
            self._line.set_data(np.concatenate([points, points[:1]]).astype(np.float32), color=colour)


class MapDensity:
    """How many points lie where, as a soft picture under them."""

    BINS = 140
    """Cells along the longer side."""

    def __init__(self, parent: scene.Node, *, order: int) -> None:
        self._image = scene.Image(np.zeros((2, 2, 4), np.float32), parent=parent, interpolation="linear")
        self._image.order = order
        self._image.set_gl_state("translucent", depth_test=False)
        self._image.transform = STTransform()
        self._image.visible = False

    @property
    def visible(self) -> bool:
        return bool(self._image.visible)

    def set_points(self, points: Points2 | None, colours: NDArray[np.float32]) -> None:
        """The density of points [n, 2] in colours [256, 4], from few to many; None hides it."""
        self._image.visible = points is not None and len(points) > 1
        if points is None or len(points) < 2:
            return
        low, high = points.min(axis=0).astype(np.float64), points.max(axis=0).astype(np.float64)
        cell = max(float((high - low).max()), 1e-6) / self.BINS
        low, high = low - 6 * cell, high + 6 * cell
        cells = np.ceil((high - low) / cell).astype(int)
        edges = [low[axis] + cell * np.arange(cells[axis] + 1) for axis in (0, 1)]
        count, _, _ = np.histogram2d(points[:, 0], points[:, 1], bins=edges)
        offsets = np.arange(-5, 6)
        kernel = np.exp(-0.5 * (offsets / 1.8) ** 2)
        kernel /= kernel.sum()
        for axis in (0, 1):
            count = np.apply_along_axis(np.convolve, axis, count, kernel, "same")
        # Logarithmic: a car that stands still puts half a drive into one place.
        shade = np.log1p(count / max(float(count[count > 1e-6].mean()), 1e-12))
        table = np.clip(shade / max(float(shade.max()), 1e-12) * 255, 0, 255).astype(int)
        self._image.set_data(colours[table.T])
        self._image.transform.scale = (cell, cell)
        self._image.transform.translate = tuple(low)


def thinned(points: Points2, limit: int) -> NDArray[np.int64]:
    """Rows of at most ``limit`` points [n, 2] that leave the cloud its shape: one from each cell of a grid, which is as
    fine as the limit allows. All rows where there are no more than that.
    """
    if len(points) <= limit:
        return np.arange(len(points))
    low = points.min(axis=0)
    extent = max(float((points.max(axis=0) - low).max()), 1e-9)
    # Twice as fine as evenly spread points would need: most of a map is empty.
    cells = min(4096.0, 4.0 * limit**0.5)
    while True:
        grid = np.floor((points - low) / extent * (cells - 1)).astype(np.int64)
        rows = np.unique(grid[:, 0] * 8192 + grid[:, 1], return_index=True)[1]
        if len(rows) <= limit or cells < 2:
            return np.sort(rows)[:limit]
        cells *= max(0.9 * (limit / len(rows)) ** 0.5, 0.3)
