"""What the scripts that drive the real window share: waiting for what it shows, while it works."""

from __future__ import annotations

import time
from collections.abc import Callable

from PySide6.QtTest import QTest


def wait_for(ready: Callable[[], bool], what: str, *, seconds: float) -> None:
    """Let the window work until ``ready``.

    Raises:
        TimeoutError: where ``what`` did not come within so many seconds.
    """
    print(f"waiting for {what}", flush=True)
    end = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > end:
            raise TimeoutError(f"{what} did not come within {seconds:g} s")
        QTest.qWait(50)
