"""Stage 1: latent actions from video without labels. Ground truth is read by the probes of the log only."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from lapose_core import geometry
from lapose_core.evaluation.latent import effective_rank, ridge_probe
from lapose_core.model.lapose import LaPose
from lapose_core.model.st_transformer import gaps
from lapose_core.training.cache import CachedClips
from lapose_core.training.checkpoints import save_checkpoint
from lapose_core.training.loop import Run, Schedule, autocast, batch_rng, optimiser
from lapose_core.training.motion import learn_motion, motion_loss
from lapose_core.training.settings import Pretraining


def code_loss(logits: Tensor, codes: Tensor) -> Tensor:
    """Cross-entropy per transition [B, T] in nats of logits [B, T, h, w, K] against codes [B, T, h, w]."""
    flat = F.cross_entropy(logits.float().flatten(0, 3), codes.flatten(), reduction="none")
    return flat.view(codes.shape).mean((-1, -2))


def copy_cross_entropy(codes: Tensor) -> float:
    """Cross-entropy in nats of the best forecast that copies the frame before: codes [B, T, h, w].

    With a the share of codes that stay, it gives the copied code probability a and spreads the rest evenly over the
    K - 1 others: -a log a - (1 - a) log((1 - a) / (K - 1)), K the largest code seen plus one.
    """
    stay = float((codes[:, 1:] == codes[:, :-1]).float().mean())
    others = max(1, int(codes.max()))
    stay = min(max(stay, 1e-6), 1 - 1e-6)
    return -stay * math.log(stay) - (1 - stay) * math.log((1 - stay) / others)


@torch.no_grad()
def collect(model: LaPose, data: CachedClips, clips: np.ndarray, batch: int = 8) -> tuple[Tensor, dict[str, float]]:
    """Latents [N, T - 1, A] of whole clips, and the cross-entropies: true, shuffled, zero action, copied frame.

    Shuffled and zero use the same frames and the same batch as true does.
    """
    latents, sums = [], np.zeros(4)
    count = min(data.shards.clip_shape[0], model.config.window)
    for start in range(0, len(clips), batch):
        inputs, codes, times = data.get(clips[start : start + batch], 0, count)
        with autocast(data.device):
            tokens, latent = model.actions(inputs, times)
            n = latent.shape[0] * latent.shape[1]
            order = torch.from_numpy(np.random.default_rng(start).permutation(n)).to(latent.device)
            shuffled = latent.flatten(0, 1)[order].view_as(latent)
            for i, action in enumerate((latent, shuffled, torch.zeros_like(latent))):
                loss = code_loss(model.next_codes(tokens, inputs, times, action), codes[:, 1:])
                sums[i] += float(loss.mean()) * len(codes)
        sums[3] += copy_cross_entropy(codes) * len(codes)
        latents.append(latent.float().cpu())
    true, shuffle, zero, copy = (sums / len(clips)).tolist()
    figures = {"ce": true, "dce_shuffle": shuffle - true, "dce_zero": zero - true, "ce_copy": copy}
    return torch.cat(latents), figures


def latent_quality(latents: Tensor, poses: Tensor, times: Tensor) -> dict[str, float]:
    """Effective rank, spread and ridge probes of latents [N, T - 1, A] on clips with poses [N, T, 4, 4].

    The probes are fitted on the first half of the clips and scored on the second, so no clip is on both sides.
    """
    flat = latents.flatten(0, 1).double().numpy()
    spread = flat.std(0)
    figures = {
        "latent_std_min": float(spread.min()),
        "latent_std_median": float(np.median(spread)),
        "effective_rank": float(effective_rank(flat)),
    }
    labelled = torch.isfinite(poses).flatten(1).all(1)
    half = int(labelled.sum()) // 2
    if half < 4:
        return figures
    x, p, t = latents[labelled], poses[labelled], times[labelled]
    return figures | motion_probes((x[:half], p[:half], t[:half]), (x[half:], p[half:], t[half:]))


Labelled = tuple[Tensor, Tensor, Tensor]  # latents [N, T - 1, A], poses [N, T, 4, 4], times [N, T]


def motion_probes(fit: Labelled, score: Labelled) -> dict[str, float]:
    """Ridge probes from latent to yaw and its rate, speed, pitch and signed forward step, fitted on some clips and
    scored on others: R2 over all transitions, over the ordinary ones, and rank correlation (``evaluation.md``)."""
    x_fit, targets_fit, _ = _motion(*fit)
    x, targets, ordinary = _motion(*score)
    figures = {}
    for name, target in targets.items():
        found = ridge_probe(x_fit, targets_fit[name], x, target, ordinary=ordinary)
        figures[f"probe_{name}_r2"] = float(found.r2)
        figures[f"probe_{name}_r2_ordinary"] = float(found.r2_ordinary)
        figures[f"probe_{name}_spearman"] = float(found.spearman)
    return figures


def _motion(latents: Tensor, poses: Tensor, times: Tensor) -> tuple[np.ndarray, dict[str, np.ndarray], np.ndarray]:
    """Latents [M, A] and true motions [M] of all transitions, and which are ordinary (under 3.5 degrees, 0.2-6 m)."""
    frames = latents.shape[1] + 1
    relative = np.stack([geometry.relative(p) for p in poses[:, :frames].numpy()])
    step = relative[..., :3, 3]
    length = np.linalg.norm(step, axis=-1)
    turn = geometry.yaw(relative[..., :3, :3])
    gap = np.diff(times[:, :frames].numpy(), axis=1)
    targets = {
        "yaw_rate": turn / gap,
        "yaw": turn,
        "speed": length / gap,
        "pitch": geometry.pitch(relative[..., :3, :3]),
        "forward": step[..., 2],
    }
    ordinary = (np.abs(turn) < np.radians(3.5)) & (length > 0.2) & (length < 6.0)
    flat = latents.flatten(0, 1).double().cpu().numpy()
    return flat, {name: value.ravel() for name, value in targets.items()}, ordinary.ravel()


def _calibrate(model: LaPose, data: CachedClips, seed: int) -> None:
    model.eval()
    first = batch_rng(seed, 0).permutation(len(data))[:48]
    latents = collect(model, data, first)[0].flatten(0, 1).to(data.device)
    mean, spread = model.inverse_dynamics.calibrate(latents)
    if model.motion_decoder is not None:
        model.motion_decoder.follow(mean, spread)


def pretrain(
    model: LaPose,
    training: Pretraining,
    data: CachedClips,
    held_out: CachedClips,
    out: Path,
    record: dict[str, Any],
    resume: bool = True,
) -> None:
    """Train tokenizer, inverse and forward dynamics; writes a checkpoint folder after every evaluation."""
    parts = torch.nn.ModuleList([model.tokenizer, model.inverse_dynamics, model.forward_dynamics])
    if model.motion_decoder is not None:
        parts.append(model.motion_decoder)
    matching = model.config.matching
    staged = model.motion_decoder is not None and model.config.action_rate and training.motion_steps > 0
    taught = [m for m in (model.inverse_dynamics, model.motion_decoder) if m is not None] if staged else []
    fresh = [m for m in parts if m not in taught]
    optimizer = optimiser(fresh, training.weight_decay, taught, training.inverse_share)
    settings = {
        "model": model.config.to_dict(),
        **dataclasses.asdict(training),
        "lengths": list(training.lengths),
    }
    run = Run(out, "pretrain", settings, resume)
    run.restore(parts, optimizer)
    if run.step == 0:
        _calibrate(model, data, training.seed)
        if staged:
            learn_motion(model, training, data, held_out, out, resume)
            _calibrate(model, data, training.seed)
    clip_frames = min(data.shards.clip_shape[0], model.config.window)
    lengths = sorted({min(length, clip_frames) for length in training.lengths})
    if lengths[0] < 2:
        raise ValueError(f"lengths {training.lengths}: a clip holds two frames at the least")

    def step(number: int) -> tuple[Tensor, dict[str, float]]:
        rng = batch_rng(training.seed, number)
        frames = int(rng.choice(lengths))
        count = max(1, training.batch_frames // frames)
        clips = rng.choice(len(data), count, replace=len(data) < count)
        start = int(rng.integers(clip_frames - frames + 1))
        inputs, codes, times = data.get(clips, start, start + frames)
        with autocast(data.device):
            tokens, latents = model.actions(inputs, times)
            logits = model.next_codes(tokens, inputs, times, latents)
        loss = code_loss(logits, codes[:, 1:]).mean()
        if model.motion_decoder is None or matching is None:
            return loss, {}
        assert inputs.matches is not None
        decoded = model.motion_decoder(latents.float(), gaps(times)[:, 1:].to(latents.device))
        missed = motion_loss(decoded, inputs.matches[:, 1:], matching)
        return loss + training.motion_weight * missed, {"ce": float(loss.detach()), "motion": float(missed.detach())}

    def evaluate() -> dict[str, Any]:
        chosen = np.arange(min(training.evaluate_clips, len(held_out)))
        latents, figures = collect(model, held_out, chosen)
        figures |= latent_quality(latents, held_out.poses[chosen], held_out.times[chosen])
        save_checkpoint(
            model, out, {**record, "pretrain": {**dataclasses.asdict(training), "step": run.step, **figures}}
        )
        return figures

    schedule = Schedule(training.rate, training.steps)
    run.loop(parts, optimizer, schedule, step, evaluate, training.evaluate_every)
