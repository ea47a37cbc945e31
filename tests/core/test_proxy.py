"""A proxy never shows a picture under another frame's number, whatever happened to its files."""

from __future__ import annotations

import errno
import json
import os
import shutil
import threading
from collections import namedtuple
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from log_files import X264, picture, write_pictures, write_video
from PIL import Image as Pil
from video_surgery import display_matrix

import lapose_core.frames.proxy
from lapose_core.drive import Drive
from lapose_core.frames.budget import ByteBudget
from lapose_core.frames.jpeg import small_size
from lapose_core.frames.picture import pictures
from lapose_core.frames.proxies import ProxyFolder
from lapose_core.frames.proxy import Proxy
from lapose_core.logs import open_log

SIZE, COUNT, ROOM = (1008, 560), 6, 1 << 30


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_video(tmp_path_factory.mktemp("video") / "a.mp4", frames=COUNT, size=SIZE, options=X264, gop=COUNT)


@pytest.fixture
def drive(video: Path) -> Drive:
    return open_log(video)


@pytest.fixture
def proxy(tmp_path: Path, drive: Drive) -> Iterator[Proxy]:
    out = Proxy(tmp_path / "proxy", drive, ROOM)
    yield out
    out.close()


def fill(proxy: Proxy, drive: Drive, start: int = 0, stop: int | None = None) -> None:
    source = drive.open_frames()
    for index, frame in pictures(source, start, stop):
        assert proxy.take(index, frame)
    source.close()


def difference(proxy: Proxy, index: int, image: np.ndarray) -> float:
    """Mean difference, in grey levels, of a proxy's picture from ``image`` [H, W, 3] made as small."""
    small = proxy.read(index)
    assert small is not None
    assert small.shape == (*proxy.size[::-1], 3)
    made = Pil.fromarray(image).resize(proxy.size, Pil.Resampling.BOX)
    return float(np.abs(np.asarray(made, np.int16) - small).mean())


def assert_true(proxy: Proxy, drive: Drive, frames: list[int]) -> None:
    """Each picture is nearest to its own frame, and near."""
    source = drive.open_frames()
    images = [source.read(i) for i in range(len(drive))]
    source.close()
    for i in frames:
        apart = [difference(proxy, i, image) for image in images]
        assert int(np.argmin(apart)) == i
        assert apart[i] < 10


def test_every_picture_is_its_frames(proxy: Proxy, drive: Drive) -> None:
    assert proxy.size == (504, 280)
    assert proxy.read(0) is None
    fill(proxy, drive)
    assert not len(proxy.missing)
    assert_true(proxy, drive, list(range(COUNT)))


def test_rgb_may_be_given_too_and_in_any_order(proxy: Proxy, drive: Drive) -> None:
    source = drive.open_frames()
    for i in (4, 0, 2):
        assert proxy.take(i, source.read(i))
    source.close()
    assert list(proxy.missing) == [1, 3, 5]
    assert [i for i in range(COUNT) if i in proxy] == [0, 2, 4]
    assert_true(proxy, drive, [0, 2, 4])


@pytest.mark.parametrize("matrix", [(0, 1, -1, 0), (-1, 0, 0, -1), (0, -1, 1, 0), (-1, 0, 0, 1)])
def test_turned_and_mirrored_videos_stand_upright(
    video: Path, tmp_path: Path, matrix: tuple[int, int, int, int]
) -> None:
    drive = open_log(display_matrix(Path(shutil.copy(video, tmp_path / "b.mp4")), *matrix))
    proxy = Proxy(tmp_path / "proxy", drive, ROOM)
    fill(proxy, drive)
    assert_true(proxy, drive, [0, 3])
    proxy.close()


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_pictures_of_a_folder(tmp_path: Path, mode: str) -> None:
    write_pictures(tmp_path / "log", 4, size=(640, 400), mode=mode)
    drive = open_log(tmp_path / "log")
    proxy = Proxy(tmp_path / "proxy", drive, ROOM)
    assert proxy.size == (640, 400)
    fill(proxy, drive)
    assert_true(proxy, drive, [0, 1, 2, 3])
    proxy.close()


