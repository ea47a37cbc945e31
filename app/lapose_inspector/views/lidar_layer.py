"""Lidar in the 3D panel: the sweep at the cursor, or all of them along the true or the predicted path."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PySide6.QtCore import QObject, QTimer, Slot
from PySide6.QtWidgets import QWidget

from lapose_core.drive import LogError
from lapose_inspector.models.session import Session
from lapose_inspector.visuals.drive_scene import DriveScene
from lapose_inspector.visuals.point_cloud import PointCloud, shade_limits, shades
from lapose_inspector.workers.latest import LatestWorker, Stale
from lapose_inspector.workers.lidar_map import LidarMap, LidarMapper

PAUSE = 500
"""Milliseconds for which a growing prediction has to rest before sweeps are laid along it."""


class LidarLayer(QObject):
    """Follows ``session.display.cloud``; ``changed`` is called when there is something else to see or to say."""

    def __init__(self, session: Session, scene: DriveScene, changed: Callable[[], None], parent: QWidget) -> None:
        super().__init__(parent)
        self._session, self._scene, self._changed = session, scene, changed
        self._map: LidarMap | None = None
        self._sweep: tuple[int, np.ndarray] | None = None
        self._words = ""
        self._problem = ""
        self._sweeps = LatestWorker("point-cloud", self)
        self._sweeps.done.connect(self._on_sweep)
        self._mapper = LidarMapper(self)
        self._mapper.grown.connect(self._on_map)
        self._soon = QTimer(self, singleShot=True, interval=PAUSE)
        self._soon.timeout.connect(self._build)
        session.display.cloud_changed.connect(self._on_mode)
        session.display.cloud_colour_changed.connect(self._on_colour)

    def close(self) -> None:
        """Let go of the session and the threads."""
        self._session.display.cloud_changed.disconnect(self._on_mode)
        self._session.display.cloud_colour_changed.disconnect(self._on_colour)
        self._soon.stop()
        self._sweeps.stop()
        self._mapper.close()

    @property
    def available(self) -> bool:
        """Whether the drive has point clouds."""
        return self._session.drive is not None and self._session.drive.point_cloud is not None

    @property
    def text(self) -> str:
        """What is shown, for the legend; empty where nothing is."""
        mode = self._session.display.cloud
        if not self.available or mode == "off":
            return ""
        if mode == "frame":
            return self._problem or (f"Lidar {self._words}" if self._scene.cloud.count else "")
        if not self._segments():
            return "Lidar: no true path" if mode == "truth" else "Lidar: no predicted path yet"
        if self._map is None:
            return "Lidar: reading sweeps"
        done = "" if self._map.share >= 1 else f", {self._map.share:.0%} of the path"
        count = f"{self._map.sweeps} sweep{'' if self._map.sweeps == 1 else 's'}"
        text = f"Lidar: {count}{done}, {self._words}"
        return f"{text}; {self._map.problem}" if self._map.problem else text

    def on_drive(self) -> None:
        """Another drive is open, and the scene shows its true path."""
        self._forget()
        self._start()

    def on_prediction(self) -> None:
        """The predicted path is another."""
        if self._session.display.cloud == "prediction" and self.available:
            self._soon.start()

    def on_frame(self) -> None:
        """The cursor moved."""
        drive, frame = self._session.drive, self._session.timeline.frame
        if drive is None or drive.point_cloud is None or self._session.display.cloud != "frame":
            self._sweeps.cancel()
            self._sweep = None
            self._scene.cloud.clear()
            return
        read = drive.point_cloud

        def job(stale: Stale) -> object:
            try:
                return frame, read(frame), ""
            except LogError as error:
                return frame, None, str(error)

        self._sweeps.submit(job)

    def on_theme(self) -> None:
        """Colours are others."""
        self._draw()

    def _on_colour(self, _: str) -> None:
        self._draw()
        self._changed()

    def _on_mode(self, _: str) -> None:
        self._forget()
        self._start()

    def _forget(self) -> None:
        self._soon.stop()
        self._mapper.cancel()
        self._map, self._sweep, self._problem = None, None, ""
        self._scene.lidar.clear()

    def _start(self) -> None:
        self.on_frame()
        if self._session.display.cloud in ("truth", "prediction"):
            self._build()
        self._changed()

    def _segments(self) -> list:
        session = self._session
        return session.true_segments() if session.display.cloud == "truth" else session.predicted_segments()

    def _build(self) -> None:
        drive, segments = self._session.drive, self._segments()
        if drive is None or drive.point_cloud is None or not segments:
            self._forget()
            self._changed()
            return
        frames = [np.arange(s.frames[0], min(s.last_frame, len(drive) - 1) + 1) for s in segments]
        poses = [s.poses_at(f) for s, f in zip(segments, frames, strict=True)]
        self._mapper.build(drive, np.concatenate(frames), self._scene.space.poses(np.concatenate(poses)))

    @Slot(object)
    def _on_sweep(self, result: tuple[int, np.ndarray | None, str]) -> None:
        frame, points, self._problem = result
        self._sweep = None if points is None else (frame, points)
        self._draw()
        self._changed()

    @Slot(object)
    def _on_map(self, grown: LidarMap) -> None:
        self._map = grown
        self._draw()
        self._changed()

    def _draw(self) -> None:
        if self._map is not None:
            self._paint(self._scene.lidar, self._map.points)
        placed = None if self._sweep is None else self._scene.place(self._sweep[1], self._sweep[0])
        if placed is None:
            self._scene.cloud.clear()
        else:
            self._paint(self._scene.cloud, placed)

    def _paint(self, cloud: PointCloud, points: np.ndarray) -> None:
        """Show scene points [P, 3 or 4], and say what their colours mean."""
        by_intensity = self._session.display.cloud_colour == "intensity" and points.shape[1] > 3
        values = points[:, 3] if by_intensity else points[:, 2] - self._scene.ground
        limits = shade_limits(values, 1e-3 if by_intensity else 1.0)
        cloud.set_points(points[:, :3], shades(values, limits, self._session.display.theme))
        low, high = (f"{limit:.2g}" if by_intensity else f"{round(limit)}" for limit in limits)
        self._words = f"by {'intensity' if by_intensity else 'height'} {low} to {high}".replace("-", "−")
        self._words += "" if by_intensity else " m"
        if self._session.display.cloud_colour == "intensity" and not by_intensity:
            self._words += " (these points have no intensity)"
