"""A small nuScenes log by the published schema: two scenes, two cameras at 12 Hz, lidar at 20 Hz, a radar."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as Pil

from lapose_core.geometry import Array

VERSION = "v1.0-mini"
SIZE = (64, 36)
START = 1_532_402_927_647_951  # microseconds
SECONDS = 1.5
INTRINSIC = [[50.0, 0.0, 32.5], [0.0, 50.0, 18.25], [0.0, 0.0, 1.0]]
# Optical axes (right, down, forward) on a vehicle (forward, left, up): looking ahead, and looking back.
AHEAD, BACK = (0.5, -0.5, 0.5, -0.5), (0.5, -0.5, -0.5, 0.5)
SENSORS: dict[str, tuple[str, tuple[float, ...], tuple[float, ...], float]] = {
    "CAM_FRONT": ("camera", (1.7, 0.0, 1.5), AHEAD, 12.0),
    "CAM_BACK": ("camera", (0.0, 0.0, 1.6), BACK, 12.0),
    "LIDAR_TOP": ("lidar", (0.9, 0.0, 1.8), (float(np.sqrt(0.5)), 0.0, 0.0, float(-np.sqrt(0.5))), 20.0),
    "RADAR_FRONT": ("radar", (3.4, 0.0, 0.5), (1.0, 0.0, 0.0, 0.0), 13.0),
}
SCENES = ("scene-0061", "scene-0103")
WALL = (420.0, 1180.0, 2.0)  # a point of the world that every sweep sees

Change = Callable[[dict[str, list[dict[str, Any]]]], None]


def token(name: str) -> str:
    return hashlib.md5(name.encode()).hexdigest()


def ego(time: float) -> tuple[Array, Array]:
    """Centre [3] and quaternion w x y z [4] of the vehicle ``time`` seconds into a scene: a left curve at 8 m/s."""
    heading = 0.5 + 0.2 * time
    centre = np.array([411.0, 1181.0, 0.0]) + 40 * np.array([np.sin(heading), -np.cos(heading), 0.0])
    return centre, np.array([np.cos(heading / 2), 0.0, 0.0, np.sin(heading / 2)])


def matrix(centre: Any, wxyz: Any) -> Array:
    """The textbook matrix of a quaternion, written out apart from the one under test."""
    w, x, y, z = (float(v) for v in wxyz)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    out = np.eye(4)
    out[:3, :3] = np.eye(3) + 2 * w * cross + 2 * cross @ cross
    out[:3, 3] = centre
    return out


def camera_pose(time: float, channel: str = "CAM_FRONT") -> Array:
    return matrix(*ego(time)) @ matrix(*SENSORS[channel][1:3])


def colour(scene: int, frame: int) -> tuple[int, int, int]:
    return (40 * scene + 20, 12 * frame, 200)


def tables() -> tuple[dict[str, list[dict[str, Any]]], dict[str, tuple[int, int, str]]]:
    """The tables, and (scene, frame, channel) of each file that they name."""
    rows: dict[str, list[dict[str, Any]]] = {
        name: []
        for name in ("sensor", "calibrated_sensor", "log", "scene", "sample", "sample_data", "ego_pose", "instance")
    }
    files: dict[str, tuple[int, int, str]] = {}
    for channel, (modality, centre, wxyz, _) in SENSORS.items():
        rows["sensor"].append({"token": token(channel), "channel": channel, "modality": modality})
        rows["calibrated_sensor"].append(
            {
                "token": token(f"c{channel}"),
                "sensor_token": token(channel),
                "translation": list(centre),
                "rotation": list(wxyz),
                "camera_intrinsic": INTRINSIC if modality == "camera" else [],
            }
        )
    rows["log"].append(
        {"token": token("log"), "logfile": "n015", "vehicle": "n015", "date_captured": "2018-07-24", "location": "one"}
    )
    for s, scene in enumerate(SCENES):
        start = START + s * 60_000_000
        samples = [start + int(5e5 * k) for k in range(int(SECONDS * 2) + 1)]
        for k, time in enumerate(samples):
            rows["sample"].append(
                {
                    "token": token(f"{scene}{k}"),
                    "timestamp": time,
                    "scene_token": token(scene),
                    "prev": token(f"{scene}{k - 1}") if k else "",
                    "next": token(f"{scene}{k + 1}") if k + 1 < len(samples) else "",
                }
            )
        rows["scene"].append(
            {
                "token": token(scene),
                "log_token": token("log"),
                "nbr_samples": len(samples),
                "first_sample_token": token(f"{scene}0"),
                "last_sample_token": token(f"{scene}{len(samples) - 1}"),
                "name": scene,
                "description": ("Parked truck, construction", "Turn left, rain")[s],
            }
        )
        for channel, (modality, _, _, rate) in SENSORS.items():
            count = int(SECONDS * rate) + 1
            for i in range(count):
                time = start + round(i * 1e6 / rate)
                sample = int(np.searchsorted(samples, time))
                key = token(f"{scene}{channel}{i}")
                is_key = i % round(rate / 2) == 0
                folder = "samples" if is_key else "sweeps"
                suffix = {"camera": "jpg", "lidar": "pcd.bin", "radar": "pcd"}[modality]
                name = f"{folder}/{channel}/n015-2018-07-24__{channel}__{time}.{suffix}"
                files[name] = (s, i, channel)
                rows["sample_data"].append(
                    {
                        "token": key,
                        "sample_token": token(f"{scene}{min(sample, len(samples) - 1)}"),
                        "ego_pose_token": key,
                        "calibrated_sensor_token": token(f"c{channel}"),
                        "timestamp": time,
                        "fileformat": suffix.partition(".")[0],
                        "is_key_frame": is_key,
                        "height": SIZE[1] if modality == "camera" else 0,
                        "width": SIZE[0] if modality == "camera" else 0,
                        "filename": name,
                        "prev": token(f"{scene}{channel}{i - 1}") if i else "",
                        "next": token(f"{scene}{channel}{i + 1}") if i + 1 < count else "",
                    }
                )
                centre, wxyz = ego((time - start) * 1e-6)
                rows["ego_pose"].append(
                    {"token": key, "timestamp": time, "rotation": list(wxyz), "translation": list(centre)}
                )
    # The data set's rows are in no order.
    shuffle = np.random.default_rng(0)
    for name in ("sample_data", "ego_pose"):
        rows[name] = [rows[name][i] for i in shuffle.permutation(len(rows[name]))]
    return rows, files


def write_nuscenes(root: Path, change: Change | None = None, *, version: str = VERSION) -> Path:
    """Write the log; ``change`` may alter the tables before, not the pictures and sweeps that are written."""
    rows, files = tables()
    for name, (s, i, channel) in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if channel.startswith("CAM"):
            Pil.new("RGB", SIZE, colour(s, i)).save(path, quality=95)
        elif channel.startswith("LIDAR"):
            to_lidar = np.linalg.inv(camera_pose(i / SENSORS[channel][3], channel))
            point = to_lidar[:3, :3] @ np.array(WALL) + to_lidar[:3, 3]
            values = np.array([[*point, 17.0, 3.0], [np.nan, 0, 0, 0, 0], [1.0, 2.0, 3.0, 4.0, 5.0]], np.float32)
            values.tofile(path)
    if change is not None:
        change(rows)
    (root / version).mkdir()
    for name, table in rows.items():
        (root / version / f"{name}.json").write_text(json.dumps(table, indent=0))
    return root
