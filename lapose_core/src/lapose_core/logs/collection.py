"""A folder whose entries are logs, each of any format: the drives of all of them in one list."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path

from lapose_core.drive import Drive, LogError
from lapose_core.logs.images import natural
from lapose_core.logs.reader import Listing, LogOptions, Reader

# A folder of logs shows one among its first entries; a home folder is not searched through.
_LOOKED_AT = 200


def collection(readers: Sequence[Reader]) -> Reader:
    """The reader of folders whose entries ``readers`` know. It goes one level down, so links cannot loop."""
    return Reader(
        name="folder",
        title="a folder of any of these",
        matches=partial(_matches, readers),
        list=partial(_list, readers),
        open=partial(_open, readers),
        each=partial(_each, readers),
    )


def _matches(readers: Sequence[Reader], path: Path) -> bool:
    return path.is_dir() and any(_reader(readers, entry) for entry in islice(path.iterdir(), _LOOKED_AT))


def _reader(readers: Sequence[Reader], entry: Path) -> Reader | None:
    if entry.name.startswith("."):
        return None
    for reader in readers:
        try:
            if reader.matches(entry):
                return reader
        except Exception:  # what one reader cannot look at, the next one may know
            continue
    return None


def _each(readers: Sequence[Reader], path: Path) -> Iterator[Listing]:
    for entry in sorted(path.iterdir(), key=lambda p: natural(p.name)):
        reader = _reader(readers, entry)
        if reader is None:
            continue
        try:
            drives = reader.list(entry)
        except (LogError, OSError, ValueError) as error:
            yield Listing(entry.name, entry.name, f"cannot be read: {error}")
            continue
        if len(drives) == 1:
            yield replace(drives[0], key=entry.name)
        else:
            yield from (replace(d, key=f"{entry.name}/{d.key}", name=f"{entry.name}/{d.name}") for d in drives)


def _list(readers: Sequence[Reader], path: Path) -> list[Listing]:
    return list(_each(readers, path))


def _open(readers: Sequence[Reader], path: Path, key: str, options: LogOptions) -> Drive:
    name, _, inner = key.partition("/")
    entry = path / name
    reader = _reader(readers, entry) if name not in ("", "..") else None
    if reader is None:
        raise LogError(f"{path}: there is no log {name!r}")
    if not inner:
        drives = reader.list(entry)
        if len(drives) != 1:
            raise LogError(f"{entry}: {len(drives)} drives; open this folder itself")
        inner = drives[0].key
    return reader.open(entry, inner, options)
