"""Which surface each ray meets: solids by ray tests inside their screen rectangle, against a depth buffer.

Rays are R ((u - cx) / fx, (v - cy) / fy, 1) with pixel i covering [i, i + 1): the parameter along a ray is
therefore the depth along the camera's z axis. No fast-math and no threads inside: a pixel is the same bits
whatever else is rendered.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from lapose_core.synth import textures as tx
from lapose_core.synth.objects import FOLIAGE, PRISM
from lapose_core.synth.textures import sample

GROUND, SKY = -1, -2
NEAR = 0.15  # metres
FAR = 400.0


class Camera(NamedTuple):
    """A pinhole camera in the world: rotation rows camera-to-world, centre, pixels."""

    rotation: tuple[tuple[float, float, float], tuple[float, float, float], tuple[float, float, float]]
    centre: tuple[float, float, float]
    fx: float
    fy: float
    cx: float
    cy: float
    width: int
    height: int


# Sample positions inside a pixel: a rotated grid of four, and the centre alone for depth maps.
FOUR_X, FOUR_Y = np.array([0.375, 0.875, 0.125, 0.625]), np.array([0.125, 0.375, 0.625, 0.875])
ONE = np.array([0.5])


@njit(cache=True, nogil=True, error_model="numpy")
def place(template, owner, x, z, heading):  # type: ignore[no-untyped-def]
    """Rows of movers modelled at the origin [Q, C], set down at their owners' places [K]."""
    out = template.copy()
    for i in range(len(template)):
        k = owner[i]
        c, s = np.cos(heading[k]), np.sin(heading[k])
        out[i, 1] = x[k] + c * template[i, 1] + s * template[i, 3]
        out[i, 3] = z[k] - s * template[i, 1] + c * template[i, 3]
        out[i, 7] = c * template[i, 7] - s * template[i, 8]
        out[i, 8] = s * template[i, 7] + c * template[i, 8]
    return out


@njit(cache=True, nogil=True, error_model="numpy")
def select(rows, camera):  # type: ignore[no-untyped-def]
    """Indices of the solids that may be seen, the nearest first."""
    n = len(rows)
    distance = np.empty(n)
    kept = np.empty(n, np.int64)
    count = 0
    r, c = camera.rotation, camera.centre
    for i in range(n):
        dx, dy, dz = rows[i, 1] - c[0], rows[i, 2] - c[1], rows[i, 3] - c[2]
        size = np.sqrt(rows[i, 4] ** 2 + rows[i, 5] ** 2 + rows[i, 6] ** 2)
        ahead = dx * r[0][2] + dy * r[1][2] + dz * r[2][2]
        if ahead + size < NEAR or ahead - size > FAR:
            continue
        far = np.sqrt(dx * dx + dy * dy + dz * dz)
        if size * camera.fx < 0.7 * far:
            continue
        distance[count] = far - size
        kept[count] = i
        count += 1
    return kept[:count][np.argsort(distance[:count])]


@njit(cache=True, nogil=True, error_model="numpy")
def foliage_gap(px, py, pz, hx, hy, hz, shift, scale, density, inside, pixel, atlas):  # type: ignore[no-untyped-def]
    """Whether a hit on a crown falls between its leaves. (px, py, pz) on the unit sphere."""
    ax, ay, az = abs(px), abs(py), abs(pz)
    if ax >= ay and ax >= az:
        u, v = pz * hz, py * hy
    elif ay >= az:
        u, v = px * hx, pz * hz
    else:
        u, v = px * hx, py * hy
    lod = np.log2(pixel * 256.0 / scale + 1e-9)
    value = sample(atlas, tx.LEAVES, u / scale + shift * 7.0, v / scale + shift * 3.0, lod)
    rim = 1.0 - inside
    return value < density * 0.8 + 0.45 * rim * rim


