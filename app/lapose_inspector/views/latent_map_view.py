"""The latent map panel: every analysed transition a point, placed by what its latent action is like."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QTimer, Signal, Slot
from PySide6.QtWidgets import QWidget

from lapose_core.geometry import Array
from lapose_inspector.beside.projecting import Projection
from lapose_inspector.models.colours import rgba, series_colours
from lapose_inspector.models.gallery import Item
from lapose_inspector.models.map_data import MapData, MapSource, model_name
from lapose_inspector.models.map_state import MapState, Method
from lapose_inspector.models.selection import Indices, Mode, TransitionId
from lapose_inspector.models.series import Series
from lapose_inspector.models.session import Session
from lapose_inspector.views.canvas_mouse import CanvasMouse, Position
from lapose_inspector.views.canvas_overlay import panel_layout
from lapose_inspector.views.canvas_panel import CanvasPanel
from lapose_inspector.views.colour_legend import ColourLegend
from lapose_inspector.views.map_fit import MapFit
from lapose_inspector.views.map_projector import MapProjector
from lapose_inspector.views.map_text import axes_text, invitation, map_text
from lapose_inspector.views.map_tools import MapTools

if TYPE_CHECKING:
    from lapose_inspector.views.map_gestures import MapGestures
    from lapose_inspector.views.map_pointer import MapPointer, Shown
    from lapose_inspector.visuals.canvas import SceneCanvas
    from lapose_inspector.visuals.map_scene import MapScene

TRAIL_SECONDS = 3.0
"""How much of the drive before the cursor is drawn as a line through the map."""


class Stage(NamedTuple):
    """What the panel draws on, and with."""

    canvas: SceneCanvas
    scene: MapScene
    pointer: MapPointer
    gestures: MapGestures
    mouse: CanvasMouse


class LatentMapView(CanvasPanel[Stage]):
    """Follows the session; a click on a point puts the timeline's cursor on its transition, and a drag with the
    lasso or the box selects."""

    elsewhere = Signal(object)
    """A gallery's Item of another drive whose point was clicked."""
    carrying = Signal()
    """A point is carried away: where it can be dropped should be in sight."""

    def __init__(self, session: Session, state: MapState | None = None, parent: QWidget | None = None) -> None:
        super().__init__(session, self._stage_made, self._follow_session, parent)
        self.map_state = state or MapState()
        self._data = MapData()
        self._key: object = None
        self._selected = 0
        self._zoomed = QTimer(self, singleShot=True, interval=120)
        self._zoomed.timeout.connect(self._redraw_points)
        self.projector = MapProjector(self.map_state, self)
        self.projector.projected.connect(self._on_projected)
        self.projector.progressed.connect(self._update_text)
        self._build()
        self._connect()
        self._on_theme_change()
        self._on_drive_change()

    @property
    def scene(self) -> MapScene:
        return self._stage.scene

    @property
    def pointer(self) -> MapPointer:
        return self._stage.pointer

    @property
    def gestures(self) -> MapGestures:
        return self._stage.gestures

    @property
    def thumbnail_bytes(self) -> int:
        """What the pictures of points that were pointed out keep."""
        return self.pointer.thumbnails.nbytes if self.drawn else 0

    def _follow_session(self) -> None:
        session, state = self._session, self.map_state
        session.analysis_changed.connect(self._on_analysis_change)
        self._follow(
            (session.timeline.followed, self._on_frame_change),
            (session.display.colour_by_changed, self._recolour),
            (session.selection.changed, self._on_selection),
            (session.annotations.changed, self._on_annotations),
            (state.tool_changed, self._on_tool),
            (state.method_changed, self._on_method),
            (state.axes_changed, self._on_method),
            (state.density_changed, self._recolour),
            (state.by_source_changed, self._recolour),
            (state.compared_changed, self._on_analysis_change),
        )
        self._on_drive_change()
        self._on_analysis_change()

    def _stage_made(self) -> Stage:
        from lapose_inspector.views.map_gestures import MapCamera, MapGestures
        from lapose_inspector.views.map_pointer import MapPointer
        from lapose_inspector.visuals.canvas import SceneCanvas
        from lapose_inspector.visuals.map_scene import MapScene

        # Without multisampling, which would treble what a CPU has to draw: everything here smooths its own edges.
        canvas = SceneCanvas(self, samples=0)
        camera = MapCamera(self.map_state)
        scene = MapScene(canvas, camera, self._session.display.colours)
        scene.set_colours(self._session.display.colours)
        scene.view.events.resize.connect(self._on_resize)
        pointer = MapPointer(
            scene, camera, self.overlay, self._session, self.map_state, self._shown, self.carrying.emit
        )
        pointer.popup.set_theme(self._session.display.colours)
        gestures = MapGestures(canvas, self.map_state, self._on_outline, self._on_select)
        mouse = CanvasMouse(canvas, self._on_click, pointer.hover, self._on_camera)
        return Stage(canvas, scene, pointer, gestures, mouse)

    def _build(self) -> None:
        layout = panel_layout(self)
        self.tools = MapTools(self.map_state, self._session.display, self)
        self.tools.fit_wanted.connect(self.fit_view)
        layout.addWidget(self.tools)
        layout.addWidget(self.tools.axes_row)
        self.state = self.overlay.label("top left", "state")
        self.caption = self.overlay.label("bottom left", "caption")
        self.colour_legend = ColourLegend()
        self.overlay.place(self.colour_legend, "bottom right")
        layout.addWidget(self.overlay, 1)
        self.fit = MapFit(self)

    def _connect(self) -> None:
        self._follow(
            (self._session.drive_changed, self._on_drive_change),
            (self._session.display.theme_changed, self._on_theme_change),
        )

    def close_panel(self) -> None:
        self.tools.close_panel()
        self.projector.stop()
        if self.drawn:
            self._session.analysis_changed.disconnect(self._on_analysis_change)
            self.pointer.close()
        super().close_panel()

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

    def _shown(self) -> Shown:
        from lapose_inspector.views.map_pointer import Shown

        return Shown(self.projection, self._data)

    # -- projecting

    def _on_drive_change(self) -> None:
        if not self.drawn and self._session.drive is not None:
            self.prepare()
            return
        if self.drawn:
            self.pointer.set_drive()
            self._forget()
        self._say()

    def _on_analysis_change(self) -> None:
        analysis, sources = self._session.analysis, []
        if analysis is not None and analysis.done.any():
            compared = self.map_state.compared
            models = compared is not None and bool(compared.note)
            sources = [MapSource.of(analysis, self._session.series, model_name(analysis) if models else "")]
            if compared is not None:
                sources.append(compared)
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
        self.fit.keeps = True
        self._draw()

    def _project(self) -> None:
        analysis = self._session.analysis
        self.projector.project(self._data, analysis is not None and analysis.complete)

    def _on_method(self, _: object = None) -> None:
        self.fit.keeps = True
        self._project()

    @Slot(object)
    def _on_projected(self, projection: Projection) -> None:
        self._draw()

    # -- drawing

    def _draw(self) -> None:
        display, projection = self._session.display, self.projection
        shown = None
        if projection is not None:
            shown = self._series(projection.transitions)
        if projection is None or shown is None:
            self.scene.clear()
        else:
            thins = self.scene.thins(len(projection.points))
            whole = thins and self.fit.keeps
            rows = projection.thinned if whole else self.scene.rows_drawn(projection.points)
            colours = series_colours(shown, display.theme, rows)
            several = len(self._data.sources) > 1
            sources = self._data.source_of(projection.transitions[rows]) if several else None
            self.scene.set_points(
                projection.points, rows, colours, display.colours, sources, density=self.map_state.density
            )
        self.colour_legend.set_series(shown, display.colours, display.theme)
        self._on_selection()
        self._on_frame_change()

    @Slot()
    def _redraw_points(self) -> None:
        """Draw what a zoom brought into sight."""
        projection = self.projection
        if projection is not None and self.scene.thins(len(projection.points)):
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
            self.scene.select(np.zeros((0, 2), np.float32), 0)
        else:
            selection = self._session.selection
            chosen = {drive: selection.of(drive) for drive in selection.drives}
            rows = self._data.rows_of(projection.transitions, chosen)
            self._selected = int(rows.sum())
            self.scene.select(projection.points[rows], len(rows))
        self._update_text()
        self.canvas.update()

    def _on_frame_change(self) -> None:
        self.scene.marker.set_trail(self._trail())
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
        return projection.points[projection.trail(end, int(np.searchsorted(times, times[at] - TRAIL_SECONDS)))]

    def _on_theme_change(self, theme: str = "") -> None:
        colours = self._session.display.colours
        self.overlay.set_theme(colours)
        self.tools.set_theme(colours)
        if self.drawn:
            self.pointer.popup.set_theme(colours)
            self.scene.set_colours(colours)
            self._draw()

    def _say(self) -> None:
        self.overlay.say(invitation(self._session))

    @Slot()
    def _update_text(self) -> None:
        projection = self.projection
        self.state.setVisible(projection is not None)
        self.caption.setVisible(projection is not None)
        if projection is None:
            return
        count, chosen = len(projection.points), (self._selected, self._session.display.colours.selection)
        thinned, plain = self.scene.thins(count), self.scene.plain(count)
        doing = self.projector.doing
        self.state.setText(map_text(self._data, projection, chosen, doing, thinned=thinned, plain=plain))
        self.caption.setText(axes_text(projection))
        self.fit.follow()

    # -- view and mouse

    def fit_view(self) -> None:
        """Show all points, and keep doing so while the map grows."""
        self.fit.keep()
        self.canvas.update()

    def _on_click(self, position: Position) -> None:
        id = self.pointer.pick(position)
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
        self.pointer.popup.hide()
        self.scene.outline.set_points(outline, rgba(self._session.display.colours.selection))
        self.canvas.update()

    def _on_select(self, outline: Array, mode: Mode) -> None:
        projection = self.projection
        if projection is None:
            return
        from lapose_inspector.views.map_gestures import inside

        width, height = (int(v) for v in self.canvas.size)
        rows = inside(outline, self.scene.pixels(projection.points), (width, height))
        self._session.selection.change(self._data.transitions(projection.transitions[rows]), mode)

    def _on_tool(self, tool: str) -> None:
        self.gestures.abandon()
        self.pointer.popup.hide()

    def _on_camera(self) -> None:
        if not self.gestures.drawing and not self.pointer.holding:
            self.fit.keeps = False
            self._zoomed.start()
        self.pointer.popup.hide()

    def leaveEvent(self, event) -> None:  # type: ignore[no-untyped-def]
        if self.drawn:
            self.pointer.popup.hide()
        super().leaveEvent(event)

    def _on_resize(self, event) -> None:  # type: ignore[no-untyped-def]
        self.fit.follow(resized=True)
