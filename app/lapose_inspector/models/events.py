"""Places in a drive worth jumping to."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lapose_inspector.models.series import SeriesSet

PEAK_PERCENTILE = 90.0
"""A local maximum of an error counts as a peak when it lies above this percentile of the drive's errors."""


def event_frames(series: SeriesSet) -> NDArray[np.int64]:
    """Drive frames [E], increasing, at which the regime changes or the rotation or direction error peaks."""
    changes = np.zeros(0, np.int64)
    if "regime" in series.series:
        regime = series["regime"].values
        both = np.isfinite(regime[1:]) & np.isfinite(regime[:-1])
        changes = np.flatnonzero(both & (np.diff(regime) != 0)) + 1
    return np.union1d(series.frames[changes], error_frames(series))


def error_frames(series: SeriesSet) -> NDArray[np.int64]:
    """Drive frames [E], increasing, at which the rotation or direction error peaks."""
    found = [_peaks(series[key].values) for key in ("rotation error", "direction error") if key in series.series]
    return series.frames[np.unique(np.concatenate(found))] if found else np.zeros(0, np.int64)


def nearest(frames: NDArray[np.int64], frame: int, direction: int) -> int | None:
    """The nearest of ``frames`` [E], increasing, after ``frame`` (``direction`` > 0) or before it; None if there is
    none."""
    beyond = frames[frames > frame] if direction > 0 else frames[frames < frame]
    if not len(beyond):
        return None
    return int(beyond[0] if direction > 0 else beyond[-1])


def next_event(series: SeriesSet, frame: int, direction: int, notes: Sequence[int] = ()) -> int | None:
    """The event or the beginning of a note (``notes``: frames) nearest to ``frame`` after it (``direction`` > 0) or
    before it; None where there is none."""
    return nearest(np.union1d(event_frames(series), np.asarray(notes, np.int64)), frame, direction)


def _peaks(values: NDArray[np.float64]) -> NDArray[np.int64]:
    known = np.isfinite(values)
    if known.sum() < 3:
        return np.zeros(0, np.int64)
    filled = np.where(known, values, -np.inf)
    padded = np.concatenate([[-np.inf], filled, [-np.inf]])
    top = (padded[1:-1] > padded[:-2]) & (padded[1:-1] >= padded[2:])
    return np.flatnonzero(top & known & (filled > np.percentile(values[known], PEAK_PERCENTILE)))
