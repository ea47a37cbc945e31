"""Files that are either whole or not there, and how a long write tells its progress."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

Progress = Callable[[float], object]
"""Told the share that is done, 0 to 1. It may raise `Cancelled`, which ends the write and leaves no file."""


class Cancelled(Exception):
    """The user gave an export up."""


def no_progress(share: float) -> None:
    """For callers that need not know."""


def check_place(path: Path) -> None:
    """What a long export asks before it computes anything.

    Raises:
        ValueError: where the folder of ``path`` does not exist or the path is a folder itself.
    """
    if path.is_dir():
        raise ValueError(f"{path}: is a folder; name a file in it")
    if not path.parent.is_dir():
        raise ValueError(f"{path.parent}: there is no such folder; create it first")


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path beside ``path`` to write to; when the block ends well it takes the place of ``path``, else it is removed.

    It has the suffix of ``path``, by which some libraries choose a format.

    Raises:
        ValueError: where the folder does not exist or the path is a folder.
        OSError: where the disk refuses, naming ``path``; what was there is then unchanged.
    """
    check_place(path)
    part = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        yield part
        os.replace(part, path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno and error.filename in (None, str(part)):
            # Libraries name the file beside it, or none; the user knows neither.
            raise OSError(error.errno, os.strerror(error.errno), str(path)) from error
        raise


def write_text(path: Path, text: str) -> None:
    """Write ``text`` (UTF-8) beside ``path`` and move it into place, so that no reader sees half a file.

    Raises:
        ValueError: where the folder does not exist or the path is a folder.
        OSError: where the disk refuses; what was at ``path`` is then unchanged.
    """
    with replacing(path) as part:
        part.write_text(text, encoding="utf-8", newline="\n")
