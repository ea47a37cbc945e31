"""How far each predicted transition lies from the true one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lapose_core.drive import Drive
from lapose_core.geometry import Array, relative, rotation_angle
from lapose_core.inference.result import DriveAnalysis

# A shorter true step has no direction and no scale worth comparing (the published protocol's figure).
STANDSTILL_STEP = 0.1  # metres


@dataclass(frozen=True)
class TransitionErrors:
    """Errors of M-1 transitions; NaN wherever a value does not exist.

    Attributes:
        rotation: [M-1] radians, angle between the predicted and the true relative rotation.
        direction: [M-1] radians in [0, pi], angle between the predicted and the true translation as vectors
            (the signed variant: driving backwards predicted as forwards is pi). NaN at standstill; pi where
            the model predicts no motion at all on a moving car.
        scale_ratio: [M-1] predicted over true step length; NaN at standstill.
        valid: [M-1] bool: analysed, and the truth of both ends is known.
    """

    rotation: Array
    direction: Array
    scale_ratio: Array
    valid: NDArray[np.bool_]


def transition_errors(analysis: DriveAnalysis, drive: Drive | None = None) -> TransitionErrors:
    """Errors of every transition of ``analysis`` against the poses of ``drive``.

    Without a drive, the truth that the analysis carries is used, so a stored result suffices.

    Raises:
        ValueError: where the drive is not the one that was analysed.
    """
    truth, known = analysis.truth, analysis.truth_valid
    if drive is not None:
        if analysis.frames[-1] >= len(drive):
            raise ValueError(f"{drive.path}: {len(drive)} frames, but the result reaches frame {analysis.frames[-1]}")
        truth = None if drive.poses is None else drive.poses[analysis.frames]
        known = None if drive.pose_valid is None else drive.pose_valid[analysis.frames]
    nothing = np.full(len(analysis.done), np.nan)
    if truth is None or known is None:
        return TransitionErrors(nothing, nothing.copy(), nothing.copy(), np.zeros(len(nothing), bool))

    return step_errors(analysis.relative, relative(truth), analysis.done & known[:-1] & known[1:])


def step_errors(predicted: Array, true_step: Array, valid: NDArray[np.bool_]) -> TransitionErrors:
    """How far relative poses [T, 4, 4] lie from others, where ``valid`` [T] says that both are known."""
    rotation = rotation_angle(np.swapaxes(true_step[:, :3, :3], -1, -2) @ predicted[:, :3, :3])
    t, p = true_step[:, :3, 3], predicted[:, :3, 3]
    length, predicted_length = np.linalg.norm(t, axis=1), np.linalg.norm(p, axis=1)
    # atan2 of the cross and the dot product stays exact for nearly parallel vectors, where acos does not.
    direction = np.arctan2(np.linalg.norm(np.cross(t, p), axis=1), (t * p).sum(1))
    direction[predicted_length < 1e-9] = np.pi
    moving = valid & (length >= STANDSTILL_STEP)
    return TransitionErrors(
        rotation=np.where(valid, rotation, np.nan),
        direction=np.where(moving, direction, np.nan),
        scale_ratio=np.where(moving, predicted_length / np.maximum(length, STANDSTILL_STEP), np.nan),
        valid=valid,
    )
