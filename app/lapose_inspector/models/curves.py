"""What drawing needs to know of a curve, so that one of 100,000 values takes no longer than one of 1,000."""

from __future__ import annotations

import numpy as np

from lapose_core.geometry import Array

BLOCK = 8
"""Values, or blocks of them, that one of the next coarser blocks holds."""
FINE = 4
"""Blocks, at the least, for each column of pixels that is drawn."""


class Summary:
    """The least and the most of every 8, 64, 512 ... of the values [n]; NaN where a block has none."""

    def __init__(self, values: Array) -> None:
        self._levels = [(1, values, values)]
        while len(self._levels[-1][1]) > BLOCK:
            size, least, most = self._levels[-1]
            starts = np.arange(0, len(least), BLOCK)
            self._levels.append((size * BLOCK, np.fmin.reduceat(least, starts), np.fmax.reduceat(most, starts)))

    def between(self, first: int, last: int, columns: int) -> tuple[np.ndarray, Array]:
        """Indices [m] into the values and values [m] that draw [first, last) on so many columns of pixels: all of a
        few, of many the least and the most of blocks, which may reach beyond the two ends."""
        size, least, most = next(
            level for level in reversed(self._levels) if level[0] == 1 or last - first >= FINE * columns * level[0]
        )
        if size == 1:
            return np.arange(first, last), least[first:last]
        blocks = np.arange(first // size, -(-last // size))
        return np.repeat(blocks * size, 2), np.stack([least[blocks], most[blocks]], 1).ravel()


def value_range(lines: list[Array], *, signed: bool, least: float = 1e-3) -> tuple[float, float]:
    """A range that shows the bulk of the values: percentiles 1 to 99 padded, zero included for magnitudes.

    The extremes are included too unless they would more than double the range; then the few values beyond
    are for the painter to mark at the edge. The range reaches at least to ``least``, so that rounding noise
    is not blown up into a signal.
    """
    known = np.concatenate([line[np.isfinite(line)] for line in lines]) if lines else np.empty(0)
    if not len(known):
        return (-least, least) if signed else (0.0, least)
    low, high = np.percentile(known, [1, 99])
    smallest, largest = float(known.min()), float(known.max())
    if largest - smallest <= 2.0 * max(high - low, 1e-9):
        low, high = smallest, largest
    if signed:
        reach = max(abs(low), abs(high), least)
        return -1.12 * reach, 1.12 * reach
    if low >= 0:
        return 0.0, max(1.15 * high, least)
    pad = max(0.1 * (high - low), least)
    return low - pad, high + pad
