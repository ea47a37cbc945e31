"""Poses known at times of their own, brought to the times of a drive's frames."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lapose_core.geometry import Array, interpolate_poses

# Writers round times; a frame this close to a pose, or to the span of the poses, is meant to be there.
_ROUNDING = 1e-3


@dataclass(frozen=True)
class FramePoses:
    """Poses [N, 4, 4] of a drive's N frames, valid where ``valid`` [N]; identity elsewhere."""

    poses: Array
    valid: NDArray[np.bool_]
    provenance: str
    notes: tuple[str, ...] = ()


def poses_at(times: Array, pose_times: Array, poses: Array, *, max_gap: float) -> FramePoses:
    """Poses of the frames at ``times`` [M], in seconds, from poses [N, 4, 4] known at ``pose_times`` [N].

    Centres are interpolated linearly, rotations along the shortest arc (`interpolate_poses`). A frame outside
    the span of the poses, or between two poses more than ``max_gap`` seconds apart, has none: nothing is
    extrapolated. The provenance says how and with which bound, and a note how many frames are without.

    Raises:
        ValueError: where the lengths differ, or ``pose_times`` are not finite and strictly increasing.
    """
    times, pose_times = np.asarray(times, np.float64), np.asarray(pose_times, np.float64)
    if len(pose_times) != len(poses):
        raise ValueError(f"poses_at: {len(poses)} poses for {len(pose_times)} times")
    if not np.isfinite(pose_times).all() or (np.diff(pose_times) <= 0).any():
        raise ValueError("poses_at: the times of the poses do not increase strictly")
    valid = np.zeros(len(times), bool)
    out = np.repeat(np.eye(4)[None], len(times), axis=0)
    if len(pose_times):
        within = (times >= pose_times[0] - _ROUNDING) & (times <= pose_times[-1] + _ROUNDING)
        valid = within & ~_in_gap(pose_times, times, max_gap)
    if valid.any():
        at = np.clip(times[valid], pose_times[0], pose_times[-1])
        out[valid] = interpolate_poses(poses, pose_times, at)
    missing = int((~valid).sum())
    return FramePoses(
        out,
        valid,
        f"interpolated to the frames' times (linear and slerp, gaps of up to {max_gap:g} s)",
        (f"{missing} of {len(times)} frames have no pose.",) if missing else (),
    )


def _in_gap(known: Array, at: Array, max_gap: float) -> NDArray[np.bool_]:
    """Whether each of ``at`` [M] lies between two of the times ``known`` [N] too far apart to interpolate."""
    if len(known) < 2:
        return np.zeros(len(at), bool)
    after = np.clip(np.searchsorted(known, at), 1, len(known) - 1)
    nearest = np.minimum(np.abs(at - known[after - 1]), np.abs(known[after] - at))
    return (np.diff(known)[after - 1] > max_gap) & (nearest > _ROUNDING)
