"""Signs of trouble and true errors of synthetic drives, to calibrate a confidence on and to test it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file
from tqdm import tqdm

from lapose_core.device import precision
from lapose_core.drive import Drive, Image, Intrinsics, LogError
from lapose_core.geometry import Array, relative, yaw
from lapose_core.inference.analysis import DriveAnalyzer, estimate_windows
from lapose_core.inference.checking import DriveChecker, Look, motions
from lapose_core.inference.confidence import SIGNS, pose_errors, signs
from lapose_core.inference.latent_reference import LatentReference
from lapose_core.inference.preprocess import Preprocessor
from lapose_core.inference.result import DriveAnalysis, WindowResult
from lapose_core.model.lapose import LaPose
from lapose_core.training.shards import Shards, synthetic_clip, write_shards

CALIBRATE_SEED, HELD_OUT_SEED = 7_000_000, 7_200_000
"""First seeds of the worlds to calibrate on and to test on: none is trained on, chosen by or in any other test. Worlds
from 7,100,000 on are used up: the number of drives was raised after a look at them."""
CAMERAS = {0.0: "camera unknown", 1.0: "field of view known", 2.0: "field of view and height known"}
"""What a log may tell the pose head, by the sign ``camera``."""
FRAMES = 48
"""Of each drive: windows overlap in it, and it holds a window at half the rate."""


@dataclass(frozen=True)
class Measured:
    """Transitions of several drives.

    Attributes:
        values: sign -> [n].
        errors: [n] pose error in degrees, NaN without truth.
        drive: [n] number of the drive.
    """

    values: dict[str, Array]
    errors: Array
    drive: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.errors)

    def where(self, chosen: NDArray[np.bool_]) -> Measured:
        """Those of the transitions that are ``chosen`` [n]."""
        values = {name: v[chosen] for name, v in self.values.items()}
        return Measured(values, self.errors[chosen], self.drive[chosen])


def rendered(folder: Path, seed: int, drives: int, size: tuple[int, int], frames: int = FRAMES) -> Shards:
    """Synthetic drives in ``folder``, each at one of the training rates; those that are there are not rendered again.

    Raises:
        LogError: where the folder holds other drives.
    """
    origin = {"synthetic": {"seed": seed, "clips": drives}}
    counts: list[int] = []
    if (folder / "shards.json").is_file():
        shards = Shards(folder)
        if shards.origin.get("synthetic", {}).get("seed") != seed or shards.clip_shape != (frames, 3, *size[::-1]):
            raise LogError(f"{folder}: holds other drives than are asked for; remove it and they are rendered again")
        counts = shards.counts
    missing = range(sum(counts), drives)
    clips = (synthetic_clip(seed + i, frames, size) for i in tqdm(missing, desc=f"render {folder.name}"))
    if missing:
        write_shards(folder, clips, origin, per_file=8, before=counts)
    return Shards(folder)


def shard_drive(shards: Shards, clip: int) -> Drive:
    """A clip of a shard folder as a drive in memory, with its camera's field of view and height."""
    frames = shards.gather("frames", [clip])[0].numpy().transpose(0, 2, 3, 1)
    width, height = shards.size
    focal = 0.5 * width / np.tan(float(shards.gather("fov", [clip])[0]) / 2)
    return Drive(
        name=f"{shards.folder.name} {clip}",
        path=shards.folder,
        format="shard",
        width=width,
        height=height,
        timestamps=shards.gather("times", [clip])[0].numpy(),
        open_frames=partial(_ArraySource, frames),
        poses=shards.gather("poses", [clip])[0].numpy(),
        intrinsics=Intrinsics(focal, focal, width / 2, height / 2, width, height),
        camera_height=float(shards.gather("height", [clip])[0]),
        fingerprint=f"{clip:016x}",
    )


class _ArraySource:
    """Frames [N, H, W, 3] in memory."""

    def __init__(self, frames: NDArray[np.uint8]) -> None:
        self._frames = frames

    def __len__(self) -> int:
        return len(self._frames)

    def read(self, index: int) -> Image:
        return np.ascontiguousarray(self._frames[index])

    def iterate(self, start: int = 0, stop: int | None = None, step: int = 1) -> Iterator[tuple[int, Image]]:
        for index in range(start, len(self) if stop is None else stop, step):
            yield index, self.read(index)

    def close(self) -> None:
        pass


