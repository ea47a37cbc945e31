"""What a graphics card gives: the model's parts there and on the CPU, in short floats and compiled.

    python benchmarks/device.py [--short] [--device NAME] [--no-compile]

``nano`` is the default checkpoint; ``paper`` has the paper's shapes and random weights, at reduced depth with
``--short``. Each is asked for a window at a time and for as many windows together as an analysis runs there, in
float32 and as an analysis does (bfloat16), and for a new frame in a stream. Then:

* ``drive_*``: two minutes of 1080p video analysed from the file, decoding alone, and the same on the CPU;
* ``*_upload_gain``: batches that come from the CPU's memory through pinned buffers in turn, against plain copies;
* ``*_compile_*``: seconds until the blocks are compiled, and what a window takes afterwards.

The CPU has at most four threads.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from measure import in_turns, parser, report
from pipeline import analyse, decode_all, timed
from stream import STEP, pictures

from lapose_core.device import Upload, choose_device
from lapose_core.frames.heap import steady_heap
from lapose_core.inference.analysis import estimate_windows
from lapose_core.inference.compiled import compile_blocks
from lapose_core.logs import open_log
from lapose_core.model.config import nano, paper
from lapose_core.model.lapose import LaPose
from lapose_core.resources import default_checkpoint
from lapose_core.sample_video import write_log
from lapose_core.training.checkpoints import load_checkpoint

SHALLOW = {"tokenizer_depth": 2, "inverse_depth": 2, "forward_depth": 2, "forward_head_depth": 1, "head_depth": 2}


def small() -> LaPose:
    try:
        return load_checkpoint(default_checkpoint())
    except ValueError:
        return LaPose(nano()).eval()  # its cost does not depend on its weights


def done(device: torch.device) -> None:
    """Wait until the card has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def windows(model: LaPose, device: torch.device, batch: int) -> Callable[[], None]:
    images = pictures(model, model.config.window).to(device)[None].expand(batch, -1, -1, -1, -1).contiguous()
    times = (torch.arange(model.config.window).double() * STEP).expand(batch, -1)

    def run() -> None:
        estimate_windows(model, images, times)
        done(device)

    return run


def in_float32(run: Callable[[], None]) -> Callable[[], None]:
    import lapose_core.inference.analysis as analysis

    def plain() -> None:
        kept, analysis.precision = analysis.precision, lambda device: contextlib.nullcontext()
        try:
            run()
        finally:
            analysis.precision = kept

    return plain


def streaming(model: LaPose, device: torch.device) -> Callable[[], None]:
    images = pictures(model, model.config.window).to(device)
    session, clock = model.stream(), itertools.count()

    def push() -> None:
        for _ in range(8):
            i = next(clock)
            session.push(images[i % len(images)], i * STEP)
        done(device)

    for _ in range(2):
        push()
    return push


def uploading(model: LaPose, device: torch.device, batch: int) -> dict[str, float]:
    """Seconds for batches of windows whose images begin on the CPU."""
    window = list(pictures(model, model.config.window))
    images = window * batch
    times = (torch.arange(len(window)).double() * STEP).expand(batch, -1)
    upload = Upload(device)

    def estimate(sent: torch.Tensor) -> None:
        estimate_windows(model, sent.view(batch, len(window), *sent.shape[1:]), times)

    def turns(send: Callable[[list[torch.Tensor]], torch.Tensor]) -> Callable[[], None]:
        return lambda: [estimate(send(images)) for _ in range(3)] and None

    return in_turns({"pinned": turns(upload), "plain": turns(lambda im: torch.stack(im).to(device))}, 5)


