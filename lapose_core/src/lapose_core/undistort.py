"""Lens distortion: where a pinhole's points land in the picture, and the boxes of it that a pinhole's pixels see.

The models are OpenCV's: Brown-Conrady with 4 or 5 coefficients or its rational form with 8 (Brown 1966; Claus and
Fitzgibbon, CVPR 2005), and Kannala-Brandt with 4 (Kannala and Brandt, PAMI 2006).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lapose_core.drive import Intrinsics
from lapose_core.geometry import Array

# A polynomial lens is one-to-one up to the fold; just inside it a picture is smeared beyond use.
_SHORT_OF_FOLD = 0.98
_SCAN = 4096


@dataclass(frozen=True)
class Rectangle:
    """A part of the undistorted image plane, in pixels of the lens's own focal length and principal point."""

    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True)
class SourceBoxes:
    """For each pixel of an undistorted image [h, w]: the box of source pixels x0..x1, y0..y1 that it is the mean of."""

    x0: Array
    x1: Array
    y0: Array
    y1: Array


def is_distorted(camera: Intrinsics) -> bool:
    """Whether the camera's pictures differ from a pinhole's."""
    # An equidistant fisheye has all coefficients zero and is far from a pinhole.
    return camera.model == "kannala-brandt" or (camera.model != "none" and any(camera.distortion))


def distort(points: Array, camera: Intrinsics) -> Array:
    """Where the lens puts rays: [..., 2] x / z and y / z of a pinhole -> [..., 2], both before the focal length.

    NaN from the radius on where the lens's polynomial folds back (`fold_radius`).
    """
    points = np.asarray(points, np.float64)
    x, y = points[..., 0], points[..., 1]
    r2 = x * x + y * y
    k = _coefficients(camera)
    if camera.model == "kannala-brandt":
        radius = np.sqrt(r2)
        theta = np.arctan(radius)
        t2 = theta * theta
        bent = theta * (1 + t2 * (k[0] + t2 * (k[1] + t2 * (k[2] + t2 * k[3]))))
        out = points * np.divide(bent, radius, out=np.ones_like(radius), where=radius > 1e-9)[..., None]
    elif camera.model == "brown-conrady":
        radial = (1 + r2 * (k[0] + r2 * (k[1] + r2 * k[4]))) / (1 + r2 * (k[5] + r2 * (k[6] + r2 * k[7])))
        out = points * radial[..., None]
        out[..., 0] += 2 * k[2] * x * y + k[3] * (r2 + 2 * x * x)
        out[..., 1] += k[2] * (r2 + 2 * y * y) + 2 * k[3] * x * y
    else:
        out = points.copy()
    out[r2 >= fold_radius(camera) ** 2] = np.nan
    return out


def fold_radius(camera: Intrinsics) -> float:
    """The radius x / z up to which the lens's radial polynomial grows, so that it is one-to-one; often infinite."""
    k = _coefficients(camera)
    poly = np.polynomial.polynomial
    if camera.model == "kannala-brandt":
        theta2 = _first_root(np.array([1.0, 3 * k[0], 5 * k[1], 7 * k[2], 9 * k[3]]))
        return float(np.tan(np.sqrt(theta2))) if theta2 < (np.pi / 2) ** 2 else float("inf")
    if camera.model == "brown-conrady":
        # r * n(r^2) / d(r^2) grows while (n + 2 s n') d - 2 s n d' > 0, with s = r^2; and d must not vanish before.
        above, below = np.array([1.0, k[0], k[1], k[4]]), np.array([1.0, k[5], k[6], k[7]])
        twice = np.array([0.0, 2.0])
        slope = poly.polysub(
            poly.polymul(poly.polyadd(above, poly.polymul(twice, poly.polyder(above))), below),
            poly.polymul(poly.polymul(twice, above), poly.polyder(below)),
        )
        return float(np.sqrt(min(_first_root(slope), _first_root(below))))
    return float("inf")


def visible_rectangle(camera: Intrinsics, aspect: float, widest: float) -> Rectangle:
    """The largest rectangle of ``aspect`` (width / height) of the undistorted plane that the picture fills.

    It lies about the principal point, moved no further than keeps it inside, and is at most ``widest`` radians wide.

    Raises:
        ValueError: where the lens shows nothing around the principal point.
    """
    limit = min(_SHORT_OF_FOLD * fold_radius(camera), float(np.tan(min(widest, 3.0) / 2)))
    left, right = _extent(camera, 0, limit)
    top, bottom = _extent(camera, 1, limit)
    if not (right > left and bottom > top):
        raise ValueError("the lens distortion leaves nothing of the picture: correct the log's calibration")
    height = min(bottom - top, (right - left) / aspect, 2 * limit * camera.fx / aspect)
    width = height * aspect
    whole = Rectangle(
        min(max(camera.cx - width / 2, left), right - width),
        min(max(camera.cy - height / 2, top), bottom - height),
        width,
        height,
    )
    # The extents hold along the axes; a pincushion's corners reach further, so there the rectangle shrinks.
    if _inside(camera, whole):
        return whole
    x = min(max(camera.cx, left), right)
    y = min(max(camera.cy, top), bottom)
    low, high = 0.0, 1.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if _inside(camera, _shrunk(whole, middle, x, y)) else (low, middle)
    if low < 1e-3:
        raise ValueError("the lens distortion leaves nothing of the picture: correct the log's calibration")
    return _shrunk(whole, low, x, y)


