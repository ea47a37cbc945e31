"""Two trajectories of one drive on one clock: how they differ, and, where there is truth, which is nearer to it.

Trajectory a is the drive's analysis; b is another checkpoint's, one read from a file, or a classical reference. A
reference is never truth: without ground truth the figures say how far the two are apart, and nothing says who is right.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lapose_core.drive import Drive
from lapose_core.evaluation.bootstrap import interval
from lapose_core.evaluation.metrics import ClipMetrics, clip_metrics
from lapose_core.evaluation.regimes import clip_regimes
from lapose_core.geometry import Array, accumulate, interpolate_poses, relative
from lapose_core.inference.errors import TransitionErrors, step_errors
from lapose_core.inference.result import DriveAnalysis

Kind = Literal["imported", "checkpoint", "reference"]
Winner = Literal["a", "b", "apart"]

CLIP = 16
"""Samples in a clip of the table, as elsewhere in this package."""
SMOOTH = 5
"""Transitions over which gains are averaged before stretches are cut from them."""
FEWEST = 5
"""Clips, or drives, that an interval is drawn from at the least: four all differ one way by chance in 12 % of cases, so
that no interval of theirs is one of 95 %."""
_ROUNDING = 1e-6
"""Share of a figure by which the same trajectory differs after it went through a text file."""
LEAST_GAIN, LEAST_LENGTH = 0.5, 3
"""Degrees by which one must be better, and for how many transitions, to make a stretch."""


@dataclass(frozen=True)
class Trajectory:
    """Camera poses on a drive's clock, as somebody other than the open analysis has them.

    Attributes:
        name: for legends.
        kind: where it comes from.
        frames: [n] drive frames, increasing.
        poses: [n, 4, 4] camera-to-world, each piece in a world of its own.
        piece: [n] which poses share a world; -1 where there is no pose.
        metric: whether lengths are metres; otherwise only directions and rotations mean something.
        how: how it came about, one sentence for people.
        notes: what to know about it, one sentence each.
        warnings: what is probably wrong with it, one sentence each.
    """

    name: str
    kind: Kind
    frames: NDArray[np.int64]
    poses: Array
    piece: NDArray[np.int64]
    metric: bool = True
    how: str = ""
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def pieces(self) -> list[slice]:
        """Stretches of ``frames`` whose poses share a world and follow each other, of two poses or more."""
        edges = np.flatnonzero(np.diff(self.piece)) + 1
        bounds = itertools.pairwise([0, *edges.tolist(), len(self.piece)])
        return [slice(a, b) for a, b in bounds if b - a > 1 and self.piece[a] >= 0]

    def steps(self, frames: NDArray[np.int64]) -> tuple[Array, NDArray[np.bool_]]:
        """Relative poses [M - 1, 4, 4] between drive frames [M], interpolated, and which of them are known."""
        steps = np.tile(np.eye(4), (max(0, len(frames) - 1), 1, 1))
        known = np.zeros(len(steps), bool)
        for part in self.pieces():
            own = self.frames[part]
            first, last = np.searchsorted(frames, own[0]), np.searchsorted(frames, own[-1], side="right")
            if last - first > 1:
                at = frames[first:last].astype(np.float64)
                steps[first : last - 1] = relative(interpolate_poses(self.poses[part], own.astype(np.float64), at))
                known[first : last - 1] = True
        return steps, known


def trajectory_of_analysis(analysis: DriveAnalysis, kind: Kind = "checkpoint") -> Trajectory:
    """The predicted path of an analysis, in as many pieces as it has."""
    count = len(analysis.frames)
    poses, piece = np.tile(np.eye(4), (count, 1, 1)), np.full(count, -1)
    for number, (start, stop) in enumerate(analysis.segments()):
        poses[start:stop], piece[start:stop] = analysis.trajectory(start, stop), number
    how = f"predicted by {analysis.checkpoint_name} ({analysis.checkpoint_hash}) at {analysis.rate:g} Hz"
    return Trajectory(analysis.checkpoint_name, kind, analysis.frames.copy(), poses, piece, True, how)


@dataclass(frozen=True)
class Row:
    """A figure of both trajectories.

    Attributes:
        name, unit: of the figure.
        higher_is_better: None where neither is.
        a, b: means over the clips that both have; NaN where there is none.
        difference: of b minus a, over the same clips.
        low, high: its 95 % interval by a paired bootstrap over clips, or over drives where there are several; NaN for
            fewer than FEWEST.
        clips: how many.
    """

    name: str
    unit: str
    higher_is_better: bool | None
    a: float
    b: float
    difference: float
    low: float
    high: float
    clips: int

    @property
    def verdict(self) -> Winner | None:
        """Who is better beyond the interval's doubt; None where neither is, or by a rounding of numbers alone."""
        if self.higher_is_better is None or not np.isfinite(self.low) or self.low <= 0 <= self.high:
            return None
        if abs(self.difference) <= _ROUNDING * max(abs(self.a), abs(self.b)):
            return None
        return "b" if (self.low > 0) == self.higher_is_better else "a"


