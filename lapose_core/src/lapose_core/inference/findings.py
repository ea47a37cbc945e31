"""What the model found about single transitions, as pictures and numbers.

Without torch, so that who only shows them need not import it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lapose_core.drive import Image
from lapose_core.geometry import Array


@dataclass(frozen=True)
class Crop:
    """The part of a frame that the model sees, in whole source pixels.

    ``outline`` is its border where the lens bends it, as points (x, y) in source pixels; the other values are then
    those of the upright rectangle around it. Empty where the part is that rectangle.
    """

    left: int
    top: int
    width: int
    height: int
    outline: tuple[tuple[float, float], ...] = ()


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
        cell_explained: [rows, cols] nats that the action saves per code cell; negative where it misleads.
    """

    current: Image
    predicted: Image
    target: Image
    difference: NDArray[np.float32]
    cross_entropy: float
    cell_cross_entropy: Array
    cross_entropy_without_action: float
    cell_explained: Array

    @property
    def explained_by_action(self) -> float:
        """Nats per code that the action saves; about zero where the model ignores it."""
        return self.cross_entropy_without_action - self.cross_entropy


@dataclass(frozen=True)
class Motion:
    """What the pose head reads from an action: speed in m/s, and yaw rate in rad/s, right positive."""

    speed: float
    yaw_rate: float


@dataclass(frozen=True)
class Intervention:
    """Frame t + 1 as predicted under a given action, beside the prediction under the inferred one.

    Attributes:
        current: [H, W, 3] frame t as the model saw it.
        predicted: [H, W, 3] the most likely codes under the given action, decoded.
        plain: [H, W, 3] the same under the inferred action.
        change: [H, W] float32 in 0..1, mean absolute difference of the two over the channels.
        codes_changed: share of the code cells whose most likely code is another.
        cross_entropy: nats per code of the given action's prediction against the true frame.
        motion, plain_motion: what the pose head reads from the given and from the inferred action.
    """

    current: Image
    predicted: Image
    plain: Image
    change: NDArray[np.float32]
    codes_changed: float
    cross_entropy: float
    motion: Motion
    plain_motion: Motion


@dataclass(frozen=True)
class Rollout:
    """k frames that the model dreams on from frame t, each from its own prediction before it.

    Attributes:
        frames: k pictures [H, W, 3].
        times: [k] seconds of these frames.
        cross_entropy: [k] nats per code against the true frames; NaN where there is none.
    """

    frames: tuple[Image, ...]
    times: Array
    cross_entropy: Array


@dataclass(frozen=True)
class Attention:
    """Where the action query looks in the last block of the inverse dynamics, averaged over heads.

    Attributes:
        pictures: the model's images [H, W, 3] of the transition's two frames.
        weights: [2, rows, columns] of the query among each frame's visual tokens; each sums to less than 1.
        self_share: [2] what the query gives to itself instead.
    """

    pictures: tuple[Image, Image]
    weights: Array
    self_share: Array


@dataclass(frozen=True)
class Sensitivity:
    """What becomes of a transition's pose when one action of its window is replaced by the mean of the others.

    Attributes:
        first: the window's first transition; ``at`` is the explained one's place in it.
        translation: [n] metres that the pose head's translation moves by.
        rotation: [n] radians that its rotation turns by.
    """

    first: int
    at: int
    translation: Array
    rotation: Array
