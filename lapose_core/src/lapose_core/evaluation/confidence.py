"""Calibrating a confidence, and saying how good it is on drives it has not met."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lapose_core.evaluation.bootstrap import resamples
from lapose_core.evaluation.confidence_data import Measured
from lapose_core.geometry import Array
from lapose_core.inference.confidence import (
    PARTS,
    SIGNS,
    WORST_SHARE,
    ConfidenceModel,
    expectation_terms,
    hinges,
    with_surprise,
)

QUANTILES = (0.1, 0.3, 0.5, 0.7, 0.9, 0.97)
"""Of a sign over the calibration drives, where its curve may bend."""
RIDGES = (1.0, 3.0, 10.0, 30.0, 100.0)
FOLDS = 5


@dataclass(frozen=True)
class _Design:
    """What a logistic model is fitted to: ``x`` [n, columns], the columns of each sign one after another; ``bad`` [n];
    ``fold`` [n] of the drive."""

    x: Array
    widths: dict[str, int]
    bad: NDArray[np.bool_]
    fold: NDArray[np.int64]

    def of(self, names: Sequence[str]) -> Array:
        """The columns of some signs."""
        ends = dict(zip(self.widths, np.cumsum(list(self.widths.values())), strict=True))
        return np.concatenate([self.x[:, ends[n] - self.widths[n] : ends[n]] for n in names], axis=1)

    def loss(self, names: Sequence[str], ridge: float) -> float:
        """Mean log loss on drives that were left out of the fit."""
        x, odds = self.of(names), np.zeros(len(self.bad))
        for i in range(FOLDS):
            bias, weights = _logistic(x[self.fold != i], self.bad[self.fold != i], ridge)
            odds[self.fold == i] = bias + x[self.fold == i] @ weights
        return float(np.logaddexp(0, np.where(self.bad, -odds, odds)).mean())


def fit(
    measured: Measured, checkpoint_hash: str, names: Sequence[str] = SIGNS, *, choose: bool = False
) -> ConfidenceModel:
    """An additive logistic model of being among the worst tenth, of the signs ``names``.

    The ridge penalty is chosen by cross-validation over drives: transitions of one drive are alike. With ``choose`` so
    are the parts: one that the others predict no worse without is left out.

    Raises:
        ValueError: where fewer drives than folds have errors.
    """
    known = np.isfinite(measured.errors)
    drives = np.unique(measured.drive[known])
    if len(drives) < FOLDS:
        raise ValueError(f"{len(drives)} drives are too few to calibrate on; {FOLDS} or more are needed")
    worst = float(np.quantile(measured.errors[known], 1 - WORST_SHARE))
    values = {name: values[known] for name, values in measured.values.items()}
    expectation = _expectation(values)
    values = with_surprise(values, expectation)
    usual = {n: _median(values[n]) for n in names}
    spread = {n: max(float(np.nanstd(values[n])), 1e-3) if np.isfinite(values[n]).any() else 1.0 for n in names}
    knots = {n: _knots((values[n] - usual[n]) / spread[n]) for n in names}
    bases = {n: hinges(values[n], usual[n], spread[n], knots[n]) for n in names}
    design = _Design(
        np.concatenate(list(bases.values()), axis=1), {n: b.shape[1] for n, b in bases.items()},
        measured.errors[known] > worst, np.searchsorted(drives, measured.drive[known]) % FOLDS,
    )  # fmt: skip
    ridge = min(RIDGES, key=lambda r: design.loss(names, r))
    if choose:
        names = _chosen(design, names, ridge)
        ridge = min(RIDGES, key=lambda r: design.loss(names, r))
    bias, weights = _logistic(design.of(names), design.bad, ridge)
    parts = np.split(weights, np.cumsum([design.widths[n] for n in names])[:-1])
    return ConfidenceModel(
        checkpoint_hash, worst, float(bias), usual, spread, knots,
        {n: tuple(float(w) for w in p) for n, p in zip(names, parts, strict=True)}, expectation,
    )  # fmt: skip


def _chosen(design: _Design, names: Sequence[str], ridge: float) -> tuple[str, ...]:
    """The signs of the parts that the cross-validated loss asks for, the least useful part leaving first."""
    names, loss = tuple(names), design.loss(names, ridge)
    while True:
        present = {part: signs for part, signs in PARTS.items() if set(signs) & set(names)}
        without = {part: tuple(n for n in names if n not in signs) for part, signs in present.items()}
        losses = {part: design.loss(rest, ridge) for part, rest in without.items() if rest}
        least = min(losses, key=lambda part: losses[part], default=None)
        if least is None or losses[least] > loss:
            return names
        names, loss = without[least], losses[least]


def _median(values: Array) -> float:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if len(known) else 0.0


def _knots(z: Array) -> tuple[float, ...]:
    known = z[np.isfinite(z)]
    return tuple(sorted({round(float(q), 4) for q in np.quantile(known, QUANTILES)})) if len(known) else ()


def _expectation(values: dict[str, Array]) -> tuple[float, ...]:
    """Least squares of the cross-entropy on what it depends on without anything being wrong."""
    terms, entropy = expectation_terms(values), values["cross-entropy"]
    known = np.isfinite(terms).all(1) & np.isfinite(entropy)
    return tuple(float(c) for c in np.linalg.lstsq(terms[known], entropy[known], rcond=None)[0])


def _logistic(design: Array, bad: NDArray[np.bool_], ridge: float) -> tuple[float, Array]:
    """Bias and weights of a ridge-penalised logistic regression, by Newton's method; the bias is not penalised."""
    x = np.concatenate([np.ones((len(design), 1)), design], axis=1)
    penalty = np.full(x.shape[1], ridge)
    penalty[0] = 1e-6
    w = np.zeros(x.shape[1])
    w[0] = np.log(max(bad.mean(), 1e-3) / max(1 - bad.mean(), 1e-3))
    for _ in range(40):
        p = 1 / (1 + np.exp(-np.clip(x @ w, -30, 30)))
        gradient = x.T @ (p - bad) + penalty * w
        hessian = (x * (p * (1 - p))[:, None]).T @ x + np.diag(penalty)
        step = np.linalg.solve(hessian, gradient)
        w -= step
        if np.abs(step).max() < 1e-7:
            break
    return float(w[0]), w[1:]


