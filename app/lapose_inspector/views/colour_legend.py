"""What the colours of a map or path mean: a colour bar with its ends, or the names of categories."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QLinearGradient, QPainter, QPaintEvent, QPixmap
from PySide6.QtWidgets import QWidget

from lapose_inspector.models.colours import ThemeColours, category_colours, colormap_of, limits_of
from lapose_inspector.models.series import Series
from lapose_inspector.visuals.printing import on_screen

WIDTH, BAR, PAD = 168, 9, 6


class ColourLegend(QWidget):
    """Follows ``set_series``; draws nothing for a series without values."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self._series: Series | None = None
        self._present: list[int] = []
        self._known = False
        self._ends = ("", "")
        self._colours: ThemeColours | None = None
        self._theme = "dark"
        self._picture: QPixmap | None = None
        """Kept, for the canvas below is painted some twenty times a second, and this with it."""
        self.hide()

    def set_series(self, series: Series | None, colours: ThemeColours, theme: str) -> None:
        """Explain the colours of ``series``; None hides the legend."""
        self._series, self._colours, self._theme = series, colours, theme
        known = series.values[np.isfinite(series.values)] if series is not None else np.zeros(0)
        self._known = len(known) > 0
        self._ends = ("", "") if series is None or not self._known or series.categories else _ends(series)
        self._present = sorted({int(v) for v in known}) if series is not None and series.categories else []
        self.setVisible(series is not None)
        self.setFixedSize(self.sizeHint())
        self._picture = None
        self.update()

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        self._picture = None

    @property
    def title(self) -> str:
        """The heading: what is shown, its unit, and whether there is anything to show."""
        if self._series is None:
            return ""
        unit = f", {self._series.unit}" if self._series.unit else ""
        missing = "" if self._known else ": no values"
        return f"{self._series.label}{unit}{missing}"

    @property
    def ends(self) -> tuple[str, str]:
        """The texts at the two ends of the bar; the ends are robust, values beyond take the end's colour."""
        return self._ends

    def sizeHint(self) -> QSize:
        line = QFontMetricsF(self.font()).height()
        if self._series is None:
            return QSize(0, 0)
        width = max(float(WIDTH), QFontMetricsF(self.font()).horizontalAdvance(self.title) + 2 * PAD + 2)
        if self._series.categories:
            metrics = QFontMetricsF(self.font())
            names = [metrics.horizontalAdvance(self._series.categories[at]) for at in self._present]
            width = max([width, *(name + 16 + 2 * PAD + 4 for name in names)])
            return QSize(int(width), int(line * (1 + len(self._present)) + 2 * PAD))
        if not self._known:
            return QSize(int(width), int(line + 2 * PAD))
        return QSize(int(width), int(2 * line + BAR + 4 + 2 * PAD))

    def paintEvent(self, event: QPaintEvent) -> None:
        ratio = self.devicePixelRatioF()
        with QPainter(self) as painter:
            if not on_screen(painter, ratio):
                self._paint(painter)
                return
            if self._picture is None or self._picture.size() != self.size() * ratio:
                self._picture = QPixmap(self.size() * ratio)
                self._picture.setDevicePixelRatio(ratio)
                self._picture.fill(Qt.GlobalColor.transparent)
                with QPainter(self._picture) as kept:
                    kept.setFont(self.font())
                    self._paint(kept)
            painter.drawPixmap(0, 0, self._picture)

    def _paint(self, painter: QPainter) -> None:
        if self._series is None or self._colours is None:
            return
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        background = QColor(self._colours.canvas)
        background.setAlphaF(0.78)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(background)
        painter.drawRoundedRect(self.rect(), 4, 4)
        line = painter.fontMetrics().height()
        area = QRectF(self.rect()).adjusted(PAD, PAD, -PAD, -PAD)
        painter.setPen(QColor(self._colours.text))
        painter.drawText(area, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop, self.title)
        if self._series.categories:
            self._paint_categories(painter, area, line)
        elif self._known:
            self._paint_bar(painter, area, line)

    def _paint_bar(self, painter: QPainter, area: QRectF, line: int) -> None:
        assert self._series is not None
        assert self._colours is not None
        bar = QRectF(area.left(), area.top() + line + 2, area.width(), BAR)
        gradient = QLinearGradient(bar.topLeft(), bar.topRight())
        stops = np.linspace(0.0, 1.0, 33)
        for stop, colour in zip(stops, np.asarray(colormap_of(self._series, self._theme)(stops))):
            gradient.setColorAt(float(stop), QColor.fromRgbF(*(float(c) for c in colour[:3])))
        painter.fillRect(bar, gradient)
        below = QRectF(area.left(), bar.bottom() + 2, area.width(), line)
        low, high = self.ends
        painter.setPen(QColor(self._colours.text))
        painter.drawText(below, Qt.AlignmentFlag.AlignLeft, low)
        painter.drawText(below, Qt.AlignmentFlag.AlignRight, high)
        if self._series.signed:
            painter.drawText(below, Qt.AlignmentFlag.AlignHCenter, "0")
            middle = QPointF(bar.center().x(), bar.bottom())
            painter.drawLine(middle, middle + QPointF(0.0, 3.0))

    def _paint_categories(self, painter: QPainter, area: QRectF, line: int) -> None:
        assert self._series is not None
        assert self._colours is not None
        colours = category_colours(self._series)
        for row, category in enumerate(self._present):
            top = area.top() + line * (row + 1)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(colours[category]))
            painter.drawEllipse(QPointF(area.left() + 5, top + line / 2), 4.5, 4.5)
            painter.setPen(QColor(self._colours.text))
            painter.drawText(
                QRectF(area.left() + 16, top, area.width() - 16, line),
                Qt.AlignmentFlag.AlignVCenter,
                self._series.categories[category],
            )


def _ends(series: Series) -> tuple[str, str]:
    low, high = limits_of(series)
    sign = "+" if series.signed else ""
    below = "≤ " if np.nanmin(series.shown) < low - 1e-9 else ""
    above = "≥ " if np.nanmax(series.shown) > high + 1e-9 else ""
    return f"{below}{low:{sign}.{series.digits}f}", f"{above}{high:{sign}.{series.digits}f}"
