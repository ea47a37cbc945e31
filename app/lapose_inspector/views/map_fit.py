"""How much of the latent map is seen: all of it, clear of the texts, until the user looks closer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QSize

if TYPE_CHECKING:
    from lapose_inspector.views.latent_map_view import LatentMapView
    from lapose_inspector.visuals.map_scene import Insets

MARGIN = 18.0
"""Pixels between the points and the texts or edges about them."""


class MapFit:
    """Fits the panel's map into its canvas.

    Attributes:
        keeps: whether all points stay in sight while the map grows.
    """

    def __init__(self, panel: LatentMapView) -> None:
        self._panel = panel
        self.keeps = True
        self._fitted: tuple[NDArray[np.float32], tuple[int, int, int]] = (np.zeros((0, 2), np.float32), (0, 0, 0))
        """What extent was fitted between texts of which size."""

    def keep(self) -> None:
        """Show all points, and keep doing so."""
        self.keeps = True
        self._fit()

    def follow(self, *, resized: bool = False) -> None:
        """The map, a text or the canvas may have changed."""
        projection = self._panel.projection
        if not self.keeps or projection is None or not len(projection.points):
            return
        extent, texts = self._fitted
        # A map that only gains points among its others reaches as far as before.
        if resized or texts != self._texts() or not np.array_equal(extent, projection.extent):
            self._fit()

    def _fit(self) -> None:
        projection = self._panel.projection
        if projection is not None and len(projection.points):
            self._fitted = projection.extent, self._texts()
            self._panel.scene.fit(projection.extent, self._insets())

    def _texts(self) -> tuple[int, int, int]:
        """Height of the state, width and height of the caption; the legend's size is left out, so that another
        colouring moves no point."""
        caption = self._panel.caption.sizeHint()
        return self._panel.state.sizeHint().height(), caption.width(), caption.height()

    def _insets(self) -> tuple[Insets, Insets]:
        """Where the points lie under no text: over what stands at the bottom or, in a low panel, beside it."""
        state, width, height = self._texts()
        shown = self._panel.colour_legend
        legend = QSize(0, 0) if shown.isHidden() else shown.sizeHint()
        top, over = state + MARGIN, max(height, legend.height()) + MARGIN
        return (MARGIN, top, MARGIN, over), (width + MARGIN, top, legend.width() + MARGIN, MARGIN)
