"""Speed, yaw rate and errors over the whole drive, on one time axis with the cursor."""

from __future__ import annotations

from functools import partial

import numpy as np
from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QHelpEvent, QMouseEvent, QPainter, QPaintEvent, QPixmap, QResizeEvent, QWheelEvent
from PySide6.QtWidgets import QScrollBar, QSizePolicy, QToolTip, QWidget

from lapose_inspector.models.definitions import DEFINITIONS
from lapose_inspector.models.recorded import recorded_tracks
from lapose_inspector.models.session import Session
from lapose_inspector.models.turn_signal import MORE
from lapose_inspector.views.panel import in_sight
from lapose_inspector.views.track_values import Coming, Plotted, plotted
from lapose_inspector.visuals.printing import clipped, on_screen
from lapose_inspector.visuals.tracks import (
    AXIS,
    LEAST_HEIGHT,
    RIGHT,
    Track,
    gutter,
    paint_axis,
    paint_ground,
    paint_plots,
    rows,
    small,
)
from lapose_inspector.visuals.tracks_axis import TimeSpan
from lapose_inspector.visuals.tracks_cursor import Mark, Marks, Readout, margin, paint_mark, paint_values
from lapose_inspector.visuals.tracks_notes import paint_notes

THIRD = 54.0
"""Pixels of margin more for the values of a compared trajectory."""
CLICK = 4.0
"""Pixels the pointer may move between press and release of a click."""


