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
from lapose_core.training.posttrain import evaluate_latents, frozen_latents, whole_clip_latents

#: Uneven clips have any rate, so they are grouped: upper bounds in Hz of the median rate, and the groups' names.
RATE_BANDS = (
    (1.5, "rate 0 to 1.5 Hz"),
    (3.0, "rate 1.5 to 3 Hz"),
    (6.0, "rate 3 to 6 Hz"),
    (np.inf, "rate 6 Hz and more"),
)


#: The two protocols: the paper's, in which nothing is known of the camera, and that of a log with a calibration.
CAMERAS = ("unknown", "known")


def evaluate(model: LaPose, data: CachedClips, *, frozen: bool) -> Evaluation:
    """The model on all clips, and per regime; it is told nothing of their cameras. The latents of one whose backbone is
    ``frozen`` are kept, since others share them."""
    return by_camera(model, data, frozen=frozen)["unknown"]


def by_camera(
    model: LaPose, data: CachedClips, worlds: Sequence[World] | None = None, *, frozen: bool = True
) -> dict[str, Evaluation]:
    """The model on all clips, and per regime, by what it is told of their cameras (CAMERAS); one that cannot be told
    has the first alone. Conditions are regimes where the ``worlds`` are known."""
    clips = np.arange(len(data))
    latents = frozen_latents(model, data, clips) if frozen else whole_clip_latents(model, data, clips)
    out = {}
    for camera in CAMERAS if model.config.camera_input else CAMERAS[:1]:
        found = evaluate_latents(model, latents, data, clips, camera_known=camera == "known")
        scores = [_labelled(s, worlds[i].conditions if worlds else ()) for i, s in enumerate(found.scores)]
        out[camera] = rescored(scores)
    return out


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
