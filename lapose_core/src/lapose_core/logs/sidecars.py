"""The small files beside a log's frames: times and a camera; and the rule that none lies outside the log."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np

from lapose_core.drive import DistortionModel, Intrinsics, LogError
from lapose_core.geometry import Array

_DISTORTION: Mapping[str, tuple[int, ...]] = {
    "none": (0,),
    "brown-conrady": (4, 5, 8),
    "kannala-brandt": (4,),
}


def inside(folder: Path, name: object, field: str) -> Path:
    """The path that a log calls ``name``, which must lie in the log's folder with all links followed.

    Raises:
        LogError: where it is no name of a file, or leads out of ``folder``.
    """
    try:
        if not isinstance(name, str) or not name:
            raise ValueError
        target = (folder / name).resolve()
    except (ValueError, OSError, RuntimeError) as error:
        raise LogError(f"{folder}: {field}: {name!r} is no file name") from error
    if not target.is_relative_to(folder.resolve()):
        raise LogError(f"{folder}: {field}: {name!r} leads out of the log's folder, which a log may not do")
    return folder / name


def first_existing(folders: Iterable[Path], names: Iterable[str]) -> Path | None:
    """The first file of one of ``names`` in the first of ``folders`` that has any."""
    names = list(names)
    for folder in folders:
        for name in names:
            if (folder / name).is_file():
                return folder / name
    return None


def read_times(path: Path) -> Array:
    """Times [N] in seconds, strictly increasing, of a file with one per line.

    A line is a number of seconds or a date and time (``2011-09-26 13:02:25.964389445``, as in KITTI raw);
    dates are given relative to the first, which loses no digits. ``#`` begins a comment.

    Raises:
        LogError: naming the line that is neither, or does not come after the one before.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig", errors="replace").splitlines()
    except OSError as error:
        raise LogError(f"{path}: the file of times cannot be read ({error.strerror})") from error
    rows = [(n, text.split("#", 1)[0].strip()) for n, text in enumerate(lines, 1)]
    rows = [(n, text) for n, text in rows if text]
    if not rows:
        raise LogError(f"{path}: the file of times is empty; give one time in seconds per line, or remove it")
    times = np.empty(len(rows))
    origin: np.datetime64 | None = None
    for i, (number, text) in enumerate(rows):
        try:
            if "-" in text[1:] and ":" in text:
                moment = np.datetime64(text.replace(" ", "T"), "ns")
                origin = moment if origin is None else origin
                times[i] = (moment - origin) / np.timedelta64(1, "ns") * 1e-9
            else:
                times[i] = float(text)
        except ValueError as error:
            raise LogError(f"{path}: line {number}: {text[:40]!r} is not a time in seconds") from error
        if not np.isfinite(times[i]):
            raise LogError(f"{path}: line {number}: {text[:40]!r} is not a finite time")
        if i and times[i] <= times[i - 1]:
            raise LogError(f"{path}: line {number}: the time does not come after the one before")
    if len(times) > 1 and np.median(np.diff(times)) > 1000:
        raise LogError(f"{path}: the steps are {np.median(np.diff(times)):g}; times must be in seconds")
    return times


def read_json(path: Path) -> dict[str, Any]:
    """The object that a JSON file holds.

    Raises:
        LogError: where it cannot be read or is no JSON object.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise LogError(f"{path}: cannot be read ({error.strerror})") from error
    except (ValueError, RecursionError) as error:
        raise LogError(f"{path}: not valid JSON ({error})") from error
    if not isinstance(value, dict):
        raise LogError(f"{path}: expected a JSON object, found a {type(value).__name__}")
    return value


def parse_intrinsics(values: object, width: int, height: int, where: str, *, opencv: bool) -> Intrinsics:
    """A camera of images ``width`` x ``height`` from a mapping with fx, fy, cx, cy in pixels.

    Optional: ``width``, ``height`` of the images it was calibrated on (it is scaled to ours), ``model``
    (none, brown-conrady, kannala-brandt) and ``distortion`` in OpenCV's order. ``opencv`` tells where cx and cy
    count from: the middle of the first pixel, as OpenCV does, or else its corner, as `Intrinsics` does.

    Raises:
        LogError: naming the field that is missing or wrong; ``where`` begins the message.
    """
    if not isinstance(values, dict):
        raise LogError(f"{where}: expected an object with fx, fy, cx, cy")

    def number(field: str, default: float | None = None) -> float:
        value = values.get(field, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not np.isfinite(value):
            raise LogError(f"{where}: {field}: expected a number of pixels, found {value!r}")
        return float(value)

    model = values.get("model", "none")
    if model not in _DISTORTION:
        raise LogError(f"{where}: model: {model!r} is not one of {', '.join(_DISTORTION)}")
    distortion = values.get("distortion", [])
    if not isinstance(distortion, list) or not all(isinstance(v, int | float) and np.isfinite(v) for v in distortion):
        raise LogError(f"{where}: distortion: expected a list of numbers")
    if len(distortion) not in _DISTORTION[model]:
        allowed = " or ".join(map(str, _DISTORTION[model]))
        raise LogError(f"{where}: distortion: {model} has {allowed} coefficients, found {len(distortion)}")
    size = (int(number("width", width)), int(number("height", height)))
    if min(size) < 1:
        raise LogError(f"{where}: width, height: {size[0]}x{size[1]} is no picture")
    try:
        camera = (Intrinsics.opencv if opencv else Intrinsics)(
            number("fx"),
            number("fy"),
            number("cx"),
            number("cy"),
            *size,
            cast(DistortionModel, model),
            tuple(float(v) for v in distortion),
        )
    except ValueError as error:
        raise LogError(f"{where}: {error}") from error
    if abs(size[0] * height - size[1] * width) > 0.02 * size[0] * height:
        raise LogError(
            f"{where}: the camera is of {size[0]}x{size[1]} pictures, but these are {width}x{height}, "
            "of another shape; give the camera of the pictures"
        )
    return camera if size == (width, height) else camera.resize(width, height)