def outline(camera: Intrinsics, rectangle: Rectangle, points: int = 24) -> Array:
    """The rectangle's border in the picture, [4 * points, 2] source pixels, clockwise from the top left."""
    t = np.arange(points) / points
    r = rectangle
    sides = [(t, 0 * t), (0 * t + 1, t), (1 - t, 0 * t + 1), (0 * t, 1 - t)]
    u = np.concatenate([a for a, _ in sides]) * r.width + r.left
    v = np.concatenate([b for _, b in sides]) * r.height + r.top
    return _to_source(camera, np.stack([u, v], -1))


def source_boxes(camera: Intrinsics, rectangle: Rectangle, size: tuple[int, int]) -> SourceBoxes:
    """The boxes for an image of ``size`` (width, height) of the rectangle.

    Neighbours share their edges where the pixels' borders meet, so an undistorted lens gives exactly the areas of a
    plain resize; the slight turn of a pixel off the axis is left out. A box is at least one source pixel, which
    makes enlarging linear.
    """
    width, height = size
    # At every half pixel: the odd ones are pixel centres, the even ones borders.
    u = rectangle.left + np.arange(2 * width + 1) / 2 * (rectangle.width / width)
    v = rectangle.top + np.arange(2 * height + 1) / 2 * (rectangle.height / height)
    at = _to_source(camera, np.stack(np.meshgrid(u, v), -1))
    x0, x1 = _box(at[1::2, 0:-1:2, 0], at[1::2, 2::2, 0], camera.width)
    y0, y1 = _box(at[0:-1:2, 1::2, 1], at[2::2, 1::2, 1], camera.height)
    return SourceBoxes(x0, x1, y0, y1)


def _box(low: Array, high: Array, size: int) -> tuple[Array, Array]:
    centre, half = (low + high) / 2, np.maximum((high - low) / 2, 0.5)
    low = np.clip(centre - half, 0, size - 1)
    high = np.clip(centre + half, low + 1, size)
    return low, high


def _to_source(camera: Intrinsics, pixels: Array) -> Array:
    """Source pixels [..., 2] of pixels [..., 2] of the undistorted plane."""
    focal, centre = np.array([camera.fx, camera.fy]), np.array([camera.cx, camera.cy])
    return distort((pixels - centre) / focal, camera) * focal + centre


def _coefficients(camera: Intrinsics) -> Array:
    k = np.zeros(8)
    k[: len(camera.distortion)] = camera.distortion
    return k


def _extent(camera: Intrinsics, axis: int, limit: float) -> tuple[float, float]:
    """First and last pixel of the undistorted plane, along the axis through the principal point, that is seen."""
    focal, centre, size = ((camera.fx, camera.cx, camera.width), (camera.fy, camera.cy, camera.height))[axis]
    ray = np.linspace(-limit, limit, 2 * _SCAN + 1)
    points = np.zeros((len(ray), 2))
    points[:, axis] = ray
    landed = distort(points, camera)[:, axis]
    first, last = np.interp([-centre / focal, (size - centre) / focal], landed, ray)
    return float(first * focal + centre), float(last * focal + centre)


def _inside(camera: Intrinsics, rectangle: Rectangle) -> bool:
    border = outline(camera, rectangle, 64)
    slack = 1e-2
    return bool(
        np.isfinite(border).all()
        and (border >= -slack).all()
        and (border <= np.array([camera.width, camera.height]) + slack).all()
    )


def _shrunk(whole: Rectangle, factor: float, x: float, y: float) -> Rectangle:
    return Rectangle(
        x + (whole.left - x) * factor, y + (whole.top - y) * factor, whole.width * factor, whole.height * factor
    )


def _first_root(coefficients: Array) -> float:
    """The least positive real root of a polynomial (lowest power first), or infinity."""
    # A vanishing leading coefficient has its root too far out to be of any lens, and overflows on the way there.
    solid = np.where(np.abs(coefficients) < 1e-9, 0.0, coefficients)
    roots = np.polynomial.polynomial.polyroots(np.trim_zeros(solid, "b"))
    real = roots.real[(np.abs(roots.imag) < 1e-9) & (roots.real > 0)]
    return float(real.min(initial=np.inf))
