"""Scale of a monocular trajectory from the road: a camera knows its height over it, and points on it tell theirs.

A transition between two frames is known up to the length of its translation. Two things tie these lengths:

* a point seen in three frames has one depth in the middle one, which gives the ratio of two neighbouring lengths;
* the road plane lies at the true camera height, which gives each length by itself.

Both are noisy in their own way, so they are joined by robust least squares over the logarithms of the lengths.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lapose_core.geometry import Array

_LEAST_PARALLAX = np.deg2rad(0.1)  # triangulation below it is noise
_STEEPEST = np.deg2rad(12.0)  # road against the camera's own level: mounting, slope and load together
_LOWEST = np.deg2rad(3.0)  # a road point's ray lies at least so far below the level
_WIDEST = 4.0  # camera heights to the side; beyond are kerbs, verges and walls
_FEWEST = 12  # points that make a plane
_PLANE_SPREAD = 0.15  # of a point's inverse depth about the plane, relative
_RNG_SEED = 0


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


@dataclass(frozen=True)
class RoadPoints:
    """Candidates for the road in one frame: rays [P, 2] on z = 1, inverse depths [P] and their weights [P]."""

    rays: Array
    inverse_depth: Array
    weight: Array


def road_points(rays: Array, seen: Depths) -> RoadPoints:
    """Those of a frame's points (frame a of ``seen``) that may lie on the road, by where they are seen."""
    level = np.arctan(rays[:, 1])
    low = (level > _LOWEST) & (np.abs(rays[:, 0]) < _WIDEST * rays[:, 1])
    good = low & (seen.in_a > 0) & (seen.parallax > _LEAST_PARALLAX)
    inverse = 1.0 / seen.in_a[good]
    # The same error in the image matters to the inverse depth by the parallax that a change of it makes.
    return RoadPoints(rays[good], inverse, seen.parallax[good] / inverse)


def road_normal(frames: Sequence[RoadPoints]) -> Array | None:
    """Direction [3] in the camera's axes, downwards, that most frames' road points agree on; None without any."""
    candidates = []
    for points in frames:
        plane = fit_plane(points)
        if plane is not None:
            candidates.append(plane / np.linalg.norm(plane))
    if not candidates:
        return None
    normal = np.median(candidates, axis=0)
    return np.asarray(normal / np.linalg.norm(normal))


def fit_plane(points: RoadPoints) -> Array | None:
    """The plane m [3] with m . (x, y, 1) = inverse depth on it, so normal m / |m| at distance 1 / |m|.

    Inverse depth is linear in the ray and its error nearly even over the picture, which neither holds for
    points in space. The plane that the most weight agrees with, of those nearly level.
    """
    count = len(points.rays)
    if count < _FEWEST:
        return None
    rays = np.column_stack([points.rays, np.ones(count)])
    rng = np.random.default_rng(_RNG_SEED)
    picks = rng.integers(0, count, (400, 3))
    system = rays[picks]
    usable = np.abs(np.linalg.det(system)) > 1e-4
    if not usable.any():
        return None
    planes: Array = np.linalg.solve(system[usable], points.inverse_depth[picks][usable][..., None])[..., 0]
    planes = planes[_level(planes)]
    if not len(planes):
        return None
    support = np.array([points.weight[_on_plane(points, rays, m)].sum() for m in planes])
    best = planes[int(np.argmax(support))]
    for _ in range(5):
        near = _on_plane(points, rays, best)
        if near.sum() < _FEWEST:
            return None
        w = np.sqrt(points.weight[near])
        refined: Array = np.linalg.lstsq(rays[near] * w[:, None], points.inverse_depth[near] * w, rcond=None)[0]
        if not _level(refined[None])[0]:
            break
        best = refined
    return np.asarray(best)


def _level(planes: Array) -> NDArray[np.bool_]:
    size = np.linalg.norm(planes, axis=-1)
    return np.asarray(planes[:, 1] > np.cos(_STEEPEST) * np.maximum(size, 1e-12))


def _on_plane(points: RoadPoints, rays: Array, plane: Array) -> NDArray[np.bool_]:
    expected = rays @ plane
    return np.abs(points.inverse_depth - expected) < _PLANE_SPREAD * np.maximum(expected, 1e-9)


def road_height(points: RoadPoints, normal: Array) -> tuple[float, float] | None:
    """Logarithm of the camera's height over the road in the transition's unit, and its standard deviation.

    The height that the most road points agree on, the road's normal [3] being known.
    """
    cosine = np.column_stack([points.rays, np.ones(len(points.rays))]) @ normal
    good = cosine > 0.01
    if good.sum() < _FEWEST:
        return None
    values, weights = np.log(cosine[good] / points.inverse_depth[good]), points.weight[good]
    # Kerbs, cars and walls stand above the road, so it is the peak that counts, not the median.
    grid = np.linspace(np.quantile(values, 0.02), np.quantile(values, 0.98), 200)
    density = (weights * np.exp(-0.5 * ((grid[:, None] - values) / 0.08) ** 2)).sum(1)
    peak = grid[int(np.argmax(density))]
    near = np.abs(values - peak) < _PLANE_SPREAD
    if near.sum() < _FEWEST:
        return None
    return _robust_mean(values[near], weights[near])


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
    weight: Array = 1.0 / sigma
    solution: Array = np.zeros(count)
    for _ in range(20):
        solution = np.linalg.lstsq(system * weight[:, None], target * weight, rcond=None)[0]
        residual = (system @ solution - target) / sigma
        weight = 1.0 / (sigma * np.sqrt(1.0 + (residual / 2.0) ** 2))
    out: Array = np.exp(solution)
    return out if known else out / out.mean()
