"""The names in a folder by one question to the system: a data set is a thousand folders of thousands of files."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path


def files_in(folder: Path, suffixes: Sequence[str]) -> Iterator[str]:
    """Names, in no special order, of the files in ``folder`` that end in one of ``suffixes`` (in small letters);
    hidden ones are left out, links are followed.

    Raises:
        OSError: where the folder cannot be read.
    """
    ends = tuple(suffixes)
    with os.scandir(folder) as entries:
        for entry in entries:
            name = entry.name
            if name.lower().endswith(ends) and name[0] != "." and _is(entry.is_file):
                yield name


def folders_in(folder: Path) -> Iterator[str]:
    """Names, in no special order, of the folders in ``folder``; links are followed.

    Raises:
        OSError: where the folder cannot be read.
    """
    with os.scandir(folder) as entries:
        for entry in entries:
            if _is(entry.is_dir):
                yield entry.name


def _is(kind: Callable[[], bool]) -> bool:
    try:
        return kind()
    except OSError:  # a link to itself
        return False
