"""What stands beside the road: buildings, houses, trees, hedges, walls, poles, lamps, parked cars, and shade."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numba import njit
from numpy.typing import NDArray

from lapose_core.synth import objects as ob
from lapose_core.synth import textures as tx
from lapose_core.synth.conditions import Conditions
from lapose_core.synth.roads import Array, ReferencePath, Roads, RoadStyle, Setting, clearance

SHADE_CELL = 0.5  # metres of the shade raster
SHADE_LIMIT = 4_000_000  # its cells at most; a longer drive gets coarser ones

BRICKS = np.array([(0.36, 0.14, 0.09), (0.45, 0.24, 0.15), (0.30, 0.17, 0.13), (0.5, 0.36, 0.24)])
PLASTERS = np.array(
    [(0.62, 0.58, 0.48), (0.55, 0.55, 0.54), (0.68, 0.62, 0.4), (0.5, 0.36, 0.27), (0.42, 0.46, 0.5), (0.72, 0.7, 0.66)]
)
GREENS = np.array(
    [
        (0.06, 0.12, 0.03),
        (0.09, 0.15, 0.04),
        (0.05, 0.10, 0.05),
        (0.13, 0.15, 0.05),
        (0.20, 0.11, 0.03),
        (0.10, 0.09, 0.06),
    ]
)
ROOFS = np.array([(0.28, 0.10, 0.06), (0.12, 0.11, 0.11), (0.2, 0.13, 0.1), (0.07, 0.07, 0.08)])


@dataclass
class _Collector:
    """Candidates with the points that must keep clear of the road; unfit ones are dropped at the end."""

    rng: np.random.Generator
    rows: list[Array] = field(default_factory=list)
    group: list[int] = field(default_factory=list)
    points: list[tuple[float, float, int]] = field(default_factory=list)
    margin: list[float] = field(default_factory=list)
    lamps: list[tuple[float, float, int]] = field(default_factory=list)

    def new(self, margin: float, points: list[tuple[float, float]]) -> int:
        index = len(self.margin)
        self.margin.append(margin)
        self.points += [(x, z, index) for x, z in points]
        return index

    def add(self, group: int, *rows: Array) -> None:
        self.rows += rows
        self.group += [group] * len(rows)

    def fit(self, roads: Roads, ego_x: Array, ego_z: Array) -> tuple[Array, Array]:
        """Rows [R, COLUMNS] and lamp positions [K, 2] of the groups that keep their margin."""
        if not self.rows:
            return np.zeros((0, ob.COLUMNS)), np.zeros((0, 2))
        points = np.array(self.points)
        free = clearance(np.ascontiguousarray(points[:, 0]), np.ascontiguousarray(points[:, 1]), roads, ego_x, ego_z)
        closest = np.full(len(self.margin), np.inf)
        np.minimum.at(closest, points[:, 2].astype(int), free)
        ok = closest >= np.array(self.margin)
        rows = np.stack(self.rows)[ok[np.array(self.group)]]
        lamps = np.array([(x, z) for x, z, g in self.lamps if ok[g]]).reshape(-1, 2)
        return rows, lamps


def _tree(c: _Collector, x: float, z: float, size: float, green: Array, margin: float = 0.3) -> None:
    rng = c.rng
    g = c.new(margin, [(x, z)])
    height = size * rng.uniform(0.8, 1.25)
    trunk = height * rng.uniform(0.10, 0.30)
    bark = np.array([0.10, 0.075, 0.055]) * rng.uniform(0.6, 1.6)
    half = 0.018 * height * rng.uniform(0.6, 1.4)
    c.add(g, ob.row(ob.BOX, (x, -height * 0.3, z), (half, height * 0.3, half), rng.uniform(0, 3), ob.SURFACE, bark,
                    texture=tx.WOOD, scale=1.0))  # fmt: skip
    tone = green * rng.uniform(0.7, 1.4)
    conifer = rng.random() < 0.15
    crown = (height - trunk) / 2
    if conifer:
        c.add(g, ob.row(ob.ELLIPSOID, (x, -trunk * 0.5 - crown, z), (0.3 * crown, crown, 0.3 * crown), 0.0, ob.FOLIAGE,
                        tone * 0.15, tone * 1.4, shift=rng.random(), scale=4.5, extra=0.35))  # fmt: skip
        return
    wide = crown * rng.uniform(0.6, 1.0)
    for i in range(int(rng.integers(3, 7))):
        dx, dz = rng.normal(0.0, 0.45 * wide, 2) if i else (0.0, 0.0)
        dy = rng.uniform(-0.5, 0.45) * crown if i else 0.0
        part = rng.uniform(0.38, 0.65) if i else 0.75
        c.add(g, ob.row(ob.ELLIPSOID, (x + dx, -trunk - crown + dy, z + dz), (wide * part, crown * part, wide * part),
                        rng.uniform(0, 6), ob.FOLIAGE, tone * 0.12, tone * 2.2, shift=rng.random(),
                        scale=rng.uniform(4.0, 8.0), extra=rng.uniform(0.25, 0.5)))  # fmt: skip


def _bush(c: _Collector, x: float, z: float, size: float, green: Array) -> None:
    rng = c.rng
    g = c.new(0.4 + size * 0.7, [(x, z)])
    tone = green * rng.uniform(0.8, 1.6)
    half = (size * rng.uniform(0.7, 1.3), size * 0.6, size)
    c.add(g, ob.row(ob.ELLIPSOID, (x, -size * 0.45, z), half, rng.uniform(0, 3),
                    ob.FOLIAGE, tone * 0.15, tone * 2.2, shift=rng.random(), scale=2.5, extra=0.2))  # fmt: skip


def _footprint(x: float, z: float, heading: float, hx: float, hz: float) -> list[tuple[float, float]]:
    c, s = np.cos(heading), np.sin(heading)
    n = max(int(max(hx, hz) / 1.5), 2)
    edge = np.linspace(-1, 1, n)
    local = [(e * hx, side * hz) for e in edge for side in (-1, 1)] + [
        (side * hx, e * hz) for e in edge for side in (-1, 1)
    ]
    return [(x + c * a + s * b, z - s * a + c * b) for a, b in local]


def _building(c: _Collector, x: float, z: float, heading: float, hx: float, hz: float, height: float) -> None:
    rng = c.rng
    g = c.new(0.2, _footprint(x, z, heading, hx, hz))
    facade = int(rng.integers(0, tx.N_FACADES))
    wall = BRICKS if facade % 3 == 0 and rng.random() < 0.7 else PLASTERS
    wall = wall[int(rng.integers(0, len(wall)))] * rng.uniform(0.6, 1.15)
    glass = np.array([0.10, 0.13, 0.17]) * rng.uniform(0.5, 2.2)
    c.add(g, ob.row(ob.BOX, (x, -height / 2, z), (hx, height / 2, hz), heading, ob.FACADE, wall, glass, texture=facade,
                    shift=rng.random(), scale=rng.uniform(10.0, 15.0), extra=rng.uniform(0.1, 0.5)))  # fmt: skip
    if rng.random() < 0.5:  # a ground floor of another material, slightly proud of the wall
        tone = PLASTERS[int(rng.integers(0, len(PLASTERS)))] * rng.uniform(0.4, 1.0)
        c.add(g, ob.row(ob.BOX, (x, -1.8, z), (hx + 0.12, 1.8, hz + 0.12), heading, ob.FACADE, tone, glass * 0.7,
                        texture=7, shift=rng.random(), scale=14.0, extra=0.6))  # fmt: skip
    if rng.random() < 0.6:  # a cornice
        c.add(g, ob.row(ob.BOX, (x, -height - 0.2, z), (hx + 0.3, 0.25, hz + 0.3), heading, ob.SURFACE, wall * 0.8,
                        texture=tx.PLASTER, scale=4.0))  # fmt: skip


def _house(c: _Collector, x: float, z: float, heading: float, hx: float, hz: float) -> None:
    rng = c.rng
    g = c.new(0.8, _footprint(x, z, heading, hx, hz))
    storeys = int(rng.integers(1, 4))
    height = 2.9 * storeys
    facade = int(rng.choice([0, 3, 5, 2]))
    wall = BRICKS if rng.random() < 0.45 else PLASTERS
    wall = wall[int(rng.integers(0, len(wall)))] * rng.uniform(0.6, 1.15)
    c.add(g, ob.row(ob.BOX, (x, -height / 2, z), (hx, height / 2, hz), heading, ob.FACADE, wall,
                    np.array([0.10, 0.12, 0.15]) * rng.uniform(0.5, 2.0), texture=facade, shift=rng.random(),
                    scale=rng.uniform(10.5, 13.0), extra=rng.uniform(0.2, 0.6)))  # fmt: skip
    rise = float(rng.uniform(0.35, 0.6))
    roof = ROOFS[int(rng.integers(0, len(ROOFS)))] * rng.uniform(0.7, 1.5)
    turn = 0.0 if rng.random() < 0.5 else np.pi / 2
    a, b = (hx, hz) if turn == 0.0 else (hz, hx)
    top = a * rise + 0.3
    c.add(g, ob.row(ob.PRISM, (x, -height - top + 0.05, z), (a + 0.45, top, b + 0.35), heading + turn, ob.SURFACE, roof,
                    wall, texture=tx.TILES, scale=6.0, extra=1.0))  # fmt: skip
    if rng.random() < 0.6:
        side = rng.uniform(-0.5, 0.5) * min(hx, hz)
        c.add(g, ob.row(ob.BOX, (x + side, -height - 2 * top + 0.2, z + side), (0.35, 0.9, 0.35), heading, ob.SURFACE,
                        BRICKS[0], texture=tx.BRICK, scale=2.0))  # fmt: skip


def _post(c: _Collector, x: float, z: float, height: float, half: float, tone: Array, margin: float = 0.25) -> int:
    g = c.new(margin, [(x, z)])
    c.add(g, ob.row(ob.BOX, (x, -height / 2, z), (half, height / 2, half), c.rng.uniform(0, 1), ob.SURFACE, tone,
                    texture=tx.PLASTER, scale=1.5))  # fmt: skip
    return g


def _along(
    c: _Collector, path: ReferencePath, offset: float, begin: float, end: float, height: float, kind: str, tone: Array
) -> None:
    """A hedge, wall, fence or guard rail that follows the path at an offset, in 4 m pieces."""
    rng = c.rng
    piece = 4.0
    shift = rng.random()
    for s in np.arange(begin, end, piece):
        x, z, h = (float(v) for v in path.at(np.array(s + piece / 2), offset))
        ends = [tuple(float(v) for v in path.at(np.array(s + d), offset)[:2]) for d in (0.0, piece)]
        g = c.new(0.5, [(x, z), (ends[0][0], ends[0][1]), (ends[1][0], ends[1][1])])
        half = piece / 2 * 1.04
        if kind == "hedge":
            thick = 0.5
            c.add(g, ob.row(ob.BOX, (x, -height / 2, z), (thick, height / 2, half), h, ob.SURFACE, tone * 1.5,
                            texture=tx.LEAVES, shift=shift, scale=4.0))  # fmt: skip
        elif kind == "rail":
            c.add(
                g, ob.row(ob.BOX, (x, -0.6, z), (0.06, 0.16, half), h, ob.SURFACE, tone, texture=tx.PLASTER, scale=2.0)
            )
            c.add(g, ob.row(ob.BOX, (x, -0.3, z), (0.05, 0.3, 0.07), h, ob.SURFACE, tone * 0.5, texture=tx.PLASTER))
        elif kind == "fence":
            c.add(g, ob.row(ob.BOX, (x, -height / 2, z), (0.03, height / 2, half), h, ob.FENCE, tone, texture=tx.WOOD,
                            shift=shift, scale=2.2))  # fmt: skip
        else:
            texture = {"brick": tx.BRICK, "stone": tx.STONE, "concrete": tx.PLASTER, "wood": tx.WOOD}[kind]
            c.add(g, ob.row(ob.BOX, (x, -height / 2, z), (0.14, height / 2, half), h, ob.SURFACE, tone, texture=texture,
                            shift=shift, scale={"brick": 2.4, "stone": 3.0, "wood": 2.4}.get(kind, 4.0)))  # fmt: skip


def furnish(
    rng: np.random.Generator,
    setting: Setting,
    path: ReferencePath,
    roads: Roads,
    style: RoadStyle,
    conditions: Conditions,
    ego_x: Array,
    ego_z: Array,
) -> tuple[Array, Array]:
    """Everything that stands: object rows [R, COLUMNS] and the positions of lit lamps [K, 2]."""
    c = _Collector(rng)
    green = GREENS[int(rng.integers(0, len(GREENS)))]
    begin, end = float(path.s[0]) + 2.0, float(path.s[-1]) - 2.0
    if setting == "yard":
        _furnish_yard(c, ego_x, ego_z, green)
    else:
        for side in (-1.0, 1.0):
            edge = abs(style.right if side > 0 else style.left)
            _furnish_side(c, setting, path, style, side, edge, begin, end, green, conditions)
        _furnish_arms(c, setting, roads, style, green)
    return c.fit(roads, ego_x, ego_z)


def _furnish_side(
    c: _Collector,
    setting: Setting,
    path: ReferencePath,
    style: RoadStyle,
    side: float,
    edge: float,
    begin: float,
    end: float,
    green: Array,
    conditions: Conditions,
) -> None:
    rng = c.rng
    walk = style.sidewalk

    def place(s: float, out: float) -> tuple[float, float, float]:
        x, z, h = path.at(np.array(s), side * (edge + out))
        return float(x), float(z), float(h)

    # The front row.
    setback = float(rng.uniform(0.2, 5.0) if setting == "city" else rng.uniform(4.0, 11.0)) + walk
    s = begin
    tall = float(rng.uniform(7.0, 24.0))
    while s < end and setting in ("city", "suburb"):
        if setting == "city":
            hx, hz = float(rng.uniform(5.0, 9.0)), float(rng.uniform(4.0, 13.0))
            if rng.random() < 0.85:
                x, z, h = place(s + hz, setback + hx)
                _building(c, x, z, h, hx, hz, float(np.clip(tall * rng.uniform(0.6, 1.5), 4.0, 45.0)))
            s += 2 * hz + (float(rng.uniform(3.0, 14.0)) if rng.random() < 0.3 else 0.05)
        else:
            hx, hz = float(rng.uniform(3.5, 6.0)), float(rng.uniform(4.0, 7.5))
            if rng.random() < 0.85:
                x, z, h = place(s + hz, setback + hx)
                _house(c, x, z, h + rng.normal(0, 0.03), hx, hz)
            s += 2 * hz + float(rng.uniform(1.0, 10.0))
    # Rows of trees, hedges and walls.
    density = {"city": 26.0, "suburb": 14.0, "rural": 11.0, "highway": 22.0}[setting] * float(
        np.exp(rng.normal(0, 0.5))
    )
    s = begin + float(rng.uniform(0, density))
    size = float(rng.uniform(4.5, 11.0))
    street = setting in ("city", "suburb")
    while s < end:
        near = rng.random() < (0.7 if street else 0.35)
        out = 0.9 + 0.5 * walk if near and street else rng.uniform(2.0, 22.0) + (4.0 if setting == "highway" else 0.0)
        x, z, _ = place(s, float(out))
        _tree(c, x, z, size * (1.0 if near else 1.3), green, 0.5 if street else 1.5)
        if rng.random() < 0.6:
            x, z, _ = place(s + rng.uniform(-3, 3), float(rng.uniform(0.8, 10.0)) + walk)
            _bush(c, x, z, float(rng.uniform(0.4, 1.5)), green)
        s += float(rng.uniform(0.4, 1.6)) * density
    s = begin
    kinds = {
        "city": (["brick", "fence"], 0.15),
        "suburb": (["hedge", "brick", "fence", "wood", "stone", "concrete"], 0.75),
        "rural": (["hedge", "wood", "stone", "fence", "rail"], 0.5),
        "highway": (["rail", "concrete", "rail"], 0.85),
    }[setting]
    while s < end:
        run = float(rng.uniform(12.0, 45.0 if street else 120.0))
        if rng.random() < kinds[1]:
            kind = str(rng.choice(kinds[0]))
            tone = {
                "hedge": green * rng.uniform(1.2, 2.0), "brick": BRICKS[int(rng.integers(0, 4))],
                "stone": np.array([0.3, 0.28, 0.25]), "concrete": np.full(3, rng.uniform(0.2, 0.5)),
                "wood": np.array([0.25, 0.16, 0.09]) * rng.uniform(0.6, 2.0),
                "rail": np.full(3, rng.uniform(0.25, 0.5)),
                "fence": np.full(3, rng.uniform(0.02, 0.6)),
            }[kind]  # fmt: skip
            height = float(
                rng.uniform(2.0, 4.0) if kind == "concrete" and setting == "highway" else rng.uniform(0.7, 2.0)
            )
            gap = 0.8 if kind == "rail" else rng.uniform(0.6, 2.0)
            gap = gap + 4.0 if setting == "highway" and kind == "concrete" else gap
            _along(c, path, side * (edge + walk + float(gap)), s, min(s + run, end), height, kind, tone)
        s += run + float(rng.uniform(2.0, 25.0))
    # Lamps, poles and signs.
    spacing = {"city": 28.0, "suburb": 34.0, "rural": 55.0, "highway": 50.0}[setting] * float(rng.uniform(0.8, 1.3))
    lit = conditions.lamps > 0 and (setting != "rural" or rng.random() < 0.3)
    height = float(rng.uniform(5.0, 9.5))
    grey = np.full(3, float(rng.uniform(0.05, 0.35)))
    has_lamps = rng.random() < (0.85 if street else 0.5)
    wires = rng.random() < 0.3
    for s in np.arange(begin + float(rng.uniform(0, spacing)), end, spacing):
        out = 0.5 if street else 1.6
        x, z, h = place(float(s), out)
        g = _post(c, x, z, height, 0.09 if not wires else 0.14, grey if not wires else np.array([0.14, 0.1, 0.07]))
        if has_lamps:
            x2, z2, _ = place(float(s), out - 1.2)
            material = ob.EMITTER if lit else ob.SURFACE
            c.add(g, ob.row(ob.BOX, (x2, -height + 0.05, z2), (0.8, 0.07, 0.12), h, material,
                            np.array([1.0, 0.78, 0.45]) * 6.0 if lit else grey, texture=tx.PLASTER))  # fmt: skip
            if lit:
                c.lamps.append((x2, z2, g))
        elif wires:
            c.add(g, ob.row(ob.BOX, (x, -height + 0.6, z), (0.9, 0.06, 0.06), h, ob.SURFACE, grey, texture=tx.WOOD))
    for s in rng.uniform(begin, end, max(int((end - begin) / (45.0 if street else 80.0)), 1)):
        x, z, h = place(float(s), 0.45 if street else 1.4)
        sort = int(rng.integers(0, 4))
        tall_sign = float(rng.uniform(2.0, 2.8))
        g = _post(c, x, z, tall_sign, 0.035, np.full(3, 0.25))
        colour = np.array([(0.5, 0.03, 0.03), (0.03, 0.08, 0.4), (0.7, 0.7, 0.7), (0.6, 0.45, 0.03)][sort])
        big = 2.2 if setting == "highway" and rng.random() < 0.4 else 1.0
        c.add(g, ob.row(ob.BOX, (x, -tall_sign, z), (0.33 * big, 0.33 * big, 0.02), h, ob.SIGN, colour,
                        np.full(3, 0.7), shift=float(sort)))  # fmt: skip
    if style.parking:
        share = float(rng.uniform(0.2, 0.9))
        for s in np.arange(begin, end, 5.6):
            if rng.random() < share:
                x, z, h = place(float(s + rng.uniform(0, 0.7)), -1.05)
                # Parked cars stand on the carriageway's parking strip: only the camera's own way must stay clear.
                g = c.new(-2.15, [(x, z)])
                flip = 0.0 if side > 0 else np.pi
                c.add(g, *ob.move(ob.car(rng), x, z, h + flip + float(rng.normal(0, 0.02))))
    if street:
        for s in rng.uniform(begin, end, int(rng.integers(0, 10))):
            x, z, h = place(float(s), 0.5 * walk + 0.2)
            g = c.new(0.2, [(x, z)])
            c.add(g, *ob.move(ob.person(rng), x, z, float(rng.uniform(0, 6))))
    # The background: groves, barns and blocks far off, so that the horizon is never bare.
    for s in np.arange(begin - 30.0, end + 30.0, 14.0 if street else 17.0):
        out = float(rng.uniform(22.0, 90.0))
        x, z, h = place(float(s), out)
        if street and rng.random() < 0.55:
            _building(c, x, z, h, float(rng.uniform(5, 10)), float(rng.uniform(5, 12)), float(rng.uniform(8, 28)))
        elif rng.random() < 0.1:
            _house(c, x, z, float(rng.uniform(0, 3)), 5.0, 8.0)
        else:
            _tree(c, x, z, float(rng.uniform(7.0, 15.0)), green, 2.0)


def _furnish_arms(c: _Collector, setting: Setting, roads: Roads, style: RoadStyle, green: Array) -> None:
    """Houses and trees along the side roads, which are what one faces when turning at a junction."""
    rng = c.rng
    street = setting in ("city", "suburb")
    for x0, z0, dx, dz, first, last, half, _ in roads.side:
        heading = float(np.arctan2(dx, dz))

        def at(s: float, d: float) -> tuple[float, float]:
            return float(x0 + s * dx + d * dz), float(z0 + s * dz - d * dx)  # noqa: B023

        for side in (-1.0, 1.0):
            s = float(first)
            while s < last:
                room = float(rng.uniform(9.0, 22.0))
                if street and rng.random() < 0.75:
                    hx, hz = float(rng.uniform(3.5, 7.0)), min(float(rng.uniform(4.0, 9.0)), room / 2)
                    x, z = at(s + room / 2, side * (half + style.sidewalk + rng.uniform(1.0, 6.0) + hx))
                    if setting == "city":
                        _building(c, x, z, heading, hx, hz, float(rng.uniform(6.0, 24.0)))
                    else:
                        _house(c, x, z, heading, hx, hz)
                x, z = at(s + float(rng.uniform(0, room)), side * (half + float(rng.uniform(1.5, 12.0))))
                _tree(c, x, z, float(rng.uniform(5.0, 11.0)), green, 0.6)
                s += room
        # What the road ends at.
        for end in (first, last):
            if abs(end) > 20.0:
                for d in (-9.0, 0.0, 9.0):
                    x, z = at(float(end + np.sign(end) * rng.uniform(8.0, 16.0)), d + float(rng.normal(0, 2.0)))
                    if street and rng.random() < 0.5:
                        _building(c, x, z, heading, 5.0, 4.0, float(rng.uniform(5.0, 16.0)))
                    else:
                        _tree(c, x, z, float(rng.uniform(7.0, 12.0)), green, 1.0)


def _furnish_yard(c: _Collector, ego_x: Array, ego_z: Array, green: Array) -> None:
    """A car park: rows of cars, kerbed trees, lamps, and buildings around."""
    rng = c.rng
    cx, cz = float(ego_x.mean()), float(ego_z.mean())
    reach = max(float(np.ptp(ego_x)), float(np.ptp(ego_z))) / 2 + float(rng.uniform(14.0, 28.0))
    turn = float(rng.uniform(0, np.pi / 2))
    co, si = np.cos(turn), np.sin(turn)

    def at(a: float, b: float) -> tuple[float, float]:
        return cx + co * a + si * b, cz - si * a + co * b

    aisle = float(rng.uniform(9.0, 16.0))
    full = float(rng.uniform(0.3, 0.9))
    for a in np.arange(-reach, reach, aisle):
        for b in np.arange(-reach, reach, 2.7):
            if rng.random() < full:
                x, z = at(float(a), float(b))
                g = c.new(1.6, [(x, z)])
                heading = turn + np.pi / 2 + (np.pi if rng.random() < 0.5 else 0.0) + float(rng.normal(0, 0.03))
                c.add(g, *ob.move(ob.car(rng), x, z, heading))
            elif rng.random() < 0.06:
                x, z = at(float(a), float(b))
                _tree(c, x, z, float(rng.uniform(4, 8)), green, 0.8)
    for side in range(4):
        b = -reach - 12.0
        while b < reach + 12.0:
            hz, hx = float(rng.uniform(5.0, 16.0)), float(rng.uniform(4.0, 10.0))
            angle = turn + side * np.pi / 2
            a = reach + hx + float(rng.uniform(3.0, 9.0))
            x = cx + np.cos(angle) * a + np.sin(angle) * (b + hz)
            z = cz - np.sin(angle) * a + np.cos(angle) * (b + hz)
            if rng.random() < 0.6:
                _building(c, float(x), float(z), angle, hx, hz, float(rng.uniform(4.0, 20.0)))
            elif rng.random() < 0.5:
                _house(c, float(x), float(z), angle, min(hx, 6.0), min(hz, 8.0))
            else:
                _tree(c, float(x), float(z), float(rng.uniform(6, 12)), green, 1.0)
            b += 2 * hz + float(rng.uniform(0.0, 6.0))
    for _ in range(14):
        x, z = at(float(rng.uniform(-reach, reach)), float(rng.uniform(-reach, reach)))
        g = _post(c, x, z, 7.0, 0.1, np.full(3, 0.2), 0.6)
        c.add(g, ob.row(ob.BOX, (x, -7.0, z), (0.6, 0.08, 0.2), turn, ob.SURFACE,
                        np.full(3, 0.3), texture=tx.PLASTER))  # fmt: skip
        c.lamps.append((x, z, g))
        x, z = at(float(rng.uniform(-reach, reach)), float(rng.uniform(-reach, reach)))
        _bush(c, x, z, float(rng.uniform(0.4, 1.0)), green)


@njit(cache=True, nogil=True)
def _stamp_shadows(rows, sun_x, sun_y, sun_z, low_x, low_z, cell, out):  # type: ignore[no-untyped-def]
    """Darken the raster where solids stand between ground and sun; boxes and ellipsoids by their own outline."""
    height, width = out.shape
    kx = sun_x / sun_y
    kz = sun_z / sun_y
    for i in range(len(rows)):
        kind, cx, cy, cz, hx, hy, hz = (
            rows[i, 0],
            rows[i, 1],
            rows[i, 2],
            rows[i, 3],
            rows[i, 4],
            rows[i, 5],
            rows[i, 6],
        )
        co, si = rows[i, 7], rows[i, 8]
        size = max(hx, hz) + hy * np.hypot(kx, kz) + cell
        if max(hx, hz) < 0.3:
            continue
        mx = cx - cy * kx
        mz = cz - cy * kz
        c0 = max(int((mx - size - low_x) / cell), 0)
        c1 = min(int((mx + size - low_x) / cell) + 2, width)
        r0 = max(int((mz - size - low_z) / cell), 0)
        r1 = min(int((mz + size - low_z) / cell) + 2, height)
        # The ray from the ground to the sun in the solid's own unit axes.
        dx = (co * sun_x - si * sun_z) / hx
        dy = sun_y / hy
        dz = (si * sun_x + co * sun_z) / hz
        strength = 0.72 if kind == 1.0 else 1.0
        for r in range(r0, r1):
            for c in range(c0, c1):
                px = low_x + c * cell - cx
                pz = low_z + r * cell - cz
                ox = (co * px - si * pz) / hx
                oy = -cy / hy
                oz = (si * px + co * pz) / hz
                if kind == 1.0:
                    a = dx * dx + dy * dy + dz * dz
                    b = ox * dx + oy * dy + oz * dz
                    miss = ox * ox + oy * oy + oz * oz - b * b / a
                    if miss < 1.0:
                        dark = strength * min(1.0, 1.6 * (1.0 - miss))
                        out[r, c] = min(out[r, c], 1.0 - dark)
                else:
                    near, far = 0.0, 1e9
                    for axis in range(3):
                        o = ox if axis == 0 else (oy if axis == 1 else oz)
                        d = dx if axis == 0 else (dy if axis == 1 else dz)
                        if abs(d) < 1e-9:
                            if abs(o) > 1.0:
                                far = -1.0
                            continue
                        t1 = (-1.0 - o) / d
                        t2 = (1.0 - o) / d
                        near = max(near, min(t1, t2))
                        far = min(far, max(t1, t2))
                    if near < far:
                        out[r, c] = min(out[r, c], 0.0 if strength == 1.0 else 1.0 - strength)


@njit(cache=True, nogil=True)
def _stamp_lamps(lamps, low_x, low_z, cell, out):  # type: ignore[no-untyped-def]
    height, width = out.shape
    for i in range(len(lamps)):
        reach = 18.0
        c0 = max(int((lamps[i, 0] - reach - low_x) / cell), 0)
        c1 = min(int((lamps[i, 0] + reach - low_x) / cell) + 1, width)
        r0 = max(int((lamps[i, 1] - reach - low_z) / cell), 0)
        r1 = min(int((lamps[i, 1] + reach - low_z) / cell) + 1, height)
        for r in range(r0, r1):
            for c in range(c0, c1):
                dx = low_x + c * cell - lamps[i, 0]
                dz = low_z + r * cell - lamps[i, 1]
                d = (dx * dx + dz * dz) / 42.0
                out[r, c] += max(1.0 / (1.0 + d) ** 1.5 - 0.045, 0.0)


@dataclass(frozen=True)
class Shade:
    """A raster over the ground: by day 1 = sunlit .. 0 = shadow, by night the strength of lamp light."""

    x: float
    z: float
    cell: float
    values: NDArray[np.float32]


def shade(rows: Array, lamps: Array, conditions: Conditions, ego_x: Array, ego_z: Array) -> Shade:
    """Sunlight or lamp light on the ground within 40 m of the camera's way."""
    reach = 40.0
    low_x, low_z = float(ego_x.min()) - reach, float(ego_z.min()) - reach
    span_x, span_z = float(np.ptp(ego_x)) + 2 * reach, float(np.ptp(ego_z)) + 2 * reach
    cell = max(SHADE_CELL, float(np.sqrt(span_x * span_z / SHADE_LIMIT)))
    size = (int(span_z / cell) + 2, int(span_x / cell) + 2)
    if conditions.lighting == "night":
        values = np.zeros(size, np.float32)
        _stamp_lamps(lamps, low_x, low_z, cell, values)
    else:
        values = np.ones(size, np.float32)
        if conditions.sun_light.max() > 0.3:
            _stamp_shadows(rows, *conditions.sun, low_x, low_z, cell, values)
    return Shade(low_x, low_z, cell, values)
