"""The triage list: segments of the open drive or of the whole set, filtered, sorted and stepped through."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from psygnal import Signal

from lapose_core.drive import Drive

if TYPE_CHECKING:
    from lapose_core.evaluation.evaluate import Evaluation
    from lapose_core.evaluation.segments import Segment

SortKey = Literal["AUC@5", "direction", "rotation", "scale", "ATE cost", "confidence", "time"]
SORT_KEYS: tuple[SortKey, ...] = get_args(SortKey)
SORT_WORDS: dict[SortKey, str] = {
    "AUC@5": "Worst AUC@5",
    "direction": "Worst direction",
    "rotation": "Worst rotation",
    "scale": "Worst scale",
    "ATE cost": "Costs most ATE",
    "confidence": "Least confident",
    "time": "Time",
}

GROUPS = ("reverse", "standstill", "sharp", "medium", "gentle", "straight")
"""What segments are grouped by: the first of these that a segment is tagged with."""

FIRST_TAGS = ("straight", "gentle", "medium", "sharp", "reverse", "standstill", "hard braking", "night", "low texture")
"""Tags in the order in which they are offered; others follow by name."""

HIDDEN_TAGS = frozenset({"acceleration low", "acceleration mid"})
"""Ordinary driving is no reason to look at a segment."""


@dataclass(frozen=True, eq=False)
class Row:
    """A segment and the drive that it is of; ``key`` names the drive in the data set where it is one of several."""

    drive: Drive
    segment: Segment
    key: str | None = None

    @property
    def id(self) -> tuple[str, int]:
        """The same for the same stretch of the same drive, whenever it is computed."""
        return self.drive.fingerprint, self.segment.first_frame

    @property
    def group(self) -> str:
        return next((name for name in GROUPS if name in self.segment.tags), "other")


@dataclass(frozen=True)
class Header:
    """Stands over the rows of a group."""

    title: str
    count: int


def shown_tags(segment: Segment) -> list[str]:
    """The tags of a segment that are worth showing, in their order."""
    return sorted(segment.tags - HIDDEN_TAGS, key=_tag_order)


def _tag_order(tag: str) -> tuple[int, str]:
    return (FIRST_TAGS.index(tag) if tag in FIRST_TAGS else len(FIRST_TAGS), tag)


def _nan_last(value: float) -> float:
    return value if math.isfinite(value) else math.inf


_WORST_FIRST: dict[SortKey, Callable[[Segment], float]] = {
    "AUC@5": lambda s: _nan_last(s.auc5),
    "direction": lambda s: _nan_last(-s.direction),
    "rotation": lambda s: _nan_last(-s.rotation),
    "scale": lambda s: _nan_last(-abs(s.scale)),
    "ATE cost": lambda s: _nan_last(-s.ate_cost),
    "confidence": lambda s: _nan_last(s.confidence),
    "time": lambda s: s.begin,
}


BOUND = re.compile(r"([a-z0-9@]+)([<>])(-?\d+(?:\.\d+)?)")
BOUNDED: dict[str, Callable[[Segment], float]] = {
    "auc": lambda s: s.auc5,
    "direction": lambda s: s.direction,
    "rotation": lambda s: s.rotation,
    "scale": lambda s: 100 * abs(s.scale),
    "ate": lambda s: s.ate_cost,
    "confidence": lambda s: s.confidence,
}
"""What a word of the filter such as ``auc<60`` may bound: degrees, per cent, metres, or as shown."""


def _bounded(word: str, segment: Segment) -> bool | None:
    """Whether a segment is within the bound that a word is; None where the word is none. No figure is in no bound."""
    found = BOUND.fullmatch(word)
    value = None if found is None else BOUNDED.get(found[1])
    if found is None or value is None:
        return None
    return value(segment) < float(found[3]) if found[2] == "<" else value(segment) > float(found[3])


class Triage:
    """Rows, what is chosen of them, and which one is being looked at."""

    changed = Signal()
    """Other rows are shown, or in another order."""
    current_changed = Signal()
    scope_changed = Signal()
    """The whole set, or the open drive alone, is asked for."""
    progress_changed = Signal()
    """Of analysing the drives that have no results."""

    def __init__(self) -> None:
        self.rows: tuple[Row, ...] = ()
        self.evaluation: Evaluation | None = None
        """Figures per regime over all rows with truth."""
        self.items: list[Row | Header] = []
        """What is shown, in order."""
        self.current: tuple[str, int] | None = None
        """``Row.id`` of the row that was chosen last."""
        self.has_set = False
        """Whether the open path holds several drives."""
        self.missing: tuple[str, ...] = ()
        """Keys of the set's drives that have no complete result, where the whole set is listed."""
        self.doing = ""
        """Which of them is being analysed, in a few words; empty when none is."""
        self.share = 0.0
        """How much of all of them is done, 0 to 1."""
        self.problem = ""
        """What could not be analysed, in one line."""
        self._sort: SortKey | None = None
        self._text, self._tags, self._grouped, self._whole_set = "", frozenset[str](), False, False

    @property
    def sort(self) -> SortKey:
        """What comes first; as long as nobody chose: the worst AUC, without truth the least confident."""
        if self._sort is not None:
            return self._sort
        if any(math.isfinite(row.segment.auc5) for row in self.rows):
            return "AUC@5"
        return "confidence" if any(math.isfinite(row.segment.confidence) for row in self.rows) else "time"

    @sort.setter
    def sort(self, value: SortKey) -> None:
        if value not in SORT_KEYS:
            raise ValueError(f"sort must be one of {', '.join(SORT_KEYS)}, got {value!r}")
        self._sort = value
        self._arrange()

    @property
    def text(self) -> str:
        """Words that a shown row must have in its drive's name or its tags; ``auc<60`` and the like are bounds."""
        return self._text

    @text.setter
    def text(self, value: str) -> None:
        self._text = value
        self._arrange()

    @property
    def tags(self) -> frozenset[str]:
        """Tags that a shown row must have, all of them."""
        return self._tags

    @tags.setter
    def tags(self, value: frozenset[str]) -> None:
        self._tags = frozenset(value)
        self._arrange()

    @property
    def grouped(self) -> bool:
        """Whether the rows stand in groups by regime."""
        return self._grouped

    @grouped.setter
    def grouped(self, value: bool) -> None:
        self._grouped = bool(value)
        self._arrange()

    @property
    def whole_set(self) -> bool:
        """Whether the other drives of the set that have results are listed too."""
        return self._whole_set

    @whole_set.setter
    def whole_set(self, value: bool) -> None:
        if value != self._whole_set:
            self._whole_set = bool(value)
            self.scope_changed.emit()

    @property
    def shown(self) -> list[Row]:
        """The rows that the filter leaves, in order."""
        return [item for item in self.items if isinstance(item, Row)]

    def offered_tags(self) -> list[tuple[str, int]]:
        """Every tag of the rows worth offering, with how many rows would be left were it chosen too."""
        counts: dict[str, int] = {tag: 0 for row in self.rows for tag in shown_tags(row.segment)}
        for row in self.rows:
            if self._passes(row):
                for tag in shown_tags(row.segment):
                    counts[tag] += 1
        return sorted(counts.items(), key=lambda pair: _tag_order(pair[0]))

    def say(self, doing: str = "", share: float = 0.0, problem: str = "") -> None:
        """Tell how analysing the missing drives gets on, or what went wrong."""
        self.doing, self.share, self.problem = doing, share, problem
        self.progress_changed.emit()

    def take(self, rows: Sequence[Row], evaluation: Evaluation | None, missing: Sequence[str] = ()) -> None:
        """Other segments; what is chosen of them stays, but for tags that none of them has."""
        self.rows, self.evaluation, self.missing = tuple(rows), evaluation, tuple(missing)
        self._tags &= {tag for row in rows for tag in row.segment.tags}
        self._arrange()

    def choose(self, row: Row | None) -> None:
        """Look at a row."""
        chosen = None if row is None else row.id
        if chosen != self.current:
            self.current = chosen
            self.current_changed.emit()

    def step(self, direction: int) -> Row | None:
        """Choose the row after (1) or before (-1) the current one; the first where none is chosen or shown."""
        shown = self.shown
        if not shown:
            return None
        at = next((i for i, row in enumerate(shown) if row.id == self.current), None)
        to = 0 if at is None else min(max(at + direction, 0), len(shown) - 1)
        self.choose(shown[to])
        return shown[to]

    def _passes(self, row: Row) -> bool:
        words = " ".join((row.drive.name, *row.segment.tags)).lower()

        def fits(word: str) -> bool:
            bounded = _bounded(word, row.segment)
            return word in words if bounded is None else bounded

        return self._tags <= row.segment.tags and all(map(fits, self._text.lower().split()))

    def _arrange(self) -> None:
        badness = _WORST_FIRST[self.sort]
        rows = sorted(
            filter(self._passes, self.rows), key=lambda r: (badness(r.segment), r.drive.name, r.segment.start)
        )
        self.items = list(rows)
        if self._grouped:
            self.items = []
            for name in (*GROUPS, "other"):
                members = [row for row in rows if row.group == name]
                if members:
                    self.items += [Header(name, len(members)), *members]
        self.changed.emit()
