"""No test world shares a seed, a road, furniture, a look or a texture with a training world."""

from __future__ import annotations

from itertools import chain
from typing import Any

from lapose_core.evaluation.leaks import find_leaks, shard_seeds
from lapose_core.experiments.context import RATE_SEED, TEST_SEED, Context
from lapose_core.experiments.record import Experiment

SETS = ("train", "held_out")


def settings(context: Context) -> dict[str, Any]:
    seen = {name: [_seeds(context, name).start, len(_seeds(context, name))] for name in SETS}
    unseen = [[r.start, len(r)] for r in _unseen(context)]
    return {"seen": seen, "test": unseen, "sample": context.sizes.leak_sample}


def _seeds(context: Context, name: str) -> range:
    return shard_seeds(context.seen(name))


def _unseen(context: Context) -> tuple[range, range]:
    """The test split and the clips at several frame rates; those of the domains differ by their configuration."""
    sizes = context.sizes
    return range(TEST_SEED, TEST_SEED + sizes.test_clips), range(RATE_SEED, RATE_SEED + sizes.rate_clips)


def run(context: Context) -> dict[str, Any]:
    rows = []
    for name in SETS:
        found = find_leaks(_seeds(context, name), chain(*_unseen(context)), sample=context.sizes.leak_sample)
        shared = {part: len(getattr(found, part)) for part in ("seeds", "layouts", "furniture", "looks", "textures")}
        counts = {"training": found.training, "test": found.test, "opened": found.opened}
        rows.append({"against": name, **counts, **shared})
    return {"rows": rows}


EXPERIMENT = Experiment("leaks", settings, run)
