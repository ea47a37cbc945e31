"""What is exported: one immutable description of a stretch of an analysed drive, that every format writes from.

Poses are camera-to-world in OpenCV camera axes (x right, y down, z forward), metres. Both paths share one world: that
of the true poses, or without any the axes of the first camera of each piece.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from lapose_core.annotations import SEVERITIES, Annotation, Severity
from lapose_core.drive import Drive, indices_at_rate
from lapose_core.evaluation.aligned import AlignedSegment, aligned_segment, require_same_samples
from lapose_core.evaluation.metrics import Alignment
from lapose_core.evaluation.regimes import transition_regimes
from lapose_core.geometry import Array, relative, upright, yaw
from lapose_core.inference.errors import transition_errors
from lapose_core.inference.result import DriveAnalysis

AXES = "camera-to-world, camera axes x right, y down, z forward (OpenCV), metres, seconds, radians"


@dataclass(frozen=True)
class Choice:
    """Which part of an analysis leaves the program.

    Attributes:
        first, last: frames of the drive, both included; None is its end.
        rate: samples per second at the most; None keeps every analysed sample.
        alignment: how the prediction is laid on the truth.
        annotations: whether they go along, those with one of ``labels`` (None: all) that are at least as grave as
            ``severity``.
        segment: which contiguous analysed piece (0 is the first); None for all of them.
    """

    first: int = 0
    last: int | None = None
    rate: float | None = None
    alignment: Alignment = "se3"
    annotations: bool = True
    labels: frozenset[str] | None = None
    severity: Severity = "note"
    segment: int | None = None

    def takes(self, note: Annotation) -> bool:
        """Whether an annotation is among those wanted, wherever it lies."""
        grave = SEVERITIES.index(note.severity) >= SEVERITIES.index(self.severity)
        return self.annotations and grave and (self.labels is None or note.label in self.labels)


@dataclass(frozen=True)
class Column:
    """A value of every sample: ``values`` [M], NaN (or '' for words) where there is none, in ``unit``."""

    name: str
    unit: str
    description: str
    values: NDArray


@dataclass(frozen=True)
class Exported:
    """A stretch of an analysed drive with M samples.

    Attributes:
        drive_name, model, rate: what was analysed by which checkpoint, at how many samples a second.
        first_frame, last_frame: the range that was asked for, as far as there are frames; the samples lie in it.
        frames: [M] frame of the drive.
        times: [M] seconds on the drive's clock.
        predicted: [M, 4, 4] aligned; identity where ``predicted_valid`` [M] is False.
        truth: [M, 4, 4], identity where ``truth_valid`` [M] is False.
        piece: [M] number of the contiguous analysed piece, -1 outside of all. Poses of different pieces do not join.
        columns: errors, confidence and motion of every sample, those of a transition at the sample it begins at.
        latents: [M, A] float32 of the same transitions, NaN where there is none.
        annotations: those that touch the frames.
        alignment: how the prediction was laid on the truth, in words.
        drive: the log, for pictures, camera, point clouds and where on the Earth it is; None where it is not at hand.
        segments: the aligned pieces, whole, by their numbers.
        analysis, choice: what all of it was taken from, and how.
    """

    drive_name: str
    model: str
    rate: float
    first_frame: int
    last_frame: int
    frames: NDArray[np.int64]
    times: Array
    predicted: Array
    predicted_valid: NDArray[np.bool_]
    truth: Array
    truth_valid: NDArray[np.bool_]
    piece: NDArray[np.int64]
    columns: tuple[Column, ...]
    latents: NDArray[np.float32]
    annotations: tuple[Annotation, ...]
    alignment: str
    analysis: DriveAnalysis
    choice: Choice = field(default_factory=Choice)
    segments: Mapping[int, AlignedSegment] = field(default_factory=dict)
    drive: Drive | None = field(default=None, repr=False)

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, name: str) -> Array:
        """The values [M] of a column."""
        return next(column.values for column in self.columns if column.name == name)

    @property
    def centre(self) -> Array:
        """World point [3] to subtract before float32: the first known camera centre."""
        for poses, valid in ((self.truth, self.truth_valid), (self.predicted, self.predicted_valid)):
            if valid.any():
                return poses[int(np.argmax(valid)), :3, 3].copy()
        return np.zeros(3)

    @property
    def upright(self) -> Array:
        """Rotation [3, 3] from the world to one whose z points up, as 3D programs want it.

        Up is where the cameras' y axes point away from; a world that is level already is only turned by its axes.
        """
        poses, valid = (
            (self.truth, self.truth_valid) if self.truth_valid.any() else (self.predicted, self.predicted_valid)
        )
        if not valid.any():
            return np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])
        return upright(poses[valid])

    @property
    def placed(self) -> NDArray[np.bool_]:
        """[M] where the predicted pose lies in the world of the true ones, by its piece's alignment."""
        numbers = [number for number, segment in self.segments.items() if segment.similarity is not None]
        return self.predicted_valid & np.isin(self.piece, numbers)

    def runs(self, which: str) -> list[NDArray[np.int64]]:
        """Sample numbers of the contiguous stretches of the ``predicted`` or ``truth`` path."""
        valid = self.predicted_valid if which == "predicted" else self.truth_valid
        key = np.where(valid, self.piece if which == "predicted" else 0, -1)
        edges = np.flatnonzero(np.diff(key, prepend=-2, append=-2))
        return [np.arange(a, b) for a, b in itertools.pairwise(edges) if key[a] >= 0]

    def notes_at(self, row: int) -> list[Annotation]:
        """The annotations that touch the frames from sample ``row`` to the one before the next sample.

        What lies before the first sample stands with it.
        """
        first = int(self.frames[row]) if row else self.first_frame
        last = int(self.frames[row + 1]) - 1 if row + 1 < len(self.frames) else self.last_frame
        return [a for a in self.annotations if a.first_frame <= last and a.last_frame >= first]

    def rows_of(self, note: Annotation) -> NDArray[np.int64]:
        """The samples whose frames, up to the one before the next sample, an annotation touches; one at the least."""
        begin = int(np.searchsorted(self.frames, note.first_frame, side="right")) - 1
        end = int(np.searchsorted(self.frames, note.last_frame, side="right"))
        begin = min(max(begin, 0), len(self) - 1)
        return np.arange(begin, max(end, begin + 1))

    def description(self) -> dict[str, str]:
        """What a reader of the file should know, for formats that have metadata."""
        from lapose_core import __version__

        return {
            "drive": self.drive_name,
            "model": self.model,
            "rate_hz": f"{self.rate:g}",
            "frames": f"{self.frames[0]} to {self.frames[-1]}, {len(self)} samples",
            "alignment": self.alignment,
            "axes": AXES,
            "world": "that of the log's true poses" if self.truth_valid.any() else "the first camera's axes",
            "transitions": "values of a transition stand at the sample it begins at",
            "software": f"LA-Pose Inspector {__version__}",
        }


