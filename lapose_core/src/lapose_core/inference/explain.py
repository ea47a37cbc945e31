"""Where the model looked for one transition, and which actions its pose hangs on."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lapose_core.device import precision
from lapose_core.inference.findings import Attention, Sensitivity
from lapose_core.inference.result import DriveAnalysis
from lapose_core.model.lapose import LaPose
from lapose_core.model.st_transformer import SelfAttention


def attention(model: LaPose, images: Tensor, times: Tensor) -> Attention:
    """The action query's spatial attention for the last transition of images [T, 3, H, W] in 0..1 at ``times`` [T].

    What came before matters, since the tokens know their past: give the frames that the window would hold.

    Raises:
        ValueError: where there are fewer than two frames.
    """
    if len(images) < 2:
        raise ValueError("a transition has two frames")
    device = next(model.parameters()).device
    spatial: SelfAttention = model.inverse_dynamics.blocks[-1].spatial  # type: ignore[assignment]
    seen: list[Tensor] = []
    handle = spatial.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].detach()))
    try:
        # A compiled block would not call the hook.
        with torch.inference_mode(), precision(device), torch.compiler.set_stance("force_eager"):
            model.actions(model.inputs(images[None].to(device)), times[None])
    finally:
        handle.remove()
    with torch.inference_mode():
        q, k, _ = spatial.split(seen[-1][0, -2:].float())  # [2, H, S + 1, C]
        scores = (q[:, :, -1:] * q.shape[-1] ** -0.5) @ k.transpose(-1, -2)
        weights = scores.softmax(-1).mean(1)[:, 0].double().cpu().numpy()  # [2, S + 1]
    rows, columns = model.config.token_grid
    pictures = tuple(
        np.ascontiguousarray((image.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).cpu().numpy())
        for image in images[-2:]
    )
    return Attention((pictures[0], pictures[1]), weights[:, :-1].reshape(2, rows, columns), weights[:, -1])


def window_of(analysis: DriveAnalysis, transition: int) -> range:
    """The transitions of the analysed window in which this one lies nearest to the middle.

    Raises:
        ValueError: where no window that is done holds it.
    """
    count = analysis.window_length - 1
    held = [
        analysis.window_starts[i]
        for i in analysis.windows_done
        if 0 <= transition - analysis.window_starts[i] < count
    ]  # fmt: skip
    if not held:
        raise ValueError(f"transition {transition} is not analysed yet")
    start = min(held, key=lambda s: abs(transition - s - (count - 1) / 2))
    return range(start, start + count)


@torch.inference_mode()
def sensitivity(model: LaPose, analysis: DriveAnalysis, transition: int) -> Sensitivity:
    """Leave out one action at a time; needs no pictures.

    Raises:
        ValueError: where the transition is not analysed.
    """
    window = window_of(analysis, transition)
    n, at = len(window), transition - window.start
    device = next(model.parameters()).device
    latents = torch.from_numpy(analysis.latents[window.start : window.stop]).to(device)
    without = latents.repeat(n + 1, 1, 1)
    for j in range(n):
        others: NDArray[np.bool_] = np.arange(n) != j
        without[j, j] = latents[torch.from_numpy(others).to(device)].mean(0)
    times = torch.from_numpy(analysis.times[window.start : window.stop + 1])[None].expand(n + 1, -1)
    estimate = model.pose(without, times, analysis.camera.tensor(n + 1))
    translation = estimate.translation[:, at].double().cpu().numpy()
    quaternion = estimate.quaternion[:, at].double().cpu().numpy()
    cosine = np.clip(np.abs(quaternion[:n] @ quaternion[n]), 0.0, 1.0)
    return Sensitivity(
        window.start, at, np.linalg.norm(translation[:n] - translation[n], axis=1), 2 * np.arccos(cosine)
    )
