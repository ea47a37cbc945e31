"""A drive cut into segments of one kind of motion, each with its errors and tags: the rows of a triage list.

A segment never mixes standing, reversing and driving forwards: a failed manoeuvre is a row of its own and not the
tail of a good one. Stretches of one kind are divided evenly into pieces of at most 16 samples, the protocol's clip.
The kind comes from the true poses where they are known and from the predicted ones elsewhere. Curvature does not
cut: from one transition to the next it flickers between its classes.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from lapose_core.evaluation.baselines import constant_forward
from lapose_core.evaluation.evaluate import Clip, ClipScore, Evaluation, rescored
from lapose_core.evaluation.metrics import ate, clip_metrics
from lapose_core.evaluation.regimes import STANDSTILL_SPEED, clip_regimes, signed_length
from lapose_core.geometry import Array, invert, relative
from lapose_core.inference.errors import TransitionErrors, transition_errors
from lapose_core.inference.result import DriveAnalysis

LENGTH = 16
"""Samples of the longest segment."""
SHORTEST = 4
"""Samples below which a segment has no AUC, and a change of motion does not cut."""

HARD_BRAKING = 3.0
"""m/s^2 of deceleration over about a second; comfortable braking stays below 2."""
BRAKING_SECONDS = 0.8

NIGHT_LUMINANCE = 0.30
"""Mean of the model's input, 0..1, below which a segment is tagged ``night``. Of 60 synthetic drives seven of the nine
nights and one dusk are below it and no day; real daylight in the shade comes down to 0.31."""
LOW_TEXTURE = 0.02
"""Mean gradient of the model's input, 0..1 per pixel, below which a segment is tagged ``low texture``: of the same
drives those in fog and no other."""

_FROM_MOTION = frozenset({"braking", "hard_braking"})
"""Labels of a log that are computed here, for every log alike."""


@dataclass(frozen=True)
class Segment:
    """Samples [start, stop) of an analysis. What does not exist is NaN.

    Attributes:
        drive: its name.
        start, stop: samples; the last one is the first of the neighbour that follows.
        first_frame, last_frame: of the drive.
        worst_frame: where the error is largest; without truth, where the confidence is lowest.
        begin, end: seconds from the drive's first sample.
        tags: names as in ``clip_regimes`` without the frame rate, and ``hard braking``, ``night``, ``low texture``.
        score: the figures of the segment as a clip, beside constant-forward; None without truth or below SHORTEST.
        rotation: median angle in degrees between a predicted and a true relative rotation.
        direction: median angle in degrees, in [0, 180], between the translations.
        scale: median predicted over true step length, less one.
        ate_cost: metres by which the ATE (SE(3)) of the whole stretch would fall were this segment's motion true;
            negative where its error makes up for another.
        confidence: mean over its transitions, 0..1.
        errors: [n] larger of rotation and direction error of each transition, in degrees.
        doubt: [n] 1 - confidence of each transition.
    """

    drive: str
    start: int
    stop: int
    first_frame: int
    last_frame: int
    worst_frame: int
    begin: float
    end: float
    tags: frozenset[str] = frozenset()
    score: ClipScore | None = field(default=None, repr=False)
    rotation: float = float("nan")
    direction: float = float("nan")
    scale: float = float("nan")
    ate_cost: float = float("nan")
    confidence: float = float("nan")
    errors: Array = field(default_factory=lambda: np.zeros(0), repr=False, compare=False)
    doubt: Array = field(default_factory=lambda: np.zeros(0), repr=False, compare=False)

    @property
    def auc5(self) -> float:
        """AUC@5 with the signed direction, 0 to 100; NaN at standstill and without truth."""
        return float("nan") if self.score is None else self.score.model.auc5_signed

    @property
    def least_confidence(self) -> float:
        """Of any of its transitions, 0..1; NaN where none is known."""
        known = self.doubt[np.isfinite(self.doubt)]
        return float(1 - known.max()) if len(known) else float("nan")

    @property
    def auc5_forward(self) -> float:
        """The same of constant-forward."""
        return float("nan") if self.score is None else self.score.forward.auc5_signed


@dataclass(frozen=True)
class Pictures:
    """What the pictures of M samples are like, as the model sees them; NaN where not known.

    Attributes:
        luminance: [M] mean of the picture, 0..1.
        texture: [M] mean length of the luminance's gradient, per pixel.
    """

    luminance: Array
    texture: Array


def segment_drive(
    analysis: DriveAnalysis,
    labels: Mapping[str, NDArray] | None = None,
    pictures: Pictures | None = None,
    confidence: Array | None = None,
) -> list[Segment]:
    """Segments of all that is analysed, in the order of the drive; the truth is the one that the analysis carries.

    Args:
        labels: what the log says of each of the drive's frames, name -> [N] (``Drive.regimes``).
        pictures: of the samples; without them a drive whose log does not say has no ``night`` and no ``low texture``.
        confidence: [M - 1] of the transitions, 0..1.
    """
    known = _known(analysis)
    kinds = _kinds(analysis, known)
    errors = transition_errors(analysis)
    found = []
    for first, last in _cuts(kinds, analysis.done):
        segment = _described(analysis, first, last, known, labels, pictures, confidence)
        found.append(_scored(analysis, segment, errors) if known[first:last].all() else segment)
    return _with_cost(analysis, found, known)


def breakdown(segments: Sequence[Segment]) -> Evaluation | None:
    """The table of regimes over segments with truth: counts, intervals, constant-forward; None where there are none.

    A segment counts as one clip.
    """
    scores = [segment.score for segment in segments if segment.score is not None]
    return rescored(scores) if scores else None


def _known(analysis: DriveAnalysis) -> NDArray[np.bool_]:
    """Which transitions [M - 1] have truth at both ends."""
    if analysis.truth is None or analysis.truth_valid is None:
        return np.zeros(len(analysis.done), bool)
    return analysis.truth_valid[:-1] & analysis.truth_valid[1:]


def _motion(analysis: DriveAnalysis, known: NDArray[np.bool_]) -> Array:
    """Signed speed [M - 1] in m/s: true where known, else predicted."""
    steps = signed_length(analysis.relative)
    if analysis.truth is not None:
        steps = np.where(known, signed_length(relative(analysis.truth)), steps)
    return steps / np.diff(analysis.times)


def _kinds(analysis: DriveAnalysis, known: NDArray[np.bool_]) -> NDArray[np.int64]:
    """A number [M - 1] that is the same for transitions that may share a segment."""
    speed = _motion(analysis, known)
    motion = np.where(np.abs(speed) < STANDSTILL_SPEED, 0, np.where(speed < 0, 1, 2))
    return motion + 3 * known


def _cuts(kinds: NDArray[np.int64], done: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """First transition and the one after the last of each segment."""
    out = []
    for begin, end in _runs(np.where(done, kinds // 3, -1)):
        if not done[begin]:
            continue
        for a, b in _merged(kinds[begin:end]):
            pieces = -(-(b - a) // (LENGTH - 1))
            edges = begin + np.round(np.linspace(a, b, pieces + 1)).astype(int)
            out += [(int(i), int(j)) for i, j in itertools.pairwise(edges)]
    return out


def _runs(values: NDArray) -> list[tuple[int, int]]:
    """[start, stop) of each run of equal values."""
    edges = [0, *(np.flatnonzero(np.diff(values)) + 1).tolist(), len(values)]
    return list(itertools.pairwise(edges))


def _merged(kinds: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Runs of equal kinds, none shorter than a segment may be unless it is the only one: the shortest takes the kind of
    the longer of its neighbours, again and again."""
    kinds = kinds.copy()
    while len(runs := _runs(kinds)) > 1:
        lengths = [b - a for a, b in runs]
        at = int(np.argmin(lengths))
        if lengths[at] >= SHORTEST - 1:
            break
        beside = [i for i in (at - 1, at + 1) if 0 <= i < len(runs)]
        kinds[slice(*runs[at])] = kinds[runs[max(beside, key=lambda i: lengths[i])][0]]
    return runs


