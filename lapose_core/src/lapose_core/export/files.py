"""Text files that are either whole or not there."""

from __future__ import annotations

import os
from pathlib import Path


def write_text(path: Path, text: str) -> None:
    """Write ``text`` (UTF-8) beside ``path`` and move it into place, so that no reader sees half a file.

    Raises:
        ValueError: where the folder does not exist or the path is a folder.
        OSError: where the disk refuses; what was at ``path`` is then unchanged.
    """
    if path.is_dir():
        raise ValueError(f"{path}: is a folder; name a file in it")
    if not path.parent.is_dir():
        raise ValueError(f"{path.parent}: there is no such folder; create it first")
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        part.write_text(text, encoding="utf-8", newline="\n")
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
