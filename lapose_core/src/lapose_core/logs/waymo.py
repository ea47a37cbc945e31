"""Waymo Open Dataset, perception, version 2 (Sun et al., CVPR 2020): <split>/<component>/<segment>.parquet.

Columns are those of the published components. A vehicle has x forward, y left, z up, and so have the cameras
there: their axes are turned to ours.
"""

from __future__ import annotations

import io
import re
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from lapose_core.drive import Drive, Image, Intrinsics, LogError, fingerprint
from lapose_core.geometry import Array
from lapose_core.logs.folders import files_in
from lapose_core.logs.parquet_rows import ParquetRows, read_columns
from lapose_core.logs.pose_rows import number_rows, poses_from_matrices
from lapose_core.logs.pose_sync import FramePoses
from lapose_core.logs.reader import Listing, LogOptions, Reader
from lapose_core.logs.sidecars import inside, parse_intrinsics
from lapose_core.logs.single_pictures import SinglePictures
from lapose_core.logs.waymo_lidar import TopLidar
from lapose_core.trajectory_files import poses_from

_FORMAT = "waymo"
_SPLITS = ("training", "validation", "testing", "testing_location", "domain_adaptation")
_CAMERAS = ("FRONT", "FRONT_LEFT", "FRONT_RIGHT", "SIDE_LEFT", "SIDE_RIGHT")  # numbered from 1
_MOMENT, _CAMERA = "key.frame_timestamp_micros", "key.camera_name"
_PICTURE = "[CameraImageComponent].image"
_POSE, _POSE_TIME = "[CameraImageComponent].pose.transform", "[CameraImageComponent].pose_timestamp"
_VEHICLE = "[VehiclePoseComponent].world_from_vehicle.transform"
_CALIBRATION = "[CameraCalibrationComponent]"
_INTRINSIC = tuple(f"{_CALIBRATION}.intrinsic.{name}" for name in ("f_u", "f_v", "c_u", "c_v"))
_DISTORTION = tuple(f"{_CALIBRATION}.intrinsic.{name}" for name in ("k1", "k2", "p1", "p2", "k3"))
# Columns: right, down and forward of our camera in theirs.
_AXES = np.array([[0.0, 0, 1, 0], [-1, 0, 0, 0], [0, -1, 0, 0], [0, 0, 0, 1]])
# Going back decodes a row group from its beginning: then the pictures before are kept too, up to these bytes.
_BEFORE = 16
_KEPT = 64 << 20


@dataclass(frozen=True)
class _Segment:
    """One segment: the folder of its components, and its name, which is that of its file in each."""

    split: Path
    name: str

    def file(self, component: str) -> Path | None:
        """Its file of one component, None where it has none."""
        path = inside(self.split, f"{component}/{self.name}.parquet", "component")
        return path if path.is_file() else None


def _matches(path: Path) -> bool:
    try:
        return bool(_records(path)) or next(_segments(path), None) is not None
    except OSError:
        return False


def _records(path: Path) -> list[Path]:
    """Files of version 1: ``path`` itself, or those in it."""
    if path.suffix == ".tfrecord":
        return [path] if path.is_file() else []
    names = files_in(path, (".tfrecord",)) if path.is_dir() else ()
    return sorted(path / name for name in names if name.startswith("segment-"))


def _segments(path: Path) -> Iterator[tuple[str, _Segment]]:
    """Keys and segments under the data set's folder, a split, its camera_image, or of one file in there."""
    if path.suffix == ".parquet" and path.absolute().parent.name == "camera_image":
        if path.is_file():
            yield path.stem, _Segment(path.absolute().parent.parent, path.stem)
    elif path.absolute().name == "camera_image":
        yield from _split(path.absolute().parent, "")
    elif (path / "camera_image").is_dir():
        yield from _split(path, "")
    else:
        for name in _SPLITS:
            yield from _split(path / name, f"{name}/")


def _split(split: Path, prefix: str) -> Iterator[tuple[str, _Segment]]:
    for file in sorted((split / "camera_image").glob("*.parquet")):
        yield f"{prefix}{file.stem}", _Segment(split, file.stem)


