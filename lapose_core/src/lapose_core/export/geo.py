"""Both paths on the map of the Earth: GeoJSON (RFC 7946), KML 2.2 and GPX 1.1, WGS 84.

The predicted path is where its alignment to the true one puts it; pieces that are aligned to nothing are left out.
"""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lapose_core.annotations import Annotation, annotation_row
from lapose_core.export.bundle import Exported
from lapose_core.export.files import Progress, no_progress, replacing, write_text
from lapose_core.geodesy import GeodeticOrigin
from lapose_core.geometry import Array
from lapose_core.palette import PREDICTION, TRUTH

_NAMES = {"truth": "ground truth", "predicted": "prediction"}
_COLOURS = {"truth": TRUTH, "predicted": PREDICTION}
_UNIX = 1e8  # seconds: later times count from 1970
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True)
class Line:
    """A stretch of a path: samples ``rows`` [n] and latitude, longitude, altitude ``places`` [n, 3] of each."""

    which: str
    rows: NDArray[np.int64]
    places: Array


def geodetic_lines(bundle: Exported) -> list[Line]:
    """The stretches of both paths on the Earth.

    Raises:
        ValueError: where it is not known where the drive lies, saying why.
    """
    origin = _origin(bundle)
    out = []
    for which, poses in (("truth", bundle.truth), ("predicted", bundle.predicted)):
        for rows in bundle.runs(which):
            if which == "truth" or bundle.placed[rows[0]]:
                out.append(Line(which, rows, origin.coordinates(poses[rows, :3, 3])))
    if not out:
        raise ValueError(f"{bundle.drive_name}: none of these frames has a known place on the Earth")
    return out


def _origin(bundle: Exported) -> GeodeticOrigin:
    drive = bundle.drive
    if drive is None:
        raise ValueError(f"{bundle.drive_name}: the log tells where it lies on the Earth; give it with --log")
    if drive.geodetic_origin is None:
        raise ValueError(
            f"{bundle.drive_name}: it is not known where on the Earth it lies: {drive.format} logs do not tell, or its "
            "poses come from elsewhere. Drives of KITTI raw (OXTS), comma2k19 and Argoverse 2 (with its map), and "
            "recordings with satellite fixes, have a place"
        )
    return drive.geodetic_origin


def _placed(bundle: Exported, lines: list[Line]) -> Iterator[tuple[Annotation, Array]]:
    """Annotations with the places [n, 3] of the samples they touch, of the true path where it is known."""
    for note in bundle.annotations:
        touched = bundle.rows_of(note)
        for line in lines:
            inside = np.isin(line.rows, touched)
            if inside.any():
                yield note, line.places[inside]
                break


def write_geojson(bundle: Exported, path: Path, progress: Progress = no_progress) -> None:
    """Write a FeatureCollection: a feature for each stretch of a path, with the values of its samples as properties of
    the same length, and one for each annotation.

    Raises:
        ValueError: where it is not known where the drive lies, or there is no such folder.
    """
    lines = geodetic_lines(bundle)
    features = [_feature(line.places, _line_properties(bundle, line)) for line in lines]
    features += [
        _feature(places, {"kind": "annotation", **annotation_row(note)}) for note, places in _placed(bundle, lines)
    ]
    data = {"type": "FeatureCollection", "features": features, "lapose": bundle.description()}
    write_text(path, json.dumps(data, ensure_ascii=False, allow_nan=False) + "\n")


def _line_properties(bundle: Exported, line: Line) -> dict[str, object]:
    def numbers(values: Array, digits: int) -> list[float | None]:
        return [round(float(v), digits) if np.isfinite(v) else None for v in values]

    properties: dict[str, object] = {
        "kind": "path",
        "path": _NAMES[line.which],
        "stroke": _COLOURS[line.which],
        "frames": bundle.frames[line.rows].tolist(),
        "times_s": bundle.times[line.rows].tolist(),
    }
    if line.which == "predicted":
        properties["alignment"] = bundle.alignment
        properties["position_error_m"] = numbers(bundle["position_error"][line.rows], 4)
        for name in ("rotation_error", "direction_error"):
            properties[f"{name}_deg"] = numbers(np.degrees(bundle[name][line.rows]), 5)
    return properties


def _feature(places: Array, properties: dict[str, object]) -> dict[str, object]:
    # Nine decimals are a tenth of a millimetre.
    points = [[round(_longitude(lon), 9), round(lat, 9), round(alt, 3)] for lat, lon, alt in places.tolist()]
    geometry = (
        {"type": "LineString", "coordinates": points}
        if len(points) > 1
        else {"type": "Point", "coordinates": points[0]}
    )
    return {"type": "Feature", "geometry": geometry, "properties": properties}


