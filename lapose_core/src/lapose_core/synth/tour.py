"""The scripted route of the sample drive: curves both ways, a stop, a junction turn, and reversing at the end."""

from __future__ import annotations

import numpy as np

from lapose_core.synth.motion import GRID, Event, Phase
from lapose_core.synth.roads import BEHIND, Array, Turn

PACE = 9.5  # m/s between the curves

# Curvature in 1/m over metres of the reference path, from its origin.
_SECTIONS = ((8.0, 0.0), (28.0, 0.024), (6.0, 0.0), (24.0, -0.032), (10.0, 0.0), (np.pi / 2 * 8.5, 1 / 8.5))
_STOP_BEFORE_TURN = 3.0
_AFTER_TURN = 9.0


def curvature(length: float) -> tuple[Array, list[Turn]]:
    """Curvature [P] every GRID metres from BEHIND metres before the origin, and the route's one junction turn."""
    out = np.zeros(int(np.ceil((BEHIND + length) / GRID)) + 1)
    at = BEHIND
    for metres, k in _SECTIONS:
        out[int(at / GRID) : int((at + metres) / GRID)] = k
        at += metres
    kernel = np.hanning(int(5.0 / GRID))
    out = np.convolve(np.pad(out, len(kernel)), kernel / kernel.sum(), mode="same")[len(kernel) : -len(kernel)]
    end = at - BEHIND
    return out, [Turn(end - _SECTIONS[-1][0], end)]


def phases() -> list[Phase]:
    """Forwards past the turn, then backwards with a slight swerve."""
    driven = sum(metres for metres, _ in _SECTIONS) + _AFTER_TURN
    return [Phase(1, driven), Phase(-1, 1e5, swerve=1.2, over=9.0)]


def events() -> list[Event]:
    """The stop at the junction."""
    before = sum(metres for metres, _ in _SECTIONS[:-1])
    return [Event(before - _STOP_BEFORE_TURN, 0.0, 2.8, 1.2)]
