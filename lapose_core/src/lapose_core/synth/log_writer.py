"""Writes a synthetic drive as a log that the readers open.

A log is a folder ``drive_<seed, eight digits>``::

    drive.json              written last: a folder without it is an interrupted one
    poses.tum               one line a frame: time x y z qx qy qz qw, camera-to-world, metres
    frames.mp4              H.264, yuv420p, a key frame every 30; frame i is shown at times[i]
    frames/000000.png ...   in place of the video when written without loss

``drive.json`` is one object:

=============  ====================================================================================
format         ``"lapose-synthetic"``
version        1
name           the folder's name
seed           the drive's seed
setting        ``city``, ``suburb``, ``rural``, ``highway`` or ``yard``
seconds, rate  as asked for; Hz
size           [width, height] in pixels
frames         ``"frames.mp4"``, or ``"frames"`` for the folder of PNG files
poses          ``"poses.tum"``
times          [N] seconds, increasing from 0
intrinsics     object of ``fx``, ``fy``, ``cx``, ``cy`` in pixels; pixel i covers [i, i + 1); no distortion
mount          object of ``height``, ``ahead``, ``right`` (metres from the rear axle on the ground) and
               ``pitch``, ``yaw``, ``roll`` (radians; nose up, right, clockwise)
speed          [N] m/s along the car's heading, negative backwards
regimes        object: label name -> list of N values, booleans or strings
=============  ====================================================================================

Coordinates follow ``lapose_core.geometry``; the world's y axis points down and the ground is y = 0.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path

from lapose_core.geometry import quaternion_from_matrix
from lapose_core.synth.drive import SyntheticDrive

QUALITY = 14  # x264's constant rate factor
KEY_INTERVAL = 30


def folder_name(seed: int) -> str:
    """The folder of the drive with this seed."""
    return f"drive_{seed:08d}"


def write_log(drive: SyntheticDrive, out: Path, rate: float, *, lossless: bool = False, quality: int = QUALITY) -> Path:
    """Render ``drive`` and write it into a new folder under ``out``; returns that folder.

    Args:
        rate: frames per second the drive was generated at.
        lossless: PNG files in place of a video.
        quality: x264's constant rate factor; less is better and larger.

    Raises:
        ValueError: where a video cannot have this size: H.264's yuv420p wants even sides.
    """
    width, height = drive.size
    if not lossless and (width % 2 or height % 2):
        raise ValueError(f"size {width}x{height}: a video needs even sides; choose even ones or --lossless")
    folder = out / folder_name(drive.seed)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "drive.json").unlink(missing_ok=True)
    frames = _write_images(drive, folder) if lossless else _write_video(drive, folder, rate, quality)
    quaternion = quaternion_from_matrix(drive.poses[:, :3, :3])
    lines = [
        " ".join(repr(float(v)) for v in (t, *pose[:3, 3], *q))
        for t, pose, q in zip(drive.times, drive.poses, quaternion)
    ]
    (folder / "poses.tum").write_text("\n".join(lines) + "\n")
    k = drive.intrinsics
    content = {
        "format": "lapose-synthetic",
        "version": 1,
        "name": folder.name,
        "seed": drive.seed,
        "setting": drive.setting,
        "seconds": len(drive) / rate,
        "rate": rate,
        "size": [width, height],
        "frames": frames,
        "poses": "poses.tum",
        "times": drive.times.tolist(),
        "intrinsics": {"fx": k.fx, "fy": k.fy, "cx": k.cx, "cy": k.cy},
        "mount": asdict(drive.mount),
        "speed": drive.speed.tolist(),
        "regimes": {name: values.tolist() for name, values in drive.regimes.items()},
    }
    partial = folder / "drive.json.part"
    partial.write_text(json.dumps(content))
    partial.replace(folder / "drive.json")
    return folder


def _write_images(drive: SyntheticDrive, folder: Path) -> str:
    from PIL import Image

    (folder / "frames").mkdir(exist_ok=True)
    for i in range(len(drive)):
        Image.fromarray(drive.render(i)).save(folder / "frames" / f"{i:06d}.png", compress_level=4)
    return "frames"


def _write_video(drive: SyntheticDrive, folder: Path, rate: float, quality: int) -> str:
    import av

    pace = Fraction(rate).limit_denominator(10_000)
    with av.open(str(folder / "frames.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=pace)
        stream.width, stream.height = drive.size
        stream.pix_fmt = "yuv420p"
        stream.time_base = stream.codec_context.time_base = 1 / pace
        # One thread, so that the same drive gives the same file wherever it is written.
        stream.codec_context.thread_count = 1
        # x264's macroblock tree gives another file from run to run even so.
        stream.options = {
            "crf": str(quality),
            "g": str(KEY_INTERVAL),
            "preset": "medium",
            "x264-params": "mbtree=0",
        }
        for i in range(len(drive)):
            frame = av.VideoFrame.from_ndarray(drive.render(i), format="rgb24")
            frame.pts, frame.time_base = i, 1 / pace
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return "frames.mp4"
