"""Where on the Earth the poses of a recording lie, whose satellite fixes are not its poses."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lapose_core.geodesy import GeodeticOrigin
from lapose_core.geometry import Array
from lapose_core.logs.messages.poses import east_north_up

SHORTEST = 10.0
"""Metres between two fixes, on the ground, from which they tell a direction."""
WORST = 5.0
"""Metres that fixes may be off the poses in the root mean square, and a twentieth of their extent: else the two are of
different ways."""


def place_of(points: Array, fixes: Array, upright: Array, source: str) -> tuple[GeodeticOrigin | None, str]:
    """Where the world lies in which the receiver was at ``points`` [K, 3] metres when it gave ``fixes`` [K, 3]
    (latitude and longitude in degrees, altitude in metres); and how well the two agree, or why there is none.

    Odometry keeps the vertical, ``upright`` [3, 3] from the world to axes with z up, and its scale. What is not known
    is which way it faces and where it began: one angle and three lengths, by least squares. Wild fixes are left out.
    """
    enu = east_north_up(fixes)
    level = points @ upright.T
    if len(fixes) < 3 or np.ptp(enu[:, :2], axis=0).max() < SHORTEST or np.ptp(level[:, :2], axis=0).max() < SHORTEST:
        return None, f"the poses have fewer than three fixes on {source}, or these lie within {SHORTEST:g} m"
    kept = np.ones(len(fixes), bool)
    for _ in range(3):
        turn, shift = _turned(level[kept], enu[kept])
        off = np.linalg.norm((level @ turn.T + shift - enu)[:, :2], axis=1)
        near = off <= 3 * np.median(off) + 1.0
        if (near == kept).all() or near.sum() < 3:
            break
        kept = near
    error = float(np.sqrt((off[kept] ** 2).mean()))
    if error > WORST + 0.05 * np.ptp(enu[kept, :2], axis=0).max():
        return None, f"the fixes on {source} are {error:.1f} m off the poses and seem to be of another way"
    world = np.eye(4)
    world[:3, :3], world[:3, 3] = turn @ upright, shift
    latitude, longitude, altitude = fixes[0].tolist()
    how = f"{source}: {int(kept.sum())} of {len(fixes)} fixes, {error:.2f} m root mean square off the poses"
    return GeodeticOrigin(latitude, longitude, altitude, world, how), how


def _turned(points: Array, targets: Array) -> tuple[Array, Array]:
    """The turn [3, 3] about z and the shift [3] that bring ``points`` [K, 3] nearest to ``targets``."""
    a, b = points - points.mean(axis=0), targets - targets.mean(axis=0)
    angle = np.arctan2((a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum(), (a[:, :2] * b[:, :2]).sum())
    c, s = np.cos(angle), np.sin(angle)
    turn: NDArray[np.float64] = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
    return turn, targets.mean(axis=0) - turn @ points.mean(axis=0)
