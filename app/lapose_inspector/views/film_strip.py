"""Frames that the model dreamed on from one moment, each under the frame that came."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QColor, QImage, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from lapose_core.drive import Image
from lapose_inspector.models.colours import PREDICTION, TRUTH, ThemeColours
from lapose_inspector.models.forward_state import Film
from lapose_inspector.visuals.image import to_qimage

GAP = 4.0


class FilmStrip(QWidget):
    """Cells in as many columns as make the pictures largest: above what came, below what was dreamed."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._film: Film | None = None
        self._pairs: list[tuple[QImage | None, QImage]] = []
        self._colours: ThemeColours | None = None
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumSize(120, 60)

    def sizeHint(self) -> QSize:
        return QSize(560, 240)

    @property
    def film(self) -> Film | None:
        """What is shown."""
        return self._film

    def set_film(self, film: Film | None) -> None:
        """Show a film; None shows nothing."""
        self._film = film
        self._pairs = []
        if film is not None:
            truth: list[Image | None] = [*film.truth, *[None] * (len(film.rollout.frames) - len(film.truth))]
            for came, dreamed in zip(truth, film.rollout.frames, strict=True):
                self._pairs.append((None if came is None else to_qimage(came), to_qimage(dreamed)))
        self.update()

    def set_theme(self, colours: ThemeColours) -> None:
        self._colours = colours
        self.update()

    def _size_in(self, columns: int) -> tuple[float, float]:
        """Width and height of a picture where cells stand in ``columns``."""
        lines = -(-len(self._pairs) // columns)
        head = self.fontMetrics().height() + 2
        width = (self.width() - GAP * (columns + 1)) / columns
        height = ((self.height() - GAP * (lines + 1)) / lines - head - GAP / 2) / 2
        aspect = self._pairs[0][1].width() / self._pairs[0][1].height()
        width = max(min(width, height * aspect), 8.0)
        return width, width / aspect

    def paintEvent(self, event: QPaintEvent) -> None:
        with QPainter(self) as painter:
            self._paint(painter)

    def _paint(self, painter: QPainter) -> None:
        if self._film is None or self._colours is None or not self._pairs:
            return
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        columns = max(range(1, len(self._pairs) + 1), key=lambda c: self._size_in(c)[0])
        width, height = self._size_in(columns)
        head = self.fontMetrics().height() + 2
        left = (self.width() - columns * (width + GAP) + GAP) / 2
        line = 2 * height + head + 1.5 * GAP
        top = max((self.height() - -(-len(self._pairs) // columns) * line) / 2, GAP)
        rollout = self._film.rollout
        for index, (came, dreamed) in enumerate(self._pairs):
            x = left + index % columns * (width + GAP)
            y = top + index // columns * line
            painter.setPen(QColor(self._colours.muted))
            entropy = rollout.cross_entropy[index]
            frame, nats = self._film.frames[index], f" · {entropy:.1f} nats" if np.isfinite(entropy) else ""
            texts = (f"frame {frame}{nats}", f"{frame}{nats}", f"frame {frame}", f"{frame}")
            fitting = (text for text in texts if self.fontMetrics().horizontalAdvance(text) <= width)
            text = next(fitting, texts[-1])
            painter.drawText(QRectF(x, y, width, head), Qt.AlignmentFlag.AlignLeft, text)
            for row, (image, colour) in enumerate(((came, TRUTH), (dreamed, PREDICTION))):
                box = QRectF(x, y + head + row * (height + GAP / 2), width, height)
                if image is not None:
                    painter.drawImage(box, image)
                painter.fillRect(QRectF(box.left(), box.top(), 3.0, box.height()), QColor(colour))
