"""What is kept in memory and on disk to be fast, in words."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lapose_core.frames.budget import MIB

if TYPE_CHECKING:
    from lapose_core.frames.proxy import ProxyState

LARGEST_DEFAULT = 2048
"""MiB of memory, unless the user chooses; less where the machine has less than four times as much."""


def default_memory() -> int:
    """MiB that this machine can spare: a quarter of its memory, 2048 at most."""
    try:
        there = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // MIB
    except (AttributeError, ValueError, OSError):  # not a POSIX system
        return LARGEST_DEFAULT
    return int(min(LARGEST_DEFAULT, max(256, there // 4)))


@dataclass(frozen=True)
class MemoryUse:
    """Bytes in use and allowed, by what they are for, and how far the open drive's previews are."""

    used: int
    limit: int
    uses: dict[str, int]
    previews: ProxyState | None = None

    @property
    def text(self) -> str:
        """For the status bar, such as ``312/2048 MiB · previews 34 %``."""
        text = f"{round(self.used / MIB)}/{self.limit // MIB} MiB"
        state = self.previews
        if state is None or state.done == state.frames:
            return text
        return f"{text} · previews {'stopped at ' if state.stopped else ''}{state.done / state.frames:.0%}"

    @property
    def details(self) -> str:
        """One line for each thing that is kept."""
        lines = [f"{name}: {size / MIB:.1f} MiB" for name, size in self.uses.items()]
        lines = ["Kept in memory to be fast", *(lines or ["nothing yet"])]
        state = self.previews
        if state is not None:
            lines += ["", f"Previews on disk: {state.done} of {state.frames} frames, {state.bytes / MIB:.0f} MiB"]
            lines += [f"No more are made: {state.stopped}."] if state.stopped else []
        return "\n".join(lines)