def test_colours_are_those_of_the_full_frame(tmp_path: Path) -> None:
    options = {"preset": "veryfast", "x264-params": "colorprim=bt709:transfer=bt709:colormatrix=bt709"}
    drive = open_log(write_video(tmp_path / "a.mp4", frames=1, size=SIZE, options=options))
    proxy = Proxy(tmp_path / "proxy", drive, ROOM)
    fill(proxy, drive)
    source = drive.open_frames()
    means = [image.mean((0, 1)) for image in (source.read(0), proxy.read(0))]
    np.testing.assert_allclose(*means, atol=1.5)
    source.close()
    proxy.close()


def test_it_goes_on_where_it_was_left(tmp_path: Path, drive: Drive) -> None:
    for start, stop in ((0, 2), (1, 4), (4, 6)):
        proxy = Proxy(tmp_path / "proxy", drive, ROOM)
        assert list(proxy.missing) == list(range(start if start == 0 else start + (start == 1), COUNT))
        fill(proxy, drive, start, stop)
        proxy.close()
    proxy = Proxy(tmp_path / "proxy", drive, ROOM)
    assert not len(proxy.missing)
    assert_true(proxy, drive, list(range(COUNT)))
    assert proxy.state.bytes == sum(p.stat().st_size for p in proxy.folder.iterdir() if p.suffix != ".json")
    proxy.close()


def test_two_programs_do_not_meet(tmp_path: Path, drive: Drive) -> None:
    first, second = Proxy(tmp_path / "proxy", drive, ROOM), Proxy(tmp_path / "proxy", drive, ROOM)
    fill(first, drive, 0, 4)
    fill(second, drive, 2, 6)
    assert_true(first, drive, [0, 3])
    assert_true(second, drive, [2, 5])
    first.close()
    second.close()
    third = Proxy(tmp_path / "proxy", drive, ROOM)
    assert_true(third, drive, list(range(COUNT)))
    third.close()


@pytest.mark.parametrize("cut", [1, 20, 5000])
@pytest.mark.parametrize("suffix", [".rows", ".jpegs"])
def test_a_torn_end_costs_no_other_picture(tmp_path: Path, drive: Drive, suffix: str, cut: int) -> None:
    proxy = Proxy(tmp_path / "proxy", drive, ROOM)
    fill(proxy, drive)
    proxy.close()
    path = next(tmp_path.glob(f"proxy/*{suffix}"))
    os.truncate(path, max(0, path.stat().st_size - cut))
    again = Proxy(tmp_path / "proxy", drive, ROOM)
    there = [i for i in range(COUNT) if i in again]
    assert len(there) < COUNT
    assert len(there) == COUNT - 1 or cut == 5000
    assert_true(again, drive, there)
    fill(again, drive)
    assert_true(again, drive, list(range(COUNT)))
    again.close()


def test_damaged_bytes_are_found_and_made_again(tmp_path: Path, drive: Drive) -> None:
    proxy = Proxy(tmp_path / "proxy", drive, ROOM)
    fill(proxy, drive)
    proxy.close()
    for suffix in (".jpegs", ".rows"):
        path = next(tmp_path.glob(f"proxy/*{suffix}"))
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 0x40
        path.write_bytes(data)
    again = Proxy(tmp_path / "proxy", drive, ROOM)
    readable = [i for i in range(COUNT) if again.read(i) is not None]
    assert COUNT - 2 <= len(readable) < COUNT
    assert sorted([*readable, *again.missing]) == list(range(COUNT))
    assert_true(again, drive, readable)
    fill(again, drive)
    assert_true(again, drive, list(range(COUNT)))
    again.close()


@pytest.mark.parametrize("what", ["other drive", "other size", "no description", "nonsense"])
def test_what_is_of_something_else_is_begun_anew(tmp_path: Path, drive: Drive, what: str) -> None:
    proxy = Proxy(tmp_path / "proxy", drive, ROOM)
    fill(proxy, drive)
    proxy.close()
    if what == "other drive":
        drive = replace(drive, timestamps=drive.timestamps[:4], fingerprint=drive.fingerprint)
    elif what == "other size":
        path = tmp_path / "proxy" / "proxy.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"size": [960, 533]}))
    elif what == "no description":
        (tmp_path / "proxy" / "proxy.json").unlink()
    else:
        (tmp_path / "proxy" / "proxy.json").write_text("{")
    again = Proxy(tmp_path / "proxy", drive, ROOM)
    assert len(again.missing) == len(drive)
    assert not list(again.folder.glob("*.jpegs"))
    again.close()


