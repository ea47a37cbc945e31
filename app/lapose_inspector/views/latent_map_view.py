"""The latent map panel: every analysed transition a point, placed by what its latent action is like."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from typing import Any

import numpy as np
import qtawesome
from numpy.typing import NDArray
from psygnal import SignalInstance
from PySide6.QtCore import QSize, Qt
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QToolButton, QWidget
from vispy import scene

from lapose_core.geometry import Array
from lapose_core.inference.result import ResultKey
from lapose_inspector.models.colours import rgba, series_colours
from lapose_inspector.models.display import COLOUR_BY
from lapose_inspector.models.session import Session
from lapose_inspector.views.canvas_mouse import CanvasMouse, Position
from lapose_inspector.views.canvas_overlay import CanvasOverlay, panel_layout
from lapose_inspector.views.colour_legend import ColourLegend
from lapose_inspector.views.combo_box import ComboBox
from lapose_inspector.views.pair_popup import WIDTH, PairPopup
from lapose_inspector.visuals.map_points import MapCursor, MapPoints
from lapose_inspector.workers.projection import Method, Projection, ProjectionWorker
from lapose_inspector.workers.thumbnails import ThumbnailLoader

PICK_RADIUS = 10.0
"""Pixels from the mouse within which a point is meant."""
TRAIL_SECONDS = 3.0
"""How much of the drive before the cursor is drawn as a line through the map."""
GROWTH = 1.3
"""t-SNE starts over (from its own last map) when there are this many times as many points, or all of them."""
INSETS = ((18.0, 34.0, 18.0, 58.0), (120.0, 34.0, 182.0, 12.0))
"""Pixels of the canvas left, above, right and below the fitted points: they stand over the legends or, in a
low panel, between them."""


class LatentMapView(QWidget):
    """Follows the session; a click on a point puts the timeline's cursor on its transition."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._method: Method = "t-sne"
        self._shown: Projection | None = None
        self._refined: Projection | None = None
        self._refining = 0
        """Points in the t-SNE that is under way."""
        self._progress = 0.0
        self._failure = ""
        self._key: ResultKey | None = None
        self._touched = False
        self.canvas = scene.SceneCanvas(keys=None, config={"samples": 4}, parent=self)
        self.view = self.canvas.central_widget.add_view()
        self.view.camera = scene.PanZoomCamera(aspect=1.0)
        colours = session.display.colours
        self.points = MapPoints(self.view.scene, order=1)
        self.marker = MapCursor(self.view.scene, rgba(colours.cursor), order=2)
        # Two threads: a map of what has just come in must not wait for, or throw away, the refinement.
        self.quick, self.slow = ProjectionWorker(self), ProjectionWorker(self)
        self.quick.projected.connect(self._on_quick)
        self.slow.projected.connect(self._on_refined)
        self.slow.progressed.connect(self._on_progress)
        for worker in (self.quick, self.slow):
            worker.failed.connect(self._on_failed)
        self.thumbnails = ThumbnailLoader(WIDTH, self)
        self._build()
        self.thumbnails.ready.connect(self.popup.set_pictures)
        self.thumbnails.failed.connect(self.popup.set_failed)
        self._mouse = CanvasMouse(self.canvas, self._on_click, self._on_hover, self._on_camera)
        self.view.events.resize.connect(self._on_resize)
        self._links: list[tuple[SignalInstance, Callable[..., Any]]] = [
            (session.drive_changed, self._on_drive_change),
            (session.analysis_changed, self._on_analysis_change),
            (session.timeline.frame_changed, self._on_frame_change),
            (session.display.colour_by_changed, self._recolour),
            (session.display.theme_changed, self._on_theme_change),
        ]
        for signal, slot in self._links:
            signal.connect(slot)
        self._on_theme_change()
        self._on_drive_change()
        self._on_analysis_change()

    def _build(self) -> None:
        layout = panel_layout(self)
        self.tools = row = QFrame(self)
        row.setObjectName("tools")
        tools = QHBoxLayout(row)
        tools.setContentsMargins(12, 0, 6, 0)
        tools.setSpacing(4)
        self.method_box = ComboBox(row)
        self.method_box.addItem("t-SNE", "t-sne")
        self.method_box.addItem("PCA", "pca")
        self.method_box.setToolTip(
            "PCA: the two directions of the largest variance, exact and quick\n"
            "t-SNE: neighbours stay neighbours, distances between groups mean little"
        )
        self.method_box.activated.connect(lambda i: self.set_method(self.method_box.itemData(i)))
        self.colour_box = ComboBox(row)
        for key in COLOUR_BY:
            self.colour_box.addItem(key.capitalize(), key)
        self.colour_box.activated.connect(self._choose_colour)
        for text, box in (("Map", self.method_box), ("Colour", self.colour_box)):
            label = QLabel(text, row)
            label.setBuddy(box)
            tools.addWidget(label)
            tools.addWidget(box)
        tools.addStretch(1)
        self.fit_button = QToolButton(row)
        self.fit_button.setToolTip("Show all points")
        self.fit_button.setAccessibleName("Show all points")
        self.fit_button.setAutoRaise(True)
        self.fit_button.setIconSize(QSize(18, 18))
        self.fit_button.clicked.connect(self.fit_view)
        tools.addWidget(self.fit_button)
        layout.addWidget(row)
        self.overlay = CanvasOverlay(self.canvas.native, self)
        self.state = self.overlay.label("top left", "state")
        self.caption = self.overlay.label("bottom left", "caption")
        self.colour_legend = ColourLegend()
        self.overlay.place(self.colour_legend, "bottom right")
        self.popup = PairPopup(self.overlay)
        layout.addWidget(self.overlay, 1)

    def close_panel(self) -> None:
        """Let go of the session, the threads and the OpenGL canvas. Call once, before the widget goes."""
        for signal, slot in self._links:
            signal.disconnect(slot)
        self._links = []
        for worker in (self.quick, self.slow, self.thumbnails):
            worker.stop()
        self.canvas.close()

    @property
    def projection(self) -> Projection | None:
        """The map on the screen."""
        return self._shown

    @property
    def refining(self) -> bool:
        """Whether t-SNE is under way: the map will still move."""
        return self._refining > 0

    @property
    def method(self) -> Method:
        return self._method

    def set_method(self, method: Method) -> None:
        """Choose between PCA and t-SNE."""
        if method != self._method:
            self._method = method
            self.method_box.setCurrentIndex(self.method_box.findData(method))
            self._touched = False
            self._project()

    # -- projecting

    def _known(self) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Latents [n, A] of the analysed transitions, and which they are [n]."""
        analysis = self._session.analysis
        if analysis is None:
            return np.zeros((0, 1), np.float32), np.zeros(0, np.int64)
        transitions = np.flatnonzero(analysis.done & np.isfinite(analysis.latents).all(axis=1))
        return analysis.latents[transitions], transitions

    def _on_drive_change(self) -> None:
        self.thumbnails.set_drive(self._session.drive)
        self.popup.forget()
        self._forget()
        self._say()

    def _on_analysis_change(self) -> None:
        analysis = self._session.analysis
        key = None
        if analysis is not None and analysis.done.any():
            key = analysis.key
        if key is None or key != self._key:
            self._key = key
            self._forget()
        self._project()
        self._say()

    def _forget(self) -> None:
        """Nothing that is shown or under way belongs to the present drive and model."""
        self.quick.cancel()
        self.slow.cancel()
        self._shown = self._refined = None
        self._refining = 0
        self._failure = ""
        self._touched = False
        self._draw()

    def _project(self) -> None:
        analysis = self._session.analysis
        latents, transitions = self._known()
        if analysis is None or not len(transitions):
            return
        if self._method == "pca":
            self.slow.cancel()
            self._refining = 0
            self.quick.request(latents, transitions, "pca", self._shown)
            return
        if self._refined is None:
            self.quick.request(latents, transitions, "pca", self._shown)
        else:
            self.quick.request(latents, transitions, "extend", self._refined)
        covered = self._refining or (len(self._refined.transitions) if self._refined is not None else 0)
        if len(transitions) > GROWTH * covered or (analysis.complete and len(transitions) != covered):
            self._refining, self._progress = len(transitions), 0.0
            self.slow.request(latents, transitions, "t-sne", self._refined)

    def _on_quick(self, projection: Projection) -> None:
        # While t-SNE moves, its own pictures show the map; a PCA that comes late would throw it back.
        if self._method == "t-sne" and self._refined is not None and projection.method == "pca":
            return
        self._show(projection)

    def _on_refined(self, projection: Projection) -> None:
        self._refined, self._progress = projection, projection.progress
        if projection.progress >= 1.0:
            self._refining = 0
        if self._method != "t-sne":
            return
        latents, transitions = self._known()
        if len(transitions) > len(projection.transitions):
            self.quick.request(latents, transitions, "extend", projection)
        else:
            self._show(projection)

    def _on_progress(self, share: float) -> None:
        self._progress = share
        self._update_text()

    def _on_failed(self, reason: str) -> None:
        self._refining = 0
        self._failure = reason
        self._update_text()

    def _show(self, projection: Projection) -> None:
        self._shown = projection
        if not self._touched:
            self._fit()
        self._draw()

    # -- drawing

    def _draw(self) -> None:
        display, series = self._session.display, self._session.series
        projection = self._shown
        shown = series.series.get(display.colour_by) if projection is not None else None
        if projection is None or shown is None:
            self.points.clear()
        else:
            colours = series_colours(shown, display.theme)[projection.transitions]
            self.points.set_data(projection.points, colours, rgba(display.colours.muted, 0.4))
        self.colour_legend.set_series(shown, display.colours, display.theme)
        self.colour_box.setCurrentIndex(self.colour_box.findData(display.colour_by))
        self._update_text()
        self._on_frame_change(self._session.timeline.frame)

    def _recolour(self, key: str = "") -> None:
        self._draw()

    def _on_frame_change(self, frame: int) -> None:
        self.marker.set_trail(self._trail())
        self.canvas.update()

    def _trail(self) -> NDArray[np.float32]:
        """Points [n, 2] of the last transitions up to the cursor's; empty where the cursor's has none."""
        at, projection = self._session.transition, self._shown
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
        self.overlay.set_theme(colours)
        self.popup.set_theme(colours)
        self.fit_button.setIcon(qtawesome.icon("mdi6.fit-to-page-outline", color=colours.text))
        self._draw()

    def _say(self) -> None:
        session = self._session
        if session.drive is None:
            self.overlay.say("Open a driving log: each analysed transition<br>becomes a point here")
        elif session.analysis is None or not session.analysis.done.any():
            self.overlay.say("Each analysed transition becomes a point here.<br>Waiting for the model")
        else:
            self.overlay.say("")

    def _update_text(self) -> None:
        projection, total = self._shown, len(self._session.series)
        self.state.setVisible(projection is not None)
        self.caption.setVisible(projection is not None)
        if projection is None:
            return
        text = f"{len(projection.transitions):,} of {total:,} transitions"
        if self._method == "t-sne" and self._refining:
            text += f" · refining t-SNE {self._progress:.0%}"
        elif self._failure:
            text += f" · projection failed: {escape(self._failure)}"
        self.state.setText(text)
        self.caption.setText(f"&rarr; {projection.axes[0]}<br>&uarr; {projection.axes[1]}")

    # -- view and mouse

    def fit_view(self) -> None:
        """Show all points, and keep doing so while the map grows."""
        self._touched = False
        self._fit()
        self.canvas.update()

    def _fit(self) -> None:
        if self._shown is None or not len(self._shown.points):
            return
        low, high = self._shown.points.min(axis=0), self._shown.points.max(axis=0)
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
        """The transition whose point is nearest to a canvas position, within PICK_RADIUS pixels."""
        if self._shown is None or not len(self._shown.points):
            return None
        distance = np.linalg.norm(self.pixels(self._shown.points) - position, axis=1)
        best = int(distance.argmin())
        return int(self._shown.transitions[best]) if distance[best] <= PICK_RADIUS else None

    def _on_click(self, position: Position) -> None:
        transition = self.pick(position)
        if transition is not None:
            self._session.timeline.seek(int(self._session.series.frames[transition]))

    def _on_hover(self, position: Position) -> None:
        transition, drive = self.pick(position), self._session.drive
        hand = Qt.CursorShape.PointingHandCursor if transition is not None else Qt.CursorShape.ArrowCursor
        self.canvas.native.setCursor(hand)
        if transition is None or drive is None:
            self.popup.hide()
            return
        series, timeline = self._session.series, self._session.timeline
        pair = int(series.frames[transition]), int(series.frames[transition + 1])
        captions = tuple(f"frame {frame}, {timeline.time_of(frame):.2f} s" for frame in pair)
        keys = dict.fromkeys(("speed", "yaw rate", self._session.display.colour_by))
        text = "   ".join(f"{series[key].label} {series[key].text(transition)}" for key in keys if key != "time")
        self.popup.describe(pair, (captions[0], captions[1]), text, drive.width / drive.height)
        self.thumbnails.request(*pair)
        self.overlay.point_out(self.popup, position)

    def _on_camera(self) -> None:
        self._touched = True
        self.popup.hide()

    def leaveEvent(self, event) -> None:  # type: ignore[no-untyped-def]
        self.popup.hide()
        super().leaveEvent(event)

    def _on_resize(self, event) -> None:  # type: ignore[no-untyped-def]
        if not self._touched:
            self._fit()

    def _choose_colour(self, index: int) -> None:
        self._session.display.colour_by = self.colour_box.itemData(index)
