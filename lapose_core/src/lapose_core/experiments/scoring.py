"""Clips to figures: a checkpoint's estimates of test clips, and the rows that go into a record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from lapose_core.evaluation.evaluate import ClipScore, Evaluation, Summary, rescored
from lapose_core.evaluation.regimes import clip_regimes
from lapose_core.experiments.worlds import World
from lapose_core.model.lapose import LaPose
from lapose_core.training.cache import CachedClips
from lapose_core.training.posttrain import evaluate_latents, whole_clip_latents

#: Uneven clips have any rate, so they are grouped: upper bounds in Hz of the median rate, and the groups' names.
RATE_BANDS = (
    (1.5, "rate 0 to 1.5 Hz"),
    (3.0, "rate 1.5 to 3 Hz"),
    (6.0, "rate 3 to 6 Hz"),
    (np.inf, "rate 6 Hz and more"),
)


def evaluate(
    model: LaPose, data: CachedClips, count: int | None = None, worlds: Sequence[World] | None = None
) -> Evaluation:
    """The model on the first ``count`` clips, and per regime; conditions are regimes where the ``worlds`` are known."""
    clips = np.arange(len(data) if count is None else min(count, len(data)))
    found = evaluate_latents(model, whole_clip_latents(model, data, clips), data, clips)
    return rescored([_labelled(s, worlds[i].conditions if worlds else ()) for i, s in enumerate(found.scores)])


def _labelled(score: ClipScore, conditions: tuple[str, ...]) -> ClipScore:
    return replace(score, regimes=regimes_of(score.clip.truth, score.clip.times, conditions))


def regimes_of(truth: np.ndarray, times: np.ndarray, conditions: tuple[str, ...] = ()) -> frozenset[str]:
    """The regimes of a clip of true poses [N, 4, 4] at ``times`` [N], frame rates in RATE_BANDS."""
    rate = 1.0 / float(np.median(np.diff(times)))
    band = next(name for bound, name in RATE_BANDS if rate <= bound)
    own = {name for name in clip_regimes(truth, times) if not name.startswith("rate ")}
    return frozenset({*own, *conditions, band})


def rows_of(evaluation: Evaluation, **labels: Any) -> list[dict[str, Any]]:
    """A row over all clips and one for each regime."""
    groups = {"all": evaluation.overall, **evaluation.regimes}
    return [row_of(summary, **labels, regime=name) for name, summary in groups.items()]


def row_of(summary: Summary, **labels: Any) -> dict[str, Any]:
    """One summary as plain values after its ``labels``: figures, those of constant-forward, 95 % intervals."""
    return {
        **labels,
        "clips": summary.clips,
        "counted": summary.counted,
        "non_finite": summary.non_finite,
        "skill": summary.skill_auc5_signed,
        "figures": summary.model,
        "forward": summary.forward,
        "intervals": {name: list(bounds) for name, bounds in summary.intervals.items()},
    }
