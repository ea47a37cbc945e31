"""Threads whose work may wait stand behind others when cores are few."""

from __future__ import annotations

import contextlib
import os
import sys
import threading

NICE = 5
"""One step back: on a core that both want, who stands in front gets three quarters."""


def stand_back(steps: int = 1) -> None:
    """Let this thread, and those that it starts from now on, wait for others; to be called in it.

    Only Linux has a niceness of threads (Qt's priorities do nothing there). Elsewhere nothing happens.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            thread = threading.get_native_id()
            nice = os.getpriority(os.PRIO_PROCESS, thread) + steps * NICE
            os.setpriority(os.PRIO_PROCESS, thread, min(nice, 19))
