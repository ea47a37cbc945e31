"""The forward model's cross-entropy of a transition, in words a driver of the tool can act on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lapose_core.geometry import Array

if TYPE_CHECKING:
    from lapose_core.inference.findings import Intervention, Motion, Rollout

ENOUGH = 20
"""Analysed transitions below which a rank among them says nothing."""
NEGLIGIBLE = 0.02
"""Nats per code below which the action explains nothing worth naming."""


def rank(value: float, drive: Array) -> float | None:
    """Share of the drive's finite values [n] that lie above ``value``, 0..1; None for too few of them."""
    known = drive[np.isfinite(drive)]
    if len(known) < ENOUGH or not np.isfinite(value):
        return None
    return float(np.mean(known > value))


def verdict(value: float, drive: Array) -> str:
    """How well the next frame was predicted, relative to the other transitions of this drive.

    Args:
        value: nats per code. drive: [n] nats per code of the drive's transitions, NaN where not analysed.
    """
    above = rank(value, drive)
    if above is None:
        return f"too few analysed transitions to compare with (under {ENOUGH})"
    if above >= 0.67:
        return f"predicted well: better than {100 * above:.0f} % of this drive"
    if above >= 0.33:
        return f"typical of this drive (better than {100 * above:.0f} %)"
    if above >= 0.10:
        return f"predicted poorly: worse than {100 * (1 - above):.0f} % of this drive"
    return f"among the worst predicted of this drive (worse than {100 * (1 - above):.0f} %)"


def action_share(cross_entropy: float, without_action: float) -> str:
    """What the latent action contributed, as the paper's dCE_zero for this one transition."""
    explained = without_action - cross_entropy
    if not np.isfinite(explained):
        return ""
    start = f"Without the action {without_action:.2f}: "
    if explained > NEGLIGIBLE:
        return start + f"the action explains {explained:.2f} nats per code."
    if explained < -NEGLIGIBLE:
        return start + f"the action misleads, by {-explained:.2f} nats per code."
    return start + "the action explains nothing here."


def motion_words(motion: Motion) -> str:
    """A motion with its units."""
    return f"{motion.speed:.1f} m/s, {np.degrees(motion.yaw_rate):+.1f} °/s".replace("-", "−")


def intervention_words(result: Intervention) -> str:
    """What another action changes: motion as the pose head reads it, codes, and fit to what came."""
    return (
        f"The pose head reads {motion_words(result.motion)} (inferred: {motion_words(result.plain_motion)}); "
        f"{result.codes_changed:.0%} of the codes change; {result.cross_entropy:.2f} nats per code against what came."
    )


def film_words(rollout: Rollout) -> str:
    """How a rollout fares: each frame is predicted from the dreamed one before it."""
    entropy = rollout.cross_entropy[np.isfinite(rollout.cross_entropy)]
    fares = f", {entropy[0]:.1f} to {entropy[-1]:.1f} nats per code" if len(entropy) > 1 else ""
    return f"{len(rollout.frames)} frames dreamed (below), each from the one before, under what came (above){fares}."
