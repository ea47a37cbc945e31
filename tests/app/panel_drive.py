"""A drive made for looking at panels: its pictures carry their own frame index, its path is known exactly."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from lapose_core.drive import Drive, Image, Intrinsics
from lapose_core.geometry import Array, accumulate, make_poses, relative
from lapose_core.inference.result import DriveAnalysis, WindowResult

WIDTH, HEIGHT, BITS = 480, 224, 12
CAMERA = Intrinsics(260.0, 260.0, 240.0, 100.0, WIDTH, HEIGHT)


def index_picture(index: int, width: int = WIDTH, height: int = HEIGHT) -> Image:
    """A picture whose middle band spells ``index`` in BITS blocks, white for one and black for zero."""
    image = np.full((height, width, 3), 96, np.uint8)
    image[: height // 3] = (120, 140, 160)
    for bit in range(BITS):
        left, right = bit * width // BITS, (bit + 1) * width // BITS
        image[int(0.36 * height) : int(0.5 * height), left:right] = 255 if index >> bit & 1 else 0
    return image


def read_index(picture: Image) -> int:
    """The index that a picture of any size spells, read in the middle of each block."""
    height, width = picture.shape[:2]
    row = picture[int(0.43 * height)].mean(-1)
    return sum(1 << bit for bit in range(BITS) if row[int((bit + 0.5) * width / BITS)] > 127)


class IndexFrames:
    """Frames that spell their index; ``read`` raises for those in ``broken``."""

    def __init__(self, count: int, broken: tuple[int, ...] = ()) -> None:
        self._count, self._broken = count, broken

    def __len__(self) -> int:
        return self._count

    def read(self, index: int) -> Image:
        if index in self._broken:
            raise OSError(f"frame {index}: the packet is damaged")
        return index_picture(index)

    def iterate(self, start: int = 0, stop: int | None = None, step: int = 1) -> Iterator[tuple[int, Image]]:
        for index in range(start, self._count if stop is None else stop, step):
            yield index, self.read(index)

    def close(self) -> None:
        pass


def turn(yaw: float) -> Array:
    """Rotation [3, 3] about the camera's y axis, positive to the right."""
    c, s = np.cos(yaw), np.sin(yaw)
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])


def step_pose(forward: float, yaw: float) -> Array:
    """A relative pose [4, 4]: ``forward`` metres ahead, then ``yaw`` radians to the right."""
    return make_poses(turn(yaw), np.array([np.sin(yaw / 2) * forward, 0.0, np.cos(yaw / 2) * forward]))


def winding_path(count: int, rate: float) -> Array:
    """[count, 4, 4]: between 4 and 12 m/s on bends to both sides."""
    seconds = np.arange(count - 1) / rate
    speed = 8 + 4 * np.sin(seconds / 3)
    turning = 0.18 * np.sin(seconds / 2)
    return accumulate(np.stack([step_pose(v / rate, w / rate) for v, w in zip(speed, turning, strict=True)]))


def make_drive(
    count: int = 240,
    rate: float = 10.0,
    *,
    poses: Array | None = None,
    truth: bool = True,
    intrinsics: Intrinsics | None = CAMERA,
    broken: tuple[int, ...] = (),
    name: str = "panels",
) -> Drive:
    """``count`` frames at ``rate`` Hz that begin at 100 s, as no log begins at zero."""
    if truth and poses is None:
        poses = winding_path(count, rate)
    return Drive(
        name=name,
        path=Path("/nowhere") / name,
        format="test",
        width=WIDTH,
        height=HEIGHT,
        timestamps=100.0 + np.arange(count) / rate,
        open_frames=partial(IndexFrames, count, broken),
        poses=poses if truth else None,
        intrinsics=intrinsics,
        fingerprint="0123456789abcdef",
    )


def analyse(
    drive: Drive,
    path: Array,
    rate: float = 2.0,
    *,
    until: float = 1.0,
    window: int = 16,
    fov: float = 1.2,
    noise: float = 0.0,
) -> DriveAnalysis:
    """An analysis that predicts the motion of ``path`` [N, 4, 4], over the first ``until`` of the drive."""
    analysis = DriveAnalysis.for_drive(
        drive, rate, window=window, latent_dim=4, checkpoint_hash="0" * 16, checkpoint_name="hand-made"
    )
    random = np.random.default_rng(5)
    steps = relative(path[analysis.frames])
    for t in range(len(steps) if noise else 0):
        steps[t] = steps[t] @ step_pose(0.0, noise * 0.01 * random.normal())
        steps[t, :3, 3] *= 1 + noise * 0.05 * random.normal()
    count = analysis.window_length - 1
    surprise = 2.3 + 0.5 * np.sin(np.arange(len(steps)) / 4) + 0.2 * random.normal(size=len(steps))
    for index, start in enumerate(analysis.window_starts):
        if start + count <= until * len(steps):
            part = slice(start, start + count)
            analysis.merge(
                WindowResult(
                    index=index,
                    start=start,
                    latents=np.zeros((count, 4), np.float32),
                    relative=steps[part],
                    fov=np.full(count, fov),
                    scale=1.0,
                    cross_entropy=surprise[part],
                )
            )
    return analysis
