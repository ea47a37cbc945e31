"""Point clouds of the Waymo Open Dataset, version 2, from the range images of the top lidar.

A range image holds the distance of each beam (row, highest first) at each azimuth (column, from behind over the
left). The geometry is that of the data set's paper (Sun et al., CVPR 2020, section 3.2) and of its published tools.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lapose_core.drive import LogError
from lapose_core.geometry import Array, invert
from lapose_core.logs.parquet_rows import ParquetRows, read_columns
from lapose_core.logs.pose_rows import number_rows, poses_from_matrices

TOP = 1
_RANGES = "[LiDARComponent].range_image_return1"
_PIXEL_POSES = "[LiDARPoseComponent].range_image_return1"
_CALIBRATION = "[LiDARCalibrationComponent]"
_KEY = ("key.frame_timestamp_micros", "key.laser_name")


@dataclass(frozen=True)
class _Laser:
    """Where the lidar sits on the vehicle [4, 4], and the inclinations of its beams [H], lowest first, in radians.

    ``inclinations`` holds just the lowest and the highest where the beams between them are evenly spread.
    """

    vehicle_from_laser: Array
    inclinations: Array
    even: bool


class TopLidar:
    """``Drive.point_cloud`` of one segment: sweeps of the top lidar in the camera's axes."""

    def __init__(self, files: dict[str, Path], moments: list[int], cameras: Array, vehicles: Array) -> None:
        """Read which sweeps there are.

        Args:
            files: of the components lidar, lidar_calibration and, for points with the motion taken out, lidar_pose.
            moments: [N] key.frame_timestamp_micros of the frames.
            cameras: [N, 4, 4] camera-to-world, in the data set's world.
            vehicles: [N, 4, 4] vehicle-to-world at the same moments.

        Raises:
            LogError: where a file cannot be read or lacks a column.
        """
        self._laser = _laser(files["lidar_calibration"])
        self._ranges = ParquetRows(files["lidar"], [f"{_RANGES}.values", f"{_RANGES}.shape"])
        self._rows = _rows(files["lidar"])
        self._pixel_rows: dict[int, int] = {}
        if "lidar_pose" in files:
            self._pixels = ParquetRows(files["lidar_pose"], [f"{_PIXEL_POSES}.values", f"{_PIXEL_POSES}.shape"])
            self._pixel_rows = _rows(files["lidar_pose"])
        self._file = files["lidar"]
        self._moments, self._cameras, self._vehicles = moments, cameras, vehicles

    def __call__(self, frame: int) -> NDArray[np.float32] | None:
        """Points [P, 3 or 4] float32 in the camera's axes, with intensity; None for a frame without a sweep."""
        moment = self._moments[frame]
        if moment not in self._rows:
            return None
        image = _image(self._ranges.row(self._rows[moment]), _RANGES, self._file)
        ranges = image[..., 0]
        hit = np.isfinite(ranges) & (ranges > 0)
        points = self._in_vehicle(ranges)[hit]
        if moment in self._pixel_rows:
            pixels = _image(self._pixels.row(self._pixel_rows[moment]), _PIXEL_POSES, self._file)
            if pixels.shape != (*ranges.shape, 6):
                raise LogError(f"{self._file}: the poses of a sweep have another shape than its ranges; get them again")
            world = _moved(points, pixels[hit])
        else:
            world = points @ self._vehicles[frame, :3, :3].T + self._vehicles[frame, :3, 3]
        camera = invert(self._cameras[frame])
        points = world @ camera[:3, :3].T + camera[:3, 3]
        return np.concatenate([points, image[hit][:, 1:2]], axis=1).astype(np.float32)

    def _in_vehicle(self, ranges: Array) -> Array:
        """Points [H, W, 3] in the vehicle's axes of ranges [H, W]."""
        height, width = ranges.shape
        mount = self._laser.vehicle_from_laser
        inclinations = self._laser.inclinations
        if self._laser.even:
            low, high = inclinations
            inclinations = low + (high - low) * (np.arange(height) + 0.5) / height
        if len(inclinations) != height:
            raise LogError(f"{self._file}: {height} beams but {len(inclinations)} inclinations; get the files again")
        up = inclinations[::-1, None]
        # Columns are counted about the vehicle, so the laser's own heading is taken off.
        around = np.pi - (np.arange(width) + 0.5) / width * 2 * np.pi - np.arctan2(mount[1, 0], mount[0, 0])
        around = around[None]
        points = np.stack(
            [np.cos(around) * np.cos(up) * ranges, np.sin(around) * np.cos(up) * ranges, np.sin(up) * ranges], axis=-1
        )
        return points @ mount[:3, :3].T + mount[:3, 3]


def _moved(points: Array, pixels: Array) -> Array:
    """Points [P, 3] of a vehicle in motion, each by the vehicle's own pose [P, 6]: roll pitch yaw x y z -> world."""
    roll, pitch, yaw = pixels[:, 0], pixels[:, 1], pixels[:, 2]
    x, y, z = points.T
    y, z = np.cos(roll) * y - np.sin(roll) * z, np.sin(roll) * y + np.cos(roll) * z
    x, z = np.cos(pitch) * x + np.sin(pitch) * z, -np.sin(pitch) * x + np.cos(pitch) * z
    x, y = np.cos(yaw) * x - np.sin(yaw) * y, np.sin(yaw) * x + np.cos(yaw) * y
    return np.stack([x, y, z], axis=-1) + pixels[:, 3:]


def _rows(path: Path) -> dict[int, int]:
    """Moment -> row of the top lidar's sweep."""
    keys = read_columns(path, _KEY)
    return {key[_KEY[0]]: i for i, key in enumerate(keys) if key[_KEY[1]] == TOP}


def _image(row: dict[str, Any], column: str, path: Path) -> Array:
    """A range image [H, W, C], float64."""
    values, shape = row[f"{column}.values"], row[f"{column}.shape"].as_py()
    if not values.is_valid or not shape:
        raise LogError(f"{path}: a sweep has no range image; get the file again")
    flat = values.values.to_numpy(zero_copy_only=False).astype(np.float64)
    try:
        return flat.reshape(shape)
    except (ValueError, TypeError) as error:
        raise LogError(f"{path}: {column}: {len(flat)} values are no image of {shape}; get the file again") from error


def _laser(path: Path) -> _Laser:
    beams = f"{_CALIBRATION}.beam_inclination"
    mount = f"{_CALIBRATION}.extrinsic.transform"
    rows = read_columns(path, [_KEY[1], mount, f"{beams}.min", f"{beams}.max"], [f"{beams}.values"])
    row = next((r for r in rows if r[_KEY[1]] == TOP), None)
    if row is None:
        raise LogError(f"{path}: there is no row of the top lidar; get the file again")
    poses, valid = poses_from_matrices(number_rows([row[mount]], 16).reshape(-1, 4, 4))
    values = row.get(f"{beams}.values")
    inclinations = number_rows([values or [row[f"{beams}.min"], row[f"{beams}.max"]]], len(values or "ab"))[0]
    if not valid[0] or not np.isfinite(inclinations).all():
        raise LogError(
            f"{path}: the calibration of the top lidar is no rigid transform with inclinations; get it again"
        )
    return _Laser(poses[0], inclinations, not values)
