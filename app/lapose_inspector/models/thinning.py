"""The few of many points that give a cloud its shape."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SOFTWARE_POINTS = 10_000
"""Dots drawn without a graphics card: at a panel's size as dense as all of them."""


def thinned(points: NDArray[np.float32], limit: int) -> NDArray[np.int64]:
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
