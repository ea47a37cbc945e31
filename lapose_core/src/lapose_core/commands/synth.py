"""``lapose synth``: write synthetic drives with exact ground truth."""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Literal


@dataclass(frozen=True)
class Synth:
    """Write synthetic drives: video, exact camera poses, intrinsics and per-frame regime labels."""

    out: Path
    """Folder that receives one folder per drive."""
    drives: int = 1
    """How many drives; their seeds are SEED, SEED + 1, ..."""
    seconds: float = 12.0
    """Length of each drive."""
    rate: float = 10.0
    """Frames per second."""
    seed: int = 0
    """Seed of the first drive. The same seed gives the same drive, to the pixel."""
    size: str = "240x112"
    """Width x height of the frames in pixels."""
    setting: Literal["city", "suburb", "rural", "highway", "yard"] | None = None
    """Fix the kind of place; otherwise each seed draws its own."""
    lighting: Literal["day", "dusk", "night"] | None = None
    """Fix the light."""
    weather: Literal["clear", "overcast", "fog", "rain"] | None = None
    """Fix the weather."""
    reverse: bool | None = None
    """Fix whether the drives contain reversing."""
    route: Literal["tour"] | None = None
    """A scripted drive instead of a drawn one: curves, a junction turn, a stop and reversing, in 24 s."""
    lossless: bool = False
    """PNG files instead of H.264 video."""
    quality: int = 14
    """x264's constant rate factor: less is better and larger."""
    workers: int = 0
    """Processes; 0: one a core."""

    def run(self) -> int:
        """Write the drives; a drive that is already complete is written again.

        Raises:
            ValueError: on an option that cannot be.
        """
        from tqdm import tqdm

        if self.drives < 1:
            raise ValueError(f"--drives must be at least 1, got {self.drives}")
        parse_size(self.size)
        self.out.mkdir(parents=True, exist_ok=True)
        seeds = range(self.seed, self.seed + self.drives)
        workers = min(self.workers or os.cpu_count() or 1, self.drives)
        with tqdm(total=self.drives, unit="drive", disable=self.drives == 1) as bar:
            if workers == 1:
                for seed in seeds:
                    write_one(self, seed)
                    bar.update()
                return 0
            # Spawned, not forked: the caller may hold threads.
            with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
                for done in as_completed([pool.submit(write_one, self, seed) for seed in seeds]):
                    done.result()
                    bar.update()
        return 0


def parse_size(text: str) -> tuple[int, int]:
    """(width, height) of a text such as 240x112.

    Raises:
        ValueError: where the text is none.
    """
    width, _, height = text.lower().partition("x")
    if not (width.isdecimal() and height.isdecimal()):
        raise ValueError(f"--size {text!r} is not a size; write it as 240x112")
    return int(width), int(height)


def write_one(options: Synth, seed: int) -> Path:
    """Generate, render and write the drive of one seed."""
    from lapose_core.synth import SynthConfig, SyntheticDrive
    from lapose_core.synth.log_writer import write_log

    config = SynthConfig(options.setting, options.lighting, options.weather, options.reverse, route=options.route)
    drive = SyntheticDrive.generate(seed, options.seconds, options.rate, parse_size(options.size), config)
    return write_log(drive, options.out, options.rate, lossless=options.lossless, quality=options.quality)
