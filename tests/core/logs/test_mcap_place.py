"""Recordings with odometry and satellite fixes beside it: where on the Earth the odometry's world lies."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from mcap_logs import open_file
from message_files import COUNT, LATE, START, STEP, Event, body_poses, header, ros_drive, ros_odometry, write_ros2

from lapose_core.drive import Drive
from lapose_core.export.bundle import Choice, export_bundle
from lapose_core.export.formats import write_export
from lapose_core.geodesy import GeodeticOrigin
from lapose_core.geometry import Array
from lapose_core.inference.result import DriveAnalysis
from lapose_core.logs.messages.place import place_of

COUNT_LONG = 40
PLACE = (48.1, 11.5, 520.0)
TURN = np.radians(70)
UPRIGHT = np.eye(3)


def earth() -> GeodeticOrigin:
    """Where the test's odometry lies: turned by 70 degrees, and begun 30 m east of the place."""
    c, s = np.cos(TURN), np.sin(TURN)
    world = np.eye(4)
    world[:2, :2], world[:3, 3] = [[c, -s], [s, c]], [30.0, -4.0, 2.0]
    return GeodeticOrigin(*PLACE, world, "the test")


def winding(count: int = COUNT_LONG) -> Array:
    """Bodies [N, 4, 4] that drive a bend of some 60 m."""
    poses = np.tile(np.eye(4), (count, 1, 1))
    angle = np.linspace(0, 1.2, count)
    poses[:, :2, 3] = 50 * np.stack([np.sin(angle), 1 - np.cos(angle)], -1)
    poses[:, 0, 0] = poses[:, 1, 1] = np.cos(angle)
    poses[:, 0, 1], poses[:, 1, 0] = -np.sin(angle), np.sin(angle)
    return poses


def fixes(bodies: Array, noise: float = 0.0, *, wild: int = -1, every: int = 2, shift: float = 0.0) -> Iterator[Event]:
    rng = np.random.default_rng(0)
    places = earth().coordinates(bodies[:, :3, 3] + noise * rng.standard_normal((len(bodies), 3)) + [shift, 0, 0])
    for i in range(0, len(bodies), every):
        latitude, longitude, altitude = places[i].tolist()
        values = {
            "header": header(START + i * STEP, "base_link"),
            "status": {"status": 0, "service": 1},
            "latitude": latitude + (0.01 if i == wild else 0.0),
            "longitude": longitude,
            "altitude": altitude,
            "position_covariance": [0.0] * 9,
            "position_covariance_type": 0,
        }
        yield START + i * STEP, "/fix", "sensor_msgs/NavSatFix", values


def drive_with(path: Path, bodies: Array, fixed: Iterator[Event], **options: object) -> Drive:
    def events() -> Iterator[Event]:
        yield from (event for event in ros_drive(count=len(bodies)) if event[1] not in ("/odom",))
        for i, body in enumerate(bodies):
            yield START + i * STEP + LATE // 2, "/odom", *ros_odometry(START + i * STEP, body)
        yield from fixed

    return open_file(write_ros2(path, events()), **options)


@pytest.mark.parametrize("noise", [0.0, 0.3])
def test_odometry_beside_satellite_fixes_lies_on_the_earth(tmp_path: Path, noise: float) -> None:
    bodies = winding()
    drive = drive_with(tmp_path / "a.mcap", bodies, fixes(bodies, noise, wild=10))
    assert drive.poses is not None
    assert drive.geodetic_origin is not None
    assert "/odom" in drive.provenance["poses"], "the odometry stays the poses"
    assert "/fix" in drive.provenance["place on the Earth"]
    assert "19 of 20 fixes" in drive.geodetic_origin.source, "a wild fix is left out"
    found = drive.geodetic_origin.coordinates(drive.poses[:, :3, 3])
    wanted = earth().coordinates(drive.poses[:, :3, 3])
    metres = 111_000 * np.abs(found - wanted) * [1, np.cos(np.radians(48.1)), 1 / 111_000]
    assert metres.max() < 0.02 + 1.5 * noise


def test_geo_exports_of_such_a_recording(tmp_path: Path) -> None:
    bodies = winding()
    drive = drive_with(tmp_path / "a.mcap", bodies, fixes(bodies))
    analysis = DriveAnalysis.for_drive(drive, 5.0, window=2, latent_dim=1, checkpoint_hash="-", checkpoint_name="none")
    bundle = export_bundle(analysis, Choice(), drive=drive)
    for form in ("geojson", "kml", "gpx", "mcap"):
        write_export(bundle, form, tmp_path / f"out.{form}")
    (line,) = json.loads((tmp_path / "out.geojson").read_text())["features"]
    lon, lat, _ = np.array(line["geometry"]["coordinates"]).T
    wanted = earth().coordinates(bundle.truth[:, :3, 3])
    np.testing.assert_allclose(np.stack([lat, lon], -1), wanted[:, :2], rtol=0, atol=1e-7)


def test_fixes_of_another_way_give_no_place_and_say_so(tmp_path: Path) -> None:
    bodies = winding()
    backwards = bodies[::-1].copy()
    backwards[:, 1, 3] *= -3
    drive = drive_with(tmp_path / "a.mcap", bodies, fixes(backwards))
    assert drive.geodetic_origin is None
    assert any("/fix are" in note and "another way" in note for note in drive.notes)


def test_a_standing_car_has_no_direction(tmp_path: Path) -> None:
    bodies = body_poses(COUNT)[:1].repeat(COUNT, axis=0)
    drive = drive_with(tmp_path / "a.mcap", bodies, fixes(winding(COUNT)[:1].repeat(COUNT, axis=0)))
    assert drive.geodetic_origin is None
    assert any("fewer than three fixes" in note for note in drive.notes)


def test_a_world_with_another_up_is_placed_alike() -> None:
    points = winding()[:, :3, 3]
    wanted = earth().coordinates(points)
    for turn in (UPRIGHT, np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])):
        place, how = place_of(points @ turn.T, wanted, turn.T, "/fix")
        assert place is not None
        assert "40 of 40 fixes, 0.00 m" in how
        found = place.coordinates(points @ turn.T)
        np.testing.assert_allclose(found[:, :2], wanted[:, :2], rtol=0, atol=1e-8)
        np.testing.assert_allclose(found[:, 2], wanted[:, 2], rtol=0, atol=1e-3)
