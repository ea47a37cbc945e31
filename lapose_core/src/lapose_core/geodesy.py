"""Where a drive's world lies on the Earth: latitude, longitude and altitude (WGS 84) of its points.

Longitudes and latitudes are degrees, altitudes metres over the ellipsoid unless the log says otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from lapose_core.geometry import Array

# WGS 84: equatorial radius in metres and first eccentricity squared.
RADIUS, ECCENTRICITY2 = 6378137.0, 6.69437999014e-3


class Projection(Protocol):
    """A map that a world was drawn on, so that its inverse gives the log's own coordinates back."""

    def places(self, latitude: float, longitude: float, east: Array, north: Array) -> tuple[Array, Array]:
        """Latitudes and longitudes [N] of points ``east`` and ``north`` [N] metres on the map from a place on it."""
        ...


@dataclass(frozen=True)
class SphericalMercator:
    """KITTI raw's: Mercator's on a sphere of the equatorial radius, metres times ``scale``."""

    scale: float

    def places(self, latitude: float, longitude: float, east: Array, north: Array) -> tuple[Array, Array]:
        radius = self.scale * RADIUS
        high = np.log(np.tan(np.radians(90 + latitude) / 2)) + north / radius
        return 2 * np.degrees(np.arctan(np.exp(high))) - 90, longitude + np.degrees(east / radius)


@dataclass(frozen=True)
class UniversalTransverseMercator:
    """UTM on WGS 84, by Krueger's series to the third order in the flattening: under a millimetre off in a zone."""

    zone: int

    def places(self, latitude: float, longitude: float, east: Array, north: Array) -> tuple[Array, Array]:
        easting, northing = self.forward(latitude, longitude)
        return self.inverse(easting + east, northing + north)

    def forward(self, latitude: float, longitude: float) -> tuple[float, float]:
        """Easting and northing in metres, without the false easting."""
        phi, lam = np.radians(latitude), np.radians(longitude - self._meridian)
        root = 2 * np.sqrt(_N) / (1 + _N)
        t = np.sinh(np.arctanh(np.sin(phi)) - root * np.arctanh(root * np.sin(phi)))
        xi, eta = np.arctan2(t, np.cos(lam)), np.arctanh(np.sin(lam) / np.hypot(1, t))
        orders = zip((2, 4, 6), _ALPHA)
        terms = [(a * np.sin(k * xi) * np.cosh(k * eta), a * np.cos(k * xi) * np.sinh(k * eta)) for k, a in orders]
        scale = 0.9996 * _RECTIFYING
        return float(scale * (eta + sum(e for _, e in terms))), float(scale * (xi + sum(x for x, _ in terms)))

    def inverse(self, easting: Array, northing: Array) -> tuple[Array, Array]:
        """Latitude and longitude of eastings without the false one."""
        xi, eta = northing / (0.9996 * _RECTIFYING), easting / (0.9996 * _RECTIFYING)
        plane = xi.copy(), eta.copy()
        for k, b in zip((2, 4, 6), _BETA):
            plane[0][:] -= b * np.sin(k * xi) * np.cosh(k * eta)
            plane[1][:] -= b * np.cos(k * xi) * np.sinh(k * eta)
        chi = np.arcsin(np.sin(plane[0]) / np.cosh(plane[1]))
        phi = chi + sum(d * np.sin(k * chi) for k, d in zip((2, 4, 6), _DELTA))
        return np.degrees(phi), self._meridian + np.degrees(np.arctan2(np.sinh(plane[1]), np.cos(plane[0])))

    @property
    def _meridian(self) -> float:
        return 6.0 * self.zone - 183.0


# Krueger's coefficients (1912), in the third flattening n.
_N = (1 - np.sqrt(1 - ECCENTRICITY2)) / (1 + np.sqrt(1 - ECCENTRICITY2))
_RECTIFYING = RADIUS / (1 + _N) * (1 + _N**2 / 4 + _N**4 / 64)
_ALPHA = (_N / 2 - 2 / 3 * _N**2 + 5 / 16 * _N**3, 13 / 48 * _N**2 - 3 / 5 * _N**3, 61 / 240 * _N**3)
_BETA = (_N / 2 - 2 / 3 * _N**2 + 37 / 96 * _N**3, _N**2 / 48 + _N**3 / 15, 17 / 480 * _N**3)
_DELTA = (2 * _N - 2 / 3 * _N**2 - 2 * _N**3, 7 / 3 * _N**2 - 8 / 5 * _N**3, 56 / 15 * _N**3)


@dataclass(frozen=True)
class GeodeticOrigin:
    """A point on the Earth, and how the world of a drive lies around it.

    Attributes:
        latitude, longitude, altitude: of the origin of the local axes east, north, up.
        enu_from_world: [4, 4] rigid motion from the drive's world to these axes, metres.
        source: where it is known from, for people.
        projection: the map that the world was drawn on; None where east, north, up are those of the tangent plane.
    """

    latitude: float
    longitude: float
    altitude: float
    enu_from_world: Array
    source: str
    projection: Projection | None = None

    def coordinates(self, points: Array) -> Array:
        """Latitude, longitude, altitude [N, 3] of world points [N, 3]."""
        enu = np.asarray(points, np.float64) @ self.enu_from_world[:3, :3].T + self.enu_from_world[:3, 3]
        if self.projection is None:
            axes = enu_axes(self.latitude, self.longitude)
            origin = np.array([[self.latitude, self.longitude, self.altitude]])
            return geodetic_from_ecef(ecef_from_geodetic(origin) + enu @ axes)
        latitude, longitude = self.projection.places(self.latitude, self.longitude, enu[:, 0], enu[:, 1])
        return np.stack([latitude, longitude, self.altitude + enu[:, 2]], -1)


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
