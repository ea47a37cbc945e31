"""Latents of one model brought into the space of another's, so that both can lie on one map."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lapose_core.evaluation.latent import r_squared

FEWEST = 10
"""Shared transitions below which a rotation fits anything."""


@dataclass(frozen=True)
class AlignedLatents:
    """Latents [n, A] in the other model's space.

    Attributes:
        shared: transitions that both models analysed, which the fit is made of.
        r2: variance of the other model's latents that the fitted ones explain there, over all dimensions.
    """

    latents: NDArray[np.float32]
    shared: int
    r2: float


def align_latents(latents: NDArray, other: NDArray) -> AlignedLatents:
    """Lay latents [n, B] on ``other`` [n, A] of the same transitions by a similarity (orthogonal Procrustes): rotation,
    mirror, one scale and shift, which leave distances within ``latents`` in proportion. Rows that are not finite in
    either are no part of the fit; those of ``latents`` are moved with the rest.

    Where B > A, the fit keeps the A best directions of ``latents``, and the rest of it is lost.

    Raises:
        ValueError: where the rows are not the same number, or fewer than FEWEST are known to both.
    """
    mine, theirs = np.asarray(latents, np.float64), np.asarray(other, np.float64)
    if len(mine) != len(theirs):
        raise ValueError(f"{len(mine)} and {len(theirs)} transitions are not the same drive at the same rate")
    both = np.isfinite(mine).all(1) & np.isfinite(theirs).all(1)
    if both.sum() < FEWEST:
        raise ValueError(f"the two models share {int(both.sum())} analysed transitions; {FEWEST} or more are needed")
    centre, target = mine[both].mean(0), theirs[both].mean(0)
    x, y = mine[both] - centre, theirs[both] - target
    u, singular, vt = np.linalg.svd(x.T @ y, full_matrices=False)
    rotation = u @ vt
    scale = float(singular.sum() / max(float(((x @ rotation) ** 2).sum()), 1e-30))
    laid = (mine - centre) @ rotation * scale + target
    return AlignedLatents(laid.astype(np.float32), int(both.sum()), r_squared((laid[both] - target).ravel(), y.ravel()))
