"""The classical baselines on the very clips that the model was scored on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from lapose_core.drive import Drive, LogError
from lapose_core.evaluation.classical import ClassicalTrajectory, Method, load_method
from lapose_core.evaluation.evaluate import Clip, Evaluation, evaluate_clips, rescored
from lapose_core.evaluation.numbers import number

if TYPE_CHECKING:
    from lapose_core.evaluation.drives import DriveClips


@dataclass(frozen=True)
class BaselineResult:
    """One baseline over all clips.

    Attributes:
        name: as the user gives it.
        trajectories: of each clip, in the clips' order.
        evaluation: its figures. A clip whose scale is arbitrary has no ATE-M and no scale error.
    """

    name: str
    trajectories: list[ClassicalTrajectory]
    evaluation: Evaluation

    @property
    def coverage(self) -> float:
        """Share of all frames that geometry placed, 0 to 1."""
        return float(np.concatenate([t.registered for t in self.trajectories]).mean())

    @property
    def scaled(self) -> int:
        """Clips with a metric scale."""
        return sum(t.scaled for t in self.trajectories)

    def to_json(self) -> dict[str, Any]:
        """Plain values: the evaluation's, and per clip what geometry could place."""
        first = self.trajectories[0]
        document = self.evaluation.to_json({"method": first.method, "intrinsics": "true"})
        for entry, trajectory in zip(document["per_clip"], self.trajectories, strict=True):
            entry |= {
                "coverage": trajectory.coverage,
                "scaled": trajectory.scaled,
                "notes": list(trajectory.notes),
            }
        return document | {"coverage": self.coverage, "scaled_clips": self.scaled}


def load_baselines(names: Sequence[str], drives: Sequence[Drive]) -> dict[str, Method]:
    """The methods of these names, for drives they can run on; it costs little, so ask before the model runs.

    Raises:
        ValueError: on an unknown name, or where a library is absent.
        LogError: where a drive does not know its camera.
    """
    for drive in drives if names else ():
        if drive.intrinsics is None:
            raise LogError(
                f"{drive.path}: the log does not know its camera, which the classical baselines need; "
                "add a calibration to the log or leave --baselines out"
            )
    try:
        return {name: load_method(name) for name in names}
    except ImportError as error:
        raise ValueError(str(error)) from error


def run_baseline(
    name: str,
    method: Method,
    drives: Sequence[Drive],
    found: Sequence[DriveClips],
    progress: Callable[[int], object] | None = None,
) -> BaselineResult:
    """One baseline on the clips that the model gave for each drive. ``progress`` hears of each clip done.

    Raises:
        ValueError: where there are no clips.
    """
    trajectories, clips = [], []
    for drive, of_drive in zip(drives, found, strict=True):
        for clip in of_drive.clips:
            trajectory = trajectory_of(method, drive, clip)
            trajectories.append(trajectory)
            clips.append(replace(clip, predicted=trajectory.poses, fov=None))
            if progress:
                progress(1)
    return BaselineResult(name, trajectories, _without_scale(evaluate_clips(clips), trajectories))


def trajectory_of(method: Method, drive: Drive, clip: Clip) -> ClassicalTrajectory:
    """A method run on the frames of a clip of ``drive``, whole and at their own size.

    Raises:
        LogError: where a frame cannot be decoded.
        ValueError: where the drive does not know its camera.
    """
    if drive.intrinsics is None:
        raise ValueError(f"{drive.path}: the log does not know its camera")
    source = drive.open_frames()
    try:
        images = np.stack([source.read(int(i)) for i in np.searchsorted(drive.timestamps, clip.times)])
    finally:
        source.close()
    return method(images, drive.intrinsics, camera_height=drive.camera_height)


def _without_scale(evaluation: Evaluation, trajectories: Sequence[ClassicalTrajectory]) -> Evaluation:
    """The same figures; those that are metric are dropped for clips whose scale is arbitrary."""
    nan = float("nan")
    scores = [
        score
        if trajectory.scaled
        else replace(score, model=replace(score.model, ate_m=nan, scale_error=nan, rpe_translation=nan))
        for score, trajectory in zip(evaluation.scores, trajectories, strict=True)
    ]
    return rescored(scores)


def baseline_table(results: Sequence[BaselineResult], model: Evaluation) -> str:
    """An aligned text table: the model and each baseline in one row, over all clips."""
    header = f"{'':<18}{'coverage':>9}{'scaled':>8}{'AUC@5 signed [95 %]':>22}{'unsigned':>10}{'AUC@30':>8}"
    header += f"{'skill':>7}{'ATE-S e-2':>11}{'ATE-M m':>9}{'scale err':>11}"
    rows = [header, "-" * len(header), _row("model", "", "", model)]
    for r in results:
        scaled = f"{r.scaled}/{len(r.trajectories)}"
        rows.append(_row(r.name, f"{100 * r.coverage:.0f} %", scaled, r.evaluation))
    return "\n".join(rows)


def _row(name: str, coverage: str, scaled: str, evaluation: Evaluation) -> str:
    s = evaluation.overall
    low, high = s.intervals["auc5_signed"]
    score = number(s.model["auc5_signed"], 1)
    if np.isfinite(low):
        score += f" [{number(low, 1)}, {number(high, 1)}]"
    row = f"{name:<18}{coverage:>9}{scaled:>8}{score:>22}{number(s.model['auc5'], 1):>10}"
    row += f"{number(s.model['auc30_signed'], 1):>8}{number(s.skill_auc5_signed, 2):>7}"
    row += f"{number(100 * s.model['ate_s'], 2):>11}{number(s.model['ate_m'], 2):>9}"
    return row + f"{number(s.model['scale_error'], 2):>11}"


def baseline_footnote(results: Sequence[BaselineResult]) -> str:
    """What the baselines were given and could not do, one line each."""
    lines = []
    for r in results:
        filled = sum(t.coverage < 1 for t in r.trajectories)
        lines.append(
            f"{r.name}: {r.trajectories[0].method}. Frames placed: {100 * r.coverage:.1f} %, the others filled "
            f"with constant velocity (in {filled} of {len(r.trajectories)} clips). Scale from the road and the true "
            f"camera height in {r.scaled} clips; the others have no ATE-M and no scale error"
        )
    return "\n".join(lines)
