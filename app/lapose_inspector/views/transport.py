"""Play, step, speed and loop, beside the scrubber."""

from __future__ import annotations

from PySide6.QtCore import QSize
from PySide6.QtWidgets import QHBoxLayout, QToolButton, QVBoxLayout, QWidget

from lapose_inspector.models.session import Session
from lapose_inspector.models.timeline import SPEEDS
from lapose_inspector.views.action_set import ActionSet
from lapose_inspector.views.annotation_band import AnnotationBand
from lapose_inspector.views.combo_box import ComboBox
from lapose_inspector.views.scrubber import Scrubber, clock_text
from lapose_inspector.views.steady_label import SteadyLabel

BUTTONS = (
    "play.second_back",
    "play.previous",
    "play.toggle",
    "play.next",
    "play.second_on",
    "play.loop",
    "play.every_frame",
)


class Transport(QWidget):
    """The bar between the panels and the status bar."""

    def __init__(self, session: Session, actions: ActionSet, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("transport")
        self._session, self._timeline = session, session.timeline
        self.scrubber = Scrubber(session)
        self.band = AnnotationBand(session, self.scrubber.x_of, self.scrubber.frame_at)
        row = QHBoxLayout(self)
        row.setContentsMargins(8, 3, 10, 3)
        row.setSpacing(2)
        for id in BUTTONS:
            button = QToolButton()
            button.setDefaultAction(actions[id])
            button.setIconSize(QSize(24, 24) if id == "play.toggle" else QSize(18, 18))
            button.setAutoRaise(True)
            row.addWidget(button)
        self.speed = ComboBox()
        self.speed.setToolTip("Playback speed (- and =)")
        self.speed.addItems([f"{speed:g}×" for speed in SPEEDS])
        self.speed.setFixedWidth(78)
        self.speed.activated.connect(self._on_speed_chosen)
        self.time = SteadyLabel("88:88.88 / 88:88.8 s")
        self.time.setToolTip("Time of the frame at the cursor, and of the whole drive")
        self.rate = SteadyLabel("888.8 fps")
        self.rate.setProperty("muted", True)
        self.rate.setToolTip("Frames shown per second while playing")
        self.show_rate(None)
        row.addSpacing(4)
        row.addWidget(self.speed)
        row.addSpacing(4)
        row.addWidget(self.rate)
        row.addSpacing(6)
        bands = QVBoxLayout()
        bands.setSpacing(0)
        bands.addWidget(self.scrubber)
        bands.addWidget(self.band)
        row.addLayout(bands, 1)
        row.addSpacing(6)
        row.addWidget(self.time)
        self._timeline.followed.connect(self._show_time)
        self._timeline.range_changed.connect(self._on_range)
        self._timeline.speed_changed.connect(self._show_speed)
        self._on_range()
        self._show_speed(self._timeline.speed)

    def close_panel(self) -> None:
        """Let go of the models."""
        self.scrubber.close_panel()
        self.band.close_panel()
        self._timeline.followed.disconnect(self._show_time)
        self._timeline.range_changed.disconnect(self._on_range)
        self._timeline.speed_changed.disconnect(self._show_speed)

    def show_rate(self, shown: float | None) -> None:
        """Frames shown per second; None while nothing plays."""
        self.rate.show_text("– fps" if shown is None else f"{shown:.1f} fps")

    def _on_speed_chosen(self, index: int) -> None:
        self._timeline.speed = SPEEDS[index]

    def _show_speed(self, speed: float) -> None:
        self.speed.setCurrentIndex(min(range(len(SPEEDS)), key=lambda i: abs(SPEEDS[i] - speed)))

    def _on_range(self) -> None:
        self._show_time()

    def _show_time(self) -> None:
        if not self._timeline.n_frames:
            self.time.show_text("–")
            return
        whole = self._timeline.time_of(self._timeline.n_frames - 1)
        self.time.show_text(f"{clock_text(self._timeline.time, 2)} / {clock_text(whole, 1)} s")
