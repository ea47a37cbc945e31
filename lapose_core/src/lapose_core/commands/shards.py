"""``lapose shards``: clips to train on."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from lapose_core.commands.log_choice import LogChoice

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lapose_core.training.shards import Clip


@dataclass(frozen=True)
class Shards(LogChoice):
    """Cut training clips from driving logs, or render them from the synthetic world."""

    out: Path
    """Folder to write."""
    logs: Annotated[tuple[Path, ...], tyro.conf.Positional] = ()
    """Logs to cut; without any, and without a manifest, the synthetic world is rendered."""
    manifest: Path | None = None
    """Training manifest, as the inspector writes it: the stretches of logs to cut, each at the rate it names."""
    clips: int = 1000
    """Synthetic clips to render, each from a world of its own."""
    seed: int = 0
    """Seed of the first synthetic clip; the others follow it."""
    frames: int = 16
    """Frames of a clip."""
    rate: float = 2.0
    """Frame rate of clips cut from logs, in Hz (synthetic clips draw theirs from 1 to 10 Hz)."""
    stride: int = 8
    """Samples from one clip of a log to the next."""
    size: tuple[int, int] = (240, 112)
    """Width and height of the frames."""
    workers: int = 0
    """Rendering processes; 0 for one a core."""

    def run(self) -> int:
        from tqdm import tqdm

        from lapose_core.training.shards import drive_clips, synthetic_clips, write_shards

        if self.chosen() and len(self.logs) > 1:
            raise ValueError(f"shards: {self.chosen()[0]} belongs to one log, but several are named")
        if self.manifest is not None:
            from lapose_core.training.manifest import read_manifest
            from lapose_core.training.manifest_clips import manifest_clips

            if self.logs or self.chosen() or self.camera is not None:
                raise ValueError("shards: a manifest names its logs itself; leave logs and their options out")
            entries = read_manifest(self.manifest.expanduser())
            clips: Iterator[Clip] = manifest_clips(entries, self.frames, self.size, self.stride, tqdm.write)
            origin: dict = {"manifest": self.manifest.name, "logs": sorted({entry.log.name for entry in entries})}
        elif self.logs:
            clips = (
                clip
                for log in self.logs
                for clip in drive_clips(self.open(log), self.frames, self.size, self.rate, self.stride)
            )
            origin = {"logs": [path.name for path in self.logs], "rate": self.rate}
        else:
            workers = self.workers or os.cpu_count() or 1
            clips = synthetic_clips(self.clips, self.seed, self.frames, self.size, workers)
            origin = {"synthetic": {"seed": self.seed, "clips": self.clips}}
        total = self.clips if "synthetic" in origin else None
        with tqdm(total=total, desc="clips", mininterval=5) as bar:
            count = write_shards(self.out, clips, origin, tick=bar.update)
        if count == 0:
            raise ValueError(f"{self.out}: no clip was cut; are the logs long enough for {self.frames} frames?")
        print(f"{self.out}: {count} clips of {self.frames} frames, {self.size[0]}x{self.size[1]}")
        return 0
