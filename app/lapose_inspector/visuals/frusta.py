"""Cameras as wire pyramids: many at intervals along a path, in one line node."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from vispy import scene

from lapose_core.geometry import Array
from lapose_inspector.visuals.lazy import Lazy, Rehearsed
from lapose_inspector.visuals.ribbon import Ribbon

EDGES = np.array([[0, 1], [0, 2], [0, 3], [0, 4], [1, 2], [2, 3], [3, 4], [4, 1], [5, 6], [6, 7], [7, 5]])


def pyramid(fov_x: float, aspect: float) -> NDArray[np.float32]:
    """Vertices [8, 3] of a camera one metre deep, in its OpenCV axes: apex, image corners, and an up mark.

    ``fov_x`` is the horizontal field of view in radians, ``aspect`` width over height. Very wide cameras are
    drawn as 100 degrees, or their pyramid is a flat plate that shows no direction.
    """
    x = np.tan(min(fov_x, np.radians(100.0)) / 2)
    y = x / aspect
    corners = [[-x, -y, 1], [x, -y, 1], [x, y, 1], [-x, y, 1]]
    mark = [[-0.4 * x, -1.12 * y, 1], [0.4 * x, -1.12 * y, 1], [0, -1.6 * y, 1]]
    return np.array([[0, 0, 0], *corners, *mark], np.float32)


def spaced(travelled: Array, spacing: float, limit: int = 400) -> NDArray[np.int64]:
    """Indices into the poses of a path, ``travelled`` [N] metres from its first, about ``spacing`` metres apart."""
    if len(travelled) < 2:
        return np.arange(len(travelled))
    spacing = max(spacing, float(travelled[-1]) / limit, 1e-6)
    marks = np.arange(0.0, travelled[-1] + 1e-9, spacing)
    return np.unique(np.searchsorted(travelled, marks).clip(0, len(travelled) - 1))


class Frusta:
    """Light pyramids along a path."""

    def __init__(self, parent: scene.Node, colour: NDArray[np.float32], *, order: int) -> None:
        self._line = Lazy(lambda: Ribbon(1.2, parent=parent), order=order)
        self.parts: tuple[Rehearsed, ...] = (self._line,)
        self._colour = colour
        self.count = 0
        """Pyramids drawn."""

    def set_poses(self, poses: Array, size: float, shape: NDArray[np.float32]) -> None:
        """Draw camera-to-scene poses [N, 4, 4] as pyramids of ``size`` metres and the given shape [8, 3]."""
        self.count = len(poses)
        self._line.visible = self.count > 0
        if self.count:
            vertices = np.einsum("nij,vj->nvi", poses[:, :3, :3], shape * size) + poses[:, None, :3, 3]
            self._line.node.set_segments(vertices[:, EDGES].reshape(-1, 2, 3).astype(np.float32), self._colour)
