"""Where the open drive came from, and what was chosen of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from lapose_core.logs.reader import Listing, LogOptions

if TYPE_CHECKING:
    from lapose_core.logs.sanity import PoseSanity


@dataclass(frozen=True)
class OpenLog:
    """The log of the open drive.

    Attributes:
        path: what was opened: a log, or a data set with several drives.
        drive: key of the drive in a data set; None where ``path`` holds only this one.
        options: camera, poses and their clock and axes.
        listing: what the reader lists of the drive, with the cameras and topics to choose from.
        sanity: what its poses say about themselves; None without two of them.
    """

    path: Path
    drive: str | None = None
    options: LogOptions = field(default_factory=LogOptions)
    listing: Listing = field(default_factory=lambda: Listing("", ""))
    sanity: PoseSanity | None = None

    @property
    def camera(self) -> str | None:
        """The camera or image topic that is shown; None where the log has no choice."""
        return self.options.camera or next(iter(self.listing.cameras), None)

    @property
    def pose_topic(self) -> str | None:
        """The topic that the poses come from; None where the log has no choice."""
        return self.options.pose_topic or next(iter(self.listing.pose_topics), None)

    @property
    def problems(self) -> tuple[str, ...]:
        """Sentences on what looks wrong with the poses' convention; empty for sound ones."""
        return () if self.sanity is None else self.sanity.problems


def after(choices: tuple[str, ...], current: str | None, step: int) -> str | None:
    """The choice ``step`` places after ``current``, round and round; None where there is nothing to choose."""
    if len(choices) < 2:
        return None
    at = choices.index(current) if current in choices else 0
    return choices[(at + step) % len(choices)]
