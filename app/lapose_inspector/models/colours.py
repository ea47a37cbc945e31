"""Every colour of the program: the two of truth and prediction, the themes, and the maps for values."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from cmap import Color, Colormap
from numpy.typing import NDArray

from lapose_core.evaluation.regimes import TRANSITION_NAMES
from lapose_core.palette import OTHER, PREDICTION, REGIMES, TRUTH
from lapose_inspector.models.series import Series

__all__ = [
    "DARK",
    "LIGHT",
    "OTHER",
    "PREDICTION",
    "TRUTH",
    "ThemeColours",
    "category_colours",
    "colormap_of",
    "limits_of",
    "rgba",
    "series_colours",
]

CATEGORIES = tuple(REGIMES[name] for name in TRANSITION_NAMES)
"""Colours of regimes, in the order of TRANSITION_NAMES."""


FROM_LOWEST = ("time", "cross-entropy", "field of view")
"""Series whose colour map begins at their lowest value: zero is far from all of them."""


def category_colours(series: Series) -> tuple[str, ...]:
    """A colour for each of a series' categories."""
    table = series.colours or CATEGORIES
    return tuple(table[i % len(table)] for i in range(len(series.categories)))


@dataclass(frozen=True)
class ThemeColours:
    """A theme as #rrggbb: widget chrome, canvas and text."""

    window: str
    panel: str
    raised: str
    border: str
    text: str
    muted: str
    accent: str
    on_accent: str
    canvas: str
    grid: str
    cursor: str
    missing: str
    """Points whose value does not exist."""
    warning: str
    selection: str
    """Selected transitions, in every panel."""


DARK = ThemeColours(
    window="#15171c", panel="#1b1e25", raised="#252a33", border="#2e343f", text="#dde1e8", muted="#8d96a6",
    accent="#5aa9e6", on_accent="#0d1117", canvas="#12141a", grid="#2a303b", cursor="#f2f4f8",
    missing="#4a515e", warning="#e6a23c", selection="#ff5cd6",
)  # fmt: skip
LIGHT = ThemeColours(
    window="#eef0f3", panel="#ffffff", raised="#f5f6f8", border="#d4d9e1", text="#1d2330", muted="#657084",
    accent="#1f6fb2", on_accent="#ffffff", canvas="#fbfbfd", grid="#dfe3ea", cursor="#151a24",
    missing="#c3c9d3", warning="#b26a00", selection="#c2008f",
)  # fmt: skip


def rgba(colour: str, alpha: float = 1.0) -> NDArray[np.float32]:
    """A #rrggbb colour as float32 [4] in 0..1."""
    red, green, blue, _ = Color(colour).rgba
    return np.array([red, green, blue, alpha], np.float32)


def colormap_of(series: Series, theme: str = "dark") -> Colormap:
    """Diverging for signed quantities, sequential for magnitudes.

    No end or middle may vanish in the theme's canvas: most yaw rates are near zero, and most errors small.
    """
    if series.signed:
        return Colormap("tol:sunset" if theme == "dark" else "crameri:vik")
    return Colormap("viridis" if series.key in ("speed", "time") else "plasma" if theme == "dark" else "magma_r")


def limits_of(series: Series) -> tuple[float, float]:
    """The values (in shown units) at the two ends of the colour map: robust, and symmetric where signed."""
    if series.key == "confidence":
        return 0.0, 1.0
    shown = series.shown[np.isfinite(series.shown)]
    if not len(shown):
        return (-1.0, 1.0) if series.signed else (0.0, 1.0)
    if series.signed:
        reach = float(np.percentile(np.abs(shown), 98)) or 1.0
        return -reach, reach
    low = float(shown.min()) if series.key in FROM_LOWEST else 0.0
    high = float(np.percentile(shown, 98)) if series.key != "time" else float(shown.max())
    return low, high if high > low else low + 1.0


def series_colours(series: Series, theme: str = "dark", rows: NDArray[np.int64] | None = None) -> NDArray[np.float32]:
    """Colours [T, 4] float32 of a series' values, or of some ``rows`` of them; the theme's ``missing`` where a value
    does not exist."""
    values = series.values if rows is None else series.values[rows]
    missing = rgba((DARK if theme == "dark" else LIGHT).missing)
    out = np.tile(missing, (len(values), 1))
    known = np.isfinite(values)
    if series.categories:
        table = np.stack([rgba(colour) for colour in category_colours(series)])
        out[known] = table[values[known].astype(int)]
    elif known.any():
        low, high = limits_of(series)
        position = np.clip((values[known] * series.factor - low) / (high - low), 0.0, 1.0)
        out[known] = np.asarray(colormap_of(series, theme)(position), np.float32)
    return out
