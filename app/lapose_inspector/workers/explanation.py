"""Why the model says what it says of one transition, computed when somebody looks at it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QObject, Signal, Slot

from lapose_core.geometry import Array
from lapose_inspector.models.why_words import Neighbour, neighbours

if TYPE_CHECKING:
    from lapose_core.inference.explain import Attention, Sensitivity
    from lapose_inspector.workers.analysis_job import AnalysisJob
    from lapose_inspector.workers.inference import AnalysisWorker

TOPIC = "explanation"


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


class ExplanationWorker(QObject):
    """``request`` from the GUI thread; ``ready`` or ``failed`` comes back there, for the newest request only."""

    ready = Signal(object)
    """An Explanation."""
    failed = Signal(str)

    def __init__(self, analysis: AnalysisWorker, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._analysis = analysis
        self._wanted: int | None = None
        analysis.thread_.answered.connect(self._on_answered)
        analysis.thread_.unanswered.connect(self._on_unanswered)

    def request(self, transition: int | None) -> None:
        """Ask for ``transition`` of the drive under analysis; None withdraws the question."""
        self._wanted = transition
        question = None if transition is None else partial(_explain, transition=transition)
        self._analysis.thread_.ask(TOPIC, question)

    @Slot(int, str, object)
    def _on_answered(self, generation: int, topic: str, answer: object) -> None:
        if topic == TOPIC and generation == self._analysis.generation:
            assert isinstance(answer, Explanation)
            if answer.transition == self._wanted:
                self.ready.emit(answer)

    @Slot(int, str, str)
    def _on_unanswered(self, generation: int, topic: str, message: str) -> None:
        if topic == TOPIC and generation == self._analysis.generation:
            self.failed.emit(message)


def _explain(job: AnalysisJob, transition: int) -> Explanation:
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
