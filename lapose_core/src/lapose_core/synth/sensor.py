"""The camera's electronics: lens blur, vignetting, exposure, rain streaks, noise, tone curve, 8 bits."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

CURVE_SIZE = 2048
CURVE_TOP = 6.0  # the brightest value that the tone curve tells apart


class Sensor(NamedTuple):
    """Settings of one drive's camera."""

    balance: NDArray[np.float64]  # [3]
    saturation: float
    vignette: float
    blur: float  # pixels
    read_noise: float
    shot_noise: float
    rain: float
    curve: NDArray[np.float32]  # [CURVE_SIZE] 0..255 over the square root of the value


def tone_curve(contrast: float) -> NDArray[np.float32]:
    """A camera's response: shoulder, display gamma, contrast about the middle."""
    value = np.linspace(0.0, 1.0, CURVE_SIZE) ** 2 * CURVE_TOP
    display = (1.0 - np.exp(-1.15 * value)) ** (1 / 2.2)
    pivot = 0.45
    display = pivot + (display - pivot) * contrast
    return np.clip(display * 255.0, 0.0, 255.0).astype(np.float32)


@njit(cache=True, nogil=True)
def _mix(state):  # type: ignore[no-untyped-def]
    """splitmix64's finaliser: a well-mixed 64-bit hash of a counter."""
    z = state + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@njit(cache=True, nogil=True)
def _unit(bits):  # type: ignore[no-untyped-def]
    return np.float64(bits >> np.uint64(11)) * (1.0 / 9007199254740992.0)


@njit(cache=True, nogil=True, error_model="numpy")
def _blur_pass(image, share):  # type: ignore[no-untyped-def]
    """One pass of the kernel (share, 1 - 2 share, share) in both directions, in place."""
    height, width, _ = image.shape
    keep = 1.0 - 2.0 * share
    for y in range(height):
        for ch in range(3):
            before = image[y, 0, ch]
            for x in range(width):
                here = image[y, x, ch]
                after = image[y, min(x + 1, width - 1), ch]
                image[y, x, ch] = keep * here + share * (before + after)
                before = here
    above = image[0].copy()
    for y in range(height):
        below = min(y + 1, height - 1)
        for x in range(width):
            for ch in range(3):
                here = image[y, x, ch]
                image[y, x, ch] = keep * here + share * (above[x, ch] + image[below, x, ch])
                above[x, ch] = here


@njit(cache=True, nogil=True, error_model="numpy")
def develop(image, sensor, gain, noise_key, out):  # type: ignore[no-untyped-def]
    """Linear picture [H, W, 3] (overwritten) to 8 bits; noise depends on ``noise_key`` and the pixel only."""
    height, width, _ = image.shape
    if sensor.rain > 0.0:
        drops = int(sensor.rain * width * height * 0.005)
        scale = width / 240.0
        for i in range(drops):
            h = _mix(noise_key ^ (np.uint64(i + 1) * np.uint64(0xD1342543DE82EF95)))
            h2 = _mix(h)
            x = _unit(h) * width
            y = _unit(h2) * height
            h3 = _mix(h2)
            length = (3.0 + 9.0 * _unit(h3)) * scale
            lean = (_unit(_mix(h3)) - 0.5) * 0.25 + (x / width - 0.5) * 0.5
            light = 0.06 + 0.12 * _unit(_mix(h3 ^ np.uint64(99)))
            for j in range(int(length)):
                yy, xx = int(y + j), int(x + lean * j)
                if 0 <= yy < height and 0 <= xx < width:
                    for ch in range(3):
                        image[yy, xx, ch] = image[yy, xx, ch] * (1.0 - light) + light * 0.9 / gain
    variance = sensor.blur * sensor.blur
    passes = int(np.ceil(variance / 0.5))
    for _ in range(passes):
        _blur_pass(image, variance / passes / 2.0)
    middle_x, middle_y = 0.5 * width, 0.5 * height
    radius2 = middle_x * middle_x + middle_y * middle_y
    top = CURVE_SIZE - 1.0
    for y in range(height):
        for x in range(width):
            dx, dy = x + 0.5 - middle_x, y + 0.5 - middle_y
            g = gain * (1.0 - sensor.vignette * (dx * dx + dy * dy) / radius2)
            red = image[y, x, 0] * g * sensor.balance[0]
            green = image[y, x, 1] * g * sensor.balance[1]
            blue = image[y, x, 2] * g * sensor.balance[2]
            grey = 0.25 * red + 0.62 * green + 0.13 * blue
            bits = _mix(noise_key + np.uint64(y * width + x))
            shared = np.float64(0.0)
            for ch in range(3):
                value = red if ch == 0 else (green if ch == 1 else blue)
                value = grey + (value - grey) * sensor.saturation
                # Three 7-bit numbers a channel: their sum is near enough to a Gaussian.
                b = (bits >> np.uint64(21 * ch)) & np.uint64(0x1FFFFF)
                total = (b & np.uint64(127)) + ((b >> np.uint64(7)) & np.uint64(127)) + (b >> np.uint64(14))
                noise = (np.float64(total) - 190.5) * (1.0 / 64.0)
                if sensor.saturation == 0.0:
                    if ch == 0:
                        shared = noise
                    noise = shared
                value = max(value, 0.0)
                value += noise * np.sqrt(
                    sensor.read_noise * sensor.read_noise + sensor.shot_noise * sensor.shot_noise * value
                )
                at = np.sqrt(min(max(value, 0.0), CURVE_TOP) / CURVE_TOP) * top
                i = int(at)
                j = min(i + 1, CURVE_SIZE - 1)
                f = at - i
                out[y, x, ch] = np.uint8(sensor.curve[i] * (1.0 - f) + sensor.curve[j] * f + 0.5)
