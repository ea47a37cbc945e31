"""Transitions like a given one, among everything the model at hand has analysed; off the GUI thread."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QObject, Signal, Slot

from lapose_inspector.models.gallery import DriveClock, Found, Hit
from lapose_inspector.models.selection import TransitionId
from lapose_inspector.workers.latest import LatestWorker, Stale

if TYPE_CHECKING:
    # Imported when somebody searches: pyarrow would keep the opening screen waiting.
    from lapose_core.inference.library import StoredResult
    from lapose_core.inference.neighbours import LatentIndex
    from lapose_core.inference.result import DriveAnalysis, ResultKey

COUNT = 60
"""Transitions found."""
APART = 1.0
"""Seconds that two of them, or one and the query, lie apart at least: neighbours in time are alike anyway."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Part:
    """The latents of one drive in the index: rows ``first`` and on are its transitions."""

    clock: DriveClock
    fingerprint: str
    transitions: NDArray[np.int64]
    latents: NDArray[np.float32]


class LatentSearch(QObject):
    """``found`` carries a Found. Stored results of the same model and rate are searched with the open drive; they are
    read once, and again when their files change."""

    found = Signal(object)
    failed = Signal(str)

    def __init__(self, results: Path, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._library = _Library(results)
        self._worker = LatestWorker("latent search", self)
        self._worker.done.connect(self._on_done)
        self._worker.failed.connect(self.failed)

    @property
    def nbytes(self) -> int:
        """What is kept of the latents for the next search."""
        return self._library.nbytes

    def request(self, analysis: DriveAnalysis, name: str, transition: int) -> None:
        """Look for transitions like ``transition`` of the open drive's result, which nobody changes any more."""
        library = self._library

        def job(stale: Stale) -> object:
            return library.search(analysis, name, transition, stale)

        self._worker.submit(job)

    def stop(self) -> None:
        """End the thread."""
        self._worker.stop()

    @Slot(object)
    def _on_done(self, found: Found | None) -> None:
        if found is not None:
            self.found.emit(found)


class _Library:
    """Belongs to the worker's thread."""

    def __init__(self, results: Path) -> None:
        self._folder = results
        self._read: dict[Path, tuple[float, _Part]] = {}
        self._index: LatentIndex | None = None
        self._parts: list[_Part] = []
        self._typical = float("nan")

    @property
    def nbytes(self) -> int:
        """For any thread."""
        read = [part.latents for _, part in tuple(self._read.values())]
        return sum(latents.nbytes for latents in read) + (0 if self._index is None else self._index.nbytes)

    def search(self, analysis: DriveAnalysis, name: str, transition: int, stale: Stale) -> Found | None:
        query = analysis.latents[transition]
        if not np.isfinite(query).all():
            raise ValueError(f"transition {transition} is not analysed yet")
        own = _part(analysis.fingerprint, name, analysis.frames, analysis.times - analysis.times[0], analysis.latents)
        parts = [own, *self._stored(analysis.key, stale)]
        if stale():
            return None
        self._prepare(parts)
        assert self._index is not None
        start = time.perf_counter()
        hits = self._hits(TransitionId(analysis.fingerprint, transition), query)
        milliseconds = 1000 * (time.perf_counter() - start)
        named = {hit.id.drive for hit in hits}
        clocks = {part.fingerprint: part.clock for part in reversed(parts) if part.fingerprint in named}
        searched, drives = len(self._index), len({part.fingerprint for part in parts})
        asked = TransitionId(analysis.fingerprint, transition)
        return Found(asked, hits, searched, drives, self._typical, clocks, milliseconds)

    def _stored(self, key: ResultKey, stale: Stale) -> list[_Part]:
        from lapose_core.inference.library import stored_results

        out = []
        for result in stored_results(self._folder):
            same = result.key.checkpoint_hash == key.checkpoint_hash and result.key.rate == key.rate
            if not same or result.key.fingerprint == key.fingerprint:
                continue
            if stale():
                break
            part = self._load(result)
            if part is not None:
                out.append(part)
        return out

    def _load(self, result: StoredResult) -> _Part | None:
        from lapose_core.inference.library import read_latents
        from lapose_core.inference.store import StoreError

        try:
            changed = (result.folder / "transitions.parquet").stat().st_mtime
            known = self._read.get(result.folder)
            if known is None or known[0] != changed:
                stored = read_latents(result)
                part = _part(result.key.fingerprint, result.drive_name, stored.frames, stored.times, stored.latents)
                self._read[result.folder] = changed, part
            return self._read[result.folder][1]
        except (OSError, StoreError) as error:
            log.warning("not searched: %s", error)
            return None

    def _prepare(self, parts: list[_Part]) -> None:
        """Build the index, unless it is that of the same latents."""
        from lapose_core.inference.neighbours import LatentIndex, typical_distance

        same = len(parts) == len(self._parts) and all(
            one is other or np.array_equal(one.latents, other.latents) for one, other in zip(parts, self._parts)
        )
        if self._index is None or not same:
            latents = np.concatenate([part.latents for part in parts])
            self._index, self._parts, self._typical = LatentIndex(latents), parts, typical_distance(latents)

    def _hits(self, query: TransitionId, latent: NDArray[np.float32]) -> tuple[Hit, ...]:
        """The nearest that are APART seconds from each other and from the query, in its drive."""
        assert self._index is not None
        ends = np.cumsum([len(part.latents) for part in self._parts])
        own = self._parts[0]
        taken: dict[str, list[float]] = {query.drive: [float(own.clock.times[query.transition])]}
        hits: list[Hit] = []
        seen, wanted = 0, 4 * COUNT
        while len(hits) < COUNT and seen < len(self._index):
            near = self._index.nearest(latent, wanted)
            for row, distance in zip(near.rows[seen:], near.distances[seen:]):
                number = int(np.searchsorted(ends, row, side="right"))
                part = self._parts[number]
                transition = int(part.transitions[row - (ends[number - 1] if number else 0)])
                at = float(part.clock.times[transition])
                others = taken.setdefault(part.fingerprint, [])
                if all(abs(at - other) >= APART for other in others):
                    others.append(at)
                    hits.append(Hit(TransitionId(part.fingerprint, transition), float(distance)))
                    if len(hits) == COUNT:
                        break
            seen, wanted = len(near.rows), 4 * wanted
        return tuple(hits)


def _part(
    fingerprint: str, name: str, frames: NDArray[np.int64], times: NDArray[np.float64], latents: NDArray[np.float32]
) -> _Part:
    known = np.flatnonzero(np.isfinite(latents).all(axis=1))
    return _Part(DriveClock(name, frames, times), fingerprint, known, latents[known])
