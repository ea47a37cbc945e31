"""Light, weather, palette and camera electronics of one drive."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lapose_core.synth.roads import Array, Setting

Lighting = Literal["day", "dusk", "night"]
Weather = Literal["clear", "overcast", "fog", "rain"]


@dataclass(frozen=True)
class Conditions:
    """Everything that colours a drive. Colours are linear RGB; directions are world axes."""

    lighting: Lighting
    weather: Weather
    sun: Array  # [3] unit, towards the sun (y < 0)
    sun_light: Array
    ambient: Array
    zenith: Array
    horizon: Array
    cloud_cover: float
    fog: float  # extinction, 1/m
    headlights: float
    lamps: float
    asphalt: Array
    verge: Array  # [2, 3] the two tones that the verge texture blends
    sidewalk: Array
    grey: bool  # a monochrome camera
    saturation: float
    white_balance: Array
    exposure: float
    contrast: float
    vignette: float
    blur: float  # standard deviation in pixels of a 240 px wide picture
    read_noise: float
    shot_noise: float
    bonnet: float  # height of the visible bonnet as a share of the picture; 0: none
    bonnet_colour: Array

    def gain(self, seed: int, times: Array) -> Array:
        """Automatic exposure [N]: drifts slowly, sometimes jumps as the control catches up."""
        rng = np.random.default_rng([seed, 77])
        out = np.zeros(len(times))
        for _ in range(3):
            out += rng.uniform(0, 0.07) * np.sin(2 * np.pi * times / rng.uniform(4, 30) + rng.uniform(0, 6.3))
        if rng.random() < 0.25:
            at, step = rng.uniform(0, 12), rng.normal(0, 0.3)
            out += step / (1.0 + np.exp(-np.clip((times - at) / 0.25, -50, 50)))
        return np.exp(out)


def _linear(*rgb: float) -> Array:
    return np.asarray(rgb) ** 2.2


def draw_conditions(
    rng: np.random.Generator, setting: Setting, lighting: Lighting | None, weather: Weather | None
) -> Conditions:
    """Random conditions; ``lighting`` and ``weather`` fix theirs."""
    drawn_light: Lighting = ("day", "dusk", "night")[int(rng.choice(3, p=[0.74, 0.11, 0.15]))]
    drawn_weather: Weather = ("clear", "overcast", "fog", "rain")[int(rng.choice(4, p=[0.54, 0.28, 0.08, 0.10]))]
    light = lighting or drawn_light
    sky = weather or drawn_weather
    azimuth = float(rng.uniform(0, 2 * np.pi))
    height = float(rng.uniform(0.25, 1.15) if light == "day" else rng.uniform(0.05, 0.2))
    sun = np.array([np.sin(azimuth) * np.cos(height), -np.sin(height), np.cos(azimuth) * np.cos(height)])
    clear = sky == "clear"
    warm = _linear(1.0, 0.97, 0.92) if light == "day" else _linear(1.0, 0.75, 0.5)
    power = {"day": float(rng.uniform(2.2, 3.6)), "dusk": 0.7, "night": 0.0}[light] * (1.0 if clear else 0.10)
    blue = np.array([rng.uniform(0.75, 1.0), rng.uniform(0.85, 1.0), 1.05])
    ambient = {"day": float(rng.uniform(0.38, 0.55)) if clear else 1.15, "dusk": 0.30, "night": 0.022}[light] * blue
    if light == "day":
        deep = float(rng.uniform(0.25, 0.55))
        zenith = _linear(deep, deep + rng.uniform(0.14, 0.22), min(deep + rng.uniform(0.35, 0.5), 0.98)) * 1.3
        horizon = _linear(rng.uniform(0.75, 0.95), rng.uniform(0.82, 0.97), 0.98) * 1.25
        if not clear:
            zenith = horizon = np.full(3, float(rng.uniform(0.75, 1.4)))
    elif light == "dusk":
        zenith = _linear(0.25, 0.32, rng.uniform(0.45, 0.6)) * 0.8
        horizon = _linear(rng.uniform(0.75, 0.92), rng.uniform(0.58, 0.74), rng.uniform(0.5, 0.7)) * 0.9
    else:
        zenith = _linear(0.03, 0.04, 0.07)
        glow = float(rng.uniform(0.05, 0.2))
        horizon = _linear(glow, glow * 0.9, glow * 0.8)
    fog = float(np.exp(rng.uniform(np.log(0.0006), np.log(0.0025))))
    if sky == "fog":
        fog = float(np.exp(rng.uniform(np.log(0.010), np.log(0.035))))
    elif sky == "rain":
        fog = float(rng.uniform(0.003, 0.009))
    tone = float(rng.uniform(0.75, 1.25))
    asphalt = np.array([1.0, 1.0, rng.uniform(0.95, 1.06)]) * float(rng.uniform(0.07, 0.22))
    if sky == "rain":
        asphalt = asphalt * 0.55
    verges = (
        ((0.16, 0.25, 0.07), (0.30, 0.36, 0.15)),
        ((0.30, 0.33, 0.14), (0.50, 0.48, 0.27)),
        ((0.36, 0.31, 0.22), (0.52, 0.46, 0.34)),
        ((0.10, 0.20, 0.06), (0.24, 0.33, 0.10)),
    )
    if setting == "yard":
        verges = (((0.30, 0.30, 0.30), (0.42, 0.42, 0.41)),) * 4
    verge = np.array(verges[int(rng.integers(0, 4))]) * tone
    verge = np.stack([verge[0] ** 1.5, verge[1] ** 1.5])
    dark = light == "night"
    grey = bool(rng.random() < 0.2)
    return Conditions(
        lighting=light,
        weather=sky,
        sun=sun,
        sun_light=warm * power,
        ambient=ambient,
        zenith=zenith,
        horizon=horizon,
        cloud_cover=float(rng.uniform(0.0, 0.75)) if clear else float(rng.uniform(0.6, 1.0)),
        fog=fog,
        headlights=(float(rng.uniform(0.7, 1.6)) if dark else 0.0),
        lamps=(float(rng.uniform(0.5, 1.4)) if dark else (0.25 if light == "dusk" else 0.0)),
        asphalt=asphalt,
        verge=verge,
        sidewalk=_linear(*(rng.uniform(0.45, 0.72) * np.array([1.0, 0.98, rng.uniform(0.88, 1.0)]))),
        grey=grey,
        saturation=0.0 if grey else float(rng.uniform(0.5, 1.1)),
        white_balance=np.exp(rng.normal(0.0, 0.035, 3)),
        exposure=float(np.exp(rng.normal(0.0, 0.16))) * {"day": 0.85, "dusk": 1.5, "night": 2.6}[light],
        contrast=float(rng.uniform(0.85, 1.25)),
        vignette=float(rng.uniform(0.0, 0.35)),
        blur=float(rng.uniform(0.25, 0.75)),
        read_noise=float(np.exp(rng.uniform(np.log(0.0015), np.log(0.007)))) * (1.4 if dark else 1.0),
        shot_noise=float(np.exp(rng.uniform(np.log(0.004), np.log(0.018)))) * (1.5 if dark else 1.0),
        bonnet=float(rng.uniform(0.06, 0.16)) if rng.random() < 0.18 else 0.0,
        bonnet_colour=_linear(*(rng.uniform(0.05, 0.6) * np.array([1.0, 1.0, 1.0]) * rng.uniform(0.8, 1.2, 3))),
    )


def labels(conditions: Conditions, count: int) -> dict[str, NDArray]:
    """Per-frame regime labels [count] of light and weather."""
    return {
        "lighting": np.full(count, conditions.lighting),
        "night": np.full(count, conditions.lighting == "night"),
        "dusk": np.full(count, conditions.lighting == "dusk"),
        "fog": np.full(count, conditions.weather == "fog"),
        "rain": np.full(count, conditions.weather == "rain"),
    }
