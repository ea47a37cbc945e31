"""Visual odometry as OpenCV gives it: SIFT, an essential matrix per neighbouring pair, scale from the road."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lapose_core.drive import Intrinsics
from lapose_core.evaluation.classical import (
    NO_HEIGHT,
    NO_ROAD,
    ClassicalTrajectory,
    Images,
    Mask,
    Watch,
    check_clip,
    fill_transitions,
    unwatched,
)
from lapose_core.evaluation.road_scale import road_lengths
from lapose_core.evaluation.scale_recovery import (
    Depths,
    scale_ratio,
    solve_lengths,
    triangulate,
)
from lapose_core.geometry import Array, accumulate, make_poses, nearest_rotation

METHOD = "SIFT, USAC_MAGSAC essential matrix and recoverPose per neighbouring pair, true intrinsics"

_LARGEST = 1600  # pixels: longer sides are halved first; SIFT there costs seconds a frame and gains nothing
_FEATURES = 3000
_RATIO = 0.8  # Lowe's ratio test
_THRESHOLD = 0.5  # pixels from the epipolar line
_FEWEST = 20  # inliers that make a motion
_STILL = 0.6  # pixels of flow, beside a rotation, that a standing camera stays within
_STILL_SHARE = 0.8

Index = NDArray[np.int64]


def require_opencv() -> Any:
    """The cv2 module.

    Raises:
        ImportError: where it is absent, naming the extra.
    """
    try:
        import cv2
    except ImportError as error:
        raise ImportError('OpenCV is not installed: pip install "lapose-core[classical]"') from error
    return cv2


def opencv_trajectory(
    images: Images, intrinsics: Intrinsics, *, camera_height: float | None = None, watch: Watch | None = None
) -> ClassicalTrajectory:
    """Camera motion through frames [N, H, W, 3] RGB, evenly spaced in time, of a camera that is known.

    Each neighbouring pair gives a rotation and a direction. How the lengths of neighbouring steps compare
    comes from points seen in both; the scale of all from the road, where ``camera_height`` in metres over it is
    given. A pair that shows no parallax is a standing camera. Pairs without a motion are filled with
    constant velocity; a frame counts as registered where the pair that ends in it (for the first frame, the
    one that begins in it) has one.

    Raises:
        ImportError: where OpenCV is absent.
        ValueError: where the frames are not those of the camera.
    """
    cv2 = require_opencv()
    check_clip(images, intrinsics)
    camera, shrink = _working_camera(intrinsics)
    watch = watch or unwatched
    features, pairs = [], []
    for done, image in enumerate(images):
        watch(done / len(images))
        features.append(_features(cv2, image, camera, shrink))
        if done:
            a, b = features[-2:]
            pairs.append(_pair(cv2, a, b, _match(a.descriptors, b.descriptors), camera))
    return _assemble(cv2, images, intrinsics, features, pairs, camera_height)


@dataclass(frozen=True)
class _Features:
    """Keypoints of one frame: rays [P, 2] on the plane z = 1, distortion undone, and unit descriptors [P, 128]."""

    rays: Array
    descriptors: NDArray[np.float32]


@dataclass(frozen=True)
class _Pair:
    """What one neighbouring pair told.

    ``motion`` [4, 4] carries camera b into the axes of a, its translation of length 1 (or 0 where the camera
    stands); None where there is none. ``matches`` [P, 2] are the keypoints that agree with it.
    """

    motion: Array | None
    still: bool
    matches: Index


def _working_camera(intrinsics: Intrinsics) -> tuple[Intrinsics, bool]:
    longest = max(intrinsics.width, intrinsics.height)
    if longest <= _LARGEST:
        return intrinsics, False
    factor = _LARGEST / longest
    return intrinsics.resize(round(intrinsics.width * factor), round(intrinsics.height * factor)), True


def _features(cv2: Any, image: NDArray[np.uint8], camera: Intrinsics, shrink: bool) -> _Features:
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    if shrink:
        grey = cv2.resize(grey, (camera.width, camera.height), interpolation=cv2.INTER_AREA)
    keypoints, descriptors = cv2.SIFT_create(nfeatures=_FEATURES, contrastThreshold=0.02).detectAndCompute(grey, None)
    if descriptors is None:
        return _Features(np.zeros((0, 2)), np.zeros((0, 128), np.float32))
    # OpenCV puts the middle of the first pixel at 0, the cameras of this project at 0.5.
    pixels = np.array([k.pt for k in keypoints], dtype=np.float64) + 0.5
    # The root of a histogram compares histograms as their overlap (Arandjelovic and Zisserman, 2012).
    descriptors = np.sqrt(descriptors / np.maximum(descriptors.sum(1, keepdims=True), 1e-6))
    return _Features(rays_of(cv2, pixels, camera), descriptors.astype(np.float32))


def rays_of(cv2: Any, pixels: Array, camera: Intrinsics) -> Array:
    """Where the rays of pixels [P, 2] meet the plane z = 1: [P, 2], lens distortion undone."""
    if camera.model == "none" or not len(pixels):
        return (pixels - [camera.cx, camera.cy]) / [camera.fx, camera.fy]
    matrix = np.array([[camera.fx, 0, camera.cx], [0, camera.fy, camera.cy], [0, 0, 1.0]])
    undo = cv2.fisheye.undistortPoints if camera.model == "kannala-brandt" else cv2.undistortPoints
    rays: Array = undo(pixels[:, None], matrix, np.array(camera.distortion))[:, 0]
    return rays


def _match(a: NDArray[np.float32], b: NDArray[np.float32]) -> Index:
    """Pairs [P, 2] of keypoints that are each other's nearest and clearly nearer than the second."""
    if len(a) < 2 or len(b) < 2:
        return np.zeros((0, 2), np.int64)
    similarity = a @ b.T
    rows = np.arange(len(a))
    best, back = similarity.argmax(1), similarity.argmax(0)
    first = similarity[rows, best].copy()
    similarity[rows, best] = -1.0
    second = similarity.max(1)
    # Squared distances of unit vectors are 2 - 2 cos.
    keep = (back[best] == rows) & (1.0 - first < _RATIO**2 * (1.0 - second))
    return np.stack([rows[keep], best[keep]], 1)


