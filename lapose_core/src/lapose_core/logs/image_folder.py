"""A folder of numbered pictures, with optional times, poses and camera beside them."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from lapose_core.drive import Drive, Intrinsics, LogError, fingerprint
from lapose_core.logs.images import ImageSource, common_size, count_images, has_images, list_images
from lapose_core.logs.reader import Listing, LogOptions, Reader
from lapose_core.logs.sidecars import first_existing, parse_intrinsics, read_json, read_times
from lapose_core.trajectory_files import poses_from

_ASSUMED_RATE = 10.0
_TIMES = ("times.txt", "timestamps.txt")
_SUBFOLDERS = ("data", "images", "frames", "rgb")


def find_images(path: Path) -> Path | None:
    """The folder with pictures: ``path``, or its one subfolder data, images, frames or rgb that has some.

    Raises:
        LogError: where several of those have some.
    """
    found = _folders(path)
    if len(found) > 1:
        raise LogError(f"{path}: pictures in {' and '.join(p.name for p in found)}; open one of these folders")
    return found[0] if found else None


def _folders(path: Path) -> list[Path]:
    if has_images(path):
        return [path]
    return [path / name for name in _SUBFOLDERS if (path / name).is_dir() and has_images(path / name)]


def _matches(path: Path) -> bool:
    return path.is_dir() and bool(_folders(path))


def _list(path: Path) -> list[Listing]:
    folder = find_images(path)
    count = 0 if folder is None else count_images(folder)
    name = path.resolve().name
    return [Listing(name or "pictures", name or str(path), frames=count, seconds=_seconds(path, folder, count))]


def _seconds(path: Path, folder: Path | None, count: int) -> float | None:
    beside = first_existing([folder or path, path], _TIMES)
    if beside is None:
        return (count - 1) / _ASSUMED_RATE if count else None
    try:
        times = read_times(beside)
    except LogError:  # told when the drive is opened
        return None
    return float(times[-1] - times[0])


def open_image_folder(path: Path, options: LogOptions) -> Drive:
    """The drive of a folder of .png or .jpg pictures, taken in natural order of their names.

    Optional beside the pictures: times.txt or timestamps.txt (one line per picture), poses.tum, poses.txt,
    poses.kitti or poses.csv, and intrinsics.json (see `parse_intrinsics`). Without times 10 Hz are assumed.

    Raises:
        LogError: where there are no pictures, or a file beside them does not fit.
    """
    folder = find_images(path)
    if folder is None:
        raise LogError(f"{path}: no .png or .jpg pictures in this folder")
    files = list_images(folder)
    width, height = common_size(files)
    beside = (folder, path)
    provenance = {"frames": f"pictures {files[0].name} to {files[-1].name}"}
    notes: list[str] = []

    times_file = first_existing(beside, _TIMES)
    if times_file is not None:
        times = read_times(times_file)
        if len(times) != len(files):
            raise LogError(f"{times_file}: {len(times)} times for {len(files)} pictures; give one line per picture")
        provenance["timestamps"] = times_file.name
    else:
        times = np.arange(len(files)) / _ASSUMED_RATE
        provenance["timestamps"] = f"assumed {_ASSUMED_RATE:g} Hz"
        notes.append(f"The folder has no times.txt: {_ASSUMED_RATE:g} pictures per second are assumed.")

    found = poses_from(options, times, first_existing(beside, ("poses.tum", "poses.txt", "poses.kitti", "poses.csv")))
    if found is not None:
        provenance["poses"] = found.provenance
        notes += found.notes

    camera: Intrinsics | None = None
    camera_file = first_existing(beside, ("intrinsics.json",))
    if camera_file is not None:
        camera = parse_intrinsics(read_json(camera_file), width, height, str(camera_file), opencv=True)
        provenance["intrinsics"] = camera_file.name
    return Drive(
        name=path.name or str(path),
        path=path,
        format="images",
        width=width,
        height=height,
        timestamps=times,
        open_frames=partial(ImageSource, files, (width, height)),
        poses=None if found is None else found.poses,
        pose_valid=None if found is None else found.valid,
        intrinsics=camera,
        provenance=provenance,
        notes=tuple(notes),
        fingerprint=fingerprint(folder, "images", times, None if found is None else found.poses),
    )


def _open(path: Path, key: str, options: LogOptions) -> Drive:
    return open_image_folder(path, options)


READER = Reader(
    name="images",
    title="a folder of .png or .jpg pictures",
    matches=_matches,
    list=_list,
    open=_open,
)
