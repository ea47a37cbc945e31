"""What a stream does with few rows and with its past, as compiled loops over float32 arrays on a CPU.

A frame's worth of it is so little that PyTorch's way to an operation costs more than the operation. Products of many
rows are not here: nothing is faster at them than PyTorch. ``stream_layers`` has each beside its PyTorch form.

The kernels are compiled by numba at first use and cached beside the source. They run without Python's lock.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import numba
import numpy as np
from numpy.typing import NDArray

from lapose_core.model.pose_head import NARROWEST, WIDEST

Array = NDArray[np.float32]

F = np.float32
# For vector registers: sums in any order, and divisions that raise nothing. Infinities keep their meaning.
_LOOPS = {"cache": True, "nogil": True, "fastmath": {"contract", "reassoc", "nsz"}, "error_model": "numpy"}


@numba.njit(inline="always")
def _exp(x):  # type: ignore[no-untyped-def]
    """Of x <= 0, as Cephes' expf: 2^n times a polynomial; written out, it runs in vector registers."""
    x = x if x > F(-87) else F(-87)
    n = np.int32(x * F(1.44269504) - F(0.5))
    r = x - F(n) * F(0.693359375) + F(n) * F(2.12194440e-4)
    p = F(1.9875691500e-4) * r + F(1.3981999507e-3)
    p = ((p * r + F(8.3334519073e-3)) * r + F(4.1665795894e-2)) * r + F(1.6666665459e-1)
    p = (p * r + F(5.0000001201e-1)) * r * r + r + F(1)
    return p * np.int32((n + np.int32(127)) << np.int32(23)).view(np.float32)


@numba.njit(inline="always")
def _soften(scores):  # type: ignore[no-untyped-def]
    """Make scores the shares of a softmax, but for their sum, which is returned."""
    most = scores[0]
    for n in range(1, scores.size):
        most = max(most, scores[n])
    total = F(0)
    for n in range(scores.size):
        share = _exp(scores[n] - most)
        scores[n] = share
        total += share
    return total


@numba.njit("void(f4[:,::1], f4[::1], f4[::1], f4, f4[:,::1])", **_LOOPS)
def norm(x: Array, weight: Array, bias: Array, eps: float, out: Array):  # type: ignore[no-untyped-def]
    """Layer norm of rows x [N, D]."""
    width = F(x.shape[1])
    for i in range(x.shape[0]):
        row, to = x[i], out[i]
        total = F(0)
        for j in range(x.shape[1]):
            total += row[j]
        mean = total / width
        total = F(0)
        for j in range(x.shape[1]):
            total += (row[j] - mean) * (row[j] - mean)
        share = F(1) / np.sqrt(total / width + eps)
        for j in range(x.shape[1]):
            to[j] = (row[j] - mean) * share * weight[j] + bias[j]


@numba.njit("void(f4[::1], f4[:,::1], f4[::1], f4[::1], b1)", **_LOOPS)
def linear(x: Array, weight: Array, bias: Array, out: Array, add: bool):  # type: ignore[no-untyped-def]
    """``weight @ x + bias`` of x [K] and weights [M, K], written to ``out`` [M] or added to it."""
    for m in range(bias.size):
        total, row = bias[m], weight[m]
        for k in range(x.size):
            total += row[k] * x[k]
        out[m] = total + (out[m] if add else F(0))


@numba.njit("void(f4[:,::1])", **_LOOPS)
def gelu(x: Array):  # type: ignore[no-untyped-def]
    """In place. The error function is that of Abramowitz and Stegun (7.1.26), off by 1.5e-7 at the most."""
    for i in range(x.shape[0]):
        row = x[i]
        for j in range(x.shape[1]):
            z = abs(row[j]) * F(0.70710678)
            t = F(1) / (F(1) + F(0.3275911) * z)
            p = (F(1.061405429) * t - F(1.453152027)) * t + F(1.421413741)
            rest = F(0.5) * ((p * t - F(0.284496736)) * t + F(0.254829592)) * t * _exp(-z * z)
            row[j] *= F(1) - rest if row[j] > F(0) else rest