def export_bundle(
    analysis: DriveAnalysis,
    choice: Choice | None = None,
    *,
    drive: Drive | None = None,
    annotations: Iterable[Annotation] = (),
) -> Exported:
    """The chosen part of an analysis.

    The prediction is aligned piece by piece over whole pieces, as the program shows it, and cut afterwards.

    Raises:
        ValueError: where the range holds no sample, the piece does not exist or the rate is not positive.
        LogError: where ``drive`` is not the one that was analysed.
    """
    choice = choice or Choice()
    if drive is not None:
        require_same_samples(analysis, drive)
    pieces = analysis.segments()
    if choice.segment is not None and not 0 <= choice.segment < len(pieces):
        raise ValueError(f"segment {choice.segment}: {piece_words(analysis)}; choose one of these with --segment")
    numbers = range(len(pieces)) if choice.segment is None else [choice.segment]
    segments = {i: aligned_segment(analysis, *pieces[i], choice.alignment) for i in numbers}
    kept = _kept(analysis, choice, segments.get(-1 if choice.segment is None else choice.segment))

    count = len(analysis)
    predicted, valid = np.tile(np.eye(4), (count, 1, 1)), np.zeros(count, bool)
    piece = np.full(count, -1)
    for number, segment in segments.items():
        part = slice(segment.start, segment.stop)
        predicted[part], valid[part], piece[part] = segment.poses, True, number
    truth, known = np.tile(np.eye(4), (count, 1, 1)), np.zeros(count, bool)
    if analysis.truth is not None and analysis.truth_valid is not None:
        truth, known = analysis.truth, analysis.truth_valid
    columns = [
        Column(c.name, c.unit, c.description, c.values[kept])
        for c in _columns(analysis, predicted, valid, truth, known)
    ]
    latents = np.full((count, analysis.latent_dim), np.nan, np.float32)
    latents[:-1] = analysis.latents
    frames = analysis.frames[kept]
    first, last = _range(analysis, choice, frames, drive)
    return Exported(
        drive_name=analysis.drive_name,
        model=f"{analysis.checkpoint_name} ({analysis.checkpoint_hash})",
        rate=analysis.rate,
        first_frame=first,
        last_frame=last,
        frames=frames,
        times=analysis.times[kept],
        predicted=predicted[kept],
        predicted_valid=valid[kept],
        truth=truth[kept],
        truth_valid=known[kept],
        piece=piece[kept],
        columns=tuple(columns),
        latents=latents[kept],
        annotations=_touching(annotations, choice, first, last),
        alignment=_alignment_words(list(segments.values())),
        analysis=analysis,
        choice=choice,
        segments=segments,
        drive=drive,
    )