class TracksView(QWidget):
    """Wheel zooms about the pointer, drag pans, double click fits; a click, or a drag on the axis, seeks.

    Where the plots have no room they scroll under the time axis, by the bar or by the wheel over their names.
    """

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._view: tuple[float, float] | None = None  # visible start and stop in seconds; None is all
        self._plotted = Plotted()
        self._recorded = recorded_tracks(session.drive)
        self._static: QPixmap | None = None
        self._plots: QPixmap | None = None
        """Of it, what neither selection nor loop change."""
        self._coming: Coming | None = None
        self._marks: Marks | None = None
        self._mark: Mark | None = None
        self._moment: tuple[int | None, ...] = ()
        self._readouts: tuple[Readout, ...] = ()
        self._press: QPointF | None = None
        self._panned_from: float | None = None
        self._scrubbing = False
        self._bar = QScrollBar(Qt.Orientation.Vertical, self)
        self._bar.setSingleStep(LEAST_HEIGHT)
        self._bar.valueChanged.connect(self.update)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumSize(320, 110)
        self.setFont(small(self.font(), 0.92))
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setToolTip("Wheel: zoom · drag: pan · double click: all · click: go there · drag on the axis: scrub")
        session.drive_changed.connect(self._on_drive)
        session.analysis_changed.connect(self._take_series, partial(in_sight, self))
        session.timeline.followed.connect(self._on_cursor)
        session.timeline.loop_changed.connect(self._on_loop)
        session.selection.changed.connect(self._reshade)
        session.display.theme_changed.connect(self._on_theme)
        session.annotations.changed.connect(self._redraw)
        session.comparison.changed.connect(self._on_series)
        self._on_series()

    def close_panel(self) -> None:
        """Let go of the session."""
        session = self._session
        session.drive_changed.disconnect(self._on_drive)
        session.analysis_changed.disconnect(self._take_series)
        session.timeline.followed.disconnect(self._on_cursor)
        session.timeline.loop_changed.disconnect(self._on_loop)
        session.selection.changed.disconnect(self._reshade)
        session.display.theme_changed.disconnect(self._on_theme)
        session.annotations.changed.disconnect(self._redraw)
        session.comparison.changed.disconnect(self._on_series)
        self._static = self._plots = None

    def sizeHint(self) -> QSize:
        return QSize(1280, 230)

    @property
    def span(self) -> TimeSpan:
        """The visible seconds and where they lie in the widget."""
        timeline = self._session.timeline
        total = max(timeline.time_of(timeline.n_frames - 1) if timeline.n_frames > 1 else 1.0, 1e-3)
        start, stop = self._view or (0.0, total)
        left = gutter(self._picture.height(), len(self.tracks), self.font())
        left += THIRD if self._session.comparison.other is not None else 0.0
        return TimeSpan(start, stop, total, left, max(self.width() - left - RIGHT, 1.0))

    @property
    def _picture(self) -> QSize:
        """The plots and the axis, higher than the panel where the plots would have less than they need."""
        return QSize(self.width(), max(self.height(), int(AXIS) + 1 + LEAST_HEIGHT * len(self.tracks)))

    def _fit_bar(self) -> None:
        hidden = self._picture.height() - self.height()
        room = self.height() - int(AXIS)
        self._bar.setGeometry(self.width() - int(RIGHT), 0, int(RIGHT), room)
        self._bar.setRange(0, hidden)
        self._bar.setPageStep(room)
        self._bar.setVisible(hidden > 0)

    @property
    def tracks(self) -> tuple[Track, ...]:
        """What is plotted, from top to bottom."""
        return self._plotted.tracks

    @property
    def mark(self) -> Mark | None:
        """The cursor as it is painted; None where it is out of sight."""
        return self._mark

    def fit(self) -> None:
        """Show the whole drive."""
        self._set_view(None)

    def _set_view(self, span: TimeSpan | None) -> None:
        whole = span is None or span.length >= span.total * (1 - 1e-6)
        self._view = None if whole or span is None else (span.start, span.stop)
        self._redraw()

    def _on_drive(self) -> None:
        self._view = None
        self._recorded = recorded_tracks(self._session.drive)
        self._on_series()

    def _on_series(self) -> None:
        self._coming = None
        self._plotted = plotted(self._session, self._recorded)
        self._fit_bar()
        self._redraw()

    def _take_series(self) -> object:
        """Draw one plot of a snapshot in each turn; until all are drawn, those before are shown."""
        session, coming = self._session, self._coming
        if coming is None:
            what = plotted(session, self._recorded)
            if self._plots is None or len(what.tracks) != len(self.tracks) or not in_sight(self):
                self._on_series()
                return None
            self._coming = Coming(session.series, what, self._pixmap(self._picture))
            return MORE
        with QPainter(coming.picture) as painter:
            if coming.drawn < len(coming.plotted.tracks):
                self._paint_part(painter, self._picture, coming.plotted, slice(coming.drawn, coming.drawn + 1))
                coming.drawn += 1
                return MORE
            self._paint_axis(painter, self._picture)
        self._coming, self._plotted, self._plots = None, coming.plotted, coming.picture
        self._marks, self._readouts = None, ()
        self._static = self._drawn_static(self._picture)
        self.update()
        return None if coming.series is session.series else MORE  # the next one came meanwhile

    def _on_cursor(self) -> None:
        span = self.span
        seconds = self._session.timeline.time
        if self._view is not None and self._press is None and not span.start <= seconds <= span.stop:
            # The cursor left the picture: turn the page, leaving a little of what came before.
            forwards = seconds > span.stop
            self._set_view(span.placed(seconds - span.length * (0.1 if forwards else 0.9)))
        if self._static is None or self._marks is None or self._picture.height() > self.height():
            self.update()
            return
        # Only what the cursor leaves and where it comes to: the whole picture takes three times as long.
        before, values = self._mark, self._readouts
        self._place_mark()
        for mark in (before, self._mark):
            if mark is not None:
                for area in mark.areas(self.height()):
                    self.update(area)
        if values is not self._readouts:
            self.update(margin(self.size(), span))

    def _place_mark(self) -> None:
        """Look up where the cursor stands, and the values there unless it is still among the same samples."""
        session = self._session
        timeline, transition = session.timeline, session.transition
        if self._marks is None:
            self._marks = Marks(self._picture, self.font(), self.span, self.tracks)
        self._mark = self._marks.at(timeline.time, timeline.frame, transition)
        moment = self._plotted.moment(transition, timeline.time)
        if moment != self._moment or not self._readouts:
            self._moment, self._readouts = moment, self._plotted.readouts(session)

    def _on_loop(self, _: object = None) -> None:
        self._reshade()

    def _on_theme(self, _: str = "") -> None:
        self._on_series()

    def _redraw(self) -> None:
        if self._coming is not None:  # drawn for another view
            self._plotted, self._coming = self._coming.plotted, None
        self._plots = self._marks = None
        self._readouts = ()
        self._reshade()

    def _reshade(self) -> None:
        self._static = None
        self.update()

    def _loop(self) -> tuple[float, float] | None:
        timeline = self._session.timeline
        if timeline.loop is None or not timeline.loop_enabled:
            return None
        return timeline.time_of(timeline.loop[0]), timeline.time_of(timeline.loop[1])

    def paintEvent(self, event: QPaintEvent) -> None:
        with QPainter(self) as painter:
            self._paint(painter, event)

    def _paint(self, painter: QPainter, event: QPaintEvent) -> None:
        session, colours = self._session, self._session.display.colours
        painter.setFont(self.font())
        if not self.tracks:
            painter.fillRect(self.rect(), colours.panel)
            painter.setPen(colours.muted)
            text = "Open a driving log to see speed, yaw rate and errors over time."
            if session.drive is not None:
                text = "A drive of one frame has no motion to plot, and this one has no recorded tracks either."
            painter.drawText(self.rect(), Qt.AlignmentFlag.AlignCenter, text)
            return
        if not on_screen(painter, self.devicePixelRatioF()):
            # Paper does not scroll.
            self._paint_ground(painter, self.size())
            self._paint_plots(painter, self.size())
            self._paint_values(painter, self.size())
            marks = Marks(self.size(), self.font(), self.span, self.tracks)
            mark = marks.at(session.timeline.time, session.timeline.frame, session.transition)
            self._paint_mark(painter, mark, self.size())
            return
        picture = self._picture
        if self._static is None:
            self._static = self._drawn_static(picture)
        self._place_mark()
        hidden = picture.height() - self.height()
        if not hidden:
            painter.drawPixmap(0, 0, self._static)
            if event.region().intersects(margin(picture, self.span)):
                self._paint_values(painter, picture)
            self._paint_mark(painter, self._mark, picture)
            return
        plots = QRectF(0, 0, self.width(), self.height() - AXIS)
        axis = QRectF(0, plots.bottom(), self.width(), AXIS)
        for part, up in ((plots, self._bar.value()), (axis, hidden)):
            with clipped(painter, part):
                painter.translate(0, -up)
                painter.drawPixmap(0, 0, self._static)
                self._paint_values(painter, picture)
                self._paint_mark(painter, self._mark, picture)

    def _paint_values(self, painter: QPainter, size: QSize) -> None:
        readouts = self._readouts or self._plotted.readouts(self._session)
        paint_values(painter, size, self.font(), self.span, self.tracks, readouts)

    def _paint_mark(self, painter: QPainter, mark: Mark | None, size: QSize) -> None:
        if mark is not None:
            paint_mark(painter, mark, size, self.font(), self._session.display.colours)

    def _drawn_static(self, size: QSize) -> QPixmap:
        """What does not move with the cursor, drawn once for the screen."""
        if self._plots is None:
            self._plots = self._pixmap(size)
            with QPainter(self._plots) as painter:
                self._paint_plots(painter, size)
        pixmap = self._pixmap(size)
        with QPainter(pixmap) as painter:
            self._paint_ground(painter, size)
            painter.drawPixmap(0, 0, self._plots)
        return pixmap

    def _pixmap(self, size: QSize) -> QPixmap:
        ratio = self.devicePixelRatioF()
        pixmap = QPixmap(size * ratio)
        pixmap.setDevicePixelRatio(ratio)
        pixmap.fill(Qt.GlobalColor.transparent)
        return pixmap

    def _paint_ground(self, painter: QPainter, size: QSize) -> None:
        session = self._session
        times = session.timeline.timestamps
        selected, doubtful = (
            times[frames] - times[0] for frames in (session.selected_frames(), session.doubtful_frames())
        )
        paint_ground(painter, size, session.display.colours, self.span, self._loop(), selected, doubtful)

    def _paint_plots(self, painter: QPainter, size: QSize) -> None:
        self._paint_part(painter, size, self._plotted, slice(None))
        self._paint_axis(painter, size)

    def _paint_part(self, painter: QPainter, size: QSize, what: Plotted, part: slice) -> None:
        paint_plots(painter, size, self.font(), self._session.display.colours, self.span, what.tracks, part)

    def _paint_axis(self, painter: QPainter, size: QSize) -> None:
        session, time_of = self._session, self._session.timeline.time_of
        paint_axis(painter, size, self.font(), session.display.colours, self.span)
        notes, last = session.annotations, session.timeline.n_frames - 1
        spans = (
            (time_of(min(n.first_frame, last)), time_of(min(n.last_frame, last)), notes.palette.colour_of(n.label))
            for n in notes.notes
        )
        paint_notes(painter, self.span, size.height() - AXIS, spans)

    def event(self, event: QEvent) -> bool:
        if isinstance(event, QHelpEvent) and event.type() == QEvent.Type.ToolTip and self.tracks:
            y = event.pos().y() + self._bar.value() if event.pos().y() < self.height() - AXIS else np.inf
            for index, (top, height) in enumerate(rows(self._picture.height(), len(self.tracks))):
                if event.pos().x() < self.span.left and top <= y < top + height:
                    QToolTip.showText(event.globalPos(), self._definition(index), self)
                    return True
        return super().event(event)

    def _definition(self, index: int) -> str:
        """What the track of that place shows."""
        track = self.tracks[index]
        if track.source:
            return f"{track.label} in {track.unit}, from {track.source}"
        key = self._plotted.series[index].key if index < len(self._plotted.series) else track.label.lower()
        return DEFINITIONS.get(key, f"{track.label} in {track.unit}")

    def resizeEvent(self, event: QResizeEvent) -> None:
        self._fit_bar()
        self._redraw()
        super().resizeEvent(event)

    def wheelEvent(self, event: QWheelEvent) -> None:
        span, turn = self.span, event.angleDelta()
        if self._bar.isVisible() and event.position().x() < span.left:
            self._bar.setValue(self._bar.value() - round(turn.y() * LEAST_HEIGHT / 120))
        elif turn.y() and not event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
            self._set_view(span.zoomed(0.8 ** (turn.y() / 120), span.seconds(event.position().x())))
        else:
            sideways = turn.x() or turn.y()
            self._set_view(span.placed(span.start - sideways / 1200 * span.length))
        event.accept()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() != Qt.MouseButton.LeftButton:
            return
        self._press = event.position()
        self._panned_from = self.span.start
        self._scrubbing = event.position().y() >= self.height() - AXIS
        if self._scrubbing:
            self._seek(event.position().x())

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if self._press is None or self._panned_from is None:
            return
        moved = event.position().x() - self._press.x()
        if self._scrubbing:
            self._seek(event.position().x())
        elif self._view is not None and abs(moved) > CLICK:
            span = self.span
            self._set_view(span.placed(self._panned_from - moved / span.width * span.length))

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        press, self._press = self._press, None
        if press is None or self._scrubbing or event.button() != Qt.MouseButton.LeftButton:
            return
        if (event.position() - press).manhattanLength() <= CLICK and event.position().x() >= self.span.left:
            self._seek(event.position().x())

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        self.fit()

    def _seek(self, x: float) -> None:
        """Put the cursor on the frame nearest in time to the pixel: its line will stand there."""
        timeline = self._session.timeline
        if timeline.n_frames:
            span = self.span
            seconds = float(np.clip(span.seconds(x), span.start, span.stop)) + timeline.timestamps[0]
            timeline.seek(int(np.argmin(np.abs(timeline.timestamps - seconds))))
