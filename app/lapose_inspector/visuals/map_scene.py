"""The latent map's canvas: points, density, selection, cursor and outline, and where they are on the screen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from vispy import scene

from lapose_core.geometry import Array
from lapose_inspector.models.colours import ThemeColours, rgba
from lapose_inspector.models.thinning import SOFTWARE_POINTS, thinned
from lapose_inspector.visuals.map_density import MapDensity
from lapose_inspector.visuals.map_points import MapCursor, MapOutline, MapPoints, MapSelection, Points2
from lapose_inspector.visuals.renderer import draws_in_software

MARKERS = 1200
"""Points up to which a CPU draws them as markers; of more it draws plain dots."""
FAINT = 0.25
"""Opacity of points over a density."""

Position = tuple[float, float]
Insets = tuple[float, float, float, float]
"""Pixels of the canvas left, above, right and below the fitted points."""


class MapScene:
    """Everything drawn in one ViewBox, in the coordinates of the map."""

    def __init__(self, canvas: scene.SceneCanvas, camera: scene.PanZoomCamera, colours: ThemeColours) -> None:
        self.canvas = canvas
        self.view = canvas.central_widget.add_view()
        self.view.camera = camera
        root = self.view.scene
        self.density = MapDensity(root, order=0)
        self.points = MapPoints(root, order=1)
        self.selected = MapSelection(root, rgba(colours.selection), order=2)
        self.marker = MapCursor(root, rgba(colours.cursor), order=3)
        self.outline = MapOutline(canvas.scene, order=10)
        self.parts = (*self.points.parts, *self.marker.parts, *self.selected.parts)
        """What is rehearsed; a density or an outline is asked for by hand."""
        self._thinned_of: Points2 | None = None
        self._thinned_place: tuple[float, ...] = ()
        self._thinned_rows = np.zeros(0, np.int64)
        """Rows that are drawn of those points, with the view at that place."""

    @property
    def software(self) -> bool:
        """Whether the CPU has to draw."""
        return draws_in_software()

    def plain(self, count: int) -> bool:
        """Whether ``count`` points are drawn as plain dots, those of a second result hollow."""
        return count > MARKERS and self.software

    def thins(self, count: int) -> bool:
        """Whether of ``count`` points only some are drawn."""
        return count > SOFTWARE_POINTS and self.software

    def set_colours(self, colours: ThemeColours) -> None:
        """Take a theme's colours."""
        self.canvas.bgcolor = colours.canvas
        self.marker.set_colour(rgba(colours.cursor))
        self.selected.set_colour(rgba(colours.selection))

    # -- what is drawn

    def rows_drawn(self, points: Points2) -> NDArray[np.int64]:
        """Rows of the points [n, 2] that are drawn: all, or where the CPU draws a share of those in sight."""
        if not self.thins(len(points)):
            return np.arange(len(points))
        rect = self.view.camera.rect
        place = (*rect.pos, *rect.size)
        if self._thinned_of is not points or place != self._thinned_place:
            self._thinned_of, self._thinned_place = points, place
            self._thinned_rows = self._in_sight(points)
        return self._thinned_rows

    def _in_sight(self, points: Points2) -> NDArray[np.int64]:
        rect = self.view.camera.rect
        low, high = np.array([rect.left, rect.bottom]), np.array([rect.right, rect.top])
        margin = 0.25 * (high - low)
        seen = np.flatnonzero(((points >= low - margin) & (points <= high + margin)).all(axis=1))
        return seen[thinned(points[seen], SOFTWARE_POINTS)]

    def set_points(
        self,
        points: Points2,
        rows: NDArray[np.int64],
        colours: NDArray[np.float32],
        theme: ThemeColours,
        sources: NDArray[np.int64] | None,
        *,
        density: bool,
    ) -> None:
        """Draw ``rows`` of points [n, 2] in colours [rows, 4], over the density of all of them where it is wanted."""
        if density:
            colours[:, 3] *= FAINT
        rim = rgba(theme.muted, 0.0 if density else 0.4)
        self.points.set_data(points[rows], colours, rim, sources, plain=self.plain(len(points)))
        ramp = np.tile(rgba(theme.accent), (256, 1))
        ramp[:, 3] = np.linspace(0.0, 0.95, 256)
        self.density.set_points(points if density else None, ramp)

    def clear(self) -> None:
        """Show neither points nor density."""
        self.points.clear()
        self.density.set_points(None, np.zeros((256, 4), np.float32))

    def select(self, points: Points2, among: int) -> None:
        """Ring the points [n, 2] of a map of ``among``, or as many of them as can be told apart."""
        if self.thins(len(points)):
            points = points[thinned(points, SOFTWARE_POINTS)]
        self.selected.set_points(points, among)

    # -- where it is

    def fit(self, extent: Points2, choices: Sequence[Insets]) -> None:
        """Show all points between the least and the most coordinates [2, 2], within those of the insets that leave
        them the most room."""
        low, high = extent
        width, height = (max(float(v), 80.0) for v in self.view.size)
        extent = high - low

        def unit_of(insets: Insets) -> float:
            left, top, right, bottom = insets
            room = np.maximum([width - left - right, height - top - bottom], 40.0)
            return max(float((extent / room).max()), 1e-6)

        insets = min(choices, key=unit_of)
        unit, (left, top, right, bottom) = unit_of(insets), insets
        middle = (low + high) / 2 + np.array([right - left, top - bottom]) / 2 * unit
        size = np.array([width, height]) * unit
        self.view.camera.rect = (*(middle - size / 2), *size)

    def pixels(self, points: Array | NDArray[np.float32]) -> Array:
        """Canvas pixels [n, 2] of map points [n, 2]."""
        transform = self.view.scene.node_transform(self.canvas.scene)
        # Pan and zoom are affine: three points say it all, and vispy's own chain is slow for 100,000.
        origin, right, up = np.asarray(transform.map(np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])))[:, :2]
        return origin + np.asarray(points, np.float64) @ np.stack([right - origin, up - origin])

    def nearest(self, tree: Any, position: Position) -> tuple[int, float]:
        """The row of a k-d tree of map points that is nearest to a canvas position, and its distance in pixels."""
        # The camera keeps the aspect: what is nearest on the map is nearest on the screen.
        corner, along = self.pixels(np.array([[0.0, 0.0], [1.0, 0.0]]))
        unit = max(float(np.linalg.norm(along - corner)), 1e-12)
        right, up = self.view.scene.node_transform(self.canvas.scene).imap(np.array([position]))[0, :2]
        distance, row = tree.query([right, up])
        return int(row), float(distance) * unit
