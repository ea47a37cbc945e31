"""Frames per second of the synthetic renderer on one core, and the time to make a world.

    python benchmarks/bench_synth.py [--size 240x112] [--worlds 20]

Prints CPU time, so that other work on the machine blurs the figures less.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from lapose_core.commands.synth import parse_size
from lapose_core.synth import SyntheticDrive


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", default="240x112")
    parser.add_argument("--worlds", type=int, default=20)
    options = parser.parse_args()
    size = parse_size(options.size)

    started = time.process_time()
    SyntheticDrive.generate(0, size=size).render(0)
    print(f"first frame of the process (compiles or loads the kernels): {time.process_time() - started:.1f} s")

    worlds, frames = [], []
    for seed in range(1, options.worlds + 1):
        started = time.process_time()
        drive = SyntheticDrive.generate(seed, size=size)
        worlds.append(time.process_time() - started)
        for index in range(0, len(drive), 12):
            started = time.process_time()
            drive.render(index)
            frames.append(time.process_time() - started)
    for name, values in (("world", worlds), ("frame", frames)):
        p50, p95 = np.percentile(values, [50, 95]) * 1e3
        print(f"{name}: mean {np.mean(values) * 1e3:.1f} ms, median {p50:.1f}, 95 % {p95:.1f}")
    print(f"{1.0 / np.mean(frames):.0f} frames/s per core at {size[0]}x{size[1]}, noise and blur included")


if __name__ == "__main__":
    main()
