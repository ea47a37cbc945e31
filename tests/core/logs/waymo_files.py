"""A small Waymo Open segment of version 2: Parquet files with the columns and types of the published components."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image as Pil

from lapose_core.geometry import Array

SEGMENT = "10017090168044687777_6380_000_6400_000"
SIZE = (96, 64)
COUNT = 9
MOMENT = 1_550_083_467_346_370  # of the first frame, microseconds
SHUTTER = 0.05  # seconds from a frame's moment to its picture
FOCAL, CENTRE = (100.0, 101.0), (48.5, 30.25)
LENS = (0.04, -0.3, 0.001, -0.002, 0.01)  # k1 k2 p1 p2 k3
FAR = np.array([-21_000.0, 12_000.0, 40.0])  # the world's origin is far away
ROLL, PITCH = -0.03, 0.05
CAMERAS = {1: (1.54, -0.02, 2.1, 0.0), 2: (1.5, 0.1, 2.1, 0.8)}  # number -> x y z yaw on the vehicle
# Axes of our camera (right, down, forward) in theirs (forward, left, up).
OURS = np.array([[0.0, 0, 1, 0], [-1, 0, 0, 0], [0, -1, 0, 0], [0, 0, 0, 1]])
BEAMS, COLUMNS = 4, 36
LASER = (1.43, 0.0, 2.18, 2.4)
INCLINATIONS = np.array([-0.3, -0.15, -0.05, 0.04])  # lowest first

Rows = dict[str, list[Any]]
Change = Callable[[str, Rows], None]
MATRIX = pa.list_(pa.float64(), 16)
KEYS = {
    "key.segment_context_name": pa.string(),
    "key.frame_timestamp_micros": pa.int64(),
    "key.camera_name": pa.int8(),
    "key.laser_name": pa.int8(),
}


def turned(x: float, y: float, z: float, yaw: float) -> Array:
    c, s = np.cos(yaw), np.sin(yaw)
    return np.array([[c, -s, 0, x], [s, c, 0, y], [0, 0, 1, z], [0, 0, 0, 1]])


def vehicle(seconds: float) -> Array:
    """Vehicle-to-world: 10 m/s to the north-west, turning right, on a slope."""
    x, y, z = FAR + seconds * 10 * np.array([-0.6, 0.8, 0.0])
    (a, b), (c, d) = np.cos([ROLL, PITCH]), np.sin([ROLL, PITCH])
    slope = np.eye(4)
    slope[:3, :3] = np.array([[b, 0, d], [0, 1, 0], [-d, 0, b]]) @ np.array([[1, 0, 0], [0, a, -c], [0, c, a]])
    return turned(x, y, z, heading(seconds)) @ slope


def heading(seconds: float) -> float:
    return float(np.arctan2(0.8, -0.6) - 0.1 * seconds)


def picture_seconds(frame: int) -> float:
    return frame * 0.1 + SHUTTER


def camera_pose(frame: int, camera: int = 1) -> Array:
    """Camera-to-world with our axes, at the time of the picture."""
    return vehicle(picture_seconds(frame)) @ turned(*CAMERAS[camera]) @ OURS


def colour(camera: int, frame: int) -> tuple[int, int, int]:
    return (25 * frame, 60 * camera, 220)


def jpeg(camera: int, frame: int, size: tuple[int, int] = SIZE) -> bytes:
    file = io.BytesIO()
    Pil.new("RGB", size, colour(camera, frame)).save(file, "JPEG", quality=95)
    return file.getvalue()


def wall_ranges(frame: int) -> Array:
    """Distances [BEAMS, COLUMNS] of a sweep, 0 where a beam meets nothing."""
    ranges = 10 + frame + 0.1 * np.arange(BEAMS * COLUMNS).reshape(BEAMS, COLUMNS)
    ranges[:, ::3] = 0
    return ranges


def pixel_seconds(frame: int) -> Array:
    """When each column was measured [COLUMNS]."""
    return frame * 0.1 + np.arange(COLUMNS) / COLUMNS * 0.1


def sweep_in_world(frame: int) -> Array:
    """Points [P, 3] of a sweep in the world, one beam at a time from the definition of a range image."""
    points = []
    for row in range(BEAMS):
        up = INCLINATIONS[::-1][row]
        for column in range(COLUMNS):
            distance = np.float32(wall_ranges(frame)[row, column])
            if distance == 0:
                continue
            # Columns run from pi to -pi about the vehicle, half a column in from the edges.
            around = np.pi * (1 - 2 * (column + 0.5) / COLUMNS) - LASER[3]
            beam = distance * np.array(
                [np.cos(up) * np.cos(around), np.cos(up) * np.sin(around), np.sin(up), 1 / distance]
            )
            points.append((vehicle(pixel_seconds(frame)[column]) @ turned(*LASER) @ beam)[:3])
    return np.array(points)


def _keys(count: int, **names: list[int]) -> Rows:
    return {"key.segment_context_name": [SEGMENT] * count} | {f"key.{k}": v for k, v in names.items()}


def tables() -> dict[str, Rows]:
    cameras = [camera for _ in range(COUNT) for camera in CAMERAS]
    frames = [frame for frame in range(COUNT) for _ in CAMERAS]
    image = "[CameraImageComponent]"
    poses = [vehicle(picture_seconds(f)).ravel().tolist() for f in frames]
    pictures = _keys(len(frames), frame_timestamp_micros=[MOMENT + f * 100_000 for f in frames], camera_name=cameras)
    pictures |= {
        f"{image}.image": [jpeg(c, f) for c, f in zip(cameras, frames)],
        f"{image}.pose.transform": poses,
        f"{image}.velocity.linear_velocity.x": [-6.0] * len(frames),
        f"{image}.pose_timestamp": [MOMENT * 1e-6 + picture_seconds(f) for f in frames],
        f"{image}.rolling_shutter_params.shutter": [0.004] * len(frames),
    }
    moments = [MOMENT + f * 100_000 for f in range(COUNT)]
    vehicles = _keys(COUNT, frame_timestamp_micros=moments) | {
        "[VehiclePoseComponent].world_from_vehicle.transform": [
            vehicle(picture_seconds(f)).ravel().tolist() for f in range(COUNT)
        ]
    }
    calibration = "[CameraCalibrationComponent]"
    lens = dict(zip(("f_u", "f_v", "c_u", "c_v", "k1", "k2", "p1", "p2", "k3"), (*FOCAL, *CENTRE, *LENS)))
    camera_calibration = _keys(len(CAMERAS), camera_name=list(CAMERAS))
    camera_calibration |= {f"{calibration}.intrinsic.{k}": [v] * len(CAMERAS) for k, v in lens.items()}
    camera_calibration |= {
        f"{calibration}.extrinsic.transform": [turned(*c).ravel().tolist() for c in CAMERAS.values()],
        f"{calibration}.width": [SIZE[0]] * len(CAMERAS),
        f"{calibration}.height": [SIZE[1]] * len(CAMERAS),
        f"{calibration}.rolling_shutter_direction": [2] * len(CAMERAS),
    }
    # The lidar sees every frame but the last, with the front laser's rows between the top one's.
    lasers = [laser for _ in range(COUNT - 1) for laser in (2, 1)]
    seen = [frame for frame in range(COUNT - 1) for _ in (2, 1)]
    ranges, poses_ = "[LiDARComponent].range_image_return1", "[LiDARPoseComponent].range_image_return1"
    lidar = _keys(len(seen), frame_timestamp_micros=[moments[f] for f in seen], laser_name=lasers)
    lidar |= {
        f"{ranges}.values": [
            np.stack([wall_ranges(f), *np.full((3, BEAMS, COLUMNS), 0.5)], -1).ravel().tolist() for f in seen
        ],
        f"{ranges}.shape": [[BEAMS, COLUMNS, 4]] * len(seen),
    }
    top = range(COUNT - 1)
    lidar_pose = _keys(len(top), frame_timestamp_micros=moments[:-1], laser_name=[1] * len(top)) | {
        f"{poses_}.values": [
            [v for _ in range(BEAMS) for t in pixel_seconds(f) for v in (ROLL, PITCH, heading(t), *vehicle(t)[:3, 3])]
            for f in top
        ],
        f"{poses_}.shape": [[BEAMS, COLUMNS, 6]] * len(top),
    }
    laser = "[LiDARCalibrationComponent]"
    lidar_calibration = _keys(2, laser_name=[2, 1]) | {
        f"{laser}.extrinsic.transform": [np.eye(4).ravel().tolist(), turned(*LASER).ravel().tolist()],
        f"{laser}.beam_inclination.min": [-1.5, -0.3],
        f"{laser}.beam_inclination.max": [0.5, 0.04],
        f"{laser}.beam_inclination.values": [None, INCLINATIONS.tolist()],
    }
    stats = _keys(COUNT, frame_timestamp_micros=moments) | {
        "[StatsComponent].time_of_day": ["Night"] * COUNT,
        "[StatsComponent].location": ["location_sf"] * COUNT,
        "[StatsComponent].weather": ["rain"] * COUNT,
    }
    return {
        "camera_image": pictures,
        "vehicle_pose": vehicles,
        "camera_calibration": camera_calibration,
        "lidar": lidar,
        "lidar_pose": lidar_pose,
        "lidar_calibration": lidar_calibration,
        "stats": stats,
    }


def _type(column: str) -> pa.DataType | None:
    for end, kind in {
        "transform": MATRIX,
        "range_image_return1.values": pa.list_(pa.float32()),
        "inclination.values": pa.list_(pa.float64()),
        "shape": pa.list_(pa.int32(), 3),
        "image": pa.binary(),
    }.items():
        if column.endswith(end):
            return kind
    return KEYS.get(column)


def write_waymo(
    split: Path, change: Change | None = None, *, row_group_size: int = 5, rows_a_page: int | None = None
) -> Path:
    """Write a segment; ``change`` may alter each component's columns before."""
    for component, rows in tables().items():
        if change is not None:
            change(component, rows)
        (split / component).mkdir(parents=True, exist_ok=True)
        arrays = {name: pa.array(values, _type(name)) for name, values in rows.items()}
        pq.write_table(
            pa.table(arrays),
            split / component / f"{SEGMENT}.parquet",
            row_group_size=row_group_size,
            write_batch_size=rows_a_page,
        )
    return split
