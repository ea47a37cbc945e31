"""MCAP files (https://mcap.dev) of ROS 1, ROS 2, Foxglove's protobuf and JSON messages."""

from __future__ import annotations

from pathlib import Path

from lapose_core.drive import Drive
from lapose_core.logs.reader import Listing, LogOptions, Reader

SUFFIX = ".mcap"


def open_mcap(path: Path, key: str, options: LogOptions) -> Drive:
    """The drive of one MCAP file; ``options`` choose the topics of pictures and of poses.

    Raises:
        LogError: in one line that names the file, the topic and what to do.
    """
    from lapose_core.logs.messages.drive import open_drive
    from lapose_core.logs.messages.mcap_file import McapFile

    return open_drive(McapFile(path), READER.name, options)


def _list(path: Path) -> list[Listing]:
    from lapose_core.logs.messages.drive import listing
    from lapose_core.logs.messages.mcap_file import McapFile

    return [listing(McapFile(path), path.name)]


def _matches(path: Path) -> bool:
    return path.suffix.lower() == SUFFIX and path.is_file()


READER = Reader(name="mcap", title="MCAP file", matches=_matches, list=_list, open=open_mcap)
