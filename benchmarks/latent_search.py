"""How long "transitions like this one" takes: exact nearest neighbours among a million latent actions.

    python benchmarks/latent_search.py [--count 1000000] [--width 50] [--queries 20]

Prints the time to build the index and the median, 95th percentile and maximum of the queries; asserts exactness on
the first by comparing all distances in float64.
"""

from __future__ import annotations

import argparse
import os
import time

import numpy as np
import torch

from lapose_core.inference.neighbours import LatentIndex


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--width", type=int, default=50)
    parser.add_argument("--queries", type=int, default=20)
    parser.add_argument("--neighbours", type=int, default=100)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    # Correlated in time, as a drive's are: neighbours exist.
    latents = np.cumsum(rng.standard_normal((options.count, options.width), np.float32) * 0.1, axis=0)
    latents -= latents.mean(0)
    start = time.perf_counter()
    index = LatentIndex(latents, options.device)
    built = time.perf_counter() - start
    times = []
    for number, row in enumerate(rng.integers(0, options.count, options.queries + 1)):
        start = time.perf_counter()
        found = index.nearest(latents[row], options.neighbours)
        times.append(1000 * (time.perf_counter() - start))
        if number == 0:
            parts = np.array_split(latents, 20)
            all_distances = np.concatenate([((p.astype(np.float64) - latents[row]) ** 2).sum(1) for p in parts])
            wanted = np.sqrt(np.sort(all_distances)[: options.neighbours])
            assert np.allclose(found.distances, wanted, rtol=1e-9), "not the nearest"
    times = times[1:]
    print(f"{options.count:,} latents of width {options.width}, {options.neighbours} neighbours, {options.device}, "
          f"{torch.get_num_threads()} of {os.cpu_count()} threads, load {os.getloadavg()[0]:.1f}")  # fmt: skip
    print(f"index built in {built:.2f} s")
    print(f"query: median {np.median(times):.1f} ms, p95 {np.percentile(times, 95):.1f} ms, max {max(times):.1f} ms; "
          "exact, checked against float64")  # fmt: skip


if __name__ == "__main__":
    main()
