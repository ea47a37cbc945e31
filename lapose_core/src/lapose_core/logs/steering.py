"""Folders of pictures with a steering angle each, as Sully Chen's driving data sets have them.

``data.txt`` names a picture and its angle on each line, ``12.jpg 3.540000``; later sets add when it was taken,
``12.jpg 3.54,2018-07-01 17:09:44:912``, the last field being milliseconds. The pictures lie beside it or in
``data/``.
"""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

import numpy as np

from lapose_core.drive import Drive, LogError, Track, fingerprint
from lapose_core.geometry import Array
from lapose_core.logs.images import ImageSource, common_size, count_images, has_images, list_images
from lapose_core.logs.reader import Listing, LogOptions, Reader
from lapose_core.logs.sidecars import inside
from lapose_core.trajectory_files import poses_from

_TABLE = "data.txt"
_FOLDERS = (".", "data")
_RATE = 30.0
_LINE = "'<picture> <angle in degrees>[,<year-month-day hour:minute:second:millisecond>]'"
_DATE = re.compile(r"(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(?:[:.](\d{1,3}))?")
# Fewer dates than this share of the pictures are no clock.
_ENOUGH = 0.5


def is_steering(path: Path) -> bool:
    """Whether ``path`` is such a folder, or the data.txt of one: by names, without listing every picture."""
    return _pictures_beside(path.parent if path.name == _TABLE else path) is not None


def list_steering(path: Path) -> list[Listing]:
    """The one drive of the folder.

    Raises:
        LogError: where the folder cannot be read.
    """
    folder = path.parent if path.name == _TABLE else path
    pictures = _pictures_beside(folder)
    if pictures is None:
        raise LogError(f"{folder}: expected {_TABLE} and pictures beside it or in data/")
    name = folder.resolve().name
    return [Listing(name, name, frames=count_images(pictures))]


def open_steering(path: Path, key: str, options: LogOptions) -> Drive:
    """The drive of such a folder, with its pictures in natural order and the steering angle as a track.

    Pictures are timed by the dates of data.txt, those without a usable date evenly between their neighbours;
    where less than half have one, 30 Hz are assumed. Lines that cannot be read are counted in a note.

    Raises:
        LogError: where data.txt cannot be read, holds no such line, or the pictures differ in size.
    """
    folder = path.parent if path.name == _TABLE else path
    pictures = _pictures_beside(folder)
    if pictures is None or key not in ("", folder.resolve().name):
        raise LogError(f"{folder}: {key}: no such drive; expected {_TABLE} and pictures beside it or in data/")
    files = list_images(inside(folder, pictures.relative_to(folder).as_posix(), "pictures"))
    if not files:
        raise LogError(f"{pictures}: no .png or .jpg pictures in this folder")
    width, height = common_size(files)
    notes: list[str] = []
    angles, moments = _table(folder, files, notes)
    times, clock = _times(moments, notes)
    known = np.isfinite(angles)
    if not known.all():
        notes.append(f"{int((~known).sum())} of {len(files)} pictures have no angle in {_TABLE}.")
    source = f"{_TABLE}, of the steering wheel, positive to the right"
    provenance = {"frames": f"pictures {files[0].name} to {files[-1].name}", "timestamps": clock}
    found = poses_from(options, times)
    if found is not None:
        provenance["poses"] = found.provenance
        notes += found.notes
    poses = None if found is None else found.poses
    return Drive(
        name=folder.resolve().name,
        path=folder,
        format="steering",
        width=width,
        height=height,
        timestamps=times,
        open_frames=partial(ImageSource, files, (width, height)),
        poses=poses,
        pose_valid=None if found is None else found.valid,
        tracks={"steering angle": Track(times[known], angles[known], "deg", source)},
        provenance=provenance,
        notes=tuple(notes),
        fingerprint=fingerprint(pictures, "steering", times, poses),
    )


def _pictures_beside(folder: Path) -> Path | None:
    """The folder of the pictures that data.txt in ``folder`` is about."""
    try:
        if not (folder / _TABLE).is_file():
            return None
        for name in _FOLDERS:
            if (folder / name).is_dir() and has_images(folder / name):
                return folder / name
    except OSError:
        pass
    return None


def _table(folder: Path, files: list[Path], notes: list[str]) -> tuple[Array, Array]:
    """Angles [N] in degrees and dates [N] in seconds since 1970 of the pictures, NaN where there is none."""
    path = inside(folder, _TABLE, "file")
    try:
        lines = path.read_text(encoding="utf-8-sig", errors="replace").splitlines()
    except OSError as error:
        raise LogError(f"{path}: cannot be read ({error.strerror})") from error
    row = {file.name: i for i, file in enumerate(files)}
    angles, moments = np.full(len(files), np.nan), np.full(len(files), np.nan)
    strange, absent = [], 0
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        name, _, values = line.strip().partition(" ")
        angle, _, date = values.partition(",")
        try:
            value = float(angle)
        except ValueError:
            value = np.nan
        if not np.isfinite(value):
            strange.append(number)
        elif name not in row:  # nor is a name with a folder in it: only pictures of this folder are frames
            absent += 1
        else:
            angles[row[name]] = value
            moments[row[name]] = _seconds(date)
    if len(strange) == len([line for line in lines if line.strip()]):
        raise LogError(f"{path}: no line reads {_LINE}; mend it, or rename it to open the pictures without angles")
    if absent and np.isnan(angles).all():
        raise LogError(f"{path}: none of the pictures that it names is in {files[0].parent}; put them there")
    if strange:
        notes.append(f"{len(strange)} lines of {_TABLE} are left out: line {strange[0]} is not {_LINE}.")
    if absent:
        notes.append(f"{absent} pictures that {_TABLE} names are not there.")
    return angles, moments


def _seconds(date: str) -> float:
    match = _DATE.fullmatch(date.strip())
    if match is None:
        return float("nan")
    day, clock, milliseconds = match.groups()
    try:
        moment = np.datetime64(f"{day}T{clock}", "ms")
    except ValueError:  # the 31st of February
        return float("nan")
    return float(moment.astype(np.int64)) * 1e-3 + int(milliseconds or 0) * 1e-3


def _times(moments: Array, notes: list[str]) -> tuple[Array, str]:
    """Seconds from the first picture [N], strictly increasing, and where they come from."""
    count = len(moments)
    latest = np.maximum.accumulate(np.where(np.isfinite(moments), moments, -np.inf))
    before = np.append(-np.inf, latest[:-1])
    good = np.flatnonzero(np.isfinite(moments) & (moments > before))
    if len(good) < max(2, _ENOUGH * count):
        what = "no dates" if not np.isfinite(moments).any() else "too few dates in order"
        notes.append(f"{_TABLE} has {what}: {_RATE:g} pictures per second are assumed.")
        return np.arange(count) / _RATE, f"assumed {_RATE:g} Hz"
    times = np.interp(np.arange(count), good, moments[good] - moments[good[0]])
    step = float(np.median(np.diff(moments[good]) / np.diff(good)))
    times[: good[0]] = step * np.arange(-good[0], 0)
    times[good[-1] + 1 :] += step * np.arange(1, count - good[-1])
    if len(good) < count:
        notes.append(
            f"{count - len(good)} of {count} pictures have no date after the one before: they are spread evenly."
        )
    return times - times[0], f"the dates in {_TABLE}, from the first picture"


READER = Reader("steering", "pictures with steering angles (data.txt)", is_steering, list_steering, open_steering)
