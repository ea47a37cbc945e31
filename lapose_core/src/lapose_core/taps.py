"""Which pixels of a line make each pixel of a longer or shorter one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Taps = tuple[NDArray[np.int64], NDArray[np.float32]]
"""Of an axis: which source pixels make each pixel, and their weights; both [pixels, taps]."""


def taps(before: int, after: int) -> Taps:
    """Of ``before`` source pixels those that make each of ``after`` pixels.

    Shrinking takes the exact mean over a pixel's area, with fractions of source pixels at its edges: that is
    what a renderer at the model's size integrates, and the model was trained on one. Filters in common use
    are up to a seventh blurrier on driving frames (``benchmarks/bench_inference.py``). Enlarging is linear.
    """
    if after <= before:
        edges = np.arange(after + 1) * (before / after)
        first = np.minimum(edges[:-1].astype(np.int64), before - 1)
        index = first[:, None] + np.arange(int(np.ceil(before / after)) + 1)
        inside = np.minimum(edges[1:, None], index + 1) - np.maximum(edges[:-1, None], index)
        weight = np.maximum(inside, 0.0) * (after / before)
    else:
        centre = np.clip((np.arange(after) + 0.5) * (before / after) - 0.5, 0, before - 1)
        index = centre.astype(np.int64)[:, None] + np.arange(2)
        weight = np.maximum(1.0 - np.abs(centre[:, None] - index), 0.0)
    return np.minimum(index, before - 1), weight.astype(np.float32)
