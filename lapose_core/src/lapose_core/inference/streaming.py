"""The model on frames as they come: each new frame gives the newest transition at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lapose_core.drive import Image
from lapose_core.geometry import Array, make_poses, matrix_from_quaternion
from lapose_core.inference.known_camera import UNKNOWN, KnownCamera
from lapose_core.inference.preprocess import Preprocessor
from lapose_core.model.lapose import LaPose


@dataclass(frozen=True)
class LiveEstimate:
    """The newest transition.

    Attributes:
        frame_from, frame_to: the drive's frames it lies between.
        relative: [4, 4] metric relative pose of ``frame_to`` in the axes of ``frame_from``.
        latent: [A] float32.
        fov: horizontal field of view of the model's image in radians.
        scale: metres per transition over the frames the model still remembers.
    """

    frame_from: int
    frame_to: int
    relative: Array
    latent: NDArray[np.float32]
    fov: float
    scale: float


class LiveSession:
    """Feeds frames to the model's streaming session and hands back the pose of the newest transition.

    ``camera`` is what is known of it (``KnownCamera.of``).
    """

    def __init__(self, model: LaPose, preprocessor: Preprocessor, camera: KnownCamera = UNKNOWN) -> None:
        self._session = model.stream(camera.tensor())
        self._device = next(model.parameters()).device
        self._preprocessor = preprocessor
        self._last: int | None = None

    def push(self, frame_index: int, image: Image, time: float) -> LiveEstimate | None:
        """Take frame ``image`` uint8 [H, W, 3] of ``time`` seconds; None for the first frame.

        Raises:
            ValueError: where the frame has another size than declared, or the model's output is not finite.
        """
        pixels = self._preprocessor(image).to(self._device)
        estimate = self._session.push(pixels, time)
        before, self._last = self._last, frame_index
        if estimate is None or before is None:
            return None
        quaternion = estimate.quaternion[0, -1].double().cpu().numpy()
        translation = estimate.translation[0, -1].double().cpu().numpy()
        if not (np.isfinite(quaternion).all() and np.isfinite(translation).all()):
            raise ValueError(f"frame {frame_index}: the model's output is not finite")
        return LiveEstimate(
            frame_from=before,
            frame_to=frame_index,
            relative=make_poses(matrix_from_quaternion(quaternion), translation),
            latent=estimate.latents[0, -1].float().cpu().numpy(),
            fov=float(estimate.fov[0, -1]),
            scale=float(estimate.scale[0]),
        )
