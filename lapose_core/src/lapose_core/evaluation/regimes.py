"""Motion regimes: the kinds of driving that a single average hides.

Curvature classes are those of the paper's ablation, on the arc-length mean of |curvature| (the heading
change summed without sign, over the distance driven): straight below 0.001 1/m, gentle to 0.01, medium to
0.1, sharp above. Heading that changes while the car hardly moves enters the sum only with the distance it
is divided by, so it cannot make a stop a sharp turn.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from lapose_core.evaluation.metrics import STANDSTILL_STEP
from lapose_core.geometry import Array, relative, yaw

CURVATURE_EDGES = (0.001, 0.01, 0.1)  # 1/m
CURVATURE_NAMES = ("straight", "gentle", "medium", "sharp")

#: Mean |acceleration| along the path of a clip, m/s^2: comfortable driving stays below 1, hard braking lies
#: above 3.
ACCELERATION_EDGES = (0.5, 1.5)
ACCELERATION_NAMES = ("acceleration low", "acceleration mid", "acceleration high")

#: Names of :func:`transition_regimes`, in the order the app shows them.
TRANSITION_NAMES = ("standstill", "reverse", *CURVATURE_NAMES)

#: The clip rule of 0.1 m a step, as a speed at the protocol's 2 Hz: a label that does not change with the
#: rate.
STANDSTILL_SPEED = 0.2  # m/s

# A log may label these too, frame by frame; for a clip they follow from its poses, as defined here.
_FROM_POSES = frozenset({"curvature", "acceleration", *TRANSITION_NAMES})

_STILL = 0.02  # metres: below, a transition has no heading per distance


def signed_length(relatives: Array) -> Array:
    """Length in metres of relative poses, [M, 4, 4] -> [M]; negative when driven backwards."""
    step = relatives[:, :3, 3]
    return np.where(step[:, 2] < 0, -1.0, 1.0) * np.linalg.norm(step, axis=1)


def forward_steps(poses: Array) -> Array:
    """Signed length in metres of each transition, [N, 4, 4] -> [N - 1]."""
    return signed_length(relative(poses))


def mean_curvature(poses: Array) -> float:
    """Arc-length mean of |curvature| of poses [N, 4, 4] in 1/m; NaN where they do not move."""
    rel = relative(poses)
    distance = np.linalg.norm(rel[:, :3, 3], axis=1)
    moving = distance > _STILL
    if not moving.any():
        return float("nan")
    return float(np.abs(yaw(rel[moving, :3, :3])).sum() / distance[moving].sum())


def mean_acceleration(poses: Array, times: Array) -> float:
    """Mean |change of speed| in m/s^2 of poses [N, 4, 4] at ``times`` [N]; NaN below three frames."""
    if len(poses) < 3:
        return float("nan")
    speed = forward_steps(poses) / np.diff(times)
    middle = (times[1:] + times[:-1]) / 2
    return float(np.abs(np.diff(speed) / np.diff(middle)).mean())


def clip_regimes(poses: Array, times: Array, labels: Mapping[str, NDArray] | None = None) -> frozenset[str]:
    """Every regime that a clip of true poses [N, 4, 4] at ``times`` [N] seconds belongs to.

    * ``standstill``: mean step below 0.1 m; such a clip has no curvature and no reverse.
    * one of ``straight``, ``gentle``, ``medium``, ``sharp`` by :func:`mean_curvature`.
    * ``reverse``: at least half of the distance is driven backwards (in addition to the curvature).
    * one of ``acceleration low`` (< 0.5), ``mid``, ``high`` (> 1.5 m/s^2) by :func:`mean_acceleration`.
    * ``rate R Hz`` of the frames, from the median step in time.
    * what the log says of its frames, from ``labels`` (name -> [N]): a true/false label where most frames
      have it (``night``), a text label by its commonest value. Labels of what the poses already tell are
      passed over.

    Raises:
        ValueError: where the lengths differ or there are fewer than two frames.
    """
    times = np.asarray(times, dtype=np.float64)
    if len(poses) != len(times) or len(times) < 2:
        raise ValueError(f"clip_regimes: {len(poses)} poses for {len(times)} times; two or more are needed")
    found = {_rate_name(1.0 / float(np.median(np.diff(times)))), *_from_labels(labels or {}, len(times))}
    steps = forward_steps(poses)
    if np.abs(steps).mean() < STANDSTILL_STEP:
        return frozenset({"standstill", *found})
    found.add(CURVATURE_NAMES[int(np.searchsorted(CURVATURE_EDGES, mean_curvature(poses), side="right"))])
    if -steps[steps < 0].sum() >= 0.5 * np.abs(steps).sum():
        found.add("reverse")
    acceleration = mean_acceleration(poses, times)
    if np.isfinite(acceleration):
        found.add(ACCELERATION_NAMES[int(np.searchsorted(ACCELERATION_EDGES, acceleration, side="right"))])
    return frozenset(found)


def transition_regimes(poses: Array, times: Array) -> NDArray[np.str_]:
    """One regime for each transition of poses [N, 4, 4] at ``times`` [N] seconds -> [N - 1] text.

    ``standstill`` below 0.2 m/s, else ``reverse`` when driven backwards, else the class of the transition's
    own |curvature|. The first that applies is the only one.

    Raises:
        ValueError: where the lengths differ.
    """
    times = np.asarray(times, dtype=np.float64)
    if len(poses) != len(times):
        raise ValueError(f"transition_regimes: {len(poses)} poses for {len(times)} times")
    steps = forward_steps(poses)
    distance = np.abs(steps)
    curvature = np.abs(yaw(relative(poses)[:, :3, :3])) / np.maximum(distance, _STILL)
    names = np.array(CURVATURE_NAMES)[np.searchsorted(CURVATURE_EDGES, curvature, side="right")]
    names = np.where(steps < 0, "reverse", names)
    return np.where(distance < STANDSTILL_SPEED * np.diff(times), "standstill", names)


def ordinary_transitions(relatives: Array) -> NDArray[np.bool_]:
    """Which relative poses [M, 4, 4] are ordinary driving: |yaw| below 3.5 degrees and 0.2 to 6 m -> [M]."""
    distance = np.linalg.norm(relatives[:, :3, 3], axis=1)
    turn = np.abs(np.degrees(yaw(relatives[:, :3, :3])))
    return (turn < 3.5) & (distance >= 0.2) & (distance <= 6.0)


def _rate_name(rate: float) -> str:
    # A log at 9.97 Hz belongs with those at 10: whole rates are named when they are met within five percent.
    whole = max(round(rate), 1)
    return f"rate {whole} Hz" if abs(rate - whole) < 0.05 * whole else f"rate {rate:.2g} Hz"


def _from_labels(labels: Mapping[str, NDArray], n: int) -> set[str]:
    found = set()
    for name, values in labels.items():
        if name in _FROM_POSES:
            continue
        values = np.asarray(values)
        if len(values) != n:
            raise ValueError(f"label {name!r} has {len(values)} values for {n} frames")
        if values.dtype == bool:
            if values.mean() > 0.5:
                found.add(name)
        elif values.dtype.kind in "UO":
            kinds, counts = np.unique(values.astype(str), return_counts=True)
            found.add(str(kinds[counts.argmax()]))
    return found