def _list(path: Path) -> list[Listing]:
    records = _records(path)
    if records:
        raise LogError(_version_1(records[0]))
    return [Listing(key, segment.name, cameras=_CAMERAS) for key, segment in _segments(path)]


def _version_1(path: Path) -> str:
    found = re.fullmatch(r"segment-(.+?)(_with_camera_labels)?", path.stem)
    segment = found.group(1) if found else "SEGMENT"
    split = path.absolute().parent.name if path.absolute().parent.name in _SPLITS else "training"
    return (
        f"{path}: records of version 1 of the Waymo data are not read; get the same segment of version 2: "
        f"for c in camera_image camera_calibration vehicle_pose lidar lidar_calibration lidar_pose stats; do "
        f"gsutil cp gs://waymo_open_dataset_v_2_0_1/{split}/$c/{segment}.parquet waymo/{split}/$c/; done"
    )


def _open(path: Path, key: str, options: LogOptions) -> Drive:
    segment = dict(_segments(path)).get(key)
    if segment is None:
        raise LogError(_version_1(path) if _records(path) else f"{path}: there is no segment {key!r} in camera_image/")
    name = options.camera or _CAMERAS[0]
    if name not in _CAMERAS:
        raise LogError(f"{path}: there is no camera {name!r}; choose one of {', '.join(_CAMERAS)}")
    camera = _CAMERAS.index(name) + 1
    file = segment.file("camera_image")
    if file is None:
        raise LogError(f"{segment.split}: camera_image/{segment.name}.parquet is gone; get the file again")
    notes: list[str] = []
    rows = _rows(file, camera, name, notes)
    places = [row["place"] for row in rows]
    width, height = _Frames(file, places).size()
    moments = [row[_MOMENT] for row in rows]
    times, time_source = _times(rows, moments)

    calibration = _calibration(segment, camera, notes)
    intrinsics = _intrinsics(calibration, width, height, notes)
    vehicles, source = _vehicle_poses(segment, rows, moments)
    mount, mounted = poses_from_matrices(number_rows([calibration.get("extrinsic")], 16).reshape(-1, 4, 4))
    if calibration and not mounted[0]:
        notes.append(f"{calibration['file']}: {_CALIBRATION}.extrinsic is no rigid transform: the poses are not known.")
    valid = vehicles.valid & mounted[0]
    if mounted[0] and not valid.all():
        notes.append(f"{int((~valid).sum())} of {len(valid)} frames have no pose in {source}; get the file again.")
    cameras = vehicles.poses @ mount[0] @ _AXES
    cloud = _lidar(segment, moments, cameras, vehicles.poses, valid, notes) if valid.any() else None
    # The world's origin may be kilometres away.
    cameras[:, :3, 3] -= cameras[np.argmax(valid), :3, 3]
    cameras[~valid] = np.eye(4)
    found = FramePoses(
        cameras, valid, f"{source} x camera_calibration, axes turned to the camera's, from the first pose on"
    )
    given = poses_from(options, times)
    if given is not None:
        found = given
        notes += given.notes
    has_poses = bool(found.valid.any())
    provenance = {"frames": f"camera_image, {name}", "timestamps": time_source} | _conditions(segment)
    if has_poses:
        provenance["poses"] = found.provenance
    if intrinsics is not None:
        provenance["intrinsics"] = "camera_calibration; the pictures keep the lens's distortion"
    return Drive(
        name=f"{segment.name}/{name}",
        path=path,
        format=_FORMAT,
        width=width,
        height=height,
        timestamps=times,
        open_frames=partial(_Frames, file, places, (width, height)),
        poses=found.poses if has_poses else None,
        pose_valid=found.valid if has_poses else None,
        intrinsics=intrinsics,
        point_cloud=cloud,
        provenance=provenance,
        notes=tuple(notes),
        fingerprint=fingerprint(file, f"{_FORMAT}:{name}:{intrinsics}", times, found.poses),
    )


