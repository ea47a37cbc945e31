"""Whether the synthetic world moves as real cars do: distributions of its motion beside those of real drives.

Everything is measured on camera poses at about 10 Hz, in the camera's own axes, and only distributions of the
real drives leave this module. The synthetic world should cover each of them; it may be wider, and turns and
reverses more often on purpose, since a model learns little from driving straight on.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lapose_core.evaluation.real_motion import Motion, real_drives
from lapose_core.evaluation.regimes import forward_steps
from lapose_core.geometry import Array, relative

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WORLDS = 300
SECONDS = 12.0
_WINDOW = 11  # transitions, about a second: slower than this is driving, faster is shaking
_MOVING, _ROLLING = 1.0, 2.0  # m/s: slower than this a jitter, or a direction of travel, says nothing
_PERCENTILES = (1, 5, 25, 50, 75, 95, 99)
# What of the synthetic world counts as covered: all but its own thinnest tails.
_COVERED = (0.25, 99.75)


@dataclass(frozen=True)
class Quantity:
    """One panel: what is measured, and the axis that shows it (linear, log, or asinh with its linear width)."""

    title: str
    unit: str
    low: float
    high: float
    scale: str = "linear"
    width: float = 1.0

    def squeeze(self, values: Array) -> Array:
        """Values in the axis's own scale."""
        if self.scale == "log":
            return np.log10(np.maximum(values, self.low))
        return np.arcsinh(values / self.width) if self.scale == "asinh" else values


QUANTITIES: dict[str, Quantity] = {
    "speed": Quantity("Speed", "m/s", -6.0, 35.0),
    "acceleration": Quantity("Acceleration above 1 m/s", "m/s²", -6.0, 4.0),
    "yaw_rate": Quantity("Yaw rate", "°/s", -45.0, 45.0, "asinh", 1.0),
    "curvature": Quantity("Curvature above 2 m/s", "1/m", 1e-5, 0.3, "log"),
    "lateral_acceleration": Quantity("Lateral acceleration", "m/s²", -4.0, 4.0, "asinh", 0.3),
    "pitch_jitter": Quantity("Pitch jitter", "° per 0.1 s", -0.5, 0.5),
    "roll_jitter": Quantity("Roll jitter", "° per 0.1 s", -0.5, 0.5),
    "heave": Quantity("Heave", "cm", -4.0, 4.0),
    "lateral_direction": Quantity("Direction of travel, to the right", "°", -20.0, 20.0, "asinh", 1.0),
    "vertical_direction": Quantity("Direction of travel, downwards", "°", -7.0, 7.0),
}


def measure(motion: Motion) -> dict[str, Array]:
    """Values of each of QUANTITIES along one drive.

    Speed is signed, negative backwards; acceleration is the slope of the speed averaged over half a second;
    jitter and heave are what is left of the rotation of each transition, and of the height, when their mean
    over about a second is taken off; directions of travel are those of the translation in the camera's axes.
    A drive too short for a window gives no jitter and no heave.
    """
    interval = np.diff(motion.times)
    between = relative(motion.poses)
    speed = forward_steps(motion.poses) / interval
    # Small rotations: the vector part of the matrix is the rotation vector to within 0.1 % at five degrees.
    r = between[:, :3, :3]
    turn = 0.5 * np.stack([r[:, 2, 1] - r[:, 1, 2], r[:, 0, 2] - r[:, 2, 0], r[:, 1, 0] - r[:, 0, 1]], 1)
    turn = turn / interval[:, None]
    x, y, z = between[:, :3, 3].T
    moving, rolling = np.abs(speed) > _MOVING, speed > _ROLLING
    known = np.abs(speed) > _ROLLING
    out = {
        "speed": speed,
        "acceleration": _slope(speed, interval)[moving],
        "yaw_rate": np.rad2deg(turn[:, 1]),
        "curvature": np.abs(turn[known, 1] / speed[known]),
        "lateral_acceleration": (speed * turn[:, 1])[moving],
        "pitch_jitter": np.rad2deg(0.1 * _shaking(turn[:, 0])[moving]),
        "roll_jitter": np.rad2deg(0.1 * _shaking(turn[:, 2])[moving]),
        "heave": 100.0 * _shaking(motion.poses[:, :3, 3] @ motion.up)[1:][moving],
        "lateral_direction": np.rad2deg(np.arctan2(x, z))[rolling],
        "vertical_direction": np.rad2deg(np.arctan2(y, z))[rolling],
    }
    return {name: values[np.isfinite(values)] for name, values in out.items()}