def test_a_full_disk_stops_it_and_what_there_is_stays(
    tmp_path: Path, drive: Drive, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = Proxy(tmp_path / "proxy", drive, ROOM)
    fill(proxy, drive, 0, 2)

    def refuse(file: object, data: bytes) -> None:
        file.write(data[: len(data) // 2])  # type: ignore[attr-defined]
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    source = drive.open_frames()
    with monkeypatch.context() as broken:
        broken.setattr(lapose_core.frames.proxy, "_write", refuse)
        assert not proxy.take(2, source.read(2))
    assert "space" in proxy.state.stopped.lower()
    assert not proxy.take(3, source.read(3))
    assert_true(proxy, drive, [0, 1])
    proxy.close()
    again = Proxy(tmp_path / "proxy", drive, ROOM)
    assert list(again.missing) == [2, 3, 4, 5]
    assert again.take(2, source.read(2))
    assert_true(again, drive, [0, 1, 2])
    source.close()
    again.close()


def test_a_nearly_full_disk_is_left_alone(tmp_path: Path, drive: Drive, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "free")(1 << 20)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    proxy = Proxy(tmp_path / "proxy", drive, ROOM)
    source = drive.open_frames()
    assert not proxy.take(0, source.read(0))
    assert "nearly full" in proxy.state.stopped
    source.close()
    proxy.close()


def test_its_limit_holds(tmp_path: Path, drive: Drive) -> None:
    proxy = Proxy(tmp_path / "proxy", drive, 120_000)
    source = drive.open_frames()
    taken = [proxy.take(i, source.read(i)) for i in range(COUNT)]
    source.close()
    assert taken == sorted(taken, reverse=True)
    assert 0 < proxy.state.done < COUNT
    assert proxy.state.bytes <= 120_000
    assert "limit" in proxy.state.stopped
    proxy.close()


def test_many_threads_may_feed_and_read_it(proxy: Proxy, drive: Drive) -> None:
    source = drive.open_frames()
    images = [source.read(i) for i in range(COUNT)]
    source.close()
    problems: list[str] = []

    def work(seed: int) -> None:
        rng = np.random.default_rng(seed)
        for i in rng.integers(0, COUNT, 40):
            proxy.take(int(i), images[i])
            small = proxy.read(int(i))
            apart = [difference(proxy, int(i), image) for image in images]
            if small is None or int(np.argmin(apart)) != i:
                problems.append(f"frame {i}")

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not problems


class TestFolder:
    def test_the_least_recently_used_goes_first(self, tmp_path: Path, drive: Drive) -> None:
        width, height = small_size(*SIZE)
        one = int(COUNT * width * height * 0.3)
        folder = ProxyFolder(tmp_path / "proxies", ROOM)
        drives = [replace(drive, fingerprint=key) for key in ("a" * 16, "b" * 16, "c" * 16)]
        sizes = []
        for n, each in enumerate((drives[0], drives[1], drives[0])):
            proxy = folder.open(each)
            assert proxy is not None
            fill(proxy, each)
            sizes.append(proxy.state.bytes)
            proxy.close()
            os.utime(proxy.folder / "proxy.json", (n, n))
        assert sizes[0] == sizes[2], "a proxy that is whole is not made again"
        folder.limit = sizes[0] + one + 1000
        third = folder.open(drives[2])
        assert third is not None
        assert sorted(p.name[0] for p in folder.folder.iterdir()) == ["a", "c"]
        assert folder.used() <= folder.limit
        third.close()
        folder.clear()
        assert folder.used() == 0

    def test_small_frames_need_none(self, tmp_path: Path) -> None:
        write_pictures(tmp_path / "log", 2, size=(320, 200))
        assert ProxyFolder(tmp_path / "proxies", ROOM).open(open_log(tmp_path / "log")) is None

    def test_a_folder_that_cannot_be_made_is_no_error(self, tmp_path: Path, drive: Drive) -> None:
        (tmp_path / "file").write_text("in the way")
        assert ProxyFolder(tmp_path / "file" / "proxies", ROOM).open(drive) is None


class TestBudget:
    def test_the_oldest_of_all_caches_goes_first(self) -> None:
        budget = ByteBudget(100)
        frames, proxies = budget.cache("frames"), budget.cache("previews")
        for key in range(4):
            (frames if key % 2 else proxies).put(key, str(key), 25)
        assert frames.get(1) == "1"
        proxies.put(9, "9", 50)
        assert [key in frames for key in (1, 3)] == [True, True]
        assert [key in proxies for key in (0, 2, 9)] == [False, False, True]
        assert budget.used == 100
        assert budget.uses() == {"frames": 50, "previews": 50}

    def test_holders_push_caches_aside_and_the_newest_entry_stays(self) -> None:
        budget = ByteBudget(100)
        frames = budget.cache("frames")
        for key in range(4):
            frames.put(key, key, 25)
        budget.hold("latents", 60)
        assert [key for key in range(4) if key in frames] == [3]
        budget.hold("latents", 500)
        assert len(frames) == 1
        assert budget.used == 525
        budget.hold("latents", 0)
        frames.put(3, "again", 10)
        assert (frames.bytes, budget.used, len(frames)) == (10, 10, 1)

    def test_a_lower_limit_counts_at_once(self) -> None:
        budget = ByteBudget(100)
        frames = budget.cache("frames")
        for key in range(4):
            frames.put(key, key, 25)
        budget.limit = 50
        assert [key for key in range(4) if key in frames] == [2, 3]
        frames.clear()
        assert budget.used == 0
        assert len(frames) == 0

    def test_keys_of_two_caches_are_their_own(self) -> None:
        budget = ByteBudget(100)
        a, b = budget.cache("frames"), budget.cache("frames")
        a.put(1, "a", 10)
        b.put(1, "b", 10)
        a.clear()
        assert b.get(1) == "b"
        assert budget.used == 10


def test_pictures_differ() -> None:
    assert np.abs(picture(0, 64, 48).astype(int) - picture(1, 64, 48)).mean() > 10


def test_two_that_make_the_same_proxy_find_each_other_s_pictures(tmp_path: Path, drive: Drive) -> None:
    one, other = (Proxy(tmp_path / "proxy", drive, ROOM) for _ in range(2))
    source = drive.open_frames()
    images = [source.read(i) for i in range(COUNT)]
    source.close()
    one.take(0, images[0])
    other.take(1, images[1])
    assert 0 not in other
    for proxy in (one, other):
        proxy.look_again()
        proxy.look_again()
    one.take(2, images[2])
    other.look_again()
    for proxy in (one, other):
        assert proxy.state.done == 3
        for index in range(3):
            assert difference(proxy, index, images[index]) < 8
    assert other.fed_for < 60
    assert other.state.bytes == sum(p.stat().st_size for p in (tmp_path / "proxy").iterdir() if p.suffix != ".json")
    one.close()
    other.close()


@pytest.mark.parametrize("folder_too", [False, True])
def test_one_that_another_clears_begins_anew(tmp_path: Path, drive: Drive, folder_too: bool) -> None:
    one = Proxy(tmp_path / "proxy", drive, ROOM)
    source = drive.open_frames()
    images = [source.read(i) for i in range(COUNT)]
    source.close()
    one.take(0, images[0])
    other = Proxy(tmp_path / "proxy", drive, ROOM)
    other.clear()
    if folder_too:
        other.close()
        shutil.rmtree(tmp_path / "proxy")
        other = Proxy(tmp_path / "proxy", drive, ROOM)
    one.take(1, images[1])
    assert 0 not in one
    one.take(0, images[0])
    other.look_again()
    assert other.state.done == 2
    for index in (0, 1):
        assert difference(other, index, images[index]) < 8
    one.close()
    other.close()
