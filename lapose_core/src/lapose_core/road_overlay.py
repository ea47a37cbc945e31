"""Where the road ahead lies in the picture: future camera paths laid on the road and projected into a frame.

The road is taken to be the surface the camera travels over at a constant height: under each future camera
centre lies a road point, ``height`` metres along that camera's own downward direction. So the surface follows
hills and banked bends as the path itself does, and no ground-plane fit is needed. A camera that is mounted
pitched does not look along the road; its downward direction comes from the direction it travels in
(``downward``), not from its own axes.

Frames of reference: everything is in the axes of the camera at the cursor (OpenCV: x right, y down, z
forward), metres; pixels are of the full source frame.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from lapose_core.drive import Drive, Intrinsics
from lapose_core.geometry import Array, as_poses, interpolate_poses, invert, make_poses, relative, yaw
from lapose_core.undistort import distort, is_distorted

ASSUMED_HEIGHT = 1.5
"""Camera height over the road in metres where the log does not say: between a car's dash and its roof."""
HALF_WIDTH = 0.9
"""Half the width of the ribbon in metres: a passenger car's half-width."""
ARROW_LENGTH = 2.0
"""Length in metres of a heading chevron; shorter ones flatten into bars further off."""
NEAR = 0.6
"""Distance in metres of the clipping plane before the camera; nearer road is below any picture."""


@dataclass(frozen=True)
class RoadCamera:
    """The camera a path is drawn through, and what of it was measured, predicted or assumed.

    Attributes:
        intrinsics: of the full source frame.
        height: metres over the road.
        down: [3] unit vector, the road's downward normal in the camera's axes.
        notes: one sentence per value that is not the log's own.
    """

    intrinsics: Intrinsics
    height: float
    down: Array
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class FuturePath:
    """Future cameras: ``poses`` [n, 4, 4] seen from the camera at the cursor, ``seconds`` [n] after it."""

    poses: Array
    seconds: Array

    @property
    def length(self) -> float:
        """Metres along the path."""
        return float(np.linalg.norm(np.diff(self.poses[:, :3, 3], axis=0), axis=1).sum())

    @property
    def reversing(self) -> bool:
        """Whether the path first leaves its start backwards (by more than a standing camera jitters)."""
        ahead = self.poses[:, 2, 3]
        moved = np.abs(ahead) > 0.25
        return bool(moved.any() and ahead[int(np.argmax(moved))] < 0)


@dataclass(frozen=True)
class RoadRibbon:
    """A path's picture, in source pixels.

    Attributes:
        quads: convex polygons [k, 2] of the car-wide strip, clipped at the near plane, all wound alike.
        edges: pieces [k, 2] of the strip's two sides.
        arrows: heading chevrons, one for each whole second ahead: (second, [3, 2] left, tip, right).
    """

    quads: tuple[Array, ...]
    edges: tuple[Array, ...]
    arrows: tuple[tuple[int, Array], ...]


def future_path(
    poses: Array,
    times: Array,
    now: float,
    *,
    seconds: float = 4.0,
    metres: float = 40.0,
    step: float = 0.1,
) -> FuturePath | None:
    """The path from ``now`` on, no longer than ``seconds`` and ``metres``, resampled every ``step`` seconds.

    Centres are interpolated by cubic Hermite pieces, so that a path known at 2 Hz still bends smoothly.

    Args:
        poses: [n, 4, 4] camera-to-world (or from any common origin), one contiguous stretch.
        times: [n] seconds, increasing.

    Returns:
        None where ``now`` is outside the stretch or at its end.
    """
    times = np.asarray(times, np.float64)
    if len(times) < 2 or not times[0] - 1e-9 <= now < times[-1] - 1e-9:
        return None
    stop = min(now + seconds, float(times[-1]))
    at = np.append(np.arange(now, stop - 1e-6, step), stop)
    # Two samples beyond either end are enough for the tangents; a long drive is not touched for each frame.
    first = max(int(np.searchsorted(times, now, side="right")) - 3, 0)
    last = min(int(np.searchsorted(times, stop)) + 3, len(times))
    window = as_poses(poses[first:last])
    stretch = times[first:last]
    resampled = interpolate_poses(window, stretch, at)
    resampled[:, :3, 3] = _hermite(window[:, :3, 3], stretch, at)
    seen = invert(resampled[:1]) @ resampled
    travelled = np.append(0.0, np.cumsum(np.linalg.norm(np.diff(seen[:, :3, 3], axis=0), axis=1)))
    keep = max(int(np.searchsorted(travelled, metres + 1e-6, side="right")), 2)
    return FuturePath(seen[:keep], (at - now)[:keep])


