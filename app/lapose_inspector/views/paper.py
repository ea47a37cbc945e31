"""A panel on paper: laid out for the figure's size, and painted there as sharply as the paper allows."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import QBuffer, QCoreApplication, QEvent, QIODevice, QPoint, QRect, QRectF, QSize
from PySide6.QtGui import QColor, QFontInfo, QImage, QPainter, QPalette, QRegion
from PySide6.QtSvg import QSvgGenerator
from PySide6.QtWidgets import QAbstractItemView, QAbstractScrollArea, QScrollBar, QWidget

from lapose_inspector.models.figure import MOST_PIXELS
from lapose_inspector.theme import qt_palette, style_sheet
from lapose_inspector.visuals.canvas import SceneCanvas
from lapose_inspector.visuals.image import to_qimage
from lapose_inspector.visuals.printing import clipped

if TYPE_CHECKING:
    from lapose_inspector.views.main_window import MainWindow

GROUND = QColor("#ffffff")
TALLEST = 8000
"""Pixels to which a panel grows for what would need scrolling."""


@dataclass(frozen=True)
class Layout:
    """A panel's size and where its scroll bars stand."""

    size: QSize
    bars: tuple[tuple[QScrollBar, int], ...]

    @classmethod
    def of(cls, panel: QWidget) -> Layout:
        """As the panel is now."""
        return cls(panel.size(), tuple((bar, bar.value()) for bar in panel.findChildren(QScrollBar)))

    def put_back(self, panel: QWidget) -> None:
        """Give the panel back what it had."""
        _resize(panel, self.size)
        for bar, value in self.bars:
            bar.setValue(value)


@contextlib.contextmanager
def in_light(window: MainWindow, panel: QWidget) -> Iterator[None]:
    """Show one panel in the light theme, and the rest of the window as it is: to colour all of it takes a second."""
    display, own = window.display, panel.styleSheet()
    theme = display.theme
    with window.keeping_its_colours():
        display.theme = "light"
        panel.setPalette(qt_palette(display.colours))
        panel.setStyleSheet(style_sheet(display.colours) + own)
        try:
            yield
        finally:
            panel.setStyleSheet(own)
            panel.setPalette(QPalette())
            display.theme = theme


def lay_out(panel: QWidget, width: int, height: int, whole: bool) -> None:
    """Give a shown panel another size, at least what its layout needs, and for ``whole`` the height of all that it
    holds. The screen shows it only if events are processed before it is put back."""
    # What is due already would undo it.
    QCoreApplication.sendPostedEvents(None, QEvent.Type.LayoutRequest.value)
    least = panel.minimumSizeHint()
    _resize(panel, QSize(max(width, least.width()), max(height, least.height())))
    for _ in range(4 if whole else 0):
        hidden = max((_hidden(area) for area in panel.findChildren(QAbstractScrollArea)), default=0)
        if not hidden:
            break
        _resize(panel, QSize(panel.width(), min(panel.height() + hidden, TALLEST)))


def _resize(panel: QWidget, size: QSize) -> None:
    panel.resize(size)
    for widget in (panel, *panel.findChildren(QWidget)):
        QCoreApplication.sendPostedEvents(widget, QEvent.Type.LayoutRequest.value)


def _hidden(area: QAbstractScrollArea) -> int:
    """Pixels of an area's contents that have no room in it."""
    if not area.isVisible():
        return 0
    most = area.verticalScrollBar().maximum()
    by_rows = QAbstractItemView.ScrollMode.ScrollPerItem
    if isinstance(area, QAbstractItemView) and area.verticalScrollMode() == by_rows:
        return most * max(area.sizeHintForRow(0), 1)
    return most


def painted(panel: QWidget, scale: float) -> QImage:
    """The panel as a picture of ``scale`` pixels for each of its own.

    Raises:
        ValueError: where that is more than MOST_PIXELS.
    """
    size = _pixels(panel, scale)
    image = QImage(size, QImage.Format.Format_RGB32)
    image.fill(GROUND)
    with QPainter(image) as painter:
        _paint(painter, panel, scale)
    return image


def drawn(panel: QWidget, scale: float) -> tuple[str, str]:
    """The panel as Qt's SVG, to be finished by ``svg_figure.finished``, and the family of its font; pictures in it
    have ``scale`` pixels for each of the panel's own.

    Raises:
        ValueError: where that is more than MOST_PIXELS.
    """
    size, buffer = _pixels(panel, scale), QBuffer()
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    generator = QSvgGenerator()
    generator.setOutputDevice(buffer)
    generator.setSize(size)
    generator.setViewBox(QRect(QPoint(), size))
    with QPainter(generator) as painter:
        painter.fillRect(QRect(QPoint(), size), GROUND)
        _paint(painter, panel, scale)
    return bytes(buffer.data().data()).decode(), QFontInfo(panel.font()).family()


def _pixels(panel: QWidget, scale: float) -> QSize:
    width, height = round(panel.width() * scale), round(panel.height() * scale)
    if width * height > MOST_PIXELS:
        raise ValueError(
            f"dpi: the picture would have {width} x {height} pixels; choose fewer pixels per inch or less width"
        )
    return QSize(width, height)


def _paint(painter: QPainter, panel: QWidget, scale: float) -> None:
    painter.setRenderHints(QPainter.RenderHint.Antialiasing | QPainter.RenderHint.SmoothPixmapTransform)
    painter.scale(scale, scale)
    _paint_widget(painter, panel, scale)


def _paint_widget(painter: QPainter, widget: QWidget, scale: float) -> None:
    """A widget and what lies on it, each within the one below. Qt by itself would enlarge what a canvas has drawn."""
    with clipped(painter, QRectF(widget.rect())):
        canvas = getattr(widget, "_vispy_canvas", None)
        if isinstance(canvas, SceneCanvas):
            painter.drawImage(QRectF(widget.rect()), to_qimage(canvas.printed(scale)))
        else:
            widget.render(painter, QPoint(), QRegion(), QWidget.RenderFlag(0))
        for child in widget.children():
            # Nobody scrolls on paper.
            if isinstance(child, QWidget) and child.isVisible() and not child.isWindow() and not _bar(child):
                painter.save()
                painter.translate(child.pos())
                _paint_widget(painter, child, scale)
                painter.restore()


def _bar(widget: QWidget) -> bool:
    """Whether it is a scroll bar, or what Qt puts one into."""
    return (
        isinstance(widget, QScrollBar)
        or widget.objectName().endswith("scrollarea_hcontainer")
        or (widget.objectName().endswith("scrollarea_vcontainer"))
    )


def size_on_paper(panel: QWidget, width_mm: float) -> tuple[float, float]:
    """Width and height in millimetres of a panel as it is laid out now."""
    return width_mm, round(width_mm * panel.height() / panel.width(), 3)
