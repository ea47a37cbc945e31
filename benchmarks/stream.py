"""A new frame's transition from the stream, against running the whole window again for it.

    python benchmarks/stream.py [--short] [--threads N]

Both get the same images at the model's size. ``nano`` is the default checkpoint, ``paper`` has the paper's shapes and
random weights at reduced depth (2 + 2 + 2 blocks), whose ratio is that of the full depth but for the head. The third
figure is what the analysis gains from encoding every frame once: its windows against windows run whole. The last says
how the stream's memory grows over a drive: its bytes after one window and after the drive.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterator

import torch
from measure import in_turns, parser, report
from torch import Tensor

from lapose_core.frames.heap import steady_heap
from lapose_core.inference.analysis import estimate_encoded, estimate_windows, infer_actions
from lapose_core.inference.encoding import CPU_CHUNK, FrameEncoder
from lapose_core.model.config import nano, paper
from lapose_core.model.lapose import LaPose
from lapose_core.resources import default_checkpoint
from lapose_core.training.checkpoints import load_checkpoint

STEP = 0.2  # seconds between two samples


def pictures(model: LaPose, count: int) -> Tensor:
    """A texture that moves, [count, 3, H, W]: matching and codec do the work that a drive gives them."""
    c = model.config
    generator = torch.Generator().manual_seed(0)
    wide = torch.rand(3, c.image_height // 4, c.image_width // 4 + count, generator=generator)
    wide = torch.nn.functional.interpolate(wide[None], scale_factor=4, mode="bilinear")[0]
    return torch.stack([wide[:, :, 4 * i : 4 * i + c.image_width] for i in range(count)])


def streaming(model: LaPose, repeats: int, drive: int) -> dict[str, float]:
    """Seconds a new frame, both ways; and the ring's size after a window and after ``drive`` frames."""
    window = model.config.window
    images = pictures(model, window)
    times = torch.arange(window).double()[None] * STEP
    session = model.stream()
    clock = itertools.count()

    def push() -> None:
        i = next(clock)
        session.push(images[i % window], i * STEP)

    def again() -> None:
        with torch.inference_mode():
            model.estimate(images[None], times)

    for _ in range(window):
        push()
    before = session.nbytes
    out = in_turns({"stream": lambda: [push() for _ in range(8)], "window": again}, repeats)
    for _ in range(drive):
        push()
    return {"stream": out["stream"] / 8, "window": out["window"], "ring": before, "ring_after": session.nbytes}


def sharing(model: LaPose, repeats: int) -> dict[str, float]:
    """Seconds a window of an analysis: frames encoded once, and the window run whole."""
    window, step = model.config.window, model.config.window // 2
    count = step * (2 * repeats + 6)
    images = pictures(model, count)
    when = torch.arange(count).double() * STEP
    encoder = FrameEncoder(model, when.numpy(), 2 * window)

    def shared(starts: Iterator[int]) -> None:
        samples = range(start := next(starts), start + window)
        missing = encoder.missing(samples)
        for i in range(0, len(missing), CPU_CHUNK):
            part = missing[i : i + CPU_CHUNK]
            encoder.add(part, images[part])
        encoded = encoder.windows([samples])
        estimate_encoded(model, encoded, infer_actions(model, encoded))

    def whole(starts: Iterator[int]) -> None:
        part = slice(start := next(starts), start + window)
        estimate_windows(model, images[None, part], when[None, part])

    def along(run: Callable[[Iterator[int]], None]) -> Callable[[], None]:
        starts = itertools.count(0, step)
        run(starts)  # the first window shares nothing
        return lambda: run(starts)

    return in_turns({"shared": along(shared), "whole": along(whole)}, repeats)


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--threads", type=int, default=1)
    given = options.parse_args()
    steady_heap()  # as the programs do; without it a window pays for new memory at every run
    torch.set_num_threads(given.threads)
    try:
        small = load_checkpoint(default_checkpoint())
    except ValueError:
        small = LaPose(nano()).eval()  # its cost does not depend on its weights
    depth = {"tokenizer_depth": 2, "inverse_depth": 2, "forward_depth": 2, "forward_head_depth": 1, "head_depth": 2}
    big = LaPose(dataclasses.replace(paper(), **depth)).eval()
    quick = given.short
    found = {
        "nano": streaming(small, 3 if quick else 15, 50 if quick else 2000),
        "paper": streaming(big, 1 if quick else 3, 4 if quick else 40),
    }
    shared = sharing(small, 3 if quick else 12)
    ratios = {f"{name}_window_per_stream": f["window"] / f["stream"] for name, f in found.items()}
    ratios["nano_analysis_gain"] = shared["whole"] / shared["shared"]
    ratios |= {f"{name}_ring_growth": f["ring_after"] / f["ring"] for name, f in found.items()}
    figures = {f"{name}_stream_ms": 1e3 * f["stream"] for name, f in found.items()}
    figures |= {f"{name}_window_ms": 1e3 * f["window"] for name, f in found.items()}
    figures |= {f"nano_analysis_window_{name}_ms": 1e3 * value for name, value in shared.items()}
    report("stream", ratios, {**figures, "threads": given.threads})


if __name__ == "__main__":
    main()
