"""What the vehicle recorded beside the pictures, such as speed and steering, in units for people."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lapose_core.drive import Drive
from lapose_core.geometry import Array

# Angles are stored in radians and shown in degrees.
_SHOWN = {"rad": ("°", 180 / np.pi), "rad/s": ("°/s", 180 / np.pi), "deg": ("°", 1.0), "deg/s": ("°/s", 1.0)}
_FURTHEST = 0.5
"""Seconds from a sample within which it stands."""


@dataclass(frozen=True)
class Recorded:
    """One track: values [K] in ``unit`` at ``times`` [K], seconds from the drive's first frame."""

    name: str
    unit: str
    times: Array
    values: Array
    source: str

    @property
    def label(self) -> str:
        """For the plot's margin; the model's speed is plotted too."""
        return "Speed (log)" if self.name == "speed" else self.name[:1].upper() + self.name[1:]

    @property
    def signed(self) -> bool:
        """Whether values lie on both sides of zero, which then deserves a line."""
        return bool(np.nanmin(self.values) < 0 < np.nanmax(self.values))

    def index_at(self, seconds: float) -> int | None:
        """The sample nearest to a time, unless it is over half a second away."""
        after = int(np.searchsorted(self.times, seconds))
        near = [i for i in (after - 1, after) if 0 <= i < len(self.times)]
        at = min(near, key=lambda i: abs(self.times[i] - seconds))
        return at if abs(self.times[at] - seconds) <= _FURTHEST else None

    def text(self, seconds: float) -> str:
        """The value at a time without its unit; a dash where there is none."""
        at = self.index_at(seconds)
        if at is None or not np.isfinite(self.values[at]):
            return "–"
        return f"{self.values[at]:.1f}".replace("-", "−")


def recorded_tracks(drive: Drive | None) -> tuple[Recorded, ...]:
    """The drive's tracks in the reader's order, without those that are empty."""
    out = []
    for name, track in ({} if drive is None else drive.tracks).items():
        if drive is not None and len(track.times) and np.isfinite(track.values).any():
            unit, factor = _SHOWN.get(track.unit, (track.unit, 1.0))
            times = track.times - drive.timestamps[0]
            out.append(Recorded(name, unit, times, track.values * factor, track.source))
    return tuple(out)
