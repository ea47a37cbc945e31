"""The frame at the cursor, exactly, with the true and predicted paths lying on the road."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QPointF, QRectF, QSize, Qt, QTimer, Slot
from PySide6.QtGui import (
    QAction,
    QColor,
    QFont,
    QHideEvent,
    QIcon,
    QImage,
    QPainter,
    QPen,
    QPixmap,
    QShowEvent,
)
from PySide6.QtWidgets import QHBoxLayout, QToolButton, QVBoxLayout, QWidget

from lapose_core.drive import Image
from lapose_core.geometry import Array
from lapose_core.road_overlay import (
    ASSUMED_HEIGHT,
    FuturePath,
    RoadCamera,
    RoadRibbon,
    predicted_path,
    ribbon,
    road_camera,
    true_path,
    true_steps,
)
from lapose_inspector.models.colours import PREDICTION, TRUTH
from lapose_inspector.models.session import Session
from lapose_inspector.views.fitting_label import FittingLabel
from lapose_inspector.views.panel import in_sight
from lapose_inspector.views.value_line import ValueLine
from lapose_inspector.visuals.image import ImageCanvas
from lapose_inspector.visuals.overlay import draw_badge, draw_crop, draw_ribbon
from lapose_inspector.visuals.printing import clipped
from lapose_inspector.visuals.tracks import small

if TYPE_CHECKING:
    from lapose_inspector.workers.frames import FrameLoader

LATE = 80
"""Milliseconds after which a frame still being decoded is announced; sooner would flicker in playback."""
STEPS = 2000
"""Steps of a drive from which the camera's mounting is told."""
TOGGLES = {
    "path": ("Path", "The next seconds of the path, laid on the road"),
    "prediction": ("Prediction", "What the model predicts"),
    "truth": ("Truth", "The log's ground truth"),
    "crop": ("Model crop", "The part of the picture that the model sees"),
}
COLOUR_OF = {"prediction": PREDICTION, "truth": TRUTH}


def _dot(colour: str) -> QIcon:
    """A toggle's mark: full when on, a ring when off, in the colour of what it shows."""
    icon = QIcon()
    for state, filled in ((QIcon.State.On, True), (QIcon.State.Off, False)):
        pixmap = QPixmap(20, 20)
        pixmap.setDevicePixelRatio(2.0)
        pixmap.fill(Qt.GlobalColor.transparent)
        with QPainter(pixmap) as painter:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setPen(QPen(QColor(colour), 1.5))
            painter.setBrush(QColor(colour) if filled else Qt.BrushStyle.NoBrush)
            painter.drawEllipse(QRectF(1.5, 1.5, 7, 7))
        icon.addPixmap(pixmap, QIcon.Mode.Normal, state)
    return icon


