"""Exact nearest neighbours among latent actions: a million of them in well under 100 ms on a CPU."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lapose_core.geometry import Array

CHUNK = 262_144
"""Rows whose distances are held at once: a megabyte, whatever the number of latents."""
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

    def __init__(self, latents: NDArray, device: str = "cpu") -> None:
        latents = np.asarray(latents, np.float32)
        if latents.ndim != 2 or not np.isfinite(latents).all():
            raise ValueError(f"latents must be finite [N, A], got {list(latents.shape)}")
        self._latents = torch.from_numpy(np.ascontiguousarray(latents)).to(device)
        # About their mean they are small, and a difference of large numbers loses digits.
        self._centre = self._latents.double().mean(0) if len(latents) else torch.zeros(latents.shape[1])
        self._centred = (self._latents - self._centre.float()) if len(latents) else self._latents
        self._square = (self._centred**2).sum(1)
        self._reach = float(self._square.max().sqrt()) if len(latents) else 0.0

    def __len__(self) -> int:
        return len(self._latents)

    @torch.inference_mode()
    def nearest(self, query: NDArray, count: int) -> Neighbours:
        """The ``count`` nearest latents to ``query`` [A], or all where there are fewer; a latent that is itself in
        the index is its own nearest.

        Raises:
            ValueError: where the query is not finite or has another width.
        """
        asked = torch.from_numpy(np.asarray(query, np.float32)).to(self._latents.device)
        if asked.shape != self._latents.shape[1:] or not bool(torch.isfinite(asked).all()):
            raise ValueError(f"the query {list(asked.shape)} is not a finite latent [{self._latents.shape[1]}]")
        total = len(self)
        count = min(count, total)
        if count < 1:
            return Neighbours(np.zeros(0, np.int64), np.zeros(0))
        rough = self._rough(asked)
        # What float32 can be wrong by in |x|^2 - 2 x.q: a sum of A products of numbers up to the reach.
        width = float((asked.double() - self._centre).norm()) + self._reach
        slack = 4.0 * (len(asked) + 4) * torch.finfo(torch.float32).eps * width**2
        taken = min(total, count + SPARE)
        while True:
            values, rows = torch.topk(rough, taken, largest=False)
            exact = ((self._latents[rows].double() - asked.double()) ** 2).sum(1)
            order = torch.argsort(exact, stable=True)[:count]
            worst = float(exact[order[-1]]) - float(((asked.double() - self._centre) ** 2).sum())
            if taken == total or worst < float(values[-1]) - slack:
                break
            taken = min(total, 4 * taken)
        found = rows[order].cpu().numpy()
        return Neighbours(found, exact[order].sqrt().cpu().numpy())

    def _rough(self, asked: Tensor) -> Tensor:
        """Squared distances [N] less the query's own square, in float32."""
        shifted = (asked.double() - self._centre).float()
        out = torch.empty_like(self._square)
        for start in range(0, len(self), CHUNK):
            part = slice(start, start + CHUNK)
            torch.addmv(self._square[part], self._centred[part], shifted, alpha=-2.0, out=out[part])
        return out


def typical_distance(latents: NDArray, pairs: int = 2000, seed: int = 0) -> float:
    """The median distance between two random latents of [N, A]: what "near" is to be compared with; NaN below two."""
    if len(latents) < 2:
        return float("nan")
    rng = np.random.default_rng(seed)
    one, other = rng.integers(0, len(latents), (2, pairs))
    apart = one != other
    return float(np.median(np.linalg.norm(latents[one[apart]].astype(np.float64) - latents[other[apart]], axis=1)))