def auroc(score: Array, bad: NDArray[np.bool_]) -> float:
    """Probability that a bad one scores above a good one, ties half; NaN where all or none is bad."""
    if bad.all() or not bad.any():
        return float("nan")
    _, inverse, counts = np.unique(score, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    n = int(bad.sum())
    return float((ranks[bad].sum() - n * (n + 1) / 2) / (n * (len(bad) - n)))


@dataclass(frozen=True)
class Quality:
    """How good a confidence is on drives with known errors.

    Attributes:
        transitions, drives: how many.
        worst_degrees: the error above which a transition is among these drives' own worst tenth.
        auroc: of finding those; ``interval`` its 95 % bootstrap interval over drives.
        brier: mean squared difference of confidence and being good, by the calibrated threshold.
        bad_share: share of transitions beyond the calibrated threshold, and ``expected_share`` what confidence says.
        coverage, risk: [k] share of transitions kept, the most confident first, and the share of the worst tenth
            among them; ``oracle`` [k] were the errors themselves known.
        bins: rows (mean confidence, share that is good, transitions) of the reliability diagram.
    """

    transitions: int
    drives: int
    worst_degrees: float
    auroc: float
    interval: tuple[float, float]
    brier: float
    bad_share: float
    expected_share: float
    coverage: Array
    risk: Array
    oracle: Array
    bins: list[tuple[float, float, int]]


def quality(model: ConfidenceModel, measured: Measured, *, bins: int = 10) -> Quality:
    """Measure a calibrated confidence.

    Raises:
        ValueError: where no transition has a known error.
    """
    known = np.isfinite(measured.errors)
    if not known.any():
        raise ValueError("no transition has a known error to test a confidence on")
    errors, drive = measured.errors[known], measured.drive[known]
    confidence = model.confidence({n: v[known] for n, v in measured.values.items()}, np.ones(len(errors), bool))
    worst = float(np.quantile(errors, 1 - WORST_SHARE))
    bad = errors > worst
    if not bad.any():  # more than a tenth of them is as wrong as can be
        bad = errors >= worst
    beyond = errors > model.worst_degrees
    coverage = np.linspace(0.02, 1.0, 50)
    return Quality(
        transitions=len(errors),
        drives=len(np.unique(drive)),
        worst_degrees=worst,
        auroc=auroc(-confidence, bad),
        interval=_interval(-confidence, bad, drive),
        brier=float(np.mean((confidence - ~beyond) ** 2)),
        bad_share=float(beyond.mean()),
        expected_share=float(1 - confidence.mean()),
        coverage=coverage,
        risk=_risk(-confidence, bad, coverage),
        oracle=_risk(errors, bad, coverage),
        bins=_bins(confidence, ~beyond, bins),
    )


def _interval(score: Array, bad: NDArray[np.bool_], drive: NDArray[np.int64]) -> tuple[float, float]:
    members = [np.flatnonzero(drive == d) for d in np.unique(drive)]
    if len(members) < 2:
        return float("nan"), float("nan")
    drawn = []
    for chosen in resamples(len(members), 300):
        index = np.concatenate([members[i] for i in chosen])
        drawn.append(auroc(score[index], bad[index]))
    low, high = np.nanpercentile(drawn, [2.5, 97.5])
    return float(low), float(high)


def _risk(score: Array, bad: NDArray[np.bool_], coverage: Array) -> Array:
    order = np.argsort(score, kind="stable")
    share = np.cumsum(bad[order]) / np.arange(1, len(bad) + 1)
    return share[np.maximum(np.round(coverage * len(bad)).astype(int), 1) - 1]


def _bins(confidence: Array, good: NDArray[np.bool_], count: int) -> list[tuple[float, float, int]]:
    """Bins of equally many transitions, so that none is empty where confidence crowds near 1."""
    parts = np.array_split(np.argsort(confidence, kind="stable"), count)
    return [(float(confidence[p].mean()), float(good[p].mean()), len(p)) for p in parts if len(p)]


def ablation(calibrate: Measured, held_out: Measured, checkpoint_hash: str) -> list[tuple[str, float, float]]:
    """Rows (part, AUROC on the held-out drives with this part alone, AUROC without it)."""
    rows = []
    for part, names in PARTS.items():
        others = tuple(n for n in SIGNS if n not in names)
        alone, without = (quality(fit(calibrate, checkpoint_hash, n), held_out).auroc for n in (names, others))
        rows.append((part, alone, without))
    return rows
