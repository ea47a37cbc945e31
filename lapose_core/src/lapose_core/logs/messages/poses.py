"""Topics that say where the vehicle is: odometry, stamped poses, transforms, satellite fixes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lapose_core.geodesy import ecef_from_geodetic, enu_axes
from lapose_core.geometry import Array, make_poses
from lapose_core.logs.messages.decoders import Message, frame_id, message_stamp
from lapose_core.logs.messages.log import Ints
from lapose_core.logs.messages.transforms import TRANSFORMS, Samples

ODOMETRY = ("nav_msgs/Odometry",)
POSES = (
    "geometry_msgs/PoseStamped",
    "geometry_msgs/PoseWithCovarianceStamped",
    "foxglove/PoseInFrame",
    "foxglove/PosesInFrame",
)
FIXES = ("sensor_msgs/NavSatFix", "foxglove/LocationFix")
# What is taken first, where a recording has several.
_RANKS = (ODOMETRY, POSES, TRANSFORMS, FIXES)

# The course of a shorter way than this is noise.
_COURSE_METRES = 1.0


def pose_rank(kind: str) -> int | None:
    """0 for the best kind of source of poses, rising; None for a schema that gives none."""
    return next((rank for rank, kinds in enumerate(_RANKS) if kind in kinds), None)


@dataclass(frozen=True)
class PoseTrack:
    """Poses of frame ``child`` in frame ``parent``, [K, 4, 4] at strictly increasing ``times`` [K] in nanoseconds.

    ``child`` is empty where the messages do not name it; ``derived`` says what was made up; ``place`` [3] is the
    latitude, longitude and altitude of the origin where the poses are in axes east, north, up there.
    """

    times: Ints
    poses: Array
    parent: str
    child: str
    dropped: int = 0
    derived: str = ""
    place: Array | None = None


class PoseMessages:
    """Collects the poses in the messages of one topic."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._samples = Samples()
        self._fixes: list[tuple[int, float, float, float]] = []
        self._speeds: list[tuple[int, float]] = []
        self._parent = self._child = ""

    def add(self, message: Message, log_time: int) -> None:
        """Take one message; one that holds no pose is counted as dropped."""
        stamp = message_stamp(message)
        time = log_time if stamp is None else stamp
        self._parent = self._parent or frame_id(message)
        if self._kind in FIXES:
            self._add_fix(message, time)
            return
        child = message.get("child_frame_id")
        if not self._child and isinstance(child, str):
            self._child = child.lstrip("/")
        pose = message.get("pose")
        if self._kind == "foxglove/PosesInFrame":
            poses = message.get("poses")
            pose = poses[0] if isinstance(poses, list) and poses else None
        if self._kind in ODOMETRY:
            self._add_speed(message, time)
        if isinstance(pose, Mapping) and isinstance(pose.get("pose"), Mapping):
            pose = pose["pose"]
        values: Mapping = pose if isinstance(pose, Mapping) else {}
        self._samples.add(time, values.get("position"), values.get("orientation"))

    def track(self) -> PoseTrack:
        """The poses so far; none is an empty track."""
        if self._kind in FIXES:
            return self._course()
        times, poses = self._samples.poses()
        return PoseTrack(times, poses, self._parent, self._child, self._samples.dropped)

    def fixes(self) -> tuple[Ints, Array, str]:
        """Nanoseconds [K], increasing, latitude, longitude and altitude [K, 3], and the frame that the receiver is in,
        where it is named; only satellite fixes have them."""
        times, first = np.unique(np.array([fix[0] for fix in self._fixes], np.int64), return_index=True)
        return times, np.array([fix[1:] for fix in self._fixes], np.float64).reshape(-1, 3)[first], self._parent

    def speeds(self) -> tuple[Ints, Array]:
        """Nanoseconds [K], increasing, and metres per second forward [K]; only odometry has them."""
        times, first = np.unique(np.array([time for time, _ in self._speeds], np.int64), return_index=True)
        return times, np.array([speed for _, speed in self._speeds], np.float64)[first]

    def _add_speed(self, message: Message, time: int) -> None:
        twist = message.get("twist")
        twist = twist.get("twist") if isinstance(twist, Mapping) else None
        linear = twist.get("linear") if isinstance(twist, Mapping) else None
        value = linear.get("x") if isinstance(linear, Mapping) else None
        if isinstance(value, int | float) and np.isfinite(value):
            self._speeds.append((time, float(value)))

    def _add_fix(self, message: Message, time: int) -> None:
        status = message.get("status")
        fixed = not isinstance(status, Mapping) or (status.get("status") or 0) >= 0
        found = [message.get(name) for name in ("latitude", "longitude", "altitude")]
        values = [float(v) if isinstance(v, int | float) else np.nan for v in found]
        if not np.isfinite(values[2]):
            values[2] = 0.0  # many receivers give no altitude
        if fixed and np.isfinite(values).all() and abs(values[0]) <= 90 and abs(values[1]) <= 360 and any(values[:2]):
            self._fixes.append((time, *values))  # type: ignore[arg-type]
        else:
            self._samples.dropped += 1

    def _course(self) -> PoseTrack:
        times, values, _ = self.fixes()
        if len(times) < 2:
            return PoseTrack(times[:0], np.zeros((0, 4, 4)), "", "", self._samples.dropped)
        centres = east_north_up(values)
        heading = course(centres)
        if heading is None:
            return PoseTrack(times[:0], np.zeros((0, 4, 4)), "", "", self._samples.dropped)
        zero, one = np.zeros(len(heading)), np.ones(len(heading))
        forward = np.stack([np.cos(heading), np.sin(heading), zero], -1)
        left = np.stack([-np.sin(heading), np.cos(heading), zero], -1)
        up = np.stack([zero, zero, one], -1)
        return PoseTrack(
            times,
            make_poses(np.stack([forward, left, up], -1), centres),
            "east-north-up",
            "",
            self._samples.dropped,
            "positions of the satellite receiver; the orientation is derived from the course, level and without roll",
            values[0],
        )


