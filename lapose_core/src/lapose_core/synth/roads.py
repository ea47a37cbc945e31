"""The road: a reference path of given curvature, its lanes and markings, junctions and side roads.

Plane coordinates are the world's x and z (y points down, the ground is y = 0). Headings are positive to the
right: forward is (sin h, cos h), right is (cos h, -sin h). The reference path is the middle of the lane that
the camera's car uses; offsets from it are positive to the right.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

Array = NDArray[np.float64]
Setting = Literal["city", "suburb", "rural", "highway", "yard"]

STEP = 1.0  # metres between the vertices of the road's centre line
CELL = 2.0  # metres, of the lookup grids
BEHIND = 40.0  # metres of road behind the start
AHEAD = 190.0  # and beyond the end, so that the road does not stop in sight


@dataclass(frozen=True)
class ReferencePath:
    """A plane curve sampled every ``step`` metres from arc length ``start``: x, z, heading and curvature [P]."""

    start: float
    step: float
    x: Array
    z: Array
    heading: Array
    curvature: Array

    @property
    def s(self) -> Array:
        """Arc lengths [P] of the samples."""
        return self.start + self.step * np.arange(len(self.x), dtype=np.float64)

    def at(self, s: Array, offset: Array | float = 0.0) -> tuple[Array, Array, Array]:
        """x, z and heading of the curve at arc lengths ``s``, ``offset`` metres to its right."""
        grid = self.s
        heading = np.interp(s, grid, self.heading)
        x = np.interp(s, grid, self.x) + offset * np.cos(heading)
        z = np.interp(s, grid, self.z) - offset * np.sin(heading)
        return x, z, heading


@dataclass(frozen=True)
class Turn:
    """A turn at a junction: the arc lengths where it begins and ends."""

    begin: float
    end: float


class Roads(NamedTuple):
    """What the renderer needs to know of the roads; all arrays C-contiguous."""

    path: Array  # [P, 4] vertices x, z of the reference path STEP apart, unit tangent x, z to the next
    s0: float
    left: float  # edges of the carriageway, offsets from the reference path
    right: float
    sidewalk: float  # width; 0: none
    lines: Array  # [L, 6] offset, half width, period (0: solid), dash length, brightness, yellowness
    marks: Array  # [M, 4] s, half length, kind (0 stop line, 1 zebra, 2 shading bars), brightness
    side: Array  # [S, 8] x, z, direction x, direction z, from, to, half width, marked
    cell_x: float
    cell_z: float
    segment: NDArray[np.int32]  # [rows, cols] nearest vertex, -1: none
    crossing: NDArray[np.int64]  # [rows, cols] bit mask of side roads
    paved: bool  # the whole ground is paved: a yard


def integrate(curvature: Array, step: float, start: float) -> ReferencePath:
    """The path of a curvature profile [P], with the origin and heading 0 at arc length 0."""
    heading = np.concatenate([[0.0], np.cumsum(0.5 * (curvature[1:] + curvature[:-1]) * step)])
    middle = 0.5 * (heading[1:] + heading[:-1])
    x = np.concatenate([[0.0], np.cumsum(np.sin(middle) * step)])
    z = np.concatenate([[0.0], np.cumsum(np.cos(middle) * step)])
    zero = round(-start / step)
    h0 = heading[zero]
    x, z = x - x[zero], z - z[zero]
    c, s = np.cos(h0), np.sin(h0)
    return ReferencePath(start, step, c * x - s * z, s * x + c * z, heading - h0, curvature)


CURVES: dict[Setting, tuple[tuple[float, float, float, float, float], tuple[float, float]]] = {
    # probabilities of straight, gentle, medium, sharp section and junction turn; lengths of the long ones
    "city": ((0.30, 0.20, 0.20, 0.05, 0.25), (20.0, 70.0)),
    "suburb": ((0.24, 0.20, 0.30, 0.06, 0.20), (20.0, 70.0)),
    "rural": ((0.14, 0.30, 0.46, 0.08, 0.02), (30.0, 110.0)),
    "highway": ((0.42, 0.50, 0.08, 0.0, 0.0), (80.0, 300.0)),
    "yard": ((0.08, 0.07, 0.40, 0.45, 0.0), (4.0, 16.0)),
}


def curvature_profile(
    rng: np.random.Generator, setting: Setting, length: float, step: float
) -> tuple[Array, list[Turn]]:
    """Curvature [P] along the path and the junction turns in it, arc lengths from 0."""
    weights, (shortest, longest) = CURVES[setting]
    count = int(np.ceil(length / step)) + 1
    out = np.zeros(count)
    turns: list[Turn] = []
    at = rng.uniform(-20.0, 20.0) if setting != "yard" else 0.0
    kind_before = 4
    while at < length:
        kind = int(rng.choice(5, p=weights))
        if kind == 4 and kind_before == 4:
            kind = 0
        section = float(rng.uniform(shortest, longest))
        sign = float(rng.choice([-1.0, 1.0]))
        if kind == 0:
            k = float(rng.uniform(-0.0006, 0.0006))
        elif kind == 1:
            low, top = (0.0005, 0.003) if setting == "highway" else (0.0013, 0.009)
            k = sign * float(np.exp(rng.uniform(np.log(low), np.log(top))))
        elif kind == 2:
            top = 0.012 if setting == "highway" else 0.09
            k = sign * float(np.exp(rng.uniform(np.log(0.0105), np.log(top))))
            section = min(section, float(rng.uniform(0.6, 1.9)) / abs(k))
        else:
            radius = float(rng.uniform(5.5, 9.0)) if kind == 3 else float(rng.uniform(6.0, 13.0))
            if setting == "yard":
                radius = float(rng.uniform(4.6, 9.5))
            k = sign / radius
            angle = float(rng.uniform(0.8, 1.9)) if kind == 3 else float(np.pi / 2)
            section = abs(angle / k)
            if kind == 4:
                turns.append(Turn(max(at, 0.0), at + section))
        a, b = max(int(at / step), 0), max(int((at + section) / step), 0)
        out[a:b] = k
        at += section
        kind_before = kind
        if kind == 4:
            at += float(rng.uniform(15.0, 45.0))
    # Curvature ramps like the steering wheel does; a symmetric kernel keeps every turn's total angle.
    ramp = {"highway": 40.0, "rural": 12.0, "yard": 2.0}.get(setting, 5.0)
    kernel = np.hanning(int(ramp / step) + 3)
    padded = np.pad(out, len(kernel), mode="edge")
    smooth = np.convolve(padded, kernel / kernel.sum(), mode="same")[len(kernel) : -len(kernel)]
    return smooth, [t for t in turns if t.end < length]


@dataclass(frozen=True)
class RoadStyle:
    """Widths and markings of a road."""

    left: float
    right: float
    sidewalk: float
    lines: Array
    opposing_lane: float | None  # offsets of neighbouring lanes, None where there is none
    parallel_lane: float | None
    parking: bool


def draw_style(rng: np.random.Generator, setting: Setting) -> RoadStyle:
    """A road of the setting: lanes, widths, markings; a fifth of the worlds drive on the left."""
    lane = {"highway": 3.6, "rural": 3.1, "city": 3.2, "suburb": 2.9, "yard": 3.5}[setting]
    lane += float(rng.uniform(-0.3, 0.35))
    opposing = {"highway": 0, "rural": 1, "yard": 0}.get(setting, 1 if rng.random() < 0.75 else 0)
    same = {"highway": int(rng.integers(2, 4)), "city": int(rng.integers(1, 3))}.get(setting, 1)
    ego = int(rng.integers(0, same))
    parking = setting in ("city", "suburb") and bool(rng.random() < 0.65)
    extra = 2.2 if parking else float(rng.uniform(0.2, 0.6))
    shoulder = float(rng.uniform(0.8, 2.8)) if setting == "highway" else extra
    # Boundaries from the left for right-hand traffic: opposing lanes first.
    total = opposing + same
    bounds = (np.arange(total + 1) - (opposing + ego) - 0.5) * lane
    bright = float(rng.uniform(0.55, 1.0))
    width = float(rng.uniform(0.05, 0.09))
    period, dash = ((12.0, 4.0), (9.0, 3.0), (6.0, 3.0), (4.0, 2.0), (18.0, 6.0))[int(rng.integers(0, 5))]
    yellow = float(rng.random() < 0.3)
    lines: list[list[float]] = []
    unmarked = setting == "yard" or (setting == "suburb" and rng.random() < 0.5)
    unmarked = unmarked or (setting == "rural" and rng.random() < 0.15)
    if not unmarked:
        centre = int(rng.integers(0, 3))
        for j, bound in enumerate(bounds):
            edge = j in (0, total)
            if edge and (setting in ("highway", "rural") or rng.random() < 0.3):
                lines.append([bound, width, 0.0, 0.0, bright, yellow if j == 0 else 0.0])
            elif not edge and j == opposing and opposing:
                if centre == 2:
                    lines += [[bound + o, width, 0.0, 0.0, bright, yellow] for o in (-0.15, 0.15)]
                else:
                    lines.append([bound, width, period if centre == 0 else 0.0, dash, bright, yellow])
            elif not edge:
                lines.append([bound, width, period, dash, bright, 0.0])
    left, right = bounds[0] - shoulder, bounds[-1] + shoulder
    neighbour = -lane if opposing and ego == 0 else (-lane * (ego + 1) if opposing else None)
    parallel = lane if ego < same - 1 else (-lane if ego > 0 else None)
    sidewalk = float(rng.uniform(1.2, 3.0)) if setting in ("city", "suburb") else 0.0
    table = np.array(lines, dtype=float).reshape(-1, 6)
    if rng.random() < 0.2:  # traffic on the left
        left, right = -right, -left
        table[:, 0] *= -1
        neighbour = -neighbour if neighbour is not None else None
        parallel = -parallel if parallel is not None else None
    return RoadStyle(left, right, sidewalk, table, neighbour, parallel, parking)


@njit(cache=True, nogil=True)
def _stamp_path(x, z, reach, cell_x, cell_z, segment):  # type: ignore[no-untyped-def]
    rows, cols = segment.shape
    best = np.full((rows, cols), 1e18)
    n = int(reach / CELL) + 1
    for k in range(len(x)):
        c0 = int((x[k] - cell_x) / CELL)
        r0 = int((z[k] - cell_z) / CELL)
        for r in range(max(r0 - n, 0), min(r0 + n + 1, rows)):
            for c in range(max(c0 - n, 0), min(c0 + n + 1, cols)):
                dx = cell_x + (c + 0.5) * CELL - x[k]
                dz = cell_z + (r + 0.5) * CELL - z[k]
                d = dx * dx + dz * dz
                if d < best[r, c] and d < reach * reach:
                    best[r, c] = d
                    segment[r, c] = k


@njit(cache=True, nogil=True)
def _stamp_side(side, margin, cell_x, cell_z, crossing):  # type: ignore[no-untyped-def]
    rows, cols = crossing.shape
    for i in range(len(side)):
        reach = side[i, 6] + margin
        n = int(reach / CELL) + 2
        s = side[i, 4]
        while s < side[i, 5] + CELL:
            c0 = int((side[i, 0] + s * side[i, 2] - cell_x) / CELL)
            r0 = int((side[i, 1] + s * side[i, 3] - cell_z) / CELL)
            for r in range(max(r0 - n, 0), min(r0 + n + 1, rows)):
                for c in range(max(c0 - n, 0), min(c0 + n + 1, cols)):
                    crossing[r, c] |= np.int64(1) << i
            s += CELL


def lay_out(
    rng: np.random.Generator, setting: Setting, path: ReferencePath, turns: list[Turn], style: RoadStyle
) -> Roads:
    """Roads along the path: the path's own road, the arms of its junctions, side roads and road marks."""
    s = np.arange(path.s[0], path.s[-1], STEP)
    x, z, _ = path.at(s)
    dx, dz = np.diff(x, append=2 * x[-1] - x[-2]), np.diff(z, append=2 * z[-1] - z[-2])
    norm = np.hypot(dx, dz)
    centre = 0.5 * (style.left + style.right)
    half = 0.5 * (style.right - style.left)
    side: list[list[float]] = []
    marks: list[list[float]] = []

    def arm(at: float, angle: float, begin: float, end: float, half_width: float, marked: float) -> None:
        px, pz, heading = (float(v) for v in path.at(np.array(at), centre))
        side.append([px, pz, np.sin(heading + angle), np.cos(heading + angle), begin, end, half_width, marked])

    if setting != "yard":
        for turn in turns[:12]:
            arm(turn.begin, 0.0, 0.0, float(rng.uniform(50, 110)), half, float(len(style.lines) > 0))
            if rng.random() < 0.8:
                arm(turn.end, np.pi, 0.0, float(rng.uniform(50, 110)), half, float(len(style.lines) > 0))
            if rng.random() < 0.5:
                marks.append([turn.begin - rng.uniform(2, 4), 0.2, 0.0, rng.uniform(0.6, 1.0)])
        spacing = {"city": 90.0, "suburb": 80.0, "rural": 180.0, "highway": 1e9}[setting]
        at = path.s[0] + float(rng.uniform(10.0, spacing))
        while at < path.s[-1] - 20 and len(side) < 40:
            if all(at < t.begin - 15 or at > t.end + 15 for t in turns):
                reach = float(rng.uniform(50.0, 110.0))
                both = rng.random()
                begin = -reach if both < 0.66 else 0.0
                end = reach if both > 0.33 else 0.0
                skew = np.pi / 2 + float(rng.normal(0.0, 0.12))
                arm(at, skew, begin, end, float(rng.uniform(2.4, 4.5)), 0.0)
                if rng.random() < 0.5:
                    kind = float(rng.random() < 0.6)
                    half_length = rng.uniform(1.3, 2.0) if kind else 0.2
                    marks.append([at - rng.uniform(7, 9), half_length, kind, rng.uniform(0.6, 1.0)])
            at += float(rng.uniform(0.5, 1.5)) * spacing
        if rng.random() < 0.4:
            marks.append([float(rng.uniform(15, 90)), float(rng.uniform(1.3, 2.2)), 1.0, 0.9])

    table = np.array(side, dtype=float).reshape(-1, 8)[:60]
    margin = style.sidewalk + 3.0
    low_x, low_z = x.min() - 130.0, z.min() - 130.0
    cols = int((x.max() + 130.0 - low_x) / CELL) + 1
    rows = int((z.max() + 130.0 - low_z) / CELL) + 1
    segment = np.full((rows, cols), -1, np.int32)
    crossing = np.zeros((rows, cols), np.int64)
    reach = max(-style.left, style.right) + margin
    if setting != "yard":
        _stamp_path(x, z, reach, low_x, low_z, segment)
        _stamp_side(table, margin, low_x, low_z, crossing)
    return Roads(
        path=np.ascontiguousarray(np.stack([x, z, dx / norm, dz / norm], 1)),
        s0=float(s[0]),
        left=float(style.left),
        right=float(style.right),
        sidewalk=float(style.sidewalk),
        lines=style.lines,
        marks=np.array(marks, dtype=float).reshape(-1, 4),
        side=table,
        cell_x=float(low_x),
        cell_z=float(low_z),
        segment=segment,
        crossing=crossing,
        paved=setting == "yard",
    )


