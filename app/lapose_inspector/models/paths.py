"""Paths through a drive in world coordinates, the predicted one laid on the true one, and the errors between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lapose_core.drive import Drive
from lapose_core.geometry import Array, interpolate_poses, path_length, rotation_angle
from lapose_inspector.models.display import Alignment

if TYPE_CHECKING:
    from lapose_core.inference.result import DriveAnalysis


@dataclass(frozen=True)
class PathSegment:
    """A contiguous stretch of a trajectory in world coordinates.

    Attributes:
        frames: [n] drive frame of each pose.
        poses: [n, 4, 4] camera-to-world.
        first: index of the first sample in the analysis, so that poses[i] -> poses[i + 1] is transition
            ``first + i``; for true paths, the first frame.
        scale: what the alignment multiplied the predicted path by.
        matched: how many samples the alignment used.
        last_frame: the last frame for which the last pose stands; that pose's own frame unless the drive goes
            on for less than a sampling period.
    """

    frames: NDArray[np.int64]
    poses: Array
    first: int
    scale: float = 1.0
    matched: int = 0
    last_frame: int = -1

    def __post_init__(self) -> None:
        object.__setattr__(self, "last_frame", max(self.last_frame, int(self.frames[-1])))

    @cached_property
    def centres(self) -> Array:
        """Camera centres [n, 3] in the world."""
        return np.ascontiguousarray(self.poses[:, :3, 3])

    @cached_property
    def travelled(self) -> Array:
        """Metres [n] along the path from its first pose to each."""
        return np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(self.centres, axis=0), axis=1))])

    def prepare(self) -> None:
        """Make now what drawing asks for; in a thread that may take its time."""
        _ = self.travelled

    def poses_at(self, frames: NDArray[np.int64]) -> Array:
        """Camera-to-world poses [m, 4, 4] at ``frames`` [m] of this stretch, interpolated between samples; the last
        pose stands for the frames from its own to ``last_frame``.
        """
        at = np.clip(frames, self.frames[0], self.frames[-1]).astype(np.float64)
        return interpolate_poses(self.poses, self.frames.astype(np.float64), at)

    def pose_at(self, frame: int) -> Array:
        """The same [4, 4] at one frame, looking at no other samples than those around it."""
        at = max(int(np.searchsorted(self.frames, frame, side="right")) - 1, 0)
        if frame >= self.frames[-1] or self.frames[at] == frame:
            return self.poses[at]
        first = min(at, max(len(self.frames) - 2, 0))
        pair = slice(first, first + 2)
        near = PathSegment(self.frames[pair], self.poses[pair], self.first + first)
        return near.poses_at(np.array([frame]))[0]


@dataclass(frozen=True)
class PositionErrors:
    """Errors at the samples that have a true pose, in the order of the path.

    Attributes:
        frames: [K] drive frames.
        position: [K] metres from the true to the aligned predicted camera centre.
        rotation: [K] radians between the true and the aligned predicted orientation.
        predicted_length, true_length: metres travelled over the stretches that both paths know.
    """

    frames: NDArray[np.int64]
    position: Array
    rotation: Array
    predicted_length: float
    true_length: float

    @cached_property
    def rmse(self) -> float:
        """Root mean square of the position errors, in metres."""
        return float(np.sqrt(np.mean(self.position**2)))

    def at(self, frame: int) -> tuple[float, float] | None:
        """Position (m) and rotation (rad) error of the last sample at or before ``frame``."""
        i = int(np.searchsorted(self.frames, frame, side="right")) - 1
        return (float(self.position[i]), float(self.rotation[i])) if i >= 0 else None


def position_errors(segments: Sequence[PathSegment], drive: Drive | None) -> PositionErrors | None:
    """Errors of the aligned predicted segments against the drive's truth; None where nothing matches."""
    if drive is None or drive.poses is None or drive.pose_valid is None:
        return None
    frames, position, rotation = [], [], []
    predicted_length = true_length = 0.0
    for segment in segments:
        valid = drive.pose_valid[segment.frames]
        if not valid.any():
            continue
        predicted, true = segment.poses[valid], drive.poses[segment.frames[valid]]
        frames.append(segment.frames[valid])
        position.append(np.linalg.norm(predicted[:, :3, 3] - true[:, :3, 3], axis=1))
        rotation.append(rotation_angle(true[:, :3, :3].transpose(0, 2, 1) @ predicted[:, :3, :3]))
        predicted_length += path_length(predicted)
        true_length += path_length(true)
    if not frames:
        return None
    joined = np.concatenate(frames)
    return PositionErrors(joined, np.concatenate(position), np.concatenate(rotation), predicted_length, true_length)


@dataclass(frozen=True)
class PredictedPath:
    """The predicted path of every contiguous analysed stretch, laid on the truth; without truth each begins at the
    identity.

    Attributes:
        alignment: how they were laid on it.
        errors: what is left between the two; None where nothing matches.
    """

    alignment: Alignment
    segments: list[PathSegment]
    errors: PositionErrors | None


def predicted_path(analysis: DriveAnalysis, drive: Drive, alignment: Alignment, last_frame: int) -> PredictedPath:
    """Lay the prediction on the drive's truth; the pose of the last sample stands until ``last_frame``."""
    out = []
    for start, stop in analysis.segments():
        poses, frames = analysis.trajectory(start, stop), analysis.frames[start:stop]
        scale, matched = 1.0, 0
        if drive.poses is not None and drive.pose_valid is not None:
            from lapose_core.evaluation.metrics import align

            valid = drive.pose_valid[frames]
            matched = int(valid.sum())
            if matched:
                fit = align(poses[valid], drive.poses[frames[valid]], alignment)
                poses, scale = fit.poses(poses), fit.scale
        held = last_frame if stop == len(analysis.frames) else -1
        out.append(PathSegment(frames, poses, start, scale, matched, held))
    return PredictedPath(alignment, out, position_errors(out, drive))
