"""What the forward dynamics expects to see next, beside what the codec can show of what came."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lapose_core.device import precision
from lapose_core.drive import Image
from lapose_core.geometry import Array
from lapose_core.inference.analysis import code_cross_entropy
from lapose_core.model.config import LaPoseConfig
from lapose_core.model.lapose import LaPose
from lapose_core.model.tokenizer import FrameInputs


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


def reconstruct(
    model: LaPose, images: Tensor, times: Tensor, transition: int, latent: Tensor | None = None
) -> Reconstruction:
    """Predict frame ``transition + 1`` of images [T, 3, H, W] in 0..1 taken at times [T] seconds.

    The action is inferred from these images, or is ``latent`` [A] where a finished analysis already knows it.
    Then a short context is enough: the frames that the forward model itself reads, and the one before them,
    since a frame's tokens know how long ago that was (three frames for the nano model: t-1, t and t+1).

    Raises:
        ValueError: where the transition is not one of these frames', or the model's output is not finite.
    """
    if not 0 <= transition < len(images) - 1:
        raise ValueError(f"transition {transition} is not among those of {len(images)} frames")
    device = next(model.parameters()).device
    batch = images[None, : transition + 2].to(device)
    when = times[None, : transition + 2]
    with torch.inference_mode():
        inputs = model.inputs(batch)
        with precision(device):
            tokens, latents = model.actions(inputs, when)
            if latent is not None:
                latents[0, -1] = latent.to(latents)
            # What lies before the forward model's reach cannot change its answer, and costs most of the time.
            reach = _reach(model.config, transition + 1)
            features = inputs.features
            if features is not None:
                features = features[:, -1 - reach :].expand(2, -1, -1, -1, -1)
            logits, blind = model.next_codes(
                tokens[:, -1 - reach :].expand(2, -1, -1, -1),
                FrameInputs(None, features, None),
                when[:, -1 - reach :].expand(2, -1),
                torch.cat([latents, torch.zeros_like(latents)])[:, -reach:],
            )[:, -1].float()
        if not bool(torch.isfinite(logits).all()):
            raise ValueError("the forward model's output is not finite")
        codes = model.vqvae.encode(batch[:, -1:])[0, 0]
        predicted, target = model.vqvae.decode(torch.stack([logits.argmax(-1), codes])).float()
        cells = code_cross_entropy(logits, codes)
        without = code_cross_entropy(blind, codes).mean()
    return Reconstruction(
        current=_picture(images[transition]),
        predicted=_picture(predicted),
        target=_picture(target),
        difference=(predicted - target).abs().mean(0).clamp(0, 1).cpu().numpy(),
        cross_entropy=float(cells.mean()),
        cell_cross_entropy=cells.double().cpu().numpy(),
        cross_entropy_without_action=float(without),
    )


def _reach(config: LaPoseConfig, available: int) -> int:
    """Frames up to t that the forward model's answer for t + 1 can depend on."""
    if config.forward_history is None:
        return available
    return min(available, 1 + config.forward_depth * (config.forward_history - 1))


def _picture(pixels: Tensor) -> Image:
    """[3, H, W] in 0..1 to uint8 [H, W, 3]."""
    rounded = pixels.float().clamp(0, 1).mul(255).round()
    return np.ascontiguousarray(rounded.byte().permute(1, 2, 0).cpu().numpy())