@njit(cache=True, nogil=True)
def clearance(x, z, roads, ego_x, ego_z):  # type: ignore[no-untyped-def]
    """Metres from points [K] to the nearest carriageway or to the camera car's own swept path; < 0: on it."""
    out = np.empty(len(x))
    half = 0.5 * (roads.right - roads.left)
    centre = 0.5 * (roads.right + roads.left)
    path = roads.path
    for i in range(len(x)):
        best = 1e9
        if not roads.paved:
            for k in range(len(path)):
                # The middle of the carriageway lies beside the reference path.
                dx = x[i] - (path[k, 0] + centre * path[k, 3])
                dz = z[i] - (path[k, 1] - centre * path[k, 2])
                best = min(best, np.hypot(dx, dz) - half)
            for k in range(len(roads.side)):
                dx = x[i] - roads.side[k, 0]
                dz = z[i] - roads.side[k, 1]
                a = dx * roads.side[k, 2] + dz * roads.side[k, 3]
                b = abs(dx * roads.side[k, 3] - dz * roads.side[k, 2])
                a = max(a - roads.side[k, 5], roads.side[k, 4] - a)
                best = min(best, max(a, b - roads.side[k, 6]))
        for k in range(len(ego_x)):
            best = min(best, np.hypot(x[i] - ego_x[k], z[i] - ego_z[k]) - 1.7)
        out[i] = best
    return out