def _pair(cv2: Any, a: _Features, b: _Features, matches: Index, camera: Intrinsics) -> _Pair:
    if len(matches) < _FEWEST:
        return _Pair(None, False, matches)
    focal = 0.5 * (camera.fx + camera.fy)
    rays_a, rays_b = a.rays[matches[:, 0]], b.rays[matches[:, 1]]
    rotation, within = _pure_rotation(rays_a, rays_b, _STILL / focal)
    if within.mean() > _STILL_SHARE:
        return _Pair(make_poses(rotation, np.zeros(3)), True, matches[within])
    found = _essential(cv2, rays_a, rays_b, _THRESHOLD / focal)
    if found is None:
        return _Pair(None, False, matches)
    motion, inliers = found
    return _Pair(motion, False, matches[inliers])


def _pure_rotation(rays_a: Array, rays_b: Array, tolerance: float) -> tuple[Array, Mask]:
    """The rotation [3, 3] of camera b in the axes of a that most rays agree with, and which do [P].

    Reweighted Procrustes from the identity: a standing camera hardly turns.
    """
    a, b = _unit(rays_a), _unit(rays_b)
    rotation = np.eye(3)
    spread = 50 * tolerance
    for _ in range(12):
        error = np.linalg.norm(b @ rotation.T - a, axis=1)
        weight = 1.0 / (1.0 + (error / spread) ** 2) ** 2
        rotation = nearest_rotation((weight[:, None] * a).T @ b)
        spread = max(0.5 * spread, tolerance)
    return rotation, np.linalg.norm(b @ rotation.T - a, axis=1) < tolerance


def _unit(rays: Array) -> Array:
    full = np.column_stack([rays, np.ones(len(rays))])
    return full / np.linalg.norm(full, axis=1, keepdims=True)


def _essential(cv2: Any, rays_a: Array, rays_b: Array, threshold: float) -> tuple[Array, Mask] | None:
    for estimator in (cv2.USAC_MAGSAC, cv2.RANSAC):
        try:
            matrix, mask = cv2.findEssentialMat(
                rays_a, rays_b, np.eye(3), method=estimator, prob=0.9999, threshold=threshold
            )
        except cv2.error:
            continue
        # Degenerate pairs come back as None or as several matrices stacked.
        if matrix is None or matrix.shape != (3, 3) or mask is None or not np.isfinite(matrix).all():
            continue
        inliers = mask.ravel().astype(bool)
        if inliers.sum() < _FEWEST:
            continue
        front, rotation, direction, _ = cv2.recoverPose(matrix, rays_a, rays_b, np.eye(3), mask=mask.copy())
        if front < 0.5 * _FEWEST or not np.isfinite(rotation).all():
            continue
        # recoverPose carries points from a to b; a pose carries camera b into a.
        return make_poses(rotation.T, -(rotation.T @ direction).ravel()), inliers
    return None


def _assemble(
    cv2: Any,
    images: Images,
    intrinsics: Intrinsics,
    features: list[_Features],
    pairs: list[_Pair],
    camera_height: float | None,
) -> ClassicalTrajectory:
    motions = np.array([np.eye(4) if p.motion is None else p.motion for p in pairs])
    known = np.array([p.motion is not None for p in pairs])
    moving = [k for k, p in enumerate(pairs) if p.motion is not None and not p.still]
    notes = []
    scaled = False
    if moving:
        ratios = _ratios(features, pairs, moving)
        told: list[tuple[float, float] | None] = [None] * len(moving)
        lengths = solve_lengths(ratios, told)
        if camera_height is not None:
            told = road_lengths(cv2, images, moving, motions[moving], lengths, intrinsics, camera_height)
            lengths = solve_lengths(ratios, told)
        scaled = any(length is not None for length in told)
        motions[moving, :3, 3] *= lengths[:, None]
        if not scaled:
            notes.append(NO_HEIGHT if camera_height is None else NO_ROAD)
    if not known.all():
        notes.append(f"{int((~known).sum())} of {len(known)} transitions have no motion and are filled.")
    registered = np.concatenate([known[:1], known])
    poses = accumulate(fill_transitions(motions, known))
    return ClassicalTrajectory(poses, registered, scaled, METHOD, tuple(notes))


def _ratios(features: list[_Features], pairs: list[_Pair], moving: list[int]) -> list[tuple[float, float] | None]:
    """What is known of each moving transition's length against the one before it."""
    seen = {k: _seen(features, pairs, k) for k in moving}
    return [
        _ratio(pairs[k], pairs[after], seen[k], seen[after]) if after == k + 1 else None
        for k, after in pairwise(moving)
    ]


def _seen(features: list[_Features], pairs: list[_Pair], k: int) -> Depths:
    motion, matches = pairs[k].motion, pairs[k].matches
    assert motion is not None
    return triangulate(features[k].rays[matches[:, 0]], features[k + 1].rays[matches[:, 1]], motion)


def _ratio(before: _Pair, after: _Pair, seen_before: Depths, seen_after: Depths) -> tuple[float, float] | None:
    _, i, j = np.intersect1d(before.matches[:, 1], after.matches[:, 0], return_indices=True)
    return scale_ratio(seen_before.of(i), seen_after.of(j))
