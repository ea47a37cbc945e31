"""The figures beside the 3D paths: errors in metres under the chosen alignment, and lengths."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from html import escape

import numpy as np

from lapose_core.geometry import path_length
from lapose_inspector.models.colours import OTHER, PREDICTION, TRUTH
from lapose_inspector.models.paths import PathSegment, PositionErrors
from lapose_inspector.models.session import Session


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
    here = errors.at(frame)
    share = errors.position[-1] / errors.true_length if errors.true_length > 1.0 else np.nan
    drift = f" ({share:.1%} of path)" if np.isfinite(share) else ""
    return (
        f"RMSE {metres(errors.rmse)} · here {metres(here[0]) if here else '–'} · "
        f"end drift {metres(float(errors.position[-1]))}{drift}"
    )


def legend(session: Session, shown: Collection[str], coloured_by: str) -> list[str]:
    """What the colours of the ``shown`` paths mean, as HTML; the prediction's may be those of a quantity."""
    entries = []
    if session.true_segments() and "truth" in shown:
        entries.append(f'<span style="color:{TRUTH}">&#9644;</span> Ground truth')
    if session.predicted_segments() and "prediction" in shown:
        coloured = f", coloured by {coloured_by}" if coloured_by in session.series.series else ""
        entries.append(f'<span style="color:{PREDICTION}">&#9644;</span> Prediction{coloured}')
    other = session.comparison.other
    if other is not None and "other" in shown:
        entries.append(f'<span style="color:{OTHER}">&#9644;</span> {escape(other.name)}')
    if session.drive is not None and not session.true_segments():
        entries.append("no ground truth in this log")
    return entries


def pointed_out(session: Session, which: str, frame: int, errors: PositionErrors | None) -> str:
    """What is said of a path's sample under the mouse."""
    other = session.comparison.other
    names = {"truth": "Ground truth", "prediction": "Prediction", "other": other.name if other else ""}
    lines = [f"{names[which]}, frame {frame}, {session.timeline.time_of(frame):.2f} s"]
    error = errors.at(frame) if errors is not None and which != "other" else None
    if error is not None:
        lines.append(f"position error {metres(error[0])}, rotation error {np.degrees(error[1]):.2f}°")
    return "\n".join(lines)
