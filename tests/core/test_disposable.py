"""Pictures that nothing refers to are not decoded on the way to a frame, and no other frame is different for it."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from log_files import write_video

from lapose_core.disposable import disposable_test, is_disposable
from lapose_core.drive import LogError
from lapose_core.video import VideoSource
from lapose_core.video_index import open_video, packets

FRAMES, GROUP = 130, 60


def x264(**params: object) -> dict[str, Any]:
    words = {"keyint": GROUP, "min-keyint": GROUP, "scenecut": 0} | {k.replace("_", "-"): v for k, v in params.items()}
    return {"options": {"preset": "veryfast", "x264-params": ":".join(f"{k}={v}" for k, v in words.items())}}


def x265(**params: object) -> dict[str, Any]:
    words = {"keyint": GROUP, "log-level": "none"} | {k.replace("_", "-"): v for k, v in params.items()}
    text = ":".join(f"{k}={v}" for k, v in words.items())
    return {"codec": "libx265", "options": {"preset": "ultrafast", "x265-params": text}}


# name: file, how it is written, the least and the most share of its packets that nothing refers to
CASES: dict[str, tuple[str, dict[str, Any], float, float]] = {
    "one b frame": ("a.mp4", x264(bframes=1, b_adapt=0), 0.45, 0.5),
    "b pyramid": ("a.mp4", x264(bframes=3, b_adapt=0, b_pyramid="normal"), 0.45, 0.55),
    "no pyramid": ("a.mkv", x264(bframes=3, b_adapt=0, b_pyramid="none"), 0.7, 0.8),
    "many b frames, transport stream": ("a.ts", x264(bframes=16, b_adapt=2), 0.3, 0.95),
    "open gop": ("a.mkv", x264(bframes=3, open_gop=1, b_pyramid="strict"), 0.3, 0.8),
    "bare stream": ("a.h264", x264(bframes=3), 0.3, 0.8),
    "slices and weights": ("a.mp4", x264(bframes=3, slices=4, weightp=2, ref=6), 0.3, 0.8),
    "interlaced": ("a.ts", x264(bframes=3, tff=1), 0.3, 0.8),
    "ten bits": ("a.mp4", x264(bframes=3) | {"pixels": "yuv420p10le"}, 0.3, 0.8),
    "no b frames": ("a.mp4", x264(bframes=0), 0.0, 0.0),
    "edit list": ("a.mp4", x264(bframes=3) | {"shift": -520}, 0.3, 0.8),
    "hevc": ("a.mp4", x265(bframes=4), 0.3, 0.9),
    "hevc open gop": ("a.mkv", x265(bframes=4, open_gop=1), 0.3, 0.9),
    # In a stream of several temporal layers a picture that its own layer does without may serve the next one.
    "hevc temporal layers": ("a.mp4", x265(bframes=4, temporal_layers=3), 0.0, 0.0),
    "hevc whose layers are not told": ("a.ts", x265(bframes=4), 0.0, 0.0),
    "vp9": ("a.webm", {"codec": "libvpx-vp9", "gop": GROUP, "options": {"cpu-used": "8"}}, 0.0, 0.0),
    "mpeg4": ("a.avi", {"codec": "mpeg4", "gop": GROUP, "b_frames": 2}, 0.0, 0.0),
}


@pytest.fixture(scope="module", params=CASES)
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    name, arguments, *_ = CASES[request.param]
    try:
        av.Codec(arguments.get("codec", "libx264"), "w")
    except ValueError:
        pytest.skip(f"this build of FFmpeg has no encoder for {request.param}")
    path = tmp_path_factory.mktemp("video") / name
    return request.param, write_video(path, **{"frames": FRAMES, "gop": GROUP, **arguments})


def sequential(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24").tobytes() for frame in container.decode(video=0)]


def decoded(path: Path, *, whole: bool) -> tuple[dict[int, bytes], int]:
    """Frames by the number of their packet, and how many packets were left out, if not ``whole``."""
    container, stream = open_video(path)
    context, out, left_out = stream.codec_context, {}, 0
    test = disposable_test(context.name, context.extradata)
    numbered = []
    for number, packet in enumerate(packets(container, stream)):
        packet.pts = number
        if not whole and is_disposable(test, packet):
            left_out += 1
        else:
            numbered.append(packet)
    for packet in [*numbered, None]:
        out |= {frame.pts: frame.to_ndarray(format="rgb24").tobytes() for frame in context.decode(packet)}
    container.close()
    return out, left_out


def test_what_is_left_out_changes_no_other_picture(case: tuple[str, Path]) -> None:
    name, path = case
    *_, least, most = CASES[name]
    expected, _ = decoded(path, whole=True)
    found, left_out = decoded(path, whole=False)
    assert least <= left_out / FRAMES <= most
    assert len(found) >= len(expected) - left_out
    assert all(found[number] == expected[number] for number in found)


def test_a_thousand_requests_give_the_frames_of_a_sequential_decode(case: tuple[str, Path]) -> None:
    _, path = case
    expected = sequential(path)
    source = VideoSource(path, cache_bytes=20 * 96 * 64 * 3 // 2)
    order, at = random.Random(4), 0
    for _ in range(250):
        kind = order.choice(["jump", "near", "step", "play"])
        if kind == "jump":
            visits = [order.randrange(len(expected))]
        elif kind == "near":  # to and fro within a group of pictures
            visits = [at + order.randrange(-GROUP, GROUP) for _ in range(4)]
        elif kind == "step":
            visits = list(range(at, at + order.choice([-5, 5]), order.choice([-1, 1])))
        else:
            start, step = order.randrange(len(expected)), order.randrange(1, 25)
            for n, (i, image) in enumerate(source.iterate(start, None, step)):
                assert image.tobytes() == expected[i], f"frame {i} in steps of {step}"
                if n == 6:
                    break
            continue
        for i in visits:
            at = min(max(i, 0), len(expected) - 1)
            assert source.read(at).tobytes() == expected[at], f"frame {at} by {kind}"
    source.close()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", ["b pyramid", "many b frames, transport stream", "bare stream", "hevc"])
def test_damage_spoils_no_other_group(tmp_path: Path, name: str, seed: int) -> None:
    file, arguments, *_ = CASES[name]
    try:
        path = write_video(tmp_path / file, **{"frames": 3 * GROUP, "gop": GROUP, **arguments})
    except ValueError:
        pytest.skip(f"this build of FFmpeg has no encoder for {name}")
    whole = set(sequential(path))
    noise = damage(path, path.read_bytes(), seed)
    source = VideoSource(path, cache_bytes=0)
    groups: dict[int, dict[int, bytes | None]] = {}
    for i in range(len(source)):
        groups.setdefault(source.index.start_before(int(source.index.packet[i])), {})[i] = readable(source, i)
    good = {i: image for group in groups.values() if set(group.values()) <= whole for i, image in group.items()}
    assert 0 < len(good) < len(whole)
    for i in noise.integers(0, len(source), 60):
        image = readable(source, int(i))
        assert i not in good or image == good[int(i)], f"frame {i}"
    source.close()


def damage(path: Path, whole: bytes, seed: int) -> np.random.Generator:
    """Write ``whole`` with 24 bytes in its middle changed."""
    data, noise = bytearray(whole), np.random.default_rng(seed)
    for at in noise.integers(len(data) * 4 // 10, len(data) * 6 // 10, 24):
        data[at] ^= 0x5A
    path.write_bytes(data)
    return noise


def test_damage_that_announces_another_stream_is_no_error(tmp_path: Path) -> None:
    file, arguments, *_ = CASES["many b frames, transport stream"]
    path = write_video(tmp_path / file, **{"frames": 3 * GROUP, "gop": GROUP, **arguments})
    whole = path.read_bytes()
    for seed in (8, 10, 15, 60, 113):  # the tables of these announce one
        damage(path, whole, seed)
        source = VideoSource(path)
        assert len(source) > GROUP
        source.close()


def readable(source: VideoSource, i: int) -> bytes | None:
    try:
        return source.read(i).tobytes()
    except LogError:
        return None


def test_a_jump_decodes_fewer_pictures_than_a_walk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_video(tmp_path / "a.mp4", frames=FRAMES, **x264(bframes=3, b_adapt=0, b_pyramid="none"))
    counts = []
    for visits in ([GROUP - 1], range(GROUP)):
        source, fed = VideoSource(path, cache_bytes=0), []
        output = source._output
        monkeypatch.setattr(
            source, "_output", lambda packet, output=output, fed=fed: (fed.append(1), output(packet))[1]
        )
        for i in visits:
            source.read(i)
        counts.append(len(fed))
        source.close()
    assert counts[0] < 0.6 * counts[1]
