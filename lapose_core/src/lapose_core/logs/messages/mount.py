"""Where the camera sits on the vehicle, and so where it is in the world.

ROS bodies have x forward, y left, z up; cameras in an optical frame x right, y down, z forward (REP 103). A picture's
frame should be an optical one, but recordings exist whose pictures name the body frame of the camera; that shows in
its z axis, which then points up.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lapose_core.geometry import Array, make_poses
from lapose_core.logs.messages.log import Ints
from lapose_core.logs.messages.poses import PoseTrack
from lapose_core.logs.messages.transforms import FrameTree
from lapose_core.logs.pose_sync import FramePoses, poses_at

# Optical axes in those of a body with x forward, y left, z up.
OPTICAL_IN_BODY = make_poses(np.array([[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]]), np.zeros(3))
MAX_GAP = 1.0  # seconds; over longer ones a car's motion is no longer linear
_BODIES = ("base_link", "base_footprint", "ego_vehicle", "ego", "vehicle", "base", "body", "chassis")
# The z axis of a frame points up: within 45 degrees of it.
_UP = 0.7
# Beyond this float32 loses centimetres.
_FAR = 1e4


@dataclass(frozen=True)
class Mount:
    """The camera's optical axes: ``offset`` [4, 4] in the axes of frame ``anchor``; ``source`` in words."""

    anchor: str
    offset: Array
    source: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class CameraPath:
    """Where the camera is in the world at any time that the recording covers.

    Poses of frame ``body`` come from a track, or, where that is None, from the transforms below ``world``.
    """

    tree: FrameTree
    mount: Mount
    body: str
    world: str
    track: PoseTrack | None
    origin: Array  # [3], subtracted from world positions

    def at(self, times: Ints) -> FramePoses:
        """Camera-to-world poses at ``times`` [M] in nanoseconds."""
        if self.track is None:
            body = self.tree.lookup(self.world, self.mount.anchor, times, MAX_GAP)
            assert body is not None  # the mount was made of a frame under this root
            poses, valid, gap = body.poses @ self.mount.offset, body.valid, MAX_GAP
        else:
            gap = _gap(self.track.times)
            origin = self.track.times[0]
            found = poses_at((times - origin) * 1e-9, (self.track.times - origin) * 1e-9, self.track.poses, max_gap=gap)
            seat = self.tree.lookup(self.body, self.mount.anchor, times, gap)
            assert seat is not None
            poses, valid = found.poses @ seat.poses @ self.mount.offset, found.valid & seat.valid
        poses[:, :3, 3] -= self.origin
        poses[~valid] = np.eye(4)
        missing = int((~valid).sum())
        how = f"interpolated to the frames' times (linear and slerp, gaps of up to {gap:g} s)"
        return FramePoses(poses, valid, how, (f"{missing} of {len(times)} frames have no pose.",) if missing else ())


def camera_path(track: PoseTrack | None, tree: FrameTree, camera: str, times: Ints) -> CameraPath | None:
    """The camera's way, of a track of poses or, for None, of transforms; None where these do not move the camera.

    ``camera`` is the frame that the pictures name, ``times`` [N] those of the frames.
    """
    if track is None:
        anchor = camera if camera in tree else tree.moving_child()
        if anchor is None or not tree.moves(anchor):
            return None
        world = tree.root(anchor)
        body = tree.moving_child() or anchor
        mount = _mount(tree, anchor, camera, times, world)
        path = CameraPath(tree, mount, body, world, None, np.zeros(3))
    else:
        body, named = _body_of(track, tree, camera)
        mount = _mount(tree, body, camera, times, None)
        if named:
            mount = Mount(mount.anchor, mount.offset, mount.source, (named, *mount.notes))
        path = CameraPath(tree, mount, body, track.parent or "world", track, np.zeros(3))
    path = _upright(path, camera, times)
    found = path.at(times)
    if not found.valid.any():
        return path
    first = found.poses[int(np.argmax(found.valid)), :3, 3]
    far = np.abs(first).max() > _FAR
    return CameraPath(path.tree, path.mount, path.body, path.world, path.track, first if far else np.zeros(3))


def _body_of(track: PoseTrack, tree: FrameTree, camera: str) -> tuple[str, str]:
    """The frame whose poses a track holds, and a note where that is an assumption."""
    if track.child:
        return track.child, ""
    known = next((name for name in _BODIES if name in tree), None) or tree.moving_child()
    known = known or (tree.root(camera) if camera in tree else "")
    if known and known != track.parent:
        return known, f"The poses do not say of which frame they are: {known} is assumed."
    return "", ""


def _mount(tree: FrameTree, body: str, camera: str, times: Ints, world: str | None) -> Mount:
    """How the camera sits: by the transforms from ``body`` to ``camera``, else looking ahead from the body."""
    seat = tree.lookup(body if world is None else world, camera, times, MAX_GAP) if camera else None
    if seat is not None and (camera == body or camera in tree):
        return Mount(camera, np.eye(4), f"transforms to {camera}")
    name = body or "the vehicle"
    why = f"no transform leads from {name} to the camera's frame {camera!r}" if camera else "pictures name no frame"
    return Mount(
        body,
        OPTICAL_IN_BODY,
        f"assumed at the origin of {name}, looking along its x axis",
        (f"The camera is assumed at the origin of {name}, looking along its x axis: {why}.",),
    )


def _upright(path: CameraPath, camera: str, times: Ints) -> CameraPath:
    """Turn a camera whose frame is a body frame (z up) into its optical axes; a named optical frame is believed."""
    mount = path.mount
    if mount.anchor != camera or "optical" in camera.lower():
        return path
    seat = None
    if camera != path.body:
        seat = path.tree.lookup(path.body, camera, times[:1], np.inf)
    poses = path.at(times)
    if seat is not None and seat.valid.all():
        up = float(seat.poses[0, 2, 2])
    elif poses.valid.any():
        up = float(np.median(poses.poses[poses.valid, 2, 2]))
    else:
        return path
    if up < _UP:
        return path
    turned = Mount(
        mount.anchor,
        OPTICAL_IN_BODY,
        mount.source + ", whose x axis is taken as forward",
        (*mount.notes, f"The z axis of the camera's frame {camera!r} points up, so its x axis is taken as forward."),
    )
    return CameraPath(path.tree, turned, path.body, path.world, path.track, path.origin)


def _gap(times: Ints) -> float:
    """Seconds over which poses are interpolated: sparse ones, such as satellite fixes, over three of their steps."""
    step = float(np.median(np.diff(times))) * 1e-9 if len(times) > 1 else 0.0
    return max(MAX_GAP, round(3 * step, 3))
