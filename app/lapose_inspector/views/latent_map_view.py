"""The latent map panel: every analysed transition a point, placed by what its latent action is like."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray
from psygnal import SignalInstance
from PySide6.QtCore import Qt, QTimer, Signal, Slot
from PySide6.QtWidgets import QWidget

from lapose_core.geometry import Array
from lapose_inspector.models.colours import rgba, series_colours
from lapose_inspector.models.gallery import Item
from lapose_inspector.models.map_data import MapData, MapSource
from lapose_inspector.models.map_state import MapState, Method
from lapose_inspector.models.selection import Indices, Mode, TransitionId
from lapose_inspector.models.series import Series
from lapose_inspector.models.session import Session
from lapose_inspector.views.canvas_mouse import CanvasMouse, Position
from lapose_inspector.views.canvas_overlay import CanvasOverlay, panel_layout
from lapose_inspector.views.colour_legend import ColourLegend
from lapose_inspector.views.map_gestures import MapCamera, MapGestures, inside
from lapose_inspector.views.map_projector import MapProjector
from lapose_inspector.views.map_tools import MapTools
from lapose_inspector.views.pair_popup import WIDTH, PairPopup
from lapose_inspector.views.transition_drag import carry
from lapose_inspector.visuals.canvas import SceneCanvas
from lapose_inspector.visuals.map_points import MapCursor, MapDensity, MapOutline, MapPoints, MapSelection, thinned
from lapose_inspector.visuals.renderer import draws_in_software
from lapose_inspector.workers.projection import Projection
from lapose_inspector.workers.thumbnails import ThumbnailLoader

PICK_RADIUS = 10.0
"""Pixels from the mouse within which a point is meant."""
TRAIL_SECONDS = 3.0
"""How much of the drive before the cursor is drawn as a line through the map."""
INSETS = ((18.0, 34.0, 18.0, 58.0), (120.0, 34.0, 182.0, 12.0))
"""Pixels of the canvas left, above, right and below the fitted points: they stand over the legends or, in a
low panel, between them."""
SYMBOLS = ("disc", "triangle_up")
"""Of the points of the first and the second result."""
SOFTWARE_POINTS = 5000
"""Points drawn without a graphics card."""
CARRY = 8
"""Pixels that a point is dragged before it is carried."""
FAINT = 0.25
"""Opacity of points over a density."""


class LatentMapView(QWidget):
    """Follows the session; a click on a point puts the timeline's cursor on its transition, and a drag with the
    lasso or the box selects."""

    elsewhere = Signal(object)
    """A gallery's Item of another drive whose point was clicked."""

    def __init__(self, session: Session, state: MapState | None = None, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self.map_state = state or MapState()
        self._data = MapData()
        self._key: object = None
        self._touched = False
        self._software: bool | None = None
        """Whether the CPU draws; None until a canvas can be asked."""
        self._drawn_of: Projection | None = None
        self._drawn_place: tuple[float, ...] = ()
        self._drawn_rows = np.zeros(0, np.int64)
        """Rows that are drawn of that projection, with the view at that place."""
        self._selected = 0
        self._zoomed = QTimer(self, singleShot=True, interval=120)
        self._zoomed.timeout.connect(self._redraw_points)
        self._held: int | None = None
        """Id of the point that the mouse holds."""
        self.canvas = SceneCanvas(self)
        self.view = self.canvas.central_widget.add_view()
        self.view.camera = MapCamera(self.map_state)
        colours = session.display.colours
        self.density = MapDensity(self.view.scene, order=0)
        self.points = MapPoints(self.view.scene, order=1)
        self.selected = MapSelection(self.view.scene, rgba(colours.selection), order=2)
        self.marker = MapCursor(self.view.scene, rgba(colours.cursor), order=3)
        self.outline = MapOutline(self.canvas.scene, order=10)
        self.projector = MapProjector(self.map_state, self)
        self.projector.projected.connect(self._on_projected)
        self.projector.progressed.connect(self._update_text)
        self.thumbnails = ThumbnailLoader(WIDTH, self)
        self._build()
        self.thumbnails.ready.connect(self.popup.set_pictures)
        self.thumbnails.failed.connect(self.popup.set_failed)
        self.canvas.events.mouse_press.connect(self._on_press)
        self.canvas.events.mouse_move.connect(self._on_move)
        self._mouse = CanvasMouse(self.canvas, self._on_click, self._on_hover, self._on_camera)
        self.gestures = MapGestures(self.canvas, self.map_state, self._on_outline, self._on_select)
        self.view.events.resize.connect(self._on_resize)
        self._connect()
        self._on_theme_change()
        self._on_drive_change()
        self._on_analysis_change()

    def _build(self) -> None:
        layout = panel_layout(self)
        self.tools = MapTools(self.map_state, self._session.display, self)
        self.tools.fit_wanted.connect(self.fit_view)
        layout.addWidget(self.tools)
        layout.addWidget(self.tools.axes_row)
        self.overlay = CanvasOverlay(self.canvas.native, self)
        self.state = self.overlay.label("top left", "state")
        self.caption = self.overlay.label("bottom left", "caption")
        self.colour_legend = ColourLegend()
        self.overlay.place(self.colour_legend, "bottom right")
        self.popup = PairPopup(self.overlay)
        layout.addWidget(self.overlay, 1)

    def _connect(self) -> None:
        session, state = self._session, self.map_state
        self._links: list[tuple[SignalInstance, Callable[..., Any]]] = [
            (session.drive_changed, self._on_drive_change),
            (session.analysis_changed, self._on_analysis_change),
            (session.timeline.frame_changed, self._on_frame_change),
            (session.display.colour_by_changed, self._recolour),
            (session.display.theme_changed, self._on_theme_change),
            (session.selection.changed, self._on_selection),
            (session.annotations.changed, self._on_annotations),
            (state.tool_changed, self._on_tool),
            (state.method_changed, self._on_method),
            (state.axes_changed, self._on_method),
            (state.density_changed, self._recolour),
            (state.by_source_changed, self._recolour),
            (state.compared_changed, self._on_analysis_change),
        ]
        for signal, slot in self._links:
            signal.connect(slot)

    def close_panel(self) -> None:
        """Let go of the session, the threads and the OpenGL canvas. Call once, before the widget goes."""
        for signal, slot in self._links:
            signal.disconnect(slot)
        self._links = []
        self.tools.close_panel()
        self.projector.stop()
        self.thumbnails.stop()
        self.canvas.close()

    @property
    def projection(self) -> Projection | None:
        """The map on the screen."""
        return self.projector.shown

    @property
    def refining(self) -> bool:
        """Whether t-SNE is under way: the map will still move."""
        return self.projector.refining

    @property
    def method(self) -> Method:
        return self.map_state.method

    def set_method(self, method: Method) -> None:
        """Choose how latents become points."""
        self.map_state.method = method

    @property
    def shown(self) -> dict[str, Indices]:
        """The transitions that are points of the map, by drive: what an inverted selection is inverted in."""
        return {} if self.projection is None else self._data.transitions(self.projection.transitions)

    # -- projecting

    def _on_drive_change(self) -> None:
        self.thumbnails.set_drive(self._session.drive)
        self.popup.forget()
        self._forget()
        self._say()

    def _on_analysis_change(self) -> None:
        analysis, sources = self._session.analysis, []
        if analysis is not None and analysis.done.any():
            sources = [MapSource.of(analysis, self._session.series)]
            if self.map_state.compared is not None:
                sources.append(self.map_state.compared)
        self._data = MapData(sources)
        key = self._data.key
        if not key or key != self._key:
            self._key = key
            self._forget()
        self._project()
        self._say()

    def _forget(self) -> None:
        """Nothing that is shown or under way belongs to the present drive and model."""
        self.projector.forget()
        self._touched = False
        self._draw()

    def _project(self) -> None:
        analysis = self._session.analysis
        self.projector.project(self._data, analysis is not None and analysis.complete)

    def _on_method(self, _: object = None) -> None:
        self._touched = False
        self._project()

    @Slot(object)
    def _on_projected(self, projection: Projection) -> None:
        if not self._touched:
            self._fit()
        self._draw()

    # -- drawing

    def _draw(self) -> None:
        display, projection = self._session.display, self.projection
        shown = None
        if projection is not None:
            shown = self._series(projection.transitions)
        if projection is None or shown is None:
            self.points.clear()
            self.density.set_points(None, np.zeros((256, 4), np.float32))
        else:
            rows = self._rows_drawn(projection)
            colours = series_colours(shown, display.theme)[rows]
            if self.map_state.density:
                colours[:, 3] *= FAINT
            symbols: NDArray[np.str_] | str = SYMBOLS[0]
            if len(self._data.sources) > 1:
                symbols = np.array(SYMBOLS)[self._data.source_of(projection.transitions[rows])]
            rim = rgba(display.colours.muted, 0.0 if self.map_state.density else 0.4)
            self.points.set_data(projection.points[rows], colours, rim, symbols)
            ramp = np.tile(rgba(display.colours.accent), (256, 1))
            ramp[:, 3] = np.linspace(0.0, 0.95, 256)
            self.density.set_points(projection.points if self.map_state.density else None, ramp)
        self.colour_legend.set_series(shown, display.colours, display.theme)
        self._on_selection()
        self._on_frame_change(self._session.timeline.frame)

    def _rows_drawn(self, projection: Projection) -> NDArray[np.int64]:
        """Rows of the points in sight, thinned where the CPU has to draw them; all are picked and selected."""
        every = np.arange(len(projection.points))
        if len(every) <= SOFTWARE_POINTS or not self._in_software():
            return every
        rect = self.view.camera.rect
        place = (*rect.pos, *rect.size) if self._touched else ()
        if self._drawn_of is not projection or place != self._drawn_place:
            self._drawn_of, self._drawn_place = projection, place
            self._drawn_rows = self._thin(projection, every)
        return self._drawn_rows

    def _thin(self, projection: Projection, every: NDArray[np.int64]) -> NDArray[np.int64]:
        rect = self.view.camera.rect
        low, high = np.array([rect.left, rect.bottom]), np.array([rect.right, rect.top])
        margin = 0.25 * (high - low)
        near = ((projection.points >= low - margin) & (projection.points <= high + margin)).all(axis=1)
        seen = every[near] if self._touched else every
        return seen[thinned(projection.points[seen], SOFTWARE_POINTS)]

    def _in_software(self) -> bool:
        if self._software is None:
            self._software = draws_in_software(self.canvas)
        return self._software

    @Slot()
    def _redraw_points(self) -> None:
        """Draw what a zoom brought into sight."""
        projection = self.projection
        if projection is not None and len(projection.points) > SOFTWARE_POINTS and self._in_software():
            self._draw()

    def _series(self, ids: Indices) -> Series | None:
        """What colours the rows ``ids``."""
        key, annotations = self._session.display.colour_by, self._session.annotations
        if self.map_state.by_source:
            return self._data.source_series(ids)
        if key == "annotation":
            return self._data.annotation_series(ids, annotations.notes, annotations.palette)
        return self._data.series(key, ids)

    def _on_annotations(self) -> None:
        if self._session.display.colour_by == "annotation":
            self._draw()

    def _recolour(self, _: object = None) -> None:
        self._draw()

    def _on_selection(self) -> None:
        projection = self.projection
        if projection is None:
            self._selected = 0
            self.selected.set_points(np.zeros((0, 2), np.float32), 0)
        else:
            selection = self._session.selection
            chosen = {drive: selection.of(drive) for drive in selection.drives}
            rows = self._data.rows_of(projection.transitions, chosen)
            chosen_points = projection.points[rows]
            self._selected = len(chosen_points)
            if self._selected > SOFTWARE_POINTS and self._in_software():
                chosen_points = chosen_points[thinned(chosen_points, SOFTWARE_POINTS)]
            self.selected.set_points(chosen_points, len(rows))
        self._update_text()
        self.canvas.update()

    def _on_frame_change(self, frame: int) -> None:
        self.marker.set_trail(self._trail())
        self.canvas.update()

    def _trail(self) -> NDArray[np.float32]:
        """Points [n, 2] of the last transitions up to the cursor's; empty where the cursor's has none."""
        at, projection = self._session.transition, self.projection
        if at is None or projection is None:
            return np.zeros((0, 2), np.float32)
        end = int(np.searchsorted(projection.transitions, at))
        if end >= len(projection.transitions) or projection.transitions[end] != at:
            return np.zeros((0, 2), np.float32)
        times = self._session.series.times
        first = int(np.searchsorted(times, times[at] - TRAIL_SECONDS))
        run = projection.transitions[: end + 1]
        start = int(np.searchsorted(run, first))
        # A gap in the analysis would be drawn as a jump through the map.
        gaps = np.flatnonzero(np.diff(run[start:]) > 1)
        return projection.points[start + (int(gaps[-1]) + 1 if len(gaps) else 0) : end + 1]

    def _on_theme_change(self, theme: str = "") -> None:
        colours = self._session.display.colours
        self.canvas.bgcolor = colours.canvas
        self.marker.set_colour(rgba(colours.cursor))
        self.selected.set_colour(rgba(colours.selection), len(self._data.ids))
        self.overlay.set_theme(colours)
        self.popup.set_theme(colours)
        self.tools.set_theme(colours)
        self._draw()

    def _say(self) -> None:
        session = self._session
        if session.drive is None:
            self.overlay.say("Open a driving log: each analysed transition<br>becomes a point here")
        elif session.analysis is None or not session.analysis.done.any():
            self.overlay.say("Each analysed transition becomes a point here.<br>Waiting for the model")
        else:
            self.overlay.say("")

    @Slot()
    def _update_text(self) -> None:
        projection = self.projection
        self.state.setVisible(projection is not None)
        self.caption.setVisible(projection is not None)
        if projection is None:
            return
        total = sum(len(source.series) for source in self._data.sources)
        text = f"{len(projection.transitions):,} of {total:,} transitions"
        if self._selected:
            colour = self._session.display.colours.selection
            text += f' · <span style="color:{colour}">{self._selected:,} selected</span>'
        if len(projection.points) > SOFTWARE_POINTS and self._in_software():
            text += f" · {SOFTWARE_POINTS:,} drawn (no graphics card)"
        if self.map_state.method == "t-sne" and self.projector.refining:
            text += f" · refining t-SNE {self.projector.progress:.0%}"
        elif self.projector.failure:
            text += f" · projection failed: {escape(self.projector.failure)}"
        text += f"<br>{escape(projection.note)}" if projection.note else ""
        if len(self._data.sources) > 1:
            names = [escape(source.name) for source in self._data.sources]
            text += f"<br>&#9679; {names[0]} &nbsp; &#9650; {names[1]}"
            text += f"<br>{escape(self._data.sources[1].note)}" if self._data.sources[1].note else ""
        self.state.setText(text)
        self.caption.setText(f"&rarr; {projection.axes[0]}<br>&uarr; {projection.axes[1]}")

    # -- view and mouse

    def fit_view(self) -> None:
        """Show all points, and keep doing so while the map grows."""
        self._touched = False
        self._fit()
        self.canvas.update()

    def _fit(self) -> None:
        if self.projection is None or not len(self.projection.points):
            return
        low, high = self.projection.points.min(axis=0), self.projection.points.max(axis=0)
        width, height = (max(float(v), 80.0) for v in self.view.size)
        extent = high - low

        def unit_of(insets: tuple[float, float, float, float]) -> float:
            left, top, right, bottom = insets
            room = np.maximum([width - left - right, height - top - bottom], 40.0)
            return max(float((extent / room).max()), 1e-6)

        insets = min(INSETS, key=unit_of)
        unit, (left, top, right, bottom) = unit_of(insets), insets
        middle = (low + high) / 2 + np.array([right - left, top - bottom]) / 2 * unit
        size = np.array([width, height]) * unit
        self.view.camera.rect = (*(middle - size / 2), *size)

    def pixels(self, points: Array | NDArray[np.float32]) -> Array:
        """Canvas pixels [n, 2] of map points [n, 2]."""
        transform = self.view.scene.node_transform(self.canvas.scene)
        # Pan and zoom are affine: three points say it all, and vispy's own chain is slow for 100,000.
        origin, right, up = np.asarray(transform.map(np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])))[:, :2]
        return origin + np.asarray(points, np.float64) @ np.stack([right - origin, up - origin])

    def pick(self, position: Position) -> int | None:
        """The id of the point nearest to a canvas position, within PICK_RADIUS pixels; of the open drive's points
        it is the transition."""
        projection = self.projection
        if projection is None or not len(projection.points):
            return None
        # The camera keeps the aspect: what is nearest on the map is nearest on the screen.
        corner, along = self.pixels(np.array([[0.0, 0.0], [1.0, 0.0]]))
        unit = max(float(np.linalg.norm(along - corner)), 1e-12)
        right, up = self.view.scene.node_transform(self.canvas.scene).imap(np.array([position]))[0, :2]
        distance, row = projection.tree.query([right, up])
        return int(projection.transitions[row]) if distance * unit <= PICK_RADIUS else None

    def _on_press(self, event: Any) -> None:
        """A point that is dragged with the moving tool is carried away, and the map stays."""
        held = None
        if event.button == 1 and self.map_state.tool == "move" and not event.modifiers:
            held = self.pick((float(event.pos[0]), float(event.pos[1])))
        self.view.camera.held = held is not None
        self._held = held

    def _on_move(self, event: Any) -> None:
        if self._held is None or not event.is_dragging:
            return
        start = event.press_event.pos
        if abs(event.pos[0] - start[0]) + abs(event.pos[1] - start[1]) > CARRY:
            id, self._held = self._held, None
            self.popup.hide()
            source, transition = self._data.locate(id)
            text = f"the action of frame {int(source.series.frames[transition])}"
            colour = self._session.display.colours.selection
            carry(self.canvas.native, TransitionId(source.fingerprint, transition), text, colour)

    def _on_click(self, position: Position) -> None:
        id = self.pick(position)
        if id is None:
            return
        source, transition = self._data.locate(id)
        drive = self._session.drive
        if drive is not None and source.fingerprint == drive.fingerprint:
            self._session.timeline.seek(int(source.series.frames[transition]))
        else:
            frames = int(source.series.frames[transition]), int(source.series.frames[transition + 1])
            self.elsewhere.emit(Item(TransitionId(source.fingerprint, transition), frames, source.name, ""))

    def _on_outline(self, outline: Array) -> None:
        self.popup.hide()
        self.outline.set_points(outline, rgba(self._session.display.colours.selection))
        self.canvas.update()

    def _on_select(self, outline: Array, mode: Mode) -> None:
        projection = self.projection
        if projection is None:
            return
        width, height = (int(v) for v in self.canvas.size)
        rows = inside(outline, self.pixels(projection.points), (width, height))
        self._session.selection.change(self._data.transitions(projection.transitions[rows]), mode)

    def _on_tool(self, tool: str) -> None:
        self.gestures.abandon()
        self.popup.hide()

    def _on_hover(self, position: Position) -> None:
        id, drive = self.pick(position), self._session.drive
        idle = Qt.CursorShape.ArrowCursor if self.map_state.tool == "move" else Qt.CursorShape.CrossCursor
        self.canvas.native.setCursor(Qt.CursorShape.PointingHandCursor if id is not None else idle)
        if id is None or drive is None:
            self.popup.hide()
            return
        source, transition = self._data.locate(id)
        series = source.series
        pair = int(series.frames[transition]), int(series.frames[transition + 1])
        seconds = series.times[transition], series.times[transition + 1]
        captions = tuple(f"frame {frame}, {at:.2f} s" for frame, at in zip(pair, seconds))
        keys = dict.fromkeys(("speed", "yaw rate", self._session.display.colour_by))
        known = [series[key] for key in keys if key != "time" and key in series.series]
        text = "   ".join(f"{one.label} {one.text(transition)}" for one in known)
        here = source.fingerprint == drive.fingerprint
        if len(self._data.sources) > 1:
            text = f"{source.name}\n{text}" + ("" if here else "\nfrom another drive: a click opens it")
        self.popup.describe(pair, (captions[0], captions[1]), text, drive.width / drive.height, pictures=here)
        if here:
            self.thumbnails.request(*pair)
        self.overlay.point_out(self.popup, position)

    def _on_camera(self) -> None:
        if not self.gestures.drawing and self._held is None:
            self._touched = True
            self._zoomed.start()
        self.popup.hide()

    def leaveEvent(self, event) -> None:  # type: ignore[no-untyped-def]
        self.popup.hide()
        super().leaveEvent(event)

    def _on_resize(self, event) -> None:  # type: ignore[no-untyped-def]
        if not self._touched:
            self._fit()
