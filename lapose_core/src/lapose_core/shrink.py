"""A picture made smaller for the screen by the mean over the area of each pixel, in a thread: numba compiles it without
Python's lock, which Qt's own scaling keeps.

Importing this compiles it, or reads what was compiled before.
"""

from __future__ import annotations

from functools import lru_cache

import numba
import numpy as np
from numpy.typing import NDArray

from lapose_core.drive import Image

Pixels = NDArray[np.uint32]
"""Pixels [h, w] as 0xffRRGGBB."""
_Spans = tuple[NDArray[np.int64], NDArray[np.float32]]


def shrink(image: Image, width: int, height: int) -> Pixels:
    """``image`` uint8 [H, W, 3] RGB, in ``width`` by ``height`` pixels, at most as many as it has.

    Raises:
        ValueError: where it would have to grow.
    """
    if not (0 < width <= image.shape[1] and 0 < height <= image.shape[0]):
        raise ValueError(f"an image of {image.shape[1]} x {image.shape[0]} does not shrink to {width} x {height}")
    out = np.empty((height, width), np.uint32)
    lines = np.ascontiguousarray(image).reshape(len(image), -1)
    _shrink(lines, *_spans(image.shape[0], height), *_spans(image.shape[1], width), out)
    return out


@lru_cache(8)
def _spans(before: int, after: int) -> _Spans:
    """Of each of ``after`` pixels the first of the ``before`` that make it, and the weights of as many as it takes
    [after, taps], whose sum is 1."""
    edges = np.arange(after + 1) * (before / after)
    taps = min(int(np.ceil(before / after)) + 1, before)
    first = np.minimum(np.floor(edges[:-1]).astype(np.int64), before - taps)
    pixels = first[:, None] + np.arange(taps)
    weights = np.clip(np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels), 0, None)
    return first, (weights / weights.sum(1, keepdims=True)).astype(np.float32)


_READ = numba.types.Array(numba.uint8, 2, "C", readonly=True)  # which takes arrays of both kinds
_SPANS = (numba.int64[::1], numba.float32[:, ::1])


@numba.njit(numba.void(_READ, *_SPANS, *_SPANS, numba.uint32[:, ::1]), cache=True, nogil=True)
def _shrink(  # type: ignore[no-untyped-def]
    image: NDArray[np.uint8],  # [H, 3 W]
    first_row: NDArray[np.int64],
    row_weight: NDArray[np.float32],
    first_column: NDArray[np.int64],
    column_weight: NDArray[np.float32],
    out: Pixels,
):
    width = image.shape[1]
    line = np.empty(width, np.float32)  # rows first: they are long, and the processor takes 16 values of one at a time
    for y in range(out.shape[0]):
        line[:] = 0
        for tap in range(row_weight.shape[1]):
            weight, row = row_weight[y, tap], image[first_row[y] + tap]
            if weight != 0:
                for i in range(width):
                    line[i] += weight * row[i]
        for x in range(out.shape[1]):
            red = green = blue = np.float32(0.5)
            for tap in range(column_weight.shape[1]):
                weight, i = column_weight[x, tap], 3 * (first_column[x] + tap)
                red += weight * line[i]
                green += weight * line[i + 1]
                blue += weight * line[i + 2]
            # Weights are rounded: a white pixel must not run over.
            high, middle, low = min(red, np.float32(255)), min(green, np.float32(255)), min(blue, np.float32(255))
            out[y, x] = np.uint32(0xFF000000) | np.uint32(high) << 16 | np.uint32(middle) << 8 | np.uint32(low)
