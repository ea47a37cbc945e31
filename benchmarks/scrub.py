"""How fast the frame store answers, beside a plain seek-and-decode of the same file in the same run.

    python benchmarks/scrub.py [--seconds 600] [--reads 60] [--seeks 10000] [--preset ultrafast]

It writes its own video once, 1080p30 in H.264 with a key frame every 250 pictures, to the temporary folder, and
prints one line of JSON. The encoder's preset decides which pictures a frame costs: with ultrafast, which makes no B
frames, all since the key frame; with medium, the encoder's own choice, those that others refer to. The plain way is the
usual recipe: seek to the time, decode until it is reached, turn that frame into RGB. Ratios are plain / ours: above 1
is faster than plain. Every full frame that is timed is also compared with the plain one, to the byte. Reads of both
ways alternate, so that a busy machine slows both.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from lapose_core.drive import Drive, Image
from lapose_core.frames.budget import MIB, ByteBudget
from lapose_core.frames.heap import steady_heap
from lapose_core.frames.picture import pictures
from lapose_core.frames.proxies import ProxyFolder
from lapose_core.frames.proxy import ProxyState
from lapose_core.frames.store import FrameStore
from lapose_core.logs import open_log

WIDTH, HEIGHT, RATE, GROUP = 1920, 1080, 30, 250
BUDGET = 512 * MIB
UNIQUE = 5 * GROUP
"""Pictures encoded; a longer video repeats their packets, which decoding does not notice."""
WARM = 0.1
"""Share of the seeks after which memory is first looked at: caches have filled by then."""


def write_video(path: Path, seconds: float, preset: str) -> Path:
    """A texture that drifts and turns brighter and darker; kept for the next run."""
    if path.is_file():
        return path
    rng = np.random.default_rng(0)
    coarse = rng.integers(40, 200, (2 * HEIGHT // 12, 2 * WIDTH // 12), dtype=np.uint8)
    texture = np.kron(coarse, np.ones((12, 12), np.uint8)) + rng.integers(0, 24, (2 * HEIGHT, 2 * WIDTH), np.uint8)
    chroma = np.kron(coarse[:, ::-1], np.ones((6, 6), np.uint8))
    unfinished = path.with_suffix(".part.mp4")
    with av.open(str(unfinished), "w") as container:
        options = {"preset": preset, "crf": "28", "g": str(GROUP), "keyint_min": str(GROUP), "sc_threshold": "0"}
        stream: Any = container.add_stream("libx264", rate=RATE, options=options)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.codec_context.time_base = Fraction(1, RATE)
        packets = []
        for i in range(min(UNIQUE, round(seconds * RATE))):
            frame = av.VideoFrame(WIDTH, HEIGHT, "yuv420p")
            x, y = (6 * i) % WIDTH // 2 * 2, int(HEIGHT / 2 * (1 + np.sin(i / 200))) // 2 * 2
            _fill(frame.planes[0], texture[y : y + HEIGHT, x : x + WIDTH])
            for plane in frame.planes[1:]:
                _fill(plane, chroma[y // 2 : (y + HEIGHT) // 2, x // 2 : (x + WIDTH) // 2])
            frame.pts = i
            packets += [(p.pts, p.dts, p.is_keyframe, bytes(p), p.time_base) for p in stream.encode(frame)]
        packets += [(p.pts, p.dts, p.is_keyframe, bytes(p), p.time_base) for p in stream.encode(None)]
        for n in range(round(seconds * RATE)):
            pts, dts, key, data, base = packets[n % len(packets)]
            shift = round(n // len(packets) * len(packets) / RATE / base)
            packet = av.Packet(data)
            packet.stream, packet.time_base, packet.is_keyframe = stream, base, key
            packet.pts, packet.dts = pts + shift, dts + shift
            container.mux(packet)
    unfinished.rename(path)
    return path


def _fill(plane: Any, values: np.ndarray) -> None:
    rows = np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)
    rows[:, : plane.width] = values


class Plain:
    """Seek by time and decode up to it, for every frame anew."""

    def __init__(self, path: Path) -> None:
        self._container = av.open(str(path))
        self._stream: Any = self._container.streams.video[0]
        self._stream.thread_type = "AUTO"
        self._times = sorted(p.pts for p in self._container.demux(self._stream) if p.pts is not None)

    def read(self, index: int) -> Image:
        """Frame ``index`` [H, W, 3], by its presentation time."""
        self._container.seek(self._times[index], stream=self._stream)
        for frame in self._container.decode(self._stream):
            if frame.pts is not None and frame.pts >= self._times[index]:
                return frame.to_ndarray(format="rgb24")
        raise LookupError(index)

    def close(self) -> None:
        self._container.close()


class Ours:
    """The frame store, asked as the window asks it: a request, then the answers."""

    def __init__(self, drive: Drive, budget: int, proxies: ProxyFolder | None = None) -> None:
        self._condition = threading.Condition()
        self._answer: tuple[int, Image, bool] | None = None
        self._problem = ""
        self.budget = ByteBudget(budget)
        self.store = FrameStore(
            drive,
            self.budget,
            None if proxies is None else lambda: proxies.open(drive),
            shown=self._on_shown,
            failed=self._on_failed,
        )

    def first(self, index: int) -> Image:
        """The first picture of frame ``index``, be it a preview."""
        return self._wait(index, preview=True)

    def full(self, index: int) -> Image:
        """Frame ``index`` itself."""
        return self._wait(index, preview=False)

    def close(self) -> None:
        self.store.close()

    def _wait(self, index: int, preview: bool) -> Image:
        with self._condition:
            self._answer = None
            self.store.request(index)
            self._condition.wait_for(lambda: self._problem or self._is_answer(index, preview))
            if self._problem or self._answer is None:
                raise SystemExit(self._problem)
            return self._answer[1]

    def _is_answer(self, index: int, preview: bool) -> bool:
        return self._answer is not None and self._answer[0] == index and (preview or not self._answer[2])

    def _on_shown(self, index: int, image: Image, preview: bool) -> None:
        with self._condition:
            self._answer = (index, image, preview)
            self._condition.notify()

    def _on_failed(self, index: int, reason: str) -> None:
        with self._condition:
            self._problem = f"frame {index}: {reason}"
            self._condition.notify()


def timed(read: Callable[[int], Image], index: int, times: list[float]) -> Image:
    """One read; its milliseconds go to ``times``."""
    began = time.perf_counter()
    image = read(index)
    times.append(1e3 * (time.perf_counter() - began))
    return image


def compare(plain: Plain, ours: Ours, order: Iterable[int]) -> tuple[list[float], list[float]]:
    """Milliseconds of each plain and each of our reads of full frames, in turn; a wrong frame ends the program."""
    theirs: list[float] = []
    mine: list[float] = []
    for index in order:
        true = timed(plain.read, index, theirs)
        if not np.array_equal(timed(ours.full, index, mine), true):
            raise SystemExit(f"frame {index} differs from the plain decode")
    return theirs, mine


def p95(times: list[float]) -> float:
    return float(np.percentile(times, 95))


def playback(path: Path, drive: Drive, frames: int, start: int) -> dict[str, float]:
    """Frames per second of decoding alone, of decoding to RGB, and of the store, over ``frames`` in order."""
    out = {}
    for name, rgb in (("decode_only_fps", False), ("raw_fps", True)):
        with av.open(str(path)) as container:
            stream: Any = container.streams.video[0]
            stream.thread_type = "AUTO"
            container.seek(round(start / RATE / stream.time_base), stream=stream)
            began = time.perf_counter()
            for n, frame in enumerate(container.decode(stream)):
                if n == frames:
                    break
                if rgb:
                    frame.to_ndarray(format="rgb24")
            out[name] = frames / (time.perf_counter() - began)
    ours = Ours(drive, BUDGET)
    ours.full(start)
    began = time.perf_counter()
    for i in range(start + 1, start + 1 + frames):
        ours.full(i)
    out["ours_fps"] = frames / (time.perf_counter() - began)
    ours.close()
    return out


def fill(ours: Ours, drive: Drive) -> tuple[float, ProxyState]:
    """Make the whole proxy in one pass, as an analysis of every frame does: seconds it took, and what came of it."""
    while ours.store.proxy is None:
        time.sleep(0.01)
    source = drive.open_frames()
    began = time.perf_counter()
    for index, picture in pictures(source):
        ours.store.proxy.take(index, picture)
    built = time.perf_counter() - began
    source.close()
    if len(ours.store.proxy.missing):
        raise SystemExit("the proxy is not whole: is the disk full?")
    return built, ours.store.proxy.state


def rss() -> int:
    """Bytes of this process that lie in memory; 0 where the system does not tell."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
    except OSError:
        return 0


