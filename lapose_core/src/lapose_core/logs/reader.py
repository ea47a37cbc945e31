"""What a log format gives: which paths are its own, the drives under a path, and one drive opened.

A reader is a plain value, so a third party offers one through the entry point group ``lapose_core.logs``
(``docs/logs.md`` has an example).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lapose_core.drive import Drive

PoseFrame = Literal["camera", "flu", "frd"]


@dataclass(frozen=True)
class LogOptions:
    """What a user may choose of a log; the defaults leave it to the reader.

    Attributes:
        camera: name of the camera or image topic, one of ``Listing.cameras``.
        poses: a TUM, KITTI or CSV pose file to use in place of the log's own.
        pose_topic: the topic of poses, where a log has several.
        time_offset: seconds added to the times of ``poses``.
        pose_frame: axes whose poses ``poses`` holds: the camera's (x right, y down, z forward), or those of a
            vehicle with x forward, y left, z up (flu) or x forward, y right, z down (frd).
    """

    camera: str | None = None
    poses: Path | None = None
    pose_topic: str | None = None
    time_offset: float = 0.0
    pose_frame: PoseFrame = "camera"


@dataclass(frozen=True)
class Listing:
    """A drive that could be opened, as far as a quick look tells.

    Attributes:
        key: names the drive inside the listed path, the same at every listing; unique among them.
        name: shown to the user.
        description: of the scene, as the data set words it; may be empty.
        cameras: names to choose from, the default first.
        pose_topics: likewise, for logs with several sources of poses.
        frames: of the default camera, where the index tells; None otherwise.
        seconds: likewise.
    """

    key: str
    name: str
    description: str = ""
    cameras: tuple[str, ...] = ()
    pose_topics: tuple[str, ...] = ()
    frames: int | None = None
    seconds: float | None = None


@dataclass(frozen=True)
class Reader:
    """One log format.

    Attributes:
        name: such as ``kitti-raw``; becomes ``Drive.format``.
        title: for people, such as ``KITTI raw``.
        matches: whether a path is of this format, by names of files only; never raises, at once even on a network
            drive.
        list: the drives under a path that matches, in the data set's order, without decoding a picture. Raises
            LogError where nothing can be listed.
        open: one drive by its ``Listing.key``, lazily: no picture is decoded and memory does not grow with the
            log's length. Raises LogError in one line that names the file, the field and what to do.
        each: what ``list`` gives, one after the other, for folders that take long to look through: what is found is
            shown meanwhile.
    """

    name: str
    title: str
    matches: Callable[[Path], bool]
    list: Callable[[Path], list[Listing]]
    open: Callable[[Path, str, LogOptions], Drive]
    each: Callable[[Path], Iterator[Listing]] | None = None
