"""One moment of a drive as the forward model reads it: the place from which it predicts under any action."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from lapose_core.device import precision
from lapose_core.drive import Image
from lapose_core.model.config import LaPoseConfig
from lapose_core.model.lapose import LaPose
from lapose_core.model.tokenizer import FrameInputs


@dataclass(frozen=True)
class Moment:
    """Frame t with its past, and the action that led on to frame t + 1. Computed once; predictions are then cheap.

    Attributes:
        tokens: [1, r + 1, S, D] visual tokens of the last r frames up to t, and of t + 1, which no prediction reads.
        features: [1, r + 1, C, h, w] codec features of the same frames, or None where the model reads none.
        times: [1, r + 1] seconds of the same frames.
        latents: [1, n, A] inferred actions of the whole context; the last leads from t to t + 1.
        window_times: [1, n + 1] seconds of the whole context.
        current: [3, H, W] frame t. following: [3, H, W] frame t + 1; both in 0..1.
    """

    tokens: Tensor
    features: Tensor | None
    times: Tensor
    latents: Tensor
    window_times: Tensor
    current: Tensor
    following: Tensor

    @property
    def action(self) -> Tensor:
        """The inferred action [A] from t to t + 1."""
        return self.latents[0, -1]


def moment(model: LaPose, images: Tensor, times: Tensor, latent: Tensor | None = None) -> Moment:
    """The moment before the last of images [T, 3, H, W] in 0..1 taken at times [T] seconds, T >= 2.

    ``latent`` [A] is the last action where a finished analysis already knows it.

    Raises:
        ValueError: where there are fewer than two images.
    """
    if len(images) < 2:
        raise ValueError("a moment needs two frames, between which there is an action")
    device = next(model.parameters()).device
    batch, when = images[None].to(device), times[None]
    with torch.inference_mode():
        inputs = model.inputs(batch)
        with precision(device):
            tokens, latents = model.actions(inputs, when)
        if latent is not None:
            latents[0, -1] = latent.to(latents)
    # What lies before the forward model's reach cannot change its answer, and costs most of the time.
    last = -1 - reach(model.config, len(images) - 1)
    features = None if inputs.features is None else inputs.features[:, last:]
    return Moment(tokens[:, last:], features, when[:, last:], latents, when, batch[0, -2], batch[0, -1])


def code_logits(model: LaPose, at: Moment, actions: Tensor) -> Tensor:
    """Logits [N, h, w, K] float32 over the codes of frame t + 1 under actions [N, A] in place of the inferred one.

    Raises:
        ValueError: where the model's output is not finite.
    """
    device = at.tokens.device
    count, span = len(actions), at.tokens.shape[1]
    latents = at.latents[:, 1 - span :].expand(count, -1, -1).clone()
    latents[:, -1] = actions.to(latents)
    return next_logits(model, at.tokens, at.features, at.times, latents, device)


def next_logits(
    model: LaPose, tokens: Tensor, features: Tensor | None, times: Tensor, latents: Tensor, device: torch.device
) -> Tensor:
    """Logits [N, h, w, K] of the last frame's codes from tokens and features [1, r + 1, ...], whose last entry is not
    read, times [1, r + 1] and actions [N, r, A].

    Raises:
        ValueError: where the model's output is not finite.
    """
    count = len(latents)
    with torch.inference_mode(), precision(device):
        spread = None if features is None else features.expand(count, -1, -1, -1, -1)
        logits = model.next_codes(
            tokens.expand(count, -1, -1, -1), FrameInputs(None, spread, None), times.expand(count, -1), latents
        )[:, -1].float()
    if not bool(torch.isfinite(logits).all()):
        raise ValueError("the forward model's output is not finite")
    return logits


def reach(config: LaPoseConfig, available: int) -> int:
    """Frames up to t that the forward model's answer for t + 1 can depend on."""
    if config.forward_history is None:
        return available
    return min(available, 1 + config.forward_depth * (config.forward_history - 1))


def picture(pixels: Tensor) -> Image:
    """[3, H, W] in 0..1 to uint8 [H, W, 3]."""
    rounded = pixels.float().clamp(0, 1).mul(255).round()
    return np.ascontiguousarray(rounded.byte().permute(1, 2, 0).cpu().numpy())
