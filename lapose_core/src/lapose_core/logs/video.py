"""A video file, with an optional pose file and camera beside it."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from lapose_core.drive import Drive, Intrinsics, LogError, fingerprint
from lapose_core.logs.folders import files_in
from lapose_core.logs.reader import Listing, LogOptions, Reader
from lapose_core.logs.sidecars import parse_intrinsics, read_json
from lapose_core.trajectory_files import pose_format, poses_from
from lapose_core.video import VideoSource
from lapose_core.video_index import open_video

_CONTAINER_TICKS = 1e6  # FFmpeg counts a container's duration in microseconds

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


def open_video_log(path: Path, options: LogOptions) -> Drive:
    """The drive of any video that PyAV opens.

    Poses come from ``options.poses`` or from a file beside the video: its own name with .tum, .kitti, .csv or
    .txt, or, where it is the only video of its folder, poses.tum, poses.csv or poses.txt. The camera comes from
    ``<name>.intrinsics.json``. Times of poses are seconds from the first frame.

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
    found = poses_from(options, index.timestamps, _beside(path, notes) if options.poses is None else None)
    if found is not None:
        provenance["poses"] = found.provenance
        notes += found.notes
    camera: Intrinsics | None = None
    camera_file = path.with_suffix(".intrinsics.json")
    if camera_file.is_file():
        camera = parse_intrinsics(read_json(camera_file), width, height, str(camera_file), opencv=True)
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
    return sorted(folder / name for name in files_in(folder, SUFFIXES))


def _beside(path: Path, notes: list[str]) -> Path | None:
    """The pose file beside a video, if any."""
    own = [path.with_suffix(suffix) for suffix in (".tum", ".kitti", ".csv", ".txt")]
    common = [path.parent / name for name in ("poses.tum", "poses.csv", "poses.txt")]
    beside = [p for p in own + (common if len(list_videos(path.parent)) <= 1 else []) if p.is_file() and p != path]
    # A table or text of the video's name may be anything, a description say; but poses must be good ones.
    while beside and beside[0].suffix in (".csv", ".txt") and pose_format(beside[0]) is None:
        notes.append(f"{beside[0].name} beside the video holds no poses and was left alone.")
        beside.pop(0)
    return beside[0] if beside else None


def _matches(path: Path) -> bool:
    if path.is_dir():
        return next(files_in(path, SUFFIXES), None) is not None
    return path.suffix.lower() in SUFFIXES and path.is_file()


def _list(path: Path) -> list[Listing]:
    return [_listing(video) for video in (list_videos(path) if path.is_dir() else [path])]


def _listing(path: Path) -> Listing:
    """What the container's header says; a video that tells nothing, or cannot be read, is listed all the same."""
    try:
        container, stream = open_video(path)
    except LogError:
        return Listing(path.name, path.name, "cannot be read as a video")
    with container:
        seconds = None if not stream.duration else float(stream.duration * stream.time_base)
        if seconds is None and container.duration:
            seconds = container.duration / _CONTAINER_TICKS
        return Listing(path.name, path.name, frames=stream.frames or None, seconds=seconds)


def _open(path: Path, key: str, options: LogOptions) -> Drive:
    if path.is_dir():
        path = next((video for video in list_videos(path) if video.name == key), path / key)
        if not path.is_file() or path.name != key:
            raise LogError(f"{path.parent}: there is no video {key!r}")
    return open_video_log(path, options)


READER = Reader(name="video", title="a video", matches=_matches, list=_list, open=_open)
