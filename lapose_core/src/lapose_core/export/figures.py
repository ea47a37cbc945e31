"""Figures of the exported stretch, by matplotlib: the paths from above, tracks over time, the latent map.

For print as SVG or PNG on white, and in the dark of the window for the overlay video.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lapose_core.export.bundle import Exported
from lapose_core.export.colours import ERROR_MAP, YAW_MAP, error_limit, yaw_rates
from lapose_core.export.files import Progress, no_progress, replacing
from lapose_core.export.shapes import latent_plane
from lapose_core.geometry import Array
from lapose_core.palette import PREDICTION, REGIMES, TRUTH

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from lapose_core.export.formats import Options


@dataclass(frozen=True)
class Look:
    """Colours of a figure's ground, words and grid, and of annotations."""

    ground: str
    text: str
    grid: str
    note: str
    neutral: str


PAPER = Look("#ffffff", "#1d2330", "#e4e7ec", "#b26a00", "#333a47")
SCREEN = Look("#15171c", "#dde1e8", "#2a303b", "#e6a23c", "#b7c0ce")

WIDTH = 6.3
"""Inches: a page's width between margins."""
SIZES = {"trajectory": (WIDTH, 5.0), "tracks": (WIDTH, 6.6), "map": (WIDTH, 5.0)}
PICTURED = ("video", "3d")
"""Panels of one frame, which are made of pixels."""
SCREEN_DPI = 110

_TRACKS = (  # column, true column, label, factor
    ("speed", "true_speed", "speed, m/s", 1.0),
    ("yaw_rate", "true_yaw_rate", "yaw rate, °/s", 180 / np.pi),
    ("rotation_error", "", "rotation\nerror, °", 180 / np.pi),
    ("direction_error", "", "direction\nerror, °", 180 / np.pi),
    ("scale_ratio", "", "step, predicted\nover true", 1.0),
    ("position_error", "", "position\nerror, m", 1.0),
    ("confidence", "", "confidence", 1.0),
)


def write_figure(bundle: Exported, path: Path, options: Options, progress: Progress = no_progress) -> None:
    """Write one panel as the format that the suffix of ``path`` names, .svg or .png, at print size.

    Raises:
        ValueError: where there is no such panel or folder, or the panel is made of pixels and SVG was wanted.
        LogError: where the picture of a panel cannot be decoded.
    """
    form = path.suffix.lower().lstrip(".")
    about = "; ".join(f"{key}: {text}" for key, text in bundle.description().items())
    if options.panel in PICTURED:
        if form == "svg":
            raise ValueError(f"panel: {options.panel!r} is made of pixels; export it as PNG")
        _write_pictured(bundle, path, options, about)
        return
    if options.panel not in SIZES:
        raise ValueError(f"panel: there is no {options.panel!r}; there are {', '.join((*SIZES, *PICTURED))}")
    figure = make_figure(bundle, options.panel, PAPER, SIZES[options.panel])
    # The same export twice is the same file.
    metadata: dict[str, Any] = {"Description": about}
    metadata |= {"Title": bundle.drive_name, "Date": None} if form == "svg" else {"Software": "LA-Pose Inspector"}
    with replacing(path) as part, _style(PAPER):
        figure.savefig(part, format=form, dpi=options.dpi, metadata=metadata)


def _write_pictured(bundle: Exported, path: Path, options: Options, about: str) -> None:
    """The picture with the paths on the road, or the paths in 3D, at one frame."""
    from PIL.PngImagePlugin import PngInfo

    from lapose_core.export.pictures import drive_of
    from lapose_core.export.video_panels import ScenePanel, VideoPanel

    width = round(WIDTH * options.dpi)
    frame = int(bundle.frames[0]) if options.frame is None else options.frame
    if options.panel == "video":
        drive = drive_of(bundle)
        if not 0 <= frame < len(drive):
            raise ValueError(f"frame: {frame}, but the last frame of {drive.name} is {len(drive) - 1}")
        source = drive.open_frames()
        try:
            picture = source.read(frame)
        finally:
            source.close()
        size = (width, round(width * drive.height / drive.width))
        drawn = VideoPanel(bundle, size, "path" in options.panels).draw(frame, picture)
    else:
        drawn = ScenePanel(bundle, (width, round(0.7 * width)), options.dpi / SCREEN_DPI).draw(frame, None)
    words = PngInfo()
    words.add_text("Description", f"frame {frame}; {about}")
    with replacing(path) as part:
        drawn.save(part, format="PNG", dpi=(options.dpi, options.dpi), pnginfo=words)