def _rows(file: Path, camera: int, name: str, notes: list[str]) -> list[dict[str, Any]]:
    """What is small of the camera's rows, with their ``place`` in the file, in order of time."""
    rows = read_columns(file, (_MOMENT, _CAMERA), (_POSE, _POSE_TIME), (_PICTURE,))
    mine = [row | {"place": i} for i, row in enumerate(rows) if row[_CAMERA] == camera and row[_MOMENT] is not None]
    if not mine:
        raise LogError(f"{file}: there is no picture of the camera {name} (key.camera_name {camera}); choose another")
    mine.sort(key=lambda row: (row[_MOMENT], row["place"]))
    once = [row for i, row in enumerate(mine) if i == 0 or row[_MOMENT] > mine[i - 1][_MOMENT]]
    if len(once) < len(mine):
        notes.append(f"{len(mine) - len(once)} pictures have the time of another in {file.name} and are left out.")
    return once


def _times(rows: list[dict[str, Any]], moments: list[int]) -> tuple[Array, str]:
    """Seconds [N]: of the poses, which are those of the pictures; of the frames where these do not increase."""
    times = number_rows([[row.get(_POSE_TIME)] for row in rows], 1)[:, 0]
    if np.isfinite(times).all() and (np.diff(times) > 0).all():
        return times, "pose_timestamp of each picture"
    return np.array(moments, dtype=np.float64) * 1e-6, "key.frame_timestamp_micros, the beginning of the lidar's turn"


def _vehicle_poses(segment: _Segment, rows: list[dict[str, Any]], moments: list[int]) -> tuple[FramePoses, str]:
    """Vehicle-to-world [N, 4, 4] at the frames: of the pictures' own rows, else of the component vehicle_pose."""
    poses, valid = poses_from_matrices(number_rows([row.get(_POSE) for row in rows], 16).reshape(-1, 4, 4))
    file = None if valid.any() else segment.file("vehicle_pose")
    if file is None:
        return FramePoses(poses, valid, ""), "camera_image"
    by_moment = {row[_MOMENT]: row[_VEHICLE] for row in read_columns(file, (_MOMENT, _VEHICLE))}
    matrices = number_rows([by_moment.get(moment) for moment in moments], 16).reshape(-1, 4, 4)
    return FramePoses(*poses_from_matrices(matrices), ""), "vehicle_pose"


def _calibration(segment: _Segment, camera: int, notes: list[str]) -> dict[str, Any]:
    """The camera's row of camera_calibration by short names, empty where there is none."""
    try:
        file = segment.file("camera_calibration")
        if file is None:
            raise LogError(
                f"{segment.split}: there is no camera_calibration/{segment.name}.parquet; get this component"
            )
        extrinsic, size = f"{_CALIBRATION}.extrinsic.transform", [f"{_CALIBRATION}.{n}" for n in ("width", "height")]
        rows = read_columns(file, (_CAMERA, extrinsic, *_INTRINSIC, *_DISTORTION, *size))
        row = next((row for row in rows if row[_CAMERA] == camera), None)
        if row is None:
            raise LogError(f"{file}: there is no row with key.camera_name {camera}; get the file again")
    except LogError as error:
        notes.append(f"Neither the camera nor its poses are known: {error}.")
        return {}
    values = {name: row[column] for name, column in zip(("fx", "fy", "cx", "cy"), _INTRINSIC)}
    values |= {"width": row[size[0]], "height": row[size[1]]}
    values |= {"model": "brown-conrady", "distortion": [row[column] for column in _DISTORTION]}
    return {"file": file, "extrinsic": row[extrinsic], "camera": values}


def _intrinsics(calibration: dict[str, Any], width: int, height: int, notes: list[str]) -> Intrinsics | None:
    if not calibration:
        return None
    try:
        # The data set's own camera model has the picture reach from 0 to its width and height.
        return parse_intrinsics(calibration["camera"], width, height, str(calibration["file"]), opencv=False)
    except LogError as error:
        notes.append(f"The camera is not known: {error}.")
        return None


