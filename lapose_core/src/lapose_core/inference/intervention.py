"""What the forward model expects under another action than the one that was inferred, for one step or for many."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from lapose_core.device import precision
from lapose_core.geometry import matrix_from_quaternion, yaw
from lapose_core.inference.analysis import code_cross_entropy
from lapose_core.inference.findings import Intervention, Motion, Rollout
from lapose_core.inference.moment import Moment, code_logits, next_logits, picture, reach
from lapose_core.model.lapose import LaPose
from lapose_core.model.st_transformer import gaps
from lapose_core.model.tokenizer import frame_inputs


def intervene(model: LaPose, at: Moment, action: Tensor, camera: Tensor | None = None) -> Intervention:
    """Predict frame t + 1 of a moment under ``action`` [A]; ``camera`` [1, 2] is what the pose head may be told.

    Raises:
        ValueError: where the action has another width, or the model's output is not finite.
    """
    if action.shape != at.action.shape:
        raise ValueError(f"an action of this model is [{len(at.action)}], not {list(action.shape)}")
    with torch.inference_mode():
        logits = code_logits(model, at, torch.stack([action.to(at.action), at.action]))
        codes = logits.argmax(-1)
        predicted, plain = model.vqvae.decode(codes).float()
        truth = model.vqvae.encode(at.following[None, None])[0, 0]
        entropy = float(code_cross_entropy(logits[0], truth).mean())
    return Intervention(
        current=picture(at.current),
        predicted=picture(predicted),
        plain=picture(plain),
        change=(predicted - plain).abs().mean(0).clamp(0, 1).cpu().numpy(),
        codes_changed=float((codes[0] != codes[1]).float().mean()),
        cross_entropy=entropy,
        motion=read_motion(model, at, action, camera),
        plain_motion=read_motion(model, at, at.action, camera),
    )


def read_motion(model: LaPose, at: Moment, action: Tensor, camera: Tensor | None = None) -> Motion:
    """What the pose head makes of ``action`` [A] as the last of the moment's actions."""
    latents = at.latents.clone()
    latents[0, -1] = action.to(latents)
    with torch.inference_mode():
        estimate = model.pose(latents.float(), at.window_times, camera)
    seconds = float(at.window_times[0, -1] - at.window_times[0, -2])
    rotation = matrix_from_quaternion(estimate.quaternion[0, -1].double().cpu().numpy())
    length = float(estimate.translation[0, -1].double().norm())
    return Motion(length / seconds, float(yaw(rotation)) / seconds)


def mirrored_actions(model: LaPose, images: Tensor, times: Tensor) -> Tensor:
    """The actions [T - 1, A] of the clip seen in a mirror: the same driving with left and right exchanged. Of images
    [T, 3, H, W] at times [T] seconds."""
    device = next(model.parameters()).device
    with torch.inference_mode():
        inputs = model.inputs(images[None].flip(-1).to(device))
        with precision(device):
            return model.actions(inputs, times[None])[1][0]


def roll_out(
    model: LaPose, at: Moment, before: Tensor, before_times: Tensor, actions: Tensor, times: Tensor, truth: Tensor
) -> Rollout:
    """Roll the forward model on from a moment.

    Args:
        at: whose frame t is where it begins.
        before: [n, 3, H, W] the true frames up to and with t; more than the forward model's reach are not read.
        before_times: [n] seconds of them.
        actions: [k, A] the action of each step.
        times: [k] seconds of the frames to predict, after those before.
        truth: [m, 3, H, W] the true frames at the first m of these times, m <= k, to compare with.

    Raises:
        ValueError: where the shapes disagree, or the model's output is not finite.
    """
    if len(actions) != len(times) or len(truth) > len(times) or not len(before):
        raise ValueError(f"{len(actions)} actions, {len(times)} times and {len(truth)} true frames do not fit")
    device = at.tokens.device
    frames = [frame.to(device) for frame in before]
    clock = [*before_times.tolist()]
    past = list(at.latents[0, :-1])
    pictures, entropies = [], []
    for step, action in enumerate(actions):
        span = reach(model.config, len(frames))
        # One frame more than is read: a frame's tokens know how long after the one before it was taken.
        recent, since = torch.stack(frames[-span - 1 :]), torch.tensor([clock[-span - 1 :]], dtype=torch.float64)
        past.append(action.to(at.latents))
        with torch.inference_mode():
            inputs = frame_inputs(model.config, model.vqvae, recent[None])
            with precision(device):
                tokens = model.tokenizer(inputs, gaps(since))[:, -span:]
            # Room for the frame to come, of which nothing is read.
            tokens = torch.cat([tokens, torch.zeros_like(tokens[:, :1])], 1)
            features = inputs.features
            if features is not None:
                features = torch.cat([features[:, -span:], torch.zeros_like(features[:, :1])], 1)
            now = torch.tensor([[*clock[-span:], float(times[step])]], dtype=torch.float64)
            latents = torch.stack(past[-span:])[None]
            logits = next_logits(model, tokens, features, now, latents, device)
            pixels = model.vqvae.decode(logits.argmax(-1))[0].float().clamp(0, 1)
            if step < len(truth):
                codes = model.vqvae.encode(truth[step][None, None].to(device))[0, 0]
                entropies.append(float(code_cross_entropy(logits[0], codes).mean()))
            else:
                entropies.append(float("nan"))
        frames.append(pixels)
        clock.append(float(times[step]))
        pictures.append(picture(pixels))
    return Rollout(tuple(pictures), times.double().numpy().copy(), np.array(entropies))
