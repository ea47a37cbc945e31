"""The mathematics of plots over time: the visible span, round ticks, decimation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lapose_core.geometry import Array

MIN_SPAN = 0.2
"""The shortest span that can be zoomed to, in seconds: two frames of a fast log."""


@dataclass(frozen=True)
class TimeSpan:
    """The visible seconds [start, stop] of a drive of ``total``, on ``width`` pixels from ``left``."""

    start: float
    stop: float
    total: float
    left: float
    width: float

    @property
    def length(self) -> float:
        return self.stop - self.start

    def x(self, seconds: float | Array) -> Array:
        """Pixel of a time."""
        return np.asarray(self.left + (np.asarray(seconds) - self.start) / self.length * self.width)

    def seconds(self, x: float) -> float:
        """Time at a pixel."""
        return self.start + (x - self.left) / self.width * self.length

    def zoomed(self, factor: float, about: float) -> TimeSpan:
        """``factor`` times as long; the time ``about`` keeps its pixel unless an end of the drive is met."""
        length = float(np.clip(self.length * factor, min(MIN_SPAN, self.total), self.total))
        share = (about - self.start) / self.length
        return self.placed(about - share * length, length)

    def placed(self, start: float, length: float | None = None) -> TimeSpan:
        """The span beginning at ``start``, moved into the drive."""
        length = self.length if length is None else length
        start = float(np.clip(start, 0.0, max(self.total - length, 0.0)))
        return TimeSpan(start, start + length, self.total, self.left, self.width)


def value_ticks(low: float, high: float, most: int) -> tuple[Array, int]:
    """Round values to label within a range that holds zero, at most ``most`` but at least one beside zero;
    and the decimals they need."""
    step = round_step(high - low, most)
    reach = max(high, -low)
    if step > reach:  # too coarse to say how large anything is: the largest round value instead
        power = 10.0 ** np.floor(np.log10(reach))
        power = power if power <= reach else power / 10  # the logarithm of 9999.999999999998 is 4
        step = float(next(m * power for m in (8, 6, 5, 4, 3, 2.5, 2, 1.5, 1) if m * power <= reach))
    ticks = np.arange(np.ceil(low / step - 1e-9), np.floor(high / step + 1e-9) + 1) * step + 0.0
    digits = next(d for d in range(12) if abs(round(step, d) - step) < 1e-9 * step)
    return ticks, digits


def round_step(span: float, most: int) -> float:
    """The smallest 1, 2 or 5 times a power of ten that divides ``span`` into at most ``most`` parts."""
    raw = span / max(most, 1)
    power = 10.0 ** np.floor(np.log10(raw))
    return float(next(m * power for m in (1, 2, 5, 10) if m * power >= raw * (1 - 1e-9)))


def time_step(span: float, most: int) -> float:
    """As ``round_step``, in steps that clocks are read in above ten seconds."""
    step = round_step(span, most)
    if step <= 10:
        return step
    ladder = (15, 20, 30, 60, 120, 300, 600, 900, 1800, 3600)
    return float(next((s for s in ladder if s >= span / max(most, 1)), round_step(span / 3600, most) * 3600))


def time_text(seconds: float, step: float) -> str:
    """A tick's label with the digits its step needs: 4.5 s, 42 s, 3:05."""
    seconds = max(seconds, 0.0) + 0.0  # the first tick may be minus zero
    if step >= 60 or seconds >= 600:
        minutes, rest = divmod(round(seconds), 60)
        return f"{minutes}:{rest:02d}"
    digits = 0 if step >= 1 else 1 if step >= 0.1 else 2
    return f"{seconds:.{digits}f} s"


def decimate(x: Array, y: Array, columns: int) -> tuple[Array, Array]:
    """Points for drawing y [n] over rising pixel positions x [n]: two per pixel column, its least and most.

    No peak is lost, whatever the zoom. Columns without a finite value yield NaN, which is a gap. Few points
    come back as they are.
    """
    if len(x) <= columns:
        return x, y
    bins = np.floor(x).astype(np.int64)
    starts = np.flatnonzero(np.r_[True, bins[1:] != bins[:-1]])
    least, most = np.fmin.reduceat(y, starts), np.fmax.reduceat(y, starts)
    # In the order they occur at the column's two ends, so that a slope is not drawn as a saw.
    first = y[starts]
    rising = np.abs(first - least) <= np.abs(first - most)
    out_y = np.empty(2 * len(starts))
    out_y[0::2] = np.where(rising, least, most)
    out_y[1::2] = np.where(rising, most, least)
    return np.repeat(bins[starts] + 0.5, 2), out_y


def runs(values: Array) -> list[tuple[int, int]]:
    """The [start, stop) stretches of finite values."""
    known = np.isfinite(values).astype(np.int8)
    edges = np.flatnonzero(np.diff(np.r_[0, known, 0]))
    return list(zip(edges[0::2].tolist(), edges[1::2].tolist(), strict=True))
