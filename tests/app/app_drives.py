"""Small real logs and analyses for the application's tests."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
from PIL import Image

from lapose_core.drive import Drive
from lapose_core.export.tum import write_tum
from lapose_core.geometry import Array, accumulate, make_poses, relative
from lapose_core.inference.result import DriveAnalysis, WindowResult

RATE = 10.0
SIZE = (160, 80)
DISTINCT = 40


def turning_path(n: int, step: float = 0.8, turn: float = 0.02) -> Array:
    """Poses [n, 4, 4] that drive ``step`` metres a frame, straight first, then turning right."""
    angles = np.where(np.arange(n - 1) < n // 2, 0.0, turn)
    rotation = np.stack([_about_y(a) for a in angles])
    translation = np.tile([0.0, 0.0, step], (n - 1, 1))
    return accumulate(make_poses(rotation, translation))


def _about_y(angle: float) -> Array:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])


def picture(index: int) -> np.ndarray:
    """Frame ``index``: its pixel (0, 0) tells which one it is, the rest moves."""
    width, height = SIZE
    y, x = np.mgrid[:height, :width]
    image = np.stack([(x * 3 + index * 5) % 256, (y * 5) % 256, (x + y + index * 9) % 256], -1).astype(np.uint8)
    image[:8, :8] = index
    return image


def write_folder(folder: Path, n: int = 40, *, poses: bool = True) -> Path:
    """An image folder of ``n`` frames with TUM poses beside it; from frame 40 on the pictures repeat."""
    folder.mkdir(parents=True)
    for index in range(n):
        path = folder / f"{index:06d}.png"
        if index < DISTINCT:
            Image.fromarray(picture(index)).save(path)
        else:
            path.hardlink_to(folder / f"{index % DISTINCT:06d}.png")
    if poses:
        write_tum(folder / "poses.tum", np.arange(n) / RATE, turning_path(n))
    return folder


def write_cut_video(path: Path) -> Path:
    """A video of 60 frames whose file ends after about half of them, its index being in front."""
    with av.open(str(path), "w", options={"movflags": "faststart"}) as out:
        stream = out.add_stream("libx264", rate=10, options={"g": "5"})
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        for index in range(60):
            for packet in stream.encode(av.VideoFrame.from_ndarray(picture(index % DISTINCT))):
                out.mux(packet)
        for packet in stream.encode():
            out.mux(packet)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    return path


def drive_in_memory(n: int = 40, *, poses: Array | None = None, valid: np.ndarray | None = None) -> Drive:
    """A drive without pictures, for models that never look at one."""

    def no_frames() -> object:
        raise AssertionError("this test reads no frames")

    return Drive(
        "memory", Path("/nowhere"), "test", *SIZE, np.arange(n) / RATE, no_frames,  # type: ignore[arg-type]
        poses=turning_path(n) if poses is None else poses, pose_valid=valid, fingerprint="f" * 16,
    )  # fmt: skip


def analysed(
    drive: Drive,
    *,
    scale: float = 1.0,
    windows: list[int] | None = None,
    rate: float = RATE,
    poses: Array | None = None,
) -> DriveAnalysis:
    """An analysis whose predicted steps are those of ``poses``, or else the true ones, times ``scale``; ``windows``
    limits which."""
    out = DriveAnalysis.for_drive(
        drive, rate, window=16, latent_dim=4, checkpoint_hash="c" * 12, checkpoint_name="exact"
    )
    poses = drive.poses if poses is None else poses
    assert poses is not None
    steps = relative(poses[out.frames])
    steps[:, :3, 3] *= scale
    for index, start in enumerate(out.window_starts):
        if windows is None or index in windows:
            n = out.window_length - 1
            part = slice(start, start + n)
            latents = np.tile(np.arange(4, dtype=np.float32), (n, 1))
            out.merge(WindowResult(index, start, latents, steps[part], np.full(n, 1.2), 0.8, np.full(n, 2.0)))
    return out
