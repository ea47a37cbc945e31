"""The nearest latent actions to each of many, without torch: the window asks, and importing that keeps it waiting."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lapose_core.geometry import Array

BLOCK = 4_000_000
"""Distances that are held at once: those of 100,000 latents to each other are 40 GB."""


def nearest_of_each(queries: NDArray, latents: NDArray, count: int) -> tuple[NDArray[np.int64], Array]:
    """The ``count`` (few) nearest of latents [N, A], N >= count, to each of queries [M, A], in float32.

    Returns:
        their rows [M, count], nearest first, and the distances [M, count].
    """
    base, asked = np.asarray(latents, np.float32), np.asarray(queries, np.float32)
    # About their mean they are small, and a difference of large numbers loses digits.
    centre = base.mean(axis=0, dtype=np.float64).astype(np.float32)
    base, asked = base - centre, asked - centre
    square = (base**2).sum(axis=1)
    rows = np.zeros((len(asked), count), np.int64)
    squared = np.zeros((len(asked), count), np.float32)
    step = max(1, BLOCK // len(base))
    for start in range(0, len(asked), step):
        part = asked[start : start + step]
        apart = square - 2.0 * (part @ base.T)
        every = np.arange(len(part))
        for place in range(count):  # a few: sorting would take several times longer
            near = apart.argmin(axis=1)
            rows[start + every, place] = near
            squared[start + every, place] = apart[every, near] + (part**2).sum(axis=1)
            apart[every, near] = np.inf
    return rows, np.sqrt(squared.clip(min=0)).astype(np.float64)
