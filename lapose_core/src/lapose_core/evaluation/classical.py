"""Classical geometry as a peer of the model: what a clip's camera motion looks like to feature matching.

Both methods are given what the model is not: the true intrinsics, and for their scale the true height of the
camera over the road. Each is run on a clip's own frames and nothing else.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from lapose_core.drive import Intrinsics
from lapose_core.geometry import Array, invert, make_poses, matrix_from_quaternion, quaternion_from_matrix

Images = NDArray[np.uint8]  # [N, H, W, 3] RGB
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class ClassicalTrajectory:
    """A clip's camera motion by classical geometry.

    Attributes:
        poses: [N, 4, 4] camera-to-world, the first the identity; always finite. Metres where ``scaled``, else
            the mean step of the registered part is 1.
        registered: [N] whether geometry placed the frame; the others are filled with constant velocity.
        scaled: whether the scale is metric, from the road plane and the true camera height.
        method: what was done, in words.
        notes: what could not be done, one sentence each.
    """

    poses: Array
    registered: Mask
    scaled: bool
    method: str
    notes: tuple[str, ...] = ()

    @property
    def coverage(self) -> float:
        """Share of frames that geometry placed, 0 to 1."""
        return float(self.registered.mean())


Watch = Callable[[float], object]
"""Hears the share of a clip that is done, 0 to 1; what it raises breaks the work off."""


class Method(Protocol):
    """A classical method on one clip's frames."""

    def __call__(
        self, images: Images, intrinsics: Intrinsics, *, camera_height: float | None = None, watch: Watch | None = None
    ) -> ClassicalTrajectory: ...


def unwatched(_: float) -> None:
    """A ``Watch`` for those who do not watch."""


NO_HEIGHT = "The camera's height over the road is not known: the scale is arbitrary."
NO_ROAD = "The road's texture does not tell a length: the scale is arbitrary."

#: The baselines by the names a user gives.
METHODS = ("opencv", "colmap")


_LIBRARIES = {"opencv": "cv2", "colmap": "pycolmap"}


def check_installed(name: str) -> None:
    """Check that a method's library is there, without importing it: the threads that come with it would stay.

    Raises:
        ImportError: where it is absent; the message names the extra to install.
    """
    if find_spec(_LIBRARIES[name]) is None:
        raise ImportError(f'{_LIBRARIES[name]} is not installed: pip install "lapose-core[classical]"')


def load_method(name: str) -> Method:
    """The classical method of this name, ready to run.

    Raises:
        ValueError: on an unknown name.
        ImportError: where the method's library is absent; the message names the extra to install.
    """
    if name == "opencv":
        from lapose_core.evaluation.opencv_odometry import opencv_trajectory, require_opencv

        require_opencv()
        return opencv_trajectory
    if name == "colmap":
        from lapose_core.evaluation.colmap_odometry import colmap_trajectory, require_pycolmap

        require_pycolmap()
        return colmap_trajectory
    raise ValueError(f"there is no baseline {name!r}; it is one of {', '.join(METHODS)}")


def check_clip(images: Images, intrinsics: Intrinsics) -> None:
    """Check that a clip's frames [N, H, W, 3] uint8 are those of the camera.

    Raises:
        ValueError: on another shape or type, fewer than two frames, or frames of another size.
    """
    if images.ndim != 4 or images.shape[-1] != 3 or images.dtype != np.uint8 or len(images) < 2:
        raise ValueError(f"a clip is [N >= 2, H, W, 3] uint8, got {list(images.shape)} {images.dtype}")
    if images.shape[1:3] != (intrinsics.height, intrinsics.width):
        raise ValueError(
            f"the frames are {images.shape[2]}x{images.shape[1]}, the intrinsics of "
            f"{intrinsics.width}x{intrinsics.height} images"
        )


def fill_transitions(relatives: Array, known: Mask) -> Array:
    """Give each unknown transition [M, 4, 4] the motion of the nearest known one before it, else after it.

    That is constant velocity for frames evenly spaced in time. Without any known transition all are one unit
    straight ahead.
    """
    out = relatives.copy()
    if not known.any():
        out[:] = make_poses(np.eye(3), np.array([0.0, 0.0, 1.0]))
        return out
    source = np.where(known, np.arange(len(known)), -1)
    source = np.maximum.accumulate(source)
    source[source < 0] = int(np.argmax(known))
    return out[source]


def fill_frames(poses: Array, registered: Mask) -> Array:
    """Transitions [N - 1, 4, 4] through camera-to-world poses [N, 4, 4] of which only some are known.

    Between two registered frames the motion is spread evenly over the frames of the gap; before the first and
    after the last registered frame the neighbouring motion goes on. Fewer than two registered frames give one
    unit straight ahead per transition.
    """
    steps = np.tile(np.eye(4), (len(poses) - 1, 1, 1))
    known = np.zeros(len(steps), bool)
    frames = np.flatnonzero(registered)
    for a, b in itertools.pairwise(frames):
        steps[a:b] = _root(invert(poses[a]) @ poses[b], int(b - a))
        known[a:b] = True
    return fill_transitions(steps, known)


def _root(motion: Array, parts: int) -> Array:
    """The motion that, done ``parts`` times, makes ``motion`` [4, 4]."""
    if parts == 1:
        return motion
    q = quaternion_from_matrix(motion[:3, :3])
    sine = float(np.linalg.norm(q[:3]))
    half = np.arctan2(sine, q[3]) / parts
    axis = q[:3] / sine if sine > 1e-12 else np.zeros(3)
    rotation = matrix_from_quaternion(np.append(axis * np.sin(half), np.cos(half)))
    # The sum of the partial rotations turns the one step's translation into the whole one.
    total, power = np.zeros((3, 3)), np.eye(3)
    for _ in range(parts):
        total, power = total + power, power @ rotation
    return make_poses(rotation, np.asarray(np.linalg.solve(total, motion[:3, 3]), np.float64))
