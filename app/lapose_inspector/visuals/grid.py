"""The ground grid: spacing of 1, 2 or 5 times a power of ten to suit the zoom, fading with distance."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from vispy import scene
from vispy.visuals.transforms import STTransform

REACH = 30
"""Cells from the middle of the grid to its edge."""


def nice_spacing(width: float) -> float:
    """The largest of ..., 1, 2, 5, 10, ... metres of which at least five fit into ``width`` metres."""
    raw = max(width, 1e-6) / 5
    power = 10.0 ** np.floor(np.log10(raw))
    return float(next(step * power for step in (5, 2, 1) if step * power <= raw * (1 + 1e-9)))


def spacing_text(spacing: float) -> str:
    """``20 m``, ``0.5 m`` or ``2 km``."""
    return f"{spacing / 1000:g} km" if spacing >= 1000 else f"{spacing:g} m"


class GroundGrid:
    """One line node whose vertices are in cells; zooming and panning only change its transform."""

    def __init__(self, parent: scene.Node, colour: NDArray[np.float32], *, order: int) -> None:
        self._line = scene.Line(parent=parent, method="gl", connect="segments", width=1)
        self._line.order = order
        self._line.transform = STTransform()
        self.spacing = 0.0
        self._origin = (0.0, 0.0, 0.0)
        self._lattice = _lattice()
        self.set_colour(colour)

    @property
    def shown(self) -> bool:
        return bool(self._line.visible)

    @shown.setter
    def shown(self, value: bool) -> None:
        self._line.visible = value

    def set_colour(self, colour: NDArray[np.float32]) -> None:
        points, alpha = self._lattice
        colours = np.tile(colour, (len(points), 1)).astype(np.float32)
        colours[:, 3] *= alpha
        self._line.set_data(pos=points, color=colours)

    def fit(self, centre: tuple[float, float], height: float, width: float) -> bool:
        """Lay the grid about ``centre`` at z ``height`` for a view ``width`` metres wide.

        Lines stay on multiples of five spacings in the scene, so panning does not drag them along.

        Returns:
            whether the spacing changed.
        """
        spacing = nice_spacing(width)
        snap = 5 * spacing
        origin = (round(centre[0] / snap) * snap, round(centre[1] / snap) * snap, height)
        changed = spacing != self.spacing
        if changed or origin != self._origin:
            self.spacing, self._origin = spacing, origin
            place = self._line.transform  # the same one: for another vispy would put the shaders together anew
            place.scale, place.translate = (spacing, spacing, 1.0), origin
        return changed


def _lattice() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Segments of one cell each [S, 3] and their alpha [S]: strong every fifth line, nothing at the edge."""
    steps = np.arange(-REACH, REACH + 1, dtype=np.float32)
    across, along = np.meshgrid(steps, steps[:-1], indexing="ij")
    start = np.stack([across.ravel(), along.ravel()], 1)
    segments = np.stack([start, start + np.array([0, 1], np.float32)], 1).reshape(-1, 2)
    major = np.repeat(across.ravel() % 5 == 0, 2)
    both = np.concatenate([segments, segments[:, ::-1]])
    fade = np.clip(1.0 - np.linalg.norm(both, axis=1) / REACH, 0.0, 1.0) ** 0.8
    alpha = fade * np.where(np.concatenate([major, major]), 1.0, 0.5)
    points = np.concatenate([both, np.zeros((len(both), 1))], 1)
    return points.astype(np.float32), alpha.astype(np.float32)
