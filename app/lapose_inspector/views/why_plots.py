"""The pictures of the why panel: where the action query looked, and which actions the pose hangs on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from cmap import Colormap
from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QImage, QMouseEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from lapose_core.drive import Image
from lapose_core.geometry import Array
from lapose_inspector.models.colours import DARK, ThemeColours
from lapose_inspector.visuals.tracks import small

if TYPE_CHECKING:
    from lapose_core.inference.findings import Attention, Sensitivity

HEAT = Colormap("inferno")
GAP, HEAD = 6.0, 15.0
SHAPE = 7 / 15
"""Height over width of the model's image."""


def overlay(picture: Image, weights: Array, top: float) -> Image:
    """A picture [H, W, 3] darkened, and lit where ``weights`` [rows, columns] are; ``top`` is the brightest."""
    height, width = picture.shape[:2]
    rows = np.minimum(np.arange(height) * weights.shape[0] // height, weights.shape[0] - 1)
    columns = np.minimum(np.arange(width) * weights.shape[1] // width, weights.shape[1] - 1)
    share = np.clip(weights / max(top, 1e-9), 0, 1)[rows][:, columns]
    heat = np.asarray(HEAT(share))[..., :3] * 255
    alpha = (0.15 + 0.55 * share)[..., None]
    return np.ascontiguousarray(((1 - alpha) * picture + alpha * heat).astype(np.uint8))


def spread_of(weights: Array) -> float:
    """Over how many cells weights spread: the exponential of their entropy."""
    share = weights.ravel() / max(float(weights.sum()), 1e-12)
    return float(np.exp(-(share * np.log(np.maximum(share, 1e-12))).sum()))


class AttentionPair(QWidget):
    """The two frames side by side under the attention of the action query; one scale for both."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._pictures: list[Image] = []
        self._captions: list[str] = []
        self._colours = DARK
        policy = QSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)
        self.setToolTip(
            "Spatial attention of the action query in the last block of the inverse dynamics, mean over heads: "
            "how much it reads of each visual token. Both frames have one scale. The number of cells, by the "
            "exponential of the entropy, says over how many it spreads."
        )

    def hasHeightForWidth(self) -> bool:
        return True

    def heightForWidth(self, width: int) -> int:
        return int((width - GAP) / 2 * SHAPE + HEAD + 2)

    def sizeHint(self) -> QSize:
        return QSize(400, self.heightForWidth(400))

    def set_colours(self, colours: ThemeColours) -> None:
        self._colours = colours
        self.update()

    def show_attention(self, attention: Attention, frames: tuple[int, int]) -> None:
        """Take another transition's attention and its frame numbers."""
        top = float(np.percentile(attention.weights, 99))
        self._pictures = [overlay(p, w, top) for p, w in zip(attention.pictures, attention.weights, strict=True)]
        cells = attention.weights[0].size
        spread = [spread_of(w) for w in attention.weights]
        self._captions = [f"Frame {f}: looks at {n:.0f} of {cells} cells" for f, n in zip(frames, spread, strict=True)]
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        with QPainter(self) as painter:
            self._paint(painter)

    def _paint(self, painter: QPainter) -> None:
        painter.setFont(small(self.font(), 0.92))
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        wide = (self.width() - GAP) / 2
        for i, (picture, caption) in enumerate(zip(self._pictures, self._captions, strict=True)):
            height, width = picture.shape[:2]
            image = QImage(picture.data, width, height, 3 * width, QImage.Format.Format_RGB888)
            box = QRectF(i * (wide + GAP), HEAD, wide, wide * height / width)
            painter.drawImage(box, image)
            painter.setPen(QColor(self._colours.muted))
            painter.drawText(QRectF(box.left(), 0, wide, HEAD), Qt.AlignmentFlag.AlignCenter, caption)


class SensitivityBars(QWidget):
    """A bar pair for each action of the window: metres and degrees that the pose moves by without it."""

    HEIGHT = 84

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._shown: Sensitivity | None = None
        self._colours = DARK
        self.setFixedHeight(self.HEIGHT)
        self.setMouseTracking(True)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def set_colours(self, colours: ThemeColours) -> None:
        self._colours = colours
        self.update()

    def show_sensitivity(self, sensitivity: Sensitivity) -> None:
        """Take another transition's sensitivities."""
        self._shown = sensitivity
        self.update()

    def _columns(self) -> list[QRectF]:
        assert self._shown is not None
        n = len(self._shown.translation)
        wide = self.width() / n
        return [QRectF(i * wide, HEAD, wide, self.height() - 2 * HEAD) for i in range(n)]

    def paintEvent(self, event: QPaintEvent) -> None:
        with QPainter(self) as painter:
            self._paint(painter)

    def _paint(self, painter: QPainter) -> None:
        if self._shown is None:
            return
        c, s = self._colours, self._shown
        painter.setFont(small(self.font(), 0.92))
        metrics = QFontMetricsF(painter.font())
        degrees = np.degrees(s.rotation)
        tops = (max(float(s.translation.max()), 1e-3), max(float(degrees.max()), 1e-3))
        colours = (QColor(c.accent), QColor(c.text))
        words = (f"Pose without one action: ▮ translation, at most {tops[0]:.2f} m", f"▮ rotation, {tops[1]:.2f}°")
        x = 0.0
        for text, colour in zip(words, colours, strict=True):
            painter.setPen(colour)
            painter.drawText(QPointF(x, metrics.ascent()), text)
            x += metrics.horizontalAdvance(text) + 12
        for i, box in enumerate(self._columns()):
            for j, (value, top) in enumerate(((s.translation[i], tops[0]), (degrees[i], tops[1]))):
                bar = QRectF(box.left() + box.width() * (0.14 + 0.36 * j), 0, box.width() * 0.32, 0)
                bar.setTop(box.bottom() - box.height() * float(value) / top)
                bar.setBottom(box.bottom())
                painter.fillRect(bar, colours[j])
            painter.setPen(QColor(c.text if i == s.at else c.muted))
            label = "here" if i == s.at else f"{i - s.at:+d}".replace("-", "−")
            if i == s.at or abs(i - s.at) > 1 or box.width() > 34:
                area = QRectF(box.left() - 8, box.bottom(), box.width() + 16, HEAD)
                painter.drawText(area, Qt.AlignmentFlag.AlignCenter, label)
        painter.setPen(QColor(c.grid))
        y = self.height() - HEAD
        painter.drawLine(QPointF(0, y), QPointF(self.width(), y))

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if self._shown is None:
            return
        s = self._shown
        for i, box in enumerate(self._columns()):
            if box.left() <= event.position().x() < box.right():
                text = (
                    f"Action of transition {i - s.at:+d} replaced by the mean of the window's others: the pose here "
                    f"moves by {s.translation[i]:.3f} m and turns by {np.degrees(s.rotation[i]):.3f}°"
                )
                QToolTip.showText(event.globalPosition().toPoint(), text, self)
