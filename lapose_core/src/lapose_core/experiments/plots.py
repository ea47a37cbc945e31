"""The pictures of results.md, each from the records alone and the same bytes for the same records."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from lapose_core.evaluation.motion_statistics import QUANTITIES
from lapose_core.experiments.drawing import (
    BLUE,
    COLOURS,
    ORANGE,
    SKY,
    new_figure,
    save,
    skill_axis,
    skill_points,
)
from lapose_core.experiments.tables import INFORMED, Row

Results = dict[str, dict[str, Any]]


def headline(results: Results, path: Path) -> bool:
    """Skill by regime."""
    if "headline" not in results:
        return False
    methods = ("model", INFORMED, "opencv")
    rows = [r for r in results["headline"]["rows"] if r["method"] in methods]
    names = [r["regime"] for r in rows if r["method"] == "model" and r["skill"] is not None]
    figure = new_figure(9.0, 3.6)
    axes = figure.subplots()
    for i, method in enumerate(methods):
        some = [r for r in rows if r["method"] == method and r["regime"] in names]
        skill_points(
            axes, [names.index(r["regime"]) + 0.16 * i for r in some], some, COLOURS[method], method, line=False
        )
    axes.set_xticks(range(len(names)), names, rotation=35, ha="right", fontsize=8)
    skill_axis(axes)
    axes.legend(frameon=False)
    return save(figure, path)


def latent_map(results: Results, path: Path) -> bool:
    """The map of the latents, coloured by speed and by yaw."""
    if "headline" not in results:
        return False
    points = {name: np.array(values) for name, values in results["headline"]["map"]["points"].items()}
    figure = new_figure(9.0, 4.2)
    panels = figure.subplots(1, 2)
    limit = max(float(np.percentile(np.abs(points["yaw"]), 95)), 1e-3)
    turned = {"c": np.degrees(points["yaw"]), "cmap": "coolwarm", "vmin": -np.degrees(limit), "vmax": np.degrees(limit)}
    colours: dict[str, dict[str, Any]] = {
        "metres a transition": {"c": points["speed"], "cmap": "viridis"},
        "yaw, degrees a transition": turned,
    }
    for axes, (title, options) in zip(panels, colours.items()):
        drawn = axes.scatter(points["x"], points["y"], s=7, linewidths=0, **options)
        axes.set_xticks([])
        axes.set_yticks([])
        axes.set_title(title, fontsize=10)
        figure.colorbar(drawn, ax=axes, shrink=0.8)
    return save(figure, path)


def label_efficiency(results: Results, path: Path) -> bool:
    """Skill against the number of labelled clips."""
    if "label_efficiency" not in results:
        return False
    rows = results["label_efficiency"]["rows"]
    figure = new_figure(6.0, 3.8)
    axes = figure.subplots()
    for backbone in ("frozen", "scratch"):
        some = [r for r in rows if r["backbone"] == backbone]
        skill_points(axes, [r["labels"] for r in some], some, COLOURS[backbone], backbone)
    counts = sorted({r["labels"] for r in rows})
    axes.set_xscale("log")
    axes.set_xticks(counts, [str(c) for c in counts])
    axes.minorticks_off()
    axes.set_xlabel("labelled clips")
    skill_axis(axes)
    axes.legend(frameon=False)
    return save(figure, path)


def out_of_domain(results: Results, path: Path) -> bool:
    """Skill by domain."""
    if "out_of_domain" not in results:
        return False
    rows = results["out_of_domain"]["rows"]
    names = list(dict.fromkeys(r["domain"] for r in rows))
    figure = new_figure(7.5, 3.8)
    axes = figure.subplots()
    for i, backbone in enumerate(("frozen", "finetune")):
        some = [r for r in rows if r["backbone"] == backbone]
        skill_points(
            axes, [names.index(r["domain"]) + 0.14 * i for r in some], some, COLOURS[backbone], backbone, line=False
        )
    axes.set_xticks(range(len(names)), names, rotation=25, ha="right", fontsize=8)
    skill_axis(axes)
    axes.legend(frameon=False)
    return save(figure, path)


def bottleneck(results: Results, path: Path) -> bool:
    """Pretraining loss against skill."""
    if "bottleneck" not in results:
        return False
    rows = [r for r in results["bottleneck"]["rows"] if r["skill"] is not None]
    figure = new_figure(5.5, 3.8)
    axes = figure.subplots()
    skill_points(axes, [r["ce"] for r in rows], rows, BLUE, "", line=False)
    for r in rows:
        label = "none" if r["width"] is None else str(r["width"])
        axes.annotate(label, (r["ce"], r["skill"]), xytext=(6, 4), textcoords="offset points", fontsize=9)
    axes.margins(x=0.12)  # room for the last point's name
    axes.set_xlabel("cross-entropy of the next frame's codes, nats")
    skill_axis(axes)
    return save(figure, path)


def frame_rates(results: Results, path: Path) -> bool:
    """Skill by frame rate."""
    if "frame_rates" not in results:
        return False
    rows = results["frame_rates"]["rows"]
    figure = new_figure(5.5, 3.4)
    axes = figure.subplots()
    for camera, colour in (("unknown", BLUE), ("known", SKY)):
        some = [r for r in rows if r["camera"] == camera]
        skill_points(axes, [r["rate"] for r in some], some, colour, f"camera {camera}")
    rates = sorted({r["rate"] for r in rows})
    axes.set_xscale("log")
    axes.set_xticks(rates, [f"{rate:g}" for rate in rates])
    axes.legend(frameon=False)
    axes.minorticks_off()
    axes.set_xlabel("frames per second")
    skill_axis(axes)
    return save(figure, path)


def kitti(results: Results, path: Path) -> bool:
    """AUC@5 of all methods by frame rate, over all clips and over those that turn."""
    if "kitti" not in results:
        return False
    rows = results["kitti"]["rows"]
    figure = new_figure(8.0, 3.6)
    panels = figure.subplots(1, 2, sharey=True)
    rates = sorted({r["rate"] for r in rows})
    for axes, regime in zip(panels, ("all", "turning")):
        own = [r for r in rows if r["regime"] == regime]
        for method in dict.fromkeys(r["method"] for r in own):
            some = [r for r in own if r["method"] == method]
            axes.plot(
                _at(some, rates),
                [r["figures"]["auc5_signed"] for r in some],
                "o-",
                color=COLOURS[method],
                label=method,
            )
        some = [r for r in own if r["method"] == "model"]
        axes.plot(
            _at(some, rates),
            [r["forward"]["auc5_signed"] for r in some],
            "s--",
            color="black",
            label="constant-forward",
        )
        axes.set_xticks(range(len(rates)), [f"{rate:g} Hz" for rate in rates])
        axes.set_title(f"{regime} clips", fontsize=10)
    panels[0].set_ylabel("AUC@5, signed")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False, fontsize=8)
    return save(figure, path)


def _at(rows: list[Row], rates: list[float]) -> list[int]:
    return [rates.index(r["rate"]) for r in rows]


def motion_statistics(results: Results, path: Path) -> bool:
    """Quantiles of each quantity, the synthetic world beside each real drive."""
    if "motion_statistics" not in results:
        return False
    rows = results["motion_statistics"]["rows"]
    quantities = list(dict.fromkeys(r["quantity"] for r in rows))
    drives = ["all", *dict.fromkeys(r["drive"] for r in rows if r["kind"] == "real")]
    lines = -(-len(quantities) // 5)
    figure = new_figure(14.0, 2.9 * lines)
    panels = figure.subplots(lines, 5, squeeze=False).ravel()
    for axes in panels[len(quantities) :]:
        axes.set_visible(False)
    for i, (axes, quantity) in enumerate(zip(panels, quantities)):
        for place, drive in enumerate(drives):
            kind, colour = ("synthetic", ORANGE) if drive == "all" else ("real", BLUE)
            row = next((r for r in rows if (r["kind"], r["drive"], r["quantity"]) == (kind, drive, quantity)), None)
            if row:
                axes.plot([row["p1"], row["p99"]], [place, place], color=colour, linewidth=1)
                axes.plot([row["p25"], row["p75"]], [place, place], color=colour, linewidth=4)
                axes.plot(row["p50"], place, "o", color="black", markersize=3)
        labels = ["synthetic world", *drives[1:]] if i % 5 == 0 else [""] * len(drives)
        axes.set_yticks(range(len(drives)), labels, fontsize=7)
        axes.invert_yaxis()
        axes.set_title(f"{QUANTITIES[quantity].title}, {QUANTITIES[quantity].unit}", fontsize=9)
        axes.tick_params(axis="x", labelsize=7)
    return save(figure, path)


#: File name -> what draws it; a name with a hyphen is a further picture of the experiment before the hyphen. Each
#: returns whether it could.
PLOTS: dict[str, Callable[[Results, Path], bool]] = {
    "headline": headline,
    "headline-map": latent_map,
    "label_efficiency": label_efficiency,
    "out_of_domain": out_of_domain,
    "bottleneck": bottleneck,
    "frame_rates": frame_rates,
    "kitti": kitti,
    "motion_statistics": motion_statistics,
}
