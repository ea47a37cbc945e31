"""Known trajectories cut into windows, and small drives held in memory, for the inference tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from lapose_core.drive import Drive, Image, Intrinsics, LogError
from lapose_core.geometry import Array, accumulate, make_poses, relative
from lapose_core.inference.result import DriveAnalysis, WindowResult

LATENTS = 5


def rotation_y(angle: Array | float) -> Array:
    """Rotation matrices [..., 3, 3] about the camera's y axis: yaw to the right."""
    a = np.asarray(angle, np.float64)
    zero, one = np.zeros_like(a), np.ones_like(a)
    rows = [[np.cos(a), zero, np.sin(a)], [zero, one, zero], [-np.sin(a), zero, np.cos(a)]]
    return np.stack([np.stack(r, -1) for r in rows], -2)


def winding_path(n: int, seed: int = 0) -> Array:
    """Poses [n, 4, 4] of a car that turns, pitches, stops and reverses."""
    rng = np.random.default_rng(seed)
    yaw = rng.normal(0, 0.15, n - 1)
    pitch = rotation_y(rng.normal(0, 0.02, n - 1))[:, [1, 0, 2]][:, :, [1, 0, 2]]
    step = np.stack([rng.normal(0, 0.05, n - 1), np.zeros(n - 1), rng.normal(2, 2, n - 1)], -1)
    step[n // 3] = 0.0
    return accumulate(make_poses(rotation_y(yaw) @ pitch, step))


def empty_analysis(samples: int, window: int = 16, truth: Array | None = None) -> DriveAnalysis:
    return DriveAnalysis(
        drive_name="a drive",
        drive_path="/logs/a drive",
        fingerprint="0123456789abcdef",
        checkpoint_name="nano",
        checkpoint_hash="fedcba98",
        rate=2.0,
        window=window,
        latent_dim=LATENTS,
        frames=np.arange(samples, dtype=np.int64) * 5 + 3,
        times=np.arange(samples) * 0.5 + 100.0,
        truth=truth,
        view="76543210",
    )


def windows_of(analysis: DriveAnalysis, poses: Array, noise: float = 0.0) -> list[WindowResult]:
    """Each window's view of the trajectory ``poses``; with ``noise``, each window errs in its own way."""
    steps = relative(poses)
    out = []
    for index, start in enumerate(analysis.window_starts):
        rng = np.random.default_rng(1000 + index)
        part = steps[start : start + analysis.window_length - 1].copy()
        n = len(part)
        part[:, :3, 3] += noise * rng.normal(size=(n, 3))
        part[:, :3, :3] = part[:, :3, :3] @ rotation_y(noise * rng.normal(size=n))
        out.append(
            WindowResult(
                index=index,
                start=start,
                latents=rng.normal(size=(n, LATENTS)).astype(np.float32),
                relative=part,
                fov=1.0 + rng.random(n),
                scale=float(rng.random() + 0.5),
                cross_entropy=rng.random(n) * 3,
            )
        )
    return out


class ArraySource:
    """A frame source over images in memory; ``broken`` frames raise as an undecodable one does."""

    def __init__(self, drive: MemoryDrive) -> None:
        self._drive = drive
        self.closed = False

    def __len__(self) -> int:
        return len(self._drive.images)

    def read(self, index: int) -> Image:
        if self.closed:
            raise LogError("the source is closed")
        self._drive.reads.append(index)
        if index in self._drive.broken:
            raise LogError(f"memory: frame {index}: cannot be decoded")
        return self._drive.images[index]

    def iterate(self, start: int = 0, stop: int | None = None, step: int = 1) -> Iterator[tuple[int, Image]]:
        for i in range(start, len(self) if stop is None else stop, step):
            yield i, self.read(i)

    def close(self) -> None:
        self.closed = True


class MemoryDrive:
    """Random pictures that shift from frame to frame; it remembers its reads and its sources."""

    def __init__(self, n: int, size: tuple[int, int] = (150, 56), broken: frozenset[int] = frozenset()) -> None:
        width, height = size
        rng = np.random.default_rng(n)
        wide = rng.integers(0, 256, (height, width + 2 * n, 3), dtype=np.uint8)
        self.images = [np.ascontiguousarray(wide[:, 2 * i : 2 * i + width]) for i in range(n)]
        self.broken = broken
        self.reads: list[int] = []
        self.sources: list[ArraySource] = []
        self.drive = Drive(
            name="memory",
            path=Path("memory"),
            format="memory",
            width=width,
            height=height,
            timestamps=np.arange(n) * 0.25,
            open_frames=self._open,
            poses=winding_path(n),
            intrinsics=Intrinsics(80.0, 80.0, width / 2, height / 2, width, height),
            fingerprint="00ff00ff00ff00ff",
        )

    def _open(self) -> ArraySource:
        self.sources.append(ArraySource(self))
        return self.sources[-1]
