"""A video source gives exactly the frames of a plain sequential decode, whatever the file and the order."""

from __future__ import annotations

import random
from pathlib import Path

import av
import numpy as np
import pytest
from log_files import X264, real, write_video

from lapose_core.drive import LogError
from lapose_core.frames.budget import ByteBudget
from lapose_core.video import VideoSource
from lapose_core.video_index import build_index


def sequential(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


CASES: dict[str, tuple[str, dict]] = {
    "b-frames": ("a.mp4", {"options": X264, "gop": 12}),
    "one long gop": ("a.mp4", {"options": X264, "gop": 250, "frames": 120}),
    "all key frames": ("a.mp4", {"options": {"preset": "ultrafast"}, "gop": 1}),
    "b-pyramid matroska": ("a.mkv", {"options": X264 | {"x264-params": "b-pyramid=normal"}, "gop": 15}),
    "open gop": ("a.mp4", {"options": X264 | {"x264-params": "open-gop=1:keyint=10:min-keyint=10"}}),
    "open gop matroska": ("a.mkv", {"options": X264 | {"x264-params": "open-gop=1:keyint=10:min-keyint=10"}}),
    "open gop transport stream": (
        "a.ts",
        {"options": X264 | {"x264-params": "open-gop=1:keyint=10:min-keyint=10"}},
    ),
    "gradual refresh": ("a.ts", {"options": {"preset": "veryfast", "intra-refresh": "1"}, "gop": 12}),
    "transport stream cut into": ("a.ts", {"options": X264, "gop": 12, "skip_packets": 5}),
    "program stream": ("a.mpg", {"codec": "mpeg2video", "gop": 10, "b_frames": 2}),
    "hevc": (
        "a.mp4",
        {
            "codec": "libx265",
            "options": {"preset": "ultrafast", "x265-params": "keyint=12:bframes=3:log-level=none"},
        },
    ),
    "hevc open gop": (
        "a.mkv",
        {
            "codec": "libx265",
            "options": {"preset": "fast", "x265-params": "keyint=12:open-gop=1:bframes=4:log-level=none"},
        },
    ),
    "mpeg4": ("a.mp4", {"codec": "mpeg4", "gop": 12}),
    "mpeg4 b-frames avi": ("a.avi", {"codec": "mpeg4", "gop": 12, "b_frames": 2}),
    "h264 without pts, avi": ("a.avi", {"options": X264, "gop": 12}),
    "bare h264 stream": ("a.h264", {"options": X264, "gop": 12}),
    "vp8 with a hidden picture": ("a.webm", {"codec": "libvpx", "gop": 20, "hide_packet": 7}),
    "vp9": (
        "a.webm",
        {
            "codec": "libvpx-vp9",
            "gop": 20,
            "options": {"auto-alt-ref": "1", "lag-in-frames": "16", "cpu-used": "8"},
        },
    ),
    "av1": ("a.mp4", {"codec": "libsvtav1", "gop": 20, "options": {"preset": "12"}}),
    "motion jpeg": ("a.avi", {"codec": "mjpeg", "pixels": "yuvj420p"}),
    "lossless": ("a.mkv", {"codec": "ffv1", "pixels": "yuv444p"}),
    "gif": ("a.gif", {"codec": "gif", "pixels": "rgb8"}),
    "variable rate": ("a.mkv", {"options": X264, "gop": 12, "stamp": lambda i: 33 * i + (i * i * 7) % 30}),
    "variable rate mp4": ("a.mp4", {"options": X264, "gop": 12, "stamp": lambda i: 33 * i + 400 * (i // 7)}),
    "edit list": ("a.mp4", {"options": X264, "gop": 12, "shift": -520}),
    "odd size": ("a.mp4", {"size": (101, 67), "pixels": "yuv444p", "options": X264, "gop": 12}),
    "odd size chroma": ("a.avi", {"size": (101, 67), "codec": "mpeg4", "gop": 12}),
    "ten bits": ("a.mp4", {"pixels": "yuv420p10le", "options": X264, "gop": 12}),
    "grey": ("a.mp4", {"pixels": "gray", "options": X264, "gop": 12}),
    "one frame": ("a.mp4", {"frames": 1}),
    "two frames": ("a.mp4", {"frames": 2, "options": X264}),
    "tiny pictures": ("a.mp4", {"size": (16, 16), "frames": 5}),
}


@pytest.fixture(params=CASES)
def video(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    name, arguments = CASES[request.param]
    codec = arguments.get("codec", "libx264")
    try:
        av.Codec(codec, "w")
    except ValueError:
        pytest.skip(f"this build of FFmpeg has no encoder {codec}")
    return write_video(tmp_path / name, **arguments)


def test_any_order_gives_the_frames_of_a_sequential_decode(video: Path) -> None:
    expected = sequential(video)
    # The small cache makes most reads decode; a large one would only test the first visit.
    source = VideoSource(video, cache_bytes=8 * expected[0].nbytes)
    assert len(source) == len(expected)
    order = random.Random(7)
    visits = [order.randrange(len(expected)) for _ in range(40)]
    visits += list(reversed(range(len(expected))))
    for _ in range(12):
        start = order.randrange(len(expected))
        visits += range(start, min(start + 4, len(expected)))
    for i in visits:
        assert np.array_equal(source.read(i), expected[i]), f"frame {i}"
    source.close()


def test_frames_played_one_after_the_other_are_true_through_steps_back_and_jumps(video: Path) -> None:
    expected = sequential(video)
    source = VideoSource(video)
    order = random.Random(5)
    for _ in range(3):
        begin = order.randrange(len(expected))
        played = list(range(begin, len(expected)))[: order.randrange(20, 70)]
        back = list(range(played[-1], max(played[-1] - 30, -1), -1))
        for i in [*played, *back, order.randrange(len(expected)), played[-1]]:
            assert np.array_equal(source.read(i), expected[i]), f"frame {i}"
    source.close()


def test_what_was_played_last_outlives_its_decoder_in_the_cache_and_the_decoder_does_not_grow(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", options=X264, gop=30, frames=120)
    expected = sequential(path)
    cache = ByteBudget(1 << 30).cache("frames")
    source = VideoSource(path)
    source.share(cache)
    sizes = []
    for i in range(100):
        source.read(i)
        sizes.append(source.nbytes + cache.bytes)
    picture = expected[0].nbytes // 2
    assert sizes[-1] <= sizes[50] + picture
    lent = {i: cache.get(i).planes[0].buffer_ptr for i in range(90, 100)}
    source.settle()
    # The decoder's memory would stay as long as one frame of it.
    assert all(cache.get(i).planes[0].buffer_ptr != where for i, where in lent.items())
    source.read(40)
    source.close()
    kept = [i for i in range(120) if i in cache]
    assert {*range(90, 100), 40} <= set(kept)
    for i in kept:
        assert np.array_equal(cache.get(i).to_ndarray(format="rgb24"), expected[i]), f"frame {i}"


def test_a_jump_keeps_what_was_read_before_and_the_decoder_does_not_grow_by_jumps(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", options=X264, gop=30, frames=120)
    cache = ByteBudget(1 << 30).cache("frames")
    source = VideoSource(path)
    source.share(cache)
    sizes, before = [], None
    for i in (85, 25, 115, 55) * 3:
        source.read(i)
        assert all(n in cache for n in range(i - 15, i + 1))
        assert before is None or before in cache
        sizes.append(source.nbytes)
        before = i
        if len(sizes) % 4 == 0:
            cache.clear()
            before = None
    assert sizes[-4:] == sizes[4:8]
    source.close()


def test_iterating_and_reading_do_not_disturb_each_other(video: Path) -> None:
    expected = sequential(video)
    source = VideoSource(video)
    order = random.Random(3)
    for i, image in source.iterate(1, None, 3):
        assert np.array_equal(image, expected[i])
        other = order.randrange(len(expected))
        assert np.array_equal(source.read(other), expected[other])
    assert [i for i, _ in source.iterate(1, 6, 2)] == [i for i in (1, 3, 5) if i < len(expected)]
    source.close()


def test_pictures_shown_before_their_key_frame_are_read_with_one_seek(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Open GOP: they follow the key frame in the file but refer to pictures before it.
    options = X264 | {"x264-params": "open-gop=1:keyint=10:min-keyint=10"}
    path = write_video(tmp_path / "a.mkv", options=options)
    expected, index = sequential(path), build_index(path)
    after = [index.starts[np.searchsorted(index.starts, p, side="right") - 1] for p in index.packet]
    leading = [i for i, start in enumerate(after) if index.position[start] > index.position[index.packet[i]]]
    assert leading
    for i in leading:
        source = VideoSource(path, index, cache_bytes=0)
        seeks = []
        seek = source._seek
        monkeypatch.setattr(source, "_seek", lambda start, seek=seek, seeks=seeks: (seeks.append(start), seek(start)))
        source.read(len(expected) - 1)
        seeks.clear()
        assert np.array_equal(source.read(i), expected[i])
        assert len(seeks) == 1
        source.close()


def test_a_hidden_picture_is_no_frame(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.webm", codec="libvpx", gop=20, hide_packet=7)
    assert len(build_index(path).packet) == 39


def test_times_increase_from_zero(video: Path) -> None:
    times = build_index(video).timestamps
    assert times[0] == 0
    assert (np.diff(times) > 0).all()


def test_variable_rate_times_are_those_of_the_file(tmp_path: Path) -> None:
    stamps = [33 * i + (i * i * 7) % 30 for i in range(40)]
    index = build_index(write_video(tmp_path / "a.mkv", options=X264, gop=12, stamp=lambda i: stamps[i]))
    np.testing.assert_allclose(index.timestamps, np.array(stamps) / 1000, atol=1e-9)
    assert index.notes == ()


def test_missing_times_are_assumed_and_said(tmp_path: Path) -> None:
    index = build_index(write_video(tmp_path / "a.h264", options=X264, gop=12))
    np.testing.assert_allclose(index.timestamps, np.arange(40) / 25)
    assert any("25 frames per second" in note for note in index.notes)


def test_an_edit_list_leaves_out_what_it_hides(tmp_path: Path) -> None:
    index = build_index(write_video(tmp_path / "a.mp4", options=X264, gop=12, shift=-520))
    assert len(index.packet) < len(index.frame)


def test_an_index_is_shared_by_sources_on_the_same_file(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", options=X264, gop=12)
    first = VideoSource(path)
    second = VideoSource(path, first.index)
    assert np.array_equal(first.read(30), second.read(30))
    first.close()
    assert np.array_equal(second.read(3), sequential(path)[3])
    second.close()


@pytest.mark.parametrize(("degrees", "turns"), [(90, 1), (180, 2), (-90, 3)])
def test_rotation_metadata_turns_the_picture(tmp_path: Path, degrees: int, turns: int) -> None:
    path = write_video(tmp_path / "a.mp4", options=X264, gop=12, rotation=degrees)
    source = VideoSource(path)
    upright = np.rot90(sequential(path)[5], turns)
    assert (source.height, source.width) == upright.shape[:2]
    assert np.array_equal(source.read(5), upright)
    source.close()


def test_stepping_back_through_a_long_gop_decodes_it_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = VideoSource(write_video(tmp_path / "a.mp4", options=X264, gop=250, frames=120))
    seeks = []
    seek = source._seek
    monkeypatch.setattr(source, "_seek", lambda start: (seeks.append(start), seek(start)))
    for i in reversed(range(120)):
        source.read(i)
    assert len(seeks) <= 1
    source.close()


def test_a_frame_that_is_not_there_is_refused(tmp_path: Path) -> None:
    source = VideoSource(write_video(tmp_path / "a.mp4", frames=3))
    for index in (3, -1):
        with pytest.raises(IndexError):
            source.read(index)
    source.close()


def test_a_playlist_in_disguise_is_not_followed(tmp_path: Path) -> None:
    write_video(tmp_path / "secret.mp4", frames=3)
    for text in (
        "ffconcat version 1.0\nfile secret.mp4\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nsecret.mp4\n",
    ):
        (tmp_path / "list.mp4").write_text(text)
        with pytest.raises(LogError, match=r"list\.mp4"):
            VideoSource(tmp_path / "list.mp4")


def readable_frames(path: Path) -> int:
    """How many frames can be read of a possibly damaged file; only a LogError may stop anything."""
    source, complaint = None, ""
    try:
        source = VideoSource(path)
    except LogError as error:
        complaint = str(error)
    if source is None:
        assert str(path) in complaint
        assert "\n" not in complaint
        return 0
    complaints = {}
    for i in range(len(source)):
        try:
            assert source.read(i).shape == (source.height, source.width, 3)
        except LogError as error:
            complaints[i] = str(error)
    source.close()
    assert all(f"frame {i} " in complaint for i, complaint in complaints.items())
    return len(source) - len(complaints)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("suffix", ["mkv", "ts", "avi", "mp4", "webm"])
def test_a_truncated_file_gives_the_frames_it_has(tmp_path: Path, suffix: str) -> None:
    codec = "libvpx" if suffix == "webm" else "libx264"
    path = tmp_path / f"whole.{suffix}"
    # Without faststart the table of an mp4 stands at its end, and a cut file has nothing to find frames by.
    faststart = {"movflags": "faststart"} if suffix == "mp4" else None
    options = {} if suffix == "webm" else X264
    whole = write_video(path, codec=codec, options=options, gop=12, container_options=faststart).read_bytes()
    counts = []
    for share in (0.0, 0.02, 0.3, 0.6, 0.9, 0.99):
        cut = tmp_path / f"cut.{suffix}"
        cut.write_bytes(whole[: int(len(whole) * share)])
        counts.append(readable_frames(cut))
    assert counts == sorted(counts)
    assert counts[0] == 0
    assert counts[-1] > counts[2] > 0
    assert counts[-1] >= 38


@pytest.mark.timeout(120)
def test_damage_never_crashes(tmp_path: Path) -> None:
    noise = np.random.default_rng(5)
    for suffix in ("mp4", "avi", "mkv"):
        whole = bytearray(write_video(tmp_path / f"a.{suffix}", options=X264, gop=12).read_bytes())
        for trial in range(8):
            damaged = bytearray(whole)
            for at in noise.integers(0 if trial % 2 else 2000, len(whole), 30):
                damaged[at] = int(noise.integers(256))
            path = tmp_path / f"damaged.{suffix}"
            path.write_bytes(damaged)
            readable_frames(path)
        (tmp_path / f"noise.{suffix}").write_bytes(noise.bytes(5000))
        assert readable_frames(tmp_path / f"noise.{suffix}") == 0


def test_real_video_truncated(tmp_path: Path) -> None:
    whole = real("video/highway_white_right.mp4").read_bytes()
    counts = []
    for share in (0.001, 0.25, 0.5, 1.0):
        path = tmp_path / "cut.mp4"
        path.write_bytes(whole[: int(len(whole) * share)])
        counts.append(readable_frames(path))
    assert counts[0] == 0
    assert counts == sorted(counts)
    assert counts[-1] == 221