@njit(cache=True, nogil=True, error_model="numpy")
def visibility(camera, rows, order, sample_x, sample_y, atlas, depth, key):  # type: ignore[no-untyped-def]
    """Fill ``depth`` [H, W, S] (metres along z, inf: sky) and ``key`` [H, W, S] (8 * solid + face, or GROUND, SKY)."""
    r, centre = camera.rotation, camera.centre
    width, height = camera.width, camera.height
    n_samples = len(sample_x)
    ray_x, ray_y = np.empty((width, n_samples)), np.empty((height, n_samples))
    for s in range(n_samples):
        for x in range(width):
            ray_x[x, s] = (x + sample_x[s] - camera.cx) / camera.fx
        for y in range(height):
            ray_y[y, s] = (y + sample_y[s] - camera.cy) / camera.fy
    for y in range(height):
        for x in range(width):
            for s in range(n_samples):
                a, b = ray_x[x, s], ray_y[y, s]
                down = r[1][0] * a + r[1][1] * b + r[1][2]
                t = -centre[1] / down
                if down > 1e-6 and t < 3000.0:
                    depth[y, x, s] = t
                    key[y, x, s] = GROUND
                else:
                    depth[y, x, s] = np.inf
                    key[y, x, s] = SKY
    corner = np.empty((8, 3))
    for index in order:
        kind = rows[index, 0]
        hx, hy, hz = rows[index, 4], rows[index, 5], rows[index, 6]
        co, si = rows[index, 7], rows[index, 8]
        dx, dy, dz = rows[index, 1] - centre[0], rows[index, 2] - centre[1], rows[index, 3] - centre[2]
        # Screen rectangle of the bounding box, clipped at the near plane.
        for j in range(8):
            lx = hx if j & 1 else -hx
            ly = hy if j & 2 else -hy
            lz = hz if j & 4 else -hz
            wx = dx + co * lx + si * lz
            wy = dy + ly
            wz = dz - si * lx + co * lz
            for k in range(3):
                corner[j, k] = r[0][k] * wx + r[1][k] * wy + r[2][k] * wz
        u0, u1, v0, v1 = 1e9, -1e9, 1e9, -1e9
        closest = 1e9
        for j in range(8):
            closest = min(closest, corner[j, 2])
            if corner[j, 2] >= NEAR:
                u = corner[j, 0] / corner[j, 2]
                v = corner[j, 1] / corner[j, 2]
                u0, u1, v0, v1 = min(u0, u), max(u1, u), min(v0, v), max(v1, v)
            for bit in (1, 2, 4):
                k = j | bit
                if k != j and (corner[j, 2] < NEAR) != (corner[k, 2] < NEAR):
                    f = (NEAR - corner[j, 2]) / (corner[k, 2] - corner[j, 2])
                    u = (corner[j, 0] + f * (corner[k, 0] - corner[j, 0])) / NEAR
                    v = (corner[j, 1] + f * (corner[k, 1] - corner[j, 1])) / NEAR
                    u0, u1, v0, v1 = min(u0, u), max(u1, u), min(v0, v), max(v1, v)
        if u0 > u1:
            continue
        x0 = max(u0 * camera.fx + camera.cx, 0.0)
        x1 = min(u1 * camera.fx + camera.cx, width - 1.0)
        y0 = max(v0 * camera.fy + camera.cy, 0.0)
        y1 = min(v1 * camera.fy + camera.cy, height - 1.0)
        if x0 > x1 or y0 > y1:
            continue
        closest = max(closest, NEAR)
        # Ray origin and camera axes in the solid's unit axes.
        ox = -(co * dx - si * dz) / hx
        oy = -dy / hy
        oz = -(si * dx + co * dz) / hz
        m00, m01, m02 = (
            (co * r[0][0] - si * r[2][0]) / hx,
            (co * r[0][1] - si * r[2][1]) / hx,
            (co * r[0][2] - si * r[2][2]) / hx,
        )
        m10, m11, m12 = r[1][0] / hy, r[1][1] / hy, r[1][2] / hy
        m20, m21, m22 = (
            (si * r[0][0] + co * r[2][0]) / hz,
            (si * r[0][1] + co * r[2][1]) / hz,
            (si * r[0][2] + co * r[2][2]) / hz,
        )
        leafy = rows[index, 9] == FOLIAGE
        round_ = kind == 1.0
        roof = kind == PRISM
        for y in range(int(y0), int(y1) + 1):
            for x in range(int(x0), int(x1) + 1):
                for s in range(n_samples):
                    if depth[y, x, s] <= closest:
                        continue
                    a, b = ray_x[x, s], ray_y[y, s]
                    ex = m00 * a + m01 * b + m02
                    ey = m10 * a + m11 * b + m12
                    ez = m20 * a + m21 * b + m22
                    if round_:
                        qa = ex * ex + ey * ey + ez * ez
                        qb = ox * ex + oy * ey + oz * ez
                        qc = ox * ox + oy * oy + oz * oz - 1.0
                        disc = qb * qb - qa * qc
                        if disc <= 0.0:
                            continue
                        root = np.sqrt(disc)
                        t = (-qb - root) / qa
                        if t < NEAR or t >= depth[y, x, s]:
                            continue
                        if leafy:
                            inside = disc / qa
                            pixel = t / camera.fx
                            shift, scale, dense = rows[index, 17], rows[index, 18], rows[index, 19]
                            if foliage_gap(
                                ox + t * ex, oy + t * ey, oz + t * ez,
                                hx, hy, hz, shift, scale, dense, inside, pixel, atlas,
                            ):  # fmt: skip
                                # Through the gap one may still meet the far side of the crown.
                                t = (-qb + root) / qa
                                if t >= depth[y, x, s] or foliage_gap(
                                    ox + t * ex, oy + t * ey, oz + t * ez,
                                    hx, hy, hz, shift + 0.37, scale, dense, inside, pixel, atlas,
                                ):  # fmt: skip
                                    continue
                                depth[y, x, s] = t
                                key[y, x, s] = index * 8 + 7
                                continue
                        depth[y, x, s] = t
                        key[y, x, s] = index * 8 + 6
                        continue
                    near, far = -1e30, 1e30
                    face = 0
                    if roof:
                        # |x| <= (y + 1) / 2 with the ridge at y = -1, the eaves at y = 1, gables at |z| = 1.
                        for plane in range(5):
                            if plane == 0:
                                f0, fd = 2.0 * ox - oy - 1.0, 2.0 * ex - ey
                            elif plane == 1:
                                f0, fd = -2.0 * ox - oy - 1.0, -2.0 * ex - ey
                            elif plane == 2:
                                f0, fd = oy - 1.0, ey
                            elif plane == 3:
                                f0, fd = oz - 1.0, ez
                            else:
                                f0, fd = -oz - 1.0, -ez
                            t = -f0 / fd
                            if fd < 0.0:
                                if t > near:
                                    near = t
                                    face = (0, 1, 2, 4, 5)[plane]
                            elif fd > 0.0:
                                far = min(far, t)
                            elif f0 > 0.0:
                                far = -1e30
                    else:
                        inverse = 1.0 / ex
                        t1, t2 = (-1.0 - ox) * inverse, (1.0 - ox) * inverse
                        near, far = min(t1, t2), max(t1, t2)
                        face = 1 if t1 < t2 else 0
                        inverse = 1.0 / ey
                        t1, t2 = (-1.0 - oy) * inverse, (1.0 - oy) * inverse
                        if min(t1, t2) > near:
                            near = min(t1, t2)
                            face = 3 if t1 < t2 else 2
                        far = min(far, max(t1, t2))
                        inverse = 1.0 / ez
                        t1, t2 = (-1.0 - oz) * inverse, (1.0 - oz) * inverse
                        if min(t1, t2) > near:
                            near = min(t1, t2)
                            face = 5 if t1 < t2 else 4
                        far = min(far, max(t1, t2))
                    if near > far or near < NEAR or near >= depth[y, x, s]:
                        continue
                    depth[y, x, s] = near
                    key[y, x, s] = index * 8 + face
