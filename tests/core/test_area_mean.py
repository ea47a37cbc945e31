"""Pictures made as large as the screen wants them."""

from __future__ import annotations

import numpy as np
import pytest

from lapose_core.area_mean import screen_pixels


def channels(pixels: np.ndarray) -> np.ndarray:
    """RGB [h, w, 3] of pixels 0xffRRGGBB."""
    assert (pixels >> 24 == 255).all()
    return np.stack([pixels >> 16 & 255, pixels >> 8 & 255, pixels & 255], -1).astype(int)


def means(image: np.ndarray, width: int, height: int) -> np.ndarray:
    """The mean over the area of each pixel, the slow way: every pixel as a block of equal ones."""
    fine = image.repeat(height, 0).repeat(width, 1).astype(float)
    return fine.reshape(height, image.shape[0], width, image.shape[1], 3).mean((1, 3))


@pytest.mark.parametrize("size", [(40, 30), (39, 29), (17, 11), (8, 10), (1, 1), (40, 7)])
def test_every_pixel_is_the_mean_of_its_area(size: tuple[int, int]) -> None:
    image = np.random.default_rng(0).integers(0, 256, (30, 40, 3), np.uint8)
    assert abs(channels(screen_pixels(image, *size)) - means(image, *size)).max() <= 0.501


def test_white_stays_white_and_what_is_read_only_or_a_view_is_read() -> None:
    white = np.full((53, 97, 3), 255, np.uint8)
    white.flags.writeable = False
    assert (channels(screen_pixels(white, 31, 17)) == 255).all()
    image = np.random.default_rng(1).integers(0, 256, (30, 40, 3), np.uint8)
    assert np.array_equal(screen_pixels(image[:, ::-1], 20, 15), screen_pixels(image, 20, 15)[:, ::-1])


def test_it_grows_in_straight_lines() -> None:
    ramp = np.repeat(np.arange(0, 240, 24, dtype=np.uint8)[None, :, None], 4, 0).repeat(3, 2)
    wide = channels(screen_pixels(ramp, 30, 9))
    assert wide.shape == (9, 30, 3)
    inner = wide[:, 1:-1]
    np.testing.assert_array_equal(inner, np.broadcast_to(np.arange(0, 224, 8)[None, :, None], inner.shape))
    assert (wide[:, -1] == 216).all()
