"""The figures beside the 3D paths: errors in metres under the chosen alignment, and lengths."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lapose_core.geometry import path_length
from lapose_inspector.models.paths import PathSegment, PositionErrors


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
