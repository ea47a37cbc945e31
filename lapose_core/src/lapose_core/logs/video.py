"""A video file, with an optional pose file and camera beside it."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from lapose_core.drive import Drive, Intrinsics, fingerprint
from lapose_core.geometry import Array
from lapose_core.logs.sidecars import parse_intrinsics, read_json
from lapose_core.trajectory_files import FramePoses, pose_format, poses_for_frames
from lapose_core.video import VideoSource

SUFFIXES = (
    ".mp4",
    ".mov",
    ".mkv",
    ".avi",
    ".webm",
    ".m4v",
    ".ts",
    ".mpg",
    ".mpeg",
    ".wmv",
    ".flv",
    ".hevc",
    ".h264",
)


def open_video_log(path: Path, poses: Path | None = None) -> Drive:
    """The drive of any video that PyAV opens.

    Poses come from ``poses`` or from a file beside the video: its own name with .tum, .kitti or .txt, or,
    where it is the only video of its folder, poses.tum or poses.txt. The camera comes from
    ``<name>.intrinsics.json``. Times in a TUM file are seconds from the first frame.

    Raises:
        LogError: where the video, the poses or the camera cannot be read.
    """
    source = VideoSource(path)
    try:
        index, width, height, codec = source.index, source.width, source.height, source.description
    finally:
        source.close()
    provenance = {"frames": f"{path.name} ({codec})", "timestamps": "the video's presentation times, from 0"}
    notes = list(index.notes)
    found = _poses(path, poses, notes, index.timestamps)
    if found is not None:
        provenance["poses"] = found.provenance
        notes += found.notes
    camera: Intrinsics | None = None
    camera_file = path.with_suffix(".intrinsics.json")
    if camera_file.is_file():
        camera = parse_intrinsics(read_json(camera_file), width, height, str(camera_file))
        provenance["intrinsics"] = camera_file.name
    return Drive(
        name=path.name,
        path=path,
        format="video",
        width=width,
        height=height,
        timestamps=index.timestamps,
        open_frames=partial(VideoSource, path, index),
        poses=None if found is None else found.poses,
        pose_valid=None if found is None else found.valid,
        intrinsics=camera,
        provenance=provenance,
        notes=tuple(notes),
        fingerprint=fingerprint(path, "video", index.timestamps, None if found is None else found.poses),
    )


def list_videos(folder: Path) -> list[Path]:
    """The files in ``folder`` that are named like videos."""
    named = (p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES and not p.name.startswith("."))
    return sorted(p for p in named if p.is_file())


def _poses(path: Path, given: Path | None, notes: list[str], timestamps: Array) -> FramePoses | None:
    if given is not None:
        return poses_for_frames(given, timestamps)
    own = [path.with_suffix(suffix) for suffix in (".tum", ".kitti", ".txt")]
    common = [path.parent / name for name in ("poses.tum", "poses.txt")]
    beside = [p for p in own + (common if len(list_videos(path.parent)) <= 1 else []) if p.is_file() and p != path]
    if not beside:
        return None
    # A text file of the video's name may be anything, a description say; but poses must be good ones.
    if beside[0].suffix == ".txt" and pose_format(beside[0]) is None:
        notes.append(f"{beside[0].name} beside the video holds no poses and was left alone.")
        return None
    return poses_for_frames(beside[0], timestamps)
