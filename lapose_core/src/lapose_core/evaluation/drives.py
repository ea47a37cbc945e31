"""The model run over whole logs for evaluation: each clip a window of its own, as the protocol has it.

This differs on purpose from the analysis the inspector shows, where overlapping windows are blended: a
    blended
trajectory has seen more than one window's frames, so its figures are not the protocol's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from lapose_core.device import precision
from lapose_core.drive import Drive, LogError
from lapose_core.evaluation.evaluate import Clip
from lapose_core.evaluation.regimes import clip_regimes
from lapose_core.geometry import Array, accumulate, make_poses, matrix_from_quaternion
from lapose_core.inference.known_camera import UNKNOWN, KnownCamera
from lapose_core.inference.preprocess import Preprocessor
from lapose_core.model.lapose import LaPose

#: The shortest clip that stands for a log that has no whole window.
SHORTEST = 4  # frames


@dataclass(frozen=True)
class ClipPlan:
    """Where one clip lies in a drive: the drive's frame indices [N]."""

    frames: tuple[int, ...]


@dataclass
class DriveClips:
    """The predicted clips of one drive, and those it could not give, with why.

    ``clips`` are estimated with an unknown camera, as the paper's protocol has it; ``told`` are the same clips with
    what the log knows of its ``camera``, and none where it knows nothing or the model does not take it.
    """

    name: str
    path: str
    clips: list[Clip] = field(default_factory=list)
    told: list[Clip] = field(default_factory=list)
    camera: KnownCamera = UNKNOWN
    without_truth: int = 0
    unreadable: dict[str, str] = field(default_factory=dict)  # "first-last frame" -> reason


def cut_clips(drive: Drive, rate: float, window: int, stride: int | None = None) -> list[ClipPlan]:
    """Clips of ``window`` samples at ``rate`` Hz, ``stride`` samples apart (by default ``window``: no
    overlap).

    A log with no whole window gives its one shorter clip of at least four samples, and none below that.

    Raises:
        ValueError: where the rate, window or stride is not positive.
    """
    stride = window if stride is None else stride
    if window < 2 or stride < 1:
        raise ValueError(f"clips need a window of two frames or more and a positive stride, got {window} and {stride}")
    frames = [int(i) for i in drive.indices_at_rate(rate)]
    if SHORTEST <= len(frames) < window:
        return [ClipPlan(tuple(frames))]
    return [ClipPlan(tuple(frames[a : a + window])) for a in range(0, len(frames) - window + 1, stride)]


def plan_clips(drive: Drive, rate: float, window: int, stride: int | None = None) -> list[ClipPlan]:
    """:func:`cut_clips` of a drive that can be evaluated: it costs nothing, so ask it of every log first.

    Raises:
        LogError: where the drive has no ground truth or is too short for a clip at this rate.
        ValueError: as :func:`cut_clips`.
    """
    if drive.poses is None:
        raise LogError(
            f"{drive.path}: the log has no ground-truth poses, so there is nothing to evaluate against. "
            "Put a TUM or KITTI pose file beside it or pass one with --poses"
        )
    plans = cut_clips(drive, rate, window, stride)
    if not plans:
        raise LogError(
            f"{drive.path}: {len(drive.indices_at_rate(rate))} frames at {rate:g} Hz are too few for a clip "
            f"({SHORTEST} at least); choose a higher rate"
        )
    return plans


