"""The road as a ruler: how long a step was, from the road's texture and the camera's height over it.

A transition between two frames is known up to its length. The road ahead is a plane at a known height, so each
length predicts where every piece of road in one frame is seen in the other; the right one makes the two pictures
agree. That takes all of the road's texture, where keypoints on asphalt are too few to fit a plane to.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lapose_core.drive import Intrinsics
from lapose_core.evaluation.classical import Images
from lapose_core.geometry import Array, invert

_WIDEST = 1280  # pixels: wider frames are shrunk
_NEAREST, _FURTHEST = 1.5, 12.0  # camera heights ahead
_ASIDE = 1.6  # camera heights to either side: the lane, not the kerb
_SAMPLES = 1500  # of the road, about
_FEWEST = 100  # samples that are compared at all
_FEW = 20  # samples: a correlation over so few counts half
_SHORTEST, _LONGEST, _STEPS = 0.02, 40.0, 180  # metres of a step that are tried
_STUCK = 0.5  # correlation without any motion: the car's own bonnet, or markings along the road
_LEAST_AGREEMENT = 0.15  # correlation over all transitions that makes a length
_LEAST_LEAD = 0.04  # by which it is above the typical correlation

Texture = NDArray[np.float32]  # [H, W]


def road_lengths(
    cv2: Any,
    images: Images,
    begins: Sequence[int],
    motions: Array,
    relative_lengths: Array,
    camera: Intrinsics,
    camera_height: float,
) -> list[tuple[float, float] | None]:
    """Logarithm of each transition's length in metres and its standard deviation; None where the road is silent.

    One factor to ``relative_lengths`` is found first, from all transitions together: one pair alone may mistake
    a dash of the lane's marking for the next. Each length is then its own best match near that.

    Args:
        images: [N, H, W, 3] RGB frames of ``camera``.
        begins: [M] the first frame of each transition; the second follows it.
        motions: [M, 4, 4] camera b in the axes of a; only the direction of the translation is used.
        relative_lengths: [M] how the lengths compare, as far as known.
        camera_height: metres over the road.
    """
    nothing: list[tuple[float, float] | None] = [None] * len(begins)
    grid = np.linspace(np.log(_SHORTEST), np.log(_LONGEST), _STEPS)
    shift = np.log(relative_lengths)
    factors = grid[0] - shift.min() + np.arange(2 * _STEPS) * (grid[1] - grid[0])
    factors = factors[factors <= grid[-1] - shift.max()]
    if not len(factors):
        return nothing
    pictures, camera = _pictures(cv2, images, camera)
    textures = [_texture(cv2, picture) for picture in pictures]
    pairs = [(textures[k], textures[k + 1]) for k in begins]
    rays, pixels = _road_rays(camera, _loose(cv2, pairs))
    normal = road_normal(motions)
    high = rays @ normal > 0.05
    rays, pixels = rays[high], pixels[high]
    if len(rays) < _FEWEST:
        return nothing
    points = rays * (camera_height / (rays @ normal))[:, None]
    lengths = np.exp(grid)
    scores = [_agreement(cv2, a, b, m, points, pixels, camera, lengths) for (a, b), m in zip(pairs, motions)]
    total = np.mean([np.interp(factors + s, grid, score) for score, s in zip(scores, shift)], axis=0)
    best = int(np.argmax(total))
    if total[best] < _LEAST_AGREEMENT or total[best] - np.median(total) < _LEAST_LEAD:
        return nothing
    return [_peak(score, grid, factors[best] + s) for score, s in zip(scores, shift)]


def road_normal(motions: Array) -> Array:
    """The road's normal [3], downwards in the camera's axes, from motions [M, 4, 4] of any length.

    A car drives along its road, so the normal is across the motion; that leaves its roll, taken as none.
    """
    direction = motions[:, :3, 3] * np.sign(motions[:, 2, 3])[:, None]
    pitch = float(np.median(-np.arctan2(direction[:, 1], direction[:, 2])))
    return np.array([0.0, np.cos(pitch), np.sin(pitch)])


def _pictures(cv2: Any, images: Images, camera: Intrinsics) -> tuple[list[NDArray[np.uint8]], Intrinsics]:
    """Grey frames of a reasonable size without lens distortion, and their camera."""
    small = camera
    if camera.width > _WIDEST:
        small = camera.resize(_WIDEST, round(camera.height * _WIDEST / camera.width))
    matrix = np.array([[small.fx, 0, small.cx - 0.5], [0, small.fy, small.cy - 0.5], [0, 0, 1.0]])
    lens = np.array(camera.distortion, dtype=np.float64)
    out = []
    for image in images:
        grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        if small is not camera:
            grey = cv2.resize(grey, (small.width, small.height), interpolation=cv2.INTER_AREA)
        if camera.model == "kannala-brandt":
            grey = cv2.fisheye.undistortImage(grey, matrix, lens, Knew=matrix)
        elif camera.model == "brown-conrady":
            grey = cv2.undistort(grey, matrix, lens)
        out.append(grey)
    return out, Intrinsics(small.fx, small.fy, small.cx, small.cy, small.width, small.height)


def _texture(cv2: Any, grey: NDArray[np.uint8]) -> Texture:
    """A picture with zero mean and unit contrast about every pixel, so that light and shade do not matter."""
    value = grey.astype(np.float32)
    sigma = max(2.0, grey.shape[1] / 160)
    detail = value - cv2.GaussianBlur(value, (0, 0), sigma)
    contrast = np.sqrt(cv2.GaussianBlur(detail * detail, (0, 0), 2 * sigma)) + 2.0
    return np.asarray(detail / contrast, dtype=np.float32)


def _loose(cv2: Any, pairs: Sequence[tuple[Texture, Texture]]) -> NDArray[np.bool_]:
    """Which pixels [H, W] do not stay the same from frame to frame."""
    stuck = np.zeros_like(pairs[0][0])
    sigma = max(2.0, stuck.shape[1] / 80)
    for a, b in pairs:
        product, of_a, of_b = (cv2.GaussianBlur(v, (0, 0), sigma) for v in (a * b, a * a, b * b))
        stuck += product / np.sqrt(of_a * of_b + 1e-6)
    return np.asarray(stuck < _STUCK * len(pairs))


def _road_rays(camera: Intrinsics, loose: NDArray[np.bool_]) -> tuple[Array, Array]:
    """Rays [P, 3] to the loose parts of the road ahead of a level camera, and their pixels [P, 2], evenly spread."""
    left, right = -camera.cx / camera.fx, (camera.width - camera.cx) / camera.fx
    y, x = np.linspace(0.0, (camera.height - camera.cy) / camera.fy, 100), np.linspace(left, right, 200)
    rays = np.stack(np.broadcast_arrays(x[None, :], y[:, None], 1.0), -1).reshape(-1, 3)
    down = rays[:, 1]
    rays = rays[(_FURTHEST * down > 1.0) & (_NEAREST * down < 1.0) & (np.abs(rays[:, 0]) < _ASIDE * down)]
    pixels = np.column_stack([camera.fx * rays[:, 0] + camera.cx, camera.fy * rays[:, 1] + camera.cy])
    column, row = np.minimum(pixels.astype(int), [camera.width - 1, camera.height - 1]).T
    keep = np.flatnonzero(loose[row, column])
    keep = keep[:: max(1, len(keep) // _SAMPLES)]
    return rays[keep], pixels[keep]


def _agreement(
    cv2: Any, a: Texture, b: Texture, motion: Array, points: Array, pixels: Array, camera: Intrinsics, lengths: Array
) -> Array:
    """Correlation [L] of road points [P, 3], seen in ``a`` at ``pixels`` [P, 2], with b for each step length [L]."""
    back = invert(motion)
    direction = back[:3, 3] / np.linalg.norm(back[:3, 3])
    turned = points @ back[:3, :3].T
    # A road point moves along one line as the length grows: all lengths at once.
    x, y, z = (turned[:, k] + lengths[:, None] * direction[k] for k in range(3))
    ahead = z > 0.3
    z[~ahead] = 1.0
    u, v = camera.fx * x / z + camera.cx, camera.fy * y / z + camera.cy
    inside = ahead & (u > 1) & (u < camera.width - 1) & (v > 1) & (v < camera.height - 1)
    here = _sampled(cv2, a, pixels[None])[0]
    there = np.where(inside, _sampled(cv2, b, np.stack([u, v], -1)), 0.0)
    size = np.sqrt((there**2).sum(1) * (inside @ here**2))
    count = inside.sum(1)
    return np.asarray(there @ here / np.maximum(size, 1e-6) * count / (count + _FEW))


def _sampled(cv2: Any, texture: Texture, pixels: Array) -> Texture:
    """Values [Q, P] at pixels [Q, P, 2], bilinear; the middle of the first pixel is 0.5."""
    at = np.ascontiguousarray((pixels - 0.5).astype(np.float32).transpose(2, 0, 1))
    return np.asarray(cv2.remap(texture, at[0], at[1], cv2.INTER_LINEAR))


def _peak(score: Array, grid: Array, near: float) -> tuple[float, float] | None:
    """The best length within a third of the expected one, between grid points; the less agreement the less sure."""
    window = np.flatnonzero(np.abs(grid - near) < 0.3)
    window = window[(window > 0) & (window < len(grid) - 1)]
    if not len(window):
        return None
    i = int(window[np.argmax(score[window])])
    if score[i] < _LEAST_AGREEMENT:
        return None
    bend = 2 * score[i] - score[i - 1] - score[i + 1]
    offset = 0.5 * (score[i + 1] - score[i - 1]) / bend if bend > 1e-9 else 0.0
    return float(grid[i] + np.clip(offset, -1, 1) * (grid[1] - grid[0])), 0.03 / float(score[i])
