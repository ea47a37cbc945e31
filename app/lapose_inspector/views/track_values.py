"""What of a session is plotted over time, and the values at the cursor that stand beside it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PySide6.QtGui import QPixmap

from lapose_core.geometry import Array
from lapose_inspector.models.colours import OTHER, PREDICTION, TRUTH
from lapose_inspector.models.comparison import other_series
from lapose_inspector.models.recorded import Recorded
from lapose_inspector.models.series import Series, SeriesSet
from lapose_inspector.models.session import Session
from lapose_inspector.visuals.tracks import Line, Track
from lapose_inspector.visuals.tracks_cursor import Readout

SHOWN = ("speed", "yaw rate", "rotation error", "direction error", "scale error", "confidence", "explained by action")
ERRORS = ("rotation error", "direction error", "scale error")
LATER = ("confidence", "explained by action")
"""These come by themselves once the drive is checked; until then the others have their room."""
NEUTRAL = (*ERRORS, *LATER)
"""Neither prediction nor truth: these get the text's colour."""


@dataclass(frozen=True)
class Plotted:
    """The tracks of a session as it was, from top to bottom: first those of the ``series``, last the ``recorded`` ones.

    Attributes:
        others: of each series, by key, the values of the compared trajectory.
    """

    series: tuple[Series, ...] = ()
    others: dict[str, Array | None] | None = None
    recorded: tuple[Recorded, ...] = ()
    tracks: tuple[Track, ...] = ()

    def moment(self, transition: int | None, seconds: float) -> tuple[int | None, ...]:
        """What the values depend on: where it is the same, so are they."""
        return (transition, *(one.index_at(seconds) for one in self.recorded))

    def readouts(self, session: Session) -> tuple[Readout, ...]:
        """What is written for the cursor beside each track."""
        out, at, colours = [], session.transition, session.display.colours
        for series in self.series:
            other, neutral = (self.others or {}).get(series.key), series.key in NEUTRAL
            out.append(readout(series, other, at, colours.text if neutral else None))
        for apart in self.tracks[len(self.series) : len(self.tracks) - len(self.recorded)]:
            value = apart.lines[0].values[at] if at is not None else np.nan
            out.append(Readout(((f"■ {value:.2f}" if np.isfinite(value) else "–", OTHER),)))
        for track in self.recorded:
            out.append(Readout(((track.text(session.timeline.time), colours.text), (track.source, colours.muted))))
        return tuple(out)


def plotted(session: Session, recorded: tuple[Recorded, ...]) -> Plotted:
    """What there is to plot, with the ``recorded`` tracks of the session's drive."""
    known, text = session.series, session.display.colours.text
    middle = 0.5 * (known.times[1:] + known.times[:-1]) if len(known) else np.empty(0)
    # Where there is something else to plot, errors that no analysis can bring give it their room.
    has_truth = session.drive is not None and session.drive.poses is not None
    others = bool(recorded) or session.comparison.other is not None
    shown = [key for key in SHOWN if has_truth or not others or key not in ERRORS]
    for key in LATER:
        if key in known.series and not np.isfinite(known[key].values).any():
            shown.remove(key)
    series = tuple(known.series[key] for key in shown if len(known) and key in known.series)
    compared = {one.key: other_series(session, one.key) for one in series}
    tracks = [_track(session, one, compared[one.key], middle) for one in series]
    tracks += _apart(session, middle)
    for one in recorded:
        lines = (Line(one.values, text),)
        tracks.append(
            Track(one.label, one.unit, one.times, lines, one.signed, least=0.5, source=one.source, lookup=one.index_at)
        )
    return Plotted(series, compared, recorded, tuple(tracks))


def _track(session: Session, series: Series, other: Array | None, middle: Array) -> Track:
    # An error is neither prediction nor truth: it gets the text's colour.
    neutral = series.key in NEUTRAL
    lines = [Line(series.shown, session.display.colours.text if neutral else PREDICTION, known=series.summary)]
    if series.shown_truth is not None and not neutral:
        lines.append(Line(series.shown_truth, TRUTH, dashed=True, known=series.truth_summary))
    if other is not None:
        lines.append(Line(other, OTHER))
    has_truth = session.drive is not None and session.drive.poses is not None
    if series.key in ERRORS and not has_truth:
        empty = "needs ground truth, which this log does not have"
    elif session.analysis is None or not session.analysis.done.any():
        empty = "waiting for the first analysed window"
    else:
        empty = "no value here: no frame pair with truth that moves at least 0.1 m is analysed yet"
    label = series.label.split(" (")[0]
    return Track(
        label, series.unit, middle, tuple(lines), series.signed, empty, series.least,
        known_limits=series.limits if other is None else None,
    )  # fmt: skip


def _apart(session: Session, middle: Array) -> list[Track]:
    """How far the compared trajectory is from the prediction; nothing where none is compared."""
    result = session.comparison.result
    if result is None or len(result.apart.rotation) != len(middle):
        return []
    empty = "the two have no transition in common here"
    return [
        Track(label, "°", middle, (Line(np.degrees(values), OTHER),), False, empty, 0.05)
        for label, values in (
            ("Rotation apart", result.apart.rotation),
            ("Direction apart", result.apart.direction),
        )
    ]


def readout(series: Series, other: Array | None, at: int | None, neutral: str | None) -> Readout:
    """The prediction's value at a transition, the truth's and, where there are ``other`` values [T], theirs; of a
    series that is neither prediction nor truth its own alone, in the colour ``neutral``."""
    predicted = _number(series, series.shown, at)
    if neutral is not None:
        parts = [(predicted, neutral)]
    else:
        true = "–" if series.shown_truth is None else _number(series, series.shown_truth, at)
        parts = [(f"● {predicted}", PREDICTION), (f"◆ {true}", TRUTH)]
    if other is not None:
        parts.append((f"■ {_number(series, other, at)}", OTHER))
    return Readout(tuple(parts))


def _number(series: Series, shown: Array, at: int | None) -> str:
    """The value without its unit, which stands beside the track's name; a dash where there is none."""
    if at is None or not np.isfinite(shown[at]):
        return "–"
    sign = "+" if series.signed else ""
    return f"{shown[at]:{sign}.{series.digits}f}".replace("-", "−")


@dataclass
class Coming:
    """A snapshot whose first ``drawn`` plots are drawn."""

    series: SeriesSet
    plotted: Plotted
    picture: QPixmap
    drawn: int = 0
