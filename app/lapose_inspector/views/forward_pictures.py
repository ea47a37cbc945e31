"""How the forward dynamics panel paints numbers: heat over a picture, and the colour bar that explains it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from cmap import Colormap
from numpy.typing import NDArray
from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from lapose_core.drive import Image
from lapose_inspector.models.forward_state import Heat

if TYPE_CHECKING:
    from lapose_core.inference.findings import Reconstruction

WORST_PIXEL = 0.4
"""Difference (of 0..1) at the top of the map; fixed, so that two transitions can be compared by eye."""
MAP = Colormap("magma")
SIGNED = Colormap("crameri:vik_r")
"""Blue where the action helps, red where it misleads."""
OPACITY = 0.72
"""Of the heat over the picture where it is strongest."""


class Legend(QWidget):
    """A colour bar with its two ends written beside it."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.low, self.high, self.muted = "0", "", "#888888"
        self._map = MAP
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)

    def sizeHint(self) -> QSize:
        metrics = QFontMetricsF(self.font())
        text = metrics.horizontalAdvance(self.low) + metrics.horizontalAdvance(self.high)
        return QSize(int(text) + 60, int(metrics.height()) + 2)

    def set_ends(self, low: str, high: str, colours: Colormap = MAP) -> None:
        self.low, self.high, self._map = low, high, colours
        self.updateGeometry()
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        with QPainter(self) as painter:
            self._paint(painter)

    def _paint(self, painter: QPainter) -> None:
        metrics = QFontMetricsF(self.font())
        left, right = metrics.horizontalAdvance(self.low) + 5, metrics.horizontalAdvance(self.high) + 7
        bar = QRectF(left, self.height() / 2 - 4, self.width() - left - right, 8)
        painter.setPen(QColor(self.muted))
        middle = Qt.AlignmentFlag.AlignVCenter
        box = QRectF(self.rect()).adjusted(0, 0, -2, 0)
        painter.drawText(box, Qt.AlignmentFlag.AlignLeft | middle, self.low)
        painter.drawText(box, Qt.AlignmentFlag.AlignRight | middle, self.high)
        table = (np.asarray(self._map(np.linspace(0, 1, 64)))[None, :, :3] * 255).astype(np.uint8)
        for i, (red, green, blue) in enumerate(table[0].tolist()):
            left, wide = bar.left() + i * bar.width() / 64, bar.width() / 64 + 0.6
            painter.fillRect(QRectF(left, bar.top(), wide, bar.height()), QColor(red, green, blue))


def difference_picture(difference: NDArray[np.float32], legend: Legend, word: str = "difference") -> Image:
    """A mean absolute difference [H, W] of 0..1 as a picture of its own."""
    legend.set_ends(f"{word} 0", f"{100 * WORST_PIXEL:.0f} %")
    return _bytes(np.asarray(MAP(np.clip(difference.astype(np.float64) / WORST_PIXEL, 0, 1)))[..., :3])


def heat_picture(result: Reconstruction, heat: Heat, legend: Legend) -> Image:
    """What is asked for about a reconstruction; the values of code cells lie over the picture that they are of."""
    if heat == "difference":
        return difference_picture(result.difference, legend)
    if heat == "cross-entropy":
        cells = result.cell_cross_entropy
        top = max(float(np.ceil(cells.max())), 1.0)
        legend.set_ends("cross-entropy 0", f"{top:.0f} nats")
        strength = np.clip(cells / top, 0, 1)
        colours = np.asarray(MAP(strength))[..., :3]
    else:
        cells = result.cell_explained
        top = max(float(np.ceil(np.percentile(np.abs(cells), 98))), 1.0)
        legend.set_ends(f"misleads −{top:.0f}", f"+{top:.0f} nats explained", SIGNED)
        colours = np.asarray(SIGNED(np.clip(0.5 + 0.5 * cells / top, 0, 1)))[..., :3]
        strength = np.clip(np.abs(cells) / top, 0, 1)
    height, width = result.target.shape[:2]
    rows, columns = np.arange(height) * cells.shape[0] // height, np.arange(width) * cells.shape[1] // width
    over = colours[rows][:, columns]
    alpha = (OPACITY * np.sqrt(strength))[rows][:, columns][..., None]
    return _bytes((1 - alpha) * result.target / 255.0 + alpha * over)


def _bytes(colours: NDArray[np.float64]) -> Image:
    return np.ascontiguousarray((np.clip(colours, 0, 1) * 255).round().astype(np.uint8))
