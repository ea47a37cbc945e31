"""Clips that cover the stretches of a training manifest."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from lapose_core.drive import Drive, LogError
from lapose_core.training.manifest import Entry
from lapose_core.training.shards import Clip, drive_clips


def manifest_clips(
    entries: Sequence[Entry],
    frames: int,
    size: tuple[int, int],
    stride: int,
    notice: Callable[[str], object] = print,
) -> Iterator[Clip]:
    """Clips of ``frames`` samples that cover the entries' stretches, as `drive_clips` cuts them.

    A stretch longer than a clip gives one every ``stride`` samples and one that ends with it; a shorter one gives one
    clip about its middle, moved into the drive. Clips that would be the same are cut once.

    Args:
        notice: hears, in one sentence, of a log that changed since, or of one too short for a clip.

    Raises:
        LogError: where a log cannot be opened or has no such frames.
    """
    from lapose_core.logs import open_log

    for entry in entries:
        drive = open_log(entry.log, drive=entry.drive, options=entry.options)
        if entry.fingerprint and drive.fingerprint != entry.fingerprint:
            notice(f"{entry.log}: the log has changed since the manifest was written; the same frames are cut")
        starts = clip_starts(drive, entry, frames, stride)
        if not starts:
            notice(f"{entry.log}: too short for a clip of {frames} frames at {entry.rate:g} Hz; left out")
        yield from drive_clips(drive, frames, size, entry.rate, stride, starts)


def clip_starts(drive: Drive, entry: Entry, frames: int, stride: int) -> list[int]:
    """First samples, at the entry's rate, of the clips that cover its stretches; increasing, each once.

    Raises:
        LogError: where the drive does not reach to a stretch's end.
    """
    samples = drive.indices_at_rate(entry.rate)
    starts: set[int] = set()
    latest = len(samples) - frames
    for first, last in entry.ranges:
        if last >= len(drive):
            raise LogError(
                f"{entry.log}: frames: the manifest names frame {last}, but the drive has {len(drive)} frames; "
                "write the manifest anew"
            )
        low = int(np.searchsorted(samples, first, side="right")) - 1
        high = int(np.searchsorted(samples, last))
        low, high = max(low, 0), min(high, len(samples) - 1)
        if latest < 0:
            continue
        if high - low + 1 <= frames:
            starts.add(min(max(0, (low + high + 1 - frames) // 2), latest))
        else:
            starts.update(range(low, high - frames + 2, stride))
            starts.add(high - frames + 1)
    return sorted(starts)
