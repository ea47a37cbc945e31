"""What is painted over the video: paths on the road, the model's crop, labels that stay readable."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QPainter, QPainterPath, QPen, QPolygonF

from lapose_core.road_overlay import RoadRibbon
from lapose_inspector.visuals.image import ImageCanvas

if TYPE_CHECKING:
    from lapose_core.inference.findings import Crop

PAD = 6.0
EDGE = 1.7
"""Width in pixels of a path's edges."""


def draw_ribbon(
    painter: QPainter, canvas: ImageCanvas, ribbon: RoadRibbon, colour: str, *, filled: bool, seconds: bool
) -> None:
    """The car-wide strip's edges and one heading chevron per second ahead.

    The prediction is ``filled`` with solid edges, the truth is dashed edges alone: where the two agree both
    stay visible, and colour is not all that tells them apart. The caller clips to the image.
    """
    if filled:
        strip = QPainterPath()
        strip.setFillRule(Qt.FillRule.WindingFill)
        for quad in ribbon.quads:
            strip.addPolygon(QPolygonF(canvas.to_widget(quad)))
            strip.closeSubpath()
        fill = QColor(colour)
        fill.setAlphaF(0.30)
        painter.fillPath(strip, fill)
    edges = [QPolygonF(canvas.to_widget(piece)) for piece in ribbon.edges]
    chevrons = [(second, QPolygonF(canvas.to_widget(corners))) for second, corners in ribbon.arrows]
    for width, tone in ((EDGE + 1.6, QColor(0, 0, 0, 120)), (EDGE, QColor(colour).lighter(118))):
        pen = QPen(tone, width, Qt.PenStyle.SolidLine, Qt.PenCapStyle.FlatCap, Qt.PenJoinStyle.RoundJoin)
        painter.setPen(pen)
        for _, chevron in chevrons:
            painter.drawPolyline(chevron)
        if not filled:
            pen.setDashPattern([7 / width, 5 / width])
            painter.setPen(pen)
        for edge in edges:
            painter.drawPolyline(edge)
    if seconds:
        _label_seconds(painter, chevrons)


def _label_seconds(painter: QPainter, chevrons: list[tuple[int, QPolygonF]]) -> None:
    metrics = QFontMetricsF(painter.font())
    last = float("inf")
    for second, chevron in chevrons:
        right = chevron.at(2)
        if last - right.y() < metrics.height():
            continue  # further seconds crowd towards the horizon
        last = right.y()
        at = QPointF(right.x() + 6, right.y() + metrics.ascent() / 2 - 2)
        outline = QPainterPath()
        outline.addText(at, painter.font(), f"{second} s")
        painter.strokePath(outline, QPen(QColor(0, 0, 0, 150), 2.5))
        painter.fillPath(outline, QColor("#ffffff"))


def draw_crop(painter: QPainter, canvas: ImageCanvas, crop: Crop) -> None:
    """Shades what the model does not see and outlines what it does: where the lens bends it, along its bent border.
    The caller clips to the image."""
    whole = canvas.rect_of_image()
    seen = canvas.transform().mapRect(QRectF(crop.left, crop.top, crop.width, crop.height)).adjusted(0, 0, -1, -1)
    border = QPolygonF(canvas.to_widget(np.array(crop.outline))) if crop.outline else QPolygonF(seen)
    outside = QPainterPath()  # filled where it winds once: between the two
    outside.addRect(whole)
    outside.addPolygon(border)
    outside.closeSubpath()
    painter.fillPath(outside, QColor(0, 0, 0, 105))
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, bool(crop.outline))
    painter.setPen(QPen(QColor(255, 255, 255, 170), 1, Qt.PenStyle.DotLine))
    painter.drawPolygon(border)


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
