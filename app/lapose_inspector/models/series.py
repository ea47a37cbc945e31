"""Quantities over a drive's transitions, derived once for tracks, map, 3D colouring and tooltips."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lapose_core.drive import Drive
from lapose_core.evaluation.regimes import TRANSITION_NAMES, transition_regimes
from lapose_core.geometry import Array, relative, yaw
from lapose_inspector.models.curves import Summary, value_range

if TYPE_CHECKING:
    from lapose_core.inference.errors import TransitionErrors
    from lapose_core.inference.result import DriveAnalysis

DOUBTFUL = 0.7
"""Confidence below which a transition is shaded: it is then three times as likely as usual to be among the worst."""


@dataclass(frozen=True)
class Series:
    """One quantity over T transitions; NaN where it does not exist.

    Attributes:
        key: what ``Display.colour_by`` calls it.
        label: for titles and legends.
        unit: of the shown values.
        values: [T] in metres, seconds and radians: predicted, or an error.
        truth: [T] the true quantity, or None where there is none to compare with.
        signed: whether the sign means something (then colour maps diverge at zero).
        factor: shown value = factor * value (degrees for radians).
        categories: names, when ``values`` are indices into them.
        digits: decimals shown.
        colours: #rrggbb of the categories; empty for those of regimes.
    """

    key: str
    label: str
    unit: str
    values: Array
    truth: Array | None = None
    signed: bool = False
    factor: float = 1.0
    categories: tuple[str, ...] = ()
    digits: int = 2
    colours: tuple[str, ...] = ()

    @cached_property
    def shown(self) -> Array:
        """Values [T] in ``unit``."""
        return self.values if self.factor == 1.0 else self.values * self.factor

    @cached_property
    def shown_truth(self) -> Array | None:
        """True values [T] in ``unit``."""
        return self.truth if self.truth is None or self.factor == 1.0 else self.truth * self.factor

    @cached_property
    def summary(self) -> Summary:
        """Of the shown values."""
        return Summary(self.shown)

    @cached_property
    def truth_summary(self) -> Summary | None:
        """Of the true ones."""
        return None if self.shown_truth is None else Summary(self.shown_truth)

    @property
    def least(self) -> float:
        """In ``unit``, half of the last digit shown: a plot finer than that says more than the number beside it."""
        return 5 * 10.0**-self.digits

    @cached_property
    def limits(self) -> tuple[float, float]:
        """In ``unit``, what a plot of the values and the true ones reaches from and to."""
        lines = [self.shown] if self.shown_truth is None else [self.shown, self.shown_truth]
        return value_range(lines, signed=self.signed, least=self.least)

    def prepare(self) -> None:
        """Make now what drawing asks for; in a thread that may take its time."""
        _ = self.limits, self.summary, self.truth_summary

    def text(self, transition: int | None, *, truth: bool = False) -> str:
        """The value with its unit, or a dash where there is none."""
        source = self.shown_truth if truth else self.shown
        if source is None or transition is None or not 0 <= transition < len(source):
            return "–"
        value = source[transition]
        if not np.isfinite(value):
            return "–"
        if self.categories:
            return self.categories[int(value)]
        sign = "+" if self.signed else ""
        return f"{value:{sign}.{self.digits}f} {self.unit}".rstrip()


@dataclass(frozen=True)
class SeriesSet:
    """All series of a drive on its M samples, hence M - 1 transitions.

    Attributes:
        frames: [M] drive frame of each sample.
        times: [M] seconds from the drive's first frame.
        done: [M - 1] which transitions are analysed.
        series: by key, in display order.
        last_frame: the last drive frame within one sampling period of the last sample, which stands for it.
    """

    frames: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    times: Array = field(default_factory=lambda: np.zeros(0))
    done: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, bool))
    series: Mapping[str, Series] = field(default_factory=dict)
    last_frame: int = -1

    def __getitem__(self, key: str) -> Series:
        return self.series[key]

    def __len__(self) -> int:
        """The number of transitions."""
        return max(0, len(self.frames) - 1)

    @property
    def doubtful(self) -> NDArray[np.bool_]:
        """Which transitions the model itself gives reason to doubt."""
        if "confidence" not in self.series:
            return np.zeros(len(self), bool)
        return self.series["confidence"].values < DOUBTFUL

    def transition_at(self, frame: int) -> int | None:
        """The transition whose [frames[t], frames[t + 1]) holds the drive frame; the last one also has the
        frames from the last sample to ``last_frame``. None outside these."""
        if len(self) == 0 or not self.frames[0] <= frame <= self.last_frame:
            return None
        return min(int(np.searchsorted(self.frames, frame, side="right")) - 1, len(self) - 1)


def build_series(
    drive: Drive,
    rate: float,
    analysis: DriveAnalysis | None,
    errors: TransitionErrors | None,
    before: SeriesSet | None = None,
) -> SeriesSet:
    """Every series of the drive sampled at ``rate`` Hz; predicted values are NaN until analysed.

    Works before there is an analysis: truth alone is worth seeing. It is taken from ``before``, an earlier set of the
    same drive, where that has the same samples.
    """
    frames = drive.even_indices(rate) if analysis is None else analysis.frames
    times = drive.timestamps[frames] - drive.timestamps[0]
    last = _last_frame(drive, frames, rate if analysis is None else analysis.rate)
    if before is not None and len(before) and np.array_equal(before.frames, frames):
        true_motion, regime = (before["speed"].truth, before["yaw rate"].truth), before["regime"]
    else:
        true_motion, regime = _true_motion(drive, frames, times), regime_series(drive, frames)
    return _series_set(frames, times, last, analysis, errors, true_motion, regime)


def result_series(analysis: DriveAnalysis) -> SeriesSet:
    """The series of a stored result whose drive is not at hand, with the truth that the result carries."""
    from lapose_core.inference.errors import transition_errors

    frames, times = analysis.frames, analysis.times - analysis.times[0]
    true_motion: tuple[Array | None, Array | None] = (None, None)
    regime = Series("regime", "Regime", "", np.full(max(0, len(frames) - 1), np.nan))
    if analysis.truth is not None and analysis.truth_valid is not None and len(frames) > 1:
        both = analysis.truth_valid[:-1] & analysis.truth_valid[1:]
        speed, turn = _motion(relative(analysis.truth), np.diff(times))
        true_motion = np.where(both, speed, np.nan), np.where(both, turn, np.nan)
        regime = _regimes(analysis.truth, analysis.times, both)
    return _series_set(frames, times, int(frames[-1]), analysis, transition_errors(analysis), true_motion, regime)


def _series_set(
    frames: NDArray[np.int64],
    times: Array,
    last_frame: int,
    analysis: DriveAnalysis | None,
    errors: TransitionErrors | None,
    true_motion: tuple[Array | None, Array | None],
    regime: Series,
) -> SeriesSet:
    count = max(0, len(frames) - 1)
    nothing = np.full(count, np.nan)
    if analysis is None or count == 0:
        done = np.zeros(count, bool)
        speed, turn = nothing, nothing
    else:
        done = np.asarray(analysis.done, bool).copy()
        speed, turn = _motion(np.asarray(analysis.relative, np.float64), np.diff(times))
        speed, turn = np.where(done, speed, np.nan), np.where(done, turn, np.nan)
    true_speed, true_turn = true_motion

    def error(name: str) -> Array:
        return nothing if errors is None else np.where(done, getattr(errors, name), np.nan)

    def result(name: str) -> Array:
        return nothing if analysis is None or count == 0 else np.array(getattr(analysis, name))

    degrees = 180.0 / np.pi
    middle = 0.5 * (times[1:] + times[:-1])
    made = [
        Series("speed", "Speed", "m/s", speed, true_speed, digits=1),
        Series("yaw rate", "Yaw rate (right +)", "°/s", turn, true_turn, signed=True, factor=degrees, digits=1),
        Series("rotation error", "Rotation error", "°", error("rotation"), factor=degrees),
        Series("direction error", "Direction error", "°", error("direction"), factor=degrees, digits=1),
        Series("scale error", "Scale error", "%", error("scale_ratio") - 1.0, signed=True, factor=100.0, digits=0),
        Series("confidence", "Confidence", "", nothing if analysis is None else analysis.confidence),
        Series("time", "Time", "s", np.where(done, middle, np.nan), digits=1),
        regime,
        Series("cross-entropy", "Cross-entropy", "nats/code", result("cross_entropy")),
        Series("explained by action", "Action explains", "nats", _explained(analysis, count), signed=True),
        Series("translation spread", "Windows disagree", "m", result("translation_spread"), digits=3),
        Series("rotation spread", "Windows disagree", "°", result("rotation_spread"), factor=degrees),
        Series("field of view", "Field of view", "°", result("fov"), factor=degrees, digits=1),
    ]
    return SeriesSet(frames, times, done, {s.key: s for s in made}, last_frame)


def _explained(analysis: DriveAnalysis | None, count: int) -> Array:
    """Nats per code [T] that the action saves; NaN until the drive was looked at without it."""
    if analysis is None or analysis.checks is None or count == 0:
        return np.full(count, np.nan)
    return np.asarray(analysis.checks.blind_cross_entropy - analysis.cross_entropy)


def _last_frame(drive: Drive, frames: NDArray[np.int64], rate: float) -> int:
    """The last frame of the drive less than a sampling period after the last sample."""
    if not len(frames):
        return -1
    end = drive.timestamps[frames[-1]] + 1.0 / rate
    return max(int(frames[-1]), int(np.searchsorted(drive.timestamps, end + 1e-9, side="right")) - 1)


def regime_series(drive: Drive, frames: NDArray[np.int64]) -> Series:
    """The motion regime of each transition between the samples ``frames``, from the true poses."""
    count = max(0, len(frames) - 1)
    if drive.poses is None or count == 0:
        return Series("regime", "Regime", "", np.full(count, np.nan))
    return _regimes(drive.poses[frames], drive.timestamps[frames], _both_valid(drive, frames))


def _regimes(poses: Array, times: Array, valid: NDArray[np.bool_]) -> Series:
    index = {name: float(i) for i, name in enumerate(TRANSITION_NAMES)}
    values = np.array([index[str(name)] for name in transition_regimes(poses, times)])
    return Series("regime", "Regime", "", np.where(valid, values, np.nan), categories=TRANSITION_NAMES)


def _motion(step: Array, dt: Array) -> tuple[Array, Array]:
    """Speed [T] in m/s and yaw rate [T] in rad/s of relative poses [T, 4, 4] that take ``dt`` [T] seconds."""
    return np.linalg.norm(step[:, :3, 3], axis=1) / dt, yaw(step[:, :3, :3]) / dt


def _both_valid(drive: Drive, frames: NDArray[np.int64]) -> NDArray[np.bool_]:
    valid = np.ones(len(drive), bool) if drive.pose_valid is None else drive.pose_valid
    return valid[frames[:-1]] & valid[frames[1:]]


def _true_motion(drive: Drive, frames: NDArray[np.int64], times: Array) -> tuple[Array | None, Array | None]:
    if drive.poses is None or len(frames) < 2:
        return None, None
    speed, turn = _motion(relative(drive.poses[frames]), np.diff(times))
    valid = _both_valid(drive, frames)
    return np.where(valid, speed, np.nan), np.where(valid, turn, np.nan)
