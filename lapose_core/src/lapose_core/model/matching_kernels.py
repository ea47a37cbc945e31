"""What ``matching.descriptors`` does, as one compiled loop over a float32 image on a CPU: 35 operations of PyTorch are
0.25 ms for a frame alone, and what lies between them fills the processor's caches.

The kernels are compiled by numba at first use and cached beside the source. They run without Python's lock.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import numba
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

F = np.float32
_LOOPS = {"cache": True, "nogil": True, "fastmath": {"contract", "reassoc", "nsz"}, "error_model": "numpy"}


@numba.njit("void(f4[:,::1], f4[:,::1], f4[:,::1])", **_LOOPS)
def _smooth(image: Array, sums: Array, out: Array):  # type: ignore[no-untyped-def]
    """Means of 3 x 3 pixels of image [H, W], whose outermost are repeated; ``sums`` [H, W] is memory to use."""
    height, width = image.shape
    for y in range(height):
        row, to = image[y], sums[y]
        for x in range(1, width - 1):
            to[x] = row[x - 1] + row[x] + row[x + 1]
        to[0] = row[0] + row[0] + row[min(1, width - 1)]
        to[width - 1] = row[max(width - 2, 0)] + row[width - 1] + row[width - 1]
    for y in range(height):
        above, here, below, to = sums[max(y - 1, 0)], sums[y], sums[min(y + 1, height - 1)], out[y]
        for x in range(width):
            to[x] = (above[x] + here[x] + below[x]) / F(9)


@numba.njit("i8(i8, i8)", **_LOOPS)
def _mirrored(i: int, size: int):  # type: ignore[no-untyped-def]
    """The index that reflection at the outermost pixels makes of i."""
    i = abs(i)
    return i if i < size else 2 * (size - 1) - i


@functools.cache
def describing(stride: int, samples: int, before: int, floor: float) -> Callable[[Array, Array, Array], None]:
    """(image [3, H, W], grey [H, W], patches [rows, columns, samples**2]): writes an image's smoothed grey and its
    normalised patches.

    Args:
        before: pixels between a patch's first sample and its grid place.
        floor: by whose square a patch's squared norm is larger.
    """
    count, least = samples * samples, F(floor * floor)

    @numba.njit("void(f4[:,:,::1], f4[:,::1], f4[:,:,::1])", **_LOOPS)
    def kernel(image: Array, grey: Array, patches: Array):  # type: ignore[no-untyped-def]
        height, width = grey.shape
        once, sums = np.empty((height, width), F), np.empty((height, width), F)
        for y in range(height):
            red, green, blue, to = image[0, y], image[1, y], image[2, y], grey[y]
            for x in range(width):
                to[x] = F(0.299) * red[x] + F(0.587) * green[x] + F(0.114) * blue[x]
        _smooth(grey, sums, once)
        _smooth(once, sums, grey)
        places = np.empty((patches.shape[1], samples), np.int64)
        for c in range(patches.shape[1]):
            for j in range(samples):
                places[c, j] = _mirrored(c * stride - before + 2 * j, width)
        patch = np.empty(count, F)
        for r in range(patches.shape[0]):
            for c in range(patches.shape[1]):
                for i in range(samples):
                    row = grey[_mirrored(r * stride - before + 2 * i, height)]
                    for j in range(samples):
                        patch[i * samples + j] = row[places[c, j]]
                mean, total, to = F(0), least, patches[r, c]
                for p in range(count):
                    mean += patch[p]
                mean /= F(count)
                for p in range(count):
                    total += (patch[p] - mean) * (patch[p] - mean)
                share = F(1) / np.sqrt(total)
                for p in range(count):
                    to[p] = (patch[p] - mean) * share

    return kernel
