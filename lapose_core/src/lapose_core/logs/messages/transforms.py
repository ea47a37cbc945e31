"""The tree of coordinate frames that a recording's transforms span (tf2_msgs/TFMessage, foxglove/FrameTransform)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from lapose_core.geometry import Array, invert, make_poses, matrix_from_quaternion
from lapose_core.logs.messages.decoders import Message, frame_id, stamp_nanoseconds
from lapose_core.logs.messages.log import Ints
from lapose_core.logs.pose_sync import FramePoses, poses_at

Flags = NDArray[np.bool_]

TRANSFORMS = (
    "tf2_msgs/TFMessage",
    "tf/tfMessage",
    "geometry_msgs/TransformStamped",
    "foxglove/FrameTransform",
    "foxglove/FrameTransforms",
)
# A transform that never moves by more than this is one of the vehicle's build.
_STATIC_METRES, _STATIC_ROTATION = 1e-6, 1e-6
_DEEPEST = 64
_FARTHEST = 1e8  # metres


@dataclass
class Samples:
    """Poses as they come from messages: one row (nanoseconds; x y z; qx qy qz qw) each."""

    times: list[int] = field(default_factory=list)
    rows: list[tuple[float, ...]] = field(default_factory=list)
    dropped: int = 0

    def add(self, time: int, position: object, quaternion: object) -> None:
        """Take a sample; one that is not finite, or whose quaternion is not of length 1, is counted as dropped."""
        row = (*_numbers(position, "xyz"), *_numbers(quaternion, "xyzw"))
        # Beyond the earth's size a position is damage, and its square would overflow.
        if not np.isfinite(row).all() or abs(math.hypot(*row[3:]) - 1) > 0.01 or max(map(abs, row[:3])) > _FARTHEST:
            self.dropped += 1
        else:
            self.times.append(time)
            self.rows.append(row)

    def poses(self) -> tuple[Ints, Array]:
        """Strictly increasing times [K] in nanoseconds, and poses [K, 4, 4]; the first of equal times is taken."""
        times, first = np.unique(np.array(self.times, np.int64), return_index=True)
        rows = np.array(self.rows, np.float64).reshape(-1, 7)[first]
        if not len(rows):
            return times, np.zeros((0, 4, 4))
        return times, make_poses(matrix_from_quaternion(rows[:, 3:]), rows[:, :3])


def _numbers(value: object, names: str) -> tuple[float, ...]:
    values = value if isinstance(value, Mapping) else {}
    found = (values.get(name) for name in names)
    return tuple(float(v) if isinstance(v, int | float) else float("nan") for v in found)


class FrameTree:
    """Transforms between named frames over time."""

    def __init__(self) -> None:
        self._samples: dict[str, dict[str, Samples]] = {}  # child -> parent -> poses of the child in the parent
        self._edges: dict[str, tuple[str, Ints, Array]] = {}

    def add(self, kind: str, message: Message, log_time: int) -> None:
        """Take the transforms of one message of one of the schemas `TRANSFORMS`."""
        for transform in _transforms(kind, message):
            if kind.startswith("foxglove/"):
                parent, child = transform.get("parent_frame_id"), transform.get("child_frame_id")
                stamp, values = stamp_nanoseconds(transform.get("timestamp")), transform
            else:
                parent, child = frame_id(transform), transform.get("child_frame_id")
                header = transform.get("header")
                stamp = stamp_nanoseconds(header.get("stamp")) if isinstance(header, Mapping) else None
                values = transform.get("transform") or {}
            parent, child = str(parent or "").lstrip("/"), str(child or "").lstrip("/")
            if parent and child and parent != child:
                samples = self._samples.setdefault(child, {}).setdefault(parent, Samples())
                samples.add(log_time if stamp is None else stamp, values.get("translation"), values.get("rotation"))
                self._edges.pop(child, None)

    @property
    def dropped(self) -> int:
        """How many transforms were left out because they are none."""
        return sum(s.dropped for parents in self._samples.values() for s in parents.values())

    def __contains__(self, frame: str) -> bool:
        return frame in self._samples or any(frame in parents for parents in self._samples.values())

    def root(self, frame: str) -> str:
        """The frame that everything above ``frame`` hangs from."""
        return self._upwards(frame)[-1]

    def moves(self, frame: str) -> bool:
        """Whether anything between ``frame`` and its root moves."""
        return any(len(self._edge(child)[1]) > 1 for child in self._upwards(frame)[:-1])

    def moving_child(self) -> str | None:
        """The frame of the vehicle: the deepest one that moves against its parent."""
        moving = [child for child in self._samples if len(self._edge(child)[1]) > 1]
        return max(moving, key=lambda child: (len(self._upwards(child)), child), default=None)

    def lookup(self, target: str, source: str, times: Ints, max_gap: float) -> FramePoses | None:
        """Poses of frame ``source`` in frame ``target`` at ``times`` [M] ns; None where nothing connects them.

        Each transform that moves is interpolated by `poses_at` with its gap bound; those that do not hold always.
        """
        if target == source:
            return FramePoses(np.repeat(np.eye(4)[None], len(times), 0), np.ones(len(times), bool), "the same frame")
        up, down = self._upwards(source), self._upwards(target)
        common = next((frame for frame in up if frame in down), None)
        if common is None:
            return None
        poses = back = np.repeat(np.eye(4)[None], len(times), axis=0)
        valid = np.ones(len(times), bool)
        for child in reversed(up[: up.index(common)]):
            poses, valid = self._chain(poses, valid, child, times, max_gap)
        for child in reversed(down[: down.index(common)]):
            back, valid = self._chain(back, valid, child, times, max_gap)
        out = invert(back) @ poses
        out[~valid] = np.eye(4)
        return FramePoses(out, valid, f"{target} to {source} by transforms")

    def _chain(self, poses: Array, valid: Flags, child: str, times: Ints, max_gap: float) -> tuple[Array, Flags]:
        """``poses`` [M, 4, 4] followed by the transform above ``child``, and where both are known."""
        _, known, edge = self._edge(child)
        if len(known) == 0:
            return poses, np.zeros(len(times), bool)
        if len(known) == 1:
            return poses @ edge[0], valid
        origin = known[0]
        step = float(np.median(np.diff(known))) * 1e-9
        found = poses_at((times - origin) * 1e-9, (known - origin) * 1e-9, edge, max_gap=max(max_gap, 3 * step))
        return poses @ found.poses, valid & found.valid

    def _edge(self, child: str) -> tuple[str, Ints, Array]:
        """Parent, times and poses of a frame; one pose where it does not move. Of several parents the busiest."""
        if child not in self._edges:
            parents = self._samples[child]
            parent = max(parents, key=lambda name: len(parents[name].times))
            times, poses = parents[parent].poses()
            if len(poses) > 1:
                off = np.abs(poses - poses[0])
                if off[:, :3, 3].max() <= _STATIC_METRES and off[:, :3, :3].max() <= _STATIC_ROTATION:
                    times, poses = times[:1], poses[:1]
            self._edges[child] = (parent, times, poses)
        return self._edges[child]

    def _upwards(self, frame: str) -> list[str]:
        """The frame, its parent, and so on; a loop ends where it closes."""
        path = [frame]
        while path[-1] in self._samples and len(path) < _DEEPEST:
            parent = self._edge(path[-1])[0]
            if parent in path:
                break
            path.append(parent)
        return path


def _transforms(kind: str, message: Message) -> Iterator[Message]:
    if kind in ("geometry_msgs/TransformStamped", "foxglove/FrameTransform"):
        yield message
    else:
        several = message.get("transforms")
        yield from (t for t in several if isinstance(t, Mapping)) if isinstance(several, list) else ()
