"""Is motion readable off the 2-D map of the latent actions? A k-nearest-neighbour read-out across clips."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lapose_core.evaluation.bootstrap import resamples
from lapose_core.evaluation.latent import r_squared, spearman
from lapose_core.geometry import Array

TURN = 0.01  # radians of yaw a transition, beyond which it is a left or a right turn


@dataclass(frozen=True)
class Figure:
    """A value with its 95 % bootstrap interval over clips."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.2f} [{self.low:.2f}, {self.high:.2f}]"


@dataclass(frozen=True)
class MapQuality:
    """Read-out of speed (translation magnitude) and yaw, and the share of correct left/straight/right.

    ``majority`` is what always answering the commonest class scores.
    """

    speed_r2: Figure
    speed_spearman: Figure
    yaw_r2: Figure
    yaw_spearman: Figure
    turn: Figure
    majority: float


def map_quality(points: NDArray, clips: NDArray, speed: NDArray, yaw: NDArray, *, k: int = 10) -> MapQuality:
    """Predict each transition's motion as the mean of its ``k`` nearest map points from *other* clips.

    Neighbours of the same clip are neighbours in time and would raise every figure.

    Args:
        points: [M, 2] map coordinates, any unit. clips: [M] the clip (or drive) of each transition.
        speed: [M] translation magnitude, any unit. yaw: [M] radians.

    Raises:
        ValueError: where lengths differ, a value is not finite, or some transition has fewer than k others.
    """
    points, speed, yaw = (np.asarray(a, dtype=np.float64) for a in (points, speed, yaw))
    clips = np.unique(np.asarray(clips), return_inverse=True)[1]
    if points.ndim != 2 or not len(points) == len(clips) == len(speed) == len(yaw):
        raise ValueError("map_quality: points [M, 2], clips, speed and yaw [M] must agree")
    if not (np.isfinite(points).all() and np.isfinite(speed).all() and np.isfinite(yaw).all()):
        raise ValueError("map_quality: a value is not finite; leave out transitions that were not analysed")
    neighbours = _neighbours_of_other_clips(points, clips, k)
    predicted_speed, predicted_yaw = speed[neighbours].mean(1), yaw[neighbours].mean(1)
    turn = np.digitize(yaw, [-TURN, TURN])
    votes = (turn[neighbours][:, :, None] == np.arange(3)).sum(1)
    correct = (votes.argmax(1) == turn).astype(np.float64)

    members = [np.flatnonzero(clips == c) for c in range(clips.max() + 1)]
    draws = [np.concatenate([members[c] for c in draw]) for draw in resamples(len(members))]

    def figure(statistic: Callable[[Array, Array], float], a: Array, b: Array) -> Figure:
        low, high = np.nanpercentile([statistic(a[i], b[i]) for i in draws], [2.5, 97.5])
        return Figure(float(statistic(a, b)), float(low), float(high))

    return MapQuality(
        figure(r_squared, predicted_speed, speed),
        figure(spearman, predicted_speed, speed),
        figure(r_squared, predicted_yaw, yaw),
        figure(spearman, predicted_yaw, yaw),
        figure(lambda a, _: float(a.mean()), correct, correct),
        float(np.bincount(turn).max() / len(turn)),
    )


def _neighbours_of_other_clips(points: Array, clips: NDArray[np.int64], k: int) -> NDArray[np.int64]:
    """Indices [M, k] of the nearest points [M, 2] that belong to another clip."""
    others = len(points) - np.bincount(clips)[clips]
    if k < 1 or others.min(initial=k) < k:
        raise ValueError(f"map_quality: a transition has {int(others.min())} neighbours in other clips, {k} are needed")
    found = np.empty((len(points), k), dtype=np.int64)
    for start in range(0, len(points), 512):  # a full distance matrix of a long drive would not fit in memory
        rows = slice(start, start + 512)
        squared = ((points[rows, None] - points[None]) ** 2).sum(-1)
        squared[clips[rows, None] == clips[None]] = np.inf
        found[rows] = np.argpartition(squared, k - 1, axis=1)[:, :k]
    return found
