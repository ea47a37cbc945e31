"""nuScenes (Caesar et al., CVPR 2020): tables v1.0-{mini,trainval,test}/*.json, pictures and sweeps beside them.

The tables and their fields are those of the published schema, version 1.0. Quaternions are w x y z there.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lapose_core.drive import Drive, Intrinsics, LogError, fingerprint
from lapose_core.geometry import Array, invert
from lapose_core.logs.folders import folders_in
from lapose_core.logs.images import ImageSource, common_size
from lapose_core.logs.json_rows import read_row, read_table
from lapose_core.logs.nuscenes_index import Entries, load_index
from lapose_core.logs.pose_rows import number_rows, poses_from_quaternions
from lapose_core.logs.pose_sync import FramePoses
from lapose_core.logs.reader import Listing, LogOptions, Reader
from lapose_core.logs.sidecars import inside, parse_intrinsics
from lapose_core.logs.sweeps import Sweeps, place_sweeps
from lapose_core.trajectory_files import poses_from

_FORMAT = "nuscenes"
_VERSION = re.compile(r"v\d+\.\d+(-.+)?")
_READ_VERSION = "v1.0"
_CAMERAS = ("CAM_FRONT", "CAM_FRONT_LEFT", "CAM_FRONT_RIGHT", "CAM_BACK", "CAM_BACK_LEFT", "CAM_BACK_RIGHT")
_LIDAR = "LIDAR_TOP"
# x, y, z, intensity and ring of a point.
_POINT_VALUES = 5
_FILENAME = "filename in sample_data.json"


@dataclass(frozen=True)
class _Rows:
    """The rows of one sensor in one scene, in order of time.

    Attributes:
        files: names of the K files, as the table gives them.
        sizes: [K] width and height by the table, None where it gives none.
        times: [K] seconds.
        ego, ego_valid: [K, 4, 4] and [K], vehicle-to-world at those times.
        sensor, sensor_valid: [K, 4, 4] and [K], sensor-to-vehicle.
        calibration: row of calibrated_sensor.json of the first.
    """

    files: list[str]
    sizes: list[tuple[object, object]]
    times: Array
    ego: Array
    ego_valid: NDArray[np.bool_]
    sensor: Array
    sensor_valid: NDArray[np.bool_]
    calibration: dict[str, Any]

    def take(self, index: Sequence[int] | NDArray[np.int64]) -> _Rows:
        """The rows ``index`` only."""
        return _Rows(
            [self.files[i] for i in index],
            [self.sizes[i] for i in index],
            self.times[index],
            self.ego[index],
            self.ego_valid[index],
            self.sensor[index],
            self.sensor_valid[index],
            self.calibration,
        )


def _matches(path: Path) -> bool:
    try:
        return bool(_versions(path))
    except OSError:
        return False


def _versions(path: Path) -> list[Path]:
    """The folders of tables: ``path`` itself, or those in it."""
    folders = [path] if _VERSION.fullmatch(path.name) else []
    if not folders and path.is_dir():
        folders = sorted(path / name for name in folders_in(path) if _VERSION.fullmatch(name))
    return [p for p in folders if (p / "scene.json").is_file() or (p / "sample_data.json").is_file()]


def _tables(path: Path) -> dict[str, Path]:
    found = {p.name: p for p in _versions(path) if p.name.partition("-")[0] == _READ_VERSION}
    if not found:
        names = ", ".join(p.name for p in _versions(path)) or "no tables"
        raise LogError(f"{path}: {names} found; nuScenes tables of version {_READ_VERSION} are read, such as v1.0-mini")
    return found


def _scenes(tables: Path) -> list[dict[str, Any]]:
    return read_table(
        tables / "scene.json", ("token", "name", "description", "first_sample_token", "last_sample_token", "log_token")
    )


def _list(path: Path) -> list[Listing]:
    found: list[Listing] = []
    for version, tables in _tables(path).items():
        times = {row["token"]: row["timestamp"] for row in read_table(tables / "sample.json", ("token", "timestamp"))}
        channels = {row["channel"] for row in read_table(tables / "sensor.json", ("token", "channel", "modality"))}
        cameras = tuple(c for c in _CAMERAS if c in channels)
        for scene in _scenes(tables):
            first, last = (times.get(scene[f"{end}_sample_token"]) for end in ("first", "last"))
            found.append(
                Listing(
                    key=f"{version}/{scene['name']}",
                    name=str(scene["name"]),
                    description=str(scene["description"]),
                    cameras=cameras,
                    seconds=(last - first) * 1e-6 if isinstance(first, int) and isinstance(last, int) else None,
                )
            )
    return found


def _open(path: Path, key: str, options: LogOptions) -> Drive:
    version, _, name = key.partition("/")
    tables = _tables(path).get(version)
    scenes = [] if tables is None else _scenes(tables)
    number = next((i for i, scene in enumerate(scenes) if scene["name"] == name), None)
    if tables is None or number is None:
        raise LogError(f"{path}: there is no scene {key!r}; a scene is called such as v1.0-mini/scene-0061")
    camera = options.camera or _CAMERAS[0]
    root = tables.parent
    notes: list[str] = []

    found = _sensor_rows(tables, scenes, number, (camera, _LIDAR))
    rows = _present(root, found[camera], f"{name}: {camera}", notes)
    files = [root / file for file in rows.files]
    width, height = common_size(files)
    intrinsics = _intrinsics(tables, rows, width, height, notes)
    poses, valid = rows.ego @ rows.sensor, rows.ego_valid & rows.sensor_valid
    poses[~valid] = np.eye(4)
    found_poses = FramePoses(
        poses, valid, "ego_pose.json of each picture x calibrated_sensor.json, in the axes of the map"
    )
    if not valid.all():
        notes.append(
            f"{int((~valid).sum())} of {len(valid)} frames have no pose: their rows in {version}/ego_pose.json or "
            "calibrated_sensor.json are missing or hold no unit quaternion; get the tables again."
        )
    sweeps = _sweeps(root, found[_LIDAR], rows, found_poses, notes)
    given = poses_from(options, rows.times)
    if given is not None:
        found_poses = given
        notes += given.notes
    provenance = {
        "scene": str(scenes[number]["description"]),
        "frames": f"{version} sample_data.json, {camera}, {_counts(rows.files)}",
        "timestamps": "sample_data.json",
    }
    if intrinsics is not None:
        provenance["intrinsics"] = "calibrated_sensor.json; the pictures are undistorted by the data set"
    has_poses = bool(found_poses.valid.any())
    if has_poses:
        provenance["poses"] = found_poses.provenance
    return Drive(
        name=f"{name}/{camera}",
        path=path,
        format=_FORMAT,
        width=width,
        height=height,
        timestamps=rows.times,
        open_frames=partial(ImageSource, files, (width, height)),
        poses=found_poses.poses if has_poses else None,
        pose_valid=found_poses.valid if has_poses else None,
        intrinsics=intrinsics,
        # The vehicle's origin lies on the road, below the middle of the rear axle.
        camera_height=float(rows.sensor[0, 2, 3]) if rows.sensor_valid[0] else None,
        point_cloud=sweeps,
        provenance=provenance,
        notes=tuple(notes),
        # The folder of a camera holds the pictures of all scenes: the tables stand for them.
        fingerprint=fingerprint(tables, f"{_FORMAT}:{key}:{camera}", rows.times, found_poses.poses),
    )


def _sensor_rows(
    tables: Path, scenes: list[dict[str, Any]], number: int, channels: tuple[str, ...]
) -> dict[str, _Rows | None]:
    """The rows of each of ``channels`` in scene ``number``, None where there are none."""
    scene_of_token = {scene["token"]: i for i, scene in enumerate(scenes)}
    samples = read_table(tables / "sample.json", ("token", "scene_token"))
    scene_of_sample = {
        s["token"]: scene_of_token[s["scene_token"]] for s in samples if s["scene_token"] in scene_of_token
    }
    sensors = read_table(tables / "sensor.json", ("token", "channel", "modality"))
    kept = {s["token"]: s["channel"] for s in sensors if s["modality"] in ("camera", "lidar")}
    order = sorted(set(kept.values()))
    calibrations = {
        c["token"]: c
        for c in read_table(
            tables / "calibrated_sensor.json", ("token", "sensor_token", "translation", "rotation", "camera_intrinsic")
        )
    }
    channel_of_calibration = {
        token: order.index(kept[c["sensor_token"]]) for token, c in calibrations.items() if c["sensor_token"] in kept
    }
    index = load_index(tables, scene_of_sample, channel_of_calibration)
    return {
        channel: _read_rows(tables, index.rows(number, order.index(channel)), calibrations)
        if channel in order
        else None
        for channel in channels
    }


def _read_rows(tables: Path, entries: Entries, calibrations: dict[str, dict[str, Any]]) -> _Rows | None:
    if len(entries) == 0:
        return None
    data_path, pose_path = tables / "sample_data.json", tables / "ego_pose.json"
    try:
        with data_path.open("rb") as file:
            rows = [read_row(file, int(e["row"]), int(e["row_length"])) for e in entries]
        with pose_path.open("rb") as file:
            egos = [read_row(file, int(e["pose"]), int(e["pose_length"])) if e["pose"] >= 0 else {} for e in entries]
    except ValueError as error:
        raise LogError(
            f"{tables}: sample_data.json or ego_pose.json changed while it was read; open it again"
        ) from error
    for row, values in zip(rows, egos):
        if values.get("token") != row["ego_pose_token"]:
            values.clear()
    ego, ego_valid = poses_from_quaternions(
        number_rows((e.get("rotation") for e in egos), 4), number_rows((e.get("translation") for e in egos), 3)
    )
    used = [calibrations[row["calibrated_sensor_token"]] for row in rows]
    sensor, sensor_valid = poses_from_quaternions(
        number_rows((c["rotation"] for c in used), 4), number_rows((c["translation"] for c in used), 3)
    )
    return _Rows(
        files=[row["filename"] for row in rows],
        sizes=[(row.get("width"), row.get("height")) for row in rows],
        times=entries["timestamp"].astype(np.float64) * 1e-6,
        ego=ego,
        ego_valid=ego_valid,
        sensor=sensor,
        sensor_valid=sensor_valid,
        calibration=used[0],
    )


def _present(root: Path, rows: _Rows | None, what: str, notes: list[str]) -> _Rows:
    """The rows whose pictures are there, one for each time."""
    if rows is None:
        raise LogError(f"{root}: {what} has no rows in sample_data.json; choose another camera")
    there = [i for i, name in enumerate(rows.files) if inside(root, name, _FILENAME).is_file()]
    if not there:
        raise LogError(
            f"{root / rows.files[0]}: {what}: none of its {len(rows.files)} pictures is there; unpack the part of the "
            "data set that holds this scene beside the tables"
        )
    if len(there) < len(rows.files):
        notes.append(
            f"{len(rows.files) - len(there)} of the {len(rows.files)} pictures of {what} are not there; unpack the "
            "samples and the sweeps of this scene's part of the data set."
        )
    rows = rows.take(there)
    later = np.concatenate([[True], np.diff(rows.times) > 0])
    if not later.all():
        notes.append(f"{int((~later).sum())} pictures have the time of another in sample_data.json and are left out.")
    return rows.take(np.flatnonzero(later))


def _intrinsics(tables: Path, rows: _Rows, width: int, height: int, notes: list[str]) -> Intrinsics | None:
    where = str(tables / "calibrated_sensor.json")
    matrix = rows.calibration["camera_intrinsic"]
    k = number_rows(matrix, 3) if isinstance(matrix, list) and len(matrix) == 3 else np.full((3, 3), np.nan)
    values = {"fx": k[0, 0], "fy": k[1, 1], "cx": k[0, 2], "cy": k[1, 2]}
    values |= {name: size for name, size in zip(("width", "height"), rows.sizes[0]) if size is not None}
    try:
        return parse_intrinsics(values, width, height, where, opencv=True)
    except LogError as error:
        notes.append(f"The camera is not known: {error}.")
        return None


def _sweeps(root: Path, lidar: _Rows | None, cameras: _Rows, poses: FramePoses, notes: list[str]) -> Sweeps | None:
    if lidar is None or not (cameras.sensor_valid[0] and lidar.sensor_valid[0]):
        return None
    there = [i for i, name in enumerate(lidar.files) if inside(root, name, _FILENAME).is_file()]
    if len(there) < len(lidar.files):
        notes.append(
            f"{len(lidar.files) - len(there)} of the {len(lidar.files)} sweeps of {_LIDAR} are not there; unpack the "
            "samples and the sweeps of this scene's part of the data set."
        )
    lidar = lidar.take(there)
    return place_sweeps(
        cameras.times,
        poses,
        lidar.times,
        [root / name for name in lidar.files],
        FramePoses(lidar.ego @ lidar.sensor, lidar.ego_valid & lidar.sensor_valid, _LIDAR),
        invert(cameras.sensor[0]) @ lidar.sensor[0],
        _read_sweep,
    )


def _read_sweep(path: Path) -> NDArray[np.float32]:
    try:
        values = np.fromfile(path, dtype="<f4")
        size = path.stat().st_size
    except OSError as error:
        raise LogError(f"{path}: the sweep cannot be read ({error.strerror})") from error
    if size % (4 * _POINT_VALUES):
        raise LogError(f"{path}: the sweep is cut off: {size} bytes are no points of 5 numbers; get the file again")
    return values.reshape(-1, _POINT_VALUES)[:, :4]


def _counts(files: Sequence[str]) -> str:
    samples = sum(file.startswith("samples/") for file in files)
    return f"{samples} samples and {len(files) - samples} sweeps"


READER = Reader(name=_FORMAT, title="nuScenes", matches=_matches, list=_list, open=_open)
