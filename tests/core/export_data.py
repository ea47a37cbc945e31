"""An analysed drive with truth, errors, gaps and annotations, for the tests of exports."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
from analysis_data import empty_analysis, winding_path, windows_of

from lapose_core.annotations import Annotation
from lapose_core.geometry import Array
from lapose_core.inference.result import DriveAnalysis

WHEN = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
NOTES = (
    Annotation("one", 3, 3, "start", "note", "", WHEN, WHEN),
    Annotation("two", 20, 60, "drift", "major", "leaves the lane, <b>twice</b>; „здесь“", WHEN, WHEN, (23, 28)),
    Annotation("three", 900, 950, "outside", "critical", "not in this drive", WHEN, WHEN),
)


def erring(samples: int = 40, truth: bool = True, noise: float = 0.02) -> DriveAnalysis:
    """A whole analysis that errs a little; its frames are 3, 8, 13 ... at 2 Hz."""
    path = winding_path(samples)
    analysis = empty_analysis(samples, truth=path if truth else None)
    analysis.merge_all(windows_of(analysis, path, noise))
    return analysis


def gapped(samples: int = 80) -> DriveAnalysis:
    """Two analysed pieces, the truth known but for some samples in the second."""
    path = winding_path(samples)
    analysis = empty_analysis(samples, truth=path)
    assert analysis.truth_valid is not None
    analysis.truth_valid[70:73] = False
    windows = windows_of(analysis, path)
    analysis.merge_all([windows[0], windows[-1]])
    return analysis


def centres(poses: Array) -> Array:
    return np.asarray(poses)[:, :3, 3]