def soak(ours: Ours, seeks: int, count: int) -> dict[str, float]:
    """Memory over random seeks, of which each hundredth rests until the full frame is there."""
    rng = random.Random(5)
    for _ in range(40):  # until the cache is full: a step back in its group keeps all of what is passed
        if ours.budget.used > 0.95 * ours.budget.limit:
            break
        index = rng.randrange(count)
        ours.full(index)
        ours.full(max(0, index - 20))
    seen = []
    for n in range(seeks):
        index = rng.randrange(count)
        (ours.full if n % 100 == 99 else ours.first)(index)
        if n >= WARM * seeks and n % max(1, seeks // 100) == 0:
            seen.append(rss())
    tenth = max(1, len(seen) // 10)
    before, after = statistics.median(seen[:tenth]), statistics.median(seen[-tenth:])
    return {
        "seeks": seeks,
        "rss_mib_begin": before / MIB,
        "rss_mib_end": after / MIB,
        "rss_mib_max": max(seen) / MIB,
        "rss_ratio": after / before if before else 0.0,
    }


def measure(path: Path, seconds: float, reads: int, seeks: int, folder: Path) -> dict[str, object]:
    """All figures; see the module's description."""
    drive = open_log(path)
    count = len(drive)
    rng = random.Random(1)
    anywhere = [rng.randrange(count) for _ in range(reads)]
    middle = count // 2 + reads // 2
    backwards = range(middle, max(middle - reads, -1), -1)

    plain = Plain(path)
    ours = Ours(drive, BUDGET)
    plain.read(0)
    ours.full(0)  # the drive is open: its first frame is there
    plain_random, ours_random = compare(plain, ours, anywhere)
    ours.full(middle + 1)
    plain_back, ours_back = compare(plain, ours, backwards)
    ours.close()
    plain.close()

    runs = [playback(path, drive, min(count // 2, 20 * reads), k * count // 8) for k in range(3)]
    play = {key: statistics.median(run[key] for run in runs) for key in runs[0]}

    proxies = ProxyFolder(folder / "proxies", 1 << 40)
    ours = Ours(drive, BUDGET, proxies)
    ours.full(0)
    built, state = fill(ours, drive)
    proxy_random: list[float] = []
    for index in anywhere:
        timed(ours.first, index, proxy_random)
    ours.full(middle + 1)
    proxy_back: list[float] = []
    for index in backwards:
        timed(ours.first, index, proxy_back)
    memory = soak(ours, seeks, count)
    ours.close()

    return {
        "seconds": seconds,
        "frames": count,
        "ratio_random_p95_with_proxy": p95(plain_random) / p95(proxy_random),
        "ratio_random_p95_without_proxy": p95(plain_random) / p95(ours_random),
        "ratio_back_p95": p95(plain_back) / p95(ours_back),
        "ratio_back_p95_with_proxy": p95(plain_back) / p95(proxy_back),
        "ratio_playback": statistics.median(run["ours_fps"] / run["raw_fps"] for run in runs),
        "random_p95_ms": {"plain": p95(plain_random), "ours": p95(ours_random), "proxy": p95(proxy_random)},
        "random_median_ms": {
            "plain": statistics.median(plain_random),
            "ours": statistics.median(ours_random),
            "proxy": statistics.median(proxy_random),
        },
        "back_p95_ms": {"plain": p95(plain_back), "ours": p95(ours_back), "proxy": p95(proxy_back)},
        "playback": play,
        "proxy": {"seconds": built, "fps": count / built, "mib": state.bytes / MIB},
        "memory": memory,
    }


def rounded(value: Any) -> Any:
    """Floats with four digits, for people."""
    if isinstance(value, dict):
        return {key: rounded(each) for key, each in value.items()}
    return float(f"{value:.4g}") if isinstance(value, float) else value


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=600.0, help="length of the video")
    parser.add_argument("--reads", type=int, default=60, help="frames read of each kind")
    parser.add_argument("--seeks", type=int, default=10_000, help="random seeks over which memory is watched")
    parser.add_argument("--preset", default="ultrafast", help="of the encoder (x264), for the video written")
    options = parser.parse_args()
    steady_heap()  # as the window's program does
    path = Path(tempfile.gettempdir()) / f"lapose-scrub-{options.preset}-{options.seconds:g}s.mp4"
    write_video(path, options.seconds, options.preset)
    folder = Path(tempfile.mkdtemp(prefix="lapose-scrub-"))
    try:
        found = measure(path, options.seconds, options.reads, options.seeks, folder)
        name = "scrub" if options.preset == "ultrafast" else f"scrub {options.preset}"
        print(json.dumps(rounded({"benchmark": name, **found})))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
