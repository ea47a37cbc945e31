"""The drives that a path holds, to choose one from, with what a closer look at each has shown."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from psygnal import Signal

from lapose_core.drive import Drive, Image
from lapose_core.geometry import Array, relative
from lapose_core.logs.reader import Listing, Reader

KEPT = 2000
"""Previews kept: of pictures of 128 x 72 pixels, 55 MB."""
PROFILE_POINTS = 120


@dataclass(frozen=True)
class SpeedProfile:
    """Speeds [n] in m/s at ``times`` [n] seconds from the first frame, NaN where unknown, and where they come from."""

    times: Array
    speeds: Array
    source: str


@dataclass(frozen=True)
class Preview:
    """What opening a drive for a moment showed of it; ``problem`` is one line where it cannot be opened."""

    picture: Image | None = None
    frames: int | None = None
    seconds: float | None = None
    speed: SpeedProfile | None = None
    problem: str = ""


class Dataset:
    """The listed drives of one path. It outlives the choice of a drive, so that another can be chosen."""

    changed = Signal()
    """Other drives, or another state of listing them."""
    current_changed = Signal()
    preview_changed = Signal(str)
    """Key of the drive whose preview came."""

    def __init__(self) -> None:
        self.path: Path | None = None
        self.reader: Reader | None = None
        self.listings: tuple[Listing, ...] = ()
        self.busy = ""
        """What is being listed, in a few words; empty when nothing is."""
        self.problem = ""
        """Why the last path could not be listed, in one line."""
        self.current: str | None = None
        """Key of the open drive, where it is one of these."""
        self._previews: OrderedDict[str, Preview] = OrderedDict()

    @property
    def nbytes(self) -> int:
        """What the drives' pictures take."""
        return sum(p.picture.nbytes for p in self._previews.values() if p.picture is not None)

    @property
    def title(self) -> str:
        """Of which folder or file these are, and how many."""
        if self.path is None:
            return ""
        count = len(self.listings)
        return f"{count} drive{'' if count == 1 else 's'} in {self.path.name or self.path}"

    def begin(self, what: str) -> None:
        """A path is being listed; until it is, the drives of the one before stay."""
        self.busy, self.problem = what, ""
        self.changed.emit()

    def end(self, problem: str = "") -> None:
        """Listing is over without other drives: given up, or failed with ``problem``."""
        self.busy, self.problem = "", problem
        self.changed.emit()

    def show(self, path: Path, reader: Reader, listings: list[Listing]) -> None:
        """Take the drives that ``reader`` lists at ``path``. Where a list has only grown, all else stays as it was."""
        taken = tuple(listings)
        grown = path == self.path and taken[: len(self.listings)] == self.listings
        self.busy = self.problem = ""
        if not grown:
            self.current = None
            self._previews.clear()
        if taken != self.listings:
            self.listings = taken
        self.path, self.reader = path, reader
        self.changed.emit()

    def find(self, wanted: str | None) -> Listing | None:
        """The drive of this key, or else the only one of this name."""
        keys = [entry for entry in self.listings if entry.key == wanted]
        named = keys or [entry for entry in self.listings if entry.name == wanted]
        return named[0] if len(named) == 1 else None

    def set_current(self, key: str | None) -> None:
        """Mark the drive that is open."""
        if key != self.current:
            self.current = key
            self.current_changed.emit()

    def preview(self, key: str) -> Preview | None:
        """What is known of a drive so far."""
        return self._previews.get(key)

    def set_preview(self, key: str, preview: Preview) -> None:
        """Keep what a look at a drive showed, dropping the oldest beyond KEPT."""
        self._previews[key] = preview
        while len(self._previews) > KEPT:
            self._previews.popitem(last=False)
        self.preview_changed.emit(key)


def speed_profile(drive: Drive, points: int = PROFILE_POINTS) -> SpeedProfile | None:
    """The drive's speed at ``points`` times or fewer: as recorded, else from its poses; None where it has neither."""
    recorded = drive.tracks.get("speed")
    if recorded is not None and recorded.unit == "m/s" and np.isfinite(recorded.values).sum() > 1:
        at = np.linspace(0, len(recorded.times) - 1, min(points, len(recorded.times))).round().astype(int)
        return SpeedProfile(recorded.times[at] - drive.timestamps[0], recorded.values[at], recorded.source)
    if drive.poses is None or drive.pose_valid is None or len(drive) < 2:
        return None
    frames = np.unique(np.linspace(0, len(drive) - 1, min(points + 1, len(drive))).round().astype(int))
    times = drive.timestamps[frames]
    metres = np.linalg.norm(relative(drive.poses[frames])[:, :3, 3], axis=1)
    known = drive.pose_valid[frames[1:]] & drive.pose_valid[frames[:-1]]
    if not known.any():
        return None
    speeds = np.where(known, metres / np.diff(times), np.nan)
    return SpeedProfile((times[1:] + times[:-1]) / 2 - drive.timestamps[0], speeds, "the poses")


def length_text(frames: int | None, seconds: float | None) -> str:
    """How long a drive is, such as ``1:02 min, 620 frames``; empty where nobody knows."""
    parts = []
    if seconds is not None:
        whole = round(seconds)
        parts.append(f"{seconds:.1f} s" if seconds < 60 else f"{whole // 60}:{whole % 60:02d} min")
    if frames is not None:
        parts.append(f"{frames} frame{'' if frames == 1 else 's'}")
    return ", ".join(parts)
