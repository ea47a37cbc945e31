"""What the pictures of results.md share: figures without a window, colours, and skill with its intervals."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lapose_core.experiments.tables import INFORMED, Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# After Okabe and Ito (2008): told apart by the colour-blind and in print.
BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#666666"
SKY = "#56B4E9"
COLOURS = {
    "model": BLUE,
    INFORMED: SKY,
    "frozen": BLUE,
    "scratch": ORANGE,
    "finetune": ORANGE,
    "opencv": GREEN,
    "colmap": GREY,
}


def new_figure(width: float, height: float) -> Figure:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save(figure: Figure, path: Path) -> bool:
    for axes in figure.axes:
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110, metadata={"Software": None})
    return True


def skill_axis(axes: Axes) -> None:
    axes.axhline(0, color=GREY, linewidth=0.8, linestyle=":")
    axes.set_ylabel("skill over constant-forward")


def skill_points(axes: Axes, x: list[float], rows: list[Row], colour: str, label: str, *, line: bool = True) -> None:
    """Skill of rows at ``x``, with intervals where they have them; rows without a skill are left out."""
    kept = [(a, r["skill"], r["intervals"].get("skill_auc5_signed")) for a, r in zip(x, rows) if r["skill"] is not None]
    if not kept:
        return
    places, values = [k[0] for k in kept], [k[1] for k in kept]
    for place, _, bounds in kept:
        if bounds and bounds[0] is not None:
            axes.plot([place, place], bounds, color=colour, linewidth=1.2)
    axes.plot(places, values, "o-" if line else "o", color=colour, markersize=4.5, label=label)
