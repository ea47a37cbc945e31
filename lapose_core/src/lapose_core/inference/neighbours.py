"""Exact nearest neighbours among latent actions: a million of them in well under 100 ms on a CPU. Without torch, which
the window that asks does not import."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lapose_core.geometry import Array

SPARE = 64
"""Candidates beyond those asked for, among which rounding cannot hide a nearer one; more are taken where it could."""


@dataclass(frozen=True)
class Neighbours:
    """The nearest latents, nearest first.

    Attributes:
        rows: [k] int64 rows of the index.
        distances: [k] Euclidean, in latent units.
    """

    rows: NDArray[np.int64]
    distances: Array


class LatentIndex:
    """Latents [N, A] that can be asked which of them are nearest to another.

    Distances are first found in float32 with one matrix product; those of the candidates are then computed again in
    float64, and the candidates are more by as many as it takes to prove that none of the others can be nearer.

    Raises:
        ValueError: where the latents are no matrix, or one is not finite.
    """

    def __init__(self, latents: NDArray) -> None:
        latents = np.asarray(latents, np.float32)
        if latents.ndim != 2 or not np.isfinite(latents).all():
            raise ValueError(f"latents must be finite [N, A], got {list(latents.shape)}")
        self._latents = np.ascontiguousarray(latents)
        # About their mean they are small, and a difference of large numbers loses digits.
        self._centre = latents.mean(axis=0, dtype=np.float64) if len(latents) else np.zeros(latents.shape[1])
        self._centred = self._latents - self._centre.astype(np.float32)
        self._square = np.einsum("na,na->n", self._centred, self._centred)
        self._reach = float(np.sqrt(self._square.max(initial=0.0)))

    def __len__(self) -> int:
        return len(self._latents)

    @property
    def nbytes(self) -> int:
        """What is kept, the latents included."""
        return self._latents.nbytes + self._centred.nbytes + self._square.nbytes

    def nearest(self, query: NDArray, count: int) -> Neighbours:
        """The ``count`` nearest latents to ``query`` [A], or all where there are fewer; a latent that is itself in
        the index is its own nearest.

        Raises:
            ValueError: where the query is not finite or has another width.
        """
        asked = np.asarray(query, np.float32)
        if asked.shape != self._latents.shape[1:] or not np.isfinite(asked).all():
            raise ValueError(f"the query {list(asked.shape)} is not a finite latent [{self._latents.shape[1]}]")
        total = len(self)
        count = min(count, total)
        if count < 1:
            return Neighbours(np.zeros(0, np.int64), np.zeros(0))
        wide = asked.astype(np.float64)
        shifted = wide - self._centre
        # Squared distances less the query's own square.
        rough = self._square - 2.0 * (self._centred @ shifted.astype(np.float32))
        # What float32 can be wrong by in |x|^2 - 2 x.q: a sum of A products of numbers up to the reach.
        width = float(np.linalg.norm(shifted)) + self._reach
        slack = 4.0 * (len(asked) + 4) * float(np.finfo(np.float32).eps) * width**2
        taken = min(total, count + SPARE)
        while True:
            rows = np.argpartition(rough, taken - 1)[:taken]
            exact = ((self._latents[rows] - wide) ** 2).sum(axis=1)
            order = np.argsort(exact, kind="stable")[:count]
            worst = float(exact[order[-1]]) - float((shifted**2).sum())
            if taken == total or worst < float(rough[rows].max()) - slack:
                break
            taken = min(total, 4 * taken)
        return Neighbours(rows[order], np.sqrt(exact[order]))


def typical_distance(latents: NDArray, pairs: int = 2000, seed: int = 0) -> float:
    """The median distance between two random latents of [N, A]: what "near" is to be compared with; NaN below two."""
    if len(latents) < 2:
        return float("nan")
    rng = np.random.default_rng(seed)
    one, other = rng.integers(0, len(latents), (2, pairs))
    apart = one != other
    return float(np.median(np.linalg.norm(latents[one[apart]].astype(np.float64) - latents[other[apart]], axis=1)))
