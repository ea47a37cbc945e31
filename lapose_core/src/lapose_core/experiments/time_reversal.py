"""The same clips backwards: what was driven forwards is reversing, and each motion must be the other's inverse."""

from __future__ import annotations

from typing import Any

import numpy as np

from lapose_core.evaluation.drives import predict_clips
from lapose_core.evaluation.evaluate import Clip, evaluate_clips
from lapose_core.experiments.context import RATE_SEED, Context
from lapose_core.experiments.record import Experiment
from lapose_core.experiments.scoring import regimes_of, row_of
from lapose_core.experiments.worlds import rate_shards
from lapose_core.geometry import Array, relative, rotation_angle
from lapose_core.model.lapose import LaPose
from lapose_core.training.shards import Shards

RATE = 2.0  # Hz; the protocol's own
BATCH = 8


def settings(context: Context) -> dict[str, Any]:
    sizes = context.sizes
    return {
        "checkpoint": context.model_hash,
        "rate": RATE,
        "test": {"first_seed": RATE_SEED, "clips": sizes.rate_clips, "frames": sizes.frames, "size": context.size},
    }


def run(context: Context) -> dict[str, Any]:
    model = context.model()
    shards = Shards(rate_shards(context, RATE))
    forwards, backwards = [], []
    for start in range(0, len(shards), BATCH):
        clips = range(start, min(start + BATCH, len(shards)))
        forwards += estimated(model, shards, clips, reverse=False)
        backwards += estimated(model, shards, clips, reverse=True)
    rows = []
    for direction, found in (("forwards", forwards), ("backwards", backwards)):
        rows.append(row_of(evaluate_clips(found).overall, direction=direction))
    return {"rows": rows, "consistency": consistency(forwards, backwards)}


def estimated(model: LaPose, shards: Shards, clips: range, *, reverse: bool) -> list[Clip]:
    """Clips of a shard folder as the model sees them from their pictures, in time or against it."""
    count = min(shards.clip_shape[0], model.config.window)
    part = slice(0, count)
    images = shards.gather("frames", clips, part).float() / 255
    times, poses = shards.gather("times", clips, part), shards.gather("poses", clips, part)
    fov = shards.gather("fov", clips)
    if reverse:
        images, poses = images.flip(1), poses.flip(1)
        times = times[:, -1:] - times.flip(1)
    found = predict_clips(model, images, times.numpy())
    return [
        Clip(p, poses[i].numpy(), times[i].numpy(), regimes_of(poses[i].numpy(), times[i].numpy()), f, float(fov[i]))
        for i, (p, f) in enumerate(found)
    ]


def consistency(forwards: list[Clip], backwards: list[Clip]) -> dict[str, float]:
    """How far T(t -> t+1) T(t+1 -> t) is from standing still, over all transitions whose true step is 0.1 m or more.

    Angles in degrees; the length that is left as a share of the true step. Medians and 90th percentiles.
    """
    angles: list[Array] = []
    lengths: list[Array] = []
    for there, back in zip(forwards, backwards, strict=True):
        step = np.linalg.norm(relative(there.truth)[:, :3, 3], axis=1)
        closed = relative(there.predicted) @ relative(back.predicted)[::-1]
        moving = (step >= 0.1) & np.isfinite(closed).all((1, 2))
        angles.append(np.degrees(rotation_angle(closed[moving, :3, :3])))
        lengths.append(np.linalg.norm(closed[moving, :3, 3], axis=1) / step[moving])
    angle, length = np.concatenate(angles), np.concatenate(lengths)
    if not len(angle):
        return {"transitions": 0}
    return {
        "transitions": len(angle),
        "rotation_median": float(np.median(angle)),
        "rotation_p90": float(np.percentile(angle, 90)),
        "length_median": float(np.median(length)),
        "length_p90": float(np.percentile(length, 90)),
    }


EXPERIMENT = Experiment("time_reversal", settings, run)
