"""Which transitions are selected, in any number of drives, and the sets of them that were given a name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from psygnal import Signal

Indices: TypeAlias = NDArray[np.int64]
Transitions: TypeAlias = Mapping[str, NDArray[np.integer] | Sequence[int]]
"""Transition indices by drive fingerprint; order and repetition do not matter."""
Mode = Literal["replace", "add", "subtract"]


class TransitionId(NamedTuple):
    """One transition of one drive at the selection's rate; never a bare index, which another drive has too."""

    drive: str
    """Fingerprint of the drive."""
    transition: int


@dataclass(frozen=True)
class NamedSet:
    """A selection that was kept. ``rate`` in Hz says which frames the indices mean."""

    name: str
    rate: float
    transitions: Mapping[str, Indices] = field(default_factory=dict)

    def __len__(self) -> int:
        return sum(len(indices) for indices in self.transitions.values())


class Selection:
    """The selected transitions. Indices are those of drives sampled at ``rate`` Hz; another rate clears them.

    Every change that changes something emits ``changed`` once; the named sets emit ``sets_changed``.
    """

    changed = Signal()
    sets_changed = Signal()

    def __init__(self, rate: float) -> None:
        self._rate = float(rate)
        self._selected: dict[str, Indices] = {}
        self._sets: dict[str, NamedSet] = {}

    # -- reading

    def __len__(self) -> int:
        return sum(len(indices) for indices in self._selected.values())

    def __contains__(self, id: object) -> bool:
        if not isinstance(id, tuple) or len(id) != 2:
            return False
        indices = self._selected.get(id[0])
        if indices is None:
            return False
        at = int(np.searchsorted(indices, id[1]))
        return at < len(indices) and int(indices[at]) == id[1]

    def __iter__(self) -> Iterator[TransitionId]:
        for drive, indices in self._selected.items():
            for index in indices:
                yield TransitionId(drive, int(index))

    @property
    def rate(self) -> float:
        """Hz at which the drives are sampled."""
        return self._rate

    @property
    def drives(self) -> tuple[str, ...]:
        """Fingerprints of the drives that have selected transitions."""
        return tuple(self._selected)

    def of(self, drive: str) -> Indices:
        """Selected transitions [n] of a drive, increasing; empty where there are none. Not to be written to."""
        return self._selected.get(drive, np.zeros(0, np.int64))

    def runs(self, drive: str) -> list[tuple[int, int]]:
        """The selected transitions of a drive as [start, stop) of neighbouring ones."""
        indices = self.of(drive)
        if not len(indices):
            return []
        cuts = np.flatnonzero(np.diff(indices) > 1)
        starts = indices[np.concatenate(([0], cuts + 1))]
        stops = indices[np.concatenate((cuts, [len(indices) - 1]))] + 1
        return list(zip(starts.tolist(), stops.tolist(), strict=True))

    # -- changing

    def set_rate(self, rate: float) -> None:
        """Another analysis rate: the same indices would be other frames, so the selection is dropped."""
        if float(rate) != self._rate:
            self._rate = float(rate)
            self.clear()

    def change(self, transitions: Transitions, mode: Mode) -> None:
        """``replace``, ``add`` or ``subtract``, whichever the user's keys say."""
        {"replace": self.replace, "add": self.add, "subtract": self.subtract}[mode](transitions)

    def replace(self, transitions: Transitions) -> None:
        """Select these transitions and no others."""
        self._take(_clean(transitions))

    def add(self, transitions: Transitions) -> None:
        """Select these transitions as well."""
        new = dict(self._selected)
        for drive, indices in _clean(transitions).items():
            new[drive] = np.union1d(self.of(drive), indices)
        self._take(new)

    def subtract(self, transitions: Transitions) -> None:
        """Deselect these transitions."""
        new = dict(self._selected)
        for drive, indices in _clean(transitions).items():
            new[drive] = np.setdiff1d(self.of(drive), indices, assume_unique=True)
        self._take(new)

    def invert(self, within: Transitions) -> None:
        """Swap selected and not, among ``within``: what can be seen. What lies outside it stays as it is."""
        new = dict(self._selected)
        for drive, indices in _clean(within).items():
            selected = self.of(drive)
            outside = np.setdiff1d(selected, indices, assume_unique=True)
            new[drive] = np.union1d(np.setdiff1d(indices, selected, assume_unique=True), outside)
        self._take(new)

    def clear(self) -> None:
        """Select nothing."""
        self._take({})

    def _take(self, new: dict[str, Indices]) -> None:
        new = {drive: indices for drive, indices in new.items() if len(indices)}
        same = new.keys() == self._selected.keys()
        if same and all(np.array_equal(new[drive], self._selected[drive]) for drive in new):
            return
        self._selected = new
        self.changed.emit()

    # -- named sets

    @property
    def sets(self) -> tuple[NamedSet, ...]:
        """The named sets, in the order they were made."""
        return tuple(self._sets.values())

    def keep(self, name: str) -> NamedSet:
        """Give the selection a name; a set of the same name is replaced.

        Raises:
            ValueError: without a name, or with nothing selected.
        """
        name = name.strip()
        if not name:
            raise ValueError("a set needs a name")
        if not len(self):
            raise ValueError("nothing is selected: lasso some points first")
        kept = NamedSet(name, self._rate, dict(self._selected))
        self.restore((*(s for s in self.sets if s.name != name), kept))
        return kept

    def recall(self, name: str, mode: Mode = "replace") -> None:
        """Select what a set holds.

        Raises:
            ValueError: where there is no such set, or it was made at another rate.
        """
        kept = self._sets.get(name)
        if kept is None:
            raise ValueError(f"there is no set {name!r}")
        if kept.rate != self._rate:
            raise ValueError(
                f"the set {name!r} was made at {kept.rate:g} Hz, the analysis is at {self._rate:g} Hz: change the rate"
            )
        self.change(kept.transitions, mode)

    def forget(self, name: str) -> None:
        """Drop a set; the selection stays."""
        self.restore(tuple(s for s in self.sets if s.name != name))

    def restore(self, sets: Sequence[NamedSet]) -> None:
        """Have these sets instead of the present ones, as a session file or an undo gives them back."""
        self._sets = {s.name: s for s in sets}
        self.sets_changed.emit()


def _clean(transitions: Transitions) -> dict[str, Indices]:
    """Increasing int64 indices without repetition.

    Raises:
        ValueError: on a negative index.
    """
    out = {}
    for drive, indices in transitions.items():
        array = np.unique(np.asarray(indices, np.int64))
        if len(array) and array[0] < 0:
            raise ValueError(f"transition {array[0]} of drive {drive}: indices begin at 0")
        out[drive] = array
    return out