@dataclass(frozen=True)
class Stretch:
    """Transitions [start, stop) where one is nearer to the truth, or, without truth, where the two are apart.

    ``degrees`` is the mean of the larger of rotation and direction error by which they differ; ``first_frame`` and
    ``last_frame`` are drive frames, inclusive.
    """

    winner: Winner
    start: int
    stop: int
    first_frame: int
    last_frame: int
    degrees: float


@dataclass(frozen=True)
class ClipPair:
    """Both trajectories' figures of one clip of CLIP samples.

    Attributes:
        first_frame, last_frame: of the drive.
        start: its first sample of the analysis.
        a, b: the figures.
        drive: the drive's fingerprint.
        regimes: of its motion, as ``clip_regimes`` names them, without the frame rate.
    """

    first_frame: int
    last_frame: int
    start: int
    a: ClipMetrics
    b: ClipMetrics
    drive: str
    regimes: frozenset[str]

    def touches(self, ranges: Sequence[tuple[int, int]]) -> bool:
        """Whether it shares a frame with one of the ranges (first, last), both inclusive."""
        return any(first <= self.last_frame and last >= self.first_frame for first, last in ranges)

    def holds(self, runs: Sequence[tuple[int, int]]) -> bool:
        """Whether it shares a transition with one of the runs [start, stop) of the analysis's transitions."""
        return any(start < self.start + CLIP - 1 and stop > self.start for start, stop in runs)


@dataclass(frozen=True)
class Comparison:
    """Trajectory b against a at a's samples.

    Attributes:
        apart: [T] rotation and direction from a's steps to b's, and b's step length over a's.
        errors_a, errors_b: [T] against the truth; None where the drive has none.
        rows: the table over all clips.
        stretches: the widest differences first.
        clips: what the table is made of, for tables of a part of them; none without truth.
    """

    apart: TransitionErrors
    errors_a: TransitionErrors | None
    errors_b: TransitionErrors | None
    rows: tuple[Row, ...]
    stretches: tuple[Stretch, ...]
    clips: tuple[ClipPair, ...]


class Figure(NamedTuple):
    """Name, field of ClipMetrics, unit, whether higher is better, whether it needs metres."""

    name: str
    key: str
    unit: str
    higher_is_better: bool
    metres: bool


FIGURES = (
    Figure("AUC@5 signed", "auc5_signed", "", True, False),
    Figure("AUC@5", "auc5", "", True, False),
    Figure("AUC@30 signed", "auc30_signed", "", True, False),
    Figure("Rotation within 5°", "rra5", "%", True, False),
    Figure("Direction within 5°, signed", "rta5_signed", "%", True, False),
    Figure("ATE-S", "ate_s", "", False, False),
    Figure("ATE-M", "ate_m", "m", False, True),
    Figure("Scale error", "scale_error", "", False, True),
    Figure("RPE translation", "rpe_translation", "m/s", False, True),
    Figure("RPE rotation", "rpe_rotation", "°/s", False, False),
)


def compare(analysis: DriveAnalysis, other: Trajectory, drive: Drive | None) -> Comparison:
    """Compare ``other`` with an analysis of ``drive``, against its true poses where it has them."""
    frames, steps_a = analysis.frames, analysis.relative
    steps_b, known_b = other.steps(frames)
    both = analysis.done & known_b
    apart = step_errors(steps_b, steps_a, both)
    if drive is None or drive.poses is None or drive.pose_valid is None:
        score = _score(apart)
        known = score[np.isfinite(score)]
        threshold = max(1.0, float(np.percentile(known, 80))) if len(known) else 1.0
        stretches = _stretches(np.where(score > threshold, score, 0.0), frames, "apart", "apart")
        return Comparison(apart, None, None, _rows_apart(apart), stretches, ())
    truth, valid = drive.poses[frames], drive.pose_valid[frames]
    true_steps, known_t = relative(truth), valid[:-1] & valid[1:]
    errors_a = step_errors(steps_a, true_steps, analysis.done & known_t)
    errors_b = step_errors(steps_b, true_steps, known_b & known_t)
    gain = _score(errors_b) - _score(errors_a)
    clips = []
    for start in _clip_starts(both & known_t):
        part = slice(start, start + CLIP - 1)
        true, times = truth[start : start + CLIP], analysis.times[start : start + CLIP]
        a, b = (clip_metrics(accumulate(s[part]), true, times) for s in (steps_a, steps_b))
        first, last = int(frames[start]), int(frames[start + CLIP - 1])
        regimes = frozenset(name for name in clip_regimes(true, times) if not name.startswith("rate "))
        clips.append(ClipPair(first, last, start, a, b, drive.fingerprint, regimes))
    stretches = _stretches(gain, frames, "a", "b")
    return Comparison(apart, errors_a, errors_b, table(clips, other.metric), stretches, tuple(clips))


