"""The log that `lapose synth` writes: drive.json, poses.tum and the frames as a video or as pictures."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lapose_core.drive import Drive, FrameSource, LogError, fingerprint
from lapose_core.geometry import Array
from lapose_core.logs.images import ImageSource, common_size, list_images
from lapose_core.logs.reader import Listing, LogOptions, Reader
from lapose_core.logs.sidecars import inside, parse_intrinsics, read_json
from lapose_core.trajectory_files import poses_from
from lapose_core.video import VideoSource

FORMAT = "lapose-synthetic"
DESCRIPTION = "drive.json"
_VERSION = 1


def open_synthetic(path: Path, options: LogOptions) -> Drive:
    """The drive of a synthetic log: its folder, or the drive.json in it.

    No path in drive.json may leave the folder.

    Raises:
        LogError: naming the field that is missing, wrong, or at odds with the frames.
    """
    folder, description, values = _describe(path)
    times = _times(values.get("times"), description)
    open_frames, size, frames = _frames(folder, values.get("frames"))
    if frames != len(times):
        raise LogError(f"{description}: times: {len(times)} times for {frames} frames")
    pose_file = inside(folder, values.get("poses", "poses.tum"), "poses")
    found = poses_from(options, times, pose_file if pose_file.is_file() else None)
    intrinsics = None
    if values.get("intrinsics") is not None:
        intrinsics = parse_intrinsics(values["intrinsics"], *size, f"{description}: intrinsics", opencv=False)
    provenance = {
        "frames": f"rendered by lapose synth, seed {values.get('seed')}",
        "timestamps": DESCRIPTION,
        "intrinsics": DESCRIPTION,
    }
    if found is not None:
        provenance["poses"] = found.provenance if options.poses else f"{pose_file.name}, exact"
    return Drive(
        name=_name(values, folder),
        path=path,
        format="synthetic",
        width=size[0],
        height=size[1],
        timestamps=times,
        open_frames=open_frames,
        poses=None if found is None else found.poses,
        pose_valid=None if found is None else found.valid,
        intrinsics=intrinsics,
        camera_height=_camera_height(values.get("mount"), description),
        regimes=_regimes(values.get("regimes", {}), len(times), description),
        provenance=provenance,
        notes=() if found is None else found.notes,
        fingerprint=fingerprint(folder, "synthetic", times, None if found is None else found.poses),
    )


def _describe(path: Path) -> tuple[Path, Path, dict[str, Any]]:
    """The log's folder, its description's path, and what that says."""
    folder = path if path.is_dir() else path.parent
    description = folder / DESCRIPTION
    values = read_json(description)
    if values.get("format") != FORMAT:
        raise LogError(f"{description}: format: expected {FORMAT!r}, found {values.get('format')!r}")
    if values.get("version") != _VERSION:
        raise LogError(
            f"{description}: version: this program reads {_VERSION}, found {values.get('version')!r}; "
            "write the drive again with this version of lapose synth"
        )
    return folder, description, values


def _name(values: dict[str, Any], folder: Path) -> str:
    name = values.get("name")
    return name if isinstance(name, str) and name else folder.resolve().name


def _list(path: Path) -> list[Listing]:
    folder, description, values = _describe(path)
    times = _times(values.get("times"), description)
    name = _name(values, folder)
    return [Listing(name, name, frames=len(times), seconds=float(times[-1] - times[0]))]


def _camera_height(mount: object, where: Path) -> float | None:
    if mount is None:
        return None
    height = mount.get("height") if isinstance(mount, dict) else None
    if isinstance(height, bool) or not isinstance(height, int | float) or not 0 < height < 100:
        raise LogError(f"{where}: mount: height: expected metres over the road, found {height!r}")
    return float(height)


def _times(values: object, where: Path) -> Array:
    if not isinstance(values, list) or not values:
        raise LogError(f"{where}: times: expected a list of seconds, one per frame")
    try:
        times = np.array([float(v) for v in values])
    except (TypeError, ValueError) as error:
        raise LogError(f"{where}: times: not all are numbers") from error
    late = np.flatnonzero(~(np.diff(times) > 0))
    if len(late) or not np.isfinite(times).all():
        raise LogError(f"{where}: times: entry {int(late[0]) + 1 if len(late) else 0} does not come after the last")
    return times


def _frames(folder: Path, name: Any) -> tuple[Callable[[], FrameSource], tuple[int, int], int]:
    """How to open the frames, their width and height, and how many there are."""
    path = inside(folder, name, "frames")
    if path.is_dir():
        files = [inside(folder, str(p.relative_to(folder)), "frames") for p in list_images(path)]
        if not files:
            raise LogError(f"{path}: no .png or .jpg pictures in this folder")
        size = common_size(files)
        return partial(ImageSource, files, size), size, len(files)
    if not path.is_file():
        raise LogError(f"{folder / DESCRIPTION}: frames: there is no {name!r} in the log's folder")
    source = VideoSource(path)
    try:
        return partial(VideoSource, path, source.index), (source.width, source.height), len(source)
    finally:
        source.close()


def _regimes(values: object, count: int, where: Path) -> dict[str, NDArray]:
    if not isinstance(values, dict):
        raise LogError(f"{where}: regimes: expected an object of lists, one entry per frame")
    regimes = {}
    for name, labels in values.items():
        if not isinstance(labels, list) or len(labels) != count:
            raise LogError(f"{where}: regimes: {name}: expected a list of {count} labels, one per frame")
        if not all(isinstance(label, str | bool | int | float) for label in labels):
            raise LogError(f"{where}: regimes: {name}: labels are text, numbers, or true and false")
        regimes[name] = np.array(labels)
    return regimes


def _matches(path: Path) -> bool:
    return path.name == DESCRIPTION if path.is_file() else (path / DESCRIPTION).is_file()


def _open(path: Path, key: str, options: LogOptions) -> Drive:
    return open_synthetic(path, options)


READER = Reader(
    name="synthetic",
    title="a drive of lapose synth",
    matches=_matches,
    list=_list,
    open=_open,
)
