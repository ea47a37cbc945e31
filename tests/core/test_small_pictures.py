"""Small pictures of video are the means of squares of its pixels, in the frame's colours, and lie where it lies."""

from __future__ import annotations

import av
import numpy as np
import pytest
from av.video.reformatter import Colorspace

from lapose_core.frames.box_mean import box_mean
from lapose_core.frames.jpeg import Encoder, decode, small_size
from lapose_core.frames.picture import Picture

RANGES = {"video": 1, "full": 2}
# FFmpeg's numbers for what a file may say of its colours, and what it takes them for.
STANDARDS = {"unnamed": 2, "BT.709": 1, "BT.601": 6}


def means(plane: np.ndarray, factor: int, width: int, height: int) -> np.ndarray:
    """The slow way: squares of pixels [h, w], the last row and column repeated where one hangs over the edge."""
    over = [(0, max(0, factor * n - have)) for n, have in zip((height, width), plane.shape)]
    whole = np.pad(plane, over, mode="edge")[: factor * height, : factor * width].astype(float)
    return whole.reshape(height, factor, width, factor).mean((1, 3))


@pytest.mark.parametrize("factor", [1, 2, 3, 4, 5, 6, 7, 9, 12, 16])
@pytest.mark.parametrize("size", [(96, 64), (97, 63)])
def test_each_pixel_is_the_mean_of_its_square(factor: int, size: tuple[int, int]) -> None:
    plane = np.random.default_rng(0).integers(0, 256, size[::-1], np.uint8)
    padded = np.pad(plane, ((0, 0), (0, 13)), constant_values=99)
    small = (round(size[0] / factor), round(size[1] / factor))
    out = box_mean(padded, size[0], factor, small, 1.0, 0.0)
    assert np.abs(out - means(plane, factor, *small)).max() <= 0.501


def test_levels_that_do_not_exist_are_the_nearest_that_do() -> None:
    plane = np.full((32, 32), 255, np.uint8)
    plane.flags.writeable = False
    assert (box_mean(plane, 32, 16, (2, 2), 255 / 219, -16 * 255 / 219) == 255).all()
    assert (box_mean(plane * 0, 32, 2, (16, 16), 255 / 219, -16 * 255 / 219) == 0).all()


@pytest.mark.parametrize("factor", [0, 17])
def test_a_factor_whose_sums_would_run_over_is_refused(factor: int) -> None:
    with pytest.raises(ValueError, match="1 to 16 times"):
        box_mean(np.zeros((64, 64), np.uint8), 64, factor, (2, 2), 1.0, 0.0)


def test_the_size_is_a_whole_fraction_and_never_grows() -> None:
    assert small_size(1920, 1080) == (640, 360)
    assert small_size(1080, 1920) == (360, 640)
    assert small_size(1280, 720) == (640, 360)
    assert small_size(3840, 2160) == (640, 360)
    assert small_size(1241, 376) == (620, 188)
    assert small_size(960, 540) == (960, 540)
    assert small_size(962, 540) == (481, 270)
    assert small_size(720, 405) == (720, 405)
    assert small_size(9000, 3) == (692, 1)


def frame_of(width: int, height: int, levels: str, standard: str) -> av.VideoFrame:
    """A scene of coarse, strong colours, edges and fine lines as a 4:2:0 frame that names its colours."""
    rng = np.random.default_rng(1)
    blocks = rng.integers(40, 220, (-(-height // 40), -(-width // 40), 3), np.uint8)
    scene = np.kron(blocks, np.ones((40, 40, 1), np.uint8))
    scene = np.ascontiguousarray(scene[:height, :width])
    scene[::7] = scene[::7] // 5 * 4
    frame = av.VideoFrame.from_ndarray(scene, format="rgb24").reformat(
        format="yuv420p",
        dst_colorspace=Colorspace.ITU709 if standard == "BT.709" else Colorspace.ITU601,
        dst_color_range=RANGES[levels],
    )
    frame.colorspace, frame.color_range = STANDARDS[standard], RANGES[levels]
    return frame


SIZES = [(1440, 810), (1282, 722), (1443, 815), (1601, 901), (961, 541), (801, 451)]


def assert_small(picture: Picture) -> None:
    """The small picture is the mean over squares of the RGB frame, and lies where that lies."""
    rgb = picture.rgb()
    small = small_size(*picture.size)
    ours = decode(Encoder().encode(picture)).astype(float)
    factor = round(picture.size[0] / small[0])
    true = np.stack([means(rgb[..., c], factor, *small) for c in range(3)], -1)
    assert ours.shape == true.shape
    # FFmpeg turns some sizes into RGB up to two levels darker than others.
    np.testing.assert_allclose(ours.mean((0, 1)), true.mean((0, 1)), atol=2.5)
    assert np.abs(ours - true).mean() < 10, "coarse colours and JPEG cost some levels at the edges of strong ones"
    apart = {
        (x, y): np.abs(np.roll(ours, (y, x), (0, 1)) - true).mean(-1)[2:-2, 2:-2].mean()
        for x in (-1, 0, 1)
        for y in (-1, 0, 1)
    }
    assert min(apart, key=lambda shift: apart[shift]) == (0, 0)


@pytest.mark.parametrize("standard", STANDARDS)
@pytest.mark.parametrize("levels", RANGES)
@pytest.mark.parametrize("size", SIZES)
def test_a_small_picture_is_the_frame_made_small(size: tuple[int, int], levels: str, standard: str) -> None:
    picture = Picture(frame_of(*size, levels, standard))
    assert_small(picture)
    # By this a proxy tells the pictures of its own drive, from the frame as it is shown.
    shown = Picture(av.VideoFrame.from_ndarray(picture.rgb(), format="rgb24"))
    apart = decode(Encoder().encode(picture)).astype(int) - decode(Encoder().encode(shown))
    assert np.abs(apart).mean() < 3


@pytest.mark.parametrize("size", [(1442, 812), (1443, 815)])
@pytest.mark.parametrize("standard", STANDARDS)
@pytest.mark.parametrize("pixels", ["rgb24", "yuv422p", "yuvj422p", "yuv444p", "yuv420p10le", "nv12", "gray"])
def test_other_formats_are_made_small_alike(size: tuple[int, int], standard: str, pixels: str) -> None:
    assert_small(Picture(frame_of(*size, "video", standard).reformat(format=pixels)))


def test_a_standard_that_is_not_known_by_name_is_left_to_ffmpeg() -> None:
    frame = frame_of(1440, 810, "video", "BT.601")
    frame.colorspace = 9  # BT.2020
    assert_small(Picture(frame))


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
@pytest.mark.parametrize("mirrored", [False, True])
def test_turned_and_mirrored_ones_too(turns: int, mirrored: bool) -> None:
    for size in ((1440, 810), (1443, 813)):
        assert_small(Picture(frame_of(*size, "video", "BT.709"), mirrored, turns))


def test_colours_lie_where_the_light_does() -> None:
    """Planes of colour have half the size: a coloured edge stays on its column."""
    scene = np.full((810, 1440, 3), 60, np.uint8)
    scene[:, 720:] = (200, 20, 20)
    frame = av.VideoFrame.from_ndarray(scene, format="rgb24").reformat(format="yuv420p")
    for size in (small_size(1440, 810), small_size(1440, 809)):
        assert size[0] == 720
        image = decode(Encoder().encode(Picture(frame.reformat(height=810 if size[1] == 405 else 809))))
        red = image[..., 0].astype(int) - image[..., 1]
        across = red.mean(0) > 90
        assert abs(int(np.argmax(across)) - 360) <= 1
        assert across[362:].all()
        assert not across[:358].any()
