"""Which segment of a long path lies under the mouse, without looking at all of it."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import numpy as np
from numpy.typing import NDArray

from lapose_core.geometry import Array

Pixels = Callable[[NDArray[np.float32]], Array]
"""Canvas pixels [N, 2] of scene points [N, 3]; NaN behind the camera."""

LEAF = 128
"""Segments in a box: a path of 100,000 has as many boxes as a hundred thousand divided by this."""
CORNERS = np.array(list(product((0.0, 1.0), repeat=3)), np.float32)


class PathBoxes:
    """A path's points [N, 3] in boxes of neighbours. A box whose corners all lie in front of the camera covers on the
    screen what is in it; only the segments of boxes under the mouse are measured.
    """

    def __init__(self, points: NDArray[np.float32]) -> None:
        self._points = points
        self._starts = np.arange(0, max(len(points) - 1, 0), LEAF)
        if len(self._starts):
            # The first point of the next box ends the last segment of this one.
            ends = np.minimum(self._starts + LEAF, len(points) - 1)
            low = np.minimum(np.minimum.reduceat(points, self._starts), points[ends])
            high = np.maximum(np.maximum.reduceat(points, self._starts), points[ends])
            self._corners = (low[:, None] + CORNERS * (high - low)[:, None]).reshape(-1, 3)

    def nearest(self, position: Array, pixels: Pixels, radius: float) -> tuple[int, float, float] | None:
        """The segment nearest to ``position`` [2], if within ``radius`` pixels.

        Returns:
            the index of the point that it begins at, where along it 0..1, and the distance in pixels.
        """
        best: tuple[int, float, float] | None = None
        if not len(self._starts):
            return None
        seen = pixels(self._corners).reshape(-1, len(CORNERS), 2)
        cut = np.isnan(seen).any(axis=(1, 2))
        near = cut | ((seen.min(1) <= position + radius) & (seen.max(1) >= position - radius)).all(axis=1)
        for start in self._starts[near]:
            found = _nearest(pixels(self._points[start : start + LEAF + 1]), position)
            if found is not None and found[2] <= (radius if best is None else best[2]):
                best = (int(start) + found[0], found[1], found[2])
        return best


def _nearest(pixels: Array, position: Array) -> tuple[int, float, float] | None:
    start, along = pixels[:-1], np.diff(pixels, axis=0)
    length2 = np.maximum((along**2).sum(1), 1e-12)
    where = np.clip(((position - start) * along).sum(1) / length2, 0.0, 1.0)
    distance = np.linalg.norm(start + where[:, None] * along - position, axis=1)
    if not np.isfinite(distance).any():
        return None
    best = int(np.nanargmin(distance))
    return best, float(where[best]), float(distance[best])
