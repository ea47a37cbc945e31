"""Poses, quaternions and trajectory alignment: the conventions of the whole project, stated once.

Conventions
-----------
* A pose is camera-to-world, a float64 matrix [4, 4]; a trajectory is [N, 4, 4].
* Camera axes follow OpenCV: x right, y down, z forward. Metres, seconds, radians.
* Quaternions are xyzw with w >= 0.
* The relative pose of a transition i -> j is T_i^-1 T_j: camera j seen in the axes of camera i.
* Yaw is positive to the right (about the camera's y axis, which points down).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

BLOCK = 64
"""Poses of a chain between two re-orthonormalisations."""


def as_poses(values: object, what: str = "poses") -> Array:
    """Check and return poses [N, 4, 4] as float64.

    Raises:
        ValueError: on a wrong shape, a non-finite value or a rotation that is not orthonormal to 1e-3.
    """
    poses = np.asarray(values, dtype=np.float64)
    if poses.ndim != 3 or poses.shape[1:] != (4, 4):
        raise ValueError(f"{what}: expected shape [N, 4, 4], got {list(poses.shape)}")
    bad = ~np.isfinite(poses).all(axis=(1, 2))
    if bad.any():
        raise ValueError(f"{what}: pose {int(np.argmax(bad))} holds a value that is not finite")
    rotation = poses[:, :3, :3]
    off = np.abs(rotation @ rotation.transpose(0, 2, 1) - np.eye(3)).max(axis=(1, 2), initial=0.0)
    off = np.maximum(off, np.abs(np.linalg.det(rotation) - 1.0))
    if off.size and off.max() > 1e-3:
        i = int(off.argmax())
        raise ValueError(f"{what}: the rotation of pose {i} is not a rotation matrix (off by {off[i]:.3g})")
    return poses


def invert(poses: Array) -> Array:
    """Closed-form inverse of SE(3) matrices [..., 4, 4]."""
    rotation_t = np.swapaxes(poses[..., :3, :3], -1, -2)
    out = np.zeros_like(poses)
    out[..., :3, :3] = rotation_t
    out[..., :3, 3] = -np.einsum("...ij,...j->...i", rotation_t, poses[..., :3, 3])
    out[..., 3, 3] = 1.0
    return out


def relative(poses: Array, step: int = 1) -> Array:
    """Relative poses T_i^-1 T_{i+step}: [N, 4, 4] -> [N - step, 4, 4]."""
    return invert(poses[:-step]) @ poses[step:]


def accumulate(relatives: Array, start: Array | None = None) -> Array:
    """Chain relative poses [M, 4, 4] into a trajectory [M + 1, 4, 4] that begins at ``start`` (identity).

    Rotations are re-orthonormalised on the way, so that float error does not grow with length.
    """
    count = len(relatives)
    out = np.empty((count + 1, 4, 4))
    out[0] = np.eye(4) if start is None else start
    # In blocks, all of which are chained side by side: a loop over every pose would keep Python's lock for long.
    blocks = -(-count // BLOCK)
    within = np.broadcast_to(np.eye(4), (blocks * BLOCK, 4, 4)).copy()
    within[:count] = relatives
    within = within.reshape(blocks, BLOCK, 4, 4)
    for i in range(1, BLOCK):
        within[:, i] = within[:, i - 1] @ within[:, i]
    begin = out[0]
    for block, poses in enumerate(within):
        first = 1 + block * BLOCK
        reached = begin @ poses[: count + 1 - first]
        if len(reached) == BLOCK:
            reached[-1, :3, :3] = nearest_rotation(reached[-1, :3, :3])
        out[first : first + BLOCK] = reached
        begin = reached[-1]
    return out


def nearest_rotation(matrix: Array) -> Array:
    """The rotation nearest to matrices [..., 3, 3] in the Frobenius norm (SVD projection)."""
    u, _, vt = np.linalg.svd(matrix)
    sign = np.sign(np.linalg.det(u @ vt))
    u = u.copy()
    u[..., :, 2] *= sign[..., None] if np.ndim(sign) else sign
    return u @ vt


def matrix_from_quaternion(quaternion: Array) -> Array:
    """Rotation matrices [..., 3, 3] of quaternions xyzw [..., 4], which need not be normalised.

    Raises:
        ValueError: where a quaternion has no direction (norm under 1e-12 or not finite).
    """
    q = np.asarray(quaternion, dtype=np.float64)
    norm = np.linalg.norm(q, axis=-1, keepdims=True)
    if not np.all(norm > 1e-12):
        raise ValueError("a quaternion has no direction: its norm is zero or not finite")
    x, y, z, w = np.moveaxis(q / norm, -1, 0)
    return np.stack(
        [
            np.stack([1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)], -1),
            np.stack([2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)], -1),
            np.stack([2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)], -1),
        ],
        -2,
    )


def quaternion_from_matrix(rotation: Array) -> Array:
    """Quaternions xyzw with w >= 0 [..., 4] of rotation matrices [..., 3, 3].

    Takes the largest of the four candidate pivots (Shepperd's method), so it is stable at every angle.
    """
    m = np.asarray(rotation, dtype=np.float64)
    flat = m.reshape(-1, 3, 3)
    m00, m11, m22 = flat[:, 0, 0], flat[:, 1, 1], flat[:, 2, 2]
    # Four times the products q_i q_j; each row is proportional to the quaternion.
    k = np.empty((len(flat), 4, 4))
    k[:, 0, 0] = 1 + m00 - m11 - m22
    k[:, 1, 1] = 1 - m00 + m11 - m22
    k[:, 2, 2] = 1 - m00 - m11 + m22
    k[:, 3, 3] = 1 + m00 + m11 + m22
    k[:, 0, 1] = k[:, 1, 0] = flat[:, 1, 0] + flat[:, 0, 1]
    k[:, 0, 2] = k[:, 2, 0] = flat[:, 0, 2] + flat[:, 2, 0]
    k[:, 1, 2] = k[:, 2, 1] = flat[:, 2, 1] + flat[:, 1, 2]
    k[:, 0, 3] = k[:, 3, 0] = flat[:, 2, 1] - flat[:, 1, 2]
    k[:, 1, 3] = k[:, 3, 1] = flat[:, 0, 2] - flat[:, 2, 0]
    k[:, 2, 3] = k[:, 3, 2] = flat[:, 1, 0] - flat[:, 0, 1]
    pivot = np.argmax(np.einsum("nii->ni", k), axis=1)
    q = k[np.arange(len(flat)), pivot]
    q /= np.linalg.norm(q, axis=1, keepdims=True)
    q[q[:, 3] < 0] *= -1
    return q.reshape(*m.shape[:-2], 4)


def make_poses(rotation: Array, translation: Array) -> Array:
    """SE(3) matrices [..., 4, 4] of rotations [..., 3, 3] and translations [..., 3]."""
    translation = np.asarray(translation, dtype=np.float64)
    out = np.zeros((*translation.shape[:-1], 4, 4))
    out[..., :3, :3] = rotation
    out[..., :3, 3] = translation
    out[..., 3, 3] = 1.0
    return out


def rotation_angle(rotation: Array) -> Array:
    """Angle in [0, pi] of rotation matrices [..., 3, 3], in radians.

    Uses atan2 of the skew and the trace parts: exact near 0 and near pi, where acos of the trace is not.
    """
    skew = np.stack(
        [
            rotation[..., 2, 1] - rotation[..., 1, 2],
            rotation[..., 0, 2] - rotation[..., 2, 0],
            rotation[..., 1, 0] - rotation[..., 0, 1],
        ],
        -1,
    )
    trace = np.trace(rotation, axis1=-2, axis2=-1)
    return np.arctan2(np.linalg.norm(skew, axis=-1), trace - 1.0)


def yaw(rotation: Array) -> Array:
    """Heading change of relative rotations [..., 3, 3] in radians, positive to the right."""
    return np.arctan2(rotation[..., 0, 2], rotation[..., 2, 2])


def pitch(rotation: Array) -> Array:
    """Nose-up change of relative rotations [..., 3, 3] in radians, positive upwards."""
    return np.arctan2(-rotation[..., 1, 2], np.hypot(rotation[..., 0, 2], rotation[..., 2, 2]))


def upright(poses: Array) -> Array:
    """Rotation [3, 3] from the world of camera ``poses`` [N, 4, 4], N >= 1, to one whose z points up.

    Up is where the cameras' y axes point away from; a world that is level already is only turned by its axes.
    """
    up = -poses[:, :3, 1].mean(axis=0)
    up /= np.linalg.norm(up)
    axis = np.zeros(3)
    axis[int(np.argmax(np.abs(up)))] = np.sign(up[np.argmax(np.abs(up))])
    # A camera is mounted pitched, but a world is made level.
    up = axis if up @ axis > np.cos(np.radians(15)) else up
    return _turn_to_z(up)


def _turn_to_z(up: Array) -> Array:
    """The smallest rotation [3, 3] that takes the unit vector ``up`` [3] to z (Rodrigues)."""
    cosine = float(up[2])
    if cosine < -1 + 1e-9:
        return np.diag([1.0, -1.0, -1.0])
    v = np.cross(up, [0.0, 0.0, 1.0])
    cross = np.array([[0, -v[2], v[1]], [v[2], 0, -v[0]], [-v[1], v[0], 0]])
    return np.eye(3) + cross + cross @ cross / (1 + cosine)


def path_length(poses: Array) -> float:
    """Length in metres of the path through the camera centres of poses [N, 4, 4]."""
    return float(np.linalg.norm(np.diff(poses[:, :3, 3], axis=0), axis=1).sum())


@dataclass(frozen=True)
class Similarity:
    """x -> scale * rotation @ x + translation, on world points."""

    scale: float
    rotation: Array  # [3, 3]
    translation: Array  # [3]

    def points(self, points: Array) -> Array:
        """Apply to points [..., 3]."""
        return self.scale * points @ self.rotation.T + self.translation

    def poses(self, poses: Array) -> Array:
        """Apply to camera-to-world poses [N, 4, 4]: centres are transformed, axes only rotated."""
        return make_poses(self.rotation @ poses[..., :3, :3], self.points(poses[..., :3, 3]))


def umeyama(source: Array, target: Array, *, with_scale: bool) -> Similarity:
    """Least-squares similarity from ``source`` [N, 3] onto ``target`` [N, 3] (Umeyama, PAMI 1991, eq. 40-43).

    There is no rank check: on an exactly straight or standing path the rotation about the path is not
    determined, and the one the SVD returns is as good as any.

    Raises:
        ValueError: on different or empty shapes.
    """
    source = np.asarray(source, dtype=np.float64)
    target = np.asarray(target, dtype=np.float64)
    if source.shape != target.shape or source.ndim != 2 or source.shape[1] != 3 or len(source) == 0:
        raise ValueError(f"umeyama: shapes {source.shape} and {target.shape} are not two equal [N, 3]")
    mean_s, mean_t = source.mean(0), target.mean(0)
    s, t = source - mean_s, target - mean_t
    u, d, vt = np.linalg.svd(t.T @ s / len(source))
    sign = np.ones(3)
    if np.linalg.det(u) * np.linalg.det(vt) < 0:
        sign[2] = -1.0
    rotation = (u * sign) @ vt
    variance = (s**2).sum() / len(source)
    scale = float((d * sign).sum() / variance) if with_scale and variance > 1e-18 else 1.0
    return Similarity(scale, rotation, mean_t - scale * rotation @ mean_s)


def curvature(poses: Array, minimum_step: float = 0.02) -> Array:
    """Signed path curvature in 1/m of each transition of poses [N, 4, 4] -> [N - 1], positive to the right.

    Heading change over distance. A transition shorter than ``minimum_step`` metres has no curvature: NaN.
    """
    step = relative(poses)
    distance = np.linalg.norm(step[:, :3, 3], axis=1)
    out = np.full(len(step), np.nan)
    moving = distance > minimum_step
    out[moving] = yaw(step[moving, :3, :3]) / distance[moving]
    return out


def interpolate_poses(poses: Array, times: Array, at: Array) -> Array:
    """Poses [N, 4, 4] known at increasing ``times`` [N], interpolated to ``at`` [M] -> [M, 4, 4].

    Centres linearly, rotations at a constant rate along the shorter arc (slerp, Shoemake 1985).

    Raises:
        ValueError: where a time lies outside the known span by more than half a typical step.
    """
    times, at = np.asarray(times, np.float64), np.asarray(at, np.float64)
    if len(times) != len(poses) or len(times) == 0:
        raise ValueError(f"interpolate_poses: {len(poses)} poses but {len(times)} times")
    slack = 0.5 * float(np.median(np.diff(times))) if len(times) > 1 else 0.0
    outside = (at < times[0] - slack) | (at > times[-1] + slack)
    if outside.any():
        i = int(np.argmax(outside))
        raise ValueError(f"time {at[i]:.6f} s lies outside the poses' span {times[0]:.6f} to {times[-1]:.6f} s")
    if len(times) == 1:
        return np.repeat(poses, len(at), axis=0)
    hi = np.clip(np.searchsorted(times, at, side="right"), 1, len(times) - 1)
    lo = hi - 1
    weight = np.clip((at - times[lo]) / (times[hi] - times[lo]), 0.0, 1.0)[:, None]
    quats = quaternion_from_matrix(poses[:, :3, :3])
    q0, q1 = quats[lo], quats[hi]
    cosine = (q0 * q1).sum(-1, keepdims=True)
    q1 = np.where(cosine < 0, -q1, q1)
    angle = np.arccos(np.clip(np.abs(cosine), 0.0, 1.0))
    # Over an arc this short the two blends agree to the last bit, and slerp would divide zero by zero.
    tiny = angle < 1e-6
    sine = np.where(tiny, 1.0, np.sin(angle))
    a = np.where(tiny, 1 - weight, np.sin((1 - weight) * angle) / sine)
    b = np.where(tiny, weight, np.sin(weight * angle) / sine)
    rotation = matrix_from_quaternion(a * q0 + b * q1)
    centre = (1 - weight) * poses[lo, :3, 3] + weight * poses[hi, :3, 3]
    return make_poses(rotation, centre)
