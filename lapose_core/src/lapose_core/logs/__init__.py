"""Opening a driving log: what it is, is found out by looking at it."""

from __future__ import annotations

from pathlib import Path

from lapose_core.drive import Drive, LogError

_KNOWN = "a video, a KITTI odometry sequence, a folder of .png or .jpg pictures, or a drive of lapose synth"


def open_log(path: Path | str, *, poses: Path | None = None) -> Drive:
    """Open a driving log of any known format.

    Args:
        path: a file or folder.
        poses: a TUM or KITTI pose file to use in place of the log's own.

    Raises:
        LogError: in one line, where there is nothing to read, or what is there cannot be read.
    """
    path = Path(path).expanduser()
    poses = None if poses is None else Path(poses).expanduser()
    try:
        if poses is not None and not poses.is_file():
            raise LogError(f"{poses}: there is no such pose file")
        if path.is_dir():
            return _open_folder(path, poses)
        if path.is_file():
            return _open_file(path, poses)
        # Devices and pipes would block for ever.
        what = "neither a file nor a folder" if path.exists() else "there is no such file or folder"
        raise LogError(f"{path}: {what}")
    except (OSError, ValueError) as error:
        raise LogError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})") from error


def _open_file(path: Path, poses: Path | None) -> Drive:
    from lapose_core.logs.images import SUFFIXES as PICTURES
    from lapose_core.logs.synthetic import DESCRIPTION, open_synthetic
    from lapose_core.logs.video import open_video_log

    if path.name == DESCRIPTION:
        return open_synthetic(path, poses)
    if path.suffix.lower() in PICTURES:
        raise LogError(f"{path}: a single picture is no drive; open its folder")
    return open_video_log(path, poses)


def _open_folder(path: Path, poses: Path | None) -> Drive:
    from lapose_core.logs.image_folder import find_images, open_image_folder
    from lapose_core.logs.kitti_odometry import is_kitti_odometry, open_kitti_odometry
    from lapose_core.logs.synthetic import DESCRIPTION, open_synthetic
    from lapose_core.logs.video import list_videos, open_video_log

    if (path / DESCRIPTION).is_file():
        return open_synthetic(path, poses)
    if is_kitti_odometry(path):
        return open_kitti_odometry(path, poses)
    if find_images(path) is not None:
        return open_image_folder(path, poses)
    videos = list_videos(path)
    if len(videos) == 1:
        return open_video_log(videos[0], poses)
    drives = sorted(p for p in path.iterdir() if (p / DESCRIPTION).is_file())
    choices = videos or drives
    if choices:
        names = ", ".join(p.name for p in choices[:5]) + (", ..." if len(choices) > 5 else "")
        raise LogError(f"{path}: several drives in this folder; open one of {names}")
    if not any(path.iterdir()):
        raise LogError(f"{path}: the folder is empty")
    raise LogError(f"{path}: nothing in this folder is known; it should be {_KNOWN}")
