"""From a log's world to the scene on the screen: z up, metres, float32 about an origin near the drive."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lapose_core.geometry import Array


@dataclass(frozen=True)
class SceneSpace:
    """A rigid map of world points to the scene: ``rotation @ (point - origin)``.

    The scene's x points right, y forward and z up when the world has OpenCV axes (x right, y down).
    The origin is taken off in float64: at UTM magnitude a step of a centimetre is nothing in float32.
    """

    origin: Array  # [3]
    rotation: Array  # [3, 3]

    @classmethod
    def of(cls, poses: Array) -> SceneSpace:
        """The space of camera-to-world poses [N, 4, 4].

        Worlds differ in which axis is up (OpenCV's y is down, ENU's z is up), and cameras do not: down is the
        world axis that lies nearest to the cameras' mean y axis.
        """
        if len(poses) == 0:
            return cls(np.zeros(3), _axes(np.array([0.0, 1.0, 0.0])))
        mean = poses[:, :3, 1].mean(axis=0)
        axis = int(np.argmax(np.abs(mean)))
        down = np.zeros(3)
        down[axis] = 1.0 if mean[axis] >= 0 else -1.0
        return cls(poses[0, :3, 3].copy(), _axes(down))

    def points(self, points: Array) -> NDArray[np.float32]:
        """World points [..., 3] in the scene, float32."""
        return ((np.asarray(points, np.float64) - self.origin) @ self.rotation.T).astype(np.float32)

    def poses(self, poses: Array) -> Array:
        """Camera-to-world poses [..., 4, 4] as camera-to-scene, float64; the cameras keep OpenCV axes."""
        out = np.array(poses, dtype=np.float64)
        out[..., :3, :3] = self.rotation @ poses[..., :3, :3]
        out[..., :3, 3] = (poses[..., :3, 3] - self.origin) @ self.rotation.T
        return out


def heading(pose: Array) -> float:
    """Azimuth in degrees of a camera-to-scene pose [4, 4]: 0 along scene y, positive to the left."""
    forward = pose[:3, 2]
    return float(np.degrees(np.arctan2(-forward[0], forward[1])))


def _axes(down: Array) -> Array:
    """Rows right, forward, up [3, 3] of a scene whose down is a signed world axis."""
    up = -down
    right = np.array([1.0, 0.0, 0.0]) if abs(down[0]) < 0.5 else np.array([0.0, 1.0, 0.0])
    return np.stack([right, np.cross(up, right), up])