def table(clips: Sequence[ClipPair], metric: bool) -> tuple[Row, ...]:
    """The figures over these clips; those in metres only where b's lengths are ``metric``.

    Clips of one drive are alike: where there are several drives, the bootstrap draws drives with all their clips.
    """
    assert {f.name for f in fields(ClipMetrics)} >= {figure.key for figure in FIGURES}
    return tuple(row_of(figure, clips if metric or not figure.metres else ()) for figure in FIGURES)


def row_of(figure: Figure, clips: Sequence[ClipPair]) -> Row:
    """One figure over these clips."""
    name, key, unit, higher, _ = figure
    values = np.array([[getattr(clip.a, key), getattr(clip.b, key)] for clip in clips]).reshape(-1, 2)
    known = np.isfinite(values).all(1)
    values = values[known]
    if not len(values):
        nan = float("nan")
        return Row(name, unit, higher, nan, nan, nan, nan, nan, 0)
    difference = values[:, 1] - values[:, 0]
    _, drive = np.unique([clip.drive for clip, good in zip(clips, known, strict=True) if good], return_inverse=True)
    low = high = float("nan")
    if drive.max() == 0 and len(difference) >= FEWEST:
        low, high = interval(difference, np.mean)  # type: ignore[arg-type]
    elif drive.max() + 1 >= FEWEST:
        low, high = interval(np.stack([np.bincount(drive, difference), np.bincount(drive)], 1), _pooled)
    a, b = values.mean(0)
    return Row(name, unit, higher, float(a), float(b), float(difference.mean()), low, high, len(values))


def _pooled(values: Array, axis: int) -> Array:
    """Mean over clips of drives with sums and counts [..., 2]."""
    return np.asarray(values[..., 0].sum(axis) / values[..., 1].sum(axis))


def _clip_starts(usable: NDArray[np.bool_]) -> list[int]:
    """First samples of neighbouring clips whose transitions are all usable."""
    starts, run = [], 0
    for transition, good in enumerate(usable):
        run = run + 1 if good else 0
        if run == CLIP - 1:
            starts.append(transition - CLIP + 2)
            run = 0
    return starts


def _rows_apart(apart: TransitionErrors) -> tuple[Row, ...]:
    """Medians over transitions, where there is no truth that could say who is right."""
    nan = float("nan")
    rows = []
    for name, unit, values in (
        ("Rotation apart, median", "°", np.degrees(apart.rotation)),
        ("Direction apart, median", "°", np.degrees(apart.direction)),
        ("Step length b / a, median", "", apart.scale_ratio),
    ):
        known = values[np.isfinite(values)]
        middle = float(np.median(known)) if len(known) else nan
        rows.append(Row(name, unit, None, nan, nan, middle, nan, nan, len(known)))
    return tuple(rows)


def _score(errors: TransitionErrors) -> Array:
    """The larger of rotation and direction error [T] in degrees; the rotation's where nothing moves."""
    return np.degrees(np.fmax(errors.rotation, errors.direction))


def _stretches(gain: Array, frames: NDArray[np.int64], positive: Winner, negative: Winner) -> tuple[Stretch, ...]:
    """Runs of transitions whose smoothed ``gain`` [T] in degrees keeps its sign; NaN ends a run."""
    known = np.isfinite(gain)
    weights = np.convolve(known.astype(float), np.ones(SMOOTH), "same") if len(gain) else np.zeros(0)
    sums = np.convolve(np.where(known, gain, 0.0), np.ones(SMOOTH), "same") if len(gain) else np.zeros(0)
    smooth = (sums / np.maximum(weights, 1.0))[: len(gain)]
    sign = np.where(known & (np.abs(smooth) >= LEAST_GAIN), np.sign(smooth), 0.0)
    edges = np.concatenate([[0], np.flatnonzero(np.diff(sign)) + 1, [len(sign)]]).astype(int)
    found = [
        Stretch(
            positive if sign[a] > 0 else negative, int(a), int(b), int(frames[a]), int(frames[b]),
            float(np.abs(gain[a:b].mean())),
        )
        for a, b in itertools.pairwise(edges)
        if b - a >= LEAST_LENGTH and sign[a] != 0
    ]  # fmt: skip
    return tuple(sorted(found, key=lambda s: -s.degrees * (s.stop - s.start)))