def valid_stretch(valid: np.ndarray, index: int) -> tuple[int, int] | None:
    """The [start, stop) run of True around ``index``, or None where it is False there."""
    if not 0 <= index < len(valid) or not valid[index]:
        return None
    gaps = np.flatnonzero(~valid)
    at = int(np.searchsorted(gaps, index))
    start = int(gaps[at - 1]) + 1 if at else 0
    stop = int(gaps[at]) if at < len(gaps) else len(valid)
    return start, stop


def downward(steps: Array) -> Array:
    """The road's downward normal [3] in the axes of a camera that moved by the relative poses [n, 4, 4].

    On a straight stretch a car travels along the road, so the median direction of its nearly straight forward
    steps f is parallel to the road, and with the camera's x axis held level the normal is f x x. Without
    enough such steps the camera's own y axis stands in.
    """
    down = np.array([0.0, 1.0, 0.0])
    if len(steps) == 0:
        return down
    moved = steps[:, :3, 3]
    length = np.linalg.norm(moved, axis=1)
    straight = (length > 0.2) & (moved[:, 2] > 0.8 * length) & (np.abs(yaw(steps[:, :3, :3])) < 0.02 * length)
    if np.count_nonzero(straight) < 5:
        return down
    forward = np.median(moved[straight] / length[straight, None], axis=0)
    normal = np.cross(forward, [1.0, 0.0, 0.0])
    return normal / np.linalg.norm(normal)


def road_camera(drive: Drive, crop: tuple[int, int, int, int] | None, fov: float, steps: Array) -> RoadCamera | None:
    """The camera to draw a drive's paths through.

    Args:
        crop: left, top, width, height in source pixels of what the model sees; None before a model is chosen.
        fov: the model's horizontal field of view of that crop in radians, used where the log has no
            intrinsics; NaN where there is none yet.
        steps: relative poses [n, 4, 4] the mounting pitch is found from.

    Returns:
        None where neither the log nor the model tells the field of view.
    """
    notes = []
    intrinsics = drive.intrinsics
    if intrinsics is None:
        if crop is None or not (np.isfinite(fov) and 0.05 < fov < 3.0):
            return None
        focal = crop[2] / 2 / np.tan(fov / 2)
        intrinsics = Intrinsics(focal, focal, drive.width / 2, drive.height / 2, drive.width, drive.height)
        notes.append(f"No intrinsics in this log: the model's predicted FoV is used, {np.degrees(fov):.0f}° wide.")
    height = drive.camera_height
    if height is None:
        height = ASSUMED_HEIGHT
        notes.append(f"The log does not state the camera's height: {height:g} m over the road is assumed.")
    return RoadCamera(intrinsics, height, downward(steps), tuple(notes))


