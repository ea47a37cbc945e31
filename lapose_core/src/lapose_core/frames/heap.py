"""Settings of the C library's heap for a program that takes and drops a large picture many times a second."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from typing import cast

# Of glibc's malloc.h.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
_KEPT = 128 << 20
_LARGEST_ON_HEAP = 32 << 20


def steady_heap() -> None:
    """Keep the memory of dropped pictures for the next ones. For a program's very beginning; elsewhere than on Linux
    with glibc nothing happens.

    By default each thread has a heap of its own, which gives a dropped picture's pages back to the system and takes
    new ones for the next: at 1080p that costs as much time as decoding it (2.4 of 5.0 ms), and what dozens of
    decoder threads do not give back adds up. One heap that keeps some room does neither.
    """
    mallopt = _function("mallopt")
    if mallopt is not None:
        mallopt(_ARENA_MAX, 1)
        mallopt(_MMAP_THRESHOLD, _LARGEST_ON_HEAP)
        mallopt(_TRIM_THRESHOLD, _KEPT)


def return_memory() -> None:
    """Give what the heap keeps and nobody uses back to the system, after many pictures were dropped at once."""
    trim = _function("malloc_trim")
    if trim is not None:
        trim(0)


def _function(name: str) -> Callable[..., int] | None:
    """A function of the C library; None where that is another than glibc."""
    if sys.platform != "linux":
        return None
    try:
        return cast("Callable[..., int]", getattr(ctypes.CDLL(None), name))
    except (OSError, AttributeError):
        return None
