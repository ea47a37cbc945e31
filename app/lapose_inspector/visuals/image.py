"""A picture that keeps its aspect, zooms about the pointer and pans, with layers painted over it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRect, QRectF, QSize, QSizeF, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QImage,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPixmap,
    QResizeEvent,
    QTransform,
    QWheelEvent,
)
from PySide6.QtWidgets import QSizePolicy, QWidget

from lapose_core.drive import Image
from lapose_inspector.visuals.printing import pixel_scale

MAX_ZOOM = 24.0
PIXELS_VISIBLE = 5.0
"""From this many screen pixels per source pixel on, they are drawn as squares."""

Layer = Callable[[QPainter, "ImageCanvas"], None]


def to_qimage(image: Image) -> QImage:
    """A QImage [H, W] of RGB uint8 [H, W, 3] that owns its pixels."""
    image = np.ascontiguousarray(image)
    height, width = image.shape[:2]
    return QImage(image.data, width, height, 3 * width, QImage.Format.Format_RGB888).convertToFormat(
        QImage.Format.Format_RGB32
    )


class ImageCanvas(QWidget):
    """Draws one image and, over it, the ``layers`` in order. Layers get the painter in widget coordinates."""

    zoom_changed = Signal(float)
    """Zoom relative to fitting the widget: 1.0 fits."""

    def __init__(self, parent: QWidget | None = None, *, interactive: bool = True) -> None:
        super().__init__(parent)
        self.layers: list[Layer] = []
        self.empty_text = ""
        self._image: Image | None = None
        self._whole: QImage | None = None
        """``_image``, once more of it is wanted than ``_fitted`` shows."""
        self._fitted: QImage | None = None
        self._size = QSize()
        self._zoom = 1.0
        self._centre = QPointF(0.5, 0.5)  # of the view, as a share of the image
        self._scaled: QPixmap | None = None
        self._scaled_key: tuple[int, int, int, int, int, int] | None = None
        self._drag: QPointF | None = None
        self._interactive = interactive
        self._background, self._muted = QColor("#000000"), QColor("#808080")
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumSize(60, 30)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)

    def sizeHint(self) -> QSize:
        return QSize(480, 270)

    @property
    def image_size(self) -> QSize:
        """What the image counts as, in pixels: its own size or the one it was given; empty without one."""
        return self._size

    @property
    def nbytes(self) -> int:
        """Bytes of the image and of its copies as large as on screen."""
        scaled = 0 if self._scaled is None else self._scaled.width() * self._scaled.height() * 4
        scaled += sum(copy.sizeInBytes() for copy in (self._whole, self._fitted) if copy is not None)
        return scaled + (0 if self._image is None else self._image.nbytes)

    @property
    def zoom(self) -> float:
        return self._zoom

    def set_colours(self, background: str, muted: str) -> None:
        self._background, self._muted = QColor(background), QColor(muted)
        self.update()

    def set_image(self, image: Image | None, size: tuple[int, int] | None = None, fitted: QImage | None = None) -> None:
        """Show ``image`` [H, W, 3]; another size than before fits anew.

        A smaller picture that stands for one of ``size`` (width, height) lies where that one would: everything else
        here counts in the pixels of ``size``. ``fitted`` is the image made as large as ``room_for`` says, where
        somebody had the time for it.
        """
        old = self.image_size
        self._image, self._fitted, self._whole = image, fitted, None
        if image is None:
            self._size = QSize()
        else:
            self._size = QSize(*(size or image.shape[1::-1]))
        self._scaled = None
        if self.image_size != old:
            self.fit()
        self.update()

    def room_for(self, size: QSize) -> QSize | None:
        """The pixels of the screen that a whole image of ``size`` takes; None where it is not shown whole."""
        if self._zoom > 1.0 or size.isEmpty():
            return None
        return self._pixels(self._fit_rect(size), self.devicePixelRatioF())

    @staticmethod
    def _pixels(target: QRectF, ratio: float) -> QSize:
        return QSize(max(round(target.width() * ratio), 1), max(round(target.height() * ratio), 1))

    def fit(self) -> None:
        """Show the whole image."""
        self._set_view(1.0, QPointF(0.5, 0.5))

    def rect_of_image(self) -> QRectF:
        """Where the whole image lies, in widget coordinates (it may reach beyond the widget)."""
        return QRectF() if self._image is None else self._fit_rect(self._size)

    def _fit_rect(self, whole: QSize) -> QRectF:
        size = QSizeF(whole).scaled(QSizeF(self.size()), Qt.AspectRatioMode.KeepAspectRatio)
        size *= self._zoom
        left = self._place(size.width(), self.width(), self._centre.x())
        top = self._place(size.height(), self.height(), self._centre.y())
        return QRectF(left, top, size.width(), size.height())

    @staticmethod
    def _place(extent: float, room: float, centre: float) -> float:
        if extent <= room:
            return (room - extent) / 2
        return float(np.clip(room / 2 - centre * extent, room - extent, 0.0))

    def transform(self) -> QTransform:
        """From image pixels to widget coordinates."""
        rect = self.rect_of_image()
        if self._image is None or rect.isEmpty():
            return QTransform()
        out = QTransform.fromTranslate(rect.left(), rect.top())
        return out.scale(rect.width() / self._size.width(), rect.height() / self._size.height())

    def to_widget(self, pixels: NDArray[np.float64]) -> list[QPointF]:
        """Widget points of image pixels [n, 2]. Pixel (0, 0)'s centre is at (0, 0), as intrinsics have it."""
        transform = self.transform()
        return [transform.map(QPointF(x + 0.5, y + 0.5)) for x, y in pixels]

    def paintEvent(self, event: QPaintEvent) -> None:
        with QPainter(self) as painter:
            self._paint(painter)

    def _paint(self, painter: QPainter) -> None:
        painter.fillRect(self.rect(), self._background)
        if self._image is None:
            painter.setPen(self._muted)
            box = self.rect().adjusted(16, 8, -16, -8)
            painter.drawText(box, Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap, self.empty_text)
        else:
            self._draw_image(painter)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        for layer in self.layers:
            painter.save()
            layer(painter, self)
            painter.restore()

    def _draw_image(self, painter: QPainter) -> None:
        """Draws the visible part, resampled once per image and view: repaints for an overlay cost a blit."""
        assert self._image is not None
        (height, width), ratio = self._image.shape[:2], pixel_scale(painter, self.devicePixelRatioF())
        rect = self.rect_of_image()
        scale = rect.width() / width
        own = QTransform.fromTranslate(rect.left(), rect.top()).scale(scale, rect.height() / height)
        shown = rect.intersected(QRectF(self.rect()))
        source = own.inverted()[0].mapRect(shown)
        # Whole source pixels, so that panning does not make the picture swim.
        part = QRect(int(source.left()), int(source.top()), 0, 0)
        part.setRight(min(int(np.ceil(source.right())), width) - 1)
        part.setBottom(min(int(np.ceil(source.bottom())), height) - 1)
        target = own.mapRect(QRectF(part))
        size = self._pixels(target, ratio)
        key = (part.x(), part.y(), part.width(), part.height(), size.width(), size.height())
        if self._scaled is None or key != self._scaled_key:
            whole = part.size() == QSize(width, height)
            if whole and self._fitted is not None and self._fitted.size() == size:
                scaled = self._fitted
            else:
                scaled = self._resampled(part, size, smooth=scale * ratio < PIXELS_VISIBLE)
            self._scaled = QPixmap.fromImage(scaled)
            self._scaled.setDevicePixelRatio(ratio)
            self._scaled_key = key
        corner = QPointF(round(target.left() * ratio) / ratio, round(target.top() * ratio) / ratio)
        painter.drawPixmap(corner, self._scaled)

    def _resampled(self, part: QRect, size: QSize, *, smooth: bool) -> QImage:
        assert self._image is not None
        if self._whole is None:
            self._whole = to_qimage(self._image)
        how = Qt.TransformationMode
        mode = how.SmoothTransformation if smooth else how.FastTransformation
        cut = self._whole if part == self._whole.rect() else self._whole.copy(part)
        return cut.scaled(size, Qt.AspectRatioMode.IgnoreAspectRatio, mode)

    def wheelEvent(self, event: QWheelEvent) -> None:
        if not self._interactive or self._image is None or not event.angleDelta().y():
            event.ignore()
            return
        zoom = float(np.clip(self._zoom * 1.25 ** (event.angleDelta().y() / 120), 1.0, MAX_ZOOM))
        rect, at = self.rect_of_image(), event.position()
        u, v = (at.x() - rect.left()) / rect.width(), (at.y() - rect.top()) / rect.height()
        size = rect.size() / self._zoom * zoom
        # Keep the image point under the pointer where it is.
        centre = QPointF(
            u + (self.width() / 2 - at.x()) / size.width(), v + (self.height() / 2 - at.y()) / size.height()
        )
        self._set_view(zoom, centre)
        event.accept()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if self._interactive and event.button() == Qt.MouseButton.LeftButton and self._zoom > 1:
            self._drag = event.position()
            self.setCursor(Qt.CursorShape.ClosedHandCursor)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if self._drag is None:
            return
        rect, moved = self.rect_of_image(), event.position() - self._drag
        self._drag = event.position()
        self._set_view(self._zoom, self._centre - QPointF(moved.x() / rect.width(), moved.y() / rect.height()))

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        self._drag = None
        self.unsetCursor()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        if self._interactive:
            self.fit()

    def resizeEvent(self, event: QResizeEvent) -> None:
        self._scaled = None
        super().resizeEvent(event)

    def _set_view(self, zoom: float, centre: QPointF) -> None:
        changed = zoom != self._zoom
        self._zoom = zoom
        fit = QSizeF(self.image_size).scaled(QSizeF(self.size()), Qt.AspectRatioMode.KeepAspectRatio)
        bounds = []
        for extent, room, value in (
            (fit.width() * zoom, self.width(), centre.x()),
            (fit.height() * zoom, self.height(), centre.y()),
        ):
            half = room / 2 / extent if extent > room else 0.5
            bounds.append(float(np.clip(value, half, 1 - half)))
        self._centre = QPointF(*bounds)
        self.update()
        if changed:
            self.zoom_changed.emit(zoom)
