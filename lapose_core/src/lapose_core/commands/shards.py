"""``lapose shards``: clips to train on."""

from __future__ import annotations

import os
from dataclasses import dataclass
from itertools import chain
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
    clips: int | None = None
    """Synthetic clips to render, each from a world of its own: 1000, or none beside logs or a manifest."""
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
        if self.manifest is not None and not self.logs and (self.chosen() or self.camera is not None):
            raise ValueError("shards: a manifest names its logs and their options itself; leave the options out")
        synthetic = self.clips if self.clips is not None else 0 if self.logs or self.manifest else 1000
        parts: list[Iterator[Clip]] = []
        origin: dict = {}
        if self.manifest is not None:
            from lapose_core.training.manifest import read_manifest
            from lapose_core.training.manifest_clips import manifest_clips

            entries = read_manifest(self.manifest.expanduser())
            parts.append(manifest_clips(entries, self.frames, self.size, self.stride, tqdm.write))
            origin |= {"manifest": {"name": self.manifest.name, "logs": sorted({entry.log.name for entry in entries})}}
        for log in self.logs:
            parts.append(drive_clips(self.open(log), self.frames, self.size, self.rate, self.stride))
        if self.logs:
            origin |= {"logs": [path.name for path in self.logs], "rate": self.rate}
        if synthetic:
            workers = self.workers or os.cpu_count() or 1
            parts.append(synthetic_clips(synthetic, self.seed, self.frames, self.size, workers))
            origin |= {"synthetic": {"seed": self.seed, "clips": synthetic}}
        clips = chain.from_iterable(parts)
        total = synthetic if len(parts) == 1 and synthetic else None
        with tqdm(total=total, desc="clips", mininterval=5) as bar:
            count = write_shards(self.out, clips, origin, tick=bar.update)
        if count == 0:
            raise ValueError(f"{self.out}: no clip was cut; are the logs long enough for {self.frames} frames?")
        print(f"{self.out}: {count} clips of {self.frames} frames, {self.size[0]}x{self.size[1]}")
        return 0
