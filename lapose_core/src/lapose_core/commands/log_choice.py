"""The options that choose what is opened of a log, the same for every command that opens one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from lapose_core.drive import Drive
    from lapose_core.logs.reader import LogOptions


@dataclass(frozen=True, kw_only=True)
class LogChoice:
    """Which drive of a data set, seen by which camera, with which poses."""

    drive: str | None = None
    """Which drive, where the path holds several; `lapose info PATH` lists their names."""

    camera: str | None = None
    """Camera or image topic; by default the front one, in colour where there is a choice."""

    poses: Path | None = None
    """Ground-truth pose file (TUM, KITTI or CSV) to use in place of the log's own or of the one beside it."""

    pose_topic: str | None = None
    """Topic of the poses, in a recording that has several."""

    time_offset: float = 0.0
    """Seconds added to the times of the pose file."""

    pose_frame: Literal["camera", "flu", "frd"] = "camera"
    """Axes of the poses in the file: the camera's (x right, y down, z forward), or a vehicle's with x forward and
    y left, z up (flu) or y right, z down (frd)."""

    def options(self) -> LogOptions:
        """The same as a reader takes them."""
        from lapose_core.logs.reader import LogOptions

        poses = None if self.poses is None else self.poses.expanduser()
        return LogOptions(self.camera, poses, self.pose_topic, self.time_offset, self.pose_frame)

    def open(self, path: Path) -> Drive:
        """The chosen drive. Raises LogError where it cannot be read or there are several and none is chosen."""
        from lapose_core.logs import open_log

        return open_log(path, drive=self.drive, options=self.options())

    def chosen(self) -> list[str]:
        """The options given that belong to a single log, as written on the command line."""
        given = {"--drive": self.drive, "--poses": self.poses, "--pose-topic": self.pose_topic}
        return [name for name, value in given.items() if value is not None]
