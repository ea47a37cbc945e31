"""How things are shown: choices that several panels share."""

from __future__ import annotations

from typing import Literal, get_args

from psygnal import Signal

from lapose_inspector.models.colours import DARK, LIGHT, ThemeColours

Alignment = Literal["se3", "sim3", "raw"]
ALIGNMENTS: tuple[Alignment, ...] = get_args(Alignment)
ALIGNMENT_NAMES: dict[str, str] = {"se3": "SE(3)", "sim3": "Sim(3)", "raw": "Raw"}

ColourBy = Literal[
    "speed", "yaw rate", "rotation error", "direction error", "time", "regime", "scale error", "confidence",
    "cross-entropy", "explained by action", "translation spread", "rotation spread", "field of view",
    "annotation",
]  # fmt: skip
COLOUR_BY: tuple[ColourBy, ...] = get_args(ColourBy)
"""Series keys (see series.py) that colour the map and the path; the first six have the keys 1 to 6."""

CloudMode = Literal["off", "frame", "truth", "prediction"]
CLOUDS: tuple[CloudMode, ...] = get_args(CloudMode)
CLOUD_NAMES: dict[str, str] = {
    "off": "No lidar",
    "frame": "Lidar at cursor",
    "truth": "Lidar on truth",
    "prediction": "Lidar on prediction",
}

CloudColour = Literal["height", "intensity"]
CLOUD_COLOURS: tuple[CloudColour, ...] = get_args(CloudColour)

Theme = Literal["dark", "light"]

OVERLAYS: dict[str, str] = {
    "path": "Path on the road",
    "crop": "Model crop",
    "frusta": "Camera frusta",
    "grid": "Ground grid",
    "truth": "Ground truth",
    "prediction": "Prediction",
    "other": "Compared trajectory",
}
"""Overlays that can be switched: key -> what the menu calls it."""


class Display:
    """Alignment of the predicted path, colouring, follow camera, overlays and theme."""

    alignment_changed = Signal(str)
    colour_by_changed = Signal(str)
    follow_changed = Signal(bool)
    overlay_changed = Signal(str, bool)
    cloud_changed = Signal(str)
    cloud_colour_changed = Signal(str)
    theme_changed = Signal(str)
    view_requested = Signal(str)
    """A 3D camera command: ``top`` or ``reset``."""

    def __init__(self, theme: Theme = "dark") -> None:
        self._alignment: Alignment = "se3"
        self._colour_by: ColourBy = "speed"
        self._follow = False
        self._cloud: CloudMode = "frame"
        self._cloud_colour: CloudColour = "height"
        self._theme: Theme = theme
        self._overlays = dict.fromkeys(OVERLAYS, True)

    @property
    def alignment(self) -> Alignment:
        """How the predicted path is laid on the true one."""
        return self._alignment

    @alignment.setter
    def alignment(self, value: Alignment) -> None:
        if value not in ALIGNMENTS:
            raise ValueError(f"alignment must be one of {', '.join(ALIGNMENTS)}, got {value!r}")
        if value != self._alignment:
            self._alignment = value
            self.alignment_changed.emit(value)

    @property
    def colour_by(self) -> ColourBy:
        """The series that colours the latent map and the predicted path."""
        return self._colour_by

    @colour_by.setter
    def colour_by(self, value: ColourBy) -> None:
        if value not in COLOUR_BY:
            raise ValueError(f"colour_by must be one of {', '.join(COLOUR_BY)}, got {value!r}")
        if value != self._colour_by:
            self._colour_by = value
            self.colour_by_changed.emit(value)

    @property
    def follow(self) -> bool:
        """Whether the 3D camera follows the cursor."""
        return self._follow

    @follow.setter
    def follow(self, value: bool) -> None:
        if bool(value) != self._follow:
            self._follow = bool(value)
            self.follow_changed.emit(self._follow)

    def overlay(self, key: str) -> bool:
        """Whether the overlay ``key`` of OVERLAYS is shown."""
        return self._overlays[key]

    def set_overlay(self, key: str, shown: bool) -> None:
        if self._overlays[key] != bool(shown):
            self._overlays[key] = bool(shown)
            self.overlay_changed.emit(key, bool(shown))

    @property
    def cloud(self) -> CloudMode:
        """Which lidar points the 3D view shows: those of the frame at the cursor, or the sweeps of the whole drive
        laid along one of the paths."""
        return self._cloud

    @cloud.setter
    def cloud(self, value: CloudMode) -> None:
        if value not in CLOUDS:
            raise ValueError(f"cloud must be one of {', '.join(CLOUDS)}, got {value!r}")
        if value != self._cloud:
            self._cloud = value
            self.cloud_changed.emit(value)

    @property
    def cloud_colour(self) -> CloudColour:
        """What colours lidar points: their height over the road, or the intensity that the sensor measured."""
        return self._cloud_colour

    @cloud_colour.setter
    def cloud_colour(self, value: CloudColour) -> None:
        if value not in CLOUD_COLOURS:
            raise ValueError(f"cloud_colour must be one of {', '.join(CLOUD_COLOURS)}, got {value!r}")
        if value != self._cloud_colour:
            self._cloud_colour = value
            self.cloud_colour_changed.emit(value)

    @property
    def theme(self) -> Theme:
        return self._theme

    @theme.setter
    def theme(self, value: Theme) -> None:
        if value not in get_args(Theme):
            raise ValueError(f"theme must be dark or light, got {value!r}")
        if value != self._theme:
            self._theme = value
            self.theme_changed.emit(value)

    @property
    def colours(self) -> ThemeColours:
        """The colours of the current theme, for widgets and canvases alike."""
        return DARK if self._theme == "dark" else LIGHT
