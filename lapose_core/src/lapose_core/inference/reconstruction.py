"""What the forward dynamics expects to see next, beside what the codec can show of what came."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy

from lapose_core.drive import Image
from lapose_core.geometry import Array
from lapose_core.inference.analysis import precision
from lapose_core.model.lapose import LaPose


@dataclass(frozen=True)
class Reconstruction:
    """One transition seen by the forward model; H x W is the model's image.

    Attributes:
        current: [H, W, 3] frame t as the model saw it.
        predicted: [H, W, 3] the most likely codes of frame t + 1, decoded.
        target: [H, W, 3] the codec's own reconstruction of the true frame t + 1: the best to hope for.
        difference: [H, W] float32 in 0..1, mean absolute difference of the two over the channels.
        cross_entropy: nats per code of the prediction against the true codes.
        cell_cross_entropy: [rows, cols] the same per code cell.
        cross_entropy_without_action: nats per code where the model is given a zero action.
    """

    current: Image
    predicted: Image
    target: Image
    difference: NDArray[np.float32]
    cross_entropy: float
    cell_cross_entropy: Array
    cross_entropy_without_action: float

    @property
    def explained_by_action(self) -> float:
        """Nats per code that the action saves; about zero where the model ignores it."""
        return self.cross_entropy_without_action - self.cross_entropy


def context(transition: int, window: int) -> range:
    """The samples to give ``reconstruct`` for a transition: its two frames and the history the model can use.

    Nothing after frame t + 1 can change the result, since both dynamics models are causal. The transition is
    then the last of the samples: number ``len(context) - 2``.
    """
    return range(max(0, transition + 2 - window), transition + 2)


def reconstruct(model: LaPose, images: Tensor, times: Tensor, transition: int) -> Reconstruction:
    """Predict frame ``transition + 1`` of images [T, 3, H, W] in 0..1 taken at times [T] seconds.

    Raises:
        ValueError: where the transition is not one of these frames', or the model's output is not finite.
    """
    if not 0 <= transition < len(images) - 1:
        raise ValueError(f"transition {transition} is not among those of {len(images)} frames")
    device = next(model.parameters()).device
    batch, when = images[None].to(device), times[None].to(device)
    with torch.inference_mode(), precision(device):
        latents = model.estimate(batch, when).latents
        codes = model.vqvae.encode(batch[:, transition + 1 : transition + 2])
        logits = model.predict_next(batch, when, latents)[0, transition].float()
        blind = model.predict_next(batch, when, torch.zeros_like(latents))[0, transition].float()
        if not bool(torch.isfinite(logits).all()):
            raise ValueError("the forward model's output is not finite")
        predicted = model.vqvae.decode(logits.argmax(-1)[None, None])[0, 0].float()
        target = model.vqvae.decode(codes)[0, 0].float()
        cells = cross_entropy(logits.flatten(0, 1), codes.flatten(), reduction="none").view(codes.shape[-2:])
        without = cross_entropy(blind.flatten(0, 1), codes.flatten())
    return Reconstruction(
        current=_picture(images[transition]),
        predicted=_picture(predicted),
        target=_picture(target),
        difference=(predicted - target).abs().mean(0).clamp(0, 1).cpu().numpy(),
        cross_entropy=float(cells.mean()),
        cell_cross_entropy=cells.double().cpu().numpy(),
        cross_entropy_without_action=float(without),
    )


def _picture(pixels: Tensor) -> Image:
    """[3, H, W] in 0..1 to uint8 [H, W, 3]."""
    rounded = pixels.float().clamp(0, 1).mul(255).round()
    return np.ascontiguousarray(rounded.byte().permute(1, 2, 0).cpu().numpy())
