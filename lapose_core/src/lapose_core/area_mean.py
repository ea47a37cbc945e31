"""Resizing an image by the mean over the area of each pixel: over boxes with fractional borders that lie anywhere, or
over those of a grid, which takes a tenth of the time.

The kernels are compiled by numba (a second or two, that for the screen when this is imported, the others at their first
use) and cached beside the source. They run without Python's lock.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numba
import numpy as np
from numpy.typing import NDArray

from lapose_core.drive import Image
from lapose_core.geometry import Array
from lapose_core.taps import Taps, taps
from lapose_core.undistort import SourceBoxes

Pixels = NDArray[np.uint32]
"""Pixels [h, w] as 0xffRRGGBB."""
_READ = numba.types.Array(numba.uint8, 2, "C", readonly=True)  # which takes arrays of both kinds
_TAPS = (numba.int64[:, ::1], numba.float32[:, ::1])


def screen_pixels(image: Image, width: int, height: int) -> Pixels:
    """An image [H, W, 3] RGB uint8 as ``width`` by ``height`` pixels of the screen, for a thread: Qt's own scaling
    keeps Python's lock."""
    out = np.empty((height, width), np.uint32)
    lines = np.ascontiguousarray(image).reshape(len(image), -1)
    _screen_pixels(lines, *_kept_taps(image.shape[0], height), *_kept_taps(image.shape[1], width), out)
    return out


_kept_taps = lru_cache(8)(taps)


def area_mean(image: Image, boxes: SourceBoxes) -> NDArray[np.float32]:
    """Means in 0..1, float32 [3, h, w], of an image [H, W, 3] RGB uint8 over boxes [h, w] that lie inside it."""
    out = np.empty((3, *boxes.x0.shape), np.float32)
    _means(np.ascontiguousarray(image), boxes.x0, boxes.x1, boxes.y0, boxes.y1, out)
    return out


def grid_mean(image: Image, rows: Taps, columns: Taps) -> NDArray[np.float32]:
    """Weighted means in 0..1, float32 [3, h, w], of an image [H, W, 3] RGB uint8.

    Args:
        rows: which of the H rows make each of the h, and their weights, both [h, taps].
        columns: likewise, [w, taps].
    """
    out = np.empty((3, len(rows[0]), len(columns[0])), np.float32)
    _grid_means(image.reshape(len(image), -1), *rows, *columns, out)
    return out


@numba.njit(inline="always")
def _add_rows(image, index, weight, y, line):  # type: ignore[no-untyped-def]
    """A line [3 W] of the weighted rows; before the columns, for rows are long, and the processor takes 16 values of
    one at a time."""
    line[:] = 0
    for tap in range(index.shape[1]):
        row, share = image[index[y, tap]], weight[y, tap]
        if share != 0:
            for i in range(len(line)):
                line[i] += share * row[i]


@numba.njit(inline="always")
def _add_columns(line, index, weight, x, start):  # type: ignore[no-untyped-def]
    """Red, green and blue of the weighted columns of a line, and ``start``."""
    red = green = blue = start
    for tap in range(index.shape[1]):
        share, i = weight[x, tap], 3 * index[x, tap]
        red += share * line[i]
        green += share * line[i + 1]
        blue += share * line[i + 2]
    return red, green, blue


@numba.njit(cache=True, nogil=True)
def _grid_means(  # type: ignore[no-untyped-def]
    image: NDArray[np.uint8],  # [H, 3 W]
    row_index: NDArray[np.int64],
    row_weight: NDArray[np.float32],
    column_index: NDArray[np.int64],
    column_weight: NDArray[np.float32],
    out: NDArray[np.float32],
):
    line = np.empty(image.shape[1], np.float32)
    for y in range(out.shape[1]):
        _add_rows(image, row_index, row_weight, y, line)
        for x in range(out.shape[2]):
            red, green, blue = _add_columns(line, column_index, column_weight, x, np.float32(0))
            # Weights are rounded: a white pixel must not come out whiter.
            out[0, y, x] = min(red / np.float32(255), np.float32(1))
            out[1, y, x] = min(green / np.float32(255), np.float32(1))
            out[2, y, x] = min(blue / np.float32(255), np.float32(1))


@numba.njit(numba.void(_READ, *_TAPS, *_TAPS, numba.uint32[:, ::1]), cache=True, nogil=True)
def _screen_pixels(  # type: ignore[no-untyped-def]
    image: NDArray[np.uint8],  # [H, 3 W]
    row_index: NDArray[np.int64],
    row_weight: NDArray[np.float32],
    column_index: NDArray[np.int64],
    column_weight: NDArray[np.float32],
    out: Pixels,
):
    line = np.empty(image.shape[1], np.float32)
    for y in range(out.shape[0]):
        _add_rows(image, row_index, row_weight, y, line)
        for x in range(out.shape[1]):
            red, green, blue = _add_columns(line, column_index, column_weight, x, np.float32(0.5))
            high, middle, low = min(red, np.float32(255)), min(green, np.float32(255)), min(blue, np.float32(255))
            out[y, x] = np.uint32(0xFF000000) | np.uint32(high) << 16 | np.uint32(middle) << 8 | np.uint32(low)


@numba.njit(cache=True, nogil=True)
def _means(  # type: ignore[no-untyped-def]
    image: Image, x0: Array, x1: Array, y0: Array, y1: Array, out: NDArray[np.float32]
):
    for row in range(x0.shape[0]):
        for column in range(x0.shape[1]):
            left, right = x0[row, column], x1[row, column]
            top, bottom = y0[row, column], y1[row, column]
            red = green = blue = 0.0
            for y in range(int(top), math.ceil(bottom)):
                high = min(bottom, y + 1.0) - max(top, y)
                for x in range(int(left), math.ceil(right)):
                    weight = high * (min(right, x + 1.0) - max(left, x))
                    red += weight * image[y, x, 0]
                    green += weight * image[y, x, 1]
                    blue += weight * image[y, x, 2]
            share = 1.0 / ((right - left) * (bottom - top) * 255.0)
            out[0, row, column] = red * share
            out[1, row, column] = green * share
            out[2, row, column] = blue * share