def _some(values: np.ndarray) -> np.ndarray:
    """About STEPS of many, evenly."""
    return values[:: max(1, len(values) // STEPS)]


class VideoView(QWidget):
    """Shows ``session.timeline.frame``; until it is decoded the frame before stays, under its own index."""

    def __init__(self, session: Session, frame_loader: FrameLoader, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session, self._loader = session, frame_loader
        self._shown: int | None = None
        self._shown_at = 0.0
        self._preview = False
        self._badge = ""
        """What the badge says on the screen."""
        self._failure: tuple[int, str] | None = None
        self._camera: RoadCamera | None = None
        self._true_steps: Array = np.empty((0, 4, 4))
        self._ribbons: dict[str, tuple[FuturePath, RoadRibbon]] = {}
        self.canvas = ImageCanvas()
        self.canvas.layers = [self._paint_crop, self._paint_paths, self._paint_badges]
        self.canvas.zoom_changed.connect(self.canvas.update)
        self._readout = ValueLine()
        self._late = QTimer(self, singleShot=True, interval=LATE)
        self._late.timeout.connect(self.canvas.update)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        self.tools = self._build_tools()
        column.addWidget(self.tools)
        column.addWidget(self.canvas, 1)
        column.addWidget(self._readout)

        frame_loader.frame_ready.connect(self._on_frame)
        frame_loader.preview_ready.connect(self._on_preview)
        frame_loader.failed.connect(self._on_failed)
        session.drive_changed.connect(self._on_drive)
        session.analysis_changed.connect(self._on_analysis, partial(in_sight, self))
        session.timeline.frame_changed.connect(self._on_cursor)
        session.display.overlay_changed.connect(self._on_overlay)
        session.display.theme_changed.connect(self._on_theme)
        self._on_theme()
        self._on_drive()

    def close_panel(self) -> None:
        """Let go of session and loader; the panel shows nothing new after this."""
        session = self._session
        self._late.stop()
        self._loader.frame_ready.disconnect(self._on_frame)
        self._loader.preview_ready.disconnect(self._on_preview)
        self._loader.failed.disconnect(self._on_failed)
        session.drive_changed.disconnect(self._on_drive)
        session.analysis_changed.disconnect(self._on_analysis)
        session.timeline.frame_changed.disconnect(self._on_cursor)
        session.display.overlay_changed.disconnect(self._on_overlay)
        session.display.theme_changed.disconnect(self._on_theme)
        self.canvas.layers = []

    @property
    def shown_frame(self) -> int | None:
        """The index of the frame in the picture, which may not yet be the one at the cursor."""
        return self._shown

    @property
    def shows_preview(self) -> bool:
        """Whether the picture is the small one that stands in until the frame itself is decoded."""
        return self._preview

    @property
    def stale(self) -> bool:
        """Whether the picture is of another frame than the cursor's."""
        return self._session.drive is not None and self._shown != self._session.timeline.frame

    @property
    def badge_text(self) -> str:
        """What the picture's badge says."""
        if self._shown is None:
            return ""
        text = f"frame {self._shown} · {self._shown_at:.2f} s"
        if self._preview:
            unreadable = self._failure is not None and self._failure[0] == self._shown
            text += " · preview, cannot read the frame" if unreadable else " · preview"
        wanted = self._session.timeline.frame
        if self.stale and not self._late.isActive():
            failed = self._failure is not None and self._failure[0] == wanted
            text += f" · {'cannot read' if failed else 'loading'} {wanted}"
        return text

    @property
    def readout_text(self) -> str:
        """Speed and yaw rate at the cursor, predicted and true, as plain text."""
        return self._readout.text

    @property
    def assumption_text(self) -> str:
        """What about the camera is not the log's own, in a few words."""
        return self._assumed.wordings[0]

    def _build_tools(self) -> QWidget:
        tools = QWidget()
        strip = QHBoxLayout(tools)
        strip.setContentsMargins(12, 0, 6, 0)
        strip.setSpacing(4)
        self._actions: dict[str, QAction] = {}
        for key, (text, tip) in TOGGLES.items():
            action = QAction(text, self, checkable=True, checked=self._session.display.overlay(key))
            action.setToolTip(tip)
            action.toggled.connect(lambda on, key=key: self._session.display.set_overlay(key, on))
            button = QToolButton()
            action.setIcon(_dot(COLOUR_OF.get(key, self._session.display.colours.accent)))
            button.setDefaultAction(action)
            button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
            button.setIconSize(QSize(10, 10))
            strip.addWidget(button)
            self.addAction(action)
            self._actions[key] = action
        self._assumed = FittingLabel()
        self._assumed.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        strip.addWidget(self._assumed, 1)
        return tools

    def _on_drive(self) -> None:
        self._shown, self._preview, self._failure = None, False, None
        self.canvas.empty_text = (
            "Open a driving log to see its frames here (File › Open, or drop it on the window)."
            if self._session.drive is None
            else "Reading the first frame…"
        )
        self.canvas.set_image(None)
        drive = self._session.drive
        if drive is not None:
            self._true_steps = _some(true_steps(drive, max(1, round(drive.rate / 5))))
        self._on_analysis()
        self._on_cursor(self._session.timeline.frame)

    def _on_cursor(self, frame: int) -> None:
        drive = self._session.drive
        if drive is not None and (frame != self._shown or self._preview):
            if frame != self._shown and not self._late.isActive():
                self._late.start()
            self._loader.room = self.canvas.room_for(QSize(drive.width, drive.height))
            self._loader.request(frame)
        else:
            self._late.stop()
        self._update_readout()
        if self.badge_text != self._badge:
            self.canvas.update()

    @Slot(int, object, object)
    def _on_frame(self, index: int, image: Image, fitted: QImage | None) -> None:
        drive = self._session.drive
        # A picture of the drive before this one may still be under way.
        if drive is not None and image.shape[:2] == (drive.height, drive.width):
            self._show(index, image, fitted, preview=False)

    @Slot(int, object, object)
    def _on_preview(self, index: int, image: Image, fitted: QImage | None) -> None:
        self._show(index, image, fitted, preview=True)

    def _show(self, index: int, image: Image, fitted: QImage | None, *, preview: bool) -> None:
        drive, wanted = self._session.drive, self._session.timeline.frame
        if drive is None or index >= len(drive):
            return
        # Late pictures are shown on the way to the wanted one, but the wanted one is never taken away again.
        if self._shown == wanted and (index != wanted or (preview and not self._preview)):
            return
        self._shown, self._preview, self._failure = index, preview, None
        # Kept: the next drive's times come before the picture of this one goes.
        self._shown_at = self._session.timeline.time_of(index)
        if index == wanted:
            self._late.stop()
        self.canvas.set_image(image, (drive.width, drive.height), fitted)
        self._update_paths()

    @Slot(int, str)
    def _on_failed(self, index: int, reason: str) -> None:
        self._failure = (index, reason)
        if self._shown is None:
            self.canvas.empty_text = f"Frame {index} cannot be read: {reason}"
        self.canvas.setToolTip(reason)
        self.canvas.update()

    def _on_analysis(self) -> None:
        self._update_camera()
        self._update_paths()
        self._update_readout()

    def _on_overlay(self, key: str, shown: bool) -> None:
        if key in self._actions:
            self._actions[key].setChecked(shown)
            self.canvas.update()

    def _on_theme(self, _: str = "") -> None:
        colours = self._session.display.colours
        self.canvas.set_colours(colours.canvas, colours.muted)
        self.tools.setStyleSheet(
            f"QLabel {{ color: {colours.muted}; font-size: 11px; }}"
            f"QToolButton {{ color: {colours.muted}; font-size: 11px; padding: 2px 5px; border: none;"
            f" border-radius: 4px; background: transparent; }}"
            f"QToolButton:hover {{ background: {colours.raised}; }}"
            f"QToolButton:checked {{ color: {colours.text}; }}"
        )
        self._update_readout()

    def _update_camera(self) -> None:
        session = self._session
        drive, analysis, crop = session.drive, session.analysis, session.crop
        self._camera = None
        if drive is not None:
            fov = np.nan
            steps: Array = np.empty((0, 4, 4))
            if analysis is not None and analysis.done.any():
                fov = float(np.median(analysis.fov[analysis.done]))
                steps = analysis.relative[_some(np.flatnonzero(analysis.done))]
            if drive.poses is not None:
                steps = self._true_steps
            area = None if crop is None else (crop.left, crop.top, crop.width, crop.height)
            self._camera = road_camera(drive, area, fov, steps)
        notes = self._camera.notes if self._camera else ()
        if drive is not None and self._camera is None:
            self._assumed.set_wordings(("path needs intrinsics or an analysis", "no path yet", "no path"))
            self._assumed.setToolTip("No intrinsics in this log, and the model has not predicted a FoV yet.")
        else:
            full = ["predicted FoV" if "FoV" in n else f"camera height {ASSUMED_HEIGHT:g} m assumed" for n in notes]
            less = ["FoV" if "FoV" in n else "height" for n in notes]
            self._assumed.set_wordings(
                (" · ".join(full), f"{' and '.join(less)} assumed", "approximate") if notes else ("",)
            )
            self._assumed.setToolTip("\n".join(notes))

    def _update_paths(self) -> None:
        session, frame = self._session, self._shown
        drive, analysis = session.drive, session.analysis
        self._ribbons = {}
        if drive is not None and frame is not None and self._camera is not None:
            paths = {"truth": true_path(drive, frame)}
            if analysis is not None:
                now = float(drive.timestamps[frame])
                paths["prediction"] = predicted_path(analysis.relative, analysis.done, analysis.times, now)
            self._ribbons = {key: (path, ribbon(path, self._camera)) for key, path in paths.items() if path is not None}
        self.canvas.update()

    def _update_readout(self) -> None:
        session, at = self._session, self._session.transition
        muted, groups = session.display.colours.muted, []
        for key in ("speed", "yaw rate"):
            series = session.series.series.get(key)
            predicted, true = ("–", "–") if series is None else (series.text(at), series.text(at, truth=True))
            parts = ((key, muted), (f"● {predicted}", PREDICTION), (f"◆ {true}", TRUTH))
            groups.append(tuple((text.replace("-", "−"), colour) for text, colour in parts))
        self._readout.show_values(groups)
        span = ""
        if at is not None:
            span = f"Mean from frame {session.series.frames[at]} to {session.series.frames[at + 1]}\n"
        self._readout.setToolTip(span + "● predicted   ◆ true; yaw rate is positive to the right")

    def _paint_crop(self, painter: QPainter, canvas: ImageCanvas) -> None:
        crop = self._session.crop
        if crop is not None and self._shown is not None and self._session.display.overlay("crop"):
            with clipped(painter, canvas.rect_of_image()):
                draw_crop(painter, canvas, crop)

    def _paint_paths(self, painter: QPainter, canvas: ImageCanvas) -> None:
        display = self._session.display
        if not display.overlay("path"):
            return
        painter.setFont(small(self.font()))
        shown = [key for key in ("prediction", "truth") if key in self._ribbons and display.overlay(key)]
        for key in shown:
            colour = TRUTH if key == "truth" else PREDICTION
            ribbon = self._ribbons[key][1]
            with clipped(painter, canvas.rect_of_image()):
                draw_ribbon(painter, canvas, ribbon, colour, filled=key != "truth", seconds=key == shown[-1])

    def _paint_badges(self, painter: QPainter, canvas: ImageCanvas) -> None:
        self._badge = self.badge_text
        if self._shown is None:
            return
        colours = self._session.display.colours
        font = QFont(self.font())
        painter.setFont(font)
        area = QRectF(canvas.rect()).adjusted(8, 8, -8, -8)
        late = self.stale and not self._late.isActive()
        draw_badge(painter, area.topLeft(), self._badge, colour="#ffc14d" if late else "#ffffff")
        if canvas.zoom > 1.001:
            draw_badge(painter, area.topRight(), f"{canvas.zoom:.1f}×", anchor="top right")
        painter.setFont(small(font))
        y = area.bottom()
        for key, name in (("prediction", "predicted"), ("truth", "true")):
            shown = self._ribbons.get(key) if self._session.display.overlay(key) else None
            if shown and self._session.display.overlay("path") and shown[0].reversing:
                plate = draw_badge(
                    painter,
                    QPointF(area.left(), y),
                    f"{name} path runs backwards, behind the camera",
                    colour=colours.cursor if self._session.display.theme == "dark" else "#ffffff",
                    anchor="bottom left",
                )
                y = plate.top() - 4

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._on_cursor(self._session.timeline.frame)

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        self._late.stop()