def _described(
    analysis: DriveAnalysis,
    first: int,
    last: int,
    known: NDArray[np.bool_],
    labels: Mapping[str, NDArray] | None,
    pictures: Pictures | None,
    confidence: Array | None,
) -> Segment:
    start, stop = first, last + 1
    samples, transitions = slice(start, stop), slice(first, last)
    times, frames = analysis.times[samples], analysis.frames[samples]
    if analysis.truth is not None and known[transitions].all():
        poses = analysis.truth[samples]
    else:
        poses = analysis.trajectory(start, stop)
    kept = {name: np.asarray(v)[frames] for name, v in (labels or {}).items() if name not in _FROM_MOTION}
    tags = {name for name in clip_regimes(poses, times, kept) if not name.startswith("rate ")}
    if _brakes_hard(signed_length(relative(poses)) / np.diff(times), times):
        tags.add("hard braking")
    if pictures is not None:
        if "night" not in kept and _median(pictures.luminance[samples]) < NIGHT_LUMINANCE:
            tags.add("night")
        if _median(pictures.texture[samples]) < LOW_TEXTURE:
            tags.add("low texture")
    sure = np.full(last - first, np.nan) if confidence is None else confidence[transitions]
    return Segment(
        drive=analysis.drive_name,
        start=start,
        stop=stop,
        first_frame=int(frames[0]),
        last_frame=int(frames[-1]),
        worst_frame=int(frames[_largest(-sure)]),
        begin=float(times[0] - analysis.times[0]),
        end=float(times[-1] - analysis.times[0]),
        tags=frozenset(tags),
        confidence=float(np.nanmean(sure)) if np.isfinite(sure).any() else float("nan"),
        errors=np.full(last - first, np.nan),
        doubt=1.0 - sure,
    )


