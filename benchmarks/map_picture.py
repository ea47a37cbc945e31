"""The app's latent map of the sample drive among other drives: docs/latent_map.png, and how well it tells motion.

    python benchmarks/map_picture.py

The drives are new ones of the synthetic world, analysed as the app does and projected by the app's own code: the
principal components that a map begins with, and the t-SNE that it becomes. Neighbours from the same drive do not count
(``lapose_core.evaluation.map_quality``). The figures are printed and drawn.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lapose_core import geometry
from lapose_core.api import analyze
from lapose_core.cli import main as lapose
from lapose_core.drive import Drive
from lapose_core.evaluation.map_quality import map_quality
from lapose_core.experiments.drawing import new_figure, save
from lapose_core.logs import open_log
from lapose_inspector.beside.projecting import pca, tsne

ROOT = Path(__file__).parents[1]
SAMPLE = ROOT / "resources" / "sample_drive"
SEED = 6_500_000  # of the drives: worlds of no other split
RATE = 2.0  # Hz; the protocol's own
NAMES = ("speed R²", "Spearman", "yaw R²", "Spearman", "turns")


@dataclass(frozen=True)
class Points:
    """Transitions of all drives: latents [n, A], their drive [n], true metres and radians of yaw [n] a transition."""

    latents: np.ndarray
    owner: np.ndarray
    speed: np.ndarray
    yaw: np.ndarray


def measured(drives: list[Drive]) -> Points:
    """Every transition of the drives that was analysed."""
    parts = []
    for number, drive in enumerate(drives):
        analysis = analyze(drive, rate=RATE).analysis
        assert analysis.truth is not None
        moved = geometry.relative(analysis.truth)[analysis.done]
        speed = np.linalg.norm(moved[:, :3, 3], axis=1)
        parts.append(
            (analysis.latents[analysis.done], np.full(len(moved), number), speed, geometry.yaw(moved[:, :3, :3]))
        )
    return Points(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--drives", type=int, default=32, help="synthetic drives beside the sample drive")
    parser.add_argument("--seconds", type=float, default=24.0, help="of each")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "latent_map.png")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        command = ["synth", "--out", folder, "--drives", str(options.drives), "--seconds", str(options.seconds)]
        lapose([*command, "--rate", str(RATE), "--seed", str(SEED), "--workers", "1"])
        points = measured([open_log(path) for path in (SAMPLE, *sorted(Path(folder).iterdir()))])
    ids = np.arange(len(points.latents))
    maps = {"t-SNE": tsne(points.latents, ids), "PCA": pca(points.latents, ids)}
    figure = new_figure(11.0, 9.0)
    limit = float(np.degrees(np.quantile(np.abs(points.yaw), 0.97)))
    colours = {
        "speed, m/s": {"c": points.speed * RATE, "cmap": "viridis"},
        "yaw, ° a transition": {"c": np.degrees(points.yaw), "cmap": "coolwarm", "vmin": -limit, "vmax": limit},
    }
    for row, (name, found) in zip(figure.subplots(2, 2), maps.items(), strict=True):
        assert found is not None
        q = map_quality(found.points, points.owner, points.speed, points.yaw)
        figures = (q.speed_r2, q.speed_spearman, q.yaw_r2, q.yaw_spearman, q.turn)
        said = ", ".join(f"{n} {f}" for n, f in zip(NAMES, figures, strict=True))
        print(f"{name}: {len(ids)} transitions of {points.owner.max() + 1} drives: {said} (majority {q.majority:.2f})")
        for axes, (title, options_) in zip(row, colours.items(), strict=True):
            own = points.owner == 0
            drawn = axes.scatter(*found.points.T, s=9, linewidths=0, **options_)
            axes.scatter(*found.points[own].T, s=22, facecolors="none", edgecolors="black", linewidths=0.5)
            axes.set(xticks=[], yticks=[], title=f"{name}: {title}")
            figure.colorbar(drawn, ax=axes, shrink=0.8)
    figure.axes[0].set_xlabel("circled: the sample drive", fontsize=8)
    save(figure, options.out)


if __name__ == "__main__":
    main()
