"""The formats without a home of their own pass the suite: synthetic, KITTI odometry, pictures, video."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from conformance import Conformance, Expected
from log_files import (
    BASELINE,
    FOCAL,
    arc,
    kitti_text,
    picture,
    tum_text,
    write_kitti,
    write_pictures,
    write_synthetic,
    write_video,
)
from PIL import Image as Pil

from lapose_core.drive import Image
from lapose_core.logs.image_folder import READER as IMAGES
from lapose_core.logs.kitti_odometry import READER as KITTI
from lapose_core.logs.synthetic import READER as SYNTHETIC
from lapose_core.logs.video import READER as VIDEO


def flat(i: int) -> Image:
    """What `write_pictures` writes as picture i, in colour."""
    return np.full((16, 24, 3), (i * 9, 255 - i, 40), np.uint8)


class TestSynthetic(Conformance):
    reader = SYNTHETIC

    def write_log(self, folder: Path) -> Expected:
        write_synthetic(folder)
        files = (folder / "drive.json", folder / "poses.tum")
        intrinsics = (20.0, 20.0, 12.0, 8.0)
        return Expected(
            folder, "hill", 24, 16, 0.25 * np.arange(6), arc(6), None, intrinsics, files=files, picture=flat
        )


class TestKittiOdometry(Conformance):
    reader = KITTI

    def write_log(self, folder: Path) -> Expected:
        folder.mkdir()
        write_kitti(folder, "03", count=4)
        write_kitti(folder, "07", count=6, cameras=(0, 1, 2))
        for i in range(6):
            Pil.fromarray(flat(i)).save(folder / f"sequences/07/image_2/{i:06d}.png")
        # The left colour camera stands two baselines to the right of camera 0 in these files.
        shift = np.eye(4)
        shift[0, 3] = 2 * BASELINE
        return Expected(
            folder,
            "07",
            24,
            16,
            0.1 * np.arange(6),
            arc(6) @ shift,
            intrinsics=(FOCAL, FOCAL, 12.5, 8.5),
            keys=("03", "07"),
            cameras=("image_2", "image_0", "image_1"),
            files=(folder / "sequences/07/image_2/000004.png",),
            picture=flat,
        )


class TestImages(Conformance):
    reader = IMAGES

    def write_log(self, folder: Path) -> Expected:
        write_pictures(folder, 7)
        times = np.array([0, 0.1, 0.2, 0.35, 0.4, 0.5, 0.6])
        (folder / "times.txt").write_text("".join(f"{100 + t}\n" for t in times))
        (folder / "poses.tum").write_text(tum_text(100 + times[1:], arc(6)))
        (folder / "intrinsics.json").write_text('{"fx": 20, "fy": 21, "cx": 12, "cy": 8}')
        poses = np.concatenate([np.eye(4)[None], arc(6)])
        return Expected(
            folder,
            folder.name,
            24,
            16,
            times,
            poses,
            np.arange(7) > 0,
            (20.0, 21.0, 12.5, 8.5),
            files=(folder / "000003.png", folder / "times.txt", folder / "poses.tum"),
            picture=flat,
        )


class TestVideo(Conformance):
    reader = VIDEO

    def write_log(self, folder: Path) -> Expected:
        folder.mkdir()
        for name in ("a.mp4", "b.mkv"):
            write_video(folder / name, frames=30, gop=8)
        (folder / "b.kitti").write_text(kitti_text(arc(30)))
        (folder / "b.intrinsics.json").write_text(json.dumps({"fx": 90, "fy": 90, "cx": 48, "cy": 32}))
        return Expected(
            folder,
            "b.mkv",
            96,
            64,
            0.04 * np.arange(30),
            arc(30),
            None,
            (90.0, 90.0, 48.5, 32.5),
            keys=("a.mp4", "b.mkv"),
            files=(folder / "b.mkv",),
            picture=lambda i: picture(i, 96, 64),
            picture_error=12,
        )