def backbone_hash(model: LaPose) -> str:
    """12 hex digits that change with any weight but the pose head's: what the looks at a drive depend on."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        if not name.startswith("pose_head."):
            digest.update(name.encode())
            digest.update(tensor.detach().cpu().numpy().tobytes())
    return digest.hexdigest()[:12]


@dataclass(frozen=True)
class Seen:
    """What the frozen part of the model makes of a drive: with any pose head on it, signs and errors follow at once.

    Attributes:
        latents: [W, T - 1, A] of each window of the analysis' plan.
        cross_entropy: [W, T - 1] likewise.
        looks: of the checks, block by block.
    """

    latents: NDArray[np.float32]
    cross_entropy: Array
    looks: list[Look]

    def save(self, path: Path) -> None:
        """Write as safetensors."""
        tensors = {"latents": self.latents, "cross_entropy": self.cross_entropy}
        for i, look in enumerate(self.looks):
            tensors |= {f"{i} {f.name}": np.atleast_1d(getattr(look, f.name)) for f in fields(look)}
        part = path.with_name(f"{path.name}.part")
        save_file({name: np.ascontiguousarray(values) for name, values in tensors.items()}, part)
        part.replace(path)

    @classmethod
    def load(cls, path: Path) -> Seen | None:
        """What ``save`` wrote; None where there is nothing, or it is damaged."""
        try:
            stored = load_file(path)
            count = sum(name.endswith(" start") for name in stored)
            looks = []
            for i in range(count):
                values: dict[str, Any] = {f.name: stored[f"{i} {f.name}"] for f in fields(Look)}
                looks.append(Look(**{**values, "start": int(values["start"][0])}))
            return cls(stored["latents"], stored["cross_entropy"], looks)
        except (OSError, KeyError, SafetensorError):
            return None


def told(model: LaPose, drive: Drive) -> list[Drive]:
    """The drive with each of CAMERAS told the pose head; as it is where the model takes no camera."""
    if not model.config.camera_input:
        return [drive]
    return [replace(drive, intrinsics=None, camera_height=None), replace(drive, camera_height=None), drive]


def see(model: LaPose, drive: Drive, rate: float) -> Seen:
    """Run all but the pose head over a drive.

    Raises:
        LogError: where a frame cannot be read.
    """
    config = model.config
    analysis = _empty(model, drive, rate, "look")
    prepare = Preprocessor.for_drive(drive, (config.image_width, config.image_height))
    source = drive.open_frames()
    try:
        images = torch.stack([prepare(source.read(int(frame))) for frame in analysis.frames])
    finally:
        source.close()
    latents, entropies = [], []
    for start in analysis.window_starts:
        part = slice(start, start + analysis.window_length)
        found = estimate_windows(model, images[None, part], torch.from_numpy(analysis.times[part])[None])
        latents.append(found.latents[0])
        entropies.append(found.cross_entropy[0])
    checker = DriveChecker(model, drive, analysis)
    return Seen(np.stack(latents), np.stack(entropies), [look for look in checker.steps() if look is not None])


def judge(
    model: LaPose, drive: Drive, rate: float, seen: Seen, checkpoint_hash: str, reference: LatentReference | None
) -> tuple[dict[str, Array], Array]:
    """Signs [M - 1] by name and pose errors [M - 1] of a drive that was seen, under the model's pose head."""
    analysis = _empty(model, drive, rate, checkpoint_hash)
    device = next(model.parameters()).device
    for index, start in enumerate(analysis.window_starts):
        times = torch.from_numpy(analysis.times[start : start + analysis.window_length])[None]
        actions = torch.from_numpy(seen.latents[index])[None].to(device)
        with torch.inference_mode():
            estimate = model.pose(actions, times, analysis.camera.tensor())
        analysis.merge(
            WindowResult(
                index=index,
                start=start,
                latents=seen.latents[index],
                relative=motions(estimate),
                fov=estimate.fov[0].double().cpu().numpy(),
                scale=float(estimate.scale[0]),
                cross_entropy=seen.cross_entropy[index],
            )
        )
    checker = DriveChecker(model, drive, analysis)
    for look in seen.looks:
        checker.take(look)
    return signs(analysis, checker.checks, reference), pose_errors(analysis)


def _empty(model: LaPose, drive: Drive, rate: float, checkpoint_hash: str) -> DriveAnalysis:
    analyzer = DriveAnalyzer(model, drive, rate, checkpoint_hash=checkpoint_hash, checkpoint_name="calibration")
    return analyzer.analysis


def measure_shards(
    model: LaPose, shards: Shards, clips: range, kept: Path, checkpoint_hash: str, reference: LatentReference | None
) -> Measured:
    """All transitions of some drives of a shard folder, once for each of what a log may tell of its camera; what was
    seen of each drive is kept in the folder ``kept``."""
    values: list[dict[str, Array]] = []
    errors, numbers = [], []
    for clip in tqdm(clips, desc=f"measure {shards.folder.name}", mininterval=5):
        drive = shard_drive(shards, clip)
        seen = _seen(model, drive, kept, clip)
        for view in told(model, drive):
            found, error = judge(model, view, drive.rate, seen, checkpoint_hash, reference)
            values.append(found)
            errors.append(error)
            numbers.append(np.full(len(error), clip))
    joined = {name: np.concatenate([v[name] for v in values]) for name in SIGNS}
    return Measured(joined, np.concatenate(errors), np.concatenate(numbers))


def _seen(model: LaPose, drive: Drive, kept: Path, clip: int) -> Seen:
    kept.mkdir(parents=True, exist_ok=True)
    path = kept / f"{clip:05d}.safetensors"
    seen = Seen.load(path)
    if seen is None:
        seen = see(model, drive, drive.rate)
        seen.save(path)
    return seen


def training_reference(
    model: LaPose, shards: Shards, clips: int, first_seed: int, checkpoint_hash: str
) -> LatentReference:
    """Latents and true motions of every transition of the first ``clips`` clips, with seeds from ``first_seed`` on.

    The clips are no longer than the model's window.
    """
    latents, motion, seconds, numbers = [], [], [], []
    for clip in tqdm(range(min(clips, len(shards))), desc="training latents", mininterval=5):
        images = shards.gather("frames", [clip]).float() / 255
        times, poses = shards.gather("times", [clip]), shards.gather("poses", [clip])[0].numpy()
        device = next(model.parameters()).device
        with torch.inference_mode(), precision(device):
            _, actions = model.actions(model.inputs(images.to(device)), times)
        latents.append(actions[0].float().cpu().numpy())
        motion.append(relative(poses))
        seconds.append(np.diff(times[0].numpy()))
        numbers.append(np.full(len(poses) - 1, first_seed + clip))
    steps = np.concatenate(motion)
    return LatentReference(
        checkpoint_hash,
        np.concatenate(latents).astype(np.float32),
        steps[:, :3, 3].astype(np.float32),
        yaw(steps[:, :3, :3]).astype(np.float32),
        np.concatenate(seconds).astype(np.float32),
        np.concatenate(numbers).astype(np.int64),
    )
