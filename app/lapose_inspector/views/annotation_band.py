"""The notes along the timeline: click one to go there, drag over empty places to make another."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from lapose_core.annotations import Annotation
from lapose_inspector.models.session import Session

HEIGHT = 16
LANES = 2
"""Rows for notes that overlap; of more, the later ones share the last row."""
LEAST = 5.0
"""Pixels: the width of a note on one frame."""
DRAG = 4.0
"""Pixels the pointer moves before a press becomes a drag."""
HINT = "Drag here to annotate a range, or mark it with I and O and press A"


class AnnotationBand(QWidget):
    """A strip under the scrubber, on its scale.

    Args:
        session: whose notes and marks are shown.
        x_of: widget x of a frame, as in the scrubber above.
        frame_at: the frame nearest to widget x.
    """

    range_drawn = Signal(int, int)
    """First and last frame of a range that was dragged out."""
    note_chosen = Signal(str)
    """Id of a note that was clicked."""
    note_opened = Signal(str)
    """Id of a note that was double-clicked."""

    def __init__(
        self,
        session: Session,
        x_of: Callable[[int], float],
        frame_at: Callable[[float], int],
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._session, self._notes = session, session.annotations
        self._x_of, self._frame_at = x_of, frame_at
        self._press: QPointF | None = None
        self._drawn: tuple[int, int] | None = None
        self.setObjectName("annotationBand")
        self.setFixedHeight(HEIGHT)
        self.setMinimumWidth(160)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setMouseTracking(True)
        self.setAccessibleName("Annotations")
        for signal in self._signals():
            signal.connect(self._redraw)

    def _signals(self) -> tuple:
        notes, session = self._notes, self._session
        return (
            notes.changed, notes.current_changed, notes.marks_changed, notes.palette.changed,
            session.timeline.range_changed, session.display.theme_changed,
        )  # fmt: skip

    def close_panel(self) -> None:
        """Let go of the models."""
        for signal in self._signals():
            signal.disconnect(self._redraw)

    def sizeHint(self) -> QSize:
        return QSize(600, HEIGHT)

    def _redraw(self, *_: object) -> None:
        self.update()

    def box_of(self, note: Annotation) -> QRectF:
        """Where a note is drawn."""
        return dict(self._boxes())[note.id]

    def _boxes(self) -> list[tuple[str, QRectF]]:
        """Ids and boxes of the notes, each in the first lane where it overlaps no earlier one."""
        out, ends = [], [-1e9] * LANES
        last = self._session.timeline.n_frames - 1
        height = (HEIGHT - 2) / LANES
        for note in self._notes.notes:
            # A log that was cut shorter since keeps its notes; they gather at its end.
            left = self._x_of(min(note.first_frame, last))
            right = max(left + LEAST, self._x_of(min(note.last_frame, last)))
            lane = next((i for i, end in enumerate(ends) if left > end), LANES - 1)
            ends[lane] = max(ends[lane], right)
            out.append((note.id, QRectF(left, 1 + lane * height, right - left, height - 1)))
        return out

    def _note_at(self, at: QPointF) -> str | None:
        for id, box in reversed(self._boxes()):
            if box.adjusted(-2, -1, 2, 1).contains(at):
                return id
        return None

    def paintEvent(self, event: QPaintEvent) -> None:
        with QPainter(self) as painter:
            self._paint(painter)

    def _paint(self, painter: QPainter) -> None:
        c = self._session.display.colours
        timeline = self._session.timeline
        if not timeline.n_frames:
            return
        left, right = self._x_of(0), self._x_of(timeline.n_frames - 1)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(c.raised if c.raised != c.panel else c.border))
        painter.drawRoundedRect(QRectF(left, 1, right - left, HEIGHT - 2), 3, 3)
        boxes = self._boxes()
        if not boxes and self._drawn is None and self._notes.marks == (None, None):
            font = self.font()
            font.setPixelSize(10)
            painter.setFont(font)
            painter.setPen(QColor(c.muted))
            painter.drawText(QRectF(left, 0, right - left, HEIGHT), Qt.AlignmentFlag.AlignCenter, HINT)
        for id, box in boxes:
            note = self._notes.notes.notes[id]
            painter.setBrush(QColor(self._notes.palette.colour_of(note.label)))
            painter.setPen(QPen(QColor(c.text), 1.2) if id == self._notes.current else Qt.PenStyle.NoPen)
            painter.drawRoundedRect(box, 1.5, 1.5)
            if note.severity == "critical":
                painter.setPen(QPen(QColor(c.cursor), 1.6))
                painter.drawLine(box.topLeft() + QPointF(0.8, 0), box.bottomLeft() + QPointF(0.8, 0))
        self._paint_marks(painter)

    def _paint_marks(self, painter: QPainter) -> None:
        start, end = self._drawn or self._notes.marks
        accent = QColor(self._session.display.colours.accent)
        if start is not None and end is not None:
            shade = QColor(accent)
            shade.setAlpha(90)
            painter.fillRect(QRectF(self._x_of(start), 0, self._x_of(end) - self._x_of(start), HEIGHT), shade)
        painter.setPen(QPen(accent, 2))
        for frame, into in ((start, 4.0), (end, -4.0)):
            if frame is not None:
                x = self._x_of(frame)
                painter.drawLine(QPointF(x, 0), QPointF(x, HEIGHT))
                for y in (1.0, HEIGHT - 1.0):
                    painter.drawLine(QPointF(x, y), QPointF(x + into, y))

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton and self._session.timeline.n_frames:
            self._press = event.position()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if not self._session.timeline.n_frames:
            return
        if self._press is not None and abs(event.position().x() - self._press.x()) > DRAG:
            ends = (self._frame_at(self._press.x()), self._frame_at(event.position().x()))
            self._drawn = (min(ends), max(ends))
            self.update()
            text = f"frames {self._drawn[0]} to {self._drawn[1]}"
        else:
            id = self._note_at(event.position())
            text = HINT if id is None else note_text(self._notes.notes.notes[id])
        QToolTip.showText(event.globalPosition().toPoint(), text, self)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        press, self._press = self._press, None
        drawn, self._drawn = self._drawn, None
        self.update()
        if press is None or event.button() != Qt.MouseButton.LeftButton:
            return
        if drawn is not None:
            self.range_drawn.emit(*drawn)
            return
        id = self._note_at(event.position())
        if id is not None:
            self.note_chosen.emit(id)
        else:
            self._session.timeline.seek(self._frame_at(event.position().x()))

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        id = self._note_at(event.position())
        if id is not None:
            self.note_opened.emit(id)


def note_text(note: Annotation) -> str:
    """A note in a few lines, for tooltips."""
    frames = f"frame {note.first_frame}" if note.frames == 1 else f"frames {note.first_frame} to {note.last_frame}"
    links = len(note.transitions)
    lines = [f"{note.label or 'no label'} · {note.severity} · {frames}"]
    if note.text:
        lines.append(note.text)
    if links:
        lines.append(f"linked to {links} transition{'' if links == 1 else 's'}")
    return "\n".join(lines)
