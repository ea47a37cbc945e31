"""The frame store over thousands of random requests: every answer is the picture of the frame whose index it has.

Each answer is held against one plain sequential decode of the same log: a full frame to the byte, a preview by being
nearest to its own frame.
"""

from __future__ import annotations

import gc
import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from log_files import X264, write_pictures, write_video
from message_files import START, STEP, encode, ros_image, stamp, write_protobuf, write_ros2

from lapose_core.drive import Drive, FrameSource, Image, LogError
from lapose_core.frames.budget import MIB, ByteBudget
from lapose_core.frames.picture import Picture, pictures
from lapose_core.frames.proxy import Proxy
from lapose_core.frames.store import REST, FrameStore
from lapose_core.logs import open_log

COUNT = 60
REQUESTS = 1500
SIZE = (96, 64)


def irregular(i: int) -> int:
    return 40 * i + 13 * (i % 3) + 200 * (i // 20)


def mcap_video(path: Path) -> Path:
    stream = encode("libx264", (("preset", "veryfast"), ("bf", "0")), COUNT)
    fields = ({"timestamp": stamp(START + k * STEP), "data": data} for k, (_, data) in enumerate(stream))
    return write_protobuf(
        path,
        (
            (START + k * STEP, "/video", "CompressedVideo", each | {"frame_id": "cam", "format": "h264"})
            for k, each in enumerate(fields)
        ),
    )


def mcap_pictures(path: Path) -> Path:
    return write_ros2(path, ((START + i * STEP, "/image", *ros_image(i, START + i * STEP)) for i in range(COUNT)))


def folder(path: Path) -> Path:
    write_pictures(path, 28, size=SIZE)
    return path


LOGS: dict[str, Callable[[Path], Path]] = {
    "b-frames": lambda d: write_video(d / "a.mp4", frames=COUNT, options=X264, gop=25),
    "long group": lambda d: write_video(d / "a.mkv", frames=COUNT, options=X264, gop=COUNT),
    "open group": lambda d: write_video(
        d / "a.mkv", frames=COUNT, options=X264 | {"x264-params": "open-gop=1:keyint=12:min-keyint=12"}
    ),
    "variable rate": lambda d: write_video(d / "a.mp4", frames=COUNT, options=X264, gop=25, stamp=irregular),
    "rotated": lambda d: write_video(d / "a.mp4", frames=COUNT, options=X264, gop=25, rotation=90),
    "image folder": lambda d: folder(d / "log"),
    "mcap video": lambda d: mcap_video(d / "a.mcap"),
    "mcap pictures": lambda d: mcap_pictures(d / "a.mcap"),
}


class Log:
    """A drive with its frames by one plain sequential decode."""

    def __init__(self, drive: Drive) -> None:
        self.drive = drive
        source = drive.open_frames()
        self.frames = [image.copy() for _, image in source.iterate()]
        source.close()
        assert len(self.frames) == len(drive)
        self._small = np.stack([image[::4, ::4].astype(np.int16) for image in self.frames])

    def nearest(self, image: Image) -> int:
        return int(np.abs(self._small - image[::4, ::4]).mean((1, 2, 3)).argmin())


@pytest.fixture(scope="module", params=LOGS, ids=lambda name: name.replace(" ", "-"))
def log(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Log:
    return Log(open_log(LOGS[request.param](tmp_path_factory.mktemp("log"))))


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Log:
    return Log(open_log(LOGS["long group"](tmp_path_factory.mktemp("video"))))


class Viewer:
    """Looks at every answer as it comes."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self.wrong: list[str] = []
        self.previews = self.fulls = 0
        self.history: list[tuple[int, bool]] = []
        self.failed: list[tuple[int, str]] = []
        self._condition = threading.Condition()

    def shown(self, index: int, image: Image, preview: bool) -> None:
        right = self._log.nearest(image) == index if preview else np.array_equal(image, self._log.frames[index])
        with self._condition:
            if not right:
                self.wrong.append(f"{'preview' if preview else 'frame'} {index}")
            self.previews += preview
            self.fulls += not preview
            self.history.append((index, preview))
            self._condition.notify_all()

    def on_failed(self, index: int, reason: str) -> None:
        with self._condition:
            self.failed.append((index, reason))
            self._condition.notify_all()

    def wait(self, index: int) -> None:
        """Until the last answer is frame ``index`` in full."""
        with self._condition:
            came = self._condition.wait_for(lambda: self.history[-1:] == [(index, False)], timeout=20)
        assert came, f"waited for frame {index}, saw {self.history[-3:]}"

    def wait_for_preview(self, index: int) -> None:
        """Until there was a preview of frame ``index``."""
        with self._condition:
            came = self._condition.wait_for(lambda: (index, True) in self.history, timeout=20)
        assert came, f"waited for frame {index}, saw {self.history[-3:]}"


def open_store(log: Log, viewer: Viewer, budget: ByteBudget, proxy: Proxy | None = None, **options: bool) -> FrameStore:
    return FrameStore(
        log.drive,
        budget,
        None if proxy is None else lambda: proxy,
        shown=viewer.shown,
        failed=viewer.on_failed,
        **options,
    )


def fill(proxy: Proxy, drive: Drive, share: float = 1.0) -> Proxy:
    source = drive.open_frames()
    for index, frame in pictures(source, 0, round(len(drive) * share)):
        assert proxy.take(index, frame)
    source.close()
    return proxy


def wander(store: FrameStore, viewer: Viewer, seed: int, requests: int) -> None:
    """What a hand does: jumps, drags, steps and plays both ways, now and then with a rest."""
    rng = random.Random(seed)
    count, at = len(store.drive), 0
    left = requests
    while left > 0:
        kind = rng.choice(["jump", "drag", "forwards", "backwards", "same"])
        length = {"jump": 1, "same": 1}.get(kind, rng.randint(2, 40))
        for _ in range(min(length, left)):
            step = {
                "jump": rng.randrange(count) - at,
                "drag": rng.randint(-15, 15),
                "forwards": rng.choice((1, 1, 1, 2)),
                "backwards": -rng.choice((1, 1, 1, 2)),
                "same": 0,
            }[kind]
            at = min(max(at + step, 0), count - 1)
            store.request(at)
            left -= 1
            if rng.random() < 0.3:
                time.sleep(rng.choice((0.0005, 0.002, 0.006)))
            if rng.random() < 0.02:
                viewer.wait(at)
    viewer.wait(at)


@pytest.mark.parametrize("made", [0.0, 0.5, 1.0])
def test_no_answer_is_ever_of_another_frame(log: Log, tmp_path: Path, made: float) -> None:
    viewer = Viewer(log)
    proxy = fill(Proxy(tmp_path / "proxy", log.drive, 1 << 30), log.drive, made)
    budget = ByteBudget(6 * log.frames[0].nbytes)  # so small that most requests decode
    store = open_store(log, viewer, budget, proxy)
    wander(store, viewer, seed=7, requests=REQUESTS)
    store.close()
    assert not viewer.wrong
    assert not viewer.failed
    assert viewer.fulls > 20
    assert viewer.previews > 0 or made < 1
    assert budget.used == 0


def test_without_a_proxy_too(log: Log) -> None:
    viewer = Viewer(log)
    store = open_store(log, viewer, ByteBudget(20 * log.frames[0].nbytes))
    wander(store, viewer, seed=11, requests=REQUESTS)
    store.close()
    assert not viewer.wrong
    assert not viewer.failed
    assert viewer.previews == 0


def test_a_jump_is_answered_by_the_preview_and_the_frame_follows_at_rest(video: Log, tmp_path: Path) -> None:
    viewer = Viewer(video)
    proxy = fill(Proxy(tmp_path / "proxy", video.drive, 1 << 30), video.drive)
    store = open_store(video, viewer, ByteBudget(1), proxy, build=False)
    store.request(0)
    wait_until(lambda: store.trusted)
    for index in (50, 10, 40):
        viewer.history.clear()
        began = time.monotonic()
        store.request(index)
        viewer.wait(index)
        assert viewer.history == [(index, True), (index, False)]
        assert time.monotonic() - began >= REST
    viewer.history.clear()
    for index in range(0, COUNT, 12):
        store.request(index)
        time.sleep(REST / 8)
    viewer.wait(48)
    decoded = [index for index, preview in viewer.history if not preview]
    assert decoded == [48], "no frame is decoded in full while the hand moves"
    store.close()
    assert not viewer.wrong


class Gated:
    """Frames that are not read while the gate is closed."""

    def __init__(self, frames: list[Image], gate: threading.Event) -> None:
        self._frames, self._gate = frames, gate

    def __len__(self) -> int:
        return len(self._frames)

    def read(self, index: int) -> Image:
        assert self._gate.wait(20)
        return self._frames[index]

    def iterate(self, start: int = 0, stop: int | None = None, step: int = 1) -> Iterator[tuple[int, Image]]:
        yield from list(enumerate(self._frames))[start:stop:step]

    def close(self) -> None:
        pass


def test_a_step_back_to_a_frame_that_takes_long_shows_its_preview_at_once(
    video: Log, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lapose_core.frames.store.GRACE", 3600.0)
    gate, viewer = threading.Event(), Viewer(video)
    gate.set()
    proxy = fill(Proxy(tmp_path / "proxy", video.drive, 1 << 30), video.drive)
    drive = replace(video.drive, open_frames=lambda: Gated(video.frames, gate))
    store = FrameStore(drive, ByteBudget(1), lambda: proxy, shown=viewer.shown, failed=viewer.on_failed, build=False)
    store.request(40)
    wait_until(lambda: store.trusted)
    store.request(41)
    viewer.wait(41)
    assert (41, True) not in viewer.history, "the next frame comes soon"
    gate.clear()
    store.request(40)
    viewer.wait_for_preview(40)
    gate.set()
    viewer.wait(40)
    store.close()
    assert not viewer.wrong


def test_the_proxy_is_made_in_the_background_and_stays(video: Log, tmp_path: Path) -> None:
    for attempt in range(2):
        viewer = Viewer(video)
        proxy = Proxy(tmp_path / "proxy", video.drive, 1 << 30)
        store = open_store(video, viewer, ByteBudget(1), proxy)
        store.request(30)
        viewer.wait(30)
        if attempt == 0:
            wait_until(lambda proxy=proxy: not len(proxy.missing))
        assert not len(proxy.missing)
        wait_until(lambda store=store: store.trusted)
        store.request(5)
        viewer.wait_for_preview(5)
        viewer.wait(5)
        store.close()
        assert not viewer.wrong


def test_the_decoder_of_previews_counts_while_they_are_made(video: Log, tmp_path: Path) -> None:
    viewer, go_on = Viewer(video), threading.Event()
    drive = replace(video.drive, open_frames=lambda: Held(video.drive.open_frames(), go_on))
    proxy = Proxy(tmp_path / "proxy", drive, 1 << 30)
    store = FrameStore(drive, ByteBudget(MIB), lambda: proxy, shown=viewer.shown, failed=viewer.on_failed)
    wait_until(lambda: store.decoder_bytes > 10 * SIZE[0] * SIZE[1])
    go_on.set()
    wait_until(lambda: not store.decoder_bytes)
    store.close()


def test_a_proxy_of_other_pictures_shows_none_of_them(video: Log, tmp_path: Path) -> None:
    """A log may change without its fingerprint telling: its pictures lie deeper than the fingerprint looks."""
    other = Proxy(tmp_path / "proxy", video.drive, 1 << 30)
    for i in range(COUNT):
        other.take(i, video.frames[(i + 25) % COUNT])
    other.close()
    viewer = Viewer(video)
    proxy = Proxy(tmp_path / "proxy", video.drive, 1 << 30)
    assert not len(proxy.missing)
    store = open_store(video, viewer, ByteBudget(MIB), proxy)
    wander(store, viewer, seed=3, requests=300)
    wait_until(lambda: not len(proxy.missing) and store.trusted)
    wander(store, viewer, seed=4, requests=300)
    store.close()
    assert not viewer.wrong
    assert viewer.previews > 0


def test_the_background_waits_while_frames_come_in_passing(video: Log, tmp_path: Path) -> None:
    viewer = Viewer(video)
    proxy = Proxy(tmp_path / "proxy", video.drive, 1 << 30)
    store = open_store(video, viewer, ByteBudget(MIB), proxy)
    source = video.drive.open_frames()
    for index, frame in pictures(source):
        assert store.proxy is None or store.proxy.take(index, frame)
        time.sleep(0.02)
        assert len(proxy.missing) >= COUNT - index - 1
    source.close()
    assert len(proxy.missing) <= 1  # the first may come before the proxy is open
    store.close()


def test_at_rest_the_frames_before_a_jump_get_memory_of_their_own_and_stay(video: Log) -> None:
    viewer, budget = Viewer(video), ByteBudget(64 * MIB)
    store = FrameStore(video.drive, budget, shown=viewer.shown, failed=viewer.on_failed)
    store.request(1)
    viewer.wait(1)
    passed = 17 * SIZE[0] * SIZE[1] * 3 // 2  # frames 34 to 50
    settled = store.decoder_bytes + passed
    store.request(50)
    viewer.wait(50)
    wait_until(lambda: store.decoder_bytes >= settled)  # the decoder has its memory back once the frames have theirs
    kept = budget.used
    store.request(3)
    viewer.wait(3)
    assert budget.used > kept
    store.close()
    assert not viewer.wrong


def test_stepping_back_decodes_the_group_of_a_jump_once_more_and_others_once(video: Log) -> None:
    decoded: list[int] = []
    drive = replace(video.drive, open_frames=lambda: Counting(video.drive.open_frames(), decoded))
    viewer = Viewer(video)
    store = FrameStore(drive, ByteBudget(64 * MIB), shown=viewer.shown, failed=viewer.on_failed)
    for index in range(COUNT - 1, -1, -1):
        store.request(index)
        viewer.wait(index)
    store.close()
    assert not viewer.wrong
    group = 60  # at the most; a jump into it keeps the last frames on its way
    assert len(decoded) <= COUNT + group - 16 + 5


class Counting:
    """A video source that tells how many packets its decoder took."""

    def __init__(self, source: FrameSource, decoded: list[int]) -> None:
        inner = source._decode_next  # type: ignore[attr-defined]

        def count(needed: int) -> None:
            decoded.append(1)
            inner(needed)

        source._decode_next = count  # type: ignore[attr-defined]
        self._source = source

    def __getattr__(self, name: str) -> object:
        return getattr(self._source, name)

    def __len__(self) -> int:
        return len(self._source)


class Held:
    """A video source whose pictures come once they may."""

    def __init__(self, source: FrameSource, go_on: threading.Event) -> None:
        self._source, self._go_on = source, go_on

    def __getattr__(self, name: str) -> object:
        return getattr(self._source, name)

    def __len__(self) -> int:
        return len(self._source)

    def pictures(self, start: int = 0, stop: int | None = None) -> Iterator[tuple[int, Picture]]:
        assert self._go_on.wait(20)
        yield from pictures(self._source, start, stop)


class Broken:
    """Pictures of which every seventh cannot be read."""

    def __init__(self, frames: list[Image]) -> None:
        self._frames = frames

    def __len__(self) -> int:
        return len(self._frames)

    def read(self, index: int) -> Image:
        if index % 7 == 3:
            raise LogError(f"frame {index}: torn")
        return self._frames[index]

    def iterate(self, start: int = 0, stop: int | None = None, step: int = 1) -> Iterator[tuple[int, Image]]:
        for i in range(start, len(self) if stop is None else stop, step):
            yield i, self.read(i)

    def close(self) -> None:
        pass


def test_frames_that_cannot_be_read_are_told_and_stop_nothing(video: Log, tmp_path: Path) -> None:
    drive = replace(video.drive, open_frames=lambda: Broken(video.frames))
    viewer = Viewer(video)
    proxy = Proxy(tmp_path / "proxy", drive, 1 << 30)
    store = FrameStore(drive, ByteBudget(MIB), lambda: proxy, shown=viewer.shown, failed=viewer.on_failed)
    store.request(3)
    wait_until(lambda: viewer.failed == [(3, "frame 3: torn")])
    store.request(4)
    viewer.wait(4)
    wait_until(lambda: list(proxy.missing) == list(range(3, COUNT, 7)))
    store.close()
    assert not viewer.wrong


def test_nothing_is_left_of_stores_that_were_closed(video: Log, tmp_path: Path) -> None:
    budget = ByteBudget(MIB)

    def use(n: int) -> None:
        viewer = Viewer(video)
        proxy = Proxy(tmp_path / f"proxy {n % 2}", video.drive, 1 << 30)
        store = open_store(video, viewer, budget, proxy)
        for index in (30, 29, 28, 5, 6, 7):
            store.request(index)
        if n % 3:
            viewer.wait(7)
        store.close(wait=n % 2 == 0)
        if n % 2:
            wait_until(lambda: not store.alive)

    for n in range(4):
        use(n)
    gc.collect()
    before = threading.active_count(), open_files()
    for n in range(12):
        use(n)
    gc.collect()
    assert (threading.active_count(), open_files()) == before
    assert budget.used == 0


def open_files() -> int:
    folder = Path("/proc/self/fd")
    return len(list(folder.iterdir())) if folder.is_dir() else 0


def wait_until(true: Callable[[], bool], seconds: float = 20.0) -> None:
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.01)
