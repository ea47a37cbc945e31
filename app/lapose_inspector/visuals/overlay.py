"""What is painted over the video: paths on the road, the model's crop, badges and labels that stay readable."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QPainter, QPainterPath, QPen, QPolygonF

from lapose_inspector.models.road_overlay import RoadRibbon
from lapose_inspector.visuals.image import ImageCanvas

PAD = 6.0


def draw_ribbon(painter: QPainter, canvas: ImageCanvas, ribbon: RoadRibbon, colour: str, *, dashed: bool) -> None:
    """The car-wide strip, its centre line and one chevron per second ahead. Dashes tell truth from prediction
    without relying on colour."""
    painter.setClipRect(canvas.rect_of_image())
    strip = QPainterPath()
    strip.setFillRule(Qt.FillRule.WindingFill)
    for quad in ribbon.quads:
        strip.addPolygon(QPolygonF(canvas.to_widget(quad)))
        strip.closeSubpath()
    fill = QColor(colour)
    fill.setAlphaF(0.30)
    painter.fillPath(strip, fill)
    for width, tone in ((3.6, QColor(0, 0, 0, 110)), (1.8, QColor(colour).lighter(115))):
        pen = QPen(tone, width, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap, Qt.PenJoinStyle.RoundJoin)
        if dashed:
            pen.setCapStyle(Qt.PenCapStyle.FlatCap)
            pen.setDashPattern([6 * 1.8 / width, 4 * 1.8 / width])
        painter.setPen(pen)
        for piece in ribbon.centre:
            painter.drawPolyline(QPolygonF(canvas.to_widget(piece)))
        pen.setStyle(Qt.PenStyle.SolidLine)
        painter.setPen(pen)
        for _, corners in ribbon.arrows:
            painter.drawPolyline(QPolygonF(canvas.to_widget(corners)))


def draw_crop(painter: QPainter, canvas: ImageCanvas, crop: tuple[int, int, int, int], muted: str) -> None:
    """Shades what the model does not see and outlines what it does (left, top, width, height in pixels)."""
    whole = canvas.rect_of_image()
    left, top, width, height = crop
    seen = canvas.transform().mapRect(QRectF(left, top, width, height))
    outside = QPainterPath()
    outside.addRect(whole)
    inside = QPainterPath()
    inside.addRect(seen)
    painter.setClipRect(whole)
    painter.fillPath(outside.subtracted(inside), QColor(0, 0, 0, 120))
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
    painter.setPen(QPen(QColor(255, 255, 255, 170), 1, Qt.PenStyle.DotLine))
    painter.drawRect(seen.adjusted(0, 0, -1, -1))


def draw_badge(
    painter: QPainter,
    corner: QPointF,
    text: str,
    *,
    colour: str = "#ffffff",
    background: str = "#000000",
    anchor: str = "top left",
) -> QRectF:
    """A line of text on a rounded plate with its ``anchor`` corner at ``corner``; returns the plate."""
    metrics = QFontMetricsF(painter.font())
    plate = QRectF(0, 0, metrics.horizontalAdvance(text) + 2 * PAD, metrics.height() + 4)
    plate.moveTopLeft(
        QPointF(
            corner.x() - (plate.width() if "right" in anchor else 0),
            corner.y() - (plate.height() if "bottom" in anchor else 0),
        )
    )
    tone = QColor(background)
    tone.setAlphaF(0.78)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(tone)
    painter.drawRoundedRect(plate, 4, 4)
    painter.setPen(QColor(colour))
    painter.drawText(plate, Qt.AlignmentFlag.AlignCenter, text)
    return plate
