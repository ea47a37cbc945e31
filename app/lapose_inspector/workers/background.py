"""Threads whose work may wait stand behind the window's own when cores are few."""

from __future__ import annotations

import contextlib
import os
import sys
import threading

NICE = 5
"""Above the program's own niceness: on a core that both want the window gets three quarters."""


def stand_back() -> None:
    """Let this thread, and those that it starts from now on, wait for the window's; to be called in it.

    Qt's thread priorities do nothing on Linux. Elsewhere nothing happens.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            thread = threading.get_native_id()
            os.setpriority(os.PRIO_PROCESS, thread, min(os.getpriority(os.PRIO_PROCESS, thread) + NICE, 19))