def write_kml(bundle: Exported, path: Path, progress: Progress = no_progress) -> None:
    """Write a KML document for Google Earth and alike; the lines lie on the ground.

    Raises:
        ValueError: where it is not known where the drive lies, or there is no such folder.
    """
    lines = geodetic_lines(bundle)
    root = ET.Element("kml", xmlns="http://www.opengis.net/kml/2.2")
    document = _add(root, "Document")
    _add(document, "name", bundle.drive_name)
    _add(document, "description", _words(bundle))
    for which, colour in _COLOURS.items():
        style = _add(_add(document, "Style", id=which), "LineStyle")
        _add(style, "color", f"ff{colour[5:7]}{colour[3:5]}{colour[1:3]}".lower())
        _add(style, "width", "4")
    for line in lines:
        mark = _add(document, "Placemark")
        _add(mark, "name", f"{_NAMES[line.which]}, frames {_span(bundle, line)}")
        _add(mark, "styleUrl", f"#{line.which}")
        shape = _add(mark, "LineString" if len(line.rows) > 1 else "Point")
        if len(line.rows) > 1:
            _add(shape, "tessellate", "1")
        _add(shape, "coordinates", _kml_points(line.places))
    for note, places in _placed(bundle, lines):
        mark = _add(document, "Placemark")
        _add(mark, "name", " ".join(filter(None, (note.severity, note.label))))
        _add(mark, "description", f"{note.text}\nframes {note.first_frame} to {note.last_frame}".strip())
        _add(_add(mark, "Point"), "coordinates", _kml_points(places[:1]))
    _write_xml(root, path)


def _kml_points(places: Array) -> str:
    return " ".join(f"{_longitude(lon):.9f},{lat:.9f},{alt:.3f}" for lat, lon, alt in places.tolist())


def _longitude(degrees: float) -> float:
    """Rounded as it is written, from -180 to below 180: GPX allows no other."""
    return (round(degrees, 9) + 180.0) % 360.0 - 180.0


def write_gpx(bundle: Exported, path: Path, progress: Progress = no_progress) -> None:
    """Write a GPX track for each path, a segment for each stretch, and a waypoint for each annotation.

    Times are written where the drive's count from 1970.

    Raises:
        ValueError: where it is not known where the drive lies, or there is no such folder.
    """
    lines = geodetic_lines(bundle)
    root = ET.Element("gpx", xmlns="http://www.topografix.com/GPX/1/1", version="1.1", creator="LA-Pose Inspector")
    metadata = _add(root, "metadata")
    _add(metadata, "name", bundle.drive_name)
    _add(metadata, "desc", _words(bundle))
    for note, places in _placed(bundle, lines):
        point = _gpx_point(root, "wpt", places[0])
        _add(point, "name", " ".join(filter(None, (note.severity, note.label))))
        _add(point, "desc", f"{note.text}\nframes {note.first_frame} to {note.last_frame}".strip())
    for which, name in _NAMES.items():
        chosen = [line for line in lines if line.which == which]
        if not chosen:
            continue
        track = _add(root, "trk")
        _add(track, "name", name)
        for line in chosen:
            segment = _add(track, "trkseg")
            for row, place in zip(line.rows, line.places):
                point = _gpx_point(segment, "trkpt", place)
                if bundle.times[row] > _UNIX:
                    _add(point, "time", datetime.fromtimestamp(float(bundle.times[row]), UTC).isoformat())
    _write_xml(root, path)


def _gpx_point(parent: ET.Element, tag: str, place: Array) -> ET.Element:
    point = _add(parent, tag, lat=f"{place[0]:.9f}", lon=f"{_longitude(float(place[1])):.9f}")
    _add(point, "ele", f"{place[2]:.3f}")
    return point


def _words(bundle: Exported) -> str:
    about = bundle.description()
    return "; ".join(f"{key}: {about[key]}" for key in ("model", "rate_hz", "frames", "alignment"))


def _span(bundle: Exported, line: Line) -> str:
    return f"{bundle.frames[line.rows[0]]} to {bundle.frames[line.rows[-1]]}"


def _add(parent: ET.Element, tag: str, text: str = "", **attributes: str) -> ET.Element:
    child = ET.SubElement(parent, tag, attributes)
    # XML has no way to write most control characters.
    child.text = _NOT_XML.sub("\ufffd", text) or None
    return child


def _write_xml(root: ET.Element, path: Path) -> None:
    ET.indent(root)
    write: Callable[..., None] = ET.ElementTree(root).write
    with replacing(path) as part:
        write(part, encoding="utf-8", xml_declaration=True)
