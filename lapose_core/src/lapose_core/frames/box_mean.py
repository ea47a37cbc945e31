"""Planes of video made smaller by a whole number: each pixel is the mean of a square of them, and one that lies half
over the edge, of what there is with the last row or column repeated.

A picture of 1080p made 640x360 takes 0.2 ms, by FFmpeg 0.6. Importing this compiles it (two seconds), or reads what was
compiled before; it runs without Python's lock.
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.uint8]
"""Values [h, w]; rows may be padded."""
LARGEST = 16
"""Of the factors: sums of a square stay below 2 ** 16."""
_HALF = np.float32(0.5)
_ZERO = np.float32(128)  # of blue and red
_READ = numba.types.Array(numba.uint8, 2, "C", readonly=True)  # which takes arrays of both kinds
_PLANE = numba.uint8[:, ::1]


def box_mean(plane: Plane, width: int, factor: int, size: tuple[int, int], gain: float, offset: float) -> Plane:
    """Means of squares of ``factor`` pixels, times ``gain`` and plus ``offset``, [h, w] of ``size`` (w, h).

    Args:
        plane: [H, at least ``width``], contiguous; the size is at most half a pixel of it off H and width by factor.

    Raises:
        ValueError: where the factor is not from 1 to `LARGEST`.
    """
    if not 1 <= factor <= LARGEST:
        raise ValueError(f"a plane is made smaller 1 to {LARGEST} times, not {factor} times")
    out = np.empty(size[::-1], np.uint8)
    _box_mean(plane, width, factor, gain / factor**2, offset + 0.5, out)
    return out


def mix(luma: Plane, blue: Plane, red: Plane, matrix: NDArray[np.float32]) -> None:
    """Take a picture (4:2:0, all of the levels 0 to 255) to another luma, in place.

    Args:
        luma, blue, red: [h, w], and twice half of that, rounded up; contiguous.
        matrix: [3, 3] of (Y, Cb, Cr), whose first column is 1, 0, 0: greys stay.
    """
    _mix(luma, blue, red, matrix)


# Loops by themselves, whose steps are known: the compiler makes a few instructions for 16 pixels of each.


@numba.njit(nogil=True)
def _add(line, sums, count):  # type: ignore[no-untyped-def]
    for x in range(count):
        sums[x] += line[x]


@numba.njit(nogil=True)
def _threes(sums, fewer, count):  # type: ignore[no-untyped-def]
    for x in range(count):
        fewer[x] = sums[3 * x] + sums[3 * x + 1] + sums[3 * x + 2]


@numba.njit(nogil=True)
def _twos(sums, fewer, count):  # type: ignore[no-untyped-def]
    for x in range(count):
        fewer[x] = sums[2 * x] + sums[2 * x + 1]


@numba.njit(nogil=True)
def _many(sums, fewer, count, step):  # type: ignore[no-untyped-def]
    for x in range(count):
        total = sums[step * x]
        for i in range(1, step):
            total += sums[step * x + i]
        fewer[x] = total


@numba.njit(nogil=True)
def _levels(sums, gain, offset, out):  # type: ignore[no-untyped-def]
    for x in range(len(out)):
        value = np.int32(np.float32(sums[x]) * gain + offset)
        out[x] = min(max(value, 0), 255)


@numba.njit(numba.void(_READ, numba.int64, numba.int64, numba.float32, numba.float32, _PLANE), cache=True, nogil=True)
def _box_mean(  # type: ignore[no-untyped-def]
    plane: Plane, width: int, factor: int, gain: float, offset: float, out: Plane
):
    most = factor * out.shape[1]
    there = min(width, most)
    sums, fewer = np.empty(most, np.uint16), np.empty(most, np.uint16)
    for y in range(out.shape[0]):
        for x in range(most):
            sums[x] = 0
        for row in range(y * factor, (y + 1) * factor):
            _add(plane[min(row, len(plane) - 1)], sums, there)
        for x in range(there, most):
            sums[x] = sums[there - 1]
        left, pixels = factor, most
        while left > 1:
            step = 3 if left % 3 == 0 else 2 if left % 2 == 0 else left
            left, pixels = left // step, pixels // step
            if step == 3:
                _threes(sums, fewer, pixels)
            elif step == 2:
                _twos(sums, fewer, pixels)
            else:
                _many(sums, fewer, pixels, step)
            sums, fewer = fewer, sums
        _levels(sums, gain, offset, out[y])


@numba.njit(numba.void(_PLANE, _PLANE, _PLANE, numba.float32[:, ::1]), cache=True, nogil=True)
def _mix(luma, blue, red, matrix):  # type: ignore[no-untyped-def]
    width = luma.shape[1]
    change, wide = np.empty(blue.shape[1], np.float32), np.empty(2 * blue.shape[1], np.float32)
    for row in range(len(blue)):
        for x in range(blue.shape[1]):
            b, r = np.float32(blue[row, x]) - _ZERO, np.float32(red[row, x]) - _ZERO
            change[x] = matrix[0, 1] * b + matrix[0, 2] * r
            new_b = np.int32(matrix[1, 1] * b + matrix[1, 2] * r + _ZERO + _HALF)
            new_r = np.int32(matrix[2, 1] * b + matrix[2, 2] * r + _ZERO + _HALF)
            blue[row, x] = min(max(new_b, 0), 255)
            red[row, x] = min(max(new_r, 0), 255)
        for x in range(blue.shape[1]):
            wide[2 * x] = change[x]
            wide[2 * x + 1] = change[x]
        for y in range(2 * row, min(2 * row + 2, len(luma))):
            for x in range(width):
                value = np.int32(np.float32(luma[y, x]) + wide[x] + _HALF)
                luma[y, x] = min(max(value, 0), 255)