def project(intrinsics: Intrinsics, points: Array) -> Array:
    """Pixels [n, 2] of points [n, 3] in camera axes, through the lens distortion; NaN where they have none.

    Points nearer than ``NEAR`` along z have none, nor have points beyond the angle at which the distortion
    polynomial folds back, where it would put them inside the picture again. Distortion follows OpenCV's
    pinhole (brown-conrady) and fisheye (kannala-brandt) models.
    """
    points = np.asarray(points, np.float64)
    out = np.full((len(points), 2), np.nan)
    front = points[:, 2] >= NEAR * (1 - 1e-9)
    rays = points[front, :2] / points[front, 2:]
    xd, yd = (distort(rays, intrinsics) if is_distorted(intrinsics) else rays).T
    out[front, 0] = intrinsics.fx * xd + intrinsics.cx
    out[front, 1] = intrinsics.fy * yd + intrinsics.cy
    out[~np.isfinite(out).all(1)] = np.nan
    return out


def ribbon(path: FuturePath, camera: RoadCamera) -> RoadRibbon:
    """The path laid on the road and projected; empty where all of it lies behind the camera."""
    left, right = (_under(path.poses, camera, side) for side in (-HALF_WIDTH, HALF_WIDTH))
    quads = [quad for quad in _quads(left, right, camera) if len(quad)]
    edges = (*_visible_pieces(left, camera), *_visible_pieces(right, camera))
    return RoadRibbon(tuple(quads), edges, tuple(_arrows(path, camera)))


def _quads(left: Array, right: Array, camera: RoadCamera) -> Iterable[Array]:
    corners = np.stack([left[:-1], left[1:], right[1:], right[:-1]], axis=1)  # [n - 1, 4, 3]
    whole = np.all(corners[..., 2] >= NEAR, axis=1)
    pixels = project(camera.intrinsics, corners.reshape(-1, 3)).reshape(-1, 4, 2)
    for i in np.flatnonzero(np.any(corners[..., 2] >= NEAR, axis=1)):
        quad = pixels[i] if whole[i] else project(camera.intrinsics, clip_near(corners[i]))
        if not np.isfinite(quad).all():
            continue
        x, y = quad.T
        # A reversing stretch is wound the other way, and two such quads would cancel where they lap.
        signed = float(x @ np.roll(y, -1) - y @ np.roll(x, -1))
        if abs(signed) > 1e-6:
            yield quad if signed > 0 else quad[::-1]


def _visible_pieces(line: Array, camera: RoadCamera) -> Iterable[Array]:
    """The projected pieces [k, 2] of a polyline [n, 3] that are before the camera."""
    pixels = project(camera.intrinsics, line)
    seen = np.all(np.isfinite(pixels), axis=1)
    piece: list[Array] = []
    for i in range(len(line)):
        crossing = None
        if i and seen[i] != seen[i - 1]:
            crossing = _crossing(line[i - 1], line[i], camera)
        if crossing is not None:
            piece.append(crossing)
        if seen[i]:
            piece.append(pixels[i])
        elif piece:
            yield np.array(piece)
            piece = []
    if len(piece) > 1:
        yield np.array(piece)


def _crossing(a: Array, b: Array, camera: RoadCamera) -> Array | None:
    """The pixel [2] where the segment from a to b meets the near plane, or None where it does not."""
    if (a[2] >= NEAR) == (b[2] >= NEAR):
        return None
    pixel = project(camera.intrinsics, (a + (NEAR - a[2]) / (b[2] - a[2]) * (b - a))[None])[0]
    return pixel if np.isfinite(pixel).all() else None


def clip_near(polygon: Array) -> Array:
    """The part of a convex polygon [k, 3] with z >= NEAR, [m, 3] with m = 0 or m >= 3.

    Sutherland and Hodgman's algorithm against one plane.
    """
    out: list[Array] = []
    for a, b in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
        if a[2] >= NEAR:
            out.append(a)
        if (a[2] >= NEAR) != (b[2] >= NEAR):
            out.append(a + (NEAR - a[2]) / (b[2] - a[2]) * (b - a))
    return np.array(out) if len(out) >= 3 else np.empty((0, 3))


