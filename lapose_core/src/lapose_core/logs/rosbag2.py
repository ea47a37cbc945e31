"""ROS 2 bags: a folder with metadata.yaml and .mcap or .db3 files, or a single .db3 file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lapose_core.drive import Drive, LogError
from lapose_core.logs.images import natural
from lapose_core.logs.reader import Listing, LogOptions, Reader
from lapose_core.logs.sidecars import inside

if TYPE_CHECKING:
    from lapose_core.logs.messages.joined import JoinedLog

_METADATA = "metadata.yaml"
_SUFFIXES = (".db3", ".mcap")
_PACKED = (".zstd", ".zst")
# A description of a bag is some kilobytes.
_LARGEST_METADATA = 16 << 20


def open_rosbag2(path: Path, key: str, options: LogOptions) -> Drive:
    """The drive of one bag; ``options`` choose the topics of pictures and of poses.

    Raises:
        LogError: in one line that names the file, the topic and what to do.
    """
    from lapose_core.logs.messages.drive import open_drive

    return open_drive(_open(path), READER.name, options)


@dataclass(frozen=True)
class _Metadata:
    files: tuple[str, ...] = ()
    counts: Mapping[str, int] | None = None
    notes: tuple[str, ...] = ()


def _open(path: Path) -> JoinedLog:
    from lapose_core.logs.messages.joined import JoinedLog
    from lapose_core.logs.messages.log import MessageLog
    from lapose_core.logs.messages.mcap_file import McapFile
    from lapose_core.logs.messages.sqlite_bag import SqliteBag

    if path.is_file():
        return JoinedLog(path, [SqliteBag(path)], {})
    metadata = _read_metadata(path)
    files, notes = _files(path, metadata)
    parts: list[MessageLog] = []
    damaged = ""
    for file in files:
        try:
            parts.append(SqliteBag(file) if file.suffix == ".db3" else McapFile(file))
        except LogError as error:
            damaged = str(error)
            notes.append(f"{file.name} is left out: {damaged}.")
    if not parts:
        raise LogError(damaged)
    # Where a file is missing or cut, the metadata's counts are too high.
    whole = len(parts) == len(metadata.files) and not any(part.notes for part in parts)
    return JoinedLog(path, parts, metadata.counts or {} if whole else {}, notes)


def _files(folder: Path, metadata: _Metadata) -> tuple[list[Path], list[str]]:
    """The bag's files in order of time, and notes on those that are missing."""
    notes = list(metadata.notes)
    if metadata.files:
        named = [inside(folder, name, f"{_METADATA}: relative_file_paths") for name in metadata.files]
        # The first versions wrote the folder's name before the file's.
        named = [file if file.is_file() else folder / file.name for file in named]
        # What was unpacked since has lost the suffix.
        named = [p.with_suffix("") if p.suffix in _PACKED and p.with_suffix("").is_file() else p for p in named]
        packed = [file for file in named if file.suffix in _PACKED]
    else:
        there = [p for p in folder.iterdir() if p.is_file() and not p.name.startswith(".")]
        there = [inside(folder, p.name, "file") for p in there]
        named = sorted((p for p in there if p.suffix in _SUFFIXES), key=lambda p: natural(p.name))
        packed = [p for p in there if p.suffix in _PACKED and not named]
    if packed:
        raise LogError(f"{packed[0]}: the bag's files are compressed as a whole; unpack them with 'zstd -d' first")
    found = [file for file in named if file.is_file()]
    if not found:
        what = f"{_METADATA} names {named[0].name}, which is not there" if named else "there is no .db3 or .mcap file"
        raise LogError(f"{folder}: {what}; copy the whole bag")
    if len(found) < len(named):
        lost = next(file for file in named if not file.is_file())
        notes.append(f"{len(named) - len(found)} of the bag's {len(named)} files are missing ({lost.name}).")
    return found, notes


def _read_metadata(folder: Path) -> _Metadata:
    """What metadata.yaml says; without it, or where it is damaged, the bag's files speak for themselves."""
    path = folder / _METADATA
    if not path.is_file():
        return _Metadata(notes=(f"The bag has no {_METADATA}: its files were taken in order of their names.",))
    import yaml  # type: ignore[import-untyped]

    inside(folder, _METADATA, "metadata")
    try:
        if path.stat().st_size > _LARGEST_METADATA:
            raise ValueError("it is too large")
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
        values = values["rosbag2_bagfile_information"]
        files = tuple(str(name) for name in values["relative_file_paths"])
        if not files:
            raise ValueError("it names no files")
        counts = {
            str(topic["topic_metadata"]["name"]): int(topic["message_count"])
            for topic in values.get("topics_with_message_count") or ()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, yaml.YAMLError) as error:
        reason = str(error).splitlines()[0]
        note = f"{_METADATA} cannot be used ({type(error).__name__}: {reason}): the files were taken in order of name."
        return _Metadata(notes=(note,))
    return _Metadata(files, counts)


def _list(path: Path) -> list[Listing]:
    from lapose_core.logs.messages.drive import listing

    return [listing(_open(path), path.name)]


def _matches(path: Path) -> bool:
    try:
        if path.is_file():
            return path.suffix.lower() == ".db3"
        names = [name.lower() for name in os.listdir(path)] if path.is_dir() else []
    except OSError:
        return False
    stems = [name.removesuffix(".zstd").removesuffix(".zst") for name in names]
    suffixes = _SUFFIXES if _METADATA in names else (".db3",)
    return any(stem.endswith(suffixes) for stem in stems)


READER = Reader(name="rosbag2", title="ROS 2 bag", matches=_matches, list=_list, open=open_rosbag2)
