"""The targets of the nano model beside what was measured."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from lapose_core.experiments.tables import INFORMED, pick, table, text, with_interval

Results = dict[str, dict[str, Any]]

#: Figures of the authors' published map, as our own code computes them from their data.
AUTHORS_MAP = {"speed_r2": 0.68, "speed_spearman": 0.88, "yaw_r2": 0.87, "yaw_spearman": 0.64, "turn": 0.82}


@dataclass(frozen=True)
class Target:
    """What is wanted, ``at_least`` (``strict``: more than) or at most ``bound``; found is None if not measured."""

    name: str
    bound: float
    found: float | None
    interval: list[float | None] | None = None
    at_least: bool = True
    digits: int = 2
    strict: bool = False
    informed: float | None = None  # the same with the camera known, where that is another figure

    @property
    def verdict(self) -> str:
        if self.found is None:
            return "not measured"
        met = self.found >= self.bound if self.at_least else self.found <= self.bound
        met = met and not (self.strict and self.found == self.bound)
        return "met" if met else "**missed**"


def targets(results: Results) -> str:
    """The table of targets."""
    rows = [
        [
            t.name,
            f"{'>' if t.strict else '≥' if t.at_least else '≤'} {text(t.bound, t.digits)}",
            with_interval(t.found, t.interval, t.digits),
            t.verdict,
            text(t.informed, t.digits),
        ]
        for t in all_targets(results)
    ]
    return table(["target", "wanted", "measured", "", "camera known"], rows)


def all_targets(results: Results) -> Iterator[Target]:
    """Every target, in the order of the issue that sets them."""
    headline = results.get("headline") or {}
    rows = headline.get("rows", [])
    for regime, bound in (("all", 0.6), ("medium", 0.5), ("reverse", 0.5)):
        row = pick(rows, method="model", regime=regime)
        name = "skill, test split" if regime == "all" else f"skill, {regime}"
        interval = row["intervals"].get("skill_auc5_signed") if row else None
        told = pick(rows, method=INFORMED, regime=regime) or {}
        yield Target(name, bound, row["skill"] if row else None, interval, informed=told.get("skill"))
    row = pick(rows, method="model", regime="all")
    figures, intervals = (row["figures"], row["intervals"]) if row else ({}, {})
    told = (pick(rows, method=INFORMED, regime="all") or {}).get("figures", {})
    for name, figure, bound, factor, digits in (
        ("median scale error, %", "scale_error", 10.0, 100.0, 1),
        ("FoV error, °", "fov_error", 4.0, 1.0, 1),
    ):
        value, bounds = figures.get(figure), intervals.get(figure)
        scaled = [None if b is None else factor * b for b in bounds] if bounds else None
        known = told.get(figure)
        yield Target(
            name,
            bound,
            None if value is None else factor * value,
            scaled,
            at_least=False,
            digits=digits,
            informed=None if known is None else factor * known,
        )
    latents = headline.get("latents", {})
    yield Target("shuffled actions, nats per code", 0.3, latents.get("dce_shuffle"))
    yield Target("probe of yaw rate, R²", 0.9, latents.get("probe_yaw_rate_r2"))
    yield Target("probe of speed, R²", 0.8, latents.get("probe_speed_r2"))
    found = pick(headline.get("map", {}).get("rows", []), map="t-SNE") or {}
    for name, bound in AUTHORS_MAP.items():
        read = found.get(name) or {}
        title = f"map (t-SNE), {name.replace('_r2', ' R²').replace('_spearman', ' Spearman').replace('turn', 'turns')}"
        yield Target(title, bound, read.get("value"), [read.get("low"), read.get("high")])
    yield from _kitti((results.get("kitti") or {}).get("rows", []))


def _kitti(rows: list[dict[str, Any]]) -> Iterator[Target]:
    turning = [row for row in rows if row["method"] == "model" and row["regime"] == "turning"]
    if not turning:
        yield Target("skill, KITTI, turning clips", 0.0, None, strict=True)
    for row in turning:
        told = pick(rows, method=INFORMED, regime="turning", rate=row["rate"], drive=row["drive"]) or {}
        name = f"skill, KITTI at {row['rate']:g} Hz, turning clips"
        yield Target(name, 0.0, row["skill"], strict=True, informed=told.get("skill"))
