"""Frame i is the same picture, at the same time, however one got there; over files that containers get wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from log_files import X264, picture, write_video
from video_surgery import display_matrix, edit_list, joined, repeated_times, without_times

import lapose_core.video_index
from lapose_core.drive import LogError
from lapose_core.video import VideoSource
from lapose_core.video_index import build_index

FRAMES = 30
SIZE = (96, 64)
OPEN = X264 | {"x264-params": "open-gop=1:keyint=8:min-keyint=8"}
PLAIN = {"preset": "veryfast", "bf": "0"}


def x265(**params: object) -> dict[str, str]:
    words = {"keyint": 9, "log-level": "none"} | {name.replace("_", "-"): value for name, value in params.items()}
    return {"preset": "ultrafast", "x265-params": ":".join(f"{name}={value}" for name, value in words.items())}


def write(path: Path, **arguments: Any) -> Path:
    """A video of FRAMES pictures; the test is skipped, by the encoder's name, where that is absent."""
    codec = arguments.get("codec", "libx264")
    try:
        av.Codec(codec, "w")
    except ValueError:
        pytest.skip(f"this build of FFmpeg has no encoder {codec}")
    return write_video(path, **({"frames": FRAMES, "size": SIZE} | arguments))


def sequential(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def join_two(folder: Path, suffix: str, shift: int, **arguments: Any) -> Path:
    """Two recordings in one file, the second's clock ``shift`` milliseconds after the first's."""
    first = write(folder / f"first.{suffix}", **arguments)
    second = write(folder / f"second.{suffix}", **arguments, shift=shift)
    return joined(folder / f"joined.{suffix}", first, second)


HEVC: dict[str, Any] = {"codec": "libx265"}
VP9: dict[str, Any] = {"codec": "libvpx-vp9", "gop": 9}
ALT_REF = {"cpu-used": "8", "auto-alt-ref": "1", "lag-in-frames": "12"}
CASES: dict[str, Callable[[Path], Path]] = {
    "b-frames": lambda d: write(d / "a.mp4", options=X264, gop=12),
    "b-frames fragmented": lambda d: write(
        d / "a.mp4", options=X264, gop=12, container_options={"movflags": "frag_keyframe+empty_moov"}
    ),
    "open gop": lambda d: write(d / "a.mkv", options=OPEN),
    # Its key frames are only promises: exact decoding must begin at the first of all.
    "gradual refresh": lambda d: write(
        d / "a.mp4", options={"preset": "ultrafast", "x264-params": "intra-refresh=1:keyint=16:bframes=0"}, frames=40
    ),
    "open gop hevc": lambda d: write(d / "a.mp4", **HEVC, options=x265(open_gop=1, bframes=4)),
    "raw hevc": lambda d: write(d / "a.hevc", **HEVC, options=x265(bframes=0)),
    "raw hevc b-frames": lambda d: write(d / "a.hevc", **HEVC, options=x265(bframes=3)),
    "raw hevc open gop": lambda d: write(d / "a.hevc", **HEVC, options=x265(open_gop=1, bframes=4)),
    "raw hevc ten bits": lambda d: write(d / "a.hevc", **HEVC, pixels="yuv420p10le", options=x265(bframes=0)),
    "raw hevc gradual refresh": lambda d: write(d / "a.hevc", **HEVC, options=x265(bframes=0, intra_refresh=1)),
    "raw hevc joined": lambda d: join_two(d, "hevc", 0, **HEVC, options=x265(bframes=0, repeat_headers=1)),
    "raw hevc cut into": lambda d: write(
        d / "a.hevc", **HEVC, options=x265(bframes=0, repeat_headers=1), skip_packets=4
    ),
    "no times": lambda d: without_times(write(d / "a.ts", options=X264, gop=12), 1),
    "half the times": lambda d: without_times(write(d / "a.ts", options=X264, gop=12), 2),
    "a third of the times missing, hevc": lambda d: without_times(
        write(d / "a.ts", **HEVC, options=x265(open_gop=1, bframes=4)), 3
    ),
    "repeated times": lambda d: repeated_times(write(d / "a.mkv", options=PLAIN, gop=12), d / "b.mkv", 3),
    "decoding times passed off": lambda d: write(d / "a.mxf", options=X264, gop=12),
    "recordings joined, the same times": lambda d: join_two(d, "ts", 0, options=X264, gop=12),
    "recordings joined, times between": lambda d: join_two(d, "ts", 1013, options=X264, gop=12),
    "recordings joined, back in time": lambda d: join_two(d, "ts", -5000, options=X264, gop=12),
    "edit list trims": lambda d: edit_list(write(d / "a.mp4", options=X264, gop=12), [(600, 400)]),
    "edit list trims, open gop": lambda d: edit_list(write(d / "a.mp4", options=OPEN), [(600, 400)]),
    "edit list begins later": lambda d: edit_list(write(d / "a.mp4", options=X264, gop=12), [(500, None), (600, 400)]),
    "edit list leaves out the middle": lambda d: edit_list(write(d / "a.mp4", options=OPEN), [(300, 0), (400, 700)]),
    "edit list shows twice": lambda d: edit_list(write(d / "a.mp4", options=X264, gop=12), [(500, 200), (500, 200)]),
    "edit list goes back": lambda d: edit_list(write(d / "a.mp4", options=X264, gop=12), [(300, 800), (400, 120)]),
    "edit list, hevc": lambda d: edit_list(
        write(d / "a.mp4", **HEVC, options=x265(bframes=3)), [(400, 0), (200, None), (300, 700)]
    ),
    "variable rate": lambda d: write(d / "a.mp4", options=X264, gop=12, stamp=lambda i: 33 * i + 400 * (i // 7)),
    "odd size": lambda d: write(d / "a.mp4", codec="mpeg4", gop=9, size=(101, 67)),
    "odd size vp9": lambda d: write(d / "a.webm", **VP9, size=(101, 67), options=ALT_REF),
    "ten bits": lambda d: write(d / "a.mp4", pixels="yuv420p10le", options=X264, gop=12),
    "ten bits hevc": lambda d: write(d / "a.mp4", **HEVC, pixels="yuv420p10le", options=x265(bframes=3)),
    "av1": lambda d: write(d / "a.mkv", codec="libsvtav1", gop=9, options={"preset": "12"}),
    "av1 ten bits": lambda d: write(
        d / "a.mp4", codec="libsvtav1", gop=9, pixels="yuv420p10le", options={"preset": "12"}
    ),
    "av1 elementary stream": lambda d: write(d / "a.obu", codec="libsvtav1", gop=9, options={"preset": "12"}),
    "motion jpeg stream": lambda d: write(d / "a.mjpeg", codec="mjpeg", pixels="yuvj420p"),
    "motion jpeg odd size": lambda d: write(d / "a.mkv", codec="mjpeg", pixels="yuvj420p", size=(101, 67)),
    "interlaced": lambda d: write(d / "a.ts", options=X264 | {"x264-params": "tff=1"}, gop=12),
}


class Video(NamedTuple):
    path: Path
    frames: list[np.ndarray]  # of a plain sequential decode by PyAV, which knows nothing of us


@pytest.fixture(scope="module", params=CASES)
def video(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Video:
    path = CASES[request.param](tmp_path_factory.mktemp("video"))
    return Video(path, sequential(path))


# What someone does with a video: look at a frame, step through some, play every n-th and look elsewhere meanwhile.
ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(["read", "forward", "back", "play"]),
        st.integers(0, 10_000),
        st.integers(1, 6),
    ),
    min_size=6,
    max_size=14,
)


def follow(source: VideoSource, frames: list[np.ndarray], actions: list[tuple[str, int, int]]) -> None:
    def same(i: int, image: np.ndarray, how: str) -> None:
        assert np.array_equal(image, frames[i]), f"frame {i} by {how}"

    for what, where, several in actions:
        i = where % len(frames)
        if what == "play":
            for n, (at, image) in enumerate(source.iterate(i, None, several)):
                same(at, image, what)
                if n % 3 == 1:
                    other = (where // 7 + n) % len(frames)
                    same(other, source.read(other), "read amid play")
                if n == 5:
                    break
            continue
        steps = {"read": [0], "forward": range(several), "back": range(0, -several, -1)}[what]
        for step in steps:
            at = min(max(i + step, 0), len(frames) - 1)
            same(at, source.read(at), what)


@settings(max_examples=6, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(actions=ACTIONS)
def test_a_frame_is_the_same_however_one_got_there(video: Video, actions: list[tuple[str, int, int]]) -> None:
    # The small cache makes most reads decode; a large one would only test the first visit.
    source = VideoSource(video.path, cache_bytes=3 * video.frames[0].nbytes)
    try:
        assert len(source) == len(video.frames)
        follow(source, video.frames, actions)
    finally:
        source.close()


def test_times_increase_from_zero(video: Video) -> None:
    index = build_index(video.path)
    assert len(index.timestamps) == len(video.frames)
    assert index.timestamps[0] == 0
    assert (np.diff(index.timestamps) > 0).all()
    assert set(index.time_notes) <= set(index.notes)


# -- random files ---------------------------------------------------------------------------------------------


@st.composite
def recordings(draw: st.DrawFn) -> dict[str, Any]:
    suffix = draw(st.sampled_from(["mp4", "mkv", "ts", "mov", "flv", "nut"]))
    gop, between = draw(st.integers(1, 20)), draw(st.integers(0, 5))
    x264 = f"keyint={gop}:min-keyint=1:bframes={between}:open-gop={draw(st.integers(0, 1))}"
    steps = draw(st.lists(st.integers(2, 400), min_size=20, max_size=20))
    trim = draw(st.sampled_from([0, 0, 1])) * draw(st.integers(50, 1500)) if suffix in ("mp4", "mov") else 0
    return {
        "name": f"a.{suffix}",
        "options": {"preset": "ultrafast", "x264-params": f"{x264}:b-adapt=0:b-pyramid={draw(st.integers(0, 2))}"},
        "stamps": np.concatenate([[0], np.cumsum(steps)]).tolist(),
        "shift": -trim,
    }


@settings(max_examples=25, deadline=None, derandomize=True)
@given(recording=recordings(), actions=ACTIONS)
def test_any_recording_gives_each_picture_at_its_time(
    tmp_path_factory: pytest.TempPathFactory, recording: dict[str, Any], actions: list[tuple[str, int, int]]
) -> None:
    stamps = np.array(recording["stamps"])
    path = write(
        tmp_path_factory.mktemp("random") / recording["name"],
        frames=len(stamps),
        options=recording["options"],
        stamp=lambda i: int(stamps[i]),
        shift=recording["shift"],
    )
    frames = sequential(path)
    if not frames:
        return  # all trimmed away
    source = VideoSource(path, cache_bytes=3 * frames[0].nbytes)
    assert len(source) == len(frames)
    follow(source, frames, actions)
    originals = np.stack([picture(i, *SIZE) for i in range(len(stamps))]).astype(np.int16)
    shown = [int(np.abs(originals - source.read(i)).mean((1, 2, 3)).argmin()) for i in range(len(frames))]
    assert shown == list(range(shown[0], shown[0] + len(frames)))
    # Containers count in milliseconds or finer.
    expected = (stamps[shown] - stamps[shown[0]]) / 1000
    np.testing.assert_allclose(source.index.timestamps, expected, atol=1.1e-3)
    source.close()


# -- damage ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.h264", "a.ts", "a.nut", "a.mkv"])
@pytest.mark.parametrize("share", [0.35, 0.62, 0.9])
def test_half_a_picture_at_the_end_spoils_no_other(tmp_path: Path, name: str, share: float) -> None:
    # FFmpeg's decoder errs after it, in good pictures, and even past a seek.
    path = write(tmp_path / name, options={"preset": "ultrafast", "bf": "2"}, gop=12)
    whole = {frame.tobytes() for frame in sequential(path)}
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    source = VideoSource(path, cache_bytes=0)
    count = len(source)
    shown = {i: image for i in range(count) if (image := readable(source, i)) in whole}
    assert count - 2 <= len(shown)
    same_in_any_order(source, shown)


@pytest.mark.parametrize("seed", range(4))
def test_damage_spoils_no_other_group_of_pictures(tmp_path: Path, seed: int) -> None:
    path = write(tmp_path / "a.ts", options=X264, gop=6)
    whole = [frame.tobytes() for frame in sequential(path)]
    data = bytearray(path.read_bytes())
    for at in np.random.default_rng(seed).integers(len(data) // 4, len(data), 6):
        data[at] ^= 0x5A
    path.write_bytes(data)
    source = VideoSource(path, cache_bytes=0)
    index = source.index
    groups: dict[int, dict[int, bytes | None]] = {}
    for i in range(len(source)):
        groups.setdefault(index.start_before(int(index.packet[i])), {})[i] = readable(source, i)
    good = {i: image for group in groups.values() if set(group.values()) <= set(whole) for i, image in group.items()}
    assert 0 < len(good) < len(whole)
    same_in_any_order(source, good)


def readable(source: VideoSource, i: int) -> bytes | None:
    try:
        return source.read(i).tobytes()
    except LogError:
        return None


def same_in_any_order(source: VideoSource, expected: dict[int, bytes | None]) -> None:
    everything = range(len(source))
    for i in [*reversed(everything), *np.random.default_rng(0).integers(0, len(source), 30)]:
        image = readable(source, int(i))
        assert i not in expected or image == expected[int(i)], f"frame {i}"
    source.close()


# -- what is said of times, display, and what opening costs ---------------------------------------------------


def test_missing_times_are_spread_between_those_there_are(tmp_path: Path) -> None:
    index = build_index(without_times(write(tmp_path / "a.ts", options=X264, gop=12), 2))
    np.testing.assert_allclose(index.timestamps, np.arange(FRAMES) * 0.04, atol=0.041)
    assert any("have no time of their own" in note for note in index.time_notes)


def test_repeated_times_are_spread(tmp_path: Path) -> None:
    path = repeated_times(write(tmp_path / "a.mkv", options=PLAIN, gop=12), tmp_path / "b.mkv", 3)
    index = build_index(path)
    np.testing.assert_allclose(index.timestamps, np.arange(FRAMES) * 0.04, atol=0.041)
    assert any("repeat the time" in note for note in index.time_notes)


@pytest.mark.parametrize("shift", [0, 1013, -5000])
def test_the_clock_of_joined_recordings_goes_on(tmp_path: Path, shift: int) -> None:
    index = build_index(join_two(tmp_path, "ts", shift, options=X264, gop=12))
    np.testing.assert_allclose(index.timestamps, np.arange(2 * FRAMES) * 0.04, atol=1e-3)
    assert any("clock goes back 1 times" in note for note in index.time_notes)


def displayed(image: np.ndarray, a: int, b: int, c: int, d: int) -> np.ndarray:
    """The picture whose pixel (ax + cy, bx + dy), moved to begin at (0, 0), is pixel (x, y) of ``image``."""
    y, x = np.mgrid[: image.shape[0], : image.shape[1]]
    across, down = a * x + c * y, b * x + d * y
    across, down = across - across.min(), down - down.min()
    out = np.zeros((down.max() + 1, across.max() + 1, 3), np.uint8)
    out[down, across] = image
    return out


@pytest.mark.parametrize("size", [(100, 66), (101, 67)])
@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize("right", [1, -1])
@pytest.mark.parametrize("down", [1, -1])
def test_the_display_matrix_is_applied(
    tmp_path: Path, size: tuple[int, int], swapped: bool, right: int, down: int
) -> None:
    matrix = (0, down, right, 0) if swapped else (right, 0, 0, down)
    path = display_matrix(write(tmp_path / "a.mp4", codec="mpeg4", gop=9, size=size, frames=12), *matrix)
    expected = [displayed(frame, *matrix) for frame in sequential(path)]
    source = VideoSource(path, cache_bytes=0)
    assert (source.height, source.width) == expected[0].shape[:2]
    for i in (11, 3, 7):
        assert np.array_equal(source.read(i), expected[i])
    assert np.array_equal(next(source.iterate(8))[1], expected[8])
    source.close()


def test_a_raw_stream_that_keeps_its_order_is_not_decoded_to_index_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "a.hevc", **HEVC, options=x265(bframes=0), frames=120)
    fed = []
    decode = lapose_core.video_index.decode
    monkeypatch.setattr(lapose_core.video_index, "decode", lambda *a: (fed.append(1), decode(*a))[1])
    assert len(build_index(path).packet) == 120
    assert len(fed) < 40


def test_seeking_in_a_raw_stream_does_not_read_it_from_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = VideoSource(write(tmp_path / "a.hevc", **HEVC, options=x265(bframes=0), frames=120), cache_bytes=0)
    monkeypatch.setattr("lapose_core.video.open_video", None)  # opening the file anew would fail
    for i in (70, 3, 60, 0):
        source.read(i)
    source.close()
