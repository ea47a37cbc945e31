"""A whole drive by classical geometry, in pieces that a user can watch and stop. A reference, never truth."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lapose_core.drive import Drive, Intrinsics, LogError
from lapose_core.evaluation.classical import Method, load_method
from lapose_core.evaluation.comparison import Trajectory
from lapose_core.geometry import Array, accumulate, relative
from lapose_core.inference.preprocess import Preprocessor
from lapose_core.inference.result import DriveAnalysis
from lapose_core.logs.reader import PoseFrame

Name = Literal["opencv", "colmap"]
TITLES: dict[str, str] = {"opencv": "OpenCV reference", "colmap": "COLMAP reference"}

CHUNK = {"opencv": 17, "colmap": 33}
"""Frames matched at once; neighbouring chunks share OVERLAP transitions."""
OVERLAP = 4
_FEWEST = 2  # shared moving transitions that carry the scale from one chunk to the next


class ReferenceCancelled(Exception):
    """The caller no longer wants the reference."""


@dataclass(frozen=True)
class ReferenceCamera:
    """The camera that the reference is computed with, and where its values come from."""

    intrinsics: Intrinsics
    words: str


def reference_camera(drive: Drive, analysis: DriveAnalysis | None, model_size: tuple[int, int]) -> ReferenceCamera:
    """The drive's own camera, or else a pinhole of the field of view that the model predicted, in the median.

    Args:
        model_size: (width, height) of the pictures whose field of view the analysis predicts.

    Raises:
        ValueError: where neither is known.
    """
    if drive.intrinsics is not None:
        return ReferenceCamera(drive.intrinsics, "the drive's intrinsics")
    fov = float("nan")
    if analysis is not None and analysis.done.any():
        fov = float(np.nanmedian(analysis.fov))
    if not np.isfinite(fov):
        raise ValueError(
            f"{drive.name}: the log does not know its camera and nothing is analysed yet whose field of view could "
            "stand for it; analyse the drive first"
        )
    crop = Preprocessor(drive.width, drive.height, None, model_size).crop
    focal = 0.5 * crop.width / np.tan(0.5 * fov)
    middle = (crop.left + 0.5 * crop.width, crop.top + 0.5 * crop.height)
    return ReferenceCamera(
        Intrinsics(focal, focal, *middle, drive.width, drive.height),
        f"predicted intrinsics (field of view {np.degrees(fov):.0f}° of the model's picture)",
    )


def classical_reference(
    drive: Drive,
    frames: NDArray[np.int64],
    name: Name,
    camera: ReferenceCamera,
    *,
    progress: Callable[[float], object] | None = None,
    cancelled: Callable[[], bool] = lambda: False,
    method: Method | None = None,
) -> Trajectory:
    """The camera's motion through ``frames`` [M >= 2] of a drive, by OpenCV or COLMAP.

    The scale is metric where the drive knows its camera's height and the road tells; from chunk to chunk it is
    carried by the transitions that they share.

    Args:
        progress: hears the share done, 0 to 1.
        cancelled: asked between pictures.
        method: instead of the one of this name.

    Raises:
        ImportError: where the library is absent, naming what to install.
        LogError: where a frame cannot be read.
        ReferenceCancelled: once ``cancelled`` says so.
    """
    method = load_method(name) if method is None else method
    size = CHUNK[name]
    starts = list(range(0, max(1, len(frames) - OVERLAP - 1), size - 1 - OVERLAP))
    steps, known = np.tile(np.eye(4), (len(frames) - 1, 1, 1)), np.zeros(len(frames) - 1, bool)
    done, metric, joined = 0, 0, 0
    source = drive.open_frames()
    try:
        for number, start in enumerate(starts):
            watch = partial(_watch, progress, cancelled, number, len(starts))
            watch(0.0)
            stop = min(start + size, len(frames))
            images = np.stack([source.read(int(frame)) for frame in frames[start:stop]])
            found = method(images, camera.intrinsics, camera_height=drive.camera_height, watch=watch)
            part = relative(found.poses)
            if not found.scaled and done > start:
                factor = _carried(steps[start:done], part[: done - start])
                joined += factor is not None
                part[:, :3, 3] *= factor or 1.0
            metric += found.scaled
            steps[done : stop - 1] = part[done - start :]
            known[done : stop - 1] = (found.registered[:-1] & found.registered[1:])[done - start :]
            done = stop - 1
            watch(1.0)
    finally:
        source.close()
    notes = [
        f"{int(known.sum())} of {len(known)} transitions were placed{'' if known.all() else '; the others are filled'}."
    ]
    if metric == 0:
        notes.append("The scale is arbitrary: only rotations and directions can be compared.")
    elif metric < len(starts):
        notes.append(f"The road told the scale in {metric} of {len(starts)} stretches; it was carried to the others.")
    height = "" if drive.camera_height is None else f", scale from the road and the camera's {drive.camera_height:g} m"
    how = f"{TITLES[name]}: {_METHODS[name]}, {camera.words}{height if metric else ''}. Not ground truth."
    return Trajectory(
        TITLES[name], "reference", frames.copy(), accumulate(steps), np.zeros(len(frames), np.int64), metric > 0,
        how, tuple(notes),
    )  # fmt: skip


def _watch(
    progress: Callable[[float], object] | None, cancelled: Callable[[], bool], chunk: int, chunks: int, share: float
) -> None:
    if cancelled():
        raise ReferenceCancelled
    if progress is not None:
        progress((chunk + share) / chunks)


_METHODS = {
    "opencv": "SIFT matches and an essential matrix per neighbouring pair",
    "colmap": "incremental structure from motion",
}


def _carried(before: Array, again: Array) -> float | None:
    """Units of ``before`` per unit of ``again``, of the same transitions [n, 4, 4]; None where too few move."""
    a, b = (np.linalg.norm(s[:, :3, 3], axis=1) for s in (before, again))
    moving = (a > 1e-6) & (b > 1e-6)
    return float(np.median(a[moving] / b[moving])) if moving.sum() >= _FEWEST else None


class ReferenceCache:
    """References in files of ``folder``, by what they depend on."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path_of(self, drive: Drive, frames: NDArray[np.int64], name: Name, camera: ReferenceCamera) -> Path:
        """The file of one reference, whether or not it exists."""
        digest = hashlib.sha256(f"1 {name} {drive.fingerprint} {camera} {drive.camera_height}".encode())
        digest.update(np.ascontiguousarray(frames).tobytes())
        return self.folder / f"{digest.hexdigest()[:24]}.npz"

    def load(self, path: Path) -> Trajectory | None:
        """A stored reference; None where there is none or it is damaged."""
        try:
            with np.load(path, allow_pickle=False) as data:
                text = [str(t) for t in data["text"]]
                frames, poses = data["frames"], data["poses"]
        except (OSError, ValueError, KeyError, EOFError):
            return None
        if poses.shape != (len(frames), 4, 4) or len(text) < 2 or not np.isfinite(poses).all():
            return None
        metric = text[0] == "metric"
        name = next((t for t in TITLES.values() if text[1].startswith(t)), "reference")
        piece = np.zeros(len(frames), np.int64)
        return Trajectory(name, "reference", frames, poses, piece, metric, text[1], tuple(text[2:]))

    def save(self, path: Path, trajectory: Trajectory) -> None:
        """Keep a reference.

        Raises:
            OSError: where the disk refuses.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.part")
        text = np.array(["metric" if trajectory.metric else "arbitrary", trajectory.how, *trajectory.notes])
        with part.open("wb") as file:
            np.savez(file, frames=trajectory.frames, poses=trajectory.poses, text=text)
        part.replace(path)


def imported_trajectory(
    path: Path,
    drive: Drive,
    *,
    time_offset: float = 0.0,
    pose_frame: PoseFrame = "camera",
    samples: NDArray[np.int64] | None = None,
) -> Trajectory:
    """The poses of a TUM, KITTI or CSV file on the drive's clock, with warnings where they cannot be a car's.

    Args:
        time_offset: seconds added to the file's times.
        pose_frame: whose axes the poses of the file have.
        samples: frames that a file without times may hold a pose for each of, in place of all frames.

    Raises:
        LogError: where the file cannot be read or does not fit the frames.
    """
    from lapose_core.logs.sanity import check_poses
    from lapose_core.trajectory_files import poses_for_frames

    frames, notes = np.arange(len(drive)), []
    try:
        found = poses_for_frames(path, drive.timestamps, time_offset=time_offset, pose_frame=pose_frame)
    except LogError:
        if samples is None or len(samples) in (0, len(drive)):
            raise
        with contextlib.suppress(LogError):
            found = poses_for_frames(path, drive.timestamps[samples], time_offset=time_offset, pose_frame=pose_frame)
            frames = samples.copy()
        if len(frames) == len(drive):
            raise
        notes.append(f"The {len(samples)} poses of {path.name} were taken for the analysed frames in order.")
    poses, valid = np.tile(np.eye(4), (len(drive), 1, 1)), np.zeros(len(drive), bool)
    poses[frames], valid[frames] = found.poses, found.valid
    sanity = check_poses(replace(drive, poses=poses, pose_valid=valid))
    return Trajectory(
        path.stem, "imported", frames, found.poses, np.where(found.valid, 0, -1), True,
        f"read from {found.provenance}", (*found.notes, *notes), () if sanity is None else sanity.problems,
    )  # fmt: skip
