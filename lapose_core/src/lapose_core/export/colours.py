"""Colours of exported paths: those of truth and prediction, and error as colour."""

from __future__ import annotations

import numpy as np

from lapose_core.export.bundle import Exported
from lapose_core.geometry import Array
from lapose_core.palette import PREDICTION, TRUTH

ERROR_MAP, YAW_MAP = "inferno", "PuOr"


def rgb(colour: str) -> tuple[float, float, float]:
    """Red, green and blue in 0..1 of ``#rrggbb``."""
    r, g, b = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    return r, g, b


def path_colours(bundle: Exported, which: str) -> Array:
    """Colours [M, 3] in 0..1: the truth in its own; the prediction by its position error where there is one."""
    own = np.tile(rgb(TRUTH if which == "truth" else PREDICTION), (len(bundle), 1))
    if which == "truth":
        return own
    return np.where(np.isfinite(bundle["position_error"])[:, None], error_colours(bundle), own)


def error_colours(bundle: Exported) -> Array:
    """Colours [M, 3] in 0..1 of the position errors, from zero (dark) to their maximum (light); NaN is as zero."""
    import matplotlib

    error = np.nan_to_num(bundle["position_error"])
    # The map's last tenth is nearly white, which no light background shows.
    return np.asarray(matplotlib.colormaps[ERROR_MAP](0.9 * error / max(float(error.max()), 1e-9)))[:, :3]


def error_limit(bundle: Exported) -> float:
    """The position error in metres at the light end of the colours; 0 without errors."""
    error = bundle["position_error"]
    return float(np.nanmax(error)) if np.isfinite(error).any() else 0.0


def yaw_rates(bundle: Exported) -> tuple[Array, float]:
    """Yaw rates [M] in rad/s, the true ones where known and 0 where neither is, and the limit of their colours."""
    rate = np.where(np.isfinite(bundle["true_yaw_rate"]), bundle["true_yaw_rate"], bundle["yaw_rate"])
    limit = float(np.nanpercentile(np.abs(rate), 98)) if np.isfinite(rate).any() else 0.0
    return np.nan_to_num(rate), max(limit, 1e-6)


def yaw_rate_colours(bundle: Exported) -> Array:
    """Colours [M, 3] in 0..1 of the yaw rates: orange to the left, violet to the right."""
    import matplotlib

    rate, limit = yaw_rates(bundle)
    return np.asarray(matplotlib.colormaps[YAW_MAP](0.5 + 0.5 * rate / limit))[:, :3]
