"""The 3D scene of a drive: its paths, their cameras, grid and cursor; and what lies under the mouse."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from vispy import scene

from lapose_core.geometry import Array
from lapose_core.point_clouds import moved
from lapose_inspector.models.colours import OTHER, PREDICTION, TRUTH, ThemeColours, rgba
from lapose_inspector.models.paths import PathSegment
from lapose_inspector.visuals.camera import DriveCamera
from lapose_inspector.visuals.cursor import CursorCamera, Residual
from lapose_inspector.visuals.frusta import Frusta, pyramid, spaced
from lapose_inspector.visuals.grid import GroundGrid
from lapose_inspector.visuals.lazy import Lazy, Rehearsed
from lapose_inspector.visuals.path import LIMIT, Path
from lapose_inspector.visuals.picking import PathBoxes
from lapose_inspector.visuals.point_cloud import PointCloud
from lapose_inspector.visuals.ribbon import Ribbon
from lapose_inspector.visuals.space import SceneSpace, heading

Which = Literal["truth", "prediction", "other"]

PICK_RADIUS = 12.0
"""Pixels from the mouse within which a path is meant."""
CURSOR_PIXELS, INTERVAL_PIXELS = 24.0, 10.0
"""Depth of the pyramids on the screen at the middle of the view."""
CLOUD_ALPHA = 0.35
SELECTION_ALPHA = 0.75
MAP_POINTS = 250_000
"""Dots drawn of many sweeps."""
CAMERA_HEIGHT = 1.6
"""Metres from the ground to a car's camera, for laying the grid under the path."""


@dataclass(frozen=True)
class Hit:
    """A path under the mouse: its nearest sample is drive frame ``frame``."""

    which: Which
    frame: int
    pixels: float