def parts(model: LaPose, device: torch.device, batch: int, repeats: int) -> dict[str, float]:
    """Milliseconds a window, and a frame of the stream."""
    calls = {
        "window": windows(model, device, 1),
        "window_float32": in_float32(windows(model, device, 1)),
        "window_in_batch": windows(model, device, batch),
        "stream": streaming(model, device),
    }
    out = in_turns(calls, repeats)
    out["window_in_batch"] /= batch
    out["stream"] /= 8
    return {name: 1e3 * seconds for name, seconds in out.items()}


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--device", default="auto")
    options.add_argument("--no-compile", dest="compile", action="store_false", help="leave the compiler out")
    given = options.parse_args()
    steady_heap()
    device, cpu = choose_device(given.device), torch.device("cpu")
    torch.set_num_threads(max(1, min(4, torch.multiprocessing.cpu_count() - 1)))
    batch = 8 if device.type == "cuda" else 1
    repeats = 1 if device.type == "cpu" else 3 if given.short else 10
    figures: dict[str, object] = {"device": str(device), "torch": torch.__version__, "threads": torch.get_num_threads()}
    if device.type == "cuda":
        figures["card"] = torch.cuda.get_device_name(device)
    ratios: dict[str, float] = {}

    here = parts(small(), cpu, 1, 2)
    big = LaPose(dataclasses.replace(paper(), **(SHALLOW if given.short else {}))).eval()
    figures["paper_parameters_M"] = sum(p.numel() for p in big.parameters()) / 1e6
    for name, model in (("nano", small()), ("paper", big)):
        model = model.to(device)
        found = parts(model, device, batch, repeats)
        figures |= {f"{name}_{part}_ms": ms for part, ms in found.items()}
        ratios[f"{name}_float32_per_window"] = found["window_float32"] / found["window"]
        ratios[f"{name}_window_per_stream"] = found["window"] / found["stream"]
        ratios[f"{name}_batch_gain"] = found["window"] / found["window_in_batch"]
        if device.type == "cuda":
            sent = uploading(model, device, batch)
            ratios[f"{name}_upload_gain"] = sent["plain"] / sent["pinned"]
        if name == "nano":
            figures |= {f"cpu_nano_{part}_ms": ms for part, ms in here.items()}
            ratios["nano_cpu_per_device"] = here["window"] / found["window_in_batch"]
            ratios["nano_cpu_per_device_stream"] = here["stream"] / found["stream"]
        if given.compile:
            began = time.perf_counter()
            problem = compile_blocks(model, batch)
            figures[f"{name}_compile_s"] = time.perf_counter() - began
            figures[f"{name}_compile_problem"] = problem
            if not problem:
                after = in_turns({"one": windows(model, device, 1), "batch": windows(model, device, batch)}, repeats)
                figures[f"{name}_compiled_window_ms"] = 1e3 * after["one"]
                figures[f"{name}_compiled_window_in_batch_ms"] = 1e3 * after["batch"] / batch
                ratios[f"{name}_compile_gain"] = found["window_in_batch"] / (1e3 * after["batch"] / batch)
        if device.type == "cuda":
            figures[f"{name}_memory_MiB"] = torch.cuda.max_memory_reserved(device) >> 20
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats(device)
        model.to(cpu)
    del big

    with tempfile.TemporaryDirectory() as folder:
        seconds = 30 if given.short else 120
        drive = open_log(write_log(Path(folder) / "log.mp4", seconds=seconds, clip=10))
        decode, _ = timed(lambda: decode_all(drive))
        model = small().to(device)
        run = analyse(model, drive, 5.0)
        run.batch = batch
        whole, _ = timed(lambda: list(run.run()))
        figures |= {"drive_s": seconds, "drive_decode_s": decode, "drive_analysis_s": whole}
        figures["drive_samples"] = len(run.analysis.frames)
        alone, _ = timed(lambda: list(analyse(small(), drive, 5.0).run()))
        figures["drive_cpu_analysis_s"] = alone
        ratios["drive_analysis_per_decode"] = whole / decode
        ratios["drive_cpu_per_device"] = alone / whole
    report("device", ratios, figures)


if __name__ == "__main__":
    main()