def make_figure(bundle: Exported, panel: str, look: Look, size: tuple[float, float], dpi: float = 100) -> Figure:
    """A figure of ``panel``, one of SIZES, of ``size`` inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with _style(look):
        figure = Figure(figsize=size, dpi=dpi, layout="constrained")
        FigureCanvasAgg(figure)
        {"trajectory": _trajectory, "tracks": _tracks, "map": _map}[panel](bundle, figure, look)
        # The layout is of the style in force; a later save may have another.
        figure.canvas.draw()
    return figure


def top_view(bundle: Exported, which: str) -> Array:
    """Metres [M, 2] to the right of and ahead of the first camera, seen from above; NaN where there is no pose."""
    poses, valid = (
        (bundle.truth, bundle.truth_valid) if which == "truth" else (bundle.predicted, bundle.predicted_valid)
    )
    level = np.where(valid[:, None], (poses[:, :3, 3] - bundle.centre) @ bundle.upright.T, np.nan)[:, :2]
    first = bundle.truth if bundle.truth_valid.any() else bundle.predicted
    known = bundle.truth_valid if bundle.truth_valid.any() else bundle.predicted_valid
    if not known.any():
        return level
    ahead = (bundle.upright @ first[int(np.argmax(known)), :3, 2])[:2]
    length = float(np.linalg.norm(ahead))
    ahead = ahead / length if length > 1e-6 else np.array([0.0, 1.0])
    return np.asarray(level @ np.array([[ahead[1], ahead[0]], [-ahead[0], ahead[1]]]))


def _style(look: Look) -> Any:
    import matplotlib

    return matplotlib.rc_context(
        {
            "svg.fonttype": "none",
            "svg.hashsalt": "lapose",
            "font.family": "sans-serif",
            "font.size": 8,
            "figure.facecolor": look.ground,
            "axes.facecolor": look.ground,
            "axes.edgecolor": look.grid,
            "axes.labelcolor": look.text,
            "text.color": look.text,
            "xtick.color": look.text,
            "ytick.color": look.text,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "grid.color": look.grid,
            "axes.axisbelow": True,
            "legend.frameon": False,
        }
    )


def _trajectory(bundle: Exported, figure: Figure, look: Look) -> None:
    axes = figure.add_subplot()
    if bundle.truth_valid.any():
        line = top_view(bundle, "truth")
        axes.plot(*line.T, color=TRUTH, linewidth=2.0, label="truth")
    line = top_view(bundle, "predicted")
    for number, rows in enumerate(bundle.runs("predicted")):
        axes.plot(*line[rows].T, color=PREDICTION, linewidth=1.3, label=None if number else "prediction")
    if error_limit(bundle):
        dots = axes.scatter(
            line[:, 0], line[:, 1], c=bundle["position_error"], cmap=ERROR_MAP, s=6, zorder=3, linewidths=0
        )
        figure.colorbar(dots, ax=axes, label="position error, m", shrink=0.8)
    truth = top_view(bundle, "truth")
    for note in bundle.annotations:
        rows = bundle.rows_of(note)
        place = np.where(np.isfinite(truth[rows]), truth[rows], line[rows])
        axes.plot(*place.T, color=look.note, linewidth=4, alpha=0.5, solid_capstyle="round", zorder=2)
        if np.isfinite(place[0]).all():
            axes.annotate(
                note.label or note.severity, place[0], xytext=(5, 5), textcoords="offset points", color=look.note
            )
    axes.set_aspect("equal", adjustable="datalim")
    axes.set_xlabel(f"to the right of the first camera, m\n{bundle.alignment}")
    axes.set_ylabel("ahead of the first camera, m")
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="best")


def _tracks(bundle: Exported, figure: Figure, look: Look) -> None:
    shown = [
        row for row in _TRACKS if np.isfinite(bundle[row[0]]).any() or (row[1] and np.isfinite(bundle[row[1]]).any())
    ]
    regimes = bool((bundle["regime"] != "").any())
    heights = [1.0] * len(shown) + [0.25] * regimes
    if not heights:
        raise ValueError(f"{bundle.drive_name}: these frames have neither a prediction nor a truth to plot")
    grid: Any = figure.subplots(len(heights), 1, sharex=True, squeeze=False, height_ratios=heights)[:, 0]
    times = bundle.times - bundle.times[0]
    for axes, (column, true, label, factor) in zip(grid, shown):
        own = PREDICTION if true else look.neutral
        if true:
            axes.plot(times, factor * bundle[true], color=TRUTH, linewidth=1.6, label="truth")
        axes.plot(times, factor * bundle[column], color=own, linewidth=1.0, label="prediction")
        axes.set_ylabel(label, rotation=0, ha="right", va="center")
        for note in bundle.annotations:
            rows = bundle.rows_of(note)
            begin, end = times[rows[0]], times[min(rows[-1] + 1, len(times) - 1)]
            axes.axvspan(begin, max(end, begin), color=look.note, alpha=0.18, linewidth=0.8)
            if axes is grid[0]:
                axes.annotate(
                    note.label or note.severity, (begin, 1.0), xycoords=("data", "axes fraction"), xytext=(2, -2),
                    textcoords="offset points", va="top", color=look.note, fontsize=7,
                )  # fmt: skip
    if len(shown):
        grid[0].legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=2, borderaxespad=0.1)
    if regimes:
        _regime_band(grid[-1], bundle, times)
    grid[-1].set_xlabel(f"time from frame {bundle.frames[0]}, s")
    grid[-1].set_xlim(0.0, max(float(times[-1]), 1e-3))


def _regime_band(axes: Axes, bundle: Exported, times: Array) -> None:
    names = bundle["regime"]
    for row, name in enumerate(names[:-1]):
        if name:
            axes.axvspan(times[row], times[row + 1], color=REGIMES[str(name)], linewidth=0)
    axes.set_yticks([])
    axes.grid(visible=False)
    axes.set_ylabel("regime", rotation=0, ha="right", va="center")
    from matplotlib.patches import Patch

    present = [Patch(color=colour, label=name) for name, colour in REGIMES.items() if name in names]
    axes.figure.legend(handles=present, loc="outside lower center", ncols=6, fontsize=7, handlelength=1.0)


def _map(bundle: Exported, figure: Figure, look: Look) -> None:
    axes = figure.add_subplot()
    points = latent_plane(bundle)
    known = np.isfinite(points).all(axis=1)
    rate, limit = yaw_rates(bundle)
    dots = axes.scatter(
        points[known, 0], points[known, 1], c=np.degrees(rate[known]), cmap=YAW_MAP, s=18,
        vmin=-np.degrees(limit), vmax=np.degrees(limit), edgecolors=look.neutral, linewidths=0.3,
    )  # fmt: skip
    figure.colorbar(dots, ax=axes, label="yaw rate, °/s (right +)", shrink=0.8)
    for note in bundle.annotations:
        rows = bundle.rows_of(note)
        axes.scatter(points[rows, 0], points[rows, 1], s=50, facecolors="none", edgecolors=look.note, linewidths=0.8)
    axes.set_xlabel("latent actions, first principal component")
    axes.set_ylabel("second")
