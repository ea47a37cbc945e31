"""How much the video source costs and saves beside a plain seek-and-decode for each frame.

    python benchmarks/bench_seek.py [VIDEO ...]

Without arguments it writes 1080p videos with groups of 30 and 250 pictures to a temporary folder. The plain
way is the usual recipe: seek to the time before, decode until the time is reached. Ratios are plain / ours:
above 1 is faster than plain.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from lapose_core.drive import Image
from lapose_core.video import VideoSource

READS = 16


class PlainReader:
    """Seek by time and decode up to it, for every frame anew."""

    def __init__(self, path: Path) -> None:
        self._container = av.open(str(path))
        self._stream = self._container.streams.video[0]
        self._stream.thread_type = "AUTO"
        self._times = sorted(p.pts for p in self._container.demux(self._stream) if p.pts is not None)

    def read(self, index: int) -> Image:
        """Frame ``index`` [H, W, 3], by its presentation time."""
        self._container.seek(self._times[index], stream=self._stream)
        for frame in self._container.decode(self._stream):
            if frame.pts is not None and frame.pts >= self._times[index]:
                return frame.to_ndarray(format="rgb24")
        raise LookupError(index)


def write_sample(path: Path, gop: int, frames: int = 260, size: tuple[int, int] = (1920, 1080)) -> Path:
    """A moving texture in H.264 with B-frames."""
    noise = np.random.default_rng(0).integers(0, 255, (size[1] + frames, size[0] // 8, 3), dtype=np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30, options={"preset": "veryfast", "bf": "2"})
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        stream.codec_context.gop_size = gop
        stream.codec_context.time_base = Fraction(1, 30)
        for i in range(frames):
            picture = np.repeat(noise[i : i + size[1]] // 4 + 64, 8, axis=1)
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            frame.pts = i
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def milliseconds(read: Callable[[int], Image], order: Iterable[int]) -> list[float]:
    """Time of each read."""
    out = []
    for i in order:
        begun = time.perf_counter()
        read(i)
        out.append(1e3 * (time.perf_counter() - begun))
    return out


def report(path: Path) -> None:
    """One line for each way through the frames of ``path``."""
    begun = time.perf_counter()
    ours = VideoSource(path)
    opened = 1e3 * (time.perf_counter() - begun)
    count = len(ours)
    print(f"{path.name}: {count} frames, {ours.width}x{ours.height}, opened in {opened:.0f} ms")
    print(f"  {'order':<12}{'plain ms':>10}{'ours ms':>10}{'ours p95':>10}{'ratio':>8}")
    rng = random.Random(1)
    middle = count // 2 + READS // 2
    orders = {
        "random": [rng.randrange(count) for _ in range(READS)],
        "step back": [i for i in range(middle, middle - READS, -1) if i >= 0],
        "step forward": [i for i in range(middle, middle + READS) if i < count],
    }
    for name, order in orders.items():
        plain = milliseconds(PlainReader(path).read, order)
        source = VideoSource(path, ours.index)
        mine = milliseconds(source.read, order)
        source.close()
        ratio = sum(plain) / sum(mine)
        p95 = np.percentile(mine, 95)
        print(f"  {name:<12}{np.mean(plain):>10.1f}{np.mean(mine):>10.1f}{p95:>10.1f}{ratio:>8.1f}")
    ours.close()


def main() -> None:
    """Report on the videos named, or on two written for the purpose."""
    if len(sys.argv) > 1:
        for name in sys.argv[1:]:
            report(Path(name))
        return
    with tempfile.TemporaryDirectory() as folder:
        for gop in (30, 250):
            report(write_sample(Path(folder) / f"gop{gop}.mp4", gop))


if __name__ == "__main__":
    main()
