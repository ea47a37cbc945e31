"""Percentile bootstrap intervals over clips."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from lapose_core.geometry import Array

RESAMPLES = 1000


def resamples(n: int, count: int = RESAMPLES, seed: int = 0) -> Iterator[NDArray[np.int64]]:
    """``count`` draws with replacement of ``n`` clip indices, each [n]; the same ones for the same seed."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        yield rng.integers(0, n, n)


class Statistic(Protocol):
    def __call__(self, values: Array, /, axis: int) -> Array:
        """[R, N, ...] -> [R], reducing the clips' axis."""
        ...


def interval(values: Array, statistic: Statistic, *, seed: int = 0) -> tuple[float, float]:
    """95 % percentile interval of a statistic of per-clip ``values`` [N, ...] under resampling of the clips.

    One clip alone has no interval: (NaN, NaN).
    """
    if len(values) < 2:
        return float("nan"), float("nan")
    index = np.random.default_rng(seed).integers(0, len(values), (RESAMPLES, len(values)))
    drawn = statistic(values[index], axis=1)
    drawn = drawn[np.isfinite(drawn)]
    if drawn.size == 0:
        return float("nan"), float("nan")
    low, high = np.percentile(drawn, [2.5, 97.5])
    return float(low), float(high)
