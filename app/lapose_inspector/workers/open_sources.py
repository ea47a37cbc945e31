"""Logs that stay open between single frames, for a worker's thread."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable

from lapose_core.drive import Drive, FrameSource
from lapose_core.frames.reader import bytes_of, few_frames


class OpenSources:
    """Frame sources by drive, the last used ones. Belongs to one thread at a time.

    Args:
        most: drives whose frames stay open.
    """

    def __init__(self, most: int = 1) -> None:
        self._most = most
        self._open: OrderedDict[Hashable, tuple[Drive, FrameSource]] = OrderedDict()

    def of(self, drive: Drive) -> FrameSource:
        """The source of this very drive: two cameras of one log may share a fingerprint.

        Raises:
            LogError: where the log cannot be opened.
        """
        return self.named(id(drive), lambda: drive)

    def named(self, key: Hashable, open_drive: Callable[[], Drive]) -> FrameSource:
        """The source of the drive under ``key``, which is opened where it is not.

        Raises:
            LogError: where the log cannot be opened.
        """
        drive, source = self._open.pop(key, (None, None))
        if drive is None or source is None:
            drive = open_drive()
            while len(self._open) >= self._most:
                self._open.popitem(last=False)[1][1].close()
            source = few_frames(drive)
        self._open[key] = drive, source
        return source

    @property
    def nbytes(self) -> int:
        """About what they hold; for any thread."""
        return sum(bytes_of(source) for _, source in tuple(self._open.values()))

    def close(self) -> None:
        """Close all; they are opened anew when they are asked for."""
        while self._open:
            self._open.popitem()[1][1].close()
