"""Lidar sweeps of a recording, in the axes of the camera at the frame that each belongs to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lapose_core.drive import LogError
from lapose_core.geometry import invert
from lapose_core.logs.messages.clouds import read_points
from lapose_core.logs.messages.decoders import frame_id
from lapose_core.logs.messages.log import Entries, Ints, MessageLog, MessageReader, Topic, first_readable
from lapose_core.logs.messages.mount import MAX_GAP, CameraPath, Mount
from lapose_core.logs.messages.ros import DecodeError
from lapose_core.logs.messages.transforms import FrameTree
from lapose_core.logs.sweeps import nearest_once
from lapose_core.point_clouds import moved

# A sweep further from every frame than these seconds belongs to none.
_NEAR = 0.1


@dataclass(frozen=True)
class Sweeps:
    """Points by frame: a callable for `Drive.point_cloud`, usable from any thread.

    Attributes:
        messages: frame -> the message that belongs to it.
        to_camera: [M, 4, 4] points of message m to the axes of the camera at its frame, by ``row``.
    """

    log: MessageLog
    topic: Topic
    entries: Entries
    messages: dict[int, int]
    to_camera: dict[int, NDArray[np.float64]]

    def __call__(self, frame: int) -> NDArray[np.float32] | None:
        """Points [P, 3 or 4] float32 in metres in the camera's axes, None for a frame without a sweep."""
        row = self.messages.get(frame)
        if row is None or self.topic.decoder is None:
            return None
        reader = self.log.open()
        try:
            points = read_points(self.topic.schema, self.topic.decoder.decode(reader.read(self.entries, row)))
        except DecodeError as error:
            raise LogError(f"{self.log.path}: {self.topic.name}, message {row}: {error}") from error
        finally:
            reader.close()
        return moved(points, self.to_camera[frame])


def sweeps_of(
    log: MessageLog,
    topic: Topic,
    reader: MessageReader,
    tree: FrameTree,
    mount: Mount,
    path: CameraPath | None,
    frame_times: Ints,
    entries: Entries,
    times: Ints,
) -> tuple[Sweeps | None, str]:
    """The sweeps of a topic, and a note where there is something to say: None without a transform to the camera.

    A sweep belongs to the frame nearest in time, one to a frame. Where the camera's way is known, the way between
    the sweep's time and the frame's is taken into account. ``entries`` and ``times`` [M] are those of the sweeps.
    """
    assert topic.decoder is not None
    if not len(entries):
        return None, ""
    try:
        lidar = first_readable(reader, topic, entries, topic.name, frame_id)
    except LogError as error:
        return None, f"Point clouds on {topic.name} are left out: {error}."
    origin = frame_times[0]
    messages = nearest_once((frame_times - origin) * 1e-9, (times - origin) * 1e-9, _NEAR)
    frames = np.array(sorted(messages), np.int64)
    rows = np.array([messages[int(frame)] for frame in frames], np.int64)
    found = tree.lookup(mount.anchor, lidar, times[rows], MAX_GAP) if lidar and len(rows) else None
    if found is None:
        return None, (
            f"Point clouds on {topic.name} are left out: no transform leads from {mount.anchor or 'the vehicle'} "
            f"to {lidar or 'their frame, which is not named'}."
        )
    matrices, valid = invert(mount.offset) @ found.poses, found.valid
    if path is not None:
        then, now = path.at(times[rows]), path.at(frame_times[frames])
        both = then.valid & now.valid
        matrices = np.where(both[:, None, None], invert(now.poses) @ then.poses @ matrices, matrices)
    keep = {int(frame): k for k, frame in enumerate(frames) if valid[k]}
    sweeps = Sweeps(
        log, topic, entries, {f: messages[f] for f in keep}, {f: matrices[k].copy() for f, k in keep.items()}
    )
    return sweeps, ""
