"""What follows from a drive and a snapshot of its analysis: made in any thread, changed in none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lapose_core.drive import Drive
from lapose_inspector.models.display import Alignment
from lapose_inspector.models.paths import PredictedPath, predicted_path
from lapose_inspector.models.series import SeriesSet, build_series
from lapose_inspector.models.usual import Usual, usual_of

if TYPE_CHECKING:
    from lapose_core.inference.errors import TransitionErrors
    from lapose_core.inference.result import DriveAnalysis


@dataclass(frozen=True)
class Derived:
    """A snapshot of an analysis, and what is shown of it.

    Attributes:
        analysis: nobody changes it afterwards.
        errors: against the truth; None for a drive without.
        path: under the alignment that was chosen when it was made.
    """

    analysis: DriveAnalysis
    errors: TransitionErrors | None
    series: SeriesSet
    path: PredictedPath
    usual: Usual


def derive(
    drive: Drive, rate: float, analysis: DriveAnalysis, alignment: Alignment, before: Derived | None = None
) -> Derived:
    """Series, errors and path of a snapshot. What does not change while an analysis grows is taken from ``before``,
    an earlier snapshot of the same drive."""
    errors = None
    if drive.poses is not None:
        from lapose_core.inference.errors import transition_errors

        errors = transition_errors(analysis, drive)
    series = build_series(drive, rate, analysis, errors, before.series if before is not None else None)
    path = predicted_path(analysis, drive, alignment, series.last_frame)
    for one in series.series.values():
        one.prepare()
    for segment in path.segments:
        segment.prepare()
    return Derived(analysis, errors, series, path, usual_of(analysis))
