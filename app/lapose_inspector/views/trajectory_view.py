"""The 3D panel: true and predicted path, the cameras on them, and how the one was laid on the other."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QWidget

from lapose_inspector.models.colours import series_colours
from lapose_inspector.models.comparison import other_segments
from lapose_inspector.models.display import OVERLAYS
from lapose_inspector.models.paths import PositionErrors
from lapose_inspector.models.session import Session
from lapose_inspector.views.canvas_mouse import CanvasMouse, Position
from lapose_inspector.views.canvas_overlay import panel_layout
from lapose_inspector.views.canvas_panel import CanvasPanel
from lapose_inspector.views.colour_legend import ColourLegend
from lapose_inspector.views.lidar_box import LidarBox
from lapose_inspector.views.panel import in_sight
from lapose_inspector.views.trajectory_text import legend, lengths, pointed_out, summary
from lapose_inspector.views.trajectory_tools import PLAIN, TrajectoryTools

if TYPE_CHECKING:
    from lapose_inspector.views.lidar_layer import LidarLayer
    from lapose_inspector.visuals.canvas import SceneCanvas
    from lapose_inspector.visuals.drive_scene import DriveScene, Hit

FOLLOW_METRES = 26.0
"""Height of the view around the car when the camera follows it."""
USUAL_ELEVATION = 38.0


class Stage(NamedTuple):
    """What the panel draws on, and with."""

    canvas: SceneCanvas
    scene: DriveScene
    lidar: LidarLayer
    mouse: CanvasMouse


class TrajectoryView(CanvasPanel[Stage]):
    """Follows the session; a click on a path puts the timeline's cursor there."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(session, self._stage_made, self._follow_session, parent)
        self._errors: PositionErrors | None = None
        self._lengths = ""
        self._plain = True
        self._elevation: float | None = USUAL_ELEVATION
        """At which the view keeps the whole path fitted; None once the user has moved the camera."""
        self._heading: float | None = None
        self._build()
        self._connect()
        self._on_theme_change()
        self._on_drive_change()

    # -- construction

    @property
    def scene(self) -> DriveScene:
        return self._stage.scene

    @property
    def lidar(self) -> LidarLayer:
        return self._stage.lidar

    def _follow_session(self) -> None:
        session, display = self._session, self._session.display
        # In two steps, each of which may have a turn of the event loop to itself.
        for show in (self._show_path, self._suit_view):
            session.analysis_changed.connect(show, partial(in_sight, self))
        self._follow(
            (session.timeline.followed, self._on_frame_change),
            (session.selection.changed, self._on_selection),
            (session.comparison.changed, self._on_other),
            (display.overlay_changed, self._on_overlay_change),
            (display.view_requested, self._on_view_request),
        )
        for key in OVERLAYS:
            if not display.overlay(key):
                self._on_overlay_change(key, False)
        self._on_drive_change()
        self._on_follow_change(display.follow)

    def _stage_made(self) -> Stage:
        from lapose_inspector.views.lidar_layer import LidarLayer
        from lapose_inspector.visuals.canvas import SceneCanvas
        from lapose_inspector.visuals.drive_scene import DriveScene

        colours = self._session.display.colours
        canvas = SceneCanvas(self)
        canvas.bgcolor = colours.canvas
        scene = DriveScene(canvas.central_widget.add_view(), colours)
        scene.view.events.resize.connect(self._on_resize)
        canvas.events.draw.connect(self._on_draw)
        lidar = LidarLayer(self._session, scene, self._on_lidar, self)
        return Stage(canvas, scene, lidar, CanvasMouse(canvas, self._on_click, self._on_hover, self._on_camera))

    def _build(self) -> None:
        layout = panel_layout(self)
        self.lidar_box = LidarBox(self._session, self)
        self.tools = TrajectoryTools(self.lidar_box, self)
        layout.addWidget(self.tools)
        self.legend = self.overlay.label("top left", "legend")
        self.readout = self.overlay.label("bottom left", "readout")
        self.grid_label = self.overlay.label("top right", "grid")
        self.colour_legend = ColourLegend()
        self.overlay.place(self.colour_legend, "bottom right")
        layout.addWidget(self.overlay, 1)

    def _connect(self) -> None:
        session, display = self._session, self._session.display
        self._follow(
            (session.drive_changed, self._on_drive_change),
            (display.cloud_changed, self._show_intensity),
            (display.cloud_colour_changed, self._show_intensity),
            (display.alignment_changed, self._on_alignment_change),
            (display.colour_by_changed, self._on_colour_by_change),
            (display.follow_changed, self._on_follow_change),
            (display.theme_changed, self._on_theme_change),
        )
        self.tools.alignment_box.activated.connect(self._choose_alignment)
        self.tools.colour_box.activated.connect(self._choose_colour)
        self.tools.follow_button.toggled.connect(self._choose_follow)
        self.tools.intensity_button.toggled.connect(self._choose_intensity)
        self.tools.top_button.clicked.connect(self.top_view)
        self.tools.fit_button.clicked.connect(self.fit_view)

    def close_panel(self) -> None:
        self.lidar_box.close_panel()
        if self.drawn:
            for show in (self._show_path, self._suit_view):
                self._session.analysis_changed.disconnect(show)
            self.lidar.close()
            self.scene.camera.on_change = None
        super().close_panel()

    # -- model to picture

    def _on_drive_change(self) -> None:
        drive = self._session.drive
        self._elevation = USUAL_ELEVATION
        self._heading = None
        self.lidar_box.setVisible(self.lidar_box.available)
        self._show_intensity()
        if not self.drawn:
            self._say()
            if drive is not None:
                self.prepare()
            return
        if drive is not None:
            fov = drive.intrinsics.fov_x if drive.intrinsics is not None else np.radians(60.0)
            self.scene.set_camera_shape(fov, drive.width / drive.height)
        self.scene.set_truth(self._session.true_segments())
        self._show_grid()
        self._on_analysis_change()
        self.lidar.on_drive()

    def _show_grid(self) -> None:
        session = self._session
        self.scene.grid.shown = session.drive is not None and session.display.overlay("grid")

    def _on_analysis_change(self) -> None:
        self._show_path()
        self._suit_view()

    def _show_path(self) -> None:
        session = self._session
        path, predicted = session.predicted_path, session.predicted_segments()
        self._errors = None if path is None else path.errors
        self._lengths = lengths(self._errors, predicted)
        self.scene.set_prediction(predicted)
        other = other_segments(session)
        if other or self.scene.segments["other"]:
            self.scene.set_other(other)
        self.lidar.on_prediction()
        self._recolour()
        self._on_selection()

    def _suit_view(self) -> None:
        self._on_frame_change()
        self._say()
        self._fit()
        self.canvas.update()

    def _on_other(self) -> None:
        self.scene.set_other(other_segments(self._session))
        self.scene.move_cursor(self._session.timeline.frame)
        self._update_legend()
        self.canvas.update()

    def _on_selection(self) -> None:
        self.scene.select(self._session.selected_frames())
        self.canvas.update()

    def _on_alignment_change(self) -> None:
        self.tools.alignment_box.setCurrentIndex(self.tools.alignment_box.findData(self._session.display.alignment))
        if self.drawn:
            self._on_analysis_change()

    def _on_frame_change(self) -> None:
        frame = self._session.timeline.frame
        self.scene.move_cursor(frame)
        if self._session.display.follow:
            self._heading = self.scene.follow(frame, self._heading)
        self._update_readout()
        self.lidar.on_frame()
        self.canvas.update()

    def _on_colour_by_change(self, key: str) -> None:
        # An error is asked about to see where on the path it is; the other quantities are the map's business.
        self._plain = not key.endswith("error")
        self._recolour()

    def _recolour(self) -> None:
        display, series = self._session.display, self._session.series
        self.tools.colour_box.setCurrentIndex(
            self.tools.colour_box.findData(PLAIN if self._plain else display.colour_by)
        )
        if not self.drawn:
            return
        shown = None if self._plain or display.colour_by not in series.series else series[display.colour_by]
        self.scene.colour_prediction(None if shown is None else series_colours(shown, display.theme))
        self.colour_legend.set_series(shown, display.colours, display.theme)
        self._update_legend()
        self.canvas.update()

    def _choose_intensity(self, on: bool) -> None:
        self._session.display.cloud_colour = "intensity" if on else "height"

    def _show_intensity(self, _: str = "") -> None:
        display = self._session.display
        self.tools.intensity_button.setChecked(display.cloud_colour == "intensity")
        self.tools.intensity_button.setVisible(self.lidar_box.available and display.cloud != "off")

    def _on_lidar(self) -> None:
        self._update_legend()
        self.canvas.update()

    def _on_overlay_change(self, key: str, shown: bool) -> None:
        if key == "grid":
            self._show_grid()
            self._say()
        elif key == "frusta":
            self.scene.show_frusta(shown)
        elif key in ("truth", "other"):
            self.scene.show("truth" if key == "truth" else "other", shown)
            self._update_legend()
        elif key == "prediction":
            self.scene.show("prediction", shown)
            self._recolour()
        self._on_frame_change()

    def _on_theme_change(self) -> None:
        colours = self._session.display.colours
        self.overlay.set_theme(colours)
        self.tools.set_theme(colours)
        if self.drawn:
            self.canvas.bgcolor = colours.canvas
            self.scene.set_theme(colours)
            self.lidar.on_theme()
        self._recolour()

    def _on_follow_change(self, follow: bool) -> None:
        self.tools.follow_button.setChecked(follow)
        if not follow or not self.drawn:
            return
        self._heading = self.scene.follow(self._session.timeline.frame, None)
        camera = self.scene.camera
        camera.elevation, camera.scale_factor = 24.0, FOLLOW_METRES
        if self._heading is not None:
            camera.azimuth = self._heading
        self.canvas.update()

    def _on_view_request(self, what: str) -> None:
        if what == "top":
            self.top_view()
        elif what == "reset":
            self.fit_view()

    def top_view(self) -> None:
        """Look straight down on the whole path, and keep it fitted while it grows."""
        self._session.display.follow = False
        self._elevation = 90.0
        self._fit()
        self.canvas.update()

    def fit_view(self) -> None:
        """Show the whole path from the usual angle, and keep it fitted while it grows."""
        self._session.display.follow = False
        self._elevation = USUAL_ELEVATION
        self._fit()
        self.canvas.update()

    def _fit(self) -> None:
        if self._elevation is not None and not self._session.display.follow:
            text = self.readout.sizeHint().height() if self.readout.text() else 0
            from lapose_inspector.visuals.camera import FITTED

            free = (24.0, 30.0, 24.0, text + 12.0)
            self.scene.camera.fit(self.scene.points(most=FITTED), elevation=self._elevation, insets=free)

    # -- text

    def _say(self) -> None:
        session = self._session
        if session.drive is None:
            self.overlay.say("Open a driving log to see its path here")
        elif not session.true_segments() and not session.predicted_segments():
            self.overlay.say("This log has no ground truth.<br>The predicted path appears with the analysis.")
        else:
            self.overlay.say("")
        drawn = bool(session.true_segments() or session.predicted_segments())
        self.grid_label.setVisible(drawn and session.display.overlay("grid"))

    def _update_legend(self) -> None:
        coloured_by = "" if self._plain else self._session.display.colour_by
        entries = legend(self._session, [which for which, on in self.scene.shown.items() if on], coloured_by)
        if self.lidar.text:
            entries.append(self.lidar.text)
        self.legend.setText("&nbsp;&nbsp; ".join(entries))
        self.legend.setVisible(bool(entries))

    def _update_readout(self) -> None:
        session = self._session
        segments = session.predicted_segments()
        how = [text for text in (session.alignment_text, self._lengths) if text]
        # The panel is often low: a line less of text is a tenth more of picture.
        lines = [" · ".join(how)] if self.width() > 640 else how
        lines.append(summary(self._errors, session.timeline.frame))
        if not segments and session.true_segments():
            lines = ["no prediction yet: the model has not analysed this part"]
        text = "<br>".join(line for line in lines if line)
        self.readout.setText(text)
        self.readout.setVisible(bool(text))

    # -- mouse

    def _on_click(self, position: Position) -> None:
        hit = self.scene.pick(position)
        if hit is not None:
            self._session.timeline.seek(hit.frame)

    def _on_hover(self, position: Position) -> None:
        hit = self.scene.pick(position)
        hand = Qt.CursorShape.PointingHandCursor if hit is not None else Qt.CursorShape.ArrowCursor
        self.canvas.native.setCursor(hand)
        if hit is None:
            self.overlay.tooltip.hide()
            return
        self.overlay.tooltip.setText(self._tooltip(hit))
        self.overlay.point_out(self.overlay.tooltip, position)

    def _on_camera(self) -> None:
        self._elevation = None
        self.overlay.tooltip.hide()

    def leaveEvent(self, event) -> None:  # type: ignore[no-untyped-def]
        self.overlay.tooltip.hide()
        super().leaveEvent(event)

    def _tooltip(self, hit: Hit) -> str:
        return pointed_out(self._session, hit.which, hit.frame, self._errors)

    def _on_resize(self, event) -> None:  # type: ignore[no-untyped-def]
        self._update_readout()
        self._fit()

    def _on_draw(self, event) -> None:  # type: ignore[no-untyped-def]
        from lapose_inspector.visuals.grid import spacing_text

        text = f"grid {spacing_text(self.scene.grid.spacing)}"
        if text != self.grid_label.text():
            self.grid_label.setText(text)

    # -- choices

    def _choose_alignment(self, index: int) -> None:
        self._session.display.alignment = self.tools.alignment_box.itemData(index)

    def _choose_colour(self, index: int) -> None:
        key = self.tools.colour_box.itemData(index)
        if key != PLAIN:
            self._session.display.colour_by = key
        self._plain = key == PLAIN
        self._recolour()

    def _choose_follow(self, on: bool) -> None:
        self._session.display.follow = on
