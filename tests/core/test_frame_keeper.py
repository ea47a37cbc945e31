"""Frames in memory of their own: the same picture, and not the decoder's."""

from __future__ import annotations

import io

import av
import numpy as np
import pytest
from av.video.frame import VideoFrame

from lapose_core.frames.keeper import FrameKeeper

FORMATS = ("yuv420p", "yuvj420p", "yuv422p", "yuv444p10le", "nv12", "p010le", "gray", "gbrp", "rgb24", "bgra")


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("size", [(64, 48), (37, 23)])
def test_a_kept_frame_turns_into_the_same_rgb(name: str, size: tuple[int, int]) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), np.uint8)
    assert_kept(FrameKeeper(), VideoFrame.from_ndarray(noise, format="rgb24").reformat(format=name))


def test_a_picture_with_a_palette_keeps_it() -> None:
    rng = np.random.default_rng(0)
    pixels, palette = rng.integers(0, 256, (48, 64), np.uint8), rng.integers(0, 256, (256, 4), np.uint8)
    assert_kept(FrameKeeper(), VideoFrame.from_ndarray((pixels, palette), format="pal8"))


@pytest.mark.parametrize("pixels", ["yuv420p", "yuv420p10le"])
@pytest.mark.parametrize("matrix", ["bt709", "bt470bg", "bt2020nc"])
@pytest.mark.parametrize("full", ["on", "off"])
def test_its_colours_are_those_that_the_stream_says(pixels: str, matrix: str, full: str) -> None:
    keeper = FrameKeeper()
    for frame in decoded(pixels, f"colormatrix={matrix}:chromaloc=2:fullrange={full}"):
        said = frame.colorspace, frame.color_range, frame.pts
        kept = assert_kept(keeper, frame)
        assert (kept.colorspace, kept.color_range, kept.pts) == said


def test_frames_of_another_size_or_format_may_follow() -> None:
    keeper = FrameKeeper()
    for size, name in (((64, 48), "yuv420p"), ((32, 48), "yuv420p"), ((32, 48), "gray"), ((64, 48), "yuv420p")):
        assert_kept(
            keeper, VideoFrame.from_ndarray(np.full((size[1], size[0], 3), 7, np.uint8), "rgb24").reformat(format=name)
        )


def assert_kept(keeper: FrameKeeper, frame: VideoFrame) -> VideoFrame:
    """Keep the frame: the same picture elsewhere in memory."""
    before, where = frame.to_ndarray(format="rgb24").copy(), frame.planes[0].buffer_ptr
    kept, nbytes = keeper.keep(frame)
    assert kept.planes[0].buffer_ptr != where
    assert nbytes >= frame.width * frame.height
    assert np.array_equal(kept.to_ndarray(format="rgb24"), before)
    return kept


def decoded(pixels: str, options: str) -> list[VideoFrame]:
    """Three frames out of H.264."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=10, options={"x264-params": options})
        stream.width, stream.height, stream.pix_fmt = 96, 64, pixels
        for seed in range(3):
            noise = np.random.default_rng(seed).integers(0, 256, (8, 12, 3), np.uint8).repeat(8, 0).repeat(8, 1)
            container.mux(stream.encode(VideoFrame.from_ndarray(noise, format="rgb24").reformat(format=pixels)))
        container.mux(stream.encode(None))
    file.seek(0)
    with av.open(file) as container:
        return list(container.decode(video=0))
