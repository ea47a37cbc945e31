"""Latent actions of training clips, kept beside a checkpoint: what the model has seen, to compare what it sees with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from lapose_core.geometry import Array

REFERENCE = "latent_reference.safetensors"
_CHUNK = 4096


@dataclass(frozen=True)
class LatentReference:
    """K transitions of training clips.

    Attributes:
        checkpoint_hash: of the model whose latents these are.
        latents: [K, A] float32.
        translation: [K, 3] true metres of the transition.
        yaw: [K] true radians, to the right.
        seconds: [K] that it takes.
        clip: [K] seed of the synthetic clip.
    """

    checkpoint_hash: str
    latents: NDArray[np.float32]
    translation: NDArray[np.float32]
    yaw: NDArray[np.float32]
    seconds: NDArray[np.float32]
    clip: NDArray[np.int64]

    def nearest(self, latents: NDArray[np.float32], k: int = 1) -> tuple[Array, NDArray[np.int64]]:
        """The k nearest of each latent [N, A]: distances [N, k], nearest first, and their indices [N, k].

        Distances are Euclidean after each dimension is divided by its spread over the reference, per square root of
        dimension: unlike directions count alike, and 1 is a typical deviation. NaN where a latent is.
        """
        spread = self.latents.std(0) + 1e-6
        known = (self.latents / spread).astype(np.float32)
        squared = (known**2).sum(1)
        distance = np.full((len(latents), k), np.nan)
        index = np.zeros((len(latents), k), np.int64)
        for start in range(0, len(latents), _CHUNK):
            part = latents[start : start + _CHUNK] / spread
            apart = np.maximum((part**2).sum(1)[:, None] + squared - 2 * part @ known.T, 0)
            nearest = np.argsort(apart, axis=1)[:, :k] if k > 1 else apart.argmin(1)[:, None]
            index[start : start + len(part)] = nearest
            distance[start : start + len(part)] = np.sqrt(np.take_along_axis(apart, nearest, 1) / latents.shape[1])
        return distance, index

    def save(self, path: Path) -> None:
        """Write as safetensors, latents in half precision."""
        tensors = {
            "latents": self.latents.astype(np.float16),
            "translation": self.translation.astype(np.float32),
            "yaw": self.yaw.astype(np.float32),
            "seconds": self.seconds.astype(np.float32),
            "clip": self.clip.astype(np.int64),
        }
        save_file(tensors, path, {"checkpoint_hash": self.checkpoint_hash})


def load_reference(folder: Path, checkpoint_hash: str, *, any_checkpoint: bool = False) -> LatentReference | None:
    """The reference beside a checkpoint; None where there is none or, unless ``any_checkpoint``, of another model."""
    try:
        with safe_open(folder / REFERENCE, "np") as file:
            if not any_checkpoint and (file.metadata() or {}).get("checkpoint_hash") != checkpoint_hash:
                return None
            tensors = {name: file.get_tensor(name) for name in ("latents", "translation", "yaw", "seconds", "clip")}
    except (OSError, SafetensorError):
        return None
    return LatentReference(checkpoint_hash, tensors.pop("latents").astype(np.float32), **tensors)
