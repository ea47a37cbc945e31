"""The part of the controller that shows a newcomer around, in five steps on the sample drive."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Slot
from PySide6.QtWidgets import QWidget

from lapose_core.resources import sample_drive
from lapose_inspector.views.tour_card import TourCard

if TYPE_CHECKING:
    from lapose_inspector.inspector import Inspector


@dataclass(frozen=True)
class Step:
    """What one step says, the name of the widget it points at, and the panel it needs."""

    title: str
    text: str
    target: str
    panel: str | None = None


STEPS = (
    Step(
        "One clock for everything",
        "Every panel shows the frame at the cursor. Click or drag on the timeline, step with ← and →, play with Space. "
        "Green above is what the model has analysed; the coloured band below it is the kind of driving.",
        "transport",
    ),
    Step(
        "Two paths, two colours",
        "The model's prediction is green, the ground truth orange, here as in every panel and export. The text tells "
        "how the one was laid on the other and how far it is off. A click on a path goes there.",
        "dock.trajectory",
        "trajectory",
    ),
    Step(
        "The worst first",
        "The triage list ranks the drive's segments by error, or by the model's doubt where there is no truth. N and P "
        "go through it; the tags filter it: reversing, sharp bends, standstill.",
        "dock.triage",
        "triage",
    ),
    Step(
        "Why it went wrong",
        "Each dot is the latent action of one transition. Lasso some (S) to see them in the timeline and in 3D, and "
        "look for transitions like the one at the cursor (Ctrl+F). Analyse › Compare puts another path beside it.",
        "dock.map",
        "map",
    ),
    Step(
        "Keep what you find",
        "I and O mark a range, A writes a note, Ctrl+Z takes back. Notes are kept beside your data, never in the log, "
        "and can become the next training set. Ctrl+P finds any command, ? lists every key.",
        "annotationBand",
    ),
)


class TourGuide(QObject):
    """Shows the steps one after another over the window; skipping is remembered as having seen it."""

    def __init__(self, app: Inspector) -> None:
        super().__init__(app)
        self._app = app
        self.sample = sample_drive()
        self.step: int | None = None
        """Which of STEPS is shown; None outside the tour."""
        self.card: TourCard | None = None

    def offer(self) -> None:
        """Start the tour where this is the first run and nothing is being opened."""
        app = self._app
        if not app.settings.tour_seen and app.session.drive is None and not app.opener.busy:
            self.start()

    def open_sample(self) -> None:
        """Open the drive that comes with the program."""
        if self.sample is not None:
            self._app.opener.open(self.sample)

    def start(self) -> None:
        """Begin at the first step; with no log open, the sample drive is opened."""
        if self._app.session.drive is None and not self._app.opener.busy:
            self.open_sample()
        if self.card is None:
            self.card = TourCard(len(STEPS), self._app.display, self._app.window)
            self.card.moved.connect(self._on_moved)
            self.card.ended.connect(self.end)
        self._show(0)

    @Slot()
    def end(self) -> None:
        """Leave the tour, for good unless it is asked for."""
        self.step = None
        self._app.settings.tour_seen = True
        if self.card is not None:
            self.card.close_card()
            self.card = None

    @Slot(int)
    def _on_moved(self, by: int) -> None:
        if self.step is None:
            return
        if self.step + by >= len(STEPS):
            self.end()
        else:
            self._show(max(0, self.step + by))

    def _show(self, number: int) -> None:
        assert self.card is not None
        self.step, step, window = number, STEPS[number], self._app.window
        if step.panel is not None:
            window.show_panel(step.panel)
        target = window.findChild(QWidget, step.target)
        self.card.show_step(number, step.title, step.text, window if target is None else target)
