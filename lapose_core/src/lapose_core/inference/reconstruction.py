"""What the forward dynamics expects to see next, beside what the codec can show of what came."""

from __future__ import annotations

import torch
from torch import Tensor

from lapose_core.inference.analysis import code_cross_entropy
from lapose_core.inference.findings import Reconstruction
from lapose_core.inference.moment import code_logits, moment, picture
from lapose_core.model.lapose import LaPose


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
    at = moment(model, images[: transition + 2], times[: transition + 2], latent)
    with torch.inference_mode():
        logits, blind = code_logits(model, at, torch.stack([at.action, torch.zeros_like(at.action)]))
        codes = model.vqvae.encode(at.following[None, None])[0, 0]
        predicted, target = model.vqvae.decode(torch.stack([logits.argmax(-1), codes])).float()
        cells, without = code_cross_entropy(logits, codes), code_cross_entropy(blind, codes)
    return Reconstruction(
        current=picture(images[transition]),
        predicted=picture(predicted),
        target=picture(target),
        difference=(predicted - target).abs().mean(0).clamp(0, 1).cpu().numpy(),
        cross_entropy=float(cells.mean()),
        cell_cross_entropy=cells.double().cpu().numpy(),
        cross_entropy_without_action=float(without.mean()),
        cell_explained=(without - cells).double().cpu().numpy(),
    )
