"""What the latent map shows: the transitions of one result, or of two side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lapose_inspector.models.selection import Indices
from lapose_inspector.models.series import Series, SeriesSet

if TYPE_CHECKING:
    from lapose_core.annotations import AnnotationSet
    from lapose_core.inference.result import DriveAnalysis, ResultKey
    from lapose_inspector.models.labels import LabelPalette

NO_LABEL = "no label"

SOURCES = ("#56B4E9", "#E6A817")
"""Colours of two results on one map: neither truth's nor prediction's."""
SHIFT = 32
"""A row's id is ``source << SHIFT | transition``: increasing, and the first source's ids are its transitions."""


@dataclass(frozen=True)
class MapSource:
    """One analysed drive: a result and its series.

    Attributes:
        name: drive, or drive and model, whichever tells it from the other source.
        key: which result it is.
        latents: [T, A] in the space of the first source; NaN where not analysed.
        known: transitions [n] that have a latent, increasing.
        note: how they were brought into that space, or empty where they are of the same model.
    """

    name: str
    key: ResultKey
    latents: NDArray[np.float32]
    series: SeriesSet
    known: Indices
    note: str = ""

    @classmethod
    def of(cls, analysis: DriveAnalysis, series: SeriesSet, name: str = "") -> MapSource:
        return cls(name or analysis.drive_name, analysis.key, analysis.latents, series, np.flatnonzero(analysis.done))

    @property
    def fingerprint(self) -> str:
        """Of the drive."""
        return self.key.fingerprint


def model_name(analysis: DriveAnalysis) -> str:
    """By which checkpoint a result is, so that two of one name are told apart."""
    return f"{analysis.checkpoint_name} ({analysis.checkpoint_hash[:6]})"


class MapData:
    """The rows of a map: every analysed transition of every source, in order."""

    def __init__(self, sources: Sequence[MapSource] = ()) -> None:
        self.sources = tuple(sources)
        known = [source.known for source in self.sources]
        empty = np.zeros(0, np.int64)
        self.ids: Indices = np.concatenate([empty, *(t | i << SHIFT for i, t in enumerate(known))])

    @cached_property
    def latents(self) -> NDArray[np.float32]:
        """The rows' latents [n, A]. A copy that takes 10 ms for 100,000 rows: to be asked for by workers."""
        parts = [source.latents[source.known] for source in self.sources]
        return np.concatenate(parts) if parts else np.zeros((0, 1), np.float32)

    @property
    def key(self) -> tuple[ResultKey, ...]:
        """Which results; equal keys are the same results, perhaps grown."""
        return tuple(source.key for source in self.sources)

    def locate(self, id: int) -> tuple[MapSource, int]:
        """The source and the transition of a row's id."""
        return self.sources[id >> SHIFT], id & ((1 << SHIFT) - 1)

    def transitions(self, ids: Indices) -> dict[str, Indices]:
        """Transitions by drive fingerprint, for the selection; two results of one drive come together."""
        out: dict[str, Indices] = {}
        for index, source in enumerate(self.sources):
            mine = ids[(ids >> SHIFT) == index] & ((1 << SHIFT) - 1)
            if len(mine):
                out[source.fingerprint] = np.union1d(out.get(source.fingerprint, mine), mine)
        return out

    def rows_of(self, ids: Indices, selected: dict[str, Indices]) -> NDArray[np.bool_]:
        """Which of the rows ``ids`` [n] are among the selected transitions."""
        out = np.zeros(len(ids), bool)
        for index, source in enumerate(self.sources):
            if source.fingerprint in selected:
                mine = (ids >> SHIFT) == index
                out[mine] = np.isin(ids[mine] & ((1 << SHIFT) - 1), selected[source.fingerprint])
        return out

    def source_of(self, ids: Indices) -> Indices:
        """The number of each row's source."""
        return ids >> SHIFT

    def series(self, key: str, ids: Indices) -> Series | None:
        """The values of a series for the rows ``ids`` [n]; None where the first source has none of that name."""
        if not self.sources or key not in self.sources[0].series.series:
            return None
        first = self.sources[0].series[key]
        values = np.full(len(ids), np.nan)
        for index, source in enumerate(self.sources):
            one = source.series.series.get(key)
            if one is not None:
                mine = (ids >> SHIFT) == index
                values[mine] = one.values[ids[mine] & ((1 << SHIFT) - 1)]
        return replace(first, values=values, truth=None)

    def annotation_series(self, ids: Indices, notes: AnnotationSet, palette: LabelPalette) -> Series:
        """The label of the annotation on each row's transition; of several, the one that begins last."""
        labels = list(dict.fromkeys(note.label or NO_LABEL for note in notes))
        values = np.full(len(ids), np.nan)
        for index, source in enumerate(self.sources):
            if source.fingerprint != notes.fingerprint:
                continue
            rows = np.flatnonzero((ids >> SHIFT) == index)
            first = source.series.frames[ids[rows] & ((1 << SHIFT) - 1)]
            last = source.series.frames[(ids[rows] & ((1 << SHIFT) - 1)) + 1]
            for note in notes:
                values[rows[(first <= note.last_frame) & (last > note.first_frame)]] = labels.index(
                    note.label or NO_LABEL
                )
        colours = tuple(palette.colour_of(label) for label in labels)
        return Series("annotation", "Annotation", "", values, categories=tuple(labels), colours=colours)

    def source_series(self, ids: Indices) -> Series:
        """Which source each row is of, as categories."""
        names = tuple(source.name for source in self.sources)
        return Series(
            "source", "Source", "", self.source_of(ids).astype(np.float64), categories=names, colours=SOURCES
        )  # fmt: skip
