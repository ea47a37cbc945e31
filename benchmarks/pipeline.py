"""A whole drive analysed, against the slower of its two stages alone; and how soon a jump is followed.

    python benchmarks/pipeline.py [--short] [--rate HZ]

The log is made here: 1080p30 H.264 with groups of 250 pictures, 10 minutes (a minute with ``--short``): 20 s of a
moving texture, encoded once and repeated packet by packet. Measured in one run:

* decode only: every picture of the log, not turned into RGB, with FFmpeg's own threads;
* model only: the same windows from images that are already of the model's size, on cores - 1 threads as in the app;
* the analysis: decode, resize and model overlapping. With the display proxy fed from the same pass where --proxy is
  given, which adds its JPEG encoding to the work.

``total_per_slower`` is what the issue asks about. ``bound`` is the least that any schedule could reach here: the
processor time of all stages divided by the cores, over the same slower stage.

A jump is timed from ``seek`` to the first request for a picture of the new place, and to its first transition. It goes
further than two windows: within these the analysis ends its window first, for it is on its way there.
"""

from __future__ import annotations

import dataclasses
import tempfile
import threading
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch
from measure import parser, report

from lapose_core.drive import Drive, Image
from lapose_core.frames.heap import steady_heap
from lapose_core.frames.picture import Picture, pictures
from lapose_core.frames.proxies import ProxyFolder
from lapose_core.inference.analysis import DriveAnalyzer
from lapose_core.inference.samples import Tap
from lapose_core.logs import open_log
from lapose_core.model.config import nano
from lapose_core.model.lapose import LaPose
from lapose_core.resources import default_checkpoint
from lapose_core.sample_video import write_log
from lapose_core.training.checkpoints import load_checkpoint


def analyse(model: LaPose, drive: Drive, rate: float, tap: Tap | None = None) -> DriveAnalyzer:
    return DriveAnalyzer(model, drive, rate, checkpoint_hash="benchmark", checkpoint_name="benchmark", tap=tap)


class Ready:
    """Images of the model's size, as if they had been decoded: a source that costs nothing."""

    def __init__(self, count: int, size: tuple[int, int]) -> None:
        self._count = count
        self._images = np.random.default_rng(0).integers(0, 256, (16, size[1], size[0], 3), np.uint8)

    def __len__(self) -> int:
        return self._count

    def read(self, index: int) -> Image:
        return self._images[index % 16]

    def iterate(self, start: int = 0, stop: int | None = None, step: int = 1) -> Iterator[tuple[int, Image]]:
        raise NotImplementedError

    def close(self) -> None:
        pass


