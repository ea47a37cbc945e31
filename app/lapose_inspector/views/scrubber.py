"""The timeline under the panels: what is analysed, what kind of driving it is, the loop and the cursor."""

from __future__ import annotations

from functools import partial

import numpy as np
from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QImage, QMouseEvent, QPainter, QPaintEvent, QPixmap, QPolygonF, QResizeEvent
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from lapose_inspector.models.colours import CATEGORIES, PREDICTION
from lapose_inspector.models.session import Session
from lapose_inspector.views.panel import in_sight

MARGIN = 8.0
BAND = 7.0
GRIP = 4.0
"""Pixels around an end of the loop in which it is taken hold of."""
TICK_STEPS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600)


def clock_text(seconds: float, decimals: int = 0) -> str:
    """``62.5`` -> ``1:02.5``; below a minute ``12.5``."""
    minutes, rest = divmod(round(seconds, decimals), 60.0)
    if not minutes:
        return f"{rest:.{decimals}f}"
    return f"{int(minutes)}:{rest:0{3 + decimals if decimals else 2}.{decimals}f}"


class Scrubber(QWidget):
    """Click or drag to move the cursor; with Shift, or at an end of the loop, to choose what is looped.

    Everything but the cursor is drawn once per change.
    """

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session, self._timeline = session, session.timeline
        self._static: QPixmap | None = None
        self._dragging = False
        self._loop_from: int | None = None  # the end of the loop that stays while the other is dragged
        self.setMinimumSize(160, 46)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setMouseTracking(True)
        self._timeline.followed.connect(self._on_frame)
        self._timeline.range_changed.connect(self._redraw)
        self._timeline.loop_changed.connect(self._on_loop)
        session.analysis_changed.connect(self._on_analysis, partial(in_sight, self))
        session.selection.changed.connect(self._redraw)
        session.display.theme_changed.connect(self._on_theme)

    def close_panel(self) -> None:
        """Let go of the models."""
        self._timeline.followed.disconnect(self._on_frame)
        self._timeline.range_changed.disconnect(self._redraw)
        self._timeline.loop_changed.disconnect(self._on_loop)
        self._session.analysis_changed.disconnect(self._on_analysis)
        self._session.selection.changed.disconnect(self._redraw)
        self._session.display.theme_changed.disconnect(self._on_theme)

    def sizeHint(self) -> QSize:
        return QSize(600, 46)

    def x_of(self, frame: int) -> float:
        """Widget x of a frame, by its time."""
        duration = self._timeline.time_of(self._timeline.n_frames - 1)
        share = self._timeline.time_of(frame) / duration if duration > 0 else 0.0
        return MARGIN + share * (self.width() - 2 * MARGIN)

    def frame_at(self, x: float) -> int:
        """The frame nearest to widget ``x``."""
        if self._timeline.n_frames < 2:
            return 0
        share = float(np.clip((x - MARGIN) / max(1.0, self.width() - 2 * MARGIN), 0, 1))
        seconds = share * self._timeline.time_of(self._timeline.n_frames - 1)
        low = self._timeline.frame_at(seconds)
        high = min(low + 1, self._timeline.n_frames - 1)
        nearer_high = self._timeline.time_of(high) - seconds < seconds - self._timeline.time_of(low)
        return high if nearer_high else low

    def _on_frame(self) -> None:
        self.update()

    def _on_loop(self, _: object) -> None:
        self._redraw()

    def _on_theme(self, _: str) -> None:
        self._redraw()

    def _on_analysis(self) -> None:
        self._redraw()
        if in_sight(self):
            # Now, for several panels may be painted in one turn of the event loop.
            self._static = self._draw_static()

    def _redraw(self) -> None:
        self._static = None
        self.update()

    def resizeEvent(self, event: QResizeEvent) -> None:
        self._static = None
        super().resizeEvent(event)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() != Qt.MouseButton.LeftButton or not self._timeline.n_frames:
            return
        x = event.position().x()
        self._loop_from = self._other_end(x)
        if self._loop_from is None and event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
            self._loop_from = self.frame_at(x)
        if self._loop_from is None:
            self._dragging = True
            self._timeline.pause()
            self._timeline.seek(self.frame_at(x))

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if not self._timeline.n_frames:
            return
        frame = self.frame_at(event.position().x())
        if self._loop_from is not None:
            if frame != self._loop_from:
                self._timeline.set_loop(self._loop_from, frame)
            QToolTip.showText(event.globalPosition().toPoint(), self._loop_text(), self)
            return
        if self._dragging:
            self._timeline.seek(frame)
        at_end = not self._dragging and self._other_end(event.position().x()) is not None
        self.setCursor(Qt.CursorShape.SizeHorCursor if at_end else Qt.CursorShape.ArrowCursor)
        text = f"frame {frame} · {clock_text(self._timeline.time_of(frame), 2)} s"
        regime = self._session.series.series.get("regime")
        transition = self._session.series.transition_at(frame)
        if regime is not None and regime.text(transition) != "–":
            text += f" · {regime.text(transition)}"
        confidence = self._session.series.series.get("confidence")
        if confidence is not None and confidence.text(transition) != "–":
            text += f" · confidence {confidence.text(transition)}"
        QToolTip.showText(event.globalPosition().toPoint(), text, self)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        self._dragging = False
        self._loop_from = None

    def _other_end(self, x: float) -> int | None:
        """The end of the loop opposite to the one at widget ``x``; None where there is none at ``x``."""
        loop = self._timeline.loop
        if loop is None:
            return None
        ends = ((abs(self.x_of(loop[0]) - x), loop[1]), (abs(self.x_of(loop[1]) - x), loop[0]))
        distance, other = min(ends)
        return other if distance <= GRIP else None

    def _loop_text(self) -> str:
        loop = self._timeline.loop
        if loop is None:
            return "drag to choose what is looped"
        seconds = self._timeline.time_of(loop[1]) - self._timeline.time_of(loop[0])
        return f"loop from frame {loop[0]} to {loop[1]} · {clock_text(seconds, 2)} s"

    def paintEvent(self, event: QPaintEvent) -> None:
        with QPainter(self) as painter:
            self._paint(painter)

    def _paint(self, painter: QPainter) -> None:
        if self._static is None:
            self._static = self._draw_static()
        painter.drawPixmap(0, 0, self._static)
        if self._timeline.n_frames:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            x, colour = self.x_of(self._timeline.frame), QColor(self._session.display.colours.cursor)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(colour)
            painter.drawRect(QRectF(x - 0.75, 6, 1.5, self._bands_bottom() - 6))
            painter.drawPolygon(QPolygonF([QPointF(x - 5, 2), QPointF(x + 5, 2), QPointF(x, 9)]))

    def _bands_bottom(self) -> float:
        return 12 + 2 * BAND + 2

    def _draw_static(self) -> QPixmap:
        ratio = self.devicePixelRatioF()
        pixmap = QPixmap(round(self.width() * ratio), round(self.height() * ratio))
        pixmap.setDevicePixelRatio(ratio)
        pixmap.fill(Qt.GlobalColor.transparent)
        with QPainter(pixmap) as painter:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            c = self._session.display.colours
            analysed = QRectF(MARGIN, 11, self.width() - 2 * MARGIN, BAND)
            regime = analysed.translated(0, BAND + 3)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(c.raised if c.raised != c.panel else c.border))
            painter.drawRoundedRect(analysed, 3, 3)
            painter.drawRoundedRect(regime, 3, 3)
            if self._timeline.n_frames > 1:
                series = self._session.series
                self._draw_runs(painter, analysed, series.done.astype(float), {1: QColor(PREDICTION)})
                doubt = QRectF(analysed.left(), analysed.top(), analysed.width(), BAND / 2)
                self._draw_runs(painter, doubt, series.doubtful.astype(float), {1: QColor(c.warning)})
                labels = series.series["regime"].values if "regime" in series.series else np.zeros(0)
                colours = {i: QColor(CATEGORIES[i % len(CATEGORIES)]) for i in range(len(CATEGORIES))}
                self._draw_runs(painter, regime, np.where(np.isfinite(labels), labels, -1), colours)
                between = QRectF(analysed.left(), analysed.bottom(), analysed.width(), 3)
                chosen = self._session.selected_transitions()
                self._draw_runs(painter, between, chosen.astype(float), {1: QColor(c.selection)})
                self._draw_loop(painter, QRectF(analysed.topLeft(), regime.bottomRight()))
                self._draw_ticks(painter, regime.bottom())
        return pixmap

    def _draw_runs(self, painter: QPainter, band: QRectF, values: np.ndarray, colours: dict[int, QColor]) -> None:
        """The values [T] of the transitions in their colours; values without a colour stay bare, and of several in a
        pixel the largest is shown."""
        width = round(band.width() * self.devicePixelRatioF())
        if not len(values) or width < 1:
            return
        # One row of pixels, stretched: rectangles for the runs of a long drive took 6 ms.
        times, frames = self._timeline.timestamps, self._session.series.frames
        edges = (times[frames] - times[0]) * (width / (times[-1] - times[0]))
        columns = np.arange(width + 1)
        first = np.clip(np.searchsorted(edges, columns[:-1], side="right") - 1, 0, len(values) - 1)
        stop = np.clip(np.searchsorted(edges, columns[1:], side="left"), first + 1, len(values))
        largest = np.maximum.reduceat(np.append(values, -np.inf), np.stack([first, stop], 1).ravel())[::2]
        row = np.zeros(width, np.uint32)
        for value, colour in colours.items():
            row[largest == value] = colour.rgba()
        row[(columns[1:] <= edges[0]) | (columns[:-1] >= edges[-1])] = 0
        image = QImage(row.data, width, 1, 4 * width, QImage.Format.Format_ARGB32)
        painter.drawImage(band, image)

    def _draw_loop(self, painter: QPainter, box: QRectF) -> None:
        loop = self._timeline.loop
        if loop is None:
            return
        c = self._session.display.colours
        colour = QColor(c.accent if self._timeline.loop_enabled else c.muted)
        left, right = self.x_of(loop[0]), self.x_of(loop[1])
        shade = QColor(colour)
        shade.setAlpha(60)
        painter.fillRect(QRectF(left, box.top() - 3, right - left, box.height() + 6), shade)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(colour)
        for x in (left, right):
            painter.drawRect(QRectF(x - 1, box.top() - 4, 2, box.height() + 8))

    def _draw_ticks(self, painter: QPainter, top: float) -> None:
        c = self._session.display.colours
        duration = self._timeline.time_of(self._timeline.n_frames - 1)
        room = self.width() - 2 * MARGIN
        if duration <= 0 or room < 50:
            return
        step = next((s for s in TICK_STEPS if s / duration * room >= 60), TICK_STEPS[-1])
        font = self.font()
        font.setPixelSize(10)
        painter.setFont(font)
        for i in range(int(duration / step + 1e-6) + 1):
            x = MARGIN + i * step / duration * room
            painter.setPen(QColor(c.border))
            painter.drawLine(QPointF(x, top + 2), QPointF(x, top + 5))
            painter.setPen(QColor(c.muted))
            text = clock_text(i * step, 1 if step < 1 else 0) + (" s" if i == 0 else "")
            width = 60.0
            left = min(max(x - width / 2, MARGIN - width / 2 + 8), self.width() - width / 2 - 14)
            painter.drawText(QRectF(left, top + 4, width, 13), Qt.AlignmentFlag.AlignCenter, text)
