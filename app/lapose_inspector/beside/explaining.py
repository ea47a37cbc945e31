"""Why the model says what it says of one transition."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lapose_core.geometry import Array
from lapose_core.inference.findings import Attention, Sensitivity
from lapose_inspector.models.why_words import Neighbour, neighbours

if TYPE_CHECKING:
    from lapose_inspector.beside.analysis_job import AnalysisJob


@dataclass(frozen=True)
class Explanation:
    """One transition explained.

    Attributes:
        parts: what each part of the confidence adds to the log-odds of being bad, here and in the drive's median; empty
            where the checkpoint is not calibrated or the drive not checked.
        calibrated: whether the checkpoint is; None where the analysis was not complete, and nobody had looked.
        neighbours: the nearest training transitions; empty where the checkpoint has no reference.
    """

    transition: int
    attention: Attention
    sensitivity: Sensitivity
    parts: dict[str, tuple[float, float]]
    calibrated: bool | None
    neighbours: list[Neighbour]


def explain(job: AnalysisJob, transition: int) -> Explanation:
    """A question to the drive under analysis.

    Raises:
        ValueError: where the transition is not analysed yet.
    """
    from lapose_core.inference.explain import attention, sensitivity
    from lapose_core.inference.reconstruction import context

    analysis = job.analyzer.analysis
    if not 0 <= transition < len(analysis.done) or not analysis.done[transition]:
        raise ValueError(f"transition {transition} is not analysed yet")
    images, times = job.look(context(transition, analysis.window))
    near = [] if job.checks.reference is None else neighbours(job.checks.reference, analysis.latents[transition])
    contributions: dict[str, Array] = job.checks.contributions()
    parts = {name: (float(v[transition]), float(np.nanmedian(v))) for name, v in contributions.items()}
    return Explanation(
        transition,
        attention(job.loaded.model, images, times),
        sensitivity(job.loaded.model, analysis, transition),
        parts,
        job.checks.calibrated,
        near,
    )