class Watched:
    """A video source that notes when which picture was asked for."""

    def __init__(self, source: Any, asked: list[tuple[float, int]]) -> None:
        self._source, self._asked = source, asked

    def __getattr__(self, name: str) -> Any:
        return getattr(self._source, name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name.startswith("_"):
            object.__setattr__(self, name, value)
        else:
            setattr(self._source, name, value)

    def __len__(self) -> int:
        return len(self._source)

    def read(self, index: int) -> Image:
        return self._source.read(index)

    def iterate(self, start: int = 0, stop: int | None = None, step: int = 1) -> Iterator[tuple[int, Image]]:
        return self._source.iterate(start, stop, step)

    def pictures(self, start: int = 0, stop: int | None = None) -> Iterator[tuple[int, Picture]]:
        self._asked.append((time.perf_counter(), start))
        return self._source.pictures(start, stop)

    def close(self) -> None:
        self._source.close()


def timed(call: Any) -> tuple[float, float]:
    """Wall seconds and processor seconds of a call."""
    began, used = time.perf_counter(), time.process_time()
    call()
    return time.perf_counter() - began, time.process_time() - used


def decode_all(drive: Drive) -> None:
    source = drive.open_frames()
    for _ in pictures(source):
        pass
    source.close()


def jumps(model: LaPose, drive: Drive, rate: float, count: int) -> tuple[list[float], list[float]]:
    """Seconds from each jump to the first picture asked for there, and to the first transition there."""
    asked: list[tuple[float, int]] = []
    watched = dataclasses.replace(drive, open_frames=lambda: Watched(drive.open_frames(), asked))
    run = analyse(model, watched, rate)
    rng, turned, shown = np.random.default_rng(0), [], []
    stop = threading.Event()

    def work() -> None:
        steps = run.steps()
        for _ in steps:
            if stop.is_set():
                break
        steps.close()

    thread = threading.Thread(target=work)
    thread.start()
    analysis = run.analysis
    near = int(analysis.frames[2 * analysis.window_length] - analysis.frames[0])
    while not analysis.windows_done:
        time.sleep(0.001)
    for _ in range(count):
        time.sleep(float(rng.uniform(0.2, 0.6)))
        free = [i for i in analysis.pending() if i > 0 and not analysis.done[analysis.window_starts[i] + 7 :][:9].any()]
        free = [i for i in free if abs(int(analysis.frames[analysis.window_starts[i]]) - asked[-1][1]) > near]
        start = analysis.window_starts[int(rng.choice(free))]
        first, last = (int(analysis.frames[s]) for s in (start, start + analysis.window_length - 1))
        began = time.perf_counter()
        run.seek(int(analysis.frames[start + 2]))
        while not any(at > began and first <= frame <= last for at, frame in asked[-4:]):
            time.sleep(0.0005)
        turned.append(time.perf_counter() - began)
        while not analysis.done[start : start + 8].any():
            time.sleep(0.0005)
        shown.append(time.perf_counter() - began)
    stop.set()
    thread.join()
    return turned, shown


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--rate", type=float, default=5.0)
    options.add_argument("--proxy", action="store_true")
    given = options.parse_args()
    steady_heap()  # as the programs do
    cores = torch.multiprocessing.cpu_count()
    torch.set_num_threads(max(1, cores - 1))
    try:
        model = load_checkpoint(default_checkpoint())
    except ValueError:
        model = LaPose(nano()).eval()  # its cost does not depend on its weights
    size = (model.config.image_width, model.config.image_height)
    with tempfile.TemporaryDirectory() as folder:
        path = write_log(Path(folder) / "log.mp4", seconds=60 if given.short else 600, clip=10 if given.short else 20)
        drive = open_log(path)
        ready = dataclasses.replace(
            drive, width=size[0], height=size[1], intrinsics=None, open_frames=lambda: Ready(len(drive), size)
        )
        for _ in islice(analyse(model, ready, given.rate).run(), 2):
            pass  # what is loaded at the first use belongs to none of the stages
        decode, decode_cpu = timed(lambda: decode_all(drive))
        alone, alone_cpu = timed(lambda: list(analyse(model, ready, given.rate).run()))
        whole, whole_cpu = timed(lambda: list(analyse(model, drive, given.rate).run()))
        slower = max(decode, alone)
        ratios = {"total_per_slower": whole / slower, "bound": whole_cpu / cores / slower}
        figures: dict[str, object] = {"frames": len(drive), "samples": len(drive.indices_at_rate(given.rate))}
        figures |= {"decode_s": decode, "decode_cpu_s": decode_cpu, "model_s": alone, "model_cpu_s": alone_cpu}
        figures |= {"analysis_s": whole, "analysis_cpu_s": whole_cpu}
        if given.proxy:
            proxy = ProxyFolder(Path(folder) / "proxies", 8 << 30).open(drive)
            assert proxy is not None
            both, both_cpu = timed(lambda: list(analyse(model, drive, given.rate, proxy.take).run()))
            ratios |= {"with_proxy_per_slower": both / slower, "with_proxy_bound": both_cpu / cores / slower}
            figures |= {"with_proxy_s": both, "proxy_frames": proxy.state.done, "proxy_bytes": proxy.state.bytes}
            proxy.close()
        turned, shown = jumps(model, drive, given.rate, 4 if given.short else 20)
    for name, values in (("jump_followed", turned), ("jump_shown", shown)):
        figures[f"{name}_median_ms"], figures[f"{name}_max_ms"] = 1e3 * float(np.median(values)), 1e3 * max(values)
    figures["codec"] = av.library_versions["libavcodec"]
    report("pipeline", ratios, figures)


if __name__ == "__main__":
    main()
