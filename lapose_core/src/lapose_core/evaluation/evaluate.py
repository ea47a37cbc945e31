"""From predicted and true clips to the table that is reported: model beside constant-forward, per regime.

Numpy only, so that the training loops, ``lapose evaluate`` and the report share one definition of every
figure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

import numpy as np

from lapose_core.evaluation.baselines import constant_forward
from lapose_core.evaluation.bootstrap import interval
from lapose_core.evaluation.metrics import STANDSTILL_STEP, ClipMetrics, clip_metrics
from lapose_core.evaluation.numbers import number
from lapose_core.evaluation.regimes import clip_regimes
from lapose_core.geometry import Array

#: The figures of a summary, in the order they are shown. Each is the mean over clips, the scale error the
#: median.
FIGURES = tuple(f.name for f in fields(ClipMetrics) if f.name not in ("counted", "finite"))
_MEDIANS = frozenset({"scale_error"})
_AUC5 = FIGURES.index("auc5_signed")

#: What the figures were computed with; belongs beside them wherever they are shown.
METRIC_SETTINGS: dict[str, object] = {
    "alignment": "ATE-M and ATE-S: SE(3) per clip, Umeyama without a rank check",
    "ate_s_magnitude": "origin (mean distance of the camera centres from the clip's first)",
    "auc": "all pairs, max of rotation and direction error, mean of the whole-degree cumulative histogram",
    "standstill_step_m": STANDSTILL_STEP,
    "forward_baseline": "identity rotation, 1 m forward a transition (that metre is not fitted)",
    "aggregation": "mean over clips; scale_error: median",
    "interval": "95 % percentile bootstrap over clips, 1000 resamples",
}


@dataclass(frozen=True)
class Clip:
    """One clip to be scored.

    Attributes:
        predicted, truth: camera-to-world poses [N, 4, 4]; the prediction may hold values that are not finite.
        times: [N] seconds.
        regimes: names of the groups it is reported in; by default those its true motion puts it in.
        fov: predicted horizontal field of view in radians, [N - 1] or one value; None where there is none.
        fov_truth: the true one in radians, or None where the camera is not known.
        log, first_frame, last_frame: where it comes from, for the per-clip table.
    """

    predicted: Array
    truth: Array
    times: Array
    regimes: frozenset[str] | None = None
    fov: Array | float | None = None
    fov_truth: float | None = None
    log: str = ""
    first_frame: int = 0
    last_frame: int = 0


@dataclass(frozen=True)
class ClipScore:
    """The figures of one clip for the model and for constant-forward, and the regimes it counts in."""

    clip: Clip
    model: ClipMetrics
    forward: ClipMetrics
    regimes: frozenset[str]


@dataclass(frozen=True)
class Summary:
    """Figures over a group of clips.

    Attributes:
        clips: how many; ``counted`` of them move enough for AUC, RRA/RTA, ATE-S and scale.
        non_finite: clips whose prediction is not finite everywhere. Their pairs count as misses in AUC;
            they have no ATE and no scale error, so those are over the other clips.
        model, forward: figure name -> value, NaN where it does not exist.
        intervals: figure name (and ``skill_auc5_signed``) -> 95 % interval of the model's value.
        skill_auc5_signed: (AUC - AUC_forward) / (100 - AUC_forward): 1 is perfect, 0 no better than
            constant-forward; NaN where constant-forward is already perfect or there is no counted clip.
    """

    clips: int
    counted: int
    non_finite: int
    model: dict[str, float]
    forward: dict[str, float]
    intervals: dict[str, tuple[float, float]]
    skill_auc5_signed: float


@dataclass(frozen=True)
class Evaluation:
    """All clips, and the same summary per regime."""

    overall: Summary
    regimes: dict[str, Summary]
    scores: list[ClipScore] = field(repr=False)

    def to_json(self, settings: dict[str, object] | None = None) -> dict[str, Any]:
        """Plain values for ``json.dumps(..., allow_nan=False)``: what does not exist is None, never NaN."""
        per_clip = [
            {
                "log": s.clip.log,
                "first_frame": s.clip.first_frame,
                "last_frame": s.clip.last_frame,
                "frames": len(s.clip.truth),
                "regimes": sorted(s.regimes),
                "model": asdict(s.model),
                "forward": asdict(s.forward),
            }
            for s in self.scores
        ]
        document = {
            "settings": METRIC_SETTINGS | (settings or {}),
            **asdict(self.overall),
            "regimes": {name: asdict(summary) for name, summary in self.regimes.items()},
            "per_clip": per_clip,
        }
        return without_nan(document)


def evaluate_clips(clips: Sequence[Clip], *, seed: int = 0) -> Evaluation:
    """Score clips and the constant-forward baseline on the same clips, overall and per regime.

    Raises:
        ValueError: where there are no clips, or a clip's shapes disagree or its truth is not finite.
    """
    if not clips:
        raise ValueError("there are no clips to evaluate")
    scores = []
    for clip in clips:
        baseline = constant_forward(len(clip.truth))
        scores.append(
            ClipScore(
                clip,
                clip_metrics(clip.predicted, clip.truth, clip.times, fov=clip.fov, fov_truth=clip.fov_truth),
                clip_metrics(baseline, clip.truth, clip.times),
                clip_regimes(clip.truth, clip.times) if clip.regimes is None else clip.regimes,
            )
        )
    return rescored(scores, seed=seed)


def rescored(scores: list[ClipScore], *, seed: int = 0) -> Evaluation:
    """The summaries over clips that have been scored, overall and per regime."""
    names = sorted({name for score in scores for name in score.regimes}, key=_regime_order)
    groups = {name: summarise([s for s in scores if name in s.regimes], seed=seed) for name in names}
    return Evaluation(summarise(scores, seed=seed), groups, scores)


def summarise(scores: Sequence[ClipScore], *, seed: int = 0) -> Summary:
    """Figures over some clips' scores, with bootstrap intervals over these clips."""
    model = np.array([[getattr(s.model, name) for name in FIGURES] for s in scores], dtype=np.float64)
    forward = np.array([[getattr(s.forward, name) for name in FIGURES] for s in scores], dtype=np.float64)
    intervals = {}
    for i, name in enumerate(FIGURES):
        values = model[:, i][np.isfinite(model[:, i])]
        intervals[name] = interval(values, np.median if name in _MEDIANS else np.mean, seed=seed)
    both = np.stack([model[:, _AUC5], forward[:, _AUC5]], axis=1)
    both = both[np.isfinite(both).all(axis=1)]
    intervals["skill_auc5_signed"] = interval(both, _skill, seed=seed)
    return Summary(
        clips=len(scores),
        counted=sum(s.model.counted for s in scores),
        non_finite=sum(not s.model.finite for s in scores),
        model=_averages(model),
        forward=_averages(forward),
        intervals=intervals,
        skill_auc5_signed=float(_skill(both[None])[0]) if len(both) else float("nan"),
    )


