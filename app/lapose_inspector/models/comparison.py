"""A second trajectory beside the open analysis, and what comparing the two gave."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from psygnal import Signal

from lapose_core.geometry import Array, yaw

if TYPE_CHECKING:
    from lapose_core.evaluation.comparison import Comparison, Trajectory
    from lapose_inspector.models.session import PathSegment, Session


class Compared:
    """The other trajectory, of the open drive; None while nothing is compared."""

    changed = Signal()
    """Another trajectory, or other figures for it."""
    progress_changed = Signal()

    def __init__(self) -> None:
        self.other: Trajectory | None = None
        self.result: Comparison | None = None
        """Against the analysis as it was last compared; None until there is one."""
        self.doing = ""
        """What goes on, in a few words; empty when nothing does."""
        self.share = 0.0
        """How much of it is done, 0 to 1."""
        self.problem = ""
        """Why the last wish could not be carried out, in one line."""

    def set_other(self, other: Trajectory | None) -> None:
        """Compare with this trajectory; its figures come later."""
        self.other, self.result = other, None
        self.changed.emit()

    def set_result(self, result: Comparison | None) -> None:
        self.result = result
        self.changed.emit()

    def say(self, doing: str = "", share: float = 0.0, problem: str = "") -> None:
        """Tell what goes on, or what went wrong."""
        self.doing, self.share, self.problem = doing, share, problem
        self.progress_changed.emit()


def other_series(session: Session, key: str) -> Array | None:
    """The other trajectory's values [T] of a series of the session, in shown units; None where it has none."""
    other, result, series = session.comparison.other, session.comparison.result, session.series
    if other is None or key not in series.series or not len(series):
        return None
    factor = series[key].factor
    if key.endswith("error"):
        errors = None if result is None else result.errors_b
        values = {
            "rotation error": None if errors is None else errors.rotation,
            "direction error": None if errors is None else errors.direction,
            "scale error": None if errors is None or not other.metric else errors.scale_ratio - 1.0,
        }.get(key)
        return None if values is None or len(values) != len(series) else values * factor
    steps, known = other.steps(series.frames)
    seconds = np.diff(series.times)
    if key == "speed" and other.metric:
        return np.where(known, np.linalg.norm(steps[:, :3, 3], axis=1) / seconds, np.nan) * factor
    if key == "yaw rate":
        return np.where(known, yaw(steps[:, :3, :3]) / seconds, np.nan) * factor
    return None


def other_segments(session: Session) -> list[PathSegment]:
    """The other path in world coordinates, laid on the truth as the prediction is, or, without truth, on the
    prediction. Where its unit is not the metre it is scaled, whatever alignment is chosen."""
    from lapose_core.evaluation.metrics import align
    from lapose_inspector.models.session import PathSegment

    other, drive = session.comparison.other, session.drive
    if other is None or drive is None:
        return []
    anchors = session.true_segments() or session.predicted_segments()
    mode = session.display.alignment if other.metric else "sim3"
    out = []
    for part in other.pieces():
        frames, poses = other.frames[part], other.poses[part]
        ours, theirs = [np.zeros((0, 4, 4))], [np.zeros((0, 4, 4))]
        for anchor in anchors:
            shared = (frames >= anchor.frames[0]) & (frames <= anchor.frames[-1])
            if shared.any():
                ours.append(poses[shared])
                theirs.append(anchor.poses_at(frames[shared]))
        matched = sum(map(len, ours))
        scale = 1.0
        if matched > 1:
            fit = align(np.concatenate(ours), np.concatenate(theirs), mode)
            poses, scale = fit.poses(poses), fit.scale
        out.append(PathSegment(frames, poses, 0, scale, matched))
    return out
