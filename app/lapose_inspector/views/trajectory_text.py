"""The figures beside the 3D paths: errors in metres under the chosen alignment, and lengths."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lapose_core.drive import Drive
from lapose_core.geometry import Array, path_length, rotation_angle
from lapose_inspector.models.session import PathSegment


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


def metres(value: float) -> str:
    """``3.42 m``, ``81.5 m``, ``1.24 km``."""
    if value >= 1000:
        return f"{value / 1000:.2f} km"
    return f"{value:.1f} m" if value >= 10 else f"{value:.2f} m"


def lengths(errors: PositionErrors | None, segments: Sequence[PathSegment]) -> str:
    """How long the paths are; the true one over the stretch that was predicted."""
    if errors is not None:
        return f"path predicted {metres(errors.predicted_length)}, true {metres(errors.true_length)}"
    return f"path predicted {metres(sum(path_length(s.poses) for s in segments))}" if segments else ""


def summary(errors: PositionErrors | None, frame: int) -> str:
    """The position RMSE, the error at the cursor and the drift at the end; empty without a truth."""
    if errors is None:
        return ""
    rmse = float(np.sqrt(np.mean(errors.position**2)))
    here = errors.at(frame)
    share = errors.position[-1] / errors.true_length if errors.true_length > 1.0 else np.nan
    drift = f" ({share:.1%} of path)" if np.isfinite(share) else ""
    return (
        f"RMSE {metres(rmse)} · here {metres(here[0]) if here else '–'} · "
        f"end drift {metres(float(errors.position[-1]))}{drift}"
    )