def _lidar(
    segment: _Segment, moments: list[int], cameras: Array, vehicles: Array, valid: Array, notes: list[str]
) -> TopLidar | None:
    files = {name: segment.file(name) for name in ("lidar", "lidar_calibration", "lidar_pose")}
    if files["lidar"] is None or files["lidar_calibration"] is None:
        return None
    # A frame without a pose keeps its moment out of the sweeps'.
    known = [moment if ok else -1 for moment, ok in zip(moments, valid)]
    try:
        return TopLidar({name: file for name, file in files.items() if file}, known, cameras.copy(), vehicles)
    except LogError as error:
        notes.append(f"The lidar is not shown: {error}.")
        return None


def _conditions(segment: _Segment) -> dict[str, str]:
    """Place, time of day and weather, where the component stats is there; it is told, and nothing depends on it."""
    columns = [f"[StatsComponent].{name}" for name in ("time_of_day", "location", "weather")]
    try:
        file = segment.file("stats")
        rows = [] if file is None else read_columns(file, columns)
    except LogError:
        return {}
    return {"scene": ", ".join(str(rows[0][c]) for c in columns if rows[0][c])} if rows else {}


class _Frames(SinglePictures):
    """`FrameSource` of the JPEG pictures in rows ``places`` of a Parquet file."""

    def __init__(self, file: Path, places: list[int], size: tuple[int, int] | None = None) -> None:
        super().__init__(len(places))
        self._file, self._places, self._size = file, places, size
        self._rows = ParquetRows(file, [_PICTURE])
        self._kept: OrderedDict[int, bytes] = OrderedDict()
        self._bytes = 0

    def size(self) -> tuple[int, int]:
        """Width and height of the first picture that can be read."""
        from PIL import Image as Pil

        error: LogError | None = None
        try:
            for index in range(len(self)):
                try:
                    with Pil.open(io.BytesIO(self._compressed(index)), formats=("JPEG", "PNG")) as picture:
                        return picture.size
                except (OSError, ValueError, SyntaxError) as problem:
                    error = error or self._unreadable(index, problem)
            raise error or LogError(f"{self._file}: there are no pictures")
        finally:
            self.close()

    def _load(self, index: int) -> Image:
        from PIL import Image as Pil

        try:
            with Pil.open(io.BytesIO(self._compressed(index)), formats=("JPEG", "PNG")) as picture:
                image = np.array(picture.convert("RGB"))
        # Decoders meet damaged bytes with whatever error they run into first.
        except LogError:
            raise
        except Exception as error:
            raise self._unreadable(index, error) from error
        if self._size is not None and (image.shape[1], image.shape[0]) != self._size:
            raise LogError(
                f"{self._file}: the picture of row {self._places[index]} is {image.shape[1]}x{image.shape[0]}, the "
                f"others are {self._size[0]}x{self._size[1]}; get the file again"
            )
        return image

    def close(self) -> None:
        """Close the file and forget the pictures in memory, unless they are shared."""
        super().close()
        self._rows.close()
        self._kept.clear()
        self._bytes = 0

    def _compressed(self, index: int) -> bytes:
        if index not in self._kept:
            forward = index - 1 in self._kept
            for i in range(index if forward else max(0, index - _BEFORE), index + 1):
                if i not in self._kept:
                    self._fetch(i)
        self._kept.move_to_end(index)
        if not self._kept[index]:
            raise LogError(f"{self._file}: row {self._places[index]} has no picture; get the file again")
        return self._kept[index]

    def _fetch(self, index: int) -> None:
        data = self._rows.row(self._places[index])[_PICTURE].as_py() or b""
        self._kept[index] = data
        self._bytes += len(data)
        while self._bytes > _KEPT and len(self._kept) > 1:
            self._bytes -= len(self._kept.popitem(last=False)[1])

    def _unreadable(self, index: int, error: Exception) -> LogError:
        return LogError(
            f"{self._file}: the picture of row {self._places[index]} cannot be read ({error}); get the file again"
        )


READER = Reader(name=_FORMAT, title="Waymo Open", matches=_matches, list=_list, open=_open)