def true_path(drive: Drive, frame: int, **limits: float) -> FuturePath | None:
    """The ground truth from ``frame`` on, or None where it has no valid pose there."""
    if drive.poses is None or drive.pose_valid is None:
        return None
    run = valid_stretch(drive.pose_valid, frame)
    if run is None:
        return None
    start, stop = run
    return future_path(drive.poses[start:stop], drive.timestamps[start:stop], float(drive.timestamps[frame]), **limits)


def true_steps(drive: Drive, stride: int = 1) -> Array:
    """Relative poses [n, 4, 4] between valid neighbouring frames (``stride`` apart) of the ground truth."""
    if drive.poses is None or drive.pose_valid is None or len(drive) <= stride:
        return np.empty((0, 4, 4))
    both = drive.pose_valid[:-stride] & drive.pose_valid[stride:]
    return relative(drive.poses, stride)[both]


def predicted_path(relatives: Array, done: np.ndarray, times: Array, now: float, **limits: float) -> FuturePath | None:
    """The model's path from ``now`` on, in its own metric scale: nothing is aligned to the truth.

    Args:
        relatives: [m - 1, 4, 4] of the analysed transitions, done: [m - 1] which of them exist.
        times: [m] seconds of the samples.
    """
    transition = int(np.searchsorted(times, now + 1e-9, side="right")) - 1
    run = valid_stretch(done, transition)
    if run is None:
        return None
    horizon = float(limits.get("seconds", 4.0))
    start = max(run[0], transition - 2)
    stop = min(run[1], int(np.searchsorted(times, now + horizon)) + 2)
    steps = relatives[start:stop]
    chain = np.empty((len(steps) + 1, 4, 4))
    chain[0] = np.eye(4)
    for i, step in enumerate(steps):
        chain[i + 1] = chain[i] @ step
    return future_path(chain, times[start : stop + 1], now, **limits)


def _under(poses: Array, camera: RoadCamera, side: float) -> Array:
    """Road points [n, 3] ``side`` metres to the right of the point under each of the poses [n, 4, 4]."""
    right = np.array([1.0, 0.0, 0.0])
    offset = camera.height * camera.down + side * (right - (right @ camera.down) * camera.down)
    return poses[:, :3, 3] + poses[:, :3, :3] @ offset


def _arrows(path: FuturePath, camera: RoadCamera) -> Iterable[tuple[int, Array]]:
    seconds = np.arange(1, int(np.floor(path.seconds[-1] + 1e-6)) + 1)
    if not len(seconds):
        return
    tips = interpolate_poses(path.poses, path.seconds, seconds.astype(np.float64))
    forward = np.cross([1.0, 0.0, 0.0], camera.down)
    backs = make_poses(tips[:, :3, :3], tips[:, :3, 3] - ARROW_LENGTH * tips[:, :3, :3] @ forward)
    corners = [_under(backs, camera, -0.6), _under(tips, camera, 0.0), _under(backs, camera, 0.6)]
    pixels = project(camera.intrinsics, np.stack(corners, 1).reshape(-1, 3)).reshape(-1, 3, 2)
    for second, chevron in zip(seconds.tolist(), pixels, strict=True):
        if np.isfinite(chevron).all():
            yield second, chevron


def _hermite(values: Array, times: Array, at: Array) -> Array:
    """Values [n, 3] at times [n], interpolated to ``at`` [m] -> [m, 3] with finite-difference tangents."""
    tangent = np.gradient(values, times, axis=0)
    i = np.clip(np.searchsorted(times, at, side="right") - 1, 0, len(times) - 2)
    h = (times[i + 1] - times[i])[:, None]
    u = np.clip((at - times[i])[:, None] / h, 0.0, 1.0)
    return (
        (1 + 2 * u) * (1 - u) ** 2 * values[i]
        + u * (1 - u) ** 2 * h * tangent[i]
        + u**2 * (3 - 2 * u) * values[i + 1]
        - u**2 * (1 - u) * h * tangent[i + 1]
    )