@numba.njit("void(f4[::1], f4[:,::1], i8, f4[:,::1], f4[:,::1], f4[::1], f4[::1])", **_LOOPS)
def attention_of_one(query, rows, channels, key, value, bias, out):  # type: ignore[no-untyped-def]
    """What one query [D] reads of rows [N, D], by heads of ``channels`` -> ``out`` [D].

    Neither keys nor values are made. With weights K and V [D, D], q (K x) is (q K) x, and the mean of V x is V times
    the mean of x; so a head goes over the rows as they are, which takes a tenth of the operations. A bias of keys would
    add the same to all scores and so nothing; ``bias`` is that of values.
    """
    width, count = query.size, rows.shape[0]
    scale = F(1) / np.sqrt(F(channels))
    turned, mean, scores = np.empty(width, F), np.empty(width, F), np.empty(count, F)
    for head in range(0, width, channels):
        turned[:] = 0
        for c in range(head, head + channels):
            asked, weight = query[c] * scale, key[c]
            for d in range(width):
                turned[d] += asked * weight[d]
        for n in range(count):
            total, row = F(0), rows[n]
            for d in range(width):
                total += turned[d] * row[d]
            scores[n] = total
        total = _soften(scores)
        mean[:] = 0
        for n in range(count):
            share, row = scores[n] / total, rows[n]
            for d in range(width):
                mean[d] += share * row[d]
        for c in range(head, head + channels):
            total, weight = bias[c], value[c]
            for d in range(width):
                total += weight[d] * mean[d]
            out[c] = total


@functools.cache
def attention_among(heads: int, channels: int, rows: int) -> Callable[[Array, int, Array], None]:
    """What all of ``rows`` rows read of the first ``filled``: (qkv [rows, 3 D], filled, out [rows, D]).

    Sizes are known when it is compiled: such short loops are all in vector registers then.
    """
    width, scale = heads * channels, F(channels**-0.5)

    @numba.njit("void(f4[:,::1], i8, f4[:,::1])", **_LOOPS)
    def kernel(qkv: Array, filled: int, out: Array):  # type: ignore[no-untyped-def]
        keys = np.empty((channels, rows), F)
        shares, hidden = np.empty(rows, F), np.zeros(rows, F)
        hidden[filled:] = -np.inf
        for head in range(0, width, channels):
            for n in range(rows):
                for c in range(channels):
                    keys[c, n] = qkv[n, width + head + c] * scale
            for i in range(rows):
                for n in range(rows):
                    total = F(0)
                    for c in range(channels):
                        total += qkv[i, head + c] * keys[c, n]
                    shares[n] = total + hidden[n]
                total = _soften(shares)
                for c in range(channels):
                    read = F(0)
                    for n in range(rows):
                        read += shares[n] * qkv[n, 2 * width + head + c]
                    out[i, head + c] = read / total

    return kernel


@numba.njit("void(f8, f8[::1], c8[::1])", **_LOOPS)
def rotation_at(time: float, angular: NDArray[np.float64], out: NDArray[np.complex64]):  # type: ignore[no-untyped-def]
    """``rotary`` of one time: angles are formed in float64."""
    for i in range(angular.size):
        out[i] = complex(np.cos(time * angular[i]), np.sin(time * angular[i]))


