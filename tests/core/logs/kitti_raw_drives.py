"""KITTI raw drives written in the data set's layout, with the truth known."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from log_files import write_pictures
from scipy.spatial.transform import Rotation

DATE = "2011_09_26"
START = np.datetime64("2011-09-26T13:02:25.950000000", "ns")
RECT, RAW = (30, 18), (36, 12)
RADIUS, LATITUDE, LONGITUDE = 6378137.0, 49.0, 8.4


def rigid(euler: tuple[float, float, float], translation: tuple[float, float, float]) -> np.ndarray:
    out = np.eye(4)
    out[:3, :3] = Rotation.from_euler("zyx", euler).as_matrix()
    out[:3, 3] = translation
    return out


# Camera axes of a vehicle that looks ahead, then what a mounting is off by.
AHEAD = np.array([[0, -1, 0, 0], [0, 0, -1, 0], [1, 0, 0, 0], [0, 0, 0, 1.0]])
VELO_FROM_IMU = rigid((0.002, -0.01, 0.015), (-0.8, 0.3, -0.8))
CAM0_FROM_VELO = rigid((0.004, 0.012, -0.006), (-0.004, -0.07, -0.27)) @ AHEAD
RECT0 = rigid((0.01, -0.0075, 0.004), (0, 0, 0))
CAM_FROM_CAM0 = [rigid((0.01 * k, 0.02 * k, -0.01 * k), (-0.18 * k, 0.004 * k, 0.003 * k)) for k in range(4)]
BASELINE = 0.18  # of rectified camera k from camera 0 per k
FOCAL = 24.0
LENS = (-0.36, 0.2, 0.002, 0.001, -0.07)


def camera_from_imu(camera: int, rectified: bool) -> np.ndarray:
    shift = np.eye(4)
    shift[0, 3] = -BASELINE * camera
    own = shift @ RECT0 if rectified else CAM_FROM_CAM0[camera]
    return own @ CAM0_FROM_VELO @ VELO_FROM_IMU


def imu_pose(seconds: float) -> np.ndarray:
    """Of the GPS/IMU unit in east, north, up: a bend to the left at 8 m/s, on a slight slope."""
    heading = 0.3 + 0.2 * seconds
    radius = 8 / 0.2
    centre = [radius * (np.sin(heading) - np.sin(0.3)), radius * (np.cos(0.3) - np.cos(heading)), 112.0 + 0.2 * seconds]
    out = np.eye(4)
    out[:3, :3] = Rotation.from_euler("ZYX", [heading, 0.02, -0.03]).as_matrix()
    out[:3, 3] = centre
    return out


def packet(seconds: float) -> str:
    """The OXTS line of `imu_pose`: thirty columns, angles in radians, velocities in m/s."""
    pose = imu_pose(seconds)
    scale = np.cos(np.radians(LATITUDE)) * RADIUS
    east = scale * np.radians(LONGITUDE) + pose[0, 3]
    north = scale * np.log(np.tan(np.radians(90 + LATITUDE) / 2)) + pose[1, 3]
    latitude = np.degrees(2 * np.arctan(np.exp(north / scale))) - 90
    yaw = 0.3 + 0.2 * seconds
    values = [latitude, np.degrees(east / scale), pose[2, 3], -0.03, 0.02, np.angle(np.exp(1j * yaw))]
    values += [8 * np.sin(yaw), 8 * np.cos(yaw), 8.0, 0.0, 0.2]
    return " ".join(repr(float(v)) for v in values + [0.0] * 14) + " 4 9 4 4 6\n"


def stamp(seconds: float) -> str:
    moment = START + np.timedelta64(round(seconds * 1e9), "ns")
    return str(moment).replace("T", " ")


def numbers(values: np.ndarray | tuple[float, ...]) -> str:
    return " ".join(f"{v:.12e}" for v in np.ravel(values))


def write_calibration(date: Path) -> None:
    date.mkdir(parents=True, exist_ok=True)
    lines = ["calib_time: 09-Jan-2012 13:57:47", "corner_dist: 9.950000e-02"]
    for k in range(4):
        own = CAM_FROM_CAM0[k]
        projection = np.array([[FOCAL, 0, 15.5, -FOCAL * BASELINE * k], [0, FOCAL, 9.2, 0], [0, 0, 1, 0]])
        lines += [
            f"S_{k:02d}: {numbers(RAW)}",
            f"K_{k:02d}: {numbers((29.0, 0, 18.3, 0, 28.5, 5.7, 0, 0, 1))}",
            f"D_{k:02d}: {numbers(LENS)}",
            f"R_{k:02d}: {numbers(own[:3, :3])}",
            f"T_{k:02d}: {numbers(own[:3, 3])}",
            f"S_rect_{k:02d}: {numbers(RECT)}",
            f"R_rect_{k:02d}: {numbers(RECT0[:3, :3])}",
            f"P_rect_{k:02d}: {numbers(projection)}",
        ]
    (date / "calib_cam_to_cam.txt").write_text("\n".join(lines) + "\n")
    for name, pose in (("imu_to_velo", VELO_FROM_IMU), ("velo_to_cam", CAM0_FROM_VELO)):
        text = f"calib_time: x\nR: {numbers(pose[:3, :3])}\nT: {numbers(pose[:3, 3])}\n"
        (date / f"calib_{name}.txt").write_text(text)


@dataclass
class Written:
    """A drive: times [N] of camera k's frames in seconds, and points of its sweeps in the velodyne's axes."""

    folder: Path
    rectified: bool
    times: dict[int, np.ndarray]
    sweep_times: np.ndarray
    points: list[np.ndarray] = field(default_factory=list)

    def poses(self, camera: int) -> np.ndarray:
        mount = np.linalg.inv(camera_from_imu(camera, self.rectified))
        return np.stack([imu_pose(t) @ mount for t in self.times[camera]])

    def cloud(self, camera: int, frame: int, sweep: int) -> np.ndarray:
        """Points of a sweep in the camera's axes at the frame's time."""
        velo = imu_pose(self.sweep_times[sweep]) @ np.linalg.inv(VELO_FROM_IMU)
        turn = np.linalg.inv(self.poses(camera)[frame]) @ velo
        return self.points[sweep] @ turn[:3, :3].T + turn[:3, 3]


def write_drive(root: Path, number: int = 5, *, rectified: bool = True, count: int = 8) -> Written:
    """A synced or unsynced drive under ``root``/<date>, all cameras, OXTS and three sweeps."""
    date = root / DATE
    write_calibration(date)
    folder = date / f"{DATE}_drive_{number:04d}_{'sync' if rectified else 'extract'}"
    times = {k: 0.1033 * np.arange(count) + 0.0002 * k for k in range(4)}
    for k in range(4):
        camera = folder / f"image_{k:02d}"
        mode = "L" if k < 2 else "RGB"
        write_pictures(camera / "data", count, RECT if rectified else RAW, "{:010d}.png", mode)
        (camera / "timestamps.txt").write_text("".join(stamp(t) + "\n" for t in times[k]))
    oxts = folder / "oxts"
    (oxts / "data").mkdir(parents=True)
    # Packets come at whole hundredths; a synced drive keeps the nearest to each frame, the other keeps all.
    at = np.round(times[0], 2) if rectified else np.arange(-0.2, times[0][-1] + 0.2, 0.01)
    for i, t in enumerate(at):
        (oxts / "data" / f"{i:010d}.txt").write_text(packet(t))
    (oxts / "timestamps.txt").write_text("".join(stamp(t) + "\n" for t in at))
    sweep_times = np.array([0.0, 0.21, 0.63]) + 0.004
    written = Written(folder, rectified, times, sweep_times)
    velodyne = folder / "velodyne_points"
    (velodyne / "data").mkdir(parents=True)
    rng = np.random.default_rng(number)
    lines = []
    for i in range(count):
        # The scanner lost the others: their lines are blank, as in drive 9 of that day.
        lines.append("")
        if i in (0, 2, 6):
            points = rng.uniform(-20, 20, (40, 3)).astype(np.float32)
            rows = np.column_stack([points, rng.uniform(0, 1, 40)]).astype("<f4")
            if rectified:
                rows.tofile(velodyne / "data" / f"{i:010d}.bin")
            else:
                text = "".join(" ".join(f"{v:.6f}" for v in row) + "\n" for row in rows)
                (velodyne / "data" / f"{i:010d}.txt").write_text(text)
            lines[-1] = stamp(sweep_times[len(written.points)])
            written.points.append(points.astype(float))
    (velodyne / "timestamps.txt").write_text("\n".join(lines) + "\n")
    return written
