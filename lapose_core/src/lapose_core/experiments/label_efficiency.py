"""What pretraining saves in labels: a head on frozen latents against the same network from scratch."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Sequence
from typing import Any

from lapose_core.experiments.context import Context
from lapose_core.experiments.heads import short_training, train_head
from lapose_core.experiments.record import Experiment
from lapose_core.experiments.scoring import row_of
from lapose_core.experiments.worlds import unseen_split
from lapose_core.training.settings import Posttraining

BACKBONES = ("frozen", "scratch")
FROZEN_RATE, WHOLE_RATE = 1e-3, 1e-3  # learning rates of the head alone and of the whole network


def settings(context: Context) -> dict[str, Any]:
    sizes = context.sizes
    return {
        "backbone": context.backbone_hash,
        "labels": sizes.labels,
        "scratch": context.slow,
        "batch": sizes.batch,
        "training": [dataclasses.asdict(_training(context, b, n, s)) for b, n, s in _runs(context)],
        "test": context.test_settings(),
        "train": context.train_settings(),
    }


def _runs(context: Context) -> list[tuple[str, int, int]]:
    """Backbone, labels and steps, few labels first."""
    sizes = context.sizes
    steps = {"frozen": sizes.label_steps, "scratch": sizes.scratch_steps}
    chosen = BACKBONES if context.slow else BACKBONES[:1]
    return [(b, labels, steps[b][i]) for i, labels in enumerate(sizes.labels) for b in chosen]


def _training(context: Context, backbone: str, labels: int, steps: int) -> Posttraining:
    return short_training(
        backbone, labels=labels, steps=steps, batch=context.sizes.batch, rates=(FROZEN_RATE, WHOLE_RATE)
    )


def run(context: Context) -> dict[str, Any]:
    test, train = context.cached(unseen_split(context)), context.cached(context.train)
    rows = []
    for backbone, labels, steps in _runs(context):
        training = _training(context, backbone, labels, steps)
        _, found = train_head(context.pretrained, training, train, test, context.work / "label_efficiency")
        rows.append(row_of(found.overall, backbone=backbone, labels=min(labels, len(train)), steps=steps))
    notes = [] if context.slow else ["the network from scratch; run without --no-slow (hours on two cores)"]
    return {"rows": rows, "crossing": crossing(rows) if context.slow else None, "notes": notes}


def crossing(rows: Sequence[dict[str, Any]]) -> float | None:
    """Number of labels at which the network from scratch catches up in skill, None where it does not.

    Between two counts the skills are taken as linear in the logarithm of the count.
    """
    lead: list[tuple[float, float]] = []
    for labels in sorted({row["labels"] for row in rows}):
        skill = {row["backbone"]: row["skill"] for row in rows if row["labels"] == labels}
        lead.append((math.log(labels), skill["frozen"] - skill["scratch"]))
    for (x0, d0), (x1, d1) in itertools.pairwise(lead):
        if d0 > 0 >= d1:
            return math.exp(x0 + (x1 - x0) * d0 / (d0 - d1))
    return None


EXPERIMENT = Experiment("label_efficiency", settings, run)
