"""Predictions under other actions from a drive's frames; beside the window."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from lapose_core.inference.intervention import Intervention, intervene, mirrored_actions, roll_out
from lapose_core.inference.moment import Moment, moment, picture
from lapose_core.inference.reconstruction import context
from lapose_core.inference.result import DriveAnalysis
from lapose_core.model.lapose import LaPose
from lapose_inspector.models.forward_state import Film, ForwardRequest

ReadImage = Callable[[int], Tensor]
"""The model's image [3, H, W] of a drive frame."""


def intervention(
    request: ForwardRequest, model: LaPose, analysis: DriveAnalysis, read: ReadImage, moments: dict[int, Moment]
) -> Intervention:
    """One step under the action that was asked for. ``moments`` keeps the last one: a slider asks often.

    Raises:
        ValueError: where the transition or the action does not fit.
    """
    at = _moment(request.transition, model, analysis, read, moments)
    [action] = _actions(request, model, analysis, read, at, 1)
    return intervene(model, at, action, analysis.camera.tensor())


def film(
    request: ForwardRequest, model: LaPose, analysis: DriveAnalysis, read: ReadImage, moments: dict[int, Moment]
) -> Film:
    """``request.steps`` frames on from frame t, or as many as the drive has.

    Raises:
        ValueError: where the transition or the action does not fit.
    """
    first = request.transition
    at = _moment(first, model, analysis, read, moments)
    steps = min(request.steps, len(analysis) - 1 - first)
    actions = _actions(request, model, analysis, read, at, steps)
    steps = len(actions)
    before = context(first, analysis.window)[:-1]
    later = range(first + 1, first + 1 + steps)
    truth = torch.stack([read(int(analysis.frames[s])) for s in later])
    clock = torch.from_numpy(analysis.times)
    rollout = roll_out(
        model, at, torch.stack([read(int(analysis.frames[s])) for s in before]), clock[before.start : before.stop],
        actions, clock[later.start : later.stop], truth,
    )  # fmt: skip
    frames = tuple(int(analysis.frames[s]) for s in later)
    return Film(rollout, picture(at.current), tuple(picture(image) for image in truth), frames)


def _moment(
    transition: int, model: LaPose, analysis: DriveAnalysis, read: ReadImage, moments: dict[int, Moment]
) -> Moment:
    if not 0 <= transition < len(analysis) - 1:
        raise ValueError(f"there is no transition {transition} among {len(analysis)} samples")
    if transition not in moments:
        images, times = _clip(context(transition, analysis.window), analysis, read)
        moments.clear()
        moments[transition] = moment(model, images, times)
    return moments[transition]


def _clip(samples: range, analysis: DriveAnalysis, read: ReadImage) -> tuple[Tensor, Tensor]:
    images = torch.stack([read(int(analysis.frames[s])) for s in samples])
    return images, torch.from_numpy(analysis.times[samples.start : samples.stop])


def _actions(
    request: ForwardRequest, model: LaPose, analysis: DriveAnalysis, read: ReadImage, at: Moment, steps: int
) -> Tensor:
    """Actions [steps, A], or fewer where the next ones are not analysed yet."""
    first, base = request.transition, at.action
    if request.kind == "zero":
        actions = torch.zeros_like(base).repeat(steps, 1)
    elif request.kind == "chosen":
        if request.chosen is None or len(request.chosen) != len(base):
            raise ValueError("the chosen action is another model's: choose one again")
        actions = torch.from_numpy(request.chosen).to(base).repeat(steps, 1)
    elif request.kind == "mirrored":
        # The window's past is worth less than the frames that are asked about.
        samples = range(max(0, min(context(first + steps - 1, analysis.window).start, first)), first + steps + 1)
        samples = samples[: analysis.window]
        images, times = _clip(samples, analysis, read)
        actions = mirrored_actions(model, images, times)[first - samples.start :]
    else:
        later = analysis.latents[first : first + steps]
        known = int(np.argmin(np.append(np.isfinite(later).all(axis=1), False)))
        actions = torch.from_numpy(later[: max(known, 1)].copy()).to(base)
        # The first as it is inferred here: a blend of windows differs a little from it.
        actions[0] = base
    if request.offset is not None:
        if len(request.offset) != len(base):
            raise ValueError("the direction is another model's: move the slider again")
        actions = actions + torch.from_numpy(request.offset).to(base)
    return actions
