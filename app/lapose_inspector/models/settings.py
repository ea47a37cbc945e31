"""What the program remembers between two starts."""

from __future__ import annotations

import logging
import os
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Literal

import platformdirs
from pydantic import BaseModel, ConfigDict, Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from lapose_core.logs.reader import LogOptions, PoseFrame
from lapose_inspector.models.memory import default_memory
from lapose_inspector.models.session import DEFAULT_RATE, Device
from lapose_inspector.models.stored import read_or_set_aside

log = logging.getLogger(__name__)

APP_NAME = "lapose-inspector"
RECENT_LIMIT = 12
LEAST_MEMORY, MOST_MEMORY = 128, 1 << 20
"""MiB that may be kept in memory to be fast."""
LEAST_PREVIEWS, MOST_PREVIEWS = 64, 1 << 24
"""MiB of disk for preview pictures."""
CHOICES_LIMIT = 200


class Folders(BaseSettings):
    """Where settings, results and what the user made live; LAPOSE_CONFIG_DIR, LAPOSE_CACHE_DIR and LAPOSE_DATA_DIR
    override."""

    model_config = SettingsConfigDict(env_prefix="LAPOSE_")

    config_dir: Path = Field(default_factory=lambda: Path(platformdirs.user_config_dir(APP_NAME)))
    cache_dir: Path = Field(default_factory=lambda: Path(platformdirs.user_cache_dir(APP_NAME)))
    data_dir: Path = Field(default_factory=lambda: Path(platformdirs.user_data_dir(APP_NAME)))

    @classmethod
    def under(cls, folder: Path) -> Folders:
        """All of it under one folder, apart from what the user has. By name: pydantic's settings take arguments without
        names for something else."""
        return cls(config_dir=folder / "config", cache_dir=folder / "cache", data_dir=folder / "data")


class RecentLog(BaseModel):
    """A log that was opened, which drive of it, and what was chosen of it (``LogOptions``)."""

    path: Path
    drive: str | None = None
    camera: str | None = None
    poses: Path | None = None
    pose_topic: str | None = None
    time_offset: float = Field(default=0.0, allow_inf_nan=False)
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


class Settings(BaseModel):
    """Version 1 of the settings file. Unknown fields are ignored, so an older program reads a newer file."""

    model_config = ConfigDict(validate_assignment=True, extra="ignore")

    version: Literal[1] = 1
    theme: Literal["dark", "light"] = "dark"
    alignment: Literal["se3", "sim3", "raw"] = "se3"
    rate: float = Field(default=DEFAULT_RATE, gt=0, le=1000)
    checkpoint: Path | None = None
    compiled: bool = False
    """Whether the model's blocks are compiled when it is loaded."""
    device: Device = "auto"
    recent: list[RecentLog] = Field(default_factory=list)
    choices: list[RecentLog] = Field(default_factory=list)
    """Logs of which something was chosen, the newest first, for when they are opened again."""
    last_log: RecentLog | None = None
    last_frame: int = Field(default=0, ge=0)
    export_folder: Path | None = None
    memory_mib: int = Field(default_factory=default_memory, ge=LEAST_MEMORY, le=MOST_MEMORY)
    previews_mib: int = Field(default=8192, ge=LEAST_PREVIEWS, le=MOST_PREVIEWS)
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
                stream.write(settings.model_dump_json(indent=2))
            os.replace(name, self.path)
        except OSError as error:
            log.warning("%s cannot be written: %s", self.path, error)
