"""What is open, where the cursor is, and what the program is doing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtWidgets import QLabel, QProgressBar, QSizePolicy, QStatusBar, QToolButton, QWidget

from lapose_inspector.models.memory import MemoryUse
from lapose_inspector.models.session import Session
from lapose_inspector.views.action_set import ActionSet
from lapose_inspector.views.scrubber import clock_text
from lapose_inspector.views.steady_label import SteadyLabel

if TYPE_CHECKING:
    from lapose_core.inference.result import DriveAnalysis

DOT = "  ·  "


class StatusBar(QStatusBar):
    """Drive, rates, frame and time on the left; device and analysis on the right."""

    def __init__(self, session: Session, actions: ActionSet, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self.setSizeGripEnabled(False)
        # The frame's number has a label of its own: a line with all of it would be laid out for every frame.
        self.drive, self.where, self.rates = QLabel(), SteadyLabel(), QLabel()
        self.drive.setContentsMargins(8, 0, 0, 0)
        self.device, self.doing, self.memory = QLabel(), SteadyLabel(), SteadyLabel()
        self.device.setProperty("muted", True)
        self.memory.setProperty("muted", True)
        self.memory.setContentsMargins(4, 0, 4, 0)
        self.device.setContentsMargins(4, 0, 10, 0)
        self.progress = QProgressBar()
        self.progress.setFixedWidth(150)
        self.progress.setRange(0, 1000)
        self.cancel = QToolButton()
        self.cancel.setDefaultAction(actions["analyse.cancel"])
        self.note = QLabel()
        self.note.setProperty("warning", True)
        self.note.setContentsMargins(8, 0, 0, 0)
        # A long note is cut off rather than making the window wider; the tooltip has all of it.
        self.note.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        # The frame and its time come last: there is always room for the drive's last frame, which would be a gap here.
        for label in (self.drive, self.rates, self.where):
            self.addWidget(label)
        self.addWidget(self.note, 1)
        for widget in (self.doing, self.progress, self.cancel, self.memory, self.device):
            self.addPermanentWidget(widget)
        self._running = self._opening = self._checking = False
        self._rates = ""
        session.drive_changed.connect(self._on_drive)
        session.rate_changed.connect(self._on_rate)
        session.timeline.followed.connect(self._on_frame)
        session.model_changed.connect(self._show_model)
        session.analysis_changed.connect(self._on_analysis)
        session.status_changed.connect(self._on_status)
        self._on_drive()
        self._show_model()
        self.set_running(False)

    def close_panel(self) -> None:
        """Let go of the models."""
        session = self._session
        session.drive_changed.disconnect(self._on_drive)
        session.rate_changed.disconnect(self._on_rate)
        session.timeline.followed.disconnect(self._on_frame)
        session.model_changed.disconnect(self._show_model)
        session.analysis_changed.disconnect(self._on_analysis)
        session.status_changed.disconnect(self._on_status)

    def set_running(self, running: bool) -> None:
        """Whether an analysis is going on."""
        self._running = running
        self._show_doing()

    def set_checking(self, checking: bool) -> None:
        """Whether the drive is looked at again, for its confidence."""
        self._checking = checking
        self._show_doing()

    def show_memory(self, use: MemoryUse) -> None:
        """What is kept to be fast."""
        self.memory.show_text(use.text)
        self.memory.setToolTip(use.details)

    def set_opening(self, opening: bool) -> None:
        """Whether a log is being listed or opened, which takes nobody knows how long."""
        self._opening = opening
        self._show_doing()

    def _on_frame(self) -> None:
        self._show_where()

    def _on_drive(self) -> None:
        drive, timeline = self._session.drive, self._session.timeline
        notes = () if drive is None else drive.notes
        self.note.setText(notes[0] + (f" (and {len(notes) - 1} more)" if len(notes) > 1 else "") if notes else "")
        self.note.setToolTip("\n".join(notes))
        if drive is None:
            self.drive.setText("No drive open. File > Open file, or drop a log here.")
        else:
            self.drive.setText(f"<b>{_escape(drive.name)}</b>")
            # What does not change with an analysis: at 100,000 frames it takes a millisecond.
            even = drive.even_rate(self._session.rate)
            self._rates = f"·  {drive.rate:.1f} fps{DOT}analysed at {even:.3g} Hz"
            self.where.show_text(self._place(timeline.frame), self._place(timeline.n_frames - 1))
        for label in (self.where, self.rates):
            label.setVisible(drive is not None)
        self._show_rates()

    def _on_rate(self, _: float) -> None:
        self._on_drive()

    def _on_analysis(self) -> None:
        self._show_rates()
        self._show_doing()

    def _on_status(self, _: str) -> None:
        self._show_doing()

    def _show_where(self) -> None:
        if self._session.drive is not None:
            self.where.show_text(self._place(self._session.timeline.frame))

    def _place(self, frame: int) -> str:
        timeline = self._session.timeline
        return f"·  frame {frame} / {timeline.n_frames - 1}{DOT}{clock_text(timeline.time_of(frame), 2)} s"

    def _show_rates(self) -> None:
        drive, analysis = self._session.drive, self._session.analysis
        if drive is not None:
            told = "" if analysis is None else f"{DOT}{analysis.camera.fov_source}"
            self.rates.setText(self._rates + told)

    def _show_model(self) -> None:
        info = self._session.model_info
        note = "" if info is None else info.device_note
        self.device.setText("no model" if info is None else info.device + (f" ({note})" if note else ""))
        self.device.setToolTip("Where the model runs; Analyse > Device chooses it" + (f"\n{note}" if note else ""))

    def _show_doing(self) -> None:
        analysis = self._session.analysis
        share = 0.0 if analysis is None else _share(analysis)
        done = share
        if self._checking:
            checks = None if analysis is None else analysis.checks
            done = 0.0 if checks is None else float(checks.seen.mean())
        # Qt paints a new value at once, and with it whatever else in the window waits to be painted.
        self.progress.setUpdatesEnabled(False)
        self.progress.setRange(0, 0 if self._opening else 1000)
        self.progress.setValue(round(done * 1000))
        self.progress.setUpdatesEnabled(True)
        self.progress.setVisible(self._running or self._opening or self._checking)
        self.cancel.setVisible(self._running or self._opening or self._checking)
        failed = 0 if analysis is None else len(analysis.failed_windows)
        words = self._session.status
        if self._running and not self._opening:
            words = "analysing"
        elif self._checking and not words:
            words = "checking"
        elif not words and analysis is not None:
            words = "analysed" if analysis.complete else f"analysis paused at {share:.0%}"
        if failed:
            words += f", {failed} of {analysis.n_windows} windows failed" if analysis else ""
        self.doing.show_text(words)
        self.doing.setToolTip(
            "\n".join(list(analysis.failed_windows.values())[:8]) if analysis is not None and failed else ""
        )


def _share(analysis: DriveAnalysis) -> float:
    """How much of the drive is analysed, 0..1: not nothing where the first transitions are there but no window."""
    if analysis.complete:
        return 1.0
    known = max(analysis.progress, float(analysis.done.mean()) if len(analysis.done) else 0.0)
    return min(max(known, 0.01), 0.99) if known > 0 else 0.0


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;")
