"""Why the model says what it says of one transition, computed when somebody looks at it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal, Slot

from lapose_inspector.beside.explaining import Explanation, explain

if TYPE_CHECKING:
    from lapose_inspector.workers.inference import AnalysisWorker

TOPIC = "explanation"


class ExplanationWorker(QObject):
    """``request`` from the GUI thread; ``ready`` or ``failed`` comes back there, for the newest request only."""

    ready = Signal(object)
    """An Explanation."""
    failed = Signal(str)

    def __init__(self, analysis: AnalysisWorker, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._analysis = analysis
        self._wanted: int | None = None
        analysis.process.answered.connect(self._on_answered)
        analysis.process.unanswered.connect(self._on_unanswered)

    def request(self, transition: int | None) -> None:
        """Ask for ``transition`` of the drive under analysis; None withdraws the question."""
        self._wanted = transition
        question = None if transition is None else partial(explain, transition=transition)
        self._analysis.process.ask(TOPIC, question)

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
