"""The 3D view's camera: turntable with middle-button pan, fit to points, and follow."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from vispy.scene import TurntableCamera

from lapose_core.geometry import Array
from lapose_inspector.visuals.steady_matrix import SteadyMatrix

NEAREST, FARTHEST = 0.5, 200_000.0
"""Limits of the zoom, metres across the view."""
STILL = 2e-3
"""Of the view's extent: by less it is not moved to fit."""
FITTED = 600
"""Points of a path that a view is fitted to."""
SIDES = np.array([[np.cos(a), np.sin(a), 0.0] for a in np.arange(8) * np.pi / 8] + [[0.0, 0.0, 1.0]]).T
"""Directions [3, 9] in which points reach from a least to a most: together about their hull."""


class DriveCamera(TurntableCamera):
    """Left drag rotates, wheel or right drag zooms, middle or Shift+left drag pans."""

    if TYPE_CHECKING:  # properties of the base class, which comes without types
        scale_factor: float
        elevation: float
        azimuth: float

    def __init__(self) -> None:
        self.on_change: Callable[[], None] | None = None
        """Called after the view has moved, turned or zoomed."""
        self._moving = False
        super().__init__(fov=40.0, elevation=38.0, azimuth=0.0, scale_factor=100.0, center=(0.0, 0.0, 0.0))
        self._projection = SteadyMatrix()  # it changes with the zoom alone
        self._pan_from: tuple[float, float, float] | None = None
        self._found: tuple[object, Array, tuple[float, Array, float]] = (None, np.zeros(0), (0.0, np.zeros(3), 1.0))
        """What was asked of the last fit, how far its points reached, and what came of it."""

    def viewbox_mouse_event(self, event) -> None:  # type: ignore[no-untyped-def]
        if event.type == "mouse_move" and event.press_event is not None and 3 in event.buttons:
            self._pan(event)
            event.handled = True
            return
        if event.type == "mouse_release":
            self._pan_from = None
        super().viewbox_mouse_event(event)
        if not NEAREST <= self.scale_factor <= FARTHEST:
            self.scale_factor = float(np.clip(self.scale_factor, NEAREST, FARTHEST))

    def view_changed(self) -> None:
        if self._moving:
            return
        super().view_changed()
        if self.on_change is not None:
            self.on_change()

    def fit(
        self,
        points: NDArray[np.floating],
        *,
        azimuth: float | None = None,
        elevation: float | None = None,
        insets: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0),
    ) -> None:
        """Show all scene points [N, 3]. Without an azimuth, take the one that shows them largest.

        ``insets`` are pixels at the left, top, right and bottom edge to keep free, for text over the view.
        """
        if len(points) == 0:
            return
        some = np.asarray(points[:: max(1, len(points) // FITTED)], np.float64)
        tilt = self.elevation if elevation is None else elevation
        turn, centre, scale = self._fit(some, azimuth, tilt, insets)
        moved = float(np.abs(centre - self.center).max()) + abs(scale - self.scale_factor)  # type: ignore[has-type]
        if (self.elevation, self.azimuth) == (tilt, turn) and moved < STILL * scale:
            return  # a path that grows within the true one is in sight already
        # Each of the four would have the view and the scene suited to it.
        self._moving = True
        self.elevation, self.azimuth, self.scale_factor = tilt, turn, scale
        self.center = tuple(centre)
        self._moving = False
        self.view_changed()

    def follow(self, position: Array, turn: float) -> None:
        """Put ``position`` [3] in the middle and turn by ``turn`` degrees, keeping the user's own angle."""
        self.center = tuple(float(v) for v in position)
        self.azimuth += turn

    def _fit(
        self, points: Array, azimuth: float | None, tilt: float, insets: tuple[float, float, float, float]
    ) -> tuple[float, Array, float]:
        """Azimuth, centre [3] and scale factor. Of points that reach as far as those before, which a growing path does
        most of the time, it is what it was then."""
        reach = np.concatenate([(points @ SIDES).min(0), (points @ SIDES).max(0)])
        asked = azimuth, tilt, insets, None if self._viewbox is None else tuple(self._viewbox.size)
        before, reached, found = self._found
        if asked == before and np.abs(reach - reached).max() < STILL * found[2]:
            return found
        # Few candidates, and a turn away from "forward is up" must pay: it costs the reader orientation.
        choices = [azimuth] if azimuth is not None else [0.0, 30.0, -30.0, 60.0, -60.0, 90.0, -90.0]
        centres, scales = self._fit_at(points, np.radians(choices), np.radians(tilt), insets)
        best = int(np.argmin(scales * (1 + 0.1 * np.abs(choices) / 90)))
        found = choices[best], centres[best], float(np.clip(scales[best], 8.0, FARTHEST))
        self._found = asked, reach, found
        return found

    def _fit_at(
        self, points: Array, azimuths: Array, elevation: float, insets: tuple[float, float, float, float]
    ) -> tuple[Array, Array]:
        """Centres [A, 3] and scale factors [A] that show the points from directions; angles in radians."""
        sin, cos, zero = np.sin(azimuths), np.cos(azimuths), np.zeros(len(azimuths))
        right = np.stack([cos, sin, zero], 1)
        forward = np.stack([-sin * np.cos(elevation), cos * np.cos(elevation), zero - np.sin(elevation)], 1)
        axes = np.stack([right, np.cross(right, forward), forward], 1)
        # Coordinates first: sums over the points are then of neighbours in memory.
        seen = axes @ points.T
        width, height = self._viewbox.size if self._viewbox is not None else (1.0, 1.0)
        width, height = max(float(width), 1.0), max(float(height), 1.0)
        tan_y = np.tan(np.radians(self.fov) / 2)
        tangent = np.array([tan_y * width / height, tan_y])
        left, top, insets_right, bottom = insets
        taken = np.array([(left + insets_right) / width, (top + bottom) / height]).clip(0.0, 0.6)
        half = (tangent * (1.0 - taken) * 0.94)[:, None]
        # Where on the screen the middle of the free part is, as a tangent from the axis.
        aim = tangent * np.array([(left - insets_right) / width, (bottom - top) / height]).clip(-0.6, 0.6)
        middle = (seen.min(2) + seen.max(2)) / 2
        distance = np.ptp(seen, axis=2).max(1) + 1.0
        for _ in range(12):
            local = seen - middle[:, :, None]
            depth = np.maximum(local[:, 2] + distance[:, None], 0.05 * distance[:, None])
            sides = local[:, :2] / depth[:, None]
            middle[:, :2] += ((sides.min(2) + sides.max(2)) / 2 - aim) * distance[:, None]
            local = seen - middle[:, :, None]
            depth = np.maximum(local[:, 2] + distance[:, None], 0.05 * distance[:, None])
            need = (np.abs(local[:, :2] - aim[:, None] * depth[:, None]) / half).max(axis=1) - local[:, 2]
            before, distance = distance, np.maximum(need.max(1), 1.0)
            if (np.abs(distance - before) < 1e-3 * distance).all():
                break
        scales = distance * 2 * tan_y * (1.0 if width > height else width / height)
        return np.einsum("ai,aij->aj", middle, axes), scales

    def _pan(self, event) -> None:  # type: ignore[no-untyped-def]
        if self._pan_from is None:
            self._pan_from = tuple(self.center)
        moved = (event.mouse_event.press_event.pos - event.mouse_event.pos)[:2]
        metres = moved / max(min(self._viewbox.size), 1.0) * self.scale_factor
        az, el = np.radians(self.azimuth), np.radians(self.elevation)
        # Pan along the ground; the screen's vertical is foreshortened by the elevation.
        x, y = metres[0], -metres[1] / max(abs(np.sin(el)), 0.25)
        start = self._pan_from
        self.center = (
            start[0] + x * np.cos(az) - y * np.sin(az), start[1] + x * np.sin(az) + y * np.cos(az), start[2]
        )  # fmt: skip