def east_north_up(fixes: Array) -> Array:
    """Metres east, north and up of the first of ``fixes`` [K, 3] (degrees latitude, degrees longitude, metres).

    By way of earth-centred coordinates on the WGS 84 ellipsoid, so that no map projection stretches them.
    """
    centred = ecef_from_geodetic(fixes)
    return (centred - centred[0]) @ enu_axes(float(fixes[0, 0]), float(fixes[0, 1])).T


def course(centres: Array) -> NDArray[np.float64] | None:
    """Direction of travel [K] in radians from east to north at ``centres`` [K, 3]; None where nothing moved.

    Taken from the way between points at least a metre apart around each centre; while standing the last one holds.
    """
    flat = centres[:, :2]
    anchors = [0]
    for k in range(1, len(flat)):
        if np.linalg.norm(flat[k] - flat[anchors[-1]]) >= _COURSE_METRES:
            anchors.append(k)
    if len(anchors) < 2:
        return None
    at = flat[anchors]
    way = np.concatenate([at[1:2] - at[:1], at[2:] - at[:-2], at[-1:] - at[-2:-1]])
    # Exactly there and back again has no direction in the middle; the way in is as good as any.
    way = np.where(np.linalg.norm(way, axis=1, keepdims=True) > 0, way, np.diff(at, axis=0, append=at[-1:]))
    turned = np.unwrap(np.arctan2(way[:, 1], way[:, 0]))
    heading = np.full(len(flat), turned[-1])
    for begin, end, first, last in zip(anchors, anchors[1:], turned, turned[1:]):
        here = np.linalg.norm(flat[begin:end] - flat[begin], axis=1)
        share = np.clip(np.maximum.accumulate(here) / np.linalg.norm(flat[end] - flat[begin]), 0, 1)
        heading[begin:end] = first + share * (last - first)
    return heading
