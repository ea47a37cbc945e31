"""What inference costs and what preprocessing keeps.

python benchmarks/bench_inference.py [LOG] [--threads N]

Without a log, frames are random; with one, decoding is included and each resize filter is measured on its
pictures. The model is the default checkpoint, or the nano preset with random weights, whose cost is the same.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import interpolate

from lapose_core.drive import Drive
from lapose_core.inference.analysis import DriveAnalyzer, estimate_windows
from lapose_core.inference.preprocess import Preprocessor
from lapose_core.inference.reconstruction import context, reconstruct
from lapose_core.inference.store import read_result, write_result
from lapose_core.inference.streaming import LiveSession
from lapose_core.logs import open_log
from lapose_core.model.config import nano
from lapose_core.model.lapose import LaPose
from lapose_core.resources import default_checkpoint
from lapose_core.training.checkpoints import load_checkpoint


def seconds(call: Callable[[], object], repeats: int = 5) -> float:
    """Median time of a call, after one that is not counted."""
    call()
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        call()
        times.append(time.perf_counter() - began)
    return float(np.median(times))


def resizing(frames: list[np.ndarray], drive: Drive | None) -> None:
    height, width = frames[0].shape[:2]
    pre = Preprocessor(width, height, drive.intrinsics if drive else None, (240, 112))
    c = pre.crop
    ours = torch.stack([pre(f) for f in frames])
    parts = torch.stack(
        [
            torch.from_numpy(f[c.top : c.top + c.height, c.left : c.left + c.width].copy()).permute(2, 0, 1)
            for f in frames
        ]
    )
    print(f"resize {c.width}x{c.height} to 240x112")

    def line(name: str, out: torch.Tensor, spent: float) -> None:
        psnr = -10 * np.log10(max(float(((out - ours) ** 2).mean()), 1e-12))
        contrast = float(out.diff(dim=-1).abs().mean() / ours.diff(dim=-1).abs().mean())
        print(f"  {name:<24} {spent * 1e3:6.2f} ms  {psnr:5.1f} dB to area mean  contrast {contrast:.3f}")

    line("area mean (ours)", ours, seconds(lambda: pre(frames[0])))
    for name, options in (
        ("torch area", {"mode": "area"}),
        ("bilinear, antialiased", {"mode": "bilinear", "antialias": True}),
        ("bicubic, antialiased", {"mode": "bicubic", "antialias": True}),
        ("bilinear, aliased", {"mode": "bilinear"}),
    ):

        def resize(x: torch.Tensor, options: dict = options) -> torch.Tensor:
            return interpolate(x.float(), size=(112, 240), **options) / 255

        line(name, resize(parts), seconds(lambda f=resize: f(parts[:1])))


def model_costs(model: LaPose) -> None:
    config = model.config
    window = config.window
    print(f"model {config.name}, {torch.get_num_threads()} threads, windows of {window}")
    for batch in (1, 2, 4):
        images = torch.rand(batch, window, 3, config.image_height, config.image_width)
        times = torch.arange(window).double()[None].repeat(batch, 1) * 0.5
        spent = seconds(lambda i=images, t=times: estimate_windows(model, i, t), 3) / batch
        per = window // 2 / spent
        print(f"  batch {batch}: {spent * 1e3:7.1f} ms a window, {per:6.1f} new frames/s with half overlap")
    one, when = images[0], times[0]
    part = one[-3:], when[-3:]
    latent = torch.zeros(config.latent_dim)
    whole = seconds(lambda: reconstruct(model, one, when, len(context(99, window)) - 2), 3)
    quick = seconds(lambda: reconstruct(model, *part, 1, latent), 3)
    print(f"  reconstruction: {whole * 1e3:.1f} ms from its context, {quick * 1e3:.1f} ms with a known action")
    pre = Preprocessor(config.image_width, config.image_height, None, (config.image_width, config.image_height))
    live = LiveSession(model, pre)
    frame = np.random.default_rng(0).integers(0, 256, (config.image_height, config.image_width, 3), np.uint8)
    clock = itertools.count()

    def push() -> None:
        t = next(clock)
        live.push(t, frame, t * 0.5)

    print(f"  live: {seconds(push, 24) * 1e3:.1f} ms a frame")


def whole_drive(model: LaPose, drive: Drive, rate: float, windows: int) -> None:
    run = DriveAnalyzer(model, drive, rate, checkpoint_hash="bench", checkpoint_name="bench")
    began = time.perf_counter()
    results = run.run()
    next(results)
    first = time.perf_counter() - began
    for _ in itertools.islice(results, windows):
        pass
    spent = time.perf_counter() - began
    results.close()
    done = int(run.analysis.done.sum())
    print(
        f"{drive.name} at {rate:g} Hz, decoding included: first window after {first:.2f} s, "
        f"{done} transitions in {spent:.1f} s, {done / spent:.1f} frames/s"
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "r"
        save, load = (seconds(f, 3) for f in (lambda: write_result(run.analysis, path), lambda: read_result(path)))
        snapshot = seconds(run.analysis.snapshot)
        print(f"  result of {len(run.analysis)} samples: save {save * 1e3:.1f}, load {load * 1e3:.1f}, "
              f"snapshot {snapshot * 1e3:.2f} ms")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("log", nargs="?", type=Path)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rate", type=float, default=10.0)
    parser.add_argument("--windows", type=int, default=10)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    try:
        model = load_checkpoint(default_checkpoint())
    except ValueError as error:
        print(f"random weights: {error}")
        model = LaPose(nano()).eval()
    drive = open_log(options.log) if options.log else None
    if drive is None:
        frames = list(np.random.default_rng(0).integers(0, 256, (4, 376, 1241, 3), np.uint8))
    else:
        source = drive.open_frames()
        frames = [source.read(i) for i in np.linspace(0, len(drive) - 1, 4).astype(int)]
        source.close()
    resizing(frames, drive)
    model_costs(model)
    if drive is not None:
        whole_drive(model, drive, options.rate, options.windows)


if __name__ == "__main__":
    main()
