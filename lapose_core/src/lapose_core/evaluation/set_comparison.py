"""Two checkpoints over a set of drives: what the second gained and lost, on marked stretches and everywhere else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from lapose_core.evaluation.comparison import ClipPair, Comparison, Stretch
from lapose_core.evaluation.regimes import TRANSITION_NAMES
from lapose_core.training.manifest import Entry

Marks = Mapping[str, Sequence[tuple[int, int]]]
"""Fingerprint of a drive -> ranges (first, last) of its frames, both inclusive."""

ALL = "All clips"


@dataclass(frozen=True)
class DriveComparison:
    """One drive's part: its key in the set, its name, and the comparison of both results on it."""

    key: str
    name: str
    comparison: Comparison


@dataclass(frozen=True)
class SetComparison:
    """Comparisons of the same two checkpoints on several drives.

    Attributes:
        drives: those that could be compared.
        left_out: one sentence for each of the others.
    """

    drives: tuple[DriveComparison, ...]
    left_out: tuple[str, ...] = ()

    @property
    def clips(self) -> tuple[ClipPair, ...]:
        """The clips of all drives."""
        return tuple(clip for drive in self.drives for clip in drive.comparison.clips)

    @property
    def stretches(self) -> list[tuple[DriveComparison, Stretch]]:
        """Where one is better, the widest differences first."""
        found = [(drive, stretch) for drive in self.drives for stretch in drive.comparison.stretches]
        return sorted(found, key=lambda pair: -pair[1].degrees * (pair[1].stop - pair[1].start))


def manifest_marks(entries: Iterable[Entry]) -> dict[str, list[tuple[int, int]]]:
    """Where a training manifest's stretches lie; an entry that does not tell its drive's fingerprint is left out."""
    marks: dict[str, list[tuple[int, int]]] = {}
    for entry in entries:
        if entry.fingerprint:
            marks.setdefault(entry.fingerprint, []).extend(entry.ranges)
    return marks


def split(clips: Sequence[ClipPair], name: str, marks: Marks) -> dict[str, list[ClipPair]]:
    """The clips that share a frame with what is marked, under ``name``, and the others under "Not ``name``"."""
    touched = [clip.touches(marks.get(clip.drive, ())) for clip in clips]
    return {
        name: [clip for clip, mine in zip(clips, touched, strict=True) if mine],
        f"Not {name}": [clip for clip, mine in zip(clips, touched, strict=True) if not mine],
    }


def by_regime(clips: Sequence[ClipPair]) -> dict[str, list[ClipPair]]:
    """The clips of each kind of motion that occurs; a clip may be of several."""
    found = {name: [clip for clip in clips if name in clip.regimes] for name in TRANSITION_NAMES}
    return {name: members for name, members in found.items() if members}
