"""What the program remembers between two starts."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import platformdirs
from msgspec import Meta

from lapose_core.logs.reader import LogOptions, PoseFrame
from lapose_inspector.models.memory import default_memory
from lapose_inspector.models.session import DEFAULT_RATE, Device
from lapose_inspector.models.stored import read_or_set_aside, to_json

log = logging.getLogger(__name__)

APP_NAME = "lapose-inspector"
RECENT_LIMIT = 12
LEAST_MEMORY, MOST_MEMORY = 128, 1 << 20
"""MiB that may be kept in memory to be fast."""
LEAST_PREVIEWS, MOST_PREVIEWS = 64, 1 << 24
"""MiB of disk for preview pictures."""
CHOICES_LIMIT = 200


def _folder(environment: str, otherwise: Callable[[str], str]) -> Path:
    return Path(os.environ.get(environment) or otherwise(APP_NAME))


@dataclass(frozen=True)
class Folders:
    """Where settings, results and what the user made live; LAPOSE_CONFIG_DIR, LAPOSE_CACHE_DIR and LAPOSE_DATA_DIR
    override."""

    config_dir: Path = field(default_factory=lambda: _folder("LAPOSE_CONFIG_DIR", platformdirs.user_config_dir))
    cache_dir: Path = field(default_factory=lambda: _folder("LAPOSE_CACHE_DIR", platformdirs.user_cache_dir))
    data_dir: Path = field(default_factory=lambda: _folder("LAPOSE_DATA_DIR", platformdirs.user_data_dir))

    @classmethod
    def under(cls, folder: Path) -> Folders:
        """All of it under one folder, apart from what the user has."""
        return cls(folder / "config", folder / "cache", folder / "data")


class RecentLog(msgspec.Struct, frozen=True):
    """A log that was opened, which drive of it, and what was chosen of it (``LogOptions``)."""

    path: Path
    drive: str | None = None
    camera: str | None = None
    poses: Path | None = None
    pose_topic: str | None = None
    time_offset: float = 0.0
    pose_frame: PoseFrame = "camera"

    @classmethod
    def of(cls, path: Path, drive: str | None, options: LogOptions) -> RecentLog:
        """The log at ``path`` with these options."""
        return cls(path=path, drive=drive, **asdict(options))

    @property
    def options(self) -> LogOptions:
        """What was chosen."""
        return LogOptions(self.camera, self.poses, self.pose_topic, self.time_offset, self.pose_frame)

    @property
    def name(self) -> str:
        """For menus: the log's name, with the drive's where the log is a data set."""
        return self.path.name if self.drive is None else f"{self.path.name} › {self.drive}"

    def is_same(self, path: Path, drive: str | None) -> bool:
        """Whether this is that drive, whatever was chosen of it."""
        return self.path == path and self.drive == drive


class Settings(msgspec.Struct):
    """Version 1 of the settings file. Unknown fields are ignored, so an older program reads a newer file."""

    version: Literal[1] = 1
    theme: Literal["dark", "light"] = "dark"
    alignment: Literal["se3", "sim3", "raw"] = "se3"
    rate: Annotated[float, Meta(gt=0, le=1000)] = DEFAULT_RATE
    checkpoint: Path | None = None
    compiled: bool = False
    """Whether the model's blocks are compiled when it is loaded."""
    device: Device = "auto"
    recent: list[RecentLog] = []
    choices: list[RecentLog] = []
    """Logs of which something was chosen, the newest first, for when they are opened again."""
    last_log: RecentLog | None = None
    last_frame: Annotated[int, Meta(ge=0)] = 0
    export_folder: Path | None = None
    memory_mib: Annotated[int, Meta(ge=LEAST_MEMORY, le=MOST_MEMORY)] = msgspec.field(default_factory=default_memory)
    previews_mib: Annotated[int, Meta(ge=LEAST_PREVIEWS, le=MOST_PREVIEWS)] = 8192
    tour_seen: bool = False
    """Whether the first-run tour was shown to its end or skipped."""
    geometry: str = ""
    """QMainWindow.saveGeometry(), base64."""
    state: str = ""
    """QMainWindow.saveState(), base64."""

    def remember(self, path: Path, drive: str | None = None, options: LogOptions | None = None) -> None:
        """Put a log first among the recent ones, make it the last log, and keep what was chosen of it."""
        entry = RecentLog.of(path, drive, options or LogOptions())
        self.recent = [entry, *(r for r in self.recent if not r.is_same(path, drive))][:RECENT_LIMIT]
        others = [c for c in self.choices if not c.is_same(path, drive)]
        self.choices = ([entry, *others] if entry.options != LogOptions() else others)[:CHOICES_LIMIT]
        self.last_log = entry

    def chosen(self, path: Path, drive: str | None = None) -> LogOptions:
        """What was chosen of a log when it was open before."""
        return next((c.options for c in self.choices if c.is_same(path, drive)), LogOptions())

    def forget(self, path: Path, drive: str | None = None) -> None:
        """Drop a log that cannot be opened: from the recent ones, and what was chosen of it."""
        self.recent = [r for r in self.recent if not r.is_same(path, drive)]
        self.choices = [c for c in self.choices if not c.is_same(path, drive)]
        if self.last_log is not None and self.last_log.is_same(path, drive):
            self.last_log = None


class SettingsFile:
    """Settings in ``folder``/settings.json. A file that cannot be read never stops the start."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "settings.json"

    def load(self) -> Settings:
        """The stored settings, or defaults; a bad file is set aside as settings.json.bad and logged."""
        return read_or_set_aside(self.path, Settings) or Settings()

    def save(self, settings: Settings) -> None:
        """Write atomically; a folder that cannot be written is logged, not raised."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=self.path.parent, prefix=".settings")
            with os.fdopen(handle, "w", encoding="utf-8") as stream:
                stream.write(to_json(settings, indent=2))
            os.replace(name, self.path)
        except OSError as error:
            log.warning("%s cannot be written: %s", self.path, error)
