"""What the gallery shows: the selected transitions, or those found to be like one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from psygnal import Signal

from lapose_core.geometry import Array
from lapose_inspector.models.selection import Indices, TransitionId
from lapose_inspector.models.session import Session

Content = Literal["selection", "similar"]


@dataclass(frozen=True)
class DriveClock:
    """A drive sampled at the analysis rate: what turns a transition into frames.

    Attributes:
        name: of the drive.
        frames: [M] drive frame of each sample.
        times: [M] seconds from the drive's first frame.
    """

    name: str
    frames: NDArray[np.int64]
    times: Array


@dataclass(frozen=True)
class Hit:
    """A transition found to be like another, at a distance in latent space."""

    id: TransitionId
    distance: float


@dataclass(frozen=True)
class Found:
    """The answer to "transitions like this one", nearest first.

    Attributes:
        query: the transition that was asked about.
        searched: transitions that were compared. drives: of how many drives.
        typical: median distance between two random ones; NaN where unknown.
        clocks: of the drives that the hits are of, by fingerprint.
        milliseconds: the search took, without reading results from disk.
    """

    query: TransitionId
    hits: tuple[Hit, ...]
    searched: int
    drives: int
    typical: float
    clocks: dict[str, DriveClock]
    milliseconds: float


@dataclass(frozen=True)
class Item:
    """One transition in the gallery."""

    id: TransitionId
    frames: tuple[int, int]
    title: str
    note: str


class Gallery:
    """Follows the session's selection; a search puts its answer in instead until the selection changes."""

    changed = Signal()

    def __init__(self, session: Session) -> None:
        self._session = session
        self._clocks: dict[str, DriveClock] = {}
        self._by_value = False
        self.content: Content = "selection"
        self.found: Found | None = None
        """The newest answer, shown or not."""
        session.analysis_changed.connect(self._on_series)
        session.selection.changed.connect(self._on_selection)
        session.display.colour_by_changed.connect(self._on_colour)
        session.rate_changed.connect(self._on_rate)

    def show(self, content: Content) -> None:
        """Show the selection or the newest answer."""
        self.content = content
        self.changed.emit()

    def show_found(self, found: Found) -> None:
        """Show the answer to a search."""
        self.found = found
        self._clocks |= found.clocks
        self.show("similar")

    @property
    def by_value(self) -> bool:
        """Whether the selection is ordered by what colours the map, largest first, and not by time."""
        return self._by_value

    @by_value.setter
    def by_value(self, value: bool) -> None:
        self._by_value = bool(value)
        self.changed.emit()

    def clock(self, drive: str) -> DriveClock | None:
        """The samples of a drive, where they are known."""
        return self._clocks.get(drive)

    def __len__(self) -> int:
        if self.content == "similar":
            return 0 if self.found is None else len(self.found.hits)
        selection = self._session.selection
        return sum(len(self._ordered(drive, selection.of(drive))) for drive in selection.drives)

    @property
    def ids(self) -> list[TransitionId]:
        """Every transition, in the order shown."""
        if self.content == "similar":
            return [] if self.found is None else [hit.id for hit in self.found.hits]
        return self._selected(0, len(self))

    def _selected(self, start: int, stop: int) -> list[TransitionId]:
        """The selected transitions from ``start`` to ``stop`` in the order shown: of 100,000 only a page is named."""
        selection, out = self._session.selection, []
        for drive in selection.drives:
            ordered = self._ordered(drive, selection.of(drive))
            out += [TransitionId(drive, int(t)) for t in ordered[max(start, 0) : max(stop, 0)]]
            start, stop = start - len(ordered), stop - len(ordered)
        return out

    def page(self, start: int, stop: int) -> list[Item]:
        """The transitions from ``start`` to ``stop`` with what is said about them."""
        if self.content == "similar":
            hits = [] if self.found is None else self.found.hits[start:stop]
            return [self._item(hit.id, self._distance(hit.distance)) for hit in hits]
        return [self._item(id, self._value(id)) for id in self._selected(start, stop)]

    def _item(self, id: TransitionId, note: str) -> Item:
        clock = self._clocks.get(id.drive)
        if clock is None or id.transition + 1 >= len(clock.frames):
            return Item(id, (-1, -1), f"transition {id.transition}", note)
        frames = int(clock.frames[id.transition]), int(clock.frames[id.transition + 1])
        here = self._session.drive is not None and self._session.drive.fingerprint == id.drive
        title = f"frame {frames[0]} · {clock.times[id.transition]:.2f} s"
        return Item(id, frames, title if here else f"{clock.name} · {title}", note)

    def _distance(self, distance: float) -> str:
        typical = self.found.typical if self.found is not None else float("nan")
        share = f" ({distance / typical:.0%} of typical)" if typical > 0 else ""
        return f"distance {distance:.3g}{share}"

    def _value(self, id: TransitionId) -> str:
        session = self._session
        series = session.series.series.get(session.display.colour_by)
        here = session.drive is not None and session.drive.fingerprint == id.drive
        return f"{series.label} {series.text(id.transition)}" if series is not None and here else ""

    def _ordered(self, drive: str, chosen: Indices) -> Indices:
        session = self._session
        series = session.series.series.get(session.display.colour_by)
        if not self._by_value or series is None or session.drive is None or session.drive.fingerprint != drive:
            return chosen
        chosen = chosen[chosen < len(series.values)]
        values = np.nan_to_num(np.abs(series.values[chosen]), nan=-np.inf)
        return chosen[np.argsort(-values, kind="stable")]

    def _on_series(self) -> None:
        drive, series = self._session.drive, self._session.series
        if drive is not None and len(series):
            self._clocks[drive.fingerprint] = DriveClock(drive.name, series.frames, series.times)
        self.changed.emit()

    def _on_selection(self) -> None:
        self.content = "selection"
        self.changed.emit()

    def _on_colour(self, _: str) -> None:
        self.changed.emit()

    def close(self) -> None:
        """Let go of the session."""
        session = self._session
        session.analysis_changed.disconnect(self._on_series)
        session.selection.changed.disconnect(self._on_selection)
        session.display.colour_by_changed.disconnect(self._on_colour)
        session.rate_changed.disconnect(self._on_rate)

    def _on_rate(self, _: float) -> None:
        # The same transitions are other frames now.
        self._clocks, self.found, self.content = {}, None, "selection"
        self.changed.emit()
