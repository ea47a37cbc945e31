"""What colour each visible surface has: materials, road markings, sky, sun, lamps, headlights and haze.

Everything finer than a pixel fades: textures through their mips, painted lines by their exact coverage.
Colours are linear RGB.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from lapose_core.synth import textures as tx
from lapose_core.synth.objects import (
    CAR_BODY,
    CAR_CABIN,
    CONTACT,
    EMITTER,
    FACADE,
    FENCE,
    FOLIAGE,
    PRISM,
    SIGN,
)
from lapose_core.synth.raycast import GROUND, SKY
from lapose_core.synth.roads import CELL, STEP
from lapose_core.synth.textures import sample

Array = NDArray[np.float64]


Vector = tuple[float, float, float]


class Look(NamedTuple):
    """Light, palette and the rasters of one drive, as the compiled shader wants them.

    Tuples where arrays would do: an array costs the compiled code a reference count at every use.
    """

    sun: Vector
    sun_light: Vector
    ambient: Vector
    zenith: Vector
    horizon: Vector
    cloud_cover: float
    cloud_light: float
    fog: float
    headlights: float
    lamps: float
    night: bool
    wet: float
    asphalt: Vector
    verge_low: Vector
    verge_high: Vector
    sidewalk: Vector
    shift: tuple[float, float, float, float, float, float, float, float]  # texture origins, tile units
    hills: Vector
    trees: Vector
    trees_kind: float  # 0 trees, 1 blocks of flats
    skyline: Array  # [2, K] tangent of elevation by azimuth: far hills, near trees
    shade: NDArray[np.float32]
    shade_x: float
    shade_z: float
    shade_cell: float
    bonnet: float
    bonnet_colour: Vector


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _shade_at(look, x, z):  # type: ignore[no-untyped-def]
    a = (x - look.shade_x) / look.shade_cell
    b = (z - look.shade_z) / look.shade_cell
    rows, cols = look.shade.shape
    if not (0.0 <= a < cols - 1.0 and 0.0 <= b < rows - 1.0):
        return 0.0 if look.night else 1.0
    c, r = int(a), int(b)
    fa, fb = a - c, b - r
    s = look.shade
    top = s[r, c] * (1.0 - fa) + s[r, c + 1] * fa
    low = s[r + 1, c] * (1.0 - fa) + s[r + 1, c + 1] * fa
    return top * (1.0 - fb) + low * fb


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _coverage(d, half, pixel):  # type: ignore[no-untyped-def]
    """Share of a pixel of size ``pixel`` centred at distance ``d`` that a stripe of half width ``half`` covers."""
    low = max(d - 0.5 * pixel, -half)
    high = min(d + 0.5 * pixel, half)
    return max(high - low, 0.0) / pixel


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _dashes(s, period, dash, pixel):  # type: ignore[no-untyped-def]
    """Share of a pixel of length ``pixel`` at ``s`` that dashes cover."""
    if pixel >= period:
        return dash / period
    p = s - np.floor(s / period) * period - 0.5 * dash
    return min(_coverage(p, 0.5 * dash, pixel) + _coverage(p - period, 0.5 * dash, pixel), 1.0)


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _ground(look, roads, atlas, x, z, across, along):  # type: ignore[no-untyped-def]
    """Albedo of the ground at (x, z); the pixel covers ``across`` x ``along`` metres."""
    # A grazing pixel is long and thin: blur less than its length, more than its width.
    lod0 = 8.0 + 0.62 * np.log2(across) + 0.38 * np.log2(along)
    sh = look.shift
    c = int((x - roads.cell_x) / CELL)
    r = int((z - roads.cell_z) / CELL)
    rows, cols = roads.segment.shape
    on_road, on_walk, kerb = 0.0, 0.0, 0.0
    paint, yellow = 0.0, 0.0
    track = 0.0
    if roads.paved:
        on_road = 1.0
    elif 0 <= c < cols and 0 <= r < rows and x > roads.cell_x and z > roads.cell_z:
        in_side = 0.0
        mask = roads.crossing[r, c]
        k = 0
        while mask != 0:
            if mask & 1:
                dx, dz = x - roads.side[k, 0], z - roads.side[k, 1]
                a = dx * roads.side[k, 2] + dz * roads.side[k, 3]
                b = dx * roads.side[k, 3] - dz * roads.side[k, 2]
                if roads.side[k, 4] - 1.0 <= a <= roads.side[k, 5]:
                    half = roads.side[k, 6]
                    edge = abs(b) - half
                    cover = min(max(0.5 - edge / across, 0.0), 1.0)
                    in_side = max(in_side, cover)
                    if edge < roads.sidewalk:
                        on_walk = 1.0
                    kerb = max(kerb, _coverage(edge - 0.08, 0.08, across))
                    if roads.side[k, 7] > 0.0 and abs(a) > half + 4.0:
                        paint = max(paint, 0.8 * _coverage(b, 0.07, across) * _dashes(a, 6.0, 3.0, along))
            mask >>= 1
            k += 1
        on_road = in_side
        k = roads.segment[r, c]
        if k >= 0:
            a = 0.0
            path = roads.path
            last = len(path) - 1
            for _ in range(4):
                a = (x - path[k, 0]) * path[k, 2] + (z - path[k, 1]) * path[k, 3]
                if a < 0.0 and k > 0:
                    k -= 1
                elif a > STEP and k < last:
                    k += 1
                else:
                    break
            d = (x - path[k, 0]) * path[k, 3] - (z - path[k, 1]) * path[k, 2]
            s = roads.s0 + k * STEP + a
            edge = max(roads.left - d, d - roads.right)
            main = min(max(0.5 - edge / across, 0.0), 1.0)
            on_road = max(on_road, main)
            if 0.0 < edge < roads.sidewalk:
                on_walk = 1.0
            if main > 0.0:
                kerb *= 1.0 - main
                paint *= 1.0 - main
                # The pixel's extent across the road depends on how obliquely it is seen; across is the lesser.
                if in_side < 0.5:
                    for j in range(len(roads.lines)):
                        off = d - roads.lines[j, 0]
                        if abs(off) < roads.lines[j, 1] + across:
                            cover = _coverage(off, roads.lines[j, 1], across)
                            if roads.lines[j, 2] > 0.0:
                                cover *= _dashes(s, roads.lines[j, 2], roads.lines[j, 3], along)
                            if cover * roads.lines[j, 4] > paint:
                                paint = cover * roads.lines[j, 4]
                                yellow = roads.lines[j, 5]
                for j in range(len(roads.marks)):
                    off = s - roads.marks[j, 0]
                    if abs(off) < roads.marks[j, 1] + along and d > roads.left + 0.3 and d < roads.right - 0.3:
                        cover = _coverage(off, roads.marks[j, 1], along)
                        if roads.marks[j, 2] > 0.0:
                            cover *= _dashes(d + 100.0, 1.0, 0.5, across)
                        elif d < -1.6 or d > 1.6:
                            cover = 0.0
                        paint = max(paint, cover * roads.marks[j, 3])
                # Wheels polish two tracks in each lane.
                rut = min(abs(abs(d) - 0.75) / 0.5, 1.0)
                track = 0.10 * (1.0 - rut * rut)
            else:
                kerb = max(kerb, _coverage(edge - 0.08, 0.08, across) * (1.0 - in_side))
    wide = sample(atlas, tx.CLOUDS, x / 37.0 + sh[0], z / 37.0 + sh[1], lod0 - 5.2)
    if on_road > 0.0 and on_road >= on_walk * 0.01:
        fine = sample(atlas, tx.ASPHALT, x / 3.3 + sh[2], z / 3.3 + sh[3], lod0 - 1.72)
        coarse = sample(atlas, tx.ASPHALT, x / 13.0 + sh[3], z / 13.0 + sh[2], lod0 - 3.7)
        tone = (0.25 + 1.5 * fine) * (0.45 + 0.75 * coarse + 0.35 * wide) * (1.0 - track)
        worn = paint * (0.45 + 0.55 * min(max(1.8 * coarse + 0.4 * fine - 0.1, 0.0), 1.0))
        red = look.asphalt[0] * tone * (1.0 - worn) + worn * 0.72
        green = look.asphalt[1] * tone * (1.0 - worn) + worn * (0.72 - 0.2 * yellow)
        blue = look.asphalt[2] * tone * (1.0 - worn) + worn * (0.70 - 0.56 * yellow)
    else:
        red = green = blue = 0.0
    if on_road < 1.0:
        if on_walk > 0.0:
            slab = sample(atlas, tx.PAVING, x / 5.0 + sh[4], z / 5.0 + sh[5], lod0 - 2.32)
            tone = (0.35 + 0.95 * slab) * (0.6 + 0.8 * wide)
            r2, g2, b2 = look.sidewalk[0] * tone, look.sidewalk[1] * tone, look.sidewalk[2] * tone
        else:
            blade = sample(atlas, tx.GRASS, x / 2.6 + sh[6], z / 2.6 + sh[7], lod0 - 1.38)
            tuft = sample(atlas, tx.GRASS, x / 19.0 + sh[7], z / 19.0 + sh[6], lod0 - 4.25)
            bare = sample(atlas, tx.DIRT, x / 7.0 + sh[5], z / 7.0 + sh[4], lod0 - 2.8)
            mix = min(max(1.6 * wide + 1.4 * tuft - 1.0, 0.0), 1.0)
            tone = (0.2 + 1.6 * blade) * (0.5 + 0.6 * tuft + 0.4 * bare)
            r2 = (look.verge_low[0] * (1.0 - mix) + look.verge_high[0] * mix) * tone
            g2 = (look.verge_low[1] * (1.0 - mix) + look.verge_high[1] * mix) * tone
            b2 = (look.verge_low[2] * (1.0 - mix) + look.verge_high[2] * mix) * tone
        if kerb > 0.0 and roads.sidewalk > 0.0:
            r2 += (0.40 - r2) * kerb
            g2 += (0.39 - g2) * kerb
            b2 += (0.37 - b2) * kerb
        red = red * on_road + r2 * (1.0 - on_road)
        green = green * on_road + g2 * (1.0 - on_road)
        blue = blue * on_road + b2 * (1.0 - on_road)
    return red, green, blue


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _sky(look, atlas, dx, dy, dz, pixel):  # type: ignore[no-untyped-def]
    """Radiance from the direction, whose length need not be 1; ``pixel`` in radians."""
    n = 1.0 / np.sqrt(dx * dx + dy * dy + dz * dz)
    dx, dy, dz = dx * n, dy * n, dz * n
    up = -dy
    f = min(max(up, 0.0) * 2.2, 1.0)
    f = f * (2.0 - f)
    red = look.horizon[0] * (1.0 - f) + look.zenith[0] * f
    green = look.horizon[1] * (1.0 - f) + look.zenith[1] * f
    blue = look.horizon[2] * (1.0 - f) + look.zenith[2] * f
    if up > 0.01:
        k = 1.0 / (up + 0.10)
        lod = np.log2(pixel * 256.0 * 0.22 * k * k * 0.6 + 1e-9)
        u, v = dx * k * 0.22 + look.shift[0], dz * k * 0.22 + look.shift[1]
        c = sample(atlas, tx.CLOUDS, u, v, lod)
        c2 = sample(atlas, tx.CLOUDS, u * 2.7, v * 2.7, lod + 1.4)
        value = 0.72 * c + 0.28 * c2
        edge = 0.82 - 0.62 * look.cloud_cover
        dense = min(max((value - edge) * 4.0, 0.0), 1.0) * min(up * 12.0, 1.0)
        light = look.cloud_light * (0.62 + 0.75 * c2 - 0.2 * c)
        red += (light * 1.0 - red) * dense * 0.85
        green += (light * 1.0 - green) * dense * 0.85
        blue += (light * 1.02 - blue) * dense * 0.85
    glow = dx * look.sun[0] + dy * look.sun[1] + dz * look.sun[2]
    if glow > 0.3 and look.sun_light[0] > 0.3:
        g8 = glow * glow
        g8 *= g8
        g8 *= g8
        g64 = g8 * g8
        g64 *= g64
        g64 *= g64
        bright = look.sun_light[0] * (0.10 * g8 + 0.5 * g64 + 3.0 * g64 * g64 * g64 * g64)
        red += bright
        green += bright * 0.9
        blue += bright * 0.75
    # Far hills and a nearer line of trees or roofs, at infinity: they show rotation and nothing else.
    azimuth = np.arctan2(dx, dz)
    tangent = up / max(np.hypot(dx, dz), 1e-6)
    count = look.skyline.shape[1]
    at = (azimuth / (2.0 * np.pi) + 0.5) * count
    i = int(np.floor(at))
    w = at - i
    for layer in range(2):
        h = look.skyline[layer, i % count] * (1.0 - w) + look.skyline[layer, (i + 1) % count] * w
        cover = min(max((h - tangent) / pixel + 0.5, 0.0), 1.0)
        if cover > 0.0:
            if layer == 0:
                paint = look.hills
                tone = 0.75 + 0.5 * sample(
                    atlas, tx.TREELINE, azimuth * 5.0, tangent * 5.0, np.log2(pixel * 1280.0 + 1e-9)
                )
                haze = 0.72
            else:
                paint = look.trees
                density = 9.0 if look.trees_kind < 0.5 else 14.0
                texture = tx.TREELINE if look.trees_kind < 0.5 else tx.TILES
                tone = 0.25 + 1.5 * sample(
                    atlas, texture, azimuth * density, tangent * density, np.log2(pixel * 256.0 * density + 1e-9)
                )
                haze = 0.30
            haze = 1.0 - (1.0 - haze) * np.exp(-look.fog * (700.0 - 420.0 * layer))
            lit = tone * (look.ambient[1] + 0.35 * look.sun_light[1])
            red += (paint[0] * lit * (1.0 - haze) + look.horizon[0] * haze - red) * cover
            green += (paint[1] * lit * (1.0 - haze) + look.horizon[1] * haze - green) * cover
            blue += (paint[2] * lit * (1.0 - haze) + look.horizon[2] * haze - blue) * cover
    return red, green, blue


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _solid(look, atlas, rows, i, face, px, py, pz, pixel):  # type: ignore[no-untyped-def]
    """Albedo, world normal and emission of a solid at the world point: nine floats."""
    co, si = rows[i, 7], rows[i, 8]
    dx, dz = px - rows[i, 1], pz - rows[i, 3]
    lx = co * dx - si * dz
    ly = py - rows[i, 2]
    lz = si * dx + co * dz
    hx, hy, hz = rows[i, 4], rows[i, 5], rows[i, 6]
    material = rows[i, 9]
    if face >= 6:
        nx, ny, nz = lx / (hx * hx), ly / (hy * hy), lz / (hz * hz)
        n = 1.0 / np.sqrt(nx * nx + ny * ny + nz * nz)
        nx, ny, nz = nx * n, ny * n, nz * n
        if abs(nx) >= abs(ny) and abs(nx) >= abs(nz):
            u, v = lz, ly
        elif abs(ny) >= abs(nz):
            u, v = lx, lz
        else:
            u, v = lx, ly
        if face == 7:
            nx, ny, nz = -nx, -ny, -nz
    elif rows[i, 0] == PRISM and face < 2:
        length = np.sqrt(4.0 * hy * hy + hx * hx)
        nx, ny, nz = (2.0 * hy / length) * (1.0 - 2.0 * face), -hx / length, 0.0
        u, v = lz, ly * length / (2.0 * hy)
    else:
        nx = 1.0 if face == 0 else (-1.0 if face == 1 else 0.0)
        ny = 1.0 if face == 2 else (-1.0 if face == 3 else 0.0)
        nz = 1.0 if face == 4 else (-1.0 if face == 5 else 0.0)
        if face < 2:
            u, v = lz, ly
        elif face < 4:
            u, v = lx, lz
        else:
            u, v = lx, ly
    wx, wz = co * nx + si * nz, -si * nx + co * nz
    red, green, blue = rows[i, 10], rows[i, 11], rows[i, 12]
    er, eg, eb = 0.0, 0.0, 0.0
    shift, scale = rows[i, 17], rows[i, 18]
    lod = np.log2(pixel * 256.0 / scale + 1e-9)
    if material == FACADE:
        if face == 2 or face == 3:
            tone = sample(atlas, tx.DIRT, u / 8.0, v / 8.0, lod)
            red, green, blue = 0.3 * tone, 0.29 * tone, 0.28 * tone
        else:
            base = tx.FACADES + 3 * int(rows[i, 16])
            # Windows hang from the ground line up, whole storeys first.
            fu, fv = u / scale + shift * 9.0 + face * 0.37, (v - hy) / scale
            wall = sample(atlas, base, fu, fv, lod)
            mask = sample(atlas, base + 1, fu, fv, lod)
            glass = sample(atlas, base + 2, fu, fv, lod)
            stain = sample(atlas, tx.CLOUDS, u / 9.0 + shift, v / 9.0, lod)
            wall = (0.25 + 1.15 * wall) * (0.6 + 0.8 * stain)
            red = red * wall * (1.0 - mask) + rows[i, 13] * 2.2 * glass * mask
            green = green * wall * (1.0 - mask) + rows[i, 14] * 2.2 * glass * mask
            blue = blue * wall * (1.0 - mask) + rows[i, 15] * 2.2 * glass * mask
            # Glass mirrors some of the sky.
            er += mask * look.horizon[0] * 0.10 * glass
            eg += mask * look.horizon[1] * 0.10 * glass
            eb += mask * look.horizon[2] * 0.11 * glass
            if look.lamps > 0.0:
                cell = int(np.floor(fu * 4.0)) * 73 + int(np.floor(fv * 4.0)) * 179 + int(shift * 9973.0)
                chance = ((cell * 7919) & 1023) / 1023.0
                if chance < rows[i, 19] * 0.7:
                    lit = mask * look.lamps * (0.25 + 1.2 * chance) * (0.3 + glass)
                    er, eg, eb = er + lit * 0.9, eg + lit * 0.62, eb + lit * 0.32
    elif material == FOLIAGE:
        leaf = sample(atlas, tx.LEAVES, u / scale + shift * 7.0, v / scale + shift * 3.0, lod)
        clump = sample(atlas, tx.CLOUDS, u / (scale * 2.2), v / (scale * 2.2), lod - 1.1)
        mix = min(max(1.7 * leaf + 1.1 * clump - 0.95, 0.0), 1.0)
        shade = 0.55 + 0.45 * min(max(0.5 - 0.6 * ly / hy, 0.0), 1.0)
        if face == 7:
            shade *= 0.5
        red = (rows[i, 10] * (1.0 - mix) + rows[i, 13] * mix) * shade
        green = (rows[i, 11] * (1.0 - mix) + rows[i, 14] * mix) * shade
        blue = (rows[i, 12] * (1.0 - mix) + rows[i, 15] * mix) * shade
    elif material == CAR_BODY:
        low = ly > hy * 0.25
        wheel = False
        if face < 2 and low:
            for end in (-0.6, 0.6):
                a, b = (lz - end * hz), ly - hy * 0.9
                if a * a + b * b < 0.11:
                    wheel = True
        height = (ly + hy) / (2.0 * hy)
        tone = 0.85 + 0.3 * sample(atlas, tx.CLOUDS, u / 4.0, v / 4.0, lod)
        red, green, blue = red * tone, green * tone, blue * tone
        if wheel:
            red = green = blue = 0.015
        elif rows[i, 19] == 1.0 and (face == 4 or face == 5):
            side = abs(lx) / hx
            if side > 0.66 and 0.12 < height < 0.5:
                if face == 4:
                    red, green, blue = 0.75, 0.75, 0.72
                    if look.lamps > 0.0 or look.wet > 0.0:
                        er, eg, eb = 5.0, 4.7, 3.9
                else:
                    red, green, blue = 0.4, 0.02, 0.02
                    if look.lamps > 0.0 or look.wet > 0.0:
                        er, eg, eb = 1.6, 0.06, 0.04
            elif side < 0.3 and 0.5 < height < 0.72:
                red = green = blue = 0.6
            elif height > 0.75:
                red = green = blue = 0.03
        elif rows[i, 19] == 2.0:
            if face == 4 and height < 0.45:
                red, green, blue = 0.04, 0.05, 0.06
            elif face == 5:
                if abs(lx) < 0.03:
                    red = green = blue = 0.02
                if abs(lx) / hx > 0.8 and 0.75 < height < 0.9:
                    red, green, blue = 0.4, 0.02, 0.02
                    if look.lamps > 0.0:
                        er = 1.5
        mirror = 0.06 + (0.22 if face == 3 else 0.0)
        er, eg, eb = (
            er + look.horizon[0] * mirror * 0.5,
            eg + look.horizon[1] * mirror * 0.5,
            eb + look.horizon[2] * mirror * 0.5,
        )
    elif material == CAR_CABIN:
        if rows[i, 19] == 0.0 and face != 3:
            pillar = abs(abs(lz) - hz * 0.94) < 0.05 * hz or abs(lz) < 0.04 * hz if face < 2 else abs(lx) > 0.93 * hx
            if not pillar:
                red, green, blue = 0.02, 0.025, 0.03
                ramp = 0.09 + 0.12 * (ly / hy)
                er, eg, eb = look.horizon[0] * ramp, look.horizon[1] * ramp, look.zenith[2] * ramp
        else:
            er, eg, eb = look.zenith[0] * 0.10, look.zenith[1] * 0.10, look.zenith[2] * 0.10
    elif material == EMITTER:
        er, eg, eb = red * look.lamps, green * look.lamps, blue * look.lamps
        red = green = blue = 0.2
    elif material == SIGN:
        if face == 5:
            rim = max(abs(lx) / hx, abs(ly) / hy)
            kind = int(rows[i, 17])
            inner = abs(lx) / hx < 0.7 and abs(ly) / hy < 0.25 if kind < 2 else rim < 0.8
            if inner:
                red, green, blue = rows[i, 13], rows[i, 14], rows[i, 15]
                if kind >= 2 and (int(ly * 14.0 + 90.0) + int(lx * 9.0 + 90.0)) % 3 == 0:
                    red = green = blue = 0.03
        else:
            red = green = blue = 0.22
    elif material == FENCE:
        tone = sample(atlas, tx.WOOD, u / scale + shift, v / scale, lod)
        red, green, blue = red * (0.1 + 1.4 * tone), green * (0.1 + 1.4 * tone), blue * (0.1 + 1.4 * tone)
    else:
        texture = int(rows[i, 16])
        if rows[i, 0] == PRISM and face >= 2:
            texture = tx.PLASTER
            red, green, blue = rows[i, 13], rows[i, 14], rows[i, 15]
        tone = sample(atlas, texture, u / scale + shift * 5.0, v / scale + shift * 3.0, lod)
        wide = sample(atlas, tx.CLOUDS, u / (scale * 3.0) + shift, v / (scale * 3.0), lod - 1.6)
        tone = (0.12 + 1.45 * tone) * (0.55 + 0.9 * wide)
        red, green, blue = red * tone, green * tone, blue * tone
    return red, green, blue, wx, ny, wz, er, eg, eb


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _radiance(look, roads, atlas, camera, rows, key, a, b, t):  # type: ignore[no-untyped-def]
    """Radiance of the surface ``key`` met at depth ``t`` by the camera ray (a, b, 1)."""
    r, c = camera.rotation, camera.centre
    dx = r[0][0] * a + r[0][1] * b + r[0][2]
    dy = r[1][0] * a + r[1][1] * b + r[1][2]
    dz = r[2][0] * a + r[2][1] * b + r[2][2]
    if key == SKY:
        return _sky(look, atlas, dx, dy, dz, 1.0 / camera.fx)
    length = np.sqrt(dx * dx + dy * dy + dz * dz)
    px, py, pz = c[0] + t * dx, c[1] + t * dy, c[2] + t * dz
    distance = t * length
    pixel = t / camera.fx
    er, eg, eb = 0.0, 0.0, 0.0
    flat = key == GROUND
    contact = 1.0
    if not flat and rows[key >> 3, 9] == CONTACT:
        flat = True
        contact = 0.35
    if flat:
        slope = max(abs(dy) / length, 1e-3)
        along = pixel / slope
        red, green, blue = _ground(look, roads, atlas, px, pz, pixel, along)
        nx, ny, nz = 0.0, -1.0, 0.0
        occlusion = contact
    else:
        red, green, blue, nx, ny, nz, er, eg, eb = _solid(look, atlas, rows, key >> 3, key & 7, px, py, pz, pixel)
        # Walls darken towards the ground, which hides half the sky from them.
        occlusion = 0.55 + 0.45 * min(max(-py / 2.5, 0.0), 1.0)
    shade = _shade_at(look, px, pz) if flat else 1.0
    direct = nx * look.sun[0] + ny * look.sun[1] + nz * look.sun[2]
    direct = max(direct, 0.0) * shade * contact
    if not flat and rows[key >> 3, 9] == FOLIAGE:
        direct = 0.5 * direct + 0.15
    bounce = (0.72 - 0.28 * ny) * occlusion
    lr = look.ambient[0] * bounce + look.sun_light[0] * direct
    lg = look.ambient[1] * bounce + look.sun_light[1] * direct
    lb = look.ambient[2] * bounce + look.sun_light[2] * direct
    if look.night:
        pool = shade if flat else _shade_at(look, px, pz) * 0.55
        pool *= look.lamps * 0.75 * contact
        lr, lg, lb = lr + pool, lg + pool * 0.72, lb + pool * 0.42
        if look.headlights > 0.0:
            beam = np.exp(-((a / 0.5) ** 2)) * (0.10 + 0.90 * min(max((b + 0.03) / 0.07, 0.0), 1.0))
            beam *= look.headlights * 1.1 / (1.0 + (distance / 13.0) ** 2)
            facing = abs(dx * nx + dy * ny + dz * nz) / length
            beam *= (1.0 if flat else 0.25 + 0.75 * facing) * contact
            lr, lg, lb = lr + beam, lg + beam * 0.95, lb + beam * 0.85
    if flat and look.wet > 0.0:
        # A wet road mirrors the sky, more so at grazing angles.
        glance = 1.0 - abs(dy) / length
        mirror = look.wet * glance * glance * glance * 0.45
        er += look.horizon[0] * mirror
        eg += look.horizon[1] * mirror
        eb += look.horizon[2] * mirror
    red, green, blue = red * lr + er, green * lg + eg, blue * lb + eb
    clear = np.exp(-look.fog * distance)
    red = red * clear + look.horizon[0] * (1.0 - clear)
    green = green * clear + look.horizon[1] * (1.0 - clear)
    blue = blue * clear + look.horizon[2] * (1.0 - clear)
    return red, green, blue


@njit(cache=True, nogil=True, error_model="numpy")
def shade_frame(look, roads, atlas, camera, rows, sample_x, sample_y, depth, key, out):  # type: ignore[no-untyped-def]
    """Linear picture [H, W, 3] of the visibility buffers: each surface in a pixel is shaded once, and weighed."""
    n_samples = len(sample_x)
    for y in range(camera.height):
        for x in range(camera.width):
            if look.bonnet > 0.0:
                across = (x + 0.5) / camera.width - 0.5
                top = 1.0 - look.bonnet * (1.0 - 2.2 * across * across)
                at = (y + 0.5) / camera.height
                if at > top:
                    depth_in = (at - top) / look.bonnet
                    sheen = 0.25 * np.exp(-depth_in * 7.0) + 0.05
                    for ch in range(3):
                        light = look.ambient[ch] + 0.3 * look.sun_light[ch]
                        paint = look.bonnet_colour[ch] * light * (0.5 + 0.3 * depth_in)
                        out[y, x, ch] = paint + look.horizon[ch] * sheen
                    continue
            red, green, blue = 0.0, 0.0, 0.0
            for s in range(n_samples):
                k = key[y, x, s]
                seen = False
                for q in range(s):
                    if key[y, x, q] == k:
                        seen = True
                if seen:
                    continue
                count = 0
                mx, my, mt = 0.0, 0.0, 0.0
                for q in range(s, n_samples):
                    if key[y, x, q] == k:
                        count += 1
                        mx += sample_x[q]
                        my += sample_y[q]
                        # Inverse depth is linear over a plane's pixels: its mean belongs to the mean position.
                        mt += 1.0 / depth[y, x, q]
                a = (x + mx / count - camera.cx) / camera.fx
                b = (y + my / count - camera.cy) / camera.fy
                t = count / mt if mt > 0.0 else np.inf
                pr, pg, pb = _radiance(look, roads, atlas, camera, rows, k, a, b, t)
                weight = count / n_samples
                red, green, blue = red + pr * weight, green + pg * weight, blue + pb * weight
                if count == n_samples:
                    break
            out[y, x, 0] = red
            out[y, x, 1] = green
            out[y, x, 2] = blue
