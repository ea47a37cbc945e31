"""What the mouse means over a canvas: a click is a press and release in place, the rest is the camera's."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from vispy import scene

Position = tuple[float, float]

SLACK = 4.0
"""Pixels the mouse may move between press and release of a click."""


class CanvasMouse:
    """Turns a canvas's events into calls; positions are canvas pixels from the top left.

    Args:
        on_click: left click.
        on_hover: the mouse moved without a button held.
        on_camera: the user moved the view by drag or wheel.
    """

    def __init__(
        self,
        canvas: scene.SceneCanvas,
        on_click: Callable[[Position], None],
        on_hover: Callable[[Position], None],
        on_camera: Callable[[], None],
    ) -> None:
        self._on_click, self._on_hover, self._on_camera = on_click, on_hover, on_camera
        self._pressed: Position | None = None
        canvas.events.mouse_press.connect(self._press)
        canvas.events.mouse_release.connect(self._release)
        canvas.events.mouse_move.connect(self._move)
        canvas.events.mouse_wheel.connect(self._wheel)

    def _press(self, event: Any) -> None:
        self._pressed = _position(event) if event.button == 1 else None

    def _release(self, event: Any) -> None:
        pressed, self._pressed = self._pressed, None
        here = _position(event)
        if pressed is not None and np.hypot(here[0] - pressed[0], here[1] - pressed[1]) <= SLACK:
            self._on_click(here)

    def _move(self, event: Any) -> None:
        if event.is_dragging:
            self._on_camera()
        else:
            self._on_hover(_position(event))

    def _wheel(self, event: Any) -> None:
        self._on_camera()


def _position(event: Any) -> Position:
    return float(event.pos[0]), float(event.pos[1])