def _scored(analysis: DriveAnalysis, segment: Segment, errors: TransitionErrors) -> Segment:
    """The segment with its errors; its truth is known throughout."""
    assert analysis.truth is not None
    predicted, truth = analysis.trajectory(segment.start, segment.stop), analysis.truth[segment.start : segment.stop]
    transitions = slice(segment.start, segment.stop - 1)
    rotation, direction = np.degrees(errors.rotation[transitions]), np.degrees(errors.direction[transitions])
    score = None
    if len(truth) >= SHORTEST:
        times = analysis.times[segment.start : segment.stop]
        clip = Clip(
            predicted=predicted,
            truth=truth,
            times=times,
            regimes=segment.tags,
            log=segment.drive,
            first_frame=segment.first_frame,
            last_frame=segment.last_frame,
        )
        forward = clip_metrics(constant_forward(len(truth)), truth, times)
        score = ClipScore(clip, clip_metrics(predicted, truth, times), forward, segment.tags)
    worst = np.fmax(rotation, direction)
    return replace(
        segment,
        worst_frame=int(analysis.frames[segment.start + _largest(worst)]),
        score=score,
        rotation=_median(rotation),
        direction=_median(direction),
        scale=_median(errors.scale_ratio[transitions]) - 1.0,
        errors=worst,
    )


def _brakes_hard(speed: Array, times: Array) -> bool:
    """Whether |speed| [n] of transitions between ``times`` [n + 1] falls by HARD_BRAKING over BRAKING_SECONDS or
    somewhat more."""
    middle, speed = (times[1:] + times[:-1]) / 2, np.abs(speed)
    later = np.searchsorted(middle, middle + BRAKING_SECONDS - 1e-9)
    usable = later < len(middle)
    first, then = np.flatnonzero(usable), later[usable]
    return bool(((speed[first] - speed[then]) / (middle[then] - middle[first]) > HARD_BRAKING).any())


def _median(values: Array) -> float:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if len(known) else float("nan")


def _largest(values: Array) -> int:
    """Where [n] values are largest; the middle where none is known."""
    return int(np.nanargmax(values)) if np.isfinite(values).any() else len(values) // 2


def _with_cost(analysis: DriveAnalysis, segments: list[Segment], known: NDArray[np.bool_]) -> list[Segment]:
    """The segments with ``ate_cost``, each in the contiguous analysed stretch that it is a part of."""
    truth = analysis.truth
    if truth is None or analysis.truth_valid is None:
        return segments
    out = list(segments)
    for begin, end in analysis.segments():
        valid = analysis.truth_valid[begin:end]
        if valid.sum() < 2:
            continue
        poses, true = analysis.trajectory(begin, end), truth[begin:end]
        now = ate(poses[valid, :3, 3], true[valid, :3, 3])
        for i, segment in enumerate(out):
            if begin <= segment.start and segment.stop <= end and known[segment.start : segment.stop - 1].all():
                a, b = segment.start - begin, segment.stop - 1 - begin
                repaired = poses.copy()
                repaired[a : b + 1] = poses[a] @ invert(true[a]) @ true[a : b + 1]
                repaired[b + 1 :] = repaired[b] @ invert(poses[b]) @ poses[b + 1 :]
                out[i] = replace(segment, ate_cost=now - ate(repaired[valid, :3, 3], true[valid, :3, 3]))
    return out
