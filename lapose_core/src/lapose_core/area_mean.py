"""The mean of an image over boxes with fractional borders: a resize whose boxes need not lie on a grid.

The kernel is compiled by numba at first use (a second or two) and cached beside the source.
"""

from __future__ import annotations

import math

import numba
import numpy as np
from numpy.typing import NDArray

from lapose_core.drive import Image
from lapose_core.geometry import Array
from lapose_core.undistort import SourceBoxes


def area_mean(image: Image, boxes: SourceBoxes) -> NDArray[np.float32]:
    """Means in 0..1, float32 [3, h, w], of an image [H, W, 3] RGB uint8 over boxes [h, w] that lie inside it."""
    out = np.empty((3, *boxes.x0.shape), np.float32)
    _means(np.ascontiguousarray(image), boxes.x0, boxes.x1, boxes.y0, boxes.y1, out)
    return out


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
