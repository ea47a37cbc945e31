"""A second trajectory beside the open analysis, and what comparing the two gave."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from msgspec import Struct
from psygnal import Signal

from lapose_core.geometry import Array, yaw
from lapose_core.logs.reader import PoseFrame

if TYPE_CHECKING:
    from lapose_core.evaluation.comparison import ClipPair, Comparison, Trajectory
    from lapose_core.evaluation.set_comparison import Marks, SetComparison
    from lapose_inspector.models.paths import PathSegment
    from lapose_inspector.models.session import Session


@dataclass(frozen=True)
class PoseFile:
    """A trajectory file, the seconds added to its times, and whose axes its poses have."""

    path: Path
    time_offset: float = 0.0
    pose_frame: PoseFrame = "camera"


class Wish(Struct, frozen=True):
    """What is compared with, so that it can be again when the drive is reopened."""

    kind: Literal["opencv", "colmap", "file", "checkpoint", "stored"]
    path: Path | None = None
    """The trajectory file, the checkpoint's folder or the stored result's."""
    time_offset: float = 0.0
    pose_frame: PoseFrame = "camera"


class Compared:
    """The other trajectory, of the open drive; None while nothing is compared."""

    changed = Signal()
    """Another trajectory, or other figures for it."""
    progress_changed = Signal()

    def __init__(self) -> None:
        self.other: Trajectory | None = None
        self.result: Comparison | None = None
        """Against the analysis as it was last compared; None until there is one."""
        self.whole_set: SetComparison | None = None
        """The same two checkpoints on all drives of the set; None while the open drive alone is compared."""
        self.kept: Wish | None = None
        """What the session compares with; None where nothing is, or nothing that can be found again."""
        self.file: PoseFile | None = None
        """The trajectory file that is compared with, or was to be and could not be read."""
        self.marks: dict[str, Marks] = {}
        """Stretches of training manifests, by the manifest's name."""
        self.doing = ""
        """What goes on, in a few words; empty when nothing does."""
        self.share = 0.0
        """How much of it is done, 0 to 1."""
        self.problem = ""
        """Why the last wish could not be carried out, in one line."""

    def set_other(self, other: Trajectory | None) -> None:
        """Compare with this trajectory; its figures come later."""
        self.other, self.result, self.whole_set = other, None, None
        self.changed.emit()

    def set_whole_set(self, found: SetComparison | None) -> None:
        """Show the figures of a whole set, or of the open drive alone."""
        self.whole_set = found
        self.changed.emit()

    def mark(self, name: str, marks: Marks) -> None:
        """Tell the clips of a manifest's stretches from the others."""
        self.marks[name] = marks
        self.changed.emit()

    @property
    def clips(self) -> tuple[ClipPair, ...]:
        """What the figures are over."""
        if self.whole_set is not None:
            return self.whole_set.clips
        return () if self.result is None else self.result.clips

    def set_result(self, result: Comparison | None) -> None:
        self.result = result
        self.changed.emit()

    def set_file(self, file: PoseFile | None) -> None:
        """A trajectory file is read; None where another trajectory is wanted."""
        if file != self.file:
            self.file = file
            self.progress_changed.emit()

    def say(self, doing: str = "", share: float = 0.0, problem: str = "") -> None:
        """Tell what goes on, or what went wrong."""
        self.doing, self.share, self.problem = doing, share, problem
        self.progress_changed.emit()


def parts(session: Session) -> dict[str, list[ClipPair]]:
    """The clips compared, by what a user may want the figures of: all of them, those of each marked kind and the rest,
    and those of each kind of motion. Parts without clips are left out, but for the first."""
    from lapose_core.evaluation.set_comparison import ALL, by_regime, split

    model, clips = session.comparison, list(session.comparison.clips)
    found = {ALL: clips}
    if len(session.selection):
        chosen = [clip.holds(session.selection.runs(clip.drive)) for clip in clips]
        found["Selected"] = [clip for clip, mine in zip(clips, chosen, strict=True) if mine]
        found["Not selected"] = [clip for clip, mine in zip(clips, chosen, strict=True) if not mine]
    for name, marks in model.marks.items():
        found |= split(clips, f"of {name}", marks)
    if session.drive is not None:
        fingerprint, notes = session.drive.fingerprint, session.annotations.notes
        for label in sorted({note.label for note in notes if note.label}):
            ranges = [(note.first_frame, note.last_frame) for note in notes if note.label == label]
            found |= split(clips, f"“{label}”", {fingerprint: ranges})
    found |= by_regime(clips)
    return {name: members for name, members in found.items() if members or name == ALL}


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
    from lapose_inspector.models.paths import PathSegment

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
