"""What can be said of one transition, in words and numbers: error, regime, signs of trouble, training neighbours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lapose_core.geometry import Array, yaw
from lapose_inspector.models.session import Session
from lapose_inspector.models.usual import quantities

if TYPE_CHECKING:
    from lapose_core.inference.latent_reference import LatentReference

ERROR_KEYS = ("rotation error", "direction error", "scale error")


@dataclass(frozen=True)
class Sign:
    """One line of a table: a value at the cursor beside what is usual for this drive."""

    name: str
    here: str
    usual: str
    notable: bool = False


@dataclass(frozen=True)
class Neighbour:
    """A training transition: how far its latent is, how fast it drove and turned."""

    distance: float
    speed: float
    yaw_rate: float
    seconds: float
    clip: int


def rank_words(values: Array, at: int, *, low_is_bad: bool = False) -> str:
    """How the value at ``at`` stands among the known ones, such as ``worse than 92 % of this drive``."""
    known = values[np.isfinite(values)]
    if len(known) < 2 or not np.isfinite(values[at]):
        return ""
    share = float(np.mean(known > values[at]) if low_is_bad else np.mean(known < values[at]))
    return (
        f"worse than {100 * share:.0f} % of this drive"
        if share >= 0.5
        else f"better than {100 * (1 - share):.0f} % of it"
    )


def error_words(session: Session, at: int) -> list[str]:
    """One sentence on each error at a transition; what there is instead without truth."""
    series, out = session.series, []
    for key in ERROR_KEYS:
        one = series.series.get(key)
        if one is None or not np.isfinite(one.values[at]):
            continue
        size = np.abs(one.values)
        out.append(f"{one.label} {one.text(at)}: {rank_words(size, at)}".rstrip(": "))
    if out:
        return out
    if session.drive is not None and session.drive.poses is None:
        return ["No ground truth: the confidence below is all there is to go by."]
    return ["No error is known here: the car stands, or a true pose is missing."]


def motion_words(session: Session, at: int) -> str:
    """Regime, speed and turn."""
    series = session.series
    parts = []
    regime = series.series.get("regime")
    if regime is not None and regime.text(at) != "–":
        parts.append(regime.text(at))
    parts += [f"{series[key].text(at)} predicted" for key in ("speed", "yaw rate") if key in series.series]
    return " · ".join(parts)


def check_signs(session: Session, at: int) -> list[Sign]:
    """What the checks found at a transition, beside this drive's medians."""
    analysis, usual = session.analysis, session.usual
    if analysis is None or usual is None:
        return []
    out = []
    for name, values, unit, digits, warns in quantities(analysis, slice(at, at + 1)):
        here, middle = float(values[0]), usual.medians.get(name)
        if middle is None or not np.isfinite(here):
            out.append(Sign(name, "–", "–"))
            continue
        notable = warns and here > usual.bounds[name]
        out.append(Sign(name, f"{here:.{digits}f} {unit}".rstrip(), f"{middle:.{digits}f} {unit}".rstrip(), notable))
    return out


def neighbours(reference: LatentReference, latent: Array, count: int = 5) -> list[Neighbour]:
    """The training transitions whose latents are nearest to one [A]."""
    distance, index = reference.nearest(np.asarray(latent, np.float32)[None], count)
    out = []
    for d, i in zip(distance[0].tolist(), index[0].tolist(), strict=True):
        seconds = float(reference.seconds[i])
        metres = float(np.linalg.norm(reference.translation[i])) * (-1 if reference.translation[i, 2] < 0 else 1)
        out.append(Neighbour(d, metres / seconds, float(reference.yaw[i]) / seconds, seconds, int(reference.clip[i])))
    return out


def predicted_motion(session: Session, at: int) -> tuple[float, float]:
    """Signed speed in m/s and yaw rate in rad/s that the model predicts."""
    analysis = session.analysis
    assert analysis is not None
    step, seconds = analysis.relative[at], float(np.diff(analysis.times[at : at + 2])[0])
    metres = float(np.linalg.norm(step[:3, 3])) * (-1 if step[2, 3] < 0 else 1)
    return metres / seconds, float(yaw(step[None, :3, :3])[0]) / seconds
