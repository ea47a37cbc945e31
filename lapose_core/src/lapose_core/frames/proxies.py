"""The proxies of many drives under one roof and one limit; the one that was opened longest ago goes first."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lapose_core.drive import Drive
    from lapose_core.frames.proxy import Proxy

SMALLEST = 480
"""Drives whose frames have no side longer than this many pixels need no proxy."""
# Of a JPEG at the proxy's quality, on the generous side; driving video was seen to take 0.11 to 0.18.
_BYTES_PER_PIXEL = 0.3


class ProxyFolder:
    """Proxies in sub-folders of ``folder``, named by their drives' fingerprints, within ``limit`` bytes."""

    def __init__(self, folder: Path, limit: int) -> None:
        self.folder, self.limit = folder, limit

    def open(self, drive: Drive) -> Proxy | None:
        """The proxy of ``drive``, begun or gone on with; None where the drive needs none or the disk refuses.

        Other drives' proxies make room for it where they must.
        """
        from lapose_core.frames.jpeg import small_size  # PyAV, without which the folder can be tidied
        from lapose_core.frames.proxy import Proxy

        key = drive.fingerprint
        if max(drive.width, drive.height) <= SMALLEST or not re.fullmatch(r"[A-Za-z0-9-]+", key):
            return None
        width, height = small_size(drive.width, drive.height)
        need = min(int(len(drive) * width * height * _BYTES_PER_PIXEL), self.limit)
        try:
            others = self._make_room(key, self.limit - need)
            return Proxy(self.folder / key, drive, self.limit - others)
        except OSError:
            return None

    def used(self) -> int:
        """Bytes of all proxies."""
        return sum(_size(path) for path in self._proxies())

    def clear(self) -> None:
        """Delete every proxy."""
        for path in self._proxies():
            shutil.rmtree(path, ignore_errors=True)

    def _proxies(self) -> list[Path]:
        if not self.folder.is_dir():
            return []
        return [path for path in self.folder.iterdir() if (path / "proxy.json").is_file()]

    def _make_room(self, kept: str, room: int) -> int:
        """Delete other proxies until they take at most ``room`` bytes; how many they do take."""
        others = [path for path in self._proxies() if path.name != kept]
        sizes = {path: _size(path) for path in others}
        for path in sorted(others, key=lambda path: (path / "proxy.json").stat().st_mtime):
            if sum(sizes.values()) <= room:
                break
            shutil.rmtree(path, ignore_errors=True)
            sizes[path] = _size(path) if path.exists() else 0
        return sum(sizes.values())


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir() if path.is_file())
