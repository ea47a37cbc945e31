"""How long "transitions like this one" takes: exact nearest neighbours among a million latent actions.

    python benchmarks/latent_search.py [--count 1000000] [--width 50] [--queries 20]

Figures: seconds to build the index; median, 95th percentile and maximum of the queries in milliseconds, asked for:
<= 100. Exactness is asserted on the first by comparing all distances in float64.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from measure import parser, report

from lapose_core.inference.neighbours import LatentIndex


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--count", type=int, default=1_000_000)
    options.add_argument("--width", type=int, default=50)
    options.add_argument("--queries", type=int, default=20)
    options.add_argument("--neighbours", type=int, default=100)
    run(options.parse_args())


def run(options: argparse.Namespace) -> None:
    """Measure and report."""
    if options.short:
        options.count = min(options.count, 200_000)
    rng = np.random.default_rng(0)
    # Correlated in time, as a drive's are: neighbours exist.
    latents = np.cumsum(rng.standard_normal((options.count, options.width), np.float32) * 0.1, axis=0)
    latents -= latents.mean(0)
    start = time.perf_counter()
    index = LatentIndex(latents)
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
    figures: dict[str, object] = {
        "latents": options.count, "width": options.width, "neighbours": options.neighbours,
        "index_s": built, "query_median_ms": float(np.median(times)),
        "query_p95_ms": float(np.percentile(times, 95)), "query_max_ms": max(times),
    }  # fmt: skip
    report("latent_search", {}, figures)


if __name__ == "__main__":
    main()