@functools.cache
def attention_over_time(heads: int, channels: int, slots: int) -> Callable[..., None]:
    """Attention of new rows over the first ``filled`` slots of their rings, into whose ``slot`` their own keys and
    values go: (qkv [N, 3 D], rotation complex [C / 2], keys [N, H, C, slots], values [N, H, slots, C], slot, filled,
    out [N, D]). The halves of queries and keys are rotated as in ``rotate``.
    """
    width, half, scale = heads * channels, channels // 2, F(channels**-0.5)

    @numba.njit("void(f4[:,::1], c8[::1], f4[:,:,:,::1], f4[:,:,:,::1], i8, i8, f4[:,::1])", **_LOOPS)
    def kernel(qkv, rotation, keys, values, slot, filled, out):  # type: ignore[no-untyped-def]
        query, new = np.empty(channels, F), np.empty(channels, F)
        cos, sin = np.empty(half, F), np.empty(half, F)
        shares, hidden = np.empty(slots, F), np.zeros(slots, F)
        hidden[filled:] = -np.inf
        for c in range(half):
            cos[c], sin[c] = rotation[c].real, rotation[c].imag
        for n in range(qkv.shape[0]):
            for h in range(heads):
                q = qkv[n, h * channels : (h + 1) * channels]
                k = qkv[n, width + h * channels : width + (h + 1) * channels]
                v = qkv[n, 2 * width + h * channels : 2 * width + (h + 1) * channels]
                key, value = keys[n, h], values[n, h]
                for c in range(half):
                    query[c] = (q[c] * cos[c] - q[half + c] * sin[c]) * scale
                    query[half + c] = (q[c] * sin[c] + q[half + c] * cos[c]) * scale
                    new[c] = k[c] * cos[c] - k[half + c] * sin[c]
                    new[half + c] = k[c] * sin[c] + k[half + c] * cos[c]
                for c in range(channels):
                    key[c, slot] = new[c]
                    value[slot, c] = v[c]
                for j in range(slots):
                    total = F(0)
                    for c in range(channels):
                        total += query[c] * key[c, j]
                    shares[j] = total + hidden[j]
                total = _soften(shares)
                for c in range(channels):
                    read = F(0)
                    for j in range(slots):
                        read += shares[j] * value[j, c]
                    out[n, h * channels + c] = read / total

    return kernel


@numba.njit("void(f4[:,::1], f4[:,:,::1], f4, f4, f4, f4[:,::1], f4[:,::1], f4[::1], f4[::1])", **_LOOPS)
def metric_poses(read, maps, least_scale, given_fov, middle_fov, translation, quaternion, fov, scale):  # type: ignore[no-untyped-def]
    """What ``PoseHead.output`` and ``LaPose.estimate_of`` make of the head's last layer.

    Args:
        read: [1 + N, 9 + R]: of the scale token log s at 8, of each action its motion [8] and from 9 on its gates.
        maps: [N, R, 6] linear maps of the actions.
        least_scale: ``MINIMUM_SCALE``.
        given_fov: NaN where the head's own is to be taken.
        middle_fov: by which a turn in pixels becomes an angle; 0 where the head says angles.
        translation, quaternion, fov, scale: [N, 3], [N, 4], [N] and [1], written.
    """
    count, ranks = maps.shape[:2]
    scale[0] = np.exp(read[0, 8])
    mean = F(0)
    for i in range(count):
        fov[i] = read[1 + i, 7] if not np.isfinite(given_fov) else given_fov
        mean += fov[i] / F(count)
    mean = min(max(mean, F(NARROWEST)), F(WIDEST))
    angle = np.tan(mean / F(2)) / middle_fov if middle_fov > 0 else F(1)
    for i in range(count):
        said = read[1 + i]
        for c in range(6):
            total = said[c]
            for r in range(ranks):
                total += said[9 + r] * maps[i, r, c]
            if c < 3:
                translation[i, c] = total * max(scale[0], least_scale)
            else:
                quaternion[i, c - 3] = total * angle
        quaternion[i, 3] = said[6]
        length = F(0)
        for c in range(4):
            length += quaternion[i, c] * quaternion[i, c]
        length = max(np.sqrt(length), F(1e-12))
        for c in range(4):
            quaternion[i, c] /= length if said[6] >= 0 else -length
