"""What the forward dynamics expected to see next, beside what its codec can show of what came."""

from __future__ import annotations

from functools import partial
from html import escape
from typing import TYPE_CHECKING

from PySide6.QtCore import QPointF, Qt, QTimer, Signal, Slot
from PySide6.QtGui import (
    QDragEnterEvent,
    QDropEvent,
    QHideEvent,
    QPainter,
    QResizeEvent,
    QShowEvent,
)
from PySide6.QtWidgets import QLabel, QSizePolicy, QVBoxLayout, QWidget

from lapose_core.drive import Image
from lapose_inspector.models.forward_state import HEATS, STEPS, Film, ForwardRequest, ForwardState
from lapose_inspector.models.prediction_words import action_share, film_words, intervention_words, verdict
from lapose_inspector.models.session import Session
from lapose_inspector.views.combo_box import ComboBox
from lapose_inspector.views.film_strip import FilmStrip
from lapose_inspector.views.forward_captions import captions
from lapose_inspector.views.forward_controls import ForwardControls, SweepDirections
from lapose_inspector.views.forward_grid import PictureGrid
from lapose_inspector.views.forward_pictures import Legend, difference_picture, heat_picture
from lapose_inspector.views.forward_text import action_name, dreaming, waiting
from lapose_inspector.views.panel import in_sight
from lapose_inspector.views.tool_row import ToolRow
from lapose_inspector.views.transition_drag import carried
from lapose_inspector.visuals.image import ImageCanvas
from lapose_inspector.visuals.overlay import draw_badge

if TYPE_CHECKING:
    from lapose_core.inference.findings import Intervention, Reconstruction
    from lapose_core.inference.result import ResultKey
    from lapose_inspector.workers.forward import ForwardWorker
    from lapose_inspector.workers.reconstruction import ReconstructionWorker

WORDS = 38
"""Height of the words below the pictures."""
LATE = 150
"""Milliseconds after which a reconstruction still being computed is announced."""


