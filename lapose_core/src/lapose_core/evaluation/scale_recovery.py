"""How the steps of a monocular trajectory compare in length, and what they are in metres where something tells.

A transition between two frames is known up to the length of its translation. Two things tie these lengths:

* a point seen in three frames has one depth in the middle one, which gives the ratio of two neighbouring lengths;
* the road, which gives each length by itself (``road_scale.py``).

Both are noisy in their own way, so they are joined by robust least squares over the logarithms of the lengths.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lapose_core.geometry import Array

_LEAST_PARALLAX = np.deg2rad(0.1)  # triangulation below it is noise
_FEWEST = 12  # points that make a ratio


@dataclass(frozen=True)
class Depths:
    """Points of one transition a -> b seen from both frames, with the translation as the unit.

    Attributes:
        in_a, in_b: [P] depths along the cameras' z axes; not positive where the rays diverge.
        parallax: [P] radians between the two rays.
    """

    in_a: Array
    in_b: Array
    parallax: Array

    def of(self, points: NDArray[np.int64]) -> Depths:
        """Some of the points."""
        return Depths(self.in_a[points], self.in_b[points], self.parallax[points])


def triangulate(rays_a: Array, rays_b: Array, motion: Array) -> Depths:
    """Depths of points by their rays [P, 2] on z = 1, ``motion`` [4, 4] carrying camera b into a's axes.

    Least squares of the gap between the two rays (the midpoint method).
    """
    ones = np.ones((len(rays_a), 1))
    u = np.hstack([rays_a, ones])
    v = np.hstack([rays_b, ones]) @ motion[:3, :3].T
    t = motion[:3, 3]
    uu, vv, uv = (u * u).sum(1), (v * v).sum(1), (u * v).sum(1)
    ut, vt = u @ t, v @ t
    room = np.maximum(uu * vv - uv**2, 1e-18)
    parallax = np.arctan2(np.linalg.norm(np.cross(u, v), axis=1), uv)
    return Depths((vv * ut - uv * vt) / room, (uv * ut - uu * vt) / room, parallax)


def scale_ratio(before: Depths, after: Depths) -> tuple[float, float] | None:
    """Logarithm of (length of the later transition / length of the earlier) and its standard deviation.

    Both hold the same points, the frame they share being b of ``before`` and a of ``after``. None where too
    few points tell.
    """
    parallax = np.minimum(before.parallax, after.parallax)
    good = (before.in_b > 0) & (after.in_a > 0) & (parallax > _LEAST_PARALLAX)
    if good.sum() < _FEWEST:
        return None
    ratio = np.log(before.in_b[good] / after.in_a[good])
    return _robust_mean(ratio, parallax[good])


def _robust_mean(values: Array, weights: Array) -> tuple[float, float]:
    """Weighted mean of what lies near the weighted median, and its standard deviation from the spread."""
    order = np.argsort(values)
    total = np.cumsum(weights[order])
    centre = float(values[order][np.searchsorted(total, 0.5 * total[-1])])
    off = np.abs(values - centre)
    order = np.argsort(off)
    total = np.cumsum(weights[order])
    spread = 1.5 * float(off[order][np.searchsorted(total, 0.5 * total[-1])]) + 1e-4
    near = weights / (1.0 + ((values - centre) / (2 * spread)) ** 2) ** 2
    effective = near.sum() ** 2 / (near**2).sum()
    return float((near * values).sum() / near.sum()), spread / np.sqrt(effective)


def solve_lengths(ratios: Sequence[tuple[float, float] | None], lengths: Sequence[tuple[float, float] | None]) -> Array:
    """Lengths [M] of a row of transitions from logarithms with standard deviations.

    Args:
        ratios: [M - 1] of each next length to the one before; None where not known: then nearly the same.
        lengths: [M] of each by itself; None where not known. Without any the mean length is 1.
    """
    count = len(lengths)
    rows, targets, spread = [], [], []
    for k, ratio in enumerate(ratios):
        row = np.zeros(count)
        row[k], row[k + 1] = -1.0, 1.0
        rows.append(row)
        targets.append(0.0 if ratio is None else ratio[0])
        spread.append(0.3 if ratio is None else np.hypot(ratio[1], 0.01))
    known = [k for k, length in enumerate(lengths) if length is not None]
    for k in known or [0]:
        row = np.zeros(count)
        row[k] = 1.0
        length = lengths[k]
        rows.append(row)
        targets.append(0.0 if length is None else length[0])
        spread.append(1.0 if length is None else np.hypot(length[1], 0.05))
    system, target, sigma = np.array(rows), np.array(targets), np.array(spread, dtype=np.float64)
    weight: Array = np.asarray(1.0 / sigma, dtype=np.float64)
    solution: Array = np.zeros(count)
    for _ in range(20):
        solution = np.asarray(np.linalg.lstsq(system * weight[:, None], target * weight, rcond=None)[0], np.float64)
        residual = (system @ solution - target) / sigma
        weight = np.asarray(1.0 / (sigma * np.sqrt(1.0 + (residual / 2.0) ** 2)), dtype=np.float64)
    out: Array = np.exp(solution)
    return out if known else out / out.mean()
