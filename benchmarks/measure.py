"""What the benchmarks share: a clock that is fair on a busy machine, and the one JSON line that each prints."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np


def parser(description: str | None) -> argparse.ArgumentParser:
    """Options of every benchmark: ``--short`` for a run that only shows that it works."""
    out = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    out.add_argument("--short", action="store_true", help="a smaller input: figures in less time, and less exact")
    return out


def in_turns(calls: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Median seconds of each call. They run in turns, so that a slow spell of the machine meets them all alike."""
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for call in calls.values():
        call()
    for _ in range(repeats):
        for name, call in calls.items():
            began = time.perf_counter()
            call()
            taken[name].append(time.perf_counter() - began)
    return {name: float(np.median(values)) for name, values in taken.items()}


def report(benchmark: str, ratios: dict[str, float], figures: dict[str, object]) -> None:
    """Print the one JSON line: ratios, which compare on any machine, and absolute figures, which do not."""
    line = {
        "benchmark": benchmark,
        "ratios": {k: float(f"{v:.4g}") for k, v in ratios.items()},
        "figures": {k: float(f"{v:.4g}") if isinstance(v, float) else v for k, v in figures.items()},
        "machine": machine(),
    }
    print(json.dumps(line), flush=True)


def machine() -> dict[str, object]:
    """Processor, cores and versions that figures belong to."""
    name = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [line.split(":")[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
        name = names[0] if names else name
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    return {"cpu": name, "cores": os.cpu_count(), "python": sys.version.split()[0], "load": load}
