"""Resizing an image by the mean over the area of each pixel: over boxes with fractional borders that lie anywhere, or
over those of a grid, which takes a tenth of the time.

The kernels are compiled by numba at first use (a second or two) and cached beside the source. They run without
Python's lock.
"""

from __future__ import annotations

import math

import numba
import numpy as np
from numpy.typing import NDArray

from lapose_core.drive import Image
from lapose_core.geometry import Array
from lapose_core.undistort import SourceBoxes

Taps = tuple[NDArray[np.int64], NDArray[np.float32]]
"""Of an axis: which source pixels make each pixel, and their weights; both [pixels, taps]."""


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


@numba.njit(cache=True, nogil=True)
def _grid_means(  # type: ignore[no-untyped-def]
    image: NDArray[np.uint8],  # [H, 3 W]
    row_index: NDArray[np.int64],
    row_weight: NDArray[np.float32],
    column_index: NDArray[np.int64],
    column_weight: NDArray[np.float32],
    out: NDArray[np.float32],
):
    width = image.shape[1]
    line = np.empty(width, np.float32)  # rows first: they are long, and the processor takes 16 values of one at a time
    for y in range(row_index.shape[0]):
        line[:] = 0
        for tap in range(row_index.shape[1]):
            weight, row = row_weight[y, tap], image[row_index[y, tap]]
            if weight != 0:
                for i in range(width):
                    line[i] += weight * row[i]
        for x in range(column_index.shape[0]):
            red = green = blue = np.float32(0)
            for tap in range(column_index.shape[1]):
                weight, i = column_weight[x, tap], 3 * column_index[x, tap]
                red += weight * line[i]
                green += weight * line[i + 1]
                blue += weight * line[i + 2]
            # Weights are rounded: a white pixel must not come out whiter.
            out[0, y, x] = min(red / np.float32(255), np.float32(1))
            out[1, y, x] = min(green / np.float32(255), np.float32(1))
            out[2, y, x] = min(blue / np.float32(255), np.float32(1))


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
