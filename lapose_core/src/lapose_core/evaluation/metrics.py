"""Pose and trajectory metrics of one clip, in float64.

Poses are camera-to-world [N, 4, 4], OpenCV axes, metres; errors in degrees and metres. Nothing here depends
on where the world's origin lies: moving the prediction, the truth or both by a rigid motion changes no
figure.

Two points of care:

* The signed and the unsigned direction error differ by what they call right. The published feed-forward
  methods compare *lines*, so driving backwards predicted as driving forwards scores full marks; the signed
  one compares vectors.
* The area under the accuracy curve is the mean of a cumulative histogram over whole-degree bins, as that
  published code has it. Exponential errors of mean 1 degree give 0.884 at k = 5, the exact integral 0.802:
  never compare the two.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from lapose_core.geometry import Array, Similarity, invert, nearest_rotation, relative, rotation_angle, umeyama

Alignment = Literal["raw", "se3", "sim3"]
Magnitude = Literal["origin", "centroid", "step"]

#: A clip whose true mean step is shorter has no direction to predict: it is left out of AUC, RRA/RTA and
#: ATE-S.
STANDSTILL_STEP = 0.1  # metres

_NO_DIRECTION = 1e-6  # metres; at UTM coordinates float64 differences are noise of 1e-9


@dataclass(frozen=True)
class PairwiseErrors:
    """Relative-pose errors of all P = N (N - 1) / 2 frame pairs i < j of a clip, in degrees, each [P].

    Attributes:
        rotation: angle of R_true^T R_predicted, in [0, 180].
        direction: angle between the translation vectors, in [0, 180]; 180 where either is zero.
        direction_unsigned: angle between their lines, in [0, 90]; 90 where either is zero.

    A prediction that is not finite gives NaN here, which :func:`auc` counts as a miss.
    """

    rotation: Array
    direction: Array
    direction_unsigned: Array

    def pose(self, *, signed: bool) -> Array:
        """The larger of the rotation and the direction error of each pair, [P] degrees; NaN stays NaN."""
        return np.maximum(self.rotation, self.direction if signed else self.direction_unsigned)


def direction_error(predicted: Array, truth: Array) -> Array:
    """Signed angle between translation vectors [..., 3] in degrees, in [0, 180] -> [...].

    180 where either vector is zero (shorter than a micrometre): a motion whose direction was missed
    altogether.
    """
    cross = np.linalg.norm(np.cross(predicted, truth), axis=-1)
    dot = np.einsum("...i,...i->...", predicted, truth)
    # atan2 of sine and cosine: acos of a normalised dot product loses half the digits near 0.
    angle = np.degrees(np.arctan2(cross, dot))
    shortest = np.minimum(np.linalg.norm(predicted, axis=-1), np.linalg.norm(truth, axis=-1))
    return np.where(shortest < _NO_DIRECTION, 180.0, angle)


def unsigned(direction: Array) -> Array:
    """Fold angles between vectors, [0, 180] degrees, to angles between lines, [0, 90]."""
    return np.minimum(direction, 180.0 - direction)


def pairwise_errors(predicted: Array, truth: Array) -> PairwiseErrors:
    """Relative-pose errors T_i^-1 T_j of all pairs i < j of two trajectories [N, 4, 4].

    Raises:
        ValueError: where the shapes differ or there are fewer than two frames.
    """
    predicted, truth = _two_trajectories(predicted, truth)
    i, j = np.triu_indices(len(truth), 1)
    with np.errstate(invalid="ignore", over="ignore"):
        rel_p = invert(predicted[i]) @ predicted[j]
        rel_t = invert(truth[i]) @ truth[j]
        difference = np.swapaxes(rel_t[:, :3, :3], 1, 2) @ rel_p[:, :3, :3]
        rotation = np.degrees(rotation_angle(difference))
        t_p, t_t = rel_p[:, :3, 3], rel_t[:, :3, 3]
        signed_error = direction_error(t_p, t_t)
        missing = np.minimum(np.linalg.norm(t_p, axis=1), np.linalg.norm(t_t, axis=1)) < _NO_DIRECTION
    return PairwiseErrors(rotation, signed_error, np.where(missing, 90.0, unsigned(signed_error)))


def auc(errors: Array, k: int) -> float:
    """Area under the accuracy-threshold curve up to ``k`` degrees, 0 to 100, of errors [P] in degrees.

    Histogram of the errors over the integer bin edges 0..k, divided by the number of errors (those beyond k
    and those not finite count in the denominator only), and the mean of its cumulative sum.

    Raises:
        ValueError: where there are no errors or k is not a positive whole number.
    """
    errors = np.asarray(errors, dtype=np.float64).ravel()
    if errors.size == 0:
        raise ValueError("auc: there are no errors to take the area of")
    if k < 1 or int(k) != k:
        raise ValueError(f"auc: k must be a positive whole number of degrees, got {k}")
    counts, _ = np.histogram(errors[np.isfinite(errors)], bins=np.arange(int(k) + 1))
    return float(100.0 * np.cumsum(counts / errors.size).mean())


def accuracy(errors: Array, k: float) -> float:
    """Share of errors [P] below ``k`` degrees, 0 to 100: RRA@k of rotations, RTA@k of directions."""
    errors = np.asarray(errors, dtype=np.float64)
    with np.errstate(invalid="ignore"):
        return float(100.0 * np.mean(errors < k))


def align(predicted: Array, truth: Array, mode: Alignment) -> Similarity:
    """The similarity that brings a predicted trajectory [N, 4, 4] onto the true one.

    ``raw`` puts the first predicted pose on the first true one and does nothing else; ``se3`` is the
    least-squares rigid motion between the camera centres, ``sim3`` the one with scale (Umeyama, PAMI 1991).

    On an exactly straight or standing path the centres leave the rotation about it open. It is then taken
    from the cameras' axes, so that an aligned camera is not rolled for no reason; the residual of the
    centres is the same.

    Raises:
        ValueError: on an unknown mode, differing shapes or values that are not finite.
    """
    predicted, truth = _two_trajectories(predicted, truth)
    if not (np.isfinite(predicted).all() and np.isfinite(truth).all()):
        raise ValueError("align: a pose is not finite")
    if mode == "raw":
        rotation = truth[0, :3, :3] @ predicted[0, :3, :3].T
        return Similarity(1.0, rotation, truth[0, :3, 3] - rotation @ predicted[0, :3, 3])
    if mode not in ("se3", "sim3"):
        raise ValueError(f"align: unknown alignment {mode!r}; it is one of raw, se3, sim3")
    centres_p, centres_t = predicted[:, :3, 3], truth[:, :3, 3]
    source, target = centres_p - centres_p.mean(0), centres_t - centres_t.mean(0)
    spread_p, spread_t = (float(np.sqrt((c**2).sum(1).mean())) for c in (source, target))
    # The axes join the centres as six points each, at so small a distance that they decide ties and nothing else.
    arms = (3e-5 * spread_p + 1e-9) * (3e-5 * spread_t + 1e-9)
    axes = np.einsum("nij,nkj->ik", truth[:, :3, :3], predicted[:, :3, :3])
    rotation = nearest_rotation(7.0 * target.T @ source + 2.0 * arms * axes)
    scale = 1.0
    if mode == "sim3" and spread_p > 1e-9:
        scale = float(((target @ rotation) * source).sum() / (source**2).sum())
    return Similarity(scale, rotation, centres_t.mean(0) - scale * rotation @ centres_p.mean(0))


def ate(predicted: Array, truth: Array, *, with_scale: bool = False) -> float:
    """Root mean square distance of the camera centres [N, 3] after a least-squares alignment, in their unit.

    Umeyama without a rank check: an exactly straight path is a legal trajectory. NaN where a centre is not
    finite.
    """
    if not (np.isfinite(predicted).all() and np.isfinite(truth).all()):
        return float("nan")
    residual = umeyama(predicted, truth, with_scale=with_scale).points(predicted) - truth
    return float(np.sqrt((residual**2).sum(-1).mean()))


def magnitude(centres: Array, of: Magnitude) -> float:
    """The size by which ATE-S divides a trajectory's centres [N, 3], in metres.

    ``origin``: mean over the N centres of the distance from the first (which counts, with its zero);
    ``centroid``: mean distance from the centroid; ``step``: mean length of a step.
    """
    if of == "origin":
        return float(np.linalg.norm(centres - centres[0], axis=1).mean())
    if of == "centroid":
        return float(np.linalg.norm(centres - centres.mean(0), axis=1).mean())
    if of == "step":
        return float(np.linalg.norm(np.diff(centres, axis=0), axis=1).mean())
    raise ValueError(f"magnitude: unknown {of!r}; it is one of origin, centroid, step")


def ate_scaled(predicted: Array, truth: Array, of: Magnitude = "origin") -> float:
    """ATE-S of centres [N, 3]: each divided by its own :func:`magnitude`, then rigidly aligned; no unit.

    A prediction that does not move stays a point, so it scores the spread of the truth. NaN where the truth
    itself does not move.
    """
    size_p, size_t = magnitude(predicted, of), magnitude(truth, of)
    if not size_t > _NO_DIRECTION:
        return float("nan")
    return ate(predicted / size_p if size_p > _NO_DIRECTION else predicted * 0.0, truth / size_t)


def rpe_per_second(predicted: Array, truth: Array, times: Array) -> tuple[float, float]:
    """Relative pose error over one second: RMSE of translation in m/s and of rotation in degrees/s.

    Trajectories [N, 4, 4] at ``times`` [N] seconds. The pairs are as many frames apart as come nearest to
    one second (at least one, at most the clip), and the errors are divided by the seconds that really lie
    between them.
    """
    times = np.asarray(times, dtype=np.float64)
    gap = int(np.clip(round(1.0 / float(np.median(np.diff(times)))), 1, len(times) - 1))
    seconds = times[gap:] - times[:-gap]
    with np.errstate(invalid="ignore", over="ignore"):
        error = invert(relative(truth, gap)) @ relative(predicted, gap)
        metres = np.linalg.norm(error[:, :3, 3], axis=1) / seconds
        degrees = np.degrees(rotation_angle(error[:, :3, :3])) / seconds
    return float(np.sqrt((metres**2).mean())), float(np.sqrt((degrees**2).mean()))


@dataclass(frozen=True)
class ClipMetrics:
    """The figures of one clip. AUC, RRA and RTA run from 0 to 100; what does not exist is NaN.

    Attributes:
        counted: whether the clip moves enough for AUC, RRA/RTA, ATE-S and scale (those are NaN otherwise).
        finite: whether every value of the prediction was finite.
        auc5, auc30: unsigned direction; ``_signed`` the signed one.
        rra5, rta5, rta5_signed: share of pairs whose rotation, direction, signed direction error is below 5
            degrees.
        ate_m: metres, SE(3) aligned. ate_s, ate_s_centroid, ate_s_step: see :func:`ate_scaled`.
        scale_error: |mean predicted step / mean true step - 1|.
        rpe_translation, rpe_rotation: m/s and degrees/s, see :func:`rpe_per_second`; NaN without times.
        fov_error: mean absolute error of the horizontal field of view in degrees; NaN where either is
            unknown.
    """

    counted: bool
    finite: bool
    auc5: float
    auc5_signed: float
    auc30: float
    auc30_signed: float
    rra5: float
    rta5: float
    rta5_signed: float
    ate_m: float
    ate_s: float
    ate_s_centroid: float
    ate_s_step: float
    scale_error: float
    rpe_translation: float
    rpe_rotation: float
    fov_error: float


def clip_metrics(
    predicted: Array,
    truth: Array,
    times: Array | None = None,
    *,
    fov: Array | float | None = None,
    fov_truth: float | None = None,
) -> ClipMetrics:
    """All figures of one clip of N >= 2 poses [N, 4, 4] at ``times`` [N] seconds; fields of view in radians.

    Raises:
        ValueError: where the shapes differ, there are fewer than two frames, or the truth is not finite.
    """
    predicted, truth = _two_trajectories(predicted, truth)
    if not np.isfinite(truth).all():
        raise ValueError("clip_metrics: a true pose is not finite")
    nan = float("nan")
    centres_p, centres_t = predicted[:, :3, 3], truth[:, :3, 3]
    step_t = magnitude(centres_t, "step")
    finite = bool(np.isfinite(predicted).all())
    if not finite:
        # One lost pose loses the trajectory, while the pairs without it still count.
        centres_p = np.full_like(centres_p, nan)
    counted = step_t >= STANDSTILL_STEP
    figures: dict[str, float] = dict.fromkeys(
        ("auc5", "auc5_signed", "auc30", "auc30_signed", "rra5", "rta5", "rta5_signed"), nan
    )
    figures |= dict.fromkeys(("ate_s", "ate_s_centroid", "ate_s_step", "scale_error"), nan)
    if counted:
        errors = pairwise_errors(predicted, truth)
        worst, worst_signed = errors.pose(signed=False), errors.pose(signed=True)
        figures = {
            "auc5": auc(worst, 5),
            "auc5_signed": auc(worst_signed, 5),
            "auc30": auc(worst, 30),
            "auc30_signed": auc(worst_signed, 30),
            "rra5": accuracy(errors.rotation, 5),
            "rta5": accuracy(errors.direction_unsigned, 5),
            "rta5_signed": accuracy(errors.direction, 5),
            "ate_s": ate_scaled(centres_p, centres_t, "origin"),
            "ate_s_centroid": ate_scaled(centres_p, centres_t, "centroid"),
            "ate_s_step": ate_scaled(centres_p, centres_t, "step"),
            "scale_error": abs(magnitude(centres_p, "step") / step_t - 1.0),
        }
    rpe = (nan, nan) if times is None else rpe_per_second(predicted, truth, times)
    fov_error = nan
    if fov is not None and fov_truth is not None:
        fov_error = float(np.degrees(np.abs(np.asarray(fov, dtype=np.float64) - fov_truth)).mean())
    return ClipMetrics(
        counted=bool(counted),
        finite=finite,
        ate_m=ate(centres_p, centres_t),
        rpe_translation=rpe[0],
        rpe_rotation=rpe[1],
        fov_error=fov_error,
        **figures,
    )


def _two_trajectories(predicted: Array, truth: Array) -> tuple[Array, Array]:
    predicted = np.asarray(predicted, dtype=np.float64)
    truth = np.asarray(truth, dtype=np.float64)
    if predicted.shape != truth.shape or truth.ndim != 3 or truth.shape[1:] != (4, 4):
        raise ValueError(
            f"prediction and truth must be two equal [N, 4, 4], got {list(predicted.shape)} and {list(truth.shape)}"
        )
    if len(truth) < 2:
        raise ValueError("a clip needs at least two frames")
    return predicted, truth
