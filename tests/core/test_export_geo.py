"""Paths on the Earth: the geometry, GeoJSON against its schema, KML and GPX as XML, and why there is none."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from export_data import NOTES, WHEN
from hypothesis import given, settings
from hypothesis import strategies as st
from test_export_mcap import analysed_drive

from lapose_core.annotations import Annotation, read_annotations
from lapose_core.export.bundle import Choice, Exported, export_bundle
from lapose_core.export.formats import sidecar_path, write_export
from lapose_core.geodesy import (
    GeodeticOrigin,
    UniversalTransverseMercator,
    ecef_from_geodetic,
    enu_axes,
    geodetic_from_ecef,
)

EDN = np.array([[1.0, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0], [0, 0, 0, 1]])
"""East, north, up from a world with x east, y down, z north."""

# RFC 7946, as far as this program writes it.
POSITION = {"type": "array", "minItems": 2, "maxItems": 3, "items": {"type": "number"}}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["type", "features"],
    "not": {"anyOf": [{"required": [k]} for k in ("coordinates", "geometries", "geometry", "properties", "crs")]},
    "properties": {
        "type": {"const": "FeatureCollection"},
        "features": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["type", "geometry", "properties"],
                "properties": {
                    "type": {"const": "Feature"},
                    "properties": {"type": ["object", "null"]},
                    "geometry": {
                        "oneOf": [
                            {
                                "type": "object",
                                "required": ["type", "coordinates"],
                                "properties": {"type": {"const": "Point"}, "coordinates": POSITION},
                            },
                            {
                                "type": "object",
                                "required": ["type", "coordinates"],
                                "properties": {
                                    "type": {"const": "LineString"},
                                    "coordinates": {"type": "array", "minItems": 2, "items": POSITION},
                                },
                            },
                        ]
                    },
                },
            },
        },
    },
}


def placed(annotations: tuple[Annotation, ...] = NOTES, choice: Choice | None = None) -> Exported:
    drive, analysis = analysed_drive()
    place = GeodeticOrigin(49.01, 8.43, 112.0, EDN, "a test")
    return export_bundle(analysis, choice, drive=replace(drive, geodetic_origin=place), annotations=annotations)


@given(st.floats(-89.9, 89.9), st.floats(-180, 180), st.floats(-400, 9000))
@settings(deadline=None, max_examples=200)
def test_earth_centred_and_back(latitude: float, longitude: float, altitude: float) -> None:
    place = np.array([[latitude, longitude, altitude]])
    found = geodetic_from_ecef(ecef_from_geodetic(place))
    np.testing.assert_allclose(found[0, [0, 2]], place[0, [0, 2]], rtol=0, atol=1e-3)
    assert abs(found[0, 0] - latitude) < 1e-10
    assert abs((found[0, 1] - longitude + 180) % 360 - 180) < 1e-10


@given(st.floats(-80, 80), st.floats(-179, 179), st.floats(-5e3, 5e3), st.floats(-5e3, 5e3), st.floats(-50, 50))
@settings(deadline=None, max_examples=100)
def test_world_points_keep_their_distances_on_the_earth(
    latitude: float, longitude: float, east: float, north: float, up: float
) -> None:
    origin = GeodeticOrigin(latitude, longitude, 100.0, np.eye(4), "a test")
    points = np.array([[0, 0, 0], [east, north, up]])
    coordinates = origin.coordinates(points)
    np.testing.assert_allclose(coordinates[0], [latitude, longitude, 100.0], rtol=0, atol=1e-7)
    moved = np.diff(ecef_from_geodetic(coordinates), axis=0)[0]
    np.testing.assert_allclose(enu_axes(latitude, longitude) @ moved, [east, north, up], atol=1e-5)


@given(st.integers(1, 60), st.floats(-80, 84), st.floats(-3, 3))
@settings(deadline=None, max_examples=100)
def test_utm_is_its_own_inverse(zone: int, latitude: float, off: float) -> None:
    utm = UniversalTransverseMercator(zone)
    longitude = 6 * zone - 183 + off
    easting, northing = utm.forward(latitude, longitude)
    found = utm.inverse(np.array([easting]), np.array([northing]))
    assert found[0][0] == pytest.approx(latitude, abs=1e-8)
    assert found[1][0] == pytest.approx(longitude, abs=1e-8)


def test_utm_of_known_places() -> None:
    # On the central meridian the northing is 0.9996 of the meridian's arc, 4984944.378 m from the equator to 45°.
    easting, northing = UniversalTransverseMercator(31).forward(45.0, 3.0)
    assert easting == pytest.approx(0.0, abs=1e-6)
    assert northing == pytest.approx(0.9996 * 4984944.378, abs=1e-3)
    # Three places in Austin as the authors of Argoverse 2 have them, from metres in their city's frame.
    origin = GeodeticOrigin(
        30.27464237939507, -97.7404457407424, 0.0, np.eye(4), "a test", UniversalTransverseMercator(14)
    )
    city = np.array([[1745.37, -1421.37, 0], [1738.54, -1415.03, 0], [1731.53, -1410.81, 0]])
    known = [
        [30.261642967615092, -97.72246957081633],
        [30.26170086362131, -97.72253982250783],
        [30.261739638233472, -97.72261222631731],
    ]
    np.testing.assert_allclose(origin.coordinates(city)[:, :2], known, rtol=0, atol=1e-7)


def test_geojson_by_its_schema_and_back_to_metres(tmp_path: Path) -> None:
    bundle = placed()
    assert write_export(bundle, "geojson", tmp_path / "a.geojson") == [tmp_path / "a.geojson"]
    data = json.loads((tmp_path / "a.geojson").read_text())
    jsonschema.validate(data, SCHEMA)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**data, "features": [{**data["features"][0], "geometry": {"type": "Line"}}]}, SCHEMA)
    lines = {f["properties"]["path"]: f for f in data["features"] if f["properties"]["kind"] == "path"}
    for name, poses in (("ground truth", bundle.truth), ("prediction", bundle.predicted)):
        lon, lat, alt = np.array(lines[name]["geometry"]["coordinates"]).T
        ecef = ecef_from_geodetic(np.stack([lat, lon, alt], -1))
        origin = ecef_from_geodetic(np.array([[49.01, 8.43, 112.0]]))
        enu = (ecef - origin) @ enu_axes(49.01, 8.43).T
        np.testing.assert_allclose(enu, (poses[:, :3, 3] @ EDN[:3, :3].T), atol=2e-3)
        assert lines[name]["properties"]["frames"] == bundle.frames.tolist()
    assert len(lines["prediction"]["properties"]["position_error_m"]) == len(bundle)
    notes = [f for f in data["features"] if f["properties"]["kind"] == "annotation"]
    assert [n["geometry"]["type"] for n in notes] == ["Point", "LineString"]
    assert notes[1]["properties"]["text"] == NOTES[1].text
    assert notes[0]["geometry"]["coordinates"] == lines["ground truth"]["geometry"]["coordinates"][1]


def test_kml_and_gpx(tmp_path: Path) -> None:
    evil = Annotation("x", 4, 4, 'a<b>&"', "major", "bell \x07 and \ud7ff", WHEN, WHEN)
    bundle = placed((evil,))
    for form in ("kml", "gpx"):
        _, side = write_export(bundle, form, tmp_path / f"a.{form}")
        assert list(read_annotations(side)) == [evil]
        assert side == sidecar_path(tmp_path / f"a.{form}")
    kml = ET.parse(tmp_path / "a.kml").getroot()
    name = {"k": "http://www.opengis.net/kml/2.2"}
    lines = kml.findall(".//k:LineString/k:coordinates", name)
    assert len(lines) == 2
    lon, lat, _ = map(float, str(lines[0].text).split()[0].split(","))
    assert (lat, lon) == pytest.approx((49.01, 8.43), abs=1e-6)
    marks = [m.findtext("k:name", None, name) for m in kml.findall(".//k:Placemark", name)]
    assert marks[2] == 'major a<b>&"'
    gpx = ET.parse(tmp_path / "a.gpx").getroot()
    name = {"g": "http://www.topografix.com/GPX/1/1"}
    assert [child.tag.split("}")[1] for child in gpx] == ["metadata", "wpt", "trk", "trk"], "in the schema's order"
    assert [t.findtext("g:name", None, name) for t in gpx.findall("g:trk", name)] == ["ground truth", "prediction"]
    assert len(gpx.findall("g:trk[1]/g:trkseg/g:trkpt", name)) == len(bundle)
    assert not gpx.findall(".//g:time", name), "the drive's clock does not count from 1970"
    assert "�" in (gpx.findtext("g:wpt/g:desc", "", name))


def test_one_sample_is_a_point(tmp_path: Path) -> None:
    bundle = placed(choice=Choice(first=8, last=8))
    for form in ("geojson", "kml", "gpx"):
        write_export(bundle, form, tmp_path / f"a.{form}")
    data = json.loads((tmp_path / "a.geojson").read_text())
    jsonschema.validate(data, SCHEMA)
    assert {f["geometry"]["type"] for f in data["features"]} == {"Point"}


def test_without_a_place_it_is_refused_and_says_why(tmp_path: Path) -> None:
    drive, analysis = analysed_drive()
    for form in ("geojson", "kml", "gpx"):
        with pytest.raises(ValueError, match=r"not known where on the Earth.*memory logs do not tell.*KITTI raw"):
            write_export(export_bundle(analysis, drive=drive), form, tmp_path / "a")
        with pytest.raises(ValueError, match="give it with --log"):
            write_export(export_bundle(analysis), form, tmp_path / "a")
    assert not list(tmp_path.iterdir())
