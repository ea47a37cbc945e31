"""The beginnings of the same drives at several frame rates."""

from __future__ import annotations

from typing import Any

from lapose_core.experiments.context import RATE_SEED, Context
from lapose_core.experiments.record import Experiment
from lapose_core.experiments.scoring import by_camera, row_of
from lapose_core.experiments.worlds import rate_shards


def settings(context: Context) -> dict[str, Any]:
    sizes = context.sizes
    return {
        "checkpoint": context.model_hash,
        "rates": sizes.rates,
        "test": {"first_seed": RATE_SEED, "clips": sizes.rate_clips, "frames": sizes.frames, "size": context.size},
    }


def run(context: Context) -> dict[str, Any]:
    model = context.model()
    rows = []
    for rate in context.sizes.rates:
        found = by_camera(model, context.cached(rate_shards(context, rate)))
        rows += [row_of(evaluation.overall, rate=rate, camera=camera) for camera, evaluation in found.items()]
    return {"rows": rows}


EXPERIMENT = Experiment("frame_rates", settings, run)
