"""Listings of large folders, remembered between runs so that a thousand drives are listed at once.

They are kept in the user's cache folder, never beside the data, one JSON file per listed path. A listing is
listed anew when a file or folder of the first levels under its path has changed, or this program's readers have.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from lapose_core.drive import LogError
from lapose_core.logs.reader import Listing, Reader

ENVIRONMENT = "LAPOSE_CACHE"
# A listing is kept where it took this many seconds or found this many drives.
_SLOW, _MANY = 0.1, 50
# A file may change again within the resolution of its time, so that the change is not seen.
_SETTLED = 2.0
_LEVELS = 2
# Of a folder with more files only its own time counts, which tells names but not contents.
_FILES_LOOKED_AT = 64

Found = Callable[[Sequence[Listing]], None]


def cache_folder() -> Path:
    """Where listings are kept: the folder named by ``LAPOSE_CACHE``, else the platform's for caches."""
    named = os.environ.get(ENVIRONMENT)
    if named:
        return Path(named)
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "lapose"


def cached_list(reader: Reader, path: Path, found: Found | None = None) -> list[Listing]:
    """What ``reader`` lists under ``path``: remembered where nothing has changed, else listed now.

    ``found`` hears of the drives so far while they are listed; what it raises ends the listing.

    Raises:
        LogError: of the reader; and where two of its drives have the same key.
    """
    if not path.is_dir():
        return _listed(reader, path, found)
    key = hashlib.sha256(reader.name.encode() + b":" + os.fsencode(path.resolve())).hexdigest()[:32]
    file = cache_folder() / "listings" / f"{key}.json"
    state, newest = _state(reader, path)
    kept = _read(file, state)
    if kept is not None:
        return kept
    began, now = time.monotonic(), time.time()
    listings = _listed(reader, path, found)
    worth = len(listings) >= _MANY or time.monotonic() - began > _SLOW
    if worth and now - newest > _SETTLED:
        _write(file, state, listings)
    return listings


def _listed(reader: Reader, path: Path, found: Found | None) -> list[Listing]:
    listings: list[Listing] = []
    for listing in reader.list(path) if reader.each is None else reader.each(path):
        listings.append(listing)
        if found is not None:
            found(listings)
    keys = [listing.key for listing in listings]
    if len(set(keys)) < len(keys):
        twice = next(k for k in keys if keys.count(k) > 1)
        raise LogError(f"{path}: the reader {reader.name} lists two drives as {twice!r}; tell its authors")
    return listings


def _state(reader: Reader, path: Path) -> tuple[str, float]:
    """A digest of the readers and of the files' and folders' times, and the newest of these times."""
    digest = hashlib.sha256(reader.name.encode())
    newest = 0.0

    def add(name: str, stat: os.stat_result, size: int = 0) -> None:
        nonlocal newest
        digest.update(f"{name}:{size}:{stat.st_mtime_ns};".encode(errors="surrogateescape"))
        newest = max(newest, stat.st_mtime)

    for module in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(f"{module.name}:{module.stat().st_mtime_ns};".encode())
    module_file = getattr(sys.modules.get(reader.open.__module__), "__file__", None)
    if module_file:
        digest.update(str(Path(module_file).stat().st_mtime_ns).encode())

    level = [str(path)]
    for depth in range(_LEVELS + 1):
        below: list[str] = []
        for folder in level:
            try:
                add(folder, os.stat(folder))
                with os.scandir(folder) as entries:
                    found = sorted(entries, key=lambda e: e.name)
            except OSError:
                continue
            files = [e for e in found if not _is_dir(e)]
            below += [e.path for e in found if _is_dir(e)]
            for entry in files if len(files) <= _FILES_LOOKED_AT else []:
                try:
                    stat = entry.stat()
                    add(entry.name, stat, stat.st_size)
                except OSError:  # a link to nothing
                    continue
        level = below if depth < _LEVELS else []
    return digest.hexdigest(), newest


def _is_dir(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _read(file: Path, state: str) -> list[Listing] | None:
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
        if values["state"] != state:
            return None
        return [_listing(entry) for entry in values["listings"]]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None  # not there, or damaged: it is listed anew and written again


def _listing(entry: dict[str, Any]) -> Listing:
    for field in ("cameras", "pose_topics"):
        entry[field] = tuple(entry[field])
    if set(entry) != {f.name for f in fields(Listing)}:
        raise ValueError("the listing is of another version")
    return Listing(**entry)


def _write(file: Path, state: str, listings: list[Listing]) -> None:
    part = file.with_suffix(f".{os.getpid()}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(json.dumps({"state": state, "listings": [asdict(e) for e in listings]}), encoding="utf-8")
        os.replace(part, file)
    except OSError:  # no room or no right to write: the next listing is as slow as this one
        with suppress(OSError):
            part.unlink()