def _averages(values: Array) -> dict[str, float]:
    out = {}
    for i, name in enumerate(FIGURES):
        column = values[:, i][np.isfinite(values[:, i])]
        average = np.median if name in _MEDIANS else np.mean
        out[name] = float(average(column)) if len(column) else float("nan")
    return out


def _skill(pairs: Array, axis: int = 1) -> Array:
    """Skill of (model, forward) scores [R, N, 2] averaged over N -> [R]; NaN where forward is perfect."""
    mean = pairs.mean(axis=axis)
    room = 100.0 - mean[..., 1]
    return np.where(room > 1e-9, (mean[..., 0] - mean[..., 1]) / np.where(room > 1e-9, room, 1.0), np.nan)


_ORDER = ("straight", "gentle", "medium", "sharp", "reverse", "standstill")
_GROUPS = ("acceleration low", "acceleration mid", "acceleration high")


def _regime_order(name: str) -> tuple[int, int, str]:
    if name in _ORDER:
        return 0, _ORDER.index(name), name
    if name in _GROUPS:
        return 1, _GROUPS.index(name), name
    return (3 if name.startswith("rate ") else 2), 0, name


def without_nan(value: Any) -> Any:
    """The same nesting, floats that are not finite replaced by None and numpy scalars by Python's."""
    if isinstance(value, dict):
        return {str(k): without_nan(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(v) for v in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value


_COLUMNS = (  # heading, figure, factor, digits
    ("AUC@5", "auc5", 1.0, 1),
    ("ATE-S e-2", "ate_s", 100.0, 2),
    ("ATE-M m", "ate_m", 1.0, 2),
    ("scale err", "scale_error", 1.0, 2),
)


def table(evaluation: Evaluation) -> str:
    """An aligned text table: one row a regime, the model's figures beside constant-forward's."""
    header = f"{'':<18}{'clips':>6}{'counted':>8}{'AUC@5 signed [95 %]':>22}{'forward':>9}{'skill':>7}"
    header += "".join(f"{heading:>11}{'forward':>9}" for heading, *_ in _COLUMNS)
    rows = [header, "-" * len(header)]
    rows += [_row(name, s) for name, s in [("all", evaluation.overall), *evaluation.regimes.items()]]
    return "\n".join(rows)


def _row(name: str, s: Summary) -> str:
    low, high = s.intervals["auc5_signed"]
    score = number(s.model["auc5_signed"], 1)
    if np.isfinite(low):
        score += f" [{number(low, 1)}, {number(high, 1)}]"
    row = f"{name:<18}{s.clips:>6}{s.counted:>8}{score:>22}{number(s.forward['auc5_signed'], 1):>9}"
    row += f"{number(s.skill_auc5_signed, 2):>7}"
    for _, figure, factor, digits in _COLUMNS:
        row += f"{number(factor * s.model[figure], digits):>11}{number(factor * s.forward[figure], digits):>9}"
    return row
