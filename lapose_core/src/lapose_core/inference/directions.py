"""Directions in latent space that mean something: principal components, and probes of speed and yaw rate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lapose_core.evaluation.latent import r_squared, ridge_readout
from lapose_core.geometry import Array

FOLDS = 10
"""Contiguous stretches of the transitions, each predicted by a probe of the others: neighbours in time are alike."""
FEWEST = 20
"""Transitions below which a probe says nothing."""


@dataclass(frozen=True)
class Direction:
    """A line through latent space.

    Reading and moving are two vectors: a probe's weights tell speed apart from all else that varies, and adding them
    to a latent would leave the region the model knows; latents of faster driving differ by another vector.

    Attributes:
        key: short name, such as ``pc1`` or ``speed``.
        name: for captions.
        unit: of the coordinate; empty for latent units.
        readout: [A] the coordinate of a latent is ``(latent - mean) @ readout + centre``.
        step: [A] what a latent gains where the coordinate gains one unit and the other probes' stay.
        mean: [A] of the latents it was fitted to.
        centre: the mean latent's coordinate.
        spread: standard deviation of the coordinate over these latents.
        share: of the latents' variance for a principal component; of the quantity's variance explained on held-out
            stretches of the drive for a probe (negative where worse than the mean).
    """

    key: str
    name: str
    unit: str
    readout: Array
    step: Array
    mean: Array
    centre: float
    spread: float
    share: float

    def coordinate(self, latents: NDArray) -> Array:
        """Coordinates [n] of latents [n, A], in ``unit``."""
        return (np.asarray(latents, np.float64) - self.mean) @ self.readout + self.centre

    def moved(self, latent: NDArray, amount: float) -> NDArray[np.float32]:
        """A latent [A] or latents [n, A] moved by ``amount`` units along the direction."""
        return (np.asarray(latent, np.float64) + amount * self.step).astype(np.float32)


def principal_directions(latents: NDArray, count: int = 8) -> list[Direction]:
    """The first ``count`` principal components of finite latents [n, A], each turned so that its largest weight is
    positive.

    Raises:
        ValueError: without two latents.
    """
    x = np.asarray(latents, np.float64)
    if len(x) < 2:
        raise ValueError(f"principal components need two transitions, there are {len(x)}")
    mean = x.mean(0)
    centred = x - mean
    values, vectors = np.linalg.eigh(centred.T @ centred / len(x))
    total = max(float(values.clip(0).sum()), 1e-30)
    out = []
    for i, column in enumerate(np.argsort(values)[::-1][:count]):
        vector = vectors[:, column] * np.sign(vectors[np.argmax(np.abs(vectors[:, column])), column])
        value = max(float(values[column]), 0.0)
        out.append(
            Direction(f"pc{i + 1}", f"PC {i + 1}", "", vector, vector, mean, 0.0, value**0.5, value / total)
        )  # fmt: skip
    return out


def probe_directions(
    latents: NDArray, targets: Mapping[str, tuple[str, str, NDArray]], *, alpha: float = 1.0
) -> list[Direction]:
    """A ridge probe for each of ``targets``: key -> (name, unit, values [n], NaN where unknown), of finite latents
    [n, A] in the order of the drive. Quantities that do not vary, or that fewer than FEWEST transitions have, are
    left out.
    """
    x = np.asarray(latents, np.float64)
    known = {k: v for k, v in targets.items() if _usable(v[2])}
    if not known:
        return []
    rows = np.isfinite(np.stack([np.asarray(values, np.float64) for _, _, values in known.values()])).all(0)
    if rows.sum() < FEWEST:
        return []
    x = x[rows]
    mean = x.mean(0)
    columns = np.stack([np.asarray(values, np.float64)[rows] for _, _, values in known.values()], 1)
    # Latents regressed on all quantities at once: what speed changes while the yaw rate stays, and the reverse.
    steps, *_ = np.linalg.lstsq(columns - columns.mean(0), x - mean, rcond=None)
    out = []
    for i, (key, (name, unit, _)) in enumerate(known.items()):
        y = columns[:, i]
        readout = ridge_readout(x, y, alpha=alpha)
        out.append(
            Direction(
                key, name, unit, readout.weights, steps[i], mean, float(readout(mean[None])[0]),
                float(readout(x).std()), _held_out(x, y, alpha),
            )
        )  # fmt: skip
    return out


def _usable(values: NDArray) -> bool:
    known = np.asarray(values)[np.isfinite(values)]
    return len(known) >= FEWEST and float(np.ptp(known)) > 1e-9


def _held_out(x: Array, y: Array, alpha: float) -> float:
    predicted = np.empty(len(y))
    for fold in np.array_split(np.arange(len(y)), FOLDS):
        rest = np.ones(len(y), bool)
        rest[fold] = False
        predicted[fold] = ridge_readout(x[rest], y[rest], alpha=alpha)(x[fold])
    return r_squared(predicted, y)
