"""The solids of the synthetic world as one table: boxes, ellipsoids and gable roofs with a material each."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

# Columns of an object row.
KIND, X, Y, Z, HX, HY, HZ, COS, SIN, MATERIAL = range(10)
COLOUR, SECOND = 10, 13  # three columns each, linear RGB
TEXTURE, SHIFT, SCALE, EXTRA = 16, 17, 18, 19
COLUMNS = 20

BOX, ELLIPSOID, PRISM = 0.0, 1.0, 2.0

FACADE, SURFACE, CAR_BODY, CAR_CABIN, FOLIAGE = 0.0, 1.0, 2.0, 3.0, 4.0
EMITTER, SIGN, FENCE, CONTACT = 5.0, 6.0, 7.0, 8.0  # CONTACT: the ground darkened under a car


def row(
    kind: float,
    centre: tuple[float, float, float],
    half: tuple[float, float, float],
    heading: float,
    material: float,
    colour: Array,
    second: Array | None = None,
    *,
    texture: float = 0.0,
    shift: float = 0.0,
    scale: float = 1.0,
    extra: float = 0.0,
) -> Array:
    """One solid. ``half`` are half extents to its right, down and ahead; metres, radians."""
    second = colour if second is None else second
    return np.array(
        [
            kind, *centre, *half, np.cos(heading), np.sin(heading), material, *colour, *second,
            texture, shift, scale, extra,
        ]
    )  # fmt: skip


def _contact(width: float, length: float) -> Array:
    half = (width / 2 + 0.12, 0.006, length / 2 + 0.15)
    return row(BOX, (0, -0.006, 0), half, 0.0, CONTACT, np.zeros(3))


def car(rng: np.random.Generator) -> Array:
    """Rows [R, COLUMNS] of a car standing at the origin with heading 0; place it with ``move``."""
    shade = rng.choice(6, p=[0.25, 0.2, 0.2, 0.13, 0.12, 0.1])
    tone = float(rng.uniform(0.7, 1.2))
    colour = np.array(
        [
            (0.62, 0.62, 0.60),
            (0.02, 0.02, 0.025),
            (0.25, 0.26, 0.28),
            (0.35, 0.03, 0.03),
            (0.03, 0.07, 0.25),
            rng.uniform(0.02, 0.35) + rng.uniform(0.0, 0.2, 3) ** 1.5,
        ][shade]
    )
    colour = np.clip(colour * tone, 0.01, 0.85)
    tall = rng.random()
    if tall < 0.09:  # van or lorry
        length, width, height = rng.uniform(5.0, 9.0), rng.uniform(1.95, 2.5), rng.uniform(2.2, 3.4)
        body = row(
            BOX, (0, -0.35 - height / 2 + 0.15, 0), (width / 2, height / 2 - 0.1, length / 2), 0.0,
            CAR_BODY, colour, extra=2.0,
        )  # fmt: skip
        under = row(BOX, (0, -0.3, 0), (width / 2 - 0.15, 0.28, length / 2 - 0.4), 0.0, SURFACE,
                    np.full(3, 0.012), texture=5.0, scale=3.0)  # fmt: skip
        return np.stack([body, under, _contact(width, length)])
    length, width = rng.uniform(3.7, 4.9), rng.uniform(1.65, 1.9)
    waist, top = rng.uniform(0.82, 1.0), rng.uniform(1.38, 1.75)
    body = row(
        BOX, (0, -(waist + 0.22) / 2, 0), (width / 2, (waist - 0.22) / 2, length / 2), 0.0, CAR_BODY, colour,
        extra=1.0,
    )  # fmt: skip
    back = float(rng.uniform(-0.35, -0.1))
    cabin = row(
        BOX, (0, -(waist + top) / 2, back), (width / 2 - 0.1, (top - waist) / 2, length * 0.27), 0.0,
        CAR_CABIN, colour,
    )  # fmt: skip
    roof = row(
        ELLIPSOID, (0, -top + 0.08, back), (width / 2 - 0.08, 0.16, length * 0.3), 0.0, CAR_CABIN, colour,
        extra=1.0,
    )  # fmt: skip
    under = row(BOX, (0, -0.2, 0), (width / 2 - 0.1, 0.18, length / 2 - 0.45), 0.0, SURFACE, np.full(3, 0.012),
                texture=5.0, scale=3.0)  # fmt: skip
    return np.stack([body, cabin, roof, under, _contact(width, length)])


def person(rng: np.random.Generator) -> Array:
    """Rows of a pedestrian at the origin."""
    clothes, legs = rng.uniform(0.02, 0.4, 3), rng.uniform(0.02, 0.15, 3)
    tall = float(rng.uniform(1.5, 1.9))
    return np.stack(
        [
            row(BOX, (0, -0.4, 0), (0.15, 0.4, 0.13), 0.0, SURFACE, legs, texture=5.0, scale=2.0),
            row(ELLIPSOID, (0, -tall * 0.62, 0), (0.25, 0.36, 0.17), 0.0, SURFACE, clothes, texture=5.0, scale=2.0),
            row(
                ELLIPSOID, (0, -tall + 0.12, 0), (0.1, 0.13, 0.11), 0.0, SURFACE, np.array([0.4, 0.25, 0.18]),
                texture=5.0, scale=3.0,
            ),
        ]
    )  # fmt: skip


def move(rows: Array, x: float, z: float, heading: float) -> Array:
    """Rows modelled at the origin with heading 0, placed at (x, z) with a heading."""
    out = rows.copy()
    c, s = np.cos(heading), np.sin(heading)
    out[:, X] = x + c * rows[:, X] + s * rows[:, Z]
    out[:, Z] = z - s * rows[:, X] + c * rows[:, Z]
    out[:, COS] = c * rows[:, COS] - s * rows[:, SIN]
    out[:, SIN] = s * rows[:, COS] + c * rows[:, SIN]
    return out
