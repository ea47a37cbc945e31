"""The values at the cursor that stand beside the tracks."""

from __future__ import annotations

import numpy as np

from lapose_core.geometry import Array
from lapose_inspector.models.colours import OTHER, PREDICTION, TRUTH
from lapose_inspector.models.series import Series
from lapose_inspector.visuals.tracks import Readout


def readout(series: Series, other: Array | None, at: int | None, neutral: str | None) -> Readout:
    """The prediction's value at a transition, the truth's and, where there are ``other`` values [T], theirs; of a
    series that is neither prediction nor truth its own alone, in the colour ``neutral``."""
    predicted = _number(series, series.shown, at)
    if neutral is not None:
        parts = [(predicted, neutral)]
    else:
        true = "–" if series.shown_truth is None else _number(series, series.shown_truth, at)
        parts = [(f"● {predicted}", PREDICTION), (f"◆ {true}", TRUTH)]
    if other is not None:
        parts.append((f"■ {_number(series, other, at)}", OTHER))
    return Readout(tuple(parts))


def _number(series: Series, shown: Array, at: int | None) -> str:
    """The value without its unit, which stands beside the track's name; a dash where there is none."""
    if at is None or not np.isfinite(shown[at]):
        return "–"
    sign = "+" if series.signed else ""
    return f"{shown[at]:{sign}.{series.digits}f}".replace("-", "−")
