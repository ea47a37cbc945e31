"""The camera of an image topic: sensor_msgs/CameraInfo and foxglove/CameraCalibration."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from lapose_core.drive import Intrinsics, LogError
from lapose_core.logs.messages.decoders import Message
from lapose_core.logs.sidecars import parse_intrinsics

CALIBRATIONS = ("sensor_msgs/CameraInfo", "foxglove/CameraCalibration")

# distortion_model -> ours, and how many coefficients it has.
_MODELS = {
    "": ("none", 0),
    "none": ("none", 0),
    "plumb_bob": ("brown-conrady", 5),
    "radtan": ("brown-conrady", 4),
    "rational_polynomial": ("brown-conrady", 8),
    "equidistant": ("kannala-brandt", 4),
    "fisheye": ("kannala-brandt", 4),
    "kannala_brandt": ("kannala-brandt", 4),
}


def calibration_for(image_topic: str, topics: Iterable[str]) -> str | None:
    """The calibration topic that belongs to an image topic by its name, or None.

    ROS puts ``camera_info`` beside the images of a camera (``/cam/image_raw``, ``/cam/image_raw/compressed``,
    ``/cam/camera_info``); elsewhere the names share the beginning.
    """
    topics = sorted(topics)
    parts = image_topic.strip("/").split("/")
    for length in range(len(parts), -1, -1):
        beside = [t for t in topics if t.strip("/").split("/")[:-1] == parts[:length]]
        if len(beside) == 1 or (beside and any("camera_info" in t or "calib" in t for t in beside)):
            return next((t for t in beside if "camera_info" in t or "calib" in t), beside[0])
    return None


def read_camera(message: Message, width: int, height: int, rectified: bool, where: str) -> tuple[Intrinsics, str]:
    """The camera of pictures ``width`` x ``height``, and in words which of the message's matrices it is.

    K and the distortion hold for pictures as taken, P for ``rectified`` ones. A calibration of another size of the
    same shape is scaled; one that says nothing of its size is taken to be for these pictures.

    Raises:
        LogError: in one line that begins with ``where``, naming the field that is missing or wrong.
    """
    # Some leave P empty, and mean that rectified pictures have K.
    name = "p" if rectified and any(_numbers(message, "p", where)) else "k"
    matrix = _matrix(message, name, (3, 4) if name == "p" else (3, 3), where)
    named = str(message.get("distortion_model") or "").lower()
    model, count = _MODELS.get(named, (None, 0))
    coefficients = [] if rectified else _numbers(message, "d", where)
    if rectified or not any(coefficients):
        model, coefficients = "none", []
    elif model is None or count == 0:
        raise LogError(f"{where}: distortion_model: {named!r} is not one of {', '.join(filter(None, _MODELS))}")
    elif model == "kannala-brandt":
        coefficients = (coefficients + [0.0] * 4)[:4]
    else:
        # Some write 12 or 14 coefficients, of which those of thin prism and tilt are usually zero.
        if any(coefficients[8:]):
            raise LogError(f"{where}: D: thin prism or tilt coefficients are not modelled")
        length = next((n for n in (4, 5, 8) if n >= len(coefficients)), 8)
        coefficients = (coefficients + [0.0] * length)[:length]
    values = {
        "fx": float(matrix[0, 0]),
        "fy": float(matrix[1, 1]),
        "cx": float(matrix[0, 2]),
        "cy": float(matrix[1, 2]),
        "model": model,
        "distortion": coefficients,
    }
    said = (message.get("width"), message.get("height"))
    size = (said[0], said[1]) if isinstance(said[0], int) and isinstance(said[1], int) else (0, 0)
    size = size if min(size) > 0 else (width, height)
    camera = _fit(parse_intrinsics(values, *size, where, opencv=True), message.get("roi"), width, height, where)
    scaled = "" if size == (width, height) else f", fitted from {size[0]}x{size[1]}"
    return camera, f"{name.upper()}, {'rectified' if rectified else model}{scaled}"


def _fit(camera: Intrinsics, roi: object, width: int, height: int, where: str) -> Intrinsics:
    """The camera of the pictures: the calibrated one, cut to the region that was read out, and scaled."""
    if (camera.width, camera.height) == (width, height):
        return camera
    if isinstance(roi, Mapping) and roi.get("width") and roi.get("height"):
        left, top, wide, high = (int(roi.get(name) or 0) for name in ("x_offset", "y_offset", "width", "height"))
        camera = camera.crop(left, top, wide, high)
    if abs(camera.width * height - camera.height * width) > 0.02 * camera.width * height:
        raise LogError(
            f"{where}: width, height: the calibration is of {camera.width}x{camera.height} pictures, but these are "
            f"{width}x{height}, of another shape"
        )
    return camera.resize(width, height)


def _matrix(message: Message, name: str, shape: tuple[int, int], where: str) -> np.ndarray:
    values = _numbers(message, name, where)
    if len(values) != shape[0] * shape[1]:
        raise LogError(f"{where}: {name.upper()}: expected {shape[0] * shape[1]} numbers, found {len(values)}")
    matrix = np.array(values).reshape(shape)
    if not matrix.any():
        raise LogError(f"{where}: {name.upper()} is all zeros: the camera was not calibrated")
    return matrix


def _numbers(message: Message, name: str, where: str) -> list[float]:
    # ROS 1, protobuf and JSON write these names in capitals, ROS 2 in small letters.
    values = message.get(name, message.get(name.upper(), []))
    try:
        numbers = [float(v) for v in values]
    except (TypeError, ValueError) as error:
        raise LogError(f"{where}: {name.upper()}: expected a list of numbers") from error
    if not np.isfinite(numbers).all():
        raise LogError(f"{where}: {name.upper()}: a value is not finite")
    return numbers