def predict_drive(
    model: LaPose,
    drive: Drive,
    rate: float,
    *,
    stride: int | None = None,
    batch: int = 4,
    progress: Callable[[int], None] | None = None,
) -> DriveClips:
    """Estimate every clip of a drive with ground truth. ``progress`` hears how many clips are done with.

    Clips with a frame of unknown pose, or one that cannot be decoded, are counted and left out.

    Raises:
        LogError, ValueError: as :func:`plan_clips`; ValueError on a batch that is not positive.
    """
    if batch < 1:
        raise ValueError(f"batch must be positive, got {batch}")
    plans = plan_clips(drive, rate, model.config.window, stride)
    assert drive.poses is not None
    assert drive.pose_valid is not None
    prepare = Preprocessor.for_drive(drive, (model.config.image_width, model.config.image_height))
    found = DriveClips(drive.name, str(drive.path), camera=KnownCamera.of(drive, prepare, model.config))
    usable = [plan for plan in plans if drive.pose_valid[list(plan.frames)].all()]
    found.without_truth = len(plans) - len(usable)
    if progress:
        progress(found.without_truth)
    fov_truth = None if prepare.intrinsics is None else prepare.intrinsics.fov_x
    for plans_of_batch, images in _image_batches(drive, usable, prepare, batch, found):
        times = np.stack([drive.timestamps[list(plan.frames)] for plan in plans_of_batch])
        latents = clip_latents(model, images, times)
        for camera, clips in ((UNKNOWN, found.clips), (found.camera, found.told)):
            if clips is found.told and camera == UNKNOWN:
                continue
            for row, (predicted, fov) in enumerate(latent_poses(model, latents, times, camera)):
                index = list(plans_of_batch[row].frames)
                labels = {name: np.asarray(values)[index] for name, values in drive.regimes.items()}
                clips.append(
                    Clip(
                        predicted=predicted,
                        truth=drive.poses[index],
                        times=times[row],
                        regimes=clip_regimes(drive.poses[index], times[row], labels),
                        fov=fov if camera.fov is None else None,
                        fov_truth=fov_truth,
                        log=drive.name,
                        first_frame=index[0],
                        last_frame=index[-1],
                    )
                )
        if progress:
            progress(len(plans_of_batch))
    return found


def predict_clips(model: LaPose, images: torch.Tensor, times: Array) -> Iterator[tuple[Array, Array]]:
    """Trajectories [T, 4, 4] from identity and fields of view [T - 1] of clips [B, T, 3, H, W] at times [B, T], by
    unknown cameras.

    Where the model gives no usable value the poses from there on are NaN, which the metrics count as misses.
    """
    return latent_poses(model, clip_latents(model, images, times), times)


def clip_latents(model: LaPose, images: torch.Tensor, times: Array) -> torch.Tensor:
    """Latent actions [B, T - 1, A] of clips [B, T, 3, H, W] at times [B, T]."""
    device = next(model.parameters()).device
    with torch.inference_mode(), precision(device):
        return model.actions(model.inputs(images.to(device)), torch.from_numpy(times))[1]


def latent_poses(
    model: LaPose, latents: torch.Tensor, times: Array, camera: KnownCamera = UNKNOWN
) -> Iterator[tuple[Array, Array]]:
    """``predict_clips`` from latent actions [B, T - 1, A], and from what is known of the camera."""
    with torch.inference_mode():
        estimate = model.pose(latents.float(), torch.from_numpy(times), camera.tensor(len(latents)))
    quaternion = estimate.quaternion.double().cpu().numpy()
    translation = estimate.translation.double().cpu().numpy()
    fov = estimate.fov.double().cpu().numpy()
    for q, t, f in zip(quaternion, translation, fov, strict=True):
        usable = np.isfinite(q).all(1) & np.isfinite(t).all(1) & (np.linalg.norm(q, axis=1) > 1e-12)
        length = int(np.argmin(usable)) if not usable.all() else len(usable)
        poses = np.full((len(usable) + 1, 4, 4), np.nan)
        poses[: length + 1] = accumulate(make_poses(matrix_from_quaternion(q[:length]), t[:length]))
        yield poses, f


def _image_batches(
    drive: Drive, plans: Sequence[ClipPlan], preprocess: Preprocessor, batch: int, found: DriveClips
) -> Iterator[tuple[list[ClipPlan], torch.Tensor]]:
    """Clips that can be decoded, with their images [B, T, 3, H, W]; the others are noted in ``found``."""
    source = drive.open_frames()
    try:
        for start in range(0, len(plans), batch):
            ready, images = [], []
            for plan in plans[start : start + batch]:
                try:
                    images.append(torch.stack([preprocess(source.read(i)) for i in plan.frames]))
                except (LogError, OSError) as error:
                    found.unreadable[f"{plan.frames[0]}-{plan.frames[-1]}"] = str(error)
                else:
                    ready.append(plan)
            if ready:
                yield ready, torch.stack(images)
    finally:
        source.close()
