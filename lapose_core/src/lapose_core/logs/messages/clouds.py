"""Points of sensor_msgs/PointCloud2 and foxglove/PointCloud."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from lapose_core.geometry import make_poses, matrix_from_quaternion
from lapose_core.logs.messages.decoders import Message, payload
from lapose_core.logs.messages.ros import DecodeError

CLOUDS = ("sensor_msgs/PointCloud2", "foxglove/PointCloud")

_AXES = ("x", "y", "z")
_INTENSITY = ("intensity", "intensities", "reflectivity", "reflectance", "i")
_WIDEST = 1 << 16  # bytes of a point; they have a few dozen
# Codes of the type of a field -> numpy's.
_ROS_TYPES = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 8: "f8"}
_FOXGLOVE_TYPES = {1: "u1", 2: "i1", 3: "u2", 4: "i2", 5: "u4", 6: "i4", 7: "f4", 8: "f8"}


def read_points(kind: str, message: Message) -> NDArray[np.float32]:
    """Points [P, 3] in metres in the axes of the message's frame, or [P, 4] with intensity; those that are not finite
    are left out.

    Raises:
        DecodeError: where x, y or z is missing or the sizes do not fit the bytes.
    """
    foxglove = kind.startswith("foxglove/")
    types = _FOXGLOVE_TYPES if foxglove else _ROS_TYPES
    stride = message.get("point_stride" if foxglove else "point_step")
    if not isinstance(stride, int) or not 0 < stride <= _WIDEST:
        raise DecodeError(f"the points are {stride!r} bytes apart")
    data = payload(message)
    order = ">" if message.get("is_bigendian") else "<"
    fields = {f["name"]: f for f in message.get("fields") or () if isinstance(f, Mapping) and "name" in f}
    names, formats, offsets = [], [], []
    for name in (*_AXES, next((n for n in _INTENSITY if n in fields), "")):
        described = fields.get(name, {})
        letter = types.get(described.get("type" if foxglove else "datatype", 0))
        offset = described.get("offset")
        if letter is not None and isinstance(offset, int) and 0 <= offset <= stride - int(letter[1]):
            names.append(name)
            formats.append(order + letter)
            offsets.append(offset)
        elif name in _AXES:
            raise DecodeError(f"the points have no field {name} that can be read")
    layout = np.dtype({"names": names, "formats": formats, "offsets": offsets, "itemsize": stride})
    rows = _rows(message, data, stride, foxglove)
    values = np.concatenate([np.frombuffer(row, layout) for row in rows]) if rows else np.zeros(0, layout)
    points = np.stack([values[name].astype(np.float64) for name in names], axis=-1)
    points = points[np.isfinite(points[:, :3]).all(axis=1)]
    pose = message.get("pose")
    if foxglove and isinstance(pose, Mapping):
        points = _moved(points, pose)
    return points.astype(np.float32)


def _rows(message: Message, data: memoryview, stride: int, foxglove: bool) -> list[memoryview]:
    """The bytes of the points, row by row, without what pads the rows."""
    if foxglove:
        return [data[: len(data) // stride * stride]]
    width, height, step = (message.get(name) for name in ("width", "height", "row_step"))
    if not isinstance(width, int) or not isinstance(height, int) or width * height * stride > len(data):
        raise DecodeError(f"{len(data)} bytes are too few for {width} x {height} points of {stride} bytes")
    if height <= 1 or not isinstance(step, int) or step <= width * stride:
        return [data[: width * height * stride]]
    if step * (height - 1) + width * stride > len(data):
        raise DecodeError(f"{len(data)} bytes are too few for {height} rows that are {step} bytes apart")
    return [data[k * step : k * step + width * stride] for k in range(height)]


def _moved(points: np.ndarray, pose: Mapping) -> np.ndarray:
    position, orientation = pose.get("position") or {}, pose.get("orientation") or {}
    quaternion = [float(orientation.get(name, 0.0)) for name in "xyzw"]
    if not np.isfinite(quaternion).all() or np.linalg.norm(quaternion) < 0.5:
        return points
    matrix = make_poses(
        matrix_from_quaternion(np.array(quaternion)), np.array([float(position.get(name, 0.0)) for name in "xyz"])
    )
    points[:, :3] = points[:, :3] @ matrix[:3, :3].T + matrix[:3, 3]
    return points
