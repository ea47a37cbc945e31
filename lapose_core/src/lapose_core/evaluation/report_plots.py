"""The figures of a report, as SVG text that needs nothing from outside the page."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lapose_core.evaluation.aligned import AlignedSegment
from lapose_core.evaluation.regimes import TRANSITION_NAMES, forward_steps, signed_length, transition_regimes
from lapose_core.geometry import Array, invert, relative, yaw
from lapose_core.inference.errors import transition_errors
from lapose_core.inference.result import DriveAnalysis
from lapose_core.palette import PREDICTION, REGIMES, TRUTH

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "lapose",  # the same report twice is the same file
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#8b93a1",
    "axes.grid": True,
    "grid.color": "#e4e7ec",
    "axes.axisbelow": True,
    "xtick.color": "#4b5363",
    "ytick.color": "#4b5363",
}
_RASTER_ABOVE = 4000  # points: beyond, an embedded picture is smaller than their paths


def trajectory_svg(analysis: DriveAnalysis, segments: Sequence[AlignedSegment]) -> str:
    """Top view in metres, in the axes of the first known camera: x to its right, z ahead of it."""
    truth, valid = analysis.truth, analysis.truth_valid
    first = segments[0].poses[0]
    if truth is not None and valid is not None and valid.any():
        first = truth[int(np.argmax(valid))]
    to_first = invert(first)

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        if truth is not None and valid is not None and valid.any():
            line = (to_first @ truth)[:, [0, 2], 3]
            line[~valid] = np.nan
            axes.plot(line[:, 0], line[:, 1], color=TRUTH, linewidth=2.2, label="truth")
        for i, segment in enumerate(segments):
            line = (to_first @ segment.poses)[:, [0, 2], 3]
            label = "prediction" if i == 0 else None
            axes.plot(line[:, 0], line[:, 1], color=PREDICTION, linewidth=1.5, label=label)
            axes.plot(*line[0], "o", color=PREDICTION, markersize=5, label="start" if i == 0 else None)
        axes.set_aspect("equal", adjustable="datalim")
        axes.set_xlabel("x, to the right of the first camera, m")
        axes.set_ylabel("z, ahead of the first camera, m")
        axes.legend(frameon=False, loc="best")

    return _svg(draw, (6.4, 5.2))


def latent_svg(analysis: DriveAnalysis) -> str:
    """The latent actions on their first two principal components, coloured by yaw rate; '' below three."""
    done = analysis.done & np.isfinite(analysis.latents).all(axis=1)
    if done.sum() < 3:
        return ""
    latents = analysis.latents[done].astype(np.float64)
    latents -= latents.mean(axis=0)
    u, s, _ = np.linalg.svd(latents, full_matrices=False)
    share = s**2 / max(float((s**2).sum()), 1e-300)
    points = np.zeros((len(latents), 2))
    points[:, : min(2, len(s))] = (u * s)[:, :2]
    rate, source = _predicted_yaw_rate(analysis), "predicted"
    if (known := _true_motion(analysis)) is not None:
        rate, source = known[1], "true"
    rate = rate[done]
    limit = float(np.nanpercentile(np.abs(rate), 98)) if np.isfinite(rate).any() else 0.0

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        drawn = axes.scatter(
            points[:, 0],
            points[:, 1],
            c=np.where(np.isfinite(rate), rate, 0.0),
            cmap="PuOr",
            vmin=-max(limit, 1e-3),
            vmax=max(limit, 1e-3),
            s=16,
            edgecolors="#30303055",
            linewidths=0.4,
            rasterized=len(points) > _RASTER_ABOVE,
        )
        figure.colorbar(drawn, ax=axes, label=f"{source} yaw rate, °/s (positive: right)")
        axes.set_xlabel(f"first principal component, {100 * share[0]:.0f} % of the variance")
        second = share[1] if len(share) > 1 else 0.0
        axes.set_ylabel(f"second, {100 * second:.0f} %")

    return _svg(draw, (6.4, 5.2))


def tracks_svg(analysis: DriveAnalysis) -> str:
    """Speed, yaw rate, errors, scale and forward cross-entropy over time, one above the other."""
    times = (analysis.times[:-1] + analysis.times[1:]) / 2 - analysis.times[0]
    done = analysis.done
    speed = np.where(done, signed_length(analysis.relative) / np.diff(analysis.times), np.nan)
    known = _true_motion(analysis)
    errors = transition_errors(analysis)
    rows: list[tuple[str, Array, str, Array | None]] = [
        ("speed, m/s", speed, PREDICTION, None if known is None else known[0]),
        ("yaw rate, °/s", _predicted_yaw_rate(analysis), PREDICTION, None if known is None else known[1]),
    ]
    if errors.valid.any():
        rows += [
            ("rotation error, °", np.degrees(errors.rotation), "#333a47", None),
            ("direction error, °", np.degrees(errors.direction), "#333a47", None),
            ("step, predicted / true", errors.scale_ratio, "#333a47", None),
        ]
    rows.append(("forward model,\nnats per code", analysis.cross_entropy, "#333a47", None))

    def draw(figure: Figure) -> None:
        heights = [1.0] * len(rows) + ([0.22] if known is not None else [])
        grid = figure.subplots(len(heights), 1, sharex=True, gridspec_kw={"height_ratios": heights})
        for axes, (label, values, colour, truth) in zip(grid, rows):
            if truth is not None:
                axes.plot(times, truth, color=TRUTH, linewidth=1.8, label="truth")
            axes.plot(times, values, color=colour, linewidth=1.2, label="prediction")
            axes.set_ylabel(label, rotation=0, ha="right", va="center")
        # Above the first row, where no line can run under it.
        grid[0].legend(frameon=False, loc="lower right", bbox_to_anchor=(1.0, 0.98), ncols=2, fontsize=8)
        if known is not None:
            _regime_band(grid[-1], analysis)
        grid[-1].set_xlabel("time from the first sample, s")
        grid[-1].set_xlim(0.0, analysis.times[-1] - analysis.times[0])
        figure.align_ylabels()

    return _svg(draw, (10.4, 1.15 * len(rows) + 0.9))


def _predicted_yaw_rate(analysis: DriveAnalysis) -> Array:
    """[M - 1] degrees per second, NaN where not analysed."""
    rate = np.degrees(yaw(analysis.relative[:, :3, :3])) / np.diff(analysis.times)
    return np.where(analysis.done, rate, np.nan)


def _true_motion(analysis: DriveAnalysis) -> tuple[Array, Array, NDArray[np.bool_]] | None:
    """True speed in m/s and yaw rate in degrees per second [M - 1], NaN where unknown, and where known."""
    if analysis.truth is None or analysis.truth_valid is None:
        return None
    valid = analysis.truth_valid[:-1] & analysis.truth_valid[1:]
    seconds = np.diff(analysis.times)
    speed = np.where(valid, forward_steps(analysis.truth) / seconds, np.nan)
    rate = np.degrees(yaw(relative(analysis.truth)[:, :3, :3])) / seconds
    return speed, np.where(valid, rate, np.nan), valid


def _regime_band(axes: Axes, analysis: DriveAnalysis) -> None:
    assert analysis.truth is not None
    known = _true_motion(analysis)
    assert known is not None
    names = np.where(known[2], transition_regimes(analysis.truth, analysis.times), "")
    edges = analysis.times - analysis.times[0]
    runs = np.flatnonzero(np.r_[True, names[1:] != names[:-1], True])
    for start, stop in pairwise(runs.tolist()):
        if names[start]:
            axes.axvspan(edges[start], edges[stop], color=REGIMES[str(names[start])], linewidth=0)
    axes.set_yticks([])
    axes.grid(visible=False)
    axes.set_ylabel("regime", rotation=0, ha="right", va="center")
    from matplotlib.patches import Patch

    present = [name for name in TRANSITION_NAMES if name in names]
    axes.legend(
        handles=[Patch(color=REGIMES[name], label=name) for name in present],
        frameon=False,
        loc="lower left",
        bbox_to_anchor=(0.0, 0.95),
        ncols=len(TRANSITION_NAMES),
        fontsize=8,
        borderpad=0,
    )


def _svg(draw: Any, size: tuple[float, float]) -> str:
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=size, layout="constrained")
        FigureCanvasSVG(figure)
        draw(figure)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", dpi=150, metadata={"Date": None})
    text = buffer.getvalue()
    # Inside a page only the element itself belongs: no prolog, and no metadata that names outside addresses.
    text = text[text.index("<svg") :]
    return re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
