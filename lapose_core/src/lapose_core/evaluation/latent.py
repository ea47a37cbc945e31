"""What a latent action knows of the motion, without a trained head: linear probes, effective rank, spread."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lapose_core.geometry import Array


@dataclass(frozen=True)
class ProbeScore:
    """How well a linear read-out predicts a motion on drives it was not fitted to.

    Attributes:
        r2: coefficient of determination over all test transitions; negative when worse than the mean.
        r2_ordinary: the same over the ordinary ones only (a few sharp turns own the plain one); NaN without
            any.
        spearman: rank correlation over all test transitions; 0 for a constant prediction.
    """

    r2: float
    r2_ordinary: float
    spearman: float


@dataclass(frozen=True)
class Readout:
    """A linear read-out of a scalar: ``latents @ weights + offset``, weights [A], in the scalar's unit."""

    weights: Array
    offset: float

    def __call__(self, latents: NDArray) -> Array:
        """The scalar of each latent, [M, A] -> [M]."""
        return np.asarray(latents, np.float64) @ self.weights + self.offset


def ridge_readout(latents: NDArray, target: NDArray, *, alpha: float = 1.0) -> Readout:
    """The ridge regression latent -> scalar of :func:`ridge_probe`, fitted to latents [M, A] and target [M].

    Raises:
        ValueError: as ``ridge_probe`` does.
    """
    x, y, _ = _usable(latents, target, None, "train")
    return _ridge(x, y, alpha)


def ridge_probe(
    latents_train: NDArray,
    target_train: NDArray,
    latents_test: NDArray,
    target_test: NDArray,
    *,
    ordinary: NDArray[np.bool_] | None = None,
    alpha: float = 1.0,
) -> ProbeScore:
    """Fit a ridge regression latent -> scalar on training drives and score it on held-out ones.

    Latents [M, A], targets [M]. Features are standardised by the training set, so ``alpha`` is in units of
    one transition's evidence. ``ordinary`` [M_test] marks the test transitions of ordinary driving
    (:func:`lapose_core.evaluation.regimes.ordinary_transitions`); all of them without it. Rows with a value
    that is not finite (transitions not analysed) are left out.

    Raises:
        ValueError: where shapes disagree, or fewer than two usable rows are left on either side.
    """
    x, y, _ = _usable(latents_train, target_train, None, "train")
    x_test, y_test, ordinary_test = _usable(latents_test, target_test, ordinary, "test")
    readout = _ridge(x, y, alpha)
    predicted = readout(x_test)
    subset = r_squared(predicted[ordinary_test], y_test[ordinary_test])
    return ProbeScore(r_squared(predicted, y_test), subset, spearman(predicted, y_test))


def _ridge(x: Array, y: Array, alpha: float) -> Readout:
    mean, deviation = x.mean(0), x.std(0)
    keep = deviation > 1e-12 * max(1.0, float(np.abs(x).max()))
    standard = (x[:, keep] - mean[keep]) / deviation[keep]
    weights = np.zeros(x.shape[1])
    solved = np.linalg.solve(standard.T @ standard + alpha * np.eye(standard.shape[1]), standard.T @ (y - y.mean()))
    weights[keep] = solved / deviation[keep]
    return Readout(weights, float(y.mean() - mean @ weights))


def _usable(
    latents: NDArray, target: NDArray, ordinary: NDArray[np.bool_] | None, name: str
) -> tuple[Array, Array, NDArray[np.bool_]]:
    x, y = np.asarray(latents, dtype=np.float64), np.asarray(target, dtype=np.float64)
    mask = np.ones(len(y), bool) if ordinary is None else np.asarray(ordinary, dtype=bool)
    if x.ndim != 2 or y.shape != (len(x),) or mask.shape != y.shape:
        raise ValueError(f"ridge_probe: {name} latents {x.shape}, target {y.shape}, ordinary {mask.shape} disagree")
    finite = np.isfinite(x).all(1) & np.isfinite(y)
    if finite.sum() < 2:
        raise ValueError(f"ridge_probe: {int(finite.sum())} usable {name} transitions; two or more are needed")
    return x[finite], y[finite], mask[finite]


def r_squared(predicted: Array, truth: Array) -> float:
    """1 - residual / total sum of squares of [M]; NaN below two values or for a constant truth."""
    if len(truth) < 2:
        return float("nan")
    total = ((truth - truth.mean()) ** 2).sum()
    if not total > 1e-24 * max(1.0, float((truth**2).max())):
        return float("nan")
    return float(1.0 - ((truth - predicted) ** 2).sum() / total)


def ranks(values: Array) -> Array:
    """Ranks from 0 of values [M], equal values sharing their mean rank."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts + 1) / 2)[inverse]


def spearman(a: Array, b: Array) -> float:
    """Rank correlation of two [M], ties by mean rank; 0 where either is constant, NaN below two values."""
    if len(a) < 2:
        return float("nan")
    ra, rb = ranks(a) - (len(a) - 1) / 2, ranks(b) - (len(b) - 1) / 2
    norm = np.sqrt((ra**2).sum() * (rb**2).sum())
    return float((ra * rb).sum() / norm) if norm > 0 else 0.0


def effective_rank(latents: NDArray) -> float:
    """exp of the entropy of the centred latents' normalised singular values (Roy and Vetterli, 2007); [M, A].

    Between 1 (all variance along one direction) and A; 0 where the latents do not vary at all.

    Raises:
        ValueError: on a wrong shape or no finite row.
    """
    x = _finite_rows(latents, "effective_rank")
    singular = np.linalg.svd(x - x.mean(0), compute_uv=False)
    if not singular.sum() > 1e-12 * max(1.0, float(np.abs(x).max())):
        return 0.0
    share = singular / singular.sum()
    share = share[share > 0]
    return float(np.exp(-(share * np.log(share)).sum()))


def deviations(latents: NDArray) -> Array:
    """Standard deviation of each dimension, [M, A] -> [A]. Raises ValueError as effective_rank does."""
    return _finite_rows(latents, "deviations").std(0)


def _finite_rows(latents: NDArray, what: str) -> Array:
    x = np.asarray(latents, dtype=np.float64)
    if x.ndim != 2:
        raise ValueError(f"{what}: latents must be [M, A], got {list(x.shape)}")
    x = x[np.isfinite(x).all(1)]
    if len(x) == 0:
        raise ValueError(f"{what}: there is no finite latent")
    return x
