"""The forward dynamics panel's second row of controls: under which action, moved how far, one step or many."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QObject, Qt, Slot
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QSlider, QToolButton, QWidget

from lapose_inspector.models.forward_state import KIND_NAMES, REACH, ForwardState
from lapose_inspector.models.map_data import MapData, MapSource
from lapose_inspector.models.map_state import AXES
from lapose_inspector.models.session import Session
from lapose_inspector.views.combo_box import ComboBox
from lapose_inspector.workers.forward import DirectionsWorker, offset_of

if TYPE_CHECKING:
    from lapose_core.inference.directions import Direction
    from lapose_core.inference.result import ResultKey

TICKS = 60
"""Slider steps to either side."""
GROWTH = 1.3


class SweepDirections(QObject):
    """Directions of the open drive's latents, fitted anew as the analysis grows."""

    def __init__(self, session: Session, state: ForwardState, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session, self._state = session, state
        self._key: ResultKey | None = None
        self._fitted = 0
        self.known: dict[str, Direction] = {}
        self.worker = DirectionsWorker(self)
        self.worker.ready.connect(self._on_ready)
        session.analysis_changed.connect(self._on_analysis)
        self._on_analysis()

    def close(self) -> None:
        """Let go of the session and the thread."""
        self._session.analysis_changed.disconnect(self._on_analysis)
        self.worker.stop()

    def offset(self) -> NDArray[np.float32] | None:
        """What the slider adds to the action [A]; None where it stands in the middle or nothing is fitted yet."""
        direction = self.known.get(self._state.direction)
        if direction is None or self._state.amount == 0.0:
            return None
        return offset_of(direction, self._state.amount)

    def text(self) -> str:
        """How far the slider stands, in the direction's unit; a dash where the direction is not known."""
        direction, amount = self.known.get(self._state.direction), self._state.amount
        if direction is None:
            return "–"
        value = f"{amount * direction.spread:+.1f}" if amount else "0"
        return f"{value} {direction.unit}".replace("-", "−").rstrip()

    def reason(self) -> str:
        """Why the slider cannot be moved; empty where it can."""
        if self._state.direction in self.known:
            return ""
        if not self.known:
            return "Directions are fitted to this drive's actions, once some are analysed"
        return "This drive has too few transitions, or too even a motion, to fit this direction"

    def _on_analysis(self) -> None:
        analysis = self._session.analysis
        key = analysis.key if analysis is not None and analysis.done.any() else None
        if key != self._key:
            self._key, self._fitted, self.known = key, 0, {}
            if key is None or self._state.chosen is not None:
                self._state.reset()
        if analysis is None or key is None:
            return
        count = int(analysis.done.sum())
        if count > GROWTH * self._fitted or (analysis.complete and count != self._fitted):
            self._fitted = count
            self.worker.request(MapData([MapSource.of(analysis, self._session.series)]))

    @Slot(object)
    def _on_ready(self, known: dict[str, Direction]) -> None:
        self.known = known
        self._state.changed.emit()


class ForwardControls(QFrame):
    """Follows the state; what is chosen goes straight to it."""

    def __init__(self, state: ForwardState, directions: SweepDirections, parent: QWidget) -> None:
        super().__init__(parent)
        self._state, self._directions = state, directions
        self.setObjectName("tools")
        row = QHBoxLayout(self)
        row.setContentsMargins(12, 0, 6, 0)
        row.setSpacing(4)
        self.kind_box = ComboBox(self)
        for key, name in KIND_NAMES.items():
            self.kind_box.addItem(name, key)
        self.kind_box.setToolTip(
            "The action under which the next frame is predicted\n"
            "Inferred: what the model saw happen · Zero: none · Mirrored: left and right exchanged\n"
            "Chosen: that of another moment; drag a point of the latent map onto a picture"
        )
        self.kind_box.activated.connect(self._choose_kind)
        self.direction_box = ComboBox(self)
        for key, name in AXES.items():
            self.direction_box.addItem(name.removesuffix(" probe"), key)
        self.direction_box.setToolTip(
            "What the slider changes in the action: as latents differ between transitions of this drive\n"
            "that are faster or turn more, or along a principal component"
        )
        self.direction_box.activated.connect(self._choose_direction)
        self.slider = QSlider(Qt.Orientation.Horizontal, self)
        self.slider.setRange(-TICKS, TICKS)
        self.slider.setMinimumWidth(80)
        self.slider.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.slider.setToolTip(f"Moves the action up to {REACH:g} standard deviations of this drive to either side")
        self.slider.valueChanged.connect(self._slide)
        self.value = QLabel(self)
        self.value.setMinimumWidth(66)
        self.film_button = QToolButton(self)
        self.film_button.setText("Film")
        self.film_button.setCheckable(True)
        self.film_button.setAutoRaise(True)
        self.film_button.setToolTip("Let the model go on from its own predictions, under the same kind of action")
        self.film_button.clicked.connect(self._choose_film)
        self.reset_button = QToolButton(self)
        self.reset_button.setText("Reset")
        self.reset_button.setAutoRaise(True)
        self.reset_button.setToolTip("Back to the inferred action")
        self.reset_button.clicked.connect(state.reset)
        for text, box in (("Action", self.kind_box), ("Sweep", self.direction_box)):
            row.addWidget(QLabel(text, self))
            row.addWidget(box)
        row.addWidget(self.slider, 1)
        row.addWidget(self.value)
        row.addWidget(self.reset_button)
        row.addWidget(self.film_button)
        state.changed.connect(self._show)
        self._show()

    def close_panel(self) -> None:
        """Let go of the state."""
        self._state.changed.disconnect(self._show)

    def _show(self) -> None:
        state = self._state
        at = self.kind_box.findData("chosen")
        item = self.kind_box.model().item(at)  # type: ignore[attr-defined]
        item.setEnabled(state.chosen is not None)
        self.kind_box.setCurrentIndex(self.kind_box.findData(state.kind))
        self.direction_box.setCurrentIndex(self.direction_box.findData(state.direction))
        self.slider.blockSignals(True)
        self.slider.setValue(round(state.amount / REACH * TICKS))
        self.slider.blockSignals(False)
        self.slider.setEnabled(state.direction in self._directions.known)
        self.value.setText(self._directions.text())
        self.value.setToolTip(self._directions.reason())
        self.film_button.setChecked(state.film)
        self.reset_button.setEnabled(not state.plain)

    def _choose_kind(self, index: int) -> None:
        self._state.kind = self.kind_box.itemData(index)

    def _choose_direction(self, index: int) -> None:
        self._state.direction = self.direction_box.itemData(index)

    def _slide(self, value: int) -> None:
        self._state.amount = value / TICKS * REACH

    def _choose_film(self, on: bool) -> None:
        self._state.film = on
