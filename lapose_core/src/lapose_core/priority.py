"""Threads whose work may wait stand behind others when cores are few."""

from __future__ import annotations

import contextlib
import os
import sys
import threading

BEHIND_WINDOW = 14
"""Niceness of what goes on behind a window: on a core that both want, the window's thread gets 95 %."""
BEHIND_WORK = 5
"""Of what runs ahead of other work: who stands in front gets three quarters."""
BEHIND_MODEL = 10
"""Of decoding for a model that is to have a core for itself: a decoder's four threads on two cores weigh half of it."""


def stand_back(by: int = BEHIND_WINDOW) -> None:
    """Let this thread, and those that it starts from now on, wait for others; to be called in it.

    Only Linux has a niceness of threads (Qt's priorities do nothing there). Elsewhere nothing happens.

    Args:
        by: how much nicer than it is, on the system's scale that ends at 19.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            thread = threading.get_native_id()
            nice = os.getpriority(os.PRIO_PROCESS, thread) + by
            os.setpriority(os.PRIO_PROCESS, thread, min(nice, 19))
