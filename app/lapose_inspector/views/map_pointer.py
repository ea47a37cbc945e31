"""The mouse over the latent map's points: what lies under it, what a click opens, and carrying a point away."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import Qt

from lapose_inspector.beside.projecting import Projection
from lapose_inspector.models.map_data import MapData
from lapose_inspector.models.map_state import MapState
from lapose_inspector.models.selection import TransitionId
from lapose_inspector.models.session import Session
from lapose_inspector.views.canvas_mouse import Position
from lapose_inspector.views.canvas_overlay import CanvasOverlay
from lapose_inspector.views.map_gestures import MapCamera
from lapose_inspector.views.pair_popup import WIDTH, PairPopup
from lapose_inspector.views.transition_drag import carry
from lapose_inspector.visuals.map_scene import MapScene
from lapose_inspector.workers.thumbnails import ThumbnailLoader

PICK_RADIUS = 10.0
"""Pixels from the mouse within which a point is meant."""
CARRY = 8
"""Pixels that a point is dragged before it is carried."""


@dataclass(frozen=True)
class Shown:
    """What the map shows now: its points, and the results that they are of."""

    projection: Projection | None
    data: MapData


class MapPointer:
    """Points out the frame pair under the mouse, and lends a held point's action to where it is dropped; ``on_carry``
    is called when a point is carried away."""

    def __init__(
        self,
        scene: MapScene,
        camera: MapCamera,
        overlay: CanvasOverlay,
        session: Session,
        state: MapState,
        shown: Callable[[], Shown],
        on_carry: Callable[[], None],
    ) -> None:
        self._scene, self._camera, self._overlay = scene, camera, overlay
        self._session, self._state, self._shown, self._on_carry = session, state, shown, on_carry
        self._held: int | None = None
        """Id of the point that the mouse holds."""
        self.popup = PairPopup(overlay)
        self.thumbnails = ThumbnailLoader(WIDTH, overlay)
        self.thumbnails.ready.connect(self.popup.set_pictures)
        self.thumbnails.failed.connect(self.popup.set_failed)
        scene.canvas.events.mouse_press.connect(self._on_press)
        scene.canvas.events.mouse_move.connect(self._on_move)

    def close(self) -> None:
        """End the thread that reads pictures."""
        self.thumbnails.stop()

    def set_drive(self) -> None:
        """The session has another drive."""
        self.thumbnails.set_drive(self._session.drive)
        self.popup.forget()

    @property
    def holding(self) -> bool:
        """Whether the mouse holds a point, which a drag then carries."""
        return self._held is not None

    def pick(self, position: Position) -> int | None:
        """The id of the point nearest to a canvas position, within PICK_RADIUS pixels; of the open drive's points
        it is the transition."""
        projection = self._shown().projection
        if projection is None or not len(projection.points):
            return None
        row, distance = self._scene.nearest(projection.tree, position)
        return int(projection.transitions[row]) if distance <= PICK_RADIUS else None

    def hover(self, position: Position) -> None:
        """Show the frame pair under the mouse, or nothing where there is no point."""
        id, drive, data = self.pick(position), self._session.drive, self._shown().data
        idle = Qt.CursorShape.ArrowCursor if self._state.tool == "move" else Qt.CursorShape.CrossCursor
        self._scene.canvas.native.setCursor(Qt.CursorShape.PointingHandCursor if id is not None else idle)
        if id is None or drive is None:
            self.popup.hide()
            return
        source, transition = data.locate(id)
        series = source.series
        pair = int(series.frames[transition]), int(series.frames[transition + 1])
        seconds = series.times[transition], series.times[transition + 1]
        captions = tuple(f"frame {frame}, {at:.2f} s" for frame, at in zip(pair, seconds))
        keys = dict.fromkeys(("speed", "yaw rate", self._session.display.colour_by))
        known = [series[key] for key in keys if key != "time" and key in series.series]
        text = "   ".join(f"{one.label} {one.text(transition)}" for one in known)
        here = source.fingerprint == drive.fingerprint
        if len(data.sources) > 1:
            text = f"{source.name}\n{text}" + ("" if here else "\nfrom another drive: a click opens it")
        self.popup.describe(pair, (captions[0], captions[1]), text, drive.width / drive.height, pictures=here)
        if here:
            self.thumbnails.request(*pair)
        self._overlay.point_out(self.popup, position)

    def _on_press(self, event: Any) -> None:
        """A point that is dragged with the moving tool is carried away, and the map stays."""
        held = None
        if event.button == 1 and self._state.tool == "move" and not event.modifiers:
            held = self.pick((float(event.pos[0]), float(event.pos[1])))
        self._camera.held = held is not None
        self._held = held

    def _on_move(self, event: Any) -> None:
        if self._held is None or not event.is_dragging:
            return
        start = event.press_event.pos
        if abs(event.pos[0] - start[0]) + abs(event.pos[1] - start[1]) > CARRY:
            id, self._held = self._held, None
            self.popup.hide()
            source, transition = self._shown().data.locate(id)
            text = f"the action of frame {int(source.series.frames[transition])}"
            colour = self._session.display.colours.selection
            self._on_carry()
            carry(self._scene.canvas.native, TransitionId(source.fingerprint, transition), text, colour)
