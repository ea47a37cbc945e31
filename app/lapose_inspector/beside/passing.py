"""Preview pictures of the frames that an analysis decodes, made where they are decoded."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from lapose_core.drive import Drive, Image

if TYPE_CHECKING:
    from lapose_core.frames.picture import Picture
    from lapose_core.frames.proxies import ProxyFolder
    from lapose_core.frames.proxy import Proxy

TOLD_EVERY = 0.4
"""Seconds between two times that the window hears of new pictures."""


class PassingPictures:
    """Called with each decoded frame, in the thread that decodes; says whether those between samples are wanted too.

    The window has the same proxy open to read from. Both only add to it, each in files of its own.
    """

    def __init__(self, proxies: ProxyFolder, drive: Drive, tell: Callable[..., None]) -> None:
        self._proxies, self._drive, self._tell = proxies, drive, tell
        self._proxy: Proxy | None = None
        self._opened = False
        self._told = time.monotonic()

    def __call__(self, index: int, frame: Picture | Image) -> bool:
        if not self._opened:
            self._opened = True
            self._proxy = self._proxies.open(self._drive)
        wants = self._proxy is not None and self._proxy.take(index, frame)
        if self._proxy is not None and time.monotonic() - self._told > TOLD_EVERY:
            self._told = time.monotonic()
            self._tell("pictured", self._drive.fingerprint)
        return wants

    def close(self) -> None:
        """Take no more."""
        self._opened = True
        if self._proxy is not None:
            self._proxy.close()
            self._tell("pictured", self._drive.fingerprint)