class DriveScene:
    """Everything drawn in one ViewBox. Poses come in world coordinates; ``space`` maps them to the scene."""

    def __init__(self, view: scene.ViewBox, colours: ThemeColours) -> None:
        self.view = view
        self.camera = DriveCamera()
        view.camera = self.camera
        self.space = SceneSpace.of(np.zeros((0, 4, 4)))
        root = view.scene
        self.grid = GroundGrid(root, rgba(colours.grid), order=0)
        self.cloud = PointCloud(root, order=1)
        self.lidar = PointCloud(root, order=1, limit=MAP_POINTS)
        self.paths: dict[Which, Path] = {
            "truth": Path(root, rgba(TRUTH), width=3.0, order=4),
            "prediction": Path(root, rgba(PREDICTION), width=3.0, order=5),
            "other": Path(root, rgba(OTHER), width=2.0, order=6),
        }
        self.frusta: dict[Which, Frusta] = {
            "truth": Frusta(root, rgba(TRUTH, 0.55), order=2),
            "prediction": Frusta(root, rgba(PREDICTION, 0.55), order=3),
        }
        self.selected = Lazy(lambda: Ribbon(9.0, parent=root), order=3)
        self._selection: NDArray[np.int64] = np.zeros((0, 2), np.int64)
        self._selection_colour = rgba(colours.selection, SELECTION_ALPHA)
        self.residual = Residual(root, rgba(colours.cursor, 0.8), order=6)
        self.cursors: dict[Which, CursorCamera] = {
            "truth": CursorCamera(root, rgba(TRUTH), order=7),
            "prediction": CursorCamera(root, rgba(PREDICTION), order=8),
            "other": CursorCamera(root, rgba(OTHER), order=9),
        }
        self.parts: tuple[Rehearsed, ...] = (
            *self.paths["truth"].parts[:1], *self.paths["prediction"].parts, *self.cursors.values(),
            *(part for frusta in self.frusta.values() for part in frusta.parts), self.selected, *self.residual.parts,
        )  # fmt: skip
        """What is rehearsed; a path to compare with is asked for by hand."""
        self.segments: dict[Which, list[PathSegment]] = {"truth": [], "prediction": [], "other": []}
        self._boxes: dict[Which, list[PathBoxes]] = {}
        self.shown: dict[Which, bool] = {"truth": True, "prediction": True, "other": True}
        self._shape = pyramid(np.radians(60.0), 2.0)
        self._frustum_size = 0.0
        self._frusta_shown = True
        self._ground = 0.0
        self.camera.on_change = self.update_zoom

    def set_camera_shape(self, fov_x: float, aspect: float) -> None:
        """The drive's horizontal field of view in radians and its width over height."""
        self._shape = pyramid(fov_x, aspect)
        for cursor in self.cursors.values():
            cursor.set_shape(self._shape)

    def set_truth(self, segments: Sequence[PathSegment]) -> None:
        """Draw another drive's true path, in world coordinates; may be empty. Drops the other paths."""
        self.segments = {"truth": list(segments), "prediction": [], "other": []}
        self._boxes.clear()
        self.paths["prediction"].set_points([])
        self.paths["other"].set_points([])
        self._settle()
        self._draw("truth")
        self.update_zoom(force=True)

    def set_prediction(self, segments: Sequence[PathSegment]) -> None:
        """Draw the predicted path, in world coordinates; may be empty."""
        self.segments["prediction"] = list(segments)
        self._boxes.pop("prediction", None)
        if not self.segments["truth"]:
            self._settle()
            self._boxes.clear()
        self._draw("prediction")
        if self.segments["truth"]:
            self._place_frusta("prediction")
        else:  # the ground lies elsewhere now
            self.update_zoom(force=True)

    def set_other(self, segments: Sequence[PathSegment]) -> None:
        """Draw a path that is compared with the predicted one, in world coordinates; may be empty."""
        self.segments["other"] = list(segments)
        self._boxes.pop("other", None)
        self._draw("other")

    def _settle(self) -> None:
        """Choose the scene's axes and origin, and where the ground is."""
        anchor = self.segments["truth"] or self.segments["prediction"]
        poses = np.concatenate([s.poses for s in anchor]) if anchor else np.zeros((0, 4, 4))
        self.space = SceneSpace.of(poses)
        heights = self.space.points(poses[:, :3, 3])[:, 2]
        self._ground = float(np.percentile(heights, 5)) - CAMERA_HEIGHT if len(heights) else 0.0

    def show(self, which: Which, shown: bool) -> None:
        """Show or hide one of the paths with its cameras."""
        self.shown[which] = shown
        self._draw(which)
        self.update_zoom(force=True)

    def show_frusta(self, shown: bool) -> None:
        self._frusta_shown = shown
        self.update_zoom(force=True)

    def colour_prediction(self, colours: NDArray[np.float32] | None) -> None:
        """Colour the predicted path by transition [T, 4]; None gives it the prediction's own colour."""
        plain = rgba(PREDICTION)
        if colours is None or not self.segments["prediction"]:
            self.paths["prediction"].set_colours(plain)
            return
        parts = []
        for segment in self.segments["prediction"]:
            index = segment.first + np.arange(len(segment.frames))
            # The last sample of a stretch ends a transition but begins none.
            index[-1] = max(index[-1] - 1, segment.first)
            parts.append(colours[np.minimum(index, len(colours) - 1)])
        self.paths["prediction"].set_colours(np.concatenate(parts))

    def set_theme(self, colours: ThemeColours) -> None:
        self.grid.set_colour(rgba(colours.grid))
        self.residual.set_colour(rgba(colours.cursor, 0.8))
        self._selection_colour = rgba(colours.selection, SELECTION_ALPHA)
        if self.selected.visible:
            self.selected.node.set_colours(self._selection_colour)

    def select(self, stretches: NDArray[np.int64]) -> None:
        """Underline the stretches [n, 2] from drive frame to drive frame, in order: on the predicted path, or the true
        one where there is no prediction or it is hidden."""
        self._selection = stretches
        which: Which = "prediction" if self.segments["prediction"] and self.shown["prediction"] else "truth"
        parts = []
        for segment in self.segments[which] if self.shown[which] else []:
            joined = covered(segment.frames, self._selection)
            if len(joined):
                parts.append(self.space.points(segment.centres[joined]))
        self.selected.visible = bool(parts)
        if parts:
            self.selected.node.set_segments(np.concatenate(parts), self._selection_colour)

    def move_cursor(self, frame: int) -> None:
        """Put the cursor cameras where the paths are at a drive frame; hide them where they are not."""
        for which, cursor in self.cursors.items():
            cursor.set_pose(self.pose_at(which, frame) if self.shown[which] else None)
        ends = [c.pose[:3, 3] if c.pose is not None else None for c in self.cursors.values()]
        self.residual.set_ends(ends[0], ends[1])

    def pose_at(self, which: Which, frame: int) -> Array | None:
        """The camera-to-scene pose [4, 4] of a path at a drive frame, interpolated between samples; the last
        pose stands for the frames from its own to the segment's ``last_frame``."""
        for segment in self.segments[which]:
            if segment.frames[0] <= frame <= segment.last_frame:
                return self.space.poses(segment.pose_at(frame))
        return None

    @property
    def ground(self) -> float:
        """Height of the road in the scene, about that of the path's lower parts, in metres."""
        return self._ground

    def place(self, points: NDArray[np.float32], frame: int) -> NDArray[np.float32] | None:
        """A frame's points [P, 3 or 4], in its camera's axes, as scene points at the true pose or else the predicted;
        None where it has neither."""
        pose = self.pose_at("truth", frame)
        pose = self.pose_at("prediction", frame) if pose is None else pose
        return None if pose is None else moved(points, pose)

    def points(self, which: Which | None = None, most: int | None = None) -> NDArray[np.float32]:
        """Scene points [N, 3] of one path, or of all that are shown; evenly thinned to about ``most``."""
        wanted: list[Which] = [which] if which else [w for w, shown in self.shown.items() if shown]
        segments = [s for w in wanted for s in self.segments[w]]
        step = 1 if most is None else max(1, sum(len(s.poses) for s in segments) // most)
        parts = [self.space.points(s.centres[::step]) for s in segments]
        return np.concatenate(parts) if parts else np.zeros((0, 3), np.float32)

    def follow(self, frame: int, previous: float | None) -> float | None:
        """Move the camera to the cursor, turning as the car turned since heading ``previous`` (degrees).

        Returns:
            the heading now, or None where neither path knows this frame.
        """
        pose = self.pose_at("truth", frame)
        pose = self.pose_at("prediction", frame) if pose is None else pose
        if pose is None:
            return previous
        now = heading(pose)
        self.camera.follow(pose[:3, 3], 0.0 if previous is None else now - previous)
        self._ground = float(pose[2, 3]) - CAMERA_HEIGHT
        self.update_zoom()
        return now

    def pixels(self, points: NDArray[np.float32]) -> Array:
        """Canvas pixels [N, 2] of scene points [N, 3]; NaN behind the camera."""
        if len(points) == 0:
            return np.zeros((0, 2))
        transform = self.view.scene.node_transform(self.view.canvas.scene)
        mapped = transform.map(np.asarray(points, np.float64))
        depth = mapped[:, 3:4]
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(depth > 0, mapped[:, :2] / depth, np.nan)

    def pick(self, position: tuple[float, float]) -> Hit | None:
        """The path nearest to a canvas position, if one passes within PICK_RADIUS pixels."""
        at, best = np.asarray(position, np.float64), None
        for which, shown in self.shown.items():
            for segment, boxes in zip(self.segments[which], self._boxes_of(which), strict=True) if shown else ():
                found = boxes.nearest(at, self.pixels, PICK_RADIUS)
                if found is not None and (best is None or found[2] < best.pixels):
                    first, along, distance = found
                    best = Hit(which, int(segment.frames[first + (along > 0.5)]), distance)
        return best

    def _boxes_of(self, which: Which) -> list[PathBoxes]:
        boxes = self._boxes.get(which)
        if boxes is None:  # not before the mouse asks
            boxes = [PathBoxes(self.space.points(s.centres)) for s in self.segments[which]]
            self._boxes[which] = boxes
        return boxes

    def update_zoom(self, force: bool = False) -> None:
        """Suit grid spacing and pyramid sizes to the zoom."""
        width, height = self.view.size
        metres = self.camera.scale_factor / max(min(width, height), 1.0)
        centre = self.camera.center
        self.grid.fit((centre[0], centre[1]), self._ground, self.camera.scale_factor)
        for cursor in self.cursors.values():
            cursor.set_size(CURSOR_PIXELS * metres)
        reach = self.camera.scale_factor * max(1.0, max(width, height) / max(min(width, height), 1.0))
        for path in self.paths.values():
            path.look_at(np.asarray(centre, np.float32), reach)
        size = INTERVAL_PIXELS * metres
        # Pyramids on the path are geometry: rebuild them only when they would look a fifth too large.
        if force or not 0.8 < size / max(self._frustum_size, 1e-9) < 1.25:
            self._frustum_size = size
            for which in self.frusta:
                self._place_frusta(which)

    def _place_frusta(self, which: Which) -> None:
        poses, size = np.zeros((0, 4, 4)), self._frustum_size
        if self.shown[which] and self._frusta_shown:
            poses = self._interval_poses(which, 5.0 * size)
        self.frusta[which].set_poses(poses, size, self._shape)

    def _draw(self, which: Which) -> None:
        segments = self.segments[which] if self.shown[which] else []
        self.paths[which].set_points([self.space.points(s.centres) for s in segments])
        self.select(self._selection)

    def _interval_poses(self, which: Which, spacing: float) -> Array:
        parts = [s.poses[spaced(s.travelled, spacing)] for s in self.segments[which]]
        return self.space.poses(np.concatenate(parts)) if parts else np.zeros((0, 4, 4))


def covered(frames: NDArray[np.int64], stretches: NDArray[np.int64]) -> NDArray[np.int64]:
    """Pairs [k, 2] of samples, of the ``frames`` [n], that draw the stretches [m, 2] of them: neighbours, or where
    there are more than LIMIT samples that are further apart; of more stretches than that, every other."""
    low = np.searchsorted(frames, stretches[:, 0])
    high = np.maximum(np.searchsorted(frames, stretches[:, 1], side="right") - 1, low)
    step = max(1, -(-int((high - low).sum()) // LIMIT))
    counts = -(-(high - low) // step)
    first = np.repeat(low - step * (np.cumsum(counts) - counts), counts) + step * np.arange(int(counts.sum()))
    pairs = np.stack([first, np.minimum(first + step, np.repeat(high, counts))], 1)
    return pairs[:: max(1, -(-len(pairs) // (2 * LIMIT)))]
