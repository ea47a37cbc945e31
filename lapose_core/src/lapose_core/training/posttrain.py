"""Stage 2: a camera-pose head on latent actions, from few labels.

With a frozen backbone (the default) the latents are computed once and the head trains on them alone, many steps a
second. Fine-tuning and training from scratch, the two ablations, run the whole inverse model at every step.
"""

from __future__ import annotations

import dataclasses
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from lapose_core import geometry
from lapose_core.evaluation.evaluate import Clip, Evaluation, evaluate_clips, without_nan
from lapose_core.model.lapose import LaPose
from lapose_core.model.pose_head import PoseOutput, decouple
from lapose_core.training.cache import CachedClips
from lapose_core.training.checkpoints import read_tensors, save_checkpoint, write_tensors
from lapose_core.training.loop import Run, Schedule, autocast, batch_rng, optimiser
from lapose_core.training.mixture import MixedClips
from lapose_core.training.pretrain import motion_probes
from lapose_core.training.settings import PoseLossWeights, Posttraining


@dataclass(frozen=True)
class Labels:
    """translation [N, T - 1, 3] metres, quaternion [N, T - 1, 4] xyzw, fov [N] radians, of relative poses."""

    translation: Tensor
    quaternion: Tensor
    fov: Tensor

    @staticmethod
    def of(poses: Tensor, fov: Tensor) -> Labels:
        """From camera-to-world poses [N, T, 4, 4] without NaN."""
        relative = np.stack([geometry.relative(p) for p in poses.numpy()])
        quaternion = geometry.quaternion_from_matrix(relative[..., :3, :3])
        return Labels(torch.from_numpy(relative[..., :3, 3]).float(), torch.from_numpy(quaternion).float(), fov.float())

    def mirrored(self) -> Labels:
        """Of the same drives seen in a mirror: x changes its sign, and so do the turns about y and z."""
        sideways, turns = torch.tensor([-1.0, 1.0, 1.0]), torch.tensor([1.0, -1.0, -1.0, 1.0])
        return Labels(self.translation * sideways, self.quaternion * turns, self.fov)

    def part(self, clips: np.ndarray, start: int, stop: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
        """Labels of the transitions inside frames start..stop of the clips."""
        index = torch.from_numpy(np.asarray(clips, dtype=np.int64))
        steps = slice(start, stop - 1)
        return (
            self.translation[index, steps].to(device),
            self.quaternion[index, steps].to(device),
            self.fov[index].to(device),
        )


def frozen_latents(model: LaPose, data: CachedClips | MixedClips, clips: np.ndarray, mirrored: bool = False) -> Tensor:
    """``whole_clip_latents`` of a backbone that stays as it is: computed once and kept beside the clips' inputs, a file
    for each of the shards. A model whose tokens come from pixels keeps nothing, as its clips do."""
    if isinstance(data, MixedClips):
        (latents,) = data.gather(clips, lambda part, own: (frozen_latents(model, part, own, mirrored),))
        assert latents is not None
        return latents
    if not data.cached:
        return whole_clip_latents(model, data, clips, mirrored)
    digest = hashlib.sha256()
    for part in (model.tokenizer, model.inverse_dynamics):
        for name, tensor in part.state_dict().items():
            digest.update(name.encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
    folder = data.folder / f"latents-{digest.hexdigest()[:12]}{'-mirrored' if mirrored else ''}"
    folder.mkdir(exist_ok=True)
    places = [data.shards.locate(int(clip)) for clip in clips]
    kept: dict[int, Tensor] = {}
    for number in sorted({n for n, _ in places}):
        path = folder / f"{number:05d}.safetensors"
        if not path.is_file():
            first = sum(data.shards.counts[:number])
            whole = np.arange(first, first + data.shards.counts[number])
            write_tensors(path, {"latents": whole_clip_latents(model, data, whole, mirrored)})
        kept[number] = read_tensors(path)["latents"]
    return torch.stack([kept[n][row] for n, row in places]).to(data.device)


@torch.no_grad()
def whole_clip_latents(
    model: LaPose, data: CachedClips, clips: np.ndarray, mirrored: bool = False, batch: int = 16
) -> Tensor:
    """Latents [N, T - 1, A] float32 of whole clips, or of what a mirror shows of them."""
    count = min(data.shards.clip_shape[0], model.config.window)
    parts = []
    for start in tqdm(range(0, len(clips), batch), desc="latents", mininterval=5):
        chosen = clips[start : start + batch]
        if mirrored:
            inputs, times = data.mirrored(chosen, 0, count)
        else:
            inputs, _, times = data.get(chosen, 0, count)
        parts.append(model.actions(inputs, times)[1].float())
    return torch.cat(parts)


@torch.no_grad()
def evaluate_latents(
    model: LaPose, latents: Tensor, data: CachedClips, clips: np.ndarray, *, camera_known: bool = False
) -> Evaluation:
    """Score the head on latents [N, T - 1, A] of the given clips, as ``lapose evaluate`` does; with ``camera_known`` it
    is told the fields of view and the heights of the cameras."""
    count = latents.shape[1] + 1
    times = data.times[clips, :count]
    estimate = model.pose(latents, times, data.camera[clips] if camera_known else None)
    translation = estimate.translation.double().cpu().numpy()
    rotation = geometry.matrix_from_quaternion(estimate.quaternion.double().cpu().numpy())
    relative = geometry.make_poses(rotation, translation)
    scored = [
        Clip(
            geometry.accumulate(relative[i]),
            data.poses[c, :count].numpy(),
            times[i].numpy(),
            fov=None if camera_known else estimate.fov[i].double().cpu().numpy(),
            fov_truth=float(data.fov[c]),
        )
        for i, c in enumerate(clips)
    ]
    return evaluate_clips(scored)


def pose_loss(
    output: PoseOutput,
    translation: Tensor,  # [B, N, 3] metres
    quaternion: Tensor,  # [B, N, 4] xyzw, w >= 0
    fov: Tensor,  # [B] radians, NaN where the camera is not known
    weights: PoseLossWeights,
) -> tuple[Tensor, dict[str, float]]:
    """L1 on normalised translation, quaternion, field of view and log scale; the loss and its parts."""
    target, log_scale = decouple(translation)
    known = torch.isfinite(fov)
    fov_error = (output.fov - fov[:, None]).abs().mean(1)
    parts = {
        "translation": (output.translation - target).abs().sum(-1).mean(),
        "quaternion": (output.quaternion - quaternion).abs().sum(-1).mean(),
        "fov": torch.where(known, fov_error, 0.0).sum() / known.sum().clamp_min(1),
        "scale": (output.log_scale - log_scale).abs().mean(),
    }
    total = torch.stack([getattr(weights, name) * part for name, part in parts.items()]).sum()
    return total, {name: float(part.detach()) for name, part in parts.items()}


def posttrain(
    model: LaPose,
    training: Posttraining,
    data: CachedClips | MixedClips,
    held_out: CachedClips,
    out: Path,
    record: dict[str, Any],
    resume: bool = True,
    keep_head: bool = False,
) -> tuple[Evaluation, Evaluation | None]:
    """Train the pose head (and the backbone, where asked); writes a checkpoint folder.

    Args:
        keep_head: the head is a trained one that goes on: its standardisation of the latents stays.

    Returns:
        its evaluation on held-out clips with unknown cameras, and with known ones where the head can be told.

    Raises:
        ValueError: where no clip has ground truth.
    """
    device = data.device
    labelled = torch.isfinite(data.poses).flatten(1).all(1).nonzero()[:, 0].numpy()
    test = torch.isfinite(held_out.poses).flatten(1).all(1).nonzero()[:, 0].numpy()
    if not len(labelled) or not len(test):
        raise ValueError("post-training needs clips with ground-truth poses, to train on and to hold out")
    if training.labels:
        labelled = np.random.default_rng(training.seed).permutation(labelled)[: training.labels]
    count = min(data.shards.clip_shape[0], model.config.window)
    times = data.times[labelled, :count]
    labels = Labels.of(data.poses[labelled, :count], data.fov[labelled])
    frozen = training.backbone == "frozen"
    model.eval()
    latents = test_latents = torch.empty(0)
    in_mirror = (latents, labels.mirrored())
    trained: list[torch.nn.Module] = [model.pose_head]
    if frozen:
        latents = frozen_latents(model, data, labelled)
        test_latents = frozen_latents(model, held_out, test)
        if training.mirror:
            in_mirror = (frozen_latents(model, data, labelled, mirrored=True), in_mirror[1])
        if not keep_head:
            model.pose_head.latent_mean.copy_(latents.flatten(0, 1).mean(0))
            model.pose_head.latent_scale.copy_(latents.flatten(0, 1).std(0).clamp_min(1e-6))
        fit = (latents, data.poses[labelled], data.times[labelled])
        score_on = (test_latents, held_out.poses[test], held_out.times[test])
        record = {**record, "probes": without_nan(motion_probes(fit, score_on))}
    else:
        trained += [model.tokenizer, model.inverse_dynamics]
    parts = torch.nn.ModuleList(trained)
    optimizer = optimiser([parts], training.weight_decay)
    settings = {"model": model.config.to_dict(), **dataclasses.asdict(training)}
    run = Run(out, "posttrain", settings, resume)
    run.restore(parts, optimizer)
    chance = data.chance(labelled) if isinstance(data, MixedClips) else None

    def step(number: int) -> tuple[Tensor, dict[str, float]]:
        rng = batch_rng(training.seed, number)
        if chance is None:
            rows = rng.integers(len(labelled), size=training.batch)
        else:
            rows = rng.choice(len(labelled), size=training.batch, p=chance)
        # Half of the steps see whole clips, the rest a part: a drive's first moments and short logs are such.
        length = count if rng.random() < 0.5 else int(rng.integers(2, count + 1))
        start = int(rng.integers(count - length + 1))
        chosen, known = latents, labels
        mirrored = training.mirror and rng.random() < 0.5
        if mirrored:
            chosen, known = in_mirror
        translation, quaternion, fov = known.part(rows, start, start + length, device)
        hidden = torch.from_numpy(rng.random((training.batch, 2)) < training.camera_dropout)
        camera = data.camera[labelled[rows]].masked_fill(hidden, float("nan")).to(device)
        if frozen:
            x = chosen[rows, start : start + length - 1]
            noise = torch.from_numpy(rng.standard_normal(x.shape, dtype=np.float32)).to(device)
            x = x + training.latent_noise * model.pose_head.latent_scale * noise
            output = model.pose_head(x, times[rows, start : start + length], camera)
        else:
            if mirrored:
                inputs, seconds = data.mirrored(labelled[rows], start, start + length)
            else:
                inputs, _, seconds = data.get(labelled[rows], start, start + length)
            with autocast(device):
                output = model.pose_head(model.actions(inputs, seconds)[1], seconds, camera)
        return pose_loss(output, translation, quaternion, fov, training.weights)

    def score() -> tuple[Evaluation, Evaluation | None]:
        chosen = test_latents if frozen else whole_clip_latents(model, held_out, test)
        informed = None
        if model.config.camera_input:
            informed = evaluate_latents(model, chosen, held_out, test, camera_known=True)
        return evaluate_latents(model, chosen, held_out, test), informed

    latest: tuple[Evaluation, Evaluation | None] | None = None

    def evaluate() -> dict[str, Any]:
        nonlocal latest
        latest = unknown, informed = score()
        found = unknown.to_json()
        figures = {
            "held_out_auc5_signed": found["model"]["auc5_signed"],
            "forward_auc5_signed": found["forward"]["auc5_signed"],
            "skill_auc5_signed": found["skill_auc5_signed"],
            "scale_error": found["model"]["scale_error"],
            "fov_error": found["model"].get("fov_error"),
        }
        if informed is not None:
            told = informed.to_json()
            figures["camera_known_skill_auc5_signed"] = told["skill_auc5_signed"]
            figures["camera_known_scale_error"] = told["model"]["scale_error"]
        stage = {**dataclasses.asdict(training), "step": run.step, **figures}
        save_checkpoint(model, out, {**record, "posttrain": stage})
        return figures

    run.loop(parts, optimizer, Schedule(training.rate, training.steps), step, evaluate, training.evaluate_every)
    model.eval()
    return latest or score()  # the loop ends with an evaluation, unless there was nothing left to train
