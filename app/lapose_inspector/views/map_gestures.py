"""Lasso and box over the latent map: a drag draws an outline, its end says which points lie inside."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QImage, QPainter, QPolygonF
from vispy import scene
from vispy.util import keys

from lapose_core.geometry import Array
from lapose_inspector.models.map_state import MapState
from lapose_inspector.models.selection import Mode
from lapose_inspector.views.canvas_mouse import SLACK, Position

STEP = 3.0
"""Pixels between two points of a lasso's outline."""


class MapCamera(scene.PanZoomCamera):
    """Pans by dragging only while the tool in hand is the one that moves the map; the wheel always zooms."""

    def __init__(self, state: MapState) -> None:
        super().__init__(aspect=1.0)
        self._state = state
        self.held = False
        """Whether a point is held, which a drag then carries instead of the map."""

    def viewbox_mouse_event(self, event: Any) -> None:
        drawing = self._state.tool != "move" or self.held
        if drawing and event.type == "mouse_move" and 1 in event.buttons:
            event.handled = True
            return
        super().viewbox_mouse_event(event)


class MapGestures:
    """Turns drags with the lasso or the box into an outline while drawn and a selection at the end.

    Args:
        on_outline: the outline [n, 2] in canvas pixels, closed by its reader; without points when it is over.
        on_select: the finished outline and what it does to the selection.
    """

    def __init__(
        self,
        canvas: scene.SceneCanvas,
        state: MapState,
        on_outline: Callable[[Array], None],
        on_select: Callable[[Array, Mode], None],
    ) -> None:
        self._state, self._on_outline, self._on_select = state, on_outline, on_select
        self._points: list[Position] = []
        canvas.events.mouse_press.connect(self._press)
        canvas.events.mouse_move.connect(self._move)
        canvas.events.mouse_release.connect(self._release)

    @property
    def drawing(self) -> bool:
        """Whether an outline is being drawn."""
        return bool(self._points)

    def abandon(self) -> None:
        """Drop the outline that is being drawn."""
        self._points = []
        self._on_outline(np.zeros((0, 2)))

    def _press(self, event: Any) -> None:
        self._points = [_position(event)] if event.button == 1 and self._state.tool != "move" else []

    def _move(self, event: Any) -> None:
        if not self._points or not event.is_dragging:
            return
        self._reach(_position(event))
        self._on_outline(self._outline())

    def _reach(self, here: Position) -> None:
        last = self._points[-1]
        if self._state.tool == "box":
            self._points = [self._points[0], here]
        elif np.hypot(here[0] - last[0], here[1] - last[1]) >= STEP:
            self._points.append(here)

    def _release(self, event: Any) -> None:
        if self._points:
            # vispy drops moves that follow each other within 10 ms: a quick hand ends beyond the last one told.
            self._reach(_position(event))
        outline, points = self._outline(), self._points
        self._points = []
        if len(points) < 2:
            return
        self._on_outline(np.zeros((0, 2)))
        if np.ptp(outline, axis=0).max() > SLACK:
            self._on_select(outline, mode_of(event.modifiers))

    def _outline(self) -> Array:
        points = np.asarray(self._points, np.float64).reshape(-1, 2)
        if self._state.tool != "box" or len(points) != 2:
            return points
        (left, top), (right, bottom) = points
        return np.array([[left, top], [right, top], [right, bottom], [left, bottom]])


def mode_of(modifiers: Any) -> Mode:
    """Shift adds, Alt (or Ctrl, where the window manager keeps Alt) takes away, neither begins anew."""
    if keys.SHIFT in modifiers:
        return "add"
    return "subtract" if keys.ALT in modifiers or keys.CONTROL in modifiers else "replace"


def inside(outline: Array, pixels: Array, size: tuple[int, int]) -> NDArray[np.bool_]:
    """Which of ``pixels`` [n, 2] lie in an outline [m, 2] on a canvas of ``size``, to the pixel.

    An outline that crosses itself holds what it goes round an odd number of times. The outline is filled once, and
    the points are looked up in it: 100,000 of them take milliseconds whatever its shape.
    """
    width, height = size
    mask = QImage(width, height, QImage.Format.Format_Grayscale8)
    mask.fill(0)
    with QPainter(mask) as painter:
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(Qt.GlobalColor.white)
        polygon = QPolygonF([QPointF(float(x), float(y)) for x, y in outline])
        painter.drawPolygon(polygon, Qt.FillRule.OddEvenFill)
    filled = np.frombuffer(mask.constBits(), np.uint8).reshape(height, mask.bytesPerLine())[:, :width]
    at = np.floor(pixels).astype(np.int64)
    seen = ((at >= 0) & (at < (width, height))).all(axis=1)
    out = np.zeros(len(pixels), bool)
    out[seen] = filled[at[seen, 1], at[seen, 0]] > 127
    return out


def _position(event: Any) -> Position:
    return float(event.pos[0]), float(event.pos[1])
