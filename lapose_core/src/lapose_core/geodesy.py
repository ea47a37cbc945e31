"""Where a drive's world lies on the Earth: latitude, longitude and altitude (WGS 84) of its points.

Longitudes and latitudes are degrees, altitudes metres over the ellipsoid unless the log says otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lapose_core.geometry import Array

# WGS 84: equatorial radius in metres and first eccentricity squared.
RADIUS, ECCENTRICITY2 = 6378137.0, 6.69437999014e-3


@dataclass(frozen=True)
class GeodeticOrigin:
    """A point on the Earth, and how the world of a drive lies around it.

    Attributes:
        latitude, longitude, altitude: of the origin of the local axes east, north, up.
        enu_from_world: [4, 4] rigid motion from the drive's world to these axes, metres.
        mercator_scale: where the world was made by a spherical Mercator projection with this scale (KITTI raw), so that
            its inverse gives the log's own coordinates back; None where east, north, up are those of the tangent plane.
        source: where it is known from, for people.
    """

    latitude: float
    longitude: float
    altitude: float
    enu_from_world: Array
    source: str
    mercator_scale: float | None = None

    def coordinates(self, points: Array) -> Array:
        """Latitude, longitude, altitude [N, 3] of world points [N, 3]."""
        enu = np.asarray(points, np.float64) @ self.enu_from_world[:3, :3].T + self.enu_from_world[:3, 3]
        if self.mercator_scale is None:
            axes = enu_axes(self.latitude, self.longitude)
            origin = np.array([[self.latitude, self.longitude, self.altitude]])
            return geodetic_from_ecef(ecef_from_geodetic(origin) + enu @ axes)
        radius = self.mercator_scale * RADIUS
        north = np.log(np.tan(np.radians(90 + self.latitude) / 2)) + enu[:, 1] / radius
        return np.stack(
            [
                2 * np.degrees(np.arctan(np.exp(north))) - 90,
                self.longitude + np.degrees(enu[:, 0] / radius),
                self.altitude + enu[:, 2],
            ],
            -1,
        )


def ecef_from_geodetic(places: Array) -> Array:
    """Earth-centred coordinates in metres [N, 3] of latitude, longitude, altitude [N, 3]."""
    latitude, longitude = np.radians(places[:, 0]), np.radians(places[:, 1])
    normal = RADIUS / np.sqrt(1 - ECCENTRICITY2 * np.sin(latitude) ** 2)
    across = (normal + places[:, 2]) * np.cos(latitude)
    return np.stack(
        [
            across * np.cos(longitude),
            across * np.sin(longitude),
            (normal * (1 - ECCENTRICITY2) + places[:, 2]) * np.sin(latitude),
        ],
        -1,
    )


def geodetic_from_ecef(points: Array) -> Array:
    """Latitude, longitude, altitude [N, 3] of earth-centred points [N, 3], to a millimetre near the surface.

    Bowring's formula for the latitude, twice: its error at road heights is below rounding.
    """
    x, y, z = np.asarray(points, np.float64).T
    across = np.hypot(x, y)
    polar = RADIUS * np.sqrt(1 - ECCENTRICITY2)
    second = ECCENTRICITY2 / (1 - ECCENTRICITY2)
    reduced = np.arctan2(z * RADIUS, across * polar)
    for _ in range(2):
        latitude = np.arctan2(
            z + second * polar * np.sin(reduced) ** 3, across - ECCENTRICITY2 * RADIUS * np.cos(reduced) ** 3
        )
        reduced = np.arctan2(np.sqrt(1 - ECCENTRICITY2) * np.sin(latitude), np.cos(latitude))
    normal = RADIUS / np.sqrt(1 - ECCENTRICITY2 * np.sin(latitude) ** 2)
    # Of the two usual formulas each fails somewhere; this one holds at the poles as at the equator.
    altitude = across * np.cos(latitude) + z * np.sin(latitude) - normal * (1 - ECCENTRICITY2 * np.sin(latitude) ** 2)
    return np.stack([np.degrees(latitude), np.degrees(np.arctan2(y, x)), altitude], -1)


def enu_axes(latitude: float, longitude: float) -> Array:
    """Rotation [3, 3] from earth-centred axes to east, north, up at a place in degrees; its rows are these."""
    lat, lon = np.radians(latitude), np.radians(longitude)
    return np.array(
        [
            [-np.sin(lon), np.cos(lon), 0.0],
            [-np.sin(lat) * np.cos(lon), -np.sin(lat) * np.sin(lon), np.cos(lat)],
            [np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)],
        ]
    )