def _slope(speed: Array, interval: Array) -> Array:
    """Acceleration [M] from speeds [M]; NaN at the ends, where the window does not fit."""
    width = 5
    out = np.full(len(speed), np.nan)
    if len(speed) < width + 2:
        return out
    smooth = np.convolve(speed, np.full(width, 1.0 / width), "valid")
    out[width // 2 : -(width // 2)] = np.gradient(smooth, float(np.median(interval)))
    return out


def _shaking(values: Array) -> Array:
    """Values [N] less their running mean; NaN where the window does not fit."""
    out = np.full(len(values), np.nan)
    half = _WINDOW // 2
    if len(values) >= _WINDOW:
        mean = np.convolve(values, np.full(_WINDOW, 1.0 / _WINDOW), "valid")
        out[half:-half] = values[half : len(values) - half] - mean
    return out


def synthetic_motion(worlds: int = WORLDS, first: int = 0) -> dict[str, list[dict[str, Array]]]:
    """Measured drives of ``worlds`` synthetic worlds, by setting; nothing is rendered."""
    from lapose_core.synth import SyntheticDrive

    up = np.array([0.0, -1.0, 0.0])
    out: dict[str, list[dict[str, Array]]] = {}
    for seed in range(first, first + worlds):
        drive = SyntheticDrive.generate(seed, SECONDS)
        out.setdefault(drive.setting, []).append(measure(Motion(drive.times, drive.poses, up)))
    return out


def compare(shared: Path, out: Path, worlds: int = WORLDS) -> dict[str, Any]:
    """Write ``motion_statistics.png`` and ``motion_statistics.json`` to the folder ``out``.

    Args:
        shared: the folder of the real drives; they are read for their poses alone.

    Returns:
        what the JSON holds: ``real`` and ``synthetic``, drive or setting -> quantity -> its percentiles, mean,
        standard deviation and count, the synthetic world's ``all`` among its settings; ``covered``, quantity ->
        real drive -> the share of its values inside the synthetic world's distribution.

    Raises:
        LogError: where no real drive is there or one cannot be read.
    """
    real = {name: measure(motion) for name, motion in real_drives(shared).items()}
    by_setting = synthetic_motion(worlds)
    pooled = {setting: _pool(drives) for setting, drives in sorted(by_setting.items())}
    everything = _pool([drive for drives in by_setting.values() for drive in drives])
    summary = {
        "worlds": worlds,
        "real": {name: _summaries(values) for name, values in real.items()},
        "synthetic": {name: _summaries(values) for name, values in {"all": everything, **pooled}.items()},
        "covered": {
            quantity: {name: covered(everything[quantity], values[quantity]) for name, values in real.items()}
            for quantity in QUANTITIES
        },
    }
    out.mkdir(parents=True, exist_ok=True)
    (out / "motion_statistics.json").write_text(json.dumps(summary, indent=1) + "\n")
    plot(everything, real, out / "motion_statistics.png")
    return summary


def _pool(drives: list[dict[str, Array]]) -> dict[str, Array]:
    return {name: np.concatenate([drive[name] for drive in drives]) for name in QUANTITIES}


def _summaries(values: Mapping[str, Array]) -> dict[str, dict[str, float]]:
    return {name: _summary(values[name]) for name in QUANTITIES if len(values[name])}


def _summary(values: Array) -> dict[str, float]:
    found = {f"p{p}": float(v) for p, v in zip(_PERCENTILES, np.percentile(values, _PERCENTILES))}
    found |= {"mean": float(values.mean()), "std": float(values.std())}
    return {name: float(f"{value:.4g}") for name, value in found.items()} | {"n": len(values)}


def covered(world: Array, values: Array) -> float:
    """Share of a drive's ``values`` inside the synthetic world's distribution, its thinnest tails left out.

    NaN where either has no values.
    """
    if not len(values) or not len(world):
        return float("nan")
    low, high = np.percentile(world, _COVERED)
    return round(float(((values >= low) & (values <= high)).mean()), 4)


_FILL = "#c9d3e0"
# After Okabe and Ito (2008), and three shades of grey-blue beyond; line styles tell them apart in print as well.
_LINES = (
    ("#D55E00", "-"), ("#0072B2", "-"), ("#0072B2", "--"), ("#0072B2", "-."), ("#0072B2", ":"),
    ("#009E73", "-"), ("#CC79A7", "-"), ("#444444", "-"), ("#444444", "--"),
)  # fmt: skip


def plot(world: Mapping[str, Array], real: Mapping[str, Mapping[str, Array]], path: Path) -> None:
    """A grid of densities: the synthetic world filled, each real drive a line, each scaled to its own peak."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = 5
    rows = -(-len(QUANTITIES) // columns)
    figure = Figure(figsize=(3.0 * columns, 2.5 * rows + 0.7), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(rows, columns).ravel()
    for axes, (name, quantity) in zip(panels, QUANTITIES.items()):
        _panel(axes, quantity, world[name], [values[name] for values in real.values()])
    handles = [panels[0].collections[0], *panels[0].lines]
    figure.legend(handles, ["synthetic world", *real], loc="outside lower center", ncols=4, frameon=False, fontsize=9)
    figure.savefig(path, dpi=110, metadata={"Software": None})


def _panel(axes: Axes, quantity: Quantity, world: Array, drives: list[Array]) -> None:
    low, high = quantity.squeeze(np.array([quantity.low, quantity.high]))
    grid = np.linspace(low, high, 300)
    axes.fill_between(grid, _density(quantity.squeeze(world), grid), color=_FILL, linewidth=0)
    for values, (colour, style) in zip(drives, _LINES * (len(drives) // len(_LINES) + 1)):
        axes.plot(grid, _density(quantity.squeeze(values), grid), color=colour, linestyle=style, linewidth=1.3)
    ticks = _ticks(quantity)
    axes.set_xticks(quantity.squeeze(np.array(ticks)), [f"{t:g}" for t in ticks])
    axes.set_xlim(low, high)
    axes.set_ylim(0.0, 1.08)
    axes.set_yticks([])
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.set_title(quantity.title, fontsize=10)
    axes.set_xlabel(quantity.unit, fontsize=9)
    axes.tick_params(labelsize=8)


def _ticks(quantity: Quantity) -> list[float]:
    if quantity.scale == "log":
        return [1e-4, 1e-3, 1e-2, 1e-1]
    if quantity.scale == "asinh":
        one = quantity.width
        ends = [t for t in (3 * one, 10 * one, 30 * one) if t < quantity.high]
        return [-t for t in reversed(ends)] + [0.0] + ends
    step = next(s for s in (0.25, 2.0, 2.5, 5.0, 10.0) if (quantity.high - quantity.low) / s <= 5.0)
    first = np.ceil(quantity.low / step)
    return [float(step * k) + 0.0 for k in np.arange(first, np.floor(quantity.high / step) + 1)]


def _density(values: Array, grid: Array) -> Array:
    """A Gaussian kernel estimate [K] on ``grid`` with peak 1; zero where there are no values.

    The width is Silverman's (1986), from the quartiles so that a few hard stops do not smear the rest, and at
    least a pixel's.
    """
    if not len(values):
        return np.zeros(len(grid))
    step = grid[1] - grid[0]
    spread = float(min(values.std(), np.subtract(*np.percentile(values, (75, 25))) / 1.34))
    width = max(0.9 * spread * len(values) ** -0.2, 1.5 * step)
    edges = np.append(grid - step / 2, grid[-1] + step / 2)
    counts = np.histogram(values, edges)[0].astype(float)
    reach = int(4 * width / step) + 1
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) * step / width) ** 2)
    smooth = np.convolve(counts, kernel)[reach : reach + len(grid)]
    return smooth / smooth.max() if smooth.max() > 0 else smooth