class ForwardView(QWidget):
    """The transition at the cursor. While it is computed the one before stays, with its own frame numbers. A point
    of the latent map that is dropped on the panel lends its action."""

    action_dropped = Signal(object)
    """TransitionId of the point."""

    def __init__(
        self,
        session: Session,
        reconstruction_worker: ReconstructionWorker,
        forward_worker: ForwardWorker,
        state: ForwardState,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._session, self._worker = session, reconstruction_worker
        self._forward, self._state = forward_worker, state
        self._answer: tuple[ForwardRequest, Intervention | Film] | None = None
        self._asked: ForwardRequest | None = None
        """What the newest answer should be to."""
        self._other_failure = ""
        self._shown: tuple[int, Reconstruction] | None = None
        self._frames = (0, 0)  # of the shown transition
        self._wanted: int | None = None
        self._failure = ""
        self._run: ResultKey | None = None
        self._plain = ""
        self._late = QTimer(self, singleShot=True, interval=LATE)
        self._late.timeout.connect(self._update_words)
        self.grid = PictureGrid()
        self._legend = Legend()
        self.heat_box = ComboBox()
        for key, name in HEATS.items():
            self.heat_box.addItem(name, key)
        self.heat_box.setToolTip(
            "What the last picture shows: the pixels' difference; each code cell's cross-entropy, in nats;\n"
            "or what the action explains in each: cross-entropy without minus with the action"
        )
        self.heat_box.activated.connect(lambda i: setattr(state, "heat", self.heat_box.itemData(i)))
        self.directions = SweepDirections(session, state, self)
        self.controls = ForwardControls(state, self.directions, self)
        self.strip = FilmStrip()
        self.setAcceptDrops(True)
        self._words = QLabel()
        self._words.setWordWrap(True)
        self._words.setTextFormat(Qt.TextFormat.RichText)
        self._words.setContentsMargins(8, 2, 8, 4)
        self._words.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.grid.canvases[0].layers = [self._paint_wait]
        self._build()
        reconstruction_worker.ready.connect(self._on_ready)
        reconstruction_worker.failed.connect(self._on_failed)
        forward_worker.ready.connect(self._on_answer)
        forward_worker.failed.connect(self._on_no_answer)
        state.changed.connect(self._on_state)
        state.heat_changed.connect(self._on_heat)
        session.drive_changed.connect(self._on_drive)
        session.analysis_changed.connect(self._on_analysis, partial(in_sight, self))
        session.timeline.followed.connect(self._on_cursor)
        session.display.theme_changed.connect(self._on_theme)
        self._on_theme()
        self._on_drive()

    def close_panel(self) -> None:
        """Let go of session and worker."""
        session = self._session
        self._late.stop()
        self._worker.ready.disconnect(self._on_ready)
        self._worker.failed.disconnect(self._on_failed)
        self._forward.ready.disconnect(self._on_answer)
        self._forward.failed.disconnect(self._on_no_answer)
        self._state.changed.disconnect(self._on_state)
        self._state.heat_changed.disconnect(self._on_heat)
        self.controls.close_panel()
        self.directions.close()
        session.drive_changed.disconnect(self._on_drive)
        session.analysis_changed.disconnect(self._on_analysis)
        session.timeline.followed.disconnect(self._on_cursor)
        session.display.theme_changed.disconnect(self._on_theme)
        self.grid.canvases[0].layers = []

    @property
    def shown_transition(self) -> int | None:
        """The transition in the pictures, which may not yet be the one at the cursor."""
        return None if self._shown is None else self._shown[0]

    @property
    def words(self) -> str:
        """What the panel says about the shown transition, as plain text."""
        return self._plain

    def _build(self) -> None:
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        self.tools = ToolRow(self)
        self.tools.layout_.addStretch(1)
        self.tools.add(self._legend)
        self.tools.add(self.heat_box)
        column.addWidget(self.tools)
        column.addWidget(self.controls)
        column.addWidget(self.grid, 1)
        column.addWidget(self.strip, 1)
        column.addWidget(self._words)
        self._arrange()

    def _arrange(self) -> None:
        # Not the grid's own size: on a resize the layout gives it its later.
        own = self.controls.sizeHint().height()
        own += self.tools.sizeHint().height() if self.tools.parent() is self else 0
        self.grid.arrange(self.width(), self.height() - WORDS - own - 4)

    def _on_drive(self) -> None:
        self._run, self._shown, self._wanted, self._failure = None, None, None, ""
        self._answer = self._asked = None
        self._update_pictures()
        self._on_analysis()

    def _on_analysis(self) -> None:
        """Results grew; or they begin anew, with other samples or another model, and the pictures are old."""
        analysis = self._session.analysis
        run = None if analysis is None else analysis.key
        if run != self._run:
            self._run, self._shown, self._wanted, self._failure = run, None, None, ""
            self._answer = self._asked = None
            self._update_pictures()
        waiting = self._wanted is not None and self._wanted != self.shown_transition and not self._failure
        if waiting and not self._late.isActive():
            self._worker.request(self._wanted)  # an analysis that starts again forgets what was asked before
        self._request()
        self._update_words()

    def _on_cursor(self) -> None:
        self._request()

    def _on_theme(self, _: str = "") -> None:
        colours = self._session.display.colours
        self.grid.set_colours(colours)
        self._legend.muted = colours.muted
        self._legend.setStyleSheet("font-size: 11px")
        self.strip.set_theme(colours)
        self._update_words()

    def _request(self) -> None:
        """Asks for the transition at the cursor, unless nobody is looking: it costs model time."""
        session = self._session
        at = session.transition if session.analysis is not None and in_sight(self) else None
        if at == self._wanted:
            return
        self._wanted, self._failure = at, ""
        self._worker.request(at)
        self._request_other()
        if at is None or at == self.shown_transition:
            self._late.stop()
        elif not self._late.isActive():
            self._late.start()
        self._update_words()

    @Slot(int, object)
    def _on_ready(self, transition: int, result: Reconstruction) -> None:
        if transition != self._wanted:
            return
        frames = self._session.series.frames
        self._shown, self._failure = (transition, result), ""
        self._frames = int(frames[transition]), int(frames[transition + 1])
        self._late.stop()
        self._update_pictures()
        self._update_words()

    @Slot(int, str)
    def _on_failed(self, transition: int, reason: str) -> None:
        if transition == self._wanted:
            self._late.stop()
            self._failure = reason
            self._update_words()

    def _request_other(self) -> None:
        """Asks for the prediction under the chosen action, where another than the plain one is wanted."""
        state, at = self._state, self._wanted
        if at is None or (state.plain and not state.film):
            self._answer = self._asked = None
            self._forward.request(None)
            return
        steps = STEPS if state.film else 0
        offset = self.directions.offset()
        self._asked = ForwardRequest(
            at, state.kind, state.chosen, offset, action_name(state, self.directions.text()), steps
        )
        self._forward.request(self._asked)

    def _on_state(self) -> None:
        self._other_failure = ""
        self._request_other()
        self._update_pictures()
        self._update_words()

    def _on_heat(self, _: str) -> None:
        self._update_pictures()

    @Slot(object, object)
    def _on_answer(self, request: ForwardRequest, result: Intervention | Film) -> None:
        if request.transition == self._wanted:
            self._answer, self._other_failure = (request, result), ""
            self._update_pictures()
            self._update_words()

    @Slot(object, str)
    def _on_no_answer(self, request: ForwardRequest, reason: str) -> None:
        if request.transition == self._wanted:
            self._answer, self._other_failure = None, reason
            self._update_words()

    @property
    def intervention(self) -> Intervention | None:
        """The prediction under another action that is shown, or None."""
        result = None if self._answer is None else self._answer[1]
        return None if isinstance(result, Film) else result

    @property
    def film(self) -> Film | None:
        """The rollout that is shown, or None."""
        result = None if self._answer is None else self._answer[1]
        return result if isinstance(result, Film) else None

    def _update_pictures(self) -> None:
        result, other = None if self._shown is None else self._shown[1], self.intervention
        pictures: list[Image | None] = [None] * 4
        if other is not None:
            change = difference_picture(other.change, self._legend, "change")
            pictures = [other.current, other.predicted, other.plain, change]
        elif result is not None:
            heat = heat_picture(result, self._state.heat, self._legend)
            pictures = [result.current, result.predicted, result.target, heat]
        self.grid.set_pictures(pictures)
        self.strip.set_film(self.film)
        self.heat_box.setCurrentIndex(self.heat_box.findData(self._state.heat))
        self._show_parts()
        self._update_captions()

    def _show_parts(self) -> None:
        """Four pictures, or a film, or the words alone."""
        empty, film = self._shown is None, self.film is not None
        self.grid.setVisible(not empty and not film)
        self.strip.setVisible(not empty and film)
        self.controls.setVisible(not empty)

    def _update_captions(self) -> None:
        known, other = self._shown is not None, self.intervention is not None
        self.grid.set_captions(captions(self._frames if known else None, self._state.heat, changed=other))
        self._legend.setVisible(known and self.film is None)
        self.heat_box.setVisible(known and not other and self.film is None)

    def _update_words(self) -> None:
        session, colours = self._session, self._session.display.colours
        wait = waiting(session, self._wanted, self._failure, shown=self._shown is not None)
        # Without pictures the words are all there is, and stand in the middle.
        empty = self._shown is None
        self._show_parts()
        self._words.setAlignment(Qt.AlignmentFlag.AlignCenter if empty else Qt.AlignmentFlag.AlignLeft)
        if wait:
            self._plain = wait
            self._words.setText(f"<span style='color:{colours.muted}'>{wait}</span>")
        elif self._answer is not None or self._other_failure:
            bold, rest = self._other_failure, ""
            if self._answer is not None:
                bold, other = f"{self._answer[0].name}.", self.intervention
                rest = intervention_words(other) if other is not None else ""
            if self.film is not None:
                rest = film_words(self.film.rollout)
            self._plain = f"{bold} {rest}".strip()
            self._words.setText(f"<b>{escape(bold)}</b> {escape(rest)}")
        elif self._shown is not None and session.analysis is not None:
            result = self._shown[1]
            said = verdict(result.cross_entropy, session.analysis.cross_entropy)
            share = action_share(result.cross_entropy, result.cross_entropy_without_action)
            number = f"{result.cross_entropy:.2f} nats per code"
            self._plain = f"{number}: {said}. {share}"
            muted = f"<span style='color:{colours.muted}'>{share}</span>"
            self._words.setText(f"<b>{number}</b>: {said}. {muted}")
        if not wait and self._dreaming:
            self._plain += f" {self._dreaming}"
            self._words.setText(
                f"{self._words.text()} <span style='color:{colours.warning}'>{escape(self._dreaming)}</span>"
            )
        self._fit_words()
        self.grid.canvases[0].update()

    @property
    def _dreaming(self) -> str:
        """Which film is awaited; empty where none is."""
        asked = self._asked
        answered = self._other_failure or (self._answer and self._answer[0] is asked)
        return "" if asked is None or answered else dreaming(asked)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if carried(event.mimeData()) is not None and self._session.analysis is not None:
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        id = carried(event.mimeData())
        if id is not None:
            event.acceptProposedAction()
            self.action_dropped.emit(id)

    def _fit_words(self) -> None:
        """As high as the words need at this width, or all of the panel where they are all there is."""
        self._words.ensurePolished()
        needed = self._words.heightForWidth(self.width())
        self._words.setMinimumHeight(0 if self._shown is None else needed)
        self._words.setMaximumHeight(16_777_215 if self._shown is None else needed)

    def _paint_wait(self, painter: QPainter, canvas: ImageCanvas) -> None:
        if self._shown is None or self._wanted is None or self._wanted == self._shown[0]:
            return
        if self._late.isActive() or self._failure:
            return
        frame = int(self._session.series.frames[self._wanted])
        draw_badge(painter, QPointF(6, 6), f"computing frame {frame}", colour="#ffc14d")

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._arrange()
        self._fit_words()

    def look(self) -> None:
        """Predict while somebody sees it."""
        self._request()

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._request()

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        self._request()