def piece_words(analysis: DriveAnalysis) -> str:
    """How many analysed pieces there are and which frames they hold."""
    pieces = analysis.segments()
    listed = ", ".join(f"{i}: frames {analysis.frames[a]}-{analysis.frames[b - 1]}" for i, (a, b) in enumerate(pieces))
    return f"the analysis has {len(pieces)} pieces that do not join ({listed})"


def _kept(analysis: DriveAnalysis, choice: Choice, only: AlignedSegment | None) -> NDArray[np.int64]:
    """Numbers of the samples that are exported, of one piece ``only`` or of all."""
    last = int(analysis.frames[-1]) if choice.last is None else choice.last
    inside = (analysis.frames >= choice.first) & (analysis.frames <= last)
    if only is not None:
        number = np.arange(len(analysis))
        inside &= (number >= only.start) & (number < only.stop)
    kept = np.flatnonzero(inside)
    if not len(kept):
        raise ValueError(
            f"frames {choice.first} to {last} hold no analysed sample; the samples reach from frame "
            f"{analysis.frames[0]} to {analysis.frames[-1]}"
        )
    return kept if choice.rate is None else kept[indices_at_rate(analysis.times[kept], choice.rate)]


def _range(analysis: DriveAnalysis, choice: Choice, frames: NDArray[np.int64], drive: Drive | None) -> tuple[int, int]:
    """First and last frame of what is exported: also those that no sample falls on."""
    if choice.segment is not None:
        return int(frames[0]), int(frames[-1])
    step = int(np.median(np.diff(analysis.frames)))
    end = int(analysis.frames[-1]) + step - 1 if drive is None else len(drive) - 1
    last = end if choice.last is None else min(choice.last, end)
    return min(max(choice.first, 0), int(frames[0])), max(last, int(frames[-1]))


def _alignment_words(segments: Sequence[AlignedSegment]) -> str:
    if not segments:
        return "none: nothing is predicted here"
    words = [segment.alignment for segment in segments]
    return words[0] if len(words) == 1 else "; ".join(f"piece {i}: {w}" for i, w in enumerate(words))


def _touching(annotations: Iterable[Annotation], choice: Choice, first: int, last: int) -> tuple[Annotation, ...]:
    return tuple(a for a in annotations if a.first_frame <= last and a.last_frame >= first and choice.takes(a))


def _columns(
    analysis: DriveAnalysis, predicted: Array, valid: NDArray[np.bool_], truth: Array, known: NDArray[np.bool_]
) -> list[Column]:
    """The values of all M samples."""
    seconds = np.diff(analysis.times)
    errors = transition_errors(analysis)
    speed = np.linalg.norm(analysis.relative[:, :3, 3], axis=1) / seconds
    turn = yaw(analysis.relative[:, :3, :3]) / seconds
    both = known[:-1] & known[1:]
    steps = relative(truth)
    true_speed = np.where(both, np.linalg.norm(steps[:, :3, 3], axis=1) / seconds, np.nan)
    true_turn = np.where(both, yaw(steps[:, :3, :3]) / seconds, np.nan)
    regime = np.where(both, transition_regimes(truth, analysis.times), "") if both.any() else np.full(len(both), "")
    off = np.linalg.norm(predicted[:, :3, 3] - truth[:, :3, 3], axis=1)

    def at_start(values: NDArray) -> NDArray:
        end = np.array([""]) if values.dtype.kind == "U" else np.array([np.nan])
        return np.concatenate([values, end])

    done = analysis.done
    transitions = (
        ("next_frame", "frame", "frame that the transition leads to", analysis.frames[1:].astype(np.float64)),
        ("speed", "m/s", "predicted", np.where(done, speed, np.nan)),
        ("true_speed", "m/s", "by the true poses", true_speed),
        ("yaw_rate", "rad/s", "predicted, positive to the right", np.where(done, turn, np.nan)),
        ("true_yaw_rate", "rad/s", "by the true poses, positive to the right", true_turn),
        ("rotation_error", "rad", "angle between predicted and true rotation", errors.rotation),
        ("direction_error", "rad", "angle between predicted and true translation, signed", errors.direction),
        ("scale_ratio", "1", "predicted over true step length", errors.scale_ratio),
        ("confidence", "1", "probability that it is none of the worst (docs/confidence.md)", analysis.confidence),
        ("cross_entropy", "nats/code", "of the forward model's prediction of the next frame", analysis.cross_entropy),
        ("translation_spread", "m", "standard deviation between overlapping windows", analysis.translation_spread),
        ("rotation_spread", "rad", "standard deviation between overlapping windows", analysis.rotation_spread),
        ("fov", "rad", "predicted horizontal field of view of the model's image", analysis.fov),
        ("scale", "m", "the model's metric scale, metres per transition", analysis.scale),
        ("regime", "", "kind of motion by the true poses", regime),
    )
    return [
        Column("position_error", "m", "between the aligned and the true centre", np.where(valid & known, off, np.nan)),
        *(Column(name, unit, words, at_start(values)) for name, unit, words, values in transitions),
    ]
